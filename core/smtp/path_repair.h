/* path_repair - what people's programs send for an envelope address, made into one before the parser sees it: "<Name <a@b>>", "<<a@b>>",
 * "<a@b (x)>", "< a @ b >", "<a@b>>". Only what has one possible reading; two addresses, or words that are none, have not. Postfix takes
 * the same unless strict_rfc821_envelopes says no. */
#ifndef CORE_SMTP_PATH_REPAIR_H
#define CORE_SMTP_PATH_REPAIR_H

#include "core/base/arena.h"

/* path_repair - the address at the front of `in` (behind "FROM:" or "TO:") without its brackets, for addr_parse; *rest: what follows it. The
 * address lives in a. false: nothing that can be read in one way */
bool path_repair(struct arena *a, struct str in, struct str *address, struct str *rest);

#endif
