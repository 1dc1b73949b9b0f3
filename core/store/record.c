/* record - see record.h. */
#include "core/store/record.h"

#include "core/base/crc.h"
#include "core/base/format.h"

/* the first 24 bytes of every segment, of every version; a later version changes the digits only. 0001 is read, too: its
 * messages have version RECORD_WHOLE, and compaction copies them as they are into segments of today */
static const char segment_title[] = "relaybox queue log 0002\n", segment_title_0001[] = "relaybox queue log 0001\n";
enum { TITLE = 24, TITLE_WORDS = 19, STATE_ROW = 8 };
_Static_assert(sizeof(segment_title) - 1 == TITLE, "the title has a fixed size");

uint32_t record_get32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t record_get64(const unsigned char *p)
{
	return record_get32(p) | (uint64_t)record_get32(p + 4) << 32;
}

void record_put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++, v >>= 8)
		p[i] = (unsigned char)v;
}

void record_put64(unsigned char *p, uint64_t v)
{
	record_put32(p, (uint32_t)v);
	record_put32(p + 4, (uint32_t)(v >> 32));
}

static uint32_t get16(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static void put16(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)v;
	p[1] = (unsigned char)(v >> 8);
}

/* --- queue ids ---------------------------------------------------------------------------------------------------- */

void qid_format(char out[QID_MAX], uint64_t id)
{
	size_t n = 10;

	for (uint64_t rest = id >> 40; rest; rest >>= 4)
		n++;
	for (out[n] = 0; n; id >>= 4)
		out[--n] = "0123456789ABCDEF"[id & 15];
}

bool qid_parse(struct str s, uint64_t *id)
{
	/* a text that is not what qid_format prints names nothing, so that one message has one name */
	char again[QID_MAX];

	if (s.n < 10 || !str_to_hex64(s, id) || !*id)
		return false;
	qid_format(again, *id);
	return str_eq(s, str_of(again));
}

/* --- segments ----------------------------------------------------------------------------------------------------- */

void segment_header_format(unsigned char out[SEGMENT_START], const struct segment_header *h)
{
	memset(out, 0, SEGMENT_START);
	memcpy(out, segment_title, TITLE);
	record_put32(out + 24, h->number);
	record_put32(out + 28, h->mark);
	record_put32(out + 32, h->salt);
	record_put32(out + 36, h->previous_end);
	record_put64(out + 40, (uint64_t)h->created);
	record_put64(out + 48, h->high_id);
	record_put32(out + 56, h->previous);
	record_put32(out + 60, crc32c(0, out, 60));
	memcpy(out + SEGMENT_HEADER, out, SEGMENT_HEADER);
}

static enum segment_verdict header_copy(const unsigned char *p, struct segment_header *out)
{
	if (record_get32(p + 60) != crc32c(0, p, 60) || memcmp(p, segment_title, TITLE_WORDS) != 0)
		return SEGMENT_DAMAGED;
	if (memcmp(p, segment_title, TITLE) != 0 && memcmp(p, segment_title_0001, TITLE) != 0)
		return SEGMENT_FOREIGN;
	out->number = record_get32(p + 24);
	out->mark = record_get32(p + 28);
	out->salt = record_get32(p + 32);
	out->previous_end = record_get32(p + 36);
	out->created = (usec)record_get64(p + 40);
	out->high_id = record_get64(p + 48);
	out->previous = record_get32(p + 56);
	return SEGMENT_OK;
}

enum segment_verdict segment_header_parse(const void *data, size_t n, struct segment_header *out)
{
	const unsigned char *p = data;
	enum segment_verdict v;

	if (n < SEGMENT_START)
		return SEGMENT_DAMAGED;
	v = header_copy(p, out);
	return v == SEGMENT_DAMAGED ? header_copy(p + SEGMENT_HEADER, out) : v;
}

void segment_trailer_format(unsigned char out[SEGMENT_TRAILER], const struct segment_header *h, uint32_t footer_at, uint32_t length)
{
	memset(out, 0, SEGMENT_TRAILER);
	memcpy(out, "sealed\n", 7);
	record_put32(out + 8, h->mark);
	record_put32(out + 12, footer_at);
	record_put32(out + 16, length);
	record_put32(out + 28, crc32c(h->salt, out, 28));
}

bool segment_trailer_parse(const unsigned char p[SEGMENT_TRAILER], const struct segment_header *h, uint32_t *footer_at, uint32_t *length)
{
	if (memcmp(p, "sealed\n", 7) != 0 || record_get32(p + 8) != h->mark || record_get32(p + 28) != crc32c(h->salt, p, 28))
		return false;
	*footer_at = record_get32(p + 12);
	*length = record_get32(p + 16);
	return true;
}

/* --- records ------------------------------------------------------------------------------------------------------ */

void record_format(unsigned char out[RECORD_HEADER], const struct segment_header *h, const struct record *r)
{
	record_put32(out, h->mark);
	record_put32(out + 4, r->length);
	out[8] = r->type;
	out[9] = r->version;
	put16(out + 10, r->flags);
	record_put32(out + 12, r->head_length);
	record_put64(out + 16, r->id);
	record_put32(out + 24, r->head_crc);
	record_put32(out + 28, r->body_crc);
	record_put32(out + 32, r->batch);
	record_put32(out + 36, crc32c(h->salt, out, 36));
}

bool record_parse(const unsigned char p[RECORD_HEADER], const struct segment_header *h, struct record *out)
{
	if (record_get32(p) != h->mark || record_get32(p + 36) != crc32c(h->salt, p, 36))
		return false;
	*out = (struct record){ .type = p[8], .version = p[9], .flags = (uint16_t)get16(p + 10), .length = record_get32(p + 4),
		.head_length = record_get32(p + 12), .id = record_get64(p + 16), .head_crc = record_get32(p + 24),
		.body_crc = record_get32(p + 28), .batch = record_get32(p + 32) };
	return out->head_length <= out->length && out->head_length >= RECORD_SUMMARY && out->length < UINT32_MAX / 2;
}

bool record_is_known(const struct record *r)
{
	if (r->type == RECORD_MESSAGE)
		return r->version == RECORD_WHOLE || r->version == RECORD_APART;
	return r->type > RECORD_MESSAGE && r->type <= RECORD_FOOTER && r->version == RECORD_PLAIN;
}

void summary_format(unsigned char out[RECORD_SUMMARY], enum record_type t, const struct summary *s)
{
	memset(out, 0, RECORD_SUMMARY);
	if (t == RECORD_MESSAGE) {
		record_put64(out, (uint64_t)s->message.arrival);
		record_put64(out + 8, s->message.size);
		record_put32(out + 16, s->message.n_rcpts);
		record_put32(out + 20, s->message.flags);
	} else if (t == RECORD_STATE) {
		record_put64(out, (uint64_t)s->state.due);
		record_put32(out + 8, s->state.n_pending);
		record_put32(out + 12, s->state.flags);
		record_put32(out + 16, s->state.n_rcpts);
	} else if (t == RECORD_GONE) {
		for (int i = 0; i < RECORD_TARGETS; i++)
			record_put32(out + 4 * i, s->gone[i]);
	}
}

void summary_parse(const unsigned char p[RECORD_SUMMARY], enum record_type t, struct summary *out)
{
	*out = (struct summary){ 0 };
	if (t == RECORD_MESSAGE) {
		out->message.arrival = (usec)record_get64(p);
		out->message.size = record_get64(p + 8);
		out->message.n_rcpts = record_get32(p + 16);
		out->message.flags = record_get32(p + 20);
	} else if (t == RECORD_STATE) {
		out->state.due = (usec)record_get64(p);
		out->state.n_pending = record_get32(p + 8);
		out->state.flags = record_get32(p + 12);
		out->state.n_rcpts = record_get32(p + 16);
	} else if (t == RECORD_GONE) {
		for (int i = 0; i < RECORD_TARGETS; i++)
			out->gone[i] = record_get32(p + 4 * i);
	}
}

void body_format(unsigned char out[RECORD_BODY], const struct body *b)
{
	record_put64(out, b->size);
	record_put32(out + 8, b->crc);
	record_put32(out + 12, b->header_size);
}

void body_parse(const unsigned char p[RECORD_BODY], struct body *out)
{
	out->size = record_get64(p);
	out->crc = record_get32(p + 8);
	out->header_size = record_get32(p + 12);
}

void entry_format(unsigned char out[RECORD_ENTRY], const struct entry *e)
{
	memset(out, 0, RECORD_ENTRY);
	record_put64(out, e->id);
	record_put32(out + 8, e->offset);
	record_put32(out + 12, e->length);
	out[16] = e->type;
	put16(out + 18, e->flags);
	memcpy(out + 24, e->summary, RECORD_SUMMARY);
}

void entry_parse(const unsigned char p[RECORD_ENTRY], struct entry *out)
{
	*out = (struct entry){ .id = record_get64(p), .offset = record_get32(p + 8), .length = record_get32(p + 12), .type = p[16],
		.flags = (uint16_t)get16(p + 18) };
	memcpy(out->summary, p + 24, RECORD_SUMMARY);
}

/* --- the rows of a state record: status, code, lengths, then the two texts ------------------------------------------ */

void states_format(struct buf *out, const struct rcpt_state *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct str enhanced = str_of(v[i].last.enhanced), text = str_head(v[i].last.text, LIMIT_REPLY_TEXT);
		unsigned char row[STATE_ROW] = { (unsigned char)v[i].status, (unsigned char)enhanced.n };

		put16(row + 2, (uint32_t)v[i].last.code);
		put16(row + 4, (uint32_t)text.n);
		buf_add(out, row, sizeof(row));
		buf_str(out, enhanced);
		buf_str(out, text);
	}
}

static bool take(struct str *in, size_t n, struct str *out)
{
	if (in->n < n)
		return false;
	*out = str_head(*in, n);
	*in = str_from(*in, n);
	return true;
}

static bool state_row(struct arena *a, struct str *in, struct rcpt_state *out)
{
	struct str row, enhanced, text;
	const unsigned char *p;

	if (!take(in, STATE_ROW, &row))
		return false;
	p = (const unsigned char *)row.p;
	if (p[0] > RCPT_DONE || p[1] >= sizeof(out->last.enhanced) || p[6] || p[7])
		return false;
	if (get16(p + 2) > 999 || get16(p + 4) > LIMIT_REPLY_TEXT)
		return false;
	if (!take(in, p[1], &enhanced) || !take(in, get16(p + 4), &text))
		return false;
	out->status = (enum rcpt_status)p[0];
	out->last.code = (int)get16(p + 2);
	if (enhanced.n)
		memcpy(out->last.enhanced, enhanced.p, enhanced.n);
	out->last.text = arena_str(a, text);
	return !a->overflow;
}

struct rcpt_state *states_parse(struct arena *a, struct str in, size_t n)
{
	struct rcpt_state *v;

	if (n > in.n / STATE_ROW)
		return NULL;
	v = ARENA_ARRAY(a, struct rcpt_state, n);
	if (!v)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!state_row(a, &in, &v[i]))
			return NULL;
	return in.n ? NULL : v;
}
