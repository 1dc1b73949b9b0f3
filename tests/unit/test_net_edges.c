/* Small parts of net at their edges: flags of answers, both addresses of a PROXY header, what a child would inherit, the last deadline. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/net/conn.h"
#include "core/net/local_socket.h"
#include "core/net/proxy.h"
#include "tests/unit/net_dns_msg.h"
#include "tests/unit/t.h"

T(dns_answers_are_authentic_only_by_their_flag)
{
	/* QR RD RA, then AD, AA, rcode 2 */
	static const struct { unsigned flags; bool authentic, authoritative; unsigned rcode; } rows[] = {
		{ 0x8180, false, false, 0 }, { 0x81a0, true, false, 0 }, { 0x8580, false, true, 0 }, { 0x85a0, true, true, 0 },
		{ 0x8182, false, false, 2 }, { 0x81a3, true, false, 3 }, { 0x8190, false, false, 0 },
	};
	static struct msg m;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dns_answer answer;
		struct dns_reply reply;
		struct arena arena;

		ROW("%04x", rows[i].flags);
		arena_init(&arena, 65536);
		msg_begin(&m, 7, rows[i].flags, "example.com", DNS_A);
		msg_a(&m, "example.com", 500, 0x01020304);
		REQUIRE(dns_decode(&arena, m.p, m.n, 7, STR("example.com"), DNS_A, &answer, &reply) == 0);
		CHECK_INT(reply.authentic, rows[i].authentic);
		CHECK_INT(reply.authoritative, rows[i].authoritative);
		CHECK_INT(reply.rcode, rows[i].rcode);
		/* of a failure nothing is authentic */
		CHECK_INT(answer.authentic, rows[i].authentic && answer.status != DNS_AGAIN);
		if (rows[i].rcode == 0)
			CHECK_INT(answer.status, DNS_OK);
		arena_fini(&arena);
	}
}

T(proxy_tells_both_ends)
{
	static const struct { const char *in; size_t n; const char *source, *destination; unsigned port, to_port; } rows[] = {
		{ "PROXY TCP4 192.0.2.1 198.51.100.2 1025 25\r\n", 43, "192.0.2.1", "198.51.100.2", 1025, 25 },
		{ "PROXY TCP6 2001:db8::1 2001:db8::2 1025 587\r\n", 45, "2001:db8::1", "2001:db8::2", 1025, 587 },
		{ "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\4\1\2\x4b", 28, "192.0.2.1", "198.51.100.2", 1025, 587 },
		{ "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\4\1\0\x19", 52,
			"2001:db8::1", "2001:db8::2", 1025, 25 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proxy_header h;
		const char *why;
		char text[46];

		ROW("%zu", i);
		REQUIRE(proxy_parse(str_make(rows[i].in, rows[i].n), &h, &why) == PROXY_OK);
		ipaddr_format(&h.source, text);
		CHECK_STR(text, rows[i].source);
		ipaddr_format(&h.destination, text);
		CHECK_STR(text, rows[i].destination);
		CHECK_INT(h.source_port, rows[i].port);
		CHECK_INT(h.destination_port, rows[i].to_port);
	}
}

T(local_socket_sends_all_and_says_so)
{
	static char big[1 << 20], got[4096];
	size_t n = 0;
	int s[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == 0);
	CHECK_INT(local_send(s[0], "hello", 5, clock_mono() + USEC_PER_SEC), 0);
	CHECK_INT(local_receive(s[1], got, sizeof(got), clock_mono() + USEC_PER_SEC), 5);
	CHECK_MEM(got, 5, "hello", 5);
	/* nobody reads: the deadline ends it */
	errno = 0;
	CHECK_INT(local_send(s[0], big, sizeof(big), clock_mono() + 20000), -1);
	CHECK_INT(errno, ETIMEDOUT);
	while (recv(s[1], got, sizeof(got), MSG_DONTWAIT) > 0)
		n++;
	CHECK(n > 0);
	errno = 0;
	CHECK_INT(local_receive(s[1], got, sizeof(got), clock_mono() + 20000), -1);
	CHECK_INT(errno, ETIMEDOUT);
	close(s[0]);
	CHECK_INT(local_receive(s[1], got, sizeof(got), clock_mono() + USEC_PER_SEC), 0);
	CHECK_INT(local_send(s[1], "x", 1, clock_mono() + USEC_PER_SEC), -1);
	CHECK_INT(errno, EPIPE);
	close(s[1]);
}

static enum conn_next keep(struct conn *c, enum conn_event ev)
{
	(void)c;
	return ev == CONN_FAILED || ev == CONN_DEADLINE ? CONN_CLOSE : CONN_KEEP;
}

T(conn_is_not_inherited)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct loop *l = loop_new();
	struct conn *c;

	REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, 1) == 0 && getsockname(fd, (struct sockaddr *)&at, &n) == 0);
	c = conn_connect(l, (struct sockaddr *)&at, n, NULL, 0, 1000, 1000, loop_now(l) + USEC_PER_SEC, keep, NULL);
	REQUIRE(c);
	CHECK(fcntl(c->fd, F_GETFD) & FD_CLOEXEC);
	CHECK(fcntl(c->fd, F_GETFL) & O_NONBLOCK);
	conn_close(c);
	loop_tick(l, 0);
	loop_free(l);
	close(fd);
}

T(conn_that_is_to_close_waits_no_longer_than_its_deadline)
{
	enum { MUCH = 4 << 20 };
	struct loop *l = loop_new();
	static char piece[4096];
	struct conn *c;
	usec end;
	int s[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s) == 0);
	c = conn_accepted(l, s[0], 1000, MUCH, keep, NULL);
	REQUIRE(c);
	for (size_t n = 0; n < MUCH; n += sizeof(piece))
		buf_add(&c->out, piece, sizeof(piece));
	conn_close_after_send(c, loop_now(l) + 30000);
	/* the peer reads nothing for longer than that */
	for (end = clock_mono() + 90000; clock_mono() < end;)
		loop_tick(l, 10000);
	while (recv(s[1], piece, sizeof(piece), 0) > 0)
		;
	CHECK_INT(recv(s[1], piece, sizeof(piece), 0), 0);
	close(s[1]);
	loop_free(l);
}
