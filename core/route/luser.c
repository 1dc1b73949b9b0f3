/* luser - see luser.h. */
#include "core/route/luser.h"

#include "core/base/limits.h"
#include "core/msg/addr.h"

struct word { const char *name; struct str value; };

static struct str find(const struct word *words, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(name, str_of(words[i].name)))
			return words[i].value;
	return STR_EMPTY;
}

/* take_name - $name or ${name} or ${name?text} at the front of s, which is behind the dollar sign */
static struct str take_name(struct str *s, struct str *text)
{
	size_t n = 0;
	ptrdiff_t end;
	struct str name;

	*text = STR_EMPTY;
	if (s->n && s->p[0] == '{' && (end = str_chr(*s, '}')) > 0) {
		name = str_make(s->p + 1, (size_t)end - 1);
		*s = str_from(*s, (size_t)end + 1);
		if ((end = str_chr(name, '?')) >= 0) {
			*text = str_from(name, (size_t)end + 1);
			name = str_head(name, (size_t)end);
		}
		return name;
	}
	while (n < s->n && (ascii_is_alnum(s->p[n]) || s->p[n] == '_'))
		n++;
	name = str_head(*s, n);
	*s = str_from(*s, n);
	return name;
}

static void expand(struct str s, const struct word *words, size_t n, struct buf *out)
{
	while (s.n) {
		char c = s.p[0];

		s = str_from(s, 1);
		if (c != '$') {
			buf_byte(out, c);
		} else if (s.n && s.p[0] == '$') {
			buf_byte(out, '$');
			s = str_from(s, 1);
		} else {
			struct str text, value = find(words, n, take_name(&s, &text));

			if (value.n && text.n)
				expand(text, words, n, out);
			else
				buf_str(out, value);
		}
	}
}

/* base_length - of the name in front of its extension */
static size_t base_length(const struct conf *c, struct str name)
{
	for (size_t i = 1; i < name.n; i++)
		if (strchr(c->recipient_delimiter, name.p[i]))
			return i;
	return name.n;
}

struct str luser_address(const struct conf *c, struct arena *a, struct str name, struct str rcpt)
{
	size_t base = base_length(c, name);
	struct addr to = addr_split(rcpt);
	const struct word words[] = {
		{ "user", str_head(name, base) }, { "extension", base < name.n ? str_from(name, base + 1) : STR_EMPTY },
		{ "local", name }, { "domain", arena_lower(a, to.domain) }, { "recipient", rcpt },
		{ "recipient_delimiter", base < name.n ? str_head(str_from(name, base), 1) : STR_EMPTY },
	};
	struct buf text;
	bool good;

	if (!*c->luser_relay)
		return STR_EMPTY;
	buf_init(&text, LIMIT_ADDRESS);
	expand(str_of(c->luser_relay), words, sizeof(words) / sizeof(words[0]), &text);
	good = !text.overflow && addr_parse(a, str_trim(buf_view(&text)), &to);
	buf_fini(&text);
	return good ? to.full : STR_EMPTY;
}

bool luser_check(const char *value, struct buf *why)
{
	if (*value == '|' || *value == '/' || *value == ':')
		buf_z(why, "relaybox sends the mail of unknown users to an address, to no command or file: name one, which may have an alias");
	return !why->n;
}
