/* tags - see tags.h. */
#include "core/policy/tags.h"

#include <string.h>

bool tags_allow(struct str value, const char *allowed)
{
	struct str words = str_of(allowed), word;
	uint64_t n, most;

	if (!allowed)
		return true;
	if (*allowed == ':') {
		while (str_cut(&value, ':', &word))
			if (!tags_allow(str_trim(word), allowed + 1))
				return false;
		return true;
	}
	if (*allowed == '#')
		return str_to_u64(str_from(words, 1), &most) && str_to_u64(value, &n) && n <= most;
	return str_has_word(words, " ", value);
}

const char *tags_take(struct str tag, const struct tag_rule *rules, size_t n, struct str *values)
{
	ptrdiff_t is = str_chr(tag, '=');
	struct str name = str_trim(str_head(tag, is < 0 ? 0 : (size_t)is)), value = str_trim(str_from(tag, (size_t)(is + 1)));

	if (!name.n)
		return "not name=value";
	for (size_t i = 0; i < n; i++) {
		if (!str_eq(name, rules[i].name))
			continue;
		if (values[i].p)
			return "there twice";
		values[i] = value;
		return tags_allow(value, rules[i].allowed) ? NULL : "not one of the values it may have";
	}
	return NULL;
}

const char *tags_parse(struct str text, struct str version, bool optional, const struct tag_rule *rules, size_t n, struct str *values,
	struct str *at)
{
	bool first = true;

	for (size_t i = 0; i < n; i++)
		values[i] = STR_EMPTY;
	*at = STR_EMPTY;
	while (str_cut(&text, ';', at)) {
		const char *wrong;
		struct str v = *at, name = STR_EMPTY;

		if (!str_trim(*at).n)
			continue;
		str_cut(&v, '=', &name);
		if (str_eq(str_trim(name), STR("v"))) {
			if (!first || !str_eq(str_trim(v), version))
				return "not the version that is known";
		} else if (first && !optional) {
			return "the version must come first";
		} else {
			wrong = tags_take(*at, rules, n, values);
			if (wrong)
				return wrong;
		}
		first = false;
	}
	for (size_t i = 0; i < n; i++)
		if (rules[i].required && !values[i].p) {
			*at = rules[i].name;
			return "missing";
		}
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool tags_begin(struct str text, struct str version)
{
	bool blanks = str_eq(version, STR("DMARC1")) || str_eq(version, STR("BIMI1"));
	struct str tag = STR_EMPTY, name = STR_EMPTY;

	str_cut(&text, ';', &tag);
	while (tag.n && is_blank(tag.p[tag.n - 1]))
		tag.n--;
	str_cut(&tag, '=', &name);
	if (blanks) {
		while (name.n && is_blank(name.p[name.n - 1]))
			name.n--;
		while (tag.n && is_blank(tag.p[0]))
			tag = str_from(tag, 1);
	}
	return str_eq(name, STR("v")) && str_eq(tag, version);
}

/* "10m" behind a '!' (RFC 7489 6.4) */
static bool is_size(struct str s)
{
	uint64_t n;

	if (s.n && memchr("kmgt", ascii_lower(s.p[s.n - 1]), 4))
		s.n--;
	return str_to_u64(s, &n);
}

int uri_next(struct str *rest, struct str *scheme, struct str *body)
{
	struct str uri;
	ptrdiff_t end;

	if (!str_cut(rest, ',', &uri))
		return 0;
	uri = str_trim(uri);
	end = str_chr(uri, ':');
	if (end < 1 || (size_t)end + 1 == uri.n)
		return -1;
	*scheme = str_head(uri, (size_t)end);
	*body = str_from(uri, (size_t)end + 1);
	if (!str_ieq(*scheme, STR("mailto")))
		return 1;
	end = str_rchr(*body, '!');
	if (end > 0 && !is_size(str_from(*body, (size_t)end + 1)))
		return -1;
	if (end > 0)
		*body = str_head(*body, (size_t)end);
	for (size_t i = 0; i < body->n; i++)
		if (body->p[i] <= ' ' || body->p[i] > 126 || strchr("<>\"", body->p[i]))
			return -1;
	end = str_rchr(*body, '@');
	return end > 0 && str_chr(*body, '@') == end && (size_t)end + 1 < body->n ? 1 : -1;
}
