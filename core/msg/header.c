/* header - see header.h. One function decides where a field ends; every reader of headers goes through it, so that two
 * parts of the program never disagree about the border of header and body (threats A5). */
#include "core/msg/header.h"

static bool is_name_byte(char c)
{
	return c > ' ' && c < 127 && c != ':';
}

size_t header_name_length(struct str s, size_t *colon)
{
	size_t n = 0, i;

	while (n < s.n && is_name_byte(s.p[n]))
		n++;
	for (i = n; i < s.n && (s.p[i] == ' ' || s.p[i] == '\t');)
		i++;
	*colon = i;
	return i < s.n && s.p[i] == ':' ? n : 0;
}

/* length of the line at `at`, its end included */
static size_t line_length(struct str s, size_t at)
{
	const char *nl = memchr(s.p + at, '\n', s.n - at);

	return nl ? (size_t)(nl - s.p) + 1 - at : s.n - at;
}

static bool is_empty_line(struct str s)
{
	return (s.n >= 1 && s.p[0] == '\n') || (s.n >= 2 && s.p[0] == '\r' && s.p[1] == '\n');
}

int header_next(struct str *rest, struct header *out)
{
	size_t end, colon, name;
	struct str raw;

	if (!rest->n || is_empty_line(*rest))
		return 0;
	end = line_length(*rest, 0);
	name = header_name_length(str_head(*rest, end), &colon);
	if (!name)
		return -1;
	while (end < rest->n && (rest->p[end] == ' ' || rest->p[end] == '\t'))
		end += line_length(*rest, end);
	raw = str_head(*rest, end);
	out->raw = raw;
	out->name = str_head(raw, name);
	if (raw.p[raw.n - 1] == '\n')
		raw.n--;
	if (raw.n && raw.p[raw.n - 1] == '\r')
		raw.n--;
	out->value = str_from(raw, colon + 1);
	*rest = str_from(*rest, end);
	return 1;
}

bool header_find(struct str headers, const char *name, struct header *out)
{
	while (header_next(&headers, out) > 0)
		if (str_ieq(out->name, str_of(name)))
			return true;
	return false;
}

unsigned header_count(struct str headers, const char *name)
{
	struct header h;
	unsigned n = 0;

	while (header_next(&headers, &h) > 0)
		n += str_ieq(h.name, str_of(name));
	return n;
}

void header_unfold(struct str value, struct buf *out)
{
	value = str_trim(value);
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '\r' && value.p[i] != '\n')
			buf_byte(out, value.p[i]);
}

size_t header_body_split(struct str message)
{
	struct str rest = message;
	struct header h;

	while (header_next(&rest, &h) > 0)
		;
	if (rest.n && is_empty_line(rest))
		rest = str_from(rest, rest.p[0] == '\n' ? 1 : 2);
	return message.n - rest.n;
}
