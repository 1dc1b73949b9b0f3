/* Settings from the environment: ours, and those of other images. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/unit/conf_help.h"

T(conf_env_overrides_and_unsets)
{
	char path[300];
	struct conf *c;

	snprintf(path, sizeof(path), "%s/secret", t_tmpdir());
	REQUIRE(fs_replace(path, 0600, STR("inline:{[h]:587=u:a$$b$mydomain c}\n")) == 0);
	setenv("POSTFIX_smtp_sasl_password_maps_FILE", path, 1);
	setenv("POSTFIX_relay_domains", "a.example b$x.example $$c $mydomain", 1);
	setenv("POSTFIX_mydestination", "", 1);
	setenv("POSTFIX_2bounce_notice_recipient", "root", 1);
	c = load("mydomain = d.e\nmyhostname = h.d.e\nmydestination = x\nrelay_domains = y\n", NULL);
	unsetenv("POSTFIX_smtp_sasl_password_maps_FILE");
	unsetenv("POSTFIX_relay_domains");
	unsetenv("POSTFIX_mydestination");
	unsetenv("POSTFIX_2bounce_notice_recipient");
	REQUIRE(c);
	CHECK_INT(diag.n, 0);
	CHECK_STR(c->smtp_sasl_password_maps, "inline:{[h]:587=u:a$$b$mydomain c}");
	CHECK_STR(c->relay_domains, "a.example b$x.example $$c d.e");
	CHECK_STR(c->mydestination, "h.d.e, localhost.d.e, localhost");
	CHECK_STR(c->twobounce_notice_recipient, "root");
	CHECK_STR(conf_where(c, "relay_domains"), "environment");
	conf_free(c);
}

T(conf_env_relayhost_login_survives_any_password)
{
	const char *user, *password;
	struct conf *c, *o;

	setenv("RELAYHOST", "[smtp.example]:587, [other.example]:587", 1);
	setenv("RELAYHOST_USERNAME", "u$er", 1);
	setenv("RELAYHOST_PASSWORD", "p$$w:${x} #{", 1);
	c = load(NULL, NULL);
	unsetenv("RELAYHOST");
	unsetenv("RELAYHOST_USERNAME");
	unsetenv("RELAYHOST_PASSWORD");
	REQUIRE(c);
	CHECK(c->configured);
	CHECK_STR(c->inet_interfaces, "all");
	CHECK(c->smtp_sasl_auth_enable);
	CHECK_STR(c->smtp_sasl_tls_security_options, "noanonymous");
	CHECK_INT(c->smtp_tls_security_level, CONF_TLS_MAY);
	o = conf_overlay(c, NULL, NULL, 0, &diag);
	conf_free(c);
	REQUIRE(o);
	REQUIRE(conf_relay_login(o, STR("[smtp.example]:587"), &user, &password));
	CHECK_STR(user, "u$er");
	CHECK_STR(password, "p$$w:${x} #{");
	CHECK(conf_relay_login(o, STR("[other.example]:587"), &user, &password));
	CHECK(!conf_relay_login(o, STR("[smtp.example]"), &user, &password));
	CHECK(!conf_relay_login(o, STR(""), &user, &password));
	conf_free(o);
}

T(conf_env_password_file_must_be_readable)
{
	setenv("RELAYHOST_USERNAME", "u", 1);
	setenv("RELAYHOST_PASSWORD_FILE", "/nowhere/secret", 1);
	CHECK(!load("", NULL));
	CHECK_STR(first(), "RELAYHOST_PASSWORD_FILE: cannot read /nowhere/secret: No such file or directory");
	CHECK_INT(diag.n, 1);
	unsetenv("RELAYHOST_USERNAME");
	unsetenv("RELAYHOST_PASSWORD_FILE");
}

/* with - the configuration that these variables alone make; they are unset again */
static struct conf *with(const char *const *variables, const char *main_cf)
{
	struct conf *c;
	char name[80];

	for (const char *const *v = variables; *v; v++) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*v, "="), *v);
		setenv(name, strchr(*v, '=') + 1, 1);
	}
	c = load(main_cf, NULL);
	for (const char *const *v = variables; *v; v++) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*v, "="), *v);
		unsetenv(name);
	}
	return c;
}

static bool told(const char *part)
{
	for (size_t i = 0; i < diag.n; i++)
		if (strstr(diag.v[i].text, part))
			return true;
	return false;
}

/* write_secret - a file with this text; its name */
static const char *write_secret(const char *text)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/secret", t_tmpdir());
	fs_replace(path, 0600, str_of(text));
	return path;
}

T(conf_env_secrets_are_what_was_meant)
{
	static const struct { const char *text, *password, *told, *alone; } rows[] = {
		{ "p", "p", NULL, NULL }, { "p\n", "p", NULL, NULL }, { "p\r\n", "p", NULL, NULL }, { "p\n\n", "p", NULL, NULL },
		{ " p $x \"q\" ", " p $x \"q\" ", NULL, NULL }, { "p\nq\n", NULL, "has more than one line", NULL },
		{ "\n", NULL, "is empty: write the value into it", "has nothing but ends of lines" }, { "", NULL, "is empty", "without a password" },
	};
	char file[300], plain[300];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const from_file[] = { "RELAYHOST=[a.example]:25", "RELAYHOST_USERNAME=u\n", file, NULL };
		const char *const alone[] = { "RELAYHOST=[a.example]:25", "RELAYHOST_USERNAME=u", plain, NULL };

		snprintf(file, sizeof(file), "RELAYHOST_PASSWORD_FILE=%s", write_secret(rows[i].text));
		snprintf(plain, sizeof(plain), "RELAYHOST_PASSWORD=%s", rows[i].text);
		for (int k = 0; k < 2; k++) {
			const char *user, *password;
			struct conf *c = with(k ? alone : from_file, NULL);

			ROW("%s", k ? plain : rows[i].text);
			CHECK(!rows[i].told || told(k && rows[i].alone ? rows[i].alone : rows[i].told));
			if (rows[i].password) {
				REQUIRE(c && conf_relay_login(c, STR("[a.example]:25"), &user, &password));
				CHECK_STR(user, "u");
				CHECK_STR(password, rows[i].password);
			}
			conf_free(c);
		}
	}
	{
		const char *const folder[] = { "RELAYHOST_USERNAME=u", file, NULL };
		const char *const tokens[] = { "RELAYHOST_USERNAME=u", "RELAYHOST_PASSWORD=p", "XOAUTH2_INITIAL_REFRESH_TOKEN=x", NULL };

		snprintf(file, sizeof(file), "RELAYHOST_PASSWORD_FILE=%s", t_tmpdir());
		CHECK(!with(folder, NULL));
		CHECK(told(": Is a directory"));
		conf_free(with(tokens, NULL));
		CHECK(told("XOAUTH2_INITIAL_REFRESH_TOKEN has no effect: set XOAUTH2_CLIENT_ID"));
	}
}

T(conf_env_of_other_images)
{
	static const char *const all[] = { "SMTP_SERVER=smtp.example.com", "SMTP_PORT=2587", "SMTP_USERNAME=u", "SMTP_PASSWORD=p$x",
		"SERVER_HOSTNAME=mail.example.org", "SMTP_NETWORKS=203.0.113.0/24,198.51.100.7/32", "MESSAGE_SIZE_LIMIT=20480000",
		"LOG_FORMAT=json", "POSTMASTER_ADDRESS=ops@example.org", "POSTFIX_RECIPIENT_DELIMITER=+", "ANONYMIZE_EMAILS=true", "ALWAYS_ADD_MISSING_HEADERS=yes", "RELAYHOST_TLS_LEVEL=secure", NULL };
	static const char *const weak[] = { "SMTP_SERVER=smtp.example.com", "SMTP_USERNAME=u", "RELAYHOST=[other.example]",
		"SERVER_HOSTNAME=a.example", "POSTFIX_myhostname=b.example", "POSTFIX_mynetworks=10.1.0.0/16", "SMTP_NETWORKS=10.2.0.0/16",
		"LOG_FORMAT=plain", NULL };
	const char *user, *password;
	struct conf *c = with(all, NULL);

	REQUIRE(c);
	CHECK_STR(c->relayhost, "[smtp.example.com]:2587");
	REQUIRE(conf_relay_login(c, STR("[smtp.example.com]:2587"), &user, &password));
	CHECK_STR(user, "u");
	CHECK_STR(password, "p$x");
	CHECK_STR(c->myhostname, "mail.example.org");
	CHECK(strstr(c->mynetworks, ", 203.0.113.0/24,198.51.100.7/32") && !strncmp(c->mynetworks, "127.0.0.0/8", 11));
	CHECK_INT(c->message_size_limit, 20480000);
	CHECK_INT(c->log_format, CONF_LOG_JSON);
	CHECK_STR(c->error_notice_recipient, "ops@example.org");
	CHECK_STR(c->twobounce_notice_recipient, "ops@example.org");
	CHECK_STR(c->recipient_delimiter, "+");
	CHECK_INT(c->log_address_mask, 1); /* smart */
	CHECK_INT(c->smtp_tls_security_level, CONF_TLS_SECURE);
	CHECK(c->always_add_missing_headers && c->configured);
	CHECK(told("without a main.cf, mail is relayed for the private networks of this host: 127.0.0.0/8"));
	conf_free(c);
	c = with(weak, NULL);
	REQUIRE(c);
	CHECK_STR(c->relayhost, "[other.example]");
	CHECK(!c->relay_username);
	CHECK_STR(c->myhostname, "b.example");
	CHECK_STR(c->mynetworks, "10.1.0.0/16, 10.2.0.0/16");
	CHECK_INT(c->log_format, CONF_LOG_TEXT);
	conf_free(c);
	c = with(all, "myhostname = main.example\nmynetworks = 127.0.0.1\n");
	REQUIRE(c);
	CHECK_STR(c->relayhost, "");
	CHECK_STR(c->myhostname, "main.example");
	CHECK_STR(c->mynetworks, "127.0.0.1");
	CHECK_INT(c->log_format, CONF_LOG_TEXT);
	conf_free(c);
}

T(conf_env_tells_what_is_not_done)
{
	static const struct { const char *variable, *told; } rows[] = {
		{ "OVERWRITE_FROM=\"x\" <a@b>", NULL }, { "OVERWRITE_FROM=x", "OVERWRITE_FROM needs an address" },
		{ "OVERWRITE_FROM=$x <a@b>", "OVERWRITE_FROM needs an address" }, { "OVERWRITE_FROM=no", NULL },
		{ "OVERWRITE_FROM=<a@b", "OVERWRITE_FROM needs an address" },
		{ "ANONYMIZE_EMAILS=true", NULL }, { "ANONYMIZE_EMAILS=false", NULL }, { "ANONYMIZE_EMAILS=noop", NULL },
		{ "ANONYMIZE_EMAILS=hash?salt=x", "what ANONYMIZE_EMAILS has behind ? has no effect" },
		{ "ANONYMIZE_EMAILS=all", "ANONYMIZE_EMAILS is true, smart, paranoid, hash or false" },
		{ "DKIM_AUTOGENERATE=1", "DKIM_AUTOGENERATE has no effect: mail is not signed" },
		{ "XOAUTH2_CLIENT_ID=x", "XOAUTH2_CLIENT_ID has no effect" }, { "POSTMAP_transport=a b", "POSTMAP_transport has no effect" },
		{ "POSTMAP_x=a {b", "POSTMAP_x: line 1: {, }" }, { "POSTMAP_x=a", "POSTMAP_x: line 1: " }, { "POSTMAP_x=", NULL },
		{ "SASL_RELAYHOST=x", "SASL_RELAYHOST has no effect: the login is for each host" }, { "INBOUND_DEBUGGING=1", "INBOUND_DEBUGGING" },
		{ "XOAUTH2_FULL_TRACE=yes", "XOAUTH2_FULL_TRACE" }, { "XOAUTH2_SYSLOG_ON_FAILURE=yes", "XOAUTH2_SYSLOG_ON_FAILURE" },
		{ "ALLOWED_SENDER_DOMAINS=a.example b@c", "ALLOWED_SENDER_DOMAINS: b@c is no domain" },
		{ "SMTP_HEADER_CHECKS=1", "SMTP_HEADER_CHECKS must name a table" }, { "SMTP_HEADER_CHECKS=no", NULL },
		{ "LOG_FORMAT=xml", "LOG_FORMAT=xml has no effect: use json or plain" }, { "LOG_FORMAT=text", NULL },
		{ "RELAYHOST_PASSWORD=x", "without a user name, and not used: set RELAYHOST_USERNAME" },
		{ "LOG_SUBJECT=yes", "LOG_SUBJECT" }, { "SMTP_HEADER_TAG=x", "SMTP_HEADER_TAG" }, { "DKIM_SELECTOR=x", NULL },
		{ "POSTFIX_RELAYHOST=[x]", NULL }, { "POSTFIX_RELAYHOSTS=[x]", "unknown parameter RELAYHOSTS: it has no effect" },
		{ "OPENDKIM_DOMAINS=a.example", "OPENDKIM_DOMAINS has no effect: mail is signed by keys in dkim_key_directory alone" },
		{ "RSPAMD_dkim_signing__x=y", "RSPAMD_dkim_signing__x has no effect" }, { "POSTSRSD_SRS_DOMAIN=a.example", "senders are not rewritten" },
		{ "RSYSLOG_TIMESTAMP=yes", "see maillog_file" }, { "SASL_Passwds=/x", "see smtpd_sasl_password_maps" },
		{ "AUTOSET_HOSTNAME=1", "set POSTFIX_myhostname" }, { "DESTINATION=a.example", "POSTFIX_mydestination names what is" },
		{ "ALLOW_EMPTY_SENDER_DOMAINS=true", NULL }, { "XOAUTH2_SECRET=x", "XOAUTH2_SECRET has no effect: set RELAYHOST_USERNAME" },
		{ "SMTP_SERVER=a.example:2525", "SMTP_SERVER is a host alone: say the port in SMTP_PORT" },
		{ "RELAY_HOST=[a.example]:25", "RELAY_HOST is a host alone: say the port in RELAY_PORT" }, { "SMTP_SERVER=2001:db8::1", NULL },
		{ "OVERWRITE_FROM='a@b.example'", "OVERWRITE_FROM needs an address" },
		{ "SERVER_HOSTNAME=\"a.example\"", "bad host name" }, { "SERVER_HOSTNAME='a.example'", "bad host name" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const one[] = { rows[i].variable, "POSTFIX_mynetworks=127.0.0.1", NULL };
		struct conf *c = with(one, NULL);

		ROW("%s", rows[i].variable);
		CHECK_INT(diag.n > 0, rows[i].told != NULL);
		CHECK(!rows[i].told || told(rows[i].told));
		conf_free(c);
	}
}

T(conf_env_rules_of_other_images)
{
	static const char *const rules[] = { "ALLOWED_SENDER_DOMAINS=example.com,b.example", "MASQUERADED_DOMAINS=example.com b.example",
		"OVERWRITE_FROM=a@b.example", "SMTP_HEADER_CHECKS=regexp:{{/^X:/ IGNORE}}", "SMTPUTF8_ENABLE=no", NULL };
	static const char *const twice[] = { "ALLOWED_SENDER_DOMAINS=a.example", "POSTFIX_smtpd_sender_restrictions=permit", NULL };
	struct conf *c = with(rules, NULL);

	REQUIRE(c);
	CHECK_STR(c->smtpd_sender_restrictions, "check_sender_access inline:{{example.com = OK}, {b.example = OK}}, reject");
	CHECK_STR(c->masquerade_domains, "example.com b.example");
	CHECK_STR(c->local_header_rewrite_clients, "static:all");
	CHECK_STR(c->smtp_header_checks, "regexp:{{/^From:.*/ REPLACE From: a@b.example}}, regexp:{{/^X:/ IGNORE}}");
	CHECK(!c->smtputf8_enable);
	conf_free(c);
	CHECK(!with(twice, NULL));
	CHECK(told("both set"));
	for (size_t i = 0; i < 4; i++) {
		const char *const one[] = { rules[i], NULL };

		ROW("%s", rules[i]);
		c = with(one, "mynetworks = 127.0.0.1\n");
		CHECK_INT(!c, i != 2);
		CHECK(told(i == 2 ? "OVERWRITE_FROM has no effect beside a main.cf" : "is not done beside a main.cf: set "));
		conf_free(c);
	}
}

T(conf_env_relay_host_of_other_images)
{
	static const struct { const char *const variables[6], *host, *user, *password; } rows[] = {
		{ { "RELAY_HOST=smtp.example", "RELAY_USERNAME=u", "RELAY_PASSWORD=p" }, "[smtp.example]:25", "u", "p" },
		{ { "RELAY_HOST=smtp.example", "RELAY_PORT=587", "RELAY_USER=u", "RELAY_PASSWORD=p" }, "[smtp.example]:587", "u", "p" },
		{ { "RELAY_HOST=[a]", "SMTP_SERVER=b", "RELAY_USER=u", "SMTP_USERNAME=v", "SMTP_PASSWORD=q" }, "[b]:587", "v", "q" },
		{ { "SMTP_SERVER=b", "RELAYHOST_USERNAME=w", "RELAYHOST_PASSWORD=r", "SMTP_USERNAME=v", "SMTP_PASSWORD=q" }, "[b]:587", "w", "r" },
	};
	const char *user, *password;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = with(rows[i].variables, NULL);

		ROW("%zu", i);
		REQUIRE(c);
		CHECK_STR(c->relayhost, rows[i].host);
		REQUIRE(conf_relay_login(c, str_of(rows[i].host), &user, &password));
		CHECK_STR(user, rows[i].user);
		CHECK_STR(password, rows[i].password);
		conf_free(c);
	}
}

T(conf_env_tables_take_the_place_of_files)
{
	static const struct { const char *const variables[4], *maps; } rows[] = {
		{ { "POSTMAP_t=# comment\na.example smtp:[h]:25\n  \n.b.example  x\n", "POSTFIX_transport_maps=hash:/etc/postfix/t" },
			"inline:{{a.example = smtp:[h]:25}, {.b.example = x}}" },
		{ { "POSTMAP_t=a b", "POSTFIX_transport_maps=regexp:/x, lmdb:$config_directory/t hash:/etc/postfix/t2" },
			"regexp:/x, inline:{{a = b}} hash:/etc/postfix/t2" },
		{ { "POSTMAP_t=[h]:587 u:$myhostname$$x", "POSTFIX_transport_maps=texthash:/etc/relaybox/t" }, "inline:{{[h]:587 = u:$myhostname$$x}}" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = with(rows[i].variables, NULL);

		ROW("%zu", i);
		REQUIRE(c);
		CHECK_STR(c->transport_maps, rows[i].maps);
		CHECK(!told("POSTMAP"));
		conf_free(c);
	}
}

T(conf_env_secrets_that_change)
{
	char path[300], name[320];
	struct conf *c;

	snprintf(path, sizeof(path), "%s/changing", t_tmpdir());
	REQUIRE(fs_replace(path, 0600, STR("one\n")) == 0);
	snprintf(name, sizeof(name), "%s", path);
	setenv("RELAYHOST_USERNAME", "u", 1);
	setenv("RELAYHOST_PASSWORD_FILE", name, 1);
	c = load("", NULL);
	unsetenv("RELAYHOST_USERNAME");
	unsetenv("RELAYHOST_PASSWORD_FILE");
	REQUIRE(c);
	CHECK(!conf_secrets_changed(c));
	REQUIRE(fs_replace(path, 0600, STR("two\n")) == 0);
	CHECK(conf_secrets_changed(c));
	CHECK(!conf_secrets_changed(c));
	REQUIRE(fs_unlink(path) == 0);
	CHECK(conf_secrets_changed(c));
	CHECK(!conf_secrets_changed(c));
	conf_free(c);
}

T(conf_env_lines_of_master_cf)
{
	static const char *const lines[] = { "POSTFIXMASTER_submission__inet=submission inet n - y - - smtpd -o syslog_name=postfix/sub",
		"POSTFIXMASTER_smtp__inet=", "POSTFIXMASTER_slow__unix=slow unix - - n - 1 smtp", "POSTFIXMASTER_bad=x", NULL };
	struct conf *c;
	struct master m;

	for (const char *const *v = lines; *v; v++) {
		char name[80];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*v, "="), *v);
		setenv(name, strchr(*v, '=') + 1, 1);
	}
	for (size_t i = 0; i < 2; i++) {
		ROW("%zu", i);
		c = load("myhostname = a.example\n", i ? "smtp inet n - y - - smtpd\nsubmission inet n - n - 3 smtpd\n2525 inet n - n - - smtpd\n" : NULL);
		REQUIRE(c);
		REQUIRE(master_load(c, &m, &diag) == 0);
		CHECK_INT(m.n_listeners, i + 1);
		CHECK_INT(m.listeners[0].port, i ? 2525 : 587);
		CHECK_INT(m.listeners[i].port, 587);
		CHECK_STR(m.listeners[i].conf->syslog_name, "postfix/sub");
		CHECK(master_find_transport(&m, STR("slow")) != NULL);
		CHECK(told("POSTFIXMASTER_bad has no effect"));
		master_fini(&m);
		conf_free(c);
	}
	for (const char *const *v = lines; *v; v++) {
		char name[80];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*v, "="), *v);
		unsetenv(name);
	}
}
