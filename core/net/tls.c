/* tls.c - mbedTLS behind tls.h: contexts, sessions, bytes. Who the peer is, and whether it will do, is in tls_peer.c; who we are in
 * tls_identities.c; digests and keys in tls_digest.c; words and grammars that need no library in tls_names.c.
 *
 * Verification is in two halves. The library builds the chain and reports what is wrong with it (VERIFY_OPTIONAL: it
 * never decides); at the end of the handshake, before a byte of the application passes, tls_judge decides by what the
 * caller asked: nothing, a name, or a fingerprint. So there is one place that can say no, and it runs in full handshakes
 * and resumed ones alike. A saved session is only offered from the context it was made with, so trust earned under one
 * set of anchors never counts under another.
 *
 * Random bytes come from the kernel for each call: no state that threads would share. Cipher text moves through the two
 * buffers of the running call. */
#include <arpa/inet.h>
#include <stdio.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/net/tls_files.h"
#include "core/net/tls_names.h"
#include "core/net/tls_private.h"

enum { TICKET_SECONDS = 3600 };

struct tls_saved {
	struct tls_context *ctx;
	mbedtls_ssl_session session;
	uint32_t doubts;               /* as of the session it was taken from */
};

int tls_random(void *ctx, unsigned char *p, size_t n)
{
	(void)ctx;
	random_bytes(p, n);
	return 0;
}

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *ctx, uint8_t *p, size_t n, size_t *got)
{
	(void)ctx;
	random_bytes(p, n);
	*got = n;
	return PSA_SUCCESS;
}

/* refusal - the number of the peer's alert. Before TLS 1.3 (116) a server that gets no certificate from us says 40, as one that finds no
 * cipher does; but by then all else is agreed upon (RFC 5246 7.4.6) */
static unsigned refusal(struct tls_session *s)
{
	unsigned alert = s->ssl.MBEDTLS_PRIVATE(in_msg)[1];
	int state = s->ssl.MBEDTLS_PRIVATE(state);
	bool agreed = !s->ctx->server && state >= MBEDTLS_SSL_SERVER_CHANGE_CIPHER_SPEC &&
		mbedtls_ssl_get_version_number(&s->ssl) == MBEDTLS_SSL_VERSION_TLS1_2;

	return alert == MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE && agreed ? MBEDTLS_SSL_ALERT_MSG_CERT_REQUIRED : alert;
}

static void error_text(struct tls_session *s, int code, char *out, size_t size)
{
	bool refused = code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE && s->ssl.MBEDTLS_PRIVATE(in_msg);
	const char *alert = refused ? tls_alert_text(refusal(s)) : NULL;

	if (alert)
		snprintf(out, size, "the peer refused the handshake: %s", alert);
	else if (code == MBEDTLS_ERR_SSL_CONN_EOF)
		snprintf(out, size, "connection lost");
	else
		snprintf(out, size, "%s (-0x%04X)", tls_error_text((unsigned)-code), (unsigned)-code);
}

/* --- certificates and keys ---------------------------------------------------------------------------------------- */

/* certificates of a file that do not parse are passed over, as long as one does */
static bool add_ca(void *ctx, struct str text)
{
	return mbedtls_x509_crt_parse(ctx, (const unsigned char *)text.p, tls_text_length(text)) >= 0;
}

static bool load_ca(struct tls_context *c, const struct tls_options *o, struct buf *why)
{
	if (!tls_each_ca(o->ca_file, o->ca_path, add_ca, &c->ca, why))
		return false;
	if (c->ca.version)
		mbedtls_ssl_conf_ca_chain(&c->conf, &c->ca, NULL);
	return true;
}

/* --- contexts ----------------------------------------------------------------------------------------------------- */

static bool set_protocols(struct tls_context *c, const char *list, struct buf *why)
{
	int set = tls_protocols_parse(list, why);

	if (!set)
		return false;
	mbedtls_ssl_conf_ciphersuites(&c->conf, tls_suites());
	mbedtls_ssl_conf_min_tls_version(&c->conf, set & TLS_V12 ? MBEDTLS_SSL_VERSION_TLS1_2 : MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_max_tls_version(&c->conf, set & TLS_V13 ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2);
	return true;
}

/* the session whose handshake this thread is running: the library's ticket callback does not say */
static _Thread_local struct tls_session *running;

static int take_ticket(void *ctx, mbedtls_ssl_session *session, unsigned char *p, size_t n)
{
	int r = mbedtls_ssl_ticket_parse(ctx, session, p, n);

	if (r == 0 && running)
		running->ticket_taken = true;
	return r;
}

static bool set_server(struct tls_context *c, bool tickets)
{
	/* a client that wants another protocol here was lured (threats B7) */
	static const char *alpn[] = { "smtp", NULL };

	mbedtls_ssl_conf_authmode(&c->conf, c->asks ? MBEDTLS_SSL_VERIFY_OPTIONAL : MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_cert_cb(&c->conf, tls_identities_choose);
	mbedtls_ssl_conf_new_session_tickets(&c->conf, tickets);
	if (mbedtls_ssl_conf_alpn_protocols(&c->conf, alpn))
		return false;
	if (!tickets)
		return true;
	c->has_tickets = true;
	mbedtls_ssl_ticket_init(&c->ticket);
	if (mbedtls_ssl_ticket_setup(&c->ticket, tls_random, NULL, MBEDTLS_CIPHER_AES_256_GCM, TICKET_SECONDS))
		return false;
	mbedtls_ssl_conf_session_tickets_cb(&c->conf, mbedtls_ssl_ticket_write, take_ticket, &c->ticket);
	return true;
}

static bool set_client(struct tls_context *c)
{
	mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_OPTIONAL);
	mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(&c->conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
	return true;
}

struct tls_context *tls_context_new(const struct tls_options *o, struct buf *why)
{
	int side = o->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT;
	struct tls_context *c = MEM_NEW(struct tls_context);

	atomic_init(&c->refs, 1);
	c->server = o->server;
	c->asks = o->server && o->asks;
	c->depth = o->depth;
	mbedtls_ssl_config_init(&c->conf);
	mbedtls_x509_crt_init(&c->ca);
	if (psa_crypto_init() != PSA_SUCCESS || mbedtls_ssl_config_defaults(&c->conf, side, MBEDTLS_SSL_TRANSPORT_STREAM,
			MBEDTLS_SSL_PRESET_DEFAULT)) {
		buf_z(why, "the TLS library does not start");
		tls_context_unref(c);
		return NULL;
	}
	mbedtls_ssl_conf_rng(&c->conf, tls_random, NULL);
	if (!set_protocols(c, o->protocols ? o->protocols : "", why) || !load_ca(c, o, why) || !tls_identities_load(c, o, why)) {
		tls_context_unref(c);
		return NULL;
	}
	if (!(o->server ? set_server(c, o->tickets && !c->asks) : set_client(c))) {
		buf_z(why, "the TLS library refuses its configuration");
		tls_context_unref(c);
		return NULL;
	}
	return c;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void tls_context_unref(struct tls_context *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	tls_identities_free(c);
	if (c->has_tickets)
		mbedtls_ssl_ticket_free(&c->ticket);
	mbedtls_x509_crt_free(&c->ca);
	mbedtls_ssl_config_free(&c->conf);
	mem_free(c);
}

/* --- sessions ----------------------------------------------------------------------------------------------------- */

static int give(void *ctx, const unsigned char *p, size_t n)
{
	struct tls_session *s = ctx;

	return buf_add(s->net_out, p, n) ? (int)n : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int take(void *ctx, unsigned char *p, size_t n)
{
	struct tls_session *s = ctx;
	size_t left = s->net_in->n - s->taken;

	if (!left)
		return MBEDTLS_ERR_SSL_WANT_READ;
	n = n < left ? n : left;
	memcpy(p, s->net_in->p + s->taken, n);
	s->taken += n;
	return (int)n;
}

static void call_begin(struct tls_session *s, struct buf *net_in, struct buf *net_out)
{
	s->net_in = net_in;
	s->net_out = net_out;
	s->taken = 0;
}

static void call_end(struct tls_session *s)
{
	if (s->net_in)
		buf_consume(s->net_in, s->taken);
	s->net_in = s->net_out = NULL;
}

static int on_certificate(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct tls_session *s = ctx;

	(void)crt, (void)depth, (void)flags;
	s->chain_checked = true;
	return 0;
}

/* on_client_certificate - of each of its chain; the library has a bound of its own for the length */
static int on_client_certificate(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct tls_session *s = ctx;

	(void)crt;
	/* the one at the top is our own and does not count, and OpenSSL, whose way of counting this is, lets one more pass */
	if (depth > s->ctx->depth + 2)
		*flags |= MBEDTLS_X509_BADCERT_OTHER;
	return 0;
}

static char **copy_list(const char *const *list)
{
	size_t n = 0;
	char **copy;

	while (list && list[n])
		n++;
	copy = mem_array(NULL, n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = mem_dupz(list[i]);
	copy[n] = NULL;
	return copy;
}

static void free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		mem_free(list[i]);
	mem_free(list);
}

static bool is_address(const char *name)
{
	uint8_t b[16];

	return inet_pton(AF_INET, name, b) == 1 || inet_pton(AF_INET6, name, b) == 1;
}

static bool set_peer(struct tls_session *s, const struct tls_peer *peer)
{
	struct str name = str_of(peer->server_name);
	char *host = NULL;
	int r;

	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n && name.n <= LIMIT_DOMAIN && !is_address(peer->server_name))
		host = str_dup(name);
	r = mbedtls_ssl_set_hostname(&s->ssl, host); /* NULL is the explicit "no name" */
	mem_free(host);
	s->match = peer->match;
	s->links = peer->links ? mem_array(NULL, TLS_LINKS, sizeof(*s->links)) : NULL;
	s->names = copy_list(peer->names);
	s->fingerprints = copy_list(peer->fingerprints);
	mbedtls_ssl_set_verify(&s->ssl, on_certificate, s);
	if (peer->resume && peer->resume->ctx == s->ctx) {
		mbedtls_ssl_set_session(&s->ssl, &peer->resume->session);
		s->doubts = peer->resume->doubts;
	}
	return r == 0;
}

struct tls_session *tls_session_new(struct tls_context *c, const struct tls_peer *peer)
{
	struct tls_session *s = MEM_NEW(struct tls_session);

	if (c->server != !peer)
		BUG("a TLS client expects a peer, a server does not");
	s->ctx = tls_context_ref(c);
	mbedtls_ssl_init(&s->ssl);
	if (mbedtls_ssl_setup(&s->ssl, &c->conf) || (peer && !set_peer(s, peer))) {
		tls_session_free(s);
		return NULL;
	}
	if (c->asks)
		mbedtls_ssl_set_verify(&s->ssl, on_client_certificate, s);
	mbedtls_ssl_set_user_data_p(&s->ssl, s);
	mbedtls_ssl_set_bio(&s->ssl, s, give, take, NULL);
	return s;
}

void tls_session_free(struct tls_session *s)
{
	if (!s)
		return;
	mbedtls_ssl_free(&s->ssl);
	free_list(s->names);
	free_list(s->fingerprints);
	mem_free(s->info);
	mem_free(s->links);
	tls_context_unref(s->ctx);
	mem_free(s);
}

const struct tls_info *tls_session_info(struct tls_session *s)
{
	return s->info;
}

bool tls_export(struct tls_session *s, const char *label, uint8_t out[32])
{
	return mbedtls_ssl_get_version_number(&s->ssl) == MBEDTLS_SSL_VERSION_TLS1_3 &&
		mbedtls_ssl_export_keying_material(&s->ssl, out, 32, label, strlen(label), NULL, 0, 0) == 0;
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static enum tls_step fail(struct tls_session *s, int code, char why[160])
{
	s->broken = true;
	if (code)
		error_text(s, code, why, 160);
	return TLS_FAILED;
}

enum tls_step tls_handshake(struct tls_session *s, struct buf *net_in, struct buf *net_out, char why[160])
{
	enum tls_step step = TLS_OK;
	int r, alert;

	if (s->broken)
		return TLS_FAILED;
	call_begin(s, net_in, net_out);
	running = s;
	r = mbedtls_ssl_handshake(&s->ssl);
	running = NULL;
	if (r == MBEDTLS_ERR_SSL_WANT_READ) {
		step = TLS_WANT_READ;
	} else if (r) {
		step = fail(s, r, why);
	} else {
		tls_describe(s);
		if (s->links)
			s->n_links = tls_peer_chain(s, s->links);
		alert = tls_judge(s, why);
		if (alert) {
			mbedtls_ssl_send_alert_message(&s->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, (unsigned char)alert);
			step = fail(s, 0, why);
		}
	}
	call_end(s);
	return step;
}

/* one decrypted piece: bytes, or a code. The library may stop after a message that is not data (a ticket) and wants to
 * be called `again` for it, even without more input */
static int read_piece(struct tls_session *s, struct buf *plain, bool again)
{
	size_t room = plain->max - plain->n, most = s->net_in->n - s->taken + mbedtls_ssl_get_bytes_avail(&s->ssl) + again;
	int r;

	room = room < most ? room : most; /* plain text is never longer than what it came in */
	if (!room || !buf_reserve(plain, room))
		return MBEDTLS_ERR_SSL_WANT_READ;
	r = mbedtls_ssl_read(&s->ssl, (unsigned char *)plain->p + plain->n, room);
	if (r > 0) {
		plain->n += (size_t)r;
		plain->p[plain->n] = 0;
	}
	return r ? r : MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY;
}

enum tls_step tls_read(struct tls_session *s, struct buf *net_in, struct buf *plain, struct buf *net_out, char why[160])
{
	enum tls_step step = TLS_OK;
	bool again = false;
	int r;

	if (s->broken)
		return TLS_FAILED;
	call_begin(s, net_in, net_out);
	do {
		size_t before = s->taken;

		r = read_piece(s, plain, again);
		s->ticket_came |= r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
		again = r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET ||
			(r == MBEDTLS_ERR_SSL_WANT_READ && s->taken != before);
	} while (r > 0 || again);
	if (r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		step = TLS_CLOSED;
	else if (r != MBEDTLS_ERR_SSL_WANT_READ)
		step = fail(s, r, why);
	call_end(s);
	return step;
}

enum tls_step tls_write(struct tls_session *s, struct buf *plain, struct buf *net_out, char why[160])
{
	enum tls_step step = TLS_OK;
	size_t done = 0;

	if (s->broken)
		return TLS_FAILED;
	call_begin(s, NULL, net_out);
	while (done < plain->n && net_out->n < LIMIT_CONN_READ) {
		int r = mbedtls_ssl_write(&s->ssl, (const unsigned char *)plain->p + done, plain->n - done);

		if (r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
			s->ticket_came = true; /* it was read when there was no room to go on */
			continue;
		}
		if (r <= 0) {
			step = fail(s, r ? r : MBEDTLS_ERR_SSL_INTERNAL_ERROR, why);
			break;
		}
		done += (size_t)r;
	}
	buf_consume(plain, done);
	call_end(s);
	return step;
}

void tls_close_notify(struct tls_session *s, struct buf *net_out)
{
	if (s->broken)
		return;
	call_begin(s, NULL, net_out);
	mbedtls_ssl_close_notify(&s->ssl);
	call_end(s);
}

/* --- resumption, export ------------------------------------------------------------------------------------------- */

struct tls_saved *tls_session_save(struct tls_session *s)
{
	bool possible = !s->ctx->server && s->info && !s->broken && (strcmp(s->info->version, "TLSv1.3") != 0 || s->ticket_came);
	struct tls_saved *saved;

	if (!possible)
		return NULL;
	saved = MEM_NEW(struct tls_saved);
	saved->ctx = tls_context_ref(s->ctx);
	saved->doubts = s->doubts;
	mbedtls_ssl_session_init(&saved->session);
	if (mbedtls_ssl_get_session(&s->ssl, &saved->session)) {
		tls_saved_free(saved);
		return NULL;
	}
	return saved;
}

void tls_saved_free(struct tls_saved *s)
{
	if (!s)
		return;
	mbedtls_ssl_session_free(&s->session);
	tls_context_unref(s->ctx);
	mem_free(s);
}
