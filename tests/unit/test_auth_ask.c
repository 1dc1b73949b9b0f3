/* Who may log in, and how: what is offered on which channel, users of tables and of a Dovecot, each question with its answer. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/auth/auth.h"
#include "core/auth/dovecot.h"
#include "core/auth/password.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "tests/unit/conf_help.h"

#include <unistd.h>

#define SCRAM_ENTRY "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static struct conf *conf_of(const char *more)
{
	struct buf b;
	struct conf *c;

	buf_init(&b, 8000);
	buf_printf(&b, "compatibility_level=3.6\nsmtpd_sasl_auth_enable=yes\nqueue_directory=%s/queue\n%s", t_tmpdir(), more);
	c = load(buf_cstr(&b), "");
	buf_fini(&b);
	return c;
}

/* users - a table with these lines, as a parameter */
static const char *users(const char *lines)
{
	static char text[600];
	static int n;
	char path[400];

	snprintf(path, sizeof(path), "%s/users%d", t_tmpdir(), n++);
	fs_replace(path, 0600, str_of(lines));
	snprintf(text, sizeof(text), "smtpd_sasl_password_maps=texthash:%s\n", path);
	return text;
}

/* --- what is offered -------------------------------------------------------------------------------------------------------- */

T(mechanisms_are_offered_where_they_may_be_used)
{
	static const struct { const char *more, *users; const char *clear, *tls, *bound; } rows[] = {
		{ "", "a {PLAIN}b\n", "", "PLAIN LOGIN SCRAM-SHA-256", "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS" },
		{ "", "a $6$saltsalt$x\n", "", "PLAIN LOGIN", "PLAIN LOGIN" }, { "", "a " SCRAM_ENTRY "\nb {PLAIN}c\n", "", "PLAIN LOGIN SCRAM-SHA-256",
		  "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS" },
		{ "", "a " SCRAM_ENTRY "\nb $6$saltsalt$x\n", "", "PLAIN LOGIN", "PLAIN LOGIN" }, { "", "", "", "PLAIN LOGIN", "PLAIN LOGIN" },
		{ "smtpd_tls_auth_only=no\nsmtpd_sasl_security_options=noanonymous\n", "a {PLAIN}b\n", "PLAIN LOGIN SCRAM-SHA-256", "PLAIN LOGIN SCRAM-SHA-256",
		  "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS" },
		{ "smtpd_tls_auth_only=no\nsmtpd_sasl_security_options=noplaintext, noactive\nsmtpd_sasl_tls_security_options=noanonymous\n", "a {PLAIN}b\n", "SCRAM-SHA-256",
		  "PLAIN LOGIN SCRAM-SHA-256", "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS" },
		{ "smtpd_tls_auth_only=no\nsmtpd_sasl_security_options=forward_secrecy\nsmtpd_sasl_tls_security_options=mutual_auth nodictionary\n", "a {PLAIN}b\n", "",
		  "SCRAM-SHA-256", "SCRAM-SHA-256 SCRAM-SHA-256-PLUS" },
		{ "smtpd_sasl_mechanism_filter=plain\n", "a {PLAIN}b\n", "", "PLAIN", "PLAIN" },
		{ "smtpd_sasl_mechanism_filter=!scram-sha-256-plus, static:all\n", "a {PLAIN}b\n", "", "PLAIN LOGIN SCRAM-SHA-256", "PLAIN LOGIN SCRAM-SHA-256" },
		{ "smtpd_tls_auth_only=yes\n", "a {PLAIN}b\n", "", "PLAIN LOGIN SCRAM-SHA-256", "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char more[1000];
		struct conf *c;
		struct auth *a;

		snprintf(more, sizeof(more), "%s%s%s", strstr(rows[i].more, "auth_only") ? "" : "smtpd_tls_auth_only=yes\n", rows[i].more, users(rows[i].users));
		ROW("%s", more);
		c = conf_of(more);
		REQUIRE(c);
		a = auth_open(c, &diag);
		if (!CHECK(a != NULL)) {
			printf("# %s\n", first());
			continue;
		}
		CHECK_STR(auth_mechanisms(a, AUTH_IN_CLEAR), rows[i].clear);
		CHECK_STR(auth_mechanisms(a, AUTH_UNDER_TLS), rows[i].tls);
		CHECK_STR(auth_mechanisms(a, AUTH_BOUND), rows[i].bound);
		CHECK(auth_burns(a));
		CHECK_INT(auth_port(a), 0);
		auth_refresh(a, 1);
		auth_free(a);
		conf_free(c);
	}
	conf_diag_fini(&diag);
}

static const char *last(void)
{
	return diag.n ? diag.v[diag.n - 1].text : "";
}

T(settings_that_let_nobody_in_are_told)
{
	static const struct { const char *more; bool opens; const char *says; } rows[] = {
		{ "smtpd_sasl_type=cyrus\n", false, "smtpd_sasl_auth_enable: smtpd_sasl_type = cyrus is not done" },
		{ "smtpd_sasl_type=dovecot\nsmtpd_sasl_path=\n", false, "smtpd_sasl_path: name Dovecot's socket" },
		{ "smtpd_sasl_type=Dovecot\nsmtpd_sasl_path=/nonexistent/auth\n", true, "smtpd_sasl_path: there is no /nonexistent/auth: nobody can log in" },
		{ "smtpd_sasl_type=dovecot\nsmtpd_sasl_path=unix:/nonexistent/auth\n", true, "smtpd_sasl_path: there is no /nonexistent/auth: nobody can log in" },
		{ "smtpd_sasl_type=dovecot\nsmtpd_sasl_path=private/auth\n", true, "/queue/private/auth: nobody can log in" },
		{ "smtpd_sasl_type=dovecot\nsmtpd_sasl_path=inet:127.0.0.1:12345\n", true, "" }, { "smtpd_sasl_type=dovecot\nsmtpd_sasl_path=inet:localhost:65535\n", true, "" },
		{ "smtpd_sasl_type=dovecot\nsmtpd_sasl_path=inet:[::1]:1\n", true, "" },
		{ "smtpd_sasl_type=dovecot\nsmtpd_sasl_path=inet:127.0.0.1:65536\n", false, "use inet:ADDRESS:PORT" },
		{ "smtpd_sasl_type=dovecot\nsmtpd_sasl_path=inet:127.0.0.1:0\n", false, "use inet:ADDRESS:PORT" },
		{ "smtpd_sasl_type=dovecot\nsmtpd_sasl_path=inet:127.0.0.1:\n", false, "use inet:ADDRESS:PORT" },
		{ "smtpd_sasl_type=dovecot\nsmtpd_sasl_path=inet:127.0.0.1\n", false, "use inet:ADDRESS:PORT" },
		{ "smtpd_sasl_type=dovecot\nsmtpd_sasl_path=inet:host.test:1\n", false, "use inet:ADDRESS:PORT" },
		{ "smtpd_sasl_type=dovecot\nsmtpd_sasl_path=inet:127.0.0.1:1x\n", false, "use inet:ADDRESS:PORT" },
		{ "smtpd_sasl_password_maps=static:{{PLAIN}x}\nsmtpd_sasl_tls_security_options=forward_secrecy\n", false, "smtpd_sasl_tls_security_options: nobody could log in" },
		{ "smtpd_sasl_password_maps=static:{{PLAIN}x}\nsmtpd_sasl_mechanism_filter=gssapi\n", false, "smtpd_sasl_security_options: nobody could log in" },
		{ "smtpd_sasl_password_maps=static:{{PLAIN}x}\nsmtpd_tls_auth_only=no\nsmtpd_sasl_security_options=noanonymous\n", true, "smtpd_tls_auth_only: passwords may come in clear" },
		{ "smtpd_sasl_password_maps=texthash:/nonexistent/users\n", false, "smtpd_sasl_password_maps: " },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = conf_of(rows[i].more);
		struct auth *a;

		ROW("%s", rows[i].more);
		REQUIRE(c);
		conf_diag_fini(&diag);
		conf_diag_init(&diag);
		a = auth_open(c, &diag);
		CHECK_INT(a != NULL, rows[i].opens);
		CHECK_INT(diag.errors > 0, !rows[i].opens);
		if (!CHECK(strstr(last(), rows[i].says) != NULL) || (!*rows[i].says && diag.n))
			printf("# %s\n", last());
		CHECK_INT(diag.n == 0, !*rows[i].says);
		if (a && strstr(rows[i].more, "dovecot"))
			CHECK(!auth_burns(a));
		if (a && strstr(rows[i].more, "inet:"))
			CHECK_INT(auth_port(a), strtol(strrchr(rows[i].more, ':') + 1, NULL, 10));
		auth_free(a);
		conf_free(c);
	}
	/* who has not asked for it has none */
	{
		struct conf *c = load("smtpd_sasl_auth_enable=no\nsmtpd_sasl_password_maps=static:{{PLAIN}x}\n", "");

		CHECK(!auth_open(c, &diag));
		conf_free(c);
	}
	conf_diag_fini(&diag);
}

T(entries_that_fit_nobody_are_told_a_few_times)
{
	struct conf *c = conf_of(users("a rubbish\nb {PLAIN}x\nc rubbish\nd rubbish\ne rubbish\nf rubbish\ng rubbish\nh rubbish\n"));
	struct auth *a;
	size_t n = 0;

	REQUIRE(c);
	conf_diag_fini(&diag);
	conf_diag_init(&diag);
	a = auth_open(c, &diag);
	REQUIRE(a);
	for (size_t i = 0; i < diag.n; i++)
		n += strstr(diag.v[i].text, "\" cannot log in: ") != NULL;
	CHECK_INT(n, LIMIT_AUTH_TOLD);
	auth_free(a);
	conf_free(c);
	conf_diag_fini(&diag);
}

/* --- questions --------------------------------------------------------------------------------------------------------------- */

static struct { int calls; enum auth_verdict verdict; char text[600], why[LIMIT_AUTH_WHY]; } told;

static void on_told(void *ctx, enum auth_verdict v, const char *text, const char *why)
{
	(void)ctx;
	told.calls++;
	told.verdict = v;
	snprintf(told.text, sizeof(told.text), "%s", text);
	snprintf(told.why, sizeof(told.why), "%s", why);
}

static void wait_for(struct loop *l, int calls)
{
	usec end = clock_mono() + 20 * USEC_PER_SEC;

	while (told.calls < calls && clock_mono() < end)
		loop_tick(l, 20 * USEC_PER_MSEC);
	CHECK_INT(told.calls, calls);
}

T(users_of_a_table_log_in_with_their_passwords)
{
	static const struct { const char *user, *password; enum auth_verdict want; const char *text; } rows[] = {
		{ "ann", "secret", AUTH_YES, "ann" }, { "ann", "Secret", AUTH_NO, "ann" }, { "ann", "", AUTH_NO, "ann" }, { "bob", "hashed", AUTH_YES, "bob" },
		{ "bob", "secret", AUTH_NO, "bob" }, { "nobody", "secret", AUTH_NO, "nobody" }, { "cid@dom.test", "third", AUTH_YES, "cid@dom.test" },
		/* completed with the domain where there is none */
		{ "cid", "third", AUTH_YES, "cid@dom.test" }, { "cid", "secret", AUTH_NO, "cid@dom.test" }, { "cid@other.test", "third", AUTH_NO, "cid@other.test" },
		/* what nobody can log in with */
		{ "dan", "rubbish", AUTH_NO, "dan" },
	};
	struct buf lines;
	struct conf *c;
	struct auth *a;
	struct loop *l = loop_new();
	struct pool *p = pool_new(1);

	REQUIRE(l && p && loop_use_pool(l, p) == 0);
	log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = "/dev/null", .syslog_name = "postfix", .host = "h" });
	buf_init(&lines, 4000);
	buf_z(&lines, "ann {PLAIN}secret\ndan rubbish\ncid@dom.test {PLAIN}third\nbob ");
	password_make(&lines, STR("hashed"), STR("saltsalt"));
	buf_z(&lines, "\n");
	{
		char more[1000];

		snprintf(more, sizeof(more), "smtpd_sasl_local_domain=dom.test\n%s", users(buf_cstr(&lines)));
		c = conf_of(more);
	}
	REQUIRE(c);
	a = auth_open(c, &diag);
	REQUIRE(a);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct auth_question q = { .user = rows[i].user, .password = rows[i].password, .client = "", .server = "" };
		usec began = loop_now(l);

		ROW("%s %s", rows[i].user, rows[i].password);
		told.calls = 0;
		CHECK(auth_ask(a, l, p, &q, on_told, NULL) != NULL);
		CHECK_INT(told.calls, 0);
		wait_for(l, 1);
		CHECK_INT(told.verdict, rows[i].want);
		CHECK_STR(told.text, rows[i].text);
		CHECK_STR(told.why, "");
		/* whoever guesses waits, whether there is such a user or not */
		if (rows[i].want == AUTH_NO)
			CHECK(loop_now(l) - began >= 2 * USEC_PER_SEC);
	}
	/* who gives up is not told */
	for (int i = 0; i < 2; i++) {
		struct auth_question q = { .user = i ? "bob" : "ann", .password = "secret", .client = "", .server = "" };

		told.calls = 0;
		auth_cancel(auth_ask(a, l, p, &q, on_told, NULL));
		for (int k = 0; k < 5; k++)
			loop_tick(l, 20 * USEC_PER_MSEC);
		CHECK_INT(told.calls, 0);
	}
	auth_cancel(NULL);
	pool_wait(p);
	loop_tick(l, 0);
	auth_free(a);
	conf_free(c);
	conf_diag_fini(&diag);
	buf_fini(&lines);
	loop_free(l);
	pool_free(p);
}

T(users_of_the_environment_log_in)
{
	static const struct { const char *list; const char *user, *password; enum auth_verdict want; } rows[] = {
		{ "ann:secret", "ann", "secret", AUTH_YES }, { "ann:secret,bob:other", "bob", "other", AUTH_YES }, { "ann:secret\nbob:ot:her", "bob", "ot:her", AUTH_YES },
		{ " ann:secret , ,bob:x", "ann", "secret", AUTH_YES }, { "ann:{PLAIN}secret", "ann", "secret", AUTH_YES }, { "ann:secret", "bob", "secret", AUTH_NO },
		{ "ann", NULL, NULL, AUTH_LATER }, { "ann:", NULL, NULL, AUTH_LATER }, { ":x", NULL, NULL, AUTH_LATER }, { "ann:x,bob", NULL, NULL, AUTH_LATER },
	};
	struct loop *l = loop_new();

	REQUIRE(l);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct auth_question q = { .user = rows[i].user, .password = rows[i].password, .client = "", .server = "" };
		struct conf *c;
		struct auth *a;

		ROW("%s", rows[i].list);
		setenv("SMTPD_SASL_USERS", rows[i].list, 1);
		c = conf_of("");
		REQUIRE(c);
		conf_diag_fini(&diag);
		conf_diag_init(&diag);
		a = auth_open(c, &diag);
		CHECK_INT(a != NULL, rows[i].user != NULL);
		if (!a)
			CHECK(strstr(last(), strchr(rows[i].list, ',') ? "SMTPD_SASL_USERS: element 2 is not user:password" : "SMTPD_SASL_USERS: element 1 is not user:password") != NULL);
		if (a) {
			told.calls = 0;
			auth_ask(a, l, NULL, &q, on_told, NULL);
			wait_for(l, 1);
			CHECK_INT(told.verdict, rows[i].want);
		}
		auth_free(a);
		conf_free(c);
	}
	unsetenv("SMTPD_SASL_USERS");
	conf_diag_fini(&diag);
	loop_free(l);
}

T(table_that_cannot_be_read_is_for_later)
{
	struct conf *c = conf_of("smtpd_sasl_password_maps=fail:nothing\n");
	struct loop *l = loop_new();
	struct auth_question q = { .user = "ann", .password = "secret", .client = "", .server = "" };
	struct auth *a;

	REQUIRE(c && l);
	a = auth_open(c, &diag);
	REQUIRE(a);
	told.calls = 0;
	auth_ask(a, l, NULL, &q, on_told, NULL);
	wait_for(l, 1);
	CHECK_INT(told.verdict, AUTH_LATER);
	CHECK_STR(told.why, "the table of users cannot be read");
	auth_free(a);
	conf_free(c);
	conf_diag_fini(&diag);
	loop_free(l);
}

T(scram_says_the_same_of_users_that_are_not_there)
{
	static const uint8_t secret[32] = { 7 }, other[32] = { 8 };
	static const struct { const char *message; enum auth_verdict first; } rows[] = {
		{ "n,,n=user,r=abc", AUTH_MORE }, { "n,,n=nobody,r=abc", AUTH_MORE }, { "n,,n=plain,r=abc", AUTH_MORE }, { "rubbish", AUTH_NO },
	};
	struct conf *c = conf_of(users("user " SCRAM_ENTRY "\nplain {PLAIN}x\n"));
	struct loop *l = loop_new();
	struct pool *p = pool_new(1);
	struct auth *a;
	char salts[3][100];

	REQUIRE(c && l && p && loop_use_pool(l, p) == 0);
	a = auth_open(c, &diag);
	REQUIRE(a);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char challenge[600], again[600];

		for (int round = 0; round < 3; round++) {
			struct auth_question q = { .mechanism = "SCRAM-SHA-256", .message = str_of(rows[i].message), .secret = round == 2 ? other : secret, .client = "",
				.server = "" };
			struct auth_check *check;
			char *salt;

			ROW("%s, %d", rows[i].message, round);
			told.calls = 0;
			check = auth_ask(a, l, p, &q, on_told, NULL);
			wait_for(l, 1);
			CHECK_INT(told.verdict, rows[i].first);
			if (rows[i].first != AUTH_MORE) {
				CHECK(told.why[0] != 0);
				continue;
			}
			CHECK(!strncmp(told.text, "r=abc", 5) && strstr(told.text, ",i=4096") != NULL);
			salt = strstr(told.text, ",s=");
			REQUIRE(salt != NULL);
			snprintf(round ? again : challenge, sizeof(again), "%.*s", (int)strcspn(salt + 3, ","), salt + 3);
			/* a salt stays what it is as long as the secret does, and an entry that is kept has its own */
			if (round == 1)
				CHECK_STR(again, challenge);
			if (round == 2)
				CHECK_INT(strcmp(again, challenge) == 0, i == 0);
			if (i < 3)
				snprintf(salts[i], sizeof(salts[i]), "%.99s", challenge);
			if (round == 0) {
				auth_go_on(check, STR("c=biws,r=rubbish,p=AAAA"));
				wait_for(l, 2);
				CHECK_INT(told.verdict, AUTH_NO);
				CHECK_STR(told.text, i == 0 ? "user" : i == 1 ? "nobody" : "plain");
			} else {
				auth_cancel(check);
			}
		}
	}
	CHECK_STR(salts[0], "W22ZaJ0SNY7soEsUEjb6gQ==");
	CHECK_INT(strlen(salts[1]), strlen(salts[0]));
	CHECK(strcmp(salts[1], salts[0]) && strcmp(salts[2], salts[1]));
	auth_free(a);
	conf_free(c);
	conf_diag_fini(&diag);
	loop_free(l);
	pool_free(p);
}

/* --- Dovecot's protocol -------------------------------------------------------------------------------------------------------- */

#define HELLO "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\nSPID\t1\nCUID\t2\nCOOKIE\tx\nDONE\n"

T(dovecot_is_asked_and_understood)
{
	static const struct { const char *name, *says; enum dovecot_step want; const char *user, *why; } rows[] = {
		{ "yes", HELLO "OK\t1\tuser=ann\n", DOVECOT_YES, "ann", "" }, { "its own name for him", HELLO "OK\t1\tuser=ann@dom.test\tx=y\n", DOVECOT_YES, "ann@dom.test", "" },
		{ "without a name", HELLO "OK\t1\n", DOVECOT_YES, "me", "" }, { "an empty name", HELLO "OK\t1\tuser=\n", DOVECOT_YES, "me", "" },
		{ "control bytes", HELLO "OK\t1\tuser=a\001b\177\n", DOVECOT_YES, "a?b?", "" },
		{ "kept out", HELLO "OK\t1\tuser=ann\tnologin\treason=closed\n", DOVECOT_NO, "ann", "closed" },
		{ "no", HELLO "FAIL\t1\tuser=me\n", DOVECOT_NO, "", "" }, { "no, with a reason", HELLO "FAIL\t1\treason=wrong\n", DOVECOT_NO, "", "wrong" },
		{ "not now", HELLO "FAIL\t1\ttemp\treason=busy\n", DOVECOT_LATER, "", "busy" }, { "not now at all", HELLO "FAIL\t1\ttemp\n", DOVECOT_LATER, "", "" },
		{ "of another question", HELLO "OK\t2\tuser=ann\n", DOVECOT_LATER, "", "the authentication server answered what was not asked" },
		{ "no to another question", HELLO "FAIL\t2\n", DOVECOT_LATER, "", "the authentication server answered what was not asked" },
		{ "before the question", "VERSION\t1\t1\nMECH\tPLAIN\nOK\t1\tuser=ann\n", DOVECOT_LATER, "", "the authentication server answered what was not asked" },
		{ "no before the question", "VERSION\t1\t1\nFAIL\t1\n", DOVECOT_LATER, "", "the authentication server answered what was not asked" },
		{ "more", HELLO "CONT\t1\tx\n", DOVECOT_LATER, "", "the authentication server wants more than a user and a password" },
		{ "another version", "VERSION\t2\t1\n", DOVECOT_LATER, "", "the authentication server speaks another version of its protocol" },
		{ "no version", "VERSION\n", DOVECOT_LATER, "", "the authentication server speaks another version of its protocol" },
		{ "no PLAIN", "VERSION\t1\t1\nMECH\tLOGIN\nDONE\n", DOVECOT_LATER, "", "the authentication server has no PLAIN: add it to its auth_mechanisms" },
		{ "unfinished", HELLO "OK\t1\tuser=ann", DOVECOT_MORE, "", "" }, { "only a greeting", HELLO, DOVECOT_MORE, "", "" },
		{ "what is not known", HELLO "NEWS\tx\nOK\t1\tuser=ann\n", DOVECOT_YES, "ann", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int bytewise = 0; bytewise < 2; bytewise++) {
			struct auth_question q = { .user = "me", .password = "pw", .tls = i % 2, .client = i % 3 ? "192.0.2.1" : "", .server = i % 3 ? "" : "192.0.2.9" };
			enum dovecot_step step = DOVECOT_MORE;
			struct dovecot d;
			struct buf out;
			char want[400];

			ROW("%s, %d", rows[i].name, bytewise);
			buf_init(&out, 4000);
			dovecot_begin(&d, &q, 77, &out);
			CHECK_STR(buf_cstr(&out), "VERSION\t1\t1\nCPID\t77\n");
			buf_clear(&out);
			if (bytewise) {
				for (size_t n = 0, at = 0; step == DOVECOT_MORE && n < strlen(rows[i].says);) {
					struct str in = str_make(rows[i].says + at, ++n - at);
					size_t before = in.n;

					step = dovecot_next(&d, &in, &out);
					at += before - in.n;
				}
			} else {
				struct str in = str_of(rows[i].says);

				step = dovecot_next(&d, &in, &out);
			}
			CHECK_INT(step, rows[i].want);
			CHECK_STR(d.user, rows[i].user);
			CHECK_STR(d.why, rows[i].why);
			if (strncmp(rows[i].says, HELLO, strlen(HELLO)) == 0) {
				snprintf(want, sizeof(want), "AUTH\t1\tPLAIN\tservice=smtp\tnologin%s%s%s%s\tresp=AG1lAHB3\n", i % 3 ? "" : "\tlip=192.0.2.9", i % 3 ? "\trip=192.0.2.1" : "", "",
					i % 2 ? "\tsecured" : "");
				CHECK_STR(buf_cstr(&out), want);
			} else {
				CHECK_STR(buf_cstr(&out), "");
			}
			buf_fini(&out);
		}
	}
}

T(dovecots_line_has_its_end)
{
	static const struct { size_t n; enum dovecot_step want; } rows[] = { { LIMIT_AUTH_LINE - 1, DOVECOT_MORE }, { LIMIT_AUTH_LINE, DOVECOT_LATER } };
	static char line[LIMIT_AUTH_LINE + 1];

	memset(line, 'x', sizeof(line));
	for (size_t i = 0; i < 2; i++) {
		struct auth_question q = { .user = "me", .password = "pw", .client = "", .server = "" };
		struct str in = str_make(line, rows[i].n);
		struct dovecot d;
		struct buf out;

		ROW("%zu", rows[i].n);
		buf_init(&out, 100);
		dovecot_begin(&d, &q, 1, &out);
		CHECK_INT(dovecot_next(&d, &in, &out), rows[i].want);
		CHECK_STR(d.why, rows[i].want == DOVECOT_LATER ? "the authentication server's line has no end" : "");
		buf_fini(&out);
	}
}

/* --- a Dovecot ------------------------------------------------------------------------------------------------------------------ */

static struct { const char *says; char heard[1000]; int fd; } server;

static void *serve(void *ctx)
{
	int fd;

	(void)ctx;
	while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
		size_t n = 0;
		ssize_t got;

		memset(server.heard, 0, sizeof(server.heard));
		(void)!send(fd, HELLO, strlen(HELLO), MSG_NOSIGNAL);
		while (!strstr(server.heard, "resp=") && (got = recv(fd, server.heard + n, sizeof(server.heard) - n - 1, 0)) > 0)
			n += (size_t)got;
		(void)!send(fd, server.says, strlen(server.says), MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

T(users_of_a_dovecot_log_in)
{
	static const struct { const char *says; enum auth_verdict want; const char *text, *why; } rows[] = {
		{ "OK\t1\tuser=ann@dom.test\n", AUTH_YES, "ann@dom.test", "" }, { "FAIL\t1\treason=wrong\n", AUTH_NO, "ann", "wrong" },
		{ "FAIL\t1\ttemp\n", AUTH_LATER, "ann", "the authentication server cannot tell now" }, { "FAIL\t1\ttemp\treason=x\n", AUTH_LATER, "ann", "x" },
		{ "", AUTH_LATER, "ann", "the authentication server hung up" },
	};
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct loop *l = loop_new();
	struct auth_question q = { .user = "ann", .password = "pw", .client = "192.0.2.1", .server = "192.0.2.9", .tls = true };
	struct conf *c;
	struct auth *a;
	char more[600];
	pthread_t thread;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%.80s/dovecot", t_tmpdir());
	snprintf(more, sizeof(more), "smtpd_sasl_type=dovecot\nsmtpd_sasl_path=%s\n", sa.sun_path);
	server.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(bind(server.fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(server.fd, 5) == 0);
	REQUIRE(pthread_create(&thread, NULL, serve, NULL) == 0);
	c = conf_of(more);
	REQUIRE(c && l);
	a = auth_open(c, &diag);
	REQUIRE(a);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].says);
		server.says = rows[i].says;
		told.calls = 0;
		auth_ask(a, l, NULL, &q, on_told, NULL);
		wait_for(l, 1);
		CHECK_INT(told.verdict, rows[i].want);
		CHECK_STR(told.text, rows[i].text);
		CHECK_STR(told.why, rows[i].why);
		CHECK(strstr(server.heard, "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.9\trip=192.0.2.1\tsecured\tresp=AGFubgBwdw==\n") != NULL);
		CHECK(!strncmp(server.heard, "VERSION\t1\t1\nCPID\t", 17) && server.heard[17] != '0');
	}
	/* who gives up is not told */
	told.calls = 0;
	auth_cancel(auth_ask(a, l, NULL, &q, on_told, NULL));
	for (int k = 0; k < 5; k++)
		loop_tick(l, 20 * USEC_PER_MSEC);
	CHECK_INT(told.calls, 0);
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(server.fd);
	unlink(sa.sun_path);
	ROW("nobody is there");
	auth_ask(a, l, NULL, &q, on_told, NULL);
	wait_for(l, 1);
	CHECK_INT(told.verdict, AUTH_LATER);
	CHECK(told.why[0] != 0);
	auth_free(a);
	conf_free(c);
	conf_diag_fini(&diag);
	loop_free(l);
}
