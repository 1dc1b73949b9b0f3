/* session_log - the lines that one SMTP session writes, in the form that fail2ban and pflogsumm read (relaybox-log(5)). */
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/metric.h"
#include "core/policy/tls_level.h"
#include "core/daemon/session_private.h"

METRIC_ONE(disconnects, "postfix_smtpd_disconnects", "SMTP sessions that have ended.");
METRIC_LEARNT(lost, "postfix_smtpd_connections_lost", "SMTP sessions left without QUIT.", "after_stage");
METRIC_LEARNT(rejected, "postfix_smtpd_messages_rejected", "Commands refused, by code.", "code");
METRIC_LEARNT(reasons, "relaybox_refusals",
	"Commands refused, by enhanced status code.", "reason");
METRIC_LEARNT(tls_connections, "postfix_smtpd_tls_connections", "TLS sessions with clients.", "trust");
METRIC_LEARNT(tls_versions, "relaybox_smtpd_sessions",
	"SMTP sessions that have ended, by level and version of TLS.", "version");

const char session_lost[] = "lost connection";

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
	const struct tls_info *tls = conn_tls(s->conn);
	struct smtp_server_counts verbs[16];
	unsigned ok = 0, total = 0;
	struct buf b;
	size_t n;

	if (!s->connect_logged) {
		s->relay->counts.silent_connects += s->uid < 0;
		disconnects += s->uid < 0;
		return;
	}
	buf_init(&b, 1024);
	disconnects++;
	metric_learn(&tls_versions, "level=\"%s\",version=\"%s\"", tls_level_row(session_conf(s)->smtpd_tls_security_level)->word,
		tls ? tls->version : "none");
	n = smtp_server_counts(&s->smtp, verbs);
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
	enum smtp_server_phase at = s->smtp.phase;
	bool content = at == SMTP_AT_DATA || at == SMTP_AT_BDAT;
	char bytes[40] = "";

	session_log_connect(s);
	if (s->uid < 0 && what == session_lost)
		metric_learn(&lost, "after_stage=\"%s\"", smtp_server_phase_text(at));
	if (content)
		format_text(bytes, sizeof(bytes), " (%llu bytes)", (unsigned long long)s->smtp.envelope.size);
	/* why a program may wait for an answer to a dot that nobody saw */
	if (at == SMTP_AT_DATA && s->smtp.bare_lf)
		log_text(LOG_SEV_WARNING, service_name(s), s->pid, NULL,
			"no <CR><LF>.<CR><LF> from %s, but lines that end in a bare <LF>: such a dot is content", s->client_text);
	log_text(LOG_SEV_INFO, service_name(s), s->pid, NULL, "%s after %s%s from %s", what, smtp_server_phase_text(at), bytes, s->client_text);
}

void session_log_hangup(struct session *s)
{
	const char *why = smtp_server_hangup_text(s->smtp.hangup);

	if (s->smtp.hangup != SMTP_HANGUP_NOT_SMTP) {
		session_log_break(s, why);
		return;
	}
	session_log_connect(s);
	log_text(LOG_SEV_WARNING, service_name(s), s->pid, NULL, "%s from %s: %.*s", why, s->client_text,
		STR_ARG(str_head(s->smtp.argument, 100)));
}

/* --- refusals --------------------------------------------------------------------------------------------------------- */

/* remember - for the page that shows the last refusals */
static void remember(struct session *s, int code, const char *enhanced, const char *text)
{
	char all[LIMIT_REPLY_TEXT];

	format_text(all, sizeof(all), "%d %s%s%s", code, enhanced, *enhanced ? " " : "", text);
	history_refused(&s->relay->history, loop_wall(s->relay->loop), s->smtp.phase == SMTP_AT_RCPT ? s->smtp.rcpt.full : STR_EMPTY,
		s->client_text, all);
}

/* reject - Postfix's line; in JSON its parts are keys, too */
static void reject(struct session *s, const char *what, int code, const char *enhanced, const char *text)
{
	const struct smtp_server *m = &s->smtp;
	const char *phase = smtp_server_phase_text(m->phase);
	bool rcpt = m->phase == SMTP_AT_RCPT;
	bool mail = m->phase == SMTP_AT_MAIL || rcpt || m->phase == SMTP_AT_DATA || m->phase == SMTP_AT_BDAT || m->phase == SMTP_AT_END;
	struct log_line l;

	session_log_connect(s);
	if (s->relay->settings->conf->http_listen[0])
		remember(s, code, enhanced, text);
	metric_learn(&rejected, "code=\"%d\"", code);
	metric_learn(&reasons, "command=\"%s\",reason=\"%s\"", phase, *enhanced ? enhanced : "none");
	log_begin(&l, service_name(s), s->pid, s->message ? cleanup_qid(s->message) : "NOQUEUE");
	log_words(&l, "%s: %s from %s: ", what, phase, s->client_text);
	if (code)
		log_words(&l, "%d %s%s", code, enhanced, *enhanced ? " " : "");
	log_words(&l, "%s;", text);
	log_key(&l, "event", str_of(what));
	log_key(&l, "command", str_of(phase));
	log_key(&l, "client", str_of(s->client_text));
	if (code)
		log_key_number(&l, "code", code);
	if (*enhanced)
		log_key(&l, "enhanced", str_of(enhanced));
	log_key(&l, "text", str_of(text));
	l.spaced = true;
	l.fields = 1;
	if (mail)
		log_addr(&l, "from", m->envelope.sender);
	if (rcpt)
		log_addr(&l, "to", m->rcpt.full);
	else if (mail && m->phase != SMTP_AT_MAIL && m->envelope.n_rcpts == 1)
		log_addr(&l, "to", m->envelope.rcpts[0].addr);
	log_str(&l, "proto", str_of(smtp_server_proto(m)));
	if (m->helo[0])
		log_addr(&l, "helo", str_of(m->helo));
	log_end(&l);
}

/* one line of the reply's text */
static void join_lines(char out[LIMIT_REPLY_TEXT], const char *text)
{
	format_text(out, LIMIT_REPLY_TEXT, "%s", text);
	for (char *c = out; *c; c++)
		if (*c == '\n')
			*c = ' ';
}

void session_log_reject(struct session *s, const char *what, const struct reply *r)
{
	char text[LIMIT_REPLY_TEXT];

	join_lines(text, r->text);
	reject(s, what, r->code, r->enhanced, text);
}

/* the machine's replies are text: "501 5.5.4 Syntax: …" */
static void reject_text(struct session *s, struct str reply)
{
	struct str word;
	uint64_t code = 0;
	char enhanced[12] = "", text[LIMIT_REPLY_TEXT];

	if (str_cut(&reply, ' ', &word))
		str_to_u64(word, &code);
	if (reply.n > 5 && ascii_is_digit(reply.p[0]) && reply.p[1] == '.' && str_cut(&reply, ' ', &word))
		format_text(enhanced, sizeof(enhanced), "%.*s", STR_ARG(word));
	format_text(text, sizeof(text), "%.*s", STR_ARG(reply));
	reject(s, "reject", (int)code, enhanced, text);
}

void session_log_refused(struct session *s)
{
	struct str what = s->smtp.argument;

	if (!str_starts(str_of(s->smtp.refusal), STR("501 5.1."))) {
		reject_text(s, str_of(s->smtp.refusal));
		return;
	}
	session_log_connect(s);
	what = str_trim(str_from(what, (size_t)str_chr(what, ':') + 1));
	log_text(LOG_SEV_WARNING, service_name(s), s->pid, NULL, "Illegal address syntax from %s in %s command: %.*s", s->client_text,
		smtp_server_phase_text(s->smtp.phase), STR_ARG(what));
}

void session_log_tls(struct session *s)
{
	const struct tls_info *t = conn_tls(s->conn);

	if (!t)
		return;
	metric_learn(&tls_connections, "trust=\"%s\",protocol=\"%s\",cipher=\"%s\",secret_bits=\"%d\",algorithm_bits=\"%d\"",
		tls_trust_word(t->trust), t->version, t->cipher, t->bits, t->bits);
	if (session_conf(s)->smtpd_tls_loglevel < 1)
		return;
	session_log_connect(s);
	log_text(LOG_SEV_INFO, "smtpd", s->pid, NULL, "%s TLS connection established from %s: %s with cipher %s (%d/%d bits)",
		tls_trust_word(t->trust), s->client_text, t->version, t->cipher, t->bits, t->bits);
}
