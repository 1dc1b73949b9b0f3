/*
 * handshake.c - what TLS handshakes cost each side: client and server in one thread, through core/net/tls, without a socket.
 *
 *	handshake CERT KEY PROTOCOL COUNT
 *
 * One line: microseconds of CPU per handshake of the server, the client; then of a resumed one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/net/tls.h"

struct cost { double server, client; };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct tls_context *context(bool server, const char *cert, const char *key, const char *protocol)
{
	struct tls_options o = { .server = server, .ca_file = server ? "" : cert, .ca_path = "", .cert_file = server ? cert : "",
		.key_file = server ? key : "", .chain_files = "", .protocols = protocol, .tickets = true };
	struct tls_context *c;
	struct buf why;

	buf_init(&why, 400);
	c = tls_context_new(&o, &why);
	if (!c) {
		fprintf(stderr, "handshake: %s\n", buf_cstr(&why));
		exit(1);
	}
	buf_fini(&why);
	return c;
}

/* one handshake; *saved is offered and becomes what the server gave */
static void shake(struct tls_context *sc, struct tls_context *cc, struct tls_saved **saved, struct cost *cost)
{
	struct tls_peer peer = { .server_name = "localhost", .resume = *saved };
	struct tls_session *server, *client;
	enum tls_step at_server = TLS_WANT_READ, at_client = TLS_WANT_READ;
	struct buf up, down, plain;
	char why[160] = "";
	double t = now();

	buf_init(&up, 1 << 16);
	buf_init(&down, 1 << 16);
	buf_init(&plain, 1 << 16);
	server = tls_session_new(sc, NULL);
	cost->server += now() - t;
	t = now();
	client = tls_session_new(cc, &peer);
	cost->client += now() - t;
	for (int turn = 0; turn < 10 && (at_server != TLS_OK || at_client != TLS_OK); turn++) {
		t = now();
		if (at_client != TLS_OK)
			at_client = tls_handshake(client, &down, &up, why);
		cost->client += now() - t;
		t = now();
		if (at_server != TLS_OK)
			at_server = tls_handshake(server, &up, &down, why);
		cost->server += now() - t;
	}
	tls_read(client, &down, &plain, &up, why);
	if (at_server != TLS_OK || at_client != TLS_OK) {
		fprintf(stderr, "handshake: %s\n", why);
		exit(1);
	}
	tls_saved_free(*saved);
	*saved = tls_session_save(client);
	t = now();
	tls_session_free(server);
	cost->server += now() - t;
	t = now();
	tls_session_free(client);
	cost->client += now() - t;
	buf_fini(&up);
	buf_fini(&down);
	buf_fini(&plain);
}

int main(int argc, char **argv)
{
	struct cost full = { 0, 0 }, resumed = { 0, 0 };
	struct tls_context *sc, *cc;
	struct tls_saved *saved = NULL;
	int count = argc == 5 ? atoi(argv[4]) : 0;

	if (count < 1) {
		fprintf(stderr, "usage: handshake CERT KEY PROTOCOL COUNT\n");
		return 1;
	}
	sc = context(true, argv[1], argv[2], argv[3]);
	cc = context(false, argv[1], argv[2], argv[3]);
	for (int i = 0; i < count; i++) {
		tls_saved_free(saved);
		saved = NULL;
		shake(sc, cc, &saved, &full);
	}
	for (int i = 0; i < count; i++)
		shake(sc, cc, &saved, &resumed);
	tls_saved_free(saved);
	printf("%.0f %.0f %.0f %.0f\n", full.server / count, full.client / count, resumed.server / count, resumed.client / count);
	return 0;
}
