/* test_store_fault - the promise, at every call: the same scripted work is done again and again, and each time another
 * file-system call fails, or is the last one before a crash; then the queue is opened and compared with the ledger.
 *  - acknowledged and not removed: there, byte for byte
 *  - removed, and the removal acknowledged: gone for good
 *  - refused: never there
 *  - in doubt (no answer yet): whole, or not there
 *  - never anything else, never two, never mixed; nothing acknowledged after a flush that failed
 * Each run is a process of its own, so that a crash is one. */
#include "tests/unit/t.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "tests/unit/fs_model.h"
#include "tests/unit/store_help.h"

enum { LEDGER = 120, IMAGES = 4 };

enum answer { SENT, ACKED, REFUSED };
struct row {
	uint64_t id;
	size_t n;
	enum answer in, out;            /* the message; its removal (SENT with asked_out) */
	bool asked_out;
	usec due_asked, due_acked;      /* its newest state */
};

/* shared with the children */
static struct shared {
	struct row rows[LEDGER];
	int n;
	bool acked_after;
	bool may_return;                /* what was refused last may be there after a crash */
	bool images_made, finished;
	unsigned long calls, moved;
	char where[64];
} *shared;

static char live[200];

/* --- the work ---------------------------------------------------------------------------------------------------------- */

static void on_in(void *ctx, struct qmsg *m, int error)
{
	struct row *r = ctx;

	r->in = error ? REFUSED : ACKED;
	if (!error && model.flush_failed)
		shared->acked_after = true;
}

static void on_out(void *ctx, struct qmsg *m, int error)
{
	struct row *r = ctx;

	r->out = error ? REFUSED : ACKED;
}

static void on_state(void *ctx, struct qmsg *m, int error)
{
	struct row *r = ctx;

	if (!error)
		r->due_acked = r->due_asked;
}

static void put_one(struct store *s, size_t n)
{
	struct rcpt rcpts[2] = { { .addr = STR("a@example.org") }, { .addr = STR("b@example.org") } };
	struct envelope e = { .sender = STR("s@example.com"), .rcpts = rcpts, .n_rcpts = 2, .arrival = 1700000000000000, .uid = -1 };
	struct row *r = &shared->rows[shared->n];
	struct store_writer *w = store_begin(s, &r->id);
	struct buf b;

	/* a start soon after a refusal may give that id again */
	for (struct row *old = shared->rows; old < r; old++)
		if (old->id == r->id && old->in == REFUSED)
			old->id = 0;
	*r = (struct row){ .id = r->id, .n = n };
	shared->n++;
	q_content(&b, r->id, n);
	if (store_add(w, str_from(str_head(buf_view(&b), n / 2), Q_HEADER)) < 0 || store_add(w, str_from(buf_view(&b), n / 2 > Q_HEADER ? n / 2 : Q_HEADER)) < 0) {
		store_abort(w);
		r->in = REFUSED;
	} else {
		store_commit(w, &e, str_head(buf_view(&b), Q_HEADER), on_in, r);
	}
	buf_fini(&b);
}

static void update_one(struct store *s, int i, usec due)
{
	struct rcpt_state v[2] = { { .status = RCPT_DONE, .last = { .code = 250 } }, { .last = { .code = 450, .text = STR("no") } } };
	struct row *r = &shared->rows[i];
	struct qmsg *m = r->in == ACKED ? store_find(s, r->id) : NULL;

	if (!m)
		return;
	r->due_asked = due;
	store_update(s, m, v, due, on_state, r);
}

static void remove_one(struct store *s, int i)
{
	struct row *r = &shared->rows[i];
	struct qmsg *m = r->in == ACKED ? store_find(s, r->id) : NULL;

	if (!m)
		return;
	r->asked_out = true;
	store_remove(s, m, on_out, r);
}

static void tick(struct store *s)
{
	store_tick(s, clock_mono());
}

static struct store *open_live(const char *dir)
{
	struct store_options o = { .dir = dir, .segment_size = 4096, .big_threshold = 3000, .sync = true, .compress = true };
	struct buf why;
	struct store *s;

	buf_init(&why, 1000);
	s = store_open(&o, NULL, NULL, &why);
	buf_fini(&why);
	return s;
}

/* work - accept, large and small; states; removals; full segments, dropped and reused; compaction; close */
static void work(struct store *s)
{
	put_one(s, 100);
	put_one(s, 2500);
	tick(s);
	put_one(s, 5000);
	put_one(s, 0);
	tick(s);
	update_one(s, 0, 111);
	remove_one(s, 1);
	tick(s);
	for (int i = 0; i < 14; i++) {
		put_one(s, 900 + (size_t)i * 10);
		tick(s);
		if (i % 3)
			remove_one(s, shared->n - 1);
		if (i == 9)
			update_one(s, 0, 222);
		store_maintain(s);
	}
	remove_one(s, 2);
	put_one(s, 4000);
	tick(s);
	for (int i = 0; i < 30; i++) {
		store_maintain(s);
		if (i % 4 == 0)
			tick(s);
		if (i == 6)
			update_one(s, 0, 333);
		if (i == 7)
			remove_one(s, 4);
	}
	/* and again once time has passed: a refused write is tried again */
	store_tick(s, clock_mono() + 5 * USEC_PER_SEC);
	put_one(s, 50);
	store_tick(s, clock_mono() + 10 * USEC_PER_SEC);
}

static int whole_life(void)
{
	struct store *s = open_live(live);
	struct store_stats st;

	/* a start may be refused, with nothing lost */
	if (!s)
		return 0;
	work(s);
	store_stats(s, &st);
	shared->moved = st.moved;
	store_close(s);
	/* after a restart the disk is asked anew */
	model.flush_failed = false;
	s = open_live(live);
	if (!s)
		return 0;
	put_one(s, 60);
	update_one(s, shared->n - 1, 444);
	store_close(s);
	return 0;
}

/* --- judging -------------------------------------------------------------------------------------------------------------- */

static char said[300];

#define SAY(...) (snprintf(said, sizeof(said), __VA_ARGS__), false)

static bool judge_row(struct store *s, const struct row *r)
{
	struct qmsg *m = store_find(s, r->id);

	if (m && !q_whole(s, r->id, r->n))
		return SAY("message %d is not whole", (int)(r - shared->rows));
	if (r->in == REFUSED)
		return m && !shared->may_return ? SAY("message %d was refused and is there", (int)(r - shared->rows)) : true;
	if (r->out == ACKED)
		return m ? SAY("message %d was removed and is there", (int)(r - shared->rows)) : true;
	if (!m)
		return r->in == ACKED && !r->asked_out ? SAY("message %d is lost", (int)(r - shared->rows)) : true;
	if (r->due_acked && m->due.key != r->due_acked && m->due.key != r->due_asked)
		return SAY("message %d lost its state", (int)(r - shared->rows));
	return true;
}

static bool judge(struct store *s)
{
	size_t there = 0;
	struct store_stats st;

	if (!s)
		return SAY("the queue does not open");
	for (int i = 0; i < shared->n; i++) {
		if (!judge_row(s, &shared->rows[i]))
			return false;
		there += store_find(s, shared->rows[i].id) != NULL;
	}
	if (there != store_count(s))
		return SAY("there are messages that nobody sent");
	store_stats(s, &st);
	if (shared->acked_after)
		return SAY("a message was acknowledged after a failed flush");
	return true;
}

static void drop_dir(const char *dir)
{
	static const char *const subs[] = { "/log", "/big", "/corrupt", "" };

	for (int i = 0; i < 4; i++) {
		char path[400], name[700];
		struct dirent *e;
		DIR *d;

		snprintf(path, sizeof(path), "%s%s", dir, subs[i]);
		d = opendir(path);
		while (d && (e = readdir(d))) {
			snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
			unlink(name);
		}
		if (d)
			closedir(d);
		rmdir(path);
	}
}

static void image_dir(char *out, size_t n, int i)
{
	snprintf(out, n, "%s-image%d", live, i);
}

static bool judge_dir(const char *dir)
{
	struct store *s = open_live(dir);
	bool ok = judge(s);

	/* a start that was interrupted must not make it worse: what the first one did, the second one finds */
	if (s)
		store_close(s);
	if (ok && (s = open_live(dir)) != NULL) {
		ok = judge(s);
		store_close(s);
	}
	return ok;
}

/* --- runs ------------------------------------------------------------------------------------------------------------------ */

static void crash(void)
{
	shared->calls = model.calls;
	snprintf(shared->where, sizeof(shared->where), "%.63s", model.crashed_in);
	for (int i = 0; i < IMAGES; i++) {
		char dir[300];

		image_dir(dir, sizeof(dir), i);
		model_image(dir, i < 2 ? i : (int)model.at * IMAGES + i);
	}
	shared->images_made = true;
	_exit(0);
}

struct run { enum model_fault fault; unsigned long at, times; int error; const char *only, *blind; unsigned long then; };

/* run - in a child; false: it did not end well */
static bool run(const struct run *r, int (*what)(void))
{
	int status;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	drop_dir(live);
	mkdir(live, 0700);
	pid = fork();
	if (!pid) {
		model.on_crash = crash;
		model_watch(live);
		model.fault = r->fault;
		model.at = r->at;
		model.times = r->times ? r->times : 1;
		model.error = r->error;
		model.only = r->only;
		model.blind = r->blind;
		model.then = r->then;
		what();
		shared->calls = model.calls;
		shared->finished = true;
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

static bool begin(void)
{
	log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = "/dev/null", .syslog_name = "postfix", .host = "h" });
	if (!shared)
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snprintf(live, sizeof(live), "%s/live", q_fast_dir());
	return shared != MAP_FAILED;
}

static unsigned long count_calls(const char *only)
{
	struct run r = { .only = only };

	CHECK(run(&r, whole_life));
	CHECK(shared->finished);
	CHECK(judge_dir(live));
	return shared->calls;
}

/* crash_everywhere - every third call, so that one case stays within its time */
static void crash_everywhere(enum model_fault fault, const char *only, unsigned long first)
{
	unsigned long calls = count_calls(only);
	int bad = 0;

	CHECK(calls > 30);
	CHECK(shared->moved > 0);
	for (unsigned long at = first; at <= calls && bad < 5; at += 3) {
		struct run r = { .fault = fault, .at = at, .only = only };

		ROW("crash at call %lu of %lu", at, calls);
		bad += !CHECK(run(&r, whole_life) && shared->images_made);
		for (int i = 0; i < IMAGES; i++) {
			char dir[300];

			image_dir(dir, sizeof(dir), i);
			if (!judge_dir(dir)) {
				t_fail(__FILE__, __LINE__, "crash at call %lu (%s), image %d: %s", at, shared->where, i, said);
				bad++;
			}
			drop_dir(dir);
		}
	}
	drop_dir(live);
}

T(store_keeps_its_promise_over_a_crash_at_calls_1_4_7)
{
	REQUIRE(begin());
	crash_everywhere(FAULT_CRASH, NULL, 1);
}

T(store_keeps_its_promise_over_a_crash_at_calls_2_5_8)
{
	REQUIRE(begin());
	crash_everywhere(FAULT_CRASH, NULL, 2);
}

T(store_keeps_its_promise_over_a_crash_at_calls_3_6_9)
{
	REQUIRE(begin());
	crash_everywhere(FAULT_CRASH, NULL, 3);
}

T(store_keeps_its_promise_over_a_crash_in_a_write)
{
	REQUIRE(begin());
	for (unsigned long first = 1; first <= 3; first++)
		crash_everywhere(FAULT_CRASH_HALF, "write", first);
}

static void fail_everywhere(const char *only, enum model_fault fault, int error, unsigned long times)
{
	unsigned long calls = count_calls(only);
	int bad = 0;

	CHECK(calls > 0);
	for (unsigned long at = 1; at <= calls && bad < 5; at++) {
		struct run r = { fault, at, times, error, only, NULL, 0 };

		ROW("%s: %s at call %lu of %lu", only, strerror(error), at, calls);
		bad += !CHECK(run(&r, whole_life));
		if (!judge_dir(live)) {
			t_fail(__FILE__, __LINE__, "%s: %s at call %lu of %lu: %s", only, strerror(error), at, calls, said);
			bad++;
		}
	}
	drop_dir(live);
}

T(store_keeps_its_promise_when_a_write_fails)
{
	REQUIRE(begin());
	fail_everywhere("write", FAULT_ERROR, ENOSPC, 1);
	fail_everywhere("write", FAULT_ERROR, EIO, 1);
	fail_everywhere("write", FAULT_ERROR, EDQUOT, 1);
}

T(store_keeps_its_promise_when_a_flush_fails)
{
	REQUIRE(begin());
	fail_everywhere("flush", FAULT_ERROR, EIO, 1);
	fail_everywhere("flush", FAULT_ERROR, ENOSPC, 1);
	fail_everywhere("flush", FAULT_ERROR, EDQUOT, 1);
	fail_everywhere("flush dir", FAULT_ERROR, EIO, 1);
	fail_everywhere("flush dir", FAULT_ERROR, ENOSPC, 1);
}

/* busy_life - the work, and what was asked for must be done at its end, as long as no flush failed for good */
static int busy_life(void)
{
	struct store *s = open_live(live);

	if (!s)
		return 0;
	work(s);
	store_tick(s, clock_mono() + 15 * USEC_PER_SEC);
	if (model.then)
		crash();
	store_close(s);
	return 0;
}

static bool all_done(void)
{
	for (int i = 0; i < shared->n; i++) {
		const struct row *r = &shared->rows[i];

		if (r->asked_out && r->out != ACKED)
			return SAY("the end of message %d is forgotten", i);
		if (!r->asked_out && r->due_acked != r->due_asked)
			return SAY("the state of message %d is forgotten", i);
	}
	return !shared->n || shared->rows[shared->n - 1].in == ACKED ? true : SAY("no message is accepted any more");
}

T(store_goes_on_after_a_flush_without_room)
{
	static const unsigned long times[] = { 1, 2, 3, 6 };
	unsigned long calls;

	REQUIRE(begin());
	calls = count_calls("flush");
	for (unsigned long at = 1; at + 20 <= calls; at++)
		for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
			struct run r = { FAULT_ERROR, at, times[i], i % 2 ? EDQUOT : ENOSPC, "flush", NULL, 0 };

			ROW("%lu flushes from the %luth on without room", times[i], at);
			if (!CHECK(run(&r, busy_life)) || !all_done() || !judge_dir(live))
				t_fail(__FILE__, __LINE__, "%lu flushes from %lu on: %s", times[i], at, said);
		}
	drop_dir(live);
}

T(store_keeps_its_promise_over_a_crash_after_a_flush_without_room)
{
	static const unsigned long then[] = { 1, 2, 4, 8, 14, 25, 50, 100000 };
	unsigned long calls;
	int bad = 0;

	REQUIRE(begin());
	calls = count_calls("flush");
	for (unsigned long at = 1; at <= calls && bad < 5; at++) {
		size_t k = at % (sizeof(then) / sizeof(then[0]));
		struct run r = { FAULT_ERROR, at, 1 + at % 3, ENOSPC, "flush", NULL, then[k] };

		ROW("flush %lu without room, a crash %lu calls later", at, then[k]);
		bad += !CHECK(run(&r, busy_life) && shared->images_made);
		shared->may_return = r.times > 1 && r.then < 1000;
		for (int i = 0; i < IMAGES; i++) {
			char dir[300];

			image_dir(dir, sizeof(dir), i);
			if (!judge_dir(dir)) {
				t_fail(__FILE__, __LINE__, "flush %lu (%lu of them), then %lu, image %d: %s", at, r.times, then[k], i, said);
				bad++;
			}
			drop_dir(dir);
		}
	}
	drop_dir(live);
}

T(store_keeps_its_promise_when_another_call_fails)
{
	static const struct { const char *only; int errors[4]; } rows[] = {
		{ "create", { ENOSPC, EMFILE, ENOMEM, EDQUOT } }, { "open", { EMFILE, EIO, ENOMEM } }, { "allocate", { ENOSPC, EIO, EDQUOT } },
		{ "rename", { EIO, ENOSPC } }, { "unlink", { EIO, ENOMEM } }, { "truncate", { EIO, ENOSPC } }, { "read", { EIO, ENOMEM } },
		{ "close", { EIO, EDQUOT } }, { "list", { EIO, EMFILE, ENOMEM } }, { "mkdir", { ENOSPC, EDQUOT, ENOMEM } },
	};

	REQUIRE(begin());
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int k = 0; k < 4 && rows[i].errors[k]; k++)
			fail_everywhere(rows[i].only, FAULT_ERROR, rows[i].errors[k], 1);
}

T(store_keeps_its_promise_when_the_disk_is_full_for_a_while)
{
	REQUIRE(begin());
	fail_everywhere("write", FAULT_SHORT, ENOSPC, 1);
	fail_everywhere("write", FAULT_SHORT, ENOSPC, 4);
	fail_everywhere("write", FAULT_ERROR, ENOSPC, 6);
}

/* --- a crash while the start after a crash is at work -------------------------------------------------------------------- */

static char again[150];

static int start_only(void)
{
	struct store *s = open_live(again);

	if (s)
		store_close(s);
	return 0;
}

/* crash_start - the start from `again`, ended at its call `at`; false: it has no such call */
static bool crash_start(unsigned long at)
{
	int status;
	pid_t pid;

	/* before there is a child: it may be through before we go on */
	shared->images_made = false;
	pid = fork();
	if (!pid) {
		snprintf(live, sizeof(live), "%s-second", again);
		model.on_crash = crash;
		model_watch(again);
		model.fault = FAULT_CRASH;
		model.at = at;
		model.times = 1;
		start_only();
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status));
	return shared->images_made;
}

/* the start changes the directory it is crashed in: each time it gets a fresh copy */
static void crash_every_start(const char *image)
{
	int bad = 0;

	for (unsigned long at = 1; !bad; at++) {
		bool more;

		snprintf(again, sizeof(again), "%.120s-again", image);
		mkdir(again, 0700);
		q_copy(image, again);
		more = crash_start(at);
		for (int i = 0; more && i < IMAGES; i++) {
			char dir[400];

			snprintf(dir, sizeof(dir), "%s-second-image%d", again, i);
			if (!judge_dir(dir)) {
				t_fail(__FILE__, __LINE__, "second crash at call %lu (%s), image %d: %s", at, shared->where, i, said);
				bad++;
			}
			drop_dir(dir);
		}
		drop_dir(again);
		if (!more) {
			CHECK(at > 10);
			break;
		}
	}
}

T(store_keeps_its_promise_over_a_crash_of_the_start)
{
	unsigned long calls;

	REQUIRE(begin());
	calls = count_calls(NULL);
	for (unsigned long part = 1; part <= 6; part++) {
		struct run r = { .fault = FAULT_CRASH, .at = calls * part / 7 };

		ROW("first crash at call %lu of %lu", r.at, calls);
		CHECK(run(&r, whole_life) && shared->images_made);
		for (int i = 0; i < IMAGES; i++) {
			char dir[300];

			image_dir(dir, sizeof(dir), i);
			if (i % 2 == 0)
				crash_every_start(dir);
			drop_dir(dir);
		}
	}
	drop_dir(live);
}

/* a model that cannot find what is missing proves nothing: without either flush messages must be lost */
static int losses_without(const char *blind)
{
	unsigned long calls = count_calls(NULL);
	int lost = 0;

	for (unsigned long at = 1; at <= calls; at += 7) {
		struct run r = { .fault = FAULT_CRASH, .at = at, .blind = blind };

		CHECK(run(&r, whole_life) && shared->images_made);
		for (int i = 0; i < IMAGES; i++) {
			char dir[300];

			image_dir(dir, sizeof(dir), i);
			lost += !judge_dir(dir);
			drop_dir(dir);
		}
	}
	drop_dir(live);
	return lost;
}

T(the_model_notices_a_missing_flush)
{
	REQUIRE(begin());
	CHECK(losses_without("flush") > 0);
	CHECK(losses_without("flush dir") > 0);
}
