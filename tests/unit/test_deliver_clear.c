/* nothing goes in clear that must not: mail where TLS is asked for, and passwords, to servers that do not begin it */
#include "tests/unit/deliver_world.h"

#define PLAIN "250-fake\r\n250-PIPELINING\r\n250 AUTH PLAIN"
#define F1 "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33"
#define OFFERS "250-fake\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 AUTH PLAIN"

/* send - one mail through a server; its reply in p */
static void send_one(struct fake *f, const char *const *set, const char *sender, struct parcel *p)
{
	const char *extra[20] = { BASE, "smtp_connection_cache_on_demand=no" };
	size_t n = 9;
	struct world w;
	struct dest dest;
	char hop[64];

	while (*set)
		extra[n++] = *set++;
	snprintf(hop, sizeof(hop), "[127.0.0.1]:%u", f->port);
	if (CHECK(world_open(&w, extra, NULL, -1))) {
		dest = dest_of(&w, "smtp", hop);
		parcel_put(&w, p, sender, "one@x.test", CONTENT);
		parcel_send(&w, p, &dest);
		deliver_dest_idle(w.deliver, &dest);
		world_close(&w);
	}
}

T(mail_goes_in_clear_only_where_it_may)
{
	static const struct { const char *level, *policy, *ehlo, *starttls; int code; const char *text; } rows[] = {
		{ "none", "", PLAIN, NULL, 250, "" }, { "none", "", OFFERS, NULL, 250, "" }, { "may", "", PLAIN, NULL, 250, "" },
		{ "may", "", OFFERS, "454 4.7.0 not now", 250, "" },
		{ "encrypt", "", PLAIN, NULL, 451, "TLS is required, but was not offered by host 127.0.0.1" },
		{ "encrypt", "", OFFERS, "454 4.7.0 not now", 451, "TLS is required, but host 127.0.0.1" },
		{ "encrypt", "", OFFERS, "502 what", 451, "refused to start TLS: 502 what" },
		{ "none", "fingerprint match=" F1, OFFERS, "454 4.7.0 not now", 451, "TLS is required" },
		{ "none", "fingerprint match=" F1, PLAIN, NULL, 451, "TLS is required" },
		/* the table asks for more, or for less, or cannot be understood */
		{ "none", "encrypt", PLAIN, NULL, 451, "TLS is required" }, { "may", "encrypt", OFFERS, "454 no", 451, "TLS is required" },
		{ "encrypt", "may", OFFERS, "454 no", 250, "" }, { "may", "sometimes", OFFERS, "454 no", 451, "" }, { "none", "sometimes", PLAIN, NULL, 451, "" },
	};
	struct fake f = { .ip = "127.0.0.1" };

	REQUIRE(fake_start(&f));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char level[80], policy[120];
		const char *set[] = { level, *rows[i].policy ? policy : NULL, NULL };
		unsigned before = f.messages;
		struct parcel p;

		ROW("%s %s, %s", rows[i].level, rows[i].policy, rows[i].starttls ? rows[i].starttls : rows[i].ehlo);
		snprintf(level, sizeof(level), "smtp_tls_security_level=%s", rows[i].level);
		snprintf(policy, sizeof(policy), "smtp_tls_policy_maps=static:{%s}", rows[i].policy);
		f.ehlo = rows[i].ehlo;
		f.starttls = rows[i].starttls;
		f.mail_line[0] = '\0';
		send_one(&f, set, "s@b.test", &p);
		CHECK_INT(p.results[0].reply.code, rows[i].code);
		CHECK(strstr(p.results[0].reply.text, rows[i].text) != NULL);
		CHECK_INT(f.messages - before, rows[i].code == 250);
		/* not even who writes is told */
		CHECK_INT(f.mail_line[0] != '\0', rows[i].code == 250);
	}
	fake_stop(&f);
}

/* a password that is known for this server is reason enough to want the TLS that it offers */
T(password_goes_in_clear_only_where_tls_is_not_spoken_of)
{
	static const struct { const char *ehlo, *starttls; int code; unsigned auths; } rows[] = {
		{ PLAIN, NULL, 250, 1 }, { OFFERS, "454 4.7.0 not now", 451, 0 },
	};
	static const char *const set[] = { "smtp_tls_security_level=may", "smtp_sasl_auth_enable=yes", "smtp_sasl_security_options=noanonymous",
		"smtp_sasl_password_maps=static:user:pass", NULL };
	struct fake f = { .ip = "127.0.0.1" };

	REQUIRE(fake_start(&f));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned before = f.auths;
		struct parcel p;

		ROW("%s", rows[i].ehlo);
		f.ehlo = rows[i].ehlo;
		f.starttls = rows[i].starttls;
		send_one(&f, set, "s@b.test", &p);
		CHECK_INT(p.results[0].reply.code, rows[i].code);
		CHECK_INT(f.auths - before, rows[i].auths);
	}
	fake_stop(&f);
}

/* whose password: full address, without extension, local part if it is ours, domain; then the server's */
T(password_is_the_senders_own)
{
	static const struct { const char *table, *sender, *auth; } rows[] = {
		{ "{ s@b.test=full:p }, { s=local:p }, { @b.test=domain:p }", "s@b.test", "AGZ1bGwAcA==" },
		{ "{ s@b.test=full:p }", "s+x@b.test", "AGZ1bGwAcA==" },
		{ "{ s+x@b.test=ext:p }, { s@b.test=full:p }", "s+x@b.test", "AGV4dABw" },
		{ "{ @b.test=domain:p }", "s@b.test", "AGRvbWFpbgBw" },
		/* a local part alone is an account here, and nobody's elsewhere */
		{ "{ s=local:p }", "s@mx.example.jp", "AGxvY2FsAHA=" }, { "{ s=local:p }", "s@b.test", "" }, { "{ s=local:p }", "s@sub.mx.example.jp", "" },
		{ "{ 127.0.0.1=host:p }", "s@b.test", "AGhvc3QAcA==" }, { "{ s@b.test=full:p }, { 127.0.0.1=host:p }", "s@b.test", "AGZ1bGwAcA==" },
		{ "{ s@b.test=full:p }", "", "" },
	};
	struct fake f = { .ip = "127.0.0.1", .ehlo = PLAIN };

	REQUIRE(fake_start(&f));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char table[300], want[100];
		const char *set[] = { "smtp_tls_security_level=none", "smtp_sasl_auth_enable=yes", "smtp_sasl_security_options=noanonymous", "recipient_delimiter=+",
			"smtp_sender_dependent_authentication=yes", table, NULL };
		struct parcel p;

		ROW("%s for %s", rows[i].table, rows[i].sender);
		snprintf(table, sizeof(table), "smtp_sasl_password_maps=inline:{ %s }", rows[i].table);
		snprintf(want, sizeof(want), "%s%s", *rows[i].auth ? "AUTH PLAIN " : "", rows[i].auth);
		f.auth_line[0] = '\0';
		send_one(&f, set, rows[i].sender, &p);
		CHECK_INT(p.results[0].reply.code, 250);
		CHECK_STR(f.auth_line, want);
	}
	fake_stop(&f);
}

/* a server that says back what it was sent has the password in its words: those are for nobody */
T(password_is_in_no_reply_that_is_kept)
{
	static const char *const says[] = { "501 what is AUTH PLAIN AHVzZXIAcGFzcw==", "535 5.7.8 AHVzZXIAcGFzcw== is wrong", "535 5.7.8 pass is wrong",
		"535 5.7.8 cGFzcw== is wrong" };
	static const char *const set[] = { "smtp_tls_security_level=none", "smtp_sasl_auth_enable=yes", "smtp_sasl_security_options=noanonymous",
		"smtp_sasl_password_maps=static:user:pass", NULL };
	struct fake f = { .ip = "127.0.0.1", .ehlo = PLAIN };

	REQUIRE(fake_start(&f));
	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		struct parcel p;

		ROW("%s", says[i]);
		f.auth = says[i];
		send_one(&f, set, "s@b.test", &p);
		CHECK_INT(p.results[0].reply.code / 100, 4);
		CHECK(strstr(p.results[0].reply.text, "AHVzZXIA") == NULL);
		CHECK(strstr(p.results[0].reply.text, "cGFzcw") == NULL);
		CHECK(strstr(p.results[0].reply.text, "pass is") == NULL);
	}
	fake_stop(&f);
}
