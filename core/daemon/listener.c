/* listener - see listener.h. What is accepted goes to admission.c, which knows whether there is a place for it. */
#include "core/daemon/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/net/acceptor.h"
#include "core/net/dns.h"
#include "core/net/dns_files.h"
#include "core/net/fdpass.h"
#include "core/daemon/admission.h"
#include "core/daemon/inherit.h"

#define BACKLOG 4096
/* without any configuration: where nothing but root may use the first, the second */
#define DEFAULT_PORT 25
#define FALLBACK_PORT 2525

struct listener {
	struct list link;
	struct acceptor acceptor;
	struct relay *relay;
	const struct service *service;
	struct sockaddr_storage address;
	socklen_t address_len;
	const struct service *next;    /* by the settings that are about to come into force; NULL: not wanted */
	bool fresh;                    /* opened for them */
};

static void on_accepted(struct acceptor *a, int fd)
{
	struct listener *l = LIST_ITEM(a, struct listener, acceptor);

	admission_take(l->relay, l->service, fd, l->address.ss_family == AF_UNIX);
}

static void listener_close(struct listener *l)
{
	acceptor_close(&l->acceptor);
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
	int error;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* what is accepted inherits it; a local socket has no such thing and says so */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (sa->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, sa, n) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* listener_add - fd is taken over */
static int listener_add(struct relay *r, const struct service *v, const struct sockaddr *sa, socklen_t n, int fd)
{
	struct listener *l;

	if (fd < 0)
		return -1;
	l = MEM_NEW(struct listener);
	l->relay = r;
	l->service = l->next = v;
	l->fresh = true;
	memcpy(&l->address, sa, n);
	l->address_len = n;
	list_append(&r->listeners, &l->link);
	return acceptor_open(&l->acceptor, r->loop, fd, "smtpd", on_accepted);
}

static int listener_open(struct relay *r, const struct service *v, const struct sockaddr *sa, socklen_t n)
{
	struct listener *l = find(r, sa, n);
	int fd;

	if (l) {
		l->next = v;
		return 0;
	}
	fd = inherit_find(r->inherited, sa, n);
	return listener_add(r, v, sa, n, fd >= 0 ? fd : open_socket(sa, n));
}

/* --- what a host text means ---------------------------------------------------------------------------------------- */

struct addresses {
	struct ipaddr v[LIMIT_DNS_RECORDS];
	size_t n;
	unsigned scope;                /* fe80::1%eth0 */
	bool done;
	char why[160];
};

static void add_address(struct addresses *a, int families, const struct ipaddr *one)
{
	if (families & (one->family == AF_INET ? 1 : 2))
		a->v[a->n++] = *one;
}

static void on_found(void *ctx, const struct dns_addresses *found)
{
	struct addresses *a = ctx;

	a->done = true;
	for (size_t i = 0; i < found->n; i++)
		a->v[a->n++] = found->v[i];
	snprintf(a->why, sizeof(a->why), "%s", found->why);
}

/* look_up - a name in inet_interfaces: the daemon waits for it, because it cannot serve before */
static void look_up(struct addresses *a, struct str host, int families)
{
	struct loop *loop = loop_new();
	struct dns *dns = loop ? dns_new(loop, &(struct dns_options){ 0 }) : NULL;

	if (dns) {
		dns_lookup_host(dns, host, families, DNS_NATIVE, on_found, a);
		while (!a->done && loop_tick(loop, USEC_PER_SEC) == 0)
			;
		dns_free(dns);
	}
	if (loop)
		loop_free(loop);
}

static void find_addresses(struct addresses *a, struct str host, int families)
{
	ptrdiff_t percent;

	static const struct { const char *word; struct ipaddr v[2]; } words[] = {
		{ "all", { { .family = AF_INET }, { .family = AF_INET6 } } },
		{"localhost", {{AF_INET, {127, 0, 0, 1}}, {AF_INET6, {[15] = 1}}}},
		{"loopback-only", {{AF_INET, {127, 0, 0, 1}}, {AF_INET6, {[15] = 1}}}},
	};
	struct ipaddr one;

	*a = (struct addresses){ .why = "no address of inet_protocols" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (int k = 0; k < 2 && str_ieq(host, str_of(words[i].word)); k++)
			add_address(a, families, &words[i].v[k]);
	if (a->n)
		return;
	if (str_starts(host, STR("[")) && str_ends(host, STR("]")))
		host = str_make(host.p + 1, host.n - 2);
	percent = str_chr(host, '%');
	if (ipaddr_parse(percent < 0 ? host : str_head(host, (size_t)percent), &one)) {
		add_address(a, families, &one);
		if (percent >= 0)
			a->scope = dns_scope_id(str_from(host, (size_t)percent + 1));
	} else {
		look_up(a, host, families);
	}
}

enum opened { OPENED, IN_USE, FAILED };

/* open_port - one host text and port: every address it means, by inet_protocols. IN_USE is only logged when it is the last word */
static const char *bind_advice(const struct relay *r, int error)
{
	if (error == EADDRINUSE)
		return ": another program listens there: end that one, or name another port (smtpd_listen, or master.cf)";
	if (error != EACCES)
		return "";
	return r->schedule ? ": such a port needs a restart" : ": a port below 1024 is root's: start as root, or name another (smtpd_listen, or master.cf)";
}

static enum opened open_port(struct relay *r, const struct service *v, const char *host, unsigned port, bool last)
{
	int protocols = v->conf->inet_protocols, families = protocols == CONF_INET_IPV4 ? 1 : protocols == CONF_INET_IPV6 ? 2 : 3;
	struct addresses a;
	bool any = false;
	int error = 0;

	find_addresses(&a, str_of(host), families);
	if (!a.n) {
		log_error("master", "inet_interfaces: %s: %s", host, a.why);
		return FAILED;
	}
	for (size_t i = 0; i < a.n; i++) {
		struct sockaddr_storage sa;
		socklen_t n = ipaddr_to_sockaddr(&a.v[i], (uint16_t)port, &sa);

		if (a.scope && sa.ss_family == AF_INET6)
			((struct sockaddr_in6 *)&sa)->sin6_scope_id = a.scope;
		if (listener_open(r, v, (struct sockaddr *)&sa, n) == 0) {
			any = true;
			continue;
		}
		/* a host without IPv6 (or without IPv4) still serves the other family */
		if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
			error = errno;
	}
	/* nobody asked for this port: RELAYHOST in the environment is enough for any user */
	if (error == EACCES && port == DEFAULT_PORT && !v->settings->conf->has_file && !conf_is_set(v->conf, "smtpd_listen"))
		return open_port(r, v, host, FALLBACK_PORT, last);
	if (!error && any)
		return OPENED;
	if (error == EADDRINUSE && !last)
		return IN_USE;
	log_error("master", "bind %s port %u: %s%s", str_ieq(str_of(host), STR("all")) ? "all interfaces" : host, port,
		strerror(error ? error : EADDRNOTAVAIL), bind_advice(r, error));
	return FAILED;
}

/* open_inherited - a supervisor's socket serves whom it belongs to */
static enum opened open_inherited(struct relay *r, const struct settings *s)
{
	enum opened result = OPENED;

	for (size_t i = 0; i < r->inherited->n; i++) {
		const struct inherited_socket *one = &r->inherited->v[i];
		const struct sockaddr *sa = (const struct sockaddr *)&one->address;
		const struct service *v = one->supervised ? inherit_service(one, s) : NULL;
		struct listener *l = v ? find(r, sa, one->length) : NULL;

		if (l) {
			l->next = v;
		} else if (one->supervised && (!v || listener_add(r, v, sa, one->length, fcntl(one->fd, F_DUPFD_CLOEXEC, 0)) != 0)) {
			log_error("master", "LISTEN_FDS: no service is called \"%s\" or has the port of that socket: see master.cf, http_listen", one->name);
			result = FAILED;
		}
	}
	return result;
}

static enum opened open_services(struct relay *r, const struct settings *s, bool last)
{
	enum opened result = open_inherited(r, s);

	for (size_t i = 0; i < s->n_services; i++) {
		const struct service *v = &s->services[i];
		struct str rest = str_of(*v->host ? v->host : v->conf->inet_interfaces), one;

		while (!inherit_covers(r->inherited, s, v) && str_word(&rest, ", \t\r\n", &one)) {
			char host[256];
			enum opened now;

			snprintf(host, sizeof(host), "%.*s", STR_ARG(one));
			now = open_port(r, v, host, v->port, last);
			result = now > result ? now : result;
		}
	}
	return result;
}

static void mark_all(struct relay *r, const struct service *submit)
{
	LIST_EACH(&r->listeners, it, tmp) {
		struct listener *l = LIST_ITEM(it, struct listener, link);

		l->next = l->address.ss_family == AF_UNIX ? submit : NULL;
		l->fresh = false;
	}
}

static void close_unwanted(struct relay *r)
{
	LIST_EACH(&r->listeners, it, tmp) {
		struct listener *l = LIST_ITEM(it, struct listener, link);

		if (!l->next)
			listener_close(l);
	}
}

static void close_fresh(struct relay *r)
{
	LIST_EACH(&r->listeners, it, tmp) {
		struct listener *l = LIST_ITEM(it, struct listener, link);

		if (l->fresh)
			listener_close(l);
	}
}

int listener_open_all(struct relay *r, const struct settings *s)
{
	enum opened result;
	bool closed;

	mark_all(r, &s->submit);
	result = open_services(r, s, false);
	closed = result == IN_USE;
	if (closed) {
		/* perhaps by what is to go: an address is not free while all of them are taken, nor the other way round */
		close_unwanted(r);
		result = open_services(r, s, true);
	}
	if (result != OPENED) {
		close_fresh(r);
		if (closed && s != r->settings) {
			mark_all(r, &r->settings->submit);
			open_services(r, r->settings, true);
		}
		return -1;
	}
	close_unwanted(r);
	LIST_EACH(&r->listeners, it, tmp) {
		struct listener *l = LIST_ITEM(it, struct listener, link);

		l->service = l->next;
	}
	return 0;
}

int listener_open_submit(struct relay *r)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "submit" };
	mode_t mask;
	int result;

	/* the spool is locked: whoever left this name is gone */
	if (unlink(sa.sun_path) != 0 && errno != ENOENT)
		return -1;
	/* for everybody from its first moment on; the sandbox has no chmod */
	mask = umask(0111);
	result = listener_open(r, &r->settings->submit, (struct sockaddr *)&sa, sizeof(sa));
	umask(mask);
	return result;
}

static bool is_own(const struct relay *r, const struct listener *l)
{
	return !inherit_has(r->inherited, (const struct sockaddr *)&l->address, l->address_len);
}

/* outlives_us - others have the socket, too: clients that wait there are theirs */
static bool outlives_us(const struct relay *r, const struct listener *l)
{
	return r->handing_over || (l->address.ss_family != AF_UNIX && (r->notify.keeps || !is_own(r, l)));
}

void listener_close_mail(struct relay *r)
{
	LIST_EACH(&r->listeners, it, tmp) {
		struct listener *l = LIST_ITEM(it, struct listener, link);

		if (l->service->http)
			continue;
		if (!outlives_us(r, l))
			acceptor_empty(&l->acceptor);
		listener_close(l);
	}
}

int listener_each_own(struct relay *r, int fd, int (*send)(int fd, int sock, const void *line, size_t n), const char *line)
{
	int result = 0;

	LIST_EACH(&r->listeners, it, tmp) {
		const struct listener *l = LIST_ITEM(it, struct listener, link);

		if (!result && l->address.ss_family != AF_UNIX && is_own(r, l))
			result = send(fd, l->acceptor.io.fd, line, strlen(line));
	}
	return result;
}

void listener_keep(struct relay *r)
{
	if (!r->notify.keeps)
		return;
	notify_forget_kept(&r->notify);
	if (listener_each_own(r, r->notify.fd, fdpass_send, "FDSTORE=1\nFDNAME=" NOTIFY_KEPT) != 0)
		log_warn("master", "the supervisor does not keep the listening sockets: %s", strerror(errno));
}
