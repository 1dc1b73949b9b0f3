/* Queue files of Postfix: what is taken, as what, and what is refused with which words. */
#include <stdio.h>

#include "core/base/limits.h"
#include "core/msg/postfix_queue.h"
#include "tests/unit/t.h"

/* put_record - type, length in groups of seven bits, data */
static void put_record(struct buf *out, char type, struct str data)
{
	size_t n = data.n;

	buf_byte(out, type);
	for (; n > 127; n >>= 7)
		buf_byte(out, (char)(128 | (n & 127)));
	buf_byte(out, (char)n);
	buf_str(out, data);
}

/* put_lines - each line a record, its type in front */
static void put_lines(struct buf *out, const char *lines)
{
	struct str rest = str_of(lines), line;

	while (str_cut(&rest, '\n', &line))
		if (line.n)
			put_record(out, line.p[0], str_from(line, 1));
}

#define CUT(TEXT) TEXT, sizeof(TEXT) - 1
#define HEAD "C1 2 3 4 5 0\nT1700000000 250\nSs@b.test\n"
#define TAIL "M\nNA: b\nN\nNhi\nX\nE\n"

static void show(const struct envelope *e, struct buf *out)
{
	buf_printf(out, "%.*s %lld %x:", STR_ARG(e->sender), (long long)e->arrival, e->flags);
	for (size_t i = 0; i < e->n_rcpts; i++)
		buf_printf(out, " %.*s<%.*s<%.*s/%u", STR_ARG(e->rcpts[i].addr), STR_ARG(e->rcpts[i].orig), STR_ARG(e->rcpts[i].orcpt), e->rcpts[i].notify);
	if (e->envid.n || e->ret)
		buf_printf(out, " envid=%.*s ret=%d", STR_ARG(e->envid), (int)e->ret);
	if (e->client_name.n)
		buf_printf(out, " %.*s[%.*s] %.*s %.*s %.*s", STR_ARG(e->client_name), STR_ARG(e->client_addr), STR_ARG(e->helo), STR_ARG(e->proto),
			STR_ARG(e->sasl_user));
}

T(file_becomes_an_envelope_or_is_refused)
{
#define ONE "s@b.test 1700000000000250 0: a@x<</0"
	static const struct { const char *lines, *want; } rows[] = {
		{ HEAD "Ra@x\n" TAIL, ONE }, { HEAD "Oroot\nRa@x\nRb@x\n" TAIL, "s@b.test 1700000000000250 0: a@x<root</0 b@x<</0" },
		{ HEAD "Oa@x\nRa@x\n" TAIL, ONE },
		{ HEAD "M\nNA: b\nX\nRa@x\nE\n", ONE }, { HEAD "Ra@x\nM\nX\nE\n", ONE },
		/* what stands in front of a recipient is its alone, also when it is done */
		{ HEAD "Oroot\nAdsn_orig_rcpt=rfc822;q\nAnotify_flags=3\nRa@x\nRb@x\n" TAIL, "s@b.test 1700000000000250 0: a@x<root<rfc822;q/3 b@x<</0" },
		{ HEAD "Oroot\nAnotify_flags=1\nDdone@x\nRa@x\n" TAIL, ONE }, { HEAD "Oroot\n/done@x\nRa@x\n" TAIL, ONE },
		{ HEAD "Ddone@x\n" TAIL, "s@b.test 1700000000000250 0: done" }, { HEAD TAIL, "s@b.test 1700000000000250 0: done" },
		{ "C1 2 3 4 5 0\nT1700000000\nS\nRa@x\n" TAIL, " 1700000000000000 0: a@x<</0" },
		{ "C1\nT1700000000 999999\nS\nRa@x\n" TAIL, " 1700000000999999 0: a@x<</0" },
		{ "C1\nT1700000000 1000000\nS\nRa@x\n" TAIL, " 1700000000000000 0: a@x<</0" },
		{ "C1\nT1700000000 x\nS\nRa@x\n" TAIL, " 1700000000000000 0: a@x<</0" },
		/* how it must be sent is the sixth number */
		{ "C1 2 3 4 5 1\nT1\nS\nRa@x\n" TAIL, " 1000000 2: a@x<</0" }, { "C1 2 3 4 5 32\nT1\nS\nRa@x\n" TAIL, " 1000000 40: a@x<</0" },
		{ "C1 2 3 4 5 33 9\nT1\nS\nRa@x\n" TAIL, " 1000000 42: a@x<</0" }, { "C33 33 33 33 33 30 33\nT1\nS\nRa@x\n" TAIL, " 1000000 0: a@x<</0" },
		{ HEAD "Aenvelope_id=E\nAret_flags=1\nRa@x\n" TAIL, "s@b.test 1700000000000250 0: a@x<</0 envid=E ret=2" },
		{ HEAD "Aret_flags=2\nRa@x\n" TAIL, "s@b.test 1700000000000250 0: a@x<</0 envid= ret=1" },
		{ HEAD "Aret_flags=3\nRa@x\n" TAIL, "s@b.test 1700000000000250 0: a@x<</0 envid= ret=1" },
		{ HEAD "Aret_flags=0\nRa@x\n" TAIL, ONE },
		{ HEAD "Alog_client_name=n\nAlog_client_address=1.2.3.4\nAlog_helo_name=h\nAlog_protocol_name=ESMTP\nAsasl_username=u\nRa@x\n" TAIL,
		  "s@b.test 1700000000000250 0: a@x<</0 n[1.2.3.4] h ESMTP u" },
		{ HEAD "Aencoding=8BIT\nRa@x\n" TAIL, "s@b.test 1700000000000250 1: a@x<</0" }, { HEAD "Aencoding=7bit\nRa@x\n" TAIL, ONE },
		{ HEAD "Acoding=8bit\nAencoding\nAx\nRa@x\n" TAIL, ONE }, { HEAD "Anotify_flags=15\nRa@x\n" TAIL, "s@b.test 1700000000000250 0: a@x<</15" },
		{ HEAD "Atrace_flags=0\nRa@x\n" TAIL, ONE }, { HEAD "Fme\nIx\nWx\nfx\ndx\nex\nrx\nPx\nmx\ncx\nRa@x\n" TAIL, ONE },
		{ HEAD ">r@x\nRa@x\nRb@x\n" TAIL, "s@b.test 1700000000000250 0: r@x<a@x</0" },
		{ HEAD "Oroot\nRa@x\n>r@x\n" TAIL, "s@b.test 1700000000000250 0: r@x<root</0" }, { HEAD ">r@x\n" TAIL, "s@b.test 1700000000000250 0: done" },
		{ HEAD "Ra@x\nwdeleted\n" TAIL, ONE }, { HEAD "Ra@x\np0\n" TAIL, ONE }, { HEAD "Ra@x\np   0 \n" TAIL, ONE },
		/* refused */
		{ "", "it is no queue file of Postfix" }, { "T1700000000\nSs@b\nRa@x\n" TAIL, "it is no queue file of Postfix" },
		{ HEAD "Ra@x\n", "it is not complete" }, { HEAD "Ra@x\nM\nNx\n", "it is not complete" }, { HEAD "Ra@x\nM\nNx\nX\n", "it is not complete" },
		{ HEAD "Ra@x\nM\nNx\nRx\nX\nE\n", "its content is damaged" },
		{ "C1 x\nT1\nS\nRa@x\n" TAIL, "its size record is damaged" }, { "C1\nTx\nS\nRa@x\n" TAIL, "its time is damaged" },
		{ "C1\nT\nS\nRa@x\n" TAIL, "its time is damaged" }, { "C1\nT4611686018428\nS\nRa@x\n" TAIL, "its time is damaged" },
		{ "C1\nT4611686018427\nS\nRa@x\n" TAIL, " 4611686018427000000 0: a@x<</0" },
		{ "C1\nT0\nS\nRa@x\n" TAIL, "it has no sender or no time" }, { "C1\nT1\nRa@x\n" TAIL, "it has no sender or no time" },
		{ "C1\nS\nRa@x\n" TAIL, "it has no sender or no time" }, { HEAD "R\n" TAIL, "a recipient is empty" },
		{ HEAD "Lsmtp:x\nRa@x\n" TAIL, "it is for a content filter (content_filter, FILTER)" },
		{ HEAD "Kx\nRa@x\n" TAIL, "Postfix has given it up itself" }, { HEAD "Anotify_flags=16\nRa@x\n" TAIL, "its wishes for delivery notices are damaged" },
		{ HEAD "Anotify_flags=x\nRa@x\n" TAIL, "its wishes for delivery notices are damaged" },
		{ HEAD "Aret_flags=4\nRa@x\n" TAIL, "its wishes for delivery notices are damaged" },
		{ HEAD "Atrace_flags=1\nRa@x\n" TAIL, "it is a probe, or asks for a report of its delivery" },
		{ HEAD "Atrace_flags=x\nRa@x\n" TAIL, "it is a probe, or asks for a report of its delivery" },
		{ HEAD "Zx\nRa@x\n" TAIL, "it has a record 'Z', which is not known here" }, { HEAD "\001x\nRa@x\n" TAIL, "it has a record 1, which is not known here" },
		{ HEAD " x\nRa@x\n" TAIL, "it has a record 32, which is not known here" }, { HEAD "\177x\nRa@x\n" TAIL, "it has a record 127, which is not known here" },
		{ HEAD "~x\nRa@x\n" TAIL, "it has a record '~', which is not known here" }, { HEAD "!x\nRa@x\n" TAIL, "it has a record '!', which is not known here" },
		{ HEAD "Ra@x\npx\n" TAIL, "its records are damaged, or cut off" }, { HEAD "Ra@x\np999999\n" TAIL, "its records are damaged, or cut off" },
		/* a pointer to where we were */
		{ HEAD "Ra@x\np1\n" TAIL, "its records are damaged, or cut off" }, { HEAD "p14\nRa@x\n" TAIL, "its records are damaged, or cut off" },
		{ HEAD "Ra\tx\n" TAIL, "its envelope has control characters" }, { HEAD "Ra\177x\n" TAIL, "its envelope has control characters" },
		{ HEAD "Ob\001\nRa@x\n" TAIL, "its envelope has control characters" }, { HEAD "Adsn_orig_rcpt=\001\nRa@x\n" TAIL, "its envelope has control characters" },
		{ HEAD "Alog_client_name=\001\nRa@x\n" TAIL, "its envelope has control characters" },
		{ HEAD "Alog_client_address=\001\nRa@x\n" TAIL, "its envelope has control characters" },
		{ HEAD "Alog_helo_name=\037\nRa@x\n" TAIL, "its envelope has control characters" }, { HEAD "Alog_helo_name= ~\nRa@x\n" TAIL, ONE },
		{ HEAD "Alog_protocol_name=\001\nRa@x\n" TAIL, "its envelope has control characters" },
		{ HEAD "Asasl_username=\001\nRa@x\n" TAIL, "its envelope has control characters" },
		{ HEAD "Aenvelope_id=\001\nRa@x\n" TAIL, "its envelope has control characters" },
		{ "C1\nT1\nSs\001\nRa@x\n" TAIL, "its envelope has control characters" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct postfix_message m;
		struct buf file, why, got;
		struct arena a;

		ROW("%s", rows[i].lines);
		arena_init(&a, 1 << 16);
		buf_init(&file, 1 << 16);
		buf_init(&why, 1000);
		buf_init(&got, 1000);
		put_lines(&file, rows[i].lines);
		if (postfix_parse(&a, buf_view(&file), false, &m, &why)) {
			CHECK_STR(buf_cstr(&why), "");
			CHECK_INT(m.e.uid, -1);
			CHECK_INT(m.done, m.e.n_rcpts == 0);
			show(&m.e, &got);
			buf_z(&got, m.done ? " done" : "");
		} else {
			buf_str(&got, buf_view(&why));
		}
		CHECK_STR(buf_cstr(&got), rows[i].want);
		buf_fini(&file);
		buf_fini(&why);
		buf_fini(&got);
		arena_fini(&a);
	}
}

T(pointers_lead_to_what_was_changed)
{
	struct postfix_message m;
	struct buf file, why, got;
	char to[20], back[20];
	size_t at[2] = { 0, 0 };
	struct arena a;

	/* the first round finds out where things are */
	for (int round = 0; round < 2; round++) {
		arena_init(&a, 1 << 16);
		buf_init(&file, 1 << 16);
		buf_init(&why, 1000);
		buf_init(&got, 1000);
		put_lines(&file, HEAD "Ra@x\n");
		snprintf(to, sizeof(to), "%15zu", at[0]);
		snprintf(back, sizeof(back), "%15zu", at[1]);
		put_record(&file, 'p', str_of(to));
		put_lines(&file, "Rgone@x\n");
		at[1] = file.n;
		put_lines(&file, TAIL);
		at[0] = file.n;
		put_lines(&file, "Rnew@x\n");
		put_record(&file, 'p', str_of(back));
		if (round) {
			CHECK(postfix_parse(&a, buf_view(&file), false, &m, &why));
			CHECK_STR(buf_cstr(&why), "");
			show(&m.e, &got);
			CHECK_STR(buf_cstr(&got), "s@b.test 1700000000000250 0: a@x<</0 new@x<</0");
		}
		buf_fini(&file);
		buf_fini(&why);
		buf_fini(&got);
		arena_fini(&a);
	}
}

T(file_that_is_cut_off_is_refused_wherever)
{
	struct buf file, why;
	struct postfix_message m;
	struct arena a;

	buf_init(&file, 1 << 16);
	put_lines(&file, HEAD "Ra@x\n");
	put_record(&file, 'A', STR("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
		"012345678901234567890123456789=x"));
	put_lines(&file, TAIL);
	for (size_t n = 0; n <= file.n; n++) {
		ROW("%zu bytes of %zu", n, file.n);
		arena_init(&a, 1 << 16);
		buf_init(&why, 1000);
		CHECK_INT(postfix_parse(&a, str_head(buf_view(&file), n), false, &m, &why), n == file.n);
		CHECK_INT(why.n > 0, n < file.n);
		buf_fini(&why);
		arena_fini(&a);
	}
	buf_fini(&file);
}

T(records_are_counted_in_seven_bits)
{
	/* "A" and its length, then data, then what makes a whole file of it */
	static const struct { const char *length; size_t n, data; bool want; } rows[] = {
		{ CUT("\x05"), 5, true }, { CUT("\x7f"), 127, true }, { CUT("\x80\x01"), 128, true }, { CUT("\x81\x01"), 129, true }, { CUT("\xff\x01"), 255, true },
		{ CUT("\x85\x80\x80\x80\x00"), 5, true }, { CUT("\x85\x80\x80\x80\x80\x00"), 5, false }, { CUT("\x80\x80\x01"), 16384, true },
		{ CUT("\x80\x02"), 128, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf file, why;
		struct postfix_message m;
		struct arena a;

		ROW("row %zu", i);
		arena_init(&a, 1 << 16);
		buf_init(&why, 1000);
		buf_init(&file, 1 << 16);
		put_lines(&file, HEAD "Ra@x\n");
		buf_byte(&file, 'A');
		buf_str(&file, str_make(rows[i].length, rows[i].n));
		for (size_t k = 0; k < rows[i].data; k++)
			buf_byte(&file, 'x');
		put_lines(&file, TAIL);
		CHECK_INT(postfix_parse(&a, buf_view(&file), false, &m, &why), rows[i].want);
		buf_fini(&file);
		buf_fini(&why);
		arena_fini(&a);
	}
}

T(mail_of_the_maildrop_begins_with_its_time)
{
	static const struct { const char *lines; bool maildrop, want; } rows[] = {
		{ "T1\nSs\nRa@x\n" TAIL, true, true }, { "T1\nSs\nRa@x\n" TAIL, false, false }, { "C1\nT1\nSs\nRa@x\n" TAIL, true, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf file, why;
		struct postfix_message m;
		struct arena a;

		ROW("row %zu", i);
		arena_init(&a, 1 << 16);
		buf_init(&why, 1000);
		buf_init(&file, 1 << 16);
		put_lines(&file, rows[i].lines);
		CHECK_INT(postfix_parse(&a, buf_view(&file), rows[i].maildrop, &m, &why), rows[i].want);
		buf_fini(&file);
		buf_fini(&why);
		arena_fini(&a);
	}
}

static int put(void *to, struct str piece)
{
	return buf_str(to, piece) ? 0 : -1;
}

static int refuse(void *to, struct str piece)
{
	++*(int *)to;
	return piece.n ? 7 : -1;
}

T(content_is_a_header_section_and_a_body)
{
	static const struct { const char *lines, *header, *body; } rows[] = {
		{ "NA: b\nN\nNhi\n", "A: b\r\n\r\n", "hi\r\n" }, { "NA: b\nN c\nN\td\nNB:\nN\nNhi\nNho\n", "A: b\r\n c\r\n\td\r\nB:\r\n\r\n", "hi\r\nho\r\n" },
		{ "NA: b\nNhi\n", "A: b\r\n\r\n", "hi\r\n" }, { "N\nNhi\n", "\r\n", "hi\r\n" }, { "Nhi\n", "\r\n", "hi\r\n" }, { "", "\r\n", "" },
		{ "N b\nNA: b\n", "\r\n", " b\r\nA: b\r\n" }, { "N: b\n", "\r\n", ": b\r\n" }, { "NA b: c\n", "\r\n", "A b: c\r\n" },
		{ "NA \t: c\nN\n", "A \t: c\r\n\r\n", "" }, { "NA\n", "\r\n", "A\r\n" }, { "NA \n", "\r\n", "A \r\n" }, { "NA\177: b\n", "\r\n", "A\177: b\r\n" },
		{ "N~: b\nN!: c\nN\n", "~: b\r\n!: c\r\n\r\n", "" },
		{ "NA: b\n", "A: b\r\n\r\n", "" },
		/* a line in several records */
		{ "LA: \nLb\nNc\nN\nLh\nNi\n", "A: bc\r\n\r\n", "hi\r\n" }, { "NA: b\nN\nNhi\nLho\n", "A: b\r\n\r\n", "hi\r\nho\r\n" },
		{ "NA: b\nN\nNhi\r\n", "A: b\r\n\r\n", "hi\r\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf file, why, header, body;
		struct postfix_message m;
		uint64_t size = 99;
		struct arena a;
		size_t rest;
		int times = 0;

		ROW("%s", rows[i].lines);
		arena_init(&a, 1 << 16);
		buf_init(&why, 1000);
		buf_init(&header, 1000);
		buf_init(&body, 1000);
		buf_init(&file, 1 << 16);
		put_lines(&file, HEAD "Ra@x\nM\n");
		put_lines(&file, rows[i].lines);
		put_lines(&file, "X\nE\n");
		REQUIRE(postfix_parse(&a, buf_view(&file), false, &m, &why));
		CHECK(postfix_header(&m, &header, &rest, &why));
		CHECK_STR(buf_cstr(&header), rows[i].header);
		CHECK_INT(postfix_body(&m, rest, put, &body, &size), 0);
		CHECK_STR(buf_cstr(&body), rows[i].body);
		CHECK_INT(size, body.n);
		CHECK_INT(postfix_body(&m, rest, NULL, NULL, &size), 0);
		CHECK_INT(size, body.n);
		/* what does not want it any more gets no more */
		CHECK_INT(postfix_body(&m, rest, refuse, &times, NULL), body.n ? 7 : 0);
		CHECK_INT(times, body.n ? 1 : 0);
		buf_fini(&file);
		buf_fini(&why);
		buf_fini(&header);
		buf_fini(&body);
		arena_fini(&a);
	}
}

/* a header section is as large as is taken, or one byte larger */
T(header_section_has_its_bound)
{
	for (int one_line = 0; one_line < 2; one_line++) {
		for (size_t over = 0; over < 2; over++) {
			struct buf file, why, header;
			struct postfix_message m;
			struct arena a;
			size_t rest, n = LIMIT_GIVE_HEADER - 4 + over;
			struct buf line;

			ROW("%zu, %d", over, one_line);
			arena_init(&a, 1 << 16);
			buf_init(&why, 1000);
			buf_init(&header, LIMIT_GIVE_HEADER);
			buf_init(&file, 4 * (size_t)LIMIT_GIVE_HEADER);
			buf_init(&line, LIMIT_GIVE_HEADER);
			put_lines(&file, HEAD "Ra@x\nM\n");
			if (!one_line) {
				put_lines(&file, "NA: b\n");
				n -= 6;
			}
			buf_z(&line, "X: ");
			while (line.n < n)
				buf_byte(&line, 'x');
			put_record(&file, 'N', buf_view(&line));
			put_lines(&file, "N\nNhi\nX\nE\n");
			REQUIRE(postfix_parse(&a, buf_view(&file), false, &m, &why));
			CHECK_INT(postfix_header(&m, &header, &rest, &why), !over);
			CHECK_INT(why.n > 0, over);
			buf_fini(&file);
			buf_fini(&why);
			buf_fini(&line);
			buf_fini(&header);
			arena_fini(&a);
		}
	}
}
