/* session_begin - from the accepted socket to the greeting: the PROXY header, TLS from the first byte, the client's name. */
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/metric.h"
#include "core/daemon/places.h"
#include "core/daemon/session_private.h"
#include "core/net/proxy.h"

#define NAME_WAIT (2 * USEC_PER_SEC)   /* the greeting does not wait longer for a PTR lookup */

/* --- the name --------------------------------------------------------------------------------------------------------- */

/* name_client - reverse: what the address says it is, another's name maybe */
static void name_client(struct session *s, const char *name, struct str reverse)
{
	size_t n = strlen(name) + 1, text_n = n + strlen(s->client_address) + 2;
	char *names = mem_realloc(NULL, n + text_n + reverse.n + 1);

	memcpy(names, name, n);
	format_text(names + n, text_n, "%s[%s]", name, s->client_address);
	format_text(names + n + text_n, reverse.n + 1, "%.*s", STR_ARG(reverse));
	mem_free(s->names);
	s->names = names;
	s->client_name = names;
	s->client_text = names + n;
	s->reverse_name = names + n + text_n;
}

/* the name is known, or will not be: let the connection itself be judged, and greet */
static void named(struct session *s)
{
	if (s->tls_done)
		session_log_tls(s);
	session_wake(s);
}

void session_on_timer(struct loop_timer *t)
{
	struct session *s = LIST_ITEM(t, struct session, timer);

	if (s->waits == SESSION_WAITS_SLOW) {
		session_wake(s);
		return;
	}
	if (s->waits == SESSION_WAITS_POLICY) {
		session_policy_slept(s);
		return;
	}
	dns_cancel(s->name_query);
	s->name_query = NULL;
	s->name_state = ACCESS_NAME_LATER;
	named(s);
}

METRIC_ONE(false_names, "postfix_smtpd_forward_confirmed_reverse_dns_errors", "Clients with a false name in the DNS.");

static void on_name(void *ctx, enum dns_status status, const char *name, const char *why)
{
	struct session *s = ctx;
	struct str reverse;

	s->name_query = NULL;
	loop_timer_cancel(s->relay->loop, &s->timer);
	s->name_state = judge_name(status, &name, why, &reverse);
	name_client(s, name, reverse);
	false_names += s->name_state == ACCESS_NAME_WRONG;
	named(s);
}

void session_identify(struct session *s)
{
	struct relay *r = s->relay;

	s->client = clients_enter(&r->clients, &s->address, service_prefix(s->service, &s->address));
	s->exempt |= s->service->limit_exceptions && match_address(s->service->limit_exceptions, &s->address) == MAP_FOUND;
	if (s->service->auth_exceptions && match_address(s->service->auth_exceptions, &s->address) == MAP_FOUND)
		smtp_server_no_auth(&s->smtp);
	if (!session_conf(s)->smtpd_peername_lookup) {
		named(s);
		return;
	}
	session_wait(s, SESSION_WAITS_NAME);
	loop_timer_set(r->loop, &s->timer, loop_now(r->loop) + NAME_WAIT);
	s->name_query = dns_lookup_name(r->name_dns, &s->address, on_name, s);
}

/* --- TLS -------------------------------------------------------------------------------------------------------------- */

/* turn_of - handshakes are done in turn for each host, of IPv6 for each network that one may have to itself */
static uint64_t turn_of(const struct ipaddr *a)
{
	uint64_t turn = 0;

	memcpy(&turn, a->b, a->family == AF_INET6 ? sizeof(turn) : 4);
	return turn;
}

void session_start_tls(struct session *s)
{
	if (s->conn->in.n > s->consumed) {
		session_hang_up(s, 503, "5.5.1", "Error: commands after STARTTLS");
		return;
	}
	buf_clear(&s->conn->in);
	s->consumed = 0;
	s->in_tls = true;
	s->conn->turn = turn_of(&s->address);
	session_wait(s, SESSION_WAITS_TLS);
	conn_deadline(s->conn, loop_now(s->relay->loop) + session_conf(s)->smtpd_starttls_timeout);
	conn_start_tls(s->conn, s->service->tls, NULL);
}

void session_begin(struct session *s)
{
	ipaddr_format(&s->address, s->client_address);
	name_client(s, s->client_name, STR("unknown"));
	if (s->service->tls_wrapper && !s->in_tls)
		session_start_tls(s);
	else
		session_identify(s);
}

/* --- the PROXY header ------------------------------------------------------------------------------------------------- */

static bool proxy_is_trusted(struct session *s)
{
	char peer[46];

	if (match_address(s->service->proxy_networks, &s->address) == MAP_FOUND)
		return true;
	ipaddr_format(&s->address, peer);
	log_text(LOG_SEV_WARNING, "smtpd", s->pid, NULL, "PROXY header refused from [%s]: not in smtpd_upstream_proxy_networks", peer);
	return false;
}

static void close_silently(struct session *s)
{
	conn_close(s->conn);
	session_end(s);
}

/* take_address - the proxy's word. A loopback address means the proxy's own host (docs/security.md K6): it is ours only when the
 * proxy runs here, too, and it has the rights of mynetworks only when somebody wrote mynetworks down. */
static void take_address(struct session *s, const struct ipaddr *client)
{
	s->foreign = ipaddr_is_loopback(client) && !(ipaddr_is_loopback(&s->address) && conf_is_set(session_conf(s), "mynetworks"));
	s->address = *client;
}

void session_read_proxy(struct session *s)
{
	struct proxy_header h;
	struct ipaddr client;
	const char *why = "";
	char peer[46];

	if (!proxy_is_trusted(s)) {
		close_silently(s);
		return;
	}
	switch (proxy_parse(buf_view(&s->conn->in), &h, &why)) {
	case PROXY_NEED_MORE:
		return;
	case PROXY_BAD:
		ipaddr_format(&s->address, peer);
		log_text(LOG_SEV_WARNING, "smtpd", s->pid, NULL, "haproxy read error from [%s]: %s", peer, why);
		close_silently(s);
		return;
	case PROXY_OK:
		s->expect_proxy = false;
		/* LOCAL and UNKNOWN: the proxy itself, with the rights and limits of its own address and no others */
		client = h.local ? s->address : h.source;
		take_address(s, &client);
		buf_consume(&s->conn->in, h.length);
		if (places_may_stay(s->relay, s->service, &s->address))
			session_begin(s);
		else
			session_hang_up(s, 421, "4.3.2", "Error: too many connections, try again later");
		return;
	}
}
