/*
 * test_dialog_client.c - the transcripts of tests/dialog/client run through the client machine. dialog.h has the format.
 *
 * Directives: "# option NAME [VALUE]" (struct smtp_client_options), "# tx from=A to=B …" (the transactions), "# body text"
 * (their contents, in order), "# pieces N" (given N bytes at a time), "# starttls", "# auth MECHANISM user password",
 * "# timing" (as for the server), "# ahead" (the next transaction begins where the machine takes it behind the running one).
 */
#include <stdlib.h>

#include "core/smtp/client.h"
#include "tests/unit/dialog.h"

static const struct dialog_option client_options[] = {
#define ROW_OF(kind, field) { #field, kind, offsetof(struct smtp_client_options, field) }
	ROW_OF('s', helo_name), ROW_OF('b', lmtp), ROW_OF('b', always_ehlo), ROW_OF('b', chunking), ROW_OF('b', pipelining), ROW_OF('b', in_step),
	ROW_OF('u', discard), ROW_OF('n', line_limit),
#undef ROW_OF
};
enum { TX_MAX = 8, TX_RCPTS = 32 };

struct client_run {
	struct smtp_client c;
	struct smtp_client_options options;
	struct buf in, out, events;
	struct smtp_tx tx[TX_MAX];
	struct rcpt rcpts[TX_MAX][TX_RCPTS];
	const struct rcpt *pointers[TX_MAX][TX_RCPTS];
	struct buf bodies[TX_MAX];
	size_t n_tx, n_bodies, next_tx, pieces;
	bool starttls, tls, auth, timing, ahead;
	char mechanism[32], user[64], password[512];
};

static void parse_tx(struct client_run *run, struct str text)
{
	struct smtp_tx *tx = &run->tx[run->n_tx];
	struct rcpt *rcpts = run->rcpts[run->n_tx];
	struct str word, value;

	while (str_word(&text, " ", &word)) {
		ptrdiff_t eq = str_chr(word, '=');

		value = str_from(word, (size_t)(eq + 1));
		if (str_starts(word, STR("from=")))
			tx->sender = value;
		else if (str_starts(word, STR("size=")))
			str_to_u64(value, &tx->size);
		else if (str_eq(word, STR("8bit")))
			tx->flags |= ENVELOPE_8BIT;
		else if (str_eq(word, STR("utf8")))
			tx->flags |= ENVELOPE_SMTPUTF8;
		else if (str_eq(word, STR("requiretls")))
			tx->flags |= ENVELOPE_REQUIRETLS;
		else if (str_eq(word, STR("probe")))
			tx->probe = true;
		else if (str_starts(word, STR("ret=")))
			tx->ret = str_eq(value, STR("full")) ? DSN_RET_FULL : DSN_RET_HDRS;
		else if (str_starts(word, STR("envid=")))
			tx->envid = value;
		else if (str_starts(word, STR("notify=")))
			rcpts[tx->n_rcpts - 1].notify = (unsigned)(value.p[0] - '0') * (value.n == 1) + 10u * (value.n == 2);
		else if (str_starts(word, STR("orcpt=")))
			rcpts[tx->n_rcpts - 1].orcpt = value;
		else if (str_starts(word, STR("to=")))
			rcpts[tx->n_rcpts++].addr = value;
		else
			t_fail(__FILE__, __LINE__, "unknown word in # tx: %.*s", STR_ARG(word));
	}
	for (size_t i = 0; i < tx->n_rcpts; i++)
		run->pointers[run->n_tx][i] = &rcpts[i];
	tx->rcpts = run->pointers[run->n_tx++];
}

static void client_directives(struct client_run *run, const struct dialog *d)
{
	run->options = (struct smtp_client_options){ .helo_name = "client.example", .always_ehlo = true, .chunking = true,
		.pipelining = true, .line_limit = 998 };
	for (size_t i = 0; i < d->n; i++) {
		struct str text = buf_view(&d->steps[i].text), word = STR_EMPTY;
		uint64_t n = 0;

		if (d->steps[i].who != '#' || !str_word(&text, " ", &word))
			continue;
		text = str_trim(text);
		if (str_eq(word, STR("option")))
			dialog_option(client_options, COUNT(client_options), &run->options, text);
		else if (str_eq(word, STR("tx")))
			parse_tx(run, text);
		else if (str_eq(word, STR("body")))
			dialog_unescape(&run->bodies[run->n_bodies++], text);
		else if (str_eq(word, STR("pieces")) && str_to_u64(text, &n))
			run->pieces = (size_t)n;
		else if (str_eq(word, STR("starttls")))
			run->starttls = true;
		else if (str_eq(word, STR("timing")))
			run->timing = true;
		else if (str_eq(word, STR("ahead")))
			run->ahead = true;
		else if (str_eq(word, STR("auth")))
			run->auth = sscanf(text.p, "%31s %63s %511s", run->mechanism, run->user, run->password) == 3;
		else
			t_fail(__FILE__, __LINE__, "unknown directive %.*s", STR_ARG(word));
	}
	for (size_t i = 0; i < run->n_tx; i++)
		if (run->tx[i].size == 0)
			run->tx[i].size = run->bodies[i].n;
}

static void send_body(struct client_run *run)
{
	struct str body = buf_view(&run->bodies[run->next_tx - 1]);

	while (run->pieces > 0 && body.n > run->pieces) {
		smtp_client_body(&run->c, str_head(body, run->pieces), false);
		body = str_from(body, run->pieces);
	}
	smtp_client_body(&run->c, body, true);
	if (run->ahead && run->next_tx < run->n_tx && smtp_client_takes_next(&run->c))
		smtp_client_begin(&run->c, &run->tx[run->next_tx++]);
}

static void on_hello(struct client_run *run)
{
	struct buf initial;

	if (run->starttls && !run->tls && (run->c.extensions & SMTP_EXT_STARTTLS)) {
		smtp_client_starttls(&run->c);
	} else if (run->auth) {
		bool plain = str_eq(str_of(run->mechanism), STR("PLAIN"));

		buf_init(&initial, 1024);
		if (plain) {
			buf_byte(&initial, 0);
			buf_z(&initial, run->user);
			buf_byte(&initial, 0);
			buf_z(&initial, run->password);
		}
		smtp_client_auth(&run->c, run->mechanism, buf_view(&initial), plain);
		buf_fini(&initial);
	} else {
		smtp_client_ready(&run->c);
	}
}

static void on_ready(struct client_run *run)
{
	CHECK(smtp_client_is_reusable(&run->c));
	if (run->next_tx < run->n_tx) {
		smtp_client_begin(&run->c, &run->tx[run->next_tx]);
		run->next_tx++;
	} else {
		smtp_client_quit(&run->c);
	}
}

static void act_client(struct client_run *run, enum smtp_client_event e)
{
	struct smtp_client *c = &run->c;

	switch (e) {
	case SMTP_CLIENT_HELLO:
		on_hello(run);
		break;
	case SMTP_CLIENT_STARTTLS:
		run->tls = true;
		smtp_client_tls_done(c);
		break;
	case SMTP_CLIENT_TLS_REFUSED:
		smtp_client_quit(c);
		break;
	case SMTP_CLIENT_AUTH:
		smtp_client_auth_step(c, str_starts(str_of(c->reply.text), STR("UGFzc3")) ? str_of(run->password) : str_of(run->user));
		break;
	case SMTP_CLIENT_AUTH_DONE:
		if (c->reply.code == 235)
			smtp_client_ready(c);
		else
			smtp_client_quit(c);
		break;
	case SMTP_CLIENT_READY:
		on_ready(run);
		break;
	case SMTP_CLIENT_BODY:
		send_body(run);
		break;
	default:
		break;
	}
}

static void note_client(struct client_run *run, enum smtp_client_event e)
{
	static const char *const names[] = { "WANT_INPUT", "HELLO", "STARTTLS", "TLS_REFUSED", "AUTH", "AUTH_DONE", "READY", "RCPT",
		"BODY", "DONE", "NEXT", "QUIT", "REFUSED", "BROKEN" };
	struct smtp_client *c = &run->c;
	struct buf *b = &run->events;

	buf_z(b, names[e]);
	if (e == SMTP_CLIENT_HELLO)
		buf_printf(b, " %u%s", c->extensions, c->auth_mechanisms);
	if (e == SMTP_CLIENT_RCPT || (e == SMTP_CLIENT_DONE && run->options.lmtp))
		buf_printf(b, " %zu", c->rcpt);
	if (e == SMTP_CLIENT_RCPT || e == SMTP_CLIENT_DONE || e == SMTP_CLIENT_REFUSED || e == SMTP_CLIENT_TLS_REFUSED ||
	    e == SMTP_CLIENT_AUTH_DONE) {
		buf_byte(b, ' ');
		reply_line(b, &c->reply);
	}
	if (e == SMTP_CLIENT_DONE && c->last)
		buf_z(b, " (last)");
	if (e == SMTP_CLIENT_RCPT || e == SMTP_CLIENT_DONE)
		buf_printf(b, " [%s]", smtp_phase_command(c->phase));
	if (e == SMTP_CLIENT_BROKEN)
		buf_printf(b, " %s%s", c->why, c->unsure ? " (unsure)" : "");
	buf_byte(b, '\n');
}

static void feed_client(struct client_run *run, struct str bytes)
{
	enum smtp_client_event e;
	struct str view;
	char *block;

	buf_str(&run->in, bytes);
	block = malloc(run->in.n ? run->in.n : 1);
	memcpy(block, run->in.p ? run->in.p : "", run->in.n);
	view = str_make(block, run->in.n);
	while ((e = smtp_client_next(&run->c, &view)) != SMTP_CLIENT_WANT_INPUT) {
		note_client(run, e);
		act_client(run, e);
	}
	buf_consume(&run->in, run->in.n - view.n);
	free(block);
}

static void flush_to_client(struct client_run *run, struct buf *pending, enum mode mode)
{
	struct str bytes = buf_view(pending);

	if (mode == MODE_BYTES)
		for (size_t i = 0; i < bytes.n; i++)
			feed_client(run, str_make(bytes.p + i, 1));
	else if (bytes.n > 0)
		feed_client(run, bytes);
	buf_clear(pending);
}

static void run_client(struct client_run *run, const struct dialog *d, enum mode mode)
{
	struct buf pending;
	struct str said;
	size_t checked = 0;

	memset(run, 0, sizeof(*run));
	buf_init(&run->in, DIALOG_BIG);
	buf_init(&run->out, DIALOG_BIG);
	buf_init(&run->events, DIALOG_BIG);
	buf_init(&pending, DIALOG_BIG);
	for (size_t i = 0; i < TX_MAX; i++)
		buf_init(&run->bodies[i], DIALOG_BIG);
	client_directives(run, d);
	smtp_client_init(&run->c, &run->options, &run->out);
	for (size_t i = 0; i < d->n; i++) {
		const struct dialog_step *step = &d->steps[i];

		ROW("%s, step %zu: %c: %s", mode_names[mode], i, step->who, buf_cstr(&step->text));
		if (step->who == 'S' || step->who == 'R')
			buf_str(&pending, buf_view(&step->text));
		if (step->who == 'S')
			buf_z(&pending, "\r\n");
		if (step->who == 'C') {
			flush_to_client(run, &pending, mode);
			said = str_from(buf_view(&run->out), checked);
			dialog_take_line(&said, step);
			checked = run->out.n - said.n;
		}
	}
	flush_to_client(run, &pending, mode);
	CHECK_INT(run->out.n - checked, 0);
	buf_fini(&pending);
}

static void client_dialog(const char *path)
{
	static struct dialog d;
	static struct client_run run;

	if (!dialog_read(&d, path))
		return;
	for (enum mode mode = MODE_GROUPS; mode == MODE_GROUPS || (mode == MODE_BYTES && !run.timing); mode++) {
		struct buf want;

		run_client(&run, &d, mode);
		buf_init(&want, DIALOG_BIG);
		dialog_events(&d, &want);
		ROW("events, %s", mode_names[mode]);
		if (d.has_events)
			CHECK_STR(buf_cstr(&run.events), buf_cstr(&want));
		smtp_client_fini(&run.c);
		buf_fini(&want);
		buf_fini(&run.in);
		buf_fini(&run.out);
		buf_fini(&run.events);
		for (size_t i = 0; i < TX_MAX; i++)
			buf_fini(&run.bodies[i]);
	}
	dialog_free(&d);
}

#define DIALOG(name) T(name) { client_dialog("tests/dialog/client/" #name ".chat"); }

DIALOG(ahead)
DIALOG(ahead_chunking)
DIALOG(ahead_closing)
DIALOG(ahead_closing_end)
DIALOG(ahead_local)
DIALOG(ahead_refused)
DIALOG(ahead_stepwise)
DIALOG(all_refused)
DIALOG(auth_hello_twice)
DIALOG(auth_just_short)
DIALOG(auth_login)
DIALOG(auth_long)
DIALOG(basic)
DIALOG(chunking)
DIALOG(chunking_in_step)
DIALOG(chunking_large)
DIALOG(chunking_refused)
DIALOG(chunking_untold)
DIALOG(closing)
DIALOG(closing_end)
DIALOG(closing_rcpt)
DIALOG(data_refused)
DIALOG(early_end)
DIALOG(early_refusal)
DIALOG(early_reply)
DIALOG(eightbit)
DIALOG(end_refused)
DIALOG(folding)
DIALOG(greeting_odd)
DIALOG(greeting_refused)
DIALOG(lmtp)
DIALOG(lmtp_chunking)
DIALOG(mail_refused)
DIALOG(mail_refused_later)
DIALOG(not_smtp)
DIALOG(paths)
DIALOG(probe)
DIALOG(reply_limits)
DIALOG(requiretls)
DIALOG(requiretls_missing)
DIALOG(size)
DIALOG(starttls)
DIALOG(starttls_injection)
DIALOG(starttls_refused)
DIALOG(stepwise)
DIALOG(twice_ahead)
DIALOG(twice_before_rset)
DIALOG(twice_data)
DIALOG(twice_ehlo)
DIALOG(twice_end)
DIALOG(twice_end_data)
DIALOG(twice_end_late)
DIALOG(twice_end_refused)
DIALOG(twice_in_body)
DIALOG(twice_mail)
DIALOG(twice_mail_refused)
DIALOG(twice_probe)
DIALOG(twice_rcpt)
DIALOG(twice_rcpt_chunking)
DIALOG(twice_rset)
DIALOG(twice_stepwise)
DIALOG(two_codes)
DIALOG(utf8)
DIALOG(utf8_offered)
