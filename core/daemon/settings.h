/* settings - one generation of configuration, opened and checked: main.cf, master.cf, maps, restriction lists and
 * certificates, as the daemon uses them. A reload loads a new generation beside the old one; sessions and deliveries
 * that began with the old one keep it until they end, so nothing is pulled from under them. */
#ifndef CORE_DAEMON_SETTINGS_H
#define CORE_DAEMON_SETTINGS_H

#include "core/access/access.h"
#include "core/daemon/reads.h"
#include "core/deliver/deliver.h"
#include "core/net/tls.h"
#include "core/smtp/server.h"

/* how busy a service is, over all generations of it */
struct service_load {
	unsigned refs;
	int64_t sessions;
	bool full;                         /* its listeners rest until a session ends */
	usec warned;                       /* mono; 0: never */
};
/* what one listener serves */
struct service {
	const struct conf *conf;           /* with the listener's -o overrides */
	const char *host;                  /* "" = inet_interfaces */
	uint16_t port;                     /* 0: the submit socket */
	const struct settings *settings;   /* its generation */
	struct access_rules *rules;        /* NULL: the submit socket, where the uid decides */
	int64_t max_sessions;              /* at the same time (maxproc of master.cf); 0: no limit of its own */
	struct service_load *load;
	struct tls_context *tls;           /* NULL: no TLS */
	bool tls_wrapper, proxy;
	bool stays_out;                    /* it demands TLS and has no certificate: never opened */
	bool http;                         /* health checks, no mail */
	struct match *proxy_networks;      /* who may send a PROXY header */
	struct match *limit_exceptions;    /* clients without connection limits */
	struct smtp_server_options smtp;
};
struct settings {
	struct list link;                  /* relay's list of generations */
	usec over;                         /* mono: when a newer one came into force */
	struct reads reads;                /* the files that it was made of */
	struct conf *conf;
	struct master master;
	struct router *router;
	struct deliver_profiles *profiles; /* of the transports */
	struct service *services;          /* one per listener that can serve, then http_listen's */
	size_t n_services;
	bool certificate_unusable;         /* one that was named: a warning where TLS is only offered, but no progress for a reload */
	struct service submit;             /* the unix submit socket */
};
/* settings_load - NULL when diag has errors. directory and extra as conf_load */
struct settings *settings_load(const char *directory, const char *const *extra, struct conf_diag *diag);
void settings_free(struct settings *s);
void settings_lint(const struct settings *s, struct conf_diag *diag);  /* warnings of what nobody should want (lints.c) */
/* settings_succeed - s comes into force after `before`: sessions of the same listener count for its limit */
void settings_succeed(struct settings *s, const struct settings *before);
/* settings_refresh - tables that changed are read again; once a second */
void settings_refresh(struct settings *s, usec now_mono);

#endif
