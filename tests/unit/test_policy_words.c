/* what a TLS level matches when nobody says so in the policy table: the parameters of its words */
#include "core/conf/conf.h"
#include "core/policy/tls_demand.h"
#include "tests/unit/t.h"

#define F256 "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"
#define F1 "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33"

T(tls_levels_match_what_their_parameters_say)
{
	static const struct { const char *set[3]; enum tls_match match; const char *words, *failed; } rows[] = {
		{ { "smtp_tls_security_level=verify", "smtp_tls_verify_cert_match=nexthop, .b.test" }, TLS_MATCH_NAME, "nexthop, .b.test", NULL },
		{ { "smtp_tls_security_level=verify", "smtp_tls_secure_cert_match=nexthop" }, TLS_MATCH_NAME, "hostname", NULL },
		{ { "smtp_tls_security_level=verify", "smtp_tls_verify_cert_match=, :" }, TLS_MATCH_NAME, ", :", "level verify without anything to match" },
		{ { "smtp_tls_security_level=secure", "smtp_tls_secure_cert_match=hostname" }, TLS_MATCH_NAME, "hostname", NULL },
		{ { "smtp_tls_security_level=secure", "smtp_tls_verify_cert_match=hostname" }, TLS_MATCH_NAME, "nexthop, dot-nexthop", NULL },
		{ { "smtp_tls_security_level=fingerprint", "smtp_tls_fingerprint_cert_match=" F256 }, TLS_MATCH_FINGERPRINT, F256, NULL },
		{ { "smtp_tls_security_level=fingerprint", "smtp_tls_fingerprint_cert_match=" F256 "|" F1 }, TLS_MATCH_FINGERPRINT, F256 " " F1, NULL },
		{ { "smtp_tls_security_level=fingerprint", "smtp_tls_fingerprint_cert_match=" F256 " " F1, "smtp_tls_fingerprint_digest=sha1" },
			TLS_MATCH_FINGERPRINT, F1, NULL },
		{ { "smtp_tls_security_level=fingerprint", "smtp_tls_fingerprint_cert_match=" F1, "smtp_tls_fingerprint_digest=sha256" },
			TLS_MATCH_FINGERPRINT, "", "no fingerprint is one of smtp_tls_fingerprint_digest = sha256" },
		{ { "smtp_tls_security_level=fingerprint", "smtp_tls_fingerprint_cert_match=none" }, TLS_MATCH_FINGERPRINT, "", "without anything to match" },
		/* levels that match nothing ask no parameter */
		{ { "smtp_tls_security_level=encrypt", "smtp_tls_verify_cert_match=x", "smtp_tls_fingerprint_cert_match=" F1 }, TLS_MATCH_NONE, "", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[] = { rows[i].set[0], rows[i].set[1], rows[i].set[2], NULL };
		struct tls_site site = { .nexthop = STR("[h]") };
		struct conf_diag diag;
		struct maps none = { .n = 0 };
		struct tls_demand x;
		struct conf *conf;

		ROW("%zu", i);
		conf_diag_init(&diag);
		conf = conf_load(t_tmpdir(), extra, &diag);
		REQUIRE(conf);
		tls_demand_make(&x, conf, &none, &site, NULL);
		CHECK_INT(x.match, rows[i].match);
		CHECK_STR(x.words, rows[i].words);
		CHECK(rows[i].failed ? x.failed.code == 451 && strstr(x.failed.text, rows[i].failed) : !x.failed.code);
		tls_demand_fini(&x);
		conf_free(conf);
		conf_diag_fini(&diag);
	}
}

/* a row is wrong, or is not, whatever level goes before it: a check of the table is told the same */
T(tls_policy_rows_are_checked_by_themselves)
{
	static const struct { const char *row; bool good; } rows[] = {
		{ "encrypt", true }, { "none", true }, { "secure match=a.test", true }, { "fingerprint match=" F256, true }, { "fingerprint", false },
		{ "secure match=", false }, { "sometimes", false }, { "", false }, { "encrypt match=x", false }, { "dane", false },
		{ "none protocols=SSLv2", false }, { "encrypt protocols=>=TLSv1.2", true }, { "encrypt nonsense=1", false },
	};
	const char *extra[] = { "smtp_tls_security_level=secure", NULL };
	struct conf_diag diag;
	struct conf *conf;

	conf_diag_init(&diag);
	conf = conf_load(t_tmpdir(), extra, &diag);
	REQUIRE(conf);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf why;

		ROW("%s", rows[i].row);
		buf_init(&why, 1000);
		CHECK_INT(tls_demand_check(conf, str_of(rows[i].row), &why), rows[i].good);
		CHECK_INT(why.n == 0, rows[i].good);
		buf_fini(&why);
	}
	conf_free(conf);
	conf_diag_fini(&diag);
}

/* a bare domain is looked for with its parents, whatever its first byte is; an address in brackets or with a port is not */
T(tls_policy_parents_are_for_bare_domains)
{
	static const struct { const char *site; bool found; } rows[] = {
		{ "a.b.test", true }, { "x.a.b.test", true }, { ":a.b.test", false }, { "a.b.test:25", false }, { "[a.b.test]", false }, { "b.test", false },
	};
	const char *extra[] = { "smtp_tls_security_level=none", "smtp_tls_policy_maps=inline:{ { .b.test=encrypt } }", NULL };
	struct conf_diag diag;
	struct conf *conf;
	struct maps table;
	struct buf why;

	conf_diag_init(&diag);
	conf = conf_load(t_tmpdir(), extra, &diag);
	REQUIRE(conf);
	buf_init(&why, 1000);
	(void)maps_open(&table, conf->smtp_tls_policy_maps, &why);
	CHECK_INT(why.n, 0);
	buf_fini(&why);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_site site = { .nexthop = str_of(rows[i].site) };
		struct tls_demand x;

		ROW("%s", rows[i].site);
		tls_demand_make(&x, conf, &table, &site, NULL);
		CHECK_INT(x.require, rows[i].found);
		tls_demand_fini(&x);
	}
	maps_close(&table);
	conf_free(conf);
	conf_diag_fini(&diag);
}
