/* test_probe_hello.c - first messages of TLS, byte by byte, and what is made of the answer. */
#include <stdio.h>

#include "core/probe/hello.h"
#include "tests/unit/t.h"

#define RANDOM "0123456789abcdefghijklmnopqrstuv"
#define LONGEST 253
/* suites, compression; then groups and points */
#define SUITES "\x00\x24\xc0\x14\xc0\x0a\x00\x39\x00\x35\xc0\x13\xc0\x09\x00\x33\x00\x2f\xc0\x12\xc0\x08\x00\x16\x00\x0a\xc0\x11\x00\x05" \
	"\xc0\x19\x00\x3a\xc0\x18\x00\xff\x01\x00"
#define CURVES "\x00\x0a\x00\x0a\x00\x08\x00\x17\x00\x18\x00\x19\x00\x1d\x00\x0b\x00\x02\x01\x00"

static void put_old(struct buf *out, unsigned version, struct str name)
{
	uint16_t v[HELLO_SUITES];
	struct hello h = { .version = version, .suites = v, .n = hello_old_suites(v), .name = name };

	hello_put(out, &h, (const uint8_t *)RANDOM);
}

T(hello_is_what_the_rfcs_say)
{
	static const struct { unsigned version; const char *name; struct str want; } rows[] = {
		{ HELLO_TLS_1_1, "mx.test", STR("\x16\x03\x01\x00\x75\x01\x00\x00\x71\x03\x02" RANDOM "\x00" SUITES "\x00\x24"
			"\x00\x00\x00\x0c\x00\x0a\x00\x00\x07mx.test" CURVES) },
		{ HELLO_TLS_1_0, "", STR("\x16\x03\x01\x00\x65\x01\x00\x00\x61\x03\x01" RANDOM "\x00" SUITES "\x00\x14" CURVES) },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;

		ROW("%s", rows[i].name);
		buf_init(&out, 1000);
		put_old(&out, rows[i].version, str_of(rows[i].name));
		CHECK_INT(out.n, rows[i].want.n);
		CHECK(str_eq(buf_view(&out), rows[i].want));
		buf_fini(&out);
	}
}

static unsigned get(struct str s, size_t at)
{
	return (unsigned)(uint8_t)s.p[at] << 8 | (uint8_t)s.p[at + 1];
}

T(hello_lengths_agree_for_every_name)
{
	char name[LONGEST + 2];

	for (size_t n = 0; n <= LONGEST + 1; n++) {
		struct buf out;
		struct str s;
		size_t at = 5 + 4 + 2 + 32 + 1, named = n && n <= LONGEST ? n + 9 : 0;

		ROW("%zu", n);
		memset(name, 'x', n);
		name[n] = '\0';
		buf_init(&out, 1000);
		put_old(&out, HELLO_TLS_1_1, str_of(name));
		s = buf_view(&out);
		CHECK_INT(get(s, 3), s.n - 5);
		CHECK_INT(get(s, 7), s.n - 9);
		at += 2u + get(s, at) + 2;
		CHECK_INT(get(s, at), s.n - at - 2);
		at += 2;
		CHECK_INT(named ? get(s, at + 2) + 4 : 0, named);
		CHECK_INT(get(s, at + named), 10);
		buf_fini(&out);
	}
}

T(hello_of_1_3_offers_nothing_else)
{
	static const struct str want = STR("\x16\x03\x01\x00\x74\x01\x00\x00\x70\x03\x03" RANDOM "\x00\x00\x0a\x13\x02\x13\x03\x13\x01\x13\x04\x13\x05\x01\x00"
		"\x00\x3d" CURVES "\x00\x0d\x00\x18\x00\x16\x04\x03\x05\x03\x06\x03\x08\x04\x08\x05\x08\x06\x04\x01\x05\x01\x06\x01\x02\x01\x02\x03"
		"\x00\x2b\x00\x03\x02\x03\x04\x00\x33\x00\x02\x00\x00");
	uint16_t v[HELLO_SUITES];
	struct hello h = { .version = HELLO_TLS_1_3, .suites = v, .n = hello_suites(HELLO_TLS_1_3, HELLO_ANY, v) };
	struct buf out;

	buf_init(&out, 1000);
	hello_put(&out, &h, (const uint8_t *)RANDOM);
	CHECK_INT(out.n, want.n);
	CHECK(str_eq(buf_view(&out), want));
	buf_fini(&out);
}

/* record, ServerHello with an empty session id: version, then suite, no compression */
#define RECORD(n) "\x16\x03\x03\x00" n
#define SERVER(version, suite) "\x02\x00\x00\x26\x03" version RANDOM "\x00" suite "\x00"
#define CERTIFICATE "\x0b\x00\x00\x09\x00\x00\x06\x00\x00\x03" "abc"

T(hello_answers)
{
	static const struct { struct str in; bool certificates; int want; unsigned version, suite; bool list; } rows[] = {
		{ STR("\x16\x03\x01\x00\x2a" SERVER("\x01", "\xc0\x14")), false, 1, HELLO_TLS_1_0, 0xc014, false },
		{ STR("\x16\x03\x02\x00\x2a" SERVER("\x02", "\x00\x35") "zzz"), false, 1, HELLO_TLS_1_1, 0x35, false },
		/* it is judged once, whatever follows */
		{ STR("\x16\x03\x02\x00\x2a" SERVER("\x02", "\x00\x35") "\x16\x03\x02\x00\x00"), false, 1, HELLO_TLS_1_1, 0x35, false },
		{ STR(RECORD("\x2a") SERVER("\x03", "\xc0\x2f")), true, 0, HELLO_TLS_1_2, 0xc02f, false },
		{ STR(RECORD("\x2a") SERVER("\x03", "\xc0\x2f") RECORD("\x0d") CERTIFICATE), true, 1, HELLO_TLS_1_2, 0xc02f, true },
		{ STR(RECORD("\x37") SERVER("\x03", "\xc0\x2f") CERTIFICATE), true, 1, HELLO_TLS_1_2, 0xc02f, true },
		/* a message in two records, and one that is not whole */
		{ STR(RECORD("\x2d") SERVER("\x03", "\xc0\x2f") "\x0b\x00\x00" RECORD("\x0a") "\x09\x00\x00\x06\x00\x00\x03" "abc"), true, 1, HELLO_TLS_1_2, 0xc02f, true },
		{ STR(RECORD("\x37") SERVER("\x03", "\xc0\x2f") "\x0b\x00\x00\x09\x00\x00\x06\x00\x00\x03" "ab"), true, 0, HELLO_TLS_1_2, 0xc02f, false },
		/* anonymous: what follows is no certificate */
		{ STR(RECORD("\x2e") SERVER("\x03", "\xc0\x19") "\x0c\x00\x00\x00"), true, 1, HELLO_TLS_1_2, 0xc019, false },
		/* 1.3 is said in an extension, and its certificate is covered */
		{ STR(RECORD("\x32") "\x02\x00\x00\x2e\x03\x03" RANDOM "\x00\x13\x01\x00\x00\x06\x00\x2b\x00\x02\x03\x04"), true, 1, HELLO_TLS_1_3, 0x1301, false },
		{ STR("\x16\x03\x02\x00\x51\x02\x00\x00\x4d\x03"), false, 0, 0, 0, false }, { STR("\x16"), false, 0, 0, 0, false }, { STR(""), false, 0, 0, 0, false },
		/* alerts: protocol_version, handshake_failure; a whole one and its first byte */
		{ STR("\x15\x03\x01\x00\x02\x02\x46"), false, -1, 0, 0, false }, { STR("\x15\x03\x02\x00\x02\x02\x28"), false, -1, 0, 0, false }, { STR("\x15"), false, -1, 0, 0, false },
		/* another message, other words, lengths that cannot be */
		{ STR("\x16\x03\x02\x00\x0d" CERTIFICATE), false, -1, 0, 0, false }, { STR("\x16\x02\x02\x00\x2a" SERVER("\x03", "\xc0\x2f")), false, -1, 0, 0, false },
		{ STR(RECORD("\x2a") "\x02\x00\x00\x26\x7f\x03" RANDOM "\x00\xc0\x2f\x00"), false, -1, 0, 0, false }, { STR("220 mx.test ESMTP"), false, -1, 0, 0, false },
		{ STR("\x16\x03\x03\xff\xff\x02"), false, -1, 0, 0, false }, { STR("\x16\x03\x03\x00\x00"), false, -1, 0, 0, false },
		{ STR("\x16\x03\x03\x00\x08\x02\xff\xff\xff\x03\x03\x00\x00"), false, -1, 0, 0, false }, { STR(RECORD("\x06") "\x02\x00\x00\x02\x03\x03"), false, -1, 0, 0, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hello_answer got;
		struct buf list;

		ROW("%zu", i);
		buf_init(&list, 1000);
		CHECK_INT(hello_answer(rows[i].in, &got, rows[i].certificates ? &list : NULL), rows[i].want);
		if (rows[i].want >= 0 && rows[i].version) {
			CHECK_INT(got.version, rows[i].version);
			CHECK_INT(got.suite, rows[i].suite);
		}
		CHECK_INT(list.n, rows[i].list ? 6 : 0);
		if (list.n)
			CHECK(str_ends(buf_view(&list), STR("\x03" "abc")));
		buf_fini(&list);
	}
}

T(hello_ciphers_are_judged_by_their_parts)
{
	static const struct { unsigned suite; const char *name; enum hello_fault fault; } rows[] = {
		{ 0xc02f, "ECDHE-RSA-AES128-GCM-SHA256", HELLO_FINE }, { 0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256", HELLO_FINE }, { 0x0039, "DHE-RSA-AES256-SHA", HELLO_FINE },
		{ 0xcca8, "ECDHE-RSA-CHACHA20-POLY1305", HELLO_FINE }, { 0x002f, "AES128-SHA", HELLO_STATIC }, { 0x009d, "AES256-GCM-SHA384", HELLO_STATIC },
		{ 0x000a, "DES-CBC3-SHA", HELLO_BROKEN }, { 0xc012, "ECDHE-RSA-DES-CBC3-SHA", HELLO_BROKEN }, { 0x0005, "RC4-SHA", HELLO_BROKEN },
		{ 0x0018, "ADH-RC4-MD5", HELLO_BROKEN }, { 0x0034, "ADH-AES128-SHA", HELLO_ANONYMOUS }, { 0xc019, "AECDH-AES256-SHA", HELLO_ANONYMOUS },
		{ 0x0002, "NULL-SHA", HELLO_NO_SECRET }, { 0xc010, "ECDHE-RSA-NULL-SHA", HELLO_NO_SECRET }, { 0x0003, "EXP-RC4-MD5", HELLO_NO_SECRET },
		{ 0x1301, "TLS_AES_128_GCM_SHA256", HELLO_FINE }, { 0x1303, "TLS_CHACHA20_POLY1305_SHA256", HELLO_FINE }, { 0x1300, "0x1300", HELLO_FINE },
	};
	uint16_t v[HELLO_SUITES];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char name[48];

		hello_name(rows[i].suite, name);
		ROW("%x", rows[i].suite);
		CHECK_STR(name, rows[i].name);
		CHECK_INT(hello_judge(rows[i].suite), rows[i].fault);
	}
	for (int key = HELLO_ANY; key <= HELLO_ECDSA; key++)
		for (size_t n = hello_suites(HELLO_TLS_1_2, (enum hello_key)key, v), i = 0; i < n; i++) {
			char name[48];

			hello_name(v[i], name);
			ROW("%s", name);
			CHECK(key == HELLO_ANY || (key == HELLO_ECDSA) == (strstr(name, "ECDSA") != NULL));
			for (size_t k = 0; k < i; k++)
				CHECK(v[i] != v[k]);
		}
}
