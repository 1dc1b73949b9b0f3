/* secure - see secure.h. */
#include "tests/bench/secure.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { RECORD = 16384 };

static SSL_CTX *context;
static SSL_SESSION *given;
static bool is_server, resuming;

static void need(int ok, const char *what)
{
	if (ok == 1)
		return;
	fprintf(stderr, "%s: %s\n", what, ERR_reason_error_string(ERR_peek_last_error()));
	exit(1);
}

static void make(const SSL_METHOD *method)
{
	signal(SIGPIPE, SIG_IGN);
	context = SSL_CTX_new(method);
	need(context != NULL, "TLS");
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(context, 1);
}

void secure_server(const char *pem)
{
	make(TLS_server_method());
	need(SSL_CTX_use_certificate_chain_file(context, pem), pem);
	need(SSL_CTX_use_PrivateKey_file(context, pem, SSL_FILETYPE_PEM), pem);
	is_server = true;
}

static int keep(SSL *s, SSL_SESSION *session)
{
	SSL_SESSION_free(given);
	given = session;
	return 1;
}

void secure_client(bool resume)
{
	make(TLS_client_method());
	resuming = resume;
	if (!resume)
		return;
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, keep);
}

SSL *secure_new(int fd)
{
	SSL *s = SSL_new(context);

	need(s && SSL_set_fd(s, fd), "TLS");
	if (is_server) {
		SSL_set_accept_state(s);
	} else {
		SSL_set_connect_state(s);
		if (given && resuming) {
			/* a handshake writes to the session that it resumes: each gets its own */
			SSL_SESSION *own = SSL_SESSION_dup(given);

			need(own && SSL_set_session(s, own), "TLS session");
			SSL_SESSION_free(own);
		}
	}
	return s;
}

/* no close_notify is waited for, and the session stays good without it */
void secure_free(SSL *s)
{
	if (!s)
		return;
	SSL_set_shutdown(s, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(s);
}

static bool is_later(SSL *s, int result)
{
	int e = SSL_get_error(s, result);

	ERR_clear_error();
	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

int secure_shake(SSL *s)
{
	int r = SSL_do_handshake(s);

	return r == 1 ? 1 : is_later(s, r) ? 0 : -1;
}

bool secure_is_resumed(const SSL *s)
{
	return SSL_session_reused(s);
}

ssize_t secure_read(SSL *s, void *p, size_t n)
{
	int r = SSL_read(s, p, n < INT32_MAX ? (int)n : INT32_MAX);

	if (r > 0)
		return r;
	if (SSL_get_error(s, r) == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = is_later(s, r) ? EAGAIN : EPROTO;
	return -1;
}

ssize_t secure_writev(SSL *s, const struct iovec *v, int n)
{
	static char record[RECORD];
	size_t have = 0;
	int r;

	for (int i = 0; i < n && have < RECORD; i++) {
		size_t part = v[i].iov_len < RECORD - have ? v[i].iov_len : RECORD - have;

		memcpy(record + have, v[i].iov_base, part);
		have += part;
	}
	r = SSL_write(s, record, (int)have);
	if (r > 0)
		return r;
	errno = is_later(s, r) ? EAGAIN : EPROTO;
	return -1;
}
