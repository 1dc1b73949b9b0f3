/* what a TLS level, a row of a policy table and a place demand together */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/policy/tls_demand.h"
#include "tests/unit/t.h"

struct world { struct conf *conf; struct conf_diag diag; struct maps table; };

static bool open_world(struct world *w, const char *const *extra)
{
	struct buf why;

	*w = (struct world){ .conf = NULL };
	conf_diag_init(&w->diag);
	w->conf = conf_load(t_tmpdir(), extra, &w->diag);
	if (!w->conf)
		return false;
	buf_init(&why, 1000);
	(void)maps_open(&w->table, w->conf->smtp_tls_policy_maps, &why);
	buf_fini(&why);
	return true;
}

static void close_world(struct world *w)
{
	maps_close(&w->table);
	conf_free(w->conf);
	conf_diag_fini(&w->diag);
}

/* the words are params.def's */
T(tls_levels_have_the_words_of_the_parameter)
{
	static const char *const words[] = { "none", "may", "encrypt", "fingerprint", "verify", "secure", "dane", "dane-only" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char set[80];
		const char *const extra[] = { set, NULL };
		enum conf_tls_level level = CONF_TLS_UNSET;
		struct world w;

		ROW("%s", words[i]);
		snprintf(set, sizeof(set), "smtp_tls_security_level=%s", words[i]);
		REQUIRE(open_world(&w, extra));
		CHECK(tls_level_parse(str_of(words[i]), &level));
		CHECK_INT(level, w.conf->smtp_tls_security_level);
		CHECK_STR(tls_level_row(level)->word, words[i]);
		close_world(&w);
	}
}

T(tls_demand_is_what_level_table_and_place_say)
{
	static const struct {
		const char *level, *policy, *site;
		bool at_once, offer, require;
		enum tls_match match;
		const char *words, *failed;
	} rows[] = {
		{ "none", "", "[h]", false, false, false, TLS_MATCH_NONE, "", NULL },
		{ "none", "", "[h]", true, true, true, TLS_MATCH_NONE, "", NULL },
		{ "may", "", "[h]", false, true, false, TLS_MATCH_NONE, "", NULL },
		{ "encrypt", "", "[h]", false, true, true, TLS_MATCH_NONE, "", NULL },
		{ "verify", "", "[h]", false, true, true, TLS_MATCH_NAME, "hostname", NULL },
		{ "secure", "", "[h]", false, true, true, TLS_MATCH_NAME, "nexthop, dot-nexthop", NULL },
		{ "fingerprint", "", "[h]", false, true, true, TLS_MATCH_FINGERPRINT, "", "without anything to match" },
		{ "dane", "", "[h]", false, true, true, TLS_MATCH_NONE, "", "dane needs smtp_dns_support_level = dnssec" },
		/* the table is asked for what is written; a bare domain also by its parents */
		{ "none", "[h]=secure", "[h]", false, true, true, TLS_MATCH_NAME, "nexthop, dot-nexthop", NULL },
		{ "none", "[h]=secure", "[h]:587", false, false, false, TLS_MATCH_NONE, "", NULL },
		{ "none", ".b.test=encrypt", "a.b.test", false, true, true, TLS_MATCH_NONE, "", NULL },
		{ "none", ".b.test=encrypt", "b.test", false, false, false, TLS_MATCH_NONE, "", NULL },
		{ "none", ".b.test=encrypt", "[a.b.test]", false, false, false, TLS_MATCH_NONE, "", NULL },
		{ "none", ".b.test=encrypt", "a.b.test:25", false, false, false, TLS_MATCH_NONE, "", NULL },
		{ "secure", "[h]=none", "[h]", false, false, false, TLS_MATCH_NONE, "", NULL },
		{ "secure", "[h]=none", "[h]", true, true, true, TLS_MATCH_NONE, "", NULL },
		{ "none", "[h]=secure match=a.test:.b.test match=c.test", "[h]", false, true, true, TLS_MATCH_NAME, "a.test .b.test c.test", NULL },
		/* what is not done, or makes no sense, is not passed by */
		{ "none", "[h]=secure tafile=/x", "[h]", false, true, true, TLS_MATCH_NAME, "nexthop, dot-nexthop", "tafile=/x" },
		{ "none", "[h]=encrypt exclude=aNULL:AES", "[h]", false, true, true, TLS_MATCH_NONE, "", "exclude=AES" },
		{ "none", "[h]=encrypt exclude=aNULL:RC4", "[h]", false, true, true, TLS_MATCH_NONE, "", NULL },
		{ "none", "[h]=encrypt ciphers=HIGH", "[h]", false, true, true, TLS_MATCH_NONE, "", NULL },
		{ "none", "[h]=encrypt ciphers=null", "[h]", false, true, true, TLS_MATCH_NONE, "", "ciphers=null" },
		{ "none", "[h]=encrypt protocols=SSLv2", "[h]", false, true, true, TLS_MATCH_NONE, "", "smtp_tls_policy_maps" },
		{ "none", "[h]=encrypt match=x", "[h]", false, true, true, TLS_MATCH_NONE, "", "match=" },
		{ "none", "[h]=encrypt connection_reuse=maybe", "[h]", false, true, true, TLS_MATCH_NONE, "", "neither yes nor no" },
		{ "none", "[h]=dane", "[h]", false, true, true, TLS_MATCH_NONE, "", "dane needs smtp_dns_support_level = dnssec" },
		{ "none", "[h]=sometimes", "[h]", false, true, true, TLS_MATCH_NAME, "nexthop, dot-nexthop", "begin with a TLS level" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char level[80], policy[200];
		const char *const extra[] = { level, policy, NULL };
		struct tls_site site = { .nexthop = str_of(rows[i].site), .at_once = rows[i].at_once };
		struct tls_demand x;
		struct world w;

		ROW("%s, %s for %s%s", rows[i].level, rows[i].policy, rows[i].site, rows[i].at_once ? " at once" : "");
		snprintf(level, sizeof(level), "smtp_tls_security_level=%s", rows[i].level);
		snprintf(policy, sizeof(policy), "smtp_tls_policy_maps=%s%s%s", *rows[i].policy ? "inline:{ { " : "", rows[i].policy,
			*rows[i].policy ? " } }" : "");
		REQUIRE(open_world(&w, extra));
		tls_demand_make(&x, w.conf, &w.table, &site, NULL);
		CHECK_INT(x.offer, rows[i].offer);
		CHECK_INT(x.require, rows[i].require);
		CHECK_INT(x.match, rows[i].match);
		CHECK_STR(x.words, rows[i].words);
		if (rows[i].failed)
			CHECK(x.failed.code == 451 && strstr(x.failed.text, rows[i].failed));
		else
			CHECK_STR(x.failed.text, "");
		tls_demand_fini(&x);
		close_world(&w);
	}
}

T(tls_demand_of_dane_is_settled_by_the_dns)
{
	static const struct { const char *policy; bool at_once; enum dane_result result; bool require; const char *protocols; } rows[] = {
		{ "", false, DANE_MAY, false, ">=TLSv1.2" }, { "", true, DANE_MAY, true, ">=TLSv1.3" }, { "", false, DANE_ENCRYPT, true, ">=TLSv1.3" },
		{ "", false, DANE_MATCH, true, ">=TLSv1.3" }, { "", false, DANE_FAILED, true, ">=TLSv1.3" },
		{ "smtp_tls_policy_maps=inline:{ { [h]=dane-only protocols=TLSv1.2 } }", false, DANE_MAY, false, "TLSv1.2" },
		{ "smtp_tls_policy_maps=inline:{ { [h]=dane-only protocols=TLSv1.2 } }", false, DANE_MATCH, true, "TLSv1.2" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const extra[] = { "smtp_tls_security_level=dane", "smtp_dns_support_level=dnssec", "smtp_tls_protocols=>=TLSv1.2",
			"smtp_tls_mandatory_protocols=>=TLSv1.3", *rows[i].policy ? rows[i].policy : NULL, NULL };
		struct tls_site site = { .nexthop = STR("[h]"), .at_once = rows[i].at_once };
		struct dane *d = MEM_NEW(struct dane);
		struct tls_demand x;
		struct world w;

		ROW("%zu", i);
		REQUIRE(open_world(&w, extra));
		tls_demand_make(&x, w.conf, &w.table, &site, NULL);
		CHECK(x.unsettled && x.require && x.offer);
		CHECK_STR(x.failed.text, "");
		d->result = rows[i].result;
		snprintf(d->why, sizeof(d->why), "reason");
		tls_demand_settle(&x, w.conf, d);
		CHECK(!x.unsettled && x.offer);
		CHECK_INT(x.require, rows[i].require);
		CHECK_INT(x.dane != NULL, rows[i].result == DANE_MATCH);
		CHECK_STR(x.protocols, rows[i].protocols);
		CHECK_STR(x.failed.text, rows[i].result == DANE_FAILED ? "reason" : "");
		tls_demand_fini(&x);
		close_world(&w);
	}
}

T(tls_demand_covers_a_password_of_the_environment)
{
	static const struct { const char *site, *set; bool near, require; } rows[] = {
		{ "[smart.test]:587", NULL, false, true },
		{ "[smart.test]:587", NULL, true, false },
		{ "[other.test]", NULL, false, false },
		{ "[smart.test]:587", "smtp_tls_security_level=may", false, false },
	};

	setenv("RELAYHOST", "[smart.test]:587", 1);
	setenv("RELAYHOST_USERNAME", "u", 1);
	setenv("RELAYHOST_PASSWORD", "p", 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const extra[] = { rows[i].set, NULL };
		struct tls_site site = { .nexthop = str_of(rows[i].site), .near = rows[i].near };
		struct tls_demand x;
		struct world w;

		ROW("%s %s", rows[i].site, rows[i].set ? rows[i].set : "");
		REQUIRE(open_world(&w, extra));
		tls_demand_make(&x, w.conf, &w.table, &site, NULL);
		CHECK(x.offer);
		CHECK_INT(x.require, rows[i].require);
		tls_demand_fini(&x);
		close_world(&w);
	}
	unsetenv("RELAYHOST");
	unsetenv("RELAYHOST_USERNAME");
	unsetenv("RELAYHOST_PASSWORD");
}
