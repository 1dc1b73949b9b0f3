/* test_net_conn.c - connections over socket pairs and loopback, plain and TLS, with and without a pool. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/mem.h"
#include "core/net/conn.h"
#include "tests/unit/net_certs.h"

enum { EVENTS = 64 };

/* one end: keeps what it hears */
struct end {
	struct conn *c;
	char events[EVENTS + 1];   /* one letter each: C D S T E F L(deadline) */
	struct buf got;
	bool leave_input;          /* do not consume */
	enum conn_next answer;
	int error;
	char why[160];
	void (*on)(struct end *e, enum conn_event ev);
};

static enum conn_next hear(struct conn *c, enum conn_event ev)
{
	struct end *e = c->ctx;
	size_t n = strlen(e->events);

	if (n < EVENTS)
		e->events[n] = "CDSTEFL"[ev];
	if (ev == CONN_FAILED)
		e->error = c->error;
	if (ev == CONN_FAILED || ev == CONN_EOF)
		snprintf(e->why, sizeof(e->why), "%s", c->why);
	if (!e->leave_input && c->in.n) {
		buf_str(&e->got, buf_view(&c->in));
		buf_consume(&c->in, c->in.n);
	}
	if (e->on)
		e->on(e, ev);
	return ev == CONN_FAILED ? CONN_CLOSE : e->answer;
}

struct room {
	struct loop *l;
	struct end a, b;
};

static bool room_init(struct room *r, size_t in_max, size_t out_max)
{
	int s[2];

	*r = (struct room){ .l = loop_new() };
	buf_init(&r->a.got, 1 << 24);
	buf_init(&r->b.got, 1 << 24);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s))
		return false;
	r->a.c = conn_accepted(r->l, s[0], in_max, out_max, hear, &r->a);
	r->b.c = conn_accepted(r->l, s[1], in_max, out_max, hear, &r->b);
	return r->a.c && r->b.c;
}

static void ticks(struct room *r, int n)
{
	while (n-- > 0)
		loop_tick(r->l, 0);
}

static void room_fini(struct room *r, bool a, bool b)
{
	if (a)
		conn_close(r->a.c);
	if (b)
		conn_close(r->b.c);
	ticks(r, 2);
	buf_fini(&r->a.got);
	buf_fini(&r->b.got);
	loop_free(r->l);
}

static void say(struct end *e, const char *text)
{
	buf_z(&e->c->out, text);
	conn_flush(e->c);
}

T(conn_carries_bytes_both_ways)
{
	struct room r;

	REQUIRE(room_init(&r, 1000, 1000));
	say(&r.a, "hello");
	CHECK_INT(r.a.c->out.n, 0); /* written at once */
	CHECK_STR(r.a.events, "");  /* and told later */
	ticks(&r, 2);
	CHECK_STR(buf_cstr(&r.b.got), "hello");
	CHECK_STR(r.b.events, "D");
	CHECK_STR(r.a.events, "S");
	say(&r.b, "you");
	ticks(&r, 2);
	CHECK_STR(buf_cstr(&r.a.got), "you");
	conn_close(r.a.c);
	ticks(&r, 2);
	CHECK_STR(r.b.events, "DSE");
	ticks(&r, 3);
	CHECK_STR(r.b.events, "DSE");
	room_fini(&r, false, true);
}

static void answer_ok(struct end *e, enum conn_event ev)
{
	if (ev == CONN_DATA)
		buf_z(&e->c->out, "ok");
}

static void more_when_sent(struct end *e, enum conn_event ev)
{
	if (ev == CONN_SENT && strlen(e->events) < 30)
		buf_z(&e->c->out, "x");
}

T(conn_flushes_after_a_callback_and_says_sent)
{
	struct room r;

	REQUIRE(room_init(&r, 1000, 1000));
	r.b.on = answer_ok;
	say(&r.a, "?");
	ticks(&r, 1);
	CHECK_STR(r.b.events, "DS");
	ticks(&r, 1);
	CHECK_STR(buf_cstr(&r.a.got), "ok");
	r.b.on = NULL;
	r.a.on = more_when_sent;
	r.a.events[0] = 0, memset(r.a.events, 0, sizeof(r.a.events));
	say(&r.a, "x");
	ticks(&r, 20);
	CHECK_INT(r.b.got.n, 1 + 30);
	room_fini(&r, true, true);
}

T(conn_input_bound_holds_and_reading_goes_on)
{
	struct room r;
	size_t total = 0;

	REQUIRE(room_init(&r, 1000, 1 << 20));
	r.b.leave_input = true;
	for (int i = 0; i < 10000; i++)
		buf_z(&r.a.c->out, "0123456789");
	conn_flush(r.a.c);
	ticks(&r, 5);
	CHECK_INT(r.b.c->in.n, 1000);
	CHECK_STR(r.b.events, "D");
	ticks(&r, 5);
	CHECK_STR(r.b.events, "D"); /* it does not spin */
	for (int i = 0; i < 1000 && total < 100000; i++) {
		total += r.b.c->in.n;
		buf_consume(&r.b.c->in, r.b.c->in.n);
		conn_flush(r.b.c);
		ticks(&r, 1);
	}
	CHECK_INT(total, 100000);
	CHECK_STR(r.a.events, "S");
	room_fini(&r, true, true);
}

T(conn_pause_holds_input)
{
	struct room r;

	REQUIRE(room_init(&r, 1000, 1000));
	conn_pause(r.b.c, true);
	say(&r.a, "later");
	ticks(&r, 3);
	CHECK_STR(r.b.events, "");
	conn_pause(r.b.c, false);
	ticks(&r, 2);
	CHECK_STR(buf_cstr(&r.b.got), "later");
	room_fini(&r, true, true);
}

T(conn_big_output_to_a_slow_reader_arrives_whole)
{
	struct room r;

	REQUIRE(room_init(&r, 4096, 4 << 20));
	for (int i = 0; i < 300000; i++)
		buf_z(&r.a.c->out, "0123456789");
	conn_flush(r.a.c);
	CHECK(r.a.c->out.n > 0);
	conn_close_after_send(r.a.c, loop_now(r.l) + 10 * USEC_PER_SEC);
	for (int i = 0; i < 10000 && !strchr(r.b.events, 'E'); i++) {
		ticks(&r, 1);
		if (strlen(r.b.events) > 50)
			memset(r.b.events, 0, sizeof(r.b.events));
	}
	CHECK_INT(r.b.got.n, 3000000);
	CHECK_STR(r.a.events, "");
	room_fini(&r, false, true);
}

static void close_inside(struct end *e, enum conn_event ev)
{
	if (ev == CONN_DATA) {
		buf_z(&e->c->out, "bye");
		conn_close_after_send(e->c, USEC_NEVER);
	}
}

T(conn_close_from_inside_a_callback)
{
	for (int answer = CONN_KEEP; answer <= CONN_CLOSE; answer++) {
		struct room r;

		ROW("answer %d", answer);
		REQUIRE(room_init(&r, 1000, 1000));
		r.b.on = close_inside;
		r.b.answer = (enum conn_next)answer;
		say(&r.a, "QUIT");
		ticks(&r, 4);
		CHECK_STR(buf_cstr(&r.a.got), "bye");
		CHECK_STR(r.b.events, "D");
		CHECK(strchr(r.a.events, 'E') != NULL);
		room_fini(&r, true, false);
	}
}

T(conn_answer_close_drops_it)
{
	struct room r;

	REQUIRE(room_init(&r, 1000, 1000));
	r.b.answer = CONN_CLOSE;
	say(&r.a, "x");
	ticks(&r, 3);
	CHECK_STR(r.b.events, "D");
	CHECK(strchr(r.a.events, 'E') != NULL);
	room_fini(&r, true, false);
}

T(conn_last_words_of_a_peer_that_left_are_heard)
{
	struct room r;

	REQUIRE(room_init(&r, 1000, 1 << 20));
	say(&r.a, "554 no");
	conn_close(r.a.c);
	say(&r.b, "MAIL FROM:<a@b>"); /* EPIPE */
	CHECK_STR(r.b.events, "");
	ticks(&r, 3);
	CHECK_STR(buf_cstr(&r.b.got), "554 no");
	CHECK_STR(r.b.events, "DE");
	say(&r.b, "x");
	ticks(&r, 2);
	CHECK_STR(r.b.events, "DE");
	room_fini(&r, false, true);
}

T(conn_deadline_rings_once_and_moves_cheaply)
{
	struct room r;
	usec now;

	REQUIRE(room_init(&r, 1000, 1000));
	now = loop_now(r.l);
	conn_deadline(r.a.c, now - 1);
	conn_deadline(r.a.c, now + 60 * USEC_PER_SEC); /* later: the timer rings early, the owner does not hear it */
	ticks(&r, 2);
	CHECK_STR(r.a.events, "");
	conn_deadline(r.a.c, now - 1);
	ticks(&r, 3);
	CHECK_STR(r.a.events, "L");
	conn_deadline(r.a.c, now - 1);
	conn_deadline(r.a.c, USEC_NEVER);
	ticks(&r, 3);
	CHECK_STR(r.a.events, "L");
	room_fini(&r, true, true);
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static int listener(struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(*at);

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (bind(fd, (struct sockaddr *)at, sizeof(*at)) || listen(fd, 5) || getsockname(fd, (struct sockaddr *)at, &n))
		return -1;
	return fd;
}

static struct conn *connect_to(struct loop *l, const void *to, size_t n, struct end *e)
{
	return conn_connect(l, to, (socklen_t)n, NULL, 0, 1000, 1000, loop_now(l) + 5 * USEC_PER_SEC, hear, e);
}

T(conn_connects_and_tells_addresses)
{
	struct sockaddr_in at, from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002) };
	int fd = listener(&at), peer;
	struct loop *l = loop_new();
	struct end e = { 0 };
	struct sockaddr_in ours;
	socklen_t ours_len = sizeof(ours);

	REQUIRE(fd >= 0);
	e.c = conn_connect(l, (struct sockaddr *)&at, sizeof(at), (struct sockaddr *)&from, sizeof(from), 1000, 1000,
		loop_now(l) + 5 * USEC_PER_SEC, hear, &e);
	REQUIRE(e.c != NULL);
	buf_z(&e.c->out, "early");
	conn_flush(e.c);
	CHECK_STR(e.events, "");
	for (int i = 0; i < 50 && !e.events[0]; i++)
		loop_tick(l, 10000);
	CHECK_STR(e.events, "CS");
	CHECK_INT(getsockname(e.c->fd, (struct sockaddr *)&ours, &ours_len), 0);
	CHECK_INT(ntohl(ours.sin_addr.s_addr), 0x7f000002);
	CHECK_INT(((struct sockaddr_in *)&e.c->peer)->sin_port, at.sin_port);
	peer = accept(fd, NULL, NULL);
	CHECK(peer >= 0);
	conn_close(e.c);
	loop_tick(l, 0);
	close(peer);
	close(fd);
	loop_free(l);
}

T(conn_connect_errors_come_as_events)
{
	struct sockaddr_in at, nowhere = { .sin_family = AF_INET, .sin_port = htons(25), .sin_addr.s_addr = 0xffffffff };
	struct sockaddr_un gone = { .sun_family = AF_UNIX, .sun_path = "/nonexistent/socket" };
	int fd = listener(&at);
	struct { const void *to; size_t n; int error; } rows[] = {
		{ &at, sizeof(at), ECONNREFUSED }, { &nowhere, sizeof(nowhere), 0 }, {&gone, sizeof(gone), ENOENT}};
	struct loop *l = loop_new();

	close(fd);
	for (size_t i = 0; i < 3; i++) {
		struct end e = { 0 };

		ROW("%zu", i);
		e.c = connect_to(l, rows[i].to, rows[i].n, &e);
		REQUIRE(e.c != NULL);
		CHECK_STR(e.events, "");
		for (int k = 0; k < 50 && !e.events[0]; k++)
			loop_tick(l, 10000);
		CHECK_STR(e.events, "F");
		CHECK(rows[i].error ? e.error == rows[i].error : e.error != 0);
		CHECK(e.why[0] != 0);
		loop_tick(l, 0);
	}
	loop_free(l);
}

T(conn_connect_timeout_is_a_failure)
{
	struct sockaddr_in at;
	int fd = listener(&at);
	struct loop *l = loop_new();
	struct end e = { 0 };

	e.c = conn_connect(l, (struct sockaddr *)&at, sizeof(at), NULL, 0, 100, 100, USEC_NEVER, hear, &e);
	REQUIRE(e.c != NULL);
	/* closed before anything happened: no event at all */
	conn_close(e.c);
	loop_tick(l, 0);
	CHECK_STR(e.events, "");
	close(fd);
	loop_free(l);
}

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

static struct tls_context *context(bool server, const char *ca)
{
	struct tls_options o = { .server = server, .ca_file = ca, .cert_file = server ? net_cert("both.pem") : NULL, .tickets = server };
	struct tls_context *c;
	struct buf why;

	buf_init(&why, 1000);
	c = tls_context_new(&o, &why);
	buf_fini(&why);
	return c;
}

struct tls_room {
	struct room r;
	struct pool *pool;
	struct tls_context *client, *server;
	struct tls_peer peer;
};

static const char *const mx[] = { "mx.example.com", NULL };

static bool tls_room_init(struct tls_room *t, bool pool, const char *ca, size_t in_max)
{
	*t = (struct tls_room){ .client = context(false, ca), .server = context(true, NULL) };
	t->peer = (struct tls_peer){ .server_name = "mx.example.com", .match = TLS_MATCH_NAME, .names = mx };
	if (!room_init(&t->r, in_max, 1 << 20) || !t->client || !t->server)
		return false;
	if (pool) {
		t->pool = pool_new(2);
		loop_use_pool(t->r.l, t->pool);
	}
	return true;
}

static void tls_room_start(struct tls_room *t)
{
	conn_start_tls(t->r.a.c, t->client, &t->peer);
	conn_start_tls(t->r.b.c, t->server, NULL);
}

static void tls_room_fini(struct tls_room *t, bool a, bool b)
{
	if (a)
		conn_close(t->r.a.c);
	if (b)
		conn_close(t->r.b.c);
	ticks(&t->r, 2);
	if (t->pool) {
		pool_wait(t->pool);
		loop_use_pool(t->r.l, NULL);
	}
	pool_free(t->pool);
	room_fini(&t->r, false, false);
	tls_context_unref(t->client);
	tls_context_unref(t->server);
}

static bool has(const struct end *e, char event)
{
	return strchr(e->events, event) != NULL;
}

static void until(struct tls_room *t, const struct end *e, char event)
{
	for (int i = 0; i < 500 && !has(e, event); i++)
		loop_tick(t->r.l, 10000);
}

T(conn_tls_handshake_and_data)
{
	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	for (int pool = 0; pool < 2; pool++) {
		struct tls_room t;

		ROW("pool %d", pool);
		REQUIRE(tls_room_init(&t, pool, net_cert("ca.pem"), 4096));
		say(&t.r.b, "220 go\r\n"); /* in clear, before it */
		ticks(&t.r, 2);
		CHECK_STR(buf_cstr(&t.r.a.got), "220 go\r\n");
		tls_room_start(&t);
		CHECK(conn_tls(t.r.a.c) == NULL);
		buf_z(&t.r.a.c->out, "EHLO early\r\n"); /* waits for the session */
		conn_flush(t.r.a.c);
		until(&t, &t.r.a, 'T');
		until(&t, &t.r.b, 'D');
		CHECK_STR(buf_cstr(&t.r.b.got), "EHLO early\r\n");
		CHECK(conn_tls(t.r.a.c) && conn_tls(t.r.a.c)->trust == TLS_VERIFIED);
		CHECK(conn_tls(t.r.b.c) && conn_tls(t.r.b.c)->trust == TLS_ANONYMOUS);
		for (int i = 0; i < 20000; i++)
			buf_z(&t.r.b.c->out, "0123456789");
		conn_flush(t.r.b.c);
		for (int i = 0; i < 1000 && t.r.a.got.n < 200008; i++) {
			memset(t.r.a.events, 0, sizeof(t.r.a.events));
			loop_tick(t.r.l, 10000);
		}
		CHECK_INT(t.r.a.got.n, 200008);
		conn_close(t.r.a.c);
		until(&t, &t.r.b, 'E');
		CHECK(has(&t.r.b, 'E'));
		CHECK_STR(t.r.b.why, "");
		tls_room_fini(&t, false, true);
	}
}

T(conn_tls_full_input_goes_on_without_a_new_read)
{
	struct tls_room t;
	size_t total = 0;

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	REQUIRE(tls_room_init(&t, false, net_cert("ca.pem"), 1000));
	tls_room_start(&t);
	until(&t, &t.r.b, 'T');
	until(&t, &t.r.a, 'T');
	t.r.b.leave_input = true;
	for (int i = 0; i < 1600; i++)
		buf_z(&t.r.a.c->out, "0123456789");
	conn_close_after_send(t.r.a.c, USEC_NEVER);
	ticks(&t.r, 10);
	CHECK_INT(t.r.b.c->in.n, 1000);
	for (int i = 0; i < 100; i++) {
		total += t.r.b.c->in.n;
		buf_consume(&t.r.b.c->in, t.r.b.c->in.n);
		conn_flush(t.r.b.c);
		ticks(&t.r, 1);
	}
	CHECK_INT(total, 16000);
	CHECK(has(&t.r.b, 'E'));
	CHECK_STR(t.r.b.why, "");
	tls_room_fini(&t, false, true);
}

T(conn_tls_wrong_name_fails_both_ends)
{
	static const char *const other[] = { "mx.example.org", NULL };

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	for (int pool = 0; pool < 2; pool++) {
		struct tls_room t;

		ROW("pool %d", pool);
		REQUIRE(tls_room_init(&t, pool, net_cert("ca.pem"), 1000));
		t.peer.names = other;
		tls_room_start(&t);
		until(&t, &t.r.a, 'F');
		CHECK_INT(t.r.a.error, 0);
		CHECK(strstr(t.r.a.why, "another name") != NULL);
		CHECK(!has(&t.r.a, 'T'));
		for (int i = 0; i < 500 && !has(&t.r.b, 'F') && !has(&t.r.b, 'E'); i++)
			loop_tick(t.r.l, 10000);
		CHECK(has(&t.r.b, 'F') || has(&t.r.b, 'E'));
		tls_room_fini(&t, false, !has(&t.r.b, 'F'));
	}
}

T(conn_tls_clear_text_is_never_data)
{
	struct tls_room t;

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	REQUIRE(tls_room_init(&t, false, NULL, 1000));
	/* injected after STARTTLS in the same segment: still in c->in, or already in the kernel */
	t.r.b.leave_input = true;
	say(&t.r.a, "NOOP\r\n");
	ticks(&t.r, 2);
	CHECK_INT(t.r.b.c->in.n, 6);
	conn_start_tls(t.r.b.c, t.server, NULL);
	ticks(&t.r, 2);
	CHECK(has(&t.r.b, 'F'));
	CHECK(strstr(t.r.b.why, "in clear") != NULL);
	tls_room_fini(&t, true, false);

	REQUIRE(tls_room_init(&t, false, NULL, 1000));
	say(&t.r.a, "NOOP\r\nNOOP\r\n");
	conn_start_tls(t.r.b.c, t.server, NULL);
	ticks(&t.r, 3);
	CHECK_STR(t.r.b.events, "F");
	CHECK_INT(t.r.b.got.n, 0);
	tls_room_fini(&t, true, false);
}

T(conn_tls_cut_off_is_an_end_with_a_reason)
{
	struct tls_room t;

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	REQUIRE(tls_room_init(&t, false, net_cert("ca.pem"), 1000));
	tls_room_start(&t);
	until(&t, &t.r.a, 'T');
	until(&t, &t.r.b, 'T');
	say(&t.r.a, "DATA");
	shutdown(t.r.a.c->fd, SHUT_WR);
	until(&t, &t.r.b, 'E');
	CHECK_STR(buf_cstr(&t.r.b.got), "DATA");
	CHECK(strstr(t.r.b.why, "close_notify") != NULL);
	tls_room_fini(&t, true, true);
}

T(conn_tls_lost_in_the_handshake)
{
	struct tls_room t;

	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	for (int pool = 0; pool < 2; pool++) {
		ROW("pool %d", pool);
		REQUIRE(tls_room_init(&t, pool, net_cert("ca.pem"), 1000));
		conn_start_tls(t.r.b.c, t.server, NULL);
		say(&t.r.a, "\x16\x03\x01");
		ticks(&t.r, 3);
		conn_close(t.r.a.c);
		until(&t, &t.r.b, 'F');
		CHECK(strstr(t.r.b.why, "lost during the TLS handshake") != NULL);
		tls_room_fini(&t, false, false);
	}
}

/* close at every point of a handshake that runs on the pool: the session is the pool's at some of them */
T(conn_tls_close_while_the_pool_works)
{
	if (!net_cert("ca.pem"))
		SKIP("openssl cannot make certificates");
	for (int n = 0; n < 12; n++) {
		struct tls_room t;

		ROW("after %d ticks", n);
		REQUIRE(tls_room_init(&t, true, net_cert("ca.pem"), 1000));
		tls_room_start(&t);
		ticks(&t.r, n);
		tls_room_fini(&t, true, true);
	}
}
