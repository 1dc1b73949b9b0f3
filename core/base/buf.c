/* buf - see buf.h. Memory doubles, so that adding one byte at a time stays cheap. */
#include "core/base/buf.h"

#include "core/base/format.h"
#include "core/base/mem.h"

enum { BUF_FIRST = 256 };

void buf_init(struct buf *b, size_t max)
{
	/* room for sums of sizes without overflow */
	*b = (struct buf){ .max = max < SIZE_MAX / 4 ? max : SIZE_MAX / 4 };
}

void buf_fini(struct buf *b)
{
	mem_free(b->p);
	buf_init(b, b->max);
}

void buf_wipe(struct buf *b)
{
	if (b->p)
		mem_wipe(b->p, b->cap);
	buf_fini(b);
}

void buf_clear(struct buf *b)
{
	b->overflow = false;
	buf_truncate(b, 0);
}

void buf_shrink(struct buf *b)
{
	if (!b->n) {
		mem_free(b->p);
		b->p = NULL;
		b->cap = 0;
	} else if (b->cap > b->n + 1) {
		b->cap = b->n + 1;
		b->p = mem_realloc(b->p, b->cap);
	}
}

static void grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST;

	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (cap - 1 > b->max)
		cap = b->max + 1;
	b->p = mem_realloc(b->p, cap);
	b->cap = cap;
	b->p[b->n] = 0;
}

bool buf_reserve(struct buf *b, size_t more)
{
	if (more > b->max || b->n > b->max - more) {
		b->overflow = true;
		return false;
	}
	if (b->n + more >= b->cap)
		grow(b, b->n + more + 1);
	return true;
}

bool buf_add(struct buf *b, const void *p, size_t n)
{
	if (!buf_reserve(b, n))
		return false;
	bytes_copy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = 0;
	return true;
}

bool buf_str(struct buf *b, struct str s)
{
	return buf_add(b, s.p, s.n);
}

bool buf_z(struct buf *b, const char *z)
{
	return buf_add(b, z, strlen(z));
}

bool buf_byte(struct buf *b, char c)
{
	if (!buf_reserve(b, 1))
		return false;
	b->p[b->n++] = c;
	b->p[b->n] = 0;
	return true;
}

bool buf_u64(struct buf *b, uint64_t v)
{
	char digits[20], *end = digits + sizeof(digits), *first = format_digits(end, v);

	return buf_add(b, first, (size_t)(end - first));
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	bool ok;

	va_start(ap, fmt);
	ok = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return ok;
}

bool buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	size_t room;
	va_list again;
	int n;

	if (!b->p)
		grow(b, 1);
	room = b->cap - b->n;
	va_copy(again, ap);
	n = format_vtext(b->p + b->n, room, fmt, ap);
	if (n < 0)
		BUG("bad format");
	if ((size_t)n >= room) {
		b->p[b->n] = 0;
		if (!buf_reserve(b, (size_t)n)) {
			va_end(again);
			return false;
		}
		format_vtext(b->p + b->n, (size_t)n + 1, fmt, again);
	} else if ((size_t)n > b->max - b->n) {
		b->p[b->n] = 0;
		b->overflow = true;
		va_end(again);
		return false;
	}
	va_end(again);
	b->n += (size_t)n;
	return true;
}

void buf_consume(struct buf *b, size_t n)
{
	if (n >= b->n) {
		buf_truncate(b, 0);
		return;
	}
	b->n -= n;
	memmove(b->p, b->p + n, b->n);
	b->p[b->n] = 0;
}

void buf_truncate(struct buf *b, size_t n)
{
	if (n < b->n)
		b->n = n;
	if (b->p)
		b->p[b->n] = 0;
}

char *buf_take(struct buf *b)
{
	char *p = b->p ? b->p : mem_dupz("");

	buf_init(b, b->max);
	return p;
}

const char *buf_cstr(const struct buf *b)
{
	return b->p ? b->p : "";
}

void buf_hex(struct buf *b, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%02x", ((const uint8_t *)p)[i]);
}

void buf_uri(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (ascii_is_alnum(s.p[i]) || ascii_is_one_of(s.p[i], "-._~"))
			buf_byte(b, s.p[i]);
		else
			buf_printf(b, "%%%02X", (unsigned char)s.p[i]);
}

void buf_escaped(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_byte(b, '\\');
		buf_byte(b, s.p[i]);
	}
}

void buf_json(struct buf *out, struct str s)
{
	buf_byte(out, '"');
	while (s.n) {
		unsigned char c = (unsigned char)s.p[0];
		size_t step = str_utf8_step(s);

		if (!step || (step > 1 && !str_visible_step(s)))
			buf_z(out, "\\ufffd");
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < 32 || c == 127)
			buf_printf(out, "\\u%04x", c);
		else
			buf_add(out, s.p, step);
		s = str_from(s, step ? step : 1);
	}
	buf_byte(out, '"');
}
