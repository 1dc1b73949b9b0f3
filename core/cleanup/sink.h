/* sink - where a message goes once it is clean: the queue, or memory (sendmail without a daemon). */
#ifndef CORE_CLEANUP_SINK_H
#define CORE_CLEANUP_SINK_H

#include "core/store/store.h"

struct cleanup_sink_ops {
	/* begin - what the others are called with; qid gets the name of the message. NULL with errno */
	void *(*begin)(void *to, char qid[QID_MAX]);
	int (*add)(void *w, struct str body);          /* 0, or -1 with errno; then only abort makes sense */
	/* commit - header with its empty line, borrowed for the call; w is gone, fn is told as by store_commit */
	void (*commit)(void *w, struct envelope *e, struct str header, store_fn fn, void *ctx);
	void (*abort)(void *w);
};
struct cleanup_sink { const struct cleanup_sink_ops *ops; void *to; };

/* cleanup_to_store - into the queue */
struct cleanup_sink cleanup_to_store(struct store *s);

/* The message stays in memory: the owner names it, gives the buffers their bounds, and frees them. */
struct cleanup_memory { char qid[QID_MAX]; struct buf header, body; };
struct cleanup_sink cleanup_to_memory(struct cleanup_memory *m);

#endif
