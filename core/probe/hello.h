/* hello - what would a server say to other TLS clients? mbedTLS cannot ask as one that speaks only TLS 1.0 or 1.1 (RFC 2246, 4346),
 * says no name, knows only RSA, or takes only this cipher. So this is a first message as such a client sends it, and a look at the
 * answer as far as it comes in clear; nothing is negotiated. */
#ifndef CORE_PROBE_HELLO_H
#define CORE_PROBE_HELLO_H

#include "core/base/buf.h"

enum { HELLO_TLS_1_0 = 0x0301, HELLO_TLS_1_1, HELLO_TLS_1_2, HELLO_TLS_1_3 };
struct hello {
	unsigned version;              /* the highest; of 1.3 the only one */
	const uint16_t *suites;
	size_t n;
	struct str name;               /* of the server; empty: not said */
};
/* hello_put - a ClientHello */
void hello_put(struct buf *out, const struct hello *h, const uint8_t random[32]);

struct hello_answer { unsigned version, suite; };
/* hello_answer - what a ServerHello chooses, and (certificates not NULL, up to TLS 1.2) the list of certificates that follows (RFC 5246
 * 7.4.2), which is empty where none comes. 1, 0: more bytes are needed, -1: an alert, or not TLS */
int hello_answer(struct str in, struct hello_answer *out, struct buf *certificates);

/* --- ciphers --------------------------------------------------------------------------------------------------------- */

enum hello_key { HELLO_ANY, HELLO_RSA, HELLO_ECDSA };
enum { HELLO_SUITES = 96 };
/* hello_suites - those of a version that a certificate of this kind is used with; how many. old: what clients had in the days of
 * TLS 1.0 and 1.1 */
size_t hello_suites(unsigned version, enum hello_key key, uint16_t out[HELLO_SUITES]);
size_t hello_old_suites(uint16_t out[HELLO_SUITES]);
/* what is wrong with a cipher; the worst first */
enum hello_fault { HELLO_NO_SECRET /* NULL, export */, HELLO_BROKEN /* RC4, DES */, HELLO_ANONYMOUS, HELLO_STATIC /* no forward secrecy */, HELLO_FINE, HELLO_FAULTS };
enum hello_fault hello_judge(unsigned suite);
void hello_name(unsigned suite, char out[48]);         /* as OpenSSL calls it */

#endif
