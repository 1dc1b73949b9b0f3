/*
 * source - an SMTP load generator: so many sessions, so many messages, as fast as the other side takes them.
 *
 *	source [-s SESSIONS] [-n MESSAGES] [-l BYTES] [-m PER_CONNECTION] [-p | -P] [-r RECIPIENTS] [-d DESTINATIONS]
 *	       [-f FROM] [-t TO] [-T SECONDS] [-z | -Z] [-q] [-i] [ADDRESS:]PORT
 *
 *	-m  messages per connection; 0 (the default): one connection per session for all
 *	-p  MAIL, RCPT and DATA in one write, where PIPELINING is offered
 *	-P  also the next message's commands, or QUIT, right behind the content (RFC 2920, 3.1)
 *	-d  recipients in dK.example.test, K from 0, in turn; without it all go to -t
 *	-z  STARTTLS first; -Z: each connection offers the TLS session that the server gave last
 *	-q  no mail: QUIT after EHLO, and a connection counts as a message
 *	-i  only open the sessions, say EHLO, print {"open":N} and hold them until standard input ends
 *
 * Prints one line of JSON at the end: how many messages were accepted and refused, from when to when (ns of
 * CLOCK_MONOTONIC), how many TLS sessions were resumed, the rate, and "accept_us", the time from the end of the data to its 250. Each message is BYTES long,
 * header included, and bears X-Bench with a number and the time at which its content was handed over, for sink.
 *
 * A refused message is counted and not tried again; its connection is closed. Exit status 1 if any was refused, or when
 * -T passed (its default: 600 s).
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/secure.h"

enum {
	SESSIONS_MAX = 60000,
	OPENING_MAX = 128,             /* connections on their way at a time, below any sane backlog */
	REPLY_MAX = 2048,
	OUT_MAX = 16384,
	EVENTS = 256,
};
enum state { IDLE, OPENING, GREETING, EHLO, STARTTLS, SHAKE, MAIL, RCPT, DATA, END, QUIT, HELD };

struct session {
	int fd;
	struct ssl_st *tls;            /* NULL: in clear */
	enum state state;
	bool pipelining, writable_wanted;
	bool ahead, quitting;          /* the next commands, or QUIT, went with the content */
	unsigned rcpts;                /* answers to RCPT still to come */
	uint64_t id, taken, ended;     /* message number; messages begun on this connection; when the content was sent */
	size_t n_in, n_out, n_sent;
	size_t content;                /* bytes of the shared body that follow out */
	size_t n_tail;                 /* what follows them */
	char in[REPLY_MAX], out[OUT_MAX], tail[OUT_MAX];
};

static struct {
	uint64_t sessions, messages, size, per_connection, recipients, destinations, seconds;
	const char *from, *to;
	bool group, deep, hold, secure, quit;
	struct sockaddr_in peer;
} want = {.sessions = 1, .messages = 1, .size = 4096, .recipients = 1, .seconds = 600,
	.from = "source@example.test", .to = "sink@example.test"};
static uint64_t begun, accepted, refused, opening, held, connections, resumed;
static struct hist accept_time;
static struct session *all;
static char *body, date[64];
static int poller;

static void start(struct session *s);

/* --- what is sent --------------------------------------------------------------------------------------------------- */

struct text {
	char *at;
	size_t used;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at + t->used, OUT_MAX - t->used, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= OUT_MAX - t->used) {
		errno = 0;
		bench_fail("too many recipients for one write");
	}
	t->used += (size_t)n;
}

static void put_mail(struct text *t)
{
	put(t, "MAIL FROM:<%s>\r\n", want.from);
}

static void put_rcpt(struct text *t, const struct session *s, uint64_t i)
{
	if (want.destinations)
		put(t, "RCPT TO:<u%llu@d%llu.example.test>\r\n", (unsigned long long)i,
			(unsigned long long)((s->id + i) % want.destinations));
	else if (want.recipients > 1)
		put(t, "RCPT TO:<u%llu.%s>\r\n", (unsigned long long)i, want.to);
	else
		put(t, "RCPT TO:<%s>\r\n", want.to);
}

static void put_group(struct text *t, const struct session *s)
{
	put_mail(t);
	for (uint64_t i = 0; i < want.recipients; i++)
		put_rcpt(t, s, i);
	put(t, "DATA\r\n");
}

static void put_header(struct text *t, const struct session *s)
{
	put(t, "From: <%s>\r\nTo: <%s>\r\nSubject: load\r\nDate: %s\r\nMessage-ID: <%llu.%d@source.example.test>\r\n"
		BENCH_HEADER "%020llu %020llu\r\n\r\n", want.from, want.to, date, (unsigned long long)s->id, (int)getpid(),
		(unsigned long long)s->id, (unsigned long long)bench_now());
}

/* --- ends ----------------------------------------------------------------------------------------------------------- */

static void watch(struct session *s, bool writable)
{
	struct epoll_event e = { .events = EPOLLIN | (writable ? EPOLLOUT : 0u), .data.ptr = s };

	s->writable_wanted = writable;
	epoll_ctl(poller, EPOLL_CTL_MOD, s->fd, &e);
}

static void close_session(struct session *s)
{
	if (s->state < MAIL)
		opening--;
	secure_free(s->tls);
	s->tls = NULL;
	close(s->fd);
	s->fd = -1;
	s->state = IDLE;
	start(s);
}

/* give_up - what this session had begun is lost, or the place for one message; so the run ends whatever happens */
static void give_up(struct session *s)
{
	refused++;
	if (s->state < MAIL && !want.hold)
		begun++;
	if (s->state == END && s->ahead)
		refused++;
	close_session(s);
}

/* --- writing: out, then the shared body, then tail ------------------------------------------------------------------- */

/* send_rest - some of what is left to be sent; 0: nothing is, or not now */
static ssize_t send_rest(struct session *s)
{
	const struct { char *at; size_t n; } parts[3] = { { s->out, s->n_out }, { body, s->content }, { s->tail, s->n_tail } };
	struct iovec v[3];
	size_t skip = s->n_sent;
	int n = 0;
	ssize_t sent;

	for (int i = 0; i < 3; i++) {
		size_t gone = skip < parts[i].n ? skip : parts[i].n;

		skip -= gone;
		if (parts[i].n > gone)
			v[n++] = (struct iovec){ parts[i].at + gone, parts[i].n - gone };
	}
	if (!n)
		return 0;
	sent = s->tls ? secure_writev(s->tls, v, n) : writev(s->fd, v, n);
	return sent < 0 && errno == EAGAIN ? 0 : sent;
}

static void flush(struct session *s)
{
	size_t total = s->n_out + s->content + s->n_tail;
	ssize_t sent;
	bool more;

	if (!total)
		return;
	while ((sent = send_rest(s)) > 0)
		s->n_sent += (size_t)sent;
	if (sent < 0) {
		give_up(s);
		return;
	}
	more = s->n_sent < total;
	if (!more) {
		if (s->state == END)
			s->ended = bench_now();
		s->n_sent = s->n_out = s->content = s->n_tail = 0;
	}
	if (more != s->writable_wanted)
		watch(s, more);
}

/* --- a session's way ------------------------------------------------------------------------------------------------- */

static bool is_last(const struct session *s)
{
	return begun >= want.messages || (want.per_connection && s->taken >= want.per_connection);
}

static void take_message(struct session *s)
{
	s->id = begun++;
	s->taken++;
}

/* next_message - begin one, or QUIT */
static void next_message(struct session *s)
{
	struct text t = { s->out, s->n_out };

	if (is_last(s)) {
		put(&t, "QUIT\r\n");
		s->state = QUIT;
	} else {
		take_message(s);
		s->state = MAIL;
		if (want.group && s->pipelining)
			put_group(&t, s);
		else
			put_mail(&t);
	}
	s->n_out = t.used;
}

static void send_content(struct session *s)
{
	struct text t = { s->out, 0 };

	put_header(&t, s);
	s->content = want.size > t.used + 2 ? want.size - t.used - 2 : 0;
	if (s->content && body[s->content - 1] == '\r')
		s->content--;
	s->n_out = t.used;
	t = (struct text){ s->tail, 0 };
	put(&t, "\r\n.\r\n");
	s->state = END;
	if (want.deep && s->pipelining) {
		s->quitting = is_last(s);
		s->ahead = !s->quitting;
		if (s->ahead) {
			take_message(s);
			put_group(&t, s);
		} else {
			put(&t, "QUIT\r\n");
		}
	}
	s->n_tail = t.used;
}

static void on_ehlo(struct session *s)
{
	struct text t = { s->out, s->n_out };

	if (want.secure && !s->tls) {
		put(&t, "STARTTLS\r\n");
		s->n_out = t.used;
		s->state = STARTTLS;
		return;
	}
	opening--;
	if (want.hold) {
		s->state = HELD;
		held++;
	} else if (want.quit) {
		begun++;
		accepted++;
		put(&t, "QUIT\r\n");
		s->n_out = t.used;
		s->state = QUIT;
	} else {
		next_message(s);
	}
}

static void say_ehlo(struct session *s)
{
	struct text t = { s->out, 0 };

	put(&t, "EHLO source.example.test\r\n");
	s->n_out = t.used;
	s->state = EHLO;
}

static void on_starttls(struct session *s)
{
	s->tls = secure_new(s->fd);
	s->state = SHAKE;
}

static void shake(struct session *s)
{
	int done = secure_shake(s->tls);

	if (done < 0) {
		give_up(s);
		return;
	}
	if (!done)
		return;
	resumed += secure_is_resumed(s->tls);
	s->pipelining = false;
	say_ehlo(s);
	flush(s);
}

static void on_mail(struct session *s)
{
	struct text t = { s->out, 0 };

	s->state = RCPT;
	s->rcpts = (unsigned)want.recipients;
	if (want.group && s->pipelining)
		return;
	put_rcpt(&t, s, 0);
	s->n_out = t.used;
}

static void on_rcpt(struct session *s)
{
	struct text t = { s->out, 0 };

	if (!--s->rcpts)
		s->state = DATA;
	if (want.group && s->pipelining)
		return;
	if (s->rcpts)
		put_rcpt(&t, s, want.recipients - s->rcpts);
	else
		put(&t, "DATA\r\n");
	s->n_out = t.used;
}

static void on_end(struct session *s)
{
	accepted++;
	hist_add(&accept_time, (bench_now() - s->ended) / 1000);
	if (s->quitting)
		s->state = QUIT;
	else if (s->ahead)
		s->state = MAIL;
	else
		next_message(s);
	s->ahead = false;
}

/* on_reply - false when the session is over and was closed */
static bool on_reply(struct session *s, int code)
{
	static void (*const steps[])(struct session *s) = {
		[GREETING] = say_ehlo, [EHLO] = on_ehlo, [STARTTLS] = on_starttls, [MAIL] = on_mail, [RCPT] = on_rcpt, [DATA] = send_content, [END] = on_end,
	};

	if (s->state == QUIT) {
		close_session(s);
		return false;
	}
	if (code / 100 != (s->state == DATA ? 3 : 2)) {
		give_up(s);
		return false;
	}
	if (steps[s->state])
		steps[s->state](s);
	return true;
}

/* on_lines - use every whole line of what came; false when the session is over and was closed */
static bool on_lines(struct session *s)
{
	size_t used = 0;

	for (const char *end; (end = memchr(s->in + used, '\n', s->n_in - used));) {
		const char *line = s->in + used;
		size_t n = (size_t)(end - line) + 1;

		used += n;
		if (s->state == EHLO && n >= 14 && strncasecmp(line + 4, "PIPELINING", 10) == 0)
			s->pipelining = true;
		if (n >= 5 && line[3] != '-' && !on_reply(s, (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0')))
			return false;
	}
	s->n_in -= used;
	memmove(s->in, s->in + used, s->n_in);
	if (s->n_in < REPLY_MAX)
		return true;
	give_up(s);
	return false;
}

/* read_once - false when there is no more for now, or the session is over */
static bool read_once(struct session *s)
{
	ssize_t n = s->tls ? secure_read(s->tls, s->in + s->n_in, REPLY_MAX - s->n_in) : read(s->fd, s->in + s->n_in, REPLY_MAX - s->n_in);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		if (s->state == QUIT)
			close_session(s);
		else
			give_up(s);
		return false;
	}
	s->n_in += (size_t)n;
	if (!on_lines(s))
		return false;
	if (s->state == SHAKE)
		shake(s);
	else
		flush(s);
	return s->tls && s->state > SHAKE && s->fd >= 0;
}

static void on_readable(struct session *s)
{
	if (s->state == SHAKE)
		shake(s);
	else
		while (read_once(s))
			;
}

static void on_connected(struct session *s)
{
	int error = 0;
	socklen_t n = sizeof(error);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || error) {
		give_up(s);
		return;
	}
	s->state = GREETING;
	watch(s, false);
}

/* start - open a connection, unless there is nothing left for it or too many are on their way */
static void start(struct session *s)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT, .data.ptr = s };
	int yes = 1;

	if ((want.hold ? refused > 0 : begun + opening >= want.messages) || opening >= OPENING_MAX)
		return;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		bench_fail("socket");
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &e);
	s->state = OPENING;
	s->writable_wanted = true;
	s->tls = NULL;
	s->pipelining = s->ahead = s->quitting = false;
	s->taken = 0;
	s->n_in = s->n_out = s->n_sent = s->content = s->n_tail = 0;
	opening++;
	connections++;
	if (connect(s->fd, (const struct sockaddr *)&want.peer, sizeof(want.peer)) < 0 && errno != EINPROGRESS)
		bench_fail("connect");
}

/* --- the run --------------------------------------------------------------------------------------------------------- */

static void on_event(struct session *s, uint32_t events)
{
	if (s->fd < 0)
		return;
	if (s->state == OPENING) {
		if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
			on_connected(s);
		return;
	}
	if (events & EPOLLOUT && s->state == SHAKE)
		shake(s);
	else if (events & EPOLLOUT)
		flush(s);
	if (s->fd >= 0 && s->state != OPENING && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		on_readable(s);
}

static bool is_done(void)
{
	return want.hold ? held == want.sessions || refused : accepted + refused >= want.messages;
}

/* run - until all is done or the time is over; sessions that found the door crowded try again each round */
static void run(uint64_t deadline)
{
	struct epoll_event events[EVENTS];
	uint64_t waiting = 0;

	while (!is_done() && bench_now() < deadline) {
		int n;

		for (; waiting < want.sessions && opening < OPENING_MAX; waiting++)
			start(&all[waiting]);
		n = epoll_wait(poller, events, EVENTS, 100);
		for (int i = 0; i < n; i++)
			on_event(events[i].data.ptr, events[i].events);
		if (n == 0 && !opening)
			for (uint64_t i = 0; i < waiting; i++)
				if (all[i].fd < 0)
					start(&all[i]);
	}
}

static void hold(void)
{
	char c;

	printf("{\"open\":%llu}\n", (unsigned long long)held);
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
}

static void prepare(void)
{
	time_t now = time(NULL);
	struct tm tm;

	body = malloc(want.size + 1);
	all = calloc(want.sessions, sizeof(*all));
	if (!body || !all)
		bench_fail("malloc");
	for (uint64_t i = 0; i < want.size; i++)
		body[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : (char)('a' + i % 26);
	for (uint64_t i = 0; i < want.sessions; i++)
		all[i].fd = -1;
	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	bench_many_files();
	bench_end_with_parent();
	poller = epoll_create1(EPOLL_CLOEXEC);
}

static int usage(void)
{
	fprintf(stderr, "usage: source [-s SESSIONS] [-n MESSAGES] [-l BYTES] [-m PER_CONNECTION] [-p | -P] [-r RECIPIENTS]\n"
		"              [-d DESTINATIONS] [-f FROM] [-t TO] [-T SECONDS] [-z | -Z] [-q] [-i] [ADDRESS:]PORT\n");
	return EX_USAGE;
}

int main(int argc, char **argv)
{
	int option;
	uint64_t began, ended;
	double seconds;

	while ((option = getopt(argc, argv, "d:f:il:m:n:pPqr:s:t:T:zZ")) != -1)
		switch (option) {
		case 'd': want.destinations = bench_number('d', optarg, 1000000); break;
		case 'f': want.from = optarg; break;
		case 'i': want.hold = true; break;
		case 'l': want.size = bench_number('l', optarg, 1 << 30); break;
		case 'm': want.per_connection = bench_number('m', optarg, UINT32_MAX); break;
		case 'n': want.messages = bench_number('n', optarg, UINT32_MAX); break;
		case 'P': want.deep = want.group = true; break;
		case 'p': want.group = true; break;
		case 'q': want.quit = true; break;
		case 'r': want.recipients = bench_number('r', optarg, 200); break;
		case 's': want.sessions = bench_number('s', optarg, SESSIONS_MAX); break;
		case 't': want.to = optarg; break;
		case 'T': want.seconds = bench_number('T', optarg, 86400); break;
		case 'z':
		case 'Z':
			want.secure = true;
			secure_client(option == 'Z');
			break;
		default: return usage();
		}
	if (optind != argc - 1 || !want.recipients || !want.sessions)
		return usage();
	want.peer = bench_address(argv[optind], "127.0.0.1");
	prepare();
	began = bench_now();
	run(began + want.seconds * 1000000000);
	if (want.hold) {
		hold();
		return held != want.sessions;
	}
	ended = bench_now();
	seconds = (double)(ended - began) / 1e9;
	printf("{\"accepted\":%llu,\"refused\":%llu,\"connections\":%llu,\"resumed\":%llu,\"bytes\":%llu,\"start_ns\":%llu,\"end_ns\":%llu,"
		"\"seconds\":%.6f,\"rate\":%.1f,\"accept_us\":", (unsigned long long)accepted, (unsigned long long)refused,
		(unsigned long long)connections, (unsigned long long)resumed, (unsigned long long)(accepted * want.size), (unsigned long long)began,
		(unsigned long long)ended, seconds, (double)accepted / seconds);
	hist_print(&accept_time, stdout);
	printf("}\n");
	return accepted != want.messages;
}
