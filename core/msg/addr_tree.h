/* addr_tree - an address field that is written again with other addresses in it, as Postfix's cleanup writes it: comments, display
 * names, groups and the order of it all stay; white space between words becomes one blank; a comma stands between addresses that
 * had none; comments that stood within an address come behind it; lines are folded behind a comma, short of 70 characters.
 *
 * The text is read as addr_repair does. What is no address stays as it stands. */
#ifndef CORE_MSG_ADDR_TREE_H
#define CORE_MSG_ADDR_TREE_H

#include "core/msg/addr.h"

struct addr_node;
struct addr_tree {
	/* the addresses in their order. was: as written, without blanks and comments; is: what shall be written, canonical text at
	 * first, for whoever wants to change it; rooted: the domain had a dot at its end */
	struct addr_place { struct str was, is; bool rooted; } *v;
	size_t n;
	/* its own; rest: what stands behind LIMIT_FIELD_TOKENS, and stays */
	struct str rest;
	struct addr_node *nodes, *first;
};
/* addr_tree_init - value: what stands behind the colon, views of which are kept; texts are the arena's */
void addr_tree_init(struct addr_tree *t, struct arena *a, struct str value);
void addr_tree_fini(struct addr_tree *t);
bool addr_tree_is_changed(const struct addr_tree *t);
/* addr_tree_format - the whole field in CRLF lines */
void addr_tree_format(const struct addr_tree *t, struct str name, struct buf *out);

#endif
