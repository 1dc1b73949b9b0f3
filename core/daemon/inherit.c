/* inherit - see inherit.h. The descriptors stay open as long as we run, so that a reload may leave a service and come back to it. */
#include "core/daemon/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "core/base/env.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/daemon/notify.h"

#define FIRST 3                                /* sd_listen_fds(3) */

size_t inherit_announced(void)
{
	const char *count = env_get("LISTEN_FDS"), *who = env_get("LISTEN_PID");
	uint64_t n, pid;

	/* of an earlier program, which did not take the variables away */
	if (!count || !who || !str_to_u64(str_of(count), &n) || !str_to_u64(str_of(who), &pid) || pid != (uint64_t)getpid())
		return 0;
	return n > LIMIT_INHERITED ? LIMIT_INHERITED + 1 : (size_t)n;
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t n = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &n) == 0 ? value : -1;
}

static bool listens_for_tcp(int fd)
{
	int family = option(fd, SO_DOMAIN);

	return (family == AF_INET || family == AF_INET6) && option(fd, SO_TYPE) == SOCK_STREAM && option(fd, SO_ACCEPTCONN) == 1;
}

int inherit_add(struct inherited *in, int fd, bool supervised, struct str name)
{
	struct inherited_socket *one;
	int on = 1;

	if (in->n == LIMIT_INHERITED || !listens_for_tcp(fd)) {
		log_error("master", "%s socket %d \"%.*s\": %s", supervised ? "LISTEN_FDS:" : "takeover:", fd, STR_ARG(str_head(name, 64)),
			in->n == LIMIT_INHERITED ? "too many" : "it does not listen for TCP connections");
		close(fd);
		return -1;
	}
	in->v = mem_array(in->v, in->n + 1, sizeof(*in->v));
	one = &in->v[in->n];
	*one = (struct inherited_socket){ .fd = fd, .supervised = supervised, .length = sizeof(one->address) };
	bytes_copy(one->name, name.p, name.n < sizeof(one->name) ? name.n : sizeof(one->name) - 1);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	getsockname(fd, (struct sockaddr *)&one->address, &one->length);
	in->n++;
	return 0;
}

void inherit_forget(size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(FIRST + (int)i);
}

int inherit_take(struct inherited *in, size_t n)
{
	const char *text = env_get("LISTEN_FDNAMES");
	struct str names = str_of(text ? text : ""), name;
	int r = 0;

	if (n > LIMIT_INHERITED) {
		log_error("master", "LISTEN_FDS: more than %d sockets", LIMIT_INHERITED);
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		name = STR_EMPTY;
		str_cut(&names, ':', &name);
		r |= inherit_add(in, FIRST + (int)i, !str_eq(name, STR(NOTIFY_KEPT)), name);
	}
	return r;
}

void inherit_close(struct inherited *in)
{
	size_t kept = 0;

	for (size_t i = 0; i < in->n; i++)
		if (in->v[i].supervised)
			in->v[kept++] = in->v[i];
		else
			close(in->v[i].fd);
	in->n = kept;
}

static const struct inherited_socket *at(const struct inherited *in, bool supervised, const struct sockaddr *sa, socklen_t n)
{
	for (size_t i = 0; i < in->n; i++)
		if (in->v[i].supervised == supervised && in->v[i].length == n && memcmp(&in->v[i].address, sa, n) == 0)
			return &in->v[i];
	return NULL;
}

int inherit_find(const struct inherited *in, const struct sockaddr *sa, socklen_t n)
{
	const struct inherited_socket *one = at(in, false, sa, n);

	return one ? fcntl(one->fd, F_DUPFD_CLOEXEC, FIRST) : -1;
}

bool inherit_has(const struct inherited *in, const struct sockaddr *sa, socklen_t n)
{
	return at(in, true, sa, n) != NULL;
}

static uint16_t port_of(const struct inherited_socket *one)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memcpy(&v4, &one->address, sizeof(v4));
	memcpy(&v6, &one->address, sizeof(v6));
	return ntohs(one->address.ss_family == AF_INET ? v4.sin_port : v6.sin6_port);
}

const struct service *inherit_service(const struct inherited_socket *one, const struct settings *s)
{
	const struct service *by_port = NULL;

	for (size_t i = 0; i < s->n_services; i++) {
		const struct service *v = &s->services[i];

		if (str_eq(str_of(v->name), str_of(one->name)))
			return v;
		if (!by_port && v->port == port_of(one))
			by_port = v;
	}
	return by_port;
}

bool inherit_covers(const struct inherited *in, const struct settings *s, const struct service *v)
{
	for (size_t i = 0; i < in->n; i++)
		if (in->v[i].supervised && inherit_service(&in->v[i], s) == v)
			return true;
	return false;
}
