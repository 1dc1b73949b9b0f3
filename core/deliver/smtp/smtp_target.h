/* smtp_target - one server at one address, and the addresses that just failed. */
#ifndef CORE_DELIVER_SMTP_SMTP_TARGET_H
#define CORE_DELIVER_SMTP_SMTP_TARGET_H

#include "core/base/ipaddr.h"
#include "core/base/limits.h"
#include "core/net/conn.h"

struct deliver;
struct smtp_profile;

struct smtp_target {
	char host[256];                /* as it is called in logs and certificates */
	struct ipaddr address;         /* AF_UNSPEC: a unix socket, whose path is `path` */
	uint16_t port;
	unsigned rank;                 /* 0 is best: place of its next hop, then MX preference */
	char path[108];
	char site[LIMIT_CLIENT_SITE];      /* the next hop as written: key of policy and password tables */
	bool explicit;                 /* somebody wrote this next hop down: its failure is a configuration problem */
	bool mirror;                   /* found by its own name at port 25: it must not be ourselves */
	bool fallback;                 /* from smtp_fallback_relay */
};
/* Equal addresses take turns, exactly, over all deliveries to one destination. One that was asked and says nothing misses its turn:
 * while it may yet fail, others need not wait for that too. */
struct smtp_turn {
	struct ipaddr last;            /* the one that was chosen last */
	struct ipaddr asked;           /* one that was chosen and is not there yet */
	usec asked_at;                 /* mono; 0: none */
};

/* smtp_has_no_way - an errno of connect(2) that is about this machine and its networks */
bool smtp_has_no_way(int error);
void smtp_target_where(const struct smtp_target *t, char out[300]);    /* "host[ip]:port" */
void smtp_target_said(const struct smtp_target *t, char out[300]);     /* "host[ip]" */
/* smtp_target_connect - from the address that the profile binds to; NULL with errno when no socket can be made */
struct conn *smtp_target_connect(const struct smtp_target *t, struct loop *loop, const struct smtp_profile *p, conn_fn fn, void *ctx);
enum { SMTP_IN_MAX = 64 * 1024, SMTP_OUT_MAX = 1024 * 1024 };

/* addresses that just failed; unix sockets have none. took: the longer the failure, the longer it is not repeated */
bool smtp_dead_is(struct deliver *d, const struct ipaddr *address, uint16_t port);
void smtp_dead_mark(struct deliver *d, const struct smtp_target *x, usec took);
void smtp_dead_forget(struct deliver *d, const struct smtp_target *x);
void smtp_dead_forget_all(struct deliver *d);

#endif
