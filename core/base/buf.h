/* buf - owned bytes that grow up to a bound given at init.
 *
 * What would pass the bound is dropped whole and sets `overflow`, which stays set until buf_clear: a writer adds
 * freely and checks once, at the end. The bytes are always followed by a NUL that does not count. */
#ifndef CORE_BASE_BUF_H
#define CORE_BASE_BUF_H

#include <stdarg.h>

#include "core/base/str.h"

struct buf {
	char *p;        /* NULL until the first byte */
	size_t n;       /* bytes held */
	size_t cap;     /* bytes allocated, the NUL included */
	size_t max;     /* bound on n */
	bool overflow;  /* something was dropped */
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);                          /* free the bytes; the buf may be used again */
void buf_wipe(struct buf *b);                          /* buf_fini for secrets: the bytes are overwritten first */
void buf_clear(struct buf *b);                         /* n = 0, overflow off; keeps the memory */
void buf_shrink(struct buf *b);                        /* give unused memory back (all of it when empty) */
bool buf_reserve(struct buf *b, size_t more);          /* make room for `more`; false and overflow past the bound */
bool buf_add(struct buf *b, const void *p, size_t n);
bool buf_str(struct buf *b, struct str s);
bool buf_z(struct buf *b, const char *z);
bool buf_byte(struct buf *b, char c);
bool buf_u64(struct buf *b, uint64_t v);                /* in decimal digits */
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void buf_hex(struct buf *b, const void *p, size_t n);   /* two small hexadecimal digits a byte */
void buf_uri(struct buf *b, struct str s);              /* as part of a URI: what is not unreserved (RFC 3986 section 2.3) as %XX */
/* buf_escaped - with a backslash before each quote and backslash, as inside of a quoted string (RFC 5322 section 3.2.4) */
void buf_escaped(struct buf *b, struct str s);
void buf_json(struct buf *b, struct str s);             /* as a JSON string, quotes included; bytes that are no UTF-8: U+FFFD */
void buf_consume(struct buf *b, size_t n);             /* drop n bytes from the front */
void buf_truncate(struct buf *b, size_t n);            /* keep the first n bytes */
char *buf_take(struct buf *b);                         /* hand the bytes over (mem_free); b is empty after */
const char *buf_cstr(const struct buf *b);             /* never NULL */
static inline struct str buf_view(const struct buf *b) { return (struct str){ b->p, b->n }; }

#endif
