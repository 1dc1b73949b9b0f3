/* test_probe_old_tls.c - the first message of TLS 1.0 and 1.1, byte by byte, and what is made of the answer. */
#include <stdio.h>

#include "core/probe/old_tls.h"
#include "tests/unit/t.h"

#define RANDOM "0123456789abcdefghijklmnopqrstuv"
#define LONGEST 253
/* suites, compression; then groups and points */
#define SUITES "\x00\x24\xc0\x14\xc0\x0a\x00\x39\x00\x35\xc0\x13\xc0\x09\x00\x33\x00\x2f\xc0\x12\xc0\x08\x00\x16\x00\x0a\xc0\x11\x00\x05" \
	"\xc0\x19\x00\x3a\xc0\x18\x00\xff\x01\x00"
#define CURVES "\x00\x0a\x00\x0a\x00\x08\x00\x17\x00\x18\x00\x19\x00\x1d\x00\x0b\x00\x02\x01\x00"

T(old_tls_hello_is_what_the_rfcs_say)
{
	static const struct { unsigned version; const char *name; struct str want; } rows[] = {
		{ OLD_TLS_1_1, "mx.test", STR("\x16\x03\x01\x00\x75\x01\x00\x00\x71\x03\x02" RANDOM "\x00" SUITES "\x00\x24"
			"\x00\x00\x00\x0c\x00\x0a\x00\x00\x07mx.test" CURVES) },
		{ OLD_TLS_1_0, "", STR("\x16\x03\x01\x00\x65\x01\x00\x00\x61\x03\x01" RANDOM "\x00" SUITES "\x00\x14" CURVES) },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;

		ROW("%s", rows[i].name);
		buf_init(&out, 1000);
		old_tls_hello(&out, rows[i].version, (const uint8_t *)RANDOM, str_of(rows[i].name));
		CHECK_INT(out.n, rows[i].want.n);
		CHECK(str_eq(buf_view(&out), rows[i].want));
		buf_fini(&out);
	}
}

static unsigned get(struct str s, size_t at)
{
	return (unsigned)(uint8_t)s.p[at] << 8 | (uint8_t)s.p[at + 1];
}

T(old_tls_hello_lengths_agree_for_every_name)
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
		old_tls_hello(&out, OLD_TLS_1_1, (const uint8_t *)RANDOM, str_of(name));
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

T(old_tls_answers)
{
	static const struct { struct str in; int want; } rows[] = {
		{ STR("\x16\x03\x01\x00\x51\x02\x00\x00\x4d\x03\x01"), OLD_TLS_1_0 }, { STR("\x16\x03\x02\x00\x51\x02\x00\x00\x4d\x03\x02zzz"), OLD_TLS_1_1 },
		{ STR("\x16\x03\x02\x00\x51\x02\x00\x00\x4d\x03"), 0 }, { STR("\x16"), 0 }, { STR(""), 0 },
		/* alerts: protocol_version, handshake_failure; a whole one and its first byte */
		{ STR("\x15\x03\x01\x00\x02\x02\x46"), -1 }, { STR("\x15\x03\x02\x00\x02\x02\x28"), -1 }, { STR("\x15"), -1 },
		/* versions that were not asked for, another message, other words */
		{ STR("\x16\x03\x03\x00\x51\x02\x00\x00\x4d\x03\x03"), -1 }, { STR("\x16\x03\x00\x00\x51\x02\x00\x00\x4d\x03\x00"), -1 },
		{ STR("\x16\x03\x02\x00\x51\x0b\x00\x00\x4d\x03\x02"), -1 }, { STR("\x16\x02\x02\x00\x51\x02\x00\x00\x4d\x03\x02"), -1 },
		{ STR("\x16\x03\x02\x00\x51\x02\x00\x00\x4d\x7f\x02"), -1 }, { STR("220 mx.test ESMTP"), -1 }, { STR("-ERR"), -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%zu", i);
		CHECK_INT(old_tls_answer(rows[i].in), rows[i].want);
	}
}
