/* delivery status notifications: one golden message, and that nothing of a peer's reply can change its shape */
#include <stdio.h>
#include <stdlib.h>

#include "core/msg/dsn.h"
#include "tests/unit/t.h"

#define WHEN (1795309200 * USEC_PER_SEC)        /* 2026-11-22 01:00:00 UTC */

static struct rcpt rcpt;
static struct reply reply;
static struct dsn_rcpt failed;
static struct envelope envelope;
static struct dsn_request request;

static void set_up(void)
{
	setenv("TZ", "UTC", 1);
	rcpt = (struct rcpt){ .addr = STR("bob@x.example"), .orig = STR("alias@h.example"), .orcpt = STR("rfc822;alias@h.example") };
	reply_set(&reply, 550, "5.1.1", "<bob@x.example>: Recipient address rejected: User unknown in virtual mailbox table");
	failed = (struct dsn_rcpt){ &rcpt, &reply, STR("mx.x.example"), STR_EMPTY };
	envelope = (struct envelope){ .sender = STR("alice@h.example"), .rcpts = &rcpt, .n_rcpts = 1, .envid = STR("env1"), .arrival = WHEN };
	request = (struct dsn_request){
		.kind = DSN_FAILED, .hostname = "h.example", .mail_name = "Postfix", .qid = "ABC123", .to = STR("alice@h.example"),
		.envelope = &envelope, .rcpts = &failed, .n_rcpts = 1, .headers = STR("Subject: hi\r\nFrom: alice@h.example\r\n"),
		.body = STR("Hello\r\n"), .now = WHEN + 5 * 3600 * USEC_PER_SEC, .boundary = "ABC123.1/h.example",
	};
}

static const char golden[] =
	"Date: Sun, 22 Nov 2026 06:00:00 +0000\r\n"
	"From: Mail Delivery System <MAILER-DAEMON>\r\n"
	"Subject: Undelivered Mail Returned to Sender\r\n"
	"To: alice@h.example\r\n"
	"Auto-Submitted: auto-replied\r\n"
	"MIME-Version: 1.0\r\n"
	"Content-Type: multipart/report; report-type=delivery-status;\r\n"
	"\tboundary=\"ABC123.1/h.example\"\r\n"
	"\r\n"
	"This is a MIME-encapsulated message.\r\n"
	"\r\n"
	"--ABC123.1/h.example\r\n"
	"Content-Description: Notification\r\n"
	"Content-Type: text/plain; charset=us-ascii\r\n"
	"\r\n"
	"This is the mail system at host h.example.\r\n"
	"\r\n"
	"I'm sorry to have to inform you that your message could not\r\n"
	"be delivered to one or more recipients. It's attached below.\r\n"
	"\r\n"
	"For further assistance, please send mail to postmaster.\r\n"
	"\r\n"
	"If you do so, please include this problem report. You can\r\n"
	"delete your own text from the attached returned message.\r\n"
	"\r\n"
	"                   The mail system\r\n"
	"\r\n"
	"<alias@h.example>: host mx.x.example said: 550 5.1.1 <bob@x.example>:\r\n"
	"    Recipient address rejected: User unknown in virtual mailbox table\r\n"
	"\r\n"
	"--ABC123.1/h.example\r\n"
	"Content-Description: Delivery report\r\n"
	"Content-Type: message/delivery-status\r\n"
	"\r\n"
	"Reporting-MTA: dns; h.example\r\n"
	"Original-Envelope-Id: env1\r\n"
	"X-Postfix-Queue-ID: ABC123\r\n"
	"X-Postfix-Sender: rfc822; alice@h.example\r\n"
	"Arrival-Date: Sun, 22 Nov 2026 01:00:00 +0000\r\n"
	"\r\n"
	"Final-Recipient: rfc822; alias@h.example\r\n"
	"Original-Recipient: rfc822;alias@h.example\r\n"
	"Action: failed\r\n"
	"Status: 5.1.1\r\n"
	"Remote-MTA: dns; mx.x.example\r\n"
	"Diagnostic-Code: smtp; 550 5.1.1 <bob@x.example>: Recipient address rejected:\r\n"
	"    User unknown in virtual mailbox table\r\n"
	"\r\n"
	"--ABC123.1/h.example\r\n"
	"Content-Description: Undelivered Message\r\n"
	"Content-Type: message/rfc822\r\n"
	"\r\n"
	"Return-Path: <alice@h.example>\r\n"
	"Subject: hi\r\n"
	"From: alice@h.example\r\n"
	"\r\n"
	"Hello\r\n"
	"\r\n"
	"--ABC123.1/h.example--\r\n";

T(dsn_failed_golden)
{
	struct buf out;

	set_up();
	buf_init(&out, 100000);
	dsn_format(&out, &request);
	CHECK_STR(buf_cstr(&out), golden);
	buf_fini(&out);
}

T(dsn_delay_says_when_it_ends)
{
	struct buf out;

	set_up();
	buf_init(&out, 100000);
	request.kind = DSN_DELAYED;
	request.will_retry_until = WHEN + 5 * 86400 * USEC_PER_SEC;
	request.body = STR_EMPTY;
	reply_set(&reply, 0, "4.4.1", "connect to mx.x.example[192.0.2.1]:25: Connection timed out");
	failed.remote_mta = STR_EMPTY;
	dsn_format(&out, &request);
	CHECK(str_find(buf_view(&out), STR("more than 5 hour(s).\r\nIt will be retried until it is 5 day(s) old.\r\n")) > 0);
	CHECK(str_find(buf_view(&out), STR("Action: delayed\r\nStatus: 4.4.1\r\nDiagnostic-Code: X-Postfix; connect to mx")) > 0);
	CHECK(str_find(buf_view(&out), STR("Will-Retry-Until: Fri, 27 Nov 2026 01:00:00 +0000\r\n")) > 0);
	CHECK(str_find(buf_view(&out), STR("Content-Description: Undelivered Message Headers\r\nContent-Type: text/rfc822-headers\r\n")) > 0);
	CHECK(str_ends(buf_view(&out), STR("From: alice@h.example\r\n\r\n--ABC123.1/h.example--\r\n")));
	buf_fini(&out);
}

/* hostile replies, host names and addresses: the same parts and fields, printable lines of bounded length */
T(dsn_peers_cannot_add_lines)
{
	struct buf out;
	struct str rest, line;
	unsigned boundaries = 0;

	set_up();
	buf_init(&out, 100000);
	memset(reply.text, 'x', sizeof(reply.text) - 1);
	memcpy(reply.text, "a\r\n--ABC123.1/h.example--\r\nFinal-Recipient: rfc822; evil@x\x1b[0m\xff\xfe ", 64);
	failed.remote_mta = STR("mx\r\nAction: delivered");
	rcpt.orig = STR("a\r\nStatus: 2.0.0@x");
	envelope.envid = STR("x\ny");
	request.to = STR("v@x\r\nBcc: evil@x");
	dsn_format(&out, &request);
	rest = buf_view(&out);
	while (str_cut(&rest, '\n', &line)) {
		CHECK(line.n && line.n < 998 && line.p[line.n - 1] == '\r');
		for (size_t i = 0; i + 1 < line.n; i++)
			CHECK(ascii_is_print(line.p[i]) || line.p[i] == '\t');
		boundaries += str_starts(line, STR("--ABC123"));
		CHECK(!str_starts(line, STR("Bcc:")) && !str_starts(line, STR("Action: del")) && !str_starts(line, STR("Status: 2")));
		CHECK(!str_starts(line, STR("Final-Recipient: rfc822; evil")));
	}
	CHECK_INT(boundaries, 4);
	buf_fini(&out);
}

T(dsn_keeps_utf8_for_smtputf8)
{
	struct buf out;

	set_up();
	buf_init(&out, 100000);
	rcpt.orig = STR("用户@例え.jp");
	dsn_format(&out, &request);
	CHECK(str_is_ascii(buf_view(&out)));
	buf_clear(&out);
	envelope.flags = ENVELOPE_SMTPUTF8;
	dsn_format(&out, &request);
	CHECK(str_find(buf_view(&out), STR("Final-Recipient: utf-8; 用户@例え.jp\r\n")) > 0);
	CHECK(str_find(buf_view(&out), STR("report-type=global-delivery-status;")) > 0);
	CHECK(str_find(buf_view(&out), STR("Content-Transfer-Encoding: 8bit\r\n")) > 0);
	buf_fini(&out);
}

/* RFC 3464 section 2.3.6: what the server said, and nothing else; of our own words, ours. From real Postfix 3.7 */
T(dsn_diagnostic_is_the_reply)
{
	static const struct { const char *text, *mta, *want; } rows[] = {
		{ "host mx[192.0.2.1] said: 550 5.1.1 no such user (in reply to RCPT TO command)", "",
			"Remote-MTA: dns; mx\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n" },
		{ "host mx[192.0.2.1] said: 550 (in reply to (x)) (in reply to end of DATA command)", "mx",
			"Remote-MTA: dns; mx\r\nDiagnostic-Code: smtp; 550 (in reply to (x))\r\n" },
		{ "host mx[192.0.2.1] refused to talk to me: 554 5.7.1 go away", "",
			"Remote-MTA: dns; mx\r\nDiagnostic-Code: smtp; 554 5.7.1 go away\r\n" },
		{ "TLS is required, but host mx[192.0.2.1] refused to start TLS: 454 4.7.0 no", "",
			"Remote-MTA: dns; mx\r\nDiagnostic-Code: smtp; 454 4.7.0 no\r\n" },
		{ "SASL authentication failed; server mx[192.0.2.1] said: 535 5.7.8 bad", "",
			"Remote-MTA: dns; mx\r\nDiagnostic-Code: smtp; 535 5.7.8 bad\r\n" },
		{ "unknown user: \"joe\"", "", "Diagnostic-Code: X-Postfix; unknown user: \"joe\"\r\n" },
		{ "host mx[192.0.2.1] said: nothing", "", "Diagnostic-Code: X-Postfix; host mx[192.0.2.1] said: nothing\r\n" },
		{ "host down in the cellar said: 550 x", "", "Diagnostic-Code: X-Postfix; host down in the cellar said: 550 x\r\n" },
		{ "Cannot start TLS: handshake failure", "", "Diagnostic-Code: X-Postfix; Cannot start TLS: handshake failure\r\n" },
		{ "host mx[192.0.2.1] said: 550 5.1.1 <bad> caf\xc3\xa9 (in reply to RCPT TO command)", "mx",
			"Diagnostic-Code: smtp; 550 5.1.1 <bad> caf\xc3\xa9\r\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;

		ROW("%s", rows[i].text);
		set_up();
		buf_init(&out, 100000);
		reply_set(&reply, 550, "5.1.1", "%s", rows[i].text);
		failed.remote_mta = str_of(rows[i].mta);
		dsn_format(&out, &request);
		CHECK(str_find(buf_view(&out), str_of(rows[i].want)) > 0);
		buf_fini(&out);
	}
}

T(dsn_utf8_reply_is_utf8)
{
	struct buf out;

	set_up();
	buf_init(&out, 100000);
	reply_set(&reply, 550, "5.1.1", "host mx[192.0.2.1] said: 550 caf\xc3\xa9 (in reply to RCPT TO command)");
	dsn_format(&out, &request);
	CHECK(str_find(buf_view(&out), STR("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")) > 0);
	CHECK(str_find(buf_view(&out), STR(" said: 550 caf\xc3\xa9 (in reply")) > 0);
	CHECK(str_find(buf_view(&out), STR("report-type=delivery-status;")) > 0);
	CHECK(str_is_utf8(buf_view(&out)));
	buf_fini(&out);
}

T(dsn_copy_for_the_postmaster)
{
	struct buf out;

	set_up();
	buf_init(&out, 100000);
	request.postmaster = true;
	dsn_format(&out, &request);
	CHECK(str_find(buf_view(&out), STR("Subject: Postmaster Copy: Undelivered Mail\r\n")) > 0);
	CHECK(str_find(buf_view(&out), STR("Auto-Submitted: auto-generated\r\n")) > 0);
	CHECK(str_find(buf_view(&out), STR("This is the mail system")) < 0);
	buf_clear(&out);
	request.kind = DSN_DELAYED;
	dsn_format(&out, &request);
	CHECK(str_find(buf_view(&out), STR("Subject: Postmaster Warning: Delayed Mail\r\n")) > 0);
	buf_fini(&out);
}

/* Postfix 3.7: who took it, and what that said */
T(dsn_success_says_who_took_it)
{
	static const struct { const char *relay, *remote, *text, *want; int code; } rows[] = {
		{ "h[1.2.3.4]:25", "h", "ok", "<alias@h.example>: delivery via h[1.2.3.4]:25: 250 2.0.0 ok\r\n", 250 },
		{ "local", "", "delivered to mailbox", "<alias@h.example>: delivery via local: delivered to mailbox\r\n", 250 },
	};
	struct buf out;

	set_up();
	buf_init(&out, 100000);
	request.kind = DSN_RELAYED;
	request.body = STR_EMPTY;
	for (size_t i = 0; i < 2; i++) {
		buf_clear(&out);
		reply_set(&reply, rows[i].code, "2.0.0", "%s", rows[i].text);
		failed.relay = str_of(rows[i].relay);
		failed.remote_mta = str_of(rows[i].remote);
		dsn_format(&out, &request);
		CHECK(str_find(buf_view(&out), str_of(rows[i].want)) > 0);
		CHECK(str_find(buf_view(&out), STR("Action: relayed\r\nStatus: 2.0.0\r\n")) > 0);
	}
	buf_fini(&out);
}

T(dsn_null_sender_has_a_name)
{
	struct buf out;

	set_up();
	buf_init(&out, 100000);
	envelope.sender = STR("");
	request.postmaster = true;
	dsn_format(&out, &request);
	CHECK(str_find(buf_view(&out), STR("X-Postfix-Sender: rfc822; MAILER-DAEMON@h.example\r\n")) > 0);
	buf_fini(&out);
}

T(dsn_words_of_an_administrator)
{
	static const struct dsn_template words = { .charset = STR("iso-8859-1"), .from = STR("Robot <bounce>"), .subject = STR("Back"),
		.postmaster_subject = STR("Copy"), .text = STR("M\xfcll\r\n") };
	struct buf out;

	set_up();
	buf_init(&out, 100000);
	request.words = &words;
	dsn_format(&out, &request);
	CHECK(str_find(buf_view(&out), STR("From: Robot <bounce>\r\nSubject: Back\r\n")) > 0);
	CHECK(str_find(buf_view(&out), STR("charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nM\xfcll\r\n\r\n<alias@h.example>: host")) > 0);
	CHECK(str_find(buf_view(&out), STR("This is the mail system")) < 0);
	buf_clear(&out);
	request.postmaster = true;
	dsn_format(&out, &request);
	CHECK(str_find(buf_view(&out), STR("Subject: Copy\r\n")) > 0);
	CHECK(str_find(buf_view(&out), STR("M\xfcll")) < 0);
	buf_fini(&out);
}
