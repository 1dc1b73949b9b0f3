/* deflate - see deflate.h. */
#include "core/store/deflate.h"

#include <zlib.h>

#include "core/base/mem.h"

/* zlib's best is 1030 to one */
enum { INFLATE_MOST = 1040 };

char *deflate_bytes(struct str in, size_t *n)
{
	z_stream z = { 0 };
	size_t room = in.n - in.n / 8;
	char *out;
	int r;

	/* worth it only if an eighth goes; level 1: the disk is what it saves, not space for ever */
	if (in.n < 64 || deflateInit2(&z, 1, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	out = mem_realloc(NULL, room);
	z.next_in = (Bytef *)(uintptr_t)in.p;
	z.avail_in = (uInt)in.n;
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)room;
	r = deflate(&z, Z_FINISH);
	*n = room - z.avail_out;
	deflateEnd(&z);
	if (r == Z_STREAM_END)
		return out;
	mem_free(out);
	return NULL;
}

/* of RFC 1952 section 8, bit by bit: what is packed so is small, and seldom */
static uint32_t sum(struct str s)
{
	uint32_t c = 0xffffffff;

	for (size_t i = 0; i < s.n; i++) {
		c ^= (unsigned char)s.p[i];
		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
	}
	return ~c;
}

static void put_number(struct buf *out, uint32_t n)
{
	for (int i = 0; i < 32; i += 8)
		buf_byte(out, (char)(n >> i & 0xff));
}

bool deflate_gzip(struct buf *out, struct str in)
{
	static const char head[10] = { 0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 2, 3 };
	z_stream z = { 0 };
	int r = Z_BUF_ERROR;
	size_t room;

	if (deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	room = deflateBound(&z, in.n);
	buf_add(out, head, sizeof(head));
	if (buf_reserve(out, room)) {
		z.next_in = (Bytef *)(uintptr_t)in.p;
		z.avail_in = (uInt)in.n;
		z.next_out = (Bytef *)out->p + out->n;
		z.avail_out = (uInt)room;
		r = deflate(&z, Z_FINISH);
		out->n += room - z.avail_out;
	}
	deflateEnd(&z);
	put_number(out, sum(in));
	put_number(out, (uint32_t)in.n);
	return r == Z_STREAM_END && !out->overflow;
}

char *inflate_bytes(struct str in, size_t size)
{
	z_stream z = { 0 };
	char *out;
	int r;

	/* no stream of this length can hold so much: nothing is allocated for a number that is not true */
	if (size / INFLATE_MOST > in.n || inflateInit2(&z, -MAX_WBITS) != Z_OK)
		return NULL;
	out = mem_realloc(NULL, size + 1);
	z.next_in = (Bytef *)(uintptr_t)in.p;
	z.avail_in = (uInt)in.n;
	z.next_out = (Bytef *)out;
	/* one byte more than allowed: a stream that wants it is not ours */
	z.avail_out = (uInt)size + 1;
	r = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	if (r == Z_STREAM_END && z.avail_out == 1 && !z.avail_in) {
		out[size] = 0;
		return out;
	}
	mem_free(out);
	return NULL;
}
