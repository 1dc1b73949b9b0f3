/* map_pattern - what tables of expressions share, whatever makes and matches them: /pattern/flags result, !/pattern/flags, if ... endif,
 * $1 in results (regexp_table(5), pcre_table(5)). Private to core/map. */
#ifndef CORE_MAP_MAP_PATTERN_H
#define CORE_MAP_MAP_PATTERN_H

#include "core/map/map_type.h"
#include "core/map/pattern.h"

struct map_pattern_flag { char letter; unsigned flag; };       /* a letter turns its flag round */
struct map_pattern_kind {
	const char *word;                      /* "regexp", of "unknown regexp option" */
	unsigned flags;                        /* without letters */
	const struct map_pattern_flag *letters;
	size_t n_letters;
	/* NULL with why; *missing: it is right, but not done here, and the table is refused */
	void *(*compile)(struct str text, unsigned flags, bool *missing, struct buf *why);
	size_t (*groups)(const void *expression);
	/* match - w->text, which has a NUL behind it */
	enum pattern_answer (*match)(const void *expression, struct pattern_work *w, struct pattern_span *groups);
	void (*free)(void *expression);
	/* sieve - that of the expression; NULL: there is none */
	const struct pattern *(*sieve)(const void *expression);
};
void *map_pattern_open(const struct map_pattern_kind *kind, const struct map_args *args, struct buf *why);
/* map_pattern_find, _is_changed, _close, _line - for the row of the type */
enum map_answer map_pattern_find(void *state, struct str key, struct buf *out);
bool map_pattern_is_sifted_out(const void *state, struct str key);
bool map_pattern_is_changed(void *state);
void map_pattern_close(void *state);
unsigned map_pattern_line(void *state);
/* map_pattern_each - map_each_rule */
int map_pattern_each(void *state, int (*fn)(void *ctx, unsigned line, struct str result), void *ctx);

#endif
