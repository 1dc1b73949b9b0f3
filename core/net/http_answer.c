/* http_answer - the answer to our request; RFC 9112. */
#include "core/base/limits.h"
#include "core/net/http.h"

enum { SWITCHES = 101 /* another protocol: nothing of HTTP follows */, NO_CONTENT = 204, NOT_MODIFIED = 304 };

static enum http_result bad(const char **why, const char *text)
{
	*why = text;
	return HTTP_BAD;
}

struct str http_header(struct str rest, struct str name)
{
	struct str line, key;

	while (str_cut(&rest, '\n', &line)) {
		line = str_trim(line);
		if (str_chr(line, ':') > 0 && str_cut(&line, ':', &key) && str_ieq(key, name))
			return str_trim(line);
	}
	return STR_EMPTY;
}

static enum http_result take_chunks(struct str in, bool ended, struct buf *body, const char **why)
{
	struct str line, rest = in;
	uint64_t n;

	for (;;) {
		struct str before = rest;

		if (!str_cut(&rest, '\n', &line) || line.n == before.n)
			break;
		line = str_trim(line);
		if (str_chr(line, ';') >= 0)
			line = str_trim(str_head(line, (size_t)str_chr(line, ';')));
		if (!str_to_hex64(line, &n))
			return bad(why, "a chunk without a length");
		if (n == 0)
			return HTTP_OK;
		if (n > body->max - body->n)
			return bad(why, "too large");
		if (rest.n < n + 2)
			break;
		buf_add(body, rest.p, n);
		if (memcmp(rest.p + n, "\r\n", 2) != 0)
			return bad(why, "a chunk longer than it says");
		rest = str_from(rest, n + 2);
	}
	return ended ? bad(why, "cut short") : HTTP_NEED_MORE;
}

static enum http_result take_body(struct str in, bool ended, struct str length, struct buf *body, const char **why)
{
	uint64_t n = in.n;

	if (length.p && !str_to_u64(length, &n))
		return bad(why, "a length that is no number");
	if (n > body->max)
		return bad(why, "too large");
	if (in.n < n)
		return ended ? bad(why, "cut short") : HTTP_NEED_MORE;
	if (!length.p && !ended)
		return HTTP_NEED_MORE;
	buf_add(body, in.p, n);
	return HTTP_OK;
}

enum http_result http_parse_answer(struct str in, bool ended, struct http_answer *out, struct buf *body, const char **why)
{
	struct str rest, line, coding;
	uint64_t status = 100;

	buf_clear(body);
	*out = (struct http_answer){ .status = 0 };
	/* informational answers, 103 with hints, come before the one that counts (RFC 9110 15.2) */
	for (ptrdiff_t end; status / 100 == 1 && status != SWITCHES; in = str_from(in, (size_t)end + 4)) {
		end = str_find(str_head(in, LIMIT_HTTP_REQUEST), STR("\r\n\r\n"));
		if (end < 0 && in.n >= LIMIT_HTTP_REQUEST)
			return bad(why, "its header is too long");
		if (end < 0)
			return ended ? bad(why, "cut short") : HTTP_NEED_MORE;
		rest = str_head(in, (size_t)end + 2);
		str_cut(&rest, '\n', &line);
		if (!str_starts(line, STR("HTTP/1.")) || line.n < 12 || !str_to_u64(str_make(line.p + 9, 3), &status) || status < 100)
			return bad(why, "not HTTP");
	}
	out->status = (int)status;
	out->type = http_header(rest, STR("content-type"));
	out->date = http_header(rest, STR("date"));
	coding = http_header(rest, STR("transfer-encoding"));
	if (status == SWITCHES || status == NO_CONTENT || status == NOT_MODIFIED)
		return HTTP_OK;
	if (str_ieq(coding, STR("chunked")))
		return take_chunks(in, ended, body, why);
	return coding.p ? bad(why, "an encoding that was not asked for") : take_body(in, ended, http_header(rest, STR("content-length")), body, why);
}
