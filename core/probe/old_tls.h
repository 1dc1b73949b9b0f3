/* old_tls - would a server still speak TLS 1.0 or 1.1 (RFC 2246, 4346)? mbedTLS cannot ask: it speaks neither. So this is a
 * first message as such a client sends it, and a look at the first bytes of the answer; nothing is negotiated. */
#ifndef CORE_PROBE_OLD_TLS_H
#define CORE_PROBE_OLD_TLS_H

#include "core/base/buf.h"

enum { OLD_TLS_1_0 = 0x0301, OLD_TLS_1_1 = 0x0302 };
/* old_tls_hello - a ClientHello of at most `version` for the server `name` (empty: not said) */
void old_tls_hello(struct buf *out, unsigned version, const uint8_t random[32], struct str name);
/* old_tls_answer - the version that a ServerHello chooses, 0: more bytes are needed, -1: an alert, or not TLS */
int old_tls_answer(struct str in);

#endif
