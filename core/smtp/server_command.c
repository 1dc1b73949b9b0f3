/* server_command - the verbs of the SMTP server: one table, one gate that says when a command may not run (pipelining,
 * TLS, junk), one handler each. Handlers check syntax and order; what is policy becomes an event. Texts are Postfix's. */
#include <stdio.h>

#include "core/base/limits.h"
#include "core/smtp/grammar.h"
#include "core/smtp/path_repair.h"
#include "core/smtp/server_private.h"

enum verb_flags {
	PRE_TLS = 1,     /* also before STARTTLS where that is required */
	GROUP_END = 2,   /* RFC 2920: nothing may wait behind it (Postfix's choice of commands) */
	JUNK = 4,        /* does no work: counted against the junk limit */
	ONLY_SMTP = 8, ONLY_LMTP = 16,
};

bool server_offers(const struct smtp_server *s, enum server_offer bit) { return s->priv->offer & bit; }

/* --- greeting --------------------------------------------------------------------------------------------------------- */

static enum smtp_server_event hello(struct smtp_server *s, struct str name, bool esmtp)
{
	/* what would end a comment, a quoted string or a log field in the Received line or the log */
	static const char unsafe[] = " \t<>()\\\";@";

	s->esmtp = esmtp;
	memcpy(s->helo, name.p, name.n);
	s->helo[name.n] = 0;
	for (char *c = s->helo; *c; c++)
		if (strchr(unsafe, *c))
			*c = '?';
	return server_drop(s, SMTP_SERVER_HELO);
}

static enum smtp_server_event do_hello(struct smtp_server *s, struct str args)
{
	args = str_trim(args);
	if (args.n == 0 || args.n > LIMIT_HELO || args.n >= sizeof(s->helo)) {
		server_say(s, "501 Syntax: %s hostname", server_verbs[s->priv->verb].name);
		return SERVER_GO_ON;
	}
	return hello(s, args, s->priv->verb != VERB_HELO);
}

void server_write_ehlo(struct smtp_server *s)
{
	static const struct { unsigned bit; const char *line; } rows[] = {
		{ OFFER_PIPELINING, "PIPELINING" }, { OFFER_SIZE, "SIZE" }, { OFFER_VRFY, "VRFY" }, { OFFER_ETRN, "ETRN" },
		{ OFFER_STARTTLS, "STARTTLS" }, { OFFER_AUTH, "AUTH" }, { OFFER_ENHANCED, "ENHANCEDSTATUSCODES" },
		{ OFFER_8BITMIME, "8BITMIME" }, { OFFER_DSN, "DSN" }, { OFFER_SMTPUTF8, "SMTPUTF8" },
		{ OFFER_CHUNKING, "CHUNKING" }, { OFFER_REQUIRETLS, "REQUIRETLS" },
	};
	unsigned offer = s->priv->offer;
	size_t start = s->out->n, last = start;

	if (!s->esmtp) {
		buf_printf(s->out, "250 %s\r\n", s->opt.hostname);
		return;
	}
	if (s->tls)
		offer &= ~(unsigned)OFFER_STARTTLS;
	else if (!s->opt.near)
		offer &= ~(unsigned)OFFER_REQUIRETLS;
	if ((!s->tls && !s->opt.auth_in_clear) || s->authenticated)
		offer &= ~(unsigned)OFFER_AUTH;
	buf_printf(s->out, "250-%s\r\n", s->opt.hostname);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!(offer & rows[i].bit))
			continue;
		last = s->out->n;
		buf_z(s->out, "250-");
		buf_z(s->out, rows[i].line);
		if (rows[i].bit == OFFER_SIZE && s->opt.size_limit > 0)
			buf_printf(s->out, " %lld", (long long)s->opt.size_limit);
		if (rows[i].bit == OFFER_AUTH)
			buf_printf(s->out, " %s", s->opt.auth_mechanisms);
		buf_z(s->out, "\r\n");
		if (rows[i].bit == OFFER_AUTH && s->opt.auth_as_of_old) {
			last = s->out->n;
			buf_printf(s->out, "250-AUTH=%s\r\n", s->opt.auth_mechanisms);
		}
	}
	if (s->out->n > last + 3)
		s->out->p[last + 3] = ' ';
}

static enum smtp_server_event out_of_step(struct smtp_server *s)
{
	server_say(s, "554 5.5.0 Error: SMTP protocol synchronization");
	return server_hang_up(s, SMTP_HANGUP_PIPELINING);
}

static enum smtp_server_event do_starttls(struct smtp_server *s, struct str args)
{
	if (args.n > 0)
		return server_refuse(s, "501 5.5.4 Syntax: STARTTLS");
	if (!server_offers(s, OFFER_STARTTLS))
		return server_refuse(s, "502 5.5.1 Error: command not implemented");
	if (s->priv->transaction)
		return server_refuse(s, "503 5.5.1 Error: MAIL transaction in progress");
	if (s->tls)
		return server_refuse(s, "554 5.5.1 Error: TLS already active");
	/* what waits behind it came in clear and would be read as if it had not (threats B1) */
	if (s->priv->input_waits)
		return out_of_step(s);
	server_say(s, "220 2.0.0 Ready to start TLS");
	return SMTP_SERVER_STARTTLS;
}

/* --- transaction ------------------------------------------------------------------------------------------------------ */

/* not what the grammar has, but what has one reading all the same */
static bool repaired(struct smtp_server *s, struct str args, struct addr *addr, struct str *params)
{
	struct str path;

	return !s->opt.strict_envelopes && path_repair(s->arena, args, &path, params) && addr_parse(s->arena, path, addr) && addr->full.n > 0;
}

/* the address after "FROM:" or "TO:"; NULL or the reply that refuses it. *params: what follows */
static const char *take_path(struct smtp_server *s, struct str args, struct str keyword, struct addr *addr, struct str *params)
{
	bool mail = keyword.n == 5;
	const char *syntax = mail ? "501 5.5.4 Syntax: MAIL FROM:<address>" : "501 5.5.4 Syntax: RCPT TO:<address>";

	if (!str_istarts(args, keyword))
		return syntax;
	args = str_from(args, keyword.n);
	while (args.n > 0 && (*args.p == ' ' || *args.p == '\t'))
		args = str_from(args, 1);
	if (s->opt.strict_envelopes && args.n && *args.p != '<')
		return mail ? "501 5.1.7 Bad sender address syntax" : "501 5.1.3 Bad recipient address syntax";
	if (args.n == 0)
		return syntax;
	if (s->arena->overflow)
		return server_no_room;
	if ((addr_parse_path(s->arena, args, addr, params) && (params->n == 0 || *params->p == ' ' || *params->p == '\t')) ||
	    repaired(s, args, addr, params))
		return NULL;
	return s->arena->overflow ? server_no_room : mail ? "501 5.1.7 Bad sender address syntax" : "501 5.1.3 Bad recipient address syntax";
}

/* refuse MAIL or RCPT for what it asks: the owner may want to log that */
static enum smtp_server_event refuse_envelope(struct smtp_server *s, struct str args, const char *text)
{
	s->argument = args;
	s->refusal = text;
	server_refuse(s, text);
	return SMTP_SERVER_REFUSED;
}

static enum smtp_server_event do_mail(struct smtp_server *s, struct str args)
{
	struct smtp_server_private *p = s->priv;
	struct addr sender;
	struct str params;
	const char *no;

	if (s->opt.helo_required && !s->helo[0])
		return server_refuse(s, "503 5.5.1 Error: send HELO/EHLO first");
	if (p->transaction)
		return server_refuse(s, p->bdat ? "503 5.5.1 Error: MAIL after BDAT" : "503 5.5.1 Error: nested MAIL command");
	p->stale = true; /* until it is accepted: a refused MAIL leaves nothing */
	no = take_path(s, args, STR("FROM:"), &sender, &params);
	if (no)
		return refuse_envelope(s, args, no);
	s->envelope.sender = sender.full;
	no = server_mail_params(s, params);
	if (no)
		return server_refuse(s, no);
	if (addr_is_utf8(sender.full) && !(s->envelope.flags & ENVELOPE_SMTPUTF8))
		return refuse_envelope(s, args, "553 5.6.7 Must declare SMTPUTF8 to send unicode address");
	if (s->opt.size_limit > 0 && s->declared_size > s->opt.size_limit)
		return refuse_envelope(s, args, "552 5.3.4 Message size exceeds fixed limit");
	s->envelope.helo = str_of(s->helo);
	s->envelope.proto = str_of(smtp_server_proto(s));
	s->envelope.sasl_user = str_of(s->user);
	return SMTP_SERVER_MAIL;
}

static bool reserve_rcpt(struct smtp_server *s)
{
	struct smtp_server_private *p = s->priv;
	struct envelope *e = &s->envelope;
	size_t cap = p->rcpts_cap ? p->rcpts_cap * 2 : 4;
	struct rcpt *more;

	if (e->n_rcpts < p->rcpts_cap)
		return true;
	more = ARENA_ARRAY(s->arena, struct rcpt, cap);
	if (!more)
		return false;
	if (e->n_rcpts > 0)
		memcpy(more, e->rcpts, e->n_rcpts * sizeof(*more));
	e->rcpts = more;
	p->rcpts_cap = cap;
	return true;
}

static enum smtp_server_event do_rcpt(struct smtp_server *s, struct str args)
{
	struct smtp_server_private *p = s->priv;
	struct str params;
	const char *no;

	if (!p->transaction)
		return server_refuse(s, "503 5.5.1 Error: need MAIL command");
	if (p->bdat)
		return server_refuse(s, "503 5.5.1 Error: RCPT after BDAT");
	if (s->opt.recipient_limit > 0 && s->envelope.n_rcpts >= s->opt.recipient_limit) {
		/* RFC 5321 section 4.5.3.1.10: a client that goes on is not to blame, up to a point */
		if (p->overshoot++ >= LIMIT_SMTP_OVERSHOOT)
			return server_refuse(s, "452 4.5.3 Error: too many recipients");
		buf_z(s->out, "452 4.5.3 Error: too many recipients\r\n");
		return SERVER_GO_ON;
	}
	no = take_path(s, args, STR("TO:"), &s->rcpt, &params);
	if (!no && s->rcpt.full.n == 0)
		no = "501 5.1.3 Bad recipient address syntax";
	if (no)
		return refuse_envelope(s, args, no);
	no = server_rcpt_params(s, params);
	if (no)
		return server_refuse(s, no);
	if (addr_is_utf8(s->rcpt.full) && !(s->envelope.flags & ENVELOPE_SMTPUTF8))
		return refuse_envelope(s, args, "553 5.6.7 Must declare SMTPUTF8 to send unicode address");
	s->rcpt_becomes = STR_EMPTY;
	/* before the owner is asked: its 2xx must never find no room */
	if (!reserve_rcpt(s))
		return server_refuse(s, server_no_room);
	return SMTP_SERVER_RCPT;
}

void server_add_rcpt(struct smtp_server *s)
{
	struct envelope *e = &s->envelope;

	struct rcpt r = { .addr = s->rcpt.full, .orcpt = s->rcpt_orcpt, .notify = s->rcpt_notify };

	if (s->rcpt_becomes.n && !str_eq(s->rcpt_becomes, r.addr)) {
		r.orig = r.addr;
		r.addr = s->rcpt_becomes;
	}
	e->rcpts[e->n_rcpts++] = r;
}

/* --- the rest --------------------------------------------------------------------------------------------------------- */

static enum smtp_server_event do_rset(struct smtp_server *s, struct str args)
{
	if (args.n > 0)
		return server_refuse(s, "501 5.5.4 Syntax: RSET");
	server_say(s, "250 2.0.0 Ok");
	return server_drop(s, SERVER_GO_ON);
}

static enum smtp_server_event do_noop(struct smtp_server *s, struct str args)
{
	(void)args;
	return server_refuse(s, "250 2.0.0 Ok");
}

static enum smtp_server_event do_vrfy(struct smtp_server *s, struct str args)
{
	struct str rest;

	s->priv->stale = !s->priv->transaction;
	if (!server_offers(s, OFFER_VRFY))
		return server_refuse(s, "502 5.5.1 VRFY command is disabled");
	if (args.n == 0)
		return server_refuse(s, "501 5.5.4 Syntax: VRFY address");
	if (s->arena->overflow || !addr_parse_path(s->arena, args, &s->rcpt, &rest) || s->rcpt.full.n == 0)
		return server_refuse(s, "501 5.1.3 Bad recipient address syntax");
	if (rest.n && !str_ieq(rest, STR(" SMTPUTF8")))
		return server_refuse(s, "501 5.1.3 Bad recipient address syntax");
	if (addr_is_utf8(s->rcpt.full) && !rest.n)
		return server_refuse(s, "553 5.6.7 Must declare SMTPUTF8 to send unicode address");
	s->argument = arena_str(s->arena, args);
	return SMTP_SERVER_VRFY;
}

static enum smtp_server_event do_etrn(struct smtp_server *s, struct str args)
{
	if (!s->helo[0])
		return server_refuse(s, "503 Error: send HELO/EHLO first");
	if (s->priv->transaction)
		return server_refuse(s, "503 Error: MAIL transaction in progress");
	if (!server_offers(s, OFFER_ETRN))
		return server_refuse(s, "502 5.5.1 Error: command not implemented");
	s->priv->stale = true;
	s->argument = arena_str(s->arena, grammar_word(&args));
	if (s->argument.n == 0 || args.n > 0)
		return server_refuse(s, "500 Syntax: ETRN domain");
	if (strchr("@#", *s->argument.p))
		s->argument = str_from(s->argument, 1);
	if (!addr_valid_domain(s->argument))
		return server_refuse(s, "501 Error: invalid parameter syntax");
	return SMTP_SERVER_ETRN;
}

static enum smtp_server_event do_help(struct smtp_server *s, struct str args)
{
	(void)args;
	return server_refuse(s, "214 2.0.0 See RFC 5321; the commands are HELO EHLO MAIL RCPT DATA RSET NOOP VRFY QUIT");
}

static enum smtp_server_event do_quit(struct smtp_server *s, struct str args)
{
	(void)args;
	server_say(s, "221 2.0.0 Bye");
	s->priv->state = SERVER_CLOSED;
	return SMTP_SERVER_QUIT;
}

static enum smtp_server_event do_unknown(struct smtp_server *s, struct str args)
{
	(void)args;
	return server_refuse(s, "500 5.5.2 Error: command not recognized");
}

/* --- dispatch --------------------------------------------------------------------------------------------------------- */

const struct server_verb_row server_verbs[VERBS] = {
	[VERB_HELO] = { "HELO", PRE_TLS | GROUP_END | JUNK | ONLY_SMTP, do_hello },
	[VERB_EHLO] = { "EHLO", PRE_TLS | GROUP_END | JUNK | ONLY_SMTP, do_hello },
	[VERB_LHLO] = { "LHLO", PRE_TLS | GROUP_END | JUNK | ONLY_LMTP, do_hello },
	[VERB_STARTTLS] = { "STARTTLS", PRE_TLS, do_starttls },
	[VERB_AUTH] = { "AUTH", 0, server_auth },
	[VERB_MAIL] = { "MAIL", 0, do_mail },
	[VERB_RCPT] = { "RCPT", 0, do_rcpt },
	[VERB_DATA] = { "DATA", GROUP_END, server_data },
	[VERB_BDAT] = { "BDAT", 0, server_bdat },
	[VERB_RSET] = { "RSET", JUNK, do_rset },
	[VERB_NOOP] = { "NOOP", PRE_TLS | GROUP_END | JUNK, do_noop },
	[VERB_VRFY] = { "VRFY", GROUP_END | JUNK, do_vrfy },
	[VERB_ETRN] = { "ETRN", JUNK, do_etrn },
	[VERB_HELP] = { "HELP", JUNK, do_help },
	[VERB_QUIT] = { "QUIT", PRE_TLS, do_quit },
	[VERB_UNKNOWN] = { "UNKNOWN", PRE_TLS, do_unknown },
};

static enum server_verb find_verb(const struct smtp_server *s, struct str word)
{
	unsigned wrong = s->opt.lmtp ? ONLY_SMTP : ONLY_LMTP;
	size_t i;

	for (i = 0; i < VERB_UNKNOWN; i++)
		if (ascii_upper(*word.p) == *server_verbs[i].name && str_ieq(word, str_of(server_verbs[i].name)))
			break;
	return server_verbs[i].flags & wrong ? VERB_UNKNOWN : (enum server_verb)i;
}

bool smtp_server_may_show(const struct smtp_server *s, struct str line)
{
	struct str word = grammar_word(&line);

	return !str_istarts(word, STR("AUTH")) && (!s->priv->total[VERB_AUTH] || (word.n > 0 && find_verb(s, word) != VERB_UNKNOWN));
}

/* NULL, or the reply to a line that is no command at all */
static const char *check_line(struct str line)
{
	if (!grammar_is_text(line))
		return "500 5.5.2 Error: bad syntax";
	if (!str_is_ascii(line) && !str_is_utf8(line))
		return "500 5.5.2 Error: bad UTF-8 syntax";
	return NULL;
}

static enum smtp_server_event not_smtp(struct smtp_server *s, struct str line)
{
	s->argument = smtp_server_may_show(s, line) ? line : STR("(not shown)");
	s->priv->total[VERB_UNKNOWN]++;
	buf_z(s->out, "221 2.7.0 Error: I can break rules, too. Goodbye.\r\n");
	return server_hang_up(s, SMTP_HANGUP_NOT_SMTP);
}

/* a client that was refused at its connection */
static enum smtp_server_event deny(struct smtp_server *s, struct str args)
{
	char text[400];

	snprintf(text, sizeof(text), "503 5.7.0 Error: access denied for %s", s->priv->denied);
	return s->priv->verb == VERB_BDAT ? server_bdat_refuse(s, args, text) : server_refuse(s, text);
}

enum smtp_server_event server_dispatch(struct smtp_server *s, struct str line, const struct str *in)
{
	static const char forbidden[] = "CONNECT GET POST";
	struct smtp_server_private *p = s->priv;
	struct str args = line, word = grammar_word(&args);
	const struct server_verb_row *row;
	const char *no;

	p->verb = word.n > 0 ? find_verb(s, word) : VERB_UNKNOWN;
	s->phase = (enum smtp_server_phase)p->verb;
	if (p->verb == VERB_UNKNOWN && word.n > 0 &&
	    (!ascii_is_alpha(*word.p) || str_chr(word, ':') > 0 || grammar_has_word(forbidden, word)))
		return not_smtp(s, line);
	/* BDAT judges its own line: what follows a malformed one must not be read as commands */
	no = word.n == 0 ? "500 5.5.2 Error: bad syntax" : p->verb == VERB_BDAT ? NULL : check_line(line);
	if (no) {
		p->verb = VERB_UNKNOWN;
		p->total[VERB_UNKNOWN]++;
		return server_refuse(s, no);
	}
	row = &server_verbs[p->verb];
	p->after_bdat_error = p->after_bdat_error && p->verb == VERB_BDAT;
	p->total[p->verb]++;
	p->input_waits = in->n > 0;
	if (p->input_waits && s->opt.forbid_early_pipelining && (!s->esmtp || (row->flags & GROUP_END)))
		return out_of_step(s);
	if (p->denied && p->verb != VERB_QUIT)
		return deny(s, args);
	if ((row->flags & JUNK) && s->opt.junk_command_limit > 0 && p->junk++ > s->opt.junk_command_limit)
		s->errors++;
	if (s->opt.tls_required && !s->tls && !(row->flags & PRE_TLS)) {
		static const char text[] = "530 5.7.0 Must issue a STARTTLS command first";

		return p->verb == VERB_BDAT ? server_bdat_refuse(s, args, text) : server_refuse(s, text);
	}
	while (args.n > 0 && (args.p[args.n - 1] == ' ' || args.p[args.n - 1] == '\t'))
		args.n--;
	return row->run(s, args);
}
