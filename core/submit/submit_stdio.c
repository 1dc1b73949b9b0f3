/* submit_stdio - see submit_stdio.h. Blocking, one client: whoever started us. No relay control is needed: a local user may
 * send anywhere. */
#include "core/submit/submit_stdio.h"

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/msg/crlf.h"
#include "core/msg/date.h"
#include "core/msg/received.h"
#include "core/submit/submit.h"
#include "core/smtp/server.h"

struct stdio_session {
	const struct conf *conf;
	struct smtp_server smtp;
	struct arena arena;
	struct buf out, content, input;
	enum { ENDS_UNKNOWN, ENDS_CRLF, ENDS_LF } ends;
	char last;                     /* byte of the input */
	struct crlf_clean lines;
};

static void answer(struct stdio_session *s, int code, const char *enhanced, const char *text)
{
	struct reply r;

	reply_set(&r, code, enhanced, "%s", text);
	smtp_server_answer(&s->smtp, &r);
}

/* trace - the field of this dialogue, as of a client on loopback; the queue's own comes before it and has the id */
static void trace(struct stdio_session *s)
{
	struct envelope e = s->smtp.envelope;

	e.client_name = STR("localhost");
	e.client_addr = STR("127.0.0.1");
	e.arrival = clock_wall();
	received_format(&s->content, &(struct received){ .envelope = &e, .hostname = s->conf->myhostname, .mail_name = s->conf->mail_name,
	                                                 .offset_minutes = date_offset(e.arrival) });
}

static void take_message(struct stdio_session *s)
{
	struct submit_result r;
	struct reply reply;
	struct envelope e = s->smtp.envelope;
	int code;

	e.flags |= ENVELOPE_LOCAL;
	if (!str_is_ascii(buf_view(&s->content)))
		e.flags |= ENVELOPE_8BIT;
	e.uid = getuid();
	envelope_unique(&e, false);
	e.arrival = clock_wall();
	if (s->content.overflow) {
		answer(s, 552, "5.3.4", "Message size exceeds fixed limit");
		return;
	}
	code = submit_message(s->conf, NULL, &e, buf_view(&s->content), &r);
	if (code == EX_OK)
		reply_set(&reply, 250, "2.0.0", "Ok: queued as %s", r.qid[0] ? r.qid : r.kept[0] ? r.kept : r.way);
	else if (code == EX_TEMPFAIL || code == EX_OSERR)
		reply_set(&reply, 451, "4.3.0", "Error: %s", r.why);
	else
		reply_set(&reply, 554, "5.0.0", "Error: %s", r.why);
	smtp_server_answer(&s->smtp, &reply);
}

/* on_event - false: the session is over */
static bool on_event(struct stdio_session *s, enum smtp_server_event ev)
{
	switch (ev) {
	case SMTP_SERVER_HELO:
	case SMTP_SERVER_MAIL:
		answer(s, 250, ev == SMTP_SERVER_MAIL ? "2.1.0" : "", "Ok");
		return true;
	case SMTP_SERVER_RCPT:
		answer(s, 250, "2.1.5", "Ok");
		return true;
	case SMTP_SERVER_VRFY:
		answer(s, 252, "2.0.0", "Cannot VRFY; try RCPT");
		return true;
	case SMTP_SERVER_DATA:
		buf_clear(&s->content);
		trace(s);
		answer(s, 354, "", "End data with <CR><LF>.<CR><LF>");
		return true;
	case SMTP_SERVER_BODY:
		buf_str(&s->content, s->smtp.chunk);
		return true;
	case SMTP_SERVER_MESSAGE:
		take_message(s);
		buf_clear(&s->content);
		return true;
	case SMTP_SERVER_RSET:
		buf_clear(&s->content);
		return true;
	case SMTP_SERVER_AUTH:
		answer(s, 535, "5.7.8", "Error: no authentication here");
		return true;
	case SMTP_SERVER_ETRN:
		answer(s, 458, "4.0.0", "Unable to queue messages here");
		return true;
	case SMTP_SERVER_STARTTLS:
	case SMTP_SERVER_QUIT:
	case SMTP_SERVER_HANGUP:
		return false;
	case SMTP_SERVER_WANT_INPUT:
	case SMTP_SERVER_REFUSED:
		break;
	}
	return true;
}

static int flush(struct stdio_session *s, int out)
{
	ssize_t r = s->out.n ? fs_write_all(out, s->out.p, s->out.n) : 0;

	buf_clear(&s->out);
	return r < 0 ? -1 : 0;
}

/* take - more input. The first line decides: a program that ends it with a bare LF ends all lines so, and its last dot, too */
static void take(struct stdio_session *s, struct str piece)
{
	const char *nl = s->ends ? NULL : memchr(piece.p, '\n', piece.n);

	if (nl)
		s->ends = (nl > piece.p ? nl[-1] : s->last) == '\r' ? ENDS_CRLF : ENDS_LF;
	s->last = piece.p[piece.n - 1];
	if (s->ends == ENDS_LF)
		crlf_clean_add(&s->lines, &s->input, piece);
	else
		buf_str(&s->input, piece);
}

static int serve(struct stdio_session *s, int in, int out)
{
	bool open = true;
	int code = EX_OK;

	smtp_server_greet(&s->smtp);
	while (open && code == EX_OK) {
		char piece[8192];
		enum smtp_server_event ev;
		ssize_t got;

		do {
			struct str rest = buf_view(&s->input);

			ev = smtp_server_next(&s->smtp, &rest);
			open = on_event(s, ev);
			buf_consume(&s->input, s->input.n - rest.n);
		} while (open && ev != SMTP_SERVER_WANT_INPUT);
		if (flush(s, out) < 0)
			code = EX_IOERR;
		if (!open || code)
			break;
		got = read(in, piece, sizeof(piece));
		if (got < 0 && errno != EINTR)
			code = EX_IOERR;
		open = got != 0;
		if (got > 0)
			take(s, str_make(piece, (size_t)got));
		if (s->input.overflow)
			code = EX_PROTOCOL;
	}
	return code;
}

int submit_stdio(const struct conf *c, int in, int out)
{
	struct stdio_session s = { .conf = c };
	struct smtp_server_options o = {
		.hostname = c->myhostname, .banner = c->smtpd_banner, .size_limit = c->message_size_limit,
		.recipient_limit = (unsigned)c->smtpd_recipient_limit,
		.soft_error_limit = (unsigned)c->smtpd_soft_error_limit, .hard_error_limit = (unsigned)c->smtpd_hard_error_limit,
		.junk_command_limit = (unsigned)c->smtpd_junk_command_limit,
		.smtputf8 = c->smtputf8_enable, .chunking = true, .pipelining = true, .dsn = true,
	};
	int code;

	arena_init(&s.arena, smtp_server_arena(&o));
	buf_init(&s.out, LIMIT_SESSION_OUTPUT);
	buf_init(&s.input, LIMIT_SESSION_INPUT);
	crlf_clean_init(&s.lines);
	buf_init(&s.content, c->message_size_limit ? (size_t)c->message_size_limit + 65536 : (size_t)1 << 40);
	smtp_server_init(&s.smtp, &o, &s.out, &s.arena);
	code = serve(&s, in, out);
	smtp_server_fini(&s.smtp);
	buf_fini(&s.out);
	buf_fini(&s.input);
	buf_fini(&s.content);
	arena_fini(&s.arena);
	return code;
}
