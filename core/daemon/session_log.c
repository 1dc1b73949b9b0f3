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

void session_log_client(const struct session *s, struct log_line *l, const char *event)
{
	if (event)
		log_key(l, "event", str_of(event));
	if (s->uid >= 0)
		return;
	log_key(l, "client", str_of(s->client_address));
	log_key(l, "name", str_of(s->client_name));
}

static void begin(const struct session *s, struct log_line *l, const char *event)
{
	log_begin(l, service_name(s), s->pid, NULL);
	session_log_client(s, l, event);
}

void session_log_say(const struct session *s, enum log_severity sev, const char *event, const char *fmt, ...)
{
	char text[LIMIT_LOG_LINE];
	struct log_line l;
	va_list ap;

	va_start(ap, fmt);
	format_vtext(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_begin(&l, service_name(s), s->pid, NULL);
	log_event_str(&l, sev, NULL, str_of(text));
	session_log_client(s, &l, event);
	log_end(&l);
}

/* A client that never said a word is a load balancer's look or a port scan: counted, not logged. */
void session_log_connect(struct session *s)
{
	if (s->connect_logged || s->uid >= 0)
		return;
	s->connect_logged = true;
	session_log_say(s, LOG_SEV_INFO, "connect", "connect from %s", s->client_text);
}

/* add_verb - " rcpt=0/1", and in the JSON form its two numbers */
static void add_verb(const struct smtp_server_counts *v, struct buf *text, struct buf *json)
{
	char verb[24];
	size_t n = 0;

	for (const char *p = v->verb; *p && n + 1 < sizeof(verb); p++)
		verb[n++] = ascii_lower(*p);
	verb[n] = '\0';
	buf_printf(text, v->ok == v->total ? " %s=%u" : " %s=%u/%u", verb, v->ok, v->total);
	if (log_has_json())
		buf_printf(json, "%s\"%s\":[%u,%u]", json->n ? "," : "{", verb, v->ok, v->total);
}

void session_log_disconnect(struct session *s)
{
	const struct tls_info *tls = conn_tls(s->conn);
	struct smtp_server_counts verbs[16];
	unsigned ok = 0, total = 0;
	struct buf b, json;
	struct log_line l;
	size_t n;

	if (!s->connect_logged) {
		s->relay->counts.silent_connects += s->uid < 0;
		disconnects += s->uid < 0;
		return;
	}
	buf_init(&b, 1024);
	buf_init(&json, 1024);
	disconnects++;
	metric_learn(&tls_versions, "level=\"%s\",version=\"%s\"", tls_level_row(session_conf(s)->smtpd_tls_security_level)->word,
		tls ? tls->version : "none");
	n = smtp_server_counts(&s->smtp, verbs);
	for (size_t i = 0; i < n; i++) {
		ok += verbs[i].ok;
		total += verbs[i].total;
		add_verb(&verbs[i], &b, &json);
	}
	add_verb(&(struct smtp_server_counts){ .verb = "commands", .ok = ok, .total = total }, &b, &json);
	if (json.n)
		buf_byte(&json, '}');
	begin(s, &l, "disconnect");
	log_words(&l, "disconnect from %s%s", s->client_text, buf_cstr(&b));
	log_key_json(&l, "verbs", buf_view(&json));
	log_end(&l);
	buf_fini(&b);
	buf_fini(&json);
}

void session_log_break(struct session *s, const char *what)
{
	enum smtp_server_phase at = s->smtp.phase;
	bool content = at == SMTP_AT_DATA || at == SMTP_AT_BDAT;
	struct log_line l;

	session_log_connect(s);
	if (s->uid < 0 && what == session_lost)
		metric_learn(&lost, "after_stage=\"%s\"", smtp_server_phase_text(at));
	/* why a program may wait for an answer to a dot that nobody saw */
	if (at == SMTP_AT_DATA && s->smtp.bare_lf)
		session_log_say(s, LOG_SEV_WARNING, "bare-lf", "no <CR><LF>.<CR><LF> from %s, but lines that end in a bare <LF>: such a dot is content",
			s->client_text);
	begin(s, &l, "break");
	log_words(&l, "%s after %s", what, smtp_server_phase_text(at));
	if (content)
		log_words(&l, " (%llu bytes)", (unsigned long long)s->smtp.envelope.size);
	log_words(&l, " from %s", s->client_text);
	log_key(&l, "what", str_of(what));
	log_key(&l, "command", str_of(smtp_server_phase_text(at)));
	if (content)
		log_key_number(&l, "bytes", (int64_t)s->smtp.envelope.size);
	log_end(&l);
}

void session_log_hangup(struct session *s)
{
	const char *why = smtp_server_hangup_text(s->smtp.hangup);

	if (s->smtp.hangup != SMTP_HANGUP_NOT_SMTP) {
		session_log_break(s, why);
		return;
	}
	session_log_connect(s);
	session_log_say(s, LOG_SEV_WARNING, "not-smtp", "%s from %s: %.*s", why, s->client_text, STR_ARG(str_head(s->smtp.argument, 100)));
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
	session_log_client(s, &l, what);
	log_key(&l, "command", str_of(phase));
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
	struct log_line l;

	if (!str_starts(str_of(s->smtp.refusal), STR("501 5.1."))) {
		reject_text(s, str_of(s->smtp.refusal));
		return;
	}
	session_log_connect(s);
	what = str_trim(str_from(what, (size_t)str_chr(what, ':') + 1));
	log_begin(&l, service_name(s), s->pid, NULL);
	log_event(&l, LOG_SEV_WARNING, NULL, "Illegal address syntax from %s in %s command: %.*s", s->client_text,
		smtp_server_phase_text(s->smtp.phase), STR_ARG(what));
	session_log_client(s, &l, "illegal-address");
	log_key(&l, "command", str_of(smtp_server_phase_text(s->smtp.phase)));
	log_key(&l, "text", what);
	log_end(&l);
}

void session_log_tls(struct session *s)
{
	const struct tls_info *t = conn_tls(s->conn);
	struct log_line l;

	if (!t)
		return;
	metric_learn(&tls_connections, "trust=\"%s\",protocol=\"%s\",cipher=\"%s\",secret_bits=\"%d\",algorithm_bits=\"%d\"",
		tls_trust_word(t->trust), t->version, t->cipher, t->bits, t->bits);
	if (session_conf(s)->smtpd_tls_loglevel < 1)
		return;
	session_log_connect(s);
	log_begin(&l, "smtpd", s->pid, NULL);
	tls_log(&l, t, "from", s->client_text);
	session_log_client(s, &l, NULL);
	log_end(&l);
}
