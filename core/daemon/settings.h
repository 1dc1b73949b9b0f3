/* settings - one generation of configuration, opened and checked: main.cf, master.cf, maps, restriction lists and
 * certificates, as the daemon uses them. A reload loads a new generation beside the old one; sessions and deliveries
 * that began with the old one keep it until they end, so nothing is pulled from under them. */
#ifndef CORE_DAEMON_SETTINGS_H
#define CORE_DAEMON_SETTINGS_H

#include "core/access/access.h"
#include "core/access/header_clients.h"
#include "core/auth/auth.h"
#include "core/cleanup/checks.h"
#include "core/daemon/reads.h"
#include "core/deliver/deliver.h"
#include "core/net/tls.h"
#include "core/smtp/server.h"

/* how busy a service is, over all generations of it */
struct service_load {
	unsigned refs;
	int64_t sessions;
	struct list waiting;               /* accepted, without a session yet (admission.c) */
	size_t n_waiting;
	bool stress;                       /* under overload: service_conf is the other one */
	usec full_at, warned;              /* mono: a client found no place; that was told. 0: never */
};
/* errors of a session that notify_classes may name; bits */
enum report_class { REPORT_PROTOCOL = 1, REPORT_POLICY = 2, REPORT_RESOURCE = 4, REPORT_SOFTWARE = 8, REPORT_DATA = 16 };
/* what mail that comes in goes through */
struct incoming {
	const char *name;                  /* cleanup_service_name */
	const struct conf *conf;
	struct checks *checks;             /* of its content; NULL: none */
};
/* what one listener serves */
struct service {
	const struct conf *conf;           /* with the listener's -o overrides */
	struct conf *stressed;             /* the same with stress=yes */
	const char *name;                  /* of its line in master.cf; "http" */
	const char *host;                  /* "" = inet_interfaces */
	uint16_t port;                     /* 0: the submit socket */
	struct settings *settings;         /* its generation */
	struct access_rules *rules;        /* NULL: the submit socket, where the uid decides */
	struct header_clients *header_clients; /* local_header_rewrite_clients */
	int64_t max_sessions;              /* at the same time (maxproc of master.cf); 0: no limit of its own */
	struct service_load *load;
	struct tls_context *tls;           /* NULL: no TLS */
	struct auth *auth;                 /* NULL: nobody logs in */
	struct match *auth_exceptions;     /* clients that are not offered to */
	bool tls_wrapper, proxy;
	bool asks_cert, requires_cert;     /* of clients under TLS */
	const struct incoming *incoming;
	unsigned reports;                  /* enum report_class: of which errors the postmaster is told */
	bool unchecked, unmapped;          /* receive_override_options: no_header_body_checks, no_address_mappings */
	bool stays_out;                    /* it demands TLS and has no certificate: never opened */
	bool http;                         /* health checks, no mail */
	struct match *flush_domains;       /* of ETRN */
	struct match *proxy_networks;      /* who may send a PROXY header */
	struct match *limit_exceptions;    /* clients without connection limits */
	struct match *mynetworks;          /* clients that have places of their own */
	struct smtp_server_options smtp;
};
struct settings {
	struct list link;                  /* relay's list of generations */
	usec over;                         /* mono: when a newer one came into force */
	unsigned n_users;                  /* explanations and messages on their way in, which may outlive their sessions */
	struct reads reads;                /* the files that it was made of */
	struct conf *conf;
	struct master master;
	struct router *router;
	struct deliver_profiles *profiles; /* of the transports */
	struct bounce_templates *templates; /* words of notices */
	struct incoming *incoming;         /* what mail that comes in goes through: main.cf's, then one for each line of cleanup */
	size_t n_incoming;
	struct service *services;          /* one per listener that can serve, then http_listen's */
	size_t n_services;
	bool certificate_unusable;         /* one that was named: a warning where TLS is only offered, but no progress for a reload */
	struct service submit;             /* the unix submit socket */
};
/* service_conf - what counts now: some values are others under stress */
static inline const struct conf *service_conf(const struct service *v) { return v->load->stress ? v->stressed : v->conf; }
/* service_is_own - is this one of mynetworks? */
static inline bool service_is_own(const struct service *v, const struct ipaddr *a)
{
	return v->mynetworks && match_address(v->mynetworks, a) == MAP_FOUND;
}
/* service_prefix - bits of an address that tell one client from another */
static inline unsigned service_prefix(const struct service *v, const struct ipaddr *a)
{
	return (unsigned)(a->family == AF_INET6 ? v->conf->smtpd_client_ipv6_prefix_length : v->conf->smtpd_client_ipv4_prefix_length);
}
/* settings_load - NULL when diag has errors, which takes advice from now on. directory and extra as conf_load */
struct settings *settings_load(const char *directory, const char *const *extra, struct conf_diag *diag);
void settings_free(struct settings *s);
void settings_lint(const struct settings *s, struct conf_diag *diag);  /* warnings of what nobody should want (lints.c) */
/* settings_succeed - s comes into force after `before`: sessions of the same listener count for its limit */
void settings_succeed(struct settings *s, const struct settings *before);
/* settings_refresh - tables that changed are read again; once a second */
void settings_refresh(struct settings *s, usec now_mono);

#endif
