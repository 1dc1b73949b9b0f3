/* passwords against entries, made by libxcrypt 4.4 and Python's hashlib */
#include <stdio.h>

#include "core/auth/password.h"
#include "core/base/limits.h"
#include "tests/unit/t.h"

static const struct { const char *password, *entry; } rows[] = {
	{ "a", "$6$saltstring$MO53nAXQUKXVLlsbiXyPgMsR6q10N7eF7sPvanwdXnEeCj5kE3eYaRvFv0wVW1UZ4SnNTzc1v4OCOq1ASDQZY0" },
	{ "Hello world!", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1" },
	{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "$6$saltstring$eKlwYdh2DQgzGVZNTRbDdwNSIU.yzEhS/nALlBafFhL/T/Kf8GRhO5otN52zAGQKa229QbUXUyFPbCMzMf2HX0" },
	{ "pässwörd", "$6$saltstring$6PSVl254uv0cWCoUS0qzSX5NenRA/YFCwPzGA9ONu.MmmxqXTWHerEzD8WyuBl3ukfIZZU9uxLD6Bn6p7S3rG." },
	{ "a", "$5$saltstring$7cz4bTeQ7MnNssphNhFVrITtuJYY/1tdvLL2uzLvOk8" },
	{ "Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5" },
	{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "$5$saltstring$jZdy2gGq0OUSP01AhBb7yOgBitgAZa7g8axx/wgsXj5" },
	{ "pässwörd", "$5$saltstring$bWOoCRTKNT.aiY/gJjvk1HjBYuRpcYQmcc5hqf6H4T4" },
	{ "a", "$6$rounds=1500$abcdefghijklmnop$bzcyfEX0j6ThN7dIdYhfxXcu.DO7Rmcqc6we9WhkpB3CFtTaFmjZEV1bECwd3PwvftDfStLkOBBshQeW8LdT/." },
	{ "Hello world!", "$6$rounds=1500$abcdefghijklmnop$8yp5rTHKzuMY8BqgDn20FWM6S2DYt1n9SBxt4kDix2CNHHAZj63F0v6iDp9jqGO2URDNGiQhuWGVAFXPz8b6Q1" },
	{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "$6$rounds=1500$abcdefghijklmnop$iT0PSSixwDjlxPg0yPJmoxXnQo/J4LoehcIB4z5wey2JMnR2i43PsrJ8LH0ELOyyIpEiFKun9y.uxandpwfa1/" },
	{ "pässwörd", "$6$rounds=1500$abcdefghijklmnop$WiKjjwB2Ls2IstG1RfgJP/x2CMa5aUbdb5mm06ULg/noAXQWBYEb39FLrq2v2Ka.LgHrSYWDGcuvJKUmT3mDC/" },
	{ "a", "$5$rounds=5000$x$85aGabM7xSEYcp0wkefjwtqWAYi1Rrq3b01Gtllmmh7" },
	{ "Hello world!", "$5$rounds=5000$x$Z/ol6rg0oZtxDgF.6L1cvXsK0GGwl5bZohdStRcE8P6" },
	{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "$5$rounds=5000$x$xflCsnuDHhy7sM4FriizOfhImNfMqas34uND76jKvrB" },
	{ "pässwörd", "$5$rounds=5000$x$Mf0xB8lGxJG3Vu9eJMicE4lrLk3adpWzOQ3sofvKXx3" },
	{ "a", "$2b$05$abcdefghijklmnopqrstuu8.veTXNDPV2eEsdpKNczMw2otgh5LnK" },
	{ "Hello world!", "$2b$05$abcdefghijklmnopqrstuu7nFISH/8YdwlXD3lw69A4iBUf6fvWAW" },
	{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "$2b$05$abcdefghijklmnopqrstuujf8SX2ahXLwp9w/B.Y5XdysS6yR576q" },
	{ "pässwörd", "$2b$05$abcdefghijklmnopqrstuuZVEMa1pjhlynBQ1qXmSvGBJpN9h1w8G" },
	{ "a", "$2a$04$CCCCCCCCCCCCCCCCCCCCC.f/Fm9DOYGp2ai9rjxvG4QHlhtDCuDuu" },
	{ "Hello world!", "$2a$04$CCCCCCCCCCCCCCCCCCCCC.M.JZM2tZUe85sR83hfk5p2NZ0IVXwXe" },
	{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "$2a$04$CCCCCCCCCCCCCCCCCCCCC.ug0A3dTXhy5U.dFjx/qguZ8I4CB77BC" },
	{ "pässwörd", "$2a$04$CCCCCCCCCCCCCCCCCCCCC.r5gqJaIw/Et6H9KstP3pEKn0VB0g6zW" },
	{ "a", "$2y$04$......................ab4uk7zdS0i/IlhKXBIf8klDpk4gLJu" },
	{ "Hello world!", "$2y$04$......................3L0CqIXEJ4W0ZoRgbOxNGGzQi0TXqtG" },
	{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "$2y$04$......................SZFhVdUK5wGKY4lx/QrgUMHG0XsWjbi" },
	{ "pässwörd", "$2y$04$......................qnB8eqNMuizEQ3mLqW93JYyN8aQz3iO" },
	{ "pencil", "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=" },
	{ "{PLAIN", "{PLAIN}{PLAIN" },
};

T(password_fits_what_others_made)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str entry = str_of(rows[i].entry), password = str_of(rows[i].password);
		char wrong[200];

		ROW("%.30s", rows[i].entry);
		CHECK(!password_check_entry(entry));
		CHECK(password_fits(entry, password));
		snprintf(wrong, sizeof(wrong), "%s?", rows[i].password);
		/* bcrypt looks at 72 bytes */
		CHECK(password.n >= 72 ? true : !password_fits(entry, str_of(wrong)));
		CHECK(!password_fits(entry, str_head(password, password.n > 72 ? 71 : password.n - 1)));
		CHECK(!password_fits(str_head(entry, entry.n - 1), password));
		CHECK_INT(password_burns(entry), *rows[i].entry != '{');
	}
}

T(password_refuses_entries_it_cannot_judge)
{
	static const char *const bad[] = { "", "secret", "{SHA}x", "{PLAIN}", "$1$abc$def", "$y$j9T$abc$def", "$6$", "$6$salt", "$6$salt$short",
		"$6$rounds=999$s$12345678901234567890123456789012345678901234567890123456789012345678901234567890123456",
		"$6$rounds=99999999$s$12345678901234567890123456789012345678901234567890123456789012345678901234567890123456",
		"$2b$31$abcdefghijklmnopqrstuu8.veTXNDPV2eEsdpKNczMw2otgh5LnK", "$2b$05$abcdefghijklmnopqrstuu8", "$2",
		"SCRAM-SHA-256$", "SCRAM-SHA-256$0:YQ==$YQ==:YQ==", "SCRAM-SHA-256$4096:YQ==$YQ==:YQ==" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ROW("%s", bad[i]);
		CHECK(password_check_entry(str_of(bad[i])) != NULL);
		CHECK(!password_fits(str_of(bad[i]), STR("secret")));
		CHECK(!password_fits(str_of(bad[i]), STR("")));
	}
}

T(password_makes_entries_that_fit)
{
	struct buf entry;

	buf_init(&entry, LIMIT_PASSWORD_ENTRY);
	password_make(&entry, STR("Hello world!"), STR("saltstring"));
	CHECK_STR(buf_cstr(&entry), rows[1].entry);
	buf_fini(&entry);
}

T(password_takes_none_that_is_too_long)
{
	char longest[LIMIT_PASSWORD + 2];
	struct buf entry;

	memset(longest, 'x', sizeof(longest));
	buf_init(&entry, LIMIT_PASSWORD_ENTRY);
	password_make(&entry, str_make(longest, LIMIT_PASSWORD), STR("s"));
	CHECK(password_fits(buf_view(&entry), str_make(longest, LIMIT_PASSWORD)));
	CHECK(!password_fits(buf_view(&entry), str_make(longest, LIMIT_PASSWORD + 1)));
	CHECK(!crypt_sha(&entry, str_make(longest, LIMIT_PASSWORD + 1), STR("$6$s$")));
	buf_fini(&entry);
}

/* what only begins like a setting makes no entry, and an entry is compared with what was made */
T(algorithms_refuse_what_is_no_setting)
{
	static const struct { const char *setting; bool sha, blowfish; } settings[] = {
		{ "$6$s$", true, false }, { "$5$s", true, false }, { "$6$", false, false }, { "$7$s$", false, false }, { "6$s$x", false, false }, { "$6$rounds=1000$s$", true, false },
		{ "$6$rounds=999$s$", false, false }, { "$6$rounds=1000s$", false, false }, { "$6$rounds=1000", false, false }, { "$6$rounds=$s$", false, false },
		{ "$6$rounds=1000001$s$", false, false }, { "$6$rounds=99999999999999999999$s$", false, false },
		{ "$2b$04$abcdefghijklmnopqrstuu", false, true }, { "$2a$04$abcdefghijklmnopqrstuu", false, true }, { "$2y$04$abcdefghijklmnopqrstuu", false, true },
		{ "$2x$04$abcdefghijklmnopqrstuu", false, false }, { "$2b$03$abcdefghijklmnopqrstuu", false, false }, { "$2b$15$abcdefghijklmnopqrstuu", false, false },
		{ "$2b$04$abcdefghijklmnopqrstu", false, false }, { "$2b$04$abcdefghijklmnopqrst!u", false, false }, { "$2b$x4$abcdefghijklmnopqrstuu", false, false },
		{ "$2b$0x$abcdefghijklmnopqrstuu", false, false }, { "$2b$04xabcdefghijklmnopqrstuu", false, false }, { "$2bx04$abcdefghijklmnopqrstuu", false, false },
		{ "$3b$04$abcdefghijklmnopqrstuu", false, false }, { "", false, false },
	};
	struct buf out;

	buf_init(&out, LIMIT_PASSWORD_ENTRY);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		ROW("%s", settings[i].setting);
		buf_clear(&out);
		CHECK_INT(crypt_sha(&out, STR("x"), str_of(settings[i].setting)), settings[i].sha);
		CHECK_INT(out.n > 0, settings[i].sha);
		buf_clear(&out);
		CHECK_INT(crypt_blowfish(&out, STR("x"), str_of(settings[i].setting)), settings[i].blowfish);
		CHECK_INT(out.n > 0, settings[i].blowfish);
	}
	buf_fini(&out);
}
