/*
 * sink - an SMTP server that takes everything as fast as one thread can, counts it, and knows how old it is.
 *
 *	sink [-b] [-c COUNT] [-i] [-r PHASE=CODE[:PERCENT]]... [-w PHASE=MS] [-z FILE] [ADDRESS:]PORT
 *
 *	-z  offer STARTTLS with the key and certificate in FILE
 *	-b  offer CHUNKING and take BDAT            -c  print the counts and exit after COUNT messages
 *	-r  answer a PHASE (connect ehlo mail rcpt data end) with CODE, each time or PERCENT of the times
 *	-w  answer that PHASE only after MS milliseconds: a slow server, or a tarpit
 *	-i  take orders on standard input, one a line, each answered by one line of JSON; end with it:
 *	    stats; reset; wait N (answers when N messages are there); quit
 *
 * SIGUSR1 prints the counts too. Messages that bear source's X-Bench header give their age (end of data to end of data)
 * and are told apart, so lost and repeated ones show: "unique" is how many different ones came.
 *
 * One read, one pass over what it brought, one write: a session costs the sink two system calls per round trip. The
 * end of the data is found with memmem over a read buffer that starts with the last four bytes of the one before.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/secure.h"

enum {
	CARRY = 4,                     /* of "\r\n.\r\n", may lie in the read before */
	READ_MAX = 256 * 1024,
	LINE_ROOM = 2048,
	HEAD_MAX = 2048,               /* of a message, searched for our header */
	OUT_MAX = 8192,
	IDS_MAX = 1 << 27,
	EVENTS = 256,
};
enum phase { CONNECT, EHLO, MAIL, RCPT, DATA, END, PHASES };
enum mode { LINES, CONTENT, CHUNK };

static const char *const phase_names[PHASES] = { "connect", "ehlo", "mail", "rcpt", "data", "end" };

struct session {
	int fd;
	enum mode mode;
	struct ssl_st *tls;            /* NULL: in clear */
	bool shaking, quit, last, refuse;       /* last: this BDAT is the last; refuse: the end is answered with the refusal */
	size_t n_line, n_head, n_carry, n_out, n_rest;
	uint64_t chunk, due;           /* bytes of BDAT to come; when a delayed answer goes out, 0: none waits */
	struct session *next;          /* in the queue of the delayed, or of the free */
	char *rest;                    /* what came while the answer waited */
	char carry[CARRY], line[LINE_ROOM], head[HEAD_MAX], out[OUT_MAX];
};

static struct {
	uint64_t count, bytes, unique, recipients, refused, connections, resumed, secured, sessions, first, last;
	struct hist age;
} total;
static struct { int code; unsigned percent; } refusal[PHASES];
static enum phase slow_phase;
static uint64_t slow, until_count, awaited;
static bool chunking, orders, secure;
static struct session *delayed, **delayed_end = &delayed, *unused;
static uint8_t *ids;
static uint64_t ids_used;
static char input[CARRY + READ_MAX];
static int poller;

/* --- counting ----------------------------------------------------------------------------------------------------- */

static void print_counts(FILE *out)
{
	fprintf(out, "{\"count\":%llu,\"unique\":%llu,\"bytes\":%llu,\"recipients\":%llu,\"refused\":%llu,"
		"\"connections\":%llu,\"secured\":%llu,\"resumed\":%llu,\"sessions\":%llu,\"first_ns\":%llu,\"last_ns\":%llu,\"age_us\":",
		(unsigned long long)total.count, (unsigned long long)total.unique, (unsigned long long)total.bytes,
		(unsigned long long)total.recipients, (unsigned long long)total.refused,
		(unsigned long long)total.connections, (unsigned long long)total.secured, (unsigned long long)total.resumed,
		(unsigned long long)total.sessions,
		(unsigned long long)total.first, (unsigned long long)total.last);
	hist_print(&total.age, out);
	fprintf(out, "}\n");
	fflush(out);
}

static void forget_counts(void)
{
	uint64_t sessions = total.sessions;

	memset(&total, 0, sizeof(total));
	total.sessions = sessions;
	memset(ids, 0, ids_used / 8 + 1);
	ids_used = 0;
}

static uint64_t digits(const char *p)
{
	uint64_t n = 0;

	for (int i = 0; i < BENCH_DIGITS && p[i] >= '0' && p[i] <= '9'; i++)
		n = n * 10 + (uint64_t)(p[i] - '0');
	return n;
}

static void count_message(struct session *s)
{
	uint64_t now = bench_now();
	const char *mark = memmem(s->head, s->n_head, BENCH_HEADER, sizeof(BENCH_HEADER) - 1);

	if (mark && (size_t)(s->head + s->n_head - mark) >= sizeof(BENCH_HEADER) + 2 * BENCH_DIGITS) {
		uint64_t id = digits(mark + sizeof(BENCH_HEADER) - 1);
		uint64_t sent = digits(mark + sizeof(BENCH_HEADER) + BENCH_DIGITS);

		hist_add(&total.age, now > sent ? (now - sent) / 1000 : 0);
		if (id < IDS_MAX && !(ids[id / 8] & 1u << id % 8)) {
			ids[id / 8] |= (uint8_t)(1u << id % 8);
			total.unique++;
			if (id > ids_used)
				ids_used = id;
		}
	}
	if (!total.count++)
		total.first = now;
	total.last = now;
	s->n_head = 0;
	if (awaited && total.count >= awaited) {
		awaited = 0;
		print_counts(stdout);
	}
	if (until_count && total.count >= until_count) {
		print_counts(stdout);
		exit(0);
	}
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void say(struct session *s, const char *text)
{
	size_t n = strlen(text);

	if (n > OUT_MAX - s->n_out) {
		s->quit = true;
		return;
	}
	memcpy(s->out + s->n_out, text, n);
	s->n_out += n;
}

static bool is_refused(enum phase phase)
{
	static uint64_t turn[PHASES];

	if (!refusal[phase].code || ++turn[phase] * refusal[phase].percent % 100 >= refusal[phase].percent)
		return false;
	total.refused++;
	return true;
}

/* answer - good, unless the phase is refused; true when it was taken. The slow phase's answer waits in s->out. */
static bool answer(struct session *s, enum phase phase, const char *good)
{
	bool taken = !is_refused(phase);
	char line[64];

	if (taken) {
		say(s, good);
	} else {
		int code = refusal[phase].code;

		snprintf(line, sizeof(line), "%d %d.3.0 Refused by order\r\n", code, code / 100);
		say(s, line);
		if (code == 421)
			s->quit = true;
	}
	if (slow && phase == slow_phase)
		s->due = bench_now() + slow;
	return taken;
}

static void end_of_message(struct session *s)
{
	s->mode = LINES;
	s->n_carry = 0;
	if (answer(s, END, "250 2.0.0 Ok\r\n"))
		count_message(s);
	s->n_head = 0;
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

static void on_ehlo(struct session *s, const char *argument)
{
	char text[200];

	snprintf(text, sizeof(text), "250-sink.example.test\r\n250-PIPELINING\r\n%s%s250 8BITMIME\r\n", chunking ? "250-CHUNKING\r\n" : "",
		secure && !s->tls ? "250-STARTTLS\r\n" : "");
	answer(s, EHLO, text);
}

/* the answer still goes in clear: s->shaking makes finish() begin with the handshake behind it */
static void on_starttls(struct session *s, const char *argument)
{
	s->shaking = secure && !s->tls;
	say(s, s->shaking ? "220 2.0.0 Go\r\n" : "502 5.5.2 Not here\r\n");
}

static void on_mail(struct session *s, const char *argument)
{
	answer(s, MAIL, "250 2.1.0 Ok\r\n");
}

static void on_rcpt(struct session *s, const char *argument)
{
	if (answer(s, RCPT, "250 2.1.5 Ok\r\n"))
		total.recipients++;
}

static void on_data(struct session *s, const char *argument)
{
	if (!answer(s, DATA, "354 Go\r\n"))
		return;
	s->mode = CONTENT;
	memcpy(s->carry, "\r\n", 2);
	s->n_carry = 2;
}

static void on_bdat(struct session *s, const char *argument)
{
	char *end;

	s->chunk = strtoull(argument, &end, 10);
	s->last = *end == ' ';
	s->mode = CHUNK;
}

static void on_ok(struct session *s, const char *argument)
{
	say(s, "250 2.0.0 Ok\r\n");
}

static void on_quit(struct session *s, const char *argument)
{
	say(s, "221 2.0.0 Bye\r\n");
	s->quit = true;
}

static const struct { char verb[5]; void (*run)(struct session *s, const char *argument); } commands[] = {
	{ "MAIL", on_mail }, { "RCPT", on_rcpt }, { "DATA", on_data }, { "BDAT", on_bdat }, { "EHLO", on_ehlo }, { "STAR", on_starttls }, { "HELO", on_ok },
	{ "RSET", on_ok }, { "NOOP", on_ok }, { "QUIT", on_quit },
};

static void on_line(struct session *s, const char *line)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strncasecmp(line, commands[i].verb, 4) == 0) {
			commands[i].run(s, line[4] ? line + 5 : line + 4);
			return;
		}
	say(s, "502 5.5.2 Not here\r\n");
}

/* --- input: each take_ uses some of the bytes and says how many ---------------------------------------------------- */

static size_t take_line(struct session *s, const char *p, size_t n)
{
	const char *end = memchr(p, '\n', n);
	size_t used = end ? (size_t)(end - p) + 1 : n, room = LINE_ROOM - 1 - s->n_line;
	size_t kept = used < room ? used : room;

	memcpy(s->line + s->n_line, p, kept);
	s->n_line += kept;
	if (end) {
		while (s->n_line && (s->line[s->n_line - 1] == '\n' || s->line[s->n_line - 1] == '\r'))
			s->n_line--;
		s->line[s->n_line] = '\0';
		s->n_line = 0;
		on_line(s, s->line);
	}
	return used;
}

static void keep_head(struct session *s, const char *p, size_t n)
{
	size_t room = HEAD_MAX - s->n_head, kept = n < room ? n : room;

	memcpy(s->head + s->n_head, p, kept);
	s->n_head += kept;
}

/* There are CARRY bytes of room before p: input's own, or those that were used last. */
static size_t take_content(struct session *s, char *p, size_t n)
{
	char *start = p - s->n_carry;
	size_t length = s->n_carry + n, used = n;
	const char *end;

	memcpy(start, s->carry, s->n_carry);
	end = memmem(start, length, "\r\n.\r\n", 5);
	if (end)
		used = (size_t)(end - start) + 5 - s->n_carry;
	total.bytes += used;
	keep_head(s, p, used);
	if (!end) {
		size_t keep = length < CARRY ? length : CARRY;

		memcpy(s->carry, start + length - keep, keep);
		s->n_carry = keep;
		return used;
	}
	end_of_message(s);
	return used;
}

static size_t take_chunk(struct session *s, const char *p, size_t n)
{
	size_t used = n < s->chunk ? n : (size_t)s->chunk;

	keep_head(s, p, used);
	total.bytes += used;
	s->chunk -= used;
	if (s->chunk)
		return used;
	s->mode = LINES;
	if (s->last)
		end_of_message(s);
	else
		say(s, "250 2.0.0 Ok\r\n");
	return used;
}

static void take(struct session *s, char *p, size_t n)
{
	while (!s->quit && !s->due && !s->shaking && (n || (s->mode == CHUNK && !s->chunk))) {
		size_t used = s->mode == LINES ? take_line(s, p, n) :
			s->mode == CONTENT ? take_content(s, p, n) : take_chunk(s, p, n);

		p += used;
		n -= used;
	}
	if (!s->due || !n)
		return;
	s->rest = malloc(CARRY + n);
	if (!s->rest)
		bench_fail("malloc");
	memcpy(s->rest + CARRY, p, n);
	s->n_rest = n;
}

/* --- sessions ------------------------------------------------------------------------------------------------------ */

static void end_session(struct session *s)
{
	secure_free(s->tls);
	close(s->fd);
	free(s->rest);
	total.sessions--;
	s->next = unused;
	unused = s;
}

static bool send_out(struct session *s)
{
	struct iovec v = { s->out, s->n_out };

	return s->tls ? secure_writev(s->tls, &v, 1) == (ssize_t)s->n_out : send(s->fd, s->out, s->n_out, MSG_NOSIGNAL) == (ssize_t)s->n_out;
}

/* finish - send what is to say, or line up when it is to wait; false when the session cannot go on now */
static bool finish(struct session *s)
{
	if (s->due) {
		s->next = NULL;
		*delayed_end = s;
		delayed_end = &s->next;
		epoll_ctl(poller, EPOLL_CTL_DEL, s->fd, NULL);
		return false;
	}
	if (s->n_out && !send_out(s))
		s->quit = true;
	s->n_out = 0;
	if (s->shaking && !s->tls)
		s->tls = secure_new(s->fd);
	if (!s->quit)
		return true;
	end_session(s);
	return false;
}

/* shake - true when it is done; what the client said behind it may have been read with it */
static bool shake(struct session *s)
{
	int done = secure_shake(s->tls);

	if (done < 0)
		end_session(s);
	if (done <= 0)
		return false;
	s->shaking = false;
	total.secured++;
	total.resumed += secure_is_resumed(s->tls);
	return true;
}

/* fill - all that has come, as far as there is room: one read, or the records of TLS that are there */
static ssize_t fill(struct session *s)
{
	size_t have = 0;
	ssize_t n;

	if (!s->tls)
		return read(s->fd, input + CARRY, READ_MAX);
	do {
		n = secure_read(s->tls, input + CARRY + have, READ_MAX - have);
		have += n > 0 ? (size_t)n : 0;
	} while (n > 0 && have < READ_MAX);
	return have ? (ssize_t)have : n;
}

/* take_some - one fill of the buffer; true when there may be more that no event will tell of */
static bool take_some(struct session *s)
{
	ssize_t n = fill(s);

	if (n <= 0) {
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		s->quit = true;
		s->n_out = 0;
	} else {
		take(s, input + CARRY, (size_t)n);
	}
	return finish(s) && s->tls && n == READ_MAX;
}

static void on_readable(struct session *s)
{
	if (s->shaking && !shake(s))
		return;
	while (take_some(s))
		;
}

static void watch(struct session *s)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };

	if (epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &e) < 0)
		bench_fail("epoll_ctl");
}

/* wake - the delayed whose time has come; milliseconds until the next, or -1 */
static int wake(void)
{
	uint64_t now = delayed ? bench_now() : 0;

	while (delayed && delayed->due <= now) {
		struct session *s = delayed;
		char *rest = s->rest;

		delayed = s->next;
		if (!delayed)
			delayed_end = &delayed;
		s->due = 0;
		s->rest = NULL;
		if (s->n_out && !send_out(s))
			s->quit = true;
		s->n_out = 0;
		watch(s);
		if (rest)
			take(s, rest + CARRY, s->n_rest);
		free(rest);
		finish(s);
	}
	return delayed ? (int)((delayed->due - now) / 1000000 + 1) : -1;
}

static void on_connection(int listener)
{
	for (int i = 0; i < 64; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), yes = 1;
		struct session *s;

		if (fd < 0)
			return;
		s = unused;
		if (s)
			unused = s->next;
		else if (!(s = malloc(sizeof(*s))))
			bench_fail("malloc");
		memset(s, 0, offsetof(struct session, carry));
		s->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		total.connections++;
		total.sessions++;
		watch(s);
		if (!answer(s, CONNECT, "220 sink.example.test ESMTP\r\n"))
			s->quit = true;
		finish(s);
	}
}

/* --- orders -------------------------------------------------------------------------------------------------------- */

static void obey(const char *order)
{
	if (strcmp(order, "stats") == 0) {
		print_counts(stdout);
	} else if (strcmp(order, "reset") == 0) {
		forget_counts();
		print_counts(stdout);
	} else if (strncmp(order, "wait ", 5) == 0) {
		awaited = strtoull(order + 5, NULL, 10);
		if (total.count >= awaited) {
			awaited = 0;
			print_counts(stdout);
		}
	} else {
		exit(strcmp(order, "quit") == 0 ? 0 : EX_USAGE);
	}
}

static void on_orders(void)
{
	static char line[128];
	static size_t n;
	ssize_t got = read(0, line + n, sizeof(line) - 1 - n);

	if (got <= 0)
		exit(0);
	n += (size_t)got;
	line[n] = '\0';
	for (char *end; (end = strchr(line, '\n')); n = strlen(line)) {
		*end = '\0';
		obey(line);
		memmove(line, end + 1, strlen(end + 1) + 1);
	}
	if (n == sizeof(line) - 1)
		exit(EX_USAGE);
}

static int usage(void)
{
	fprintf(stderr, "usage: sink [-b] [-c COUNT] [-i] [-r PHASE=CODE[:PERCENT]]... [-w PHASE=MS]\n            [-z FILE] [ADDRESS:]PORT\n"
		"phases: connect ehlo mail rcpt data end\n");
	return EX_USAGE;
}

/* phase_option - "PHASE=..." -> the phase, and text behind the = */
static enum phase phase_option(const char **text)
{
	for (int i = 0; i < PHASES; i++) {
		size_t n = strlen(phase_names[i]);

		if (strncmp(*text, phase_names[i], n) == 0 && (*text)[n] == '=') {
			*text += n + 1;
			return (enum phase)i;
		}
	}
	exit(usage());
}

static void set_refusal(const char *text)
{
	enum phase phase = phase_option(&text);
	char code[4];

	snprintf(code, sizeof(code), "%s", text);
	refusal[phase].code = (int)bench_number('r', code, 599);
	refusal[phase].percent = text[3] == ':' ? (unsigned)bench_number('r', text + 4, 100) : 100;
}

static int listen_on(const char *text)
{
	struct sockaddr_in a = bench_address(text, "127.0.0.1");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4096) < 0)
		bench_fail(text);
	return fd;
}

/* add - a descriptor that is not a session's: its event carries the address of where the number is kept */
static void add(int *fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = fd };

	if (epoll_ctl(poller, EPOLL_CTL_ADD, *fd, &e) < 0)
		bench_fail("epoll_ctl");
}

static void serve(int listener, int signals)
{
	int commander = 0;
	struct epoll_event events[EVENTS];

	add(&listener);
	add(&signals);
	if (orders)
		add(&commander);
	for (;;) {
		int n = epoll_wait(poller, events, EVENTS, wake());

		for (int i = 0; i < n; i++) {
			struct signalfd_siginfo info;
			void *who = events[i].data.ptr;

			if (who == &listener)
				on_connection(listener);
			else if (who == &commander)
				on_orders();
			else if (who != &signals)
				on_readable(who);
			else if (read(signals, &info, sizeof(info)) == sizeof(info))
				print_counts(stdout);
		}
	}
}

int main(int argc, char **argv)
{
	sigset_t usr1;
	int option;

	while ((option = getopt(argc, argv, "bc:ir:w:z:")) != -1) {
		const char *text = optarg;

		switch (option) {
		case 'b': chunking = true; break;
		case 'c': until_count = bench_number('c', optarg, UINT32_MAX); break;
		case 'i': orders = true; break;
		case 'r': set_refusal(text); break;
		case 'w':
			slow_phase = phase_option(&text);
			slow = bench_number('w', text, 86400000) * 1000000;
			break;
		case 'z':
			secure_server(text);
			secure = true;
			break;
		default: return usage();
		}
	}
	if (optind != argc - 1)
		return usage();
	bench_many_files();
	if (orders)
		bench_end_with_parent();
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	ids = calloc(IDS_MAX / 8, 1);
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (!ids || poller < 0)
		bench_fail("start");
	serve(listen_on(argv[optind]), signalfd(-1, &usr1, SFD_CLOEXEC));
}
