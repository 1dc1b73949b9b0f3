/* sandbox_ports - the TCP ports that a configuration needs, where they can be told before the first mail. */
#include <string.h>

#include "core/base/landlock.h"
#include "core/conf/conf_log.h"
#include "core/daemon/sandbox.h"
#include "core/net/fetch.h"
#include "core/route/route.h"

/* who chooses next hops by itself, or may hold who does: then any port may be needed */
static const char *const choosing[] = {
	"transport_maps", "sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps", "header_checks", "body_checks",
	"smtpd_restriction_classes",
};
/* an access table may send mail to another transport (FILTER) */
static const char *const restricting[] = {
	"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions", "smtpd_relay_restrictions",
	"smtpd_recipient_restrictions", "smtpd_data_restrictions", "smtpd_end_of_data_restrictions",
};
/* whose values name next hops, with a transport before them or without */
static const char *const naming[] = {
	"relayhost", "smtp_fallback_relay", "fallback_relay", "default_transport", "relay_transport", "local_transport", "mailbox_transport",
	"drain_relay",
};
/* SMTP, its relatives, LMTP; DNS; token endpoints */
static const uint16_t usual[] = { 25, 465, 587, 2525, 24, 53, 443 };

static void add(struct sandbox_ports *p, uint16_t port)
{
	for (size_t i = 0; i < p->n && i < LIMIT_SANDBOX_PORTS; i++)
		if (p->v[i] == port)
			return;
	if (p->n < LIMIT_SANDBOX_PORTS)
		p->v[p->n] = port;
	if (p->n <= LIMIT_SANDBOX_PORTS)
		p->n++;
}

void sandbox_ports_bound(const struct settings *s, struct sandbox_ports *out)
{
	out->n = 0;
	/* a free one: where connections of ours begin */
	add(out, 0);
	for (size_t i = 0; i < s->n_services; i++)
		add(out, s->services[i].port);
}

static void add_hops(struct sandbox_ports *p, const char *value)
{
	struct str rest = str_of(value ? value : ""), word;
	struct nexthop hop;
	struct buf why;

	buf_init(&why, 400);
	while (str_word(&rest, ", \t\r\n", &word)) {
		/* "[host]:port", and the same behind "transport:" */
		for (ptrdiff_t colon = -1; ; colon = str_chr(word, ':')) {
			if (colon >= 0)
				word = str_from(word, (size_t)colon + 1);
			if (nexthop_parse(word, 25, &hop, &why) && !hop.unix_path)
				add(p, hop.port);
			if (colon >= 0 || str_chr(word, ':') < 0)
				break;
		}
	}
	buf_fini(&why);
}

static bool has_table(const struct conf *c)
{
	for (size_t i = 0; i < sizeof(choosing) / sizeof(choosing[0]); i++) {
		const char *value = conf_get(c, choosing[i]);

		if (value && *value)
			return true;
	}
	for (size_t i = 0; i < sizeof(restricting) / sizeof(restricting[0]); i++) {
		const char *value = conf_get(c, restricting[i]);

		if (value && strstr(value, "check_"))
			return true;
	}
	return false;
}

static void add_conf(struct sandbox_ports *p, const struct conf *c)
{
	struct buf why;

	buf_init(&why, 200);
	add(p, nexthop_port(str_of(c->smtp_tcp_port), &why));
	buf_fini(&why);
	for (size_t i = 0; i < sizeof(naming) / sizeof(naming[0]); i++)
		add_hops(p, conf_get(c, naming[i]));
}

static void add_port(void *ctx, uint16_t port)
{
	add(ctx, port);
}

static void add_log_server(void *ctx, const struct log_place *p)
{
	if (p->tcp)
		add(ctx, p->port);
}

void sandbox_ports_called(const struct settings *s, struct sandbox_ports *out)
{
	bool any = has_table(s->conf);

	out->n = 0;
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		add(out, usual[i]);
	/* policies and reports go through the proxy that stands between us and web servers */
	add(out, fetch_port(STR_EMPTY, FETCH_HTTPS));
	add_conf(out, s->conf);
	conf_log_each(s->conf, add_log_server, out);
	for (size_t i = 0; i < s->master.n_transports; i++)
		add_conf(out, s->master.transports[i].conf);
	for (size_t i = 0; i < s->master.n_listeners; i++)
		any |= has_table(s->master.listeners[i].conf);
	for (size_t i = 0; i < s->n_services; i++)
		if (s->services[i].auth && auth_port(s->services[i].auth))
			add(out, auth_port(s->services[i].auth));
	if (s->profiles)
		deliver_profiles_ports(s->profiles, add_port, out);
	if (any)
		out->n = LIMIT_SANDBOX_PORTS + 1;
}

static bool includes(const struct sandbox_ports *all, const struct sandbox_ports *some)
{
	for (size_t i = 0; i < some->n && some->n <= LIMIT_SANDBOX_PORTS; i++) {
		size_t k = 0;

		while (k < all->n && all->v[k] != some->v[i])
			k++;
		if (k == all->n)
			return false;
	}
	return true;
}

bool sandbox_fits(const struct sandbox *x, const struct settings *next)
{
	struct sandbox_ports p;

	sandbox_ports_bound(next, &p);
	if (x->tcp & LANDLOCK_TCP_BIND && !includes(&x->bound, &p))
		return false;
	sandbox_ports_called(next, &p);
	return !(x->tcp & LANDLOCK_TCP_CONNECT) || (p.n <= LIMIT_SANDBOX_PORTS && includes(&x->called, &p));
}
