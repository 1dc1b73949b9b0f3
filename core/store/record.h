/* record - the bytes of the log, and nothing else: no files, no state. docs/man/relaybox-queue.5 is the description.
 *
 * A segment begins with its header, twice, so that one damaged sector cannot hide a whole segment. The header holds two
 * random numbers: `mark` opens every record of this segment and `salt` seeds the checksum of every record header.
 * Neither what a recycled file held before nor what a peer puts into a message can therefore be taken for a record.
 * A record is header, head and body. The head begins with a summary of fixed size, which the footer of a sealed segment
 * repeats, so that a start need not read heads or bodies. The header's own checksum makes the length trustworthy even
 * where the content is damaged. All numbers are little-endian. */
#ifndef CORE_STORE_RECORD_H
#define CORE_STORE_RECORD_H

#include "core/base/arena.h"
#include "core/store/store.h"

enum {
	SEGMENT_HEADER = 64,               /* one copy */
	SEGMENT_START = 2 * SEGMENT_HEADER, /* where the first record stands */
	RECORD_HEADER = 40,
	RECORD_SUMMARY = 24,
	RECORD_BODY = 16,                  /* description in front of a message's header section and body */
	RECORD_TARGETS = 6,                /* segments that one gone record can name */
	RECORD_ENTRY = 48,                 /* one record in a footer */
	SEGMENT_TRAILER = 32,              /* the last bytes of a sealed segment: where its footer is */
};
enum record_type { RECORD_MESSAGE = 1, RECORD_STATE, RECORD_GONE, RECORD_FOOTER };
/* of a message record: WHOLE is of format 0001, where the header section was the beginning of the stored content */
enum record_version { RECORD_WHOLE = 1, RECORD_APART = 2, RECORD_PLAIN = 1 /* of every other type */ };
enum record_flags { RECORD_DEFLATE = 1, RECORD_BIG = 2 };

/* previous: the segment that was written before, and where its records end; 0: it was sealed before this one began */
struct segment_header { uint32_t number, mark, salt; usec created; uint64_t high_id; uint32_t previous, previous_end; };
void segment_header_format(unsigned char out[SEGMENT_START], const struct segment_header *h);
enum segment_verdict { SEGMENT_OK, SEGMENT_DAMAGED, SEGMENT_FOREIGN /* a version that we do not know */ };
enum segment_verdict segment_header_parse(const void *p, size_t n, struct segment_header *out);
/* segment_trailer - points at the footer; parse: false if there is none */
void segment_trailer_format(unsigned char out[SEGMENT_TRAILER], const struct segment_header *h, uint32_t footer_at, uint32_t length);
bool segment_trailer_parse(const unsigned char p[SEGMENT_TRAILER], const struct segment_header *h, uint32_t *footer_at, uint32_t *length);

struct record {
	uint8_t type, version;
	uint16_t flags;
	uint32_t length;                   /* head and body */
	uint32_t head_length;
	uint64_t id;
	uint32_t head_crc, body_crc;
	uint32_t batch;                    /* offset in the segment where the write that holds this record began */
};
void record_format(unsigned char out[RECORD_HEADER], const struct segment_header *h, const struct record *r);
/* record_parse - false: no record header of this segment */
bool record_parse(const unsigned char p[RECORD_HEADER], const struct segment_header *h, struct record *out);
/* record_is_known - is this a type and a version of it that this program reads? */
bool record_is_known(const struct record *r);
static inline uint32_t record_size(const struct record *r) { return RECORD_HEADER + r->length; }

/* what the first RECORD_SUMMARY bytes of a head say */
struct summary {
	union {
		struct { usec arrival; uint64_t size; uint32_t n_rcpts, flags; } message;
		struct { usec due; uint32_t n_pending, flags, n_rcpts; } state;
		uint32_t gone[RECORD_TARGETS]; /* segments that may still hold the message; 0 = none */
	};
};
void summary_format(unsigned char out[RECORD_SUMMARY], enum record_type t, const struct summary *s);
void summary_parse(const unsigned char p[RECORD_SUMMARY], enum record_type t, struct summary *out);

/* what stands behind a message's head: this, the header section as it is, then the body (plain, deflated, or none: then
 * big/ID holds it). size and crc are of the plain body. In format 0001 header_size is 0 and the body is all of the content */
struct body { uint64_t size; uint32_t crc, header_size; };
void body_format(unsigned char out[RECORD_BODY], const struct body *b);
void body_parse(const unsigned char p[RECORD_BODY], struct body *out);

struct entry { uint64_t id; uint32_t offset, length; uint8_t type; uint16_t flags; unsigned char summary[RECORD_SUMMARY]; };
void entry_format(unsigned char out[RECORD_ENTRY], const struct entry *e);
void entry_parse(const unsigned char p[RECORD_ENTRY], struct entry *out);

/* the rows of a state record, after its summary */
void states_format(struct buf *out, const struct rcpt_state *v, size_t n);
/* states_parse - exactly n rows in `in`, texts copied into the arena; NULL: damaged, or the arena is full */
struct rcpt_state *states_parse(struct arena *a, struct str in, size_t n);

uint32_t record_get32(const unsigned char *p);
uint64_t record_get64(const unsigned char *p);
void record_put32(unsigned char *p, uint32_t v);
void record_put64(unsigned char *p, uint64_t v);

#endif
