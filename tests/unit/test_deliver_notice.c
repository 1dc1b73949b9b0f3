/* notices: how much of the original they bring back, to whom they go, and what is in them */
#include "core/msg/dsn.h"
#include "tests/unit/deliver_world.h"

static void noticed(void *ctx, int error)
{
	*(int *)ctx = error ? error : -1;
}

/* notice - what was queued for a failure of one recipient; its envelope in e, its text in out */
struct notice_case { const char *set[4], *sender, *content; int kind, ret; unsigned status; };

static size_t notice(const struct notice_case *x, size_t which_one, struct arena *a, struct envelope *e, struct buf *out)
{
	const char *extra[12] = { BASE };
	size_t n = 8, which[] = { 0 }, queued;
	struct delivery_result *result = MEM_NEW(struct delivery_result);
	struct parcel *p = MEM_NEW(struct parcel);
	struct world w;
	bool no = false;
	int told = 0;

	for (size_t i = 0; i < 4 && x->set[i]; i++)
		extra[n++] = x->set[i];
	if (!CHECK(world_open(&w, extra, NULL, -1)))
		return 0;
	parcel_put(&w, p, x->sender, "u@x.test", x->content);
	p->e.ret = (uint8_t)x->ret;
	/* as a reader of the queue has them */
	p->e.header_size = strstr(x->content, "\r\n\r\n") ? (uint32_t)(strstr(x->content, "\r\n\r\n") - x->content + 4) : 0;
	p->e.size = strlen(x->content);
	reply_set(&result->reply, 550, "5.1.1", "host h[1.2.3.4] said: 550 5.1.1 no (in reply to RCPT TO command)");
	snprintf(result->remote_mta, sizeof(result->remote_mta), "h");
	bounce_notice(w.deliver, x->kind, p->m, &p->e, which, result, 1, noticed, &told);
	for (int i = 0; i < 100 && !told; i++)
		world_run(&w, &no, 20);
	CHECK_INT(told, -1);
	queued = w.n_queued;
	if (queued > which_one) {
		struct store_reader *r = store_read_open(w.store, w.queued[which_one]);
		char piece[4096];
		ssize_t got;

		CHECK_INT(store_envelope(w.store, w.queued[which_one], a, e), 0);
		for (uint64_t at = 0; r && (got = store_read(r, at, piece, sizeof(piece))) > 0; at += (uint64_t)got)
			buf_str(out, str_make(piece, (size_t)got));
		store_read_close(r);
	}
	world_close(&w);
	mem_free(result);
	mem_free(p);
	return queued;
}

#define BODY "the first line of the body\r\n"
#define MAIL "From: a@b.test\r\nSubject: told\r\n\r\n" BODY

/* the whole original up to bounce_size_limit, which is its size; beyond it, or when it was asked for, only the header */
T(notice_brings_back_as_much_as_it_may)
{
	static const struct { const char *set; int ret, kind; bool whole; } rows[] = {
		{ "bounce_size_limit=50000", 0, DSN_FAILED, true }, { "bounce_size_limit=61", 0, DSN_FAILED, true },
		{ "bounce_size_limit=60", 0, DSN_FAILED, false }, { "bounce_size_limit=50000", DSN_RET_HDRS, DSN_FAILED, false },
		{ "bounce_size_limit=50000", DSN_RET_FULL, DSN_FAILED, true }, { "bounce_size_limit=60", DSN_RET_FULL, DSN_FAILED, false },
		{ "bounce_size_limit=50000", 0, DSN_DELAYED, false }, { "bounce_size_limit=50000", 0, DSN_DELIVERED, false },
	};

	CHECK_INT(sizeof(MAIL) - 1, 61);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notice_case x = { { rows[i].set }, "s@b.test", MAIL, rows[i].kind, rows[i].ret, 0 };
		struct envelope e;
		struct arena a;
		struct buf text;

		ROW("%zu %s", i, rows[i].set);
		arena_init(&a, 1 << 20);
		buf_init(&text, 1 << 20);
		CHECK_INT(notice(&x, 0, &a, &e, &text), 1);
		CHECK(str_find(buf_view(&text), STR("Subject: told\r\n")) > 0);
		CHECK_INT(str_find(buf_view(&text), STR(BODY)) > 0, rows[i].whole);
		CHECK_INT(str_find(buf_view(&text), STR("Content-Type: message/rfc822")) > 0, rows[i].whole);
		buf_fini(&text);
		arena_fini(&a);
	}
}

/* a large original comes back byte for byte, past the pieces in which it is read */
T(notice_brings_back_a_large_original_whole)
{
	struct notice_case x = { { "bounce_size_limit=900000" }, "s@b.test", NULL, DSN_FAILED, 0, 0 };
	struct envelope e;
	struct arena a;
	struct buf text, content;

	buf_init(&content, 1 << 20);
	buf_z(&content, "Subject: large\r\n\r\n");
	for (int i = 0; i < 20000; i++)
		buf_printf(&content, "line %d of a large message\r\n", i);
	x.content = buf_cstr(&content);
	arena_init(&a, 1 << 20);
	buf_init(&text, 2 << 20);
	CHECK_INT(notice(&x, 0, &a, &e, &text), 1);
	CHECK(str_find(buf_view(&text), buf_view(&content)) > 0);
	buf_fini(&text);
	buf_fini(&content);
	arena_fini(&a);
}

T(notice_goes_to_who_is_named_for_it)
{
	static const struct { struct notice_case x; size_t queued, which; const char *to, *from; } rows[] = {
		{ { { "notify_classes=bounce", "bounce_notice_recipient=ops@far.test" }, "s@b.test", MAIL, DSN_FAILED, 0, 0 }, 2, 0, "ops@far.test",
			"double-bounce@mx.example.jp" },
		{ { { "notify_classes=bounce", "bounce_notice_recipient=ops" }, "s@b.test", MAIL, DSN_FAILED, 0, 0 }, 2, 0, "ops@mx.example.jp",
			"double-bounce@mx.example.jp" },
		{ { { "notify_classes=bounce", "bounce_notice_recipient=ops@far.test" }, "s@b.test", MAIL, DSN_FAILED, 0, 0 }, 2, 1, "s@b.test", "" },
		{ { { "notify_classes=2bounce", "2bounce_notice_recipient=two@far.test" }, "", MAIL, DSN_FAILED, 0, 0 }, 1, 0, "two@far.test",
			"double-bounce@mx.example.jp" },
		{ { { "notify_classes=delay", "delay_notice_recipient=late@far.test" }, "s@b.test", MAIL, DSN_DELAYED, 0, 0 }, 2, 0, "late@far.test",
			"double-bounce@mx.example.jp" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct envelope e = { .n_rcpts = 0 };
		struct arena a;
		struct buf text;

		ROW("%zu", i);
		arena_init(&a, 1 << 20);
		buf_init(&text, 1 << 20);
		CHECK_INT(notice(&rows[i].x, rows[i].which, &a, &e, &text), rows[i].queued);
		if (CHECK_INT(e.n_rcpts, 1)) {
			CHECK_VIEW(e.rcpts[0].addr, rows[i].to);
			CHECK_VIEW(e.sender, rows[i].from);
			CHECK(e.flags & ENVELOPE_BOUNCE);
		}
		buf_fini(&text);
		arena_fini(&a);
	}
}
