/* session: every event is answered at once or later in the same way, and whatever ends meanwhile ends cleanly. */
#include "tests/unit/session_world.h"

#define HELLO "EHLO a.test\r\n"
#define MAIL "MAIL FROM:<s@outside.test>\r\n"
#define RCPT "RCPT TO:<r@relayed.test>\r\n"

/* a list that asks DNS at each event: what was said before the answer, what is asked, what is said after yes and after no */
static const struct waiting_row {
	const char *list, *more, *before, *input, *asks, *yes, *no;
} waiting[] = {
	{ "smtpd_client_restrictions=reject_unknown_helo_hostname,reject_rbl_client l.test", "smtpd_delay_reject=no", NULL, NULL,
		"1.2.0.192.l.test", NULL, "220 here.test|" },
	{ "smtpd_helo_restrictions=reject_unknown_helo_hostname", "smtpd_delay_reject=no", NULL, HELLO "NOOP\r\n", "a.test",
		"250 CHUNKING|250 2.0.0 Ok|", "450 4.7.1 <a.test>: Helo command rejected: Host not found|250 2.0.0 Ok|" },
	{ "smtpd_sender_restrictions=reject_unknown_sender_domain", "smtpd_delay_reject=no", HELLO, MAIL "NOOP\r\n", "outside.test",
		"250 2.1.0 Ok|250 2.0.0 Ok|", "450 4.1.8 <s@outside.test>: Sender address rejected: Domain not found|250 2.0.0 Ok|" },
	{ "smtpd_sender_restrictions=reject_unknown_sender_domain", NULL, HELLO MAIL, RCPT "NOOP\r\n", "outside.test",
		"250 2.1.5 Ok|250 2.0.0 Ok|", "450 4.1.8 <s@outside.test>: Sender address rejected: Domain not found|250 2.0.0 Ok|" },
	{ "smtpd_data_restrictions=reject_unknown_sender_domain", NULL, HELLO MAIL RCPT, "DATA\r\n", "outside.test",
		"354 End data with <CR><LF>.<CR><LF>|", "450 4.1.8 <s@outside.test>: Sender address rejected: Domain not found|" },
	{ "smtpd_end_of_data_restrictions=reject_unknown_sender_domain", NULL, HELLO MAIL RCPT "DATA\r\n", "x\r\n.\r\nNOOP\r\n", "outside.test",
		"", "450 4.1.8 <s@outside.test>: Sender address rejected: Domain not found|250 2.0.0 Ok|" },
};

static void begin(const struct waiting_row *row)
{
	const char *more[] = { row->list, row->more, NULL };

	world_open(more);
	if (row->before) {
		feed(row->before);
		said();
	}
	if (row->input) {
		said();
		feed(row->input);
	}
	CHECK_STR(w.asked, row->asks);
	CHECK(w.asked_of == w.relay.judge_dns);
	CHECK_STR(said(), "");
}

T(session_answers_every_event_later_as_well)
{
	for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++) {
		ROW("%zu yes", i);
		if (waiting[i].yes) {
			begin(&waiting[i]);
			domain_says(DNS_OK);
			CHECK_STR(said(), waiting[i].yes);
			world_close();
		}
		ROW("%zu no", i);
		begin(&waiting[i]);
		domain_says(DNS_NXDOMAIN);
		CHECK_STR(said(), waiting[i].no);
		world_close();
	}
}

T(session_cancels_what_it_waits_for_when_the_client_goes)
{
	for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++) {
		ROW("%zu", i);
		begin(&waiting[i]);
		w.on_conn(&w.conn, CONN_FAILED);
		CHECK_INT(w.cancelled, 1);
		CHECK_INT(w.relay.n_sessions, 0);
		CHECK_INT(w.load.sessions, 0);
		CHECK_INT(w.begun, w.aborted);
		CHECK(w.task);
		tick();
		world_close();
	}
}

T(session_says_its_answer_to_a_client_that_only_listens)
{
	for (size_t i = 1; i < sizeof(waiting) / sizeof(waiting[0]); i++) {
		ROW("%zu", i);
		begin(&waiting[i]);
		w.on_conn(&w.conn, CONN_EOF);
		CHECK_INT(w.relay.n_sessions, 1);
		domain_says(DNS_NXDOMAIN);
		CHECK_STR(said(), waiting[i].no);
		CHECK_INT(w.relay.n_sessions, 0);
		tick();
		world_close();
	}
}

T(session_waits_for_the_flush_and_nothing_else_ends_it)
{
	static const char *const none[] = { NULL };
	struct reply ok;

	reply_set(&ok, 250, "2.0.0", "Ok: queued as ABC");
	for (int lost = 0; lost < 2; lost++) {
		ROW("lost %d", lost);
		world_open(none);
		feed(HELLO MAIL RCPT "DATA\r\n");
		said();
		feed("Subject: x\r\n\r\nbody\r\n.\r\nNOOP\r\n");
		CHECK_STR(said(), "");
		CHECK_INT(w.deadline, USEC_NEVER);
		CHECK_STR(buf_cstr(&w.content), "Subject: x\r\n\r\nbody\r\n");
		/* its settings stay, too, when the session is gone and the message is not in the queue yet */
		CHECK(w.users == &w.settings.n_users);
		if (lost) {
			w.on_conn(&w.conn, CONN_FAILED);
			CHECK_INT(w.aborted, 0);
			CHECK(!w.task);
		}
		w.on_commit(w.commit_ctx, &ok, (struct qmsg *)&w);
		CHECK_INT(w.queued, 1);
		CHECK_STR(said(), lost ? "" : "250 2.0.0 Ok: queued as ABC|250 2.0.0 Ok|");
		CHECK(!lost == !w.task);
		tick();
		world_close();
	}
}

/* senders of our own domain exist, where that is asked for; others are nobody's business */
T(session_refuses_unlisted_senders_when_told_to)
{
	static const struct { const char *set, *sender, *want; } rows[] = {
		{ "smtpd_reject_unlisted_sender=yes", "no-such-user@here.test",
			"550 5.1.0 <no-such-user@here.test>: Sender address rejected: User unknown in local recipient table|" },
		{ "smtpd_reject_unlisted_sender=yes", "no-such-user@outside.test", "250 2.1.5 Ok|" },
		{ "smtpd_reject_unlisted_sender=yes", "", "250 2.1.5 Ok|" },
		{ "smtpd_reject_unlisted_sender=no", "no-such-user@here.test", "250 2.1.5 Ok|" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *more[] = { "local_recipient_maps=unix:passwd.byname", rows[i].set, NULL };
		char input[100];

		ROW("%zu", i);
		world_open(more);
		snprintf(input, sizeof(input), HELLO "MAIL FROM:<%s>\r\n", rows[i].sender);
		feed(input);
		said();
		feed(RCPT);
		CHECK_STR(said(), rows[i].want);
		world_close();
	}
}

/* a recipient that a table of ours does not list is refused with the code for its class, one that cannot be looked up waits */
T(session_refuses_recipients_that_no_table_lists)
{
	static const struct { const char *set, *want; } rows[] = {
		{ "relay_recipient_maps=inline:{b@outside.test=x}", "250 2.1.5 Ok|" },
		{ "relay_recipient_maps=inline:{c@outside.test=x}",
			"551 5.1.1 <b@outside.test>: Recipient address rejected: User unknown in relay recipient table|" },
		{ "relay_recipient_maps=fail:x", "451 4.3.0 <b@outside.test>: Temporary lookup failure|" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *more[] = { "relay_domains=outside.test", "unknown_relay_recipient_reject_code=551", rows[i].set, NULL };

		ROW("%zu", i);
		world_open(more);
		feed(HELLO MAIL);
		said();
		feed("RCPT TO:<b@outside.test>\r\n");
		CHECK_STR(said(), rows[i].want);
		world_close();
	}
}

/* a login is answered later, and what was sent behind it waits */
T(session_waits_for_a_login)
{
	static const char *const more[] = { "smtpd_relay_restrictions=permit_sasl_authenticated,reject", "smtpd_client_auth_rate_limit=2", NULL };
	static const struct { enum auth_verdict verdict; const char *why, *want, *rcpt; } rows[] = {
		{ AUTH_NO, "", "535 5.7.8 Error: authentication failed: (reason unavailable)|250 2.0.0 Ok|",
			"554 5.7.1 <r@relayed.test>: Recipient address rejected: Access denied|" },
		{ AUTH_LATER, "away", "454 4.7.0 Temporary authentication failure: away|250 2.0.0 Ok|",
			"554 5.7.1 <r@relayed.test>: Recipient address rejected: Access denied|" },
		{ AUTH_YES, "", "235 2.7.0 Authentication successful|250 2.0.0 Ok|", "250 2.1.5 Ok|" },
	};

	world_auth = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%zu", i);
		world_open(more);
		feed(HELLO);
		said();
		feed("AUTH PLAIN AHVzZXIAc2VjcmV0\r\nNOOP\r\n");
		CHECK_STR(said(), "");
		CHECK_STR(w.login, "user secret 192.0.2.1");
		w.on_login(w.login_ctx, rows[i].verdict, "User", rows[i].why);
		CHECK_STR(said(), rows[i].want);
		CHECK_STR(((struct session *)w.conn.ctx)->smtp.user, rows[i].verdict == AUTH_YES ? "User" : "");
		feed(MAIL RCPT);
		said();
		feed(RCPT);
		CHECK_STR(said(), rows[i].rcpt);
		CHECK_INT(w.cancelled, 0);
		world_close();
	}
	world_auth = false;
}

/* SCRAM asks twice, counts once, and may be given up in between */
T(session_carries_an_exchange)
{
	static const char *const more[] = { "smtpd_client_auth_rate_limit=1", "smtpd_client_event_limit_exceptions=", NULL };

	world_auth = true;
	world_open(more);
	feed(HELLO "AUTH SCRAM-SHA-256 bixhPXgs\r\n");
	said();
	CHECK_STR(w.login, "SCRAM-SHA-256: n,a=x,");
	w.on_login(w.login_ctx, AUTH_MORE, "r=1", "");
	CHECK_STR(said(), "334 cj0x|");
	feed("Yz0x\r\n");
	CHECK_STR(w.login, "on: c=1");
	w.on_login(w.login_ctx, AUTH_MORE, "v=1", "");
	CHECK_STR(said(), "334 dj0x|");
	feed("\r\n");
	CHECK_STR(w.login, "on: ");
	w.on_login(w.login_ctx, AUTH_YES, "who", "");
	CHECK_STR(said(), "235 2.7.0 Authentication successful|");
	CHECK_STR(((struct session *)w.conn.ctx)->smtp.user, "who");
	CHECK_INT(w.cancelled, 0);
	world_close();
	world_auth = false;
}

T(session_forgets_an_exchange_that_was_given_up)
{
	static const char *const none[] = { NULL };

	world_auth = true;
	world_open(none);
	feed(HELLO "AUTH SCRAM-SHA-256 bixhPXgs\r\n");
	w.on_login(w.login_ctx, AUTH_MORE, "r=1", "");
	said();
	feed("*\r\n");
	CHECK_STR(said(), "501 5.7.0 Authentication aborted|");
	feed("AUTH SCRAM-SHA-256 bixhPXgs\r\n");
	CHECK_INT(w.cancelled, 1);
	CHECK_STR(w.login, "SCRAM-SHA-256: n,a=x,");
	w.on_login(w.login_ctx, AUTH_MORE, "r=1", "");
	said();
	/* the client goes */
	w.on_conn(&w.conn, CONN_FAILED);
	CHECK_INT(w.cancelled, 2);
	CHECK_INT(w.relay.n_sessions, 0);
	tick();
	world_close();
	world_auth = false;
}

T(session_cancels_a_login_when_the_client_goes)
{
	static const char *const none[] = { NULL };

	world_auth = true;
	world_open(none);
	feed(HELLO "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n");
	w.on_conn(&w.conn, CONN_FAILED);
	CHECK_INT(w.cancelled, 1);
	CHECK_INT(w.relay.n_sessions, 0);
	tick();
	world_close();
	world_auth = false;
}

T(session_counts_logins)
{
	static const char *const more[] = { "smtpd_client_auth_rate_limit=1", "smtpd_client_event_limit_exceptions=", NULL };

	world_auth = true;
	world_open(more);
	feed(HELLO "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n");
	w.on_login(w.login_ctx, AUTH_NO, "user", "");
	said();
	feed("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n");
	CHECK_STR(said(), "450 4.7.1 Error: too many AUTH commands from 192.0.2.1|");
	world_close();
	world_auth = false;
}

T(session_takes_no_more_content_while_there_is_no_room)
{
	static const char *const none[] = { NULL };

	world_open(none);
	feed(HELLO MAIL RCPT "DATA\r\n");
	said();
	w.full = true;
	feed("first\r\n..\r\n");
	CHECK_STR(buf_cstr(&w.content), "first\r\n");
	feed("more\r\n");
	CHECK_STR(buf_cstr(&w.content), "first\r\n");
	w.full = false;
	session_wake(w.conn.ctx);
	CHECK_STR(buf_cstr(&w.content), "first\r\n.\r\nmore\r\n");
	world_close();
}

T(session_waits_while_checks_are_at_work)
{
	static const char *const none[] = { NULL };

	world_open(none);
	feed(HELLO MAIL RCPT "DATA\r\n");
	said();
	w.busy = true;
	feed("first\r\n..\r\n");
	feed("more\r\n.\r\n");
	CHECK_STR(buf_cstr(&w.content), "first\r\n");
	CHECK(w.on_commit == NULL);
	w.busy = false;
	w.go_on(w.conn.ctx);
	CHECK_STR(buf_cstr(&w.content), "first\r\n.\r\nmore\r\n");
	CHECK(w.on_commit != NULL);
	world_close();
}

/* the postmaster is told of sessions with errors of the classes that he asked for; Postfix 3.7's words */
T(session_reports_errors)
{
	static const char head[] = "double-bounce@here.test > postmaster@here.test: From: Mail Delivery System <MAILER-DAEMON@here.test>\r\n"
		"To: Postmaster <postmaster@here.test>\r\nSubject: relaybox SMTP server: errors from unknown[192.0.2.1]\r\n"
		"Auto-Submitted: auto-generated\r\n\r\nTranscript of session follows.\r\n\r\n";
	static const struct { unsigned classes; const char *more, *in; const char *want; } rows[] = {
		{ REPORT_PROTOCOL, NULL, "HELO x\r\nFOO\r\nQUIT\r\n", " Out: 220 here.test\r\n In:  HELO x\r\n Out: 250 here.test\r\n In:  FOO\r\n"
			" In:  QUIT\r\n Out: 500 5.5.2 Error: command not recognized\r\n Out: 221 2.0.0 Bye\r\n\r\n\r\n"
			"For other details, see the local mail logfile\r\n" },
		{ REPORT_POLICY, NULL, "HELO x\r\nFOO\r\nQUIT\r\n", NULL },
		{ REPORT_POLICY, "smtpd_recipient_restrictions=reject", "HELO x\r\n" MAIL RCPT "QUIT\r\n",
			" Out: 554 5.7.1 <r@relayed.test>: Recipient address rejected: Access denied\r\n" },
		{ REPORT_PROTOCOL, "smtpd_recipient_restrictions=reject", "HELO x\r\n" MAIL RCPT "QUIT\r\n", NULL },
		{ REPORT_SOFTWARE | REPORT_RESOURCE, "smtpd_recipient_restrictions=check_recipient_access fail:x", "HELO x\r\n" MAIL RCPT "QUIT\r\n",
			"follows.\r\n\r\n Out: 451 4.3.0 <r@relayed.test>: Temporary lookup failure\r\n" },
		{ REPORT_PROTOCOL | REPORT_POLICY | REPORT_RESOURCE | REPORT_SOFTWARE, NULL, "HELO x\r\nQUIT\r\n", NULL },
		/* content is nobody's business */
		{ REPORT_PROTOCOL, NULL, "HELO x\r\n" MAIL RCPT "DATA\r\nprivate\r\n.\r\n", NULL },
		{ REPORT_PROTOCOL, NULL, "EHLO x\r\nFOO\r\n" MAIL RCPT "BDAT 9 LAST\r\nprivate\r\nQUIT\r\n", " In:  BDAT 9 LAST\r\n" },
		{ REPORT_PROTOCOL, NULL, "EHLO x\r\nAUTH PLAIN private\r\nAUTH LOGIN\r\nprivate\r\nQUIT\r\n", " In:  AUTH (not shown)\r\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *more[] = { rows[i].more, NULL };

		ROW("%zu %s", i, rows[i].in);
		world_reports = rows[i].classes;
		world_open(more);
		feed(rows[i].in);
		if (w.on_commit && strstr(rows[i].in, "BDAT"))
			w.on_commit(w.commit_ctx, &(struct reply){ .code = 250, .text = "Ok" }, NULL);
		CHECK(!strstr(w.notice, "private"));
		if (CHECK_INT(w.notices, rows[i].want != NULL) && rows[i].want) {
			CHECK(str_starts(str_of(w.notice), STR(head)));
			if (!CHECK(strstr(w.notice, rows[i].want) != NULL))
				printf("# %s\n", w.notice);
		}
		world_close();
	}
	world_reports = 0;
}

/* what a list wants done stays with its transaction, whatever becomes of the recipient */
T(session_remembers_what_rules_want_done)
{
	static const char *const more[] = { "smtpd_recipient_restrictions=check_recipient_access inline:{ {one@=HOLD} {two@=REDIRECT b@x.test} "
		"{three@=restrict} }, permit", "smtpd_restriction_classes=restrict", "restrict=check_recipient_access inline:{ {three@=BCC c@x.test} }, reject",
		NULL };
	static const enum action_kind want[] = { ACTION_HOLD, ACTION_REDIRECT, ACTION_BCC };
	const struct action_wish *x;

	world_open(more);
	feed(HELLO MAIL "RCPT TO:<one@relayed.test>\r\nRCPT TO:<one@relayed.test>\r\nRCPT TO:<two@relayed.test>\r\n"
		"RCPT TO:<three@relayed.test>\r\nDATA\r\n");
	CHECK(w.wishes != NULL);
	x = *w.wishes;
	for (size_t i = 0; i < 3; i++, x = x ? x->next : NULL)
		CHECK_INT(x ? x->action.kind : ACTION_NONE, want[i]);
	CHECK(!x);
	said();
	feed("x\r\n.\r\n");
	w.on_commit(w.commit_ctx, &(struct reply){ .code = 250, .text = "Ok" }, NULL);
	CHECK_STR(said(), "250 Ok|");
	feed(MAIL RCPT "DATA\r\n");
	CHECK(*w.wishes == NULL);
	world_close();
}

T(session_drops_what_a_refused_message_had)
{
	static const char *const more[] = { "smtpd_end_of_data_restrictions=reject", NULL };

	world_open(more);
	feed(HELLO MAIL RCPT "DATA\r\n");
	said();
	feed("x\r\n.\r\n" MAIL);
	CHECK_STR(said(), "554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied|250 2.1.0 Ok|");
	CHECK_INT(w.aborted, 1);
	world_close();
}

T(session_denies_all_but_quit_to_a_client_refused_at_once)
{
	static const char *const more[] = { "smtpd_client_restrictions=reject", "smtpd_delay_reject=no", NULL };

	world_open(more);
	CHECK_STR(said(), "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied|");
	feed(HELLO);
	CHECK_STR(said(), "503 5.7.0 Error: access denied for unknown[192.0.2.1]|");
	feed("QUIT\r\n");
	CHECK_STR(said(), "221 2.0.0 Bye|");
	CHECK(w.closed);
	tick();
	world_close();
}

T(session_slows_a_client_that_errs)
{
	static const char *const more[] = { "smtpd_soft_error_limit=2", "smtpd_error_sleep_time=3s", NULL };

	world_open(more);
	said();
	feed("BOGUS\r\n");
	feed("BOGUS\r\n");
	CHECK_STR(said(), "500 5.5.2 Error: command not recognized|500 5.5.2 Error: command not recognized|");
	for (int i = 0; i < 2; i++) {
		feed("NOOP\r\n");
		CHECK_STR(said(), "");
		REQUIRE(w.timer);
		CHECK_INT(w.timer_due, w.now + 3 * USEC_PER_SEC);
		CHECK(w.deadline > w.timer_due);
		w.now = w.timer_due;
		w.timer->on_due(w.timer);
		CHECK_STR(said(), "250 2.0.0 Ok|");
	}
	/* a client that goes meanwhile is gone */
	feed("NOOP\r\n");
	w.on_conn(&w.conn, CONN_FAILED);
	CHECK(!w.timer);
	tick();
	world_close();
}

T(session_ends_a_client_that_is_silent)
{
	static const char *const none[] = { NULL };

	world_open(none);
	said();
	feed("NOOP\r\n");
	said();
	CHECK_INT(w.deadline, w.now + w.settings.conf->smtpd_timeout);
	w.on_conn(&w.conn, CONN_DEADLINE);
	CHECK_STR(said(), "421 4.4.2 here.test Error: timeout exceeded|");
	CHECK(w.closed);
	tick();
	world_close();
}

/* every whole line buys the next one its time, and single bytes buy nothing */
T(session_renews_its_time_by_lines_and_not_by_bytes)
{
	static const char *const none[] = { NULL };
	static const char *const lines[] = { "NOOP\r\n", "RSET\r\n", "BOGUS\r\n", "VRFY\r\n", "\r\n", HELLO, MAIL, RCPT };
	usec end;

	world_open(none);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		ROW("%.4s", lines[i]);
		w.now += 100 * USEC_PER_SEC;
		feed(lines[i]);
		CHECK_INT(w.deadline, w.now + 300 * USEC_PER_SEC);
	}
	end = w.deadline;
	for (int i = 0; i < 29; i++) {
		w.now += 10 * USEC_PER_SEC;
		feed("N");
		CHECK_INT(w.deadline, end);
	}
	world_close();
}

/* many commands at once: some of them, then the other clients, then more */
T(session_lets_others_have_their_turn)
{
	static const char *const more[] = { "smtpd_soft_error_limit=10000", NULL };
	static const char *const lines[] = { "NOOP\r\n", "RSET\r\n", "VRFY a@relayed.test\r\n" };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		size_t all = 0, said_before = 0;
		unsigned steps = 0;

		ROW("%.4s", lines[i]);
		world_open(more);
		feed(HELLO);
		buf_clear(&w.conn.out);
		for (int k = 0; k < 249; k++)
			buf_z(&w.conn.in, lines[i]);
		feed(lines[i]);
		while (w.conn.out.n > said_before) {
			all = w.conn.out.n;
			said_before = all;
			steps++;
			CHECK_INT(w.deadline, w.now + 300 * USEC_PER_SEC);
			tick();
		}
		CHECK_INT(steps, 250 / LIMIT_SESSION_STEP);
		CHECK_INT(w.conn.in.n, 0);
		/* one that goes between two steps */
		for (int k = 0; k < 150; k++)
			buf_z(&w.conn.in, lines[i]);
		feed(lines[i]);
		w.on_conn(&w.conn, CONN_FAILED);
		tick();
		world_close();
	}
}

T(session_gives_content_time_for_its_bytes)
{
	static const char *const none[] = { NULL };
	static const char *const ways[] = { "DATA\r\n", "BDAT 100000\r\n", /* refused: there is no transaction */ "RSET\r\nBDAT 100000\r\n" };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		usec end;

		ROW("%s", ways[i]);
		world_open(none);
		feed(HELLO MAIL RCPT);
		feed(ways[i]);
		end = w.deadline;
		for (int k = 0; k < 29; k++) {
			w.now += 10 * USEC_PER_SEC;
			feed("x");
			end += USEC_PER_SEC / 500;
			CHECK_INT(w.deadline, end);
		}
		world_close();
	}
}

/* past memory_limit nobody begins a message, and who holds much is ended; who holds little stays */
T(session_ends_for_its_memory_and_not_before)
{
	static const char *const none[] = { NULL };

	world_open(none);
	feed(HELLO);
	said();
	w.relay.memory_limit = 1;
	feed(MAIL);
	CHECK_STR(said(), "452 4.3.1 Error: too little memory, try again later|");
	w.relay.memory_limit = SIZE_MAX;
	feed(MAIL);
	CHECK_STR(said(), "250 2.1.0 Ok|");
	w.relay.memory_limit = 1;
	for (int i = 0; i < 100 && !w.closed; i++) {
		char line[1000];

		w.now += USEC_PER_SEC;
		snprintf(line, sizeof(line), "RCPT TO:<%060d@%060d.%060d.relayed.test>\r\n", i, i, i);
		feed(line);
		CHECK_INT(w.relay.counts.memory_refusals, w.closed);
		CHECK(w.closed || strstr(said(), "250 2.1.5 Ok|"));
	}
	CHECK(w.closed);
	CHECK(strstr(said(), "421 4.3.1 here.test Error: too little memory, try again later|"));
	CHECK_INT(w.relay.n_sessions, 0);
	tick();
	world_close();
}

T(session_greets_when_the_name_is_known_or_late)
{
	static const char *const more[] = { "smtpd_peername_lookup=yes", "smtpd_client_restrictions=reject_unknown_reverse_client_hostname",
		"smtpd_delay_reject=no", NULL };
	static const struct { enum dns_status status; const char *name, *why, *says; } rows[] = {
		{ DNS_OK, "c.test", "", "220 here.test|" },
		{ DNS_NODATA, "unknown", "hostname c.test does not resolve to address 192.0.2.1", "220 here.test|" },
		{ DNS_NODATA, "unknown", "no name", "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]|" },
		{ DNS_AGAIN, "unknown", "", "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]|" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%zu", i);
		world_open(more);
		CHECK_STR(said(), "");
		CHECK(w.asked_of == w.relay.name_dns);
		w.on_name(w.ctx, rows[i].status, rows[i].name, rows[i].why);
		CHECK_STR(said(), rows[i].says);
		world_close();
	}
	ROW("late");
	world_open(more);
	REQUIRE(w.timer);
	w.timer->on_due(w.timer);
	CHECK_INT(w.cancelled, 1);
	CHECK_STR(said(), rows[3].says);
	world_close();
}

T(session_queues_recipients_as_they_were_judged)
{
	static const char *const none[] = { NULL };
	static const struct { const char *said, *addr, *orig; } rows[] = {
		{ "far@relayed.test", "far@relayed.test", "" }, { "a@relayed.test.", "a@relayed.test", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct envelope *e;
		char line[200];

		ROW("%s", rows[i].said);
		world_open(none);
		snprintf(line, sizeof(line), HELLO MAIL "RCPT TO:<%s>\r\nDATA\r\n", rows[i].said);
		feed(line);
		CHECK(strstr(said(), "354 ") != NULL);
		e = &((struct session *)w.conn.ctx)->smtp.envelope;
		CHECK_INT(e->n_rcpts, 1);
		CHECK_VIEW(e->rcpts[0].addr, rows[i].addr);
		CHECK_VIEW(e->rcpts[0].orig, rows[i].orig);
		world_close();
	}
}

/* servers_say - the answer to a question for MX or NS: names with a blank between */
static void servers_say(enum dns_status status, const char *names)
{
	struct dns_record records[4] = { { .ttl = 1 } };
	struct str rest = str_of(names), name;
	dns_fn fn = w.on_dns;
	size_t n = 0;

	REQUIRE(fn);
	while (n < 4 && str_word(&rest, " ", &name)) {
		snprintf(records[n].target, sizeof(records[n].target), "%.*s", str_eq(name, STR(".")) ? 0 : (int)name.n, name.p);
		records[n].preference = (uint16_t)(10 * n);
		n++;
	}
	w.on_dns = NULL;
	w.asked[0] = '\0';
	fn(w.ctx, &(struct dns_answer){ .status = status, .records = records, .n = n });
}

static void addresses_say(const char *address)
{
	struct dns_addresses a = { .status = address ? DNS_OK : DNS_AGAIN };
	dns_addresses_fn fn = w.on_addresses;

	REQUIRE(fn);
	if (address)
		ipaddr_parse(str_of(address), &a.v[a.n++]);
	w.on_addresses = NULL;
	w.asked[0] = '\0';
	fn(w.ctx, &a);
}

T(session_brings_the_hosts_of_a_domain)
{
	/* each step: what is asked, and what DNS says: servers, or an address with = before it; ! not found, ? not now */
	static const struct { const char *list; struct { const char *asked, *answer; } steps[5]; const char *says; } rows[] = {
		{ "check_sender_mx_access inline:{198.51.100=REJECT}",
			{ { "outside.test", "mx1.far.test mx2.far.test" }, { "mx1.far.test", "=203.0.113.1" }, { "mx2.far.test", "=198.51.100.2" } },
			"554 5.7.1 <s@outside.test>: Sender address rejected: Access denied|" },
		/* a host whose address is not known is asked about by its name */
		{ "check_sender_mx_access inline:{mx2.far.test=REJECT}",
			{ { "outside.test", "mx1.far.test mx2.far.test" }, { "mx1.far.test", "=203.0.113.1" }, { "mx2.far.test", "=" } },
			"554 5.7.1 <s@outside.test>: Sender address rejected: Access denied|" },
		/* without an MX the domain itself; one that takes no mail has none */
		{ "check_sender_mx_access inline:{198.51.100.7=REJECT}", { { "outside.test", "!" }, { "outside.test", "=198.51.100.7" } },
			"554 5.7.1 <s@outside.test>: Sender address rejected: Access denied|" },
		{ "check_sender_mx_access static:REJECT", { { "outside.test", "." } }, "250 2.1.5 Ok|" },
		{ "check_sender_mx_access static:REJECT", { { "outside.test", "?" } }, "250 2.1.5 Ok|" },
		/* a zone's servers stand at its top */
		{ "check_helo_ns_access inline:{bad.test=REJECT}", { { "h.sub.a.test", "!" }, { "sub.a.test", "!" }, { "a.test", "ns.bad.test" }, { "ns.bad.test", "=192.0.2.9" } },
			"554 5.7.1 <h.sub.a.test>: Helo command rejected: Access denied|" },
		{ "check_helo_ns_access static:REJECT", { { "h.sub.a.test", "!" }, { "sub.a.test", "!" }, { "a.test", "!" }, { "test", "!" } }, "250 2.1.5 Ok|" },
		{ "check_helo_a_access inline:{192.0.2.9=REJECT}", { { "h.sub.a.test", "=192.0.2.9" } }, "554 5.7.1 <h.sub.a.test>: Helo command rejected: Access denied|" },
		{ "permit_mx_backup, reject", { { NULL, NULL } }, "250 2.1.5 Ok|" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char list[200];
		const char *more[] = { list, NULL };

		ROW("%s", rows[i].list);
		snprintf(list, sizeof(list), "smtpd_recipient_restrictions=%s", rows[i].list);
		world_open(more);
		feed("EHLO h.sub.a.test\r\n" MAIL);
		said();
		feed(RCPT);
		for (size_t k = 0; k < 5 && rows[i].steps[k].asked; k++) {
			const char *answer = rows[i].steps[k].answer;

			CHECK_STR(w.asked, rows[i].steps[k].asked);
			CHECK_STR(said(), "");
			if (*answer == '=')
				addresses_say(answer[1] ? answer + 1 : NULL);
			else
				servers_say(*answer == '!' ? DNS_NXDOMAIN : *answer == '?' ? DNS_AGAIN : DNS_OK, ascii_is_one_of(*answer, "!?") ? "" : answer);
		}
		CHECK_STR(said(), rows[i].says);
		world_close();
	}
	/* who goes meanwhile takes the question along */
	world_open((const char *const[]){ "smtpd_recipient_restrictions=check_sender_mx_access static:REJECT", NULL });
	feed(HELLO MAIL RCPT);
	servers_say(DNS_OK, "mx1.far.test");
	w.on_conn(&w.conn, CONN_FAILED);
	CHECK_INT(w.cancelled, 1);
	tick();
	world_close();
}

T(session_sleeps_when_a_list_says_so)
{
	world_open((const char *const[]){ "smtpd_recipient_restrictions=sleep 7, reject", NULL });
	feed(HELLO MAIL);
	said();
	feed(RCPT);
	REQUIRE(w.timer);
	CHECK_INT(w.timer_due, w.now + 7 * USEC_PER_SEC);
	CHECK_STR(said(), "");
	w.timer->on_due(w.timer);
	CHECK_STR(said(), "554 5.7.1 <r@relayed.test>: Recipient address rejected: Access denied|");
	/* asleep and gone */
	feed(RCPT);
	REQUIRE(w.timer);
	w.on_conn(&w.conn, CONN_FAILED);
	CHECK(!w.timer);
	tick();
	world_close();
}

T(session_knows_the_name_that_leads_nowhere)
{
	static const char *const more[] = { "smtpd_peername_lookup=yes", "smtpd_delay_reject=no",
		"smtpd_client_restrictions=check_reverse_client_hostname_access inline:{c.test=REJECT}", NULL };
	static const struct { enum dns_status status; const char *name, *why, *says; } rows[] = {
		{ DNS_NODATA, "unknown", "hostname x.c.test does not resolve to address 192.0.2.1", "554 5.7.1 <x.c.test>: Unverified Client host rejected: Access denied|" },
		{ DNS_OK, "c.test", "", "554 5.7.1 <c.test>: Unverified Client host rejected: Access denied|" },
		{ DNS_NODATA, "unknown", "no name", "220 here.test|" }, { DNS_AGAIN, "unknown", "", "220 here.test|" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%zu", i);
		world_open(more);
		w.on_name(w.ctx, rows[i].status, rows[i].name, rows[i].why);
		CHECK_STR(said(), rows[i].says);
		world_close();
	}
}

T(session_says_more_behind_a_refusal)
{
	static const struct { const char *list, *footer, *says; } rows[] = {
		{ "smtpd_recipient_restrictions=reject", "smtpd_reject_footer=\\c. Call $server_name, $client_address ${helo_name}",
			"554 5.7.1 <r@relayed.test>: Recipient address rejected: Access denied. Call here.test, 192.0.2.1 a.test|" },
		{ "smtpd_recipient_restrictions=defer", "smtpd_reject_footer=one\\ntwo $recipient", "450 4.3.2 two r@relayed.test|" },
		{ "smtpd_recipient_restrictions=reject", "smtpd_reject_footer_maps=regexp:{{/^554 5.7.1 .*denied/ \\c, $$$$sender}}",
			"554 5.7.1 <r@relayed.test>: Recipient address rejected: Access denied, s@outside.test|" },
		{ "smtpd_recipient_restrictions=reject", "smtpd_reject_footer_maps=fail:x", "554 5.7.1 <r@relayed.test>: Recipient address rejected: Access denied|" },
		{ "smtpd_recipient_restrictions=", "smtpd_reject_footer=x", "250 2.1.5 Ok|" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *more[] = { rows[i].list, rows[i].footer, NULL };

		ROW("%zu", i);
		world_open(more);
		feed(HELLO MAIL);
		said();
		feed(RCPT);
		CHECK_STR(said(), rows[i].says);
		world_close();
	}
}
