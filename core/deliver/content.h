/* content - where the content of a delivery comes from, for sessions that send it piece by piece. */
#ifndef CORE_DELIVER_CONTENT_H
#define CORE_DELIVER_CONTENT_H

#include "core/store/store.h"

struct deliver_content {
	void *(*open)(void *ctx, const struct qmsg *m);        /* NULL with errno */
	/* up to n bytes from there on; 0: no more; -1 with errno */
	ssize_t (*read)(void *reader, uint64_t at, void *p, size_t n);
	void (*close)(void *reader);
	void *ctx;
};
struct deliver_content content_of_store(struct store *s);
/* content_of_memory - the same text for every message; borrowed */
struct deliver_content content_of_memory(const struct str *text);

#endif
