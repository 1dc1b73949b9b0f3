/* smtp_hosts - one next hop made into addresses, in the order to try them. */
#ifndef CORE_DELIVER_SMTP_SMTP_HOSTS_H
#define CORE_DELIVER_SMTP_SMTP_HOSTS_H

#include "core/base/ipaddr.h"
#include "core/msg/reply.h"

struct deliver;
struct smtp_profile;

struct smtp_candidate { struct ipaddr address; char host[256]; unsigned preference; };
struct smtp_hosts;
struct smtp_hosts_result {
	struct smtp_candidate *v;
	size_t n;
	bool we_are_mx;                /* our own address was among the MX hosts: fallback relays must not be used */
	struct reply failed;           /* code != 0: n == 0; 4xx or 5xx, in Postfix's words */
};
typedef void (*smtp_hosts_fn)(void *ctx, const struct smtp_hosts_result *r);
/* smtp_hosts_find - fn is called once, never from inside; then the object is gone. use_mx: look for MX records first */
struct smtp_hosts *smtp_hosts_find(struct deliver *d, const struct smtp_profile *p, struct str host, bool use_mx,
	bool check_loop, smtp_hosts_fn fn, void *ctx);
void smtp_hosts_cancel(struct smtp_hosts *h);

#endif
