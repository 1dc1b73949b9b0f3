/* session_log - the lines that one SMTP session writes, in the form that fail2ban and pflogsumm read (relaybox-log(5)). */
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/daemon/session_private.h"

static const char *service_name(const struct session *s)
{
	return s->uid >= 0 ? "pickup" : "smtpd";
}

/* A client that never said a word is a load balancer's look or a port scan: counted, not logged. */
void session_log_connect(struct session *s)
{
	if (s->connect_logged || s->uid >= 0)
		return;
	s->connect_logged = true;
	log_text(LOG_SEV_INFO, "smtpd", s->pid, NULL, "connect from %s", s->client_text);
}

void session_log_disconnect(struct session *s)
{
	struct smtp_server_counts verbs[16];
	unsigned ok = 0, total = 0;
	struct buf b;
	if (!s->connect_logged) {
		s->relay->counts.silent_connects += s->uid < 0;
		return;
	}
	buf_init(&b, 1024);
	size_t n = smtp_server_counts(&s->smtp, verbs);
	for (size_t i = 0; i < n; i++) {
		ok += verbs[i].ok;
		total += verbs[i].total;
		buf_byte(&b, ' ');
		for (const char *p = verbs[i].verb; *p; p++)
			buf_byte(&b, ascii_lower(*p));
		buf_printf(&b, verbs[i].ok == verbs[i].total ? "=%u" : "=%u/%u", verbs[i].ok, verbs[i].total);
	}
	buf_printf(&b, ok == total ? " commands=%u" : " commands=%u/%u", ok, total);
	log_text(LOG_SEV_INFO, "smtpd", s->pid, NULL, "disconnect from %s%s", s->client_text, buf_cstr(&b));
	buf_fini(&b);
}

void session_log_break(struct session *s, const char *what)
{
	const char *at = s->smtp.phase;
	char bytes[40] = "";
	session_log_connect(s);
	if (!strcmp(at, "DATA") || !strcmp(at, "BDAT"))
		format_text(bytes, sizeof bytes, " (%llu bytes)", (unsigned long long)s->smtp.envelope.size);
	log_text(LOG_SEV_INFO, service_name(s), s->pid, NULL, "%s after %s%s from %s", what, at, bytes, s->client_text);
}

void session_log_hangup(struct session *s)
{
	if (!str_eq(str_of(s->smtp.hangup), STR("non-SMTP command"))) {
		session_log_break(s, s->smtp.hangup);
		return;
	}
	session_log_connect(s);
	log_text(LOG_SEV_WARNING, service_name(s), s->pid, NULL, "%s from %s: %.*s", s->smtp.hangup, s->client_text,
		STR_ARG(str_head(s->smtp.argument, 100)));
}

void session_log_reject(struct session *s, const char *text)
{
	const struct smtp_server *m = &s->smtp;
	bool rcpt = m->phase[0] == 'R';
	struct str to = rcpt ? m->rcpt.full : STR_EMPTY;
	session_log_connect(s);
	log_text(LOG_SEV_INFO, service_name(s), s->pid, NULL, "NOQUEUE: reject: %s from %s: %s; from=<%.*s>%s%.*s%s proto=%s helo=<%s>", m->phase,
		s->client_text, text, STR_ARG(m->envelope.sender), rcpt ? " to=<" : "", STR_ARG(to), rcpt ? ">" : "", smtp_server_proto(m), m->helo);
}

void session_log_refused(struct session *s)
{
	struct str what = s->smtp.argument;
	if (!str_starts(str_of(s->smtp.refusal), STR("501 5.1."))) {
		session_log_reject(s, s->smtp.refusal);
		return;
	}
	session_log_connect(s);
	what = str_trim(str_from(what, (size_t)str_chr(what, ':') + 1));
	log_text(LOG_SEV_WARNING, service_name(s), s->pid, NULL, "Illegal address syntax from %s in %s command: %.*s", s->client_text, s->smtp.phase,
		STR_ARG(what));
}

void session_log_tls(struct session *s)
{
	const struct tls_info *t = conn_tls(s->conn);
	if (s->service->conf->smtpd_tls_loglevel < 1)
		return;
	session_log_connect(s);
	log_text(LOG_SEV_INFO, "smtpd", s->pid, NULL, "%s TLS connection established from %s: %s with cipher %s (%d/%d bits)",
		tls_trust_word(t->trust), s->client_text, t->version, t->cipher, t->bits, t->bits);
}
