/* row - what is told step by step, for people and programs (relayctl explain): a line for each step, its kind and its fields with
 * tabs between them. What could not be part of a field is a dot, the end of a line in it a slash. core/view/explain_view.h shows rows. */
#ifndef CORE_BASE_ROW_H
#define CORE_BASE_ROW_H

#include "core/base/buf.h"

/* row_add - rows NULL: nothing */
void row_add(struct buf *rows, const char *kind, const struct str *fields, size_t n);
#define ROW_ADD(rows, kind, ...) row_add(rows, kind, (const struct str[]){ __VA_ARGS__ }, \
	sizeof((const struct str[]){ __VA_ARGS__ }) / sizeof(struct str))
/* row_text - a row of one field: "note", "result" */
void row_text(struct buf *rows, const char *kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
