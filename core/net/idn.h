/* idn - international domain names as people type them: to the form that DNS knows (RFC 3492, 5891). Capital letters become small ones,
 * wide dots become dots, letters with their marks apart become whole (NFC). */
#ifndef CORE_NET_IDN_H
#define CORE_NET_IDN_H

#include "core/base/str.h"

/* idn_to_ascii - a name with its international labels as xn--…; false: not UTF-8, or too long. A name without any is copied */
bool idn_to_ascii(struct str name, char out[256]);

#endif
