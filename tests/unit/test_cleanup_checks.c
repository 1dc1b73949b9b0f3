/* checks of header and body on the way into the queue: what is stored, answered and logged. Rows whose log is given are those of
 * Debian's Postfix 3.7.11 with the same tables. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/memory.h"
#include "core/cleanup/cleanup.h"
#include "tests/unit/t.h"

#define NOW (1795309200 * USEC_PER_SEC)        /* 2026-11-22 01:00:00 UTC */
#define CLIENT " from client.test[192.0.2.1]; from=<a@x.test> to=<u@y.test> proto=ESMTP helo=<me>"

static const char header_rules[] =
	"/^Subject: rej-none/ REJECT\n/^Subject: rej-text/ REJECT no such shop\n/^Subject: rej-dsn/ REJECT 5.7.9 gone\n"
	"/^Subject: rej-four/ REJECT 4.7.9 later\n/^Subject: rej-two/ REJECT 2.7.9 odd\n/^Subject: warn/ WARN watch it\n"
	"/^Subject: info/ INFO told\n/^Subject: hold/ HOLD why not\n/^Subject: discard/ DISCARD bye\n"
	"/^Subject: redirect/ REDIRECT boss@example.jp\n/^Subject: redbad/ REDIRECT boss\n/^Subject: bcc/ BCC copy@example.jp\n"
	"/^Subject: prep/ PREPEND X-Extra: 1\n/^Subject: prebad/ PREPEND none\n/^Subject: repl (.*)/ REPLACE Subject: new $1\n"
	"/^Subject: repbad/ REPLACE none\n/^Subject: ign/ IGNORE\n/^Subject: strip/ STRIP gone\n/^Subject: dunno/ DUNNO\n"
	"/^Subject: ok/ OK\n/^Subject: pass/ PASS on\n"
	"/^Subject: unk/ FROBNICATE it\n/^X-Two: rej/ REJECT second\n/^X-Two: info/ INFO second\n"
	"/^X-Second: redirect/ REDIRECT other@example.jp\n/^Content-Type: text.html/ INFO mime\n"
	"/^X-Fold: .*two/ REPLACE X-Folded: yes\n/^X-Re: (.*)/ REPLACE X-Re: <$1>\n/^X-Bad: (.*)/ REPLACE $1\n";
static const char body_rules[] =
	"/^$/ INFO empty\n/badword/ REJECT body no\n/infoword/ INFO body yes\n/prepword/ PREPEND before\n/replword/ REPLACE after\n"
	"/ignword/ IGNORE\n/holdword/ HOLD it\n";

/* --- a sink that keeps what it is given ---------------------------------------------------------------------------------- */

struct world {
	struct conf *conf;
	struct master master;
	struct router *router;
	struct checks *checks;
	struct cleanup_memory memory;
	struct cleanup_options o;
	struct rcpt rcpts[4];
	struct envelope e;
	struct action_wish *wishes;
	struct reply reply;
	unsigned told;
	char recipients[300], refused[300], held[300], log_path[300];
	struct buf log;
};

static void write_rules(const char *name, const char *rules, char path[300])
{
	FILE *f;

	snprintf(path, 300, "%s/%s", t_tmpdir(), name);
	f = fopen(path, "w");
	if (!CHECK(f && fputs(rules, f) >= 0 && fclose(f) == 0))
		exit(1);
}

static void world_open(struct world *w, const char *more)
{
	char header[300], body[300], h[400], b[400];
	const char *extra[] = { "myhostname=mx.example.jp", "compatibility_level=3.6", "myorigin=example.jp", "mydomain=example.jp",
		"mynetworks=127.0.0.0/8", "alias_maps=", "mail_name=Postfix", h, b, more, NULL };
	struct conf_diag diag;

	setenv("TZ", "UTC", 1);
	*w = (struct world){ .told = 0 };
	write_rules("header_rules", header_rules, header);
	write_rules("body_rules", body_rules, body);
	snprintf(h, sizeof(h), "header_checks=regexp:%s", header);
	snprintf(b, sizeof(b), "body_checks=regexp:%s", body);
	conf_diag_init(&diag);
	w->conf = conf_load(t_tmpdir(), extra, &diag);
	if (w->conf && master_load(w->conf, &w->master, &diag) == 0)
		w->router = router_new(w->conf, &w->master, &diag);
	w->checks = w->conf ? checks_of_incoming(w->conf, &diag) : NULL;
	if (!CHECK(w->router != NULL && !diag.errors)) {
		conf_diag_print(&diag, stdout, "checks");
		exit(1);
	}
	conf_diag_fini(&diag);
	buf_init(&w->memory.header, 64 << 20);
	buf_init(&w->memory.body, 64 << 20);
	buf_init(&w->log, 1 << 20);
	snprintf(w->memory.qid, sizeof(w->memory.qid), "0123456789");
	w->o = (struct cleanup_options){ .source = CLEANUP_SMTP, .sink = cleanup_to_memory(&w->memory), .router = w->router,
		.conf = w->conf, .now = NOW, .checks = w->checks, .wishes = &w->wishes };
	snprintf(w->log_path, sizeof(w->log_path), "%s/log", t_tmpdir());
}

static void world_close(struct world *w)
{
	checks_unref(w->checks);
	router_free(w->router);
	master_fini(&w->master);
	conf_free(w->conf);
	buf_fini(&w->memory.header);
	buf_fini(&w->memory.body);
	buf_fini(&w->log);
}

static void on_end(void *ctx, const struct reply *r, struct qmsg *m)
{
	struct world *w = ctx;
	size_t n = 0;

	(void)m;
	w->told++;
	w->reply = *r;
	w->recipients[0] = 0;
	/* its text goes with what fn is told by */
	snprintf(w->refused, sizeof(w->refused), "%.*s", STR_ARG(w->e.refused));
	snprintf(w->held, sizeof(w->held), "%.*s", STR_ARG(w->e.held));
	for (size_t i = 0; i < w->e.n_rcpts && n < sizeof(w->recipients); i++) {
		const struct rcpt *x = &w->e.rcpts[i];

		n += (size_t)snprintf(w->recipients + n, sizeof(w->recipients) - n, "%s%.*s%s", i ? " " : "", STR_ARG(x->addr),
			x->notify == DSN_NOTIFY_NEVER ? "(never)" : "");
		if (x->orig.n && n < sizeof(w->recipients))
			n += (size_t)snprintf(w->recipients + n, sizeof(w->recipients) - n, "=%.*s", STR_ARG(x->orig));
	}
}

static struct cleanup *begin(struct world *w)
{
	buf_clear(&w->memory.header);
	buf_clear(&w->memory.body);
	unlink(w->log_path);
	CHECK_INT(log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = w->log_path, .syslog_name = "postfix", .host = "h" }), 0);
	w->told = 0;
	w->rcpts[0] = (struct rcpt){ .addr = STR("u@y.test") };
	w->e = (struct envelope){ .sender = STR("a@x.test"), .rcpts = w->rcpts, .n_rcpts = 1, .arrival = NOW, .uid = -1 };
	if (w->o.source != CLEANUP_SMTP) {
		w->e.uid = 7;
		w->e.flags = ENVELOPE_LOCAL;
	} else {
		w->e.client_name = STR("client.test");
		w->e.client_addr = STR("192.0.2.1");
		w->e.helo = STR("me");
		w->e.proto = STR("ESMTP");
	}
	return cleanup_begin(&w->o, &w->e);
}

/* content, with LF for line ends, in pieces of `step` bytes */
static void pass(struct world *w, const char *text, size_t step)
{
	struct cleanup *c = begin(w);
	struct buf in;

	buf_init(&in, 64 << 20);
	for (const char *p = text; *p; p++) {
		if (*p == '\n')
			buf_byte(&in, '\r');
		buf_byte(&in, *p);
	}
	for (size_t at = 0; at < in.n; at += step) {
		char *piece = str_dup(str_head(str_from(buf_view(&in), at), step));

		cleanup_add(c, str_make(piece, in.n - at < step ? in.n - at : step));
		mem_free(piece);
	}
	cleanup_end(c, on_end, w);
	buf_fini(&in);
	log_flush();
	buf_clear(&w->log);
	fs_read_file(w->log_path, &w->log);
}

/* what the log says but for the message id, from the queue id on, a bar behind each line */
static void said(const struct world *w, char out[2000])
{
	struct str rest = buf_view(&w->log), line;
	struct buf b;

	buf_init(&b, 1999);
	while (str_cut(&rest, '\n', &line)) {
		ptrdiff_t at = str_find(line, STR("]: "));

		line = str_from(line, (size_t)at + 3);
		if (str_find(line, STR("message-id=")) < 0 && str_find(line, STR("warning: ")) != 0)
			buf_printf(&b, "%.*s|", STR_ARG(str_starts(line, STR("0123456789: ")) ? str_from(line, 12) : line));
	}
	snprintf(out, 2000, "%s", buf_cstr(&b));
	buf_fini(&b);
}

/* the header section behind Received, the body behind a bar; LF line ends */
static void stored(const struct world *w, char out[3000])
{
	struct str h = buf_view(&w->memory.header);
	ptrdiff_t at = str_find(h, STR("+0000\r\n"));
	size_t n = 0;

	h = str_from(h, at < 0 ? 0 : (size_t)at + 7);
	for (size_t i = 0; i < h.n && n < 2990; i++)
		if (h.p[i] != '\r')
			out[n++] = h.p[i];
	n -= n > 0;
	out[n++] = '|';
	for (size_t i = 0; i < w->memory.body.n && n < 2990; i++)
		if (w->memory.body.p[i] != '\r')
			out[n++] = w->memory.body.p[i];
	out[n] = '\0';
}

/* --- content x what comes of it -------------------------------------------------------------------------------------------- */

#define OK "250 2.0.0 Ok: queued as 0123456789"
#define S(subject) "Subject: " subject "\n\nbody\n"
#define KEPT(subject) "Subject: " subject "\n|body\n"
static const struct row { const char *in, *reply, *stored, *rcpts, *said; } rows[] = {
	{ S("plain"), OK, KEPT("plain"), "u@y.test", "" },
	{ S("rej-none x"), "550 5.7.1 message content rejected", "|", "u@y.test",
		"reject: header Subject: rej-none x" CLIENT ": 5.7.1 message content rejected|" },
	{ S("rej-text x"), "550 5.7.1 no such shop", "|", "u@y.test", "reject: header Subject: rej-text x" CLIENT ": 5.7.1 no such shop|" },
	{ S("rej-dsn x"), "550 5.7.9 gone", "|", "u@y.test", "reject: header Subject: rej-dsn x" CLIENT ": 5.7.9 gone|" },
	{ S("rej-four x"), "451 4.7.9 later", "|", "u@y.test", "reject: header Subject: rej-four x" CLIENT ": 4.7.9 later|" },
	{ S("rej-two x"), "451 4.7.9 odd", "|", "u@y.test", "reject: header Subject: rej-two x" CLIENT ": 4.7.9 odd|" },
	{ S("warn x"), OK, KEPT("warn x"), "u@y.test", "warning: header Subject: warn x" CLIENT ": watch it|" },
	{ S("info x"), OK, KEPT("info x"), "u@y.test", "info: header Subject: info x" CLIENT ": told|" },
	{ S("hold x"), OK, KEPT("hold x"), "u@y.test", "hold: header Subject: hold x" CLIENT ": why not|" },
	{ S("discard x"), OK, "|", "u@y.test", "discard: header Subject: discard x" CLIENT ": bye|" },
	{ S("redirect x"), OK, KEPT("redirect x"), "boss@example.jp=u@y.test", "redirect: header Subject: redirect x" CLIENT ": boss@example.jp|" },
	{ S("redbad x"), OK, KEPT("redbad x"), "u@y.test", "" },
	{ S("bcc x"), OK, KEPT("bcc x"), "u@y.test copy@example.jp(never)", "bcc: header Subject: bcc x" CLIENT ": copy@example.jp|" },
	{ S("prep x"), OK, "X-Extra: 1\nSubject: prep x\n|body\n", "u@y.test", "prepend: header Subject: prep x" CLIENT ": X-Extra: 1|" },
	{ S("prebad x"), OK, KEPT("prebad x"), "u@y.test", "" },
	{ S("repl x"), OK, KEPT("new x"), "u@y.test", "replace: header Subject: repl x" CLIENT ": Subject: new x|" },
	{ S("repbad x"), OK, KEPT("repbad x"), "u@y.test", "" },
	{ S("ign x"), OK, "|body\n", "u@y.test", "" },
	{ S("strip x"), OK, "|body\n", "u@y.test", "strip: header Subject: strip x" CLIENT ": gone|" },
	{ S("dunno x"), OK, KEPT("dunno x"), "u@y.test", "" },
	{ S("ok x"), OK, KEPT("ok x"), "u@y.test", "" },
	{ S("pass x"), OK, KEPT("pass x"), "u@y.test", "pass: header Subject: pass x" CLIENT ": on|" },
	{ S("unk x"), OK, KEPT("unk x"), "u@y.test", "" },
	/* several */
	{ "Subject: rej-text\nX-Two: rej\n\nb\n", "550 5.7.1 no such shop", "|", "u@y.test",
		"reject: header Subject: rej-text" CLIENT ": 5.7.1 no such shop|" },
	{ "Subject: redirect\nX-Second: redirect\nX-Two: info\n\nb\n", OK, "Subject: redirect\nX-Second: redirect\nX-Two: info\n|b\n",
		"boss@example.jp=u@y.test", "redirect: header Subject: redirect" CLIENT ": boss@example.jp|" },
	{ "Subject: bcc\nX-Two: rej\n\nb\n", "550 5.7.1 second", "|", "u@y.test",
		"bcc: header Subject: bcc" CLIENT ": copy@example.jp|reject: header X-Two: rej" CLIENT ": 5.7.1 second|" },
	{ "Subject: discard\nX-Two: info\n\nb\n", OK, "|", "u@y.test", "discard: header Subject: discard" CLIENT ": bye|" },
	{ "Subject: hold\nX-Two: info\n\nb\n", OK, "Subject: hold\nX-Two: info\n|b\n", "u@y.test",
		"hold: header Subject: hold" CLIENT ": why not|info: header X-Two: info" CLIENT ": second|" },
	{ "Subject: pass\nX-Two: rej\n\nbadword\n", OK, "Subject: pass\nX-Two: rej\n|badword\n", "u@y.test",
		"pass: header Subject: pass" CLIENT ": on|" },
	/* a field is looked at whole, and none can be made out of one */
	{ "X-Fold: one\n  two\n\tthree\nSubject : info\n\nb\n", OK, "X-Folded: yes\nSubject: info\n|b\n", "u@y.test",
		"replace: header X-Fold: one?  two??three" CLIENT ": X-Folded: yes|info: header Subject: info" CLIENT ": told|" },
	{ "X-Re: one\n  two\n\tthree\n\nb\n", OK, "X-Re: <one\n  two\n\tthree>\n|b\n", "u@y.test",
		"replace: header X-Re: one?  two??three" CLIENT ": X-Re: <one?  two??three>|" },
	{ "X-Bad: A: b\n\nb\n", OK, "A: b\n|b\n", "u@y.test", "replace: header X-Bad: A: b" CLIENT ": A: b|" },
	{ "X-Bad: no field\n\nb\n", OK, "X-Bad: no field\n|b\n", "u@y.test", "" },
	/* body */
	{ "Subject: x\n\nbadword here\n", "550 5.7.1 body no", "|", "u@y.test", "reject: body badword here" CLIENT ": 5.7.1 body no|" },
	{ "Subject: x\n\ninfoword here\n", OK, "Subject: x\n|infoword here\n", "u@y.test", "info: body infoword here" CLIENT ": body yes|" },
	{ "Subject: x\n\na\nprepword here\nb\n", OK, "Subject: x\n|a\nbefore\nprepword here\nb\n", "u@y.test",
		"prepend: body prepword here" CLIENT ": before|" },
	{ "Subject: x\n\na\nreplword here\nb\n", OK, "Subject: x\n|a\nafter\nb\n", "u@y.test", "replace: body replword here" CLIENT ": after|" },
	{ "Subject: x\n\na\nignword here\nb\n", OK, "Subject: x\n|a\nb\n", "u@y.test", "" },
	{ "Subject: x\n\na\n\nb\n\n", OK, "Subject: x\n|a\n\nb\n\n", "u@y.test", "" },
	{ "Subject: x\n\nholdword\n", OK, "Subject: x\n|holdword\n", "u@y.test", "hold: body holdword" CLIENT ": it|" },
	{ "words only infoword\n\nx\n", OK, "|words only infoword\n\nx\n", "u@y.test", "info: body words only infoword" CLIENT ": body yes|" },
	{ "Subject: x\nnot header infoword\n\nbody\n", OK, "Subject: x\n|not header infoword\n\nbody\n", "u@y.test",
		"info: body not header infoword" CLIENT ": body yes|" },
	/* parts */
	{ "Content-Type: multipart/mixed; boundary=b\nMIME-Version: 1.0\n\npre\n--b\nContent-Type: text/html\nSubject: info nested\n\ninfoword\n"
		"--b\nContent-Type: message/rfc822\n\nSubject: info attached\nContent-Type: text/html\n\ninfoword in it\n--b--\nepi infoword\n", OK,
		"Content-Type: multipart/mixed; boundary=b\nMIME-Version: 1.0\n|pre\n--b\nContent-Type: text/html\nSubject: info nested\n\n"
		"infoword\n--b\nContent-Type: message/rfc822\n\nSubject: info attached\nContent-Type: text/html\n\ninfoword in it\n--b--\nepi infoword\n",
		"u@y.test",
		"info: header Content-Type: text/html" CLIENT ": mime|info: header Subject: info nested" CLIENT ": told|"
		"info: body infoword" CLIENT ": body yes|info: header Subject: info attached" CLIENT ": told|"
		"info: header Content-Type: text/html" CLIENT ": mime|info: body infoword in it" CLIENT ": body yes|"
		"info: body epi infoword" CLIENT ": body yes|" },
	{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nX-Fold: a\n two\nSubject: ign x\nSubject: prep y\n\nz\n", OK,
		"Content-Type: multipart/mixed; boundary=b\n|--b\nX-Folded: yes\nX-Extra: 1\nSubject: prep y\n\nz\n", "u@y.test",
		"replace: header X-Fold: a? two" CLIENT ": X-Folded: yes|prepend: header Subject: prep y" CLIENT ": X-Extra: 1|" },
};

T(checks_rows)
{
	static const size_t steps[] = { 1 << 20, 1, 2, 7 };
	struct world w;

	world_open(&w, "disable_mime_input_processing=no");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			char text[3000];
			struct buf line;

			ROW("%zu in pieces of %zu: %s", i, steps[k], rows[i].in);
			pass(&w, rows[i].in, steps[k]);
			CHECK_INT(w.told, 1);
			buf_init(&line, 2000);
			reply_line(&line, &w.reply);
			CHECK_STR(buf_cstr(&line), rows[i].reply);
			buf_fini(&line);
			if (w.reply.code == 250) {
				stored(&w, text);
				CHECK_STR(text, rows[i].stored);
			}
			CHECK_STR(w.recipients, rows[i].rcpts);
			said(&w, text);
			CHECK_STR(text, rows[i].said);
			CHECK(!(w.e.flags & ENVELOPE_HOLD) == !strstr(rows[i].said, "hold: "));
		}
	world_close(&w);
}

/* --- what nobody is there to be told, and what only a queue can do ------------------------------------------------------------ */

T(checks_by_source)
{
	static const struct { enum cleanup_source source; const char *in, *reply, *rcpts, *refused, *said; } cases[] = {
		{ CLEANUP_PICKUP, S("rej-text x"), OK, "u@y.test", "5.7.1 no such shop",
			"reject: header Subject: rej-text x from local; from=<a@x.test> to=<u@y.test>: 5.7.1 no such shop|" },
		{ CLEANUP_PICKUP, S("rej-four x"), "451 4.7.9 later", "u@y.test", "",
			"reject: header Subject: rej-four x from local; from=<a@x.test> to=<u@y.test>: 4.7.9 later|" },
		{ CLEANUP_PICKUP, "Subject: hold x\nX-Two: rej\n\nb\n", OK, "u@y.test", "5.7.1 second",
			"hold: header Subject: hold x from local; from=<a@x.test> to=<u@y.test>: why not|"
			"reject: header X-Two: rej from local; from=<a@x.test> to=<u@y.test>: 5.7.1 second|" },
		{ CLEANUP_PICKUP, S("redirect x"), OK, "boss@example.jp=u@y.test", "",
			"redirect: header Subject: redirect x from local; from=<a@x.test> to=<u@y.test>: boss@example.jp|" },
		{ CLEANUP_NOTICE, S("rej-text x"), OK, "u@y.test", "", "" },
		{ CLEANUP_FORWARD, S("rej-text x"), OK, "u@y.test", "", "" },
		{ CLEANUP_DIRECT, S("rej-text x"), "550 5.7.1 no such shop", "u@y.test", "",
			"reject: header Subject: rej-text x from local; from=<a@x.test> to=<u@y.test>: 5.7.1 no such shop|" },
		{ CLEANUP_DIRECT, S("hold x"), "451 4.3.5 an action of header_checks or body_checks needs the queue: start relayd", "u@y.test", "", "" },
	};
	struct world w;

	world_open(&w, "mail_name=Postfix");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[2000];
		struct buf line;

		ROW("%zu %s", i, cases[i].in);
		w.o.source = cases[i].source;
		pass(&w, cases[i].in, 1 << 20);
		buf_init(&line, 2000);
		reply_line(&line, &w.reply);
		CHECK_STR(buf_cstr(&line), cases[i].reply);
		buf_fini(&line);
		CHECK_STR(w.recipients, cases[i].rcpts);
		CHECK_STR(w.refused, cases[i].refused);
		CHECK(!(w.e.flags & ENVELOPE_HOLD));
		said(&w, text);
		CHECK_STR(text, cases[i].said);
	}
	world_close(&w);
}

/* --- what access tables asked for ---------------------------------------------------------------------------------------------- */

T(checks_carry_out_what_access_tables_ask_for)
{
	static const struct { const char *answers[3], *front, *rcpts, *held; bool hold, stored; } cases[] = {
		{ { "HOLD" }, "", "u@y.test", "", true, true },
		{ { "DISCARD" }, "", "u@y.test", "", false, false },
		{ { "REDIRECT boss" "@x.test" }, "", "boss@x.test=u@y.test", "", false, true },
		{ { "REDIRECT one@x.test", "REDIRECT two" }, "", "two@example.jp=u@y.test", "", false, true },
		{ { "BCC copy@x.test", "BCC copy2@x.test", "BCC copy@x.test" }, "", "u@y.test copy@x.test(never) copy2@x.test(never)", "", false, true },
		{ { "BCC copy@x.test", "REDIRECT boss@x.test" }, "", "boss@x.test=u@y.test", "", false, true },
		{ { "PREPEND X-P: 1", "PREPEND X-P: 2" }, "X-P: 1\r\nX-P: 2\r\nReceived: ", "u@y.test", "", false, true },
		{ { "FILTER smtp:x" }, "", "u@y.test", "FILTER smtp:x: relaybox has no content filters", true, true },
	};
	struct world w;

	world_open(&w, "mail_name=Postfix");
	w.o.checks = NULL;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct action_wish wishes[3];
		size_t n = 0;

		ROW("%zu %s", i, cases[i].answers[0]);
		for (; n < 3 && cases[i].answers[n]; n++) {
			action_parse(str_of(cases[i].answers[n]), ACTION_IN_ACCESS, &wishes[n].action);
			wishes[n].next = NULL;
			if (n)
				wishes[n - 1].next = &wishes[n];
		}
		w.wishes = wishes;
		pass(&w, S("x"), 1 << 20);
		CHECK_INT(w.reply.code, 250);
		CHECK_STR(w.recipients, cases[i].rcpts);
		CHECK_STR(w.held, cases[i].held);
		CHECK(!(w.e.flags & ENVELOPE_HOLD) == !cases[i].hold);
		CHECK((w.memory.header.n > 0) == cases[i].stored);
		CHECK(str_starts(buf_view(&w.memory.header), str_of(cases[i].front)));
		w.wishes = NULL;
	}
	world_close(&w);
}

/* --- what is no MIME, and how much is looked at --------------------------------------------------------------------------------- */

#define FAULT(what, text) "reject: mime-error " what ": " text " from client.test[192.0.2.1]; from=<a@x.test> to=<u@y.test>|"
#define IN_HEADER "improper use of 8-bit data in message header"
#define IN_BODY "improper use of 8-bit data in message body"
#define DOMAIN "invalid message/* or multipart/* encoding domain"
#define NEST(n) "Content-Type: multipart/x; boundary=" n "\n\n--" n "\n"
#define INFO(text) "info: body " text CLIENT ": body yes|"

T(checks_refuse_what_is_no_mime)
{
	static const struct { const char *set, *in, *reply, *said; } cases[] = {
		{ "strict_7bit_headers=yes", "Subject: \xc3\xa9\n\nb\n", "550 5.6.0 " IN_HEADER, FAULT(IN_HEADER, "Subject: ?") },
		{ "strict_7bit_headers=yes", "X-Other: a\n \xc3\xa9\n\nb\n", "550 5.6.0 " IN_HEADER, FAULT(IN_HEADER, "X-Other: a? ?") },
		{ "strict_7bit_headers=yes", "Subject: x\n\n\xc3\xa9\n", OK, "" },
		{ "strict_8bitmime_body=yes", "Subject: x\n\n\xc3\xa9 body\n", "550 5.6.0 " IN_BODY, FAULT(IN_BODY, "? body") },
		{ "strict_8bitmime_body=yes", "Content-Transfer-Encoding: 8bit\n\n\xc3\xa9 body\n", OK, "" },
		{ "strict_8bitmime_body=yes", "Content-Type: multipart/x; boundary=b\nContent-Transfer-Encoding: 8bit\n\n--b\n\n\xc3\xa9\n--b--\n",
			"550 5.6.0 " IN_BODY, FAULT(IN_BODY, "?") },
		{ "strict_8bitmime=yes", "Subject: \xc3\xa9\n\nb\n", "550 5.6.0 " IN_HEADER, FAULT(IN_HEADER, "Subject: ?") },
		{ "strict_8bitmime=yes", "Subject: x\n\n\xc3\xa9\n", "550 5.6.0 " IN_BODY, FAULT(IN_BODY, "?") },
		{ "disable_mime_input_processing=yes", "Content-Type: multipart/x; boundary=b\n\n--b\nSubject: rej-text\n\nx\n", OK, "" },
		{ "mime_nesting_limit=1", NEST("0") NEST("1") NEST("2") "x\n", OK, "" },
		{ "mime_nesting_limit=1", NEST("0") NEST("1") NEST("2") NEST("3") "x\n", "550 5.6.0 MIME nesting exceeds safety limit",
			FAULT("MIME nesting exceeds safety limit", "Content-Type: multipart/x; boundary=3") },
		{ "strict_mime_encoding_domain=yes", "Content-Type: multipart/x; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n\nx\n",
			"550 5.6.0 " DOMAIN, FAULT(DOMAIN, "base64") },
		{ "mime_boundary_length_limit=1", "Content-Type: multipart/x; boundary=bcd\n\n--b\nSubject: info x\n\nx\n", OK,
			"info: header Subject: info x" CLIENT ": told|" },
		/* a part's bytes, a line end counted once, with the empty line before it */
		{ "body_checks_size_limit=20", "Subject: x\n\nyyyyyyyyyyyyyyyyy\ninfoword\n", OK, INFO("infoword") },
		{ "body_checks_size_limit=20", "Subject: x\n\nyyyyyyyyyyyyyyyyyy\ninfoword\n", OK, "" },
		{ "body_checks_size_limit=0", "Subject: x\n\nyyyyyyyyyyyyyyyyyyyyyy\ninfoword\n", OK, INFO("infoword") },
		{ "mime_header_checks=", "Content-Type: text/html\n\nx\n", OK, "" },
		{ "nested_header_checks=", "Content-Type: message/rfc822\n\nSubject: rej-text\nContent-Type: text/html\n\nx\n", OK,
			"info: header Content-Type: text/html" CLIENT ": mime|" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		char text[2000];
		struct buf line;

		ROW("%zu %s: %s", i, cases[i].set, cases[i].in);
		world_open(&w, cases[i].set);
		pass(&w, cases[i].in, 3);
		buf_init(&line, 2000);
		reply_line(&line, &w.reply);
		CHECK_STR(buf_cstr(&line), cases[i].reply);
		buf_fini(&line);
		said(&w, text);
		CHECK_STR(text, cases[i].said);
		world_close(&w);
	}
}

T(checks_refuse_encoded_multiparts)
{
	static const char *const in[] = { "Content-Type: multipart/x; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n\nx\n",
		"Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\nSubject: x\n\nx\n",
		"Content-Type: multipart/x; boundary=b\n\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nx\n" };
	struct world w;

	world_open(&w, "strict_mime_encoding_domain=yes");
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		ROW("%s", in[i]);
		pass(&w, in[i], 5);
		CHECK_INT(w.reply.code, 550);
		CHECK_STR(w.reply.text, DOMAIN);
	}
	pass(&w, "Content-Type: multipart/x; boundary=b\nContent-Transfer-Encoding: 8bit\n\n--b\n\nx\n", 5);
	CHECK_INT(w.reply.code, 250);
	world_close(&w);
}

T(checks_look_at_long_lines_in_pieces)
{
	static const struct { size_t before; bool found; } cases[] = { { 2040, true }, { 2041, false }, { 2047, false }, { 2048, true } };
	struct world w;

	world_open(&w, "mail_name=Postfix");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char in[3000], text[3000];

		ROW("%zu", cases[i].before);
		memcpy(in, "Subject: x\n\n", 12);
		memset(in + 12, 'x', cases[i].before);
		snprintf(in + 12 + cases[i].before, sizeof(in) - 12 - cases[i].before, "infoword\n");
		pass(&w, in, 100);
		CHECK_STR(buf_cstr(&w.memory.body) + cases[i].before, "infoword\r\n");
		said(&w, text);
		CHECK(!strstr(text, "body yes") == !cases[i].found);
	}
	world_close(&w);
}

/* --- checks that answer later --------------------------------------------------------------------------------------------------- */

static void go_on(void *ctx)
{
	++*(unsigned *)ctx;
}

T(checks_on_a_pool_answer_later)
{
	struct pool *pool = pool_new(1);
	unsigned went = 0, users = 0;
	struct cleanup *c, *other;
	struct world w;

	world_open(&w, "mail_name=Postfix");
	w.o.pool = pool;
	w.o.go_on = go_on;
	w.o.ctx = &went;
	w.o.users = &users;
	c = begin(&w);
	cleanup_add(c, STR("Subject: repl x\r\n\r\nreplword\r\nbo"));
	CHECK(cleanup_is_busy(c));
	CHECK(checks_in_use(w.checks));
	/* whoever comes meanwhile waits for its turn */
	other = begin(&w);
	cleanup_add(other, STR("Subject: x\r\n\r\nx\r\n"));
	CHECK(cleanup_is_busy(other));
	CHECK_INT(went, 0);
	CHECK_INT(users, 2);
	while (went < 2)
		pool_wait(pool);
	CHECK(!cleanup_is_busy(c));
	cleanup_abort(other);
	CHECK_INT(users, 1);
	buf_clear(&w.memory.body);
	cleanup_add(c, STR("dy\r\nignword\r\nreplword\r\n"));
	CHECK_INT(w.told, 0);
	while (cleanup_is_busy(c))
		pool_wait(pool);
	cleanup_end(c, on_end, &w);
	while (!w.told)
		pool_wait(pool);
	CHECK_INT(w.reply.code, 250);
	CHECK_STR(buf_cstr(&w.memory.body), "body\r\nafter\r\n");
	ROW("one that goes while the pool is at work for it");
	c = begin(&w);
	cleanup_add(c, STR("Subject: x\r\n\r\nbody\r\n"));
	CHECK(cleanup_is_busy(c));
	cleanup_abort(c);
	went = 0;
	c = begin(&w);
	cleanup_add(c, STR("Subject: rej-text\r\n\r\nbody\r\n"));
	while (!went)
		pool_wait(pool);
	CHECK_INT(went, 1);
	CHECK(!cleanup_is_busy(c));
	cleanup_end(c, on_end, &w);
	CHECK_INT(w.reply.code, 550);
	CHECK_INT(users, 0);
	CHECK(!checks_in_use(w.checks));
	world_close(&w);
	pool_free(pool);
}

/* what memory_limit ends is who holds most: a client can have a piece of its content made many times as long by empty lines */
T(checks_tell_what_they_hold)
{
	struct pool *pool = pool_new(1);
	size_t before, slack = 64 << 10;
	char lines[65536];
	unsigned went = 0;
	struct cleanup *c;
	struct world w;

	world_open(&w, "mail_name=Postfix");
	for (size_t i = 0; i < sizeof(lines); i++)
		lines[i] = i & 1 ? '\n' : '\r';
	w.o.pool = pool;
	w.o.go_on = go_on;
	w.o.ctx = &went;
	c = begin(&w);
	cleanup_add(c, STR("Subject: x\r\n\r\n"));
	while (cleanup_is_busy(c))
		pool_wait(pool);
	buf_reserve(&w.memory.body, 1 << 20);
	before = memory_used();
	cleanup_add(c, str_make(lines, sizeof(lines)));
	/* memory_used reckons a quarter for the C library */
	CHECK((memory_used() - before) / 5 * 4 <= cleanup_memory(c) + slack);
	/* … and it is given back while the next piece is waited for */
	while (cleanup_is_busy(c))
		pool_wait(pool);
	CHECK(cleanup_memory(c) < slack);
	CHECK(memory_used() < before + slack);
	CHECK_INT(w.memory.body.n, sizeof(lines));
	cleanup_abort(c);
	world_close(&w);
	pool_free(pool);
}

/* where a table can be looked through, FILTER stops the start; else the message is held */
T(checks_hold_what_should_be_filtered)
{
	static const struct { const char *set; bool hold; const char *said; } cases[] = {
		{ "body_checks=static:{FILTER smtp:[127.0.0.1]:9}", true, "filter: body body" CLIENT ": smtp:[127.0.0.1]:9|" },
		{ "body_checks=static:{FILTER none}", false, "" },
	};
	const char *extra[] = { "myhostname=mx.example.jp", "body_checks=pcre:{{/x/ OK} {/y/ FILTER smtp:x}}", NULL };
	struct conf_diag diag;
	struct conf *c;

	for (size_t i = 0; i < 2; i++) {
		struct world w;
		char text[2000];

		ROW("%s", cases[i].set);
		world_open(&w, cases[i].set);
		pass(&w, S("x"), 100);
		CHECK_INT(w.reply.code, 250);
		CHECK(!(w.e.flags & ENVELOPE_HOLD) == !cases[i].hold);
		CHECK_STR(w.held, cases[i].hold ? "FILTER smtp:[127.0.0.1]:9: relaybox has no content filters" : "");
		said(&w, text);
		CHECK_STR(text, cases[i].said);
		world_close(&w);
	}
	conf_diag_init(&diag);
	c = conf_load(t_tmpdir(), extra, &diag);
	CHECK(checks_of_incoming(c, &diag) == NULL);
	CHECK_INT(diag.errors, 1);
	CHECK(strstr(diag.v[0].text, "body_checks: pcre:") && strstr(diag.v[0].text, ", line 2: FILTER is not done"));
	conf_free(c);
	conf_diag_fini(&diag);
}

T(checks_name_a_table_that_cannot_be_opened)
{
	const char *extra[] = { "myhostname=mx.example.jp", "header_checks=regexp:/nonexistent/x", NULL };
	struct conf_diag diag;
	struct conf *c;

	conf_diag_init(&diag);
	c = conf_load(t_tmpdir(), extra, &diag);
	CHECK(checks_of_incoming(c, &diag) == NULL);
	CHECK_INT(diag.errors, 1);
	CHECK(strstr(diag.v[0].text, "header_checks: regexp:/nonexistent/x") != NULL);
	conf_free(c);
	conf_diag_fini(&diag);
}

/* the field of ours, and what access tables put before it, are fields like any other (Postfix 3.7: "info: header X-P: 1", then "info: header
 * Received: from me") */
T(checks_see_the_fields_of_ours)
{
	static const struct { const char *rules, *header; } cases[] = {
		{ "header_checks=regexp:{{/^Received: from me/ IGNORE}}", "X-P: 1\r\nSubject: x\r\n\r\n" },
		{ "header_checks=regexp:{{/^X-P: (.*)/ REPLACE X-Q: $$1} {/^Received:/ IGNORE}}", "X-Q: 1\r\nSubject: x\r\n\r\n" },
		{ "header_checks=regexp:{{/^Received: (from me) .*/ REPLACE Received: $$1} {/^X-P/ IGNORE}}", "Received: from me\r\nSubject: x\r\n\r\n" },
	};
	struct action_wish wish = { .action = { .kind = ACTION_PREPEND, .text = STR("X-P: 1") } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;

		ROW("%s", cases[i].rules);
		world_open(&w, cases[i].rules);
		w.wishes = &wish;
		pass(&w, "Subject: x\n\nb\n", 3);
		CHECK_STR(buf_cstr(&w.memory.header), cases[i].header);
		world_close(&w);
	}
}

/* a table that cannot answer puts the mail off, and what it says stands in the log, though another thread asked it */
T(checks_that_fail_put_mail_off)
{
	struct pool *pool = pool_new(1);
	char rules[400] = "body_checks=regexp:{{/^(x+)$$/ REPLACE ", line[2100] = "Subject: x\r\n\r\n";
	unsigned went = 0;
	struct cleanup *c;
	struct world w;

	for (int i = 0; i < 34; i++)
		strncat(rules, "$$1", sizeof(rules) - strlen(rules) - 1);
	strncat(rules, "}}", sizeof(rules) - strlen(rules) - 1);
	memset(line + 14, 'x', 2000);
	snprintf(line + 2014, 10, "\r\n");
	world_open(&w, rules);
	for (int pooled = 0; pooled < 2; pooled++) {
		ROW("pooled %d", pooled);
		w.o.pool = pooled ? pool : NULL;
		w.o.go_on = go_on;
		w.o.ctx = &went;
		c = begin(&w);
		cleanup_add(c, str_of(line));
		while (cleanup_is_busy(c))
			pool_wait(pool);
		cleanup_end(c, on_end, &w);
		CHECK_INT(w.reply.code, 451);
		CHECK_STR(w.reply.enhanced, "4.3.0");
		log_flush();
		buf_clear(&w.log);
		fs_read_file(w.log_path, &w.log);
		CHECK(strstr(buf_cstr(&w.log), "is too long") != NULL);
		CHECK(strstr(buf_cstr(&w.log), "0123456789: body_checks map lookup problem -- message not accepted, try again later") != NULL);
	}
	world_close(&w);
	pool_free(pool);
}
