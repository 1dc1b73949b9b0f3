/* one wait: whatever a session does about an event may be answered later, nothing is said before, nothing behind it is lost, and a
 * client that goes meanwhile leaves nothing. And the limits of one client, at their number and one beyond. */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/session_world.h"

#define HELLO "EHLO a.test\r\n"
#define MAIL "MAIL FROM:<s@outside.test>\r\n"
#define RCPT "RCPT TO:<r@relayed.test>\r\n"

static const char *const none[] = { NULL };

/* --- acts that wait --------------------------------------------------------------------------------------------------- */

static void wait_for_answer(struct session *s, struct reply *r)
{
	(void)r;
	session_wait(s, SESSION_WAITS_POLICY);
}

/* world_act - from now on this is done about an event; the row as it was. The table is const: it is opened for that moment */
static struct session_event world_act(enum smtp_server_event e, struct session_event row)
{
	struct session_event was = session_events[e];
	/* volatile: else a compiler may take the row for what it can never be, written to */
	volatile uintptr_t to = (uintptr_t)&session_events[e];
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)session_events & ~(page - 1);
	size_t n = (uintptr_t)session_events + sizeof(session_events) - at;

	if (mprotect((void *)at, n, PROT_READ | PROT_WRITE) == 0)
		memcpy((void *)to, &row, sizeof(row));
	else
		t_fail(__FILE__, __LINE__, "the table of events cannot be opened");
	return was;
}

static void answer(int code, const char *enhanced, const char *text)
{
	struct session *s = w.conn.ctx;

	reply_set(s->answer, code, enhanced, "%s", text);
	session_wake(s);
}

static const struct row {
	enum smtp_server_event event;
	const char *before, *input;
	int code;
	const char *enhanced, *text, *says;
} rows[] = {
	{ SMTP_SERVER_HELO, "", HELLO, 250, "", "here.test", "250 CHUNKING|" },
	{ SMTP_SERVER_HELO, "", HELLO, 450, "4.7.1", "later", "450 4.7.1 later|" },
	{ SMTP_SERVER_MAIL, HELLO, MAIL, 250, "2.1.0", "Ok", "250 2.1.0 Ok|" },
	{ SMTP_SERVER_MAIL, HELLO, MAIL, 550, "5.7.1", "no", "550 5.7.1 no|" },
	{ SMTP_SERVER_RCPT, HELLO MAIL, RCPT, 250, "2.1.5", "Ok", "250 2.1.5 Ok|" },
	{ SMTP_SERVER_RCPT, HELLO MAIL, RCPT, 450, "4.1.1", "later", "450 4.1.1 later|" },
	{ SMTP_SERVER_DATA, HELLO MAIL RCPT, "DATA\r\n", 451, "4.3.0", "no", "451 4.3.0 no|" },
	{ SMTP_SERVER_AUTH, HELLO, "AUTH PLAIN AHVzZXIAcGFzcw==\r\n", 235, "2.7.0", "Authentication successful", "235 2.7.0 Authentication successful|" },
	{ SMTP_SERVER_AUTH, HELLO, "AUTH PLAIN AHVzZXIAcGFzcw==\r\n", 535, "5.7.8", "no", "535 5.7.8 no|" },
	{ SMTP_SERVER_AUTH, HELLO, "AUTH PLAIN AHVzZXIAcGFzcw==\r\n", 454, "4.7.0", "later", "454 4.7.0 later|" },
	{ SMTP_SERVER_VRFY, HELLO, "VRFY r@relayed.test\r\n", 252, "2.0.0", "perhaps", "252 2.0.0 perhaps|" },
	{ SMTP_SERVER_ETRN, HELLO, "ETRN relayed.test\r\n", 250, "2.0.0", "soon", "250 2.0.0 soon|" },
};

/* begin - up to the event, with a command behind it that must not be read before its turn */
static struct session_event begin(const struct row *row)
{
	struct session_event was;

	world_auth = true;
	world_open(none);
	feed(row->before);
	said();
	was = world_act(row->event, (struct session_event){ session_events[row->event].check, session_events[row->event].judged, wait_for_answer,
		session_events[row->event].logs });
	feed(row->input);
	feed("NOOP\r\n");
	CHECK_STR(said(), "");
	return was;
}

static void end(const struct row *row, struct session_event was)
{
	world_act(row->event, was);
	tick();
	world_close();
	world_auth = false;
}

T(session_answers_any_act_later)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session_event was;
		char want[200];

		ROW("%zu", i);
		was = begin(&rows[i]);
		/* nothing wakes it but its answer, and no deadline of a command runs out meanwhile */
		feed("NOOP\r\n");
		CHECK_STR(said(), "");
		answer(rows[i].code, rows[i].enhanced, rows[i].text);
		snprintf(want, sizeof(want), "%s250 2.0.0 Ok|250 2.0.0 Ok|", rows[i].says);
		CHECK_STR(said(), want);
		CHECK(w.deadline > w.now && w.deadline <= w.now + w.settings.conf->smtpd_timeout);
		end(&rows[i], was);
	}
}

T(session_leaves_nothing_when_the_client_goes_before_the_answer)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session_event was;

		ROW("%zu", i);
		was = begin(&rows[i]);
		w.on_conn(&w.conn, CONN_FAILED);
		CHECK_INT(w.relay.n_sessions, 0);
		CHECK(w.task);
		CHECK_STR(said(), "");
		end(&rows[i], was);
	}
}

T(session_still_answers_a_client_that_has_finished_sending)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session_event was;
		char want[200];

		ROW("%zu", i);
		was = begin(&rows[i]);
		w.on_conn(&w.conn, CONN_EOF);
		CHECK_INT(w.relay.n_sessions, 1);
		answer(rows[i].code, rows[i].enhanced, rows[i].text);
		snprintf(want, sizeof(want), "%s250 2.0.0 Ok|", rows[i].says);
		CHECK_STR(said(), want);
		CHECK_INT(w.relay.n_sessions, 0);
		CHECK(w.closed);
		end(&rows[i], was);
	}
}

/* who is authenticated is decided by the answer, whenever it comes, and only by 235 */
T(session_is_authenticated_by_the_late_answer)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session_event was;
		struct session *s;

		if (rows[i].event != SMTP_SERVER_AUTH)
			continue;
		ROW("%zu", i);
		was = begin(&rows[i]);
		s = w.conn.ctx;
		CHECK_STR(s->smtp.auth_user, "user");
		CHECK_STR(s->smtp.auth_password, "pass");
		CHECK(!s->smtp.authenticated);
		answer(rows[i].code, rows[i].enhanced, rows[i].text);
		CHECK_INT(s->smtp.authenticated, rows[i].code == 235);
		CHECK_STR(s->smtp.user, rows[i].code == 235 ? "user" : "");
		/* the secret is gone with its answer */
		CHECK(!s->smtp.auth_password);
		said();
		feed("AUTH PLAIN AHVzZXIAcGFzcw==\r\n");
		CHECK(rows[i].code == 235 ? strncmp(said(), "503 ", 4) == 0 : said()[0] == '\0');
		if (rows[i].code != 235)
			answer(535, "5.7.8", "no");
		end(&rows[i], was);
	}
}

/* --- lists of DNS ------------------------------------------------------------------------------------------------------- */

/* a list that is silent is another thing than one that knows nobody: whom it would let in is not refused for good */
T(session_tells_a_silent_list_from_one_that_lists_nobody)
{
	static const char *const more[] = { "smtpd_recipient_restrictions=permit_dnswl_client l.test, reject", NULL };
	static const struct { enum dns_status status; const char *says; } answers[] = {
		{ DNS_NXDOMAIN, "554 5.7.1 <r@relayed.test>: Recipient address rejected: Access denied|" },
		{ DNS_NODATA, "554 5.7.1 <r@relayed.test>: Recipient address rejected: Access denied|" },
		{ DNS_AGAIN, "450 4.7.1 <unknown[192.0.2.1]>: Client host rejected: DNS whitelist lookup failed|" },
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		ROW("%zu", i);
		world_open(more);
		feed(HELLO MAIL);
		said();
		feed(RCPT);
		CHECK_STR(w.asked, "1.2.0.192.l.test");
		domain_says(answers[i].status);
		CHECK_STR(said(), answers[i].says);
		world_close();
	}
}

/* the empty sender is one of a mail; where there is no mail, as at ETRN, there is no sender */
T(session_has_a_sender_only_with_a_mail)
{
	static const char *const more[] = { "smtpd_etrn_restrictions=check_sender_access inline:{ { <>=REJECT } }",
		"smtpd_sender_restrictions=check_sender_access inline:{ { <>=REJECT } }", "smtpd_delay_reject=no", NULL };

	world_open(more);
	feed(HELLO);
	said();
	feed("ETRN relayed.test\r\n");
	CHECK_STR(said(), "459 <relayed.test>: service unavailable|");
	feed("MAIL FROM:<>\r\n");
	CHECK_STR(said(), "554 5.7.1 <>: Sender address rejected: Access denied|");
	feed(MAIL);
	CHECK_STR(said(), "250 2.1.0 Ok|");
	world_close();
}

/* --- content that waits for room ---------------------------------------------------------------------------------------- */

static void begin_paused(void)
{
	world_open(none);
	feed(HELLO MAIL RCPT "DATA\r\n");
	said();
	w.full = true;
	feed("first\r\n");
	feed("second\r\n.\r\n");
	CHECK_STR(buf_cstr(&w.content), "first\r\n");
	CHECK_STR(said(), "");
	CHECK(!w.on_commit);
}

static void make_room(void)
{
	w.full = false;
	session_wake(w.conn.ctx);
	CHECK_STR(buf_cstr(&w.content), "first\r\nsecond\r\n");
	CHECK(w.on_commit);
}

static void commit(void)
{
	struct reply ok;

	reply_set(&ok, 250, "2.0.0", "Ok: queued as ABC");
	w.on_commit(w.commit_ctx, &ok, (struct qmsg *)&w);
}

T(session_goes_on_with_content_when_there_is_room)
{
	begin_paused();
	make_room();
	commit();
	CHECK_STR(said(), "250 2.0.0 Ok: queued as ABC|");
	CHECK_INT(w.queued, 1);
	world_close();
}

/* content comes as the network cuts it: anywhere, also between CR and LF and around the dot */
T(session_takes_content_however_it_is_cut)
{
	static const char content[] = "Subject: x\r\n\r\n..dot\r\nend\r\n.\r\n";
	const size_t n = sizeof(content) - 1;

	for (size_t first = 0; first <= n; first++) {
		char piece[sizeof(content)];

		ROW("%zu", first);
		world_open(none);
		feed(HELLO MAIL RCPT "DATA\r\n");
		said();
		snprintf(piece, sizeof(piece), "%.*s", (int)first, content);
		feed(piece);
		CHECK_INT(w.on_commit != NULL, first == n);
		if (first < n)
			feed(content + first);
		CHECK_STR(buf_cstr(&w.content), "Subject: x\r\n\r\n.dot\r\nend\r\n");
		CHECK(w.on_commit);
		commit();
		CHECK_STR(said(), "250 2.0.0 Ok: queued as ABC|");
		world_close();
	}
}

/* each piece may have to wait anew, in the middle of what one read brought */
T(session_waits_for_room_as_often_as_it_must)
{
	world_open(none);
	feed(HELLO MAIL RCPT "DATA\r\n");
	said();
	w.full = true;
	feed("one\r\n..two\r\n..three\r\n.\r\n");
	for (int i = 0; i < 10 && !w.on_commit; i++) {
		CHECK_STR(said(), "");
		session_wake(w.conn.ctx);
	}
	CHECK_STR(buf_cstr(&w.content), "one\r\n.two\r\n.three\r\n");
	CHECK(w.on_commit);
	commit();
	CHECK_STR(said(), "250 2.0.0 Ok: queued as ABC|");
	world_close();
}

T(session_finishes_paused_content_of_a_client_that_only_listens)
{
	begin_paused();
	w.on_conn(&w.conn, CONN_EOF);
	CHECK_INT(w.relay.n_sessions, 1);
	CHECK_INT(w.aborted, 0);
	make_room();
	CHECK_INT(w.relay.n_sessions, 1);
	commit();
	CHECK_STR(said(), "250 2.0.0 Ok: queued as ABC|");
	CHECK_INT(w.relay.n_sessions, 0);
	tick();
	world_close();
}

T(session_drops_paused_content_of_a_client_that_is_gone)
{
	static const enum conn_event ends[] = { CONN_FAILED, CONN_DEADLINE };

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		ROW("%zu", i);
		begin_paused();
		w.on_conn(&w.conn, ends[i]);
		CHECK_INT(w.aborted, 1);
		CHECK_INT(w.relay.n_sessions, 0);
		CHECK_STR(said(), ends[i] == CONN_DEADLINE ? "421 4.4.2 here.test Error: timeout exceeded|" : "");
		tick();
		world_close();
	}
}

/* --- the handshake -------------------------------------------------------------------------------------------------------- */

T(session_gives_a_handshake_its_own_time)
{
	static const char *const more[] = { "smtpd_starttls_timeout=17s", "smtpd_timeout=200s", NULL };

	world_tls = true;
	world_open(more);
	feed(HELLO);
	said();
	CHECK_INT(w.deadline, w.now + 200 * USEC_PER_SEC);
	feed("STARTTLS\r\n");
	CHECK_STR(said(), "220 2.0.0 Ready to start TLS|");
	CHECK_INT(w.deadline, w.now + 17 * USEC_PER_SEC);
	/* nothing that comes meanwhile is a command in clear */
	feed("NOOP\r\n");
	CHECK_STR(said(), "");
	buf_clear(&w.conn.in);
	w.now += 5 * USEC_PER_SEC;
	w.on_conn(&w.conn, CONN_TLS_READY);
	CHECK_INT(w.deadline, w.now + 200 * USEC_PER_SEC);
	/* all that was said in clear is forgotten */
	CHECK_STR(((struct session *)w.conn.ctx)->smtp.helo, "");
	CHECK(!((struct session *)w.conn.ctx)->smtp.esmtp);
	feed(HELLO "STARTTLS\r\n");
	CHECK(strstr(said(), "554 5.5.1 Error: TLS already active|") != NULL);
	world_close();
	world_tls = false;
}

T(session_takes_no_command_that_came_with_starttls)
{
	world_tls = true;
	world_open(none);
	feed(HELLO);
	said();
	feed("STARTTLS\r\nNOOP\r\n");
	CHECK(strstr(said(), "250 2.0.0 Ok|") == NULL);
	CHECK(w.closed);
	CHECK_INT(w.relay.n_sessions, 0);
	tick();
	world_close();
	world_tls = false;
}

/* --- limits of one client ----------------------------------------------------------------------------------------------- */

#define TOO_MANY "450 4.7.1 Error: too many recipients from 192.0.2.1|"
#define TOO_MUCH "450 4.7.1 Error: too much mail from 192.0.2.1|"
#define YES "250 2.1.5 Ok|"

T(session_counts_the_recipients_of_a_client)
{
	static const char *const more[] = { "smtpd_client_recipient_rate_limit=2", NULL };

	world_open(more);
	feed(HELLO MAIL);
	said();
	feed(RCPT RCPT);
	CHECK_STR(said(), YES YES);
	feed(RCPT);
	CHECK_STR(said(), TOO_MANY);
	/* a new minute is a new count, another connection is not */
	w.now += 61 * USEC_PER_SEC;
	feed(RCPT);
	CHECK_STR(said(), YES);
	world_close();
}

T(session_counts_the_messages_of_a_client)
{
	static const char *const more[] = { "smtpd_client_message_rate_limit=2", NULL };

	world_open(more);
	feed(HELLO);
	said();
	feed(MAIL "RSET\r\n" MAIL "RSET\r\n");
	CHECK_STR(said(), "250 2.1.0 Ok|250 2.0.0 Ok|250 2.1.0 Ok|250 2.0.0 Ok|");
	feed(MAIL);
	CHECK_STR(said(), TOO_MUCH);
	w.now += 61 * USEC_PER_SEC;
	feed(MAIL);
	CHECK_STR(said(), "250 2.1.0 Ok|");
	world_close();
}

T(session_counts_nothing_where_there_is_no_limit_or_an_exception)
{
	static const char *const rows_of[][3] = {
		{ NULL }, { "smtpd_client_recipient_rate_limit=0", "smtpd_client_message_rate_limit=0", NULL },
		{ "smtpd_client_recipient_rate_limit=1", "smtpd_client_event_limit_exceptions=192.0.2.0/24", NULL },
	};

	for (size_t i = 0; i < sizeof(rows_of) / sizeof(rows_of[0]); i++) {
		ROW("%zu", i);
		world_open(rows_of[i]);
		feed(HELLO MAIL);
		said();
		feed(RCPT RCPT RCPT);
		CHECK_STR(said(), YES YES YES);
		world_close();
	}
}

T(session_refuses_a_client_with_too_many_connections)
{
	static const struct { const char *set; unsigned good; } limits[] = {
		{ "smtpd_client_connection_rate_limit=2", 2 }, { "smtpd_client_connection_rate_limit=0", 5 },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const char *more[] = { limits[i].set, NULL };

		ROW("%s", limits[i].set);
		world_open(more);
		for (unsigned n = 1; n <= limits[i].good + (i == 0); n++) {
			if (n > 1) {
				buf_fini(&w.conn.in);
				buf_fini(&w.conn.out);
				w.closed = false;
				session_open(&w.relay, &w.service, -1, -1);
			}
			CHECK_STR(said(), n <= limits[i].good ? "220 here.test|" : "421 4.7.0 here.test Error: too many connections from 192.0.2.1|");
			CHECK_INT(w.closed, n > limits[i].good);
			if (n <= limits[i].good)
				w.on_conn(&w.conn, CONN_FAILED);
			tick();
		}
		world_close();
	}
}
