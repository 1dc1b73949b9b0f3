/* tls - the only file that knows mbedTLS: contexts (what we trust and who we are) and sessions (bytes in, bytes out).
 *
 * A context is immutable after it is made and shared by reference count; a certificate reload makes a new one, running
 * sessions keep theirs. Every client handshake has a host name set or an explicit "no name" (threats B5). Sessions take
 * and give cipher text through buffers, so conn owns the socket and the pool may run the handshake. */
#ifndef CORE_NET_TLS_H
#define CORE_NET_TLS_H

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/pool.h"

struct tls_context;
struct tls_options {
	bool server;
	const char *ca_file, *ca_path;       /* "" = none; empty files and missing ones are an error with why */
	const char *cert_file, *key_file;    /* "" = none; key "" = in cert_file */
	const char *eccert_file, *eckey_file; /* a second one beside cert_file; NULL or "" = none */
	const char *chain_files;             /* list; first key + chain usable; "" = none. Over the others */
	const struct tls_own { const char *name; struct str pem; } *names; /* server: what a client gets that asks for a name (SNI): lower case, or
	                                        ".example.com" for all below; keys and chains as in chain_files */
	size_t n_names;
	bool *names_wrong;                   /* set where it is the names that cannot be used; NULL with no names */
	bool asks;                           /* server: clients are asked for a certificate, and may have none. Sessions are not resumed then */
	int depth;                           /* … its chain has at most one more authority than this between it and ours */
	const char *protocols;               /* Postfix syntax: ">=TLSv1.2", "!SSLv3, !TLSv1", "" = library default (1.2, 1.3) */
	bool tickets;                        /* server: session tickets, keyed per context */
};
struct tls_context *tls_context_new(const struct tls_options *o, struct buf *why);  /* NULL with why */
struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_unref(struct tls_context *c);

enum tls_match { TLS_MATCH_NONE,   /* opportunistic or encrypt: verify for the log only, never fail */
	TLS_MATCH_NAME,                /* chain and one of `names` must match ("host", or ".example.com" for any host below) */
	TLS_MATCH_FINGERPRINT };       /* one of `fingerprints` must match the certificate or its public key */
struct tls_peer {                    /* what a client expects of its server */
	const char *server_name;         /* SNI; NULL for an address */
	enum tls_match match;
	const char *const *names;        /* NULL-terminated; TLS_MATCH_NAME */
	const char *const *fingerprints; /* NULL-terminated hex with colons; digest by length: 16 md5, 20 sha1, 32 sha256 */
	struct tls_saved *resume;        /* session to resume, or NULL */
	bool links;                      /* tls_session_links is asked for afterwards: all certificates are looked at, which a resumed session has not */
};
enum tls_trust { TLS_ANONYMOUS, TLS_UNTRUSTED, TLS_TRUSTED, TLS_VERIFIED }; /* Postfix's words */
struct tls_info {
	enum tls_trust trust;
	const char *version;             /* "TLSv1.3" */
	char cipher[64];                 /* OpenSSL's name where there is one: "TLS_AES_256_GCM_SHA384" */
	int bits;
	bool resumed;
	char why_untrusted[160];         /* "certificate has expired; …" when trust < TLS_TRUSTED */
	/* peer certificate facts; empty when none was sent */
	char subject[256], issuer[256], subject_cn[256], issuer_cn[256];
	char names[1024];                /* DNS names and addresses of the SAN, space separated; as many as fit */
	usec not_before, not_after;      /* wall */
	char sha256[96];                 /* fingerprint "AA:BB:…" */
	char key[32];                    /* "RSA 2048", "EC 256" */
	int chain_length;
};
/* tls_log - "TRUST TLS connection established WAY PEER: ..." into a record, with its parts as keys; way: "to", "from" */
struct log_line;
void tls_log(struct log_line *l, const struct tls_info *t, const char *way, const char *peer);
const char *tls_trust_word(enum tls_trust t);        /* "Anonymous" "Untrusted" "Trusted" "Verified" */

struct tls_session;
struct tls_session *tls_session_new(struct tls_context *c, const struct tls_peer *peer); /* peer NULL: server */
void tls_session_free(struct tls_session *s);
enum tls_step { TLS_OK, TLS_WANT_READ, TLS_CLOSED, TLS_FAILED };
/* tls_handshake - take cipher text from `net_in`, add cipher text to `net_out`. TLS_OK when done. Burns CPU: pool.
 * why is filled on TLS_FAILED. */
enum tls_step tls_handshake(struct tls_session *s, struct buf *net_in, struct buf *net_out, char why[160]);
/* tls_read - decrypt everything that fits into plain (TLS_OK: nothing more now) */
enum tls_step tls_read(struct tls_session *s, struct buf *net_in, struct buf *plain, struct buf *net_out, char why[160]);
enum tls_step tls_write(struct tls_session *s, struct buf *plain, struct buf *net_out, char why[160]);
void tls_close_notify(struct tls_session *s, struct buf *net_out);
const struct tls_info *tls_session_info(struct tls_session *s);
struct tls_saved *tls_session_save(struct tls_session *s); /* client: for a later resume; NULL if the server gave none */
void tls_saved_free(struct tls_saved *s);
/* tls_peer_fingerprint - "AA:BB:…" of the peer's certificate, or its public key, with the digest of so many bytes; false: there is none */
bool tls_peer_fingerprint(struct tls_session *s, size_t length, bool key, char out[200]);
bool tls_peer_is(struct tls_session *s, const char *name); /* is its certificate for this host or address? */
/* tls_peer_chain - what DANE compares (RFC 6698): for each certificate of the peer, in the order sent, the digests of the
 * whole and of its public key. How many */
enum { TLS_LINKS = 8 };
struct tls_link {
	uint8_t sha256[2][32], sha512[2][64]; /* [0] the certificate, [1] its SubjectPublicKeyInfo */
	bool anchors;                  /* the peer's certificate is valid if this one is believed (dates, signatures) */
};
size_t tls_peer_chain(struct tls_session *s, struct tls_link out[TLS_LINKS]);
/* tls_look - certificates as a server sent them in clear (the list of RFC 5246 7.4.2), without a session: who it is, and who vouches
 * for it. name: is it for this host? false: not certificates */
struct tls_look { struct tls_info info; struct tls_link chain[TLS_LINKS]; size_t n; bool name_matches; };
bool tls_look(struct tls_context *c, struct str list, const char *name, struct tls_look *out);
/* tls_session_links - the same, made by the thread that ran the handshake, where tls_peer.links asked for it; the session's */
const struct tls_link *tls_session_links(const struct tls_session *s, size_t *n);
/* tls_export - 32 bytes that only the two ends of this connection have (RFC 8446 section 7.5), by a label of IANA's list, without a
 * context. TLS 1.3; false: there are none */
bool tls_export(struct tls_session *s, const char *label, uint8_t out[32]);
void tls_vouch(struct tls_session *s, enum tls_trust t); /* the caller knows by other ways who the peer is */
/* tls_public_key - "RSA 2048", "EC 256" for a SubjectPublicKeyInfo or RSAPublicKey in DER; false: not a key */
bool tls_public_key(const void *der, size_t n, char out[32]);

/* digests that protocols need (CRAM-MD5, SCRAM, TLSA, fingerprints) */
void tls_hmac_md5(uint8_t out[16], const void *key, size_t key_n, const void *p, size_t n);
void tls_hmac_sha256(uint8_t out[32], const void *key, size_t key_n, const void *p, size_t n); /* p may be out */
void tls_sha256(uint8_t out[32], const void *p, size_t n);
/* tls_base64 - its length; size: room for its NUL, too. 0: there is none */
size_t tls_base64(const void *p, size_t n, char *out, size_t size);
void tls_sha512(uint8_t out[64], const void *p, size_t n);

/* SHA-256 of what comes in pieces */
struct tls_hash;
struct tls_hash *tls_hash_new(void);
void tls_hash_add(struct tls_hash *h, const void *p, size_t n);
void tls_hash_end(struct tls_hash *h, uint8_t out[32]);        /* nothing is added after it */
void tls_hash_free(struct tls_hash *h);                /* NULL: nothing */

/* a private RSA key by itself, for signatures of text. Any thread may sign with it at any time */
enum { TLS_SIGNATURE_MAX = 1024 };                     /* bytes: RSA 8192 */
struct tls_key;
struct tls_key *tls_key_new(struct str pem);           /* NULL: no RSA key without a password. A NUL stands behind the text, and does not count */
void tls_key_free(struct tls_key *k);                  /* NULL: nothing */
size_t tls_key_bits(const struct tls_key *k);
/* tls_key_make - a new one: its text in PEM (PKCS #1) is added to out. Takes a second or so */
void tls_key_make(unsigned bits, struct buf *pem);
void tls_key_public(const struct tls_key *k, struct buf *der); /* its public half, as SubjectPublicKeyInfo */
/* tls_key_sign - RSASSA-PKCS1-v1_5 of a SHA-256 digest (RFC 8017 section 8.2); how many bytes, 0: it cannot */
size_t tls_key_sign(struct tls_key *k, const uint8_t digest[32], uint8_t out[TLS_SIGNATURE_MAX]);

#endif
