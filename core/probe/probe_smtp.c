/* probe_smtp - one address: connect, greeting, EHLO, STARTTLS, EHLO again, QUIT; times and words are kept, nothing is sent.
 * Then the looks of probe_looks.h, on connections of their own. */
#include "core/probe/probe.h"

#include <errno.h>
#include <netinet/in.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/probe/probe_looks.h"
#include "core/probe/probe_out.h"
#include "core/probe/probe_seen.h"
#include "core/smtp/client.h"

#define LOOK_PATIENCE (12 * USEC_PER_SEC) /* beyond twice what the real dialogue took, and no more than that may take: an answer is
                                        * worth waiting for, or two runs would say two things */

struct dialogue {
	struct probe *probe;
	struct probe_host *host;
	struct probe_address *real, *a; /* a: what is written to; not the real one in a further look */
	enum look look;
	enum look_end end;
	bool looking;                  /* what comes from now on is the answer to the look */
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
	probe_address_end(p, d->real);
	mem_free(d);
	probe_release(p);
}

static void begin(struct probe *p, struct probe_host *h, struct probe_address *a, enum look look);

static void look_on(struct dialogue *d)
{
	if (d->look == LOOK_REAL && probe_seen_alike(d->probe, d->real))
		return;
	for (int row = 0; row < (d->look ? 1 : 2); row++) {
		enum look next = d->look ? look_next(d->probe, d->real, d->look, d->end) : look_first(d->probe, d->real, row);

		if (next != LOOK_NONE)
			begin(d->probe, d->host, d->real, next);
	}
}

/* on_bye - after the tick, when conn and machine are not on the stack any more */
static void on_bye(struct loop_task *t)
{
	struct dialogue *d = LIST_ITEM(t, struct dialogue, bye);

	look_on(d);
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
	struct tls_peer peer = { .server_name = probe_tls_name(d->probe, d->host), .match = TLS_MATCH_NONE };

	d->a->stage = PROBE_TLS;
	if (!d->probe->opt->tls)
		return false;
	conn_start_tls(d->conn, d->probe->opt->tls, &peer);
	return true;
}

static enum conn_next say_hello(struct dialogue *d)
{
	look_hello(d->probe, d->host, d->real, d->look, &d->conn->out);
	d->looking = true;
	return CONN_KEEP;
}

static enum conn_next take_look(struct dialogue *d)
{
	return look_answer(d->probe, d->host, d->real, d->look, buf_view(&d->conn->in), &d->end) ? end(d, "") : CONN_KEEP;
}

static void take_tls(struct dialogue *d)
{
	struct probe_address *a = d->a;

	a->tls_done = true;
	a->tls_time = lap(d);
	/* TLS from the first byte: the words begin now */
	if (d->probe->wrapper)
		a->stage = PROBE_CONNECT;
	if (!conn_tls(d->conn))
		return;
	a->tls = *conn_tls(d->conn);
	a->chain = mem_array(NULL, TLS_LINKS, sizeof(*a->chain));
	a->n_chain = tls_peer_chain(conn_tls_session(d->conn), a->chain);
	a->name_matches = tls_peer_is(conn_tls_session(d->conn), d->probe->opt->sni ? d->probe->opt->sni : d->host->name);
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
		d->real->asked_again += d->look != LOOK_REAL;
		d->real->offered_again += d->look && a->tls_offered;
		d->end = d->look == LOOK_AGAIN ? LOOK_TAKEN : LOOK_LOST;
		if (a->tls_offered && d->probe->opt->tls && (d->look != LOOK_AGAIN || d->real->n_chain)) {
			smtp_client_starttls(&d->client);
			a->stage = PROBE_TLS;
			if (d->look == LOOK_INJECTION)
				buf_z(&d->conn->out, "NOOP\r\n");
			return CONN_KEEP;
		}
	} else {
		if (d->probe->wrapper)
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
		return d->look && d->look != LOOK_INJECTION ? say_hello(d) : start_tls(d) ? CONN_KEEP : end(d, NULL);
	case SMTP_CLIENT_TLS_REFUSED:
	case SMTP_CLIENT_REFUSED:
		buf_init(&line, LIMIT_REPLY_TEXT + 64);
		reply_line(&line, &d->client.reply);
		d->a->last = d->client.reply;
		end(d, buf_cstr(&line));
		buf_fini(&line);
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
		if (d->probe->wrapper)
			return d->look ? say_hello(d) : start_tls(d) ? CONN_KEEP : end(d, "TLS is not available");
		return pump(d);
	case CONN_TLS_READY:
		if (d->look == LOOK_INJECTION) {
			buf_z(&c->out, "QUIT\r\n");
			d->looking = true;
			return CONN_KEEP;
		}
		take_tls(d);
		smtp_client_tls_done(&d->client);
		return pump(d);
	case CONN_DATA:
		return d->looking ? take_look(d) : pump(d);
	case CONN_EOF:
		if (!d->looking && (pump(d) == CONN_CLOSE || d->over))
			return CONN_CLOSE;
		/* some hang up where others send an alert */
		d->end = d->looking ? LOOK_REFUSED : d->end;
		return end(d, "the server closed the connection");
	case CONN_FAILED:
		d->end = d->looking ? LOOK_REFUSED : d->end;
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

static void begin(struct probe *p, struct probe_host *h, struct probe_address *a, enum look look)
{
	struct smtp_client_options o = { .helo_name = p->opt->helo_name, .always_ehlo = true };
	struct dialogue *d = MEM_NEW(struct dialogue);
	struct sockaddr_storage to;
	socklen_t n = ipaddr_to_sockaddr(&a->ip, p->port, &to);

	probe_hold(p);
	probe_address_begin(a);
	d->probe = p;
	d->host = h;
	d->real = a;
	d->a = look ? MEM_NEW(struct probe_address) : a;
	d->look = look;
	a->sampled += look == LOOK_AGAIN;
	d->began = clock_mono();
	loop_task_init(&d->bye, on_bye);
	d->conn = conn_connect(p->opt->loop, (struct sockaddr *)&to, n, NULL, 0, LIMIT_CONN_READ, LIMIT_CONN_READ,
		d->began + (look && 2 * probe_took(a) + LOOK_PATIENCE < p->opt->time ? 2 * probe_took(a) + LOOK_PATIENCE : p->opt->time), on_conn, d);
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
	begin(p, h, a, LOOK_REAL);
}
