/* test_policy_dane.c - TLSA records: which certificates they stand for, and which of them count for a host. */
#include <stdio.h>

#include "core/policy/dane.h"
#include "tests/unit/t.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- records --------------------------------------------------------------------------------------------------------- */

T(tlsa_records)
{
	static const struct { uint8_t head[3]; size_t n; const char *want; } rows[] = {
		{ { 3, 1, 1 }, 32, NULL }, { { 2, 0, 2 }, 64, NULL }, { { 3, 0, 0 }, 500, NULL }, { { 2, 1, 0 }, 1, NULL },
		{ { 0, 0, 1 }, 32, "usages" }, { { 1, 1, 1 }, 32, "usages" }, { { 4, 1, 1 }, 32, "not known" }, { { 3, 2, 1 }, 32, "not known" },
		{ { 3, 1, 3 }, 32, "not known" }, { { 3, 1, 1 }, 31, "length" }, { { 3, 1, 1 }, 64, "length" }, { { 3, 1, 2 }, 32, "length" },
		{ { 3, 1, 0 }, 0, "too short" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t data[600] = { 0 };
		struct tlsa t;
		const char *wrong;

		memcpy(data, rows[i].head, 3);
		ROW("%d %d %d of %zu", data[0], data[1], data[2], rows[i].n);
		wrong = tlsa_parse(data, 3 + rows[i].n, &t);
		CHECK_INT(!wrong, !rows[i].want);
		if (rows[i].want && wrong)
			CHECK(strstr(wrong, rows[i].want) != NULL);
	}
}

T(tlsa_matching)
{
	static const char *const contents[3][2] = { { "leaf", "leaf key" }, { "between", "between key" }, { "root", "root key" } };
	static const struct { uint8_t usage, selector, matching; const char *of; bool name_ok, want; } rows[] = {
		{ 3, 0, 1, "leaf", true, true }, { 3, 1, 1, "leaf key", true, true }, { 3, 0, 2, "leaf", true, true }, { 3, 1, 2, "leaf key", true, true },
		{ 3, 0, 0, "leaf", true, true }, { 3, 1, 0, "leaf key", true, true }, { 3, 1, 1, "leaf key", false, true },
		{ 3, 0, 1, "leaf key", true, false }, { 3, 1, 1, "between key", true, false }, { 3, 1, 0, "leaf kez", true, false },
		{ 2, 0, 1, "between", true, true }, { 2, 1, 2, "between key", true, true }, { 2, 1, 0, "between key", true, true },
		{ 2, 0, 1, "between", false, false }, { 2, 0, 1, "leaf", true, false },
		{ 2, 0, 1, "root", true, false }, /* it is there, but the chain does not hold up to it */
	};
	struct tls_link chain[3];

	memset(chain, 0, sizeof(chain));
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 2; k++) {
			tls_sha256(chain[i].sha256[k], contents[i][k], strlen(contents[i][k]));
			tls_sha512(chain[i].sha512[k], contents[i][k], strlen(contents[i][k]));
		}
	chain[1].anchors = true;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t digest[64];
		struct tlsa t = { rows[i].usage, rows[i].selector, rows[i].matching, digest, rows[i].matching == 2 ? 64 : 32 };

		ROW("%d %d %d %s", t.usage, t.selector, t.matching, rows[i].of);
		tls_sha256(digest, rows[i].of, strlen(rows[i].of));
		if (t.matching == 2)
			tls_sha512(digest, rows[i].of, strlen(rows[i].of));
		if (t.matching == 0)
			t.data = (const uint8_t *)rows[i].of, t.n = strlen(rows[i].of);
		CHECK_INT(tlsa_matches(&t, chain, 3, rows[i].name_ok), rows[i].want);
		CHECK(!tlsa_matches(&t, chain, 0, true));
	}
}

T(tlsa_weaker_digests_are_passed_over)
{
	static const struct { const char *set; size_t i; bool want; } rows[] = {
		{ "311", 0, true }, { "311 312", 0, false }, { "311 312", 1, true }, { "311 310", 0, true }, { "310 312", 0, true },
		{ "311 302", 0, true }, { "311 212", 0, true }, { "211 311 312", 0, true }, { "211 311 312", 1, false }, { "311 311", 0, true },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct tlsa v[4];
		size_t n = 0;

		ROW("%s, %zu", rows[i].set, rows[i].i);
		for (const char *p = rows[i].set; *p; p += 3 + (p[3] == ' '))
			v[n++] = (struct tlsa){ .usage = (uint8_t)(p[0] - '0'), .selector = (uint8_t)(p[1] - '0'), .matching = (uint8_t)(p[2] - '0') };
		CHECK_INT(tlsa_counts(v, n, rows[i].i), rows[i].want);
	}
}

/* --- a host ---------------------------------------------------------------------------------------------------------- */

/* the DNS of one row: "TYPE name=answer" with | between; an answer is words: "+" proven, "again", "none" (no such data), "nx",
 * ">name" (what the name asked is an alias for), and values. What is not there has no data, and that is proven */
static void give(struct dane *x, const char *zone, const char *name, enum dns_type type)
{
	static struct dns_record records[8];
	static uint8_t data[8][3 + 64];
	struct dns_answer a = { .status = DNS_NODATA, .authentic = true, .records = records };
	const char *word = type == DNS_MX ? "MX" : type == DNS_TLSA ? "TLSA" : type == DNS_A ? "A" : "AAAA";
	struct str rest = str_of(zone), row, values, key, v;

	snprintf(a.canonical, sizeof(a.canonical), "%s", name);
	while (str_cut(&rest, '|', &row)) {
		struct buf want;
		bool same;

		buf_init(&want, 400);
		buf_printf(&want, "%s %s", word, name);
		values = str_trim(row);
		str_cut(&values, '=', &key);
		same = str_eq(key, buf_view(&want));
		buf_fini(&want);
		if (!same)
			continue;
		a.authentic = false;
		while (str_word(&values, " ", &v)) {
			struct dns_record *r = &records[a.n];

			if (str_eq(v, STR("+"))) {
				a.authentic = true;
			} else if (str_eq(v, STR("again"))) {
				a.status = DNS_AGAIN;
			} else if (str_eq(v, STR("nx"))) {
				a.status = DNS_NXDOMAIN;
			} else if (v.p[0] == '>') {
				snprintf(a.canonical, sizeof(a.canonical), "%.*s", STR_ARG(str_from(v, 1)));
			} else if (!str_eq(v, STR("none"))) {
				*r = (struct dns_record){ .type = type };
				snprintf(r->target, sizeof(r->target), "%.*s", STR_ARG(v));
				memset(data[a.n], 0, sizeof(data[0]));
				for (size_t k = 0; k < 3 && k < v.n; k++)
					data[a.n][k] = (uint8_t)(v.p[k] - '0');
				r->data = data[a.n];
				r->data_n = v.n > 3 ? 10 : (uint16_t)(3 + (data[a.n][2] == 2 ? 64 : 32));
				a.status = DNS_OK;
				a.n++;
			}
		}
		break;
	}
	dane_answer(x, &a);
}

T(dane_host)
{
	static const char mx[] = "MX d.test=+ h.test | A h.test=+ 1 | ";
	static const struct { const char *nexthop, *host, *zone; bool only; enum dane_result want; const char *base; size_t n; const char *why; } rows[] = {
		/* usable, unusable, some of each */
		{ "d.test", "h.test", "TLSA _25._tcp.h.test=+ 311", false, DANE_MATCH, "h.test", 1, "" },
		{ "d.test", "h.test", "TLSA _25._tcp.h.test=+ 311", true, DANE_MATCH, "h.test", 1, "" },
		{ "d.test", "h.test", "TLSA _25._tcp.h.test=+ 311 202 101 341 311x", false, DANE_MATCH, "h.test", 2, "" },
		{ "d.test", "h.test", "TLSA _25._tcp.h.test=+ 011 111 411 321 313 311x", false, DANE_ENCRYPT, "h.test", 0, "" },
		{ "d.test", "h.test", "TLSA _25._tcp.h.test=+ 111", true, DANE_FAILED, "h.test", 0, "TLSA records unusable" },
		/* none: proven, not proven, not to be had */
		{ "d.test", "h.test", "TLSA _25._tcp.h.test=+ none", false, DANE_MAY, "", 0, "" },
		{ "d.test", "h.test", "TLSA _25._tcp.h.test=+ nx", true, DANE_FAILED, "", 0, "no TLSA records found" },
		{ "d.test", "h.test", "TLSA _25._tcp.h.test=311", false, DANE_MAY, "", 0, "" },
		{ "d.test", "h.test", "TLSA _25._tcp.h.test=311", true, DANE_FAILED, "", 0, "no TLSA records found" },
		{ "d.test", "h.test", "TLSA _25._tcp.h.test=again", false, DANE_FAILED, "", 0, "TLSA lookup error for h.test:25" },
		{ "d.test", "h.test", "TLSA _25._tcp.h.test=again", true, DANE_FAILED, "", 0, "TLSA lookup error" },
		/* records of another port or name are not this host's */
		{ "d.test", "h.test", "TLSA _465._tcp.h.test=+ 311 | TLSA _25._tcp.d.test=+ 311", false, DANE_MAY, "", 0, "" },
		/* the host's own record: not proven, not there now, or an alias */
		{ "", "i.test", "A i.test=1 | TLSA _25._tcp.i.test=+ 311", false, DANE_MAY, "", 0, "" },
		{ "", "i.test", "A i.test=1 | TLSA _25._tcp.i.test=+ 311", true, DANE_FAILED, "", 0, "non DNSSEC destination" },
		{ "", "i.test", "A i.test=again", false, DANE_FAILED, "", 0, "address lookup error for i.test" },
		{ "", "i.test", "A i.test=+ >r.test 1 | TLSA _25._tcp.r.test=+ 311 | TLSA _25._tcp.i.test=+ 202 211", false, DANE_MATCH, "r.test", 1, "" },
		{ "", "i.test", "A i.test=+ >r.test 1 | TLSA _25._tcp.i.test=+ 202 211", false, DANE_MATCH, "i.test", 2, "" },
		{ "", "i.test", "A i.test=+ >r.test 1 | TLSA _25._tcp.r.test=311 | TLSA _25._tcp.i.test=+ 311", false, DANE_MATCH, "i.test", 1, "" },
		{ "", "i.test", "A i.test=+ >r.test 1 | TLSA _25._tcp.r.test=+ 111 | TLSA _25._tcp.i.test=+ 311", false, DANE_ENCRYPT, "r.test", 0, "" },
		{ "", "i.test", "A i.test=+ >r.test 1 | TLSA _25._tcp.r.test=again | TLSA _25._tcp.i.test=+ 311", false, DANE_FAILED, "", 0, "TLSA lookup error" },
		{ "", "i.test", "A i.test=>r.test 1 | TLSA _25._tcp.r.test=+ 311", false, DANE_MAY, "", 0, "" },
		/* MX records: not proven, not there now, none, and others than before */
		{ "e.test", "h.test", "MX e.test=h.test | TLSA _25._tcp.h.test=+ 311", false, DANE_MATCH, "h.test", 1, "" },
		{ "e.test", "h.test", "MX e.test=h.test | TLSA _25._tcp.h.test=+ 311", true, DANE_FAILED, "", 0, "non DNSSEC destination" },
		{ "e.test", "h.test", "MX e.test=again | TLSA _25._tcp.h.test=+ 311", false, DANE_FAILED, "", 0, "MX lookup error for e.test" },
		{ "h.test", "h.test", "MX h.test=+ none | TLSA _25._tcp.h.test=+ 311", true, DANE_MATCH, "h.test", 1, "" },
		{ "e.test", "h.test", "MX e.test=+ x.test H.TEST | TLSA _25._tcp.h.test=+ 311", false, DANE_MATCH, "h.test", 1, "" },
		{ "e.test", "h.test", "MX e.test=+ x.test | TLSA _25._tcp.h.test=+ 311", false, DANE_FAILED, "", 0, "among the MX records" },
		{ "e.test", "h.test", "MX e.test=+ none", false, DANE_FAILED, "", 0, "among the MX records" },
		/* an address, or a socket */
		{ "", "", "", false, DANE_MAY, "", 0, "" },
		{ "", "", "", true, DANE_FAILED, "", 0, "non DNSSEC destination" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dane_site site = { .nexthop = str_of(rows[i].nexthop), .host = str_of(rows[i].host), .address = DNS_A, .port = 25,
			.only = rows[i].only };
		enum dns_type type;
		char zone[600], name[300];
		struct dane x;
		int asked = 0;

		ROW("%s -> %s%s: %s", rows[i].nexthop, rows[i].host, rows[i].only ? " only" : "", rows[i].zone);
		snprintf(zone, sizeof(zone), "%s%s", mx, rows[i].zone);
		dane_begin(&x, &site);
		while (dane_next(&x, name, &type) && asked++ < 10)
			give(&x, zone, name, type);
		CHECK(asked <= 4);
		CHECK_INT(x.stage, DANE_SETTLED);
		CHECK_INT(x.result, rows[i].want);
		CHECK_STR(x.base, rows[i].base);
		CHECK_INT(x.n, rows[i].n);
		CHECK_INT(*x.why != 0, *rows[i].why != 0);
		CHECK(strstr(x.why, rows[i].why) != NULL);
		dane_fini(&x);
	}
}

T(dane_names_of_usage_2)
{
	static const struct { const char *nexthop, *host, *zone; const char *want; } rows[] = {
		{ "D.test.", "h.test", "MX d.test=+ h.test | A h.test=+ 1 | TLSA _25._tcp.h.test=+ 211", "h.test d.test d.test" },
		{ "d.test", "h.test", "MX d.test=+ >e.test h.test | A h.test=+ >r.test 1 | TLSA _25._tcp.r.test=+ 211", "r.test d.test e.test" },
		{ "d.test", "h.test", "MX d.test=+ h.test | A h.test=+ >r.test 1 | TLSA _25._tcp.h.test=+ 211", "h.test d.test d.test" },
		{ "d.test", "h.test", "MX d.test=>evil.test h.test | A h.test=+ 1 | TLSA _25._tcp.h.test=+ 211", "h.test d.test" },
		{ "", "h.test", "A h.test=+ 1 | TLSA _25._tcp.h.test=+ 211", "h.test" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dane_site site = { .nexthop = str_of(rows[i].nexthop), .host = str_of(rows[i].host), .address = DNS_A, .port = 25 };
		char name[300], got[800] = "";
		enum dns_type type;
		const char *names[3];
		struct dane x;

		ROW("%s: %s", rows[i].nexthop, rows[i].zone);
		dane_begin(&x, &site);
		while (dane_next(&x, name, &type))
			give(&x, rows[i].zone, name, type);
		for (size_t k = 0, n = dane_names(&x, names); k < n; k++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", k ? " " : "", names[k]);
		CHECK_STR(got, rows[i].want);
		dane_fini(&x);
	}
}

T(dane_one_record_of_several_is_enough)
{
	struct tls_link chain[2];
	uint8_t old[32] = { 1 }, now[32], strong[64] = { 2 };
	struct tlsa v[3] = { { 3, 1, 1, old, 32 }, { 3, 1, 1, now, 32 }, { 3, 1, 2, strong, 64 } };
	struct dane x = { .v = v, .n = 2 };

	memset(chain, 7, sizeof(chain));
	memset(now, 7, sizeof(now));
	CHECK(dane_matches(&x, chain, 1, false));
	CHECK(!dane_matches(&x, chain, 0, true));
	x.n = 1;
	CHECK(!dane_matches(&x, chain, 2, true));
	/* a stronger digest that does not match stands before weaker ones that do */
	x.n = 3;
	CHECK(!dane_matches(&x, chain, 2, true));
}
