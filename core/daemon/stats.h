/* stats - what the daemon has done and is doing, as rows that relayctl shows (stats_view.h).
 *
 * TAB stands between cells; nothing in a cell is a control character. Figures and minutes are numbers, times microseconds.
 *   figure KEY LABEL VALUE                                 KEY_total only grows
 *   destination TRANSPORT NEXTHOP WAITING IN_FLIGHT LIMIT DEAD WHY   DEAD 0 or 1
 *   minute ACCEPTED SENT DEFERRED BOUNCED                  oldest first; the last one is not over
 *   error AT QUEUE_ID FINAL RECIPIENT RELAY TEXT           a failed try, newest first; FINAL 0 or 1 */
#ifndef CORE_DAEMON_STATS_H
#define CORE_DAEMON_STATS_H

#include "core/daemon/busiest.h"
#include "core/daemon/relay.h"

enum { STATS_FIGURES = 40 };           /* at most */
struct figure {
	const char *names;             /* KEY, a tab, LABEL */
	uint64_t value;
};
/* stats_figures - the figures by themselves; how many */
size_t stats_figures(struct relay *r, struct figure out[STATS_FIGURES]);
/* stats_rows - all but the destinations, which may be many */
void stats_rows(struct relay *r, struct buf *out);
/* stats_destination - the next of them; false: that was the last. *cursor begins at 0 */
bool stats_destination(struct relay *r, size_t *cursor, struct buf *out);
/* stats_page_rows - the same for the status page: of destinations those of b; and, as errors are, the last deliveries (sent) and the last
 * refusals of clients' commands (refused; RELAY is the client) */
void stats_page_rows(struct relay *r, const struct busiest *b, struct buf *out);

#endif
