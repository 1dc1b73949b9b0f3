/* helper_order - is what relayd asks of the privileged helper an order at all? Each field is a stranger's. */
#ifndef CORE_DELIVER_LOCAL_HELPER_ORDER_H
#define CORE_DELIVER_LOCAL_HELPER_ORDER_H

#include "core/deliver/local/mailbox.h"

/* helper_order_is_good - names that stay in their folder, texts that are whole lines and begin no message of their own, and content that is
 * in regular files: content's, and o->header_fd's where there is a header section apart */
bool helper_order_is_good(const struct mailbox_order *o, int content);

#endif
