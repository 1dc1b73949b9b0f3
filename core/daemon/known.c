/* known - see known.h. */
#include "core/daemon/known.h"

#include <string.h>

#include "core/deliver/deliver.h"
#include "core/route/listed.h"

/* say - "<address>: Recipient address rejected: why", with the enhanced code that says whose address it is */
static bool say(struct str who, bool sender, int code, const char *enhanced, const char *why, struct reply *no)
{
	reply_set(no, code, enhanced ? enhanced : sender ? code >= 500 ? "5.1.0" : "4.1.0" : code >= 500 ? "5.1.1" : "4.1.1",
		"<%.*s>: %s address rejected: %s", STR_ARG(who), sender ? "Sender" : "Recipient", why);
	return false;
}

static bool say_later(struct str who, struct reply *no)
{
	reply_set(no, 451, "4.3.0", "<%.*s>: Temporary lookup failure", STR_ARG(who));
	return false;
}

/* is_sent_back - the tables send this address to error or retry: say so here rather than in a notice later */
static bool is_sent_back(const struct known *k, struct str address, bool sender, struct reply *out)
{
	struct arena a;
	struct route to;
	struct reply r = { .code = 250 };

	arena_init(&a, LIMIT_SESSION_ARENA);
	route_resolve(k->router, &a, k->sender, address, &to, NULL);
	if (!to.failed.code && (to.transport->program == MASTER_ERROR || to.transport->program == MASTER_RETRY)) {
		simple_answer(to.transport, to.nexthop, &r);
		if (to.class == ROUTE_VIRTUAL_ALIAS)
			r.code = (int)k->conf->unknown_virtual_alias_reject_code;
		reply_fit(&r, sender ? REPLY_ABOUT_SENDER : REPLY_ABOUT_RECIPIENT);
		say(sender ? address : k->rcpt_given, sender, r.code, strcmp(r.enhanced + 1, ".0.0") ? r.enhanced : NULL, r.text, out);
	}
	arena_fini(&a);
	return r.code >= 400;
}

/* unknown - what a recipient of this class is not in, and how that is said */
static bool unknown(const struct known *k, enum route_class class, struct str who, bool sender, struct reply *no)
{
	const struct conf *c = k->conf;
	const struct { const char *why; int64_t code; } rows[] = {
		[ROUTE_LOCAL] = { "User unknown in local recipient table", c->unknown_local_recipient_reject_code },
		[ROUTE_VIRTUAL_ALIAS] = { "User unknown in virtual alias table", c->unknown_virtual_alias_reject_code },
		[ROUTE_RELAY] = { "User unknown in relay recipient table", c->unknown_relay_recipient_reject_code },
	};

	return say(who, sender, (int)rows[class].code, NULL, rows[class].why, no);
}

bool known_here(const struct known *k, struct str address, bool sender, struct reply *no)
{
	struct router *router = k->router;
	struct str who = sender ? address : k->rcpt_given;
	enum map_answer known;
	enum route_class class;

	if (!address.n)
		return true;
	known = rewriting_knows(router, address, sender);
	if (known != MAP_NONE)
		return known == MAP_FOUND || say_later(who, no);
	if (is_sent_back(k, address, sender, no))
		return false;
	known = route_lists(router, address, &class);
	if (known == MAP_NONE)
		return unknown(k, class, who, sender, no);
	return known == MAP_FOUND || say_later(who, no);
}
