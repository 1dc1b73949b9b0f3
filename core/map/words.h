/* words - the elements of a list in main.cf: commas and white space separate them, braces hold one together, so that
 * `inline:{a=b, c=d}` inside a list stays one word (postconf(5)). */
#ifndef CORE_MAP_WORDS_H
#define CORE_MAP_WORDS_H

#include "core/base/str.h"

/* words_next - take the next word off *rest: 1 with word, 0 at the end, -1 where braces do not balance */
int words_next(struct str *rest, struct str *word);
/* words_unbrace - "{ text }" -> "text", trimmed, where one pair of braces holds the whole of s; else false */
bool words_unbrace(struct str s, struct str *inner);

#endif
