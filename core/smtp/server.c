/* server - the SMTP server machine: the loop of states, events and answers, and what every session shares (lines, limits,
 * counting, hanging up). See server.h for the promises, server_private.h for where the rest is.
 *
 * Input that cannot be used yet stays with the owner, so the machine holds no copy of it. Memory of a transaction is
 * given back at the first call after the transaction's last event: the owner may look at the envelope until then. */
#include "core/smtp/server.h"

#include <stdio.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/smtp/grammar.h"
#include "core/smtp/server_private.h"

/* --- life ------------------------------------------------------------------------------------------------------------- */

static unsigned offered(const struct smtp_server_options *o)
{
	const struct { const char *keyword; bool on; unsigned bit; } rows[] = {
		{ "PIPELINING", o->pipelining, OFFER_PIPELINING }, { "SIZE", true, OFFER_SIZE },
		{ "VRFY", !o->vrfy_disabled, OFFER_VRFY }, { "ETRN", o->etrn, OFFER_ETRN },
		{ "STARTTLS", o->starttls, OFFER_STARTTLS }, { "AUTH", o->auth, OFFER_AUTH },
		{ "ENHANCEDSTATUSCODES", true, OFFER_ENHANCED }, { "8BITMIME", true, OFFER_8BITMIME },
		{ "DSN", o->dsn, OFFER_DSN }, { "SMTPUTF8", o->smtputf8, OFFER_SMTPUTF8 },
		{ "CHUNKING", o->chunking, OFFER_CHUNKING }, { "REQUIRETLS", o->requiretls, OFFER_REQUIRETLS },
	};
	unsigned bits = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].on && !grammar_has_word(o->discard_keywords, str_of(rows[i].keyword)))
			bits |= rows[i].bit;
	return bits;
}

size_t smtp_server_arena(const struct smtp_server_options *o)
{
	size_t most = LIMIT_SESSION_ARENA + (size_t)o->recipient_limit * LIMIT_RECIPIENT;

	/* without a limit sendmail may name as many as a drop may */
	return !o->recipient_limit || most > LIMIT_TRANSACTION_MOST ? LIMIT_TRANSACTION_MOST : most;
}

void smtp_server_init(struct smtp_server *s, const struct smtp_server_options *o, struct buf *out, struct arena *a)
{
	struct smtp_server_private *p = MEM_NEW(struct smtp_server_private);

	*s = (struct smtp_server){ .opt = *o, .out = out, .arena = a, .phase = SMTP_AT_CONNECT, .priv = p };
	p->waiting = p->queued = SERVER_NO_EVENT;
	p->offer = offered(o);
	p->verb = VERB_UNKNOWN;
	buf_init(&p->late, LIMIT_REPLY_TEXT * 4);
	buf_init(&p->scratch, LIMIT_SMTP_COMMAND * 2);
}

void smtp_server_fini(struct smtp_server *s)
{
	if (!s->priv)
		return;
	server_auth_wipe(s);
	buf_fini(&s->priv->late);
	buf_fini(&s->priv->scratch);
	mem_free(s->priv);
	s->priv = NULL;
}

void smtp_server_no_auth(struct smtp_server *s) { s->priv->offer &= ~(unsigned)OFFER_AUTH; }
void smtp_server_greet(struct smtp_server *s) { buf_printf(s->out, "220 %s\r\n", s->opt.banner); }

/* hang_up_after - RFC 5321 section 3.8, RFC 7504: some replies of the owner say that the server goes away */
static void hang_up_after(struct smtp_server *s, const struct reply *r)
{
	if (r->code != 421 && r->code != 521)
		return;
	s->hangup = SMTP_HANGUP_REFUSED;
	s->priv->state = SERVER_CLOSED;
	s->priv->queued = SMTP_SERVER_HANGUP;
}

void smtp_server_deny(struct smtp_server *s, const struct reply *r, const char *client)
{
	reply_format(s->out, r);
	s->errors++;
	s->priv->denied = client;
	hang_up_after(s, r);
}

bool smtp_server_wants_command(const struct smtp_server *s)
{
	return s->priv->waiting == SERVER_NO_EVENT && s->priv->queued == SERVER_NO_EVENT && s->priv->state == SERVER_COMMAND;
}

bool smtp_server_reads_content(const struct smtp_server *s)
{
	enum server_state now = s->priv->state;

	return now == SERVER_CONTENT || now == SERVER_CHUNK || now == SERVER_SWALLOW;
}

bool smtp_server_sent_ahead(const struct smtp_server *s) { return s->priv->input_waits; }

const char *smtp_server_hangup_text(enum smtp_server_hangup h)
{
	static const char *const texts[] = {
		[SMTP_HANGUP_NONE] = "", [SMTP_HANGUP_ERRORS] = "too many errors", [SMTP_HANGUP_PIPELINING] = "improper command pipelining",
		[SMTP_HANGUP_NOT_SMTP] = "non-SMTP command", [SMTP_HANGUP_LONG_LINES] = "too long command lines",
		[SMTP_HANGUP_LONG_SASL] = "too long SASL response", [SMTP_HANGUP_CONTENT] = "too much refused content",
		[SMTP_HANGUP_BDAT] = "malformed BDAT command", [SMTP_HANGUP_REFUSED] = "refused",
	};

	return texts[h];
}

const char *smtp_server_phase_text(enum smtp_server_phase p)
{
	return p == SMTP_AT_CONNECT ? "CONNECT" : p == SMTP_AT_END ? "END-OF-MESSAGE" : server_verbs[p].name;
}

void smtp_server_tls_done(struct smtp_server *s)
{
	struct smtp_server_private *p = s->priv;

	/* RFC 3207 section 4.2: nothing said in clear counts any more */
	s->tls = true;
	s->esmtp = s->authenticated = false;
	s->helo[0] = s->user[0] = 0;
	p->transaction = false;
	p->stale = true;
	p->queued = SERVER_NO_EVENT;
}

bool smtp_server_is_idle(const struct smtp_server *s)
{
	const struct smtp_server_private *p = s->priv;

	return !p->transaction && p->waiting == SERVER_NO_EVENT && p->queued == SERVER_NO_EVENT &&
	       (p->state == SERVER_COMMAND || p->state == SERVER_CLOSED);
}

bool smtp_server_had_mail(const struct smtp_server *s)
{
	return s->priv->total[VERB_MAIL] > 0;
}

size_t smtp_server_counts(const struct smtp_server *s, struct smtp_server_counts out[16])
{
	size_t n = 0;

	for (size_t i = 0; i < VERBS; i++)
		if (s->priv->total[i] > 0)
			out[n++] = (struct smtp_server_counts){ server_verbs[i].name, s->priv->ok[i], s->priv->total[i] };
	return n;
}

const char *smtp_server_proto(const struct smtp_server *s)
{
	static const char *const names[2][4] = {
		{ "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA" }, { "LMTP", "LMTPS", "LMTPA", "LMTPSA" },
	};
	static const char *const utf8[2][4] = {
		{ "UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA" }, { "UTF8LMTP", "UTF8LMTPS", "UTF8LMTPA", "UTF8LMTPSA" },
	};
	unsigned i = s->tls + 2u * s->authenticated;

	if (!s->esmtp)
		return "SMTP";
	return s->envelope.flags & ENVELOPE_SMTPUTF8 ? utf8[s->opt.lmtp][i] : names[s->opt.lmtp][i];
}

/* --- replies ---------------------------------------------------------------------------------------------------------- */

void server_count(struct smtp_server *s, int code)
{
	if (code >= 400)
		s->errors++;
	else if (code < 300)
		s->priv->ok[s->priv->verb]++;
}

/* soften - the line that begins at `at`: "550 5.7.1 text", or without an enhanced code */
static void soften(struct buf *out, size_t at)
{
	if (out->p[at] != '5')
		return;
	out->p[at] = '4';
	if (out->n > at + 5 && out->p[at + 4] == '5' && out->p[at + 5] == '.')
		out->p[at + 4] = '4';
}

void server_say(struct smtp_server *s, const char *fmt, ...)
{
	size_t before = s->out->n;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(s->out, fmt, ap);
	va_end(ap);
	/* the code is the first digit of what was just written; a full buffer took nothing */
	if (s->out->n > before) {
		if (s->opt.soft)
			soften(s->out, before);
		server_count(s, (s->out->p[before] - '0') * 100);
	}
	buf_add(s->out, "\r\n", 2);
	if (s->opt.refused && s->out->n > before + 2 && s->out->p[before] >= '4')
		s->opt.refused(s->opt.ctx, before);
}

const char server_no_room[] = "452 4.5.3 Error: more recipients in one message than smtpd_recipient_limit leaves memory for; send the rest in "
	"another one";

enum smtp_server_event server_refuse(struct smtp_server *s, const char *text)
{
	/* a bound of ours is no error of the client */
	if (text == server_no_room) {
		buf_printf(s->out, "%s\r\n", text);
		return SERVER_GO_ON;
	}
	server_say(s, "%s", text);
	return SERVER_GO_ON;
}

enum smtp_server_event server_hang_up(struct smtp_server *s, enum smtp_server_hangup why)
{
	s->priv->state = SERVER_CLOSED;
	s->hangup = why;
	return SMTP_SERVER_HANGUP;
}

enum smtp_server_event server_drop(struct smtp_server *s, enum smtp_server_event event)
{
	struct smtp_server_private *p = s->priv;
	bool open = p->transaction;

	p->transaction = p->bdat = false;
	p->stale = true;
	if (!open)
		return event;
	if (event != SERVER_GO_ON)
		p->queued = event;
	return SMTP_SERVER_RSET;
}

/* --- lines ------------------------------------------------------------------------------------------------------------ */

static enum smtp_server_event too_many_errors(struct smtp_server *s)
{
	server_say(s, "421 4.7.0 %s Error: too many errors", s->opt.hostname);
	return server_hang_up(s, SMTP_HANGUP_ERRORS);
}

static enum smtp_server_event on_command(struct smtp_server *s, struct str *in)
{
	struct smtp_server_private *p = s->priv;
	/* RFC 4954 section 4: an AUTH command may be as long as a response */
	size_t limit = str_istarts(*in, STR("AUTH ")) ? LIMIT_SASL_RESPONSE : LIMIT_SMTP_COMMAND;
	struct str line;

	if (s->opt.hard_error_limit > 0 && s->errors >= s->opt.hard_error_limit)
		return too_many_errors(s);
	switch (grammar_line(in, limit, &line)) {
	case GRAMMAR_MORE:
		return SMTP_SERVER_WANT_INPUT;
	case GRAMMAR_OK:
		/* CR CR LF: some clients end all their lines so, the final dot's, too */
		s->priv->double_cr = line.p[line.n] == '\r' && line.p[line.n + 1] == '\r';
		s->lines++;
		return server_dispatch(s, line, in);
	case GRAMMAR_BAD:
		/* a chunk may follow, of whatever size: see server_bdat */
		if (str_istarts(*in, STR("BDAT")))
			return server_dispatch(s, STR("BDAT"), in);
		break;
	}
	p->state = SERVER_LONG_LINE;
	p->line_discarded = 0;
	return SERVER_GO_ON;
}

/* the rest of a line that is too long: skip it, within reason (threats E4) */
static enum smtp_server_event on_long_line(struct smtp_server *s, struct str *in)
{
	struct smtp_server_private *p = s->priv;
	const char *end = in->n > 0 ? memchr(in->p, '\n', in->n) : NULL;
	size_t n = end ? (size_t)(end - in->p) + 1 : in->n;

	p->line_discarded += n;
	*in = str_from(*in, n);
	if (!end && p->line_discarded <= LIMIT_SMTP_LONG_LINE)
		return SMTP_SERVER_WANT_INPUT;
	p->verb = VERB_UNKNOWN;
	p->total[VERB_UNKNOWN]++;
	s->lines++;
	server_say(s, "500 5.5.2 Error: line too long");
	if (!end || ++p->long_lines >= 3)
		return server_hang_up(s, SMTP_HANGUP_LONG_LINES);
	p->state = SERVER_COMMAND;
	return SERVER_GO_ON;
}

static enum smtp_server_event on_closed(struct smtp_server *s, struct str *in)
{
	(void)s;
	*in = str_from(*in, in->n);
	return SMTP_SERVER_WANT_INPUT;
}

/* --- events ----------------------------------------------------------------------------------------------------------- */

static bool wants_answer(enum smtp_server_event e)
{
	return e == SMTP_SERVER_HELO || e == SMTP_SERVER_MAIL || e == SMTP_SERVER_RCPT || e == SMTP_SERVER_DATA ||
	       e == SMTP_SERVER_MESSAGE || e == SMTP_SERVER_AUTH || e == SMTP_SERVER_VRFY || e == SMTP_SERVER_ETRN;
}

static void forget_transaction(struct smtp_server *s)
{
	arena_reset(s->arena);
	s->envelope = (struct envelope){ .uid = -1 };
	s->rcpt = (struct addr){ 0 };
	s->rcpt_orcpt = STR_EMPTY;
	s->rcpt_notify = 0;
	s->declared_size = 0;
	s->priv->rcpts_cap = 0;
	s->priv->stale = false;
}

enum smtp_server_event smtp_server_next(struct smtp_server *s, struct str *in)
{
	static enum smtp_server_event (*const states[SERVER_STATES])(struct smtp_server *, struct str *) = {
		[SERVER_COMMAND] = on_command, [SERVER_LONG_LINE] = on_long_line,
		[SERVER_CONTENT] = server_on_content, [SERVER_CHUNK] = server_on_chunk,
		[SERVER_SWALLOW] = server_on_swallow, [SERVER_SASL] = server_on_sasl, [SERVER_CLOSED] = on_closed,
	};
	struct smtp_server_private *p = s->priv;
	enum smtp_server_event e;
	unsigned lines = s->lines;

	s->yields = false;
	if (p->waiting != SERVER_NO_EVENT)
		return SMTP_SERVER_WANT_INPUT;
	do {
		e = p->queued;
		p->queued = SERVER_NO_EVENT;
		if (e != SERVER_NO_EVENT)
			break;
		if (p->stale)
			forget_transaction(s);
		e = states[p->state](s, in);
		s->yields = e == SERVER_GO_ON && s->opt.most_lines && s->lines - lines >= s->opt.most_lines;
	} while (e == SERVER_GO_ON && !s->yields);
	if (s->yields)
		return SMTP_SERVER_WANT_INPUT;
	if (wants_answer(e))
		p->waiting = e;
	return e;
}

/* --- answers ---------------------------------------------------------------------------------------------------------- */

static void answer_plain(struct smtp_server *s, const struct reply *r)
{
	reply_format(s->out, r);
	server_count(s, r->code);
}

static void answer_helo(struct smtp_server *s, const struct reply *r)
{
	if (reply_verdict(r) != VERDICT_DONE || r->code != 250) {
		s->helo[0] = 0;
		s->esmtp = false;
		answer_plain(s, r);
		return;
	}
	server_write_ehlo(s);
	server_count(s, 250);
}

static void answer_mail(struct smtp_server *s, const struct reply *r)
{
	s->priv->transaction = reply_verdict(r) == VERDICT_DONE;
	s->priv->stale = !s->priv->transaction;
	answer_plain(s, r);
}

static void answer_rcpt(struct smtp_server *s, const struct reply *r)
{
	if (reply_verdict(r) == VERDICT_DONE)
		server_add_rcpt(s);
	answer_plain(s, r);
}

void smtp_server_answer(struct smtp_server *s, const struct reply *r)
{
	static const struct { enum smtp_server_event event; void (*take)(struct smtp_server *, const struct reply *); } rows[] = {
		{ SMTP_SERVER_HELO, answer_helo }, { SMTP_SERVER_MAIL, answer_mail }, { SMTP_SERVER_RCPT, answer_rcpt },
		{ SMTP_SERVER_DATA, server_data_answer }, { SMTP_SERVER_MESSAGE, server_message_answer },
		{ SMTP_SERVER_AUTH, server_auth_answer }, { SMTP_SERVER_VRFY, answer_plain }, { SMTP_SERVER_ETRN, answer_plain },
	};
	enum smtp_server_event waiting = s->priv->waiting;

	s->priv->waiting = SERVER_NO_EVENT;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].event == waiting) {
			rows[i].take(s, r);
			hang_up_after(s, r);
			return;
		}
	BUG("smtp_server_answer without an event that wants one");
}
