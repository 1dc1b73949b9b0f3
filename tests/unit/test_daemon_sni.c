/* tls_server_sni_maps: names, and what stands behind each */
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/daemon/sni.h"
#include "core/msg/mime.h"
#include "tests/unit/t.h"

#include <stdio.h>

#define PEM "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
#define OTHER "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n"

static char file[300], table[300], encoded[400];

static void prepare(void)
{
	struct buf b;

	snprintf(file, sizeof(file), "%s/key.pem", t_tmpdir());
	fs_replace(file, 0600, STR(PEM));
	buf_init(&b, 300);
	mime_base64(&b, STR(OTHER), 0);
	snprintf(encoded, sizeof(encoded), "%s", buf_cstr(&b));
	buf_fini(&b);
}

/* spec - a table with these lines; "%F" stands for the file, "%B" for the other key in base64 */
static const char *spec(const char *lines)
{
	static char out[320];
	static int n;
	struct buf b;

	buf_init(&b, 1 << 20);
	for (; *lines; lines++)
		if (lines[0] == '%' && (lines[1] == 'F' || lines[1] == 'B'))
			buf_z(&b, *++lines == 'F' ? file : encoded);
		else
			buf_byte(&b, *lines);
	snprintf(table, sizeof(table), "%.200s/sni%d", t_tmpdir(), n++);
	fs_replace(table, 0600, buf_view(&b));
	buf_fini(&b);
	snprintf(out, sizeof(out), "texthash:%s", table);
	return out;
}

T(names_are_read_with_their_keys)
{
	static const struct { const char *lines; size_t n; const char *name, *pem, *why; } rows[] = {
		{ "Mail.Example.COM %F\n", 1, "mail.example.com", PEM "\n", NULL }, { "a.test %B\n", 1, "a.test", OTHER, NULL }, { ".a.test %F, %F\n", 1, ".a.test", PEM "\n" PEM "\n", NULL },
		{ "a.test %F\nb.test %B\n", 2, NULL, NULL, NULL }, { "", 0, NULL, NULL, NULL },
		{ "a.test /nonexistent/file\n", 0, NULL, NULL, "/nonexistent/file" }, { "a.test AAAA\n", 0, NULL, NULL, "AAAA" },
		/* what comes before the mistake does not make it good */
		{ "a.test %F\nb.test /nonexistent/file\n", 0, NULL, NULL, "/nonexistent/file" },
	};

	prepare();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sni s;
		struct buf why;
		bool good;

		ROW("%s", rows[i].lines);
		buf_init(&why, 1000);
		good = sni_load(&s, spec(rows[i].lines), &why);
		CHECK_INT(good, !rows[i].why);
		CHECK_INT(why.n > 0, rows[i].why != NULL);
		if (rows[i].why)
			CHECK(strstr(buf_cstr(&why), rows[i].why) != NULL);
		else
			CHECK_INT(s.n, rows[i].n);
		if (good && rows[i].name) {
			CHECK_STR(s.v[0].name, rows[i].name);
			CHECK_VIEW(s.v[0].pem, rows[i].pem);
		}
		sni_free(&s);
		buf_fini(&why);
	}
}

T(first_table_that_has_a_name_counts)
{
	char both[700], one[330];
	struct sni s;
	struct buf why;

	prepare();
	buf_init(&why, 1000);
	snprintf(one, sizeof(one), "%s", spec("a.test %B\n"));
	snprintf(both, sizeof(both), "%s %s", one, spec("A.test %F\nb.test %F\n"));
	CHECK(sni_load(&s, both, &why));
	CHECK_INT(s.n, 2);
	CHECK_VIEW(s.v[0].pem, OTHER);
	CHECK_STR(s.v[1].name, "b.test");
	CHECK_VIEW(s.v[1].pem, PEM "\n");
	sni_free(&s);
	buf_fini(&why);
}

T(tables_that_cannot_be_read_through_are_refused)
{
	static const struct { const char *spec, *why; } rows[] = {
		{ "static:x", "static:x: a table of this type cannot be read through: use hash, cdb, texthash or inline" }, { "nosuch:x", "nosuch" },
		{ "texthash:/nonexistent/table", "/nonexistent/table" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sni s;
		struct buf why;

		ROW("%s", rows[i].spec);
		buf_init(&why, 1000);
		CHECK(!sni_load(&s, rows[i].spec, &why));
		CHECK(strstr(buf_cstr(&why), rows[i].why) != NULL);
		if (!i)
			CHECK_STR(buf_cstr(&why), rows[i].why);
		sni_free(&s);
		buf_fini(&why);
	}
}

T(names_have_their_bound)
{
	for (int over = 0; over < 2; over++) {
		struct sni s;
		struct buf lines, why;
		char text[40];

		ROW("%d too many", over);
		prepare();
		buf_init(&lines, 1 << 20);
		buf_init(&why, 1000);
		for (int i = 0; i < LIMIT_SNI_NAMES + over; i++)
			buf_printf(&lines, "n%d.test %%F\n", i);
		snprintf(text, sizeof(text), "more than %d names", LIMIT_SNI_NAMES);
		CHECK_INT(sni_load(&s, spec(buf_cstr(&lines)), &why), !over);
		CHECK_INT(s.n, LIMIT_SNI_NAMES);
		CHECK_INT(strstr(buf_cstr(&why), text) != NULL, over);
		sni_free(&s);
		buf_fini(&lines);
		buf_fini(&why);
	}
}
