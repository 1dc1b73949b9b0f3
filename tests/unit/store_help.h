/* queue_help - what the tests of the queue share: a store in a fresh directory, messages to put into it, a ledger. */
#ifndef TESTS_UNIT_QUEUE_HELP_H
#define TESTS_UNIT_QUEUE_HELP_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/store/store.h"

struct told { int count, error; struct qmsg *m; uint64_t id; };

static inline void q_told(void *ctx, struct qmsg *m, int error)
{
	struct told *t = ctx;

	t->count++;
	t->error = error;
	t->m = m;
	t->id = m ? m->id : 0;
}

static inline const char *q_dir(void)
{
	static char dirs[16][256];
	static int n;
	char *dir = dirs[n % 16];

	snprintf(dir, sizeof(dirs[0]), "%s/q%d", t_tmpdir(), n++);
	return dir;
}

static char q_fast[64];

static inline int q_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

__attribute__((destructor)) static void q_fast_remove(void)
{
	if (q_fast[0])
		nftw(q_fast, q_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* q_fast_dir - in memory where there is such a place: for what opens thousands of queues; removed at the end */
static inline const char *q_fast_dir(void)
{
	if (q_fast[0])
		return q_fast;
	snprintf(q_fast, sizeof(q_fast), "/dev/shm/relaybox-test-XXXXXX");
	if (!mkdtemp(q_fast)) {
		q_fast[0] = 0;
		return t_tmpdir();
	}
	return q_fast;
}

static inline struct store_options q_options(const char *dir)
{
	return (struct store_options){ .dir = dir, .segment_size = 1 << 20, .big_threshold = 64 * 1024 };
}

static inline void q_found(void *ctx, struct qmsg *m)
{
	(*(int *)ctx)++;
}

static inline struct store *q_open(const struct store_options *o, int *found)
{
	int none = 0;
	struct buf why;
	struct store *s;

	buf_init(&why, 4096);
	if (found)
		*found = 0;
	s = store_open(o, q_found, found ? found : &none, &why);
	t_check(__FILE__, __LINE__, s ? "opens" : buf_cstr(&why), s != NULL);
	buf_fini(&why);
	return s;
}

/* q_content - n bytes that only this id has */
static inline void q_content(struct buf *b, uint64_t seed, size_t n)
{
	buf_init(b, n + 64);
	for (size_t i = 0; b->n < n; i++)
		buf_printf(b, "%016llx, piece %zu of what only it has;\n", (unsigned long long)seed, i);
	buf_truncate(b, n);
}

/* the first bytes of what q_content makes serve as header section, and the others as body */
enum { Q_HEADER = 60 };

/* q_put - commit a message of n bytes with n_rcpts recipients; ids answer through t */
static inline uint64_t q_put(struct store *s, size_t n, size_t n_rcpts, struct told *t)
{
	struct rcpt *rcpts = mem_alloc(n_rcpts * sizeof(*rcpts));
	struct envelope e = { .sender = STR("s@example.com"), .rcpts = rcpts, .n_rcpts = n_rcpts, .arrival = 1700000000000000, .uid = -1 };
	struct store_writer *w;
	struct buf b;
	uint64_t id;

	for (size_t i = 0; i < n_rcpts; i++)
		rcpts[i].addr = i % 2 ? STR("odd@example.net") : STR("even@example.org");
	*t = (struct told){ .error = -1 };
	w = store_begin(s, &id);
	q_content(&b, id, n);
	for (size_t at = Q_HEADER; at < n; at += 16384)
		if (store_add(w, str_head(str_from(buf_view(&b), at), 16384)) < 0)
			break;
	store_commit(w, &e, str_head(buf_view(&b), Q_HEADER), q_told, t);
	buf_fini(&b);
	mem_free(rcpts);
	return id;
}

/* q_whole - is the message there, byte for byte? */
static inline bool q_whole(struct store *s, uint64_t id, size_t n)
{
	struct qmsg *m = store_find(s, id);
	struct store_reader *r = m ? store_read_open(s, m) : NULL;
	struct envelope e;
	struct arena a;
	struct buf b;
	char *got;
	bool ok;

	if (!r)
		return false;
	arena_init(&a, 1 << 24);
	q_content(&b, id, n);
	got = mem_alloc(n + 1);
	ok = m->size == n && store_read_header(r).n == (n < Q_HEADER ? n : Q_HEADER);
	ok = ok && (!n || memcmp(store_read_header(r).p, b.p, store_read_header(r).n) == 0);
	for (size_t at = 0; ok && at < n; at += 1000)
		ok = store_read(r, at, got + at, 1000 < n - at ? 1000 : n - at) == (ssize_t)(1000 < n - at ? 1000 : n - at);
	ok = ok && store_read(r, n, got, 1) == 0 && memcmp(got, b.p ? b.p : "", n) == 0;
	ok = ok && store_envelope(s, m, &a, &e) == 0 && e.size == n && e.header_size == store_read_header(r).n && str_eq(e.sender, STR("s@example.com"));
	store_read_close(r);
	mem_free(got);
	buf_fini(&b);
	arena_fini(&a);
	return ok;
}

static inline int q_count_names(const char *dir, const char *sub)
{
	char path[512];
	struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", dir, sub);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static inline void q_copy_file(const char *from, const char *to)
{
	struct buf b;
	int fd;

	buf_init(&b, 1 << 28);
	t_check(__FILE__, __LINE__, from, fs_read_file(from, &b) == 0);
	fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	t_check(__FILE__, __LINE__, to, fd >= 0 && write(fd, b.p, b.n) == (ssize_t)b.n);
	close(fd);
	buf_fini(&b);
}

/* q_copy - a second directory with the same files, as after a kill */
static inline void q_copy(const char *from, const char *to)
{
	static const char *const subs[] = { "", "log", "big", "corrupt" };

	for (size_t i = 0; i < 4; i++) {
		char a[512], b[512], x[800], y[800];
		struct dirent *e;
		struct stat st;
		DIR *d;

		snprintf(a, sizeof(a), "%s/%s", from, subs[i]);
		snprintf(b, sizeof(b), "%s/%s", to, subs[i]);
		mkdir(b, 0700);
		d = opendir(a);
		while (d && (e = readdir(d))) {
			snprintf(x, sizeof(x), "%s/%s", a, e->d_name);
			snprintf(y, sizeof(y), "%s/%s", b, e->d_name);
			if (!stat(x, &st) && S_ISREG(st.st_mode))
				q_copy_file(x, y);
		}
		if (d)
			closedir(d);
	}
}

#endif
