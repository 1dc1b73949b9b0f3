/* map_regexp - regexp_table(5): POSIX expressions by libc's regcomp; matching ignores case and uses the extended syntax unless flags say
 * otherwise. */
#include <regex.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/map/map_pattern.h"

static const struct map_pattern_flag letters[] = { { 'i', REG_ICASE }, { 'm', REG_NEWLINE }, { 'x', REG_EXTENDED } };

static void *compile(struct str text, unsigned flags, bool *missing, struct buf *why)
{
	regex_t *re = MEM_NEW(regex_t);
	char *z = str_dup(text), error[128];
	int code = regcomp(re, z, (int)flags);

	*missing = false;
	mem_free(z);
	if (!code)
		return re;
	regerror(code, re, error, sizeof(error));
	buf_z(why, error);
	mem_free(re);
	return NULL;
}

static size_t groups(const void *expression)
{
	return ((const regex_t *)expression)->re_nsub;
}

static enum pattern_answer match(const void *expression, struct str text, struct pattern_work *w, struct pattern_span *spans)
{
	regmatch_t m[PATTERN_GROUPS];
	int code;

	(void)w;
	if (memchr(text.p, '\0', text.n))
		return PATTERN_NONE;
	code = regexec(expression, text.p, PATTERN_GROUPS, m, 0);
	if (code)
		return code == REG_NOMATCH ? PATTERN_NONE : PATTERN_DEAR;
	for (size_t i = 0; i < PATTERN_GROUPS; i++)
		spans[i] = (struct pattern_span){ m[i].rm_so, m[i].rm_eo };
	return PATTERN_FOUND;
}

static void drop(void *expression)
{
	regfree(expression);
	mem_free(expression);
}

static const struct map_pattern_kind regexp = {
	"regexp", REG_EXTENDED | REG_ICASE, letters, sizeof(letters) / sizeof(letters[0]), compile, groups, match, drop,
};

static void *regexp_open(const struct map_args *args, struct buf *why)
{
	return map_pattern_open(&regexp, args, why);
}

const struct map_type map_type_regexp = {
	"regexp", MAP_WHOLE, regexp_open, map_pattern_find, NULL, map_pattern_is_changed, NULL, map_pattern_close,
};
