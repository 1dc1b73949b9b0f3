/* tls_private - what the files of core/net/tls*.c share that know mbedTLS. */
#ifndef CORE_NET_TLS_PRIVATE_H
#define CORE_NET_TLS_PRIVATE_H

#include <stdatomic.h>

#include <mbedtls/bignum.h>
#include <mbedtls/gcm.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>

#include "core/base/limits.h"
#include "core/net/tls.h"

struct identity {
	mbedtls_x509_crt chain;
	mbedtls_pk_context keys[LIMIT_TLS_KEY_COPIES]; /* the same: an RSA key is locked while it signs */
	size_t n_keys;
};

/* who we are: a certificate of each kind of key */
struct identities {
	char *name;                    /* for whom a client asks; NULL: whatever he asks for */
	struct identity v[LIMIT_TLS_IDENTITIES];
	size_t n;
};

struct tls_context {
	atomic_int refs;
	bool server, has_tickets, asks;
	int depth;
	mbedtls_ssl_config conf;
	mbedtls_x509_crt ca;
	mbedtls_ssl_ticket_context ticket;
	struct identities own;
	struct identities *named;      /* by name */
	size_t n_named;
	atomic_uint turn;              /* whose copy of the keys is next */
};

struct tls_session {
	struct tls_context *ctx;
	mbedtls_ssl_context ssl;
	struct buf *net_in, *net_out;  /* during a call */
	size_t taken;                  /* bytes of net_in used up in this call */
	enum tls_match match;
	char **names, **fingerprints;
	struct tls_info *info;         /* when the handshake is done */
	struct tls_link *links;        /* NULL: not asked for */
	size_t n_links;
	uint32_t doubts;               /* what is wrong with the chain; of a resumed session: with that of the full handshake at its root */
	bool chain_checked;            /* client: a certificate came, so this is no resumption */
	bool ticket_taken;             /* server: resumed from a ticket */
	bool ticket_came;              /* client, TLS 1.3 */
	bool broken;
};

/* --- tls_identities.c --- load: false with why; free also what was loaded in part */
bool tls_identities_load(struct tls_context *c, const struct tls_options *o, struct buf *why);
int tls_identities_choose(mbedtls_ssl_context *ssl);          /* for one handshake: mbedtls_ssl_conf_cert_cb */
void tls_identities_free(struct tls_context *c);

/* --- tls_peer.c --- at the end of a handshake */
void tls_describe(struct tls_session *s);              /* s->info */
/* tls_judge - the one place that decides: 0, or the alert to send, with why */
int tls_judge(struct tls_session *s, char why[160]);

/* --- tls.c --- mbedTLS asks for random bytes with it */
int tls_random(void *ctx, unsigned char *p, size_t n);

/* --- tls_digest.c --- */
bool tls_digest(size_t length, const void *p, size_t n, uint8_t out[64]); /* by its length; false: there is none so long */

/* --- tls_exp_mod.c --- x = a^e modulo m, all but the exponent in the library's Montgomery form: m has n limbs and is odd, e has
 * `limbs`; rr is 2^(128 n) modulo m; t has as many limbs as mbedtls_mpi_core_exp_mod_working_limbs says. x may be a. The second
 * does not keep e secret */
void tls_exp_mod(mbedtls_mpi_uint *x, const mbedtls_mpi_uint *a, const mbedtls_mpi_uint *m, size_t n, const mbedtls_mpi_uint *e,
	size_t limbs, const mbedtls_mpi_uint *rr, mbedtls_mpi_uint *t);
void tls_exp_mod_unsafe(mbedtls_mpi_uint *x, const mbedtls_mpi_uint *a, const mbedtls_mpi_uint *m, size_t n, const mbedtls_mpi_uint *e,
	size_t limbs, const mbedtls_mpi_uint *rr, mbedtls_mpi_uint *t);

/* --- tls_sha256.c --- one block of SHA-256 (FIPS 180-4) into its state; plainly: without the processor's own instructions */
void tls_sha256_block(uint32_t state[8], const unsigned char p[64], bool plainly);

/* --- tls_suites.c --- for mbedtls_ssl_conf_ciphersuites; for ever */
const int *tls_suites(void);

/* --- tls_gcm.c --- a record by AES-GCM, as mbedtls_gcm_crypt_and_tag and mbedtls_gcm_auth_decrypt have it */
int tls_gcm_crypt_and_tag(mbedtls_gcm_context *c, int mode, size_t n, const unsigned char *iv, size_t iv_n, const unsigned char *ad,
	size_t ad_n, const unsigned char *in, unsigned char *out, size_t tag_n, unsigned char *tag);
int tls_gcm_auth_decrypt(mbedtls_gcm_context *c, size_t n, const unsigned char *iv, size_t iv_n, const unsigned char *ad, size_t ad_n,
	const unsigned char *tag, size_t tag_n, const unsigned char *in, unsigned char *out);

/* --- tls_cpu.c --- what this processor can do */
bool tls_cpu_has_aes(void);    /* aesenc, pclmulqdq */
bool tls_cpu_has_adx(void);    /* mulx, adcx, adox */
bool tls_cpu_has_ifma(void);   /* eight products of 52 bits at once (AVX-512), and a system that keeps those registers */
bool tls_cpu_has_sha(void);    /* sha256rnds2 and its kin */

/* --- tls_x25519.c --- RFC 7748; the scalar is clamped already. false: not on this machine */
bool tls_x25519(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32]);

#endif
