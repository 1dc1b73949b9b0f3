/* dns - the resolver: its files, and the queries of those who ask. What goes over the wire is in dns_question.c; names of hosts are
 * in dns_host.c, which asks several questions for one query. */
#include "core/net/dns.h"

#include <stdio.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/net/dns_private.h"

/* --- files -------------------------------------------------------------------------------------------------------- */

static bool has_changed(struct watched *w)
{
	struct watched now = { .path = w->path };
	struct stat st;

	if (stat(w->path, &st) == 0) {
		now.seen.dev = (int64_t)st.st_dev;
		now.seen.ino = (int64_t)st.st_ino;
		now.seen.size = st.st_size;
		now.seen.mtime = st.st_mtim.tv_sec;
		now.seen.mtime_ns = st.st_mtim.tv_nsec;
	}
	if (memcmp(&now.seen, &w->seen, sizeof(now.seen)) == 0)
		return false;
	w->seen = now.seen;
	return true;
}

static void read_resolv(struct dns *d)
{
	struct buf text;

	buf_init(&text, LIMIT_CONF_FILE);
	if (fs_read_file(d->resolv.path, &text) < 0)
		buf_clear(&text);
	dns_conf_parse(&d->conf, buf_view(&text));
	buf_fini(&text);
	dns_cache_clear(&d->cache);
}

static void read_hosts(struct dns *d)
{
	struct buf text;

	buf_init(&text, LIMIT_HOSTS_FILE);
	if (fs_read_file(d->hosts_file.path, &text) < 0)
		buf_clear(&text);
	hosts_fini(&d->hosts);
	hosts_init(&d->hosts);
	hosts_parse(&d->hosts, buf_view(&text));
	buf_fini(&text);
}

/* at most once a second */
void dns_look_at_files(struct dns *d)
{
	usec now = loop_now(d->loop);

	if (d->looked && now - d->looked < USEC_PER_SEC)
		return;
	if (!d->fixed_servers && (has_changed(&d->resolv) || !d->looked))
		read_resolv(d);
	if (has_changed(&d->hosts_file) || !d->looked)
		read_hosts(d);
	d->looked = now;
}

/* --- queries ------------------------------------------------------------------------------------------------------ */

void dns_query_init(struct dns_query *q, struct dns *d, void (*run)(struct loop_task *))
{
	q->d = d;
	list_init(&q->waiter);
	list_append(&d->queries, &q->all);
	loop_task_init(&q->task, run);
}

void dns_query_free(struct dns_query *q)
{
	loop_task_cancel(&q->task);
	list_remove(&q->waiter);
	list_remove(&q->all);
	mem_free(q);
}

/* not a name: nothing of that name can exist */
static void answer_bad_name(struct loop_task *t)
{
	struct dns_query *q = LIST_ITEM(t, struct dns_query, task);
	struct dns_answer a = { .status = DNS_NXDOMAIN, .why = "Name service error: not a valid host or domain name" };

	q->running = true;
	q->fn(q->ctx, &a);
	dns_query_free(q);
}

struct dns_query *dns_ask_at(struct dns *d, const struct dns_server *at, struct str name, enum dns_type type, dns_fn fn, void *ctx)
{
	struct dns_query *q = MEM_NEW(struct dns_query);
	char clean[256];

	dns_look_at_files(d);
	dns_query_init(q, d, answer_bad_name);
	q->fn = fn;
	q->ctx = ctx;
	if (!dns_name_clean(name, clean)) {
		loop_defer(d->loop, &q->task);
		return q;
	}
	q->question = dns_question_of(d, at, clean, type);
	dns_question_join(q->question, &q->waiter);
	return q;
}

struct dns_query *dns_ask(struct dns *d, struct str name, enum dns_type type, dns_fn fn, void *ctx)
{
	return dns_ask_at(d, NULL, name, type, fn, ctx);
}

/* an alias that came without its target has the target's answer in an entry of its own */
static void forget(struct dns *d, const char *name, enum dns_type type)
{
	struct dns_answer a = { .n = 0 };
	struct arena arena;
	struct dns_reply r;
	char key[LIMIT_DNS_KEY], next[256];

	arena_init(&arena, LIMIT_DNS_REPLY);
	snprintf(next, sizeof(next), "%s", name);
	for (int hops = 0; hops <= LIMIT_DNS_CNAMES; hops++) {
		const struct dns_cached *e;
		int known;

		dns_question_key(key, next, type);
		e = dns_cache_find(&d->cache, key, loop_now(d->loop));
		if (!e)
			break;
		known = dns_decode(&arena, e->wire, e->n, (uint16_t)(e->wire[0] << 8 | e->wire[1]), str_of(next), type, &a, &r);
		dns_cache_remove(&d->cache, key);
		if (known < 0)
			break;
		snprintf(next, sizeof(next), "%s", a.canonical);
		arena_reset(&arena);
	}
	arena_fini(&arena);
}

void dns_forget(struct dns *d, struct str name)
{
	static const unsigned types[] = { DNS_A, DNS_AAAA, DNS_MX, DNS_A | DNS_PROVEN, DNS_AAAA | DNS_PROVEN, DNS_MX | DNS_PROVEN };
	char clean[256];

	if (!dns_name_clean(name, clean))
		return;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		forget(d, clean, (enum dns_type)types[i]);
	for (size_t i = 0; i < d->conf.n_search; i++) {
		char full[256];

		if (snprintf(full, sizeof(full), "%s.%s", clean, d->conf.search[i]) >= (int)sizeof(full))
			continue;
		forget(d, full, DNS_A);
		forget(d, full, DNS_AAAA);
	}
}

size_t dns_remembered(const struct dns *d, size_t *bytes)
{
	*bytes = d->cache.bytes;
	return d->cache.count;
}

void dns_forget_all(struct dns *d)
{
	dns_cache_clear(&d->cache);
}

bool dns_proves(struct dns *d)
{
	dns_look_at_files(d);
	return d->trust_ad || dns_conf_proves(&d->conf);
}

const char *dns_failure(int rcode, int error)
{
	static const struct { int rcode; const char *word; } rows[] = { { DNS_RCODE_SERVFAIL, "SERVFAIL" }, { DNS_RCODE_REFUSED, "REFUSED" },
		{ DNS_RCODE_MALFORMED, "a malformed answer" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rcode == rows[i].rcode)
			return rows[i].word;
	return rcode ? "an odd answer" : error ? conn_error_text(error) : "timed out";
}

void dns_cancel(struct dns_query *q)
{
	struct question *question;

	if (!q || q->running)
		return;
	if (q->end)
		q->end(q);
	question = q->question;
	dns_query_free(q);
	if (question)
		dns_question_left(question);
}

/* --- the resolver ------------------------------------------------------------------------------------------------- */

bool dns_is_servers(struct str text)
{
	struct dns_conf c;

	return dns_conf_servers(&c, text);
}

struct dns *dns_new(struct loop *l, const struct dns_options *o)
{
	struct dns *d = MEM_NEW(struct dns);

	d->loop = l;
	d->no_cache = o->no_cache;
	d->dnssec = o->dnssec;
	d->trust_ad = o->trust_ad;
	d->resolv.path = mem_dupz(o->resolv_conf ? o->resolv_conf : "/etc/resolv.conf");
	d->hosts_file.path = mem_dupz(o->hosts ? o->hosts : "/etc/hosts");
	d->fixed_servers = o->server && dns_conf_servers(&d->conf, str_of(o->server));
	d->turn = random_u32();
	hosts_init(&d->hosts);
	dns_cache_init(&d->cache);
	table_init(&d->questions);
	list_init(&d->waiting);
	list_init(&d->queries);
	dns_look_at_files(d);
	return d;
}

void dns_free(struct dns *d)
{
	struct list *x;

	if (!d)
		return;
	/* oldest first: a composite query is older than its parts, and ends them */
	while ((x = list_first(&d->queries)) != NULL) {
		if (LIST_ITEM(x, struct dns_query, all)->running)
			BUG("dns_free inside a callback");
		dns_cancel(LIST_ITEM(x, struct dns_query, all));
	}
	dns_cache_fini(&d->cache);
	table_fini(&d->questions);
	hosts_fini(&d->hosts);
	mem_free(d->resolv.path);
	mem_free(d->hosts_file.path);
	mem_free(d);
}
