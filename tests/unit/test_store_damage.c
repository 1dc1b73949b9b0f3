/* test_store_damage - a log that the disk has changed: every byte flipped, every length cut, whole files gone. Never a
 * crash, never wrong content; at most the record that was touched is set aside. */
#include "tests/unit/t.h"

#include "core/base/clock.h"
#include "core/base/crc.h"
#include "core/base/log.h"
#include "tests/unit/store_help.h"

enum { MESSAGES = 5 };

static struct {
	char dir[256];          /* the undamaged store */
	char segment[600];
	char name[64];
	struct buf bytes;
	uint64_t ids[MESSAGES];
	size_t sizes[MESSAGES];
	bool alive[MESSAGES];
	uint64_t from[2 * MESSAGES + 2], to[2 * MESSAGES + 2]; /* where records stand, in order */
	size_t n_records;
} f;

static void find_segment(void)
{
	char log_dir[300];
	struct dirent *e;
	DIR *d;

	snprintf(log_dir, sizeof(log_dir), "%s/log", f.dir);
	d = opendir(log_dir);
	while (d && (e = readdir(d)))
		if (strstr(e->d_name, ".seg")) {
			snprintf(f.name, sizeof(f.name), "%.60s", e->d_name);
			snprintf(f.segment, sizeof(f.segment), "%s/%s", log_dir, e->d_name);
		}
	if (d)
		closedir(d);
	buf_init(&f.bytes, 1 << 20);
	CHECK_INT(fs_read_file(f.segment, &f.bytes), 0);
}

/* make - five messages, one with a state, one ended; a log closed in order, or as a kill leaves it */
static void make(bool closed)
{
	static const size_t sizes[MESSAGES] = { 100, 0, 300, 5000, 50 };
	struct rcpt_state v[2] = { { .status = RCPT_DONE }, { .last = { .code = 450, .text = STR("later") } } };
	struct store_options o;
	struct store *s;
	struct told t;
	char copy[256];

	log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = "/dev/null", .syslog_name = "postfix", .host = "h" });
	memset(&f, 0, sizeof(f));
	snprintf(f.dir, sizeof(f.dir), "%s", q_dir());
	o = q_options(f.dir);
	o.compress = true;
	s = q_open(&o, NULL);
	for (int i = 0; i < MESSAGES; i++) {
		f.sizes[i] = sizes[i];
		f.ids[i] = q_put(s, sizes[i], 2, &t);
		f.alive[i] = i != 4;
		store_tick(s, clock_mono());
	}
	store_update(s, store_find(s, f.ids[1]), v, 77, NULL, NULL);
	store_remove(s, store_find(s, f.ids[4]), NULL, NULL);
	store_tick(s, clock_mono());
	if (!closed) {
		snprintf(copy, sizeof(copy), "%s", q_dir());
		q_copy(f.dir, copy);
		store_close(s);
		snprintf(f.dir, sizeof(f.dir), "%s", copy);
	} else {
		store_close(s);
	}
	find_segment();
}

static const char *damaged_copy(const void *p, size_t n)
{
	static char dir[256];
	char path[512];
	int fd;

	snprintf(dir, sizeof(dir), "%s/damaged", q_fast_dir());
	mkdir(dir, 0700);
	snprintf(path, sizeof(path), "%s/log", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/log/%s", dir, f.name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK_INT(write(fd, p, n), n);
	close(fd);
	return dir;
}

static int drop_name(void *ctx, const char *name)
{
	char path[800];

	snprintf(path, sizeof(path), "%s/%s", (const char *)ctx, name);
	return unlink(path);
}

static void drop_copy(const char *dir)
{
	static const char *const subs[] = { "log", "big", "corrupt" };

	char path[512];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, subs[i]);
		fs_each_name(path, drop_name, path);
		rmdir(path);
	}
	snprintf(path, sizeof(path), "%s/lock", dir);
	unlink(path);
	rmdir(dir);
}

/* judge - how many messages are not as they were; wrong content is a failure whatever was damaged */
static int judge(struct store *s)
{
	int lost = 0;

	for (int i = 0; i < MESSAGES; i++) {
		struct qmsg *m = store_find(s, f.ids[i]);
		struct store_reader *r = m ? store_read_open(s, m) : NULL;

		store_read_close(r);
		/* an end that was damaged lets its message come back: whole, or not at all */
		if (m && r && !q_whole(s, f.ids[i], f.sizes[i])) {
			struct envelope e;
			struct arena a;

			arena_init(&a, 100000);
			CHECK(store_envelope(s, m, &a, &e) < 0 && errno == EILSEQ);
			arena_fini(&a);
		}
		lost += f.alive[i] ? !(m && q_whole(s, f.ids[i], f.sizes[i])) : m != NULL;
		if (m && i == 1 && m->n_pending == 1) {
			struct rcpt_state *v;
			struct arena a;

			arena_init(&a, 100000);
			/* a state that is damaged is as good as none: never the end of its message, never half of one */
			if (CHECK(!store_states(s, m, &a, &v))) {
				CHECK_INT(v[1].status, RCPT_PENDING);
				CHECK_VIEW(v[1].last.text, v[0].status == RCPT_DONE ? "later" : "");
			}
			arena_fini(&a);
		} else if (m && i == 1) {
			lost++;
		}
	}
	return lost;
}

static void flip_all(void)
{
	char *p = mem_realloc(NULL, f.bytes.n);

	memcpy(p, f.bytes.p, f.bytes.n);
	for (size_t i = 0; i < f.bytes.n; i++) {
		struct store_options o = q_options(NULL);
		struct store *s;
		int lost;

		ROW("byte %zu of %zu", i, f.bytes.n);
		p[i] = (char)(p[i] ^ (1 << i % 8));
		o.dir = damaged_copy(p, f.bytes.n);
		s = q_open(&o, NULL);
		p[i] = f.bytes.p[i];
		if (!s)
			break;
		lost = judge(s);
		CHECK(lost <= 1);
		store_close(s);
		/* and what this start made of it is stable */
		s = q_open(&o, NULL);
		if (s)
			CHECK_INT(judge(s), lost);
		store_close(s);
		drop_copy(o.dir);
	}
	mem_free(p);
}

T(store_survives_any_flipped_byte_of_a_running_log)
{
	make(false);
	flip_all();
	buf_fini(&f.bytes);
}

T(store_survives_any_flipped_byte_of_a_closed_log)
{
	make(true);
	flip_all();
	buf_fini(&f.bytes);
}

T(store_survives_any_truncation)
{
	int least = 0;

	make(false);
	for (size_t n = 0; n <= f.bytes.n; n++) {
		struct store_options o = q_options(NULL);
		struct store *s;
		int alive = 0;

		ROW("%zu of %zu bytes", n, f.bytes.n);
		o.dir = damaged_copy(f.bytes.p, n);
		s = q_open(&o, NULL);
		if (!s)
			break;
		judge(s);
		for (int i = 0; i < 4; i++)
			alive += store_find(s, f.ids[i]) && q_whole(s, f.ids[i], f.sizes[i]);
		/* more bytes never mean fewer messages, and all there are whole */
		CHECK(alive >= least);
		least = alive;
		store_close(s);
		drop_copy(o.dir);
	}
	CHECK_INT(least, 4);
	buf_fini(&f.bytes);
}

T(store_names_what_it_sets_aside)
{
	struct store_options o = q_options(NULL);
	struct store_stats st;
	struct store *s;
	char qid[QID_MAX], want[64];
	struct told t;
	size_t at;

	make(false);
	qid_format(qid, f.ids[0]);
	/* inside the first message's content */
	at = 128 + 40 + 24;
	f.bytes.p[at] ^= 1;
	o.dir = damaged_copy(f.bytes.p, f.bytes.n);
	s = q_open(&o, NULL);
	REQUIRE(s);
	CHECK_INT(store_count(s), 3);
	store_stats(s, &st);
	CHECK_INT(st.corrupt, 1);
	CHECK_INT(q_count_names(o.dir, "corrupt"), 1);
	snprintf(want, sizeof(want), "corrupt/%.8s-00000080-%s", f.name, qid);
	{
		char path[512];
		struct stat sb;

		snprintf(path, sizeof(path), "%s/%s", o.dir, want);
		CHECK_INT(stat(path, &sb), 0);
	}
	/* the id is not given again */
	CHECK(q_put(s, 10, 1, &t) > f.ids[4]);
	store_tick(s, clock_mono());
	store_close(s);
	/* and once is enough */
	s = q_open(&o, NULL);
	REQUIRE(s);
	CHECK_INT(store_count(s), 4);
	CHECK_INT(q_count_names(o.dir, "corrupt"), 1);
	store_close(s);
	drop_copy(o.dir);
	buf_fini(&f.bytes);
}

T(store_notices_damage_when_it_reads)
{
	struct store_options o;
	struct store *s;
	struct qmsg *m;
	int fd;
	char byte;

	make(true);
	o = q_options(f.dir);
	s = q_open(&o, NULL);
	REQUIRE(s);
	m = store_find(s, f.ids[2]);
	REQUIRE(m && q_whole(s, f.ids[2], f.sizes[2]));
	fd = open(f.segment, O_RDWR);
	CHECK_INT(pread(fd, &byte, 1, m->record.offset + m->record.length - 1), 1);
	byte ^= 4;
	CHECK_INT(pwrite(fd, &byte, 1, m->record.offset + m->record.length - 1), 1);
	close(fd);
	errno = 0;
	CHECK(!store_read_open(s, m));
	CHECK_INT(errno, EILSEQ);
	CHECK_INT(q_count_names(f.dir, "corrupt"), 1);
	CHECK_INT(store_remove(s, m, NULL, NULL), 0);
	store_close(s);
	s = q_open(&o, NULL);
	CHECK_INT(store_count(s), 3);
	store_close(s);
	buf_fini(&f.bytes);
}

T(store_keeps_the_content_that_a_cut_segment_named)
{
	struct store_options o = q_options(q_dir());
	struct store *s;
	char path[512], qid[QID_MAX];
	uint64_t id;
	struct told t;

	o.segment_size = 4096;
	s = q_open(&o, NULL);
	REQUIRE(s);
	q_put(s, 2000, 1, &t);
	store_tick(s, clock_mono());
	id = q_put(s, 200000, 1, &t);
	store_tick(s, clock_mono());
	for (int i = 0; i < 4; i++) {
		q_put(s, 2000, 1, &t);
		store_tick(s, clock_mono());
	}
	store_close(s);
	snprintf(path, sizeof(path), "%s/log/00000001.seg", o.dir);
	/* where a record ends, so that nothing else tells that more was there */
	CHECK_INT(truncate(path, 128), 0);
	s = q_open(&o, NULL);
	REQUIRE(s);
	CHECK(!store_find(s, id));
	store_close(s);
	qid_format(qid, id);
	snprintf(path, sizeof(path), "%s/corrupt/%s.content", o.dir, qid);
	CHECK_INT(access(path, F_OK), 0);
}

T(store_does_not_wait_for_what_is_no_file)
{
	struct store_options o = q_options(q_dir());
	struct store *s = q_open(&o, NULL);
	char path[512];

	REQUIRE(s);
	store_close(s);
	snprintf(path, sizeof(path), "%s/log/00000009.seg", o.dir);
	CHECK_INT(mkfifo(path, 0600), 0);
	store_close(q_open(&o, NULL));
}

T(store_notices_damaged_and_missing_big_files)
{
	struct store_options o = q_options(q_dir());
	struct store_reader *r;
	struct store *s;
	char path[512], qid[QID_MAX], got[1000];
	uint64_t ids[3];
	struct told t;
	ssize_t n = 1;
	int fd;

	s = q_open(&o, NULL);
	REQUIRE(s);
	for (int i = 0; i < 3; i++)
		ids[i] = q_put(s, 200000, 1, &t);
	store_tick(s, clock_mono());
	for (int i = 0; i < 2; i++) {
		qid_format(qid, ids[i]);
		snprintf(path, sizeof(path), "%s/big/%s", o.dir, qid);
		if (i == 0) {
			fd = open(path, O_RDWR);
			CHECK_INT(pwrite(fd, "\0", 1, 100000), 1);
			close(fd);
		}
	}
	r = store_read_open(s, store_find(s, ids[0]));
	REQUIRE(r);
	for (uint64_t at = 0; n > 0; at += (uint64_t)n)
		n = store_read(r, at, got, sizeof(got));
	/* never the last piece of content that is not what was accepted */
	CHECK_INT(n, -1);
	CHECK_INT(errno, EILSEQ);
	store_read_close(r);
	store_close(s);
	CHECK_INT(truncate(path, 1000), 0);
	s = q_open(&o, NULL);
	REQUIRE(s);
	CHECK(!store_find(s, ids[1]));
	CHECK(q_whole(s, ids[2], 200000));
	store_close(s);
	CHECK_INT(q_count_names(o.dir, "corrupt"), 2);
	s = q_open(&o, NULL);
	CHECK_INT(store_count(s), 2);
	store_close(s);
}
