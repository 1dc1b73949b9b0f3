/* fdpass.c - the control-message bookkeeping of SCM_RIGHTS, once.
 *
 * Promise: no descriptor that arrives is ever lost (leaked) or kept without being handed to the caller. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/net/fdpass.h"

/* room for a few more than the one that is wanted, so that a peer's extra ones can be closed by us */
enum { ROOM_FDS = 8 };
union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * ROOM_FDS)];
};

int fdpass_send(int sock, int fd, const void *bytes, size_t n)
{
	union control control = { 0 };
	union { const void *from; void *to; } unconst = { .from = bytes };
	struct iovec iov = { .iov_base = unconst.to, .iov_len = n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (n == 0) {
		errno = EINVAL;
		return -1;
	}
	if (fd >= 0) {
		struct cmsghdr *h;

		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(sizeof(int));
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	}
	do
		sent = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -1;
	if ((size_t)sent != n) {
		errno = EMSGSIZE;
		return -1;
	}
	return 0;
}

/* next_control - CMSG_NXTHDR without the comparison of signs that musl's has */
static struct cmsghdr *next_control(const struct msghdr *m, struct cmsghdr *h)
{
	size_t step = CMSG_ALIGN(h->cmsg_len), left = (size_t)((char *)m->msg_control + m->msg_controllen - (char *)h);

	if (h->cmsg_len < sizeof(*h) || left < sizeof(*h) || step > left - sizeof(*h))
		return NULL;
	return (struct cmsghdr *)(void *)((char *)h + step);
}

/* take the first descriptor of the message, close all others; how many there were */
static size_t collect(struct msghdr *m, int *fd)
{
	size_t count = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = next_control(m, h)) {
		size_t here;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		here = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++) {
			int got;

			memcpy(&got, CMSG_DATA(h) + i * sizeof(int), sizeof(got));
			if (count++ == 0)
				*fd = got;
			else
				close(got);
		}
	}
	return count;
}

ptrdiff_t fdpass_recv(int sock, int *fd, void *bytes, size_t n)
{
	union control control = { 0 };
	struct iovec iov = { .iov_base = bytes, .iov_len = n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t got;

	*fd = -1;
	do
		got = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -1;
	if (collect(&m, fd) > 1 || (m.msg_flags & MSG_CTRUNC)) {
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		errno = EPROTO;
		return -1;
	}
	return got;
}
