/* sts - see sts.h. */
#include "core/policy/sts.h"

#include <errno.h>
#include <string.h>

#include "core/base/format.h"
#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/saver.h"
#include "core/net/fetch.h"
#include "core/policy/tags.h"

#define FETCH_TIME (20 * USEC_PER_SEC)         /* the first message of a domain waits no longer for its web server */
#define RECORD_SOONEST (60 * USEC_PER_SEC)       /* a TXT record is asked for again after its TTL, within these … */
#define RECORD_LATEST (3600 * USEC_PER_SEC)
#define ABSENT (300 * USEC_PER_SEC)            /* … or after this, where there is none */
#define FAILED (300 * USEC_PER_SEC)            /* RFC 8461 section 3.3: a fetch that failed is not repeated sooner */
#define RENEW_AFTER (86400 * USEC_PER_SEC)      /* a policy is fetched anew after half of its life, and a day at most (section 10.2) */
#define RENEW_PAUSE (600 * USEC_PER_SEC)       /* between attempts at that, or an eighth of its life */
#define LIFE_LEAST (10 * USEC_PER_SEC)         /* max_age of less: whoever waits for it shall see it */
#define UNUSED_FOR (30 * 86400 * USEC_PER_SEC)        /* where nothing was sent to for so long, nobody fetches ahead */

struct entry {
	struct list link;              /* sts.entries, used last in front */
	struct sts *sts;
	char *domain;
	char id[STS_ID_MOST + 1];      /* of the policy */
	enum sts_mode mode;            /* STS_NO_MODE: there is none */
	char *text;
	usec fetched, life;            /* wall; max_age */
	usec used;                     /* wall */
	usec ask_at;                   /* mono: what DNS said counts until then; 0: it was never asked */
	char next_id[STS_ID_MOST + 1]; /* of the policy that is being fetched, or could not be … */
	usec retry_at;                 /* mono: … and is not tried before */
	usec renew_after;              /* mono: it is not fetched ahead before */
	bool anew;                     /* the lookup under way ends in a fetch, whatever the id is */
	enum sts_failure failure;      /* of the last fetch */
	char *why;
	struct tls_context *tls;       /* for the lookup under way */
	struct dns_query *query;
	struct fetch *fetch;
	struct list waits;
};
struct sts_wait {
	struct list link;
	sts_fn fn;
	void *ctx;
	struct loop_task task;
};
struct sts {
	struct sts_options o;
	struct table domains;          /* -> struct entry */
	struct list entries, told;
	size_t held;                   /* bytes of all entries */
	size_t lookups;
	struct loop_timer renewal;
	usec renewal_at;               /* mono */
	struct tls_context *tls;       /* whom the last one who asked trusted */
	struct saver *saver;           /* NULL: nothing outlives us */
};

/* --- entries ---------------------------------------------------------------------------------------------------------- */

static bool is_busy(const struct entry *e) { return e->query || e->fetch || !list_is_empty(&e->waits); }

static bool has_policy(const struct entry *e) { return e->mode && loop_wall(e->sts->o.loop) < e->fetched + e->life; }

static size_t weight(const struct entry *e)
{
	return sizeof(*e) + strlen(e->domain) + strlen(e->why) + (e->text ? strlen(e->text) : 0);
}

/* keep - in place of what *at was */
static void keep(struct entry *e, char **at, struct str text)
{
	e->sts->held -= *at ? strlen(*at) : 0;
	e->sts->held += text.n;
	mem_free(*at);
	*at = str_dup(text);
}

static void entry_free(struct entry *e)
{
	e->sts->held -= weight(e);
	list_remove(&e->link);
	dns_cancel(e->query);
	if (e->fetch)
		fetch_cancel(e->fetch);
	if (e->tls)
		tls_context_unref(e->tls);
	mem_free(e->domain);
	mem_free(e->text);
	mem_free(e->why);
	mem_free(e);
}

static void forget(struct entry *e)
{
	table_take(&e->sts->domains, str_of(e->domain));
	entry_free(e);
}

/* shrink - what was used longest ago goes until the sum is within its bound. Not from where an entry is in use */
static void shrink(struct sts *s)
{
	for (struct list *it = s->entries.prev, *before; s->held > LIMIT_STS_HELD && it != &s->entries; it = before) {
		before = it->prev;
		if (!is_busy(LIST_ITEM(it, struct entry, link)))
			forget(LIST_ITEM(it, struct entry, link));
	}
}

static bool make_room(struct sts *s)
{
	struct entry *least = NULL;

	shrink(s);

	if (s->domains.n < LIMIT_STS_DOMAINS)
		return true;
	/* policies outlast the knowledge that there is none */
	for (struct list *it = s->entries.prev; it != &s->entries; it = it->prev) {
		struct entry *e = LIST_ITEM(it, struct entry, link);

		if (is_busy(e) || (least && has_policy(e)))
			continue;
		least = e;
		if (!has_policy(e))
			break;
	}
	if (!least)
		return false;
	forget(least);
	return true;
}

/* name - as keys are; false: no domain that could have a policy */
static bool key_of(struct str domain, char out[LIMIT_STS_DOMAIN + 1])
{
	if (str_ends(domain, STR(".")))
		domain.n--;
	if (!domain.n || domain.n > LIMIT_STS_DOMAIN)
		return false;
	for (size_t i = 0; i < domain.n; i++) {
		out[i] = ascii_lower(domain.p[i]);
		if (!ascii_is_alnum(out[i]) && !ascii_is_one_of(out[i], "-._"))
			return false;
	}
	out[domain.n] = 0;
	return out[0] != '.';
}

static struct entry *entry_of(struct sts *s, struct str domain, bool make)
{
	char key[LIMIT_STS_DOMAIN + 1];
	struct entry *e;

	if (!key_of(domain, key))
		return NULL;
	e = table_find(&s->domains, str_of(key));
	if (e || !make || !make_room(s))
		return e;
	e = MEM_NEW(struct entry);
	e->sts = s;
	e->domain = mem_dupz(key);
	e->why = mem_dupz("");
	s->held += weight(e);
	list_init(&e->waits);
	list_push(&s->entries, &e->link);
	table_add(&s->domains, str_of(key), e);
	return e;
}

static void touch(struct entry *e)
{
	list_remove(&e->link);
	list_push(&e->sts->entries, &e->link);
	e->used = loop_wall(e->sts->o.loop);
}

static void say_why(struct entry *e, const char *why)
{
	keep(e, &e->why, str_of(why));
}

/* --- the file ----------------------------------------------------------------------------------------------------------- */

static void draw(void *ctx, struct buf *out)
{
	struct sts *s = ctx;
	struct sts_policy policy;
	struct str at;

	sts_file_begin(out);
	LIST_EACH(&s->entries, it, tmp) {
		struct entry *e = LIST_ITEM(it, struct entry, link);
		size_t before = out->n;

		if (!has_policy(e) || sts_policy_parse(str_of(e->text), &policy, &at))
			continue;
		sts_file_add(out, &(struct sts_line){ .domain = str_of(e->domain), .id = str_of(e->id), .fetched = e->fetched, .policy = &policy });
		if (!out->overflow)
			continue;
		/* what was used longest ago has no room */
		buf_truncate(out, before);
		out->overflow = false;
		break;
	}
	out->max += 16;
	sts_file_end(out);
}

static void on_line(void *ctx, const struct sts_line *x)
{
	struct sts *s = ctx;
	struct entry *e = entry_of(s, x->domain, true);
	usec now = loop_wall(s->o.loop);

	if (!e || e->mode)
		return;
	/* the newest stands in front; the clock may have gone back since */
	list_remove(&e->link);
	list_append(&s->entries, &e->link);
	e->fetched = x->fetched < now ? x->fetched : now;
	e->used = e->fetched;
	e->life = (usec)x->policy->max_age * USEC_PER_SEC;
	e->mode = x->policy->mode;
	keep(e, &e->text, x->text);
	format_text(e->id, sizeof(e->id), "%.*s", STR_ARG(x->id));
}

static void nothing(void *ctx, const struct sts_line *x)
{
	(void)ctx;
	(void)x;
}

static void read_file(struct sts *s)
{
	struct buf text;

	buf_init(&text, LIMIT_STS_FILE + 16);
	if (fs_read_file(s->o.file, &text) == 0) {
		if (sts_file_read(buf_view(&text), nothing, NULL))
			(void)sts_file_read(buf_view(&text), on_line, s);
		else
			log_warn("smtp", "%s is damaged, or another version's: MTA-STS policies are fetched again", s->o.file);
	} else if (errno != ENOENT) {
		log_warn("smtp", "%s: %s: MTA-STS policies are fetched again", s->o.file, strerror(errno));
	}
	buf_fini(&text);
	shrink(s);
}

/* --- telling ------------------------------------------------------------------------------------------------------------ */

static void on_tell(struct loop_task *t)
{
	struct sts_wait *w = LIST_ITEM(t, struct sts_wait, task);
	sts_fn fn = w->fn;
	void *ctx = w->ctx;

	sts_cancel(w);
	fn(ctx);
}

void sts_cancel(struct sts_wait *w)
{
	loop_task_cancel(&w->task);
	list_remove(&w->link);
	mem_free(w);
}

static void renew_later(struct entry *e);

/* settle - the lookup is over */
static void settle(struct entry *e, usec counts)
{
	struct sts *s = e->sts;

	s->lookups--;
	e->anew = false;
	e->ask_at = loop_now(s->o.loop) + counts;
	tls_context_unref(e->tls);
	e->tls = NULL;
	LIST_EACH(&e->waits, it, tmp) {
		struct sts_wait *w = LIST_ITEM(it, struct sts_wait, link);

		list_remove(it);
		list_append(&s->told, it);
		loop_defer(s->o.loop, &w->task);
	}
	renew_later(e);
}

/* --- a lookup: the record, then the policy ---------------------------------------------------------------------------------- */

static void failed(struct entry *e, enum sts_failure kind, const char *why)
{
	e->failure = kind;
	say_why(e, why);
	log_warn("smtp", "MTA-STS policy of %s: %s%s", e->domain, why, has_policy(e) ? ": the one that is known stays in force" : "");
	e->retry_at = loop_now(e->sts->o.loop) + FAILED;
}

static void take(struct entry *e, const struct sts_policy *p)
{
	struct buf text;

	buf_init(&text, 2 * LIMIT_STS_POLICY);
	sts_policy_write(p, &text);
	keep(e, &e->text, buf_view(&text));
	buf_fini(&text);
	e->mode = p->mode;
	e->fetched = loop_wall(e->sts->o.loop);
	e->life = (usec)p->max_age * USEC_PER_SEC;
	if (e->life < LIFE_LEAST)
		e->life = LIFE_LEAST;
	memcpy(e->id, e->next_id, sizeof(e->id));
	e->next_id[0] = 0;
	e->failure = STS_FINE;
	say_why(e, "");
	log_info("smtp", "MTA-STS policy of %s: mode %s, %llu s", e->domain, sts_mode_word(p->mode), (unsigned long long)p->max_age);
	if (e->sts->saver)
		saver_write(e->sts->saver);
}

static void on_policy(void *ctx, const struct fetch_answer *a)
{
	struct entry *e = ctx;
	struct sts *s = e->sts;
	struct sts_policy p;
	struct str at;
	const char *wrong;
	char why[300];

	e->fetch = NULL;
	if (!a->status) {
		format_text(why, sizeof(why), "https://mta-sts.%s: %s", e->domain, a->why);
		failed(e, a->tls ? STS_NOT_PROVEN : STS_NOT_FETCHED, why);
	} else if (a->status != 200) {
		format_text(why, sizeof(why), "https://mta-sts.%s answers %d", e->domain, a->status);
		failed(e, STS_NOT_FETCHED, why);
	} else if (!sts_policy_is_plain(a->type)) {
		failed(e, STS_NOT_VALID, "it is no text/plain");
	} else if ((wrong = sts_policy_parse(a->body, &p, &at)) != NULL) {
		format_text(why, sizeof(why), "it is not valid: %s", wrong);
		failed(e, STS_NOT_VALID, why);
	} else {
		take(e, &p);
	}
	settle(e, RECORD_SOONEST);
	shrink(s);
}

static void fetch_policy(struct entry *e)
{
	const struct sts_options *o = &e->sts->o;
	struct fetch_options f = { .loop = o->loop, .dns = o->dns, .tls = e->tls, .path = STR("/.well-known/mta-sts.txt"), .port = o->port,
		.accept = "text/plain", .most = LIMIT_STS_POLICY, .time = FETCH_TIME, .strange = true, .families = 3, .names = DNS_HOSTS };
	char host[LIMIT_DOMAIN + 1];

	format_text(host, sizeof(host), "mta-sts.%s", e->domain);
	f.host = str_of(host);
	e->fetch = fetch_start(&f, on_policy, e);
}

/* find_record - the id of the one record that there is (section 3.1) */
static bool find_record(const struct dns_answer *a, struct str *id, usec *ttl)
{
	struct str at;
	size_t found = 0;
	bool good = false;

	for (size_t i = 0; a->status == DNS_OK && i < a->n; i++) {
		struct str text = str_make((const char *)a->records[i].data, a->records[i].data_n);

		if (!tags_begin(text, STR("STSv1")))
			continue;
		found++;
		good = !sts_record_parse(text, id, &at);
		*ttl = (usec)a->records[i].ttl * USEC_PER_SEC;
	}
	return found == 1 && good;
}

static void on_record(void *ctx, const struct dns_answer *a)
{
	struct entry *e = ctx;
	struct str id;
	usec ttl = 0;

	e->query = NULL;
	if (!find_record(a, &id, &ttl)) {
		e->failure = STS_FINE;
		say_why(e, a->status == DNS_AGAIN ? a->why : "");
		settle(e, a->status == DNS_AGAIN ? RECORD_SOONEST : ABSENT);
		return;
	}
	ttl = ttl < RECORD_SOONEST ? RECORD_SOONEST : ttl > RECORD_LATEST ? RECORD_LATEST : ttl;
	if (has_policy(e) && !e->anew && str_eq(id, str_of(e->id))) {
		settle(e, ttl);
	} else if (str_eq(id, str_of(e->next_id)) && loop_now(e->sts->o.loop) < e->retry_at) {
		settle(e, RECORD_SOONEST);
	} else {
		format_text(e->next_id, sizeof(e->next_id), "%.*s", STR_ARG(id));
		fetch_policy(e);
	}
}

static bool look_up(struct entry *e, struct tls_context *tls, bool anew)
{
	struct sts *s = e->sts;
	char name[LIMIT_DOMAIN + 1];

	if (e->query || e->fetch)
		return true;
	if (s->lookups >= LIMIT_STS_LOOKUPS)
		return false;
	s->lookups++;
	e->anew = anew;
	e->tls = tls_context_ref(tls);
	format_text(name, sizeof(name), "_mta-sts.%s", e->domain);
	e->query = dns_ask(s->o.dns, str_of(name), DNS_TXT, on_record, e);
	return true;
}

/* --- ahead of their end ------------------------------------------------------------------------------------------------------ */

/* renew_at - mono; USEC_NEVER: not at all */
static usec renew_at(const struct entry *e)
{
	const struct loop *l = e->sts->o.loop;
	usec half = e->life / 2, left;

	if (!has_policy(e) || e->fetched > e->used + UNUSED_FOR)
		return USEC_NEVER;
	left = e->fetched + (half < RENEW_AFTER ? half : RENEW_AFTER) - loop_wall(l);
	left += loop_now(l);
	return left > e->renew_after ? left : e->renew_after;
}

static void renew_later(struct entry *e)
{
	struct sts *s = e->sts;
	usec at = renew_at(e);

	if (at >= s->renewal_at)
		return;
	s->renewal_at = at;
	loop_timer_set(s->o.loop, &s->renewal, at);
}

static void on_renewal(struct loop_timer *t)
{
	struct sts *s = LIST_ITEM(t, struct sts, renewal);
	usec now = loop_now(s->o.loop);

	s->renewal_at = USEC_NEVER;
	LIST_EACH(&s->entries, it, tmp) {
		struct entry *e = LIST_ITEM(it, struct entry, link);

		if (renew_at(e) <= now) {
			e->renew_after = now + (e->life / 8 < RENEW_PAUSE ? e->life / 8 : RENEW_PAUSE);
			(void)look_up(e, s->tls, true);
		}
		renew_later(e);
	}
}

/* --- asking ------------------------------------------------------------------------------------------------------------------ */

static void trust(struct sts *s, struct tls_context *tls)
{
	bool first = !s->tls;

	if (s->tls == tls)
		return;
	if (s->tls)
		tls_context_unref(s->tls);
	s->tls = tls_context_ref(tls);
	for (struct list *it = s->entries.next; first && it != &s->entries; it = it->next)
		renew_later(LIST_ITEM(it, struct entry, link));
}

bool sts_find(struct sts *s, struct str domain, struct tls_context *tls, struct sts_known *out)
{
	struct entry *e = entry_of(s, domain, false);
	bool fresh = e && e->ask_at && loop_now(s->o.loop) < e->ask_at;
	char key[LIMIT_STS_DOMAIN + 1];

	*out = (struct sts_known){ .why = "", .text = STR_EMPTY };
	if (!e)
		return !key_of(domain, key);
	trust(s, tls);
	out->why = e->why;
	out->failure = e->failure;
	if (!has_policy(e))
		return fresh && !e->query && !e->fetch;
	if (!fresh)
		(void)look_up(e, tls, false);
	touch(e);
	*out = (struct sts_known){ .mode = e->mode, .text = str_of(e->text), .until = e->fetched + e->life, .failure = e->failure, .why = e->why };
	return true;
}

struct sts_wait *sts_ask(struct sts *s, struct str domain, struct tls_context *tls, sts_fn fn, void *ctx)
{
	struct entry *e = entry_of(s, domain, true);
	struct sts_wait *w;

	if (!e || !look_up(e, tls, false))
		return NULL;
	trust(s, tls);
	touch(e);
	w = MEM_NEW(struct sts_wait);
	w->fn = fn;
	w->ctx = ctx;
	loop_task_init(&w->task, on_tell);
	list_append(&e->waits, &w->link);
	return w;
}

void sts_begin(struct sts *s, struct str domain, struct tls_context *tls)
{
	struct entry *e = entry_of(s, domain, true);

	if (e)
		(void)look_up(e, tls, false);
	trust(s, tls);
}

void sts_doubt(struct sts *s, struct str domain)
{
	struct entry *e = entry_of(s, domain, false);

	if (e)
		e->ask_at = 0;
}

/* --- life ---------------------------------------------------------------------------------------------------------------------- */

struct sts *sts_new(const struct sts_options *o)
{
	struct sts *s = MEM_NEW(struct sts);

	s->o = *o;
	s->renewal_at = USEC_NEVER;
	table_init(&s->domains);
	list_init(&s->entries);
	list_init(&s->told);
	loop_timer_init(&s->renewal, on_renewal);
	if (o->file) {
		s->saver = saver_new(&(struct saver_options){ .pool = o->pool, .path = o->file, .most = LIMIT_STS_FILE, .draw = draw, .ctx = s,
			.loss = "a restart forgets MTA-STS policies" });
		read_file(s);
	}
	return s;
}

void sts_free(struct sts *s)
{
	if (!s)
		return;
	loop_timer_cancel(s->o.loop, &s->renewal);
	LIST_EACH(&s->entries, it, tmp) {
		struct entry *e = LIST_ITEM(it, struct entry, link);

		LIST_EACH(&e->waits, wit, wtmp)
			sts_cancel(LIST_ITEM(wit, struct sts_wait, link));
		entry_free(e);
	}
	LIST_EACH(&s->told, it, tmp)
		sts_cancel(LIST_ITEM(it, struct sts_wait, link));
	table_fini(&s->domains);
	saver_free(s->saver);
	if (s->tls)
		tls_context_unref(s->tls);
	mem_free(s);
}
