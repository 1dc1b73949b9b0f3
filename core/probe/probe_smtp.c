/* probe_smtp - one address: connect, greeting, EHLO, STARTTLS, EHLO again, QUIT; times and words are kept, nothing is sent.
 * Then, on connections of their own, as far as a server's answer to the first message of old TLS versions. */
#include "core/probe/probe.h"

#include <errno.h>
#include <netinet/in.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/probe/old_tls.h"
#include "core/probe/probe_out.h"
#include "core/smtp/client.h"

#define OLD_GREETING (5 * USEC_PER_SEC) /* of servers that are slower it is not asked */
#define OLD_PATIENCE (3 * USEC_PER_SEC) /* beyond twice what the real dialogue took */

struct dialogue {
	struct probe *probe;
	struct probe_host *host;
	struct probe_address *real, *a; /* a: what is written to; not the real one where only `old` is asked */
	unsigned old;                  /* version of TLS to try; 0: the real dialogue */
	bool said_hello;               /* in the old version */
	struct conn *conn;
	struct smtp_client client;
	struct loop_task bye;
	usec began;
	bool over;
};

static void forget(struct dialogue *d)
{
	struct probe *p = d->probe;

	if (d->a != d->real)
		mem_free(d->a);
	mem_free(d);
	probe_release(p);
}

static void begin(struct probe *p, struct probe_host *h, struct probe_address *a, unsigned old);

/* next_old - TLS 1.1 after a dialogue that came to TLS, TLS 1.0 where that is taken */
static void next_old(struct dialogue *d)
{
	const struct probe_address *a = d->real;

	if (!d->old && a->banner_time < OLD_GREETING &&
		(a->tls_done || (a->stage == PROBE_TLS && !a->last.code && !a->timed_out)))
		begin(d->probe, d->host, d->real, OLD_TLS_1_1);
	else if (d->old == OLD_TLS_1_1 && a->old_tls & 4)
		begin(d->probe, d->host, d->real, OLD_TLS_1_0);
}

/* on_bye - after the tick, when conn and machine are not on the stack any more */
static void on_bye(struct loop_task *t)
{
	struct dialogue *d = LIST_ITEM(t, struct dialogue, bye);

	next_old(d);
	smtp_client_fini(&d->client);
	forget(d);
}

static enum conn_next end(struct dialogue *d, const char *why)
{
	if (d->over)
		return CONN_CLOSE;
	d->over = true;
	/* without the library's number behind it, which says nothing to a person */
	if (why)
		snprintf(d->a->why, sizeof(d->a->why), "%.*s", (int)(strstr(why, " (-0x") ? strstr(why, " (-0x") - why : (ptrdiff_t)strlen(why)), why);
	loop_defer(d->probe->opt->loop, &d->bye);
	return CONN_CLOSE;
}

static usec lap(struct dialogue *d)
{
	usec now = clock_mono(), took = now - d->began;

	d->began = now;
	return took;
}

static bool start_tls(struct dialogue *d)
{
	struct ipaddr literal;
	const char *name = ipaddr_parse(str_of(d->host->name), &literal) ? NULL : d->host->name;
	struct tls_peer peer = { .server_name = name, .match = TLS_MATCH_NONE };

	d->a->stage = PROBE_TLS;
	if (!d->probe->opt->tls)
		return false;
	conn_start_tls(d->conn, d->probe->opt->tls, &peer);
	return true;
}

static enum conn_next say_old(struct dialogue *d)
{
	struct ipaddr literal;
	uint8_t random[32];

	random_bytes(random, sizeof(random));
	old_tls_hello(&d->conn->out, d->old, random, ipaddr_parse(str_of(d->host->name), &literal) ? STR_EMPTY : str_of(d->host->name));
	d->said_hello = true;
	return CONN_KEEP;
}

static enum conn_next take_old(struct dialogue *d)
{
	int version = old_tls_answer(buf_view(&d->conn->in));

	if (version > 0)
		d->real->old_tls |= version == OLD_TLS_1_0 ? 2 : 4;
	return version ? end(d, "") : CONN_KEEP;
}

static void take_tls(struct dialogue *d)
{
	struct probe_address *a = d->a;

	a->tls_done = true;
	a->tls_time = lap(d);
	/* TLS from the first byte: the words begin now */
	if (d->probe->opt->wrapper)
		a->stage = PROBE_CONNECT;
	if (!conn_tls(d->conn))
		return;
	a->tls = *conn_tls(d->conn);
	a->chain = mem_array(NULL, TLS_LINKS, sizeof(*a->chain));
	a->n_chain = tls_peer_chain(conn_tls_session(d->conn), a->chain);
	a->name_matches = tls_peer_is(conn_tls_session(d->conn), d->host->name);
}

static enum conn_next on_hello(struct dialogue *d)
{
	struct probe_address *a = d->a;
	const struct smtp_client *c = &d->client;

	if (!a->tls_done) {
		a->ehlo = c->ehlo;
		a->ehlo_time = lap(d);
		a->extensions = c->extensions;
		a->size_limit = c->size_limit;
		snprintf(a->auth, sizeof(a->auth), "%s", c->auth_mechanisms);
		a->esmtp = c->extensions != 0 || c->ehlo.code == 250;
		a->tls_offered = c->extensions & SMTP_EXT_STARTTLS;
		if (a->tls_offered && d->probe->opt->tls) {
			smtp_client_starttls(&d->client);
			return CONN_KEEP;
		}
	} else {
		if (d->probe->opt->wrapper)
			a->ehlo_time = lap(d);
		a->ehlo = c->ehlo.code ? c->ehlo : a->ehlo;
		a->extensions_tls = c->extensions;
		a->size_limit = c->size_limit;
		snprintf(a->auth_tls, sizeof(a->auth_tls), "%s", c->auth_mechanisms);
	}
	smtp_client_ready(&d->client);
	return CONN_KEEP;
}

static enum conn_next on_smtp(struct dialogue *d, enum smtp_client_event ev)
{
	struct buf line;

	switch (ev) {
	case SMTP_CLIENT_HELLO:
		return on_hello(d);
	case SMTP_CLIENT_STARTTLS:
		return d->old ? say_old(d) : start_tls(d) ? CONN_KEEP : end(d, NULL);
	case SMTP_CLIENT_TLS_REFUSED:
	case SMTP_CLIENT_REFUSED:
		buf_init(&line, LIMIT_REPLY_TEXT + 64);
		reply_line(&line, &d->client.reply);
		d->a->last = d->client.reply;
		end(d, buf_cstr(&line));
		buf_fini(&line);
		if (ev == SMTP_CLIENT_TLS_REFUSED)
			d->a->stage = PROBE_TLS;
		return CONN_CLOSE;
	case SMTP_CLIENT_READY:
		d->a->stage = PROBE_FINISHED;
		smtp_client_quit(&d->client);
		conn_close_after_send(d->conn, clock_mono() + USEC_PER_SEC);
		end(d, NULL);
		return CONN_KEEP;
	case SMTP_CLIENT_BROKEN:
		return end(d, d->client.why);
	default:
		return CONN_KEEP;
	}
}

static enum conn_next pump(struct dialogue *d)
{
	for (;;) {
		struct str in = buf_view(&d->conn->in);
		enum smtp_client_event ev;

		if (in.n && d->a->stage == PROBE_CONNECT) {
			d->a->stage = PROBE_BANNER;
			d->a->teaser_time = clock_mono() - d->began;
		}
		ev = smtp_client_next(&d->client, &in);
		buf_consume(&d->conn->in, d->conn->in.n - in.n);
		/* a greeting that is no welcome ends the dialogue, and took its time, too */
		if (d->a->stage == PROBE_BANNER && !d->a->banner_time && (d->client.greeting.code || ev == SMTP_CLIENT_REFUSED))
			d->a->banner_time = lap(d);
		if (d->a->stage == PROBE_BANNER && d->client.greeting.code == 220) {
			d->a->stage = PROBE_EHLO;
			d->a->banner = d->client.greeting;
		}
		if (ev == SMTP_CLIENT_WANT_INPUT)
			return CONN_KEEP;
		if (on_smtp(d, ev) == CONN_CLOSE)
			return CONN_CLOSE;
		if (d->over || ev == SMTP_CLIENT_STARTTLS)
			return CONN_KEEP;
	}
}

static bool is_no_route(int error)
{
	return error == ENETUNREACH || error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
}

static enum conn_next on_conn(struct conn *c, enum conn_event ev)
{
	struct dialogue *d = c->ctx;

	if (d->over)
		return CONN_CLOSE;
	switch (ev) {
	case CONN_CONNECTED:
		d->a->connect_time = lap(d);
		if (d->probe->opt->wrapper)
			return d->old ? say_old(d) : start_tls(d) ? CONN_KEEP : end(d, "TLS is not available");
		return pump(d);
	case CONN_TLS_READY:
		take_tls(d);
		smtp_client_tls_done(&d->client);
		return pump(d);
	case CONN_DATA:
		return d->said_hello ? take_old(d) : pump(d);
	case CONN_EOF:
		if (!d->said_hello && (pump(d) == CONN_CLOSE || d->over))
			return CONN_CLOSE;
		return end(d, "the server closed the connection");
	case CONN_FAILED:
		d->a->error = c->error;
		d->a->no_route = c->unsent && is_no_route(c->error);
		return end(d, c->why[0] ? c->why : strerror(c->error));
	case CONN_DEADLINE:
		d->a->timed_out = true;
		return end(d, "timed out");
	case CONN_SENT:
		break;
	}
	return CONN_KEEP;
}

static void begin(struct probe *p, struct probe_host *h, struct probe_address *a, unsigned old)
{
	struct smtp_client_options o = { .helo_name = p->opt->helo_name, .always_ehlo = true };
	struct dialogue *d = MEM_NEW(struct dialogue);
	struct sockaddr_storage to;
	socklen_t n = ipaddr_to_sockaddr(&a->ip, p->opt->port, &to);

	probe_hold(p);
	d->probe = p;
	d->host = h;
	d->real = a;
	d->a = old ? MEM_NEW(struct probe_address) : a;
	d->old = old;
	d->began = clock_mono();
	loop_task_init(&d->bye, on_bye);
	d->conn = conn_connect(p->opt->loop, (struct sockaddr *)&to, n, NULL, 0, LIMIT_CONN_READ, LIMIT_CONN_READ,
		d->began + (old ? 2 * probe_took(a) + OLD_PATIENCE : p->opt->time), on_conn, d);
	if (!d->conn) {
		d->a->error = errno;
		d->a->no_route = is_no_route(errno);
		snprintf(d->a->why, sizeof(d->a->why), "%s", strerror(errno));
		forget(d);
		return;
	}
	smtp_client_init(&d->client, &o, &d->conn->out);
}

void probe_smtp_start(struct probe *p, struct probe_host *h, struct probe_address *a)
{
	begin(p, h, a, 0);
}
