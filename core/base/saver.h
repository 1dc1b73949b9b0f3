/* saver - a small file that is a picture of what memory holds, written anew as a whole whenever that has changed: on a pool thread, one
 * write at a time, and what changed meanwhile is in the next one. A write that fails is told once, until one succeeds. */
#ifndef CORE_BASE_SAVER_H
#define CORE_BASE_SAVER_H

#include "core/base/buf.h"
#include "core/base/pool.h"

struct saver;
struct saver_options {
	struct pool *pool;             /* NULL: it is written at once, by whoever says so */
	const char *path;              /* copied */
	size_t most;                   /* bytes */
	void (*draw)(void *ctx, struct buf *out);
	void *ctx;
	const char *loss;              /* what it means when it cannot be written; static */
};
struct saver *saver_new(const struct saver_options *o);
void saver_free(struct saver *s);      /* NULL: nothing. What was not written yet is not */
void saver_write(struct saver *s);     /* it has changed */
/* saver_flush - write now what has changed, by what was said before or is said here, and wait for it. The pool must be idle */
void saver_flush(struct saver *s, bool changed);

#endif
