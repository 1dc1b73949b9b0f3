/* sni - tls_server_sni_maps: what a client gets that asks for a name in its handshake. The tables are read once for a generation of settings:
 * a handshake runs on another thread, and asks no table. */
#ifndef CORE_DAEMON_SNI_H
#define CORE_DAEMON_SNI_H

#include "core/conf/conf.h"
#include "core/net/tls.h"

struct sni {
	struct tls_own *v;             /* for tls_options; owned, texts wiped at the end */
	size_t n;
};
/* sni_load - false with why: a table cannot be read through, or a file of it cannot be read */
bool sni_load(struct sni *s, const char *maps, struct buf *why);
void sni_free(struct sni *s);

#endif
