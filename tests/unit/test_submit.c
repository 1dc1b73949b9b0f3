/* Mail of a host without a queue of its own: which way it goes, what its caller is told, and what is kept. Every server here is
 * one of deliver_world.h, on loopback or on the submit socket of a folder. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <utime.h>

#include "core/store/maildrop.h"
#include "core/submit/own_server.h"
#include "core/submit/submit.h"
#include "core/submit/submit_alias.h"
#include "core/submit/submit_judge.h"
#include "core/submit/submit_spool.h"
#include "core/submit/submit_stdio.h"
#include "tests/unit/deliver_world.h"

#define TEXT STR("Subject: x\n\nhello\n")

static struct conf *settings(const char *const *more)
{
	static struct conf_diag diag;
	static char spool[300], log[300];
	const char *all[32] = { "myhostname=mx.example.jp", "mydomain=example.jp", "mydestination=$myhostname, localhost", "inet_protocols=ipv4",
		"compatibility_level=3.6", "queue_directory=/nonexistent", spool, log };
	size_t n = 8;

	snprintf(spool, sizeof(spool), "sendmail_spool=%s", t_tmpdir());
	snprintf(log, sizeof(log), "maillog_file=%s/log", t_tmpdir());
	while (*more)
		all[n++] = *more++;
	conf_diag_fini(&diag);
	conf_diag_init(&diag);
	return conf_load(t_tmpdir(), all, &diag);
}

/* --- what answers mean ------------------------------------------------------------------------------------------------ */

static struct delivery_result result(int code, const char *enhanced, const char *text, bool answered)
{
	struct delivery_result r = { .answered = answered };

	reply_set(&r.reply, code, enhanced, "%s", text);
	return r;
}

T(caller_is_told_what_became_of_each_recipient)
{
	static const struct row {
		const char *name;
		struct { int code; const char *enhanced, *text; bool answered; } a, b;
		int want, refused;
		bool answered;
		const char *why;
	} rows[] = {
		{ "both sent", { 250, "2.0.0", "Ok: queued as ABC123", true }, { 250, "2.0.0", "Ok: queued as ABC123", true }, 0, 0, true, "" },
		{ "both refused, the same", { 550, "5.7.1", "no", true }, { 550, "5.7.1", "no", true }, EX_UNAVAILABLE, EX_UNAVAILABLE, true,
		  "refused: no" },
		{ "both refused, each otherwise", { 550, "5.1.1", "who", true }, { 550, "5.7.1", "no", true }, EX_NOUSER, EX_NOUSER, true,
		  "refused: a@x: who; b@x: no" },
		{ "the first refusal says of which kind", { 550, "5.7.1", "no", true }, { 550, "5.1.1", "who", true }, EX_UNAVAILABLE, EX_UNAVAILABLE,
		  true, "refused: a@x: no; b@x: who" },
		{ "one sent, one refused", { 250, "2.0.0", "Ok", true }, { 550, "5.1.1", "who", true }, EX_NOUSER, EX_NOUSER, true,
		  "sent, but not to 1 of 2 recipients: who" },
		{ "one refused, one sent", { 550, "5.1.2", "who", true }, { 250, "2.0.0", "Ok", true }, EX_NOUSER, EX_NOUSER, true,
		  "sent, but not to 1 of 2 recipients: who" },
		{ "one refused, one later", { 550, "5.1.1", "who", true }, { 450, "4.2.0", "busy", true }, EX_TEMPFAIL, EX_NOUSER, true,
		  "refused: a@x: who; b@x: busy" },
		{ "nobody there", { 451, "4.4.1", "no way", false }, { 451, "4.4.1", "no way", false }, EX_TEMPFAIL, 0, false, "no way" },
		{ "nobody there, in two ways", { 451, "4.4.1", "one", false }, { 451, "4.4.1", "two", false }, EX_TEMPFAIL, 0, false, "two" },
		{ "an answer of one", { 451, "4.4.1", "one", false }, { 451, "4.4.1", "two", true }, EX_TEMPFAIL, 0, true,
		  "refused: a@x: one; b@x: two" },
		{ "ours, for good", { 550, "5.4.6", "loop", false }, { 451, "4.4.1", "two", false }, EX_TEMPFAIL, EX_UNAVAILABLE, false,
		  "refused: a@x: loop; b@x: two" },
		{ "a login", { 451, "4.7.0", "SASL authentication failed; server x said: 535", false },
		  { 451, "4.7.0", "SASL authentication failed; server x said: 535", false }, EX_TEMPFAIL, 0, false,
		  "SASL authentication failed; server x said: 535 (check user and password of the login)" },
	};
	struct rcpt rcpts[2] = { { .addr = STR("a@x") }, { .addr = STR("b@x") } };
	struct envelope e = { .rcpts = rcpts, .n_rcpts = 2 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *w = &rows[i];
		struct delivery_result r[2] = { result(w->a.code, w->a.enhanced, w->a.text, w->a.answered),
			result(w->b.code, w->b.enhanced, w->b.text, w->b.answered) };
		struct submit_result out = { .refused = 99, .answered = !w->answered };
		enum verdict v[2];

		ROW("%s", w->name);
		CHECK_INT(submit_judge(&e, r, &out, v), w->want);
		CHECK_INT(out.refused, w->refused);
		CHECK_INT(out.answered, w->answered);
		CHECK_STR(out.why, w->why);
		CHECK_STR(out.qid, i ? "" : "ABC123");
		CHECK_INT(v[0], reply_verdict(&r[0].reply));
		CHECK_INT(v[1], reply_verdict(&r[1].reply));
		CHECK_INT(submit_was_answered(&e, r), w->answered);
	}
}

T(mail_that_may_have_been_taken_is_answered_and_says_so)
{
	struct rcpt rcpt = { .addr = STR("a@x") };
	struct envelope e = { .rcpts = &rcpt, .n_rcpts = 1 };
	struct delivery_result r = result(451, "4.4.2", "lost connection", false);
	struct submit_result out = { .way = "x" };
	enum verdict v;

	r.doubtful = true;
	CHECK_INT(submit_judge(&e, &r, &out, &v), EX_TEMPFAIL);
	CHECK_STR(out.why, "lost connection; the message may have been taken");
	CHECK(submit_was_answered(&e, &r));
	r.doubtful = false;
	CHECK(!submit_was_answered(&e, &r));
	/* a name of the queue that is as long as there is room for one, and one more */
	r = result(250, "2.0.0", "queued as 123456789012345678901234567890123456789012345678901234567890123.", true);
	CHECK_INT(submit_judge(&e, &r, &out, &v), EX_OK);
	CHECK_STR(out.qid, "123456789012345678901234567890123456789012345678901234567890123");
	r = result(250, "2.0.0", "queued as 1234567890123456789012345678901234567890123456789012345678901234.", true);
	CHECK_INT(submit_judge(&e, &r, &out, &v), EX_OK);
	CHECK_STR(out.qid, "123456789012345678901234567890123456789012345678901234567890123");
}

/* --- a server named for one message ------------------------------------------------------------------------------------- */

/* what becomes of words "name=value name …": relayhost, level, mechanism, user and password, or why not */
static const char *own(const char *words, const char *main_cf)
{
	static char out[500];
	struct own_server s;
	struct conf_diag diag;
	struct conf *c;
	struct buf why;
	struct str rest = str_of(words), word;
	char path[400], values[12][200];
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/own", t_tmpdir());
	fs_mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/own/main.cf", t_tmpdir());
	fs_replace(path, 0600, str_of(main_cf));
	snprintf(path, sizeof(path), "%s/own", t_tmpdir());
	own_server_init(&s);
	conf_diag_init(&diag);
	buf_init(&why, 1000);
	while (str_word(&rest, " ", &word)) {
		ptrdiff_t eq = str_chr(word, '=');

		snprintf(values[n], sizeof(values[n]), "%.*s", eq < 0 ? 0 : (int)(word.n - (size_t)eq - 1), word.p + eq + 1);
		if (!own_server_set(&s, eq < 0 ? word : str_head(word, (size_t)eq), eq < 0 ? NULL : values[n++]))
			return "not ours";
	}
	if (!own_server_given(&s)) {
		snprintf(out, sizeof(out), "not given");
	} else if (!(c = own_server_conf(&s, path, &why, &diag))) {
		snprintf(out, sizeof(out), "%s", why.n ? buf_cstr(&why) : diag.n ? diag.v[0].text : "nothing said");
	} else {
		snprintf(out, sizeof(out), "%s %s%s%s%s,%s,%s%s%s%s%s", c->relayhost,
			c->smtp_tls_security_level == CONF_TLS_NONE ? "clear" : c->smtp_tls_security_level == CONF_TLS_MAY ? "may"
			: c->smtp_tls_security_level == CONF_TLS_ENCRYPT ? "encrypt" : c->smtp_tls_security_level == CONF_TLS_VERIFY ? "verify"
			: c->smtp_tls_security_level == CONF_TLS_SECURE ? "secure" : "other", c->smtp_tls_wrappermode ? "+wrap" : "",
			c->smtp_sasl_auth_enable ? "+login " : " ", c->smtp_sasl_mechanism_filter, c->relay_username ? c->relay_username : "-",
			c->relay_password ? c->relay_password : "-", *c->smtp_tls_CAfile ? " ca" : "", *c->smtp_tls_policy_maps ? " policy" : "",
			*c->smtp_fallback_relay ? " fallback" : "", c->sendmail_submission == SUBMIT_DIRECT ? "" : " not direct");
		conf_free(c);
	}
	conf_diag_fini(&diag);
	buf_fini(&why);
	own_server_fini(&s);
	return out;
}

T(a_server_named_for_one_message)
{
#define NO_SERVER "-S mta: not a server (smtp://user:password@host:port; smtps, submission and submissions likewise)"
	static const struct { const char *words, *main_cf, *want; } rows[] = {
		{ "mta=mx.test", "", "[mx.test]:25 clear ,-,-" }, { "smtp=smtp://mx.test", "", "[mx.test]:25 clear ,-,-" },
		{ "mta=smtp://mx.test/", "", "[mx.test]:25 clear ,-,-" }, { "mta=SMTP://mx.test:2525", "", "[mx.test]:2525 clear ,-,-" },
		{ "mta=submission://mx.test", "", "[mx.test]:587 clear ,-,-" }, { "mta=smtps://mx.test", "", "[mx.test]:465 encrypt+wrap ,-,-" },
		{ "mta=submissions://mx.test:smtps", "", "[mx.test]:smtps encrypt+wrap ,-,-" },
		{ "mta=192.0.2.1:26", "", "[192.0.2.1]:26 clear ,-,-" }, { "mta=[192.0.2.1]", "", "[192.0.2.1]:25 clear ,-,-" },
		{ "mta=[2001:db8::1]", "", "[2001:db8::1]:25 clear ,-,-" }, { "mta=[2001:db8::1]:26", "", "[2001:db8::1]:26 clear ,-,-" },
		/* logins: in the URL, and apart from it */
		{ "mta=smtp://u:p@mx.test", "", "[mx.test]:25 clear+login ,u,p" },
		{ "mta=smtp://u%40x:%3ap%2F%7e@mx.test", "", "[mx.test]:25 clear+login ,u@x,:p/~" },
		{ "mta=smtp://u@v:p@mx.test", "", "[mx.test]:25 clear+login ,u@v,p" },
		{ "mta=smtp://u:@mx.test", "", "[mx.test]:25 clear+login ,u," },
		{ "mta=mx.test user=u password=p", "", "[mx.test]:25 clear+login ,u,p" },
		{ "mta=mx.test smtp-auth-user=u smtp-auth-password=p smtp-auth=plain", "", "[mx.test]:25 clear+login plain,u,p" },
		{ "mta=smtp://u@mx.test password=p", "", "[mx.test]:25 clear+login ,u,p" },
		{ "mta=smtp://u:p@mx.test user=v password=q", "", "[mx.test]:25 clear+login ,u,p" },
		{ "mta=smtp://u:p@mx.test smtp-auth=none", "", "[mx.test]:25 clear ,-,-" },
		{ "mta=mx.test smtp-auth=NONE", "smtp_sasl_auth_enable=yes\nsmtp_sasl_password_maps=static:a:b\n", "[mx.test]:25 clear ,-,-" },
		{ "mta=mx.test", "smtp_sasl_auth_enable=yes\nsmtp_sasl_password_maps=static:a:b\n", "[mx.test]:25 clear+login ,-,-" },
		{ "mta=smtp://u@mx.test", "", "-S mta: a login wants a password (smtp-auth-password)" },
		{ "mta=mx.test password=p smtp-auth=login", "", "-S mta: a login wants a user (smtp-auth-user)" },
		{ "mta=mx.test password=p", "", "[mx.test]:25 clear ,-,-" },
		/* what TLS must be is never less than main.cf has it */
		{ "mta=mx.test smtp-use-starttls", "", "[mx.test]:25 encrypt ,-,-" },
		{ "mta=mx.test smtp-use-starttls nosmtp-use-starttls", "", "[mx.test]:25 clear ,-,-" },
		{ "mta=mx.test smtp-use-starttls", "smtp_tls_security_level=secure\n", "[mx.test]:25 secure ,-,-" },
		{ "mta=mx.test smtp-use-starttls", "smtp_tls_security_level=encrypt\n", "[mx.test]:25 encrypt ,-,-" },
		{ "mta=mx.test smtp-use-starttls", "smtp_tls_policy_maps=static:none\n", "[mx.test]:25 encrypt ,-,-" },
		{ "mta=mx.test", "smtp_tls_policy_maps=static:none\n", "[mx.test]:25 clear ,-,- policy" },
		{ "mta=mx.test tls-verify=strict", "", "[mx.test]:25 verify ,-,-" },
		{ "mta=mx.test ssl-verify=STRICT", "smtp_tls_security_level=none\n", "[mx.test]:25 verify ,-,-" },
		{ "mta=mx.test tls-verify=strict", "smtp_tls_security_level=encrypt\n", "[mx.test]:25 verify ,-,-" },
		{ "mta=mx.test tls-verify=strict", "smtp_tls_security_level=verify\n", "[mx.test]:25 verify ,-,-" },
		{ "mta=smtps://mx.test tls-verify=strict", "", "[mx.test]:465 verify+wrap ,-,-" },
		{ "mta=smtps://mx.test tls-verify=ignore", "smtp_tls_security_level=none\n", "[mx.test]:465 encrypt+wrap ,-,-" },
		{ "mta=mx.test tls-verify=ignore", "smtp_tls_security_level=none\n", "[mx.test]:25 clear ,-,-" },
		{ "mta=mx.test tls-ca-file=/a", "", "[mx.test]:25 clear ,-,- ca" }, { "mta=mx.test ssl-ca-file=/a", "", "[mx.test]:25 clear ,-,- ca" },
		{ "mta=mx.test", "smtp_tls_wrappermode=yes\nsmtp_tls_security_level=encrypt\n", "[mx.test]:25 encrypt ,-,-" },
		{ "mta=mx.test", "smtp_fallback_relay=other.test\nrelayhost=x.test\n", "[mx.test]:25 clear ,-,-" },
		/* what is no server */
		{ "mta=http://mx.test", "", NO_SERVER }, { "mta=smtp://smtp://mx.test", "", NO_SERVER }, { "mta=smtp://", "", NO_SERVER },
		{ "mta=mx.test:", "", NO_SERVER }, { "mta=mx.test:2_5", "", NO_SERVER }, { "mta=[2001:db8::1", "", NO_SERVER },
		{ "mta=[2001:db8::1]26", "", NO_SERVER }, { "mta=[2001:db8::1]:", "", NO_SERVER }, { "mta=mx..test", "", NO_SERVER },
		{ "mta=2001:db8::1", "", NO_SERVER }, { "mta=smtp://:p@mx.test", "", NO_SERVER }, { "mta=smtp://@mx.test", "", NO_SERVER },
		{ "mta=smtp://u%4:p@mx.test", "", NO_SERVER }, { "mta=smtp://u%4g:p@mx.test", "", NO_SERVER }, { "mta=smtp://u%g4:p@mx.test", "", NO_SERVER },
		{ "mta=smtp://u:%@mx.test", "", NO_SERVER }, { "mta=smtp://u:p%00@mx.test", "", NO_SERVER }, { "mta=smtp://u:p%1f@mx.test", "", NO_SERVER },
		{ "mta=smtp://u:p%7F@mx.test", "", NO_SERVER }, { "mta=smtp://u:p%20@mx.test", "", "[mx.test]:25 clear+login ,u,p " },
		{ "mta=smtp://u:%3@mx.test", "", NO_SERVER }, { "mta=smtp://u:%aF@mx.test", "", "[mx.test]:25 clear+login ,u,\xaf" },
		{ "mta=smtp://u:%41%@mx.test", "", NO_SERVER }, { "mta=smtp://%41:p@mx.test", "", "[mx.test]:25 clear+login ,A,p" },
		/* mailx's own: a program, not a server */
		{ "mta=/usr/sbin/sendmail", "", "not given" }, { "mta=file:///usr/sbin/sendmail", "", "not given" }, { "user=u", "", "not given" },
		{ "mta=x smtp-hostname=y", "", "not ours" }, { "smtp-use-starttl", "", "not ours" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = own(rows[i].words, rows[i].main_cf);

		ROW("%s, %s", rows[i].words, rows[i].main_cf);
		CHECK_STR(got, rows[i].want);
	}
}

/* --- the ways --------------------------------------------------------------------------------------------------------------- */

/* near - a server on the submit socket of a folder */
static bool near(struct fake *f, const char *folder)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	pthread_mutex_init(&f->lock, NULL);
	snprintf(a.sun_path, sizeof(a.sun_path), "%.90s/submit", folder);
	fs_unlink(a.sun_path);
	f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return bind(f->fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(f->fd, 50) == 0 && pthread_create(&f->thread, NULL, fake_main, f) == 0;
}

static struct rcpt two[2] = { { .addr = STR("good@x.test") }, { .addr = STR("bad@x.test") } };

static struct envelope mail(size_t n)
{
	return (struct envelope){ .sender = STR("s@b.test"), .rcpts = two, .n_rcpts = n, .uid = getuid(), .arrival = clock_wall() };
}

static void count_kept(void *ctx, const char *id, const struct envelope *e, uint64_t size, struct str reason)
{
	struct buf *b = ctx;

	buf_printf(b, "%.*s:%zu:%d ", STR_ARG(e->rcpts[0].addr), e->n_rcpts, reason.n > 0);
	CHECK_INT(size, TEXT.n);
	CHECK_INT(strlen(id), 16);
}

/* what is kept, and then forgotten: "first recipient:how many:was a reason told" of each message */
static const char *kept(const struct conf *c)
{
	static char out[500];
	struct buf b;

	buf_init(&b, 400);
	submit_spool_each(c, count_kept, &b);
	snprintf(out, sizeof(out), "%s", buf_cstr(&b));
	buf_fini(&b);
	submit_spool_delete(c, "ALL");
	return out;
}

T(mail_goes_by_the_first_way_that_is_there)
{
	static const struct {
		const char *name, *chosen;
		bool socket, maildrop, relayhost;
		int want;
		const char *way, *why;
	} rows[] = {
		{ "all are there", "auto", true, true, true, EX_OK, "socket", "" },
		{ "no socket", "auto", false, true, true, EX_OK, "maildrop", "" },
		{ "only a relayhost", "auto", false, false, true, EX_OK, "direct", "" },
		{ "the socket is chosen", "socket", true, true, true, EX_OK, "socket", "" },
		{ "the maildrop is chosen", "maildrop", true, true, true, EX_OK, "maildrop", "" },
		{ "the relayhost is chosen", "direct", true, true, true, EX_OK, "direct", "" },
		{ "nothing", "auto", false, false, false, EX_TEMPFAIL, "none",
		  "no relayd answers at %Q/submit: No such file or directory; cannot write to %Q/maildrop: No such file or directory; "
		  "no relayhost is set (main.cf, or RELAYHOST in the environment)" },
		{ "a socket that is not there", "socket", false, true, true, EX_TEMPFAIL, "none", "no relayd answers at %Q/submit: No such file or directory" },
		{ "no maildrop, though chosen", "maildrop", true, false, true, EX_TEMPFAIL, "none",
		  "cannot write to %Q/maildrop: No such file or directory" },
		{ "no relayhost, though chosen", "direct", true, true, false, EX_TEMPFAIL, "none",
		  "no relayhost is set (main.cf, or RELAYHOST in the environment)" },
	};
	struct fake far = { .ip = "127.0.0.1" }, here = { .ip = "" };
	char folder[300], queue[330], relayhost[80], chosen[80], drops[330];

	REQUIRE(fake_start(&far));
	snprintf(relayhost, sizeof(relayhost), "relayhost=[127.0.0.1]:%u", far.port);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *more[] = { queue, chosen, rows[i].relayhost ? relayhost : NULL, NULL };
		unsigned at_far = far.messages, at_here = here.messages;
		struct envelope e = mail(1);
		struct submit_result r;
		struct conf *c;
		char want[600] = "";

		ROW("%s", rows[i].name);
		snprintf(folder, sizeof(folder), "%s/way%zu", t_tmpdir(), i);
		snprintf(queue, sizeof(queue), "queue_directory=%s", folder);
		snprintf(chosen, sizeof(chosen), "sendmail_submission=%s", rows[i].chosen);
		snprintf(drops, sizeof(drops), "%s/maildrop", folder);
		fs_mkdir(folder, 0700);
		if (rows[i].maildrop)
			fs_mkdir(drops, 0700);
		if (rows[i].socket)
			REQUIRE(near(&here, folder));
		c = settings(more);
		REQUIRE(c);
		CHECK_INT(submit_message(c, NULL, &e, TEXT, &r), rows[i].want);
		CHECK_STR(r.way, rows[i].way);
		for (const char *p = rows[i].why, *at; *p || !*want; p = at ? at + 2 : p + strlen(p)) {
			at = strstr(p, "%Q");
			snprintf(want + strlen(want), sizeof(want) - strlen(want), "%.*s%s", at ? (int)(at - p) : (int)strlen(p), p, at ? folder : "");
			if (!*p)
				break;
		}
		CHECK_STR(r.why, want);
		CHECK_INT(far.messages - at_far, !strcmp(rows[i].way, "direct"));
		CHECK_INT(here.messages - at_here, !strcmp(rows[i].way, "socket"));
		CHECK_STR(r.qid, strcmp(rows[i].way, "direct") && strcmp(rows[i].way, "socket") ? "" : "FAKE");
		CHECK_STR(r.kept, "");
		CHECK_STR(kept(c), "");
		conf_free(c);
		if (rows[i].socket)
			fake_stop(&here);
	}
	fake_stop(&far);
}

T(direct_mail_is_sent_refused_or_kept)
{
	static const struct {
		const char *name, *greeting, *rcpt, *rcpt_bad, *end;
		size_t n;
		int want, refused;
		bool answered;
		const char *kept, *why;
	} rows[] = {
		{ "sent", NULL, NULL, NULL, NULL, 2, EX_OK, 0, true, "", "" },
		{ "refused", NULL, "550 5.1.1 who", NULL, NULL, 1, EX_NOUSER, EX_NOUSER, true, "", "550 5.1.1 who" },
		{ "refused as a whole", NULL, NULL, NULL, "554 5.6.0 what", 2, EX_UNAVAILABLE, EX_UNAVAILABLE, true, "", "554 5.6.0 what" },
		{ "one refused", NULL, NULL, "550 5.7.1 no", NULL, 2, EX_UNAVAILABLE, EX_UNAVAILABLE, true, "", "sent, but not to 1 of 2 recipients: " },
		{ "later", NULL, "450 4.2.0 busy", NULL, NULL, 2, EX_OK, 0, true, "good@x.test:2:1 ", "450 4.2.0 busy" },
		{ "one later", NULL, NULL, "450 4.2.0 busy", NULL, 2, EX_OK, 0, true, "bad@x.test:1:1 ", "450 4.2.0 busy" },
		{ "one later, one never", NULL, "450 4.2.0 busy", "550 5.7.1 no", NULL, 2, EX_UNAVAILABLE, EX_UNAVAILABLE, true, "good@x.test:1:1 ", "bad@x.test: " },
		{ "nobody is there", "!", NULL, NULL, NULL, 2, EX_OK, 0, false, "good@x.test:2:1 ", "" },
	};
	struct fake f = { .ip = "127.0.0.1" };
	char relayhost[80];
	const char *more[] = { relayhost, NULL };

	REQUIRE(fake_start(&f));
	snprintf(relayhost, sizeof(relayhost), "relayhost=[127.0.0.1]:%u", f.port);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct envelope e = mail(rows[i].n);
		struct submit_result r;
		struct conf *c = settings(more);
		enum verdict v[2] = { VERDICT_DONE, VERDICT_DONE };

		ROW("%s", rows[i].name);
		REQUIRE(c);
		f.greeting = rows[i].greeting;
		f.rcpt = rows[i].rcpt;
		f.rcpt_bad = rows[i].rcpt_bad;
		f.end = rows[i].end;
		CHECK_INT(submit_message(c, NULL, &e, TEXT, &r), rows[i].want);
		CHECK_STR(r.way, "direct");
		CHECK_INT(r.refused, rows[i].refused);
		CHECK_INT(r.answered, rows[i].answered);
		CHECK(strstr(r.why, rows[i].why) != NULL);
		CHECK_INT(r.kept[0] != 0, rows[i].kept[0] != 0);
		CHECK_STR(kept(c), rows[i].kept);
		/* a try keeps nothing */
		CHECK_INT(submit_try(c, NULL, &e, TEXT, &r, v), rows[i].kept[0] ? EX_TEMPFAIL : rows[i].want);
		CHECK_STR(kept(c), "");
		conf_free(c);
	}
	fake_stop(&f);
}

T(who_may_not_submit_is_told_so)
{
	static const char *const more[] = { "authorized_submit_users=nobody-of-this-name", "relayhost=[127.0.0.1]:9", NULL };
	struct envelope e = mail(2);
	enum verdict v[2] = { VERDICT_DONE, VERDICT_LATER };
	struct submit_result r;
	struct conf *c = settings(more);

	REQUIRE(c);
	CHECK_INT(submit_message(c, NULL, &e, TEXT, &r), EX_NOPERM);
	CHECK_STR(r.why, "you are not in authorized_submit_users");
	CHECK_STR(r.way, "none");
	CHECK(r.answered);
	CHECK_INT(submit_try(c, NULL, &e, TEXT, &r, v), EX_NOPERM);
	CHECK_INT(v[0], VERDICT_NEVER);
	CHECK_INT(v[1], VERDICT_NEVER);
	conf_free(c);
}

T(drop_with_a_header_that_nobody_takes_is_refused)
{
	static const size_t over[] = { 0, 1 };
	char queue[330], drops[330];
	const char *more[] = { queue, "sendmail_submission=maildrop", NULL };
	struct envelope e = mail(1);
	struct submit_result r;

	snprintf(queue, sizeof(queue), "queue_directory=%s/large", t_tmpdir());
	snprintf(drops, sizeof(drops), "%s/large", t_tmpdir());
	fs_mkdir(drops, 0700);
	snprintf(drops, sizeof(drops), "%s/large/maildrop", t_tmpdir());
	fs_mkdir(drops, 0700);
	for (size_t i = 0; i < 2; i++) {
		struct conf *c = settings(more);
		struct buf b;

		ROW("%zu too many", over[i]);
		REQUIRE(c);
		buf_init(&b, LIMIT_HEADER + 100);
		buf_z(&b, "A: ");
		while (b.n < LIMIT_HEADER + over[i] - 2)
			buf_byte(&b, 'x');
		buf_z(&b, "\n\nbody\n");
		CHECK_INT(submit_message(c, NULL, &e, buf_view(&b), &r), over[i] ? EX_UNAVAILABLE : EX_OK);
		CHECK(r.answered);
		CHECK_INT(strstr(r.why, "refused: all header fields together are larger than") != NULL, over[i]);
		buf_fini(&b);
		conf_free(c);
	}
}

/* what happens to settings on the way to this host's own server: nothing that is for strangers */
T(submit_socket_is_a_server_that_is_near)
{
	char queue[330], folder[300];
	const char *more[] = { queue, "smtp_tls_security_level=encrypt", "smtp_sasl_auth_enable=yes", "smtp_sasl_password_maps=static:a:b",
		"smtp_tls_wrappermode=no", "smtp_generic_maps=static:other@x.test", "smtp_never_send_ehlo=yes", "smtp_line_length_limit=20",
		"smtp_header_checks=static:IGNORE", NULL };
	static const struct { const char *greeting, *rcpt; int want; const char *why; } rows[] = {
		{ NULL, NULL, EX_OK, "" }, { NULL, "550 5.1.1 who", EX_NOUSER, "refused: good@x.test: 550 5.1.1 who" },
		{ NULL, "450 4.1.1 busy (really)", EX_TEMPFAIL, "refused: good@x.test: 450 4.1.1 busy (really)" },
		{ "421 4.3.2 going down", NULL, EX_TEMPFAIL, "" },
	};
	struct fake f = { .ehlo = "250-fake\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250 ENHANCEDSTATUSCODES" };

	snprintf(folder, sizeof(folder), "%s/near", t_tmpdir());
	snprintf(queue, sizeof(queue), "queue_directory=%s", folder);
	fs_mkdir(folder, 0700);
	REQUIRE(near(&f, folder));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = settings(more);
		struct envelope e = mail(1);
		struct submit_result r;

		ROW("%s %s", rows[i].greeting, rows[i].rcpt);
		REQUIRE(c);
		f.greeting = rows[i].greeting;
		f.rcpt = rows[i].rcpt;
		CHECK_INT(submit_message(c, NULL, &e, STR("Subject: a line that is longer than twenty\r\n\r\nhello\r\n"), &r), rows[i].want);
		if (i < 3) {
			CHECK_STR(r.why, rows[i].why);
			CHECK_STR(r.way, "socket");
			CHECK_STR(f.mail_line, "MAIL FROM:<s@b.test>");
		} else {
			CHECK_STR(r.way, "none");
		}
		if (!i)
			CHECK_STR(f.last, "Subject: a line that is longer than twenty\r\n\r\nhello\r\n");
		conf_free(c);
	}
	CHECK_INT(f.auths, 0);
	fake_stop(&f);
}

/* --- the spool ---------------------------------------------------------------------------------------------------------- */

static char notes[2000];

static void note(const char *text)
{
	snprintf(notes + strlen(notes), sizeof(notes) - strlen(notes), "%s\n", text);
}

struct kept_drops { char id[8][17]; size_t n; };

static void keep_id(void *ctx, const char *id, const struct envelope *e, uint64_t size, struct str reason)
{
	struct kept_drops *k = ctx;

	snprintf(k->id[k->n++], 17, "%s", id);
	(void)e;
	(void)size;
	(void)reason;
}

static int age_drop(void *ctx, const char *name)
{
	char path[400];
	struct utimbuf t = { .actime = time(NULL) - *(int *)ctx, .modtime = time(NULL) - *(int *)ctx };

	snprintf(path, sizeof(path), "%s/relaybox-%u/maildrop/%s", t_tmpdir(), (unsigned)geteuid(), name);
	return utime(path, &t);
}

/* how many letters are dead; they are buried for good */
static int dead(struct buf *text)
{
	char command[900], path[400];
	FILE *f;
	int n = 0;

	snprintf(path, sizeof(path), "%s/relaybox-%u/dead.letter", t_tmpdir(), (unsigned)geteuid());
	snprintf(command, sizeof(command), "cat %s/* 2> /dev/null; rm -rf %s", path, path);
	f = popen(command, "r");
	for (int c; (c = getc(f)) != EOF;)
		buf_byte(text, (char)c);
	pclose(f);
	for (const char *at = buf_cstr(text); (at = strstr(at, "X-Not-Sent:")); at++)
		n++;
	return n;
}

T(what_is_kept_is_tried_again)
{
	static const struct {
		const char *name, *greeting, *rcpt, *rcpt_bad;
		int age, lived;
		bool all;
		size_t most, n, tried, left;
		unsigned sent;
		int dead;
		const char *kept, *note;
	} rows[] = {
		{ "all go", NULL, NULL, NULL, 0, 0, true, 0, 3, 3, 0, 3, 0, "", "" },
		{ "so many only", NULL, NULL, NULL, 0, 0, true, 2, 3, 2, 0, 2, 0, "good@x.test:2:1 ", "" },
		{ "none is due", NULL, NULL, NULL, 0, 0, false, 0, 2, 0, 2, 0, 0, "good@x.test:2:1 good@x.test:2:1 ", "" },
		{ "not quite", NULL, NULL, NULL, 290, 0, false, 0, 1, 0, 1, 0, 0, "good@x.test:2:1 ", "" },
		{ "it is due", NULL, NULL, NULL, 301, 0, false, 0, 2, 2, 0, 2, 0, "", "" },
		/* the first that reaches nobody ends the round */
		{ "nobody is there", "!", NULL, NULL, 0, 0, true, 0, 3, 1, 1, 0, 0, "good@x.test:2:1 good@x.test:2:1 good@x.test:2:1 ", "" },
		{ "still later", NULL, "450 4.2.0 busy", NULL, 0, 0, true, 0, 2, 2, 2, 0, 0, "good@x.test:2:1 good@x.test:2:1 ", "" },
		{ "one is still later", NULL, NULL, "450 4.2.0 busy", 0, 0, true, 0, 1, 1, 1, 1, 0, "bad@x.test:1:1 ", "" },
		{ "one is refused", NULL, NULL, "550 5.1.1 who", 0, 0, true, 0, 1, 1, 0, 1, 1, "", "mail to bad@x.test was not sent and is in " },
		{ "all are refused", NULL, "550 5.1.1 who", NULL, 0, 0, true, 0, 1, 1, 0, 0, 1, "", "mail to good@x.test was not sent and is in " },
		{ "one later, one never", NULL, "450 4.2.0 busy", "550 5.1.1 who", 0, 0, true, 0, 1, 1, 1, 0, 1, "good@x.test:1:1 ", "mail to bad@x.test" },
		{ "too old to wait any longer", NULL, "450 4.2.0 busy", NULL, 0, 432001, true, 0, 1, 1, 0, 0, 1, "", "mail to good@x.test" },
		{ "not quite so old", NULL, "450 4.2.0 busy", NULL, 0, 431990, true, 0, 1, 1, 1, 0, 0, "good@x.test:2:1 ", "" },
	};
	struct fake f = { .ip = "127.0.0.1" };
	char relayhost[80], base[400];
	const char *more[] = { relayhost, "minimal_backoff_time=300s", "maximal_queue_lifetime=5d", NULL };
	struct conf *c;

	REQUIRE(fake_start(&f));
	snprintf(base, sizeof(base), "%s/relaybox-%u", t_tmpdir(), (unsigned)geteuid());
	snprintf(relayhost, sizeof(relayhost), "relayhost=[127.0.0.1]:%u", f.port);
	c = settings(more);
	REQUIRE(c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct submit_flush flush = { .all = rows[i].all, .most = rows[i].most, .note = note };
		unsigned before = f.messages;
		struct buf text, why;

		ROW("%s", rows[i].name);
		buf_init(&text, 1 << 16);
		buf_init(&why, 1000);
		notes[0] = 0;
		f.greeting = rows[i].greeting;
		f.rcpt = rows[i].rcpt;
		f.rcpt_bad = rows[i].rcpt_bad;
		f.data = rows[i].rcpt ? "554 5.5.1 no recipients" : NULL;
		for (size_t k = 0; k < rows[i].n; k++) {
			struct envelope e = mail(2);
			char where[300];

			e.arrival -= rows[i].lived * USEC_PER_SEC;
			CHECK_INT(submit_spool_keep(c, &e, TEXT, "because", where, sizeof(where), &why), 0);
			CHECK_STR(where, base);
		}
		maildrop_each(base, age_drop, (void *)(uintptr_t)&rows[i].age);
		submit_spool_flush(c, &flush);
		CHECK_INT(flush.tried, rows[i].tried);
		CHECK_INT(flush.left, rows[i].left);
		CHECK_INT(f.messages - before, rows[i].sent);
		CHECK_INT(dead(&text), rows[i].dead);
		if (rows[i].dead) {
			const char *good = strstr(buf_cstr(&text), "X-Envelope-To: <good@x.test>\r\n"), *bad = strstr(buf_cstr(&text), "X-Envelope-To: <bad@x.test>\r\n");

			CHECK_INT(good != NULL, !rows[i].rcpt_bad);
			CHECK_INT(bad != NULL, 1);
			CHECK(strstr(buf_cstr(&text), "X-Envelope-From: <s@b.test>\r\n") != NULL);
			CHECK(strstr(buf_cstr(&text), "\nhello") != NULL);
		}
		CHECK_INT(strncmp(notes, rows[i].note, strlen(rows[i].note)), 0);
		CHECK_INT(notes[0] != 0, rows[i].note[0] != 0);
		CHECK_STR(kept(c), rows[i].kept);
		buf_fini(&text);
		buf_fini(&why);
	}
	conf_free(c);
	fake_stop(&f);
}

T(drop_that_cannot_be_read_is_left_and_told_of)
{
	static const char *const more[] = { "relayhost=[127.0.0.1]:9", NULL };
	struct submit_flush flush = { .all = true, .note = note };
	struct conf *c = settings(more);
	struct envelope e = mail(1);
	struct kept_drops k = { .n = 0 };
	char where[300], path[400];
	struct buf why;

	REQUIRE(c);
	buf_init(&why, 1000);
	CHECK_INT(submit_spool_keep(c, &e, TEXT, "because", where, sizeof(where), &why), 0);
	submit_spool_each(c, keep_id, &k);
	REQUIRE(k.n == 1);
	snprintf(path, sizeof(path), "cd %s/maildrop && for f in %s*; do echo rubbish > $f; done", where, k.id[0]);
	CHECK_INT(system(path), 0);
	notes[0] = 0;
	submit_spool_flush(c, &flush);
	CHECK_INT(flush.tried, 0);
	CHECK_INT(flush.left, 1);
	CHECK(strstr(notes, "cannot be read: ") != NULL);
	submit_spool_each(c, keep_id, &k);
	CHECK_INT(k.n, 1);
	CHECK_INT(submit_spool_delete(c, "ALL"), 1);
	buf_fini(&why);
	conf_free(c);
}

T(what_is_kept_can_be_deleted_by_its_id)
{
	static const char *const more[] = { "relayhost=[127.0.0.1]:9", NULL };
	struct conf *c = settings(more);
	struct kept_drops k = { .n = 0 }, after = { .n = 0 };
	char where[300], half[17];
	struct buf why;

	REQUIRE(c);
	buf_init(&why, 1000);
	for (int i = 0; i < 3; i++) {
		struct envelope e = mail(1);

		CHECK_INT(submit_spool_keep(c, &e, TEXT, "because", where, sizeof(where), &why), 0);
	}
	submit_spool_each(c, keep_id, &k);
	REQUIRE(k.n == 3);
	snprintf(half, sizeof(half), "%.15s", k.id[1]);
	CHECK_INT(submit_spool_delete(c, half), 0);
	CHECK_INT(submit_spool_delete(c, "all"), 0);
	CHECK_INT(submit_spool_delete(c, "0000000000000000"), 0);
	CHECK_INT(submit_spool_delete(c, k.id[1]), 1);
	CHECK_INT(submit_spool_delete(c, k.id[1]), 0);
	submit_spool_each(c, keep_id, &after);
	REQUIRE(after.n == 2);
	CHECK_STR(after.id[0], k.id[0]);
	CHECK_STR(after.id[1], k.id[2]);
	CHECK_INT(submit_spool_delete(c, "ALL"), 2);
	buf_fini(&why);
	conf_free(c);
}

/* folders that a stranger could replace, or that a restart forgets, are none */
T(spool_is_where_nobody_can_replace_it)
{
	static const struct { const char *name; mode_t base, own; int want; } rows[] = {
		{ "ours", 0755, 0700, 0 }, { "open to all, sticky", 01777, 0700, 0 }, { "open to all", 0777, 0700, -1 }, { "open to all, no group", 0757, 0700, -1 },
		{ "open to a group", 0775, 0700, 0 }, { "its own open to a group", 0755, 0720, -1 }, { "its own open to others", 0755, 0702, -1 },
		{ "its own read by others", 0755, 0755, 0 },
	};
	char base[300], own_path[400], spool[400], where[400];
	const char *more[] = { spool, NULL };

	setenv("HOME", "/dev/shm", 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct envelope e = mail(1);
		struct conf_diag d;
		struct buf why;
		struct conf *c;

		snprintf(base, sizeof(base), "%s/safe%zu", t_tmpdir(), i);
		snprintf(own_path, sizeof(own_path), "%s/relaybox-%u", base, (unsigned)geteuid());
		snprintf(spool, sizeof(spool), "sendmail_spool=%s", base);
		fs_mkdir(base, 0755);
		fs_mkdir(own_path, 0700);
		chmod(base, rows[i].base);
		chmod(own_path, rows[i].own);
		conf_diag_init(&d);
		c = conf_load(t_tmpdir(), more, &d);
		REQUIRE(c);
		for (int again = 0; again < 2; again++) {
			ROW("%s, time %d", rows[i].name, again);
			buf_init(&why, 1000);
			where[0] = 0;
			submit_spool_keep(c, &e, TEXT, "because", where, sizeof(where), &why);
			CHECK_INT(strncmp(where, base, strlen(base)) == 0, rows[i].want == 0);
			CHECK_INT(strstr(buf_cstr(&why), base) != NULL, rows[i].want < 0);
			if (rows[i].want < 0)
				CHECK(strstr(buf_cstr(&why), "/dev/shm: a restart forgets it") != NULL);
			submit_spool_delete(c, "ALL");
			buf_fini(&why);
			snprintf(own_path, sizeof(own_path), "%s/relaybox-%u/maildrop", base, (unsigned)geteuid());
			fs_mkdir(own_path, 0700);
		}
		conf_free(c);
		conf_diag_fini(&d);
	}
}

/* --- aliases ---------------------------------------------------------------------------------------------------------------- */

T(aliases_count_before_mail_leaves_for_a_relayhost)
{
	static const struct { const char *name, *tables[3], *rcpts, *want; } rows[] = {
		{ "elsewhere", { "alias_maps=inline:{ root=a@x.test }" }, "root@x.test", "root@x.test" },
		{ "ours", { "alias_maps=inline:{ root=a@x.test }" }, "root", "a@x.test<root" },
		{ "ours, with its domain", { "alias_maps=inline:{ root=a@x.test }" }, "Root@mx.example.jp", "a@x.test<Root@mx.example.jp" },
		{ "a domain that may be ours", { "alias_maps=inline:{ root=a@x.test }" }, "root@localhost", "a@x.test<root@localhost" },
		{ "two at once", { "alias_maps=inline:{ {root=a@x.test, b@x.test} }" }, "root c@x.test", "a@x.test<root b@x.test<root c@x.test" },
		{ "each once", { "alias_maps=inline:{ {root=a@x.test, b@x.test} }" }, "B@x.test root", "B@x.test a@x.test<root" },
		{ "no alias", { "alias_maps=inline:{ root=a@x.test }" }, "someone", "someone" },
		{ "files and commands are nobody's", { "alias_maps=inline:{ {root=/dev/null, |cat} }" }, "root", "root" },
		{ "only the address of them", { "alias_maps=inline:{ {root=/dev/null, a@x.test} }" }, "root", "a@x.test<root" },
		{ "through another", { "alias_maps=inline:{ root=toor, toor=a@x.test }" }, "root", "a@x.test<root" },
		{ "no table", { "alias_maps=" }, "root", "root" },
		{ "a table that is not there", { "alias_maps=hash:/nonexistent/aliases" }, "root", "root" },
		{ "one that is, behind it", { "alias_maps=texthash:/nonexistent/aliases inline:{ root=a@x.test }" }, "root", "a@x.test<root" },
		{ "a text that was never built", { "alias_maps=hash:%T/never" }, "root", "n@x.test<root" },
		{ "a text", { "alias_maps=texthash:%T/never" }, "root", "n@x.test<root" },
		{ "no domain is ours", { "alias_maps=inline:{ root=a@x.test }", "mydestination=" }, "root@mx.example.jp", "root@mx.example.jp" },
		{ "virtual", { "alias_maps=", "virtual_alias_maps=inline:{ v@x.test=w@x.test }" }, "v@x.test u@x.test", "w@x.test<v@x.test u@x.test" },
		{ "virtual, without a domain of ours", { "mydestination=", "virtual_alias_maps=inline:{ v@x.test=w@x.test }" }, "v@x.test", "w@x.test<v@x.test" },
		{ "canonical", { "canonical_maps=inline:{ v@x.test=w@x.test }" }, "v@x.test", "w@x.test<v@x.test" },
		{ "canonical of recipients", { "recipient_canonical_maps=inline:{ v@x.test=w@x.test }" }, "v@x.test", "w@x.test<v@x.test" },
		{ "masquerade is for senders", { "masquerade_domains=x.test" }, "v@h.x.test", "v@h.x.test" },
		{ "a copy", { "always_bcc=copy@x.test" }, "v@x.test", "v@x.test copy@x.test" },
		{ "a copy for the sender", { "sender_bcc_maps=inline:{ s@b.test=copy@x.test }" }, "v@x.test", "v@x.test copy@x.test" },
		{ "a copy for a recipient", { "recipient_bcc_maps=inline:{ v@x.test=copy@x.test }" }, "v@x.test", "v@x.test copy@x.test" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rcpt rcpts[4] = { { .notify = 0 } };
		struct envelope e = { .sender = STR("s@b.test"), .rcpts = rcpts, .uid = 0 };
		const char *more[] = { "relayhost=[127.0.0.1]:9", NULL, NULL, NULL };
		char table[400], path[300];
		struct str rest = str_of(rows[i].rcpts), word;
		struct buf why, got;
		struct arena a;
		struct conf *c;
		const char *at = strstr(rows[i].tables[0], "%T");

		ROW("%s", rows[i].name);
		snprintf(path, sizeof(path), "%s/never", t_tmpdir());
		fs_replace(path, 0600, STR("root: n@x.test\n"));
		if (at && strstr(rows[i].tables[0], "texthash"))
			fs_replace(path, 0600, STR("root n@x.test\n"));
		snprintf(table, sizeof(table), "%.*s%s%s", at ? (int)(at - rows[i].tables[0]) : 300, rows[i].tables[0], at ? t_tmpdir() : "", at ? at + 2 : "");
		more[1] = table;
		more[2] = rows[i].tables[1];
		while (str_word(&rest, " ", &word))
			rcpts[e.n_rcpts++].addr = word;
		c = settings(more);
		REQUIRE(c);
		buf_init(&why, 1000);
		buf_init(&got, 1000);
		arena_init(&a, 1 << 20);
		CHECK_INT(submit_alias(c, &a, &e, &why), 0);
		CHECK_STR(buf_cstr(&why), "");
		for (size_t k = 0; k < e.n_rcpts; k++)
			buf_printf(&got, "%s%.*s%s%.*s", k ? " " : "", STR_ARG(e.rcpts[k].addr), e.rcpts[k].orig.n ? "<" : "", STR_ARG(e.rcpts[k].orig));
		CHECK_STR(buf_cstr(&got), rows[i].want);
		arena_fini(&a);
		buf_fini(&got);
		buf_fini(&why);
		conf_free(c);
	}
}

T(aliases_that_cannot_be_read_now_are_for_later)
{
	static const char *const tables[] = { "alias_maps=fail:nothing", "virtual_alias_maps=fail:nothing", "alias_maps=nosuchtype:x" };

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		const char *more[] = { "relayhost=[127.0.0.1]:9", tables[i], NULL };
		struct rcpt rcpt = { .addr = STR("root") };
		struct envelope e = { .sender = STR("s@b.test"), .rcpts = &rcpt, .n_rcpts = 1, .uid = getuid(), .arrival = clock_wall() };
		struct submit_result r;
		struct conf *c = settings(more);
		struct arena a;
		struct buf why;

		ROW("%s", tables[i]);
		REQUIRE(c);
		buf_init(&why, 1000);
		arena_init(&a, 1 << 20);
		CHECK_INT(submit_alias(c, &a, &e, &why), -1);
		CHECK(why.n > 0);
		e.rcpts = &rcpt;
		e.n_rcpts = 1;
		CHECK_INT(submit_message(c, NULL, &e, TEXT, &r), EX_OK);
		CHECK_STR(kept(c), "root:1:1 ");
		arena_fini(&a);
		buf_fini(&why);
		conf_free(c);
	}
}

/* --- sendmail -bs --------------------------------------------------------------------------------------------------------- */

/* said - the replies to an input, one line each */
static const char *said(const struct conf *c, const char *input, int *code)
{
	static struct buf b;
	char in_path[300], out_path[300];
	int in, out;

	snprintf(in_path, sizeof(in_path), "%s/stdin", t_tmpdir());
	snprintf(out_path, sizeof(out_path), "%s/stdout", t_tmpdir());
	fs_replace(in_path, 0600, str_of(input));
	in = fs_open(in_path, O_RDONLY, 0);
	out = fs_open(out_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	*code = submit_stdio(c, in, out);
	close(in);
	close(out);
	buf_fini(&b);
	buf_init(&b, 1 << 16);
	fs_read_file(out_path, &b);
	return buf_cstr(&b);
}

T(dialogue_on_standard_input)
{
#define HELLO "EHLO me\r\nMAIL FROM:<s@b.test>\r\nRCPT TO:<good@x.test>\r\n"
#define GREET "220 mx.example.jp ESMTP"
	static const struct { const char *name, *input, *end; unsigned sent; const char *want[8], *content; } rows[] = {
		{ "CRLF", HELLO "DATA\r\nSubject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n", NULL, 1,
		  { GREET, "250 2.1.0 Ok\r\n", "250 2.1.5 Ok\r\n", "354 End data with <CR><LF>.<CR><LF>\r\n", "250 2.0.0 Ok: queued as FAKE\r\n", "221 2.0.0" },
		  "Subject: x\r\n" },
		{ "LF", "EHLO me\nMAIL FROM:<s@b.test>\nRCPT TO:<good@x.test>\nDATA\nSubject: x\n\nhi\n.\nQUIT\n", NULL, 1,
		  { GREET, "354 ", "250 2.0.0 Ok: queued as FAKE\r\n", "221 2.0.0" }, "\r\n\r\nhi\r\n" },
		/* a LF alone is no end of a line where the first line ended with CRLF */
		{ "LF behind CRLF", HELLO "DATA\r\nSubject: x\r\n\r\nhi\n.\nQUIT\r\n.\r\n", NULL, 1, { "250 2.0.0 Ok: queued as FAKE\r\n" }, "QUIT" },
		{ "it just goes", HELLO, NULL, 0, { "250 2.1.5 Ok\r\n" }, NULL },
		{ "later", HELLO "DATA\r\n\r\nhi\r\n.\r\n", "451 4.3.0 later", 0, { "354 ", "250 2.0.0 Ok: queued as " }, NULL },
		{ "never", HELLO "DATA\r\n\r\nhi\r\n.\r\n", "554 5.6.0 never", 0, { "354 ", "554 5.0.0 Error: refused: " }, NULL },
		{ "two of them", HELLO "DATA\r\nA: one\r\n\r\none\r\n.\r\nMAIL FROM:<s@b.test>\r\nRCPT TO:<good@x.test>\r\nDATA\r\nA: two\r\n\r\ntwo\r\n.\r\n", NULL, 2,
		  { "queued as FAKE\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 ", "queued as FAKE\r\n" }, "A: two" },
		{ "what it does not do", "EHLO me\r\nVRFY x\r\nAUTH PLAIN AGEAYg==\r\nSTARTTLS\r\nETRN x.test\r\nRSET\r\nNOOP\r\n", NULL, 0,
		  { "250 CHUNKING\r\n", "252 2.0.0 Cannot VRFY; try RCPT\r\n", "50", "250 2.0.0 Ok\r\n", "250 2.0.0 Ok\r\n" }, NULL },
		{ "too large", HELLO "DATA\r\n\r\n%L.\r\nQUIT\r\n", NULL, 0, { "354 ", "552 5.3.4 ", "221 " }, NULL },
	};
	static char large[200000];
	struct fake f = { .ip = "127.0.0.1" };
	char relayhost[80];
	const char *more[] = { relayhost, "message_size_limit=100000", "header_size_limit=60000", NULL };
	struct conf *c;

	REQUIRE(fake_start(&f));
	snprintf(relayhost, sizeof(relayhost), "relayhost=[127.0.0.1]:%u", f.port);
	c = settings(more);
	REQUIRE(c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *out, *at = strstr(rows[i].input, "%L"), *input = rows[i].input;
		unsigned before = f.messages;
		int code;

		ROW("%s", rows[i].name);
		f.end = rows[i].end;
		if (at) {
			snprintf(large, sizeof(large), "%.*s", (int)(at - rows[i].input), rows[i].input);
			while (strlen(large) < 120000)
				strcat(large, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n");
			strcat(large, at + 2);
			input = large;
		}
		out = said(c, input, &code);
		CHECK_INT(code, EX_OK);
		CHECK_INT(f.messages - before, rows[i].sent);
		for (size_t k = 0; k < 8 && rows[i].want[k]; k++) {
			const char *next = strstr(out, rows[i].want[k]);

			ROW("%s: %s in %s", rows[i].name, rows[i].want[k], out);
			CHECK(next != NULL);
			out = next ? next + strlen(rows[i].want[k]) : out;
		}
		if (rows[i].content) {
			CHECK(strstr(f.last, rows[i].content) != NULL);
			CHECK(!strncmp(f.last, "Received: ", 10));
			CHECK(strstr(f.last, "from me (localhost [127.0.0.1])") != NULL);
		}
		submit_spool_delete(c, "ALL");
	}
	conf_free(c);
	fake_stop(&f);
}

T(dialogue_whose_output_or_input_breaks_ends)
{
	static const char *const more[] = { "relayhost=[127.0.0.1]:9", NULL };
	struct conf *c = settings(more);
	char path[300];
	int in, out;

	REQUIRE(c);
	snprintf(path, sizeof(path), "%s/stdin", t_tmpdir());
	fs_replace(path, 0600, STR("QUIT\r\n"));
	in = fs_open(path, O_RDONLY, 0);
	out = fs_open("/dev/full", O_WRONLY, 0);
	CHECK_INT(submit_stdio(c, in, out), EX_IOERR);
	close(out);
	close(in);
	in = fs_open(t_tmpdir(), O_RDONLY | O_DIRECTORY, 0);
	out = fs_open("/dev/null", O_WRONLY, 0);
	CHECK_INT(submit_stdio(c, in, out), EX_IOERR);
	close(out);
	close(in);
	conf_free(c);
}
