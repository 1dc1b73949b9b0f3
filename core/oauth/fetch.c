/* fetch - see fetch.h. */
#include "core/oauth/fetch.h"

#include <errno.h>
#include <string.h>

#include "core/base/format.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/net/conn.h"
#include "core/net/http.h"

#define FETCH_TIME (30 * USEC_PER_SEC)         /* for all of one address */
#define PROXY_PORT 3128

struct fetch {
	struct fetch_options o;        /* its texts are ours */
	fetch_fn fn;
	void *ctx;
	char host[LIMIT_DOMAIN + 1];
	uint16_t proxy_port;           /* 0: straight */
	char *path, *body;
	struct dns_query *query;
	struct dns_addresses found;
	size_t at;
	struct conn *conn;
	bool tunnel;                   /* the proxy was asked, and has not answered */
	struct loop_task task;         /* the next address, or the end */
	int status;                    /* of the answer; 0: none yet */
	struct buf answer;
	char why[200];
};

static void fetch_free(struct fetch *f)
{
	loop_task_cancel(&f->task);
	if (f->query)
		dns_cancel(f->query);
	if (f->conn)
		conn_close(f->conn);
	mem_wipe(f->body, strlen(f->body));
	mem_free(f->body);
	mem_free(f->path);
	buf_wipe(&f->answer);
	mem_free(f);
}

/* --- one address ------------------------------------------------------------------------------------------------------ */

static enum conn_next end(struct fetch *f, const char *why)
{
	f->conn = NULL;
	format_text(f->why, sizeof(f->why), "%s", why);
	loop_defer(f->o.loop, &f->task);
	return CONN_CLOSE;
}

static void send_request(struct fetch *f)
{
	buf_printf(&f->conn->out, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: relaybox\r\nAccept: application/json\r\n"
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", f->path, f->host,
		strlen(f->body));
	buf_z(&f->conn->out, f->body);
}

static enum conn_next start_tls(struct fetch *f, struct conn *c)
{
	const char *names[] = { f->host, NULL };
	struct tls_peer peer = { .server_name = f->host, .match = TLS_MATCH_NAME, .names = names };
	struct ipaddr address;

	if (ipaddr_parse(str_of(f->host), &address))
		peer.server_name = NULL;
	conn_start_tls(c, f->o.tls, &peer);
	return CONN_KEEP;
}

/* take_tunnel - the proxy's answer to CONNECT (RFC 9110 section 9.3.6): a header, and nothing behind it */
static enum conn_next take_tunnel(struct fetch *f, struct conn *c, bool ended)
{
	struct str in = buf_view(&c->in);
	ptrdiff_t stop = str_find(in, STR("\r\n\r\n"));
	char text[60];

	if (stop < 0)
		return ended || in.n >= LIMIT_HTTP_REQUEST ? end(f, "the proxy's answer is no HTTP") : CONN_KEEP;
	if (!str_starts(in, STR("HTTP/1.")) || in.n < 12 || in.p[9] != '2') {
		format_text(text, sizeof(text), "the proxy answers %.*s", str_starts(in, STR("HTTP/1.")) ? 3 : 0, in.p + 9);
		return end(f, text);
	}
	if (in.n > (size_t)stop + 4)
		return end(f, "the proxy speaks before it is asked");
	buf_consume(&c->in, in.n);
	f->tunnel = false;
	return start_tls(f, c);
}

static enum conn_next take(struct fetch *f, struct conn *c, bool ended)
{
	const char *why = "";
	struct http_answer a;

	if (f->tunnel)
		return take_tunnel(f, c, ended);
	switch (http_parse_whole(buf_view(&c->in), ended, &a, &f->answer, &why)) {
	case HTTP_NEED_MORE:
		return c->in.n < c->in.max ? CONN_KEEP : end(f, "the answer is too large");
	case HTTP_BAD:
		return end(f, why);
	case HTTP_OK:
		break;
	}
	f->status = a.status;
	return end(f, "");
}

static enum conn_next on_conn(struct conn *c, enum conn_event ev)
{
	struct fetch *f = c->ctx;

	switch (ev) {
	case CONN_CONNECTED:
		conn_deadline(c, loop_now(f->o.loop) + FETCH_TIME);
		if (!f->proxy_port)
			return start_tls(f, c);
		f->tunnel = true;
		buf_printf(&c->out, "CONNECT %s:%u HTTP/1.1\r\nHost: %s:%u\r\n\r\n", f->host, f->o.port, f->host, f->o.port);
		return CONN_KEEP;
	case CONN_TLS_READY:
		send_request(f);
		return CONN_KEEP;
	case CONN_DATA:
		return take(f, c, false);
	case CONN_EOF:
		return take(f, c, true);
	case CONN_FAILED:
		return end(f, c->why[0] ? c->why : conn_error_text(c->error));
	case CONN_DEADLINE:
		return end(f, "it does not answer in time");
	case CONN_SENT:
		break;
	}
	return CONN_KEEP;
}

static void connect_next(struct fetch *f)
{
	struct sockaddr_storage to;
	socklen_t n = ipaddr_to_sockaddr(&f->found.v[f->at++], f->proxy_port ? f->proxy_port : f->o.port, &to);

	f->conn = conn_connect(f->o.loop, (const struct sockaddr *)&to, n, NULL, 0, 2 * LIMIT_OAUTH_TEXT, 2 * LIMIT_OAUTH_TEXT,
		loop_now(f->o.loop) + FETCH_TIME, on_conn, f);
	if (!f->conn)
		end(f, strerror(errno));
}

/* --- the walk ---------------------------------------------------------------------------------------------------------- */

static void on_task(struct loop_task *t)
{
	struct fetch *f = LIST_ITEM(t, struct fetch, task);

	if (!f->status && f->at < f->found.n && f->at < LIMIT_OAUTH_ADDRESSES) {
		connect_next(f);
		return;
	}
	f->fn(f->ctx, f->status, buf_view(&f->answer), f->why);
	fetch_free(f);
}

static void on_addresses(void *ctx, const struct dns_addresses *a)
{
	struct fetch *f = ctx;

	f->query = NULL;
	f->found = *a;
	end(f, a->why[0] ? a->why : "it has no address");
}

void fetch_proxy(const char *proxy, struct str *host, uint16_t *port)
{
	struct str s = str_of(proxy ? proxy : "");
	uint64_t number = PROXY_PORT;
	ptrdiff_t at;

	*port = 0;
	if (str_istarts(s, STR("http://")))
		s = str_from(s, 7);
	if ((at = str_chr(s, '@')) >= 0)
		s = str_from(s, (size_t)at + 1);
	if ((at = str_chr(s, '/')) >= 0)
		s = str_head(s, (size_t)at);
	*host = s;
	if ((at = str_chr(s, ':')) >= 0) {
		*host = str_head(s, (size_t)at);
		if (!str_to_u64(str_from(s, (size_t)at + 1), &number) || !number || number > 65535)
			return;
	}
	if (host->n && host->n <= LIMIT_DOMAIN)
		*port = (uint16_t)number;
}

struct fetch *fetch_post(const struct fetch_options *o, fetch_fn fn, void *ctx)
{
	struct fetch *f = MEM_NEW(struct fetch);
	struct str name;

	*f = (struct fetch){ .o = *o, .fn = fn, .ctx = ctx };
	format_text(f->host, sizeof(f->host), "%.*s", STR_ARG(o->host));
	f->path = str_dup(o->path);
	f->body = str_dup(o->body);
	buf_init(&f->answer, LIMIT_OAUTH_TEXT);
	loop_task_init(&f->task, on_task);
	fetch_proxy(o->proxy, &name, &f->proxy_port);
	if (!f->proxy_port)
		name = str_of(f->host);
	if (ipaddr_parse(name, &f->found.v[0])) {
		f->found.n = 1;
		loop_defer(o->loop, &f->task);
	} else {
		f->query = dns_lookup_host(o->dns, name, 3, DNS_NATIVE, on_addresses, f);
	}
	return f;
}

void fetch_cancel(struct fetch *f) { fetch_free(f); }
