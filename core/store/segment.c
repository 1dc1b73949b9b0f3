/* segment - the files of the log: found by number, opened when read, sealed with a footer, retired when nobody needs
 * them. See store_private.h.
 *
 * A segment may go when it holds no live record and no end of a message that an earlier file could bring back: `pins`
 * names those files. A pin goes when the file it names is durably gone, so a crash can never leave a message without its
 * end. What blocks (footer, rename, unlink, flush of a directory) runs as chores on the pool, one at a time, in order. */
#include <errno.h>
#include <fcntl.h>

#include "core/base/crc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/store/store_private.h"

enum chore_kind { CHORE_SEAL, CHORE_RETIRE, CHORE_UNLINK };
struct chore {
	struct pool_job job;
	struct list link;
	struct store *s;
	enum chore_kind kind;
	struct segment *seg;
	struct segment_header header;
	const unsigned char *index;
	size_t n_index;
	uint64_t end;
	int fd;
	bool sync;
	uint32_t spare;         /* 0: unlink */
	char path[STORE_PATH], to[STORE_PATH], dir[STORE_PATH];
	int error;
	bool broken;            /* a flush failed */
};

/* --- the table ------------------------------------------------------------------------------------------------------ */

static size_t lower_bound(const struct store *s, uint32_t number)
{
	size_t lo = 0, hi = s->n_segs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->segs[mid]->header.number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct segment *segment_find(const struct store *s, uint32_t number)
{
	size_t i = lower_bound(s, number);

	return i < s->n_segs && s->segs[i]->header.number == number ? s->segs[i] : NULL;
}

struct segment *segment_new(struct store *s, uint32_t number)
{
	struct segment *g = MEM_NEW(struct segment);

	g->header.number = number;
	g->fd = -1;
	return g;
}

void segment_free(struct segment *g)
{
	if (g->fd >= 0)
		fs_close(g->fd);
	mem_free(g->pins);
	mem_free(g->index);
	mem_free(g);
}

void segment_add(struct store *s, struct segment *g)
{
	if (s->n_segs && s->segs[s->n_segs - 1]->header.number >= g->header.number)
		BUG("segments are added in order");
	if (s->n_segs == s->cap_segs) {
		s->cap_segs = s->cap_segs ? s->cap_segs * 2 : 16;
		s->segs = mem_array(s->segs, s->cap_segs, sizeof(*s->segs));
	}
	s->segs[s->n_segs++] = g;
}

void segment_path(const struct store *s, char out[STORE_PATH], uint32_t number)
{
	store_path(s, out, "log/%08X.seg", (unsigned)number);
}

void segment_spare_path(const struct store *s, char out[STORE_PATH], uint32_t number)
{
	store_path(s, out, "log/spare-%08X", (unsigned)number);
}

/* close_one - the next open file that nobody uses; a store with many segments keeps few descriptors */
static void close_one(struct store *s)
{
	for (size_t i = 0; i < s->n_segs; i++) {
		struct segment *g = s->segs[s->hand++ % s->n_segs];

		if (g->fd < 0 || g->refs || g == s->head || g->retiring)
			continue;
		fs_close(g->fd);
		g->fd = -1;
		s->n_open--;
		return;
	}
}

int segment_fd(struct store *s, struct segment *g)
{
	char path[STORE_PATH];

	if (g->fd >= 0)
		return g->fd;
	if (s->n_open >= LIMIT_STORE_OPEN_SEGMENTS)
		close_one(s);
	segment_path(s, path, g->header.number);
	g->fd = fs_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (g->fd >= 0)
		s->n_open++;
	return g->fd;
}

/* --- who needs it ----------------------------------------------------------------------------------------------------- */

void segment_pin(struct segment *g, uint32_t target)
{
	size_t i = g->n_pins;

	/* nearly always the last one again */
	while (i && g->pins[i - 1] > target)
		i--;
	if (i && g->pins[i - 1] == target)
		return;
	if (g->n_pins == g->cap_pins) {
		g->cap_pins = g->cap_pins ? g->cap_pins * 2 : 4;
		g->pins = mem_array(g->pins, g->cap_pins, sizeof(*g->pins));
	}
	memmove(g->pins + i + 1, g->pins + i, (g->n_pins - i) * sizeof(*g->pins));
	g->pins[i] = target;
	g->n_pins++;
}

static void unpin(struct segment *g, uint32_t target)
{
	for (size_t i = 0; i < g->n_pins; i++)
		if (g->pins[i] == target) {
			g->n_pins--;
			memmove(g->pins + i, g->pins + i + 1, (g->n_pins - i) * sizeof(*g->pins));
			return;
		}
}

void segment_live(struct store *s, struct store_place p)
{
	struct segment *g = segment_find(s, p.segment);

	if (!g)
		BUG("a record stands in no segment");
	g->live += p.length;
	g->n_live++;
}

void segment_dead(struct store *s, struct store_place p)
{
	struct segment *g;

	if (!p.segment || p.segment > SEGMENT_LAST)
		return;
	g = segment_find(s, p.segment);
	if (!g || !g->n_live)
		BUG("a record ended that was not alive");
	g->live -= p.length;
	g->n_live--;
}

void segment_index(struct segment *g, const struct entry *e)
{
	if (g->n_index == g->cap_index) {
		g->cap_index = g->cap_index ? g->cap_index * 2 : 64;
		g->index = mem_array(g->index, g->cap_index, RECORD_ENTRY);
	}
	entry_format(g->index + g->n_index++ * RECORD_ENTRY, e);
}

/* --- what a flush that failed means ------------------------------------------------------------------------------------- */

bool segment_flush_is_lost(int error)
{
	return error != ENOSPC && error != EDQUOT;
}

int segment_sync_folder(const char *path, bool *lost)
{
	int r = fs_sync_dir(path);

	if (r == -1 && segment_flush_is_lost(errno))
		*lost = true;
	return r < 0 ? -1 : 0;
}

/* --- the footer ----------------------------------------------------------------------------------------------------- */

int segment_write_footer(int fd, const struct segment_header *h, const unsigned char *index, size_t n, uint64_t *end, bool sync,
	bool *broken)
{
	unsigned char head[RECORD_HEADER + RECORD_SUMMARY] = { 0 }, trailer[SEGMENT_TRAILER];
	struct record r = { .type = RECORD_FOOTER, .version = 1, .head_length = (uint32_t)(RECORD_SUMMARY + n * RECORD_ENTRY),
		.batch = (uint32_t)*end };
	struct iovec v[] = { { head, sizeof(head) }, { (void *)(uintptr_t)index, n * RECORD_ENTRY }, { trailer, sizeof(trailer) } };
	uint64_t after = *end + RECORD_HEADER + r.head_length + sizeof(trailer);

	r.length = r.head_length;
	r.head_crc = crc32c(crc32c(0, head + RECORD_HEADER, RECORD_SUMMARY), index, n * RECORD_ENTRY);
	record_format(head, h, &r);
	segment_trailer_format(trailer, h, (uint32_t)*end, RECORD_HEADER + r.length);
	/* the file ends with the trailer, whatever it held or was given before */
	if (fs_pwritev_all(fd, v, 3, (off_t)*end) < 0 || fs_truncate(fd, (off_t)after) < 0)
		return -1;
	if (sync && fs_datasync(fd) < 0) {
		*broken = segment_flush_is_lost(errno);
		return -1;
	}
	*end = after;
	return 0;
}

/* --- chores ----------------------------------------------------------------------------------------------------------- */

static int retire_work(struct chore *c)
{
	if (c->spare ? fs_rename(c->path, c->to) < 0 : fs_unlink(c->path) < 0 && errno != ENOENT)
		return -1;
	return c->sync ? segment_sync_folder(c->dir, &c->broken) : 0;
}

static void chore_work(struct pool_job *j)
{
	struct chore *c = LIST_ITEM(j, struct chore, job);
	int r = 0;

	if (c->kind == CHORE_SEAL)
		r = segment_write_footer(c->fd, &c->header, c->index, c->n_index, &c->end, c->sync, &c->broken);
	else if (c->kind == CHORE_RETIRE)
		r = retire_work(c);
	else if (fs_unlink(c->path) < 0 && errno != ENOENT)
		r = -1;
	c->error = r < 0 ? errno : 0;
}

static void sealed(struct store *s, struct chore *c)
{
	struct segment *g = c->seg;

	g->refs--;
	/* without a footer the next start reads the whole segment: slower, not worse */
	if (c->error) {
		log_warn("qmgr", "cannot seal a segment of the log: %s", strerror(c->error));
	} else {
		g->footed = true;
		g->end = c->end;
	}
	mem_free(g->index);
	g->index = NULL;
	g->n_index = g->cap_index = 0;
}

static void forget(struct store *s, struct segment *g)
{
	size_t i = lower_bound(s, g->header.number);

	memmove(s->segs + i, s->segs + i + 1, (s->n_segs - i - 1) * sizeof(*s->segs));
	s->n_segs--;
	s->n_stale -= g->stale;
	for (i = 0; i < s->n_segs; i++)
		unpin(s->segs[i], g->header.number);
	if (g->fd >= 0)
		s->n_open--;
	segment_free(g);
}

static void retired(struct store *s, struct chore *c)
{
	if (c->error) {
		log_warn("qmgr", "cannot remove %s: %s", c->path, strerror(c->error));
		c->seg->retiring = false;
		c->seg->kept = true;
		return;
	}
	if (c->spare && s->n_spares < LIMIT_STORE_SPARES)
		s->spares[s->n_spares++] = (struct spare){ c->spare, c->end };
	forget(s, c->seg);
	s->may_compact = true;
}

static void chore_done(struct pool_job *j)
{
	struct chore *c = LIST_ITEM(j, struct chore, job);
	struct store *s = c->s;

	s->chore = NULL;
	if (c->broken)
		store_break(s, c->error, "flush a segment that is full or empty");
	if (c->kind == CHORE_SEAL)
		sealed(s, c);
	else if (c->kind == CHORE_RETIRE)
		retired(s, c);
	else if (c->error)
		log_warn("qmgr", "cannot remove %s: %s", c->path, strerror(c->error));
	mem_free(c);
	chore_start(s);
}

void chore_start(struct store *s)
{
	struct list *l = list_first(&s->chores);

	if (!l || s->chore)
		return;
	list_remove(l);
	s->chore = LIST_ITEM(l, struct chore, link);
	store_run(s, &s->chore->job);
}

static struct chore *chore_new(struct store *s, enum chore_kind kind, struct segment *g)
{
	struct chore *c = MEM_NEW(struct chore);

	c->job = (struct pool_job){ .work = chore_work, .done = chore_done };
	c->s = s;
	c->kind = kind;
	c->seg = g;
	c->sync = s->o.sync;
	store_path(s, c->dir, "log");
	if (g) {
		c->header = g->header;
		segment_path(s, c->path, g->header.number);
	}
	list_append(&s->chores, &c->link);
	return c;
}

void segment_seal(struct store *s, struct segment *g)
{
	struct chore *c = chore_new(s, CHORE_SEAL, g);

	g->refs++;
	c->fd = g->fd;
	c->index = g->index;
	c->n_index = g->n_index;
	c->end = g->end;
	chore_start(s);
}

void chore_big_unlink(struct store *s, uint64_t id)
{
	struct chore *c = chore_new(s, CHORE_UNLINK, NULL);
	char qid[QID_MAX];

	qid_format(qid, id);
	store_path(s, c->path, "big/%s", qid);
	chore_start(s);
}

void segment_drop_spares(struct store *s)
{
	while (s->n_spares) {
		struct chore *c = chore_new(s, CHORE_UNLINK, NULL);

		segment_spare_path(s, c->path, s->spares[--s->n_spares].number);
	}
	chore_start(s);
}

static size_t waiting_spares(const struct store *s)
{
	size_t n = s->n_spares;

	for (const struct list *l = s->chores.next; l != &s->chores; l = l->next)
		n += LIST_ITEM(l, struct chore, link)->spare != 0;
	return n + (s->chore && s->chore->spare);
}

bool segment_retire_next(struct store *s)
{
	for (size_t i = 0; i < s->n_segs; i++) {
		struct segment *g = s->segs[i];
		struct chore *c;

		if (!g->sealed || g->n_live || g->n_pins || g->refs || g->retiring || g->kept)
			continue;
		g->retiring = true;
		c = chore_new(s, CHORE_RETIRE, g);
		/* a file that was full is worth keeping: overwriting written blocks flushes faster than new ones */
		if (!s->closing && g->end >= (uint64_t)s->o.segment_size / 2 && waiting_spares(s) < LIMIT_STORE_SPARES) {
			c->spare = g->header.number;
			c->end = g->end;
			segment_spare_path(s, c->to, c->spare);
		}
		chore_start(s);
		return true;
	}
	return false;
}
