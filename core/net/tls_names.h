/* tls_names - the words around TLS, without the library: cipher names, errors, protocol lists, host names in
 * certificates. */
#ifndef CORE_NET_TLS_NAMES_H
#define CORE_NET_TLS_NAMES_H

#include "core/base/buf.h"
#include "core/base/clock.h"

enum tls_version { TLS_V12 = 1, TLS_V13 = 2 };
/* tls_protocols_parse - Postfix's list (">=TLSv1.2", "!SSLv3, !TLSv1", "TLSv1.3", "" = all) as a set of enum tls_version.
 * TLS 1.0 and 1.1 are understood and never spoken. 0 with why: a word is no protocol, or none is left that we speak */
int tls_protocols_parse(const char *list, struct buf *why);
/* tls_cipher_name - OpenSSL's name of a suite by mbedTLS's name, which is returned as it is when the table lacks it */
const char *tls_cipher_name(const char *mbedtls_name);
/* tls_error_text - what an error of the library means for a person; code: its number without the minus */
const char *tls_alert_text(unsigned alert);   /* why the peer refused: of a fatal alert (RFC 8446 section 6.2); NULL: it says nothing more */
const char *tls_error_text(unsigned code);
/* tls_name_matches - does a name of a certificate stand for the host we want? wanted ".example.com": any host below.
 * A wildcard is the whole leftmost label, stands for one label, and needs two labels behind it (RFC 6125) */
bool tls_name_matches(struct str wanted, struct str in_certificate);
/* tls_fingerprint_matches - "AA:BB:…" or "aabb…" against a digest */
bool tls_fingerprint_matches(struct str text, const uint8_t *digest, size_t n);
/* tls_fingerprint_length - bytes that a fingerprint's text stands for; 0: not hexadecimal */
size_t tls_fingerprint_length(struct str text);
void tls_fingerprint(const uint8_t *digest, size_t n, char *out);      /* 3 * n bytes: "AA:BB:…" */
/* tls_clean_text - bytes of a certificate as a C string, cut to size: what is not printable ASCII or UTF-8 is '?' */
void tls_clean_text(struct str s, char *out, size_t size);
usec tls_date(int year, int month, int day, int hour, int minute, int second); /* UTC; month and day from 1 */

#endif
