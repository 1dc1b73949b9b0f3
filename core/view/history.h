/* history - what the last hour was like: messages a minute, and the last errors. Counters are counted anyway; once a second
 * somebody calls history_tick, which looks whether a minute is over. Nothing here is on the way of a message that is well. */
#ifndef CORE_VIEW_HISTORY_H
#define CORE_VIEW_HISTORY_H

#include "core/schedule/schedule.h"

#define HISTORY_MINUTES 60
#define HISTORY_EVENTS 8
#define HISTORY_COLUMNS 4              /* accepted, sent, deferred, bounced: in that order everywhere */

struct history {
	uint64_t base[HISTORY_COLUMNS];        /* the counters when the minute began */
	uint32_t minutes[HISTORY_MINUTES][HISTORY_COLUMNS];
	unsigned n;                            /* minutes that are over; minute i stands at i % HISTORY_MINUTES */
	usec next;                             /* mono: this minute is over then */
	struct history_ring {
		struct history_event {
			usec at;               /* wall; 0: none yet */
			uint64_t id;           /* of the queue; 0: none */
			bool final;
			char rcpt[200], relay[100], text[300]; /* cut */
		} v[HISTORY_EVENTS];
		unsigned n;                    /* ever; event i stands at i % HISTORY_EVENTS */
	} errors;
	struct history_ring *sent, *refused;   /* kept where there is a page for them; NULL: none yet */
};
/* history_tick - now: the counters */
void history_tick(struct history *h, usec mono, const uint64_t now[HISTORY_COLUMNS]);
/* history_deliveries - count the results of a try into sent, deferred and bounced, and remember what went wrong */
void history_deliveries(struct history *h, usec wall, const struct delivery *d, uint64_t counts[HISTORY_COLUMNS]);
/* history_sent - remember the last that was delivered of a try */
void history_sent(struct history *h, usec wall, const struct delivery *d);
/* history_refused - remember what a client was refused; all are views but the text */
void history_refused(struct history *h, usec wall, struct str rcpt, const char *client, const char *text);

#endif
