/*
 * test_dialog_server.c - the transcripts of tests/dialog/server run through the server machine. dialog.h has the format.
 *
 * Directives: "# option NAME [VALUE]" (struct smtp_server_options), "# answer EVENT CODE [ENHANCED] text" (in the order of
 * the events of that kind; without one the owner says yes), "# tls" (the handshake is done), "# timing" (what happens
 * depends on what arrived with what: no replay).
 */
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/smtp/server.h"
#include "tests/unit/dialog.h"

static const struct dialog_option server_options[] = {
#define ROW_OF(kind, field) { #field, kind, offsetof(struct smtp_server_options, field) }
	ROW_OF('s', hostname), ROW_OF('s', banner), ROW_OF('i', size_limit), ROW_OF('u', recipient_limit),
	ROW_OF('u', hard_error_limit), ROW_OF('u', junk_command_limit), ROW_OF('b', starttls), ROW_OF('b', tls_required),
	ROW_OF('b', auth), ROW_OF('b', auth_in_clear), ROW_OF('s', auth_mechanisms), ROW_OF('b', helo_required),
	ROW_OF('b', vrfy_disabled), ROW_OF('b', etrn), ROW_OF('b', smtputf8), ROW_OF('b', chunking),
	ROW_OF('b', pipelining), ROW_OF('b', dsn), ROW_OF('b', forbid_early_pipelining), ROW_OF('b', strict_envelopes),
	ROW_OF('b', lmtp), ROW_OF('b', requiretls), ROW_OF('b', near), ROW_OF('s', discard_keywords),
#undef ROW_OF
};

static const struct server_event {
	enum smtp_server_event event;
	const char *name;
	int code;            /* 0: takes no answer */
	const char *enhanced, *text;
} server_events[] = {
	{ SMTP_SERVER_HELO, "HELO", 250, "", "ok" }, { SMTP_SERVER_MAIL, "MAIL", 250, "2.1.0", "Ok" },
	{ SMTP_SERVER_RCPT, "RCPT", 250, "2.1.5", "Ok" },
	{ SMTP_SERVER_DATA, "DATA", 354, "", "End data with <CR><LF>.<CR><LF>" },
	{ SMTP_SERVER_BODY, "BODY", 0, "", "" }, { SMTP_SERVER_MESSAGE, "MESSAGE", 250, "2.0.0", "Ok: queued as TEST" },
	{ SMTP_SERVER_RSET, "RSET", 0, "", "" }, { SMTP_SERVER_STARTTLS, "STARTTLS", 0, "", "" },
	{ SMTP_SERVER_AUTH, "AUTH", 235, "2.7.0", "Authentication successful" },
	{ SMTP_SERVER_VRFY, "VRFY", 252, "2.0.0", "maybe" }, { SMTP_SERVER_ETRN, "ETRN", 250, "", "Queuing started" },
	{ SMTP_SERVER_QUIT, "QUIT", 0, "", "" }, { SMTP_SERVER_HANGUP, "HANGUP", 0, "", "" },
	{ SMTP_SERVER_REFUSED, "REFUSED", 0, "", "" },
};

struct server_run {
	struct smtp_server s;
	struct smtp_server_options options;
	struct arena arena;
	struct buf in, out, events, content;
	const struct dialog *d;
	size_t answers_used[COUNT(server_events)];
	bool timing;
};

/* the k-th "# answer NAME" of the file, as a reply; false: there is none */
static bool find_answer(const struct dialog *d, const char *name, size_t k, struct reply *r)
{
	for (size_t i = 0; i < d->n; i++) {
		struct str rest = buf_view(&d->steps[i].text), word, code, text;
		uint64_t n = 0;

		if (d->steps[i].who != '#' || !str_word(&rest, " ", &word) || !str_eq(word, STR("answer")) ||
		    !str_word(&rest, " ", &word) || !str_eq(word, str_of(name)) || k-- > 0)
			continue;
		str_word(&rest, " ", &code);
		str_to_u64(code, &n);
		text = str_trim(rest);
		word = STR_EMPTY;
		if (text.n > 5 && text.p[1] == '.' && text.p[3] == '.')
			str_word(&text, " ", &word);
		text = str_trim(text);
		memset(r, 0, sizeof(*r));
		r->code = (int)n;
		memcpy(r->enhanced, word.p ? word.p : "", word.n);
		memcpy(r->text, text.p ? text.p : "", text.n);
		return true;
	}
	return false;
}

static void note_event(struct server_run *run, const struct server_event *e)
{
	struct smtp_server *s = &run->s;
	struct buf *b = &run->events;

	buf_z(b, e->name);
	switch (e->event) {
	case SMTP_SERVER_HELO:
		buf_printf(b, " %s%s", s->helo, s->esmtp ? " esmtp" : "");
		break;
	case SMTP_SERVER_MAIL:
		buf_printf(b, " <%.*s> flags=%u size=%lld ret=%d envid=%.*s %s", STR_ARG(s->envelope.sender), s->envelope.flags,
		           (long long)s->declared_size, (int)s->envelope.ret, STR_ARG(s->envelope.envid), smtp_server_proto(s));
		break;
	case SMTP_SERVER_RCPT:
		buf_printf(b, " <%.*s> notify=%u orcpt=%.*s", STR_ARG(s->rcpt.full), s->rcpt_notify, STR_ARG(s->rcpt_orcpt));
		break;
	case SMTP_SERVER_MESSAGE:
		buf_printf(b, " rcpts=%zu flags=%u%s", s->envelope.n_rcpts, s->envelope.flags, run->content.n > 0 ? " " : "");
		dialog_escape(b, buf_view(&run->content));
		CHECK_INT(run->content.n, s->envelope.size);
		break;
	case SMTP_SERVER_AUTH:
		buf_printf(b, " %s %s %s", s->auth_mechanism, s->auth_user, s->auth_password);
		break;
	case SMTP_SERVER_VRFY:
		buf_printf(b, " %.*s", STR_ARG(s->rcpt.full));
		break;
	case SMTP_SERVER_ETRN:
		buf_printf(b, " %.*s", STR_ARG(s->argument));
		break;
	case SMTP_SERVER_HANGUP:
		buf_printf(b, " %s", smtp_server_hangup_text(s->hangup));
		break;
	case SMTP_SERVER_REFUSED:
		buf_printf(b, " %s %.*s", smtp_server_phase_text(s->phase), STR_ARG(s->argument));
		break;
	default:
		break;
	}
	buf_byte(b, '\n');
}

static void on_server_event(struct server_run *run, enum smtp_server_event event)
{
	const struct server_event *e = server_events;
	struct reply r = { 0 };

	while (e->event != event)
		e++;
	if (event == SMTP_SERVER_BODY) {
		CHECK(run->s.chunk.n > 0);
		buf_str(&run->content, run->s.chunk);
		return;
	}
	note_event(run, e);
	if (event == SMTP_SERVER_RSET || event == SMTP_SERVER_MESSAGE || event == SMTP_SERVER_DATA)
		buf_clear(&run->content);
	if (e->code == 0)
		return;
	if (!find_answer(run->d, e->name, run->answers_used[e - server_events]++, &r)) {
		r.code = e->code;
		memcpy(r.enhanced, e->enhanced, strlen(e->enhanced));
		memcpy(r.text, e->text, strlen(e->text));
	}
	smtp_server_answer(&run->s, &r);
}

/* give bytes; what the machine leaves stays for the next time. Blocks have exactly their size, for the sanitizers. */
static void feed_server(struct server_run *run, struct str bytes)
{
	enum smtp_server_event e;
	struct str view;
	char *block;

	buf_str(&run->in, bytes);
	block = malloc(run->in.n ? run->in.n : 1);
	memcpy(block, run->in.p ? run->in.p : "", run->in.n);
	view = str_make(block, run->in.n);
	while ((e = smtp_server_next(&run->s, &view)) != SMTP_SERVER_WANT_INPUT)
		on_server_event(run, e);
	buf_consume(&run->in, run->in.n - view.n);
	free(block);
}

static void flush_to_server(struct server_run *run, struct buf *pending, enum mode mode)
{
	struct str bytes = buf_view(pending);

	if (mode == MODE_BYTES)
		for (size_t i = 0; i < bytes.n; i++)
			feed_server(run, str_make(bytes.p + i, 1));
	else if (bytes.n > 0)
		feed_server(run, bytes);
	buf_clear(pending);
}

static void server_directives(struct server_run *run, const struct dialog *d)
{
	run->options = (struct smtp_server_options){ .hostname = "mx.example", .banner = "mx.example ESMTP", .recipient_limit = 1000,
		.hard_error_limit = 20, .junk_command_limit = 100, .auth_mechanisms = "PLAIN LOGIN", .smtputf8 = true,
		.chunking = true, .pipelining = true, .dsn = true };
	for (size_t i = 0; i < d->n; i++) {
		struct str text = buf_view(&d->steps[i].text), word = STR_EMPTY;

		if (d->steps[i].who != '#' || !str_word(&text, " ", &word))
			continue;
		if (str_eq(word, STR("option")))
			dialog_option(server_options, COUNT(server_options), &run->options, str_trim(text));
		run->timing = run->timing || str_eq(word, STR("timing"));
	}
}

/* run the dialogue once; the output and the events are left in the run */
static void run_server(struct server_run *run, const struct dialog *d, enum mode mode)
{
	struct buf pending;
	struct str said;
	size_t checked = 0;

	memset(run, 0, sizeof(*run));
	run->d = d;
	server_directives(run, d);
	arena_init(&run->arena, LIMIT_SESSION_ARENA);
	buf_init(&run->in, DIALOG_BIG);
	buf_init(&run->out, DIALOG_BIG);
	buf_init(&run->events, DIALOG_BIG);
	buf_init(&run->content, DIALOG_BIG);
	buf_init(&pending, DIALOG_BIG);
	smtp_server_init(&run->s, &run->options, &run->out, &run->arena);
	smtp_server_greet(&run->s);
	for (size_t i = 0; i < d->n; i++) {
		const struct dialog_step *step = &d->steps[i];

		ROW("%s, step %zu: %c: %s", mode_names[mode], i, step->who, buf_cstr(&step->text));
		if (step->who == 'C' || step->who == 'R')
			buf_str(&pending, buf_view(&step->text));
		if (step->who == 'C')
			buf_z(&pending, "\r\n");
		if (step->who == '#' && str_eq(buf_view(&step->text), STR("tls"))) {
			flush_to_server(run, &pending, mode);
			smtp_server_tls_done(&run->s);
		}
		if (step->who == 'S' && mode == MODE_GROUPS) {
			flush_to_server(run, &pending, mode);
			said = str_from(buf_view(&run->out), checked);
			dialog_take_line(&said, step);
			checked = run->out.n - said.n;
		}
	}
	flush_to_server(run, &pending, mode);
	if (mode == MODE_GROUPS)
		CHECK_MEM(run->out.p + checked, run->out.n - checked, "", 0);
	buf_fini(&pending);
}

static void end_server(struct server_run *run)
{
	smtp_server_fini(&run->s);
	arena_fini(&run->arena);
	buf_fini(&run->in);
	buf_fini(&run->out);
	buf_fini(&run->events);
	buf_fini(&run->content);
}

static void server_dialog(const char *path)
{
	static struct dialog d;
	static struct server_run first, again;
	struct buf want;

	if (!dialog_read(&d, path))
		return;
	run_server(&first, &d, MODE_GROUPS);
	buf_init(&want, DIALOG_BIG);
	dialog_events(&d, &want);
	ROW("events");
	if (d.has_events)
		CHECK_STR(buf_cstr(&first.events), buf_cstr(&want));
	for (enum mode mode = MODE_BYTES; mode <= MODE_WHOLE && !first.timing; mode++) {
		run_server(&again, &d, mode);
		ROW("%s", mode_names[mode]);
		CHECK_STR(buf_cstr(&again.out), buf_cstr(&first.out));
		CHECK_STR(buf_cstr(&again.events), buf_cstr(&first.events));
		end_server(&again);
	}
	buf_fini(&want);
	end_server(&first);
	dialog_free(&d);
}

#define DIALOG(name) T(name) { server_dialog("tests/dialog/server/" #name ".chat"); }

DIALOG(auth)
DIALOG(auth_clear)
DIALOG(basic)
DIALOG(bdat)
DIALOG(bdat_refused)
DIALOG(bdat_size)
DIALOG(control)
DIALOG(double_cr)
DIALOG(double_cr_dot)
DIALOG(early_group)
DIALOG(early_talk)
DIALOG(etrn)
DIALOG(junk)
DIALOG(lmtp)
DIALOG(not_letters)
DIALOG(not_smtp)
DIALOG(not_smtp_header)
DIALOG(order)
DIALOG(owner_closes)
DIALOG(params)
DIALOG(pipelined)
DIALOG(recipients)
DIALOG(refused)
DIALOG(requiretls)
DIALOG(requiretls_near)
DIALOG(smuggling)
DIALOG(starttls)
DIALOG(starttls_injection)
DIALOG(utf8)
