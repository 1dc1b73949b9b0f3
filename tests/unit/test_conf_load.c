/* Loading from a directory: no configuration at all, master.cf, and the scenario documents' files. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/unit/conf_help.h"

T(conf_directory_is_chosen)
{
	setenv("MAIL_CONFIG", "/x", 1);
	CHECK_STR(conf_default_directory(NULL), "/x");
	CHECK_STR(conf_default_directory("/y"), "/y");
	unsetenv("MAIL_CONFIG");
	CHECK(!strncmp(conf_default_directory(NULL), "/etc/", 5));
}

T(conf_without_any_configuration_is_loopback_only)
{
	struct conf *c = load(NULL, NULL);
	static const char *const over[] = { "mydestination = x.example", "bad", NULL };

	REQUIRE(c);
	CHECK(!c->configured);
	CHECK_STR(c->inet_interfaces, "loopback-only");
	CHECK_STR(c->mydestination, "");
	CHECK(strstr(c->mynetworks, "127.0.0.1/32") != NULL);
	conf_free(c);
	CHECK(!conf_load(dir_with("", NULL), over, &diag));
	CHECK_STR(first(), "bad override \"bad\": write name=value");
}

T(conf_refuses_what_is_not_text)
{
	char path[400];
	const char *dir = dir_with(NULL, NULL);

	conf_diag_fini(&diag);
	snprintf(path, sizeof(path), "%s/main.cf", dir);
	REQUIRE(fs_replace(path, 0600, str_make("a\0=1\n", 5)) == 0);
	CHECK(!conf_load(dir, NULL, &diag));
	CHECK_STR(first(), "has a NUL byte: this is not a text file");
	conf_diag_fini(&diag);
	REQUIRE(fs_replace(path, 0600, STR("relayhost = x\n")) == 0);
	fs_chmod(path, 0666);
	conf_free(conf_load(dir, NULL, &diag));
	CHECK_STR(first(), "the file is writable by everyone: chmod o-w it");
}

/* --- master.cf ---------------------------------------------------------------------------------------------------- */

static const char stock[] =
	"# comment\n"
	"smtp      inet  n       -       y       -       -       smtpd\n"
	"#smtpd     pass  -       -       y       -       -       smtpd\n"
	"submission inet n       -       y       -       7       smtpd\n"
	"  -o syslog_name=postfix/submission -o smtpd_tls_security_level=encrypt\n"
	"  -o { smtpd_relay_restrictions = permit_sasl_authenticated, reject }\n"
	"  -o smtpd_client_restrictions=$mua_client_restrictions -v\n"
	"[::1]:2525 inet n - n - - smtpd\n"
	"127.0.0.1:465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n"
	"pickup    unix  n       -       y       60      1       pickup\n"
	"cleanup   unix  n       -       y       -       0       cleanup\n"
	"rewrite   unix  -       -       y       -       -       trivial-rewrite\n"
	"smtp      unix  -       -       y       -       -       smtp\n"
	"relay     unix  -       -       y       -       -       smtp\n"
	"        -o syslog_name=postfix/$service_name\n"
	"#       -o smtp_helo_timeout=5 -o smtp_connect_timeout=5\n"
	"slow      unix  -       -       n       -       1       smtp -o smtp_helo_timeout=5 -osmtp_connect_timeout=6\n"
	"retry     unix  -       -       y       -       -       error\n"
	"lmtp      unix  -       -       y       -       -       lmtp\n"
	"postlog   unix-dgram n  -       n       -       1       postlogd\n"
	"maildrop  unix  -       n       n       -       -       pipe\n"
	"  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}\n";

T(master_makes_listeners_and_transports)
{
	struct conf *c = load("lmtp_connect_timeout = 7s\nsmtp_connect_timeout = 9s\nlmtp_lhlo_name = lh\nlmtp_tls_security_level = encrypt\n"
		"own_transport = maildrop:x\nbounce_template_file =\ndefault_process_limit = 33\n", stock);
	const struct master_transport *t;
	struct master m;

	REQUIRE(c);
	REQUIRE(master_load(c, &m, &diag) == 0);
	CHECK_INT(m.n_listeners, 4);
	CHECK_INT(m.listeners[0].port, 25);
	CHECK_INT(m.listeners[0].maxproc, 33);
	CHECK_INT(master_find_transport(&m, STR("relay"))->maxproc, 33);
	CHECK_STR(m.listeners[1].name, "submission");
	CHECK_INT(m.listeners[1].port, 587);
	CHECK_INT(m.listeners[1].maxproc, 7);
	CHECK_STR(m.listeners[1].conf->syslog_name, "postfix/submission");
	CHECK_STR(m.listeners[1].conf->smtpd_relay_restrictions, "permit_sasl_authenticated, reject");
	CHECK_INT(m.listeners[1].conf->smtpd_tls_security_level, CONF_TLS_ENCRYPT);
	CHECK_STR(m.listeners[2].host, "::1");
	CHECK_INT(m.listeners[2].port, 2525);
	CHECK_STR(m.listeners[3].host, "127.0.0.1");
	CHECK(m.listeners[3].conf->smtpd_tls_wrappermode);
	t = master_find_transport(&m, STR("slow"));
	REQUIRE(t);
	CHECK(t->program == MASTER_SMTP);
	CHECK_INT(t->maxproc, 1);
	CHECK(t->conf->smtp_helo_timeout == 5 * USEC_PER_SEC && t->conf->smtp_connect_timeout == 6 * USEC_PER_SEC);
	CHECK_STR(master_find_transport(&m, STR("relay"))->conf->syslog_name, "postfix/relay");
	CHECK(master_find_transport(&m, STR("relay"))->conf->smtp_connect_timeout == 9 * USEC_PER_SEC);
	CHECK(master_find_transport(&m, STR("retry"))->program == MASTER_RETRY);
	CHECK(master_find_transport(&m, STR("error"))->program == MASTER_ERROR);
	t = master_find_transport(&m, STR("lmtp"));
	REQUIRE(t);
	CHECK(t->conf->smtp_connect_timeout == 7 * USEC_PER_SEC);
	CHECK_STR(t->conf->smtp_helo_name, "lh");
	CHECK_INT(t->conf->smtp_tls_security_level, CONF_TLS_ENCRYPT);
	CHECK(!master_find_transport(&m, STR("maildrop")));
	CHECK_INT(diag.n, 2);
	CHECK(strstr(diag.v[1].text, "relaybox does not run these services: maildrop (pipe, line 21)") != NULL);
	master_fini(&m);
	conf_free(c);
}

T(master_tells_only_of_services_that_something_names)
{
	static const char tail[] = "smtp inet n - y - - smtpd\nmaildrop unix - n n - - pipe flags=x\nuucp unix - n n - - pipe\n";
	static const struct { const char *main_cf, *more; const char *told; } rows[] = {
		{ "", "", NULL }, { "maildrop_destination_recipient_limit = 1\n", "", NULL },
		{ "alias_maps =\nalias_database = hash:/var/lib/maildrop/x\n", "", NULL },
		{ "local_transport = maildrop\n", "", "maildrop (pipe, line 2)" },
		{ "x = uucp:[h]\ny = $x\nz = $y$z2\n", "", "uucp (pipe, line 3)" },
		{ "x = unix:private/filter\ny = $x\n", "filter unix - n n - 0 spawn\n", "filter (spawn, line 4)" },
		/* the list that asks it says so */
		{ "x = check_policy_service unix:private/policy, reject\ny = $x\n", "policy unix - n n - 0 spawn\n", NULL },
		{ "", "127.0.0.1:9999 inet n n n - 0 spawn\n", "127.0.0.1:9999 (spawn, line 4)" },
	};
	char text[400], want[100];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c;
		struct master m;
		bool told = false;

		ROW("%s%s", rows[i].main_cf, rows[i].more);
		snprintf(text, sizeof(text), "%s%s", tail, rows[i].more);
		c = load(rows[i].main_cf, text);
		REQUIRE(c);
		REQUIRE(master_load(c, &m, &diag) == 0);
		for (size_t k = 0; k < diag.n; k++)
			told = told || strstr(diag.v[k].text, "does not run");
		CHECK_INT(told, rows[i].told != NULL);
		snprintf(want, sizeof(want), "services: %s; mail", rows[i].told ? rows[i].told : "");
		if (told)
			CHECK(strstr(diag.v[diag.n - 1].text, want) != NULL);
		master_fini(&m);
		conf_free(c);
	}
}

T(master_serves_postscreen_behind_a_proxy)
{
	struct conf *c = load("postscreen_upstream_proxy_protocol = haproxy\n", "25 inet n - y - 1 postscreen\n26 inet n - y - - smtpd\n");
	struct master m;
	struct buf own, why;

	REQUIRE(c);
	REQUIRE(master_load(c, &m, &diag) == 0);
	CHECK_INT(m.listeners[0].conf->smtpd_upstream_proxy_protocol, CONF_PROXY_HAPROXY);
	CHECK_INT(m.listeners[1].conf->smtpd_upstream_proxy_protocol, CONF_PROXY_NONE);
	buf_init(&own, 100);
	buf_init(&why, 100);
	CHECK_INT(conf_expand(m.listeners[1].conf, STR("$process_name $service_name"), &own, &why), 0);
	CHECK_STR(buf_cstr(&own), "smtpd 26");
	buf_fini(&own);
	buf_fini(&why);
	master_fini(&m);
	conf_free(c);
}

T(master_serves_postscreen_as_the_smtpd_behind_it_is_set)
{
	struct conf *c = load("", "25 inet n - y - 1 postscreen\n26 inet n - y - 1 postscreen\nsmtpd pass - - y - 7 smtpd\n\t-o reject_code=555\n");
	struct master m;

	REQUIRE(c);
	REQUIRE(master_load(c, &m, &diag) == 0);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(m.listeners[i].conf->reject_code, 555);
		CHECK_INT(m.listeners[i].maxproc, 7);
	}
	master_fini(&m);
	conf_free(c);
	c = load("", "25 inet n - y - 1 postscreen\n");
	REQUIRE(c);
	REQUIRE(master_load(c, &m, &diag) == 0);
	CHECK_INT(m.listeners[0].maxproc, 0);
	master_fini(&m);
	conf_free(c);
}

T(master_without_a_file_uses_smtpd_listen)
{
	struct conf *c = load("smtpd_listen = 2525, [::1]:25 127.0.0.1:submission\n", NULL);
	struct master m;

	REQUIRE(c);
	REQUIRE(master_load(c, &m, &diag) == 0);
	CHECK_INT(m.n_listeners, 3);
	CHECK_INT(m.listeners[0].port, 2525);
	CHECK_STR(m.listeners[1].host, "::1");
	CHECK_INT(m.listeners[2].port, 587);
	CHECK_INT(m.n_transports, 8);
	master_fini(&m);
	conf_free(c);
}

T(master_says_what_is_wrong)
{
	static const struct { const char *text, *want; } rows[] = {
		{ "smtp inet n - n - smtpd\n", "7 fields, but a line needs eight: service type private unpriv chroot wakeup maxproc command" },
		{ "smtp tcp n - n - - smtpd\n", "bad type \"tcp\": use inet, unix, fifo, pass or unix-dgram" },
		{ "nosuchport inet n - n - - smtpd\n",
			"unknown service \"nosuchport\": use a port number (1 to 65535) or a name from /etc/services" },
		{ "0 inet n - n - - smtpd\n",
			"unknown service \"0\": use a port number (1 to 65535) or a name from /etc/services" },
		{ "::1:25 inet n - n - - smtpd\n", "bad address \"::1:25\": write an IPv6 address as [::1]:port" },
		{ "smtp inet n - n - x smtpd\n", "bad process limit \"x\": use a number or -" },
		{ "smtp inet n - n - - smtpd -o\n", "-o without name=value at the end of the line" },
		{ "smtp inet n - n - - smtpd -o { a = b\n", "missing } in the arguments" },
		{ "smtp inet n - n - - smtpd -o smtpd_timeout\n",
			"bad -o option \"smtpd_timeout\": write -o name=value, or -o { name = value }" },
		{ "smtp inet n - n - - smtpd -o smtpd_timeout=x\n",
			"bad numeric value \"x\" for smtpd_timeout: use a number with one of s m h d w" },
		{ "smtp inet n - n - - smtpd -o content_filter=x:\n", "content_filter is not implemented, and must not be ignored: "
			"mail would go round the filter: relay to the filter with transport_maps or relayhost" },
		{ "25 inet n - n - - smtpd\nsmtp inet n - n - - smtpd\n", "port 25 is listened on twice: take one line out" },
		{ "a unix - - n - - smtp\na unix - - n - - smtp\n", "service a is there twice: take one line out" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = load("", rows[i].text);
		struct master m;

		ROW("%s", rows[i].text);
		REQUIRE(c);
		CHECK_INT(master_load(c, &m, &diag), -1);
		CHECK_STR(first(), rows[i].want);
		conf_free(c);
	}
}

/* --- the documents ------------------------------------------------------------------------------------------------ */

#define ALL_CHANGED \
	"#\xe4\xbb\xa5\xe4\xb8\x8b\xe3\x82\x92\xe3\x82\xb3\xe3\x83\xa1\xe3\x83\xb3\xe3\x83\x88\xe3\x82\xa2\xe3\x82\xa6\xe3\x83\x88\n" \
	"#inet_interfaces = localhost\n" \
	"inet_interfaces = all\n\n"

#define LOGIN \
	"smtp_sasl_auth_enable = yes\n" \
	"smtp_sasl_security_options = noanonymous\n" \
	"smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd\n" \
	"smtp_use_tls = yes\n" \
	"smtp_tls_security_level = may\n" \
	"smtp_tls_note_starttls_offer = yes\n" \
	"smtp_tls_CAfile = /etc/ssl/certs/ca-bundle.crt\n"

#define SAME_NAME \
	"myhostname = example.jp\nmydomain = example.jp\nmyorigin = $mydomain\nappend_at_myorigin = yes\n" \
	"append_dot_mydomain = yes\ninet_interfaces = localhost\ninet_protocols = ipv4\nmydestination = localhost\n" \
	"mynetworks = 127.0.0.1\nrelayhost = [172.16.1.11]\n"

/* what a CentOS 7 main.cf has besides: the documents change such a file */
#define CENTOS \
	"queue_directory = /var/spool/postfix\ncommand_directory = /usr/sbin\ndaemon_directory = /usr/libexec/postfix\n" \
	"data_directory = /var/lib/postfix\nmail_owner = postfix\nunknown_local_recipient_reject_code = 550\n" \
	"alias_maps = hash:/etc/aliases\nalias_database = hash:/etc/aliases\ndebug_peer_level = 2\ndebugger_command =\n" \
	"\t PATH=/bin:/usr/bin:/usr/local/bin:/usr/X11R6/bin\n\t ddd $daemon_directory/$process_name $process_id & sleep 5\n" \
	"sendmail_path = /usr/sbin/sendmail.postfix\nnewaliases_path = /usr/bin/newaliases.postfix\n" \
	"mailq_path = /usr/bin/mailq.postfix\nsetgid_group = postdrop\nhtml_directory = no\n" \
	"manpage_directory = /usr/share/man\nsample_directory = /usr/share/doc/postfix-2.10.1/samples\n" \
	"readme_directory = /usr/share/doc/postfix-2.10.1/README_FILES\n"

T(conf_loads_the_documents)
{
	static const struct { const char *main_cf, *master_cf; size_t findings; } rows[] = {
		{ ALL_CHANGED "mydestination = localhost\n\nmynetworks = 10.0.0.0/16, 10.1.0.0/16, 127.0.0.0/8\n\n"
			"relayhost = [10.1.0.5]:3535\n\n" LOGIN,
			"2525      inet  n       -       n       -       -       smtpd\n"
			"#smtp      inet  n       -       n       -       -       smtpd\n", 0 },
		{ "relayhost = [smtp.gmail.com]:587\nsmtp_use_tls = yes\nsmtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd \n", NULL, 0 },
		{ "myhostname = smtp.alicloud-mail-cntest.com\nmydomain = alicloud-mail-cntest.com\nmyorigin = $mydomain\n\n" ALL_CHANGED
			"inet_protocols = ipv4\nmydestination = $myhostname, localhost.$mydomain, localhost, $mydomain\n"
			"mynetworks = 172.16.128.0/24, 172.16.22.0/24, 10.20.128.0/24, 10.20.8.0/24, 127.0.0.0/8\n\n"
			"home_mailbox = Maildir/\nmail_spool_directory = /var/spool/mail/\n\ntransport_maps = hash:/etc/postfix/transport\n",
			NULL, 0 },
		{ ALL_CHANGED "relay_domains = alicloud-mail-cntest.com, alicloud-mail-jptest.com\n" LOGIN
			"transport_maps = hash:/etc/postfix/transport\nsmtpd_recipient_restrictions = permit_mynetworks, "
			"reject_unverified_recipient, reject_unknown_recipient_domain, reject_unauth_destination\n", NULL, 0 },
		{ "mydomain = example.com\nmydestination = $myhostname\nmynetworks = cidr:/etc/postfix/network_table\n", NULL, 0 },
		{ SAME_NAME "smtp_fallback_relay = [172.16.1.12]\n", NULL, 0 },
		{ "transport_maps = hash:/etc/postfix/transport\nsmtp_sasl_auth_enable = yes\n"
			"smtp_sasl_password_maps = hash:/etc/postfix/relay_password\nsmtp_sasl_security_options = noanonymous\n"
			"default_destination_concurrency_limit = 10\nqueue_run_delay = 5s\nminimal_backoff_time = 5s\n"
			"maximal_backoff_time = 10s\nsmtp_tls_security_level = may\nsmtp_tls_loglevel = 1\n"
			"smtp_tls_CAfile = /etc/pki/tls/certs/ca-bundle.crt\n", NULL, 0 },
		{ CENTOS "inet_interfaces = localhost\ninet_protocols = all\n", stock, 0 },
		{ "smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)\nbiff = no\nappend_dot_mydomain = no\nreadme_directory = no\n"
			"compatibility_level = 3.6\nsmtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem\n"
			"smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key\nsmtpd_tls_security_level=may\n"
			"smtp_tls_CApath=/etc/ssl/certs\nsmtp_tls_security_level=may\n"
			"smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache\n"
			"smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination\n"
			"mailbox_size_limit = 0\nrecipient_delimiter = +\ninet_interfaces = all\ninet_protocols = all\nmyorigin = $myhostname\n",
			NULL, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = load(rows[i].main_cf, rows[i].master_cf);
		struct master m;

		ROW("%zu: %s", i, first());
		REQUIRE(c);
		CHECK_INT(diag.n, rows[i].findings);
		CHECK_INT(master_load(c, &m, &diag), 0);
		master_fini(&m);
		conf_free(c);
	}
	conf_diag_fini(&diag);
}
