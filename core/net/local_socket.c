/* local_socket - see local_socket.h. */
#include "core/net/local_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/fs.h"

static int close_keeping_errno(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return -1;
}

/* socket_path - the name as connect(2) takes it: a long path goes through the descriptor of its folder */
static int socket_path(const char *queue_directory, const char *name, char *out, size_t size, int *folder)
{
	*folder = -1;
	if (snprintf(out, size, "%s/%s", queue_directory, name) < (int)size)
		return 0;
	*folder = fs_open(queue_directory, O_PATH | O_DIRECTORY, 0);
	if (*folder < 0)
		return -1;
	snprintf(out, size, "/proc/self/fd/%d/%s", *folder, name);
	return 0;
}

int local_connect(const char *queue_directory, const char *name)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int folder, fd, r;

	if (socket_path(queue_directory, name, to.sun_path, sizeof(to.sun_path), &folder) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	do
		r = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&to, sizeof(to));
	while (r < 0 && errno == EINTR);
	if (folder >= 0)
		close_keeping_errno(folder);
	return r == 0 ? fd : fd < 0 ? -1 : close_keeping_errno(fd);
}

int64_t local_peer(int fd)
{
	struct ucred u;
	socklen_t n = sizeof(u);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) == 0 ? (int64_t)u.uid : -1;
}

/* wait_for - until the descriptor is ready or the deadline is past */
static int wait_for(int fd, short events, usec deadline)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		usec left = deadline - clock_mono();
		int r = left <= 0 ? 0 : poll(&p, 1, left > 3600 * USEC_PER_SEC ? 3600000 : (int)(left / USEC_PER_MSEC) + 1);

		if (r > 0)
			return 0;
		if (r == 0)
			errno = ETIMEDOUT;
		if (r == 0 || errno != EINTR)
			return -1;
	}
}

int local_send(int fd, const void *p, size_t n, usec deadline)
{
	const char *at = p;

	while (n) {
		ssize_t done = send(fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (done < 0 && errno == EAGAIN) {
			if (wait_for(fd, POLLOUT, deadline) < 0)
				return -1;
			continue;
		}
		if (done < 0 && errno != EINTR)
			return -1;
		if (done > 0) {
			at += done;
			n -= (size_t)done;
		}
	}
	return 0;
}

ssize_t local_receive(int fd, void *p, size_t n, usec deadline)
{
	for (;;) {
		ssize_t got = recv(fd, p, n, MSG_DONTWAIT);

		if (got >= 0 || (errno != EAGAIN && errno != EINTR))
			return got;
		if (wait_for(fd, POLLIN, deadline) < 0)
			return -1;
	}
}
