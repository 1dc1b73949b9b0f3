/* route - the decision for one recipient, in Postfix's order (docs/postfix-semantics.md): class, the class's transport,
 * relayhost, what a transport:nexthop in main.cf says, transport_maps over all of it. A table that cannot be read
 * defers the recipient; so does a transport that does not exist. */
#include "core/route/router.h"

#include <stdio.h>

#include "core/base/log.h"

/* --- the decision ----------------------------------------------------------------------------------------------- */

struct decision {
	struct router *r;
	struct route_ask q;
	struct str rcpt, sender, domain;
	struct str transport, nexthop;
	struct route *out;
};

static bool fail(struct decision *d, int code, const char *enhanced, const char *text)
{
	reply_set(&d->out->failed, code, enhanced, "%s", text);
	return false;
}

static bool fail_lookup(struct decision *d, const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), "address resolver failure: %s lookup error", d->q.failed[0] ? d->q.failed : what);
	return fail(d, 451, "4.3.0", text);
}

static bool says_nothing(struct str value)
{
	return !value.n || str_ieq(value, STR("DUNNO"));
}

/* set - the value of a parameter counts, and where it is written */
static void set(struct decision *d, const char *name, struct str value)
{
	if (d->q.trace)
		ROW_ADD(d->q.trace, "setting", str_of(name), value, str_of(conf_where(d->r->conf, name)));
}

/* "transport:nexthop" of main.cf: a nexthop there wins over relayhost */
static void take_default(struct decision *d, const char *name, struct str value)
{
	struct str transport, nexthop;

	transport_split(value, &transport, &nexthop);
	d->transport = transport;
	if (nexthop.n)
		d->nexthop = nexthop;
	set(d, name, value);
}

/* ask_sender - a table of senders, in which the empty one has a key of its own */
static enum map_answer ask_sender(struct decision *d, const struct address_maps *m, const char *empty_key, struct str *value)
{
	if (!d->sender.n)
		return route_ask(&d->q, m->parameter, &m->maps, str_of(empty_key), false, value);
	return address_ask(d->r, &d->q, m, d->sender, value, NULL);
}

static bool take_relayhost(struct decision *d)
{
	const struct conf *c = d->r->conf;
	struct str value = STR_EMPTY;
	enum map_answer got = ask_sender(d, &d->r->priv->sender_relayhosts, c->empty_address_relayhost_maps_lookup_key, &value);

	if (got == MAP_ERROR)
		return fail_lookup(d, "sender_dependent_relayhost_maps");
	if (got == MAP_FOUND && !says_nothing(value)) {
		d->nexthop = value;
	} else if (*c->relayhost) {
		d->nexthop = str_of(c->relayhost);
		set(d, "relayhost", d->nexthop);
	}
	return true;
}

static bool take_sender_transport(struct decision *d)
{
	const struct conf *c = d->r->conf;
	struct str value = STR_EMPTY;
	enum map_answer got = ask_sender(d, &d->r->priv->sender_transports, c->empty_address_default_transport_maps_lookup_key, &value);

	if (got == MAP_ERROR)
		return fail_lookup(d, "sender_dependent_default_transport_maps");
	if (got == MAP_FOUND && !says_nothing(value))
		take_default(d, "sender_dependent_default_transport_maps", value);
	else
		take_default(d, "default_transport", str_of(c->default_transport));
	return true;
}

static bool take_class(struct decision *d)
{
	static const char *const words[] = { "local", "virtual alias", "virtual mailbox", "relay", "default" };
	const struct conf *c = d->r->conf;
	enum map_answer answer = MAP_NONE;

	d->out->class = route_class_of(d->r, d->domain, &answer);
	if (answer == MAP_ERROR)
		return fail_lookup(d, "mydestination, virtual_alias_domains or relay_domains");
	ROW_ADD(d->q.trace, "class", d->domain, str_of(words[d->out->class]));
	d->nexthop = d->domain;
	if (d->out->class == ROUTE_LOCAL) {
		take_default(d, "local_transport", str_of(c->local_transport));
		return true;
	}
	if (d->out->class == ROUTE_VIRTUAL_ALIAS) {
		take_default(d, "virtual_alias_domains", STR("error:5.1.1 User unknown in virtual alias table"));
		return true;
	}
	if (!take_relayhost(d))
		return false;
	if (d->out->class != ROUTE_RELAY)
		return take_sender_transport(d);
	take_default(d, "relay_transport", str_of(c->relay_transport));
	return true;
}

/* an entry with a transport starts afresh: its empty nexthop is the recipient's domain, relayhost is bypassed */
static bool take_transport_maps(struct decision *d)
{
	struct str entry = STR_EMPTY, transport, nexthop;
	enum map_answer got = transport_ask(d->r, &d->q, d->rcpt, &entry);

	if (got == MAP_ERROR)
		return fail_lookup(d, "transport_maps");
	if (got == MAP_NONE || says_nothing(entry))
		return true;
	transport_split(entry, &transport, &nexthop);
	if (transport.n) {
		d->transport = transport;
		d->nexthop = d->domain;
	}
	if (nexthop.n)
		d->nexthop = nexthop;
	return true;
}

/* whoever has moved gets no mail here, of whatever class */
static bool take_relocated(struct decision *d)
{
	struct str where = STR_EMPTY;
	enum map_answer got = address_ask(d->r, &d->q, &d->r->rewriting.relocated, d->rcpt, &where, NULL);

	if (got == MAP_ERROR)
		return fail_lookup(d, "relocated_maps");
	if (got == MAP_FOUND) {
		d->transport = STR("error");
		d->nexthop = arena_printf(d->q.arena, "5.1.6 User has moved to %.*s", STR_ARG(where));
	}
	return true;
}

static bool take_transport(struct decision *d)
{
	char text[200];

	d->out->transport = master_find_transport(d->r->master, d->transport);
	if (!d->out->transport) {
		snprintf(text, sizeof(text), "mail transport unavailable: no transport \"%.*s\" in master.cf", STR_ARG(d->transport));
		return fail(d, 451, "4.3.5", text);
	}
	if (d->out->transport->program == MASTER_LOCAL)
		d->nexthop = STR_EMPTY;
	if (master_programs[d->out->transport->program].answers && d->out->transport->program != MASTER_DISCARD && str_eq(d->nexthop, d->domain))
		d->nexthop = STR_EMPTY;
	d->out->nexthop = arena_str(d->q.arena, d->nexthop);
	if (d->out->transport->program == MASTER_SMTP && *d->r->conf->smtp_fallback_relay)
		set(d, "smtp_fallback_relay", str_of(d->r->conf->smtp_fallback_relay));
	return true;
}

/* take_mailbox - somebody else than local has the mailbox */
static bool take_mailbox(struct decision *d)
{
	struct str to;

	switch (mailbox_route(d->r, &d->q, d->rcpt, &to)) {
	case MAP_NONE:
		return false;
	case MAP_ERROR:
		return fail_lookup(d, "mailbox_transport");
	case MAP_FOUND:
		break;
	}
	transport_split(to, &d->transport, &d->nexthop);
	if (!d->nexthop.n)
		d->nexthop = d->domain;
	return true;
}

/* may_be_address - most domains can be told from addresses at their end: none ends in a digit, or has a colon */
static bool may_be_address(struct str domain)
{
	return domain.n && domain.p[0] != '[' && (ascii_is_digit(domain.p[domain.n - 1]) || str_chr(domain, ':') >= 0);
}

void route_resolve(struct router *r, struct arena *a, struct str sender, struct str rcpt, struct route *out, struct buf *trace)
{
	struct decision d = { .r = r, .q = { .arena = a, .trace = trace }, .sender = sender, .rcpt = rcpt, .out = out };
	struct ipaddr address;

	*out = (struct route){ .class = ROUTE_DEFAULT };
	if (!rcpt.n)
		d.rcpt = arena_printf(a, "MAILER-DAEMON@%s", r->conf->myhostname);
	else if (!addr_split(rcpt).domain.n)
		d.rcpt = arena_printf(a, "%.*s@%s", STR_ARG(rcpt), r->conf->myhostname);
	d.domain = arena_lower(a, addr_split(d.rcpt).domain);
	if (route_is_option(r->conf, d.rcpt)) {
		fail(&d, 553, "5.1.3", "bad address syntax: a recipient must not begin with -");
		return;
	}
	if (may_be_address(d.domain) && ipaddr_parse(d.domain, &address)) {
		fail(&d, 501, "5.1.3", "bad address syntax: an address of a host stands in brackets, as in user@[192.0.2.1]");
		return;
	}
	if (take_class(&d) && (out->class == ROUTE_VIRTUAL_ALIAS || take_transport_maps(&d)) && take_relocated(&d))
		if (take_transport(&d) && out->transport->program == MASTER_LOCAL && take_mailbox(&d))
			take_transport(&d);
}
