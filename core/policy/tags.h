/* tags - the grammar of TXT records about mail, "v=X; name=value; name=value" (RFC 7489 6.4, RFC 6376 3.2, RFC 8461 3.1, RFC 8460 3). Pure:
 * views into the text come out. */
#ifndef CORE_POLICY_TAGS_H
#define CORE_POLICY_TAGS_H

#include "core/base/str.h"

struct tag_rule {
	struct str name;
	const char *allowed;           /* words separated by blanks; "#N": a number up to N; ":…": a list
	                                * with colons between; NULL: anything */
	bool required;
};
enum { TAGS_MOST = 16 };
/* tags_parse - values[i] is the value of rules[i], p == NULL when it is not there. version: the first tag must be v=version;
 * `optional`: it may be missing. Unknown tags are passed over. NULL: fine; else what is wrong, and *at: where */
const char *tags_parse(struct str text, struct str version, bool optional, const struct tag_rule *rules, size_t n, struct str *values,
	struct str *at);

/* tags_take - one "name=value" into values; tags_allow - is it one that `allowed` of a rule lets pass? */
const char *tags_take(struct str tag, const struct tag_rule *rules, size_t n, struct str *values);
bool tags_allow(struct str value, const char *allowed);
/* tags_begin - the first tag is v=version, to the letter; blanks around '=' where DKIM's grammar is used (DMARC, BIMI) */
bool tags_begin(struct str text, struct str version);
/* uri_next - the next of "mailto:a@b!10m, https://…": its scheme and what follows it, without a size. 1, 0: no more, -1: not one */
int uri_next(struct str *rest, struct str *scheme, struct str *body);

#endif
