/* str - borrowed views of bytes, passed by value.
 *
 * A view never owns what it points at and need not end in NUL; an empty view may have p == NULL.
 * Use it for every argument that is text from the wire, from a file or from a map. */
#ifndef CORE_BASE_STR_H
#define CORE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_EMPTY ((struct str){NULL, 0})
/* for printf's "%.*s" */
#define STR_ARG(s) (int)(s).n, ((s).p ? (s).p : "")

/* bytes_copy - memcpy for what is mostly a word or two: musl's begins with some fifty cycles whatever the length */
static inline void bytes_copy(char *to, const char *from, size_t n)
{
	if (n > 32)
		memcpy(to, from, n);
	else if (n >= 8) {
		for (size_t i = 0; i + 8 < n; i += 8)
			memcpy(to + i, from + i, 8);
		memcpy(to + n - 8, from + n - 8, 8);
	} else
		while (n--)
			*to++ = *from++;
}

static inline struct str str_of(const char *z) { return (struct str){ z, z ? strlen(z) : 0 }; }
static inline struct str str_make(const char *p, size_t n) { return (struct str){ p, n }; }
static inline bool str_is_empty(struct str s) { return s.n == 0; }
static inline struct str str_head(struct str s, size_t n) { return (struct str){ s.p, n < s.n ? n : s.n }; } /* first n bytes (clamped) */
/* str_from - tail from `at` (clamped) */
static inline struct str str_from(struct str s, size_t at)
{
	at = at < s.n ? at : s.n;
	return (struct str){ at ? s.p + at : s.p, s.n - at };
}

bool str_eq(struct str a, struct str b);
bool str_ieq(struct str a, struct str b);              /* ASCII case folded */
int str_cmp(struct str a, struct str b);               /* memcmp order, shorter first */
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_iends(struct str s, struct str suffix);
struct str str_trim(struct str s);                     /* space, tab, CR, LF at both ends */
ptrdiff_t str_chr(struct str s, char c);               /* first index, -1 if absent */
ptrdiff_t str_rchr(struct str s, char c);              /* last index, -1 if absent */
ptrdiff_t str_find(struct str s, struct str needle);   /* first index, -1 if absent */
/* str_cut - take the text before the first `sep` off the front of *rest; false when *rest was empty.
 * The last piece comes without its separator; *rest is then empty. */
bool str_cut(struct str *rest, char sep, struct str *piece);
/* str_word - take the next run of bytes that are not in `seps`; false when none is left */
bool str_word(struct str *rest, const char *seps, struct str *word);
/* str_has_word - is word, whatever its case, one of the list's? seps as in str_word */
bool str_has_word(struct str list, const char *seps, struct str word);
/* str_to_u64 - all of s as decimal digits; false on empty, other bytes or overflow */
bool str_to_u64(struct str s, uint64_t *out);
bool str_to_i64(struct str s, int64_t *out);           /* one leading '-' allowed */
bool str_to_hex64(struct str s, uint64_t *out);        /* hex digits only, at most 16 */
int str_hex_byte(struct str s, size_t at);             /* of the two hex digits there; -1: they are none, or s ends before */
char *str_dup(struct str s);                           /* owned, NUL-terminated copy (mem_free) */
bool str_is_utf8(struct str s);                        /* valid UTF-8: no overlong, surrogate, > U+10FFFF */
bool str_is_token(struct str s);                        /* not empty, and every byte from ! to ~ */
bool str_is_ascii(struct str s);                       /* every byte < 0x80 */
/* str_visible_step - the same of a character that is seen as itself: no control, no direction mark, nothing of no width, no space but " ".
 * 0: empty, not valid or not visible (visible.c) */
size_t str_visible_step(struct str s);
size_t str_utf8_step(struct str s);                     /* bytes of the UTF-8 sequence in front; 0: empty or not valid */

static inline char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static inline char ascii_upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 32) : c; }
static inline bool ascii_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool ascii_is_alpha(char c) { c = ascii_lower(c); return c >= 'a' && c <= 'z'; }
static inline bool ascii_is_alnum(char c) { return ascii_is_alpha(c) || ascii_is_digit(c); }
/* ascii_hex - the value of a hexadecimal digit; -1: it is none */
static inline int ascii_hex(char c) { c = ascii_lower(c); return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }
static inline bool ascii_is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static inline bool ascii_is_control(char c) { return (unsigned char)c < 32 || c == 127; }
static inline bool ascii_is_print(char c) { return c >= 32 && c < 127; }
/* ascii_is_one_of - c is in the NUL-terminated set; sets are a few bytes, shorter than a call of strchr is long */
static inline bool ascii_is_one_of(char c, const char *set)
{
	while (*set && *set != c)
		set++;
	return *set;
}

#endif
