/* grammar - see grammar.h. Lines are found with memchr; a reply is judged line by line so that a server can neither make
 * us hold much nor slip control characters into logs, bounces or the queue (threats C2, D5, J1). */
#include "core/smtp/grammar.h"

#include "core/base/limits.h"
#include "core/msg/envelope.h"
#include "core/smtp/client.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static struct str skip_blanks(struct str s)
{
	while (s.n > 0 && is_blank(*s.p))
		s = str_make(s.p + 1, s.n - 1);
	return s;
}

enum grammar_result grammar_line(struct str *in, size_t limit, struct str *line)
{
	size_t look = in->n < limit ? in->n : limit;
	const char *end = look > 0 ? memchr(in->p, '\n', look) : NULL;
	size_t n;

	if (!end)
		return in->n < limit ? GRAMMAR_MORE : GRAMMAR_BAD;
	n = (size_t)(end - in->p);
	*line = str_make(in->p, n);
	*in = str_make(in->p + n + 1, in->n - n - 1);
	/* CR CR LF is what text mode makes of CRLF */
	while (line->n > 0 && line->p[line->n - 1] == '\r')
		line->n--;
	return GRAMMAR_OK;
}

bool grammar_is_text(struct str line)
{
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if ((c < 32 && c != '\t') || c == 127)
			return false;
	}
	return true;
}

struct str grammar_word(struct str *rest)
{
	struct str s = skip_blanks(*rest);
	size_t n = 0;

	while (n < s.n && !is_blank(s.p[n]))
		n++;
	*rest = skip_blanks(str_from(s, n));
	return str_head(s, n);
}

bool grammar_has_word(const char *list, struct str word)
{
	return str_has_word(str_of(list), " \t,\r\n", word);
}

enum grammar_result grammar_param(struct str *rest, struct str *name, struct str *value, bool *has_value)
{
	struct str word = grammar_word(rest);
	ptrdiff_t eq = str_chr(word, '=');

	if (word.n == 0)
		return GRAMMAR_MORE;
	*has_value = eq >= 0;
	*name = eq >= 0 ? str_head(word, (size_t)eq) : word;
	*value = eq >= 0 ? str_from(word, (size_t)eq + 1) : STR_EMPTY;
	if (name->n == 0 || !ascii_is_alnum(name->p[0]))
		return GRAMMAR_BAD;
	for (size_t i = 0; i < name->n; i++)
		if (!ascii_is_alnum(name->p[i]) && name->p[i] != '-')
			return GRAMMAR_BAD;
	return GRAMMAR_OK;
}

bool grammar_notify(struct str value, unsigned *notify)
{
	static const struct { const char *word; unsigned bit; } words[] = {
		{ "NEVER", DSN_NOTIFY_NEVER }, { "SUCCESS", DSN_NOTIFY_SUCCESS },
		{ "FAILURE", DSN_NOTIFY_FAILURE }, { "DELAY", DSN_NOTIFY_DELAY },
	};
	unsigned bits = 0;
	struct str one;

	/* an empty piece, also at the end, is a syntax error that str_cut would not show */
	if (value.n == 0 || value.p[value.n - 1] == ',')
		return false;
	while (str_cut(&value, ',', &one)) {
		unsigned bit = 0;

		for (size_t i = 0; i < COUNT(words); i++)
			if (str_ieq(one, str_of(words[i].word)))
				bit = words[i].bit;
		if (bit == 0 || (bits & bit))
			return false;
		bits |= bit;
	}
	if ((bits & DSN_NOTIFY_NEVER) && bits != DSN_NOTIFY_NEVER)
		return false;
	*notify = bits;
	return true;
}

bool grammar_bdat(struct str args, uint64_t *size, bool *last)
{
	struct str word = grammar_word(&args), tail = grammar_word(&args);

	if (word.n > 20 || !str_to_u64(word, size) || *size > INT64_MAX || args.n > 0)
		return false;
	*last = tail.n > 0;
	return tail.n == 0 || str_ieq(tail, STR("LAST"));
}

/* --- replies ---------------------------------------------------------------------------------------------------------- */

/* the length of "d.d{1,3}.d{1,3}" at the front of s that goes with the code's class, 0 if there is none */
static size_t enhanced_length(struct str s, int code)
{
	size_t at = 1;

	if (s.n < 5 || s.p[0] != '0' + code / 100 || (code / 100 != 2 && code / 100 != 4 && code / 100 != 5))
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;

		if (at >= s.n || s.p[at++] != '.')
			return 0;
		while (at < s.n && ascii_is_digit(s.p[at])) {
			at++;
			digits++;
		}
		if (digits < 1 || digits > 3)
			return 0;
	}
	return at == s.n || is_blank(s.p[at]) ? at : 0;
}

/* add a line to r->text, printable: other bytes become '?', UTF-8 stays but for its C1 controls */
static void add_text(struct grammar_reply *g, struct reply *r, struct str s)
{
	size_t room = sizeof(r->text) - 1;
	bool utf8 = str_is_utf8(s);

	if (g->lines > 1 && g->text < room)
		r->text[g->text++] = '\n';
	for (size_t i = 0; i < s.n && g->text < room; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool c1 = c == 0xc2 && utf8 && (unsigned char)s.p[i + 1] < 0xa0;

		if (c == '\t')
			c = ' ';
		if (c < 32 || c == 127 || (c >= 0x80 && !utf8) || c1)
			c = '?';
		r->text[g->text++] = (char)c;
		i += c1;
	}
	/* never end in half a character: the last one goes when there is no room for more */
	if (g->text == room && (r->text[room - 1] & 0x80)) {
		while (((unsigned char)r->text[--g->text] & 0xc0) == 0x80)
			;
	}
	r->text[g->text] = 0;
}

/* one line of a reply; NULL or why it is none */
static const char *take_line(struct grammar_reply *g, struct str line, struct reply *r, struct str *text)
{
	size_t enhanced;
	int code;

	if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !ascii_is_digit(line.p[1]) || !ascii_is_digit(line.p[2]) ||
	    (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return "malformed reply";
	code = (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + line.p[2] - '0';
	g->lines++;
	g->final = line.n == 3 || line.p[3] == ' ';
	*text = str_from(line, 4);
	if (g->lines == 1)
		g->text = 0;
	/* the last line counts, whatever the others said, and an enhanced code only with its own class */
	if (g->lines == 1 || code / 100 != r->code / 100)
		r->enhanced[0] = 0;
	r->code = code;
	enhanced = enhanced_length(*text, code);
	if (enhanced > 0 && enhanced < sizeof(r->enhanced)) {
		memcpy(r->enhanced, text->p, enhanced);
		r->enhanced[enhanced] = 0;
		add_text(g, r, skip_blanks(str_from(*text, enhanced)));
	} else {
		add_text(g, r, *text);
	}
	return NULL;
}

/* the next line, as far as it is looked at, not ending in half a character; false: it did not come yet */
static bool get_line(struct grammar_reply *g, struct str *in, struct str *line)
{
	size_t before = in->n, n = LIMIT_SMTP_REPLY_LINE - 1;
	enum grammar_result got = grammar_line(in, LIMIT_SMTP_REPLY_LINE, line);

	if (got == GRAMMAR_BAD) {
		g->cut = true;
		while (n > 0 && ((unsigned char)in->p[n - 1] & 0xc0) == 0x80)
			n--;
		n -= n > 0 && ((unsigned char)in->p[n - 1] & 0x80);
		*line = str_head(*in, n);
		*in = str_from(*in, LIMIT_SMTP_REPLY_LINE - 1);
	}
	g->taken += before - in->n;
	return got != GRAMMAR_MORE;
}

/* the rest of a line that was cut; false: its end did not come yet */
static bool pass_rest(struct grammar_reply *g, struct str *in)
{
	ptrdiff_t end = str_chr(*in, '\n');
	size_t n = end < 0 ? in->n : (size_t)end + 1;

	*in = str_from(*in, n);
	g->taken += n;
	g->cut = end < 0;
	return !g->cut;
}

enum grammar_result grammar_reply(struct grammar_reply *g, struct str *in, struct reply *r, const char **why,
	void (*each)(void *ctx, unsigned line, struct str text), void *ctx)
{
	struct str line, text;

	for (;;) {
		*why = g->taken > LIMIT_SMTP_REPLY ? "reply without an end" : NULL;
		if (*why)
			return GRAMMAR_BAD;
		if (g->cut && !pass_rest(g, in))
			return GRAMMAR_MORE;
		if (g->final) {
			*g = (struct grammar_reply){ 0 };
			return GRAMMAR_OK;
		}
		if (!get_line(g, in, &line))
			return GRAMMAR_MORE;
		*why = take_line(g, line, r, &text);
		if (*why)
			return GRAMMAR_BAD;
		if (each)
			each(ctx, g->lines, text);
	}
}

unsigned grammar_extension(struct str line, struct str *arg)
{
	static const struct { const char *keyword; unsigned bit; } rows[] = {
		{ "PIPELINING", SMTP_EXT_PIPELINING }, { "8BITMIME", SMTP_EXT_8BITMIME }, { "SIZE", SMTP_EXT_SIZE },
		{ "STARTTLS", SMTP_EXT_STARTTLS }, { "DSN", SMTP_EXT_DSN }, { "CHUNKING", SMTP_EXT_CHUNKING },
		{ "SMTPUTF8", SMTP_EXT_SMTPUTF8 }, { "ENHANCEDSTATUSCODES", SMTP_EXT_ENHANCED },
		{ "AUTH", SMTP_EXT_AUTH }, { "REQUIRETLS", SMTP_EXT_REQUIRETLS }, { "XCLIENT", SMTP_EXT_XCLIENT },
		{ "VRFY", SMTP_EXT_VRFY }, { "ETRN", SMTP_EXT_ETRN },
	};
	struct str rest = line, word = grammar_word(&rest);

	/* "AUTH=LOGIN" is how servers of the last century said it, beside the real line */
	if (str_istarts(word, STR("AUTH="))) {
		*arg = str_from(skip_blanks(line), 5);
		return SMTP_EXT_AUTH;
	}
	*arg = rest;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (str_ieq(word, str_of(rows[i].keyword)))
			return rows[i].bit;
	return 0;
}
