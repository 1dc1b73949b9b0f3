/* crlf - see crlf.h. Runs that need no change go out in one piece; memchr finds the places that do. */
#include "core/msg/crlf.h"

#include <string.h>

#define FROM_NO ((size_t)-1)

/* --- any text to CRLF ---------------------------------------------------------------------------------------------- */

void crlf_clean_init(struct crlf_clean *c)
{
	*c = (struct crlf_clean){ false, false };
}

/* the place of the first CR or LF in [p, end) that is not part of a CRLF, or end */
static const char *find_stray(const char *p, const char *end)
{
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
		const char *cr = memchr(p, '\r', (size_t)(stop - p));

		if (cr && cr + 1 != nl)
			return cr;
		if (nl && !cr)
			return nl;
		p = nl ? nl + 1 : end;
	}
	return end;
}

void crlf_clean_add(struct crlf_clean *c, struct buf *out, struct str chunk)
{
	const char *p = chunk.p, *end;

	if (!chunk.n)
		return;
	end = p + chunk.n;
	if (c->cr) {
		c->cr = false;
		if (*p == '\n') {
			buf_add(out, "\r\n", 2);
			c->in_line = false;
			p++;
		} else {
			buf_byte(out, ' ');
		}
	}
	while (p < end) {
		const char *stray = find_stray(p, end);

		buf_add(out, p, (size_t)(stray - p));
		if (stray > p)
			c->in_line = stray[-1] != '\n';
		p = stray;
		if (p == end)
			break;
		if (*p == '\n') {
			buf_add(out, "\r\n", 2);
			c->in_line = false;
		} else if (p + 1 == end) {
			c->cr = c->in_line = true;
		} else {
			buf_byte(out, ' ');
			c->in_line = true;
		}
		p++;
	}
}

void crlf_clean_end(struct crlf_clean *c, struct buf *out, bool end_line)
{
	if (c->cr)
		buf_byte(out, ' ');
	if (end_line && c->in_line)
		buf_add(out, "\r\n", 2);
	crlf_clean_init(c);
}

/* --- CRLF to LF ---------------------------------------------------------------------------------------------------- */

static const char from_word[] = "From ";

void crlf_to_lf_init(struct crlf_to_lf *c, bool quote_from)
{
	*c = (struct crlf_to_lf){ quote_from, false, quote_from ? 0 : FROM_NO };
}

/* at a possible "From ": swallow what fits, give it out once it is decided; returns the bytes used */
static size_t watch_from(struct crlf_to_lf *c, struct buf *out, const char *p, size_t n)
{
	size_t used = 0;

	while (used < n && from_word[c->from] && p[used] == from_word[c->from]) {
		used++;
		c->from++;
	}
	if (!from_word[c->from])
		buf_byte(out, '>');
	else if (used == n)
		return used;
	buf_add(out, from_word, c->from);
	c->from = FROM_NO;
	return used;
}

static void add_text(struct crlf_to_lf *c, struct buf *out, const char *p, size_t n)
{
	if (n && c->from != FROM_NO) {
		size_t used = watch_from(c, out, p, n);

		p += used;
		n -= used;
	}
	if (n)
		buf_add(out, p, n);
}

void crlf_to_lf_add(struct crlf_to_lf *c, struct buf *out, struct str chunk)
{
	const char *p = chunk.p, *end = chunk.p + chunk.n;

	while (p < end) {
		const char *nl, *stop;

		if (c->cr) {
			c->cr = false;
			if (*p != '\n')
				add_text(c, out, "\r", 1);
		}
		nl = memchr(p, '\n', (size_t)(end - p));
		stop = nl ? nl : end;
		if (stop > p && stop[-1] == '\r') {
			add_text(c, out, p, (size_t)(stop - 1 - p));
			c->cr = !nl;
		} else {
			add_text(c, out, p, (size_t)(stop - p));
		}
		if (!nl)
			return;
		if (c->from != FROM_NO)
			buf_add(out, from_word, c->from);
		buf_byte(out, '\n');
		c->from = c->quote_from ? 0 : FROM_NO;
		p = nl + 1;
	}
}

void crlf_to_lf_end(struct crlf_to_lf *c, struct buf *out)
{
	if (c->from != FROM_NO)
		buf_add(out, from_word, c->from);
	if (c->cr)
		buf_byte(out, '\r');
	crlf_to_lf_init(c, c->quote_from);
}
