/* pattern - expressions in the dialect of pcre_table(5), and a matcher whose cost is bounded.
 *
 * What an expression means is Perl's: the leftmost match, alternatives in their order, greedy and lazy repeats, captures. Text is bytes.
 * The matcher tries each pair of a branch and a place once, so that the time is that of text times expression; only \1 and its like
 * need more. A count of steps bounds all of them. What this file does not know is refused with the reason: never another meaning.
 *
 * Done: . [] [^] [[:alpha:]] \d \D \w \W \s \S \h \H \v \V \N, \t \n \r \f \a \e \cX \xhh \x{hh} \ooo \Q...\E, ^ $ \A \z \Z \b \B,
 * * + ? {n} {n,} {n,m} with ? and + behind, | ( ) (?: ) (?> ) (?<name> ) (?# ) (?imsxU-imsx) and (?i: ), (?= ) (?! ), (?<= ) (?<! ) of
 * fixed length, \1. */
#ifndef CORE_MAP_PATTERN_H
#define CORE_MAP_PATTERN_H

#include "core/base/buf.h"

enum pattern_flag {
	PATTERN_ICASE = 1,
	PATTERN_LINES = 2,             /* ^ and $ at each line */
	PATTERN_DOT_ALL = 4,           /* . is a line feed, too */
	PATTERN_SPACED = 8,            /* blanks and # comments do not count */
	PATTERN_ANCHORED = 16,         /* only at the start of the text */
	PATTERN_DOLLAR_END = 32,       /* $ is the end, and not before a line feed there */
	PATTERN_LAZY = 64,             /* repeats are lazy, and greedy with ? */
};
struct pattern;
/* pattern_new - NULL with why; *missing: it may mean something in Perl, and is not done here; else it is wrong */
struct pattern *pattern_new(struct str text, unsigned flags, bool *missing, struct buf *why);
void pattern_free(struct pattern *p);
size_t pattern_groups(const struct pattern *p);        /* captures: 0 to PATTERN_GROUPS - 1 */

#define PATTERN_GROUPS 100                             /* $0 to $99 */
struct pattern_span { ptrdiff_t from, to; };           /* -1: took no part */
enum pattern_answer { PATTERN_FOUND, PATTERN_NONE, PATTERN_DEAR /* the steps are used up */ };
struct pattern_set { uint64_t bits[4]; };              /* of bytes */
/* pattern_work - memory of the matcher, for any number of texts and patterns one after the other; zeroed at first */
struct pattern_work {
	struct str text;
	size_t steps;                  /* how many are left for this text */
	struct pattern_set present;    /* its bytes, capitals as small letters */
	size_t *slots, n_slots;
	struct pattern_frame *stack;
	size_t depth, room;
	unsigned char *tried;
	size_t tried_room;
};
void pattern_work_fini(struct pattern_work *w);
/* pattern_sieve - what tells of most texts that they cannot match, without a look at the pattern: sets of bytes modulo 64 */
struct pattern_sieve { uint64_t needs, first; };
struct pattern_sieve pattern_sieve(const struct pattern *p);
/* pattern_sift - w's text for it: can a pattern with that sieve match? */
struct pattern_sieve pattern_sift(const struct pattern_work *w);
static inline bool pattern_may_match(struct pattern_sieve p, struct pattern_sieve text)
{
	return !(p.needs & ~text.needs) && p.first & text.first;
}
/* pattern_begin - the text that is asked about next, borrowed, and what all patterns together may cost with it */
void pattern_begin(struct pattern_work *w, struct str text, size_t steps);
/* pattern_find - groups (PATTERN_GROUPS of them) are filled with PATTERN_FOUND only */
enum pattern_answer pattern_find(const struct pattern *p, struct pattern_work *w, struct pattern_span *groups);

#endif
