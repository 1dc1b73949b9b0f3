/* web - a table of paths, each with what writes its answer. An answer is made in one go and kept for a moment: all who ask meanwhile get
 * the same text, in pieces as they take it, so that neither their number nor their slowness costs much. A balancer that asks
 * for "/", as most do when nobody told them otherwise, learns whether the relay may get mail. */
#include "core/daemon/web.h"

#include "core/base/format.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/daemon/busiest.h"
#include "core/daemon/census.h"
#include "core/daemon/health.h"
#include "core/daemon/limit_hit.h"
#include "core/daemon/metrics.h"
#include "core/daemon/stats.h"
#include "core/net/http.h"
#include "core/view/status_page.h"

#define REQUEST_TIME (5 * USEC_PER_SEC)        /* a request comes, and is answered, within this */
#define PAGE_DESTINATIONS 20                   /* that the page shows */
#define SHARED_TIME (USEC_PER_SEC / 4)         /* an answer is given to all who ask within this */

struct web_answer {
	struct list link;              /* relay.answers, while it may be given to others */
	unsigned users;                /* visitors, and that list */
	const struct page *page;
	bool open;
	usec made;                     /* mono */
	int status;
	char more[400];                /* header fields */
	struct buf text;
};
struct visitor {
	struct list link;
	struct relay *relay;
	struct conn *conn;
	struct ipaddr address;
	struct web_answer *answer;     /* being sent; NULL: the request is not there yet */
	size_t at;
};

#define PLAIN "text/plain; charset=utf-8"
#define HTML "text/html; charset=utf-8"
#define METRICS "text/plain; version=0.0.4; charset=utf-8"
#define OPEN_METRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

static int say(const char *why, struct buf *out)
{
	buf_printf(out, "%s\n", why ? why : "ok");
	return why ? 503 : 200;
}

static int put_health(struct relay *r, struct web_answer *a)
{
	return say(health_alive(r), &a->text);
}

static int put_ready(struct relay *r, struct web_answer *a)
{
	return say(health_ready(r), &a->text);
}

static int put_metrics(struct relay *r, struct web_answer *a)
{
	metrics_write(r, &a->text, a->open);
	return a->text.overflow ? 500 : 200;
}

/* put_page - only what the page brings along is done: the nonce is new each time */
static int put_page(struct relay *r, struct web_answer *a)
{
	const struct census_sums *c = census_look(r);
	struct store_room room = { 0 };
	struct busiest busiest;
	char nonce[40];
	struct buf rows;
	struct status_page p = { .host = r->settings->conf->myhostname, .version = RELAYBOX_VERSION, .why = health_ready(r), .nonce = nonce,
		.active = c->messages[CENSUS_ACTIVE], .deferred = c->messages[CENSUS_DEFERRED], .held = c->messages[CENSUS_HOLD], .oldest = c->oldest,
		.masked = r->settings->conf->http_mask_addresses };

	format_text(nonce, sizeof(nonce), "%08x%08x%08x%08x", random_u32(), random_u32(), random_u32(), random_u32());
	format_text(a->more, sizeof(a->more), "Content-Security-Policy: default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; connect-src 'self'; "
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n",
		nonce, nonce);
	store_room(r->store, &room);
	p.room = room.bytes;
	busiest_find(&busiest, r->schedule, PAGE_DESTINATIONS);
	p.others = busiest.n_others;
	buf_init(&rows, LIMIT_SESSION_OUTPUT);
	stats_page_rows(r, &busiest, &rows);
	status_page_write(&p, buf_view(&rows), &a->text);
	buf_fini(&rows);
	busiest_fini(&busiest);
	return p.why ? 503 : 200;
}

static const struct page {
	const char *path, *type, *open_type;
	usec shared;
	bool by_name;          /* only for who asks by a name of ours */
	int (*put)(struct relay *r, struct web_answer *a);     /* the status */
} pages[] = {
	{ "/healthz", PLAIN, PLAIN, 0, false, put_health },
	{ "/readyz", PLAIN, PLAIN, 0, false, put_ready },
	{ "/", HTML, HTML, SHARED_TIME, true, put_page },
	{ "/metrics", METRICS, OPEN_METRICS, SHARED_TIME, true, put_metrics },
};

/* --- answers ---------------------------------------------------------------------------------------------------------- */

static void let_go(struct web_answer *a)
{
	if (--a->users)
		return;
	buf_fini(&a->text);
	mem_free(a);
}

static struct web_answer *kept(struct relay *r, const struct page *p, bool open)
{
	struct web_answer *found = NULL;

	LIST_EACH(&r->answers, it, tmp) {
		struct web_answer *a = LIST_ITEM(it, struct web_answer, link);

		if (a->made + a->page->shared < loop_now(r->loop)) {
			list_remove(&a->link);
			let_go(a);
		} else if (a->page == p && a->open == open) {
			found = a;
		}
	}
	return found;
}

static struct web_answer *answer_new(int status)
{
	struct web_answer *a = MEM_NEW(struct web_answer);

	list_init(&a->link);
	a->status = status;
	buf_init(&a->text, LIMIT_METRIC_TEXT);
	return a;
}

static struct web_answer *answer_of(struct relay *r, const struct page *p, bool open)
{
	struct web_answer *a = kept(r, p, open);

	if (a)
		return a;
	a = answer_new(200);
	a->page = p;
	a->open = open;
	a->made = loop_now(r->loop);
	a->status = p->put(r, a);
	if (p->shared) {
		list_append(&r->answers, &a->link);
		a->users++;
	}
	return a;
}

static struct web_answer *refusal(int status)
{
	struct web_answer *a = answer_new(status);

	buf_z(&a->text, status == 404 ? "no such page\n" : status == 421 ? "not a name of this relay: see http_hosts in relaybox.conf(5)\n" :
		"not a request that is understood here\n");
	return a;
}

static const struct page *page_of(struct str path)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
		if (str_eq(path, str_of(pages[i].path)))
			return &pages[i];
	return NULL;
}

/* is_ours - names with a dot are anybody's: one that a stranger has point here would give his web page the visitor's view of us */
static bool is_ours(const struct conf *c, struct str host)
{
	struct str rest = str_of(c->http_hosts), word;
	struct ipaddr address;

	if (str_chr(host, '.') < 0 || ipaddr_parse(host, &address))
		return true;
	while (str_word(&rest, ", \t\r\n", &word))
		if (str_ieq(host, word) || (str_starts(word, STR(".")) && str_iends(host, word)))
			return true;
	return false;
}

static int refuse(const struct conf *c, const struct page *p, const struct http_request *q)
{
	return !p ? 404 : p->by_name && !is_ours(c, q->host) ? 421 : 0;
}

/* respond - refused: the status for what is no request, or 0 */
static void respond(struct visitor *v, const struct http_request *q, int refused)
{
	const struct page *p = refused ? NULL : page_of(q->path);
	bool open = str_find(q->accept, STR("application/openmetrics-text")) >= 0;
	struct web_answer *a;

	if (!refused)
		refused = refuse(v->relay->settings->conf, p, q);
	a = refused ? refusal(refused) : answer_of(v->relay, p, open);

	a->users++;
	v->answer = a;
	http_respond(&v->conn->out, a->status, refused ? PLAIN : open ? p->open_type : p->type, a->more, a->text.n);
	if (q->head)
		v->at = a->text.n;
}

/* --- visitors ----------------------------------------------------------------------------------------------------------- */

static void leave(struct visitor *v)
{
	if (v->answer)
		let_go(v->answer);
	list_remove(&v->link);
	mem_free(v);
}

/* send_piece - false: all is sent */
static bool send_piece(struct visitor *v)
{
	struct str piece = str_head(str_from(buf_view(&v->answer->text), v->at), LIMIT_HTTP_PIECE);

	v->at += piece.n;
	return piece.n && buf_str(&v->conn->out, piece);
}

static enum conn_next on_conn(struct conn *c, enum conn_event ev)
{
	struct visitor *v = c->ctx;
	struct http_request q;
	int status;

	if (ev == CONN_CONNECTED || (ev == CONN_SENT && !v->answer))
		return CONN_KEEP;
	if (v->answer && (ev == CONN_DATA || ev == CONN_EOF)) {
		buf_clear(&c->in);
		return CONN_KEEP;
	}
	if (ev == CONN_DATA) {
		if (http_parse(buf_view(&c->in), &q, &status) == HTTP_NEED_MORE)
			return CONN_KEEP;
		respond(v, &q, status);
		conn_deadline(c, loop_now(v->relay->loop) + REQUEST_TIME);
		send_piece(v);
		return CONN_KEEP;
	}
	if (ev == CONN_SENT && send_piece(v))
		return CONN_KEEP;
	if (ev == CONN_SENT)
		conn_close_after_send(c, loop_now(v->relay->loop) + REQUEST_TIME);
	leave(v);
	return CONN_CLOSE;
}

/* make_room - bounded in all and for each address: past that the oldest goes, of the same address first, which is one that says
 * nothing, for all others are answered at once */
static void make_room(struct relay *r, const struct ipaddr *a)
{
	struct visitor *oldest_same = NULL, *gone;
	unsigned all = 0, same = 0;

	LIST_EACH(&r->visitors, it, tmp) {
		struct visitor *v = LIST_ITEM(it, struct visitor, link);
		bool is_same = ipaddr_eq(&v->address, a);

		all++;
		same += is_same;
		oldest_same = is_same && !oldest_same ? v : oldest_same;
	}
	if (all < LIMIT_HTTP_CONNECTIONS && same < LIMIT_HTTP_CLIENT)
		return;
	limit_hit(LIMIT_HIT_HTTP);
	gone = oldest_same ? oldest_same : LIST_ITEM(r->visitors.next, struct visitor, link);
	conn_close(gone->conn);
	leave(gone);
}

void web_open(struct relay *r, int fd)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t n = sizeof(peer);
	struct visitor *v = MEM_NEW(struct visitor);

	v->relay = r;
	if (getpeername(fd, (struct sockaddr *)&peer, &n) == 0)
		ipaddr_from_sockaddr((struct sockaddr *)&peer, &v->address);
	make_room(r, &v->address);
	v->conn = conn_accepted(r->loop, fd, LIMIT_HTTP_REQUEST, 2 * LIMIT_HTTP_PIECE, on_conn, v);
	if (!v->conn) {
		mem_free(v);
		return;
	}
	list_append(&r->visitors, &v->link);
	conn_deadline(v->conn, loop_now(r->loop) + REQUEST_TIME);
}
