/* mime_header - text in header fields: RFC 2047 encoded words and RFC 2231 parameters.
 *
 * A value is a row of words with their leading blanks. Words that are plain ASCII go out as they are; a run of other
 * words, the blanks between them included, becomes encoded words of at most 75 columns that never split a character.
 * Lines fold before a blank, so unfolding gives back the very text. */
#include "core/msg/addr_chars.h"
#include "core/msg/mime.h"

#define FOLD_AT 76
#define WORD_MAX 75                            /* RFC 2047 section 2 */
#define WORD_FRAME 7                           /* the signs around charset, letter and text */
#define PLAIN_MAX 900                          /* a longer word could not be folded within RFC 5322's 998 */

struct writer {
	struct buf *out;
	size_t column;
	const char *charset;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* a word that a reader would take for what it is: printable ASCII, not looking like an encoded word, not endless; in a
 * phrase nothing that parts addresses, for encoded words cannot stand in a quoted string */
static bool is_plain(struct str word, bool phrase)
{
	if (word.n > PLAIN_MAX || str_find(word, STR("=?")) >= 0)
		return false;
	for (size_t i = 0; i < word.n; i++)
		if (phrase ? !addr_is_atext(word.p[i]) || (word.p[i] & 0x80) : !ascii_is_print(word.p[i]))
			return false;
	return true;
}

/* is_encoded - an encoded word as RFC 2047 section 2 has it: whoever wrote it has done the work */
static bool is_encoded(struct str word)
{
	struct str charset = str_from(word, 2), text;
	ptrdiff_t mark;

	if (word.n > WORD_MAX || !str_starts(word, STR("=?")) || !str_ends(word, STR("?=")))
		return false;
	mark = str_chr(charset, '?');
	if (mark < 1 || charset.n < (size_t)mark + 6 || !strchr("BbQq", charset.p[mark + 1]) || charset.p[mark + 2] != '?')
		return false;
	text = str_from(charset, (size_t)mark + 3);
	text.n -= 2;
	return str_is_token(word) && text.n > 0 && str_chr(text, '?') < 0;
}

static void put_plain(struct writer *w, struct str blanks, struct str word)
{
	if (blanks.n && w->column + blanks.n + word.n > FOLD_AT) {
		buf_z(w->out, "\r\n");
		w->column = 0;
	}
	buf_str(w->out, blanks);
	buf_str(w->out, word);
	w->column += blanks.n + word.n;
}

/* bytes of the character at s: one where it is not UTF-8 */
static size_t char_length(struct str s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return n <= s.n && str_is_utf8(str_head(s, n)) ? n : 1;
}

static bool is_q_plain(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '.' || c == '!' || c == '*' || c == '+' || c == '/';
}

static size_t q_length(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += is_q_plain(s.p[i]) || s.p[i] == ' ' ? 1 : 3;
	return n;
}

static void put_q(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == ' ')
			buf_byte(out, '_');
		else if (is_q_plain((char)c))
			buf_byte(out, (char)c);
		else
			mime_code(out, '=', c);
	}
}

/* how much of s fits `room` columns of text in one encoding, in whole characters; at least one */
static size_t fits(struct str s, bool q, size_t room)
{
	size_t n = 0, used = 0;

	while (n < s.n) {
		size_t c = char_length(str_from(s, n));

		used = q ? used + q_length(str_make(s.p + n, c)) : (n + c + 2) / 3 * 4;
		if (n && used > room)
			break;
		n += c;
	}
	return n;
}

/* one run as encoded words; the blank before it separates it from the word before and is not part of the text */
static void put_encoded(struct writer *w, struct str blanks, struct str run)
{
	bool q = q_length(run) <= (run.n + 2) / 3 * 4;
	size_t frame = strlen(w->charset) + WORD_FRAME;
	struct str gap = blanks;

	while (run.n) {
		size_t left = w->column + gap.n + frame + 8 < FOLD_AT ? FOLD_AT - w->column - gap.n : 0, n;

		if (gap.n && !left) {
			buf_z(w->out, "\r\n");
			w->column = 0;
			left = FOLD_AT - gap.n;
		}
		if (left > WORD_MAX || left <= frame)
			left = WORD_MAX;
		n = fits(run, q, left - frame);
		buf_str(w->out, gap);
		w->column += gap.n + frame + (q ? q_length(str_head(run, n)) : (n + 2) / 3 * 4);
		buf_printf(w->out, "=?%s?%c?", w->charset, q ? 'Q' : 'B');
		if (q)
			put_q(w->out, str_head(run, n));
		else
			mime_base64(w->out, str_head(run, n), 0);
		buf_z(w->out, "?=");
		run = str_from(run, n);
		gap = STR(" ");
	}
}

/* take the blanks and the word at the front of *rest */
static bool take_word(struct str *rest, struct str *blanks, struct str *word)
{
	size_t b = 0, e;

	*blanks = *word = STR_EMPTY;
	if (!rest->n)
		return false;
	while (b < rest->n && is_blank(rest->p[b]))
		b++;
	for (e = b; e < rest->n && !is_blank(rest->p[e]);)
		e++;
	*blanks = str_head(*rest, b);
	*word = str_make(rest->p + b, e - b);
	*rest = str_from(*rest, e);
	return word->n > 0;
}

/* line ends, NUL and other controls have no place in a field: each becomes a space */
static void without_controls(struct buf *to, struct str s)
{
	s = str_trim(s);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		buf_byte(to, (c < ' ' && c != '\t') || c == 127 ? ' ' : (char)c);
	}
}

static void put_words(struct buf *out, struct str utf8, size_t used, bool phrase)
{
	struct buf clean;
	struct str rest, blanks, word;
	struct writer w = { out, used, str_is_utf8(utf8) ? "UTF-8" : "unknown-8bit" };
	bool after_encoded = false;

	buf_init(&clean, utf8.n + 1);
	without_controls(&clean, utf8);
	rest = str_trim(buf_view(&clean));
	while (take_word(&rest, &blanks, &word)) {
		struct str run = word, next_blanks, next = STR_EMPTY, after = rest;
		bool kept = !phrase && is_encoded(word);

		if (kept || is_plain(word, phrase)) {
			put_plain(&w, blanks, word);
			after_encoded = kept;
			continue;
		}
		while (take_word(&after, &next_blanks, &next) && !is_plain(next, phrase) && (phrase || !is_encoded(next))) {
			run.n = (size_t)(next.p + next.n - run.p);
			rest = after;
			next = STR_EMPTY;
		}
		/* blanks between two encoded words are not shown, so those to the user's own are part of the text */
		if (next.n && !phrase && is_encoded(next))
			run.n = (size_t)(next.p - run.p);
		if (after_encoded && blanks.n)
			run = str_make(run.p - 1, run.n + 1);
		after_encoded = false;
		/* of several blanks only one separates, the others are text */
		if (blanks.n > 1) {
			run = str_make(run.p - (blanks.n - 1), run.n + blanks.n - 1);
			blanks.n = 1;
		}
		put_encoded(&w, blanks, run);
	}
	buf_fini(&clean);
}

void mime_header_text(struct buf *out, struct str utf8, size_t used)
{
	put_words(out, utf8, used, false);
}

void mime_phrase(struct buf *out, struct str utf8, size_t used)
{
	put_words(out, utf8, used, true);
}

/* --- parameters (RFC 2231) ---------------------------------------------------------------------------------------- */

static bool is_attribute_char(char c)
{
	return ascii_is_alnum(c) || (c && strchr("!#$&+-.^_`{|}~", c));
}

static size_t percent_length(char c)
{
	return is_attribute_char(c) ? 1 : 3;
}

static void put_percent(struct buf *out, char c)
{
	if (is_attribute_char(c))
		buf_byte(out, c);
	else
		mime_code(out, '%', (unsigned char)c);
}

void mime_parameter(struct buf *out, const char *name, struct str value)
{
	const char *charset = str_is_utf8(value) ? "UTF-8" : "unknown-8bit";
	size_t total = 0, room = strlen(name) + 12 < 60 ? 74 - strlen(name) - 12 : 14, at = 0;

	for (size_t i = 0; i < value.n; i++)
		total += percent_length(value.p[i]);
	if (is_plain(value, false) && value.n <= room) {
		buf_printf(out, "; %s=\"", name);
		buf_escaped(out, value);
		buf_byte(out, '"');
		return;
	}
	if (total + strlen(charset) + 2 <= room) {
		buf_printf(out, "; %s*=%s''", name, charset);
		while (at < value.n)
			put_percent(out, value.p[at++]);
		return;
	}
	for (unsigned section = 0; at < value.n; section++) {
		size_t used = section ? 0 : strlen(charset) + 2;

		buf_printf(out, ";\r\n %s*%u*=", name, section);
		if (!section)
			buf_printf(out, "%s''", charset);
		do {
			used += percent_length(value.p[at]);
			put_percent(out, value.p[at++]);
		} while (at < value.n && used + percent_length(value.p[at]) <= room);
	}
}
