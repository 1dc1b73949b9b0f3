/*
 * test_smtp_sasl.c - client mechanisms with the exchanges of their RFCs.
 */
#include "core/msg/mime.h"
#include "core/smtp/sasl.h"
#include "core/smtp/token.h"
#include "tests/unit/t.h"

#include <stdio.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

T(sasl_choose_takes_the_best_that_is_allowed)
{
	static const struct { const char *offered; unsigned forbidden; const char *filter, *want; } rows[] = {
		{ " PLAIN LOGIN", 0, "", "PLAIN" }, { " LOGIN PLAIN CRAM-MD5", 0, "", "CRAM-MD5" },
		{ " LOGIN", SASL_NO_ANONYMOUS, "", "LOGIN" }, { " PLAIN LOGIN", SASL_NO_PLAINTEXT, "", NULL },
		{ " PLAIN LOGIN CRAM-MD5", SASL_NO_PLAINTEXT | SASL_NO_ANONYMOUS, "", "CRAM-MD5" },
		{ " PLAIN LOGIN", 0, "login", "LOGIN" }, { " PLAIN LOGIN", 0, "!PLAIN, static:all", "LOGIN" },
		{ " PLAIN LOGIN", 0, "plain, login", "PLAIN" }, { " GSSAPI NTLM", 0, "", NULL }, { "", 0, "", NULL },
		/* the password is no token unless someone says so */
		{ " XOAUTH2 OAUTHBEARER PLAIN", 0, "", "PLAIN" }, { " XOAUTH2 PLAIN", 0, "xoauth2", "XOAUTH2" },
		{ " XOAUTH2 OAUTHBEARER", 0, "", NULL }, { " XOAUTH2 OAUTHBEARER", 0, "oauthbearer", "OAUTHBEARER" },
		{ " PLAIN-CLIENTTOKEN", 0, "", NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char want[200];
		struct buf why;

		ROW("%s, %u, %s", rows[i].offered, rows[i].forbidden, rows[i].filter);
		buf_init(&why, 200);
		CHECK_STR(sasl_choose(rows[i].offered, rows[i].forbidden, rows[i].filter, &why), rows[i].want);
		snprintf(want, sizeof(want), "no mechanism available (offered: %s)", *rows[i].offered ? rows[i].offered + 1 : "none");
		CHECK_STR(buf_cstr(&why), rows[i].want ? "" : want);
		buf_fini(&why);
	}
}

T(sasl_parse_properties_names_what_it_does_not_know)
{
	struct buf why;

	buf_init(&why, 200);
	CHECK_INT(sasl_parse_properties("noplaintext, noanonymous", &why), SASL_NO_PLAINTEXT | SASL_NO_ANONYMOUS);
	CHECK_INT(sasl_parse_properties("", &why), 0);
	CHECK_INT(why.n, 0);
	sasl_parse_properties("noplaintext, nothing", &why);
	CHECK_STR(buf_cstr(&why), "unknown SASL security option \"nothing\"");
	buf_fini(&why);
}

/* challenges and responses in turn, NULL ends; a response NULL: the step must be refused */
T(sasl_respond_follows_the_rfcs)
{
	static const struct {
		const char *mechanism, *user, *password;
		const char *exchange[6]; /* challenge, response (base64), … */
	} rows[] = {
		{ "PLAIN", "tim", "tanstaaftanstaaf", { "", "AHRpbQB0YW5zdGFhZnRhbnN0YWFm" } },
		{ "LOGIN", "user", "pass", { "Username:", "dXNlcg==", "Password:", "cGFzcw==" } },
		{ "CRAM-MD5", "tim", "tanstaaftanstaaf", { "<1896.697170952@postoffice.reston.mci.net>",
			"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw" } },
		{ "XOAUTH2", "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg",
			{ "", "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==",
			  "{\"status\":\"401\"}", "" } },
		{ "OAUTHBEARER", "user@example.com", "token", { "", "bixhPXVzZXJAZXhhbXBsZS5jb20sAWF1dGg9QmVhcmVyIHRva2VuAQE=",
			"{\"status\":\"invalid_token\"}", "AQ==" } },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sasl_client s = { rows[i].mechanism, str_of(rows[i].user), str_of(rows[i].password), 0 };
		struct buf raw, base64;

		buf_init(&raw, 1000);
		buf_init(&base64, 2000);
		for (size_t k = 0; k < 6 && rows[i].exchange[k]; k += 2) {
			ROW("%s, step %zu", rows[i].mechanism, k / 2);
			buf_clear(&raw);
			buf_clear(&base64);
			CHECK(sasl_respond(&s, str_of(rows[i].exchange[k]), &raw));
			mime_base64(&base64, buf_view(&raw), 0);
			CHECK_STR(buf_cstr(&base64), rows[i].exchange[k + 1]);
		}
		ROW("%s, a step too many", rows[i].mechanism);
		CHECK(!sasl_respond(&s, STR("more"), &raw));
		buf_fini(&raw);
		buf_fini(&base64);
	}
}

T(token_comes_from_its_file_only_where_tokens_are_used)
{
	static const struct { const char *mechanism, *password, *want, *why; } rows[] = {
		{ "XOAUTH2", "ya29.a/b", "ya29.a/b", "" }, { "PLAIN", "file:/no/such", "file:/no/such", "" },
		{ "OAUTHBEARER", "file:/no/such", NULL, "token file /no/such: No such file or directory" },
		{ "XOAUTH2", "file:", NULL, "token file : No such file or directory" },
		{ "XOAUTH2", "/nowhere/user.json", NULL, "token file /nowhere/user.json: No such file or directory" },
		{ "XOAUTH2", "/token", NULL, "token file /token: No such file or directory" }, { "PLAIN", "/nowhere/user.json", "/nowhere/user.json", "" },
		{ "XOAUTH2", "file:/dev/null", NULL, "token file /dev/null: no token in its first line" },
	};
	struct buf out, why;

	buf_init(&out, 100);
	buf_init(&why, 200);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str secret;

		ROW("%s %s", rows[i].mechanism, rows[i].password);
		buf_clear(&why);
		CHECK_INT(token_find(rows[i].mechanism, str_of(rows[i].password), &out, &secret, &why), rows[i].want != NULL);
		CHECK_STR(buf_cstr(&why), rows[i].why);
		if (rows[i].want)
			CHECK(str_eq(secret, str_of(rows[i].want)));
	}
	buf_fini(&out);
	buf_fini(&why);
}

T(sasl_has_initial_where_the_client_goes_first)
{
	CHECK(sasl_has_initial("PLAIN") && sasl_has_initial("xoauth2") && sasl_has_initial("OAUTHBEARER"));
	CHECK(!sasl_has_initial("LOGIN") && !sasl_has_initial("CRAM-MD5") && !sasl_has_initial("X"));
}

T(token_error_tells_what_the_json_of_a_server_says)
{
	static const struct { const char *json, *want; } rows[] = {
		{ "{\"status\":\"401\",\"schemes\":\"bearer mac\",\"scope\":\"https://mail.google.com/\"}", "status 401, scope https://mail.google.com/" },
		{ "{\"status\":400}", "status 400" }, { "{\"schemes\":\"Bearer\"}", "{\"schemes\":\"Bearer\"}" }, { "no", "no" }, { "", "" },
		{ "{\"status\":\"401\"", "{\"status\":\"401\"" },
	};
	struct buf out;

	buf_init(&out, 500);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].json);
		buf_clear(&out);
		token_error(str_of(rows[i].json), &out);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	buf_fini(&out);
}
