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

bool smtp_generic_go_on(struct smtp_generic *g)
{
	struct str rest = str_from(buf_view(&g->text), g->at);
	struct header h;

	for (size_t before = rest.n; before - rest.n < LIMIT_CLIENT_PIECE;) {
		if (!g->failed.code && header_next(&rest, &h) == 1) {
			(void)smtp_generic_field(g, &h, &g->header);
			continue;
		}
		buf_str(&g->header, rest);
		if (g->header.overflow)
			fail(g, "address mapping failed: the header is too large");
		buf_fini(&g->text);
		g->at = 0;
		return false;
	}
	g->at = g->text.n - rest.n;
	return true;
}

static bool read_header(struct deliver *d, const struct delivery *job, struct buf *text)
{
	void *r = d->o.content.open(d->o.content.ctx, job->msg);
	uint64_t size = job->envelope->header_size;
	ssize_t n = 1;

	while (r && text->n < size && (n = d->o.content.read(r, text->n, d->scratch, size - text->n < LIMIT_CLIENT_PIECE ?
		(size_t)(size - text->n) : LIMIT_CLIENT_PIECE)) > 0)
		buf_add(text, d->scratch, (size_t)n);
	if (r)
		d->o.content.close(r);
	return r && text->n == size && !text->overflow;
}

static void take_header(struct smtp_generic *g, struct deliver *d, const struct delivery *job)
{
	g->header_size = job->envelope->header_size;
	if (!read_header(d, job, &g->text))
		fail(g, "queue file read error");
}

/* --- all of it ---------------------------------------------------------------------------------------------------------- */

struct smtp_generic *smtp_generic_new(struct deliver *d, struct smtp_profile *p, const struct delivery *job, bool probe)
{
	struct smtp_generic *g;

	if (!p->generic.maps.n || !d->o.router)
		return NULL;
	g = MEM_NEW(struct smtp_generic);
	g->profile = p;
	g->router = d->o.router;
	arena_init(&g->scratch, 4 * LIMIT_HEADER);
	arena_init(&g->arena, 4 * LIMIT_HEADER);
	buf_init(&g->text, 2 * LIMIT_HEADER);
	buf_init(&g->header, 2 * LIMIT_HEADER);
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
	if (!probe && !p->checks && !g->failed.code)
		take_header(g, d, job);
	return g;
}

void smtp_generic_free(struct smtp_generic *g)
{
	if (!g)
		return;
	arena_fini(&g->arena);
	arena_fini(&g->scratch);
	buf_fini(&g->text);
	buf_fini(&g->header);
	mem_free(g);
}
