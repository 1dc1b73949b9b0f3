/* cdb_build - the writing half of cdb.h: records stream to PATH.tmp through one buffer, the hash tables follow at the
 * end, and the file takes its name only when all of it is on disk (threats K2, K3).
 *
 * Duplicates are found here and not with tinycdb's put modes, which look every key up in linked lists and on disk: an
 * open-addressed table holds a 32-bit tag and the record's number, and only an equal tag costs a look at the key that was
 * written. Tags come from the seeded hash, so no source text can make that slow. A replaced record is squeezed out of the
 * file at the end, so that walking the table shows only what a lookup would find.
 *
 * Two builders of one table wait for each other: the temporary file is locked while it is written. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/map/cdb.h"
#include "core/map/cdb_format.h"

#define BUILD_BLOCK (256 * 1024)
#define BUILD_MOST_EXPECTED ((size_t)1 << 22)  /* records to make room for unseen: 100 MB that may not be used */
#define BUILD_WRITE_EVERY (4 * 1024 * 1024)   /* bytes after which the disk begins to write what it has */
#define RECORD_DEAD 0u                        /* a position that no record can have */

struct record {
	uint32_t hash;                        /* the format's own hash */
	uint32_t at;                          /* RECORD_DEAD: replaced by a later one */
};
struct slot {
	uint32_t tag;
	uint32_t number;                      /* record number + 1; 0: free */
};
struct cdb_builder {
	int fd, dir;                          /* of the folder: names are looked up in it, whatever happens to the way there */
	char *folder, *temp;
	const char *name;                     /* the last part of the path; in `folder`'s memory */
	unsigned mode;
	char *block;                          /* bytes of the file from block_at on, not yet written */
	size_t block_n;
	uint64_t block_at, begun_at;          /* begun_at: up to there the disk was asked to write */
	struct record *records;
	size_t n_records, cap_records, n_dead;
	struct slot *slots;
	size_t cap_slots;                     /* a power of two; at most three quarters are taken */
	int error;
};

/* open and lock the temporary file; a rename by another builder between the two is noticed by its inode */
static int open_temp(int dir, const char *temp)
{
	for (int tries = 0; tries < 100; tries++) {
		struct stat mine, named;
		int fd = fs_openat(dir, temp, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600), saved;

		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_EX) == 0 && fstat(fd, &mine) == 0) {
			if (!S_ISREG(mine.st_mode) || mine.st_nlink > 1) {
				fs_close(fd);
				errno = EEXIST;
				return -1;
			}
			if (fstatat(dir, temp, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_ino == mine.st_ino && named.st_dev == mine.st_dev)
				return fd;
			errno = EAGAIN;
		}
		saved = errno;
		fs_close(fd);
		errno = saved;
	}
	return -1;
}

static void builder_free(struct cdb_builder *b)
{
	if (b->dir >= 0)
		fs_close(b->dir);
	mem_free(b->folder);
	mem_free(b->temp);
	mem_free(b->block);
	mem_free(b->records);
	mem_free(b->slots);
	mem_free(b);
}

/* open_folder - the one that path is in; what leads there is somebody else's to change when the folder is */
static int open_folder(struct cdb_builder *b, const char *path)
{
	char *slash;

	b->folder = mem_dupz(path);
	slash = strrchr(b->folder, '/');
	b->name = slash ? slash + 1 : b->folder;
	if (!slash)
		return fs_open_guarded(".", O_RDONLY | O_DIRECTORY, 0);
	if (slash == b->folder)
		return fs_open_guarded("/", O_RDONLY | O_DIRECTORY, 0);
	*slash = '\0';
	return fs_open_guarded(b->folder, O_RDONLY | O_DIRECTORY, 0);
}

struct cdb_builder *cdb_builder_new(const char *path, unsigned mode)
{
	struct cdb_builder *b = MEM_NEW(struct cdb_builder);
	size_t n = strlen(path) + sizeof(".tmp");
	int saved;

	b->fd = -1;
	b->dir = open_folder(b, path);
	b->temp = mem_alloc(n);
	snprintf(b->temp, n, "%s.tmp", b->name);
	b->mode = mode;
	if (b->dir >= 0)
		b->fd = open_temp(b->dir, b->temp);
	if (b->fd >= 0 && fs_truncate(b->fd, 0) == 0) {
		b->block = mem_alloc(BUILD_BLOCK);
		b->block_at = CDB_HEADER;
		b->cap_slots = 1024;
		b->slots = mem_alloc(b->cap_slots * sizeof(struct slot));
		return b;
	}
	saved = errno;
	if (b->fd >= 0)
		fs_close(b->fd);
	builder_free(b);
	errno = saved;
	return NULL;
}

void cdb_builder_abort(struct cdb_builder *b)
{
	if (!b)
		return;
	fs_unlinkat(b->dir, b->temp);
	fs_close(b->fd);
	builder_free(b);
}

/* --- the bytes ---------------------------------------------------------------------------------------------------- */

static uint64_t file_end(const struct cdb_builder *b)
{
	return b->block_at + b->block_n;
}

static int flush_block(struct cdb_builder *b)
{
	if (fs_pwrite_all(b->fd, b->block, b->block_n, (off_t)b->block_at) < 0)
		return -1;
	b->block_at += b->block_n;
	b->block_n = 0;
	if (b->block_at - b->begun_at >= BUILD_WRITE_EVERY) {
		fs_begin_writing(b->fd, (off_t)b->begun_at, (off_t)(b->block_at - b->begun_at));
		b->begun_at = b->block_at;
	}
	return 0;
}

/* keys and values are a few bytes: moved by words, they cost less than a call of musl's memcpy */
static inline void copy_short(char *to, const char *from, size_t n)
{
	if (n >= 8) {
		for (size_t i = 0; i + 8 < n; i += 8)
			memcpy(to + i, from + i, 8);
		memcpy(to + n - 8, from + n - 8, 8);
	} else if (n >= 4) {
		memcpy(to, from, 4);
		memcpy(to + n - 4, from + n - 4, 4);
	} else if (n) {
		to[0] = from[0];
		to[n / 2] = from[n / 2];
		to[n - 1] = from[n - 1];
	}
}

static int put(struct cdb_builder *b, const void *p, size_t n)
{
	const char *from = p;

	if (n <= 64 && n < BUILD_BLOCK - b->block_n) {
		copy_short(b->block + b->block_n, from, n);
		b->block_n += n;
		return 0;
	}
	while (n) {
		size_t room = BUILD_BLOCK - b->block_n, part = n < room ? n : room;

		memcpy(b->block + b->block_n, from, part);
		b->block_n += part;
		from += part;
		n -= part;
		if (b->block_n == BUILD_BLOCK && flush_block(b) < 0)
			return -1;
	}
	return 0;
}

/* bytes already put, from the block or from the file */
static int get(struct cdb_builder *b, void *p, size_t n, uint64_t at)
{
	ssize_t got;

	if (at >= b->block_at) {
		memcpy(p, b->block + (at - b->block_at), n);
		return 0;
	}
	if (at + n > b->block_at && flush_block(b) < 0)
		return -1;
	got = fs_pread_all(b->fd, p, n, (off_t)at);
	if (got >= 0 && (size_t)got < n)
		errno = EIO;
	return got < 0 || (size_t)got < n ? -1 : 0;
}

/* 1 the record has this key, 0 it has not, -1 */
static int record_has_key(struct cdb_builder *b, uint64_t at, struct str key)
{
	unsigned char raw[512];
	uint32_t key_n, value_n;

	if (get(b, raw, 8, at) < 0)
		return -1;
	cdb_format_unpack(raw, &key_n, &value_n);
	if (key_n != key.n)
		return 0;
	at += 8;
	for (size_t done = 0; done < key.n;) {
		size_t n = key.n - done < sizeof(raw) ? key.n - done : sizeof(raw);

		if (get(b, raw, n, at + done) < 0)
			return -1;
		if (memcmp(raw, key.p + done, n))
			return 0;
		done += n;
	}
	return 1;
}

/* a table of this size is touched at random: huge pages, where the system has them, save most of its cost */
static void *use_huge_pages(void *p, size_t n)
{
	uintptr_t from = ((uintptr_t)p + 4095) & ~(uintptr_t)4095, to = ((uintptr_t)p + n) & ~(uintptr_t)4095;

	if (n >= 4 * 1024 * 1024)
		(void)madvise((void *)from, to - from, MADV_HUGEPAGE);
	return p;
}

/* --- the duplicate check ------------------------------------------------------------------------------------------ */

static void grow_slots(struct cdb_builder *b, size_t to)
{
	struct slot *old = b->slots;
	size_t cap = b->cap_slots;

	b->cap_slots = to;
	b->slots = use_huge_pages(mem_alloc(b->cap_slots * sizeof(struct slot)), b->cap_slots * sizeof(struct slot));
	for (size_t i = 0; i < cap; i++) {
		size_t at = old[i].tag & (b->cap_slots - 1);

		if (!old[i].number)
			continue;
		while (b->slots[at].number)
			at = (at + 1) & (b->cap_slots - 1);
		b->slots[at] = old[i];
	}
	mem_free(old);
}

/* *where = the slot of the key, free or taken; 1 taken, 0 free, -1 */
static int find_slot(struct cdb_builder *b, uint32_t tag, struct str key, struct slot **where)
{
	size_t at = tag & (b->cap_slots - 1);

	for (; b->slots[at].number; at = (at + 1) & (b->cap_slots - 1)) {
		struct slot *s = &b->slots[at];
		int same = s->tag == tag ? record_has_key(b, b->records[s->number - 1].at, key) : 0;

		*where = s;
		if (same)
			return same;
	}
	*where = &b->slots[at];
	(*where)->tag = tag;
	return 0;
}

static void grow_records(struct cdb_builder *b, size_t to)
{
	b->cap_records = to;
	b->records = mem_array(b->records, to, sizeof(struct record));
	use_huge_pages(b->records, to * sizeof(struct record));
}

static int append(struct cdb_builder *b, struct slot *slot, struct str key, struct str value)
{
	uint64_t at = file_end(b);
	unsigned char raw[8];

	/* 16 bytes per record: its place in the hash tables, which are twice as large as needed */
	if (key.n > UINT32_MAX || value.n > UINT32_MAX ||
	    at + 8 + key.n + value.n + (b->n_records + 1) * (uint64_t)16 > UINT32_MAX) {
		errno = EFBIG;
		return -1;
	}
	cdb_format_pack(raw, (uint32_t)key.n, (uint32_t)value.n);
	if (put(b, raw, 8) < 0 || put(b, key.p, key.n) < 0 || put(b, value.p, value.n) < 0)
		return -1;
	if (b->n_records == b->cap_records)
		grow_records(b, b->cap_records ? b->cap_records * 2 : 1024);
	b->records[b->n_records] = (struct record){ cdb_format_hash(key), (uint32_t)at };
	slot->number = (uint32_t)++b->n_records;
	return 1;
}

void cdb_builder_expect(struct cdb_builder *b, size_t records)
{
	size_t slots = b->cap_slots;

	records = records < BUILD_MOST_EXPECTED ? records : BUILD_MOST_EXPECTED;
	while (records * 4 > slots * 3)
		slots *= 2;
	if (slots > b->cap_slots)
		grow_slots(b, slots);
	if (records > b->cap_records)
		grow_records(b, records);
}

uint32_t cdb_builder_ask(const struct cdb_builder *b, struct str key)
{
	uint32_t tag = (uint32_t)hash_bytes(key.p, key.n);

	__builtin_prefetch(&b->slots[tag & (b->cap_slots - 1)], 1);
	return tag;
}

int cdb_builder_add(struct cdb_builder *b, struct str key, struct str value, enum cdb_duplicates d)
{
	return cdb_builder_put(b, cdb_builder_ask(b, key), key, value, d);
}

int cdb_builder_put(struct cdb_builder *b, uint32_t tag, struct str key, struct str value, enum cdb_duplicates d)
{
	struct slot *slot;
	int taken;

	if (b->error) {
		errno = b->error;
		return -1;
	}
	if ((b->n_records + 1) * 4 > b->cap_slots * 3)
		grow_slots(b, b->cap_slots * 2);
	taken = find_slot(b, tag, key, &slot);
	if (taken > 0 && d == CDB_DUP_ERROR) {
		errno = EEXIST;
		taken = -1;
	} else if (taken > 0 && d != CDB_DUP_REPLACE) {
		return 0;
	} else if (taken >= 0) {
		if (taken) {
			b->records[slot->number - 1].at = RECORD_DEAD;
			b->n_dead++;
		}
		taken = append(b, slot, key, value);
	}
	if (taken < 0)
		b->error = errno;
	return taken;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* move living records down over dead ones; the file position only ever moves down, so no byte is lost on the way */
static int squeeze(struct cdb_builder *b)
{
	uint64_t end = file_end(b), from = CDB_HEADER, to = CDB_HEADER;
	char *room = b->block;
	size_t kept = 0;

	if (flush_block(b) < 0)
		return -1;
	/* dead records have lost their position, so the way through the file is by the lengths */
	for (size_t i = 0; i < b->n_records; i++) {
		unsigned char raw[8];
		uint32_t key_n, value_n;
		uint64_t n, done;
		struct record r = b->records[i];

		if (from + 8 > end || fs_pread_all(b->fd, raw, 8, (off_t)from) != 8)
			return -1;
		cdb_format_unpack(raw, &key_n, &value_n);
		n = 8 + (uint64_t)key_n + value_n;
		for (done = 0; r.at != RECORD_DEAD && from != to && done < n;) {
			size_t part = n - done < BUILD_BLOCK ? (size_t)(n - done) : BUILD_BLOCK;

			if (fs_pread_all(b->fd, room, part, (off_t)(from + done)) != (ssize_t)part ||
			    fs_pwrite_all(b->fd, room, part, (off_t)(to + done)) < 0)
				return -1;
			done += part;
		}
		if (r.at != RECORD_DEAD) {
			b->records[kept++] = (struct record){ r.hash, (uint32_t)to };
			to += n;
		}
		from += n;
	}
	b->n_records = kept;
	b->block_at = to;
	return fs_truncate(b->fd, (off_t)to);
}

/* one hash table: the records [from, to) of `sorted` */
static int put_table(struct cdb_builder *b, const struct record *sorted, size_t n, struct record *scratch)
{
	size_t slots = n * 2;

	memset(scratch, 0, slots * sizeof(*scratch));
	for (size_t i = 0; i < n; i++) {
		size_t at = (sorted[i].hash >> 8) % slots;

		while (scratch[at].at)
			at = at + 1 == slots ? 0 : at + 1;
		scratch[at] = sorted[i];
	}
	for (size_t i = 0; i < slots; i++) {
		unsigned char raw[8];

		cdb_format_pack(raw, scratch[i].hash, scratch[i].at);
		if (put(b, raw, 8) < 0)
			return -1;
	}
	return 0;
}

/* the 256 tables after the records, and the header that points at them */
static int put_tables(struct cdb_builder *b)
{
	unsigned char header[CDB_HEADER];
	size_t count[CDB_TABLES] = { 0 }, start[CDB_TABLES], largest = 0, sum = 0;
	struct record *sorted = mem_array(NULL, b->n_records + 1, sizeof(*sorted)), *scratch;
	int result = 0;

	use_huge_pages(sorted, b->n_records * sizeof(*sorted));
	for (size_t i = 0; i < b->n_records; i++)
		count[b->records[i].hash % CDB_TABLES]++;
	for (size_t t = 0; t < CDB_TABLES; t++) {
		start[t] = sum;
		sum += count[t];
		if (count[t] > largest)
			largest = count[t];
	}
	for (size_t i = 0; i < b->n_records; i++)
		sorted[start[b->records[i].hash % CDB_TABLES]++] = b->records[i];
	scratch = mem_array(NULL, largest * 2 + 1, sizeof(*scratch));
	for (size_t t = 0; t < CDB_TABLES && result == 0; t++) {
		cdb_format_pack(header + t * 8, (uint32_t)file_end(b), (uint32_t)(count[t] * 2));
		if (count[t])
			result = put_table(b, sorted + start[t] - count[t], count[t], scratch);
	}
	mem_free(sorted);
	mem_free(scratch);
	if (result == 0)
		result = flush_block(b);
	if (result == 0 && fs_pwrite_all(b->fd, header, sizeof(header), 0) < 0)
		result = -1;
	return result;
}

/* take_owner - the table that is replaced keeps its owner and its group; where that cannot be, no other group may read what it could */
static int take_owner(struct cdb_builder *b)
{
	struct stat before, now;

	if (fstatat(b->dir, b->name, &before, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(before.st_mode) || fstat(b->fd, &now) < 0)
		return 0;
	if (geteuid() == 0 && before.st_uid != now.st_uid && fs_fchown(b->fd, before.st_uid, (gid_t)-1) < 0)
		return -1;
	if (before.st_gid != now.st_gid && fs_fchown(b->fd, (uid_t)-1, before.st_gid) < 0)
		b->mode &= b->mode & 04 ? ~0u : ~070u;
	return 0;
}

int cdb_builder_finish(struct cdb_builder *b)
{
	int saved;

	errno = b->error;
	if (!b->error && (!b->n_dead || squeeze(b) == 0) && put_tables(b) == 0 && take_owner(b) == 0 && fs_fchmod(b->fd, b->mode) == 0 &&
	    fs_sync(b->fd) == 0 && fs_renameat(b->dir, b->temp, b->name) == 0) {
		int result = fs_sync(b->dir);

		saved = errno;
		fs_close(b->fd);
		builder_free(b);
		errno = saved;
		return result;
	}
	saved = errno;
	cdb_builder_abort(b);
	errno = saved;
	return -1;
}
