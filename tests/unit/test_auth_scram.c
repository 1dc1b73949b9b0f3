/* SCRAM-SHA-256: the exchange of RFC 7677 section 3, and what a client may not say */
#include <stdio.h>

#include "core/auth/scram.h"
#include "tests/unit/t.h"

#define ENTRY "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"

static const struct scram_channel plain = { NULL, false, false };

T(scram_does_the_exchange_of_its_rfc)
{
	struct scram s;
	struct buf out;

	scram_init(&s);
	buf_init(&out, 1000);
	CHECK(!scram_first(&s, STR("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"), &plain, STR("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")));
	CHECK_STR(s.user, "user");
	CHECK(scram_entry_read(STR(ENTRY), &s.entry));
	scram_challenge(&s, &out);
	CHECK_STR(buf_cstr(&out), "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
	buf_clear(&out);
	CHECK(!scram_final(&s, STR("c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), &out));
	CHECK_STR(buf_cstr(&out), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	scram_fini(&s);
	buf_fini(&out);
}

T(scram_makes_the_entry_of_a_password)
{
	struct scram_entry e, made;
	struct buf out;

	buf_init(&out, 1000);
	CHECK(scram_entry_read(STR(ENTRY), &e));
	made = e;
	memset(made.stored, 0, sizeof(made.stored));
	memset(made.server, 0, sizeof(made.server));
	CHECK(!scram_entry_fits(&made, STR("pencil")));
	scram_entry_make(&made, STR("pencil"));
	scram_entry_format(&made, &out);
	CHECK_STR(buf_cstr(&out), ENTRY);
	CHECK(scram_entry_fits(&made, STR("pencil")));
	CHECK(!scram_entry_fits(&made, STR("Pencil")));
	buf_fini(&out);
}

/* each differs in one place from what fits */
T(scram_refuses_other_ends)
{
	static const struct { const char *final, *why; } rows[] = {
		{ "c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVU=", "" },
		{ "c=eSws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "the channel is not the client's: is somebody between?" },
		{ "c=biws,r=" NONCE "0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "malformed response" },
		{ "c=biws,r=rOprNGfwEbeRWgbNEkqO,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "malformed response" },
		{ "c=biws,r=" NONCE ",x=y,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "" },
		{ "c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7And", "malformed response" },
		{ "c=biws,r=" NONCE ",p=", "malformed response" }, { "c=biws,r=" NONCE, "malformed response" },
		{ "r=" NONCE ",c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "malformed response" },
		{ "", "malformed response" }, { ",", "malformed response" }, { "c=", "malformed response" }, { "p=x", "malformed response" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scram s;
		struct buf out;
		const char *why;

		ROW("%s", rows[i].final);
		scram_init(&s);
		buf_init(&out, 1000);
		CHECK(!scram_first(&s, STR("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"), &plain, STR("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")));
		CHECK(scram_entry_read(STR(ENTRY), &s.entry));
		scram_challenge(&s, &out);
		buf_clear(&out);
		why = scram_final(&s, str_of(rows[i].final), &out);
		CHECK_STR(why ? why : "none", rows[i].why);
		CHECK_INT(out.n, 0);
		scram_fini(&s);
		buf_fini(&out);
	}
}

T(scram_judges_the_word_about_binding)
{
	static const uint8_t bytes[32] = { 1 };
	static const struct { const char *first; struct scram_channel channel; bool good; } rows[] = {
		{ "n,,n=u,r=x", { NULL, false, false }, true }, { "n,,n=u,r=x", { bytes, false, true }, true },
		{ "y,,n=u,r=x", { NULL, false, false }, true }, { "y,,n=u,r=x", { bytes, false, true }, false },
		{ "y,,n=u,r=x", { bytes, false, false }, true }, { "p=tls-exporter,,n=u,r=x", { bytes, true, true }, true },
		{ "p=tls-exporter,,n=u,r=x", { bytes, false, true }, false }, { "p=tls-exporter,,n=u,r=x", { NULL, true, false }, false },
		{ "p=tls-unique,,n=u,r=x", { bytes, true, true }, false }, { "n,,n=u,r=x", { bytes, true, true }, false },
		{ "y,,n=u,r=x", { bytes, true, true }, false }, { "x,,n=u,r=x", { bytes, false, true }, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scram s;

		ROW("%zu %s", i, rows[i].first);
		scram_init(&s);
		CHECK_INT(scram_first(&s, str_of(rows[i].first), &rows[i].channel, STR("y")) == NULL, rows[i].good);
		scram_fini(&s);
	}
}
