/* rules - the text of cidr: and regexp: tables, and of their inline form TYPE:{ {rule}, {rule} }. Bad rules are skipped
 * with a warning, as in Postfix; only a table that cannot be read at all fails. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/map/map_type.h"
#include "core/map/words.h"

void rules_warn(const struct map_args *args, unsigned line, const char *fmt, ...)
{
	size_t kind = strcspn(args->spec, ":");
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	map_warn("%.*s map %.200s, line %u: %s", (int)kind, args->spec, args->spec + kind + 1, line, text);
}

static int inline_rules(const struct map_args *args, struct buf *why, void (*fn)(void *, unsigned, struct str), void *ctx)
{
	struct str body, word, rule;
	unsigned number = 0;
	int got = -1;

	if (words_unbrace(str_of(args->name), &body))
		while ((got = words_next(&body, &word)) > 0 && words_unbrace(word, &rule))
			if (rule.n)
				fn(ctx, ++number, rule);
	if (got)
		map_fail(args, why, "bad syntax; need \"{ {rule}, {rule} }\"");
	return got ? -1 : 0;
}

int rules_each(const struct map_args *args, struct stamp *stamp, struct buf *why, void (*fn)(void *ctx, unsigned line, struct str rule), void *ctx)
{
	struct buf text;
	struct source s;
	struct str key, rule;
	struct stat st;
	int got;

	*stamp = (struct stamp){ .exists = false };
	if (args->name[0] == '{')
		return inline_rules(args, why, fn, ctx);
	buf_init(&text, LIMIT_MAP_TEXT);
	if (source_load(args->name, &text, &st) < 0) {
		map_fail(args, why, "%s", strerror(errno));
		buf_fini(&text);
		return -1;
	}
	stamp_from(stamp, &st);
	source_init(&s, buf_view(&text), SOURCE_LINES);
	while ((got = source_next(&s, &key, &rule)) != 0) {
		if (got < 0)
			rules_warn(args, s.line, "%s", s.error);
		else
			fn(ctx, s.line, rule);
	}
	source_fini(&s);
	buf_fini(&text);
	return 0;
}
