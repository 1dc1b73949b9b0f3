/* params - the rows of params.def as a table, and the checks of each kind of value. */
#include <inttypes.h>

#include "core/conf/conf_private.h"

#ifndef RELAYBOX_VERSION
#define RELAYBOX_VERSION "0"
#endif

/* What a row says about itself is for its reader and the manual: 20 KB that the binary does without. */
#define ROW(kind_, field, name_, dflt_, unit_, ...) \
	{ .name = (name_), .n = sizeof(name_) - 1, .dflt = (dflt_), .at = offsetof(struct conf, field), .kind = (kind_), .unit = (unit_), __VA_ARGS__ },
#define P_TEXT(name, dflt, help) ROW(PARAM_TEXT, name, #name, dflt, 0, .words = NULL)
#define P_NAMED(name, field, dflt, help) ROW(PARAM_TEXT, field, #name, dflt, 0, .words = NULL)
#define P_RAW(name, dflt, help) ROW(PARAM_RAW, name, #name, dflt, 0, .words = NULL)
#define P_BOOL(name, dflt, help) ROW(PARAM_BOOL, name, #name, dflt, 0, .words = NULL)
#define P_INT(name, dflt, low, high, help) ROW(PARAM_INT, name, #name, dflt, 0, .lo = (low), .hi = (high))
#define P_TIME(name, dflt, unit, low, high, help) ROW(PARAM_TIME, name, #name, dflt, unit, .lo = (low), .hi = (high))
#define P_SIZE(name, dflt, low, high, help) ROW(PARAM_SIZE, name, #name, dflt, 0, .lo = (low), .hi = (high))
#define P_WORDS(name, dflt, list, help) ROW(PARAM_WORDS, name, #name, dflt, 0, .words = (list))
#define P_HINTS(name, dflt, list, help) ROW(PARAM_HINTS, name, #name, dflt, 0, .words = (list))
#define P_ENUM(name, dflt, list, help) ROW(PARAM_ENUM, name, #name, dflt, 0, .words = (list))

const struct param params[] = {
#include "core/conf/params.def"
};
const size_t n_params = sizeof(params) / sizeof(params[0]);

enum { PLACES = 1024 };                /* a power of two */
_Static_assert(sizeof(params) / sizeof(params[0]) * 2 < PLACES, "more places for the rows of params.def");

/* param_find - every $name of every value is looked up: the rows are put in a table once, for good */
const struct param *param_find(struct str name)
{
	static uint16_t places[PLACES];        /* number of the row, plus one */
	static bool filled;
	size_t at;

	for (size_t i = 0; i < n_params && !filled; i++) {
		for (at = name_sum(param_name(&params[i])); places[at % PLACES];)
			at++;
		places[at % PLACES] = (uint16_t)(i + 1);
	}
	filled = true;
	for (at = name_sum(name); places[at % PLACES]; at++)
		if (str_eq(name, param_name(&params[places[at % PLACES] - 1])))
			return &params[places[at % PLACES] - 1];
	return NULL;
}

static bool unit_seconds(char c, int64_t *out)
{
	static const struct { char letter; int64_t seconds; } units[] = {
		{ 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].letter != ascii_lower(c))
			continue;
		*out = units[i].seconds;
		return true;
	}
	return false;
}

bool conf_parse_time(struct str s, char unit, usec *out)
{
	int64_t total = 0, scale;

	if (!s.n)
		return false;
	while (s.n) {
		size_t digits = 0;
		uint64_t n;

		while (digits < s.n && ascii_is_digit(s.p[digits]))
			digits++;
		if (!str_to_u64(str_head(s, digits), &n) || n > INT64_MAX / 2)
			return false;
		if (!unit_seconds(digits < s.n ? s.p[digits] : unit, &scale))
			return false;
		if (__builtin_mul_overflow((int64_t)n, scale * USEC_PER_SEC, &scale) ||
		    __builtin_add_overflow(total, scale, &total))
			return false;
		s = str_from(s, digits + 1);
	}
	*out = total;
	return true;
}

/* word_index - place of text in "a|b|c"; lists are compared without the spaces after their commas */
static int word_index(const char *words, struct str text)
{
	struct str rest = str_of(words), word, item, tail = text;
	struct buf plain;
	int i, found = -1;

	buf_init(&plain, 200);
	while (str_word(&tail, ", \t\r\n", &item)) {
		if (plain.n)
			buf_byte(&plain, ',');
		buf_str(&plain, item);
	}
	for (i = 0; str_cut(&rest, '|', &word) && found < 0; i++)
		if (!plain.overflow && str_ieq(word, buf_view(&plain)))
			found = i;
	buf_fini(&plain);
	return found;
}

static bool check_bool(struct str name, struct str text, int64_t *out, struct buf *why)
{
	*out = str_ieq(text, STR("yes"));
	if (*out || str_ieq(text, STR("no")))
		return true;
	buf_printf(why, "bad boolean value \"%.*s\" for %.*s: use yes or no", STR_ARG(str_head(text, 100)), STR_ARG(name));
	return false;
}

static bool check_range(int64_t v, int64_t lo, int64_t hi, struct str name, struct str text, const char *unit,
	struct buf *why)
{
	if (v >= lo && v <= hi)
		return true;
	buf_printf(why, "value %.*s for %.*s is out of range: use %" PRId64, STR_ARG(str_head(text, 100)), STR_ARG(name), lo);
	if (hi == INT64_MAX)
		buf_printf(why, "%s or more", unit);
	else
		buf_printf(why, " to %" PRId64 "%s", hi, unit);
	return false;
}

bool param_check(enum param_kind kind, char unit, int64_t lo, int64_t hi, struct str name, struct str text, int64_t *out,
	struct buf *why)
{
	usec us;

	if (kind == PARAM_BOOL)
		return check_bool(name, text, out, why);
	if (kind == PARAM_TIME) {
		if (!conf_parse_time(text, unit, &us)) {
			buf_printf(why, "bad numeric value \"%.*s\" for %.*s: use a number with one of s m h d w",
				STR_ARG(str_head(text, 100)), STR_ARG(name));
			return false;
		}
		*out = us;
		return check_range((us + USEC_PER_SEC - 1) / USEC_PER_SEC, lo, hi, name, text, "s", why);
	}
	if (!str_to_i64(text, out)) {
		buf_printf(why, "bad numeric value \"%.*s\" for %.*s: use a whole number%s", STR_ARG(str_head(text, 100)),
			STR_ARG(name), kind == PARAM_SIZE ? " of bytes" : "");
		return false;
	}
	return check_range(*out, lo, hi, name, text, "", why);
}

static bool store_enum(const struct param *p, struct conf *c, struct str text, struct buf *why)
{
	int i = text.n ? word_index(p->words, text) : -1;

	*(int *)(void *)((char *)c + p->at) = i;
	if (i >= 0 || !text.n)
		return true;
	buf_printf(why, "bad value \"%.*s\" for %s: use one of %s", STR_ARG(str_head(text, 100)), p->name, p->words);
	return false;
}

bool param_is_text(const struct param *p)
{
	return p->kind == PARAM_TEXT || p->kind == PARAM_RAW || p->kind == PARAM_WORDS || p->kind == PARAM_HINTS;
}

/* check_words - each word of a list; false with why */
static bool check_words(const struct param *p, struct str text, struct buf *why)
{
	struct str word, rest, one;
	bool is;

	while (str_word(&text, ", \t\r\n", &word)) {
		rest = str_of(p->words);
		for (is = false; !is && str_cut(&rest, '|', &one);)
			is = str_ieq(word, one);
		if (is)
			continue;
		buf_printf(why, "bad value \"%.*s\" for %s: use words of %s", STR_ARG(str_head(word, 100)), p->name, p->words);
		return false;
	}
	return true;
}

bool param_store(const struct param *p, struct conf *c, const char *text, struct buf *why)
{
	void *field = (char *)c + p->at;
	struct str s = str_trim(str_of(text));
	int64_t v = 0;

	if (param_is_text(p)) {
		*(const char **)field = text;
		return p->kind < PARAM_WORDS || check_words(p, s, why);
	}
	if (p->kind == PARAM_ENUM)
		return store_enum(p, c, s, why);
	if (!param_check(p->kind, p->unit, p->lo, p->hi, param_name(p), s, &v, why))
		return false;
	if (p->kind == PARAM_BOOL)
		*(bool *)field = v;
	else
		*(int64_t *)field = v;
	return true;
}
