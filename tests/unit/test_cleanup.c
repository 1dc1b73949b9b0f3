/* the entrance into the queue, on a sink that writes nothing: what becomes of header, body and recipients */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/cleanup/cleanup.h"
#include "core/cleanup/forward.h"
#include "core/cleanup/recipients.h"
#include "core/map/map.h"
#include "tests/unit/t.h"

#define NOW (1795309200 * USEC_PER_SEC)        /* 2026-11-22 01:00:00 UTC */
#define STAMP "20261122010000.0123456789@mx.example.jp"
#define RECEIVED "Received: from me (client.test [192.0.2.1])\r\n\tby mx.example.jp (Postfix) with ESMTP id 0123456789\r\n" \
	"\tfor <u@y.test>; Sun, 22 Nov 2026 01:00:00 +0000\r\n"
#define RECEIVED_LOCAL "Received: by mx.example.jp (Postfix, from userid 7)\r\n\tid 0123456789; Sun, 22 Nov 2026 01:00:00 +0000\r\n"
#define RECEIVED_OURS "Received: by mx.example.jp (Postfix)\r\n\tid 0123456789; Sun, 22 Nov 2026 01:00:00 +0000\r\n"
#define IDS "Message-Id: <" STAMP ">\r\n"
#define DATE "Date: Sun, 22 Nov 2026 01:00:00 +0000\r\n"
#define FROM "From: a@x.test\r\n"
#define MISSING IDS DATE FROM

/* --- a sink that keeps what it is given, and fails when it is told to ------------------------------------------------ */

struct fake_sink {
	struct buf header, body;
	int begin_error, add_error, commit_error;
	size_t begun, committed, aborted;
	unsigned flags;
	/* an answer that comes later */
	bool later;
	store_fn fn;
	void *ctx;
};

static void *fake_begin(void *to, char qid[QID_MAX])
{
	struct fake_sink *f = to;

	errno = f->begin_error;
	if (f->begin_error)
		return NULL;
	f->begun++;
	snprintf(qid, QID_MAX, "0123456789");
	return f;
}

static int fake_add(void *w, struct str body)
{
	struct fake_sink *f = w;

	errno = f->add_error;
	if (f->add_error)
		return -1;
	buf_str(&f->body, body);
	return 0;
}

static void fake_commit(void *w, struct envelope *e, struct str header, store_fn fn, void *ctx)
{
	struct fake_sink *f = w;

	f->committed++;
	f->flags = e->flags;
	buf_str(&f->header, header);
	f->fn = fn;
	f->ctx = ctx;
	if (!f->later)
		fn(ctx, NULL, f->commit_error);
}

static void fake_abort(void *w)
{
	struct fake_sink *f = w;

	f->aborted++;
}

static const struct cleanup_sink_ops fake_ops = { .begin = fake_begin, .add = fake_add, .commit = fake_commit, .abort = fake_abort };

/* --- the world ---------------------------------------------------------------------------------------------------------- */

struct world {
	struct conf *conf;
	struct master master;
	struct router *router;
	struct fake_sink sink;
	struct cleanup_options o;
	struct rcpt rcpts[8];
	struct envelope e;
	struct reply reply;
	unsigned told;
	char recipients[600], sender[100];
	unsigned notify[8];
	size_t notify_n;
};

static void world_open_with(struct world *w, const char *const *more)
{
	const char *extra[20] = { "myhostname=mx.example.jp", "compatibility_level=3.6", "myorigin=example.jp",
		"mydomain=example.jp", "append_dot_mydomain=yes", "mynetworks=127.0.0.0/8", "alias_maps=", "mail_name=Postfix", NULL };
	struct conf_diag diag;
	size_t n = 8;

	while (*more && n < 19)
		extra[n++] = *more++;

	setenv("TZ", "UTC", 1);
	*w = (struct world){ .told = 0 };
	conf_diag_init(&diag);
	w->conf = conf_load(t_tmpdir(), extra, &diag);
	if (w->conf && master_load(w->conf, &w->master, &diag) == 0)
		w->router = router_new(w->conf, &w->master, &diag);
	if (!CHECK(w->router != NULL))
		exit(1);
	conf_diag_fini(&diag);
	buf_init(&w->sink.header, 64 << 20);
	buf_init(&w->sink.body, 64 << 20);
	w->o = (struct cleanup_options){ .sink = { &fake_ops, &w->sink }, .router = w->router, .conf = w->conf, .now = NOW };
}

static void world_open(struct world *w, const char *more)
{
	world_open_with(w, (const char *const[]){ more, NULL });
}

static void world_close(struct world *w)
{
	router_free(w->router);
	master_fini(&w->master);
	conf_free(w->conf);
	buf_fini(&w->sink.header);
	buf_fini(&w->sink.body);
}

static void on_end(void *ctx, const struct reply *r, struct qmsg *m)
{
	struct world *w = ctx;
	size_t n = 0;

	w->told++;
	w->reply = *r;
	w->recipients[0] = 0;
	snprintf(w->sender, sizeof(w->sender), "%.*s", STR_ARG(w->e.sender));
	w->notify_n = w->e.n_rcpts < 8 ? w->e.n_rcpts : 8;
	for (size_t i = 0; i < w->notify_n; i++)
		w->notify[i] = w->e.rcpts[i].notify;
	for (size_t i = 0; i < w->e.n_rcpts && n < sizeof(w->recipients); i++) {
		const struct rcpt *x = &w->e.rcpts[i];

		n += (size_t)snprintf(w->recipients + n, sizeof(w->recipients) - n, "%s%.*s", i ? " " : "", STR_ARG(x->addr));
		if (x->orig.n && n < sizeof(w->recipients))
			n += (size_t)snprintf(w->recipients + n, sizeof(w->recipients) - n, "=%.*s", STR_ARG(x->orig));
	}
}

/* a fresh message from a@x.test to u@y.test */
static struct cleanup *begin(struct world *w)
{
	buf_clear(&w->sink.header);
	buf_clear(&w->sink.body);
	w->told = 0;
	w->rcpts[0] = (struct rcpt){ .addr = STR("u@y.test") };
	w->e = (struct envelope){ .sender = STR("a@x.test"), .rcpts = w->rcpts, .n_rcpts = 1, .arrival = NOW, .uid = -1 };
	if (w->o.source == CLEANUP_PICKUP) {
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

/* content in pieces of `step` bytes */
static void pass(struct world *w, struct str content, size_t step)
{
	struct cleanup *c = begin(w);

	for (size_t at = 0; at < content.n; at += step) {
		/* memory of its own: what is kept beyond the call shows */
		char *piece = str_dup(str_head(str_from(content, at), step));

		cleanup_add(c, str_make(piece, content.n - at < step ? content.n - at : step));
		mem_free(piece);
	}
	cleanup_end(c, on_end, w);
}

/* --- source x header x what is stored --------------------------------------------------------------------------------------- */

/* from real Postfix 3.7 */
static const struct row {
	enum cleanup_source source;
	bool local;
	const char *in, *header, *body;
} rows[] = {
	{ CLEANUP_SMTP, false, "Subject: x\r\n\r\nbody\r\n", RECEIVED "Subject: x\r\n", "body\r\n" },
	{ CLEANUP_SMTP, true, "Subject: x\r\n\r\nbody\r\n", RECEIVED "Subject: x\r\n" MISSING, "body\r\n" },
	{ CLEANUP_PICKUP, true, "Subject: x\r\n\r\nbody\r\n", RECEIVED_LOCAL "Subject: x\r\n" MISSING, "body\r\n" },
	{ CLEANUP_NOTICE, true, "Subject: x\r\n\r\nbody\r\n", RECEIVED_OURS "Subject: x\r\n" MISSING, "body\r\n" },
	{ CLEANUP_FORWARD, false, "Subject: x\r\n\r\nbody\r\n", RECEIVED_OURS "Subject: x\r\n", "body\r\n" },
	{ CLEANUP_DIRECT, true, "Subject: x\r\n\r\nbody\r\n", RECEIVED "Subject: x\r\n" MISSING, "body\r\n" },
	{ CLEANUP_SMTP, false, "", RECEIVED, "" },
	{ CLEANUP_SMTP, false, "\r\n", RECEIVED, "" },
	{ CLEANUP_SMTP, false, "\r\nbody\r\n", RECEIVED, "body\r\n" },
	{ CLEANUP_SMTP, false, "Subject: x", RECEIVED "Subject: x\r\n", "" },
	{ CLEANUP_SMTP, false, "Subject: x\r\n", RECEIVED "Subject: x\r\n", "" },
	{ CLEANUP_SMTP, false, "Subject: x\r\n\ty\r\n\r\n", RECEIVED "Subject: x\r\n\ty\r\n", "" },
	{ CLEANUP_SMTP, false, "words\r\nSubject: x\r\n\r\nbody\r\n", RECEIVED, "words\r\nSubject: x\r\n\r\nbody\r\n" },
	{ CLEANUP_SMTP, false, "words", RECEIVED, "words\r\n" },
	{ CLEANUP_SMTP, false, "Subject: x\r\nwords\r\n\r\nbody\r\n", RECEIVED "Subject: x\r\n", "words\r\n\r\nbody\r\n" },
	{ CLEANUP_SMTP, false, " Subject: x\r\n\r\nbody\r\n", RECEIVED, " Subject: x\r\n\r\nbody\r\n" },
	{ CLEANUP_SMTP, false, ": x\r\n\r\nbody\r\n", RECEIVED, ": x\r\n\r\nbody\r\n" },
	/* what separates messages in an mbox */
	{ CLEANUP_SMTP, false, "From bob@x Sun Nov 22\r\nSubject: x\r\n\r\nbody\r\n",
		RECEIVED "X-Mailbox-Line: From bob@x Sun Nov 22\r\nSubject: x\r\n", "body\r\n" },
	{ CLEANUP_SMTP, false, ">From bob@x Sun Nov 22\r\nSubject: x\r\n\r\nbody\r\n",
		RECEIVED "X-Mailbox-Line: >From bob@x Sun Nov 22\r\nSubject: x\r\n", "body\r\n" },
	{ CLEANUP_SMTP, false, "From a\r\n>>From b\r\n>From c\r\nSubject: x\r\n\r\nbody\r\n",
		RECEIVED "X-Mailbox-Line: From a\r\nX-Mailbox-Line: >>From b\r\nX-Mailbox-Line: >From c\r\nSubject: x\r\n", "body\r\n" },
	{ CLEANUP_SMTP, false, "From : a\r\nSubject: x\r\n\r\nb\r\n", RECEIVED "X-Mailbox-Line: From : a\r\nSubject: x\r\n", "b\r\n" },
	{ CLEANUP_SMTP, false, "From x date\r\n continued\r\nSubject: x\r\n\r\nbody\r\n", RECEIVED "X-Mailbox-Line: From x date\r\n",
		" continued\r\nSubject: x\r\n\r\nbody\r\n" },
	{ CLEANUP_SMTP, false, "From nothing but that\r\n", RECEIVED "X-Mailbox-Line: From nothing but that\r\n", "" },
	{ CLEANUP_SMTP, false, "Subject: x\r\nFrom bob@x later\r\nTo: y\r\n\r\nbody\r\n", RECEIVED "Subject: x\r\n",
		"From bob@x later\r\nTo: y\r\n\r\nbody\r\n" },
	/* white space before the colon */
	{ CLEANUP_SMTP, false, "Subject : x\r\nX \t : y\r\n  folded\r\nTo\t: z\r\n\r\nbody\r\n",
		RECEIVED "Subject: x\r\nX: y\r\n  folded\r\nTo: z\r\n", "body\r\n" },
	{ CLEANUP_SMTP, true, "From: a@x.test\r\nTo\t: z\r\n\r\nbody\r\n", RECEIVED "From: a@x.test\r\nTo: z@example.jp\r\n" IDS DATE, "body\r\n" },
	/* resent */
	{ CLEANUP_SMTP, true, "Subject: x\r\nResent-From: me@x.test\r\nFrom: a\r\n\r\nb\r\n", RECEIVED "Subject: x\r\nResent-From: me@x.test\r\n"
		"From: a@example.jp\r\nResent-" IDS "Resent-" DATE, "b\r\n" },
	{ CLEANUP_SMTP, true, "Resent-To: you\r\n\r\nb\r\n", RECEIVED "Resent-To: you@example.jp\r\nResent-" IDS "Resent-" DATE "Resent-" FROM, "b\r\n" },
	{ CLEANUP_SMTP, true, "Resent-Bcc: you@x\r\n\r\nb\r\n", RECEIVED "Resent-" IDS "Resent-" DATE "Resent-" FROM, "b\r\n" },
	{ CLEANUP_SMTP, true, "Resent-Foo: bar\r\n\r\nb\r\n", RECEIVED "Resent-Foo: bar\r\n" MISSING, "b\r\n" },
	{ CLEANUP_SMTP, false, "Resent-To: you@x.test\r\n\r\nb\r\n", RECEIVED "Resent-To: you@x.test\r\n", "b\r\n" },
	/* what is there, though empty, is there */
	{ CLEANUP_SMTP, true, "Message-ID:\r\nDate:\r\nFrom:\r\n\r\nb\r\n", RECEIVED "Message-ID:\r\nDate:\r\nFrom:\r\n", "b\r\n" },
	/* what must not travel */
	{ CLEANUP_SMTP, false, "BCC: x@y\r\nSubject: x\r\nReturn-Path: <x@y>\r\nContent-Length: 5\r\n\r\nb\r\n", RECEIVED "Subject: x\r\n", "b\r\n" },
	/* addresses of local mail: a domain; the field is then written again, as Postfix does */
	{ CLEANUP_SMTP, true, "From: root (root)\r\nTo: \"root, x\" <root>,\r\n\tu@host (c), v@x.test\r\n\r\nb\r\n",
		RECEIVED "From: root@example.jp (root)\r\nTo: \"root, x\" <root@example.jp>, u@host.example.jp (c), v@x.test\r\n" IDS DATE, "b\r\n" },
};

T(cleanup_rows)
{
	static const size_t steps[] = { 1 << 20, 1, 2, 3, 7, 13 };
	struct world w;

	world_open(&w, "mail_name=Postfix");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			char want[4000];

			ROW("%zu in pieces of %zu: %s", i, steps[k], rows[i].in);
			w.o.source = rows[i].source;
			w.o.local = rows[i].local;
			pass(&w, str_of(rows[i].in), steps[k]);
			CHECK_INT(w.reply.code, 250);
			CHECK_STR(w.reply.text, "Ok: queued as 0123456789");
			snprintf(want, sizeof(want), "%s\r\n", rows[i].header);
			CHECK_STR(buf_cstr(&w.sink.header), want);
			CHECK_STR(buf_cstr(&w.sink.body), rows[i].body);
			CHECK_STR(w.recipients, "u@y.test");
		}
	world_close(&w);
}

/* header_size_limit: line ends count once, the last one does not; the rest is left out, and a line of white space with it */
T(cleanup_cuts_long_fields)
{
	static const struct { const char *in, *want; } cuts[] = {
		{ "X: 34567890123456789\r\n", "X: 34567890123456789\r\n" },
		{ "X: 345678901234567890\r\n", "X: 34567890123456789\r\n" },
		{ "X: 34567890\r\n 3456789\r\n", "X: 34567890\r\n 3456789\r\n" },
		{ "X: 34567890\r\n 34567890\r\n", "X: 34567890\r\n 3456789\r\n" },
		{ "X: 34567890\r\n 34567\r\n more\r\n", "X: 34567890\r\n 34567\r\n" },
		{ "X: 34567890\r\n 345678\r\n more\r\n and more\r\n", "X: 34567890\r\n 345678\r\n" },
		{ "X: 34567890\r\n 3456789\r\n more\r\n", "X: 34567890\r\n 3456789\r\n" },
	};
	static const size_t steps[] = { 1 << 20, 1, 5, 4096 };
	struct world w;

	world_open(&w, "header_size_limit=20");
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			char in[200], want[600];

			ROW("%zu in pieces of %zu", i, steps[k]);
			snprintf(in, sizeof(in), "%sY: z\r\n\r\nbody\r\n", cuts[i].in);
			pass(&w, str_of(in), steps[k]);
			snprintf(want, sizeof(want), "%s%sY: z\r\n\r\n", RECEIVED, cuts[i].want);
			CHECK_STR(buf_cstr(&w.sink.header), want);
			CHECK_STR(buf_cstr(&w.sink.body), "body\r\n");
		}
	world_close(&w);
}

static void repeat(struct buf *b, const char *text, size_t n)
{
	while (n-- > 0)
		buf_z(b, text);
}

T(cleanup_long_headers)
{
	static const size_t steps[] = { 64 << 20, 65536, 4000 };
	struct buf in, want;
	struct world w;

	world_open(&w, "message_size_limit=0");
	buf_init(&in, 64 << 20);
	buf_init(&want, 64 << 20);
	for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
		ROW("pieces of %zu", steps[k]);
		/* a single line: cut where Postfix cuts it */
		buf_clear(&in);
		buf_z(&in, "X-Long: ");
		repeat(&in, "a", 300000);
		buf_z(&in, "\r\nSubject: after\r\n\r\nbody\r\n");
		pass(&w, buf_view(&in), steps[k]);
		buf_clear(&want);
		buf_z(&want, RECEIVED "X-Long: ");
		repeat(&want, "a", 102400 - 8);
		buf_z(&want, "\r\nSubject: after\r\n\r\n");
		CHECK(str_eq(buf_view(&w.sink.header), buf_view(&want)));
		CHECK_STR(buf_cstr(&w.sink.body), "body\r\n");
		/* a To of 3,500 addresses, and more fields: all of them */
		buf_clear(&in);
		buf_z(&in, "To: u@example.test");
		repeat(&in, ",\r\n user.number@example.test", 3500);
		buf_z(&in, "\r\nCc: u@example.test");
		repeat(&in, ",\r\n user.number@example.test", 3500);
		buf_z(&in, "\r\n");
		pass(&w, buf_view(&in), steps[k]);
		CHECK_INT(w.reply.code, 250);
		CHECK_INT(w.sink.header.n, strlen(RECEIVED) + in.n + 2);
		/* a body that begins without an empty line, with a line longer than any field may be */
		buf_clear(&in);
		repeat(&in, "abc ", 100000);
		buf_z(&in, ": x\r\n");
		pass(&w, buf_view(&in), steps[k]);
		CHECK_STR(buf_cstr(&w.sink.header), RECEIVED "\r\n");
		CHECK(str_eq(buf_view(&w.sink.body), buf_view(&in)));
		/* the bound of all fields, told in its own words */
		buf_clear(&in);
		repeat(&in, "X-Filler: 34567890123456789012345678901234567890123456789012345678901\r\n", 70000);
		pass(&w, buf_view(&in), steps[k]);
		CHECK_INT(w.reply.code, 552);
		CHECK_STR(w.reply.text, "Error: all header fields together are larger than 4194304 bytes");
		CHECK_INT(w.sink.committed + 1, w.sink.begun);
		w.sink.begun--;
	}
	buf_fini(&in);
	buf_fini(&want);
	world_close(&w);
}

/* Postfix refuses the 50th, its own counted */
T(cleanup_counts_hops)
{
	struct buf in;
	struct world w;

	world_open(&w, "mail_name=Postfix");
	buf_init(&in, 1 << 20);
	for (unsigned n = 48; n <= 50; n++) {
		ROW("%u", n);
		buf_clear(&in);
		repeat(&in, "Received: by x\r\n", n);
		buf_z(&in, "\r\nb\r\n");
		pass(&w, buf_view(&in), in.n);
		CHECK_INT(w.reply.code, n < 49 ? 250 : 554);
		if (n >= 49) {
			CHECK_STR(w.reply.enhanced, "5.4.0");
			CHECK_STR(w.reply.text, "Error: too many hops");
		}
	}
	buf_fini(&in);
	world_close(&w);
}

T(cleanup_recipients_rows)
{
	static const struct { enum cleanup_source source; bool local; const char *in, *want; } lists[] = {
		{ CLEANUP_SMTP, false, "a@x.test b@x.test", "a@x.test b@x.test" },
		{ CLEANUP_SMTP, false, "a@x.test b@x.test A@X.test", "a@x.test b@x.test" },
		{ CLEANUP_SMTP, false, "root", "root" },
		{ CLEANUP_SMTP, true, "root", "root" },
		{ CLEANUP_PICKUP, true, "root root@example.jp u@host", "root@example.jp=root root@example.jp u@host.example.jp=u@host" },
		{ CLEANUP_PICKUP, true, "root root", "root@example.jp=root" },
		{ CLEANUP_PICKUP, true, "host!u u%host.test \"a!b\"@x.test", "u@host.example.jp=host!u u@host.test=u%host.test \"a!b\"@x.test" },
		{ CLEANUP_DIRECT, true, "root root", "root@example.jp=root root@example.jp=root" },
	};
	struct world w;

	world_open(&w, "mail_name=Postfix");
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct str rest = str_of(lists[i].in), one;
		struct cleanup *c;

		ROW("%s", lists[i].in);
		w.o.source = lists[i].source;
		w.o.local = lists[i].local;
		c = begin(&w);
		for (w.e.n_rcpts = 0; str_word(&rest, " ", &one);)
			w.rcpts[w.e.n_rcpts++] = (struct rcpt){ .addr = one };
		cleanup_end(c, on_end, &w);
		CHECK_STR(w.recipients, lists[i].want);
	}
	world_close(&w);
}

/* --- one becomes many ------------------------------------------------------------------------------------------------------ */

#define VIRTUAL "virtual_alias_maps=inline:{ {u@y.test=b@z.test, c@z.test root} {stay@x.test=stay@x.test} {v@y.test=c@z.test} " \
	"{loop@y.test=pool@y.test} {pool@y.test=loop@y.test} {self@y.test=b@z.test, self@y.test} {@w.test=@z.test} {e@y.test=f@z.test} " \
	"{four@y.test=1@z.test 2@z.test 3@z.test 4@z.test} {three@y.test=1@z.test 2@z.test 3@z.test} {n1@y.test=n2@y.test} " \
	"{n2@y.test=n3@y.test} {n3@y.test=n4@y.test} {empty@y.test=<>} {bad@y.test=b@z.test <} {long@y.test=a23456789012345678901@z.test} }"

T(cleanup_one_recipient_becomes_many)
{
	static const struct { const char *in, *want; int code; } cases[] = {
		/* known by what the sender wrote first; equal ones only where that is equal, too */
		{ "u@y.test stay@x.test v@y.test=v", "b@z.test=u@y.test c@z.test=u@y.test root@example.jp=u@y.test stay@x.test c@z.test=v", 250 },
		{ "u@y.test u@y.test U@Y.test=u@y.test", "b@z.test=u@y.test c@z.test=u@y.test root@example.jp=u@y.test", 250 },
		{ "nobody@y.test", "nobody@y.test", 250 },
		{ "self@y.test", "b@z.test=self@y.test self@y.test", 250 },
		{ "some+ext@w.test SOME@W.TEST", "some+ext@z.test=some+ext@w.test SOME@z.test=SOME@W.TEST", 250 },
		{ "e+x@y.test e@y.test", "f+x@z.test=e+x@y.test f@z.test=e@y.test", 250 },
		{ "loop@y.test", "loop@y.test", 451 },
		{ "three@y.test", "1@z.test=three@y.test 2@z.test=three@y.test 3@z.test=three@y.test", 250 },
		{ "four@y.test", "four@y.test", 451 },
		{ "n2@y.test", "n4@y.test=n2@y.test", 250 },
		{ "n1@y.test", "n1@y.test", 451 },
		{ "empty@y.test", "empty@y.test", 451 },
		{ "b@z.test bad@y.test", "b@z.test bad@y.test", 451 },
		{ "long@y.test", "long@y.test", 451 },
	};
	struct world w;

	world_open_with(&w, (const char *const[]){ VIRTUAL, "recipient_delimiter=+", "virtual_alias_expansion_limit=3",
		"virtual_alias_recursion_limit=3", "virtual_alias_address_length_limit=27", NULL });
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str rest = str_of(cases[i].in), one, addr;
		struct cleanup *c;

		ROW("%s", cases[i].in);
		c = begin(&w);
		for (w.e.n_rcpts = 0; str_word(&rest, " ", &one);) {
			struct str orig = one;

			str_cut(&orig, '=', &addr);
			w.rcpts[w.e.n_rcpts++] = (struct rcpt){ .addr = addr, .orig = orig };
		}
		cleanup_end(c, on_end, &w);
		CHECK_INT(w.reply.code, cases[i].code);
		CHECK_STR(w.recipients, cases[i].want);
		if (cases[i].code == 451)
			CHECK_STR(w.reply.text, "Alias expansion error");
	}
	CHECK_INT(w.sink.committed + w.sink.aborted, w.sink.begun);
	world_close(&w);
}

T(cleanup_ends_what_grows_without_an_end)
{
	static const struct { const char *table, *in, *want, *says; int code; } cases[] = {
		/* ten steps, as in Postfix; what is there then is taken */
		{ "canonical_maps=regexp:{ {/^(.*)@g\\.test/ x$$1@g.test} }", "u@g.test", "xxxxxxxxxxu@g.test=u@g.test", NULL, 250 },
		{ "virtual_alias_maps=regexp:{ {/^(.*)@g\\.test/ a$$1@g.test, b$$1@g.test} }", "u@g.test", "u@g.test", "Alias expansion error", 451 },
		{ "virtual_alias_maps=regexp:{ {/^(.*)@g\\.test/ a$$1@g.test} }", "u@g.test", "u@g.test", "Alias expansion error", 451 },
		/* many who become many each are no reason to refuse */
		{ "virtual_alias_maps=regexp:{ {/^(.)@g\\.test/ $$1@h.test} }", "u@g.test v@g.test", "u@h.test=u@g.test v@h.test=v@g.test", NULL, 250 },
	};
	struct world w;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str rest = str_of(cases[i].in), one;
		uint64_t before;
		struct cleanup *c;

		ROW("%s", cases[i].table);
		world_open(&w, cases[i].table);
		before = map_spent();
		c = begin(&w);
		for (w.e.n_rcpts = 0; str_word(&rest, " ", &one);)
			w.rcpts[w.e.n_rcpts++] = (struct rcpt){ .addr = one };
		cleanup_end(c, on_end, &w);
		CHECK_INT(w.reply.code, cases[i].code);
		CHECK_STR(w.recipients, cases[i].want);
		if (cases[i].says)
			CHECK_STR(w.reply.text, cases[i].says);
		CHECK(map_spent() - before < 2 * LIMIT_REWRITE_STEPS);
		world_close(&w);
	}
}

/* past what may be spent the addresses of a header stay, and the message is taken */
T(cleanup_spends_so_much_on_a_header)
{
	int n = LIMIT_REWRITE_STEPS / LIMIT_REWRITE_ASK + 1, changed = 0, fields = 0;
	struct cleanup *c;
	struct str rest, one;
	struct world w;

	world_open(&w, "canonical_maps=inline:{ {u@z.test=v@z.test} }");
	w.o.local = true;
	c = begin(&w);
	for (int i = 0; i < n + 100; i++)
		cleanup_add(c, STR("Cc: u@z.test\r\n"));
	cleanup_end(c, on_end, &w);
	CHECK_INT(w.reply.code, 250);
	for (rest = buf_view(&w.sink.header); str_cut(&rest, '\n', &one); ) {
		changed += str_eq(one, STR("Cc: v@z.test\r"));
		fields += str_istarts(one, STR("Cc: "));
	}
	CHECK_INT(fields, n + 100);
	CHECK(changed > n / 4 && changed <= n);
	world_close(&w);
}

T(recipients_become_others_in_turns)
{
	struct recipients_rules rules = { .maps = true };
	struct recipients_work *work;
	struct arena a, scratch;
	struct reply failed;
	struct world w;
	int turns = 1;

	world_open(&w, "virtual_alias_maps=inline:{ {u@y.test=b@z.test, c@z.test} }");
	rules.router = w.router;
	arena_init(&a, 1 << 20);
	arena_init(&scratch, 1 << 20);
	w.e = (struct envelope){ .rcpts = w.rcpts, .n_rcpts = 3 };
	w.rcpts[0] = w.rcpts[2] = (struct rcpt){ .addr = STR("u@y.test") };
	w.rcpts[1] = (struct rcpt){ .addr = STR("x@y.test") };
	work = recipients_begin(&rules, &a, &scratch, &w.e, &failed);
	while (!recipients_go_on(work, 0))
		turns++;
	CHECK_INT(turns, 3);
	CHECK_INT(w.e.n_rcpts, 3);
	recipients_end(work);
	CHECK_INT(failed.code, 0);
	if (CHECK_INT(w.e.n_rcpts, 3)) {
		CHECK_VIEW(w.e.rcpts[0].addr, "b@z.test");
		CHECK_VIEW(w.e.rcpts[1].addr, "c@z.test");
		CHECK_VIEW(w.e.rcpts[2].addr, "x@y.test");
	}
	arena_fini(&a);
	arena_fini(&scratch);
	world_close(&w);
}

T(cleanup_equal_recipients_are_one_without_their_origin)
{
	struct world w;
	struct cleanup *c;

	world_open_with(&w, (const char *const[]){ VIRTUAL, "enable_original_recipient=no", NULL });
	c = begin(&w);
	w.rcpts[1] = (struct rcpt){ .addr = STR("v@y.test") };
	w.rcpts[2] = (struct rcpt){ .addr = STR("v@y.test"), .notify = DSN_NOTIFY_NEVER };
	w.e.n_rcpts = 3;
	cleanup_end(c, on_end, &w);
	/* what the sender wants to hear keeps them apart */
	CHECK_STR(w.recipients, "b@z.test=u@y.test c@z.test=u@y.test root@example.jp=u@y.test c@z.test=v@y.test");
	world_close(&w);
}

T(cleanup_adds_copies_for_mail_from_outside)
{
	static const struct { enum cleanup_source source; const char *sender, *want; } cases[] = {
		{ CLEANUP_SMTP, "a@x.test", "u@y.test r@z.test all@example.jp" },
		{ CLEANUP_PICKUP, "a+b@x.test", "u@y.test r@z.test all@example.jp" },
		{ CLEANUP_SMTP, "s@x.test", "u@y.test r@z.test t@z.test all@example.jp" },
		{ CLEANUP_SMTP, "s+e@x.test", "u@y.test r@z.test t@z.test all@example.jp" },
		{ CLEANUP_SMTP, "list@x.test", "u@y.test" },
		{ CLEANUP_SMTP, "", "u@y.test r@z.test all@example.jp" },
		{ CLEANUP_FORWARD, "s@x.test", "u@y.test" },
		{ CLEANUP_NOTICE, "s@x.test", "u@y.test" },
	};
	struct world w;

	world_open_with(&w, (const char *const[]){ "always_bcc=all", "recipient_delimiter=+",
		"sender_bcc_maps=inline:{ {s@x.test=t@z.test} {list@x.test=t@z.test, v@z.test} }",
		"recipient_bcc_maps=inline:{ {@y.test=old@z.test} }", "recipient_canonical_maps=inline:{ {old@z.test=r@z.test} }", NULL });
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cleanup *c;

		ROW("%s", cases[i].sender);
		w.o.source = cases[i].source;
		c = begin(&w);
		w.e.sender = str_of(cases[i].sender);
		cleanup_end(c, on_end, &w);
		CHECK_STR(w.recipients, cases[i].want);
		CHECK_INT(w.reply.code, strcmp(cases[i].sender, "list@x.test") ? 250 : 451);
		for (size_t k = 1; w.reply.code == 250 && k < w.notify_n; k++)
			CHECK_INT(w.notify[k], DSN_NOTIFY_NEVER);
	}
	world_close(&w);
}

/* --- its machine: a refusal is remembered, nothing is half kept, whoever began it is answered once ----------------------------- */

T(cleanup_remembers_the_first_refusal)
{
	struct world w;
	struct cleanup *c;

	world_open(&w, "message_size_limit=1000");
	w.sink.add_error = ENOSPC;
	c = begin(&w);
	cleanup_add(c, STR("Subject: x\r\n\r\nbody\r\n"));
	w.sink.add_error = EIO;
	for (int i = 0; i < 100; i++)
		cleanup_add(c, STR("more than one thousand bytes of it\r\n"));
	CHECK_INT(w.told, 0);
	cleanup_end(c, on_end, &w);
	CHECK_INT(w.told, 1);
	CHECK_INT(w.reply.code, 452);
	CHECK_STR(w.reply.text, "Insufficient system storage");
	CHECK_INT(w.sink.aborted, 1);
	CHECK_INT(w.sink.committed, 0);
	CHECK_INT(w.sink.body.n, 0);
	world_close(&w);
}

T(cleanup_refusals)
{
	static const struct { int begin, add, commit; const char *in; int code; const char *text; } cases[] = {
		{ 0, ENOSPC, 0, "\r\nx\r\n", 452, "Insufficient system storage" },
		{ 0, EIO, 0, "\r\nx\r\n", 451, "Error: queue file write error" },
		{ 0, 0, EIO, "\r\nx\r\n", 451, "Error: queue file write error" },
		{ 0, 0, EAGAIN, "\r\nx\r\n", 452, "Error: too much mail waits for the disk, try again later" },
		{ 0, 0, 0, "\r\n0123456789012345678901234567890123456789\r\n", 552, "Message size exceeds fixed limit" },
		{ 0, 0, 0, "X: 0123456789012345678901234567890123456789\r\n", 552, "Message size exceeds fixed limit" },
	};
	struct world w;

	world_open(&w, "message_size_limit=40");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ROW("%zu", i);
		w.sink.begin_error = cases[i].begin;
		w.sink.add_error = cases[i].add;
		w.sink.commit_error = cases[i].commit;
		pass(&w, str_of(cases[i].in), 10);
		CHECK_INT(w.told, 1);
		CHECK_INT(w.reply.code, cases[i].code);
		CHECK_STR(w.reply.text, cases[i].text);
		CHECK_INT(w.sink.committed + w.sink.aborted, w.sink.begun);
	}
	ROW("begin");
	w.sink.begin_error = ENOSPC;
	CHECK(begin(&w) == NULL && errno == ENOSPC);
	world_close(&w);
}

/* a notice and a forward are no new mail: message_size_limit was asked when it came in */
T(cleanup_own_mail_has_no_size_limit)
{
	struct world w;

	world_open(&w, "message_size_limit=10");
	w.o.source = CLEANUP_FORWARD;
	pass(&w, STR("Subject: x\r\n\r\n0123456789\r\n"), 100);
	CHECK_INT(w.reply.code, 250);
	world_close(&w);
}

T(cleanup_abort_frees_at_any_point)
{
	static const char content[] = "From x\r\nSubject: x\r\n y\r\nTo: z\r\n\r\nbody\r\n";
	struct world w;

	world_open(&w, "mail_name=Postfix");
	for (size_t n = 0; n < sizeof(content); n++) {
		struct cleanup *c = begin(&w);

		cleanup_add(c, str_make(content, n));
		cleanup_abort(c);
	}
	CHECK_INT(w.sink.aborted, sizeof(content));
	CHECK_INT(w.sink.committed, 0);
	CHECK_INT(w.told, 0);
	world_close(&w);
}

T(cleanup_waits_for_the_sink)
{
	struct world w;

	world_open(&w, "mail_name=Postfix");
	w.sink.later = true;
	pass(&w, STR("Subject: caf\xc3\xa9\r\n\r\nbody \xe9\r\n"), 100);
	CHECK_INT(w.told, 0);
	CHECK(w.sink.flags & ENVELOPE_8BIT);
	w.sink.fn(w.sink.ctx, NULL, 0);
	CHECK_INT(w.told, 1);
	CHECK_INT(w.reply.code, 250);
	world_close(&w);
}

T(cleanup_front_goes_behind_received)
{
	struct world w;

	world_open(&w, "mail_name=Postfix");
	w.o.source = CLEANUP_FORWARD;
	w.o.front = STR("Delivered-To: a@b\r\n");
	pass(&w, STR("Subject: x\r\n\r\nb\r\n"), 100);
	CHECK_STR(buf_cstr(&w.sink.header), RECEIVED_OURS "Delivered-To: a@b\r\nSubject: x\r\n\r\n");
	CHECK(cleanup_was_here(buf_view(&w.sink.header), STR("A@b")));
	CHECK(!cleanup_was_here(buf_view(&w.sink.header), STR("b@b")));
	world_close(&w);
}

T(cleanup_into_memory)
{
	struct cleanup_memory m = { .qid = "ABCDEF" };
	struct world w;

	world_open(&w, "mail_name=Postfix");
	buf_init(&m.header, LIMIT_HEADER);
	buf_init(&m.body, 20);
	w.o.source = CLEANUP_DIRECT;
	w.o.sink = cleanup_to_memory(&m);
	pass(&w, STR("Subject: x\r\n\r\nbody\r\n"), 3);
	CHECK_INT(w.reply.code, 250);
	CHECK(strstr(buf_cstr(&m.header), "id ABCDEF\r\n") != NULL);
	CHECK(str_ends(buf_view(&m.header), STR("Subject: x\r\n\r\n")));
	CHECK_STR(buf_cstr(&m.body), "body\r\n");
	CHECK_INT(w.e.size, m.header.n + m.body.n);
	ROW("what does not fit is refused whole");
	pass(&w, STR("Subject: x\r\n\r\nmore than twenty bytes of it\r\n"), 3);
	CHECK_INT(w.reply.code, 552);
	CHECK_INT(m.body.n + m.header.n, 0);
	buf_fini(&m.header);
	buf_fini(&m.body);
	world_close(&w);
}

/* the last byte that fits is taken, one more is not; however it is cut into pieces */
T(cleanup_takes_a_message_up_to_its_limit)
{
	static const char content[] = "Subject: x\r\n\r\nbody\r\n";
	const int n = (int)sizeof(content) - 1;

	for (int limit = n - 1; limit <= n + 1; limit++) {
		for (size_t step = 1; step <= sizeof(content); step += 6) {
			char set[60];
			struct world w;

			ROW("%d of %d in pieces of %zu", n, limit, step);
			snprintf(set, sizeof(set), "message_size_limit=%d", limit);
			world_open(&w, set);
			pass(&w, STR(content), step);
			CHECK_INT(w.reply.code, n <= limit ? 250 : 552);
			CHECK_INT(w.sink.committed, n <= limit);
			world_close(&w);
		}
	}
}

/* the memory that large header sections may take together is there again after each of them, however it ended */
T(cleanup_gives_the_memory_of_headers_back)
{
	static char content[LIMIT_HEADER / 2 + 100];
	struct world w;
	size_t n = 0;

	while (n < LIMIT_HEADER / 2)
		n += (size_t)snprintf(content + n, sizeof(content) - n, "X-Field: some text that makes a header section large\r\n");
	world_open(&w, "mail_name=Postfix");
	for (int i = 0; i < 3 * LIMIT_HEADERS_HELD / (LIMIT_HEADER / 2); i++) {
		struct cleanup *c;

		ROW("%d", i);
		if (i % 3 == 0) {
			pass(&w, str_make(content, n), n);
			CHECK_INT(w.reply.code, 250);
			continue;
		}
		/* given up, or refused by the sink */
		w.sink.add_error = i % 3 == 1 ? ENOSPC : 0;
		c = begin(&w);
		cleanup_add(c, str_make(content, n));
		cleanup_add(c, STR("\r\nbody\r\n"));
		cleanup_abort(c);
		w.sink.add_error = 0;
	}
	world_close(&w);
}

T(recipients_stop_where_their_memory_ends)
{
	struct recipients l = { .room = LIMIT_MESSAGE_RCPTS };
	struct rcpt r = { .addr = STR("u@x.test") };
	struct arena a;
	size_t n = 0;

	arena_init(&a, 20 * sizeof(r));
	l.arena = &a;
	while (n < LIMIT_MESSAGE_RCPTS && recipients_add(&l, &r))
		n++;
	CHECK(n > 0 && n <= 20);
	CHECK_INT(l.n, n);
	CHECK(l.full);
	/* full stays full, though one more might fit */
	CHECK(!recipients_add(&l, &r));
	for (size_t i = 0; i < l.n; i++)
		CHECK_VIEW(l.v[i].addr, "u@x.test");
	arena_fini(&a);
}
