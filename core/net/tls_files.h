/* tls_files - find certificates and keys in files, without the library: which file, which part of its text. */
#ifndef CORE_NET_TLS_FILES_H
#define CORE_NET_TLS_FILES_H

#include "core/base/buf.h"

/* tls_each_ca - call add with the text of `file`, and of what OpenSSL would look at in `folder` (hash names). "" or NULL:
 * none. add returns false when nothing in the text was of use: an error for the file, and for the folder if for all.
 * Texts end in a NUL that does not count. False with why */
bool tls_each_ca(const char *file, const char *folder, bool (*add)(void *ctx, struct str text), void *ctx, struct buf *why);
typedef const char *(*tls_identity_fn)(void *ctx, struct str key, struct str chain);
/* tls_each_identity - call add for each private key with its chain: of cert_file (and key_file), else of chain_files (a
 * list; each key is followed by its chain). add returns NULL, or what is wrong. Texts as above. False with why */
bool tls_each_identity(const char *cert_file, const char *key_file, const char *chain_files,
	tls_identity_fn add, void *ctx, struct buf *why);
/* tls_read_files - the text of a list of files, one after the other; false with why */
bool tls_read_files(const char *files, struct buf *text, struct buf *why);
/* tls_take_apart - the same for such a text: a key, then its chain, then perhaps another key; a single key may stand anywhere. NULL, or what
 * is wrong */
const char *tls_take_apart(struct str text, tls_identity_fn add, void *ctx);
/* tls_text_length - what the library wants to be told: PEM counts its final NUL, DER has none */
size_t tls_text_length(struct str text);
/* tls_next_key - where the next private key begins in PEM text, from `at` on; text.n: nowhere */
size_t tls_next_key(struct str text, size_t at);

#endif
