/* template - texts of replies in which an administrator wrote $client_address, $rbl_what and the like (postconf(5), default_rbl_reply).
 * What the client wrote comes out with signs that smtpd_expansion_filter allows, and _ for all others. */
#include "core/access/access_private.h"

/* value_of - of one name; empty where it is not known */
static struct str value_of(const struct access_request *q, struct str name, const struct access_value *more, size_t n)
{
	struct addr sender = addr_split(q->sender), rcpt = addr_split(q->rcpt);
	const struct access_value values[] = {
		{ "client_address", q->client_address }, { "client_name", q->client_name }, { "reverse_client_name", q->reverse_name },
		{ "helo_name", q->helo }, { "sender", q->sender.p && !q->sender.n ? STR("<>") : q->sender }, { "sender_name", sender.local },
		{ "sender_domain", sender.domain }, { "recipient", q->rcpt }, { "recipient_name", rcpt.local }, { "recipient_domain", rcpt.domain },
		{ "sasl_username", q->login },
	};

	for (size_t i = 0; i < n; i++)
		if (str_eq(name, str_of(more[i].name)))
			return more[i].value;
	if (str_eq(name, STR("client")))
		return arena_printf(q->arena, "%.*s[%.*s]", STR_ARG(q->client_name), STR_ARG(q->client_address));
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (str_eq(name, str_of(values[i].name)))
			return values[i].value;
	return STR_EMPTY;
}

static void add_clean(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_byte(out, ascii_is_alnum(s.p[i]) || ascii_is_one_of(s.p[i], "\t\40!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") ? s.p[i] : '_');
}

static size_t name_length(struct str s)
{
	size_t n = 0;

	while (n < s.n && (ascii_is_alnum(s.p[n]) || s.p[n] == '_'))
		n++;
	return n;
}

/* take_braced - what stands in ${...} or $(...), braces inside it included; false: no end */
static bool take_braced(struct str *rest, struct str *inner)
{
	char open = rest->p[0], close = open == '{' ? '}' : ')';
	size_t depth = 0;

	for (size_t i = 0; i < rest->n; i++) {
		depth += rest->p[i] == open;
		if (rest->p[i] != close || --depth)
			continue;
		*inner = str_make(rest->p + 1, i - 1);
		*rest = str_from(*rest, i + 1);
		return true;
	}
	return false;
}

static void expand(const struct access_request *q, struct str text, const struct access_value *more, size_t n, unsigned depth, struct buf *out);

/* one - a $name whose dollar sign is taken */
static void one(const struct access_request *q, struct str *rest, const struct access_value *more, size_t n, unsigned depth, struct buf *out)
{
	struct str inner, value, word;
	size_t length = name_length(*rest);

	if (length) {
		add_clean(out, value_of(q, str_head(*rest, length), more, n));
		*rest = str_from(*rest, length);
		return;
	}
	if (!rest->n || !ascii_is_one_of(rest->p[0], "{(") || !take_braced(rest, &inner)) {
		buf_byte(out, '$');
		*rest = str_from(*rest, rest->n && rest->p[0] == '$');
		return;
	}
	length = name_length(inner);
	value = value_of(q, str_head(inner, length), more, n);
	inner = str_from(inner, length);
	word = str_from(inner, 1);
	if (!inner.n)
		add_clean(out, value);
	else if ((inner.p[0] == '?') == (value.n > 0) && depth < LIMIT_ACCESS_DEPTH)
		expand(q, word.n > 1 && word.p[0] == '{' && word.p[word.n - 1] == '}' ? str_make(word.p + 1, word.n - 2) : word, more, n, depth + 1, out);
}

static void expand(const struct access_request *q, struct str text, const struct access_value *more, size_t n, unsigned depth, struct buf *out)
{
	ptrdiff_t dollar;

	while ((dollar = str_chr(text, '$')) >= 0) {
		buf_str(out, str_head(text, (size_t)dollar));
		text = str_from(text, (size_t)dollar + 1);
		one(q, &text, more, n, depth, out);
	}
	buf_str(out, text);
}

void access_template(const struct access_request *q, struct str text, const struct access_value *more, size_t n, struct buf *out)
{
	expand(q, text, more, n, 0, out);
}

/* --- footers of refusals ------------------------------------------------------------------------------------------------ */

/* add_lines - \n in the template begins a line */
static void add_lines(struct buf *out, struct str text)
{
	ptrdiff_t at;

	while ((at = str_find(text, STR("\\n"))) >= 0) {
		buf_str(out, str_head(text, (size_t)at));
		buf_byte(out, '\n');
		text = str_from(text, (size_t)at + 2);
	}
	buf_str(out, text);
}

void access_footer(const struct access_rules *rules, const struct access_request *q, const struct access_value *more, size_t n, struct reply *r)
{
	struct str text = str_of(rules->conf->smtpd_reject_footer);
	struct buf found, line, said;
	bool same_line;

	if (!text.n && !rules->footers.n)
		return;
	buf_init(&found, LIMIT_MAP_VALUE);
	buf_init(&line, LIMIT_REPLY_TEXT);
	buf_init(&said, LIMIT_REPLY_TEXT - 1);
	reply_line(&line, r);
	/* a table that cannot be read costs the words, not the refusal */
	if (maps_find((struct maps *)(uintptr_t)&rules->footers, buf_view(&line), false, &found, NULL) == MAP_FOUND)
		text = buf_view(&found);
	same_line = str_starts(text, STR("\\c"));
	buf_clear(&line);
	access_template(q, same_line ? str_from(text, 2) : text, more, n, &line);
	buf_z(&said, r->text);
	if (line.n && !same_line)
		buf_byte(&said, '\n');
	add_lines(&said, buf_view(&line));
	/* what has no room is left out: half a sentence helps nobody */
	if (!said.overflow && !line.overflow)
		bytes_copy(r->text, buf_cstr(&said), said.n + 1);
	buf_fini(&found);
	buf_fini(&line);
	buf_fini(&said);
}
