/* test_store - the store through its header alone: what was acknowledged is there again, byte for byte. */
#include "tests/unit/t.h"

#include "core/base/clock.h"
#include "core/base/crc.h"
#include "core/base/limits.h"
#include "tests/unit/store_help.h"

T(qid_has_one_text)
{
	static const struct { uint64_t id; const char *text; } rows[] = {
		{ 1, "0000000001" }, { 0x8DE012082CULL, "8DE012082C" }, { 0x123456789ABULL, "123456789AB" }, { UINT64_MAX, "FFFFFFFFFFFFFFFF" },
	};
	static const char *const bad[] = { "", "1", "000000001", "0000000000", "8de012082c", "00123456789AB", "8DE012082G", "8DE012082C ",
		"10000000000000000" };
	uint64_t id;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[QID_MAX];

		qid_format(text, rows[i].id);
		CHECK_STR(text, rows[i].text);
		CHECK(qid_parse(str_of(text), &id) && id == rows[i].id);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ROW("%s", bad[i]);
		CHECK(!qid_parse(str_of(bad[i]), &id));
	}
}

T(store_memory_per_message_is_bounded)
{
	/* an index entry takes 16 bytes at a load of 3/8 at worst, the heap 8 to 16 */
	CHECK(sizeof(struct qmsg) + 16 * 8 / 3 + 16 <= 200);
}

T(store_keeps_messages_over_a_restart)
{
	struct store_options o = q_options(q_dir());
	/* the last two have a body above the threshold */
	size_t sizes[] = { 0, 1, 5000, Q_HEADER + 65536, Q_HEADER + 65537, 300000 };
	uint64_t ids[6], next;
	struct told t[6];
	struct store *s;
	int found;

	o.sync = true;
	s = q_open(&o, NULL);
	REQUIRE(s);
	for (int i = 0; i < 6; i++) {
		ids[i] = q_put(s, sizes[i], 3, &t[i]);
		CHECK_INT(t[i].count, 0);
	}
	store_tick(s, clock_mono());
	for (int i = 0; i < 6; i++) {
		ROW("%zu", sizes[i]);
		CHECK_INT(t[i].count, 1);
		CHECK_INT(t[i].error, 0);
		CHECK(t[i].m && t[i].m->id == ids[i]);
		CHECK(q_whole(s, ids[i], sizes[i]));
	}
	for (int turn = 0; turn < 2; turn++) {
		store_close(s);
		s = q_open(&o, &found);
		REQUIRE(s);
		CHECK_INT(found, 6);
		for (int i = 0; i < 6; i++) {
			ROW("turn %d size %zu", turn, sizes[i]);
			CHECK(q_whole(s, ids[i], sizes[i]));
			CHECK_INT(store_find(s, ids[i])->n_rcpts, 3);
			CHECK_INT(store_find(s, ids[i])->arrival, 1700000000000000);
		}
	}
	store_abort(store_begin(s, &next));
	CHECK(next > ids[5]);
	store_close(s);
	CHECK_INT(q_count_names(o.dir, "big"), 2);
	CHECK_INT(q_count_names(o.dir, "corrupt"), 0);
}

T(store_survives_a_kill_without_close)
{
	struct store_options o = q_options(q_dir());
	char copy[256];
	struct told t;
	struct store *s = q_open(&o, NULL), *again;
	uint64_t ids[50];
	int found;

	REQUIRE(s);
	for (int i = 0; i < 50; i++) {
		ids[i] = q_put(s, 100 + (size_t)i * 37, 1, &t);
		store_tick(s, clock_mono());
	}
	snprintf(copy, sizeof(copy), "%s", q_dir());
	q_copy(o.dir, copy);
	o.dir = copy;
	again = q_open(&o, &found);
	REQUIRE(again);
	CHECK_INT(found, 50);
	for (int i = 0; i < 50; i++)
		CHECK(q_whole(again, ids[i], 100 + (size_t)i * 37));
	store_close(again);
	store_close(s);
}

T(store_abort_and_failed_commit_leave_nothing)
{
	struct store_options o = q_options(q_dir());
	struct store *s = q_open(&o, NULL);
	struct store_writer *w;
	static char piece[40000];
	uint64_t id;
	int found;

	REQUIRE(s);
	w = store_begin(s, &id);
	CHECK_INT(store_add(w, str_make(piece, sizeof(piece))), 0);
	CHECK_INT(store_add(w, str_make(piece, sizeof(piece))), 0);
	CHECK_INT(q_count_names(o.dir, "big"), 1);
	store_abort(w);
	CHECK_INT(q_count_names(o.dir, "big"), 0);
	store_close(s);
	s = q_open(&o, &found);
	CHECK_INT(found, 0);
	store_close(s);
}

static struct rcpt_state state_row(enum rcpt_status status, int code, const char *enhanced, const char *text)
{
	struct rcpt_state r = { .status = status, .last = { .code = code, .text = str_of(text) } };

	snprintf(r.last.enhanced, sizeof(r.last.enhanced), "%s", enhanced);
	return r;
}

static void check_states(struct store *s, uint64_t id)
{
	struct rcpt_state *v;
	struct arena a;

	arena_init(&a, 1 << 20);
	if (!t_check(__FILE__, __LINE__, "states", store_states(s, store_find(s, id), &a, &v) == 0)) {
		arena_fini(&a);
		return;
	}
	CHECK_INT(v[0].status, RCPT_DONE);
	CHECK_INT(v[1].status, RCPT_PENDING);
	CHECK_INT(v[1].last.code, 450);
	CHECK_STR(v[1].last.enhanced, "4.2.0");
	CHECK_VIEW(v[1].last.text, "later\r\nrecord: forged\n");
	CHECK_INT(v[2].last.code, 0);
	arena_fini(&a);
}

T(store_keeps_states_over_a_restart)
{
	struct store_options o = q_options(q_dir());
	struct store *s = q_open(&o, NULL);
	struct rcpt_state v[3] = { state_row(RCPT_DONE, 250, "2.0.0", "ok"), state_row(RCPT_PENDING, 450, "4.2.0", "later\r\nrecord: forged\n"),
		state_row(RCPT_PENDING, 0, "", "") };
	struct told t, u = { 0 };
	struct qmsg *m;
	uint64_t id;

	REQUIRE(s);
	id = q_put(s, 100, 3, &t);
	store_tick(s, clock_mono());
	m = store_find(s, id);
	REQUIRE(m);
	m->flags |= QMSG_HOLD | QMSG_WARNED;
	CHECK_INT(store_update(s, m, v, 12345678, q_told, &u), 0);
	/* readable before it is on disk */
	check_states(s, id);
	CHECK_INT(u.count, 0);
	store_tick(s, clock_mono());
	CHECK_INT(u.count, 1);
	check_states(s, id);
	for (int turn = 0; turn < 2; turn++) {
		store_close(s);
		s = q_open(&o, NULL);
		REQUIRE(s);
		m = store_find(s, id);
		REQUIRE(m);
		CHECK_INT(m->n_pending, 2);
		CHECK_INT(m->flags, QMSG_HOLD | QMSG_WARNED);
		CHECK_INT(m->due.key, 12345678);
		check_states(s, id);
	}
	store_close(s);
}

T(store_removed_stays_removed)
{
	struct store_options o = q_options(q_dir());
	struct store *s = q_open(&o, NULL);
	uint64_t ids[3];
	struct told t, gone = { .m = (void *)&t };
	int found;

	REQUIRE(s);
	for (int i = 0; i < 3; i++)
		ids[i] = q_put(s, i == 2 ? 100000 : 100, 1, &t);
	store_tick(s, clock_mono());
	CHECK_INT(store_remove(s, store_find(s, ids[0]), q_told, &gone), 0);
	CHECK_INT(store_remove(s, store_find(s, ids[2]), NULL, NULL), 0);
	CHECK(!store_find(s, ids[0]));
	CHECK_INT(store_count(s), 1);
	CHECK_INT(q_count_names(o.dir, "big"), 1);
	store_tick(s, clock_mono());
	CHECK_INT(gone.count, 1);
	CHECK(!gone.m && !gone.error);
	CHECK_INT(q_count_names(o.dir, "big"), 0);
	for (int turn = 0; turn < 2; turn++) {
		store_close(s);
		s = q_open(&o, &found);
		REQUIRE(s);
		CHECK_INT(found, 1);
		CHECK(q_whole(s, ids[1], 100));
	}
	store_close(s);
}

T(store_reader_keeps_what_it_reads)
{
	struct store_options o = q_options(q_dir());
	struct store *s;
	struct store_reader *r;
	struct store_span where[2];
	uint64_t first;
	struct told t;
	char got[20];
	struct buf b;

	o.segment_size = 8192;
	s = q_open(&o, NULL);
	REQUIRE(s);
	first = q_put(s, 3000, 1, &t);
	store_tick(s, clock_mono());
	r = store_read_open(s, store_find(s, first));
	REQUIRE(r);
	CHECK_INT(store_read_spans(r, where), 1);
	CHECK_INT(where[0].n, 3000);
	CHECK_INT(pread(where[0].fd, got, 20, (off_t)where[0].at), 20);
	q_content(&b, first, 3000);
	CHECK_MEM(got, 20, b.p, 20);
	store_remove(s, store_find(s, first), NULL, NULL);
	for (int i = 0; i < 20; i++) {
		uint64_t id = q_put(s, 3000, 1, &t);

		store_tick(s, clock_mono());
		store_remove(s, store_find(s, id), NULL, NULL);
		store_tick(s, clock_mono());
		while (store_maintain(s))
			;
	}
	CHECK_INT(pread(where[0].fd, got, 20, (off_t)where[0].at), 20);
	CHECK_MEM(got, 20, b.p, 20);
	CHECK_INT(store_read(r, 2990, got, 20), 10);
	CHECK_MEM(got, 10, b.p + 2990, 10);
	store_read_close(r);
	buf_fini(&b);
	store_close(s);
}

T(store_drops_and_reuses_empty_segments)
{
	struct store_options o = q_options(q_dir());
	struct store_stats st;
	struct store *s;
	struct told t;
	uint64_t kept;
	int found;

	o.segment_size = 16384;
	s = q_open(&o, NULL);
	REQUIRE(s);
	kept = q_put(s, 1000, 1, &t);
	for (int i = 0; i < 300; i++) {
		uint64_t id = q_put(s, 1000, 1, &t);

		store_tick(s, clock_mono());
		store_remove(s, store_find(s, id), NULL, NULL);
		while (store_maintain(s))
			;
	}
	store_tick(s, clock_mono());
	while (store_maintain(s))
		;
	store_stats(s, &st);
	CHECK(st.segments <= 4);
	CHECK(q_count_names(o.dir, "log") <= 4 + LIMIT_STORE_SPARES);
	CHECK(q_whole(s, kept, 1000));
	store_close(s);
	s = q_open(&o, &found);
	CHECK_INT(found, 1);
	CHECK(s && q_whole(s, kept, 1000));
	store_close(s);
}

T(store_is_used_by_one_process)
{
	struct store_options o = q_options(q_dir());
	struct store *s = q_open(&o, NULL);
	struct buf why;
	struct told t;
	uint64_t id;
	struct store *ro;

	REQUIRE(s);
	buf_init(&why, 1000);
	CHECK(!store_open(&o, NULL, NULL, &why));
	CHECK(strstr(buf_cstr(&why), "in use"));
	buf_fini(&why);
	id = q_put(s, 500, 1, &t);
	store_tick(s, clock_mono());
	o.read_only = true;
	ro = q_open(&o, NULL);
	REQUIRE(ro);
	CHECK(q_whole(ro, id, 500));
	CHECK_INT(store_remove(ro, store_find(ro, id), NULL, NULL), -1);
	store_close(ro);
	store_close(s);
}

static char *only_segment(const char *dir)
{
	static char path[512];
	struct dirent *e;
	char log_dir[256];
	DIR *d;

	snprintf(log_dir, sizeof(log_dir), "%s/log", dir);
	d = opendir(log_dir);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			snprintf(path, sizeof(path), "%s/%s", log_dir, e->d_name);
	if (d)
		closedir(d);
	return path;
}

T(store_refuses_another_format)
{
	struct store_options o = q_options(q_dir());
	struct store *s = q_open(&o, NULL);
	unsigned char start[128];
	struct buf why;
	struct told t;
	int fd;

	REQUIRE(s);
	q_put(s, 500, 1, &t);
	store_tick(s, clock_mono());
	store_close(s);
	fd = open(only_segment(o.dir), O_RDWR);
	REQUIRE(fd >= 0 && pread(fd, start, 128, 0) == 128);
	CHECK_MEM(start, 24, "relaybox queue log 0002\n", 24);
	start[22] = '3';
	/* a whole header of a later version */
	{
		uint32_t crc_at = 60;
		uint32_t crc = crc32c(0, start, 60);

		for (int i = 0; i < 4; i++)
			start[crc_at + (unsigned)i] = (unsigned char)(crc >> 8 * i);
	}
	memcpy(start + 64, start, 64);
	CHECK_INT(pwrite(fd, start, 128, 0), 128);
	close(fd);
	buf_init(&why, 1000);
	CHECK(!store_open(&o, NULL, NULL, &why));
	CHECK(strstr(buf_cstr(&why), "another version"));
	buf_fini(&why);
}

/* --- many changes, compared with a ledger ----------------------------------------------------------------------------- */

enum { MANY = 400 };
struct ledger { uint64_t id; size_t n; bool alive; usec due; };

static unsigned next_random(unsigned *x)
{
	*x = *x * 1103515245u + 12345u;
	return *x >> 8;
}

static bool ledger_holds(struct store *s, const struct ledger *l, int n)
{
	size_t alive = 0;

	for (int i = 0; i < n; i++) {
		struct qmsg *m = store_find(s, l[i].id);

		alive += l[i].alive;
		if (l[i].alive != (m != NULL))
			return false;
		if (m && (!q_whole(s, l[i].id, l[i].n) || (l[i].due && (m->state.segment == 0 || m->n_pending != 1))))
			return false;
	}
	return alive == store_count(s);
}

static void change(struct store *s, struct ledger *l, unsigned *x)
{
	struct rcpt_state v[2] = { state_row(RCPT_DONE, 250, "2.0.0", "ok"), state_row(RCPT_PENDING, 450, "4.0.0", "no") };
	struct qmsg *m = store_find(s, l->id);

	if (!m)
		return;
	if (next_random(x) % 4 == 0) {
		l->due = (usec)next_random(x);
		store_update(s, m, v, l->due, NULL, NULL);
	} else if (next_random(x) % 8 != 0) {
		store_remove(s, m, NULL, NULL);
		l->alive = false;
	}
}

static bool kill_and_compare(const struct store_options *o, const struct ledger *l, int n)
{
	struct store_options copy = *o;
	struct store *s;
	bool ok;

	copy.dir = q_dir();
	q_copy(o->dir, copy.dir);
	s = q_open(&copy, NULL);
	ok = s && ledger_holds(s, l, n);
	for (int i = 0; ok && i < n; i++)
		if (l[i].alive && l[i].due)
			ok = store_find(s, l[i].id)->due.key == l[i].due;
	store_close(s);
	return ok;
}

static void random_work(unsigned seed, bool compress)
{
	struct store_options o = q_options(q_dir());
	static struct ledger l[MANY];
	struct store *s;
	struct store_stats st;
	struct told t;
	unsigned x = seed;
	int n = 0;

	o.segment_size = 20000;
	o.big_threshold = 8000;
	o.compress = compress;
	s = q_open(&o, NULL);
	REQUIRE(s);
	while (n < MANY) {
		size_t size = next_random(&x) % (next_random(&x) % 20 ? 2000 : 12000);

		l[n] = (struct ledger){ q_put(s, size, 2, &t), size, true, 0 };
		n++;
		store_tick(s, clock_mono());
		change(s, &l[next_random(&x) % (unsigned)n], &x);
		if (next_random(&x) % 2)
			change(s, &l[next_random(&x) % (unsigned)n], &x);
		if (next_random(&x) % 3 == 0)
			store_maintain(s);
		if (next_random(&x) % 40 == 0) {
			store_tick(s, clock_mono());
			CHECK(kill_and_compare(&o, l, n));
		}
		if (next_random(&x) % 60 == 0) {
			store_close(s);
			s = q_open(&o, NULL);
			REQUIRE(s);
		}
	}
	CHECK(ledger_holds(s, l, n));
	/* most goes; what housekeeping leaves is bounded */
	for (int i = 0; i < n; i++)
		if (i % 20 && l[i].alive) {
			store_remove(s, store_find(s, l[i].id), NULL, NULL);
			l[i].alive = false;
		}
	for (int i = 0; i < 300; i++) {
		store_tick(s, clock_mono());
		store_maintain(s);
	}
	CHECK(ledger_holds(s, l, n));
	CHECK(kill_and_compare(&o, l, n));
	store_stats(s, &st);
	CHECK(st.live_bytes + st.dead_bytes <= st.live_bytes * 3 / 2 + 6 * 20000);
	CHECK_INT(st.corrupt, 0);
	store_close(s);
	s = q_open(&o, NULL);
	CHECK(s && ledger_holds(s, l, n));
	store_close(s);
}

T(store_random_work_equals_the_ledger)
{
	for (unsigned seed = 1; seed <= 4; seed++) {
		ROW("seed %u", seed);
		random_work(seed, seed % 2);
	}
}

/* --- with threads ------------------------------------------------------------------------------------------------------ */

static void tick_until(struct store *s, struct pool *p, const int *count, int want)
{
	for (int i = 0; i < 10000 && *count < want; i++) {
		store_tick(s, clock_mono());
		usleep(100);
		pool_reap(p);
	}
}

T(store_one_flush_serves_everyone)
{
	struct store_options o = q_options(q_dir());
	struct store_stats st;
	struct store *s;
	struct told t[100], last;
	uint64_t ids[100];

	o.sync = true;
	o.compress = true;
	o.pool = pool_new(3);
	REQUIRE(o.pool);
	s = q_open(&o, NULL);
	REQUIRE(s);
	for (int i = 0; i < 100; i++)
		ids[i] = q_put(s, i % 10 ? 3000 : 100000, 1, &t[i]);
	/* nothing is told before the flush */
	for (int i = 0; i < 100; i++)
		CHECK_INT(t[i].count, 0);
	for (int i = 0; i < 100; i++)
		tick_until(s, o.pool, &t[i].count, 1);
	for (int i = 0; i < 100; i++) {
		CHECK(t[i].count == 1 && t[i].error == 0);
		CHECK(q_whole(s, ids[i], i % 10 ? 3000 : 100000));
	}
	store_stats(s, &st);
	CHECK(st.flushes <= 12);
	/* a result alone waits for company, but not for ever */
	store_tick(s, clock_mono());
	store_remove(s, store_find(s, ids[1]), q_told, memset(&last, 0, sizeof(last)));
	{
		usec now = clock_mono(), due = store_tick(s, now);

		CHECK(due > now && due <= now + USEC_PER_SEC);
		pool_wait(o.pool);
		CHECK_INT(last.count, 0);
		store_tick(s, due);
		pool_wait(o.pool);
		CHECK_INT(last.count, 1);
	}
	store_close(s);
	s = q_open(&o, NULL);
	CHECK_INT(store_count(s), 99);
	store_close(s);
	pool_free(o.pool);
}

T(store_random_work_with_threads)
{
	struct store_options o = q_options(q_dir());
	static struct ledger l[MANY];
	static struct told t[MANY];
	unsigned x = 7;
	struct store *s;

	o.segment_size = 30000;
	o.big_threshold = 8000;
	o.compress = true;
	o.sync = true;
	o.pool = pool_new(2);
	s = q_open(&o, NULL);
	REQUIRE(s);
	for (int i = 0; i < MANY; i++) {
		size_t size = next_random(&x) % (next_random(&x) % 20 ? 2000 : 12000);
		int k = (int)(next_random(&x) % (unsigned)(i + 1));

		l[i] = (struct ledger){ q_put(s, size, 2, &t[i]), size, true, 0 };
		if (t[k].count)
			change(s, &l[k], &x);
		store_tick(s, next_random(&x) % 4 ? clock_mono() : clock_mono() + USEC_PER_SEC);
		store_maintain(s);
		pool_reap(o.pool);
	}
	for (int i = 0; i < MANY; i++)
		tick_until(s, o.pool, &t[i].count, 1);
	CHECK(ledger_holds(s, l, MANY));
	store_close(s);
	s = q_open(&o, NULL);
	CHECK(s && ledger_holds(s, l, MANY));
	store_close(s);
	pool_free(o.pool);
}

T(store_on_a_full_volume_is_tight_while_a_batch_of_results_is_not_flushed)
{
	struct store_options o = q_options(q_dir());
	struct told t[LIMIT_STORE_RESULTS], gone[LIMIT_STORE_RESULTS];
	uint64_t ids[LIMIT_STORE_RESULTS];
	struct store *s;

	o.pool = pool_new(1);
	s = q_open(&o, NULL);
	REQUIRE(s);
	for (int full = 0; full < 2; full++) {
		ROW("full %d", full);
		for (int i = 0; i < LIMIT_STORE_RESULTS; i++)
			ids[i] = q_put(s, 100, 1, &t[i]);
		for (int i = 0; i < LIMIT_STORE_RESULTS; i++)
			tick_until(s, o.pool, &t[i].count, 1);
		/* a message of that size has no room anywhere */
		CHECK_INT(store_has_room(s, full ? UINT64_MAX / 4 : 0), !full);
		for (int i = 0; i < LIMIT_STORE_RESULTS; i++) {
			CHECK(!store_is_tight(s));
			store_remove(s, store_find(s, ids[i]), q_told, memset(&gone[i], 0, sizeof(gone[i])));
		}
		CHECK_INT(store_is_tight(s), full);
		/* what is being written is not written yet */
		store_tick(s, clock_mono());
		CHECK_INT(store_is_tight(s), full && !gone[LIMIT_STORE_RESULTS - 1].count);
		for (int i = 0; i < LIMIT_STORE_RESULTS; i++)
			tick_until(s, o.pool, &gone[i].count, 1);
		CHECK(!store_is_tight(s));
	}
	store_close(s);
	pool_free(o.pool);
}
