/* MTA-STS: the file that outlives us, and what a policy makes of a demand */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/policy/tls_demand.h"
#include "tests/unit/t.h"

static void count(void *ctx, const struct sts_line *x)
{
	(void)x;
	++*(unsigned *)ctx;
}

T(sts_file_is_read_to_the_letter)
{
#define HEAD "relaybox sts 1\n"
	static const struct { const char *text; int lines; } rows[] = {
		{ HEAD "end\n", 0 },
		{ HEAD "x.example 1 1735000000 enforce 604800 mx.x.example *.y.example\nend\n", 1 },
		{ HEAD "x.example 1 1735000000 none 60\ny.example aZ9 0 testing 0 a.b\nend\n", 2 },
		/* -1: refused */
		{ "", -1 }, { HEAD, -1 }, { "relaybox sts 2\nend\n", -1 }, { HEAD "end", -1 }, { HEAD "end\nend\n", -1 }, { "end\n", -1 },
		{ HEAD "\nend\n", -1 },
		{ HEAD "x.example 1 1735000000 enforce 604800\nend\n", -1 }, { HEAD "x.example 1 1735000000 enforced 604800 a.b\nend\n", -1 },
		{ HEAD "x.example 1 1735000000 enforce 604800 a.b \nend\n", -1 }, { HEAD "x.example 1 1735000000 enforce 604800  a.b\nend\n", -1 },
		{ HEAD "x.example 1 01735000000 enforce 604800 a.b\nend\n", -1 }, { HEAD "x.example 1 -1 enforce 604800 a.b\nend\n", -1 },
		{ HEAD "x.example 1 1735000000 enforce 31557601 a.b\nend\n", -1 }, { HEAD "x.example 1 999999999999999 enforce 60 a.b\nend\n", -1 },
		{ HEAD "x.example a-b 1735000000 enforce 604800 a.b\nend\n", -1 }, { HEAD "x/example 1 1735000000 enforce 604800 a.b\nend\n", -1 },
		{ HEAD ".example 1 1735000000 enforce 604800 a.b\nend\n", -1 }, { HEAD "x.example 1 1735000000 enforce 604800 a.*.b\nend\n", -1 },
		{ HEAD "x.example 123456789012345678901234567890123 1 enforce 60 a.b\nend\n", -1 },
		{ HEAD "x.example 1 1735000000 enforce 604800 a.b\r\nend\n", -1 }, { HEAD "x.example 1\nend\n", -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned n = 0;
		bool good;

		ROW("%s", rows[i].text);
		good = sts_file_read(str_of(rows[i].text), count, &n);
		CHECK_INT(good, rows[i].lines >= 0);
		if (good)
			CHECK_INT(n, rows[i].lines);
	}
}

static void add(void *ctx, const struct sts_line *x) { sts_file_add(ctx, x); }

T(sts_file_every_cut_and_every_flip_of_its_frame_is_seen)
{
	static const char text[] = HEAD "x.example 1 1735000000 enforce 604800 mx.x.example\nend\n";
	struct buf again;

	buf_init(&again, 1000);
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		unsigned lines = 0;

		ROW("%zu", n);
		CHECK(!sts_file_read(str_make(text, n), count, &lines));
	}
	sts_file_begin(&again);
	CHECK(sts_file_read(str_of(text), add, &again));
	sts_file_end(&again);
	CHECK_STR(buf_cstr(&again), text);
	buf_fini(&again);
}

T(sts_types_that_a_policy_may_have)
{
	CHECK(sts_policy_is_plain(STR("text/plain")));
	CHECK(sts_policy_is_plain(STR("Text/Plain; charset=utf-8")));
	CHECK(sts_policy_is_plain(STR("text/plain ;x")));
	CHECK(!sts_policy_is_plain(STR("text/html")));
	CHECK(!sts_policy_is_plain(STR("text/plainer")));
	CHECK(!sts_policy_is_plain(STR("")));
}

T(sts_policy_with_more_hosts_than_are_kept_is_refused)
{
	struct sts_policy p;
	struct str at;
	struct buf text;

	buf_init(&text, 10000);
	buf_z(&text, "version: STSv1\nmode: enforce\nmax_age: 60\n");
	for (int i = 0; i < STS_MX_MOST; i++)
		buf_z(&text, "mx: a.b\n");
	CHECK(!sts_policy_parse(buf_view(&text), &p, &at));
	buf_z(&text, "mx: a.b\n");
	CHECK(sts_policy_parse(buf_view(&text), &p, &at) != NULL);
	buf_fini(&text);
}

/* one that the file could not keep would cost all others with the next start */
T(sts_file_keeps_every_policy_that_is_taken)
{
	static const size_t lengths[] = { 1, LIMIT_DOMAIN, LIMIT_DOMAIN + 1, LIMIT_STS_POLICY / STS_MX_MOST, LIMIT_STS_POLICY - 42 };
	struct sts_policy p;
	struct str at;
	struct buf text, file;
	unsigned lines;

	buf_init(&text, LIMIT_STS_POLICY);
	buf_init(&file, LIMIT_STS_FILE);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		ROW("%zu", lengths[i]);
		buf_clear(&text);
		buf_z(&text, "version:STSv1\nmode:enforce\nmax_age:60\n");
		for (int k = 0; k < STS_MX_MOST && text.n + lengths[i] + 4 <= LIMIT_STS_POLICY; k++) {
			buf_z(&text, "mx:");
			for (size_t n = 0; n < lengths[i]; n++)
				buf_byte(&text, 'a');
			buf_byte(&text, '\n');
		}
		if (sts_policy_parse(buf_view(&text), &p, &at)) {
			CHECK(lengths[i] > LIMIT_DOMAIN);
			continue;
		}
		lines = 0;
		buf_clear(&file);
		sts_file_begin(&file);
		sts_file_add(&file, &(struct sts_line){ .domain = STR("x.example"), .id = STR("1"), .policy = &p });
		sts_file_end(&file);
		CHECK(sts_file_read(buf_view(&file), count, &lines));
	}
	buf_fini(&text);
	buf_fini(&file);
}

/* a file that an earlier version made, which kept more: what was used last stays */
T(sts_holds_no_more_than_its_share_of_memory)
{
	char folder[] = "/tmp/test-sts-XXXXXX", path[100], name[100];
	struct loop *l = loop_new();
	struct sts_known known;
	struct sts_policy p;
	struct buf text, file;
	struct str at;
	struct tls_options o = { .ca_file = "", .ca_path = "", .cert_file = "", .key_file = "", .chain_files = "", .protocols = "" };
	struct dns *dns = dns_new(l, &(struct dns_options){ .server = "127.0.0.1:1" });
	struct tls_context *tls;
	struct sts *s;
	int n = 0, all = 150;

	REQUIRE(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/sts", folder);
	buf_init(&text, LIMIT_STS_POLICY);
	buf_z(&text, "version: STSv1\nmode: enforce\nmax_age: 31557600\n");
	for (int i = 0; i < STS_MX_MOST; i++) {
		buf_z(&text, "mx: a");
		for (int k = 0; k < 60; k++)
			buf_z(&text, ".abc");
		buf_byte(&text, '\n');
	}
	CHECK(!sts_policy_parse(buf_view(&text), &p, &at));
	buf_init(&file, LIMIT_STS_FILE);
	sts_file_begin(&file);
	for (int i = 0; i < all; i++) {
		snprintf(name, sizeof(name), "d%d.example", i);
		sts_file_add(&file, &(struct sts_line){ .domain = str_of(name), .id = STR("1"), .fetched = loop_wall(l), .policy = &p });
	}
	sts_file_end(&file);
	REQUIRE(!file.overflow && file.n > LIMIT_STS_HELD && fs_replace(path, 0600, buf_view(&file)) == 0);
	tls = tls_context_new(&o, &text);
	REQUIRE(tls != NULL);
	s = sts_new(&(struct sts_options){ .loop = l, .dns = dns, .file = path });
	for (; n < all; n++) {
		snprintf(name, sizeof(name), "d%d.example", n);
		if (!sts_find(s, str_of(name), tls, &known))
			break;
		CHECK_INT(known.mode, STS_ENFORCE);
	}
	CHECK(n > 100 && n < LIMIT_STS_HELD / 15000);
	for (int i = n; i < all; i++) {
		snprintf(name, sizeof(name), "d%d.example", i);
		CHECK(!sts_find(s, str_of(name), tls, &known));
	}
	sts_free(s);
	tls_context_unref(tls);
	dns_free(dns);
	unlink(path);
	rmdir(folder);
	buf_fini(&text);
	buf_fini(&file);
	loop_free(l);
}

#define POLICY(mode) "version: STSv1\nmode: " mode "\nmx: mx.x.example\nmax_age: 60\n"

T(sts_demands_what_its_mode_says_and_the_table_counts_first)
{
	static const struct {
		const char *level, *table;
		enum sts_mode mode;
		const char *text, *host, *got;
	} rows[] = {
		{ "may", "", STS_ENFORCE, POLICY("enforce"), "mx.x.example", "mta-sts require name hostname" },
		{ "none", "", STS_ENFORCE, POLICY("enforce"), "mx.x.example", "mta-sts require name hostname" },
		{ "encrypt", "", STS_ENFORCE, POLICY("enforce"), "mx.x.example", "mta-sts require name hostname" },
		{ "may", "", STS_ENFORCE, POLICY("enforce"), "mx.y.example", "451" },
		{ "may", "", STS_TESTING, POLICY("testing"), "mx.y.example", "may - - " },
		{ "none", "", STS_TESTING, POLICY("testing"), "mx.y.example", "none - - " },
		{ "encrypt", "", STS_TESTING, POLICY("testing"), "mx.y.example", "encrypt require - " },
		{ "may", "", STS_NONE, POLICY("none"), "mx.y.example", "may - - " },
		{ "may", "", STS_NO_MODE, "", "mx.y.example", "may - - " },
		{ "may", "smtp_tls_policy_maps=static:may", STS_ENFORCE, POLICY("enforce"), "mx.x.example", "no room" },
		{ "may", "smtp_tls_policy_maps=static:encrypt", STS_ENFORCE, POLICY("enforce"), "mx.x.example", "no room" },
		{ "secure", "", STS_ENFORCE, POLICY("enforce"), "mx.x.example", "no room" },
		{ "fingerprint", "smtp_tls_fingerprint_cert_match=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", STS_ENFORCE,
			POLICY("enforce"), "mx.x.example", "no room" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char level[80], got[200];
		const char *const extra[] = { level, "compatibility_level=3.6", *rows[i].table ? rows[i].table : NULL, NULL };
		struct tls_site site = { .nexthop = STR("x.example") };
		struct sts_known known = { .mode = rows[i].mode, .text = str_of(rows[i].text), .why = "" };
		struct conf_diag diag;
		struct conf *c;
		struct maps table;
		struct tls_demand x;
		struct buf why;

		ROW("%zu %s", i, rows[i].level);
		snprintf(level, sizeof(level), "smtp_tls_security_level=%s", rows[i].level);
		conf_diag_init(&diag);
		REQUIRE((c = conf_load(t_tmpdir(), extra, &diag)) != NULL);
		buf_init(&why, 1000);
		REQUIRE(maps_open(&table, c->smtp_tls_policy_maps, &why) == 0);
		tls_demand_make(&x, c, &table, &site, NULL);
		if (tls_demand_may_obey(&x)) {
			tls_demand_obey(&x, c, &known, STR("x.example"), str_of(rows[i].host));
			CHECK_STR(x.sts_domain, "x.example");
			CHECK(x.offer == (strcmp(rows[i].level, "none") != 0 || rows[i].mode == STS_ENFORCE));
			if (x.failed.code)
				snprintf(got, sizeof(got), "%d", x.failed.code);
			else
				snprintf(got, sizeof(got), "%s %s %s %s", x.level->word, x.require ? "require" : "-", x.match == TLS_MATCH_NAME ? "name" : "-", x.words);
		} else {
			snprintf(got, sizeof(got), "no room");
		}
		CHECK_STR(got, rows[i].got);
		tls_demand_fini(&x);
		maps_close(&table);
		buf_fini(&why);
		conf_free(c);
		conf_diag_fini(&diag);
	}
}
