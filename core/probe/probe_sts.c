/* probe_sts - fetch an MTA-STS policy (RFC 8461 3.3): HTTPS with a verified certificate for mta-sts.DOMAIN, no redirects,
 * at most LIMIT_STS_POLICY. The addresses of the host are tried one after the other. */
#include <errno.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/net/http.h"
#include "core/probe/probe.h"

enum { HTTPS = 443 };

struct fetch {
	struct probe *probe;
	char host[300];
	struct dns_addresses found;
	size_t at;
	struct loop_task next;         /* after the tick: the next address, or the end */
	bool over;
};

static void try_next(struct fetch *f);

static void on_next(struct loop_task *t)
{
	struct fetch *f = LIST_ITEM(t, struct fetch, next);
	struct probe *p = f->probe;

	if (!f->over && f->at < f->found.n && f->at < LIMIT_STS_ADDRESSES) {
		try_next(f);
		return;
	}
	mem_free(f);
	probe_release(p);
}

/* over: the word is final, another address would say the same */
static enum conn_next end(struct fetch *f, bool over, const char *why)
{
	snprintf(f->probe->sts.why, sizeof(f->probe->sts.why), "%s", why);
	f->over = over;
	loop_defer(f->probe->opt->loop, &f->next);
	return CONN_CLOSE;
}

static enum conn_next take(struct fetch *f, struct conn *c, bool ended)
{
	struct probe_policy *policy = &f->probe->sts;
	struct http_answer a;
	const char *why = "";
	char text[40];

	switch (http_parse_answer(buf_view(&c->in), ended, &a, &policy->text, &why)) {
	case HTTP_NEED_MORE:
		return c->in.n < c->in.max ? CONN_KEEP : end(f, true, "too large");
	case HTTP_BAD:
		return end(f, true, why);
	case HTTP_OK:
		break;
	}
	snprintf(policy->type, sizeof(policy->type), "%.*s", STR_ARG(a.type));
	snprintf(text, sizeof(text), "the server answers %d", a.status);
	policy->fetched = a.status == 200;
	return end(f, true, policy->fetched ? "" : text);
}

static enum conn_next on_conn(struct conn *c, enum conn_event ev)
{
	struct fetch *f = c->ctx;
	const char *names[] = { f->host, NULL };
	struct tls_peer peer = { .server_name = f->host, .match = TLS_MATCH_NAME, .names = names };

	switch (ev) {
	case CONN_CONNECTED:
		conn_start_tls(c, f->probe->opt->tls, &peer);
		return CONN_KEEP;
	case CONN_TLS_READY:
		buf_printf(&c->out, "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: %s\r\nUser-Agent: relaybox\r\nAccept: text/plain\r\n"
			"Connection: close\r\n\r\n", f->host);
		return CONN_KEEP;
	case CONN_DATA:
		return take(f, c, false);
	case CONN_EOF:
		return take(f, c, true);
	case CONN_FAILED:
		return end(f, false, c->why[0] ? c->why : conn_error_text(c->error));
	case CONN_DEADLINE:
		return end(f, false, "timed out");
	case CONN_SENT:
		break;
	}
	return CONN_KEEP;
}

static void try_next(struct fetch *f)
{
	const struct probe_options *o = f->probe->opt;
	struct sockaddr_storage to;
	socklen_t n = ipaddr_to_sockaddr(&f->found.v[f->at++], HTTPS, &to);

	if (!conn_connect(o->loop, (struct sockaddr *)&to, n, NULL, 0, LIMIT_STS_POLICY + LIMIT_STS_HEADER, LIMIT_STS_HEADER,
		clock_mono() + o->time, on_conn, f))
		end(f, false, strerror(errno));
}

static void on_addresses(void *ctx, const struct dns_addresses *a)
{
	struct fetch *f = ctx;

	f->found = *a;
	end(f, false, a->why);
}

void probe_sts_start(struct probe *p)
{
	struct fetch *f;

	p->sts.asked = true;
	snprintf(p->sts.why, sizeof(p->sts.why), "TLS is not used (--tls none)");
	if (!p->opt->tls)
		return;
	f = MEM_NEW(struct fetch);
	f->probe = p;
	loop_task_init(&f->next, on_next);
	snprintf(f->host, sizeof(f->host), "mta-sts.%s", p->target);
	probe_hold(p);
	dns_lookup_host(p->opt->dns, str_of(f->host), p->opt->families, DNS_ONLY, on_addresses, f);
}
