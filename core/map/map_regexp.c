/* map_regexp - regexp_table(5): POSIX expressions by libc's regcomp; matching ignores case and uses the extended syntax unless flags say
 * otherwise. libc's matcher is slow, so it is asked only about texts that our own finds to match, where both read the expression alike. */
#include <regex.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/map/map_pattern.h"

static const struct map_pattern_flag letters[] = { { 'i', REG_ICASE }, { 'm', REG_NEWLINE }, { 'x', REG_EXTENDED } };

struct expression {
	regex_t re;
	struct pattern *same;  /* matches the same texts; NULL: not known to */
};

/* --- a filter ------------------------------------------------------------------------------------------------------------ */

/* skip_brackets - behind a bracket expression; 0: it may not mean the same in both */
static size_t skip_brackets(struct str s, size_t i, bool any)
{
	i += 1 + (i + 1 < s.n && s.p[i + 1] == '^');
	for (size_t first = i; i < s.n && (s.p[i] != ']' || i == first); i++) {
		ptrdiff_t end = s.p[i] == '[' && i + 1 < s.n && s.p[i + 1] == ':' ? str_find(str_from(s, i), STR(":]")) : -1;

		if (!any && (s.p[i] == '\\' || (s.p[i] == '[' && i + 1 < s.n && ascii_is_one_of(s.p[i + 1], ".="))))
			return 0;
		i += end > 0 ? (size_t)end + 1 : 0;
	}
	return i < s.n ? i + 1 : any ? s.n : 0;
}

/* skip_repeat - behind *, +, ? or {n,m} at i; i: there is none */
static size_t skip_repeat(struct str s, size_t i)
{
	ptrdiff_t end = i < s.n && s.p[i] == '{' ? str_chr(str_from(s, i), '}') : -1;

	if (i < s.n && ascii_is_one_of(s.p[i], "*+?"))
		return i + 1;
	return end > 0 ? i + (size_t)end + 1 : i;
}

/* means_the_same - is all of it written alike in POSIX and Perl? Which texts match is then the same; what the groups hold is not */
static bool means_the_same(struct str s)
{
	for (size_t i = 0, end; i < s.n; i = end) {
		size_t item;

		if (ascii_is_one_of(s.p[i], "*+?{"))
			return false;
		if (s.p[i] == '\\' && (i + 1 == s.n || ascii_is_one_of(s.p[i + 1], "<>")))
			return false;
		item = s.p[i] == '[' ? skip_brackets(s, i, false) : i + 1 + (s.p[i] == '\\');
		end = skip_repeat(s, item);
		if (!item || (end > item && (skip_repeat(s, end) > end || ascii_is_one_of(s.p[i], "^$(|"))))
			return false;
	}
	return true;
}

/* filter_of - the matcher of pcre tables is quick to see what does not match, and never takes long */
static struct pattern *filter_of(struct str text, unsigned flags)
{
	struct pattern *p = NULL;
	bool missing;
	struct buf why;

	if (!(flags & REG_EXTENDED) || (flags & REG_NEWLINE) || !means_the_same(text))
		return NULL;
	buf_init(&why, 200);
	p = pattern_new(text, PATTERN_DOT_ALL | PATTERN_DOLLAR_END | (flags & REG_ICASE ? PATTERN_ICASE : 0), &missing, &why);
	buf_fini(&why);
	return p;
}

/* other_escape - the first backslash outside brackets that libc and Postfix's libc read differently (\d is no digit there, \1 the group);
 * s.n: there is none */
static size_t other_escape(struct str s)
{
	for (size_t i = 0; i + 1 < s.n; i = s.p[i] == '[' ? skip_brackets(s, i, true) : i + 1 + (s.p[i] == '\\'))
		if (s.p[i] == '\\' && (ascii_is_one_of(s.p[i + 1], "'`") || (ascii_is_alnum(s.p[i + 1]) && !ascii_is_one_of(s.p[i + 1], "bBwWsS"))))
			return i;
	return s.n;
}

/* --- the row's ------------------------------------------------------------------------------------------------------------ */

static void *compile(struct str text, unsigned flags, bool *missing, struct buf *why)
{
	struct expression *e = MEM_NEW(struct expression);
	size_t other = other_escape(text);
	char *z, error[128];
	int code;

	*missing = false;
	if (other < text.n) {
		buf_printf(why, "\\%c is not POSIX", text.p[other + 1]);
		mem_free(e);
		return NULL;
	}
	z = str_dup(text);
	code = regcomp(&e->re, z, (int)flags);
	mem_free(z);
	if (!code) {
		e->same = filter_of(text, flags);
		return e;
	}
	regerror(code, &e->re, error, sizeof(error));
	buf_z(why, error);
	mem_free(e);
	return NULL;
}

static size_t groups(const void *expression)
{
	return ((const struct expression *)expression)->re.re_nsub;
}

static enum pattern_answer match(const void *expression, struct pattern_work *w, struct pattern_span *spans)
{
	const struct expression *e = expression;
	regmatch_t m[PATTERN_GROUPS];
	enum pattern_answer quick;
	int code;

	if (memchr(w->text.p, '\0', w->text.n))
		return PATTERN_NONE;
	quick = e->same ? pattern_find(e->same, w, spans) : PATTERN_FOUND;
	if (quick != PATTERN_FOUND)
		return quick;
	code = regexec(&e->re, w->text.p, PATTERN_GROUPS, m, 0);
	if (code)
		return code == REG_NOMATCH ? PATTERN_NONE : PATTERN_DEAR;
	for (size_t i = 0; i < PATTERN_GROUPS; i++)
		spans[i] = (struct pattern_span){ m[i].rm_so, m[i].rm_eo };
	return PATTERN_FOUND;
}

static void drop(void *expression)
{
	struct expression *e = expression;

	regfree(&e->re);
	pattern_free(e->same);
	mem_free(e);
}

static const struct pattern *sieve(const void *expression)
{
	return ((const struct expression *)expression)->same;
}

static const struct map_pattern_kind regexp = {
	"regexp", REG_EXTENDED | REG_ICASE, letters, sizeof(letters) / sizeof(letters[0]), compile, groups, match, drop, sieve,
};

static void *regexp_open(const struct map_args *args, struct buf *why)
{
	return map_pattern_open(&regexp, args, why);
}

const struct map_type map_type_regexp = {
	"regexp", MAP_WHOLE, regexp_open, map_pattern_find, NULL, map_pattern_is_changed, NULL, map_pattern_close, map_pattern_line,
};
