/* fetch - see fetch.h. */
#include "core/net/fetch.h"

#include <errno.h>
#include <string.h>

#include "core/base/format.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/net/conn.h"
#include "core/net/http.h"

#define LOOKS 64                               /* at an answer as long as may be: whoever sends it byte by byte costs no more time than that */

struct fetch {
	struct fetch_options o;        /* its texts are ours */
	fetch_fn fn;
	void *ctx;
	char host[LIMIT_DOMAIN + 1];
	uint16_t proxy_port;           /* 0: straight */
	struct buf connect;            /* what the proxy is asked */
	char *path, *body;
	usec deadline;                 /* mono; 0: no connection yet */
	struct dns_query *query;
	struct dns_addresses found;
	size_t at;
	struct conn *conn;
	size_t looked;                 /* at bytes of its answer, from the first each time that something comes */
	bool tunnel;                   /* the proxy was asked, and has not answered */
	bool over;                     /* the word is final: another address would say the same */
	struct loop_task task;         /* the next address, or the end */
	struct fetch_answer answer;
	char type[64], date[40], why[200];
	struct buf text;
};

static void fetch_free(struct fetch *f)
{
	loop_task_cancel(&f->task);
	dns_cancel(f->query);
	if (f->conn)
		conn_close(f->conn);
	mem_wipe(f->body, f->o.body.n);
	mem_free(f->body);
	mem_free(f->path);
	buf_wipe(&f->text);
	buf_wipe(&f->connect);
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

static enum conn_next end_over(struct fetch *f, const char *why)
{
	f->over = true;
	return end(f, why);
}

static void send_request(struct fetch *f)
{
	struct buf *out = &f->conn->out;

	buf_printf(out, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: relaybox\r\nAccept: %s\r\nConnection: close\r\n",
		f->o.type ? "POST" : "GET", f->path, f->host, f->o.accept);
	if (f->o.type)
		buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", f->o.type, f->o.body.n);
	buf_z(out, "\r\n");
	buf_add(out, f->body, f->o.body.n);
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
		format_text(text, sizeof(text), "the proxy answers %.*s", STR_ARG(str_head(str_from(in, 9), str_starts(in, STR("HTTP/1.")) ? 3 : 0)));
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
	if (ended && !c->in.n)
		return end(f, "it ended the connection without an answer");
	f->looked += c->in.n;
	if (f->looked > LOOKS * c->in.max)
		return end_over(f, "it comes in too many pieces");
	switch (http_parse_answer(buf_view(&c->in), ended, &a, &f->text, &why)) {
	case HTTP_NEED_MORE:
		return c->in.n < c->in.max ? CONN_KEEP : end_over(f, "too large");
	case HTTP_BAD:
		/* a refusal is one, however it goes on */
		if (a.status < 300)
			return end_over(f, why);
		buf_clear(&f->text);
		break;
	case HTTP_OK:
		break;
	}
	f->answer.status = a.status;
	format_text(f->type, sizeof(f->type), "%.*s", STR_ARG(a.type));
	format_text(f->date, sizeof(f->date), "%.*s", STR_ARG(a.date));
	return end_over(f, "");
}

static enum conn_next on_conn(struct conn *c, enum conn_event ev)
{
	struct fetch *f = c->ctx;

	switch (ev) {
	case CONN_CONNECTED:
		if (!f->proxy_port)
			return start_tls(f, c);
		f->tunnel = true;
		buf_str(&c->out, buf_view(&f->connect));
		return CONN_KEEP;
	case CONN_TLS_READY:
		send_request(f);
		return CONN_KEEP;
	case CONN_DATA:
		return take(f, c, false);
	case CONN_EOF:
		return take(f, c, true);
	case CONN_FAILED:
		f->answer.tls = !c->error;
		return end(f, c->why[0] ? c->why : conn_error_text(c->error));
	case CONN_DEADLINE:
		return end(f, "it does not answer in time");
	case CONN_SENT:
		break;
	}
	return CONN_KEEP;
}

/* connect_next - within its share of the time: what is left for the last one, half of it for each before */
static void connect_next(struct fetch *f)
{
	usec now = loop_now(f->o.loop), left;
	struct sockaddr_storage to;
	socklen_t n = ipaddr_to_sockaddr(&f->found.v[f->at++], f->proxy_port ? f->proxy_port : f->o.port, &to);

	if (!f->deadline)
		f->deadline = now + f->o.time;
	left = f->deadline - now;
	f->looked = 0;
	if (f->at < f->found.n)
		left /= 2;
	f->conn = conn_connect(f->o.loop, (const struct sockaddr *)&to, n, NULL, 0, f->o.most + LIMIT_FETCH_HEADER,
		f->o.body.n + LIMIT_FETCH_HEADER, now + left, on_conn, f);
	if (!f->conn)
		end(f, strerror(errno));
}

/* may_call - where mail for that address would come out, behind a translator too */
static bool may_call(const struct ipaddr *a)
{
	struct ipaddr inner;

	return ipaddr_is_public(ipaddr_inner(a, &inner) ? &inner : a);
}

/* keep_public - of the addresses found; why there may be none. A proxy is the administrator's, and looks up names by itself */
static const char *keep_public(struct fetch *f)
{
	struct ipaddr host;
	size_t n = 0;

	if (!f->o.strange || !f->found.n)
		return "it has no address";
	for (size_t i = 0; i < f->found.n; i++)
		if (f->proxy_port ? !ipaddr_parse(str_of(f->host), &host) || may_call(&host) : may_call(&f->found.v[i]))
			f->found.v[n++] = f->found.v[i];
	f->found.n = n;
	return "its address is not public";
}

/* --- the walk ---------------------------------------------------------------------------------------------------------- */

static void on_task(struct loop_task *t)
{
	struct fetch *f = LIST_ITEM(t, struct fetch, task);
	bool late = f->deadline && loop_now(f->o.loop) >= f->deadline;

	if (!f->over && !late && f->at < f->found.n) {
		f->answer.tls = false;
		connect_next(f);
		return;
	}
	f->answer.type = str_of(f->type);
	f->answer.date = str_of(f->date);
	f->answer.body = buf_view(&f->text);
	f->answer.why = f->why;
	f->fn(f->ctx, &f->answer);
	fetch_free(f);
}

static void on_addresses(void *ctx, const struct dns_addresses *a)
{
	struct fetch *f = ctx;

	const char *none;

	f->query = NULL;
	f->found = *a;
	none = keep_public(f);
	if (f->found.n > LIMIT_FETCH_ADDRESSES)
		f->found.n = LIMIT_FETCH_ADDRESSES;
	end(f, a->why[0] ? a->why : none);
}

bool fetch_split(struct str url, struct str *host, uint16_t *port, struct str *path)
{
	ptrdiff_t slash;

	if (!str_istarts(url, STR("https://")) || !str_is_token(url))
		return false;
	url = str_from(url, 8);
	slash = str_chr(url, '/');
	*path = slash < 0 ? STR("/") : str_from(url, (size_t)slash);
	return fetch_authority(slash < 0 ? url : str_head(url, (size_t)slash), FETCH_HTTPS, host, port);
}

struct tls_context *fetch_trust(const char *ca_file, struct buf *why)
{
	struct tls_options o = { .ca_file = *ca_file ? ca_file : fs_authorities(), .ca_path = "", .cert_file = "", .key_file = "", .chain_files = "",
		.protocols = "" };

	if (*o.ca_file)
		return tls_context_new(&o, why);
	buf_z(why, "this system has no file of authorities to trust: name one (smtp_tls_CAfile)");
	return NULL;
}

/* ask_proxy - for the way to the host */
static void ask_proxy(struct fetch *f, const struct fetch_proxy *p)
{
	bool colon = strchr(f->host, ':') != NULL;
	char where[LIMIT_DOMAIN + 10];

	f->proxy_port = p->port;
	format_text(where, sizeof(where), "%s%s%s:%u", colon ? "[" : "", f->host, colon ? "]" : "", f->o.port);
	buf_init(&f->connect, LIMIT_FETCH_HEADER);
	/* all room at once: a buffer that moves would leave secrets behind */
	buf_reserve(&f->connect, LIMIT_FETCH_HEADER);
	buf_printf(&f->connect, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", where, where);
	fetch_put_login(&f->connect, p->login);
	buf_z(&f->connect, "\r\n");
}

struct fetch *fetch_start(const struct fetch_options *o, fetch_fn fn, void *ctx)
{
	struct fetch *f = MEM_NEW(struct fetch);
	struct fetch_proxy proxy;
	enum fetch_way way;
	struct str name;

	*f = (struct fetch){ .o = *o, .fn = fn, .ctx = ctx };
	format_text(f->host, sizeof(f->host), "%.*s", STR_ARG(o->host));
	f->path = str_dup(o->path);
	f->body = mem_alloc(o->body.n + 1);
	memcpy(f->body, o->body.n ? o->body.p : "", o->body.n);
	buf_init(&f->text, o->most);
	loop_task_init(&f->task, on_task);
	way = fetch_proxy(o->host, &proxy);
	name = way == FETCH_BY_PROXY ? proxy.host : str_of(f->host);
	if (way == FETCH_BY_PROXY)
		ask_proxy(f, &proxy);
	if (way == FETCH_NO_WAY) {
		end(f, "https_proxy of the environment is not http://host:port");
	} else if (ipaddr_parse(name, &f->found.v[0])) {
		f->found.n = 1;
		end(f, keep_public(f));
	} else {
		f->query = dns_lookup_host(o->dns, name, f->proxy_port ? 3 : o->families, f->proxy_port ? DNS_NATIVE : o->names, on_addresses, f);
	}
	return f;
}

void fetch_cancel(struct fetch *f) { fetch_free(f); }
