/* inspect - the content of one message on its way through checks: what is taken apart, asked about, and what becomes of it.
 *
 * Three steps for each piece that comes: it is taken apart into items (a field, the end of the header section, a body line); the
 * tables are asked about all of them; then each item is acted upon in its order and given on. Only the middle step costs: where a
 * pool is given, it runs there, and the loop goes on meanwhile. */
#ifndef CORE_CLEANUP_INSPECT_H
#define CORE_CLEANUP_INSPECT_H

#include "core/base/pool.h"
#include "core/cleanup/act.h"
#include "core/cleanup/checks.h"
#include "core/msg/header.h"

struct inspect_ops {
	void (*field)(void *ctx, const struct header *h);      /* a field of the message's header section that stays, or another instead */
	void (*line)(void *ctx, struct str raw);               /* a whole field that rules put before it, as it is */
	void (*header_end)(void *ctx);
	void (*body)(void *ctx, struct str crlf);
	void (*done)(void *ctx);                               /* all that was added has been given on */
};
struct inspection;
/* inspect_wanted - has this configuration anything to look at? k may be NULL */
bool inspect_wanted(const struct conf *c, const struct checks *k);
/* inspect_new - k: counted for as long as it is needed; pool: NULL: at once. The rest is the owner's */
struct inspection *inspect_new(const struct conf *c, struct checks *k, struct pool *pool, struct acts *acts,
	const struct inspect_ops *ops, void *ctx);
void inspect_free(struct inspection *in);              /* NULL: nothing. What the pool has at hand is forgotten when it is done */
void inspect_field(struct inspection *in, const struct header *h);
void inspect_header_end(struct inspection *in, bool by_empty_line);
void inspect_body(struct inspection *in, struct str crlf);
void inspect_body_end(struct inspection *in);
/* inspect_go - ask about what was added, and give it on. ops.done is called once, maybe before this returns; until then nothing is
 * added */
void inspect_go(struct inspection *in);
size_t inspect_held(const struct inspection *in);      /* bytes of content in memory */
size_t inspect_memory(const struct inspection *in);    /* all bytes that it holds */

#endif
