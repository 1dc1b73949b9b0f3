/* session_auth - a client logs in: the question goes to the listener's backend (core/auth), the answer comes later. What fails is told in
 * Postfix's words, which log watchers know; no password comes near the log. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/daemon/session_private.h"

void session_auth_check(struct session *s, struct reply *r)
{
	if (session_over(s, CLIENT_LOGINS, session_conf(s)->smtpd_client_auth_rate_limit)) {
		log_text(LOG_SEV_WARNING, "smtpd", s->pid, NULL, "AUTH command rate limit exceeded: %u from %s for service smtp",
			s->client->rate[CLIENT_LOGINS].n, s->client_text);
		reply_set(r, 450, "4.7.1", "Error: too many AUTH commands from your address");
	}
}

static void answered(void *ctx, enum auth_verdict v, const char *user, const char *why)
{
	struct session *s = ctx;
	const char *text = *why ? why : "(reason unavailable)";

	s->auth = NULL;
	if (v == AUTH_YES) {
		mem_free(s->smtp.auth_user);
		s->smtp.auth_user = mem_dupz(user);
		reply_set(s->answer, 235, "2.7.0", "Authentication successful");
	} else {
		log_text(LOG_SEV_WARNING, "smtpd", s->pid, NULL, "%s: SASL %s authentication failed: %s, sasl_username=%s", s->client_text,
			s->smtp.auth_mechanism, text, s->smtp.auth_user);
		if (v == AUTH_LATER)
			reply_set(s->answer, 454, "4.7.0", "Temporary authentication failure: %s", text);
		else
			reply_set(s->answer, 535, "5.7.8", "Error: authentication failed: %s", text);
	}
	s->wake(s);
}

static void on_hashed(struct loop_io *io, uint32_t events)
{
	struct relay *r = LIST_ITEM(io, struct relay, hashed);

	(void)events;
	pool_reap(r->auth_pool);
}

/* hash_pool - its one thread is begun with the first login */
static bool hash_pool(struct relay *r)
{
	if (r->auth_pool)
		return true;
	r->auth_pool = pool_new(1);
	if (!r->auth_pool)
		return false;
	r->hashed = (struct loop_io){ .fd = pool_fd(r->auth_pool), .on_ready = on_hashed };
	if (loop_io_add(r->loop, &r->hashed, EPOLLIN) == 0)
		return true;
	pool_free(r->auth_pool);
	r->auth_pool = NULL;
	return false;
}

void session_auth(struct session *s, struct reply *r)
{
	struct auth *auth = s->service->auth;
	struct auth_question q = { .user = s->smtp.auth_user, .password = s->smtp.auth_password, .tls = s->smtp.tls,
		.client = s->client_address, .server = "" };

	if (auth_burns(auth) && !hash_pool(s->relay)) {
		reply_set(r, 454, "4.7.0", "Temporary authentication failure: no thread is left");
		return;
	}
	s->waits = SESSION_WAITS_AUTH;
	conn_deadline(s->conn, USEC_NEVER);
	s->auth = auth_ask(auth, s->relay->loop, s->relay->auth_pool, &q, answered, s);
}
