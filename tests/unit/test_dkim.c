/* test_dkim.c - canonical forms, which fields are signed, which key signs. That others find the signatures valid: tests/e2e/test_dkim.py */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/dkim/canon.h"
#include "core/dkim/sign.h"
#include "core/msg/mime.h"
#include "tests/unit/t.h"

static void collect(void *ctx, struct str text)
{
	buf_str(ctx, text);
}

/* in pieces of that size */
static void canonical(struct str in, size_t step, struct buf *out)
{
	struct dkim_body b;

	buf_clear(out);
	dkim_body_init(&b, collect, out);
	for (; in.n; in = str_from(in, step))
		dkim_body_add(&b, str_head(in, step));
	dkim_body_end(&b);
}

T(dkim_body_is_canonical_whatever_the_pieces)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "", "" }, { "\r\n", "" }, { "\r\n\r\n\r\n", "" }, { " \t\r\n \r\n", "" },
		/* RFC 6376 section 3.4.5 */
		{ " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n" },
		{ "a", "a\r\n" }, { "a \t", "a\r\n" }, { "a\r\n", "a\r\n" }, { "a\r\n\r\n \r\nb\r\n\t\r\n", "a\r\n\r\n\r\nb\r\n" },
		{ "\r\n\r\na\r\n", "\r\n\r\na\r\n" }, { "\t \ta\t \tb", " a b\r\n" }, { "a\rb\r\n", "a\rb\r\n" }, { "a\r", "a\r\r\n" },
		{ "a \r\r\n", "a \r\r\n" }, { "a\n", "a\n\r\n" }, { "\xc3\xa4 \xa0 \r\n", "\xc3\xa4 \xa0\r\n" }, { "\v \f\r\n", "\v \f\r\n" },
		{ ".\r\n..\r\n", ".\r\n..\r\n" },
	};
	struct buf out;

	buf_init(&out, 100000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t step = 1; step < 20; step++) {
			ROW("%zu by %zu", i, step);
			canonical(str_of(rows[i].in), step, &out);
			CHECK_STR(buf_cstr(&out), rows[i].want);
		}
	}
	buf_fini(&out);
}

T(dkim_body_keeps_many_line_ends_that_come_to_count)
{
	struct buf in, out;

	buf_init(&in, 100000);
	buf_init(&out, 100000);
	for (int i = 0; i < 5000; i++)
		buf_z(&in, " \t\r\n");
	canonical(buf_view(&in), 700, &out);
	CHECK_INT(out.n, 0);
	buf_z(&in, "x");
	canonical(buf_view(&in), 700, &out);
	CHECK_INT(out.n, 2 * 5000 + 3);
	buf_fini(&in);
	buf_fini(&out);
}

T(dkim_header_is_canonical)
{
	static const struct { const char *in, *want; } rows[] = {
		/* RFC 6376 section 3.4.5 */
		{ "A: X\r\n", "a:X" }, { "B : Y\t\r\n\tZ  \r\n", "b:Y Z" },
		{ "SuBJect:\r\n", "subject:" }, { "A: \r\n \r\n\t\r\n", "a:" }, { "A:\r\n b\r\n", "a:b" }, { "A:b\r\n  \t c\r\n", "a:b c" },
		{ "A:b", "a:b" }, { "A: \xe4 : c\r\n", "a:\xe4 : c" },
	};
	struct buf out;

	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str rest = str_of(rows[i].in);
		struct header h;

		ROW("%zu", i);
		buf_clear(&out);
		CHECK(header_next(&rest, &h) == 1);
		dkim_header(&h, &out);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	buf_fini(&out);
}

/* --- keys and signatures: one RSA key for the whole file, made by openssl -------------------------------------------------- */

static void make_key(const char *name, int bits, mode_t mode)
{
	static struct buf pem[2];
	struct buf *text = &pem[bits == 2048];
	char command[1000], path[600];

	snprintf(path, sizeof(path), "%s/%s", t_tmpdir(), name);
	if (!text->n) {
		snprintf(command, sizeof(command), "openssl genrsa -traditional -out '%s' %d 2>/dev/null", path, bits);
		CHECK(system(command) == 0);
		buf_init(text, 10000);
		CHECK(fs_read_file(path, text) == 0);
	}
	CHECK(fs_replace(path, mode, buf_view(text)) == 0);
}

static void drop_key(const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", t_tmpdir(), name);
	fs_unlink(path);
}

static struct dkim_keys *folder_keys(const char *folder, const char *selectors, struct buf *why)
{
	return dkim_keys_open(&(struct dkim_options){ .folder = folder, .selectors = selectors, .key_table = "", .signing_table = "" }, why);
}

T(dkim_keys_refuse_what_cannot_or_must_not_sign)
{
	static const struct { const char *name; int bits; mode_t mode; const char *selector, *why; } rows[] = {
		{ "a.example.s.pem", 1024, 0600, "s", "2048 bits" },
		{ "a.example.s.pem", 2048, 0644, "s", "everybody may open" },
		{ "a.example.s.pem", 2048, 0601, "s", "everybody may open" },
		{ "a.example.s.pem", 2048, 0600, "t", "no file DOMAIN.t.pem" },
		{ "a.example.s.pem", 2048, 0600, "", "no selector" },
		{ "a.example.s.pem", 2048, 0600, "../s", "no selector" },
		{ "a..example.s.pem", 2048, 0600, "s", "its name is not DOMAIN.s.pem" },
		{ ".s.pem", 2048, 0600, "s", "its name is not DOMAIN.s.pem" },
	};
	struct buf why;

	buf_init(&why, 1000);
	CHECK(!folder_keys("/nonexistent/keys", "s", &why));
	CHECK(str_find(buf_view(&why), STR("/nonexistent/keys: No such file")) >= 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%zu", i);
		make_key(rows[i].name, rows[i].bits, rows[i].mode);
		buf_clear(&why);
		CHECK(!folder_keys(t_tmpdir(), rows[i].selector, &why));
		if (str_find(buf_view(&why), str_of(rows[i].why)) < 0)
			CHECK_STR(buf_cstr(&why), rows[i].why);
		drop_key(rows[i].name);
	}
	buf_fini(&why);
}

/* who only looks at keys gets all of them, each with what is wrong with it */
T(dkim_keys_that_shall_not_sign_are_kept_for_who_asks)
{
	static const char edwards[] = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ9fPDD1OzIRPVrEELXfYSPTomi8zlYojeq07j5lwCBn\n-----END PRIVATE KEY-----\n";
	static const struct { const char *file, *domain, *why; bool key; } rows[] = {
		{ "small.example.s.pem", "small.example", ": no RSA private key in PEM form, of 2048 bits", true },
		{ "open.example.s.pem", "open.example", "everybody may open this private key", true },
		{ "ed.example.s.pem", "ed.example", "ed.example.s.pem: an Ed25519 key, which cannot sign here: make an RSA key (mapgen --dkim DOMAIN SELECTOR)", false },
		{ "good.example.s.pem", "good.example", "", true },
	};
	struct dkim_keys *k;
	char path[600];
	struct buf why;

	buf_init(&why, 1000);
	make_key("good.example.s.pem", 2048, 0600);
	make_key("open.example.s.pem", 2048, 0604);
	make_key("small.example.s.pem", 1024, 0600);
	snprintf(path, sizeof(path), "%s/ed.example.s.pem", t_tmpdir());
	CHECK(fs_replace(path, 0600, str_of(edwards)) == 0);
	k = dkim_keys_open(&(struct dkim_options){ .folder = t_tmpdir(), .selectors = "s", .key_table = "", .signing_table = "", .faulty = true }, &why);
	REQUIRE(k && !why.n);
	CHECK_INT(k->n, 4);
	for (size_t i = 0; i < 4; i++) {
		size_t at = 0;

		ROW("%s", rows[i].domain);
		while (at + 1 < k->n && strcmp(k->v[at].domain, rows[i].domain))
			at++;
		CHECK_STR(k->v[at].domain, rows[i].domain);
		CHECK(str_ends(str_of(k->v[at].path), str_of(rows[i].file)));
		CHECK_INT(!!k->v[at].key, rows[i].key);
		CHECK_INT(!!k->v[at].why, !!*rows[i].why);
		CHECK(!k->v[at].why || str_find(str_of(k->v[at].why), str_of(rows[i].why)) >= 0);
		drop_key(rows[i].file);
	}
	dkim_keys_unref(k);
	buf_fini(&why);
}

static struct dkim_keys *keys_for_rows(void)
{
	struct dkim_keys *k;
	struct buf why;

	make_key("Example.com.s.pem", 2048, 0600);
	make_key("own.example.com.s.pem", 2048, 0640);
	make_key("other.example.t.pem", 2048, 0600);
	make_key("xn--bcher-kva.example.s.pem", 2048, 0600);
	buf_init(&why, 1000);
	k = folder_keys(t_tmpdir(), "s", &why);
	CHECK_STR(buf_cstr(&why), "");
	buf_fini(&why);
	drop_key("Example.com.s.pem");
	drop_key("own.example.com.s.pem");
	drop_key("other.example.t.pem");
	drop_key("xn--bcher-kva.example.s.pem");
	return k;
}

static void sign(const struct dkim_keys *k, struct str text, size_t step, struct buf *out)
{
	struct dkim_signing *s = dkim_signing_new(k);
	struct str rest = text;

	buf_clear(out);
	for (; rest.n; rest = str_from(rest, step))
		if (!dkim_signing_add(s, str_head(rest, step)))
			break;
	CHECK(dkim_signing_end(s, 1234567890, out));
	dkim_signing_free(s);
}

T(dkim_signs_for_the_domain_of_from)
{
	static const struct { const char *text, *domain; } rows[] = {
		{ "From: a@example.com\r\n\r\nx\r\n", "example.com" }, { "From: A <a@EXAMPLE.COM>\r\n\r\n", "example.com" },
		{ "From: a@deep.sub.example.com\r\n\r\n", "example.com" }, { "From: a@own.example.com\r\n", "own.example.com" },
		{ "From: a@x.own.example.com\r\n\r\n", "own.example.com" }, { "From: \"a@b\" <a@example.com>, b@other.example\r\n\r\n", "example.com" },
		{ "from:\r\n a@example.com\r\n\r\n", "example.com" },
		{ "From: a@\xc3\xa4.own.example.com\r\n\r\n", "own.example.com" }, { "From: \xc3\xbc@B\xc3\xbc" "cher.example\r\n\r\n", "xn--bcher-kva.example" },
		{ "From: a@xn--bcher-kva.example\r\n\r\n", "xn--bcher-kva.example" }, { "From: a@b\xfc" "cher.example\r\n\r\n", NULL },
		{ "From: a@other.example\r\n\r\n", NULL }, { "From: a@notexample.com\r\n\r\n", NULL }, { "From: a@com\r\n\r\n", NULL },
		{ "From: a@example.com.evil.example\r\n\r\n", NULL }, { "From: a\r\n\r\n", NULL }, { "From:\r\n\r\n", NULL }, { "\r\nx\r\n", NULL }, { "", NULL },
		{ "Sender: a@example.com\r\n\r\n", NULL }, { "From: a@example.com\r\nFrom: a@example.com\r\n\r\n", NULL },
		{ "From: a@example.com\r\nno field\r\n\r\n", NULL }, { "X: y\r\n\r\nFrom: a@example.com\r\n", NULL },
	};
	struct dkim_keys *k = keys_for_rows();
	struct buf out, want, flat;

	buf_init(&out, LIMIT_DKIM_FIELD);
	buf_init(&flat, LIMIT_DKIM_FIELD);
	buf_init(&want, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%zu", i);
		sign(k, str_of(rows[i].text), 7, &out);
		buf_clear(&want);
		buf_clear(&flat);
		for (size_t j = 0; j < out.n; j++)
			if (!ascii_is_space(out.p[j]))
				buf_byte(&flat, out.p[j]);
		buf_printf(&want, ";d=%s;s=s;t=1234567890;h=", rows[i].domain ? rows[i].domain : "");
		CHECK_INT(str_find(buf_view(&flat), buf_view(&want)) >= 0, !!rows[i].domain);
		CHECK_INT(out.n > 0, !!rows[i].domain);
	}
	buf_fini(&out);
	buf_fini(&want);
	buf_fini(&flat);
	dkim_keys_unref(k);
}

/* the digest of the body is that of this body (RFC 6376 section 3.7), of an empty one that of nothing */
T(dkim_signs_this_body_and_no_other)
{
	static const struct { const char *body, *digest; } bodies[] = {
		{ "hi\r\n", "RHI91NDg1Go8f6isolS2HCe2tXiflhd+gsgHAECfFTU=" }, { "hi  you \r\n\r\n", "+tMjv2tUOkYuMDiqFjiTX/uhC5YYFlDbXn7/yabn0yU=" },
		{ "", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" },
	};
	struct dkim_keys *k = keys_for_rows();
	struct buf out, flat, text;

	buf_init(&out, LIMIT_DKIM_FIELD);
	buf_init(&flat, LIMIT_DKIM_FIELD);
	buf_init(&text, 1000);
	for (size_t i = 0; i < 3 * sizeof(bodies) / sizeof(bodies[0]); i++) {
		static const size_t steps[] = { 1, 7, 1000 };
		char want[100];

		ROW("%zu", i);
		buf_clear(&text);
		buf_printf(&text, "From: a@example.com\r\n\r\n%s", bodies[i / 3].body);
		sign(k, buf_view(&text), steps[i % 3], &out);
		buf_clear(&flat);
		for (size_t j = 0; j < out.n; j++)
			if (!ascii_is_space(out.p[j]))
				buf_byte(&flat, out.p[j]);
		snprintf(want, sizeof(want), ";bh=%s;", bodies[i / 3].digest);
		CHECK(str_find(buf_view(&flat), str_of(want)) > 0);
	}
	buf_fini(&out);
	buf_fini(&flat);
	buf_fini(&text);
	dkim_keys_unref(k);
}

T(dkim_names_each_field_that_is_there_and_from_once_more)
{
	struct dkim_keys *k = keys_for_rows();
	struct buf out, again, flat;
	struct str text = STR("Received: x\r\nTo: a@b\r\nsubject: x\r\nFrom: a@example.com\r\nTo: c@d\r\nX-Own: x\r\nBcc: x\r\n\r\nbody\r\n");

	buf_init(&out, LIMIT_DKIM_FIELD);
	buf_init(&again, LIMIT_DKIM_FIELD);
	buf_init(&flat, LIMIT_DKIM_FIELD);
	sign(k, text, text.n, &out);
	for (size_t i = 0; i < out.n; i++)
		if (!ascii_is_space(out.p[i]))
			buf_byte(&flat, out.p[i]);
	CHECK(str_find(buf_view(&flat), STR(";h=From:From:Subject:To:To;bh=")) >= 0);
	CHECK(str_starts(buf_view(&out), STR("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;")));
	CHECK(str_ends(buf_view(&out), STR("\r\n")));
	/* there is no chance in it: pieces and white space change nothing */
	sign(k, text, 1, &again);
	CHECK_STR(buf_cstr(&again), buf_cstr(&out));
	sign(k, STR("Received: y\r\nTO:  a@b\r\nSubject:\r\n\tx \r\nFrom:a@example.com\r\nTo: c@d\r\n\r\nbody \t\r\n\r\n"), 100, &again);
	CHECK_STR(buf_cstr(&again), buf_cstr(&out));
	/* and words change it */
	sign(k, STR("To: a@b\r\nsubject: y\r\nFrom: a@example.com\r\nTo: c@d\r\n\r\nbody\r\n"), 100, &again);
	CHECK(!str_eq(buf_view(&again), buf_view(&out)));
	buf_fini(&out);
	buf_fini(&again);
	buf_fini(&flat);
	dkim_keys_unref(k);
}

T(dkim_field_has_short_lines_however_many_fields_it_names)
{
	struct dkim_keys *k = keys_for_rows();
	struct buf out, text;
	struct str rest, line;

	buf_init(&out, LIMIT_DKIM_FIELD);
	buf_init(&text, 1000000);
	for (int i = 0; i <= LIMIT_DKIM_INSTANCES; i++)
		buf_printf(&text, "List-Unsubscribe-Post: %d\r\nContent-Transfer-Encoding: %d\r\n", i, i);
	buf_z(&text, "From: a@example.com\r\n\r\n");
	sign(k, buf_view(&text), 1000, &out);
	rest = buf_view(&out);
	REQUIRE(out.n > 0);
	while (str_cut(&rest, '\n', &line))
		CHECK(line.n <= 80);
	rest = buf_view(&out);
	for (int i = 0; i < LIMIT_DKIM_INSTANCES; i++) {
		ptrdiff_t at = str_find(rest, STR("List-Unsubscribe-Post"));

		REQUIRE(at >= 0);
		rest = str_from(rest, (size_t)at + 1);
	}
	CHECK(str_find(rest, STR("List-Unsubscribe-Post")) < 0);
	buf_fini(&out);
	buf_fini(&text);
	dkim_keys_unref(k);
}

/* by a folder: one selector, and another where the list has it; DOMAIN.private beside them */
T(dkim_keys_of_a_folder_have_the_selectors_of_a_list)
{
	static const struct { const char *address, *domain, *selector; } rows[] = {
		{ "u@a.example", "a.example", "s" }, { "u@b.example", "b.example", "other.one" }, { "u@x.B.example", "b.example", "other.one" },
		{ "u@c.example", "c.example", "s" }, { "u@d.example", "d.example", "t" }, { "u@e.example", "", "" }, { "c.example", "", "" },
	};
	static const char *const files[] = { "a.example.s.pem", "a.example.private", "b.example.s.pem", "b.example.other.one.pem", "c.example.private",
		"d.example.private" };
	struct dkim_keys *k;
	struct buf why;

	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		make_key(files[i], 2048, 0600);
	k = folder_keys(t_tmpdir(), "s, b.example=other.one,D.example=t", &why);
	CHECK_STR(buf_cstr(&why), "");
	for (size_t i = 0; k && i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct dkim_key *key = dkim_keys_find(k, str_of(rows[i].address));

		ROW("%s", rows[i].address);
		CHECK_STR(key ? key->domain : "", rows[i].domain);
		CHECK_STR(key ? key->selector : "", rows[i].selector);
	}
	dkim_keys_unref(k);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		drop_key(files[i]);
	buf_fini(&why);
}

static void make_file(const char *name, const char *format, const char *folder)
{
	char path[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	/* the key's place stands for every %s */
	for (const char *p = format; f && *p; p++)
		if (p[0] == '%' && p[1] == 's')
			fputs(folder, f), p++;
		else
			fputc(*p, f);
	if (f)
		fclose(f);
}

static struct dkim_keys *table_keys(const char *kind, const char *keys, const char *signing, struct buf *why)
{
	char key_table[400], signing_table[400];

	make_file("KeyTable", keys, t_tmpdir());
	make_file("SigningTable", signing, t_tmpdir());
	snprintf(key_table, sizeof(key_table), "%s/KeyTable", t_tmpdir());
	snprintf(signing_table, sizeof(signing_table), "%s%s/SigningTable", kind, t_tmpdir());
	buf_clear(why);
	return dkim_keys_open(&(struct dkim_options){ .folder = "", .selectors = "", .key_table = key_table, .signing_table = signing_table }, why);
}

#define KEYS "# name domain:selector:path\none a.example:s1:%s/k.pem\n\ntwo b.example:s2:%s/k.pem # why not\nany %:s3:%s/k.pem\n"

T(dkim_tables_are_those_of_opendkim)
{
	static const struct { const char *kind, *signing, *address, *selector; } rows[] = {
		{ "refile:", "*@a.example one\n", "U@A.example", "s1" }, { "refile:", "*@a.example one\n", "u@x.a.example", "" },
		{ "refile:", "*@*.a.example two\n*@a.example one", "u@x.a.example", "s2" }, { "refile:", "a.example one\n", "u@a.example", "" },
		{ "refile:", "boss@a.example two,one\n* any\n", "boss@a.example", "s2" }, { "refile:", "boss@a.example two\n* any\n", "u@z.test", "s3" },
		{ "refile:", "*a*@*b*c one\n", "xa@b.cc", "s1" }, { "refile:", "*a*@*b*c one\n", "xa@b.cd", "" }, { "refile:", "u@a.exampl one\n", "u@a.example", "" },
		{ "", "*@a.example one\n", "u@a.example", "" }, { "file:", "a.example\tone\n", "u@A.Example", "s1" }, { "", "a.example one\n", "u@x.a.example", "" },
		{ "", ".a.example one\n", "u@y.x.a.example", "s1" }, { "", ".a.example one\n", "u@a.example", "" }, { "", "u@* two\n", "u@z.test", "s2" },
		{ "", "* any\nu@a.example one\na.example two\n", "u@a.example", "s1" }, { "", "* any\na.example two\n", "u@a.example", "s2" },
		{ "", "* any\n", "u@q.test", "s3" },
	};
	struct buf why;

	buf_init(&why, 1000);
	make_key("k.pem", 2048, 0600);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dkim_keys *k = table_keys(rows[i].kind, KEYS, rows[i].signing, &why);
		const struct dkim_key *key = k ? dkim_keys_find(k, str_of(rows[i].address)) : NULL;

		ROW("%zu %s", i, rows[i].signing);
		CHECK_STR(buf_cstr(&why), "");
		CHECK_STR(key ? key->selector : "", rows[i].selector);
		/* who signs for an address signs for its domain */
		CHECK(!key || dkim_keys_for(k, key, str_from(str_of(rows[i].address), (size_t)str_chr(str_of(rows[i].address), '@') + 1)));
		CHECK(!k || !dkim_keys_for(k, &k->v[0], STR("stranger.test")));
		dkim_keys_unref(k);
	}
	drop_key("k.pem");
	buf_fini(&why);
}

T(dkim_tables_refuse_lines_that_are_none)
{
	static const struct { const char *keys, *signing, *why; } rows[] = {
		{ "one a.example:s1\n", "* one", "KeyTable, line 1: not NAME DOMAIN:SELECTOR:/PATH" }, { "one\n", "* one", "KeyTable, line 1: not NAME" },
		{ "\none a..example:s:%s/k.pem\n", "* one", "KeyTable, line 2: no domain" }, { "one a.example:s/:%s/k.pem\n", "* one", "no selector" },
		{ KEYS "one a.example:s:%s/k.pem\n", "* one", "a name that was there before" }, { "one a.example:s:%s/none.pem", "* one", "none.pem: No such file" },
		{ KEYS, "* three\n", "SigningTable, line 1: the key table has no such name" }, { KEYS, "*\n", "SigningTable, line 1: the key" },
		{ KEYS, "# nothing\n", "nobody's mail is signed by it" },
	};
	struct buf why;

	buf_init(&why, 1000);
	make_key("k.pem", 2048, 0600);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%zu", i);
		CHECK(!table_keys("", rows[i].keys, rows[i].signing, &why));
		if (str_find(buf_view(&why), str_of(rows[i].why)) < 0)
			CHECK_STR(buf_cstr(&why), rows[i].why);
	}
	buf_clear(&why);
	CHECK(!dkim_keys_open(&(struct dkim_options){ .folder = "/x", .selectors = "s", .key_table = "/k", .signing_table = "/s" }, &why));
	CHECK_STR(buf_cstr(&why), "the two tables go together, and not with a folder");
	drop_key("k.pem");
	buf_fini(&why);
}
