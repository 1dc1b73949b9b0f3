/* header_clients - local_header_rewrite_clients: whose header addresses are completed and rewritten as if they were written here
 * (postconf(5)). Words: permit_inet_interfaces, permit_mynetworks, permit_sasl_authenticated, check_address_map type:table, or type:table
 * alone; permit_tls_clientcerts and permit_tls_all_clientcerts are taken and never true, as no client is asked for a certificate. */
#ifndef CORE_ACCESS_HEADER_CLIENTS_H
#define CORE_ACCESS_HEADER_CLIENTS_H

#include "core/route/route.h"

struct header_clients;
/* header_clients_new - what cannot be read is an error in diag; header_clients_free in any case */
struct header_clients *header_clients_new(const char *list, struct conf_diag *diag);
void header_clients_free(struct header_clients *h);
void header_clients_refresh(struct header_clients *h, usec now_mono);
/* header_clients_include - this client? A table that cannot be read is logged, and means no: the header stays as it was sent */
bool header_clients_include(const struct header_clients *h, const struct router *r, const struct ipaddr *client, bool authenticated);

#endif
