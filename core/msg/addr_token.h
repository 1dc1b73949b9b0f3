/* addr_token - the words, signs and comments of an address list as people write it, in Postfix's reading (tok822): for
 * addr_repair.c, which reads such a list, and addr_tree.c, which writes it again. Private to core/msg. */
#ifndef CORE_MSG_ADDR_TOKEN_H
#define CORE_MSG_ADDR_TOKEN_H

#include "core/msg/addr.h"

enum addr_token_kind { ADDR_SIGN, ADDR_WORD, ADDR_QUOTED, ADDR_LITERAL, ADDR_COMMENT };
struct addr_token {
	enum addr_token_kind kind;
	char sign;                     /* of an ADDR_SIGN */
	struct str raw;                /* as written, quotes and backslashes included */
};
/* addr_tokens - of a text, views of it; how many, and *out, which the caller frees (mem_free) */
size_t addr_tokens(struct str s, struct addr_token **out);
bool addr_is_sign(const struct addr_token *t, const char *signs);

#endif
