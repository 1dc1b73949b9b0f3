/* session_cert - the certificate of a client: its fingerprints, what is told of it, and whether it has to be there (postconf(5),
 * smtpd_tls_ask_ccert, smtpd_tls_req_ccert). */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/daemon/session_private.h"
#include "core/policy/tls_demand.h"

static void log_cert(const struct session *s, const struct tls_info *t)
{
	if (t->trust < TLS_TRUSTED && (s->service->requires_cert || session_conf(s)->smtpd_tls_loglevel > 0))
		log_text(LOG_SEV_INFO, "smtpd", s->pid, NULL, "certificate verification failed for %s: %s", s->client_text, t->why_untrusted);
	if (session_conf(s)->smtpd_tls_loglevel > 0)
		log_text(LOG_SEV_INFO, "smtpd", s->pid, NULL, "%s: subject_CN=%s, issuer=%s, fingerprint=%s, pkey_fingerprint=%s", s->client_text,
			t->subject_cn, t->issuer_cn, s->cert->of_cert, s->cert->of_key);
}

const char *session_take_cert(struct session *s)
{
	const struct tls_info *t = conn_tls(s->conn);
	size_t length = tls_demand_digest(session_conf(s)->smtpd_tls_fingerprint_digest);
	struct session_cert found;
	const char *why;

	if (!s->service->asks_cert)
		return NULL;
	if (tls_peer_fingerprint(conn_tls_session(s->conn), length, false, found.of_cert) &&
	    tls_peer_fingerprint(conn_tls_session(s->conn), length, true, found.of_key)) {
		s->cert = mem_alloc(sizeof(*s->cert));
		*s->cert = found;
		log_cert(s, t);
	}
	if (!s->service->requires_cert || t->trust >= TLS_TRUSTED)
		return NULL;
	session_log_tls(s);
	why = s->cert ? "Client certificate not trusted" : "No client certificate presented";
	session_log_connect(s);
	log_text(LOG_SEV_INFO, "smtpd", s->pid, NULL, "NOQUEUE: abort: TLS from %s: %s", s->client_text, why);
	s->relay->counts.rejects++;
	return why;
}

/* put_name - no comment ends in it */
static void put_name(struct buf *out, const char *name)
{
	for (; *name; name++)
		buf_byte(out, ascii_is_print(*name) && !ascii_is_one_of(*name, "()\\\"") ? *name : '?');
}

const char *session_cert_note(struct session *s)
{
	const struct tls_info *t = conn_tls(s->conn);
	struct buf note;
	const char *kept;

	if (!s->cert)
		return s->service->asks_cert ? "Client did not present a certificate" : "No client certificate requested";
	buf_init(&note, 1024);
	buf_z(&note, "Client CN \"");
	put_name(&note, t->subject_cn);
	buf_z(&note, "\", Issuer \"");
	put_name(&note, t->issuer_cn);
	buf_printf(&note, "\" (%s)", t->trust >= TLS_TRUSTED ? "verified OK" : "not verified");
	kept = arena_str(&s->arena, buf_view(&note)).p;
	buf_fini(&note);
	return kept;
}
