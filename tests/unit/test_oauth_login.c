/* What a login hears and says, without a network. */
#include "core/base/limits.h"
#include "core/oauth/login.h"
#include "core/oauth/state.h"
#include "tests/unit/t.h"

T(device_answer_is_read_with_its_bounds)
{
	static const struct { const char *json; bool good; int lives, interval; const char *url; } rows[] = {
		{ "{\"device_code\":\"d\",\"user_code\":\"u\",\"verification_uri\":\"https://a/\",\"expires_in\":900}", true, 900, 5, "https://a/" },
		{ "{\"device_code\":\"d\",\"user_code\":\"u\",\"verification_url\":\"https://b/\",\"expires_in\":\"99999\",\"interval\":1000000}", true, 1800, 60, "https://b/" },
		{ "{\"device_code\":\"d\",\"user_code\":\"u\",\"verification_uri\":\"https://a/\",\"interval\":0,\"expires_in\":-1}", true, 1800, 1, "https://a/" },
		{ "{\"device_code\":\"\",\"user_code\":\"u\",\"verification_uri\":\"https://a/\"}", false, 0, 0, "" },
		{ "{\"device_code\":\"d\",\"verification_uri\":\"https://a/\"}", false, 0, 0, "" }, { "{\"device_code\":\"d\",\"user_code\":\"u\"}", false, 0, 0, "" },
		{ "[]", false, 0, 0, "" }, { "", false, 0, 0, "" },
	};
	struct arena arena;
	struct oauth_device d;

	arena_init(&arena, 4 * LIMIT_OAUTH_TEXT);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHECK(device_hear(str_of(rows[i].json), &arena, &d) == rows[i].good);
		if (rows[i].good)
			CHECK(d.lives == rows[i].lives * USEC_PER_SEC && d.interval == rows[i].interval * USEC_PER_SEC && str_eq(d.url, str_of(rows[i].url)));
	}
	arena_fini(&arena);
}

T(device_waits_for_two_words_only)
{
	usec interval = 5 * USEC_PER_SEC;

	CHECK(device_waits(STR("authorization_pending"), &interval) && interval == 5 * USEC_PER_SEC);
	CHECK(device_waits(STR("slow_down"), &interval) && interval == 10 * USEC_PER_SEC);
	CHECK(!device_waits(STR("access_denied"), &interval) && !device_waits(STR_EMPTY, &interval) && interval == 10 * USEC_PER_SEC);
}

T(code_is_found_in_what_is_pasted)
{
	static const struct { const char *pasted, *code, *why; } rows[] = {
		{ " 4/0Ab\r\n", "4/0Ab", "" }, { "http://127.0.0.1/?state=s&code=4%2F0Ab", "4/0Ab", "" }, { "http://127.0.0.1/?code=a%2&state=s", "a%2", "" },
		{ "http://127.0.0.1/?xcode=a&state=s", "", "that has no code" }, { "http://127.0.0.1/", "", "that has no code" },
		{ "http://127.0.0.1/?code=a&state=t", "", "that is the answer to another login" }, { "http://127.0.0.1/?code=a", "", "that is the answer to another login" },
		{ "http://127.0.0.1/?error=access_denied&state=s", "", "whoever was asked said no" }, { "http://127.0.0.1/?error=x&state=s", "", "the provider refuses" },
		{ "", "", "that has no code" },
	};
	struct arena arena;
	const char *why;

	arena_init(&arena, 4 * LIMIT_OAUTH_TEXT);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str code = login_code(str_of(rows[i].pasted), STR("s"), &arena, &why);

		CHECK(str_eq(code, str_of(rows[i].code)));
		CHECK(code.n || str_eq(str_of(why), str_of(rows[i].why)));
	}
	arena_fini(&arena);
}

T(clocks_are_compared)
{
	usec then = 784111777 * USEC_PER_SEC;

	CHECK(endpoint_skew(STR("Sun, 06 Nov 1994 08:49:37 GMT"), then) == 0);
	CHECK(endpoint_skew(STR("Sun, 06 Nov 1994 08:49:37 GMT"), then + 3600 * USEC_PER_SEC) == 3600 * USEC_PER_SEC);
	CHECK(endpoint_skew(STR("Sun, 06 Nov 1994 09:49:37 GMT"), then) == -3600 * USEC_PER_SEC);
	CHECK(endpoint_skew(STR("Sun, 06 Nox 1994 08:49:37 GMT"), then) == 0 && endpoint_skew(STR("Sun, 06 Nov 1994 08:4a:37 GMT"), then) == 0);
	CHECK(endpoint_skew(STR("Sunday, 06-Nov-94 08:49:37 GMT"), then) == 0 && endpoint_skew(STR_EMPTY, then) == 0);
}

T(faults_are_told_in_words)
{
	static const struct { int status; const char *body, *says; } rows[] = {
		{ 400, "{\"error\":\"invalid_grant\"}", "the grant has ended or was revoked" }, { 401, "{\"error\":\"invalid_client\"}", "client_id or client_secret is wrong" },
		{ 400, "{\"error\":\"interaction_required\",\"error_description\":\"a\\u0007b\"}", "a?b (a person must agree again" },
		{ 400, "{\"error\":\"consent_required\"}", "a person must agree again" }, { 400, "{\"error\":\"unsupported_grant_type\"}", "is it the right one?" },
		{ 500, "{\"access_token\":\"x\"}", "answers 500 without a token" }, { 0, "", "the token endpoint: gone" },
	};
	struct arena arena;
	char why[LIMIT_OAUTH_WHY];
	struct oauth_answer out;

	arena_init(&arena, 4 * LIMIT_OAUTH_TEXT);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fetch_answer a = { .status = rows[i].status, .body = str_of(rows[i].body), .why = "gone" };

		CHECK(!endpoint_hear(&a, 0, &arena, &out, why, sizeof(why)));
		CHECK(strstr(why, rows[i].says) != NULL);
	}
	arena_fini(&arena);
}

T(state_comes_back_for_its_own_credential_only)
{
	static const uint8_t one[32] = { 1 }, two[32] = { 2 };
	struct oauth_state s = { .access_token = STR("ya29"), .refresh_token = STR("1//x"), .why = STR("no"), .expiry = 1700000000 * USEC_PER_SEC }, back;
	struct buf text;

	buf_init(&text, 1000);
	oauth_state_format(&s, one, &text);
	CHECK(oauth_state_parse(buf_view(&text), one, &back) && back.expiry == s.expiry && str_eq(back.why, s.why) && str_eq(back.refresh_token, s.refresh_token));
	CHECK(!oauth_state_parse(buf_view(&text), two, &back) && !back.access_token.n);
	/* as an earlier version wrote it */
	CHECK(oauth_state_parse(str_head(buf_view(&text), text.n - 3), one, &back) && !back.why.n);
	buf_fini(&text);
}

T(file_is_written_as_it_is_read)
{
	struct arena arena;
	struct oauth_credential c = { .client_id = STR("a\"b"), .endpoint = STR("https://x/t"), .refresh_token = STR("r"), .access_token = STR("t"),
		.user = STR("u"), .expiry = 17 * USEC_PER_SEC }, back;
	struct buf text, why;

	arena_init(&arena, 4 * LIMIT_OAUTH_TEXT);
	buf_init(&text, 1000);
	buf_init(&why, 1000);
	credential_write(&c, &text);
	CHECK(credential_is(buf_view(&text)) && credential_read(buf_view(&text), &arena, &back, &why));
	CHECK(str_eq(back.client_id, c.client_id) && back.expiry == c.expiry && str_eq(back.user, c.user) && !back.scope.n && back.grant == OAUTH_REFRESH);
	buf_fini(&text);
	buf_fini(&why);
	arena_fini(&arena);
}
