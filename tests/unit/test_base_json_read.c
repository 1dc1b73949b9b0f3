/* JSON objects, read strictly */
#include "core/base/json_read.h"
#include "core/base/buf.h"
#include "tests/unit/t.h"

static void on_member(void *ctx, const struct json_member *m)
{
	static const char kinds[] = "snwx";

	buf_printf(ctx, "%.*s %c %.*s|", STR_ARG(m->name), kinds[m->kind], STR_ARG(m->value));
}

static bool read_text(const char *text, struct buf *out)
{
	struct arena a;
	bool good;

	arena_init(&a, 4096);
	buf_clear(out);
	good = json_read_object(str_of(text), &a, on_member, out);
	arena_fini(&a);
	return good;
}

T(json_reads_members)
{
	static const struct { const char *text, *want; } rows[] = {
		{ "{}", "" }, { " \t\r\n{ } \n", "" },
		{ "{\"a\":\"b\"}", "a s b|" }, { "{\"a\" : 1 , \"b\":-0.5e+10,\"c\":true,\"d\":null}", "a n 1|b n -0.5e+10|c w true|d w null|" },
		{ "{\"a\":{\"b\":[1,2,{\"c\":\"d\"}]},\"e\":[]}", "a x {\"b\":[1,2,{\"c\":\"d\"}]}|e x []|" },
		{ "{\"\\u0061\\n\":\"\\\"\\\\\\/\\b\\f\\r\\t\\u00e9\\u20ac\\ud83d\\ude00\"}", "a\n s \"\\/\b\f\r\té€😀|" },
		{ "{\"é\":\"\"}", "é s |" }, { "{\"a\":1,\"a\":2}", "a n 1|a n 2|" },
	};
	struct buf out;

	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].text);
		CHECK(read_text(rows[i].text, &out));
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	buf_fini(&out);
}

T(json_refuses_what_is_none)
{
	static const char *const rows[] = { "", "[]", "\"a\"", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{\"a\":1 \"b\":2}", "{\"a\":01}",
		"{\"a\":1.}", "{\"a\":.5}", "{\"a\":+1}", "{\"a\":1e}", "{\"a\":-}", "{\"a\":tru}", "{\"a\":NaN}", "{'a':1}", "{a:1}", "{\"a\":\"\n\"}",
		"{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\ud800\\u0041\"}", "{\"a\":\"\\udc00\"}",
		"{\"a\":\"", "{\"a\":\"\\", "{\"a\":\"\\\"}", "{} x", "{}{}", "{\"a\":\"\xff\"}", "{\"a\":[1,]}", "{\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}" };
	struct buf out;

	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i]);
		CHECK(!read_text(rows[i], &out));
	}
	buf_fini(&out);
}
