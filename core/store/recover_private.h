/* recover_private - what the files of recovery share.
 *
 * recover.c        the names, the order, one file after the other; what is damaged is set aside, what has no footer gets one
 * recover_scan.c   bytes: from a segment to its entries, and where it is damaged
 * recover_apply.c  meaning: from entries to the index of messages, and who needs which segment
 * recover_big.c    the files in big/ */
#ifndef CORE_STORE_RECOVER_PRIVATE_H
#define CORE_STORE_RECOVER_PRIVATE_H

#include "core/store/store_private.h"

struct damage { uint64_t at, n, id; };
struct window { int fd; uint64_t size, at; size_t n, cap; unsigned char *p; };
struct recovery {
	struct store *s;
	struct buf *why;
	uint32_t *numbers;      /* of the files NNNNNNNN.seg */
	size_t n_numbers, cap_numbers;
	uint64_t set_aside;     /* damage found by this start */
	/* the segment that is being read */
	struct segment *seg;
	struct window w;
	struct idmap copies;    /* copies of messages whose state was not copied behind them, so far: struct store_place */
	struct arena places;
	struct damage *damages;
	size_t n_damages, cap_damages;
	uint32_t last_batch;
	/* the last one that had no footer: whether all of it is there, the next one tells */
	struct unsealed { uint32_t number; uint64_t end, size; } unsealed;
	bool failed;            /* why says so */
};

/* recover.c */
bool recover_cannot_read(struct recovery *r);                          /* the segment, by errno; false */

/* recover_scan.c */
/* window_get - n bytes at `at`, or NULL (past the end, or errno) */
const unsigned char *window_get(struct window *w, uint64_t at, size_t n);
bool recover_footer(struct recovery *r);                               /* false: there is none that is whole; then nothing was applied */
/* recover_scan - every record; r->seg->end is set to where the last whole one ends. false: stop, why says so */
bool recover_scan(struct recovery *r);

/* recover_apply.c */
void recover_apply(struct recovery *r, const struct entry *e);          /* a record of r->seg, in the order of the log */

#endif
