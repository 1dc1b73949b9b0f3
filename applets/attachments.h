/* attachments - files that a message takes with it, for as long as it is composed and sent. */
#ifndef APPLETS_ATTACHMENTS_H
#define APPLETS_ATTACHMENTS_H

#include "core/msg/compose.h"

struct attachments {
	struct compose_file *v;
	struct buf *contents;          /* same order */
	size_t n;
};
/* attachments_add - read a file, whose path stays the caller's; 0, or a sysexits code after saying why */
int attachments_add(struct attachments *a, const char *path);
void attachments_fini(struct attachments *a);

#endif
