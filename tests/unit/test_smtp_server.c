/*
 * test_smtp_server.c - what transcripts cannot say about the server machine: random command sequences against a small
 * model (threats E1), limits on what it reads for nothing (E3, E4), the arena's end, counts.
 */
#include <stdio.h>

#include "core/base/limits.h"
#include "core/smtp/server.h"
#include "tests/unit/t.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct smtp_server s;
static struct buf out;
static struct arena arena;
static int codes[8];          /* the owner's answer by event; 0 = yes */
static unsigned events[16];   /* how often each was seen */
static enum smtp_server_event last_event;
static size_t content;

static void start(const struct smtp_server_options *o)
{
	memset(codes, 0, sizeof(codes));
	memset(events, 0, sizeof(events));
	buf_init(&out, 1024 * 1024);
	arena_init(&arena, LIMIT_SESSION_ARENA);
	smtp_server_init(&s, o, &out, &arena);
	smtp_server_greet(&s);
	buf_clear(&out);
}

static void stop(void)
{
	smtp_server_fini(&s);
	arena_fini(&arena);
	buf_fini(&out);
}

static void feed(struct str in)
{
	static const int yes[] = { [SMTP_SERVER_DATA] = 354, [SMTP_SERVER_AUTH] = 235 };
	enum smtp_server_event e;

	while ((e = smtp_server_next(&s, &in)) != SMTP_SERVER_WANT_INPUT) {
		struct reply r = { .code = 250 };

		events[e]++;
		last_event = e;
		if (e == SMTP_SERVER_BODY)
			content += s.chunk.n;
		if (e == SMTP_SERVER_BODY || e == SMTP_SERVER_RSET || e == SMTP_SERVER_QUIT || e == SMTP_SERVER_HANGUP ||
		    e == SMTP_SERVER_REFUSED)
			continue;
		if ((size_t)e < COUNT(yes) && yes[e])
			r.code = yes[e];
		if ((size_t)e < COUNT(codes) && codes[e])
			r.code = codes[e];
		smtp_server_answer(&s, &r);
	}
}

/* feed a command and give the code of the only reply, 0 if there was none */
static int say(const char *command)
{
	int code = 0;

	buf_clear(&out);
	feed(str_of(command));
	if (out.n >= 3)
		code = (out.p[0] - '0') * 100 + (out.p[1] - '0') * 10 + out.p[2] - '0';
	return code;
}

static const struct smtp_server_options plain = { .hostname = "h", .banner = "b", .smtputf8 = true, .chunking = true,
	.pipelining = true, .dsn = true, .recipient_limit = 1000 };

/* --- the model ------------------------------------------------------------------------------------------------------ */

struct model {
	bool mail, bdat, failed;
	unsigned rcpts;
};

static uint64_t seed;
static unsigned pick(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static int model_mail(struct model *m, int no)
{
	bool nested = m->mail;

	m->failed = false;
	m->mail = m->mail || !no;
	return nested ? 503 : no ? no : 250;
}

static int model_rcpt(struct model *m, int no)
{
	m->failed = false;
	if (!m->mail || m->bdat)
		return 503;
	m->rcpts += !no;
	return no ? no : 250;
}

static void model_reset(struct model *m) { *m = (struct model){ .failed = m->failed }; }

static int model_data(struct model *m, int no)
{
	int code = !m->mail || m->bdat ? 503 : m->rcpts == 0 ? 554 : no ? no : 354;

	m->failed = false;
	model_reset(m); /* also after 354: the whole message follows at once */
	return code;
}

static int model_bdat(struct model *m, int no, int end, bool last)
{
	int code = m->failed && !m->mail ? 551 : !m->mail ? 503 : m->rcpts == 0 ? 554 : !m->bdat && no ? no :
	           last ? (end ? end : 250) : 250;

	m->failed = code >= 400 && !last;
	m->bdat = code == 250 && !last;
	if (code >= 400 || last)
		model_reset(m);
	return code;
}

/* one random command; the machine's reply must have the code that the model says */
static void random_step(struct model *m)
{
	static const int refusals[] = { 0, 0, 0, 450, 550 };
	int no = refusals[pick(COUNT(refusals))], end = refusals[pick(COUNT(refusals))];
	bool last = pick(2);
	int want;

	codes[SMTP_SERVER_MAIL] = codes[SMTP_SERVER_RCPT] = codes[SMTP_SERVER_DATA] = no;
	codes[SMTP_SERVER_MESSAGE] = end;
	switch (pick(7)) {
	case 0:
		want = model_mail(m, no);
		CHECK_INT(say("MAIL FROM:<a@b>\r\n"), want);
		break;
	case 1:
	case 2:
		want = model_rcpt(m, no);
		CHECK_INT(say("RCPT TO:<a@b>\r\n"), want);
		break;
	case 3:
		want = model_data(m, no);
		CHECK_INT(say("DATA\r\n"), want);
		if (want == 354)
			CHECK_INT(say("RSET\r\n.\r\n"), end ? end : 250);
		break;
	case 4:
	case 5:
		want = model_bdat(m, no, end, last);
		CHECK_INT(say(last ? "BDAT 6 LAST\r\nRSET\r\n" : "BDAT 6\r\nRSET\r\n"), want);
		break;
	default:
		CHECK_INT(say("RSET\r\n"), 250);
		m->failed = false;
		model_reset(m);
		break;
	}
	CHECK_INT(smtp_server_is_idle(&s), !m->mail);
}

T(server_agrees_with_the_model_on_random_sequences)
{
	struct model m = { 0 };

	start(&plain);
	say("HELO x\r\n");
	for (int i = 0; i < 200000; i++) {
		ROW("step %d", i);
		random_step(&m);
	}
	CHECK_INT(events[SMTP_SERVER_HANGUP], 0);
	stop();
}

/* --- limits --------------------------------------------------------------------------------------------------------- */

T(server_hangs_up_on_an_endless_line)
{
	static char text[1000];
	size_t given = 0;

	memset(text, 'x', sizeof(text));
	start(&plain);
	while (events[SMTP_SERVER_HANGUP] == 0 && given < 10 * LIMIT_SMTP_LONG_LINE) {
		/* as an owner does it: what is left waits until there is enough of it */
		char block[3000];
		struct str in = str_make(block, given == 0 ? 3000 : 1000);

		memset(block, 'x', sizeof(block));
		feed(in);
		given += in.n;
	}
	CHECK(given <= LIMIT_SMTP_LONG_LINE + 4000);
	CHECK_VIEW(str_head(buf_view(&out), 9), "500 5.5.2");
	CHECK_INT(s.hangup, SMTP_HANGUP_LONG_LINES);
	stop();
}

T(server_skips_long_lines_but_not_many)
{
	static char text[LIMIT_SMTP_COMMAND + 10];

	memset(text, 'x', sizeof(text));
	memcpy(text, "NOOP ", 5);
	memcpy(text + sizeof(text) - 3, "\r\n", 3);
	start(&plain);
	CHECK_INT(say(text), 500);
	CHECK_INT(say("NOOP\r\n"), 250);
	CHECK_INT(say(text), 500);
	CHECK_INT(say(text), 500);
	CHECK_INT(last_event, SMTP_SERVER_HANGUP);
	stop();
}

T(server_counts_recipients_until_the_arena_is_full)
{
	struct smtp_server_options o = plain;
	char line[400];
	unsigned yes = 0;

	o.recipient_limit = 0;
	start(&o);
	say("HELO x\r\n");
	say("MAIL FROM:<>\r\n");
	for (int i = 0; i < 20000; i++) {
		snprintf(line, sizeof(line), "RCPT TO:<user%d-of-quite-some-length-for-a-name@host.of.some.length.d.example>\r\n", i);
		yes += say(line) == 250;
	}
	CHECK(yes > 1000 && yes < 20000);
	CHECK_INT(s.envelope.n_rcpts, yes);
	CHECK_INT(say("DATA\r\n"), 354);
	CHECK_INT(say(".\r\n"), 250);
	/* and the next transaction starts afresh */
	CHECK_INT(say("MAIL FROM:<a@b.example>\r\n"), 250);
	CHECK_INT(say("RCPT TO:<a@b.example>\r\n"), 250);
	stop();
}

T(server_keeps_nothing_of_many_small_chunks)
{
	struct smtp_server_options o = plain;
	size_t used;

	o.hard_error_limit = 20;
	start(&o);
	say("HELO x\r\n");
	say("MAIL FROM:<>\r\n");
	say("RCPT TO:<a@b.example>\r\n");
	say("BDAT 1\r\nx");
	used = arena.used;
	content = 0;
	for (int i = 0; i < 100000; i++)
		say("BDAT 1\r\nx");
	CHECK_INT(content, 100000);
	CHECK_INT(arena.used, used);
	CHECK_INT(events[SMTP_SERVER_HANGUP], 0);
	stop();
}

T(server_hangs_up_on_a_bdat_that_it_cannot_count)
{
	static char text[LIMIT_SMTP_COMMAND + 100];
	static const char *const rows[] = { "BDAT\r\nRSET\r\n", "BDAT 6\001\r\nRSET\r\n", "BDAT 6 \377\r\nRSET\r\n", text };

	memset(text, ' ', sizeof(text) - 1);
	memcpy(text, "BDAT 6", 6);
	memcpy(text + sizeof(text) - 9, "\r\nRSET\r\n", 8);
	for (size_t i = 0; i < COUNT(rows); i++) {
		ROW("%zu", i);
		start(&plain);
		CHECK_INT(say(rows[i]), 521);
		CHECK_INT(last_event, SMTP_SERVER_HANGUP);
		CHECK_INT(str_find(buf_view(&out), STR("250")), -1);
		stop();
	}
}

T(server_swallows_refused_chunks_within_reason)
{
	start(&plain);
	say("HELO x\r\n");
	CHECK_INT(say("BDAT 9223372036854775807\r\n"), 552);
	CHECK_INT(s.hangup, SMTP_HANGUP_CONTENT);
	stop();
}

T(server_counts_verbs_for_the_log)
{
	struct smtp_server_counts c[16];
	struct buf line;
	size_t n;

	start(&plain);
	say("EHLO x\r\nMAIL FROM:<>\r\n");
	codes[SMTP_SERVER_RCPT] = 550;
	say("RCPT TO:<a@b.example>\r\n");
	codes[SMTP_SERVER_RCPT] = 0;
	say("RCPT TO:<a@b.example>\r\nDATA\r\n.\r\nWHAT\r\nQUIT\r\n");
	buf_init(&line, 200);
	n = smtp_server_counts(&s, c);
	for (size_t i = 0; i < n; i++)
		buf_printf(&line, " %s=%u/%u", c[i].verb, c[i].ok, c[i].total);
	CHECK_STR(buf_cstr(&line), " EHLO=1/1 MAIL=1/1 RCPT=1/2 DATA=1/1 QUIT=1/1 UNKNOWN=0/1");
	buf_fini(&line);
	stop();
}

T(server_names_its_protocol)
{
	start(&plain);
	CHECK_STR(smtp_server_proto(&s), "SMTP");
	say("EHLO x\r\n");
	CHECK_STR(smtp_server_proto(&s), "ESMTP");
	s.tls = true;
	CHECK_STR(smtp_server_proto(&s), "ESMTPS");
	s.authenticated = true;
	CHECK_STR(smtp_server_proto(&s), "ESMTPSA");
	s.envelope.flags = ENVELOPE_SMTPUTF8;
	CHECK_STR(smtp_server_proto(&s), "UTF8SMTPSA");
	stop();
}

T(server_counts_a_refused_chunk_as_one_error)
{
	start(&plain);
	say("HELO x\r\n");
	say("MAIL FROM:<a@b>\r\n");
	say("RCPT TO:<c@d>\r\n");
	CHECK_INT(say("BDAT 0\r\n"), 551);
	CHECK_INT(s.errors, 1);
	/* the rest of that message is told of and thrown away, but is no error of its own */
	CHECK_INT(say("BDAT 1\r\nx"), 551);
	CHECK_INT(say("BDAT 1 LAST\r\nx"), 551);
	CHECK_INT(s.errors, 1);
	stop();
}

T(server_shows_the_line_that_was_no_smtp)
{
	static const char *const rows[] = { "GET / HTTP/1.1", "POST /x HTTP/1.1", "CONNECT h:25 HTTP/1.1" };

	for (size_t i = 0; i < COUNT(rows); i++) {
		char line[100];

		ROW("%s", rows[i]);
		snprintf(line, sizeof(line), "%s\r\n", rows[i]);
		start(&plain);
		CHECK_INT(say(line), 221);
		CHECK_INT(last_event, SMTP_SERVER_HANGUP);
		CHECK_VIEW(s.argument, rows[i]);
		stop();
	}
}
