/* store - open, close, the index of messages in memory. See store.h and store_private.h. */
#include "core/base/format.h"
#include "core/store/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"

enum { SLAB = 1024, SEGMENT_LEAST = 4096 };
/* at a start ids go on at the milliseconds since here: an id that was only logged, and never stored, is hardly given
 * again either; ten digits are enough until 2054 */
#define ID_EPOCH ((usec)1577836800 * USEC_PER_SEC)
#define ID_TICKS(us) ((uint64_t)((us) / 1000))

/* --- messages in memory ------------------------------------------------------------------------------------------- */

struct qmsg *store_msg_new(struct store *s)
{
	struct list *l = list_first(&s->free_msgs);
	struct qmsg *m;

	if (l) {
		list_remove(l);
		m = LIST_ITEM(l, struct qmsg, link);
	} else {
		if (!s->n_slabs || s->slab_used == SLAB) {
			s->slabs = mem_array(s->slabs, s->n_slabs + 1, sizeof(*s->slabs));
			s->slabs[s->n_slabs++] = mem_array(NULL, SLAB, sizeof(*m));
			s->slab_used = 0;
		}
		m = &s->slabs[s->n_slabs - 1][s->slab_used++];
	}
	memset(m, 0, sizeof(*m));
	list_init(&m->link);
	return m;
}

void store_msg_free(struct store *s, struct qmsg *m)
{
	m->id = 0;
	/* at the front: memory that was in use last is used next */
	list_push(&s->free_msgs, &m->link);
}

struct qmsg *store_find(const struct store *s, uint64_t id)
{
	return idmap_find(&s->index, id);
}

bool store_each(const struct store *s, size_t *cursor, struct qmsg **m)
{
	uint64_t id;
	void *v;

	if (!idmap_each(&s->index, cursor, &id, &v))
		return false;
	*m = v;
	return true;
}

size_t store_count(const struct store *s)
{
	return s->index.n;
}

/* --- small things ------------------------------------------------------------------------------------------------- */

void store_path(const struct store *s, char out[STORE_PATH], const char *fmt, ...)
{
	int n = format_text(out, STORE_PATH, "%s/", s->dir);
	va_list ap;

	va_start(ap, fmt);
	format_vtext(out + n, (size_t)(STORE_PATH - n), fmt, ap);
	va_end(ap);
}

void store_run(struct store *s, struct pool_job *j)
{
	list_init(&j->link);
	if (s->o.pool) {
		pool_run(s->o.pool, j);
		return;
	}
	j->work(j);
	j->done(j);
}

void store_answer(struct store *s, store_fn fn, void *ctx, struct qmsg *m, int error)
{
	if (!fn)
		return;
	if (s->n_answers == s->cap_answers) {
		s->cap_answers = s->cap_answers ? s->cap_answers * 2 : 16;
		s->answers = mem_array(s->answers, s->cap_answers, sizeof(*s->answers));
	}
	s->answers[s->n_answers++] = (struct answer){ fn, ctx, m, error };
}

void store_tell(struct store *s)
{
	if (s->telling)
		return;
	s->telling = true;
	/* a callback may cause further answers: they are told in the same walk */
	for (size_t i = 0; i < s->n_answers; i++) {
		struct answer a = s->answers[i];

		a.fn(a.ctx, a.m, a.error);
	}
	s->n_answers = 0;
	s->telling = false;
}

bool store_is_broken(const struct store *s)
{
	return s->broken != 0;
}

bool store_is_stuck(const struct store *s)
{
	return s->retry_at && s->gather.n_v;
}

void store_set_aside(struct store *s, const char *name, const void *p, size_t n, bool *kept)
{
	char path[STORE_PATH];
	int fd, r;

	if (s->o.read_only)
		return;
	store_path(s, path, "corrupt/%s", name);
	fd = fs_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == EEXIST)
		return;
	r = fd < 0 ? -1 : fs_write_all(fd, p, n) < 0 ? -1 : s->o.sync ? fs_sync(fd) : 0;
	if (r < 0) {
		log_warn("qmgr", "cannot set a damaged record aside in %s: %s", path, strerror(errno));
		*kept = false;
	}
	if (fd >= 0)
		fs_close(fd);
	s->stats.corrupt++;
}

/* --- open and close ----------------------------------------------------------------------------------------------- */

static bool fail(struct buf *why, const char *what, const char *path)
{
	buf_printf(why, "cannot %s %s: %s", what, path, strerror(errno));
	return false;
}

/* make_dirs - these names must be on disk before anything is acknowledged: the first flight flushes them */
static bool make_dirs(struct store *s, struct buf *why)
{
	static const char *const names[] = { "log", "big", "corrupt" };
	char path[STORE_PATH];

	if (fs_mkdir(s->dir, 0700) < 0)
		return fail(why, "make", s->dir);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		store_path(s, path, "%s", names[i]);
		if (fs_mkdir(path, 0700) < 0)
			return fail(why, "make", path);
	}
	return true;
}

static bool lock(struct store *s, struct buf *why)
{
	char path[STORE_PATH];

	store_path(s, path, "lock");
	s->lock_fd = fs_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return fail(why, "open", path);
	if (!flock(s->lock_fd, LOCK_EX | LOCK_NB))
		return true;
	if (errno != EWOULDBLOCK)
		return fail(why, "lock", path);
	buf_z(why, "this queue is in use by another process: relayd runs already, or queue_directory is shared");
	return false;
}

bool store_in_use(const char *dir)
{
	char path[STORE_PATH];
	bool used;
	int fd;

	format_text(path, sizeof(path), "%s/lock", dir);
	fd = fs_open(path, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return false;
	used = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	fs_close(fd);
	return used;
}

static int by_id(const void *a, const void *b)
{
	const struct qmsg *const *x = a, *const *y = b;

	return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

static void tell_each(struct store *s, void (*each)(void *ctx, struct qmsg *m), void *ctx)
{
	struct qmsg **v = mem_array(NULL, s->index.n + 1, sizeof(*v));
	bool sorted = true;
	size_t n = 0;

	/* ids grow with time, and memory was taken in the order of the log: mostly this is the order */
	for (size_t i = 0; i < s->n_slabs; i++)
		for (size_t k = 0; k < (i + 1 < s->n_slabs ? (size_t)SLAB : s->slab_used); k++)
			if (s->slabs[i][k].id) {
				v[n++] = &s->slabs[i][k];
				sorted &= n < 2 || v[n - 2]->id < v[n - 1]->id;
			}
	if (n != s->index.n)
		BUG("messages are not where they are counted");
	if (!sorted)
		qsort(v, n, sizeof(*v), by_id);
	for (size_t i = 0; i < n; i++)
		each(ctx, v[i]);
	mem_free(v);
}

static struct store *new_store(const struct store_options *o)
{
	struct store *s = MEM_NEW(struct store);

	s->o = *o;
	if (s->o.segment_size < SEGMENT_LEAST)
		s->o.segment_size = SEGMENT_LEAST;
	if (s->o.segment_size > LIMIT_STORE_SEGMENT)
		s->o.segment_size = LIMIT_STORE_SEGMENT;
	if (s->o.big_threshold > s->o.segment_size)
		s->o.big_threshold = s->o.segment_size;
	s->dir = mem_dupz(o->dir);
	s->o.dir = s->dir;
	s->lock_fd = -1;
	s->next_id = 1;
	s->next_segment = 1;
	idmap_init(&s->index);
	list_init(&s->free_msgs);
	list_init(&s->chores);
	return s;
}

static void free_store(struct store *s)
{
	for (size_t i = 0; i < s->n_segs; i++)
		segment_free(s->segs[i]);
	mem_free(s->compaction.bytes);
	for (size_t i = 0; i < s->n_slabs; i++)
		mem_free(s->slabs[i]);
	mem_free(s->segs);
	mem_free(s->slabs);
	mem_free(s->answers);
	batch_fini(&s->gather);
	batch_fini(&s->spare);
	idmap_fini(&s->index);
	/* the lock goes last: whoever gets it next must find everything written */
	if (s->lock_fd >= 0)
		fs_close(s->lock_fd);
	mem_free(s->dir);
	mem_free(s);
}

struct store *store_open(const struct store_options *o, void (*each)(void *ctx, struct qmsg *m), void *ctx, struct buf *why)
{
	struct store *s = new_store(o);
	usec now = clock_wall();

	if (strlen(s->dir) > STORE_PATH / 2) {
		buf_printf(why, "the name of the queue directory is too long");
		free_store(s);
		return NULL;
	}
	if ((!s->o.read_only && (!make_dirs(s, why) || !lock(s, why))) || recover(s, why) < 0) {
		free_store(s);
		return NULL;
	}
	room_init(s);
	if (now > ID_EPOCH && ID_TICKS(now - ID_EPOCH) > s->next_id)
		s->next_id = ID_TICKS(now - ID_EPOCH);
	if (each)
		tell_each(s, each, ctx);
	return s;
}

static void settle(struct store *s)
{
	/* inline flushes end by themselves; on the pool each wait ends one flight and may start the next */
	for (int i = 0; i < 1000; i++) {
		if (s->o.pool)
			pool_wait(s->o.pool);
		store_tick(s, clock_mono());
		if (!s->flight && !s->preparing && !s->chore && list_is_empty(&s->chores) && !s->gather.n_v)
			return;
		if (!s->flight && !s->preparing && !s->chore && s->gather.n_v && s->retry_at)
			return;
	}
}

void store_close(struct store *s)
{
	if (!s)
		return;
	s->closing = true;
	settle(s);
	if (s->head && !s->broken) {
		struct segment *g = s->head;

		s->head = NULL;
		g->sealed = true;
		segment_seal(s, g);
		while (segment_retire_next(s))
			;
		settle(s);
	}
	store_tell(s);
	free_store(s);
}

void store_stats(const struct store *s, struct store_stats *out)
{
	*out = s->stats;
	out->segments = s->n_segs;
	out->live_bytes = out->dead_bytes = 0;
	for (size_t i = 0; i < s->n_segs; i++) {
		out->live_bytes += s->segs[i]->live;
		out->dead_bytes += s->segs[i]->end - s->segs[i]->live;
	}
}
