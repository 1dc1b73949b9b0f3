/* store_private - what the files of the store share.
 *
 * record.c    the bytes
 * store.c     open, close, the index of messages
 * writer.c    messages on their way in
 * change.c    appending records: states, ends
 * flush.c     the batch that goes to disk together, and what follows from its success or failure
 * segment.c   the files of the log: made, sealed, retired, opened for reading
 * room.c      is there space for one more, and how much the log may take
 * recover.c   from the files back to the index
 * read.c      envelope, states and content of one message
 * compact.c   moving what is alive out of sparse segments
 *
 * Everything here runs on the loop thread, but for the `work` functions, which touch their own job only. */
#ifndef CORE_STORE_STORE_PRIVATE_H
#define CORE_STORE_STORE_PRIVATE_H

#include "core/base/clock.h"
#include "core/store/record.h"
#include "core/store/store.h"

enum { STORE_PATH = 1024 };
/* in place of a segment number: the record is still in memory */
#define PLACE_GATHER UINT32_MAX
#define PLACE_FLIGHT (UINT32_MAX - 1)
#define PLACE_MOVING (UINT32_MAX - 2)
#define SEGMENT_LAST (UINT32_MAX - 16)

struct segment {
	struct segment_header header;
	int fd;                 /* -1: opened when somebody reads */
	uint32_t refs;          /* readers and running jobs: it must not be retired or closed */
	bool sealed;            /* nothing is appended any more */
	bool footed;            /* has its footer on disk */
	bool retiring, kept;    /* its end was asked for; it must stay (damage could not be set aside) */
	bool stale;             /* messages were copied out of it: an end must name it as well */
	uint64_t end;           /* bytes used */
	uint64_t allocated;     /* bytes that the file system has given it already, used or not; 0: not known */
	uint64_t live;          /* bytes of records that are needed */
	uint32_t n_live;        /* their number */
	uint32_t *pins;         /* ascending: segments whose messages' ends stand here */
	size_t n_pins, cap_pins;
	unsigned char *index;   /* entries for the footer, RECORD_ENTRY each; only while it is not footed */
	size_t n_index, cap_index;
};

/* one record that waits for a flush, and who wants to know */
struct waiter {
	struct record r;
	uint32_t at;            /* in the batch's bytes */
	bool move;              /* a copy made by compaction */
	/* what this record makes needless once it is durable, and not before: a state the older one, an end the message and
	 * its state; a move replaces `from` if that is still the newest */
	struct store_place from, from_state;
	struct qmsg *m;         /* a new message: owned here until it is durable */
	store_fn fn;
	void *ctx;
};
struct batch {
	char *data;
	size_t n, cap;
	struct waiter *v;
	size_t n_v, cap_v;
	bool urgent;            /* somebody is waiting: flush now */
	bool big;               /* names a file in big/: that directory must be flushed first */
};
struct answer { store_fn fn; void *ctx; struct qmsg *m; int error; };
struct flight;
struct chore;

struct store {
	struct store_options o;
	char *dir;
	int lock_fd;
	struct idmap index;
	struct list free_msgs;
	struct qmsg **slabs;
	size_t n_slabs, slab_used;     /* used of the newest */
	uint64_t next_id;
	/* segments in ascending order; head is the last one and open for appending, or NULL */
	struct segment **segs;
	size_t n_segs, cap_segs, hand, n_stale;
	struct segment *head;
	uint32_t next_segment;
	size_t n_open;
	struct spare { uint32_t number; uint64_t bytes; } spares[LIMIT_STORE_SPARES];
	size_t n_spares;
	/* what waits */
	struct batch gather, spare;    /* spare: memory of an earlier batch, for the next */
	struct flight *flight;
	size_t preparing, preparing_bytes;
	size_t held_bytes;      /* content in memory that is not committed yet */
	struct answer *answers;
	size_t n_answers, cap_answers;
	usec results_since;     /* mono; 0: none wait, or not yet looked at */
	usec retry_at;          /* mono: no flush before it (a write failed) */
	bool is_short;          /* the last look at the volume found no room for a message */
	int broken;             /* errno of the flush that failed */
	bool leaving;           /* the head holds unknown bytes behind its end: they are cut off, and a new one begins */
	bool closing, telling;
	bool rooted;            /* the names in the queue directory were flushed since the start */
	struct list chores;
	struct chore *chore;
	struct compaction {
		struct segment *victim;
		unsigned char *bytes;   /* its footer */
		size_t n, next, waiting; /* entries, the next one, copies that wait for their flush */
		uint32_t ahead;         /* offset up to which the disk was asked */
		bool failed;
	} compaction;
	bool may_compact;       /* something died since the last look */
	uint64_t volume;        /* bytes of the file system; 0: not known */
	usec room_asked;        /* mono: when the file system said last that there is plenty; 0: never */
	struct store_stats stats;
};

/* store.c */
struct qmsg *store_msg_new(struct store *s);
void store_msg_free(struct store *s, struct qmsg *m);
void store_path(const struct store *s, char out[STORE_PATH], const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void store_run(struct store *s, struct pool_job *j);   /* on the pool, or here and now without one */
void store_answer(struct store *s, store_fn fn, void *ctx, struct qmsg *m, int error); /* told at the next tick */
void store_tell(struct store *s);
void store_set_aside(struct store *s, const char *name, const void *p, size_t n, bool *kept);

/* change.c */
void batch_fini(struct batch *b);
void batch_recycle(struct store *s, struct batch *b);                   /* batch_fini, but the memory may serve again */
/* batch_add - append a record of r's type, version, flags and id, made of head and the pieces of its body; the returned
 * waiter is valid until the next call */
struct waiter *batch_add(struct batch *b, const struct record *r, struct str head, const struct str *pieces, size_t n);
/* batch_copy - append another batch's record as it is */
struct waiter *batch_copy(struct batch *b, const struct batch *from, const struct waiter *w);
bool store_place_eq(struct store_place a, struct store_place b);
void store_append_gone(struct store *s, uint64_t id, const uint32_t *targets, size_t n, store_fn fn, void *ctx);

/* flush.c */
void flush_start(struct store *s);
const char *flight_bytes(const struct store *s, size_t *n);             /* what is being written; NULL if nothing */
void store_break(struct store *s, int error, const char *what);

/* segment.c */
struct segment *segment_find(const struct store *s, uint32_t number);
struct segment *segment_new(struct store *s, uint32_t number);          /* not yet among s->segs */
void segment_free(struct segment *g);
void segment_add(struct store *s, struct segment *g);                   /* its number is the highest */
void segment_path(const struct store *s, char out[STORE_PATH], uint32_t number);
void segment_spare_path(const struct store *s, char out[STORE_PATH], uint32_t number);
int segment_fd(struct store *s, struct segment *g);                     /* -1 with errno */
void segment_pin(struct segment *g, uint32_t target);
void segment_live(struct store *s, struct store_place p);              /* the record there is needed */
void segment_dead(struct store *s, struct store_place p);              /* no longer; places in memory are ignored */
void segment_index(struct segment *g, const struct entry *e);
void segment_seal(struct store *s, struct segment *g);                  /* footer, in the background */
bool segment_retire_next(struct store *s);                              /* drop one that nobody needs; false: none */
/* segment_flush_is_lost - a disk that could not keep this cannot be trusted with the next; a full one can, once there is room */
bool segment_flush_is_lost(int error);
/* segment_sync_folder - the names in it, on disk; -1 with errno, and whether that is lost. A folder that cannot be opened was not flushed,
 * and nothing is lost that was kept */
int segment_sync_folder(const char *path, bool *lost);
int segment_write_footer(int fd, const struct segment_header *h, const unsigned char *index, size_t n, uint64_t *end, bool sync,
	bool *broken);
void segment_drop_spares(struct store *s);                              /* space is short */
void chore_big_unlink(struct store *s, uint64_t id);
void chore_start(struct store *s);

/* room.c */
void room_init(struct store *s);                                        /* measures for this volume; warns if it is too small */
uint64_t room_segment_size(uint64_t wanted, uint64_t total);
uint64_t room_to_allocate(uint64_t segment_size, uint64_t free);        /* how much a new segment is given at once */
bool room_is_small(uint64_t total, uint64_t message_limit);
uint64_t room_to_keep(uint64_t total, uint64_t min_free, uint64_t message_limit);

/* recover.c */
int recover(struct store *s, struct buf *why);
int recover_big(struct store *s, uint64_t *set_aside);                  /* counts what it found damaged */

/* read.c */
/* read_record - all bytes of the record at p, checked; into out. -1 with errno, EILSEQ when damaged */
int read_record(struct store *s, struct store_place p, uint64_t id, struct record *r, struct buf *out);
/* read_big_size - how long the file big/ID of m must be; -1 with errno */
int read_big_size(struct store *s, const struct qmsg *m, uint64_t *size);

/* compact.c */
/* compact_moved - a copy stands at p; segment 0: it could not be written */
void compact_moved(struct store *s, const struct waiter *w, struct store_place p);

#endif
