/* listener - see listener.h. accept takes what waits, a bounded number a tick, so that a flood of connections cannot starve
 * the sessions that are there. Out of descriptors it rests for a second instead of spinning (threats I4). */
#include "core/relay/listener.h"

#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/relay/health.h"
#include "core/relay/session.h"

#define BACKLOG 4096
#define ACCEPTS_PER_TICK 64
/* without any configuration: where nothing but root may use the first, the second */
#define DEFAULT_PORT 25
#define FALLBACK_PORT 2525

struct listener {
	struct list link;
	struct loop_io io;
	struct loop_timer rest;
	struct relay *relay;
	const struct service *service;
	struct sockaddr_storage address;
	socklen_t address_len;
	bool wanted;                   /* by the settings in force */
};

static void turn_away(int fd, const struct service *v)
{
	char text[300];
	int n = snprintf(text, sizeof text, "421 4.3.2 %s Error: too many connections, try again later\r\n", v->smtp.hostname);
	if (n > 0 && n < (int)sizeof text)
		(void)!send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static int64_t peer_uid(int fd)
{
	struct ucred u;
	socklen_t n = sizeof u;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) == 0 ? (int64_t)u.uid : -1;
}

static void on_accept(struct loop_io *io, uint32_t events)
{
	struct listener *l = LIST_ITEM(io, struct listener, io);
	struct relay *r = l->relay;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TICK; i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
				log_warn("smtpd", "accept: %s: resting for a second", strerror(errno));
				loop_io_set(r->loop, io, 0);
				loop_timer_set(r->loop, &l->rest, loop_now(r->loop) + USEC_PER_SEC);
			}
			return;
		}
		if (l->service->http) {
			health_open(r, fd);
			continue;
		}
		if (r->n_sessions >= r->max_sessions) {
			turn_away(fd, l->service);
			continue;
		}
		bool local = l->address.ss_family == AF_UNIX;
		int64_t uid = local ? peer_uid(fd) : -1;
		if (local && uid < 0)
			close(fd);
		else
			session_open(r, l->service, fd, uid);
	}
}

static void on_rested(struct loop_timer *t)
{
	struct listener *l = LIST_ITEM(t, struct listener, rest);
	loop_io_set(l->relay->loop, &l->io, EPOLLIN);
}

static void listener_close(struct listener *l)
{
	loop_timer_cancel(l->relay->loop, &l->rest);
	loop_io_remove(l->relay->loop, &l->io);
	close(l->io.fd);
	list_remove(&l->link);
	mem_free(l);
}

static struct listener *find(struct relay *r, const struct sockaddr *sa, socklen_t n)
{
	LIST_EACH(&r->listeners, it, tmp) {
		struct listener *l = LIST_ITEM(it, struct listener, link);
		if (l->address_len == n && memcmp(&l->address, sa, n) == 0)
			return l;
	}
	return NULL;
}

static int open_socket(const struct sockaddr *sa, socklen_t n)
{
	int on = 1;
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	/* what is accepted inherits it; a local socket has no such thing and says so */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (sa->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, sa, n) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int listener_open(struct relay *r, const struct service *v, const struct sockaddr *sa, socklen_t n)
{
	struct listener *l = find(r, sa, n);
	if (l) {
		l->service = v;
		l->wanted = true;
		return 0;
	}
	int fd = open_socket(sa, n);
	if (fd < 0)
		return -1;
	l = MEM_NEW(struct listener);
	l->relay = r;
	l->service = v;
	l->wanted = true;
	memcpy(&l->address, sa, n);
	l->address_len = n;
	l->io = (struct loop_io){.fd = fd, .on_ready = on_accept};
	loop_timer_init(&l->rest, on_rested);
	list_append(&r->listeners, &l->link);
	return loop_io_add(r->loop, &l->io, EPOLLIN);
}

/* open_port - one host text and port: every address it means, by inet_protocols */
static int open_port(struct relay *r, const struct service *v, const char *host_text, unsigned port_number)
{
	const char *host = host_text;
	char port[8];
	int family = v->conf->inet_protocols == CONF_INET_IPV4 ? AF_INET : v->conf->inet_protocols == CONF_INET_IPV6 ? AF_INET6 : AF_UNSPEC;
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list, *a;
	struct str h = str_of(host);
	bool all = str_ieq(h, STR("all")), any = false;
	int error = 0;
	if (str_ieq(h, STR("localhost")) || str_ieq(h, STR("loopback-only")))
		host = NULL, hints.ai_flags &= ~AI_PASSIVE;
	char bare[256];
	if (h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']') {
		snprintf(bare, sizeof bare, "%.*s", (int)(h.n - 2), h.p + 1);
		host = bare;
	}
	snprintf(port, sizeof port, "%u", port_number);
	int gai = getaddrinfo(all ? NULL : host, port, &hints, &list);
	if (gai != 0) {
		log_error("master", "inet_interfaces: %s: %s", host ? host : "localhost", gai_strerror(gai));
		return -1;
	}
	for (a = list; a; a = a->ai_next) {
		if (listener_open(r, v, a->ai_addr, a->ai_addrlen) == 0) {
			any = true;
			continue;
		}
		/* a host without IPv6 (or without IPv4) still serves the other family */
		if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
			error = errno;
	}
	freeaddrinfo(list);
	if (error == EACCES && !v->conf->configured && port_number == DEFAULT_PORT)
		return open_port(r, v, host_text, FALLBACK_PORT);
	if (error || !any) {
		log_error("master", "bind %s port %u: %s", all ? "all interfaces" : host ? host : "localhost", port_number,
			strerror(error ? error : EADDRNOTAVAIL));
		return -1;
	}
	return 0;
}

int listener_open_all(struct relay *r)
{
	int result = 0;
	LIST_EACH(&r->listeners, it, tmp) {
		struct listener *l = LIST_ITEM(it, struct listener, link);
		l->wanted = l->address.ss_family == AF_UNIX;
		if (l->wanted)
			l->service = &r->settings->submit;
	}
	for (size_t i = 0; i < r->settings->n_services; i++) {
		const struct service *v = &r->settings->services[i];
		struct str rest = str_of(*v->host ? v->host : v->conf->inet_interfaces), one;
		while (str_word(&rest, ", \t\r\n", &one)) {
			char host[256];
			snprintf(host, sizeof host, "%.*s", STR_ARG(one));
			if (open_port(r, v, host, v->port) != 0)
				result = -1;
		}
	}
	LIST_EACH(&r->listeners, it2, tmp2) {
		struct listener *l = LIST_ITEM(it2, struct listener, link);
		if (!l->wanted)
			listener_close(l);
	}
	return result;
}

int listener_open_submit(struct relay *r)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = "submit"};
	/* the spool is locked: whoever left this name is gone */
	if (unlink(sa.sun_path) != 0 && errno != ENOENT)
		return -1;
	if (listener_open(r, &r->settings->submit, (struct sockaddr *)&sa, sizeof sa) != 0)
		return -1;
	return fs_chmod(sa.sun_path, 0666);
}

void listener_close_all(struct relay *r)
{
	LIST_EACH(&r->listeners, it, tmp)
		listener_close(LIST_ITEM(it, struct listener, link));
}
