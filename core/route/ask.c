/* ask - one question to the tables of a parameter, and the forms of an address that are asked for. */
#include <stdio.h>

#include "core/base/log.h"
#include "core/route/router.h"

struct str route_local_base(const struct conf *c, struct str name)
{
	const char *delimiters = c->recipient_delimiter;

	if (str_ieq(name, STR("mailer-daemon")) || str_ieq(name, str_of(c->double_bounce_sender)) ||
	    (strchr(delimiters, '-') && c->owner_request_special && (str_istarts(name, STR("owner-")) || str_iends(name, STR("-request")))))
		return name;
	for (size_t i = 1; i < name.n; i++)
		if (strchr(delimiters, name.p[i]))
			return str_head(name, i);
	return name;
}

bool route_base(const struct router *r, struct arena *a, struct str address, struct str *out)
{
	struct addr x = addr_split(address);
	struct str base = route_local_base(r->conf, x.local);

	if (base.n == x.local.n)
		return false;
	*out = x.domain.n ? arena_printf(a, "%.*s@%.*s", STR_ARG(base), STR_ARG(x.domain)) : base;
	return true;
}

/* --- asking tables ---------------------------------------------------------------------------------------------- */

static enum map_answer ask_table(struct route_ask *q, const char *parameter, struct map *m, struct str key, struct buf *out)
{
	enum map_answer got = map_find(m, key, out);

	if (got == MAP_ERROR) {
		log_warn("trivial-rewrite", "%s: %s lookup error for \"%.*s\"", parameter, map_spec(m), STR_ARG(key));
		if (!q->failed[0])
			snprintf(q->failed, sizeof(q->failed), "%s: %s", parameter, map_spec(m));
	}
	if (q->trace)
		map_tell(q->trace, parameter, m, key, got, out);
	return got;
}

enum map_answer route_ask(struct route_ask *q, const char *parameter, const struct maps *maps, struct str key, bool partial,
	struct str *value)
{
	enum map_answer got = MAP_NONE;
	struct buf out;

	if (!key.n)
		return MAP_NONE;
	buf_init(&out, LIMIT_MAP_VALUE);
	for (size_t i = 0; i < maps->n && got == MAP_NONE; i++) {
		if (partial && map_is_whole(maps->v[i]))
			continue;
		got = ask_table(q, parameter, maps->v[i], key, &out);
	}
	if (got == MAP_FOUND)
		*value = arena_str(q->arena, str_trim(buf_view(&out)));
	buf_fini(&out);
	return got;
}
