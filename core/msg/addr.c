/* addr - the envelope grammar; see addr.h. The local part is a row of words between dots, each plain or quoted; what
 * Postfix takes though RFC 5321 would want it quoted (a..b, .a, a.) is taken and leaves quoted, as Postfix sends it.
 * Nothing else is repaired: a byte that has no place refuses the whole (threats C1, C6, C10, D5, K8). One pass each way,
 * no recursion, no look past the end. */
#include "core/msg/addr.h"

#include <arpa/inet.h>

#include "core/base/limits.h"
#include "core/msg/addr_chars.h"

#define LABEL_MAX 63                           /* RFC 1035 section 2.3.4 */

/* RFC 5322 atext, and every byte of a UTF-8 sequence (RFC 6531) */
bool addr_is_atext(char c)
{
	return ascii_is_alnum(c) || (unsigned char)c >= 0x80 || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* the code point of valid UTF-8 at p; *used = its length */
static uint32_t code_point(const char *p, size_t *used)
{
	const unsigned char *u = (const unsigned char *)p;

	*used = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	switch (*used) {
	case 1:
		return u[0];
	case 2:
		return (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
	case 3:
		return (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
	default:
		return (u[0] & 0x07u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
	}
}

static const struct { uint32_t first, last; } hostile[] = {
	{ 0x80, 0x9f }, { 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff0, 0xffff },
	{ 0xe0000, 0xe0fff },
};
/* what IDNA's mapping turns into ASCII, so that a dot or an at sign could appear late: full-width forms, dots */
static const struct { uint32_t first, last; } folding[] = {
	{ 0xa0, 0xa0 }, { 0x2000, 0x200a }, { 0x2024, 0x2026 }, { 0x2100, 0x2101 }, { 0x2105, 0x2106 }, { 0x3000, 0x3000 },
	{ 0x3002, 0x3002 }, { 0xfe00, 0xfe0f }, { 0xfe10, 0xfe1f }, { 0xfe30, 0xfe6f }, { 0xff00, 0xff65 },
};

/* text is valid UTF-8 without controls, direction marks and the like; for a domain also without look-alikes of ASCII */
static bool is_clean_utf8(struct str s, bool domain)
{
	if (str_is_ascii(s))
		return true;
	if (!str_is_utf8(s))
		return false;
	for (size_t i = 0, used; i < s.n; i += used) {
		uint32_t c = code_point(s.p + i, &used);

		for (size_t k = 0; k < sizeof(hostile) / sizeof(hostile[0]); k++)
			if (c >= hostile[k].first && c <= hostile[k].last)
				return false;
		for (size_t k = 0; domain && k < sizeof(folding) / sizeof(folding[0]); k++)
			if (c >= folding[k].first && c <= folding[k].last)
				return false;
	}
	return true;
}

/* --- domains ------------------------------------------------------------------------------------------------------ */

static bool is_literal(struct str d)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	struct str inner = str_make(d.p + 1, d.n - 2);
	int family = AF_INET;

	if (d.n < 3 || d.p[d.n - 1] != ']')
		return false;
	if (str_istarts(inner, STR("IPv6:"))) {
		family = AF_INET6;
		inner = str_from(inner, 5);
	}
	if (inner.n >= sizeof(text) || memchr(inner.p, '\0', inner.n))
		return false;
	memcpy(text, inner.p, inner.n);
	text[inner.n] = '\0';
	return inet_pton(family, text, bytes) == 1;
}

static bool is_label(struct str label)
{
	if (!label.n || label.n > LABEL_MAX || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!ascii_is_alnum(label.p[i]) && label.p[i] != '-' && label.p[i] != '_' && (unsigned char)label.p[i] < 0x80)
			return false;
	return true;
}

bool addr_valid_domain(struct str d)
{
	bool numeric = true;
	size_t start = 0;

	if (!d.n || d.n > LIMIT_DOMAIN)
		return false;
	if (d.p[0] == '[')
		return is_literal(d);
	if (!is_clean_utf8(d, true))
		return false;
	for (size_t i = 0; i <= d.n; i++) {
		if (i < d.n && d.p[i] != '.') {
			numeric = numeric && ascii_is_digit(d.p[i]);
			continue;
		}
		if (!is_label(str_make(d.p + start, i - start)))
			return false;
		start = i + 1;
	}
	/* 1.2.3.4 without brackets is not a name */
	return !numeric;
}

/* --- local parts -------------------------------------------------------------------------------------------------- */

/* take one quoted string off s at *at into out, unquoted; the bytes are printable ASCII or UTF-8 */
static bool take_quoted(struct str s, size_t *at, struct buf *out)
{
	size_t i = *at + 1;

	for (; i < s.n && s.p[i] != '"'; i++) {
		if (s.p[i] == '\\' && ++i == s.n)
			return false;
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return false;
		buf_byte(out, s.p[i]);
	}
	*at = i + 1;
	return i < s.n;
}

/* the local part at the front of s, unquoted into out; *end = the place after it. Words stand between dots */
static bool take_local(struct str s, struct buf *out, size_t *end)
{
	size_t i = 0;
	bool after_quoted = false;

	while (i < s.n && s.p[i] != '@') {
		if (s.p[i] == '"') {
			if (i && (after_quoted || s.p[i - 1] != '.'))
				return false;
			if (!take_quoted(s, &i, out))
				return false;
			after_quoted = true;
			continue;
		}
		if (s.p[i] != '.' && (after_quoted || !addr_is_atext(s.p[i])))
			return false;
		after_quoted = false;
		buf_byte(out, s.p[i++]);
	}
	*end = i;
	return true;
}

static bool is_dot_atom(struct str s)
{
	if (!s.n || s.p[0] == '.' || s.p[s.n - 1] == '.')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '.' ? s.p[i - 1] == '.' : !addr_is_atext(s.p[i]))
			return false;
	return true;
}

static void quote_local(struct buf *out, struct str local)
{
	if (is_dot_atom(local)) {
		buf_str(out, local);
		return;
	}
	buf_byte(out, '"');
	buf_escaped(out, local);
	buf_byte(out, '"');
}

/* --- whole addresses ---------------------------------------------------------------------------------------------- */

static bool parse_parts(struct str s, struct buf *local, struct buf *full)
{
	struct str domain;
	size_t end;

	if (!take_local(s, local, &end) || !local->n || !is_clean_utf8(buf_view(local), false))
		return false;
	quote_local(full, buf_view(local));
	if (end == s.n)
		return true;
	domain = str_from(s, end + 1);
	/* a rooted name is the same name */
	if (domain.n > 1 && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (!addr_valid_domain(domain))
		return false;
	buf_byte(full, '@');
	buf_str(full, domain);
	return true;
}

/* is_plain - user@domain without quotes and without a dot at its end: it is its own canonical form; *at: the place of the @ */
static bool is_plain(struct str s, size_t *at)
{
	const char *sign = memchr(s.p, '@', s.n);
	struct str local, domain;

	if (!sign || s.p[s.n - 1] == '.')
		return false;
	*at = (size_t)(sign - s.p);
	local = str_head(s, *at);
	domain = str_from(s, *at + 1);
	return is_dot_atom(local) && is_clean_utf8(local, false) && addr_valid_domain(domain);
}

bool addr_parse(struct arena *a, struct str s, struct addr *out)
{
	struct buf local, full;
	size_t at;
	bool good;

	*out = (struct addr){ STR_EMPTY, STR_EMPTY, STR_EMPTY };
	if (!s.n)
		return true;
	if (s.n > LIMIT_ADDRESS)
		return false;
	if (is_plain(s, &at)) {
		s = arena_str(a, s);
		*out = (struct addr){ s, str_head(s, at), str_from(s, at + 1) };
		return !a->overflow;
	}
	buf_init(&local, LIMIT_ADDRESS);
	buf_init(&full, LIMIT_ADDRESS);
	good = parse_parts(s, &local, &full) && !full.overflow;
	if (good)
		*out = addr_split(arena_str(a, buf_view(&full)));
	buf_fini(&local);
	buf_fini(&full);
	return good && !a->overflow;
}

/* the place of the first byte of `stops` outside double quotes, s.n if there is none */
static size_t find_unquoted(struct str s, const char *stops)
{
	bool quoted = false;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			quoted = !quoted;
		else if (quoted && s.p[i] == '\\')
			i++;
		else if (!quoted && ascii_is_one_of(s.p[i], stops))
			return i;
	}
	return s.n;
}

/* "@a,@b:user@c" -> "user@c"; the hosts on the way must be names, then they are forgotten (RFC 5321 appendix C) */
bool addr_drop_route(struct str *s)
{
	struct str route, hop;
	ptrdiff_t colon;

	if (!s->n || s->p[0] != '@')
		return true;
	colon = str_chr(*s, ':');
	if (colon < 0)
		return false;
	route = str_head(*s, (size_t)colon);
	while (str_cut(&route, ',', &hop)) {
		hop = str_trim(hop);
		if (hop.n < 2 || hop.p[0] != '@' || !addr_valid_domain(str_from(hop, 1)))
			return false;
	}
	*s = str_from(*s, (size_t)colon + 1);
	return s->n > 0;
}

static struct str trim_blanks(struct str s)
{
	while (s.n && s.p[0] == ' ')
		s = str_from(s, 1);
	while (s.n && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

bool addr_parse_path(struct arena *a, struct str s, struct addr *out, struct str *rest)
{
	struct str path;
	size_t end;

	while (s.n && s.p[0] == ' ')
		s = str_from(s, 1);
	if (!s.n)
		return false;
	if (s.p[0] == '<') {
		end = find_unquoted(s, ">");
		if (end == s.n)
			return false;
		path = trim_blanks(str_make(s.p + 1, end - 1));
		end++;
		if (end < s.n && s.p[end] != ' ')
			return false;
	} else {
		end = find_unquoted(s, " ");
		path = str_head(s, end);
	}
	*rest = str_from(s, end);
	return addr_drop_route(&path) && addr_parse(a, path, out);
}

struct addr addr_split(struct str canonical)
{
	struct addr out = { canonical, canonical, STR_EMPTY };
	size_t at = find_unquoted(canonical, "@");

	if (at < canonical.n) {
		out.local = str_head(canonical, at);
		out.domain = str_from(canonical, at + 1);
	}
	return out;
}

struct str addr_unquote_local(struct arena *a, struct str local)
{
	char *p;
	size_t n = 0;

	if (!local.n || local.p[0] != '"')
		return local;
	p = arena_alloc(a, local.n);
	if (!p)
		return STR_EMPTY;
	for (size_t i = 1; i + 1 < local.n; i++) {
		if (local.p[i] == '\\' && i + 2 < local.n)
			i++;
		p[n++] = local.p[i];
	}
	return str_make(p, n);
}

struct str addr_key(struct arena *a, struct str canonical)
{
	struct addr s = addr_split(canonical);
	struct str local = addr_unquote_local(a, s.local);
	char *p = arena_alloc(a, canonical.n + 1);
	size_t n = 0;

	if (!p)
		return STR_EMPTY;
	for (size_t i = 0; i < local.n; i++)
		p[n++] = ascii_lower(local.p[i]);
	if (s.domain.n)
		p[n++] = '@';
	for (size_t i = 0; i < s.domain.n; i++)
		p[n++] = ascii_lower(s.domain.p[i]);
	return str_make(p, n);
}

bool addr_is_utf8(struct str canonical)
{
	return !str_is_ascii(canonical);
}
