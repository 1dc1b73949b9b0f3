/* main.cf: syntax, expansion, kinds of values, defaults by level, names that are not ours, the dump. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/conf/conf_private.h"
#include "tests/unit/t.h"

static struct conf_diag diag;

static struct conf *from(const char *text)
{
	conf_diag_fini(&diag);
	return conf_from_text(str_of(text), "/etc/none", &diag);
}

/* has - is there a finding of this severity with this text in it? */
static bool has(enum conf_severity severity, const char *part)
{
	for (size_t i = 0; i < diag.n; i++)
		if (diag.v[i].severity == severity && strstr(diag.v[i].text, part))
			return true;
	return false;
}

static const char *worst(void)
{
	for (size_t i = 0; i < diag.n; i++)
		if (diag.v[i].severity == CONF_ERROR)
			return diag.v[i].text;
	return diag.n ? diag.v[0].text : "";
}

T(conf_joins_lines_and_drops_comments)
{
	struct conf *c = from("\xef\xbb\xbf# comment\n"
		"relayhost = [a]:587\r\n"
		"mynetworks = 10.0.0.0/8,\n"
		"# a comment in between\n"
		"\n"
		"   # an indented one\n"
		"\t127.0.0.0/8   \n"
		"mydestination=\n"
		"mydomain  =example.jp");

	REQUIRE(c);
	CHECK_INT(diag.n, 1);
	CHECK(has(CONF_WARNING, "begins with a byte order mark"));
	CHECK_STR(c->relayhost, "[a]:587");
	CHECK_STR(c->mynetworks, "10.0.0.0/8,\t127.0.0.0/8");
	CHECK_STR(c->mydestination, "");
	CHECK_STR(c->mydomain, "example.jp");
	CHECK_STR(conf_where(c, "mydomain"), "main.cf:9");
	CHECK_STR(conf_where(c, "myorigin"), "default");
	CHECK(conf_is_set(c, "mydestination") && !conf_is_set(c, "myorigin"));
	conf_free(c);
}

T(conf_says_what_is_wrong_and_where)
{
	static const struct { const char *text; unsigned line; const char *want; } rows[] = {
		{ "\nsmtpd_timeout = abc\n", 2,
			"bad numeric value \"abc\" for smtpd_timeout: use a number with one of s m h d w" },
		{ "smtp_use_tls = true", 1, "bad boolean value \"true\" for smtp_use_tls: use yes or no" },
		{ "smtp_tls_security_level = encrpyt", 1, "bad value \"encrpyt\" for smtp_tls_security_level: use one of "
			"none|may|encrypt|fingerprint|verify|secure|dane|dane-only" },
		{ "hopcount_limit = 5x", 1, "bad numeric value \"5x\" for hopcount_limit: use a whole number" },
		{ "hopcount_limit = 0", 1, "value 0 for hopcount_limit is out of range: use 1 to 1000" },
		{ "message_size_limit = 10M", 1, "bad numeric value \"10M\" for message_size_limit: use a whole number of bytes" },
		{ "maximal_queue_lifetime = 20w", 1, "value 20w for maximal_queue_lifetime is out of range: use 0 to 8640000s" },
		{ "hello\n", 1, "missing '=' after \"hello\": write name = value" },
		{ "my hostname = x\n", 1, "missing '=' after \"my hostname = x\": write name = value" },
		{ "a=1\nmyorigin = ${mydomain\n", 2, "missing closing bracket near \"${mydomain\" in the value of myorigin" },
		{ "myorigin =\n", 1, "myorigin is empty: set it to a domain, such as $myhostname" },
		{ "myhostname = a b\n", 1, "bad host name \"a b\" for myhostname: use one full host name" },
		{ "slow_destination_concurrency_limit = many", 1,
			"bad numeric value \"many\" for slow_destination_concurrency_limit: use a whole number" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = from(rows[i].text);

		ROW("%s", rows[i].text);
		CHECK(!c);
		CHECK_STR(worst(), rows[i].want);
		for (size_t k = 0; k < diag.n; k++)
			if (diag.v[k].severity == CONF_ERROR)
				CHECK_INT(diag.v[k].line, rows[i].line);
		conf_free(c);
	}
}

T(conf_expands)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "$x", "ex" }, { "${x}", "ex" }, { "$(x)", "ex" }, { "$x.$y", "ex." }, { "$$x", "$x" }, { "a$x-b", "aex-b" },
		{ "${x?yes}", "yes" }, { "${y?yes}", "" }, { "${y:no}", "no" }, { "${x:no}", "" }, { "${none}", "" },
		{ "${x?{a}:{b}}", "a" }, { "${y?{a}:{b}}", "b" }, { "${x?{ a }}", "a" }, { "${y:{b}}", "b" },
		{ "${x?<${x}>}", "<ex>" }, { "${y?{1}:{300}}s", "300s" },
		{ "${{$x} == {ex} ? {a} : {b}}", "a" }, { "${{$x} != {ex} ? {a} : {b}}", "b" }, { "${{2} < {10} ? {a} : {b}}", "a" },
		{ "${{b} < {a} ? {x}}", "" }, { "${{3} >= {3} ? {x}}", "x" }, { "${{3.10} <level {3.9} ? {a} : {b}}", "b" },
		{ "${{3} <level {3.6} ? {a} : {b}}", "a" }, { "${{10} > {9} ? {$x$x}}", "exex" }, { "${{a} <= {b} ? {a}}", "a" },
		{ "$deep", "[[ex]]" }, { "a ${ x } b", "a ex b" },
	};
	struct conf *c = from("x = ex\ny =\ndeep = [$mid]\nmid = [$x]\n");
	struct buf out, why;

	REQUIRE(c);
	buf_init(&out, 1000);
	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].in);
		buf_clear(&out);
		CHECK_INT(conf_expand(c, str_of(rows[i].in), &out, &why), 0);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	buf_fini(&out);
	buf_fini(&why);
	conf_free(c);
}

T(conf_expands_names_that_are_built_in)
{
	/* what postconf -x of Postfix 3.7 says (Debian), but for mail_name, mail_version and the directory in use */
	static const struct { const char *in, *want; } rows[] = {
		{ "texthash:$config_directory/transport", "texthash:/etc/none/transport" }, { "$data_directory", "/var/lib/postfix" },
		{ "${daemon_directory}", "/usr/lib/postfix/sbin" }, { "$command_directory", "/usr/sbin" },
		{ "$default_database_type:/etc/aliases", "hash:/etc/aliases" }, { "$meta_directory", "/etc/none" },
		{ "$sendmail_path", "/usr/sbin/sendmail" }, { "$setgid_group", "postdrop" }, { "$virtual_transport", "virtual" },
		{ "<$virtual_alias_maps>", "<>" }, { "$mail_owner", "postfix" }, { "$myorigin", "m.e" }, { "$service_name", "" },
		{ "$queue_directory", "/var/spool/relaybox" }, { "${process_name?p}", "p" },
	};
	struct conf *c = from("myhostname = m.e\n");
	struct buf out, why;

	REQUIRE(c);
	buf_init(&out, 1000);
	buf_init(&why, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].in);
		buf_clear(&out);
		CHECK_INT(conf_expand(c, str_of(rows[i].in), &out, &why), 0);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	conf_free(c);
	c = from("config_directory = /etc/mine\ndata_directory = /d\nx = $config_directory$data_directory\n"
		"default_database_type = cdb\nalias_maps = $default_database_type:$config_directory/a\n");
	REQUIRE(c);
	CHECK_STR(conf_get(c, "x"), "/etc/mine/d");
	CHECK_STR(c->alias_maps, "cdb:/etc/mine/a");
	conf_free(c);
	buf_fini(&out);
	buf_fini(&why);
}

T(conf_refuses_bad_or_endless_expansion)
{
	static const char *const rows[] = {
		"relayhost = $relayhost", "relayhost = $a\na = $b\nb = ${a}", "relayhost = ${", "relayhost = ${x!y}", "relayhost = $",
		"relayhost = a $ b", "relayhost = ${{a} ? {b}}", "relayhost = ${{a} == {a}}", "relayhost = ${{a} ~ {b} ? {c}}",
		"relayhost = ${x?{a}b}", "relayhost = ${?a}", "mydomain = $myhostname", "inet_interfaces = $mynetworks",
		("relayhost = $a$a\na=$b$b\nb=$c$c\nc=$d$d\nd=$e$e\ne=$f$f\nf=$g$g\ng=$h$h\nh=$i$i\ni=$j$j\nj=$k$k\nk=$l$l\n"
			"l=$m$m\nm=$n$n\nn=$o$o\no=$p$p\np=$q$q\nq="),
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = from(rows[i]);

		ROW("%s", rows[i]);
		CHECK(!c);
		CHECK(strstr(worst(), "in the value of") != NULL);
		conf_free(c);
	}
}

T(conf_level_changes_defaults)
{
	static const struct { const char *level; bool dot, utf8; const char *relay_domains; int tls; const char *digest; } rows[] = {
		/* also the order of the lists of relays and recipients, and the style of mynetworks */
		{ "", true, false, "m.e, localhost.e, localhost", CONF_TLS_NONE, "md5" },
		{ "compatibility_level = 0\n", true, false, "m.e, localhost.e, localhost", CONF_TLS_NONE, "md5" },
		{ "compatibility_level = 1\n", false, true, "m.e, localhost.e, localhost", CONF_TLS_NONE, "md5" },
		{ "compatibility_level = 2\n", false, true, "", CONF_TLS_NONE, "md5" }, { "compatibility_level = 3.0\n", false, true, "", CONF_TLS_NONE, "md5" },
		{ "compatibility_level = 3.1\n", false, true, "", CONF_TLS_NONE, "md5" }, { "compatibility_level = 3.2\n", false, true, "", CONF_TLS_NONE, "md5" },
		{ "compatibility_level = 3.3\n", false, true, "", CONF_TLS_NONE, "md5" }, { "compatibility_level = 3.4\n", false, true, "", CONF_TLS_NONE, "md5" },
		{ "compatibility_level = 3.5\n", false, true, "", CONF_TLS_NONE, "md5" }, { "compatibility_level = 3.5.9\n", false, true, "", CONF_TLS_NONE, "md5" },
		{ "compatibility_level = 3.6\n", false, true, "", CONF_TLS_NONE, "sha256" },
		{ "compatibility_level = 3.7\n", false, true, "", CONF_TLS_NONE, "sha256" }, { "compatibility_level = 3.8\n", false, true, "", CONF_TLS_NONE, "sha256" },
		{ "compatibility_level = 3.9\n", false, true, "", CONF_TLS_NONE, "sha256" }, { "compatibility_level = 3.11.1\n", false, true, "", CONF_TLS_MAY, "sha256" },
		{ "compatibility_level = 3.10\n", false, true, "", CONF_TLS_NONE, "sha256" },
		{ "compatibility_level = 3.11\n", false, true, "", CONF_TLS_MAY, "sha256" },
	};
	char text[200];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c;

		snprintf(text, sizeof(text), "myhostname = m.e\n%s", rows[i].level);
		c = from(text);
		ROW("%s", rows[i].level);
		REQUIRE(c);
		CHECK_INT(c->append_dot_mydomain, rows[i].dot);
		CHECK_INT(c->smtputf8_enable, rows[i].utf8);
		CHECK_STR(c->relay_domains, rows[i].relay_domains);
		CHECK_INT(c->smtp_tls_security_level, rows[i].tls);
		CHECK_STR(c->smtp_tls_fingerprint_digest, rows[i].digest);
		CHECK_STR(c->smtpd_tls_fingerprint_digest, rows[i].digest);
		CHECK_INT(c->smtpd_relay_before_recipient_restrictions, !strcmp(rows[i].digest, "sha256"));
		CHECK_INT(c->mynetworks_style, *rows[i].relay_domains ? 1 : 2);
		CHECK_STR(c->smtpd_relay_restrictions, "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination");
		CHECK_STR(c->smtpd_recipient_restrictions, "");
		conf_free(c);
	}
}

T(conf_resolves_values_that_depend_on_others)
{
	struct conf *c = from("myhostname = a.b.example\nsmtp_use_tls = yes\nsmtpd_enforce_tls = yes\ninet_protocols = ipv6, ipv4\n"
		"stress = yes\n");

	REQUIRE(c);
	CHECK_STR(c->mydomain, "b.example");
	CHECK_STR(c->myorigin, "a.b.example");
	CHECK_STR(c->smtpd_banner, "a.b.example ESMTP relaybox");
	CHECK_INT(c->smtp_tls_security_level, CONF_TLS_MAY);
	CHECK_INT(c->smtpd_tls_security_level, CONF_TLS_ENCRYPT);
	CHECK_INT(c->inet_protocols, CONF_INET_BOTH);
	CHECK_INT(c->smtpd_timeout, 10 * USEC_PER_SEC);
	CHECK_INT(c->smtpd_hard_error_limit, 1);
	CHECK_INT(c->shutdown_timeout, 8 * USEC_PER_SEC);
	CHECK_STR(c->twobounce_notice_recipient, "postmaster");
	CHECK_INT(c->smtpd_upstream_proxy_protocol, CONF_PROXY_NONE);
	CHECK(c->smtpd_reject_unlisted_recipient);
	conf_free(c);
	c = from("receive_override_options = no_address_mappings, no_unknown_recipient_checks\n");
	REQUIRE(c);
	CHECK(!c->smtpd_reject_unlisted_recipient);
	conf_free(c);
	c = from("smtp_enforce_tls = yes\nmynetworks_style = host\ninet_interfaces = loopback-only\ninet_protocols = ipv4\n");
	REQUIRE(c);
	CHECK_INT(c->smtp_tls_security_level, CONF_TLS_VERIFY);
	CHECK_STR(c->mynetworks, "127.0.0.1/32");
	conf_free(c);
}

T(conf_resolves_old_names_of_tls_levels)
{
	static const struct { const char *text; int client, server; } rows[] = {
		{ "", CONF_TLS_NONE, CONF_TLS_NONE }, { "smtpd_use_tls = yes", CONF_TLS_NONE, CONF_TLS_MAY },
		{ "smtpd_use_tls = yes\nsmtpd_enforce_tls = yes", CONF_TLS_NONE, CONF_TLS_ENCRYPT },
		{ "smtpd_enforce_tls = yes\nsmtpd_tls_security_level = may", CONF_TLS_NONE, CONF_TLS_MAY },
		{ "smtp_enforce_tls = yes\nsmtp_tls_enforce_peername = no", CONF_TLS_ENCRYPT, CONF_TLS_NONE },
		{ "smtp_enforce_tls = yes", CONF_TLS_VERIFY, CONF_TLS_NONE }, { "smtp_use_tls = yes", CONF_TLS_MAY, CONF_TLS_NONE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = from(rows[i].text);

		ROW("%s", rows[i].text);
		REQUIRE(c);
		CHECK_INT(c->smtp_tls_security_level, rows[i].client);
		CHECK_INT(c->smtpd_tls_security_level, rows[i].server);
		conf_free(c);
	}
}

T(conf_reads_origin_from_a_file)
{
	char path[300], text[400];
	struct conf *c;

	snprintf(path, sizeof(path), "%s/mailname", t_tmpdir());
	REQUIRE(fs_replace(path, 0600, STR("host.example\nmore\n")) == 0);
	snprintf(text, sizeof(text), "myorigin = %s\n", path);
	c = from(text);
	REQUIRE(c);
	CHECK_STR(c->myorigin, "host.example");
	conf_free(c);
	CHECK(!from("myorigin = /nowhere/mailname\n"));
}

T(conf_parses_times)
{
	static const struct { const char *in; char unit; int64_t seconds; } rows[] = {
		{ "5", 's', 5 }, { "5", 'd', 432000 }, { "5s", 'd', 5 }, { "2m", 's', 120 }, { "1h", 's', 3600 }, { "1w", 's', 604800 },
		{ "1d12h", 's', 129600 }, { "0", 's', 0 }, { "3D", 's', 259200 },
		{ "", 's', -1 }, { "s", 's', -1 }, { "5x", 's', -1 }, { "-5s", 's', -1 }, { "5 s", 's', -1 },
		{ "99999999999999999999", 's', -1 }, { "9999999999999999w", 's', -1 },
	};
	usec t;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].in);
		if (rows[i].seconds < 0)
			CHECK(!conf_parse_time(str_of(rows[i].in), rows[i].unit, &t));
		else if (CHECK(conf_parse_time(str_of(rows[i].in), rows[i].unit, &t)))
			CHECK_INT(t, rows[i].seconds * USEC_PER_SEC);
	}
}

/* edits_of - by the plain table, one number a place */
static unsigned edits_of(struct str a, struct str b)
{
	unsigned t[70][70];

	for (size_t i = 0; i <= a.n; i++) {
		for (size_t j = 0; j <= b.n; j++) {
			unsigned d = i ? t[i - 1][j] + 1 : (unsigned)j;

			if (i && j && t[i][j - 1] + 1 < d)
				d = t[i][j - 1] + 1;
			if (i && j && t[i - 1][j - 1] + (a.p[i - 1] != b.p[j - 1]) < d)
				d = t[i - 1][j - 1] + (a.p[i - 1] != b.p[j - 1]);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] && t[i - 2][j - 2] + 1 < d)
				d = t[i - 2][j - 2] + 1;
			t[i][j] = i || j ? d : 0;
		}
	}
	return t[a.n][b.n];
}

T(conf_distance_counts_edits)
{
	uint32_t seed = 1;

	for (unsigned round = 0; round < 20000; round++) {
		char a[64], b[64];
		size_t n[2];

		for (size_t w = 0; w < 2; w++) {
			char *to = w ? b : a;

			n[w] = (seed = seed * 1664525 + 1013904223) >> 8 & (round % 4 ? 7 : 63);
			for (size_t i = 0; i < n[w]; i++)
				to[i] = (char)('a' + ((seed = seed * 1664525 + 1013904223) >> 16) % 3);
		}
		ROW("%.*s %.*s", (int)n[0], a, (int)n[1], b);
		for (unsigned bound = 0; bound < 70; bound += 1 + bound / 2) {
			unsigned want = edits_of(str_make(a, n[0]), str_make(b, n[1]));

			CHECK_INT(conf_distance(str_make(a, n[0]), str_make(b, n[1]), bound), want <= bound ? want : bound + 1);
		}
	}
	CHECK_INT(conf_distance(STR("MyHostName"), STR("myhostanme"), 3), 1);
	CHECK_INT(conf_distance(STR("caf\xe9"), STR("cafi"), 3), 1);
}

T(conf_classifies_names)
{
	static const struct { const char *text; int severity; const char *part; } rows[] = {
		{ "smtpd_timeot = 3s", CONF_WARNING, "unknown parameter smtpd_timeot: it has no effect; did you mean smtpd_timeout?" },
		{ "relay_host = x", CONF_WARNING, "did you mean relayhost?" }, { "RELAYHOST = x", CONF_WARNING, "did you mean relayhost?" },
		{ "relayHost = x", CONF_WARNING, "did you mean relayhost?" }, { "SMTPD_Helo_Require = yes", CONF_WARNING, "smtpd_helo_required?" },
		{ "qqqqqqqq = x", CONF_WARNING, "unknown parameter qqqqqqqq: it has no effect" },
		{ "slow_destination_rate_delay = 1s", -1, NULL }, { "mua_x = permit\nsmtpd_relay_restrictions = $mua_x", -1, NULL },
		{ "maildrop_time_limit = 1h", -1, NULL }, { "queue_directory = /x\nbiff = no\nreadme_directory = no", -1, NULL },
		{ "mailbox_command = procmail", CONF_ERROR, "mailbox_command is not implemented, and must not be ignored: no program is run" },
		{ "mailbox_command = procmail\nmydestination =", -1, NULL }, { "mailbox_command =", -1, NULL },
		{ "mailbox_command = procmail\nlocal_transport = lmtp:unix:/x", -1, NULL },
		{ "forward_path = $home/.f", CONF_ERROR, "no .forward file is read" }, { "forward_path =", -1, NULL },
		{ "relocated_maps = hash:/x\nvirtual_maps = hash:/x", -1, NULL },
		{ "smtp_tls_exclude_ciphers = aNULL, RC4+RSA, EDH-RSA-DES-CBC3-SHA, KRB5-DES, CBC3-SHA, 3DES:MD5", -1, NULL },
		{ "smtpd_tls_mandatory_exclude_ciphers = aNULL, kRSA", CONF_ERROR, "\"kRSA\" would be used all the same" },
		{ "smtpd_tls_mandatory_ciphers = high\nsmtpd_tls_ciphers = medium\ntls_ssl_options = NO_COMPRESSION", -1, NULL },
		{ "smtpd_authorized_xclient_hosts = 10.0.0.1", CONF_ERROR, "would count as the proxy itself" },
		{ "virtual_mailbox_domains = a.test\nmyhostname = m.test\nvirtual_mailbox_maps = hash:/x", CONF_ERROR,
			"virtual_mailbox_domains, virtual_mailbox_maps are not implemented, and must not be ignored: mailboxes" },
		{ "master_service_disable = inet", CONF_ERROR, "take their lines out of master.cf" },
		{ "forward_path = $home/.forward${recipient_delimiter}${extension}, $home/.forward", -1, NULL },
		{ "address_verify_relayhost = $relayhost\nprepend_delivered_header = command,file, forward\nresolve_null_domain = no", -1, NULL },
		{ "address_verify_relayhost = [x.test]", CONF_WARNING, "things are done as with $relayhost" },
		{ "slow_transport_rate_delay = 2s", CONF_WARNING, "slow_transport_rate_delay is not implemented: use default_destination_rate_delay" },
		{ "slow_transport_rate_delay = 0s\nslow_recipient_limit = $default_recipient_limit", -1, NULL },
		{ "slow_delivery_status_filter = pcre:/x", CONF_WARNING, "slow_delivery_status_filter is not implemented" },
		{ "notify_classes = bounce, foo", CONF_ERROR, "bad value \"foo\" for notify_classes: use words of bounce|2bounce|delay" },
		{ "notify_classes =\nsmtp_host_lookup = native, dns", -1, NULL }, { "smtp_host_lookup = hosts", CONF_ERROR, "use words of dns|native" },
		{ "smtpd_sasl_security_options = noplain", CONF_ERROR, "bad value \"noplain\" for smtpd_sasl_security_options" },
		{ "reject_tempfail_action = deny", CONF_ERROR, "for reject_tempfail_action: use words of defer|defer_if_permit" },
		{ "receive_override_options = no_header_checks", CONF_ERROR, "for receive_override_options" },
		{ "smtpd_forbid_bare_newline = maybe", CONF_ERROR, "for smtpd_forbid_bare_newline" },
		{ "smtpd_discard_ehlo_keywords = chunking, foo", CONF_WARNING, "bad value \"foo\" for smtpd_discard_ehlo_keywords" },
		{ "parent_domain_matches_subdomains = smtpd_access_map", CONF_WARNING, "bad value \"smtpd_access_map\"" },
		{ "compatibility_level = new", CONF_ERROR, "bad value \"new\" for compatibility_level" }, { "compatibility_level = 3.", CONF_ERROR, "bad value" },
		{ "compatibility_level = 3.11.2", -1, NULL }, { "compatibility_level = 3.11.2.1", CONF_ERROR, "bad value" },
		{ "slow_destination_concurrency_positive_feedback = 1/concurrenzy", CONF_ERROR, "use a number, number/concurrency or" },
		{ "default_destination_concurrency_negative_feedback = 0.5/sqrt_concurrency", -1, NULL },
		{ "default_destination_concurrency_negative_feedback = fast", CONF_ERROR, "use a number, number/concurrency or" },
		{ "smtp_tcp_port = 587\nlmtp_tcp_port = 24", -1, NULL },
		{ "header_size_limit = 4096000\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth", -1, NULL },
		{ "receive_override_options = no_address_mappings", -1, NULL }, { "postscreen_greet_action = enforce", -1, NULL },
		{ "smtp_tls_eccert_file = /x", CONF_WARNING, "smtp_tls_eccert_file is not implemented: name the certificate in smtp_tls_cert_file" },
		{ "default_transport_rate_delay = 1s", CONF_WARNING, "default_transport_rate_delay" },
		{ "default_transport_rate_delay = 0s", -1, NULL }, { "content_filter =", -1, NULL },
		{ "content_filter = scan:", CONF_ERROR, "content_filter is not implemented, and must not be ignored" },
		{ "smtpd_milters = inet:localhost:8891", CONF_ERROR, "smtpd_milters" },
		{ "virtual_mailbox_domains = hash:/x", CONF_ERROR, "virtual_mailbox_domains" },
		{ "virtual_alias_domains = $virtual_alias_maps", -1, NULL },
		{ "local_login_sender_maps = static:*", -1, NULL },
		{ "smtpd_sasl_security_options = noanonymous", -1, NULL },
		{ "smtpd_sasl_auth_enable = no", -1, NULL },
		{ "smtpd_delay_reject = yes\nsmtputf8_autodetect_classes = sendmail verify", -1, NULL },
		{ "smtpd_delay_reject = no", -1, NULL },
		{ "allow_percent_hack = yes\nswap_bangpath = no", -1, NULL },
		{ "enable_long_queue_ids = yes\nsmtp_tls_ciphers = high", -1, NULL },
		{ "smtpd_client_restrictions = permit_mynetworks", -1, NULL },
		{ "smtpd_restriction_classes = mine, theirs\nmine = reject\ntheirs = permit", -1, NULL },
		{ "smtpd_restriction_classes = mine\nmin = reject", CONF_WARNING, "unknown parameter min" },
		{ "smtpd_sender_restrictions = $mua_sender_restrictions", -1, NULL },
		{ "smtpd_etrn_restrictions = permit_mynetworks, reject", -1, NULL },
		{ "lmtp_connect_timeout = 5s", -1, NULL }, { "lmtp_lhlo_name = x", -1, NULL },
		{ "lmtp_generic_maps = hash:/x\nluser_relay = $user@x", -1, NULL },
		{ "relayhost = a\nrelayhost =  a\n", -1, NULL },
		{ "relayhost = a\nrelayhost = b", CONF_WARNING, "overriding earlier entry of relayhost (line 1)" },
		{ "  stray = 1\nrelayhost = b", CONF_WARNING, "continues the one before, but there is none" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = from(rows[i].text);

		ROW("%s: %s", rows[i].text, worst());
		CHECK(!c == (rows[i].severity == CONF_ERROR));
		if (rows[i].part)
			CHECK(has((enum conf_severity)rows[i].severity, rows[i].part));
		else
			CHECK_INT(diag.n, 0);
		conf_free(c);
	}
}

T(conf_every_row_of_the_table_is_sound)
{
	struct conf *c = from("myhostname = a.example\n");

	REQUIRE(c);
	for (size_t i = 0; i < n_params; i++) {
		const char *advice, *harmless;

		ROW("%s", params[i].name);
		CHECK(param_find(str_of(params[i].name)) == &params[i]);
		CHECK(conf_get(c, params[i].name) != NULL);
		CHECK_INT(name_class(str_of(params[i].name), &advice, &harmless), NAME_KNOWN);
	}
	conf_free(c);
}

T(conf_takes_limits_of_all_transports_where_one_has_none)
{
	struct conf *c = from("default_destination_rate_delay = 3s\ndefault_destination_recipient_limit = 7\n"
		"local_destination_concurrency_limit = 9\nlocal_destination_recipient_limit = 4\nslow_destination_recipient_limit = 2\n"
		"default_destination_concurrency_positive_feedback = 1/sqrt_concurrency\n");

	REQUIRE(c);
	CHECK(conf_transport_time(c, "relay", "destination_rate_delay") == 3 * USEC_PER_SEC);
	CHECK_INT(conf_transport_int(c, "relay", "destination_recipient_limit"), 7);
	CHECK_INT(conf_transport_int(c, "slow", "destination_recipient_limit"), 2);
	CHECK_INT(conf_transport_int(c, "local", "destination_concurrency_limit"), 9);
	CHECK_INT(conf_transport_int(c, "local", "destination_recipient_limit"), 4);
	CHECK_STR(conf_transport_text(c, "relay", "destination_concurrency_positive_feedback"), "1/sqrt_concurrency");
	conf_free(c);
}

T(conf_defaults_that_follow_others)
{
	struct conf *c = from("reject_tempfail_action = defer\ndouble_bounce_sender = bounces\n");

	REQUIRE(c);
	CHECK_STR(c->unknown_address_tempfail_action, "defer");
	CHECK_STR(c->unverified_recipient_tempfail_action, "defer");
	CHECK_STR(c->address_verify_sender, "bounces");
	conf_free(c);
	c = from("reject_tempfail_action = defer\nunknown_address_tempfail_action = defer_if_permit\ndouble_bounce_sender = b\naddress_verify_sender = <>\n");
	REQUIRE(c);
	CHECK_STR(c->unknown_address_tempfail_action, "defer_if_permit");
	CHECK_STR(c->address_verify_sender, "<>");
	conf_free(c);
}

T(conf_gets_transport_values)
{
	struct conf *c = from("default_destination_concurrency_limit = 10\nslow_destination_concurrency_limit = $one\none = 1\n"
		"slow_destination_rate_delay = 2m\nslow_initial_destination_concurrency = 3\n");

	REQUIRE(c);
	CHECK_INT(conf_transport_int(c, "slow", "destination_concurrency_limit"), 1);
	CHECK_INT(conf_transport_int(c, "relay", "destination_concurrency_limit"), 10);
	CHECK_INT(conf_transport_int(c, "local", "destination_concurrency_limit"), 2);
	CHECK_INT(conf_transport_int(c, "relay", "destination_recipient_limit"), 50);
	CHECK_INT(conf_transport_int(c, "slow", "initial_destination_concurrency"), 3);
	CHECK_INT(conf_transport_int(c, "relay", "initial_destination_concurrency"), 5);
	CHECK(conf_transport_time(c, "slow", "destination_rate_delay") == 120 * USEC_PER_SEC);
	CHECK(conf_transport_time(c, "relay", "destination_rate_delay") == 0);
	CHECK_STR(conf_transport_text(c, "slow", "destination_concurrency_negative_feedback"), "1");
	CHECK_STR(conf_get(c, "one"), "1");
	CHECK_STR(conf_get(c, "smtpd_timeout"), "300s");
	CHECK(!conf_get(c, "none"));
	conf_free(c);
}

T(conf_dumps_as_postconf_does)
{
	struct conf *c = from("relayhost = [a]:25\nmydestination =\nmyorigin = $mydomain\n");
	static char text[60000];
	FILE *f = fmemopen(text, sizeof(text), "w");

	REQUIRE(c && f);
	conf_dump(c, CONF_DUMP_SET, false, false, f);
	fclose(f);
	CHECK_STR(text, "mydestination =\nmyorigin = $mydomain\nrelayhost = [a]:25\n");
	f = fmemopen(text, sizeof(text), "w");
	REQUIRE(f);
	conf_dump(c, CONF_DUMP_DEFAULTS, false, false, f);
	fclose(f);
	CHECK(!strncmp(text, "2bounce_notice_recipient = postmaster\n", 38));
	CHECK(strstr(text, "\nmyorigin = $myhostname\n") != NULL);
	CHECK(strstr(text, "\nmynetworks = ") != NULL);
	conf_free(c);
}

T(conf_overlay_leaves_its_base_alone)
{
	static const char *const over[] = { "smtpd_tls_wrappermode=yes", "syslog_name = postfix/$service", "service=x", NULL };
	static const char *const bad[] = { "smtpd_timeout=x", NULL };
	struct conf *c = from("syslog_name = base\n"), *o;

	REQUIRE(c);
	o = conf_overlay(c, over, "master.cf", 7, &diag);
	REQUIRE(o);
	CHECK(o->smtpd_tls_wrappermode && !c->smtpd_tls_wrappermode);
	CHECK_STR(o->syslog_name, "postfix/x");
	CHECK_STR(c->syslog_name, "base");
	CHECK_STR(conf_where(o, "syslog_name"), "master.cf:7");
	CHECK(!conf_overlay(c, bad, "master.cf", 8, &diag));
	CHECK_INT(diag.errors, 1);
	conf_free(o);
	conf_free(c);
	conf_diag_fini(&diag);
}
