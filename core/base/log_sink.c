/* log_sink - see log_sink.h.
 *
 * A pipe or terminal is opened again through /proc, when that is allowed, to have O_NONBLOCK on a description of our
 * own: setting it on the inherited one would change it for every process that shares it. Where that fails the bytes go
 * in pieces of PIPE_BUF, each after poll said that there is room, which a pipe takes without blocking. */
#include "core/base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"

enum { SYSLOG_MAIL = 2 << 3 };
enum way { WAY_WHOLE, WAY_PIECES, WAY_SOCKET };

static struct {
	bool open;
	enum log_sink sink;
	enum way way;
	int fd;
	bool own;           /* fd is ours to close */
	char *path;
	struct buf out;
	unsigned long lost;
} sink = { .fd = -1, .out = { .max = LIMIT_LOG_BUFFER } };

static int open_syslog(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int (*log_opener)(void *ctx);
static void *log_opener_ctx;

static int open_file(const char *path)
{
	int fd = fs_open_guarded(path, O_WRONLY | O_APPEND | O_CREAT, 0640);

	/* after root was given up a renamed file can only be made anew by the side that may */
	if (fd < 0 && log_opener && (errno == EACCES || errno == EPERM))
		fd = log_opener(log_opener_ctx);
	return fd;
}

void log_set_opener(int (*opener)(void *ctx), void *ctx)
{
	log_opener = opener;
	log_opener_ctx = ctx;
}

/* open_standard - the descriptor to use for stdout or stderr, and how to write to it */
static int open_standard(int std, enum way *way, bool *own)
{
	struct stat st;
	char name[32];
	int fd;

	*own = false;
	*way = WAY_WHOLE;
	if (fstat(std, &st) < 0)
		return -1;
	if (S_ISREG(st.st_mode))
		return std;
	if (S_ISSOCK(st.st_mode)) {
		*way = WAY_SOCKET;
		return std;
	}
	snprintf(name, sizeof(name), "/proc/self/fd/%d", std);
	fd = open(name, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	*own = fd >= 0;
	if (fd >= 0)
		return fd;
	*way = WAY_PIECES;
	return std;
}

static int open_kind(enum log_sink kind, const char *path, enum way *way, bool *own)
{
	*way = WAY_WHOLE;
	*own = true;
	switch (kind) {
	case LOG_TO_STDERR:
		return open_standard(STDERR_FILENO, way, own);
	case LOG_TO_STDOUT:
		return open_standard(STDOUT_FILENO, way, own);
	case LOG_TO_FILE:
		return open_file(path);
	case LOG_TO_SYSLOG:
		return open_syslog();
	case LOG_TO_NOTHING:
		*own = false;
		return INT_MAX;
	}
	errno = EINVAL;
	return -1;
}

int log_sink_open(enum log_sink kind, const char *path)
{
	char *copy = path ? mem_dupz(path) : NULL;
	enum way way;
	bool own;
	int fd = open_kind(kind, path, &way, &own);

	if (fd < 0) {
		int saved = errno;

		mem_free(copy);
		errno = saved;
		return -1;
	}
	log_sink_flush();
	if (sink.own && sink.fd >= 0)
		close(sink.fd);
	mem_free(sink.path);
	sink.open = true;
	sink.sink = kind;
	sink.way = way;
	sink.fd = fd;
	sink.own = own;
	sink.path = copy;
	return 0;
}

int log_sink_reopen(void)
{
	char *path;
	int r, saved;

	if (!sink.open || (sink.sink != LOG_TO_FILE && sink.sink != LOG_TO_SYSLOG))
		return 0;
	path = sink.path ? mem_dupz(sink.path) : NULL;
	/* on failure the old file goes on: a line in the wrong file is better than none */
	r = log_sink_open(sink.sink, path);
	saved = errno;
	mem_free(path);
	errno = saved;
	return r;
}

bool log_sink_is_open(void)
{
	return sink.open;
}

bool log_sink_is_syslog(void)
{
	return sink.sink == LOG_TO_SYSLOG;
}

static ssize_t put(const char *p, size_t n)
{
	struct pollfd pfd = { .fd = sink.fd, .events = POLLOUT };

	if (sink.way == WAY_SOCKET)
		return send(sink.fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sink.way == WAY_PIECES) {
		if (poll(&pfd, 1, 0) <= 0) {
			errno = EAGAIN;
			return -1;
		}
		n = n < PIPE_BUF ? n : PIPE_BUF;
	}
	return write(sink.fd, p, n);
}

static unsigned long count_lines(struct str s)
{
	unsigned long n = 0;
	struct str line;

	while (str_cut(&s, '\n', &line))
		n++;
	return n;
}

void log_sink_flush(void)
{
	while (sink.open && sink.out.n) {
		ssize_t done = put(sink.out.p, sink.out.n);

		if (done >= 0) {
			buf_consume(&sink.out, (size_t)done);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return;
		/* a full disk or a reader that is gone: these lines have nowhere to go */
		sink.lost += count_lines(buf_view(&sink.out));
		buf_clear(&sink.out);
	}
}

static void syslog_line(struct str line, enum log_severity sev)
{
	static const int priority[] = { 6, 4, 3, 2, 2 };
	char head[16];
	int n = snprintf(head, sizeof(head), "<%d>", SYSLOG_MAIL | priority[sev]);
	struct iovec v[2] = { { head, (size_t)n }, { (void *)(uintptr_t)line.p, line.n } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

	if (sendmsg(sink.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return;
	/* the syslog daemon was restarted: one new try */
	if (errno == ECONNREFUSED || errno == ENOTCONN || errno == ECONNRESET) {
		(void)log_sink_reopen();
		if (sendmsg(sink.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return;
	}
	sink.lost++;
}

void log_sink_line(struct str line, enum log_severity sev)
{
	if (sink.sink == LOG_TO_NOTHING)
		return;
	if (log_sink_is_syslog()) {
		syslog_line(line, sev);
		return;
	}
	if (sink.out.max - sink.out.n < line.n + 1)
		log_sink_flush();
	if (sink.out.max - sink.out.n < line.n + 1) {
		sink.lost++;
		return;
	}
	buf_str(&sink.out, line);
	buf_byte(&sink.out, '\n');
}

unsigned long log_sink_take_lost(void)
{
	unsigned long n = sink.lost;

	if (sink.out.n > sink.out.max / 2)
		return 0;
	sink.lost = 0;
	return n;
}
