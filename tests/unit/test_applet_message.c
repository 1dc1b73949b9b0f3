/* Messages as sendmail and mail make them: inject and compose; and what the maildrop keeps. */
#include "tests/unit/t.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/msg/compose.h"
#include "core/msg/inject.h"
#include "core/store/maildrop.h"

struct injected { struct arena a; struct buf out; struct inject_rcpts rcpts; struct inject_report report; };

static void inject(struct injected *x, struct inject_options o, const char *message)
{
	*x = (struct injected){ 0 };
	arena_init(&x->a, LIMIT_SESSION_ARENA);
	buf_init(&x->out, 100000);
	o.drop = "bcc, resent-bcc, return-path";
	o.full_name = o.full_name ? o.full_name : "";
	inject_message(&x->a, str_of(message), &o, &x->out, &x->rcpts, &x->report);
}

static const char *rcpts_of(struct injected *x)
{
	static char text[500];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < x->rcpts.n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s", n ? " " : "", STR_ARG(x->rcpts.v[i]));
	return text;
}

static void end(struct injected *x)
{
	buf_fini(&x->out);
	arena_fini(&x->a);
}

T(inject_takes_recipients)
{
	static const struct { const char *message, *want, *bad; } rows[] = {
		{ "To: a@x\r\nCc: B <b@x>, c@x\r\nBcc: d@x\r\n\r\nx\r\n", "a@x b@x c@x d@x", NULL },
		{ "To: a@x\r\nResent-To: r@x\r\n\r\n", "r@x", NULL },
		{ "To: list: a@x, b@x;, c@x\r\n\r\n", "a@x b@x c@x", NULL },
		{ "To: undisclosed-recipients:;\r\n\r\n", "", NULL },
		{ "To: a@x,\r\n b@x\r\n\r\n", "a@x b@x", NULL },
		{ "To:\r\n\r\n", "", NULL },
		{ "TO: a@x\r\nSubject: b@x\r\n\r\nTo: c@x\r\n", "a@x", NULL },
		{ "To: root\r\n\r\n", "root", NULL },
		{ "To: a@x b@x, 'c@x' <d@x>\r\n\r\n", "a@x b@x d@x", NULL },
		{ "To: a@x, b@@x\r\nCc: c@x, -d@x\r\n\r\n", "a@x c@x", "To: \"b@@x\", Cc: \"-d@x\" begins with -" },
		{ "no header\r\nTo: a@x\r\n", "", NULL },
	};
	struct injected x;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].message);
		inject(&x, (struct inject_options){ .extract = true }, rows[i].message);
		CHECK_STR(rcpts_of(&x), rows[i].want);
		CHECK_STR(x.rcpts.bad ? x.rcpts.bad : "", rows[i].bad ? rows[i].bad : "");
		end(&x);
	}
}

T(inject_changes_only_what_it_must)
{
	static const struct { const char *message, *name, *want; } rows[] = {
		{ "A:  b \r\n c\r\nBcc: x\r\n\r\nbody\r\n", "", "A:  b \r\n c\r\n\r\nbody\r\n" },
		{ "From: x\r\n\r\nbody\r\n", "Me", "From: x\r\n\r\nbody\r\n" },
		{ "A: b\r\n\r\nbody", "Me", "A: b\r\nFrom: Me <me@x>\r\n\r\nbody" },
		{ "A: b\r\n\r\n", "M. \"E\"", "A: b\r\nFrom: \"M. \\\"E\\\"\" <me@x>\r\n\r\n" },
		{ "A: b\r\n\r\n", "M\nE", "A: b\r\n\r\n" },
		/* who sends again is said by Resent-From alone; a Resent-Bcc makes it so, although it is left out */
		{ "From: x\r\nResent-To: y\r\n\r\n", "Me", "From: x\r\nResent-To: y\r\nResent-From: Me <me@x>\r\n\r\n" },
		{ "Resent-Date: y\r\n\r\n", "Me", "Resent-Date: y\r\nResent-From: Me <me@x>\r\n\r\n" },
		{ "Resent-Bcc: y\r\n\r\n", "Me", "Resent-From: Me <me@x>\r\n\r\n" },
		{ "Resent-From: z\r\nTo: y\r\n\r\n", "Me", "Resent-From: z\r\nTo: y\r\n\r\n" },
		{ "Resent-Odd: y\r\n\r\n", "Me", "Resent-Odd: y\r\nFrom: Me <me@x>\r\n\r\n" },
		{ "just text\r\n", "", "\r\njust text\r\n" },
		{ "\r\nbody\r\n", "", "\r\nbody\r\n" },
		{ "", "", "\r\n" },
	};
	struct injected x;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].message);
		inject(&x, (struct inject_options){ .full_name = rows[i].name, .sender = STR("me@x") }, rows[i].message);
		CHECK_STR(buf_cstr(&x.out), rows[i].want);
		end(&x);
	}
}

T(inject_tells_what_the_bytes_need)
{
	struct injected x;

	inject(&x, (struct inject_options){ 0 }, "A: \xc3\xbc\r\n\r\nx\r\n");
	CHECK(x.report.utf8_header && !x.report.eight_bit);
	end(&x);
	inject(&x, (struct inject_options){ 0 }, "A: b\r\n\r\n\xc3\xbc\r\n");
	CHECK(!x.report.utf8_header && x.report.eight_bit);
	end(&x);
}

T(inject_skips_from_lines)
{
	struct str s = inject_skip_from_lines(STR("From a b\n>From c\r\nTo: x\n"));

	CHECK(str_eq(s, STR("To: x\n")));
	CHECK(str_eq(inject_skip_from_lines(STR("From: x\n")), STR("From: x\n")));
	CHECK(str_is_empty(inject_skip_from_lines(STR("From x"))));
}

static int compose(struct compose m, struct buf *out)
{
	struct arena a;
	struct buf why;
	int r;

	arena_init(&a, LIMIT_SESSION_ARENA);
	buf_init(&why, 500);
	buf_init(out, 1000000);
	m.boundary = "=_b";
	r = compose_message(&a, out, &m, &why);
	buf_fini(&why);
	arena_fini(&a);
	return r;
}

T(compose_plain_and_utf8)
{
	struct buf out;

	CHECK_INT(compose((struct compose){ .to = STR("a@x, B <b@x>"), .subject = STR("hi"), .text = STR("text\r\n") }, &out), 0);
	CHECK_STR(buf_cstr(&out), "To: a@x, B <b@x>\r\nSubject: hi\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"
		"Content-Transfer-Encoding: 7bit\r\n\r\ntext\r\n");
	buf_fini(&out);
	CHECK_INT(compose((struct compose){ .from = STR("J\xc3\xb6 <j@x>"), .subject = STR("\xc3\xbc"), .text = STR("\xc3\xbc\r\n") }, &out), 0);
	CHECK(strstr(buf_cstr(&out), "From: =?"));
	CHECK(strstr(buf_cstr(&out), " <j@x>\r\n"));
	CHECK(strstr(buf_cstr(&out), "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xbc\r\n"));
	buf_fini(&out);
}

T(compose_never_forges_a_header)
{
	static const struct str field = STR("X-A: b\r\nBcc: c@x");
	struct buf out;

	CHECK_INT(compose((struct compose){ .subject = STR("a\nBcc: b@x"), .fields = &field, .n_fields = 1 }, &out), 0);
	CHECK(str_starts(buf_view(&out), STR("Subject: a Bcc: b@x\r\nX-A: b  Bcc: c@x\r\nMIME-Version:")));
	buf_fini(&out);
	/* as in any other field: a line end is a blank */
	CHECK_INT(compose((struct compose){ .to = STR("a@x,\r\nb@x\x01\n"), .cc = STR("c@x\nBcc: b@x"), .from = STR("f@x\n") }, &out), 0);
	CHECK(strstr(buf_cstr(&out), "From: f@x\r\nTo: a@x, b@x\r\n") && !strstr(buf_cstr(&out), "\nBcc"));
	buf_fini(&out);
}

T(compose_writes_addresses_that_need_repair)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "Joe @ Work <j@x>", "To: \"Joe @ Work\" <j@x>\r\n" }, { "CORP\\joe <j@x>, a@x", "To: \"CORP\\\\joe\" <j@x>, a@x\r\n" },
		{ "a@x b@x", "To: a@x, b@x\r\n" }, { "'a@b' <a@b>", "To: \"'a@b'\" <a@b>\r\n" }, { "a b c <", "To: a, b\r\n" }, { "@@", "" },
	};
	struct buf out;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].in);
		CHECK_INT(compose((struct compose){ .to = str_of(rows[i].in) }, &out), 0);
		buf_truncate(&out, (size_t)str_find(buf_view(&out), STR("MIME-Version:")));
		CHECK_STR(buf_cstr(&out), rows[i].want);
		buf_fini(&out);
	}
}

T(compose_users_content_type_wins)
{
	static const struct str fields[] = { STR("Content-Type: text/html"), STR("X-A: b") };
	struct buf out;

	CHECK_INT(compose((struct compose){ .fields = fields, .n_fields = 2, .text = STR("<b>\r\n") }, &out), 0);
	CHECK_STR(buf_cstr(&out), "X-A: b\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<b>\r\n");
	buf_fini(&out);
}

T(compose_tells_fields_from_files)
{
	static const struct { const char *text; bool field; } rows[] = {
		{ "X-A: b", true }, { "Name:value", true }, { "file.txt", false }, { "/tmp/a:b", false }, { "dir/a: b", false },
		{ ": b", false }, { "two words: b", false }, { "", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].text);
		CHECK_INT(compose_is_field(str_of(rows[i].text)), rows[i].field);
	}
	CHECK_STR(compose_type("a.PDF", STR_EMPTY), "application/pdf");
	CHECK_STR(compose_type("a", STR("text")), "text/plain");
	CHECK_STR(compose_type("a", STR("\xff\xfe")), "application/octet-stream");
}

/* --- maildrop ------------------------------------------------------------------------------------------------------- */

struct drops { char names[4][64]; size_t n; };
static int on_drop(void *ctx, const char *name)
{
	struct drops *d = ctx;

	snprintf(d->names[d->n++ % 4], 64, "%s", name);
	return 0;
}

static int make_folder(void)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/maildrop", t_tmpdir());
	return fs_mkdir(path, 0700) < 0 ? -1 : fs_chmod(path, MAILDROP_MODE);
}

T(maildrop_keeps_mail_in_order)
{
	struct rcpt rcpt = { .addr = STR("b@x") };
	struct envelope e = { .sender = STR("a@x"), .rcpts = &rcpt, .n_rcpts = 1, .uid = 4711, .flags = ENVELOPE_LOCAL | ENVELOPE_BOUNCE };
	struct envelope got;
	struct drops d = { .n = 0 };
	struct arena a;
	struct buf content;
	char path[300];

	CHECK_INT(maildrop_write(t_tmpdir(), &e, STR("x")), -1);
	REQUIRE(make_folder() == 0);
	CHECK_INT(maildrop_write(t_tmpdir(), &e, STR("one\n")), 0);
	usleep(2000);
	CHECK_INT(maildrop_write(t_tmpdir(), &e, STR("two\n")), 0);
	/* what is no complete drop is not shown */
	snprintf(path, sizeof(path), "%s/maildrop/.half", t_tmpdir());
	CHECK(fs_replace(path, 0600, STR("x")) == 0);
	CHECK_INT(maildrop_each(t_tmpdir(), on_drop, &d), 0);
	REQUIRE(d.n == 2);
	arena_init(&a, LIMIT_SESSION_ARENA);
	buf_init(&content, 1000);
	CHECK_INT(maildrop_read(t_tmpdir(), d.names[0], &a, &got, &content), 0);
	CHECK_STR(buf_cstr(&content), "one\n");
	CHECK(str_eq(got.sender, STR("a@x")) && got.n_rcpts == 1 && str_eq(got.rcpts[0].addr, STR("b@x")));
	/* the text cannot say who wrote it, nor that it is a bounce */
	CHECK_INT(got.uid, (int64_t)getuid());
	CHECK_INT(got.flags & ENVELOPE_BOUNCE, 0);
	CHECK_INT(maildrop_remove(t_tmpdir(), d.names[0]), 0);
	CHECK_INT(maildrop_read(t_tmpdir(), d.names[0], &a, &got, &content), -1);
	buf_fini(&content);
	arena_fini(&a);
}

T(maildrop_refuses_what_is_no_drop)
{
	static const char *const texts[] = { "", "relaybox-maildrop 1\n", "relaybox-maildrop 2\n00000000\n", "relaybox-maildrop 1\nffffffff\n",
		"relaybox-maildrop 1\n00000004\nabcd", "relaybox-maildrop 1\n0000000g\n" };
	struct envelope e;
	struct arena a;
	struct buf content;
	char path[300], link_path[300];

	REQUIRE(make_folder() == 0);
	arena_init(&a, LIMIT_SESSION_ARENA);
	buf_init(&content, 1000);
	snprintf(path, sizeof(path), "%s/maildrop/0000000000000000-00000000", t_tmpdir());
	snprintf(link_path, sizeof(link_path), "%s/maildrop/0000000000000000-00000001", t_tmpdir());
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ROW("%s", texts[i]);
		CHECK(fs_replace(path, 0600, str_of(texts[i])) == 0);
		CHECK_INT(maildrop_read(t_tmpdir(), "0000000000000000-00000000", &a, &e, &content), -1);
	}
	CHECK(symlink("/etc/passwd", link_path) == 0);
	CHECK_INT(maildrop_read(t_tmpdir(), "0000000000000000-00000001", &a, &e, &content), -1);
	CHECK(unlink(link_path) == 0 && link(path, link_path) == 0);
	CHECK_INT(maildrop_read(t_tmpdir(), "0000000000000000-00000001", &a, &e, &content), -1);
	buf_fini(&content);
	arena_fini(&a);
}
