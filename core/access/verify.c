/* verify - see verify.h. An entry is there while something is known about its address or a probe for it is under way. When
 * the table is full the entry that has been longest without news makes room; the price is one more probe. */
#include "core/access/verify_private.h"

#include <stdio.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/metric.h"

struct verify_wait {
	struct list link;              /* verify_entry.waits */
	struct loop_timer timer;
	struct verify *v;
	verify_fn fn;
	void *ctx;
};

/* --- entries ---------------------------------------------------------------------------------------------------- */

void verify_entry_drop(struct verify_entry *e)
{
	table_take(&e->v->table, str_of(e->address));
	list_remove(&e->link);
	list_remove(&e->turn);
	mem_free(e->text);
	mem_free(e->address);
	mem_free(e);
}

static bool make_room(struct verify *v)
{
	LIST_EACH(&v->order, it, tmp) {
		struct verify_entry *e = LIST_ITEM(it, struct verify_entry, link);

		if (e->probing)
			continue;
		verify_entry_drop(e);
		return true;
	}
	return false;
}

struct verify_entry *verify_entry_get(struct verify *v, struct str address)
{
	struct verify_entry *e = table_find(&v->table, address);

	if (e)
		return e;
	if (v->table.n >= LIMIT_VERIFY_ENTRIES && !make_room(v))
		return NULL;
	e = MEM_NEW(struct verify_entry);
	e->v = v;
	e->address = str_dup(address);
	list_init(&e->waits);
	list_init(&e->turn);
	list_append(&v->order, &e->link);
	table_add(&v->table, address, e);
	return e;
}

void verify_entry_set(struct verify_entry *e, int code, struct str enhanced, struct str text, usec updated)
{
	mem_free(e->text);
	e->code = code;
	snprintf(e->enhanced, sizeof(e->enhanced), "%.*s", STR_ARG(enhanced));
	e->text = str_dup(str_head(text, LIMIT_VERIFY_TEXT));
	e->updated = updated;
	list_remove(&e->link);
	list_append(&e->v->order, &e->link);
}

static bool is_good(const struct verify_entry *e)
{
	return e->code == 250;
}

bool verify_is_expired(const struct verify_entry *e, usec now)
{
	const struct conf *c = e->v->o.conf;

	return now - e->updated > (is_good(e) ? c->address_verify_positive_expire_time : c->address_verify_negative_expire_time);
}

static bool is_stale(const struct verify_entry *e, usec now)
{
	const struct conf *c = e->v->o.conf;

	return now - e->updated > (is_good(e) ? c->address_verify_positive_refresh_time : c->address_verify_negative_refresh_time);
}

/* --- waiting clients ---------------------------------------------------------------------------------------------- */

void verify_cancel(struct verify_wait *w)
{
	loop_timer_cancel(w->v->o.loop, &w->timer);
	list_remove(&w->link);
	mem_free(w);
}

static void tell(struct verify_wait *w, const struct reply *r)
{
	verify_fn fn = w->fn;
	void *ctx = w->ctx;

	verify_cancel(w);
	fn(ctx, r);
}

static void in_progress(struct reply *out)
{
	reply_set(out, 450, "4.1.1", "Address verification in progress");
}

static void on_patience_over(struct loop_timer *t)
{
	struct reply r;

	in_progress(&r);
	tell(LIST_ITEM(t, struct verify_wait, timer), &r);
}

/* --- probes ------------------------------------------------------------------------------------------------------- */

static void on_answer(void *ctx, const struct reply *r);

static void start_probes(struct verify *v)
{
	size_t most = (size_t)v->o.conf->default_destination_concurrency_limit;

	while (!list_is_empty(&v->waiting) && (!most || v->n_probes < most)) {
		struct verify_entry *e = LIST_ITEM(v->waiting.next, struct verify_entry, turn);

		list_remove(&e->turn);
		v->n_probes++;
		v->o.probe(v->o.ctx, str_of(e->address), on_answer, e);
	}
}

static void probe(struct verify_entry *e)
{
	if (e->probing)
		return;
	e->probing = true;
	list_append(&e->v->waiting, &e->turn);
	start_probes(e->v);
}

static int code_of(enum verdict v)
{
	return v == VERDICT_DONE ? 250 : v == VERDICT_LATER ? 450 : 550;
}

/* learn - a failed refresh does not replace what was good: the next mail would pay for one bad moment of the next hop */
static void learn(struct verify_entry *e, const struct reply *r)
{
	struct verify *v = e->v;
	enum verdict verdict = reply_verdict(r);
	usec now = loop_wall(v->o.loop);

	if (verdict != VERDICT_DONE && (!v->o.conf->address_verify_negative_cache || (e->updated && is_good(e) && !verify_is_expired(e, now))))
		return;
	verify_entry_set(e, code_of(verdict), str_of(reply_dsn(r)), str_of(r->text), now);
	verify_file_add(v, e);
}

static void on_answer(void *ctx, const struct reply *r)
{
	struct verify_entry *e = ctx;
	struct verify *v = e->v;
	struct list told;

	e->probing = false;
	v->n_probes--;
	learn(e, r);
	/* who is told may ask again at once, and the entry may be gone then */
	list_init(&told);
	LIST_EACH(&e->waits, it, tmp) {
		list_remove(it);
		list_append(&told, it);
	}
	if (!e->updated)
		verify_entry_drop(e);
	while (!list_is_empty(&told))
		tell(LIST_ITEM(told.next, struct verify_wait, link), r);
	start_probes(v);
}

/* --- questions ------------------------------------------------------------------------------------------------------ */

/* key_of - the domain in lower case; what is before it may mean something to its owner as it is written */
static struct str key_of(struct str rcpt, struct buf *out)
{
	ptrdiff_t at = str_rchr(rcpt, '@');

	buf_str(out, rcpt);
	for (size_t i = (size_t)(at + 1); i < out->n; i++)
		out->p[i] = ascii_lower(out->p[i]);
	return buf_view(out);
}

static const char *const found[] = { "miss", "hit" };
METRIC_MANY(cache_lookups, "relaybox_verify_cache_lookups", "Questions of address verification.", "result",
	found);

static bool answer_known(struct verify_entry *e, struct reply *known)
{
	usec now = loop_wall(e->v->o.loop);

	if (e->updated && verify_is_expired(e, now))
		e->updated = 0;
	if (!e->updated)
		return false;
	reply_set(known, e->code, e->enhanced, "%s", e->text);
	if (is_stale(e, now))
		probe(e);
	return true;
}

struct verify_wait *verify_ask(struct verify *v, struct str rcpt, struct reply *known, verify_fn fn, void *ctx)
{
	const struct conf *c = v->o.conf;
	usec patience = (c->address_verify_poll_count - 1) * c->address_verify_poll_delay;
	struct buf key;
	struct verify_entry *e;
	struct verify_wait *w;
	bool known_before;

	if (!v->loaded)
		verify_file_open(v);
	v->loaded = true;
	buf_init(&key, LIMIT_ADDRESS);
	e = verify_entry_get(v, key_of(rcpt, &key));
	buf_fini(&key);
	in_progress(known);
	known_before = e && answer_known(e, known);
	cache_lookups[known_before]++;
	if (!e || known_before)
		return NULL;
	w = MEM_NEW(struct verify_wait);
	*w = (struct verify_wait){ .v = v, .fn = fn, .ctx = ctx };
	loop_timer_init(&w->timer, on_patience_over);
	list_append(&e->waits, &w->link);
	probe(e);
	/* one look and no wait: the first mail for a new address is always put off */
	if (patience > 0) {
		loop_timer_set(v->o.loop, &w->timer, loop_now(v->o.loop) + patience);
		return w;
	}
	verify_cancel(w);
	return NULL;
}

size_t verify_count(const struct verify *v)
{
	return v->table.n;
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

struct verify *verify_new(const struct verify_options *o)
{
	struct verify *v = MEM_NEW(struct verify);

	v->o = *o;
	v->fd = -1;
	table_init(&v->table);
	list_init(&v->order);
	list_init(&v->waiting);
	return v;
}

void verify_reconfigure(struct verify *v, const struct conf *c)
{
	v->o.conf = c;
}

void verify_free(struct verify *v)
{
	if (!v)
		return;
	LIST_EACH(&v->order, it, tmp) {
		struct verify_entry *e = LIST_ITEM(it, struct verify_entry, link);

		LIST_EACH(&e->waits, w, next)
			verify_cancel(LIST_ITEM(w, struct verify_wait, link));
		verify_entry_drop(e);
	}
	verify_file_close(v);
	table_fini(&v->table);
	mem_free(v);
}
