/* helper_client - relayd's end of the privileged helper: deliveries are answered by callback, tables are opened while the
 * caller waits (fs_open_table and log_reopen ask us when they may not open a file themselves). */
#ifndef CORE_DELIVER_LOCAL_HELPER_CLIENT_H
#define CORE_DELIVER_LOCAL_HELPER_CLIENT_H

#include "core/deliver/local/helper.h"
#include "core/net/loop.h"

struct helper_client;
struct helper_client *helper_client_new(struct loop *l, int fd);       /* fd stays the caller's */
void helper_client_free(struct helper_client *h);
typedef void (*helper_fn)(void *ctx, const struct reply *r);
/* helper_client_deliver - fn is called once, never from inside. content_fd stays the caller's */
void helper_client_deliver(struct helper_client *h, const struct mailbox_order *o, int content_fd, helper_fn fn, void *ctx);
void helper_client_cancel(struct helper_client *h, void *ctx);         /* whoever has that ctx is not called any more */
/* helper_open - ask over `fd` for a table; a descriptor, or -1 with errno. For fs_set_opener before deliver exists, too */
int helper_client_open(struct helper_client *h, const char *path);

#endif
