/* ask - one question to the tables of a parameter, and the forms of an address that are asked for. */
#include <stdio.h>

#include "core/base/log.h"
#include "core/route/router.h"

bool route_base(const struct router *r, struct arena *a, struct str address, struct str *out)
{
	struct addr x = addr_split(address);
	const char *delimiters = r->conf->recipient_delimiter;

	if (!*delimiters || str_ieq(x.local, STR("mailer-daemon")) || str_ieq(x.local, STR("double-bounce")) ||
	    (r->conf->owner_request_special && (str_istarts(x.local, STR("owner-")) || str_iends(x.local, STR("-request")))))
		return false;
	for (size_t i = 1; i < x.local.n; i++) {
		if (!strchr(delimiters, x.local.p[i]))
			continue;
		*out = x.domain.n ? arena_printf(a, "%.*s@%.*s", (int)i, x.local.p, STR_ARG(x.domain)) :
			str_head(x.local, i);
		return true;
	}
	return false;
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
