/* map_pcre - pcre_table(5), with expressions of our own (pattern.h): matching ignores case, and . is a line feed, too, unless flags say
 * otherwise. */
#include "core/map/map_pattern.h"

static const struct map_pattern_flag letters[] = {
	{ 'i', PATTERN_ICASE }, { 'm', PATTERN_LINES }, { 's', PATTERN_DOT_ALL }, { 'x', PATTERN_SPACED }, { 'A', PATTERN_ANCHORED },
	{ 'E', PATTERN_DOLLAR_END }, { 'U', PATTERN_LAZY }, { 'X', 0 },
};

static void *compile(struct str text, unsigned flags, bool *missing, struct buf *why)
{
	return pattern_new(text, flags, missing, why);
}

static size_t groups(const void *expression)
{
	return pattern_groups(expression);
}

static enum pattern_answer match(const void *expression, struct pattern_work *w, struct pattern_span *spans)
{
	return pattern_find(expression, w, spans);
}

static void drop(void *expression)
{
	pattern_free(expression);
}

static const struct pattern *sieve(const void *expression)
{
	return expression;
}

static const struct map_pattern_kind pcre = {
	"pcre", PATTERN_ICASE | PATTERN_DOT_ALL, letters, sizeof(letters) / sizeof(letters[0]), compile, groups, match, drop, sieve,
};

static void *pcre_open(const struct map_args *args, struct buf *why)
{
	return map_pattern_open(&pcre, args, why);
}

const struct map_type map_type_pcre = {
	"pcre", MAP_WHOLE, pcre_open, map_pattern_find, NULL, map_pattern_is_changed, NULL, map_pattern_close, map_pattern_line,
};
