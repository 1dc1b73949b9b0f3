/* tls_identities - who we are: our own certificates and keys, for all and for the names that clients ask for (RFC 6066 section 3). */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/pool.h"
#include "core/net/tls_files.h"
#include "core/net/tls_private.h"

static bool add_key(struct identity *id, struct str key)
{
	mbedtls_pk_context *to = &id->keys[id->n_keys++];

	mbedtls_pk_init(to);
	return mbedtls_pk_parse_key(to, (const unsigned char *)key.p, tls_text_length(key), NULL, 0, tls_random, NULL) == 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct identities *)a)->name, ((const struct identities *)b)->name);
}

/* find_named - whom the client asks for (RFC 6066 section 3): the name, then ".what.is.above"; else what is for all */
static struct identities *find_named(struct tls_context *c, mbedtls_ssl_context *ssl)
{
	size_t n = 0;
	const unsigned char *asked = c->n_named ? mbedtls_ssl_get_hs_sni(ssl, &n) : NULL;
	char name[LIMIT_DOMAIN + 1];

	if (!asked || !n || n > LIMIT_DOMAIN || memchr(asked, 0, n))
		return &c->own;
	for (size_t i = 0; i < n; i++)
		name[i] = ascii_lower((char)asked[i]);
	name[n] = 0;
	for (char *at = name; at; at = strchr(at + 1, '.')) {
		struct identities *found = bsearch(&(struct identities){ .name = at }, c->named, c->n_named, sizeof(*c->named), by_name);

		if (found)
			return found;
	}
	return &c->own;
}

/* Each has its turn, so that as many can sign as there are threads */
int tls_identities_choose(mbedtls_ssl_context *ssl)
{
	struct tls_session *s = mbedtls_ssl_get_user_data_p(ssl);
	struct tls_context *c = s->ctx;
	unsigned turn = atomic_fetch_add(&c->turn, 1);
	struct identities *own = find_named(c, ssl);
	int r = 0;

	for (size_t i = 0; r == 0 && i < own->n; i++)
		r = mbedtls_ssl_set_hs_own_cert(ssl, &own->v[i].chain, &own->v[i].keys[turn % own->v[i].n_keys]);
	return r;
}

/* fits - the library writes a chain into one record of a handshake: each certificate with its length and its extensions, and a head */
static bool fits(const mbedtls_x509_crt *chain, size_t more)
{
	size_t n = 64 + more;

	for (const mbedtls_x509_crt *c = chain; c; c = c->next)
		n += c->raw.len + 5;
	return n <= MBEDTLS_SSL_OUT_CONTENT_LEN;
}

/* to whom a file's keys and certificates are given */
struct loading { struct tls_context *context; struct identities *to; };

static const char *add_identity(void *ctx, struct str key, struct str chain)
{
	struct tls_context *c = ((struct loading *)ctx)->context;
	struct identities *own = ((struct loading *)ctx)->to;
	struct identity *id = &own->v[own->n];
	const unsigned char *chain_p = (const unsigned char *)chain.p;

	if (own->n == LIMIT_TLS_IDENTITIES)
		return "too many keys";
	own->n++;
	mbedtls_x509_crt_init(&id->chain);
	if (!chain.n || mbedtls_x509_crt_parse(&id->chain, chain_p, tls_text_length(chain)))
		return "no usable certificate chain in it";
	if (!fits(&id->chain, 0))
		return "its chain of certificates has more than the 16 KiB that a handshake has room for";
	if (!key.n || !add_key(id, key))
		return "no usable private key for it (an encrypted one is not)";
	if (mbedtls_pk_check_pair(&id->chain.pk, id->keys, tls_random, NULL))
		return "the private key is not that of the first certificate";
	/* the others are given to a handshake that asks for them */
	if (own == &c->own && mbedtls_ssl_conf_own_cert(&c->conf, &id->chain, id->keys))
		return "cannot be used";
	while (c->server && mbedtls_pk_get_type(id->keys) == MBEDTLS_PK_RSA && id->n_keys < pool_cores(1, LIMIT_TLS_KEY_COPIES))
		if (!add_key(id, key))
			return "cannot be used";
	return NULL;
}

static bool same_name(const mbedtls_x509_buf *a, const mbedtls_x509_buf *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

/* complete_chain - a server whose file has its certificate alone sends what ca_file has between that and the root */
static void complete_chain(struct tls_context *c, mbedtls_x509_crt *chain)
{
	const mbedtls_x509_crt *ca;
	mbedtls_x509_crt *last = chain;

	for (int step = 0; step < LIMIT_TLS_CHAIN; step++) {
		while (last->next)
			last = last->next;
		for (ca = &c->ca; ca && ca->version; ca = ca->next)
			if (same_name(&ca->subject_raw, &last->issuer_raw))
				break;
		/* the root is the client's own */
		if (!ca || !ca->version || same_name(&ca->subject_raw, &ca->issuer_raw) || !fits(chain, ca->raw.len) ||
		    mbedtls_x509_crt_parse_der(chain, ca->raw.p, ca->raw.len))
			return;
	}
}

/* load_named - keys and chains of tls_options.names, in the order in which they are looked up */
static bool load_named(struct tls_context *c, const struct tls_options *o, struct buf *why)
{
	c->named = o->n_names ? mem_alloc(o->n_names * sizeof(*c->named)) : NULL;
	for (size_t i = 0; i < o->n_names; i++) {
		struct identities *own = &c->named[c->n_named++];
		struct loading l = { c, own };
		const char *wrong;

		own->name = mem_dupz(o->names[i].name);
		wrong = tls_take_apart(o->names[i].pem, add_identity, &l);
		if (wrong) {
			*o->names_wrong = true;
			buf_printf(why, "tls_server_sni_maps: %s: %s", own->name, wrong);
			return false;
		}
	}
	if (c->n_named)
		qsort(c->named, c->n_named, sizeof(*c->named), by_name);
	return true;
}

static void complete_chains(struct tls_context *c, struct identities *own)
{
	for (size_t i = 0; i < own->n; i++)
		complete_chain(c, &own->v[i].chain);
}

bool tls_identities_load(struct tls_context *c, const struct tls_options *o, struct buf *why)
{
	struct loading l = { c, &c->own };
	bool list = o->chain_files && *o->chain_files;

	if (!tls_each_identity(list ? "" : o->cert_file, o->key_file, o->chain_files, add_identity, &l, why) ||
	    (!list && !tls_each_identity(o->eccert_file, o->eckey_file, "", add_identity, &l, why)) || !load_named(c, o, why))
		return false;
	if (!c->server)
		return true;
	complete_chains(c, &c->own);
	for (size_t i = 0; i < c->n_named; i++)
		complete_chains(c, &c->named[i]);
	/* else that is all a server needs them for */
	if (!c->asks) {
		mbedtls_x509_crt_free(&c->ca);
		mbedtls_x509_crt_init(&c->ca);
	}
	if (c->own.n)
		return true;
	buf_z(why, "a TLS server needs a certificate and its key");
	return false;
}

static void free_identities(struct identities *own)
{
	for (size_t i = 0; i < own->n; i++) {
		mbedtls_x509_crt_free(&own->v[i].chain);
		for (size_t k = 0; k < own->v[i].n_keys; k++)
			mbedtls_pk_free(&own->v[i].keys[k]);
	}
	mem_free(own->name);
}

void tls_identities_free(struct tls_context *c)
{
	free_identities(&c->own);
	for (size_t i = 0; i < c->n_named; i++)
		free_identities(&c->named[i]);
	mem_free(c->named);
}
