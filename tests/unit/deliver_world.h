/* deliver_world.h - a store, a loop and a deliver room with servers to talk to: SMTP servers that say what a row tells
 * them, on loopback addresses of their own, and a name server with a table. */
#ifndef TESTS_UNIT_DELIVER_WORLD_H
#define TESTS_UNIT_DELIVER_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/deliver.h"
#include "tests/unit/t.h"

/* --- an SMTP server ------------------------------------------------------------------------------------------------- */

struct fake {
	const char *ip;                /* "127.0.0.2" */
	uint16_t port;                 /* 0: any */
	/* replies without CRLF; NULL: the usual one. "!" closes the connection instead, "?" says nothing until the client goes */
	const char *greeting, *ehlo, *mail, *rcpt, *rcpt_bad, *data, *end, *auth, *starttls;
	unsigned close_after;          /* messages; then the connection is closed at the next MAIL, 0: never */
	int fd;
	pthread_t thread;
	atomic_uint connections, messages, rcpts, quits, auths;
	pthread_mutex_t lock;
	char last[1 << 16], mail_line[2048], auth_line[1024]; /* the last message as it came */
};
struct fake_conn { struct fake *f; FILE *in; int fd; unsigned done; };

static inline bool fake_say(struct fake_conn *c, const char *text, const char *usual)
{
	char line[2048];
	int n;

	text = text ? text : usual;
	if (!strcmp(text, "!"))
		return false;
	if (!strcmp(text, "?")) {
		while (recv(c->fd, line, sizeof(line), 0) > 0)
			;
		return false;
	}
	n = snprintf(line, sizeof(line), "%s\r\n", text);
	return send(c->fd, line, (size_t)n, MSG_NOSIGNAL) == n;
}

static inline bool fake_data(struct fake_conn *c)
{
	char line[4096];
	size_t n = 0;

	pthread_mutex_lock(&c->f->lock);
	c->f->last[0] = 0;
	while (fgets(line, sizeof(line), c->in) && strcmp(line, ".\r\n")) {
		size_t k = strlen(line);

		if (n + k < sizeof(c->f->last))
			memcpy(c->f->last + n, line, k + 1);
		n += k;
	}
	pthread_mutex_unlock(&c->f->lock);
	return true;
}

static inline bool fake_bdat(struct fake_conn *c, const char *args)
{
	size_t size = (size_t)strtoul(args, NULL, 10);
	char *p = mem_alloc(size + 1);
	bool ok = fread(p, 1, size, c->in) == size;

	pthread_mutex_lock(&c->f->lock);
	snprintf(c->f->last, sizeof(c->f->last), "%s", p);
	pthread_mutex_unlock(&c->f->lock);
	mem_free(p);
	return ok;
}

static inline bool fake_command(struct fake_conn *c, char *line)
{
	struct fake *f = c->f;
	struct str s = str_trim(str_of(line));

	if (str_istarts(s, STR("EHLO")) || str_istarts(s, STR("LHLO")))
		return fake_say(c, f->ehlo, "250-fake\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES");
	if (str_istarts(s, STR("STARTTLS")))
		return fake_say(c, f->starttls, "454 4.7.0 not now");
	if (str_istarts(s, STR("AUTH"))) {
		f->auths++;
		pthread_mutex_lock(&f->lock);
		snprintf(f->auth_line, sizeof(f->auth_line), "%.*s", STR_ARG(s));
		pthread_mutex_unlock(&f->lock);
		return fake_say(c, f->auth, "235 2.7.0 ok");
	}
	if (str_istarts(s, STR("MAIL"))) {
		if (f->close_after && c->done >= f->close_after)
			return false;
		pthread_mutex_lock(&f->lock);
		snprintf(f->mail_line, sizeof(f->mail_line), "%.*s", STR_ARG(s));
		pthread_mutex_unlock(&f->lock);
		return fake_say(c, f->mail, "250 2.1.0 ok");
	}
	if (str_istarts(s, STR("RCPT"))) {
		f->rcpts++;
		if (f->rcpt_bad && str_find(s, STR("<bad")) > 0)
			return fake_say(c, f->rcpt_bad, "");
		return fake_say(c, f->rcpt, "250 2.1.5 ok");
	}
	if (str_istarts(s, STR("DATA"))) {
		if (!fake_say(c, f->data, "354 go"))
			return false;
		if (f->data && strncmp(f->data, "354", 3))
			return true;
		fake_data(c);
	} else if (str_istarts(s, STR("BDAT"))) {
		fake_bdat(c, line + 5);
		if (!strstr(line, "LAST"))
			return fake_say(c, NULL, "250 2.0.0 more");
	} else if (str_istarts(s, STR("QUIT"))) {
		f->quits++;
		fake_say(c, NULL, "221 2.0.0 bye");
		return false;
	} else {
		return fake_say(c, NULL, "250 2.0.0 ok");
	}
	if (!f->end || f->end[0] == '2')
		f->messages++;
	c->done++;
	return fake_say(c, f->end, "250 2.0.0 Ok: queued as FAKE");
}

static inline void *fake_serve(void *ctx)
{
	struct fake_conn *c = ctx;
	char line[4096];

	if (fake_say(c, c->f->greeting, "220 fake ESMTP"))
		while (fgets(line, sizeof(line), c->in) && fake_command(c, line))
			;
	fclose(c->in);
	mem_free(c);
	return NULL;
}

static inline void *fake_main(void *ctx)
{
	struct fake *f = ctx;
	int fd;

	while ((fd = accept(f->fd, NULL, NULL)) >= 0) {
		struct fake_conn *c = MEM_NEW(struct fake_conn);
		pthread_t t;

		f->connections++;
		c->f = f;
		c->fd = fd;
		c->in = fdopen(fd, "r");
		if (pthread_create(&t, NULL, fake_serve, c) == 0)
			pthread_detach(t);
	}
	return NULL;
}

static inline bool fake_start(struct fake *f)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(f->port) };
	socklen_t n = sizeof(a);
	int one = 1;

	inet_pton(AF_INET, f->ip ? f->ip : "127.0.0.1", &a.sin_addr);
	pthread_mutex_init(&f->lock, NULL);
	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(f->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(f->fd, (struct sockaddr *)&a, n) < 0 || listen(f->fd, 50) < 0)
		return false;
	getsockname(f->fd, (struct sockaddr *)&a, &n);
	f->port = ntohs(a.sin_port);
	return pthread_create(&f->thread, NULL, fake_main, f) == 0;
}

static inline void fake_stop(struct fake *f)
{
	shutdown(f->fd, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->fd);
}

/* --- a name server ---------------------------------------------------------------------------------------------------- */

/* kind: 'A' value is an address, '6' one of IPv6, 'M' "preference name", 'T' a text, 'N' the name does not exist, 'S' SERVFAIL; other names: no data */
struct name { const char *name; char kind; const char *value; };
struct names { const struct name *v; size_t n; int fd; uint16_t port; pthread_t thread; };

static inline size_t put_name(uint8_t *p, const char *name)
{
	struct str rest = str_of(name), label;
	size_t n = 0;

	while (str_cut(&rest, '.', &label)) {
		p[n++] = (uint8_t)label.n;
		memcpy(p + n, label.p, label.n);
		n += label.n;
	}
	p[n++] = 0;
	return n;
}

static inline size_t names_answer(const struct names *s, uint8_t *q, size_t n)
{
	char name[256];
	size_t at = 12, k = 0, end;
	unsigned type, count = 0, rcode = 0;
	bool known = false;

	while (at < n && q[at]) {
		memcpy(name + k, q + at + 1, q[at]);
		k += q[at];
		name[k++] = '.';
		at += q[at] + 1u;
	}
	name[k ? k - 1 : 0] = 0;
	type = (unsigned)q[at + 1] << 8 | q[at + 2];
	end = at + 5;
	for (size_t i = 0; i < s->n; i++) {
		const struct name *x = &s->v[i];
		uint8_t data[300];
		size_t len = 0;

		if (strcasecmp(x->name, name))
			continue;
		known = true;
		rcode = x->kind == 'N' ? 3 : x->kind == 'S' ? 2 : rcode;
		if (x->kind == 'A' && type == 1) {
			inet_pton(AF_INET, x->value, data);
			len = 4;
		} else if (x->kind == '6' && type == 28) {
			inet_pton(AF_INET6, x->value, data);
			len = 16;
		} else if (x->kind == 'M' && type == 15) {
			char *name_at;

			data[0] = 0;
			data[1] = (uint8_t)strtoul(x->value, &name_at, 10);
			len = 2 + put_name(data + 2, name_at + 1);
		} else if (x->kind == 'T' && type == 16) {
			data[0] = (uint8_t)strlen(x->value);
			memcpy(data + 1, x->value, data[0]);
			len = 1u + data[0];
		}
		if (!len)
			continue;
		memcpy(q + end, (uint8_t[]){ 0xc0, 12, 0, (uint8_t)type, 0, 1, 0, 0, 0, 60, 0, (uint8_t)len }, 12);
		memcpy(q + end + 12, data, len);
		end += 12 + len;
		count++;
	}
	if (!known)
		rcode = 3;
	q[2] = 0x85;
	q[3] = (uint8_t)(0x80 | rcode);
	memset(q + 6, 0, 6);
	q[7] = (uint8_t)count;
	return end;
}

static inline void *names_main(void *ctx)
{
	struct names *s = ctx;
	uint8_t q[4096];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(s->fd, q, 512, 0, (struct sockaddr *)&from, &len)) > 12) {
		size_t size = names_answer(s, q, (size_t)n);

		if (sendto(s->fd, q, size, 0, (struct sockaddr *)&from, len) < 0)
			break;
		len = sizeof(from);
	}
	return NULL;
}

static inline bool names_start(struct names *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(s->fd, (struct sockaddr *)&a, n) < 0)
		return false;
	getsockname(s->fd, (struct sockaddr *)&a, &n);
	s->port = ntohs(a.sin_port);
	return pthread_create(&s->thread, NULL, names_main, s) == 0;
}

static inline void names_stop(struct names *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(s->port) };

	sendto(s->fd, "x", 1, 0, (struct sockaddr *)&a, sizeof(a));
	pthread_join(s->thread, NULL);
	close(s->fd);
}

/* --- the world -------------------------------------------------------------------------------------------------------- */

struct world {
	struct loop *loop;
	struct store *store;
	struct dns *dns;
	struct conf *conf;
	struct master master;
	struct router *router;
	struct deliver_profiles *profiles;
	struct deliver *deliver;
	struct conf_diag diag;
	char log_path[300];
	struct qmsg *queued[16];       /* new messages made by deliveries */
	size_t n_queued;
	int helper_fd;
};
struct parcel {
	struct delivery d;
	struct delivery_result results[8];
	struct rcpt rcpts[8];
	const struct rcpt *rcpt_list[8];
	struct envelope e;
	struct dest *dest;
	struct qmsg *m;
	bool done;
};

static inline void world_queued(void *ctx, struct qmsg *m)
{
	struct world *w = ctx;

	if (w->n_queued < 16)
		w->queued[w->n_queued++] = m;
}

static inline void world_done(void *ctx, struct delivery *d)
{
	struct parcel *p = d->ctx;

	p->done = true;
}

static inline bool world_open(struct world *w, const char *const *extra, const struct names *names, int helper_fd)
{
	static int n;
	static char dir[300], server[64], hosts[320];
	struct store_options so = { .dir = dir, .segment_size = 1 << 20, .big_threshold = 64 * 1024 };
	struct dns_options dno = { .server = server, .hosts = hosts };
	struct deliver_options o;
	struct buf why;

	memset(w, 0, sizeof(*w));
	snprintf(dir, sizeof(dir), "%s/q%d", t_tmpdir(), n);
	snprintf(w->log_path, sizeof(w->log_path), "%s/log%d", t_tmpdir(), n++);
	snprintf(hosts, sizeof(hosts), "%s/hosts", t_tmpdir());
	snprintf(server, sizeof(server), "127.0.0.1:%u", names ? names->port : 9);
	CHECK_INT(log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = w->log_path, .syslog_name = "postfix", .host = "h" }), 0);
	conf_diag_init(&w->diag);
	buf_init(&why, 4096);
	w->loop = loop_new();
	w->store = store_open(&so, NULL, NULL, &why);
	w->dns = dns_new(w->loop, &dno);
	w->conf = conf_load(t_tmpdir(), extra, &w->diag);
	buf_fini(&why);
	if (!w->store || !w->conf || master_load(w->conf, &w->master, &w->diag) < 0)
		return false;
	w->router = router_new(w->conf, &w->master, &w->diag);
	w->helper_fd = helper_fd;
	o = (struct deliver_options){ .loop = w->loop, .store = w->store, .dns = w->dns, .conf = w->conf, .master = &w->master,
		.router = w->router, .queued = world_queued, .done = world_done, .ctx = w, .helper_fd = helper_fd };
	o.profiles = w->profiles = w->router ? deliver_profiles_new(&w->master, &w->diag) : NULL;
	w->deliver = w->profiles ? deliver_new(&o) : NULL;
	for (size_t i = 0; i < w->diag.n && !w->deliver; i++)
		printf("# %s\n", w->diag.v[i].text);
	return w->deliver != NULL;
}

static inline void world_run(struct world *w, const bool *flag, int ms)
{
	usec end = clock_mono() + ms * USEC_PER_MSEC;

	while (!*flag && clock_mono() < end) {
		loop_tick(w->loop, 20 * USEC_PER_MSEC);
		store_tick(w->store, clock_mono());
	}
}

static inline void world_close(struct world *w)
{
	bool no = false;

	deliver_free(w->deliver);
	deliver_profiles_free(w->profiles);
	world_run(w, &no, 30);
	router_free(w->router);
	master_fini(&w->master);
	conf_free(w->conf);
	conf_diag_fini(&w->diag);
	dns_free(w->dns);
	store_close(w->store);
	loop_free(w->loop);
}

/* what the log holds so far */
static inline const char *world_log(struct world *w)
{
	static struct buf b;

	log_flush();
	buf_fini(&b);
	buf_init(&b, 1 << 20);
	fs_read_file(w->log_path, &b);
	return buf_cstr(&b);
}

static inline void world_stored(void *ctx, struct qmsg *m, int error)
{
	*(struct qmsg **)ctx = m;
}

/* rcpts: addresses between blanks */
static inline void parcel_put(struct world *w, struct parcel *p, const char *sender, const char *rcpts, const char *content)
{
	struct str rest = str_of(rcpts), word;
	struct store_writer *writer;
	uint64_t id;
	size_t header;

	memset(p, 0, sizeof(*p));
	while (str_word(&rest, " ", &word))
		p->rcpts[p->e.n_rcpts++].addr = word;
	p->e.sender = str_of(sender);
	p->e.rcpts = p->rcpts;
	p->e.arrival = clock_wall();
	p->e.uid = -1;
	writer = store_begin(w->store, &id);
	header = strstr(content, "\r\n\r\n") ? (size_t)(strstr(content, "\r\n\r\n") - content + 4) : strlen(content);
	if (!CHECK(writer && store_add(writer, str_of(content + header)) == 0))
		return;
	store_commit(writer, &p->e, str_make(content, header), world_stored, &p->m);
	store_tick(w->store, clock_mono());
	CHECK(p->m != NULL);
	for (size_t i = 0; i < p->e.n_rcpts; i++)
		p->rcpt_list[i] = &p->rcpts[i];
}

static inline void parcel_start(struct world *w, struct parcel *p, struct dest *dest)
{
	memset(p->results, 0, sizeof(p->results));
	p->dest = dest;
	p->done = false;
	p->d = (struct delivery){ .dest = dest, .msg = p->m, .envelope = &p->e, .n = p->e.n_rcpts, .rcpts = p->rcpt_list,
		.results = p->results, .active_at = clock_wall(), .start_at = clock_wall(), .ctx = p };
	deliver_start(w->deliver, &p->d);
	CHECK(!p->done);
}

static inline void parcel_send(struct world *w, struct parcel *p, struct dest *dest)
{
	parcel_start(w, p, dest);
	world_run(w, &p->done, 15000);
	CHECK(p->done);
}

static inline struct dest dest_of(struct world *w, const char *transport, const char *nexthop)
{
	struct dest d = { .transport = master_find_transport(&w->master, str_of(transport)), .nexthop = nexthop };

	CHECK(d.transport != NULL);
	return d;
}

#define CONTENT "From: a@b.test\r\nSubject: x\r\n\r\nhello\r\n.dot\r\n"
#define BASE "myhostname=mx.example.jp", "mydomain=example.jp", "mydestination=$myhostname, localhost", "alias_maps=", \
	"mynetworks=127.0.0.0/8", "inet_interfaces=192.0.2.1", "inet_protocols=ipv4", "compatibility_level=3.6"

#endif
