/* log_open - the descriptors of log_sink.h: files, standard output, syslog's sockets.
 *
 * A pipe or terminal is opened again through /proc, when that is allowed, to have O_NONBLOCK on a description of our
 * own: setting it on the inherited one would change it for every process that shares it. Where that fails the bytes go
 * in pieces of PIPE_BUF, each after poll said that there is room, which a pipe takes without blocking. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/ipaddr.h"
#include "core/base/log_open.h"

/* --- names --------------------------------------------------------------------------------------------------------------- */

/* address_of - "ADDRESS:PORT", an IPv6 address in brackets. No host name: who logs cannot wait for a resolver */
static bool address_of(struct str s, struct ipaddr *address, uint16_t *port)
{
	ptrdiff_t colon = str_rchr(s, ':');
	uint64_t n;

	if (colon <= 0 || !str_to_u64(str_from(s, (size_t)colon + 1), &n) || n < 1 || n > 65535)
		return false;
	s = str_head(s, (size_t)colon);
	*port = (uint16_t)n;
	return (str_chr(s, ':') < 0 || s.p[0] == '[') && ipaddr_parse(s, address);
}

bool log_place_parse(const char *name, struct log_place *p)
{
	struct str s = str_of(name);

	*p = (struct log_place){ .sink = LOG_TO_FILE, .path = name };
	if (str_eq(s, STR("/dev/stdout")) || str_eq(s, STR("/dev/stderr"))) {
		p->sink = s.p[s.n - 1] == 't' ? LOG_TO_STDOUT : LOG_TO_STDERR;
		return true;
	}
	if (s.n && s.p[0] == '/')
		return true;
	p->sink = LOG_TO_SYSLOG;
	p->path = "/dev/log";
	if (str_eq(s, STR("syslog")))
		return true;
	if (str_starts(s, STR("syslog:unix:/"))) {
		p->path = name + sizeof("syslog:unix:") - 1;
		return strlen(p->path) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
	}
	p->path = name;
	p->tcp = str_starts(s, STR("syslog:tcp:"));
	return (p->tcp || str_starts(s, STR("syslog:udp:"))) && address_of(str_from(s, sizeof("syslog:tcp:") - 1), &p->address, &p->port);
}

/* --- syslog ---------------------------------------------------------------------------------------------------------------- */

static int connect_to(int kind, const struct sockaddr *a, socklen_t n)
{
	int fd = socket(a->sa_family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), saved;

	if (fd < 0 || connect(fd, a, n) == 0 || errno == EINPROGRESS)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int open_syslog(const struct log_place *p, struct log_out *o)
{
	struct sockaddr_un here = { .sun_family = AF_UNIX };
	struct sockaddr_storage there;
	socklen_t n;
	int fd;

	o->way = LOG_WAY_DATAGRAM;
	if (p->port) {
		o->remote = true;
		o->framed = p->tcp;
		o->way = p->tcp ? LOG_WAY_STREAM : LOG_WAY_DATAGRAM;
		n = ipaddr_to_sockaddr(&p->address, p->port, &there);
		return connect_to(p->tcp ? SOCK_STREAM : SOCK_DGRAM, (struct sockaddr *)&there, n);
	}
	bytes_copy(here.sun_path, p->path, strlen(p->path));
	fd = connect_to(SOCK_DGRAM, (struct sockaddr *)&here, sizeof(here));
	if (fd < 0 && errno == EPROTOTYPE) {
		o->way = LOG_WAY_STREAM;
		fd = connect_to(SOCK_STREAM, (struct sockaddr *)&here, sizeof(here));
	}
	return fd;
}

/* --- files ----------------------------------------------------------------------------------------------------------------- */

static int (*log_opener)(void *ctx, const char *path);
static void *log_opener_ctx;

static int open_file(const char *path)
{
	int fd = fs_open_guarded(path, O_WRONLY | O_APPEND | O_CREAT, 0640);

	/* after root was given up a renamed file can only be made anew by the side that may */
	if (fd < 0 && log_opener && (errno == EACCES || errno == EPERM))
		fd = log_opener(log_opener_ctx, path);
	return fd;
}

void log_set_opener(int (*opener)(void *ctx, const char *path), void *ctx)
{
	log_opener = opener;
	log_opener_ctx = ctx;
}

/* open_standard - the descriptor to use for stdout or stderr, and how to write to it */
static int open_standard(int std, struct log_out *o)
{
	struct stat st;
	char name[32];
	int fd;

	o->own = false;
	if (fstat(std, &st) < 0)
		return -1;
	if (S_ISREG(st.st_mode))
		return std;
	if (S_ISSOCK(st.st_mode)) {
		o->way = LOG_WAY_SOCKET;
		return std;
	}
	snprintf(name, sizeof(name), "/proc/self/fd/%d", std);
	fd = open(name, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	o->own = fd >= 0;
	if (fd >= 0)
		return fd;
	o->way = LOG_WAY_PIECES;
	return std;
}

int log_open_place(const struct log_place *p, struct log_out *o)
{
	o->way = LOG_WAY_WHOLE;
	o->own = true;
	o->remote = o->framed = false;
	switch (p->sink) {
	case LOG_TO_STDERR:
		return open_standard(STDERR_FILENO, o);
	case LOG_TO_STDOUT:
		return open_standard(STDOUT_FILENO, o);
	case LOG_TO_FILE:
		return open_file(p->path);
	case LOG_TO_SYSLOG:
		return open_syslog(p, o);
	case LOG_TO_NOTHING:
		o->own = false;
		return INT_MAX;
	}
	errno = EINVAL;
	return -1;
}
