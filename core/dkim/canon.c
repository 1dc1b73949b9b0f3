/* canon - see canon.h. Line ends and blanks wait until a byte comes that makes them count, which is all that the rules ask for. */
#include "core/dkim/canon.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void flush(struct dkim_body *b)
{
	if (b->n)
		b->give(b->ctx, str_make(b->out, b->n));
	b->n = 0;
}

static void put(struct dkim_body *b, const char *p, size_t n)
{
	while (n) {
		size_t fits = sizeof(b->out) - b->n < n ? sizeof(b->out) - b->n : n;

		bytes_copy(b->out + b->n, p, fits);
		b->n += fits;
		p += fits;
		n -= fits;
		if (b->n == sizeof(b->out))
			flush(b);
	}
}

/* text - bytes that are neither blank nor part of a line end: what waited before them counts */
static void text(struct dkim_body *b, const char *p, size_t n)
{
	for (; b->ends; b->ends--)
		put(b, "\r\n", 2);
	if (b->blank)
		put(b, " ", 1);
	b->blank = false;
	b->any = true;
	put(b, p, n);
}

/* after_cr - the byte behind a CR; true: it is taken */
static bool after_cr(struct dkim_body *b, char c)
{
	b->cr = false;
	if (c != '\n') {
		text(b, "\r", 1);
		return false;
	}
	b->blank = false;
	b->ends++;
	return true;
}

void dkim_body_init(struct dkim_body *b, void (*give)(void *ctx, struct str text), void *ctx)
{
	b->give = give;
	b->ctx = ctx;
	b->ends = 0;
	b->blank = b->cr = b->any = false;
	b->n = 0;
}

void dkim_body_add(struct dkim_body *b, struct str s)
{
	size_t at = 0;

	while (at < s.n) {
		size_t from = at;

		if (b->cr && after_cr(b, s.p[at])) {
			at++;
			continue;
		}
		while (at < s.n && s.p[at] != '\r' && !is_blank(s.p[at]))
			at++;
		if (at > from)
			text(b, s.p + from, at - from);
		if (at == s.n)
			return;
		b->cr = s.p[at] == '\r';
		b->blank |= !b->cr;
		at++;
	}
}

void dkim_body_end(struct dkim_body *b)
{
	if (b->cr)
		text(b, "\r", 1);
	if (b->any)
		put(b, "\r\n", 2);
	flush(b);
}

void dkim_header(const struct header *h, struct buf *out)
{
	bool blank = false, any = false;

	for (size_t i = 0; i < h->name.n; i++)
		buf_byte(out, ascii_lower(h->name.p[i]));
	buf_byte(out, ':');
	for (size_t i = 0; i < h->value.n; i++) {
		char c = h->value.p[i];

		if (c == '\r' || c == '\n')
			continue;
		if (is_blank(c)) {
			blank = true;
			continue;
		}
		if (blank && any)
			buf_byte(out, ' ');
		blank = false;
		any = true;
		buf_byte(out, c);
	}
}
