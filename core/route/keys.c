/* keys - see keys.h. The rows are what people carry over from one kind of table to another. */
#include "core/route/keys.h"

#include "core/base/limits.h"
#include "core/map/match.h"

#define KEYS_TOLD 3                    /* of one table */

static bool begins_with_at(struct str key) { return key.n > 1 && key.p[0] == '@'; }
static bool begins_with_star(struct str key) { return key.n > 1 && key.p[0] == '*'; }
static bool begins_with_dot(struct str key) { return key.n > 1 && key.p[0] == '.'; }
static bool ends_with_at(struct str key) { return key.n > 1 && key.p[key.n - 1] == '@'; }
static bool ends_with_dot(struct str key) { return key.n > 1 && key.p[key.n - 1] == '.'; }

static bool is_network(struct str key)
{
	struct network net;
	struct buf why;
	bool is;

	buf_init(&why, 200);
	is = str_chr(key, '/') > 0 && network_parse(key, &net, &why);
	buf_fini(&why);
	return is;
}

static const struct fault {
	unsigned uses;
	bool (*is)(struct str key);
	const char *text;
} faults[] = {
	{ KEYS_TRANSPORT | KEYS_ACCESS, begins_with_at, "for a whole domain write it without the @" },
	{ KEYS_TRANSPORT, begins_with_star, "* is no wildcard: for the hosts below a domain write .domain" },
	{ KEYS_ACCESS, begins_with_star, "* is no wildcard: a domain has its own key" },
	{ KEYS_ADDRESS, begins_with_star, "* is no wildcard: for everybody at a domain write @domain" },
	{ KEYS_ADDRESS, begins_with_dot, "the hosts below a domain are not asked for together: write @host.domain for each" },
	{ KEYS_ADDRESS | KEYS_TRANSPORT, ends_with_at, "for a user of our own domains write it without the @" },
	{ KEYS_ADDRESS | KEYS_TRANSPORT, ends_with_dot, "names are asked for without the last dot" },
	{ KEYS_ACCESS, is_network, "networks belong into a cidr: table" },
};

const char *keys_fault(enum keys_use use, struct str key, bool parents)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (faults[i].uses & use && faults[i].is(key))
			return faults[i].text;
	return use == KEYS_ACCESS && parents && begins_with_dot(key) ? "smtpd_access_maps in parent_domain_matches_subdomains asks for it without the dot" : NULL;
}

struct walk { const char *parameter, *spec; enum keys_use use; bool parents; struct conf_diag *diag; size_t seen, told; };

static void tell(struct walk *w, struct str key, const char *what, const char *why)
{
	const char *colon = *w->parameter ? ": " : "";

	if (++w->told <= KEYS_TOLD)
		conf_diag_add(w->diag, CONF_WARNING, NULL, 0, "%s%s%s: the key \"%.*s\" %s: %s", w->parameter, colon, w->spec, STR_ARG(str_head(key, 100)), what, why);
	else
		conf_diag_add(w->diag, CONF_WARNING, NULL, 0, "%s%s%s: and more of this kind", w->parameter, colon, w->spec);
}

static int look(void *ctx, struct str key, struct str value)
{
	struct walk *w = ctx;
	const char *fault = keys_fault(w->use, key, w->parents);
	struct str action;

	if (fault)
		tell(w, key, "never matches", fault);
	else if (w->use == KEYS_ACCESS && str_word(&value, " \t", &action) && str_ieq(action, STR("FILTER")))
		tell(w, key, "holds mail", "FILTER is not done: route such mail to the filter with transport_maps or relayhost");
	return ++w->seen >= LIMIT_KEYS_LOOKED_AT || w->told > KEYS_TOLD;
}

void keys_advise(struct map *m, const char *parameter, enum keys_use use, const struct conf *c, struct conf_diag *diag)
{
	struct walk w = { .parameter = parameter ? parameter : "", .spec = map_spec(m), .use = use, .diag = diag };
	struct str rest = str_of(c->parent_domain_matches_subdomains), word;

	if (!diag->advice)
		return;
	while (str_word(&rest, ", \t\r\n", &word))
		w.parents = w.parents || str_eq(word, STR("smtpd_access_maps"));
	(void)map_each(m, look, &w);
}
