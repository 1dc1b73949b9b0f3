/* Expressions of pcre tables: rows of expression, text and what Debian's Postfix with PCRE finds. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/map/map.h"
#include "core/map/pattern.h"
#include "tests/unit/t.h"

#define SAME (PATTERN_ICASE | PATTERN_DOT_ALL)

/* found - "from-to" of the whole and of each group that took part, or "none", "dear", or why it is no expression */
static void found(const char *text, unsigned flags, struct str subject, size_t steps, struct buf *out)
{
	struct pattern_span groups[PATTERN_GROUPS];
	struct pattern_work work = { .steps = 0 };
	enum pattern_answer answer;
	bool missing = false;
	struct pattern *p;

	buf_clear(out);
	p = pattern_new(str_of(text), flags, &missing, out);
	if (!p) {
		buf_printf(out, "%s", missing ? " (missing)" : "");
		return;
	}
	CHECK_INT(out->n, 0);
	pattern_begin(&work, subject, steps);
	answer = pattern_find(p, &work, groups);
	CHECK(answer != PATTERN_FOUND || pattern_may_match(pattern_sieve(p), pattern_sift(&work)));
	if (answer != PATTERN_FOUND)
		buf_z(out, answer == PATTERN_DEAR ? "dear" : "none");
	for (size_t i = 0; answer == PATTERN_FOUND && i <= pattern_groups(p); i++)
		if (groups[i].from >= 0)
			buf_printf(out, "%s%td-%td", i ? " " : "", groups[i].from, groups[i].to);
		else
			buf_z(out, " -");
	pattern_free(p);
	pattern_work_fini(&work);
}

T(pattern_is_sifted_out_by_its_first_byte_and_what_it_needs)
{
	static const struct { const char *pattern, *text; bool may; } rows[] = {
		{ "^(Subject|To): x", "Subject: x", true }, { "^(Subject|To): x", "from: x", false }, { "^subject: x", "Subject: z", false },
		{ "subject", "From: Subject", true }, { "q", "all but that", false }, { "^x?", "", true }, { "^x", "", false }, { "", "y", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern_work work = { .steps = 0 };
		bool missing = false;
		struct pattern *p;
		struct buf why;

		ROW("%s of %s", rows[i].pattern, rows[i].text);
		buf_init(&why, 200);
		p = pattern_new(str_of(rows[i].pattern), PATTERN_ICASE, &missing, &why);
		REQUIRE(p);
		pattern_begin(&work, str_of(rows[i].text), 1000);
		CHECK_INT(pattern_may_match(pattern_sieve(p), pattern_sift(&work)), rows[i].may);
		pattern_free(p);
		pattern_work_fini(&work);
		buf_fini(&why);
	}
}

T(pattern_finds_what_perl_finds)
{
	static const struct { const char *text; unsigned flags; const char *subject, *want; } rows[] = {
		{ "", SAME, "", "0-0" }, { "", SAME, "x", "0-0" },
		{ "b", SAME, "aBc", "1-2" }, { "b", PATTERN_DOT_ALL, "aBc", "none" }, { "(?-i)b", SAME, "aBc", "none" }, { "(?i:b)c", 0, "aBc", "1-3" },
		/* sets */
		{ "\\d+", SAME, "ab12c", "2-4" }, { "\\D+", SAME, "12ab", "2-4" }, { "\\w+", SAME, "-a_1-", "1-4" }, { "\\W", SAME, "a_1-", "3-4" },
		{ "\\s\\S", SAME, "a\vb", "1-3" }, { "\\h", SAME, "a\tb", "1-2" }, { "\\v", SAME, "a\fb", "1-2" }, { "\\N+", SAME, "a\nb", "0-1" },
		{ "[[:digit:]a-c]+", SAME, "x1Bz", "1-3" }, { "[^[:alpha:]]", SAME, "a1", "1-2" }, { "[[:^alpha:]]", SAME, "a1", "1-2" },
		{ "[]a]+", SAME, "x]a", "1-3" }, { "[^]a]", SAME, "]ab", "2-3" }, { "[a-]+", SAME, "b-a", "1-3" }, { "[\\w.-]+@", SAME, "a.b-c@d", "0-6" },
		{ "[\\d\\s]+", SAME, "a1 2b", "1-4" }, { "[[:upper:]]", SAME, "a", "0-1" }, { "[[:upper:]]", 0, "a", "none" },
		{ "[\\x41-\\x43]+", 0, "xABC", "1-4" }, { "[\\b]", SAME, "a\bb", "1-2" }, { "[a[:]+", SAME, "x:[a", "1-4" },
		{ "\\x61\\x{62}\\143\\t\\e\\cA\\.", SAME, "abc\t\x1b\x01.", "0-7" }, { "\\Qa.b\\E+", SAME, "a.bbb a+b", "0-5" },
		/* places */
		{ "^b", SAME, "a\nb", "none" }, { "^b", SAME | PATTERN_LINES, "a\nb", "2-3" }, { "a$", SAME, "a\n", "0-1" },
		{ "a$", SAME | PATTERN_DOLLAR_END, "a\n", "none" }, { "a$", SAME, "a\nb", "none" }, { "a$", SAME | PATTERN_LINES, "a\nb", "0-1" },
		{ "a\\Z", SAME, "a\n", "0-1" }, { "a\\z", SAME, "a\n", "none" }, { "\\Aa|b", SAME, "cb", "1-2" }, { "^", SAME | PATTERN_LINES, "", "0-0" },
		{ "a\\n^", SAME | PATTERN_LINES, "a\n", "none" }, { "\\bfoo\\b", SAME, "xfoo foo", "5-8" }, { "o\\B", SAME, "foo", "1-2" },
		{ "b", SAME | PATTERN_ANCHORED, "ab", "none" }, { "a.b", SAME, "a\nb", "0-3" }, { "a.b", PATTERN_ICASE, "a\nb", "none" },
		/* repeats */
		{ "a*", SAME, "aaa", "0-3" }, { "a*?", SAME, "aaa", "0-0" }, { "a+?", SAME, "aaa", "0-1" }, { "a??b", SAME, "ab", "0-2" },
		{ "a{2}", SAME, "aaa", "0-2" }, { "a{2,}", SAME, "aaa", "0-3" }, { "a{1,2}", SAME, "aaa", "0-2" }, { "a{1,2}?", SAME, "aaa", "0-1" },
		{ "a{,2}", SAME, "a{,2}", "0-5" }, { "a{x}", SAME, "a{x}", "0-4" }, { "a++a", SAME, "aaa", "none" }, { "a?+a", SAME, "a", "none" },
		{ "(?>a+)b", SAME, "aab", "0-3" }, { "(?>a|ab)c", SAME, "abc", "none" }, { "a+", SAME | PATTERN_LAZY, "aaa", "0-1" },
		{ "a+?", SAME | PATTERN_LAZY, "aaa", "0-3" }, { "(?U)a+", SAME, "aaa", "0-1" }, { "(ab){2,3}", SAME, "abababab", "0-6 4-6" },
		/* groups */
		{ "(a)|b", SAME, "b", "0-1 -" }, { "(a|ab)(c|bcd)(d*)", SAME, "abcd", "0-4 0-1 1-4 4-4" }, { "(?:a|b)(c)", SAME, "bc", "0-2 1-2" },
		{ "(?<n>a)(?P<m>b)(?'o'c)", SAME, "abc", "0-3 0-1 1-2 2-3" }, { "(a*)*", SAME, "aa", "0-2 2-2" }, { "(a|b*)*", SAME, "a", "0-1 1-1" },
		{ "((a)|b)*", SAME, "ab", "0-2 1-2 0-1" }, { "(a(?i)b|c)d", 0, "Cd", "0-2 0-1" }, { "(?>([^a]*)*)", SAME, "bb", "0-2 2-2" },
		{ "(.)(.)\\2\\1", SAME, "xabba", "1-5 1-2 2-3" }, { "(a)\\1", SAME, "aA", "0-2 0-1" }, { "(a)?\\1b", SAME, "b", "none" },
		{ "(?=(a))\\1x", SAME, "ax", "0-2 0-1" },
		/* looks */
		{ "a(?=b)", SAME, "acab", "2-3" }, { "a(?!b)", SAME, "abac", "2-3" }, { "(?<=a)b", SAME, "cbab", "3-4" }, { "(?<!a)b", SAME, "abcb", "3-4" },
		{ "(?<=a|bc)d", SAME, "dbcd", "3-4" }, { "(?<!a|bc)d", SAME, "adbcdd", "5-6" }, { "^(?!.*x)(?=.*b)", SAME, "abc", "0-0" },
		{ "^(?!.*x)(?=.*b)", SAME, "abcx", "none" }, { "(?=(a+))a*b\\1", SAME, "baaabac", "3-6 3-4" }, { "(?=.*x)a(?=.*x)", SAME, "aax", "0-1" },
		/* how it is written */
		{ "a b # c", SAME | PATTERN_SPACED, "ab", "0-2" }, { "a\\ b[ ]c", SAME | PATTERN_SPACED, "a b c", "0-5" }, { "a(?#no)b", SAME, "ab", "0-2" },
		{ "a +", SAME | PATTERN_SPACED, "aa", "0-2" }, { "(?x) a # c\nb", SAME, "ab", "0-2" },
		/* wrong */
		{ "(a", SAME, "", "( without )" }, { "a)", SAME, "", ") without (" }, { "[a", SAME, "", "[ without ]" }, { "*a", SAME, "", "nothing before * that it could repeat" },
		{ "a**", SAME, "", "a repeat of a repeat" }, { "{2}", SAME, "", "nothing before {2 that it could repeat" }, { "[b-a]", SAME, "", "a range in brackets that has no order" },
		{ "\\", SAME, "", "\\ at the end" }, { "(?<=a*)b", SAME, "", "a look behind needs a fixed length" }, { "[[:foo:]]", SAME, "", "there is no class [:foo:]" },
		{ "\\1", SAME, "", "\\1: there is no such group" },
		/* not done */
		{ "\\pL", SAME, "", "\\p is not done (missing)" }, { "(?R)", SAME, "", "(?R is not done (missing)" }, { "(*UTF8)a", SAME, "", "(* is not done (missing)" },
		{ "a{1001}", SAME, "", "{n,m}: n is above m, or one of them above 1000 (missing)" }, { "\\b+", SAME, "", "a place in the text is not repeated (missing)" },
		{ "(?(1)a)", SAME, "", "(?( is not done (missing)" }, { "\\R", SAME, "", "\\R is not done (missing)" }, { "(((a{100}){100}){100})", SAME, "", "the expression is too large (missing)" },
	};
	struct buf out;

	buf_init(&out, 500);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("/%s/ %s", rows[i].text, rows[i].subject);
		found(rows[i].text, rows[i].flags, str_of(rows[i].subject), LIMIT_MAP_STEPS, &out);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	buf_fini(&out);
}

/* what takes other matchers for ever is tried once for each place; what stays dear ends at the count */
T(pattern_cost_is_bounded)
{
	static const struct { const char *text; size_t n, steps; const char *want; } rows[] = {
		{ "^((a+)+)+$", 2000, 100000, "none" }, { "(a*)*(a*)*(a*)*b$", 2000, 1000000, "none" }, { "((((((a*)*)*)*)*)*)*x$", 2000, 1000000, "none" },
		{ "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x$", 2000, 1000000, "none" }, { "(a|aa)+x", 2000, 100000, "none" }, { "^(a?){500}a{500}x", 600, 3000000, "none" },
		{ "(a+)+\\1x", 2000, 1000000, "dear" }, { "((?=(.*a.*)+Z)a)*b", 2000, 1000000, "dear" }, { "a", 100000, 0, "dear" },
	};
	char *text = malloc(100001);
	struct buf out;

	REQUIRE(text);
	memset(text, 'a', 100000);
	buf_init(&out, 5000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("/%s/", rows[i].text);
		/* one byte that lets nothing be ruled out at a glance */
		text[rows[i].n - 1] = 'x';
		text[rows[i].n - 2] = 'b';
		text[rows[i].n] = 'Z';
		found(rows[i].text, SAME, str_make(text, rows[i].n + 1), rows[i].steps, &out);
		CHECK_STR(buf_cstr(&out), rows[i].want);
		memset(text, 'a', 100000);
	}
	buf_fini(&out);
	free(text);
}

T(pattern_depth_and_groups_are_bounded)
{
	char text[2 * PATTERN_GROUPS + 300];
	struct buf out;

	buf_init(&out, 5000);
	for (size_t depth = LIMIT_PATTERN_DEPTH; depth <= LIMIT_PATTERN_DEPTH + 1; depth++) {
		memset(text, '(', depth);
		text[depth] = 'a';
		memset(text + depth + 1, ')', depth);
		text[2 * depth + 1] = '\0';
		found(text, 0, STR("a"), 10000, &out);
		CHECK(str_starts(buf_view(&out), depth > LIMIT_PATTERN_DEPTH ? STR("groups are nested too deep") : STR("0-1 0-1")));
	}
	for (size_t groups = PATTERN_GROUPS - 1; groups <= PATTERN_GROUPS; groups++) {
		for (size_t i = 0; i < groups; i++)
			memcpy(text + 2 * i, "()", 3);
		found(text, 0, STR("a"), 10000, &out);
		CHECK(str_starts(buf_view(&out), groups == PATTERN_GROUPS ? STR("more than 99 groups") : STR("0-0 0-0")));
	}
	buf_fini(&out);
}

static void ask(const char *rules, const char *key, struct buf *out)
{
	struct buf why;
	struct map *m;

	buf_init(&why, 500);
	buf_clear(out);
	m = map_open(rules, &why);
	if (!m)
		buf_z(out, buf_cstr(&why));
	else if (map_find(m, str_of(key), out) != MAP_FOUND)
		buf_z(out, "(none)");
	map_close(m);
	buf_fini(&why);
}

T(pcre_tables_follow_pcre_table)
{
	static const struct { const char *rules, *key, *want; } rows[] = {
		{ "pcre:{{/^(\\w+)@(x)\\.y$/ $2-${1}-$(1) $$}}", "Ab@X.Y", "X-Ab-Ab $" }, { "pcre:{{/a/i up}}", "A", "(none)" },
		{ "pcre:{{/^b/m line}}", "a\nb", "line" }, { "pcre:{{/a.b/s no}}", "a\nb", "(none)" }, { "pcre:{{/a b/x yes}}", "ab", "yes" },
		{ "pcre:{{/b/A no}}", "ab", "(none)" }, { "pcre:{{/a$/E no}}", "a\n", "(none)" }, { "pcre:{{/(a+)/U $1}}", "aa", "a" }, { "pcre:{{/a/X yes}}", "a", "yes" },
		{ "pcre:{{!/a/ not}}", "b", "not" }, { "pcre:{{! /a/ not}}", "a", "(none)" }, { "pcre:{{if /a/}, {/b/ both}, {endif}, {/b/ one}}", "ab", "both" },
		{ "pcre:{{if !/a/}, {/b/ both}, {endif}, {/b/ one}}", "ab", "one" }, { "pcre:{{|a/b| slash}}", "a/b", "slash" },
		{ "pcre:{{/(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)/ $11${10}}}", "abcdefghijk", "kj" },
		/* skipped: no group of that name, a negative match has none, no such flag */
		{ "pcre:{{/(a)/ $1x}, {/a/ next}}", "a", "next" }, { "pcre:{{/(a)/ $2}, {/a/ next}}", "a", "next" }, { "pcre:{{!/(b)/ $1}, {/a/ next}}", "a", "next" },
		{ "pcre:{{/a/q no}, {/a/ next}}", "a", "next" }, { "pcre:{{/(a/ no}, {/a/ next}}", "a", "next" },
		/* refused: what it would match is not known here */
		{ "pcre:{{/a/ b}, {/\\p{L}x/ no}, {/a/ next}}", "a", "pcre:{{/a/ b}, {/\\p{L}x/ no}, {/a/ next}}: line 2: \\p is not done in \"\\p{L}x\": write this rule in another way" },
	};
	struct buf out;

	buf_init(&out, 500);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s %s", rows[i].rules, rows[i].key);
		ask(rows[i].rules, rows[i].key, &out);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	buf_fini(&out);
}

/* a regexp table asks our matcher first: it must not miss what libc's finds, whatever is written differently in the two */
T(regexp_tables_miss_nothing)
{
	static const struct { const char *text, *key, *want; } rows[] = {
		{ "(a|ab)(c|bcd)", "abcd", "a-bcd" }, { "[\\d](x)?", "\\x", "x-" }, { "(a)(b)?\\.$", "A.", "A-" }, { "a{1,2}(b)", "aab", "b-" }, { "\\<(b)", "a b", "b-" },
		{ "(a)+?", "aa", "a-" }, { "\\bfoo\\b(.)", "a foo.", ".-" }, { "(\\w)\\W", "a.", "a-" }, { "[[:alpha:]]([]])", "a]", "]-" }, { "[^[:space:]](.)$", "ab", "b-" },
	};
	struct buf out;

	buf_init(&out, 500);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char spec[200];

		ROW("%s %s", rows[i].text, rows[i].key);
		snprintf(spec, sizeof(spec), "regexp:{{/%s/ $1-%s}}", rows[i].text, strchr(strchr(rows[i].text, ')') + 1, '(') ? "$2" : "");
		ask(spec, rows[i].key, &out);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	buf_fini(&out);
}

/* \d is no digit for Postfix's regexp tables, and \1 is what a group holds: a rule with either is none, rather than another one */
T(regexp_rules_with_escapes_of_other_kinds_are_skipped)
{
	static const struct { const char *text, *key; bool rule; } rows[] = {
		{ "^4\\d", "41", false }, { "^4\\d", "4d", false }, { "^(z)\\1$", "zz", false }, { "^(z)\\1$", "z1", false }, { "a\\t", "at", false },
		{ "a\\'", "a", false }, { "[\\d]", "d", true }, { "[]\\d]\\.", "d.", true }, { "[[:alpha:]\\d]\\D", "aa", false }, { "\\\\d", "\\d", true },
		{ "\\w\\.\\@", "a.@", true }, { "\\bx\\B", "xy", true },
	};
	struct buf out;

	buf_init(&out, 500);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char spec[200];

		ROW("%s %s", rows[i].text, rows[i].key);
		snprintf(spec, sizeof(spec), "regexp:{{/%s/ yes}}", rows[i].text);
		ask(spec, rows[i].key, &out);
		CHECK_STR(buf_cstr(&out), rows[i].rule ? "yes" : "(none)");
	}
	buf_fini(&out);
}

T(tables_pass_by_what_no_rule_can_match)
{
	static const struct { const char *spec, *key; bool out; } rows[] = {
		{ "pcre:{{/^Subject: buy/ REJECT}, {/^To: q/ WARN}}", "From: quite a buyer", true },
		{ "pcre:{{/^Subject: buy/ REJECT}, {/^To: q/ WARN}}", "to: quite", false },
		{ "regexp:{{/^Subject: buy/ REJECT}, {/^To: q/ WARN}}", "From: quite a buyer", true },
		{ "regexp:{{/^Subject: buy/ REJECT}}", "Subject: you buy", false }, { "regexp:{{!/^Subject: buy/ REJECT}}", "From: x", false },
		{ "pcre:{{if /^Subject:/}, {/./ REJECT}, {endif}}", "From: x", false }, { "pcre:{{if /^Subject:/}, {/q/ REJECT}, {endif}}", "From: x", true },
		{ "pcre:{{/^x?$/ REJECT}}", "", false }, { "static:x", "y", false }, { "inline:{a=b}", "y", false },
	};
	struct buf out;

	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct map *m = map_open(rows[i].spec, &out);

		ROW("%s of %s", rows[i].spec, rows[i].key);
		REQUIRE(m);
		CHECK_INT(map_is_sifted_out(m, str_of(rows[i].key)), rows[i].out);
		CHECK(!rows[i].out || map_find(m, str_of(rows[i].key), &out) == MAP_NONE);
		map_close(m);
	}
	buf_fini(&out);
}
