/* log_sink - see log_sink.h. */
#include "core/base/log_sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/log_open.h"
#include "core/base/mem.h"

/* --- opening ---------------------------------------------------------------------------------------------------------------- */

int log_out_open(struct log_out *o, enum log_sink kind, const char *path)
{
	struct log_out next = *o;
	struct log_place p = { .sink = kind, .path = path };
	int fd;

	if (kind == LOG_TO_SYSLOG)
		log_place_parse(path ? path : "syslog", &p);
	fd = log_open_place(&p, &next);
	/* a log server may come later */
	if (fd < 0 && !next.remote)
		return -1;
	path = path ? mem_dupz(path) : NULL;
	log_out_flush(o);
	log_out_close(o);
	o->open = true;
	o->sink = kind;
	o->way = next.way;
	o->remote = next.remote;
	o->framed = next.framed;
	o->own = next.own;
	o->fd = fd;
	o->path = (char *)(uintptr_t)path;
	o->out.max = LIMIT_LOG_BUFFER;
	return 0;
}

int log_out_reopen(struct log_out *o)
{
	char *path;
	int r, saved;

	if (!o->open || (o->sink != LOG_TO_FILE && o->sink != LOG_TO_SYSLOG))
		return 0;
	path = o->path ? mem_dupz(o->path) : NULL;
	/* on failure the old file goes on: a line in the wrong file is better than none */
	r = log_out_open(o, o->sink, path);
	saved = errno;
	mem_free(path);
	errno = saved;
	return r;
}

static void disconnect(struct log_out *o)
{
	if (o->own && o->fd >= 0)
		close(o->fd);
	o->fd = -1;
	o->sent = 0;
}

void log_out_close(struct log_out *o)
{
	disconnect(o);
	mem_free(o->path);
	o->path = NULL;
	o->open = false;
}

bool log_out_is_syslog(const struct log_out *o)
{
	return o->sink == LOG_TO_SYSLOG;
}

/* --- writing ----------------------------------------------------------------------------------------------------------------- */

static ssize_t put(const struct log_out *o, const char *p, size_t n)
{
	struct pollfd pfd = { .fd = o->fd, .events = POLLOUT };

	if (o->way == LOG_WAY_SOCKET || o->way == LOG_WAY_STREAM)
		return send(o->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (o->way == LOG_WAY_PIECES) {
		if (poll(&pfd, 1, 0) <= 0) {
			errno = EAGAIN;
			return -1;
		}
		n = n < PIPE_BUF ? n : PIPE_BUF;
	}
	return write(o->fd, p, n);
}

static unsigned long count_lines(struct str s)
{
	unsigned long n = 0;
	struct str line;

	while (str_cut(&s, '\n', &line))
		n++;
	return n;
}

/* taken - n bytes are gone. A stream may break, and then begins with a whole record: those that are gone whole are forgotten only */
static void taken(struct log_out *o, size_t n)
{
	ptrdiff_t end;

	if (o->way != LOG_WAY_STREAM) {
		buf_consume(&o->out, n);
		return;
	}
	o->away = 0;
	o->told = false;
	o->sent += n;
	end = str_rchr(str_head(buf_view(&o->out), o->sent), '\n') + 1;
	o->sent -= (size_t)end;
	buf_consume(&o->out, (size_t)end);
}

/* is_connected - the stream, connected again when its time has come. Who is told what is lost also tells that it is away */
static bool is_connected(struct log_out *o)
{
	struct log_out next = *o;
	struct log_place p;
	usec now;

	if (o->fd >= 0)
		return true;
	now = clock_mono();
	if (now < o->again || !log_place_parse(o->path ? o->path : "syslog", &p))
		return false;
	o->again = now + LIMIT_LOG_AGAIN;
	o->fd = log_open_place(&p, &next);
	o->away = o->fd < 0 ? errno : o->away;
	return o->fd >= 0;
}

/* gone - a full disk or a reader that is gone: what waits has nowhere to go, but for a stream that may be connected again */
static void gone(struct log_out *o)
{
	if (o->way == LOG_WAY_STREAM) {
		o->away = errno;
		disconnect(o);
		if (o->again < clock_mono())
			o->again = clock_mono() + LIMIT_LOG_AGAIN;
		return;
	}
	o->lost += count_lines(buf_view(&o->out));
	buf_clear(&o->out);
}

void log_out_flush(struct log_out *o)
{
	while (o->open && o->out.n && is_connected(o)) {
		ssize_t done = put(o, o->out.p + o->sent, o->out.n - o->sent);

		if (done >= 0)
			taken(o, (size_t)done);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			gone(o);
	}
}

void log_out_finish(struct log_out *o)
{
	usec end = clock_mono() + LIMIT_LOG_FINISH;

	for (log_out_flush(o); o->open && o->out.n && o->fd >= 0; log_out_flush(o)) {
		struct pollfd pfd = { .fd = o->fd, .events = POLLOUT };
		usec now = clock_mono();

		if (now >= end || poll(&pfd, 1, (int)((end - now) / USEC_PER_MSEC + 1)) <= 0)
			break;
	}
}

static void datagram(struct log_out *o, struct str line)
{
	struct iovec v = { (void *)(uintptr_t)line.p, line.n };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	if (o->fd >= 0 && sendmsg(o->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return;
	/* the syslog daemon was restarted: one new try */
	if (o->fd < 0 || errno == ECONNREFUSED || errno == ENOTCONN || errno == ECONNRESET) {
		(void)log_out_reopen(o);
		if (o->fd >= 0 && sendmsg(o->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return;
	}
	o->lost++;
}

void log_out_line(struct log_out *o, struct str line)
{
	size_t whole = line.n + 24;    /* with its length, the space and the newline */

	if (o->sink == LOG_TO_NOTHING)
		return;
	if (o->way == LOG_WAY_DATAGRAM) {
		datagram(o, line);
		return;
	}
	if (o->out.max - o->out.n < whole)
		log_out_flush(o);
	if (o->out.max - o->out.n < whole) {
		o->lost++;
		return;
	}
	if (o->framed)
		buf_printf(&o->out, "%zu ", line.n + 1);
	buf_str(&o->out, line);
	buf_byte(&o->out, '\n');
}

unsigned long log_out_take_lost(struct log_out *o)
{
	unsigned long n = o->lost;

	if (o->out.n > o->out.max / 2)
		return 0;
	o->lost = 0;
	return n;
}

int log_out_take_away(struct log_out *o)
{
	if (!o->away || o->told)
		return 0;
	o->told = true;
	return o->away;
}
