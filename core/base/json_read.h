/* json_read - the members of one JSON object (RFC 8259), strictly: what is not JSON is refused as a whole. Nested values are checked and
 * passed by. */
#ifndef CORE_BASE_JSON_READ_H
#define CORE_BASE_JSON_READ_H

#include "core/base/arena.h"

enum json_kind { JSON_STRING, JSON_NUMBER, JSON_WORD /* true, false, null */, JSON_NESTED };
struct json_member {
	struct str name;
	enum json_kind kind;
	struct str value;              /* a string decoded to UTF-8, anything else as it stands */
};
/* json_read_object - fn is called for each member, before the whole is known to be good; decoded strings live in the arena. False: text
 * is no JSON object (nesting beyond LIMIT_JSON_DEPTH too), or the arena is full */
bool json_read_object(struct str text, struct arena *a, void (*fn)(void *ctx, const struct json_member *m), void *ctx);

#endif
