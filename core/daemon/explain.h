/* explain - what would happen to mail for an address, step by step and with the reason of each: rewriting, aliases, transport, next hops,
 * and, of a client, every word of every restriction list. Rows of core/base/row.h; core/view/explain_view.h shows them.
 *
 * It is the code that decides, asked with a trace: cleanup, route, deliver, and the lists of judge.h. What lists ask of DNS is asked;
 * nobody's server is asked whether an address is good. Nothing is counted, logged or kept. */
#ifndef CORE_DAEMON_EXPLAIN_H
#define CORE_DAEMON_EXPLAIN_H

#include "core/daemon/settings.h"
#include "core/net/dns.h"

struct explain_world {
	struct settings *settings;     /* stays while an explanation is under way: n_users */
	struct deliver *deliver;
	struct dns *name_dns, *judge_dns;
};
typedef void (*explain_fn)(void *ctx, struct str rows, const char *problem); /* problem NULL: all was told */
struct explanation;
/* explain_begin - request: "ADDR [from=S] [client=IP] [helo=H] [sasl=U] [port=N]". NULL: fn was called already; else it is called later,
 * once, unless it is cancelled */
struct explanation *explain_begin(const struct explain_world *w, struct str request, explain_fn fn, void *ctx);
void explain_cancel(struct explanation *x);
/* explain_alone - without relayd, by the files alone; 0, or -1 with why */
int explain_alone(const char *directory, struct str request, struct buf *rows, struct buf *why);

#endif
