/* smtp_generic - see smtp_generic.h. One look for each address, as in Postfix's client: what a table gives is not asked for again. */
#include "core/deliver/smtp/smtp_generic.h"

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cleanup/complete.h"
#include "core/deliver/deliver_private.h"
#include "core/msg/addr_tree.h"

static void fail(struct smtp_generic *g, const char *text)
{
	if (!g->failed.code)
		reply_set(&g->failed, 451, "4.3.0", "%s", text);
}

static struct str map_address(struct smtp_generic *g, struct arena *a, struct str address)
{
	struct address_list to;
	enum map_answer got;

	if (!address.n || g->failed.code || address_is_dear(g->spent))
		return address;
	got = address_map_spend(g->router, a, &g->profile->generic, address, g->profile->generic_extension, &to, NULL, &g->spent);
	if (got == MAP_ERROR)
		fail(g, "address mapping failed: a table of generic maps cannot be read");
	if (got == MAP_FOUND && to.n > 1)
		log_warn(g->profile->lmtp ? "lmtp" : "smtp", "%s has several addresses for %.*s: the first one counts", g->profile->generic.parameter,
			STR_ARG(address));
	return got == MAP_FOUND ? to.v[0] : address;
}

/* --- header ------------------------------------------------------------------------------------------------------------ */

bool smtp_generic_field(struct smtp_generic *g, const struct header *h, struct buf *out)
{
	struct arena *scratch = &g->scratch;
	struct addr_tree t;

	if (!complete_place_of(h->name) || address_is_dear(g->spent)) {
		buf_str(out, h->raw);
		return !g->failed.code;
	}
	addr_tree_init(&t, scratch, h->value);
	for (size_t i = 0; i < t.n; i++) {
		struct str full = t.v[i].is, now = map_address(g, scratch, full);

		/* what no table changes stays as it is written */
		t.v[i].is = str_eq(full, now) ? t.v[i].was : now;
	}
	if (addr_tree_is_changed(&t))
		addr_tree_format(&t, h->name, out);
	else
		buf_str(out, h->raw);
	addr_tree_fini(&t);
	if (scratch->overflow || out->overflow)
		fail(g, "address mapping failed: the header is too large");
	arena_reset(scratch);
	return !g->failed.code;
}

/* --- content ------------------------------------------------------------------------------------------------------------ */

static void on_field(void *ctx, const struct header *h)
{
	struct smtp_generic *g = ctx;

	(void)smtp_generic_field(g, h, &g->out);
}

void smtp_generic_begin(struct smtp_generic *g)
{
	g->failed.code = 0;
	g->spent = g->spent_before;
	g->in_body = false;
	section_fini(&g->section);
	section_init(&g->section, LIMIT_HEADER, on_field, g);
}

bool smtp_generic_piece(struct smtp_generic *g, struct str *piece, bool last)
{
	struct str body, rest;

	if (g->in_body)
		return true;
	buf_clear(&g->out);
	g->in_body = section_add(&g->section, *piece, &body, &rest);
	if (g->in_body)
		buf_z(&g->out, "\r\n");
	else if (last)
		section_end(&g->section, &body);
	buf_str(&g->out, body);
	buf_str(&g->out, rest);
	if (g->out.overflow)
		fail(g, "address mapping failed: the header is too large");
	*piece = buf_view(&g->out);
	return !g->failed.code;
}

/* --- all of it ---------------------------------------------------------------------------------------------------------- */

struct smtp_generic *smtp_generic_new(struct deliver *d, struct smtp_profile *p, const struct delivery *job)
{
	struct smtp_generic *g;

	if (!p->generic.maps.n || !d->o.router)
		return NULL;
	g = MEM_NEW(struct smtp_generic);
	g->profile = p;
	g->router = d->o.router;
	arena_init(&g->scratch, 4 * LIMIT_HEADER);
	arena_init(&g->arena, 4 * LIMIT_HEADER);
	buf_init(&g->out, 2 * LIMIT_HEADER);
	section_init(&g->section, LIMIT_HEADER, on_field, g);
	g->sender = map_address(g, &g->arena, job->envelope->sender);
	g->rcpts = ARENA_ARRAY(&g->arena, struct rcpt, job->n);
	for (size_t i = 0; i < job->n && g->rcpts; i++) {
		g->rcpts[i] = *job->rcpts[i];
		g->rcpts[i].addr = map_address(g, &g->arena, job->rcpts[i]->addr);
		if (!g->rcpts[i].orig.n && !str_eq(g->rcpts[i].addr, job->rcpts[i]->addr))
			g->rcpts[i].orig = job->rcpts[i]->addr;
	}
	if (g->arena.overflow)
		fail(g, "address mapping failed: too many addresses");
	g->spent_before = g->spent;
	return g;
}

void smtp_generic_free(struct smtp_generic *g)
{
	if (!g)
		return;
	arena_fini(&g->arena);
	arena_fini(&g->scratch);
	section_fini(&g->section);
	buf_fini(&g->out);
	mem_free(g);
}
