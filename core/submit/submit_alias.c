/* submit_alias - see submit_alias.h. */
#include "core/submit/submit_alias.h"

#include <stdio.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/cleanup/recipients.h"
#include "core/map/mapgen.h"
#include "core/map/match.h"
#include "core/map/words.h"
#include "core/route/route.h"

struct rcpts { struct rcpt *v; size_t n, room; };

/* type_of - how a table is read: a text that was never built is read as it is, without a word to whoever just sends a mail;
 * STR_EMPTY: it is not there */
static struct str type_of(struct str table)
{
	char path[4096];
	struct str type = str_head(table, (size_t)(str_chr(table, ':') < 0 ? 0 : str_chr(table, ':')));
	ptrdiff_t colon = str_chr(table, ':');
	struct str name = str_from(table, (size_t)(colon + 1));
	int n = snprintf(path, sizeof(path), "%.*s", STR_ARG(name));

	bool has_text = access(path, F_OK) == 0;

	if (!type.n || !name.n || (size_t)n + 5 > sizeof(path))
		return STR_EMPTY;
	if (name.p[0] != '/')
		return type;
	if (!mapgen_is_indexed(type))
		return has_text ? type : STR_EMPTY;
	snprintf(path + n, sizeof(path) - (size_t)n, ".cdb");
	return access(path, F_OK) == 0 ? type : has_text ? STR("texthash") : STR_EMPTY;
}

/* is_rewritten - does anything but aliases change recipients? */
static bool is_rewritten(const struct conf *c)
{
	return *c->virtual_alias_maps || *c->canonical_maps || *c->recipient_canonical_maps || *c->masquerade_domains || *c->always_bcc ||
		*c->sender_bcc_maps || *c->recipient_bcc_maps;
}

/* overlay - the configuration with those tables of alias_maps that are there; NULL: nothing changes recipients */
static struct conf *overlay(const struct conf *c, struct conf_diag *diag)
{
	const char *overrides[] = { NULL, "local_recipient_maps=", NULL };
	struct str rest = *c->mydestination ? str_of(c->alias_maps) : STR_EMPTY, word, type;
	struct conf *made = NULL;
	struct buf text;
	size_t n = 0;

	buf_init(&text, LIMIT_CONF_VALUE);
	buf_z(&text, "alias_maps=");
	while (words_next(&rest, &word) > 0) {
		type = type_of(word);
		if (!type.n)
			continue;
		buf_printf(&text, "%s%.*s%.*s", n++ ? " " : "", STR_ARG(type), STR_ARG(str_from(word, (size_t)str_chr(word, ':'))));
	}
	overrides[0] = buf_cstr(&text);
	if ((n || is_rewritten(c)) && !text.overflow)
		made = conf_overlay(c, overrides, NULL, 0, diag);
	buf_fini(&text);
	return made;
}

/* rewrite - what cleanup makes of recipients, before aliases are asked; -1: later */
static int rewrite(struct router *r, struct arena *a, struct envelope *e, struct buf *why)
{
	struct recipients_rules rules = { .router = r, .completes = true, .maps = true, .copies = true };
	struct arena scratch;
	struct reply failed;

	arena_init(&scratch, LIMIT_FORWARD_ARENA);
	recipients_become(&rules, a, &scratch, e, &failed);
	arena_fini(&scratch);
	if (failed.code)
		buf_z(why, failed.text);
	return failed.code ? -1 : 0;
}

static void add(struct rcpts *to, const struct rcpt *one)
{
	for (size_t i = 0; i < to->n; i++)
		if (str_ieq(to->v[i].addr, one->addr))
			return;
	if (to->n == to->room) {
		to->room = to->room ? 2 * to->room : 16;
		to->v = mem_array(to->v, to->room, sizeof(*to->v));
	}
	to->v[to->n++] = *one;
}

/* expand - one recipient; -1: later */
static int expand(struct router *r, struct arena *a, const struct rcpt *rcpt, struct rcpts *to)
{
	struct str full = rewrite_address(r, a, rcpt->addr, true), owner, local;
	struct addr parts = addr_split(full);
	enum map_answer answer = MAP_FOUND;
	struct alias_target *v;
	struct rcpt one = *rcpt;
	size_t n, before = to->n;

	if (route_class_of(r, parts.domain, &answer) != ROUTE_LOCAL || answer == MAP_ERROR) {
		add(to, rcpt);
		return answer == MAP_ERROR ? -1 : 0;
	}
	local = addr_unquote_local(a, parts.local);
	answer = alias_expand(r, a, arena_lower(a, local), &v, &n, &owner);
	if (answer == MAP_ERROR)
		return -1;
	for (size_t i = 0; answer == MAP_FOUND && i < n; i++)
		if (v[i].kind == ALIAS_ADDRESS || v[i].kind == ALIAS_USER) {
			one.addr = v[i].text;
			one.orig = rcpt->orig.n ? rcpt->orig : rcpt->addr;
			add(to, &one);
		}
	/* files and commands are for whoever delivers here: nobody does */
	if (to->n == before)
		add(to, rcpt);
	return 0;
}

static int expand_all(struct router *r, struct arena *a, struct envelope *e, struct buf *why)
{
	struct rcpts to = { .v = NULL };
	int code = 0;

	for (size_t i = 0; i < e->n_rcpts && code == 0; i++)
		code = expand(r, a, &e->rcpts[i], &to);
	if (code < 0) {
		buf_printf(why, "the aliases cannot be read now: %s", r->alias_why);
	} else {
		e->rcpts = ARENA_ARRAY(a, struct rcpt, to.n);
		if (!e->rcpts)
			buf_z(why, "too many recipients");
		else if (to.n)
			memcpy(e->rcpts, to.v, to.n * sizeof(*to.v));
		code = e->rcpts ? 0 : -1;
		e->n_rcpts = to.n;
	}
	mem_free(to.v);
	return code;
}

/* all_are_elsewhere - no recipient can have an alias here: the router, which is the larger part of a run, need not be asked. No is the
 * answer, too, to whatever rewriting or a table has its say about */
static bool all_are_elsewhere(const struct conf *c, const struct envelope *e)
{
	struct match *ours;
	struct buf why;
	bool all = true;

	buf_init(&why, LIMIT_MAP_VALUE);
	ours = match_open(MATCH_DOMAINS, c->mydestination, &why);
	buf_fini(&why);
	for (size_t i = 0; i < e->n_rcpts && ours && all; i++) {
		struct str domain = addr_split(e->rcpts[i].addr).domain;

		all = domain.n && domain.p[0] != '[' && domain.p[domain.n - 1] != '.' && str_chr(domain, '.') > 0 &&
			match_domain(ours, domain) == MAP_NONE;
	}
	match_close(ours);
	return all && ours;
}

int submit_alias(const struct conf *c, struct arena *a, struct envelope *e, struct buf *why)
{
	struct conf_diag diag;
	struct master master = { 0 };
	struct router *router = NULL;
	struct conf *with;
	int code = 0;

	if (!is_rewritten(c) && all_are_elsewhere(c, e))
		return 0;
	conf_diag_init(&diag);
	with = overlay(c, &diag);
	if (with && master_load(with, &master, &diag) == 0)
		router = router_new(with, &master, &diag);
	if (router && is_rewritten(c))
		code = rewrite(router, a, e, why);
	if (router && code == 0)
		code = expand_all(router, a, e, why);
	if (with && !router)
		buf_printf(why, "%s", diag.n ? diag.v[diag.n - 1].text : "the aliases cannot be read now");
	if (with && !router)
		code = -1;
	router_free(router);
	master_fini(&master);
	conf_free(with);
	conf_diag_fini(&diag);
	return code;
}
