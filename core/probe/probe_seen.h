/* probe_seen - the servers of one run, so that none is talked to twice: domains share servers, and a hoster's many names share
 * addresses. The same name at the same address and port is the same server; whoever comes later waits until it is known, and has its
 * facts. Another name there with the same certificate is the same server, too, but for its dialogue: what is asked on further connections
 * is known. Only the latest PROBE_SEEN are remembered. */
#ifndef CORE_PROBE_PROBE_SEEN_H
#define CORE_PROBE_PROBE_SEEN_H

#include "core/probe/probe.h"

#define PROBE_SEEN 256                 /* servers, about 8 kB each */

struct probe_seen *probe_seen_new(void);
void probe_seen_free(struct probe_seen *s);
/* probe_seen_or_new - the server at an address of the host, freed by probe_address_free; *fresh: it is not known nor asked yet. If it
 * is not fresh, the probe is held until all is known */
struct probe_address *probe_seen_or_new(struct probe *p, const struct probe_host *h, const struct ipaddr *ip, bool *fresh);
/* probe_seen_alike - did it show this certificate for another name, and nothing else? Then that is noted, and true */
bool probe_seen_alike(const struct probe *p, struct probe_address *a);
/* a question to it begins, and ends; after the last one those who wait are released */
void probe_address_begin(struct probe_address *a);
void probe_address_end(struct probe *p, struct probe_address *a);
void probe_address_free(struct probe_address *a);

#endif
