/* deflate - content made smaller: zlib's raw stream in the log, gzip for others. The only file that names zlib is deflate.c. */
#ifndef CORE_STORE_DEFLATE_H
#define CORE_STORE_DEFLATE_H

#include "core/base/buf.h"

/* deflate_bytes - in, deflated; owned (mem_free), its length in *n. NULL if that would not be smaller */
char *deflate_bytes(struct str in, size_t *n);
/* inflate_bytes - exactly `size` bytes, owned (mem_free), NUL-terminated; NULL if the stream is damaged or holds another
 * number of bytes. Never makes more than `size` bytes, whatever the stream says. */
char *inflate_bytes(struct str in, size_t size);

/* deflate_gzip - in, as a file of gzip (RFC 1952) with no name and no date in it, added to out; false: out has no room */
bool deflate_gzip(struct buf *out, struct str in);

#endif
