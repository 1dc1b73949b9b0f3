/* session_auth - a client logs in: the question goes to the listener's backend (core/auth), the answer comes later. What fails is told in
 * Postfix's words, which log watchers know; no password comes near the log. */
#include <errno.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/metric.h"
#include "core/base/random.h"
#include "core/daemon/limit_hit.h"
#include "core/daemon/session.h"
#include "core/daemon/session_private.h"
#include "core/msg/mime.h"

#define SECRET_FILE "auth.secret"          /* in queue_directory */

METRIC_ONE(failures, "postfix_smtpd_sasl_authentication_failures", "Logins of clients that failed.");

void session_auth_check(struct session *s, struct reply *r)
{
	if (s->smtp.auth_step > 1)
		return;
	if (session_over(s, CLIENT_LOGINS, session_conf(s)->smtpd_client_auth_rate_limit)) {
		session_log_say(s, LOG_SEV_WARNING, "limit", "AUTH command rate limit exceeded: %u from %s for service smtp",
			s->client->rate[CLIENT_LOGINS].n, s->client_text);
		reply_set(r, 450, "4.7.1", "Error: too many AUTH commands from %s", s->client_address);
		limit_hit(LIMIT_HIT_CLIENT_LOGINS);
	}
}

static void challenge(struct session *s, const char *text)
{
	struct buf base64;

	buf_init(&base64, LIMIT_REPLY_TEXT);
	mime_base64(&base64, str_of(text), 0);
	reply_set(s->answer, 334, "", "%s", buf_cstr(&base64));
	buf_fini(&base64);
}

static void log_failed(struct session *s, const char *user, const char *why)
{
	struct log_line l;

	log_begin(&l, "smtpd", s->pid, NULL);
	log_words(&l, "warning: %s: SASL %s authentication failed: %s", s->client_text, s->smtp.auth_mechanism, why);
	l.severity = LOG_SEV_WARNING;
	l.fields = 1;
	session_log_client(s, &l, "auth-failed");
	log_key(&l, "sasl_method", str_of(s->smtp.auth_mechanism));
	log_key(&l, "text", str_of(why));
	log_str(&l, "sasl_username", str_of(user));
	log_end(&l);
}

static void answered(void *ctx, enum auth_verdict v, const char *user, const char *why)
{
	struct session *s = ctx;
	const char *text = *why ? why : "(reason unavailable)";

	if (v != AUTH_MORE)
		s->auth = NULL;
	if (v == AUTH_YES) {
		mem_free(s->smtp.auth_user);
		s->smtp.auth_user = mem_dupz(user);
		reply_set(s->answer, 235, "2.7.0", "Authentication successful");
	} else if (v == AUTH_MORE) {
		challenge(s, user);
	} else {
		failures++;
		log_failed(s, user, text);
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

/* secret_of - made once for all times: salts made of it must not change. Where it cannot be kept it lasts as long as we do */
static const uint8_t *secret_of(struct relay *r)
{
	struct buf kept;

	if (r->has_auth_secret)
		return r->auth_secret;
	buf_init(&kept, sizeof(r->auth_secret));
	if (fs_read_file(SECRET_FILE, &kept) == 0 && kept.n == sizeof(r->auth_secret)) {
		memcpy(r->auth_secret, kept.p, kept.n);
	} else {
		random_bytes(r->auth_secret, sizeof(r->auth_secret));
		if (fs_replace(SECRET_FILE, 0600, str_make((const char *)r->auth_secret, sizeof(r->auth_secret))) < 0)
			log_warn("smtpd", "%s/" SECRET_FILE ": %s", r->settings->conf->queue_directory, strerror(errno));
	}
	buf_wipe(&kept);
	r->has_auth_secret = true;
	return r->auth_secret;
}

void session_auth_prepare(struct relay *r)
{
	for (size_t i = 0; i < r->settings->n_services; i++) {
		const struct auth *a = r->settings->services[i].auth;

		if (a && str_find(str_of(auth_mechanisms(a, AUTH_BOUND)), STR("SCRAM")) >= 0)
			(void)secret_of(r);
	}
}

/* --- what may be used ------------------------------------------------------------------------------------------------- */

/* exporter - what binds this channel (RFC 9266): TLS 1.3 has it for every connection */
static bool exporter(const struct session *s, uint8_t out[32])
{
	struct tls_session *tls = conn_tls_session(s->conn);

	return tls && tls_export(tls, "EXPORTER-Channel-Binding", out);
}

void session_auth_under_tls(struct session *s)
{
	const struct auth *a = s->service->auth;
	const char *bound = a ? auth_mechanisms(a, AUTH_BOUND) : "", *words = a ? auth_mechanisms(a, AUTH_UNDER_TLS) : "";
	uint8_t bytes[32];

	if (strcmp(bound, words) != 0 && exporter(s, bytes))
		words = bound;
	mem_wipe(bytes, sizeof(bytes));
	s->smtp.opt.auth_mechanisms = words;
}

/* --- the question ----------------------------------------------------------------------------------------------------- */

void session_auth(struct session *s, struct reply *r)
{
	struct auth *auth = s->service->auth;
	uint8_t bytes[32];
	struct auth_question q = { .user = s->smtp.auth_user, .password = s->smtp.auth_password, .mechanism = s->smtp.auth_mechanism,
		.message = str_of(s->smtp.auth_message), .tls = s->smtp.tls, .client = s->client_address, .server = "" };

	/* a client that gave its exchange up may begin another */
	if (s->smtp.auth_step < 2) {
		auth_cancel(s->auth);
		s->auth = NULL;
	}
	if (auth_burns(auth) && !hash_pool(s->relay)) {
		reply_set(r, 454, "4.7.0", "Temporary authentication failure: no thread is left");
		return;
	}
	s->waits = SESSION_WAITS_AUTH;
	conn_deadline(s->conn, USEC_NEVER);
	if (s->auth) {
		auth_go_on(s->auth, q.message);
		return;
	}
	if (s->smtp.auth_message) {
		q.exporter = exporter(s, bytes) ? bytes : NULL;
		q.secret = secret_of(s->relay);
	}
	s->auth = auth_ask(auth, s->relay->loop, s->relay->auth_pool, &q, answered, s);
	mem_wipe(bytes, sizeof(bytes));
}
