/* smtp_pool - sessions that wait for the next delivery of their destination. */
#ifndef CORE_DELIVER_SMTP_SMTP_POOL_H
#define CORE_DELIVER_SMTP_SMTP_POOL_H

#include "core/deliver/smtp/smtp_session.h"

struct smtp_dest {
	struct deliver *d;
	unsigned owners;               /* destinations that point here; 0: idle sessions are still kept for a moment */
	char *key;
	struct list idle;              /* struct smtp_session.idle, newest first */
	unsigned tries;
	unsigned open;                 /* connections, whatever they do */
	struct list parked;            /* struct smtp_park.link: wait for one of them to end */
	struct smtp_turn turn;
	usec primary_retry_at;         /* mono: until then a backup session may be used although better hosts exist */
};
/* somebody who waits for a connection of his destination to end */
struct smtp_park {
	struct list link;
	void (*go)(struct smtp_park *x);       /* there is room; taken out of the list already */
};
struct smtp_dest *smtp_dest_get(struct deliver *d, struct dest *dest);
void smtp_dest_release(struct smtp_dest *x);           /* frees it when nothing is left */
void smtp_dest_free_all(struct deliver *d);
/* smtp_dest_closed - one connection of x has ended: whoever waited for it goes on */
void smtp_dest_closed(struct smtp_dest *x);
struct smtp_session *smtp_pool_take(struct smtp_dest *x, const struct smtp_profile *p, const struct delivery *job);
bool smtp_pool_wants(const struct smtp_session *s);    /* s may serve another delivery after this one */
void smtp_pool_add(struct smtp_session *s);            /* s is between transactions: keep it, or say QUIT */
void smtp_pool_left(struct smtp_session *s);           /* s leaves the idle list */
void smtp_pool_close_idle(struct deliver *d);
void smtp_pool_make_room(struct smtp_dest *x);         /* one idle session less */

#endif
