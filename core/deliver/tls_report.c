/* tls_report - see tls_report.h. */
#include "core/deliver/tls_report.h"

#include <errno.h>
#include <string.h>

#include "core/base/format.h"
#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/saver.h"
#include "core/cleanup/notice.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_profile.h"
#include "core/msg/date.h"
#include "core/msg/mime.h"
#include "core/net/fetch.h"
#include "core/policy/sts_policy.h"
#include "core/policy/tags.h"
#include "core/store/deflate.h"

#define FILE_NAME "tlsrpt"
#define DAY (86400 * USEC_PER_SEC)
#define SPREAD (4 * 3600 * USEC_PER_SEC)       /* RFC 8460 section 4.1: not all at midnight, and within four hours */
#define SAVE_PAUSE (10 * USEC_PER_SEC)         /* a crash forgets no more than that */
#define RETRY (3600 * USEC_PER_SEC)
#define OLDEST 3                               /* days: what is older is told to nobody */
#define FETCH_TIME (30 * USEC_PER_SEC)
#define BASE64_LINE 76

/* a domain's report on its way to one address */
struct sending {
	struct list link;
	struct tls_report *report;     /* NULL: it is gone */
	struct fetch *fetch;           /* NULL: by mail */
};
struct tls_report {
	struct deliver *d;
	struct tlsrpt counts;
	struct saver *saver;
	struct loop_timer save, due;
	bool full, saving;
	/* what may be told before, domain after domain: those that have to wait */
	struct table waits;            /* "DAY DOMAIN" -> until when, mono (struct wait) */
	/* the one whose turn it is */
	int64_t day;
	char domain[LIMIT_DOMAIN + 1]; /* "": nobody's */
	struct dns_query *query;
	struct list sendings;
	bool starting, tried, taken;   /* more addresses are to come; one was tried; one has it */
	char id[LIMIT_DOMAIN + 64];
};
struct wait { usec until; };

static void next(struct tls_report *r);

/* --- counting --------------------------------------------------------------------------------------------------------- */

static void draw(void *ctx, struct buf *out)
{
	const struct tls_report *r = ctx;

	tlsrpt_write(&r->counts, out);
}

static void on_save(struct loop_timer *t)
{
	struct tls_report *r = LIST_ITEM(t, struct tls_report, save);

	r->saving = false;
	saver_write(r->saver);
}

static void save_soon(struct tls_report *r)
{
	if (!r->saving)
		loop_timer_set(r->d->o.loop, &r->save, loop_now(r->d->o.loop) + SAVE_PAUSE);
	r->saving = true;
}

/* wall; the part of the night that is ours */
static usec due_at(const struct tls_report *r, int64_t day)
{
	const char *name = r->d->o.conf->myhostname;

	return (day + 1) * DAY + (usec)(hash_siphash(0, 0, name, strlen(name)) % (uint64_t)SPREAD);
}

static void wait_for_due(struct tls_report *r)
{
	struct loop *l = r->d->o.loop;
	usec wall = loop_wall(l), first = USEC_NEVER;

	LIST_EACH(&r->counts.tallies, it, tmp) {
		usec at = due_at(r, LIST_ITEM(it, struct tlsrpt_tally, link)->day);

		if (at < first)
			first = at;
	}
	if (first == USEC_NEVER)
		return;
	first = first > wall ? first - wall : 0;
	/* those that are due already and have to wait */
	if (first == 0)
		first = RETRY;
	loop_timer_set(l, &r->due, loop_now(l) + first);
}

void tls_report_count(struct tls_report *r, const struct tlsrpt_session *s)
{
	bool first = list_is_empty(&r->counts.tallies);

	if (!tlsrpt_count(&r->counts, tlsrpt_day(loop_wall(r->d->o.loop)), s)) {
		if (!r->full)
			log_warn("smtp", "there is no room to count TLS sessions of so many domains for reports: what was counted first is not told");
		r->full = true;
	}
	save_soon(r);
	if (first && !r->domain[0])
		wait_for_due(r);
}

/* --- one report ---------------------------------------------------------------------------------------------------------- */

/* over - told, or given up: dropped. Else it waits for its next try */
static void end_domain(struct tls_report *r, bool over)
{
	int64_t today = tlsrpt_day(loop_wall(r->d->o.loop));
	char key[LIMIT_DOMAIN + 32];
	struct wait *w;

	format_text(key, sizeof(key), "%lld %s", (long long)r->day, r->domain);
	w = table_take(&r->waits, str_of(key));
	mem_free(w);
	if (over || today - r->day >= OLDEST) {
		tlsrpt_drop(&r->counts, r->day, str_of(r->domain));
		r->full = false;
		saver_write(r->saver);
	} else {
		w = MEM_NEW(struct wait);
		w->until = loop_now(r->d->o.loop) + RETRY;
		table_add(&r->waits, str_of(key), w);
	}
	r->domain[0] = 0;
	next(r);
}

static void end_sending(struct sending *x, bool taken)
{
	struct tls_report *r = x->report;

	list_remove(&x->link);
	mem_free(x);
	if (!r)
		return;
	r->taken |= taken;
	if (!r->starting && list_is_empty(&r->sendings))
		end_domain(r, r->taken);
}

static struct sending *begin_sending(struct tls_report *r)
{
	struct sending *x = MEM_NEW(struct sending);

	x->report = r;
	r->tried = true;
	list_append(&r->sendings, &x->link);
	return x;
}

static void on_posted(void *ctx, const struct fetch_answer *a)
{
	struct sending *x = ctx;
	const struct tls_report *r = x->report;

	x->fetch = NULL;
	if (a->status / 100 == 2)
		log_info("smtp", "TLS report %s: sent by HTTPS", r->id);
	else if (a->status)
		log_warn("smtp", "TLS report %s: the server of its address answers %d", r->id, a->status);
	else
		log_warn("smtp", "TLS report %s: the server of its address: %s", r->id, a->why);
	end_sending(x, a->status / 100 == 2);
}

static void post(struct tls_report *r, struct str url, struct str gzip)
{
	struct fetch_options o = { .loop = r->d->o.loop, .dns = r->d->o.dns, .tls = smtp_profile_web(r->d), .accept = "*/*",
		.type = "application/tlsrpt+gzip", .body = gzip, .most = LIMIT_STS_POLICY, .time = FETCH_TIME, .strange = true, .families = 3, .names = DNS_HOSTS };
	struct sending *x;

	/* the sandbox was made before anybody knew of another port */
	if (!o.tls || !fetch_split(url, &o.host, &o.port, &o.path) || o.port != FETCH_HTTPS) {
		log_info("smtp", "TLS report %s: %.*s is not called: %s", r->id, STR_ARG(str_head(url, 200)), o.tls ? "it is no server at port 443" :
			"there are no authorities to trust");
		return;
	}
	x = begin_sending(r);
	x->fetch = fetch_start(&o, on_posted, x);
}

static void on_queued(void *ctx, const struct reply *reply, struct qmsg *m)
{
	struct sending *x = ctx;
	struct tls_report *r = x->report;
	char qid[QID_MAX];

	if (r && m) {
		qid_format(qid, m->id);
		log_info("smtp", "TLS report %s: queued as %s", r->id, qid);
		r->d->o.queued(r->d->o.ctx, m);
	} else if (r) {
		log_warn("smtp", "TLS report %s: %s", r->id, reply->text);
	}
	end_sending(x, m != NULL);
}

static void write_mail(const struct tls_report *r, struct str to, struct str gzip, struct buf *out)
{
	const struct conf *c = r->d->o.conf;
	const char *boundary = "=_tlsrpt_", *host = c->myhostname;
	long long begin = (long long)r->day * 86400;
	char date[40];

	date_rfc3339(date, (usec)r->day * DAY, 0);
	date[10] = 0;
	buf_printf(out, "From: <%s>\r\nTo: <%.*s>\r\nSubject: Report Domain: %s Submitter: %s\r\n\tReport-ID: <%s>\r\nMIME-Version: 1.0\r\n"
		"TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\nTLS-Required: No\r\nAuto-Submitted: auto-generated\r\n",
		c->tlsrpt_contact, STR_ARG(to), r->domain, host, r->id, r->domain, host);
	buf_printf(out, "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n\tboundary=\"%s\"\r\n\r\n"
		"--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nThis is a report about TLS in sessions from %s\r\n"
		"to the mail servers of %s on %s (UTC).\r\n\r\n", boundary, boundary, host, r->domain, date);
	buf_printf(out, "--%s\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
		"Content-Disposition: attachment;\r\n\tfilename=\"%s!%s!%lld!%lld!1.json.gz\"\r\n\r\n", boundary, host, r->domain, begin, begin + 86399);
	mime_base64(out, gzip, BASE64_LINE);
	buf_printf(out, "\r\n--%s--\r\n", boundary);
}

static void mail(struct tls_report *r, struct str to, struct str gzip)
{
	struct deliver *d = r->d;
	struct sending *x = begin_sending(r);
	struct arena a;
	struct buf text;

	arena_init(&a, 4 * LIMIT_ADDRESS);
	buf_init(&text, 2 * LIMIT_TLSRPT_REPORT);
	write_mail(r, to, gzip, &text);
	cleanup_notice(&(struct cleanup_notice){
		.store = d->o.store, .router = d->o.router, .conf = d->o.conf, .text = buf_view(&text), .to = to, .now = loop_wall(d->o.loop),
		.sender = rewrite_address(d->o.router, &a, str_of(d->o.conf->double_bounce_sender), true),
	}, on_queued, x);
	arena_fini(&a);
	buf_fini(&text);
}

/* send_all - to each address of the record (RFC 8460 section 3) */
static void send_all(struct tls_report *r, struct str rua)
{
	const struct conf *c = r->d->o.conf;
	struct tlsrpt_about about = { str_of(c->tlsrpt_organization), str_of(c->tlsrpt_contact), str_of(r->id) };
	struct str scheme, body, one, rest = rua;
	struct buf json, gzip;
	bool any;

	buf_init(&json, LIMIT_TLSRPT_REPORT);
	buf_init(&gzip, LIMIT_TLSRPT_REPORT);
	any = tlsrpt_report(&r->counts, r->day, str_of(r->domain), &about, &json);
	if (!any)
		rest = STR_EMPTY; /* it had to go meanwhile */
	else if (json.overflow || !deflate_gzip(&gzip, buf_view(&json))) {
		log_warn("smtp", "TLS report %s: it is too long, and is not sent", r->id);
		rest = STR_EMPTY;
	}
	for (int n = 0; n < LIMIT_TLSRPT_RUA && str_cut(&rest, ',', &one); n++) {
		struct str each = one;

		if (uri_next(&each, &scheme, &body) <= 0)
			continue;
		if (str_ieq(scheme, STR("mailto")))
			mail(r, body, buf_view(&gzip));
		else
			post(r, str_trim(one), buf_view(&gzip));
	}
	buf_fini(&json);
	buf_fini(&gzip);
}

static void on_record(void *ctx, const struct dns_answer *a)
{
	struct tls_report *r = ctx;
	struct str text, at, rua = STR_EMPTY, found = STR_EMPTY;
	size_t n = 0;

	r->query = NULL;
	for (size_t i = 0; a->status == DNS_OK && i < a->n; i++) {
		text = str_make((const char *)a->records[i].data, a->records[i].data_n);
		if (tags_begin(text, STR("TLSRPTv1")) && !n++)
			found = text;
	}
	if (n != 1 || tlsrpt_parse(found, &rua, &at)) {
		end_domain(r, a->status != DNS_AGAIN);
		return;
	}
	r->tried = r->taken = false;
	r->starting = true;
	send_all(r, rua);
	r->starting = false;
	if (list_is_empty(&r->sendings))
		end_domain(r, r->taken || !r->tried);
}

/* --- whose turn it is ------------------------------------------------------------------------------------------------------ */

static const struct tlsrpt_tally *choose(struct tls_report *r)
{
	usec wall = loop_wall(r->d->o.loop), now = loop_now(r->d->o.loop);

	LIST_EACH(&r->counts.tallies, it, tmp) {
		const struct tlsrpt_tally *t = LIST_ITEM(it, struct tlsrpt_tally, link);
		char key[LIMIT_DOMAIN + 32];
		const struct wait *w;

		if (due_at(r, t->day) > wall)
			continue;
		format_text(key, sizeof(key), "%lld %s", (long long)t->day, t->domain);
		w = table_find(&r->waits, str_of(key));
		if (!w || w->until <= now)
			return t;
	}
	return NULL;
}

static void next(struct tls_report *r)
{
	const struct tlsrpt_tally *t = choose(r);
	char name[LIMIT_DOMAIN + 20];

	if (!t) {
		wait_for_due(r);
		return;
	}
	r->day = t->day;
	format_text(r->domain, sizeof(r->domain), "%s", t->domain);
	format_text(r->id, sizeof(r->id), "%lld.%s@%s", (long long)t->day, t->domain, r->d->o.conf->myhostname);
	format_text(name, sizeof(name), "_smtp._tls.%s", t->domain);
	r->query = dns_ask(r->d->o.dns, str_of(name), DNS_TXT, on_record, r);
}

static void on_due(struct loop_timer *t)
{
	struct tls_report *r = LIST_ITEM(t, struct tls_report, due);

	if (!r->domain[0])
		next(r);
}

/* --- life ------------------------------------------------------------------------------------------------------------------ */

struct tls_report *tls_report_new(struct deliver *d)
{
	struct tls_report *r = MEM_NEW(struct tls_report);
	struct buf text;

	r->d = d;
	tlsrpt_init(&r->counts);
	table_init(&r->waits);
	list_init(&r->sendings);
	loop_timer_init(&r->save, on_save);
	loop_timer_init(&r->due, on_due);
	r->saver = saver_new(&(struct saver_options){ .pool = d->o.pool, .path = FILE_NAME, .most = LIMIT_TLSRPT_FILE, .draw = draw, .ctx = r,
		.loss = "a restart forgets what TLS reports are to tell" });
	buf_init(&text, LIMIT_TLSRPT_FILE);
	if (fs_read_file(FILE_NAME, &text) == 0) {
		if (!tlsrpt_read(&r->counts, buf_view(&text)))
			log_warn("smtp", FILE_NAME " is damaged, or another version's: TLS reports begin anew");
	} else if (errno != ENOENT) {
		log_warn("smtp", FILE_NAME ": %s: TLS reports begin anew", strerror(errno));
	}
	buf_fini(&text);
	if (choose(r))
		loop_timer_set(d->o.loop, &r->due, loop_now(d->o.loop) + USEC_PER_SEC);
	else
		wait_for_due(r);
	return r;
}

void tls_report_flush(struct tls_report *r)
{
	if (!r)
		return;
	saver_flush(r->saver, r->saving);
}

void tls_report_free(struct tls_report *r)
{
	size_t cursor = 0;
	struct str key;
	void *value;

	if (!r)
		return;
	loop_timer_cancel(r->d->o.loop, &r->save);
	loop_timer_cancel(r->d->o.loop, &r->due);
	dns_cancel(r->query);
	LIST_EACH(&r->sendings, it, tmp) {
		struct sending *x = LIST_ITEM(it, struct sending, link);

		list_remove(it);
		x->report = NULL;
		if (!x->fetch)
			continue;
		fetch_cancel(x->fetch);
		mem_free(x);
	}
	while (table_each(&r->waits, &cursor, &key, &value))
		mem_free(value);
	table_fini(&r->waits);
	saver_free(r->saver);
	tlsrpt_fini(&r->counts);
	mem_free(r);
}
