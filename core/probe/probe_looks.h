/* probe_looks - what is asked of an address after the dialogue with it, each on a connection of its own, which goes as far as an answer
 * in clear: as an old client, as one that says no name, as one that takes only the other kind of certificate; with --deep also its
 * ciphers one by one, whether it reads on behind STARTTLS, and whether it offers STARTTLS, and the same certificate, each time. */
#ifndef CORE_PROBE_PROBE_LOOKS_H
#define CORE_PROBE_PROBE_LOOKS_H

#include "core/probe/probe.h"

enum look { LOOK_REAL, LOOK_TLS_1_1, LOOK_TLS_1_0, LOOK_UNNAMED, LOOK_OTHER_KEY, LOOK_CIPHERS, LOOK_CIPHERS_1_3, LOOK_INJECTION, LOOK_AGAIN, LOOK_NONE };
enum look_end { LOOK_LOST /* no word on it */, LOOK_REFUSED, LOOK_TAKEN };
/* look_first - the first of two rows that go on side by side (0, 1), once the dialogue is over */
enum look look_first(const struct probe *p, const struct probe_address *a, int row);
/* look_next - what follows it in its row */
enum look look_next(const struct probe *p, const struct probe_address *a, enum look done, enum look_end end);
/* look_hello - its ClientHello */
void look_hello(const struct probe *p, const struct probe_host *h, const struct probe_address *a, enum look look, struct buf *out);
/* look_answer - note what came; false: more must come */
bool look_answer(const struct probe *p, const struct probe_host *h, struct probe_address *a, enum look look, struct str in, enum look_end *end);
/* probe_tls_name - whom a certificate is to be for: --sni, else the host; NULL: it is an address, and none is said */
const char *probe_tls_name(const struct probe *p, const struct probe_host *h);

#endif
