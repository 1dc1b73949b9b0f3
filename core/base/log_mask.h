/* log_mask - what log_address_mask leaves of addresses in the log. What is an address: anything with an @ in it and, in free text, what
 * stands around the @ and may belong to one. Names without @ are nobody's address.
 *   smart     the local part's first and last character, the last label of the domain: d*o@*******.org
 *   paranoid  the last label: *@*.org
 *   hash      16 digits, the same for the same address until the restart: no table of them can be made in advance */
#ifndef CORE_BASE_LOG_MASK_H
#define CORE_BASE_LOG_MASK_H

#include "core/base/buf.h"
#include "core/base/log.h"

void log_mask(struct buf *out, struct str s, enum log_mask how, bool whole); /* whole: s is one address */

#endif
