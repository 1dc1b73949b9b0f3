/* window - how many deliveries to one destination at once: Postfix's arithmetic (SCHEDULER_README, "concurrency scheduling"),
 * and nothing else.
 *
 * It starts at initial_destination_concurrency, grows by the positive feedback per success while it is in use, shrinks by the
 * negative feedback per failure of the destination as a whole, and is never above the limit nor below one. When as many
 * deliveries in a row as it is wide have failed, times the cohort limit, the destination is dead. */
#ifndef CORE_SCHEDULE_WINDOW_H
#define CORE_SCHEDULE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feedback { double value; enum { PER_DELIVERY, PER_WINDOW, PER_SQRT } per; };
struct dest_window {
	int64_t size, limit, initial;  /* limit 0: none */
	int64_t cohort_limit;          /* 0: never dead */
	struct feedback grow, shrink;
	double success, failure, cohorts; /* what has gathered towards the next step */
};
/* feedback_parse - "0.5", "1/concurrency", "1/sqrt_concurrency" (postconf(5)); a number that is none, or above 1000, is 1 */
struct feedback feedback_parse(const char *text);
/* feedback_step - what one delivery adds or takes while the window has that size */
double feedback_step(const struct feedback *f, int64_t size);
void window_bound(struct dest_window *w, int64_t limit, int64_t initial); /* new bounds count at once; the first call sets the size */
void window_reset(struct dest_window *w);                      /* the destination is tried anew */
void window_succeeded(struct dest_window *w, size_t in_flight);
bool window_failed(struct dest_window *w);                     /* true: the destination is dead */

#endif
