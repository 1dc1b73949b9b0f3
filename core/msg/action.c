/* action - see action.h. One row per word: adding one is adding a row here and what carries it out. */
#include "core/msg/action.h"

enum { EVERYWHERE = ACTION_IN_ACCESS | ACTION_IN_HEADER | ACTION_IN_BODY, IN_TEXT = ACTION_IN_HEADER | ACTION_IN_BODY };

static const struct action_row {
	const char *word;
	enum action_kind kind;
	unsigned places;
	bool replies;          /* the argument may begin with an enhanced code */
} rows[] = {
	{ "DUNNO", ACTION_DUNNO, EVERYWHERE, false }, { "OK", ACTION_OK, EVERYWHERE, false },
	{ "RELAY", ACTION_OK, ACTION_IN_ACCESS, false },
	{ "REJECT", ACTION_REJECT, EVERYWHERE, true }, { "DEFER", ACTION_DEFER, ACTION_IN_ACCESS, true },
	{ "DEFER_IF_PERMIT", ACTION_DEFER_IF_PERMIT, ACTION_IN_ACCESS, true },
	{ "DEFER_IF_REJECT", ACTION_DEFER_IF_REJECT, ACTION_IN_ACCESS, true },
	{ "WARN", ACTION_WARN, EVERYWHERE, false }, { "INFO", ACTION_INFO, EVERYWHERE, false },
	{ "HOLD", ACTION_HOLD, EVERYWHERE, false }, { "DISCARD", ACTION_DISCARD, EVERYWHERE, false },
	{ "REDIRECT", ACTION_REDIRECT, EVERYWHERE, false }, { "BCC", ACTION_BCC, EVERYWHERE, false },
	{ "FILTER", ACTION_FILTER, EVERYWHERE, false }, { "PREPEND", ACTION_PREPEND, EVERYWHERE, false },
	{ "REPLACE", ACTION_REPLACE, IN_TEXT, false }, { "IGNORE", ACTION_IGNORE, IN_TEXT, false },
	{ "STRIP", ACTION_STRIP, IN_TEXT, false }, { "PASS", ACTION_PASS, IN_TEXT, false },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

const char *action_word(enum action_kind kind)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].kind == kind)
			return rows[i].word;
	return "";
}

/* the length of "c.d{1,3}.d{1,3}" at the front of s, followed by a blank or the end; 0: none */
static size_t enhanced_length(struct str s)
{
	size_t at = 1;

	if (s.n < 5 || !ascii_is_one_of(s.p[0], "245"))
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;

		if (at >= s.n || s.p[at++] != '.')
			return 0;
		for (; at < s.n && ascii_is_digit(s.p[at]); at++)
			digits++;
		if (digits < 1 || digits > 3)
			return 0;
	}
	return at == s.n || ascii_is_space(s.p[at]) ? at : 0;
}

static void take_enhanced(struct action *out)
{
	size_t n = enhanced_length(out->text);

	out->enhanced = str_head(out->text, n);
	out->text = str_trim(str_from(out->text, n));
}

static bool is_number(struct str s)
{
	uint64_t v;

	return str_to_u64(s, &v);
}

/* "550 text" and "450 text" are refusals of that code; numbers alone mean OK, as tables of POP-before-SMTP have them */
static bool take_code(struct str word, struct action *out)
{
	if (out->text.n && word.n == 3 && ascii_is_one_of(word.p[0], "45") && ascii_is_digit(word.p[1]) && ascii_is_digit(word.p[2])) {
		out->kind = word.p[0] == '5' ? ACTION_REJECT : ACTION_DEFER;
		out->code = (word.p[0] - '0') * 100 + (word.p[1] - '0') * 10 + word.p[2] - '0';
		take_enhanced(out);
		return true;
	}
	if (out->text.n || !is_number(word))
		return false;
	out->kind = ACTION_OK;
	return true;
}

void action_parse(struct str text, enum action_place place, struct action *out)
{
	struct str word;

	*out = (struct action){ .kind = ACTION_NONE };
	text = str_trim(text);
	if (!str_word(&text, " \t\r\n", &word))
		return;
	out->text = str_trim(text);
	if (place == ACTION_IN_ACCESS && take_code(word, out))
		return;
	for (size_t i = 0; i < N_ROWS; i++) {
		if (!(rows[i].places & place) || !str_ieq(word, str_of(rows[i].word)))
			continue;
		out->kind = rows[i].kind;
		if (rows[i].replies)
			take_enhanced(out);
		return;
	}
	out->text = STR_EMPTY;
}
