/* store - the durable queue: an append-only segmented log with group commit; docs/internals.md.
 *
 * Everything that must survive is a record in the log: a message, the state of its recipients, its end. One flush
 * (fdatasync on the pool) covers every record appended before it began; whoever waits for it is told together. The
 * callbacks of store_commit run on the loop thread, after the flush returned: 250 is sent there and nowhere else.
 * After a failed flush nothing is acknowledged any more until restart: store_is_broken. A failed append and a full disk
 * refuse the messages that waited, with nothing half kept, and the store goes on when there is room.
 * States of a message, who moves it, and what a crash at each line leaves: docs/internals.md. */
#ifndef CORE_STORE_STORE_H
#define CORE_STORE_STORE_H

#include <sys/types.h>

#include "core/base/hash.h"
#include "core/base/heap.h"
#include "core/base/list.h"
#include "core/base/pool.h"
#include "core/msg/envelope.h"
#include "core/msg/reply.h"

#define QID_MAX 20                     /* longest text of a queue id, NUL included */
void qid_format(char out[QID_MAX], uint64_t id);          /* upper-case hex, at least 10 digits: "8DE012082C" */
bool qid_parse(struct str s, uint64_t *id);

struct store_options {
	const char *dir;               /* queue_directory; made when missing */
	struct pool *pool;             /* NULL: flush inline (tools, unit tests) */
	int64_t segment_size;          /* bytes; a new segment begins past it. On a small volume it is less */
	int64_t big_threshold;         /* bodies above go to a file of their own in big/ while they arrive */
	/* new messages are refused (ENOSPC) while less than this, or 1.5 times the largest message, is free; room.c */
	int64_t min_free;              /* queue_minfree */
	int64_t message_limit;         /* message_size_limit; 0: none */
	bool sync;                     /* false: no flush at all (measurements only) */
	bool compress;                 /* deflate bodies above a few KiB in the log */
	bool read_only;                /* offline list and show: no lock, no repair */
};

enum qmsg_flags { QMSG_HOLD = 1, QMSG_EXPIRE = 2 /* by relayctl: give up at the next try */, QMSG_BOUNCE = 4, QMSG_WARNED = 8 /* delay notice sent */, QMSG_BIG = 16 /* the store's: body in big/ */,
	QMSG_URGENT = 32 /* the schedule's, not stored: flushed by hand, dead destinations are tried */,
	QMSG_STRANGE = 64 /* the schedule's, not stored: held, since its envelope has a field that must be known and is not */,
	QMSG_STORED = 15, QMSG_HELD = QMSG_HOLD | QMSG_STRANGE };

/* One queued message as memory knows it: at most 200 bytes with its index entry. Made and freed by the store. */
struct qmsg {
	struct heap_node due;          /* the schedule's: key = wall clock of the next try */
	struct list link;              /* the schedule's */
	void *active;                  /* the schedule's; NULL = only on disk and in this struct */
	uint64_t id;
	usec arrival;                  /* wall clock */
	uint64_t size;                 /* bytes of content */
	uint32_t n_rcpts, n_pending;
	uint32_t flags;                /* enum qmsg_flags */
	uint32_t dest;                 /* the schedule's: the only destination of all that is pending, by number; 0 = not known */
	struct store_place { uint32_t segment, offset, length; } record, state; /* the store's */
};

/* what is known of one recipient; a message without a state record has all PENDING and no reply */
enum rcpt_status { RCPT_PENDING, RCPT_DONE /* delivered, bounced or dropped: never tried again */ };
struct rcpt_state {
	enum rcpt_status status;
	struct reply_text { int code; char enhanced[12]; struct str text; } last; /* why it is still here; code 0 = never tried */
};

struct store;
typedef void (*store_fn)(void *ctx, struct qmsg *m, int error); /* error: 0, or errno (m NULL for a new message) */

/* store_open - lock, read the log, cut a torn tail, set damaged records aside into corrupt/ (logged). NULL with why.
 * each: called for every live message found, in arrival order; m->due.key holds its stored due time (0 = at once). */
struct store *store_open(const struct store_options *o, void (*each)(void *ctx, struct qmsg *m), void *ctx, struct buf *why);
bool store_in_use(const char *dir);            /* does another process have it open for writing? false also where one may not look */
void store_close(struct store *s);     /* flush, then close */
struct qmsg *store_find(const struct store *s, uint64_t id);
bool store_each(const struct store *s, size_t *cursor, struct qmsg **m);   /* no order */
size_t store_count(const struct store *s);
bool store_is_broken(const struct store *s);           /* a flush failed: accept nothing (451) until restart */
bool store_is_stuck(const struct store *s);            /* a write failed, and results wait for the next try */
bool store_is_tight(const struct store *s);            /* the volume is full but for a reserve, and LIMIT_STORE_RESULTS are not flushed yet */
/* store_has_room - may a message of that size begin? false with errno (ENOSPC: space or inodes) */
bool store_has_room(struct store *s, uint64_t size);

/* store_room - what the volume has free for us, what of it is kept free, and inodes; false with errno */
struct store_room { uint64_t bytes, kept, inodes; };
bool store_room(struct store *s, struct store_room *out);

/* --- a message on its way in: begin, add the body in pieces, then commit with the header section, or abort ----------- */
struct store_writer;
struct store_writer *store_begin(struct store *s, uint64_t *id);
int store_add(struct store_writer *w, struct str piece);       /* 0, or -1 with errno; then only abort makes sense */
/* store_commit - append the message with its envelope and header section (CRLF lines, with the empty line that ends it;
 * borrowed for the call): content is header and body. w is gone. fn tells when it is durable (m) or refused (error).
 * The envelope's header_size and size are filled in here. */
void store_commit(struct store_writer *w, struct envelope *e, struct str header, store_fn fn, void *ctx);
void store_abort(struct store_writer *w);

/* --- reading (synchronous; -1 with errno; EILSEQ = damaged: the message was set aside) ------------------------------- */
/* store_envelope - look at out->unknown before acting on it: recipients of such an envelope are good for showing only */
int store_envelope(struct store *s, const struct qmsg *m, struct arena *a, struct envelope *out);
int store_states(struct store *s, const struct qmsg *m, struct arena *a, struct rcpt_state **out); /* n_rcpts rows; damaged: as new */
/* content: open once, read in order or at random; the segment stays while a reader is open */
struct store_reader;
struct store_reader *store_read_open(struct store *s, const struct qmsg *m);
struct str store_read_header(const struct store_reader *r);    /* the header section, in memory; borrowed until the close */
ssize_t store_read(struct store_reader *r, uint64_t at, void *p, size_t n);    /* content: header section, then body */
/* store_read_spans - where content stands uncompressed in files (for the helper, sendfile): in one piece, or header section
 * and body apart; their number. 0: it does not, or it is damaged. The descriptors stay the reader's */
struct store_span { int fd; uint64_t at, n; };
size_t store_read_spans(struct store_reader *r, struct store_span out[2]);
void store_read_close(struct store_reader *r);

/* --- changes; durable with the next flush, at the latest one second later. fn may be NULL ----------------------------- */
/* store_update - write the state of all recipients (n_rcpts rows), the next due time and the flags of m */
int store_update(struct store *s, struct qmsg *m, const struct rcpt_state *states, usec due, store_fn fn, void *ctx);
/* store_remove - the message is finished; m is freed before this returns. fn gets m == NULL */
int store_remove(struct store *s, struct qmsg *m, store_fn fn, void *ctx);

/* store_tick - start a flush if records wait and none runs; the loop calls it at the end of every tick. Without a pool it
 * flushes inline and runs the callbacks. Returns when it wants to be called next (mono), USEC_NEVER if nothing waits. */
usec store_tick(struct store *s, usec now_mono);
/* store_maintain - one bounded slice of housekeeping (compaction, unlinking); true when there is more to do */
bool store_maintain(struct store *s);

struct store_stats { uint64_t flushes, appended_bytes, messages_in, messages_out, segments, live_bytes, dead_bytes, big_files, corrupt, moved /* records by compaction */; usec last_flush_us; };
void store_stats(const struct store *s, struct store_stats *out);

#endif
