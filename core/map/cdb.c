/* cdb - see cdb.h. The reader: every position and length in the file is checked against the size of the file before it
 * is used, and everything is read with pread, so a file that is damaged or cut short under us gives EIO or EINVAL and
 * nothing worse. The builder lives in cdb_build.c; this file is the only one that knows tinycdb, whose hash and byte
 * order the format is (cdb(5)). Its reader is not used: it maps the file. */
#include "core/map/cdb.h"

#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/map/cdb_format.h"

struct cdb_table {
	int fd;
	uint64_t size;                        /* of the file when it was opened */
	uint64_t data_end;                    /* records lie between CDB_HEADER and here */
	struct { uint32_t at, slots; } dir[CDB_TABLES];
	unsigned asked;
	unsigned char *held;                          /* the file's bytes; NULL: they are read */
};

#define HOLD_AFTER 100                        /* lookups, after which a copy pays */
static uint64_t hold_below;

void cdb_hold_below(uint64_t size)
{
	hold_below = size;
}

uint32_t cdb_format_hash(struct str key)
{
	return cdb_hash(key.p, (unsigned)key.n);
}

void cdb_format_pack(unsigned char at[8], uint32_t a, uint32_t b)
{
	cdb_pack(a, at);
	cdb_pack(b, at + 4);
}

void cdb_format_unpack(const unsigned char at[8], uint32_t *a, uint32_t *b)
{
	*a = cdb_unpack(at);
	*b = cdb_unpack(at + 4);
}

/* read exactly n bytes or fail: EIO where the file ends early */
static int read_at(const struct cdb_table *t, void *p, size_t n, uint64_t at)
{
	ssize_t got = fs_pread_all(t->fd, p, n, (off_t)at);

	if (got < 0)
		return -1;
	if ((size_t)got < n) {
		errno = EIO;
		return -1;
	}
	return 0;
}

/* see - n bytes of the file: in the copy, or read into `room`; NULL with errno */
static const unsigned char *see(const struct cdb_table *t, unsigned char *room, size_t n, uint64_t at)
{
	if (t->held && at <= t->size && n <= t->size - at)
		return t->held + at;
	return read_at(t, room, n, at) < 0 ? NULL : room;
}

static int read_directory(struct cdb_table *t)
{
	unsigned char raw[CDB_HEADER];

	if (t->size < CDB_HEADER || t->size > UINT32_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (read_at(t, raw, sizeof(raw), 0) < 0)
		return -1;
	t->data_end = t->size;
	for (size_t i = 0; i < CDB_TABLES; i++) {
		uint32_t at, slots;

		cdb_format_unpack(raw + i * 8, &at, &slots);
		if (at < CDB_HEADER || at + (uint64_t)slots * 8 > t->size) {
			errno = EINVAL;
			return -1;
		}
		if (at < t->data_end)
			t->data_end = at;
		t->dir[i].at = at;
		t->dir[i].slots = slots;
	}
	return 0;
}

struct cdb_table *cdb_table_open(const char *path)
{
	struct cdb_table *t;
	struct stat st;
	int fd = fs_open_table(path), saved;

	if (fd < 0)
		return NULL;
	t = MEM_NEW(struct cdb_table);
	t->fd = fd;
	if (fstat(fd, &st) == 0) {
		t->size = (uint64_t)st.st_size;
		if (read_directory(t) == 0)
			return t;
	}
	saved = errno;
	cdb_table_close(t);
	errno = saved;
	return NULL;
}

void cdb_table_close(struct cdb_table *t)
{
	if (!t)
		return;
	close(t->fd);
	mem_free(t->held);
	mem_free(t);
}

/* hold - what cannot be read whole goes on being read in pieces, which says why */
static void hold(struct cdb_table *t)
{
	t->held = mem_realloc(NULL, (size_t)t->size);
	mem_expect_random(t->held, (size_t)t->size);
	if (fs_pread_all(t->fd, t->held, (size_t)t->size, 0) == (ssize_t)t->size)
		return;
	mem_free(t->held);
	t->held = NULL;
}

/* compare the key of the record at `at`; 1 equal (with where its value lies), 0 not, -1 */
static int record_matches(const struct cdb_table *t, uint64_t at, struct str key, uint64_t *value_at, uint32_t *value_n)
{
	unsigned char room[256];
	const unsigned char *raw;
	uint32_t key_n;

	if (at < CDB_HEADER || at + 8 > t->data_end) {
		errno = EINVAL;
		return -1;
	}
	raw = see(t, room, 8, at);
	if (!raw)
		return -1;
	cdb_format_unpack(raw, &key_n, value_n);
	at += 8;
	if (at + key_n + *value_n > t->data_end) {
		errno = EINVAL;
		return -1;
	}
	if (key_n != key.n)
		return 0;
	*value_at = at + key_n;
	for (size_t done = 0; done < key.n;) {
		size_t n = key.n - done < sizeof(room) ? key.n - done : sizeof(room);

		raw = see(t, room, n, at + done);
		if (!raw)
			return -1;
		if (memcmp(raw, key.p + done, n))
			return 0;
		done += n;
	}
	return 1;
}

static int read_value(const struct cdb_table *t, uint64_t at, uint32_t n, struct buf *out)
{
	if (!buf_reserve(out, n)) {
		errno = EFBIG;
		return -1;
	}
	if (!n)
		return 1;
	if (t->held && at + n <= t->size)
		memcpy(out->p + out->n, t->held + at, n);
	else if (read_at(t, out->p + out->n, n, at) < 0)
		return -1;
	out->n += n;
	out->p[out->n] = '\0';
	return 1;
}

int cdb_table_find(struct cdb_table *t, struct str key, struct buf *out)
{
	uint32_t hash = cdb_format_hash(key), slots = t->dir[hash % CDB_TABLES].slots;
	uint64_t base = t->dir[hash % CDB_TABLES].at;
	uint32_t slot = slots ? (hash >> 8) % slots : 0;
	unsigned char room[64];
	const unsigned char *raw = room;
	size_t have = 0, used = 0;

	if (t->asked < HOLD_AFTER && ++t->asked == HOLD_AFTER && t->size < hold_below)
		hold(t);
	for (uint32_t tried = 0; tried < slots; tried++, slot = slot + 1 == slots ? 0 : slot + 1) {
		uint32_t slot_hash, at, value_n;
		uint64_t value_at;
		int same;

		/* slots are read a few at a time; the run starts anew where the table wraps */
		if (used == have || slot == 0) {
			have = (slots - slot) * (uint64_t)8 < sizeof(room) ? (slots - slot) * 8 : sizeof(room);
			used = 0;
			raw = see(t, room, have, base + (uint64_t)slot * 8);
			if (!raw)
				return -1;
		}
		cdb_format_unpack(raw + used, &slot_hash, &at);
		used += 8;
		if (!at)
			return 0;
		if (slot_hash != hash)
			continue;
		same = record_matches(t, at, key, &value_at, &value_n);
		if (same < 0)
			return -1;
		if (same)
			return read_value(t, value_at, value_n, out);
	}
	return 0;
}

#define EACH_BLOCK (64 * 1024)

struct walk {
	const struct cdb_table *t;
	struct buf block;
	uint64_t at;                          /* file position of block.p */
};

/* bytes [at, at + n) as a view into the block, which moves on as needed; NULL with errno */
static const char *walk_bytes(struct walk *w, uint64_t at, size_t n)
{
	size_t want = n > EACH_BLOCK ? n : EACH_BLOCK;

	if (at >= w->at && at + n <= w->at + w->block.n)
		return w->block.p + (at - w->at);
	if (want > w->t->data_end - at)
		want = (size_t)(w->t->data_end - at);
	buf_clear(&w->block);
	if (!buf_reserve(&w->block, want)) {
		errno = EFBIG;
		return NULL;
	}
	if (read_at(w->t, w->block.p, want, at) < 0)
		return NULL;
	w->block.n = want;
	w->at = at;
	return w->block.p;
}

static int walk_records(struct walk *w, int (*fn)(void *ctx, struct str key, struct str value), void *ctx)
{
	uint64_t at = CDB_HEADER;

	while (at < w->t->data_end) {
		uint32_t key_n, value_n;
		const char *p;
		int stop;

		errno = EINVAL;
		if (w->t->data_end - at < 8 || !(p = walk_bytes(w, at, 8)))
			return -1;
		cdb_format_unpack((const unsigned char *)p, &key_n, &value_n);
		at += 8;
		if (w->t->data_end - at < (uint64_t)key_n + value_n) {
			errno = EINVAL;
			return -1;
		}
		p = walk_bytes(w, at, (size_t)key_n + value_n);
		if (!p)
			return -1;
		stop = fn(ctx, str_make(p, key_n), str_make(p + key_n, value_n));
		if (stop)
			return stop;
		at += (uint64_t)key_n + value_n;
	}
	return 0;
}

int cdb_table_each(struct cdb_table *t, int (*fn)(void *ctx, struct str key, struct str value), void *ctx)
{
	struct walk w = { .t = t };
	int result;

	buf_init(&w.block, LIMIT_CDB_RECORD);
	result = walk_records(&w, fn, ctx);
	buf_fini(&w.block);
	return result;
}
