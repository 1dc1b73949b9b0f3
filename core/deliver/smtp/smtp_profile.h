/* smtp_profile - one transport's settings, read once per configuration. Counted: a reload brings new ones while sessions of the
 * old one finish. */
#ifndef CORE_DELIVER_SMTP_SMTP_PROFILE_H
#define CORE_DELIVER_SMTP_SMTP_PROFILE_H

#include "core/cleanup/checks.h"
#include "core/deliver/deliver.h"
#include "core/dkim/keys.h"
#include "core/map/map.h"
#include "core/smtp/client.h"

struct smtp_profile {
	struct list link;
	unsigned refs;
	const struct master_transport *transport;
	const struct conf *conf;
	bool lmtp;
	uint16_t port;                 /* of next hops that name none */
	int families;                  /* 1 IPv4, 2 IPv6, 3 both */
	bool use_mx;
	bool cache;                    /* keep sessions between deliveries */
	bool broken;                   /* a table or certificate could not be opened: everything is deferred */
	struct tls_context *web;       /* who is trusted to say what MTA-STS policies are; NULL: nobody asks */
	struct maps tls_policy, sasl;
	uint16_t token_ports[LIMIT_OAUTH_PORTS];
	size_t n_token_ports;
	struct checks *checks;         /* of content that is sent; NULL: none */
	struct dkim_keys *dkim;        /* that sign what is sent; NULL: nobody does */
	struct address_maps generic;   /* smtp_generic_maps */
	bool generic_extension;        /* … whose results keep an extension */
	unsigned sasl_forbidden, sasl_forbidden_tls;
	struct smtp_tls_slot { char *protocols; bool web; struct tls_context *context; } *tls;
	size_t n_tls;
	struct smtp_saved {            /* TLS sessions to resume; LIMIT_CLIENT_TLS_SAVED of them, or NULL */
		uint8_t id[32];
		struct tls_saved *session;
		usec until;            /* mono */
	} *saved;
	unsigned next_saved;
	struct smtp_client_options client;
	usec timeout[SMTP_PHASES];
	struct ipaddr bind4, bind6;
};
/* smtp_profile_new - with one reference. What is wrong goes to diag and makes it broken; never NULL */
struct smtp_profile *smtp_profile_new(const struct master_transport *t, struct conf_diag *diag);
struct smtp_profile *smtp_profile_find(struct deliver *d, const struct master_transport *t); /* counted */
bool smtp_profile_is(const struct master_transport *t);        /* of smtp or lmtp, so that it has one */
void smtp_profile_unref(struct smtp_profile *p);
/* smtp_profile_split_login - "user:password" of a table, at the first smtp_sasl_password_result_delimiter; views of value */
void smtp_profile_split_login(const struct smtp_profile *p, struct str value, struct str *user, struct str *password);
struct tls_context *smtp_profile_web(struct deliver *d);        /* the authorities of the web, of a profile that has them; NULL: none does */
void smtp_profile_refresh_all(struct deliver *d);      /* tables that changed; at most once a second */

/* smtp_profile_service - as the log calls it */
static inline const char *smtp_profile_service(const struct smtp_profile *p)
{
	return p->lmtp ? "lmtp" : "smtp";
}

#endif
