/* Where a value comes from, who wins, and what a finding says about the place. */
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fs.h"
#include "core/conf/conf_private.h"
#include "tests/unit/t.h"

static struct conf_diag diag;

static struct conf *load(const char *main_cf)
{
	static char dir[300];
	char path[400];

	snprintf(dir, sizeof(dir), "%s", t_tmpdir());
	snprintf(path, sizeof(path), "%s/main.cf", dir);
	fs_replace(path, 0600, str_of(main_cf));
	conf_diag_fini(&diag);
	return conf_load(dir, NULL, &diag);
}

T(conf_env_file_wins_over_the_plain_value)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/value", t_tmpdir());
	REQUIRE(fs_replace(path, 0600, STR("file.example\n")) == 0);
	/* in whatever order they stand in the environment */
	for (int first = 0; first < 2; first++) {
		struct conf *c;

		ROW("%s first", first ? "file" : "value");
		if (first)
			setenv("POSTFIX_relay_domains_FILE", path, 1);
		setenv("POSTFIX_relay_domains", "plain.example", 1);
		if (!first)
			setenv("POSTFIX_relay_domains_FILE", path, 1);
		c = load("relay_domains = main.example\n");
		unsetenv("POSTFIX_relay_domains");
		unsetenv("POSTFIX_relay_domains_FILE");
		REQUIRE(c);
		CHECK_STR(c->relay_domains, "file.example");
		conf_free(c);
	}
}

T(conf_overlay_knows_where_its_values_come_from)
{
	static const char *const over[] = { "relayhost = [o.example]", NULL };
	struct conf *c, *o;

	setenv("POSTFIX_relay_domains", "env.example", 1);
	c = load("# one\nmydestination = x.example\n");
	unsetenv("POSTFIX_relay_domains");
	REQUIRE(c);
	o = conf_overlay(c, over, "master.cf", 7, &diag);
	REQUIRE(o);
	CHECK_STR(conf_where(o, "relay_domains"), "environment");
	CHECK_STR(conf_where(o, "mydestination") + strlen(conf_where(o, "mydestination")) - 9, "main.cf:2");
	CHECK_STR(conf_where(o, "relayhost"), "master.cf:7");
	CHECK_STR(conf_where(o, "mynetworks"), "default");
	conf_free(o);
	conf_free(c);
}

T(conf_findings_get_the_place_of_their_parameter)
{
	struct conf_diag found = { 0 };
	struct conf *c;

	setenv("POSTFIX_relay_domains", "env.example", 1);
	c = load("\nmydestination = x.example\n");
	unsetenv("POSTFIX_relay_domains");
	REQUIRE(c);
	conf_diag_add(&found, CONF_WARNING, NULL, 0, "mydestination: odd");
	conf_diag_add(&found, CONF_WARNING, NULL, 0, "relay_domains: odd");
	conf_diag_add(&found, CONF_WARNING, "other", 9, "mydestination: odd");
	conf_diag_add(&found, CONF_WARNING, NULL, 0, "no parameter here");
	conf_diag_add(&found, CONF_WARNING, NULL, 0, ": nor here");
	conf_diag_locate(&found, c);
	CHECK(found.v[0].file && strstr(found.v[0].file, "main.cf"));
	CHECK_INT(found.v[0].line, 2);
	CHECK_STR(found.v[1].file, "environment");
	CHECK_STR(found.v[2].file, "other");
	CHECK_INT(found.v[2].line, 9);
	CHECK(!found.v[3].file);
	CHECK(!found.v[4].file);
	conf_diag_fini(&found);
	conf_free(c);
}

T(conf_findings_are_taken_once)
{
	static const struct { enum conf_severity severity; const char *file; unsigned line; const char *text; } rows[] = {
		{ CONF_WARNING, "a", 1, "x" }, { CONF_WARNING, "a", 1, "x" }, { CONF_ERROR, "a", 1, "x" }, { CONF_WARNING, "b", 1, "x" },
		{ CONF_WARNING, "a", 2, "x" }, { CONF_WARNING, "a", 1, "y" }, { CONF_WARNING, NULL, 1, "x" }, { CONF_WARNING, NULL, 1, "x" },
	};
	struct conf_diag all = { 0 };
	struct conf *c = load("");

	REQUIRE(c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf_diag one = { 0 };

		conf_diag_add(&one, rows[i].severity, rows[i].file, rows[i].line, "%s", rows[i].text);
		conf_diag_take(&all, &one, c);
		CHECK_INT(one.n, 0);
	}
	CHECK_INT(all.n, 6);
	CHECK_INT(all.errors, 1);
	conf_diag_fini(&all);
	conf_free(c);
}

T(conf_unknown_names_that_others_use_are_macros)
{
	static const struct { const char *text; size_t findings; } rows[] = {
		{ "foo = a\nrelay_domains = $foo", 0 }, { "foo = a\nrelay_domains = $foo.example", 0 }, { "foo = a\nrelay_domains = ${foo}", 0 },
		{ "foo = a\nrelay_domains = $(foo)", 0 }, { "foo = a\nrelay_domains = ${foo?x}", 0 },
		{ "foo = a\nfoo_bar = b\nrelay_domains = $foo_bar", 1 }, { "foo = a\nfoo2 = b\nrelay_domains = $foo2", 1 },
		{ "foo = a\nrelay_domains = foo", 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = load(rows[i].text);

		ROW("%s: %s", rows[i].text, diag.n ? diag.v[0].text : "");
		CHECK(c != NULL);
		CHECK_INT(diag.n, rows[i].findings);
		conf_free(c);
	}
}

T(conf_operators_say_what_they_mean)
{
	/* for less, equal and more */
	static const struct { const char *operator, *want; } rows[] = {
		{ "==", "nyn" }, { "!=", "yny" }, { "<", "ynn" }, { "<=", "yyn" }, { ">", "nny" }, { ">=", "nyy" },
	};
	static const char *const pairs[][3] = { { "1", "2", "" }, { "2", "2", "" }, { "3", "2", "" }, { "9", "10", "" }, { "10", "10", "" },
		{ "11", "10", "" }, { "a", "b", "" }, { "b", "b", "" }, { "c", "b", "" }, { "3.9", "3.10", "level" }, { "3.10", "3.10", "level" },
		{ "3.11", "3.10", "level" } };
	struct conf *c = load("");
	struct buf out, why;

	REQUIRE(c);
	buf_init(&out, 100);
	buf_init(&why, 100);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t j = 0; j < sizeof(pairs) / sizeof(pairs[0]); j++) {
			char text[100];

			snprintf(text, sizeof(text), "${{%s} %s%s {%s} ? {y} : {n}}", pairs[j][0], rows[i].operator, pairs[j][2], pairs[j][1]);
			ROW("%s", text);
			buf_clear(&out);
			CHECK_INT(conf_expand(c, str_of(text), &out, &why), 0);
			CHECK_MEM(out.p, out.n, rows[i].want + j % 3, 1);
		}
	buf_fini(&out);
	buf_fini(&why);
	conf_free(c);
}

T(conf_own_networks_follow_the_style)
{
	static const struct { const char *style, *v4; } rows[] = {
		{ "host", "127.0.0.1/32" }, { "subnet", "127.0.0.0/8" }, { "class", "127.0.0.0/8" },
	};
	struct ifaddrs *list, *a;
	struct buf out;

	REQUIRE(getifaddrs(&list) == 0);
	for (a = list; a && !((a->ifa_flags & IFF_LOOPBACK) && a->ifa_addr && a->ifa_addr->sa_family == AF_INET); a = a->ifa_next)
		;
	freeifaddrs(list);
	if (!a)
		SKIP("the loopback interface is down");
	buf_init(&out, 1000);
	/* twice: the second answer is remembered */
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct str rest, word;
		bool found = false;

		buf_clear(&out);
		conf_own_networks("127.0.0.1", rows[i % 3].style, "ipv4", &out);
		ROW("%s: %s", rows[i % 3].style, buf_cstr(&out));
		for (rest = buf_view(&out); str_word(&rest, " ", &word);)
			found = found || str_eq(word, str_of(rows[i % 3].v4));
		CHECK(found);
		CHECK(!strchr(buf_cstr(&out), '['));
	}
	buf_fini(&out);
}

T(master_endpoints_know_services)
{
	static const struct { const char *in; unsigned port; } rows[] = {
		{ "smtp", 25 }, { "submission", 587 }, { "submissions", 465 }, { "smtps", 465 }, { "lmtp", 24 }, { "1", 1 }, { "65535", 65535 },
		{ "0", 0 }, { "65536", 0 }, { "nosuchservice", 0 }, { "", 0 }, { "-1", 0 },
	};
	struct buf why, services;
	struct str host;
	uint16_t port;

	buf_init(&why, 300);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].in);
		port = 0;
		CHECK_INT(master_parse_endpoint(str_of(rows[i].in), &host, &port, &why), rows[i].port != 0);
		CHECK_INT(port, rows[i].port);
	}
	/* one that only the host's table knows */
	ROW("/etc/services");
	buf_init(&services, 1000000);
	if (fs_read_file("/etc/services", &services) == 0 && strstr(buf_cstr(&services), "\nimap2\t\t143/tcp")) {
		CHECK(master_parse_endpoint(STR("imap2"), &host, &port, &why));
		CHECK_INT(port, 143);
	}
	buf_fini(&services);
	buf_fini(&why);
}

/* different_field - name of a row in which both differ */
static const char *different_field(const struct conf *a, const struct conf *b)
{
	for (size_t i = 0; i < n_params; i++) {
		const void *x = (const char *)a + params[i].at, *y = (const char *)b + params[i].at;
		enum param_kind kind = params[i].kind;

		if (param_is_text(&params[i]) ? strcmp(*(const char *const *)x, *(const char *const *)y) != 0 :
		    memcmp(x, y, kind == PARAM_BOOL ? sizeof(bool) : kind == PARAM_ENUM ? sizeof(int) : sizeof(int64_t)) != 0)
			return params[i].name;
	}
	return a->smtp_tls_level_is_ours == b->smtp_tls_level_is_ours ? "none" : "smtp_tls_level_is_ours";
}

static const char refers_much[] = "compatibility_level = 3\nrelay_domains = $mydestination ${stress?{stress.example}:{calm.example}}\n"
	"mynetworks_style = ${{$mail_name} == {x} ? {class} : {host}}\nsmtpd_tls_security_level = $level\nlevel = ${stress?{may}:{}}\n"
	"smtp_tls_security_level = $smtpd_tls_security_level\nsmtp_helo_name = $service_name.$mydomain\nluser_relay = $user@$mydomain\n";

/* what differs from the conf below is made again, and nothing is left of what it was made of there: an overlay, and one of that, is
 * what the same lines in one file are */
T(conf_overlay_is_as_if_all_had_been_in_one_file)
{
	static const char *const values[] = { "yes", "7", "may", "$mail_name.example", "" };
	struct conf *base = conf_from_text(str_of(refers_much), "/nowhere", &diag);

	REQUIRE(base);
	for (size_t i = 0; i < n_params * sizeof(values) / sizeof(values[0]); i++) {
		const char *name = params[i / 5].name, *value = values[i % 5], *over[2] = { NULL }, *again[] = { "stress=yes", NULL };
		struct conf *o, *o2 = NULL, *whole, *whole2;
		char line[200], text[2000];

		ROW("%s = %s", name, value);
		snprintf(line, sizeof(line), "%s=%s", name, value);
		over[0] = line;
		conf_diag_fini(&diag);
		o = conf_overlay(base, over, NULL, 0, &diag);
		conf_diag_fini(&diag);
		snprintf(text, sizeof(text), "%s%s\n", refers_much, line);
		whole = conf_from_text(str_of(text), "/nowhere", &diag);
		conf_diag_fini(&diag);
		snprintf(text, sizeof(text), "%s%s\nstress=yes\n", refers_much, line);
		whole2 = conf_from_text(str_of(text), "/nowhere", &diag);
		CHECK(!o == !whole);
		if (o && whole)
			CHECK_STR(different_field(o, whole), "none");
		if (o && whole2) {
			o2 = conf_overlay(o, again, NULL, 0, &diag);
			/* what it lies on may go first */
			conf_free(o);
			o = NULL;
			REQUIRE(o2);
			CHECK_STR(different_field(o2, whole2), "none");
		}
		conf_free(o);
		conf_free(o2);
		conf_free(whole);
		conf_free(whole2);
	}
	conf_free(base);
	conf_diag_fini(&diag);
}

T(conf_of_an_lmtp_transport_has_the_names_of_lmtp)
{
	static const char *const over[] = { "lmtp_lhlo_timeout=3", NULL };
	struct conf *base = conf_from_text(STR("smtp_connect_timeout = 5\nlmtp_connect_timeout = 7\nlmtp_lhlo_name = l.$service_name\n"
		"smtp_helo_name = s\nsmtp_helo_timeout = 9\n"), "/nowhere", &diag), *c;

	REQUIRE(base);
	c = conf_transport_overlay(base, "deep", "lmtp", over, NULL, 0, &diag);
	conf_free(base);
	REQUIRE(c);
	CHECK_INT(c->smtp_connect_timeout, 7 * USEC_PER_SEC);
	CHECK_STR(c->smtp_helo_name, "l.deep");
	CHECK_STR(c->smtp_tcp_port, "24");
	CHECK_INT(c->smtp_helo_timeout, 3 * USEC_PER_SEC);
	conf_free(c);
}
