/* conn.c - sockets, events and the life of a connection; conn_tls.c has what a TLS session adds.
 *
 * One event costs one read and, when there is an answer, one write: what a callback put into c->out is written at once
 * and EPOLLOUT is asked for only when the socket did not take it all. Events come from the loop's callbacks alone
 * (socket, timer, task), so an owner is never called from inside one of its own calls.
 *
 * Memory: buffers are made by the first byte. The last LIMIT_CONN_WARM connections that were active keep theirs, all
 * others give empty ones back; so ten thousand idle sessions cost their structs and nothing else. There is one loop
 * thread in the process, which is why the list of warm connections and the read area are static. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/net/conn_private.h"

enum { SENT_ROUNDS = 8 };
#define LINGER_TIME (2 * USEC_PER_SEC)

struct whole {
	struct conn c;
	struct conn_private p;
};

static char scratch[LIMIT_CONN_READ];
static struct list warm_list = { &warm_list, &warm_list };
static unsigned warm_count;

static struct conn *conn_of(struct conn_private *p)
{
	return &LIST_ITEM(p, struct whole, p)->c;
}

/* --- warm and cool ------------------------------------------------------------------------------------------------ */

static void leave_warm(struct conn_private *p)
{
	if (list_is_empty(&p->warm))
		return;
	list_remove(&p->warm);
	warm_count--;
}

static void shrink_if_empty(struct buf *b)
{
	if (b->n == 0)
		buf_shrink(b);
}

static void cool(struct conn *c)
{
	struct conn_tls *t = c->priv->tls;

	leave_warm(c->priv);
	shrink_if_empty(&c->in);
	shrink_if_empty(&c->out);
	if (!t)
		return;
	shrink_if_empty(&t->net_in);
	shrink_if_empty(&t->net_out);
}

static void keep_warm(struct conn *c)
{
	leave_warm(c->priv);
	list_append(&warm_list, &c->priv->warm);
	if (++warm_count > LIMIT_CONN_WARM)
		cool(conn_of(LIST_ITEM(list_first(&warm_list), struct conn_private, warm)));
}

/* --- events ------------------------------------------------------------------------------------------------------- */

void conn_tell(struct conn *c, enum conn_event ev)
{
	struct conn_private *p = c->priv;
	enum conn_next next;

	if (p->closed || p->muted)
		return;
	p->in_callback = true;
	next = p->fn(c, ev);
	p->in_callback = false;
	if (next == CONN_CLOSE && !p->muted)
		conn_close(c);
}

/* the words that log readers know, which are glibc's; musl has others */
const char *conn_error_text(int error)
{
	static const struct { int error; const char *text; } words[] = {
		{ ETIMEDOUT, "Connection timed out" }, { ENETUNREACH, "Network is unreachable" }, { EHOSTUNREACH, "No route to host" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].error == error)
			return words[i].text;
	return strerror(error);
}

void conn_fail(struct conn *c, int error, const char *why)
{
	struct conn_private *p = c->priv;

	if (p->failed || p->closed)
		return;
	p->failed = true;
	p->connecting = false;
	loop_io_remove(p->loop, &p->io);
	loop_timer_cancel(p->loop, &p->timer);
	p->armed = p->deadline = USEC_NEVER;
	c->error = error;
	if (why != c->why)
		snprintf(c->why, sizeof(c->why), "%s", why ? why : conn_error_text(error));
	if (p->muted)
		conn_close(c);
	else
		conn_tell(c, CONN_FAILED);
}

static bool has_output(const struct conn *c)
{
	const struct conn_tls *t = c->priv->tls;

	return t ? t->net_out.n > 0 || (t->ready && c->out.n > 0) : c->out.n > 0;
}

static bool wants_input(const struct conn *c)
{
	const struct conn_private *p = c->priv;
	const struct conn_tls *t = p->tls;

	if (p->lingering)
		return true;
	if (p->eof || p->paused || p->muted)
		return false;
	if (t && (t->net_eof || t->more || t->net_in.n >= t->net_in.max))
		return false;
	return (t && !t->ready) || c->in.n < c->in.max;
}

static void set_interest(struct conn *c)
{
	struct conn_private *p = c->priv;
	uint32_t events = 0;

	if (p->closed || p->failed)
		return;
	if (p->connecting) {
		events = EPOLLOUT;
	} else {
		events |= wants_input(c) ? EPOLLIN : 0;
		events |= has_output(c) && !p->write_dead ? EPOLLOUT : 0;
	}
	loop_io_set(p->loop, &p->io, events);
}

/* --- output ------------------------------------------------------------------------------------------------------- */

static void drop_output(struct conn *c)
{
	buf_clear(&c->out);
	if (c->priv->tls)
		buf_clear(&c->priv->tls->net_out);
}

static void write_failed(struct conn *c, int error)
{
	struct conn_private *p = c->priv;

	p->write_dead = true;
	p->had_output = false;
	drop_output(c);
	if (p->eof) {
		p->fail_due = error;
		loop_defer(p->loop, &p->task);
	}
}

/* one write; false when the socket takes no more now */
static bool write_some(struct conn *c, struct buf *b)
{
	ssize_t n = send(c->fd, b->p, b->n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0) {
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			write_failed(c, errno);
		return false;
	}
	buf_consume(b, (size_t)n);
	return b->n == 0;
}

void conn_send(struct conn *c)
{
	struct conn_private *p = c->priv;

	if (p->connecting || p->failed || p->closed)
		return;
	if (p->write_dead) {
		drop_output(c);
		return;
	}
	p->had_output |= c->out.n > 0;
	while (has_output(c)) {
		if (p->tls)
			conn_tls_seal(c);
		if (!write_some(c, p->tls ? &p->tls->net_out : &c->out))
			return;
	}
	if (p->had_output && c->out.n == 0) {
		p->had_output = false;
		p->sent_due = true;
	}
}

/* all is sent: close, but read away what the peer still sends, or the reset would destroy what it has not read yet */
static void finish(struct conn *c)
{
	struct conn_private *p = c->priv;
	ssize_t n = recv(c->fd, scratch, sizeof(scratch), MSG_DONTWAIT);

	if (n == 0 || p->eof || p->write_dead || (n < 0 && (errno != EAGAIN || !p->lingering))) {
		conn_close(c);
		return;
	}
	if (!p->lingering) {
		usec limit = loop_now(p->loop) + LINGER_TIME;

		p->lingering = true;
		if (p->tls && p->tls->ready) {
			tls_close_notify(p->tls->s, &p->tls->net_out);
			conn_send(c);
		}
		shutdown(c->fd, SHUT_WR);
		conn_deadline(c, p->deadline < limit ? p->deadline : limit);
	}
	set_interest(c);
}

void conn_pump(struct conn *c)
{
	struct conn_private *p = c->priv;

	for (int round = 0; round < SENT_ROUNDS; round++) {
		conn_send(c);
		if (!p->sent_due || p->closed || p->failed)
			break;
		p->sent_due = false;
		conn_tell(c, CONN_SENT);
	}
	if (p->closed || p->failed)
		return;
	if (p->muted && !has_output(c)) {
		finish(c);
		return;
	}
	if (p->sent_due || conn_tls_has_work(c))
		loop_defer(p->loop, &p->task);
	set_interest(c);
	keep_warm(c);
}

void conn_flush(struct conn *c)
{
	struct conn_private *p = c->priv;

	conn_send(c);
	if (p->in_callback || p->closed || p->failed)
		return;
	if (p->sent_due || conn_tls_has_work(c) || (p->muted && !has_output(c)))
		loop_defer(p->loop, &p->task);
	set_interest(c);
}

/* --- input -------------------------------------------------------------------------------------------------------- */

/* into a shared area first, so that b grows by what came and not by guess; straight into b once it has as much room */
ptrdiff_t conn_fill(int fd, struct buf *b)
{
	size_t room = b->max - b->n, spare = b->cap > b->n + 1 ? b->cap - b->n - 1 : 0;
	ptrdiff_t n;
	bool direct;

	room = room < sizeof(scratch) ? room : sizeof(scratch);
	direct = spare >= room;
	n = recv(fd, direct ? b->p + b->n : scratch, room, 0);
	if (n <= 0)
		return n;
	if (!direct)
		buf_add(b, scratch, (size_t)n);
	else
		b->p[b->n += (size_t)n] = 0;
	return n;
}

bool conn_has_input(const struct conn *c)
{
	char byte;

	if (c->in.n > 0 || (c->priv->tls && c->priv->tls->more))
		return true;
	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static void receive(struct conn *c)
{
	struct conn_private *p = c->priv;
	ptrdiff_t n = conn_fill(c->fd, &c->in);

	if (n > 0) {
		conn_tell(c, CONN_DATA);
	} else if (n == 0) {
		p->eof = true;
		conn_tell(c, CONN_EOF);
	} else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		conn_fail(c, errno, NULL);
	}
}

static void finish_connect(struct conn *c)
{
	struct conn_private *p = c->priv;
	socklen_t n = sizeof(int);
	int error = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	if (error) {
		conn_fail(c, error, NULL);
		return;
	}
	p->connecting = false;
	conn_tell(c, CONN_CONNECTED);
}

static void on_ready(struct loop_io *io, uint32_t events)
{
	struct conn_private *p = LIST_ITEM(io, struct conn_private, io);
	struct conn *c = conn_of(p);

	if (p->connecting)
		finish_connect(c);
	else if (!(events & ~(uint32_t)EPOLLOUT) || !wants_input(c))
		; /* room to write, or an error that writing will find */
	else if (p->lingering)
		finish(c);
	else if (p->tls)
		conn_tls_receive(c);
	else
		receive(c);
	if (!p->closed && !p->lingering)
		conn_pump(c);
}

static void on_task(struct loop_task *task)
{
	struct conn_private *p = LIST_ITEM(task, struct conn_private, task);
	struct conn *c = conn_of(p);

	if (p->closed || p->failed)
		return;
	if (p->fail_due)
		conn_fail(c, p->fail_due > 0 ? p->fail_due : 0, p->fail_due > 0 ? NULL : c->why);
	else if (conn_tls_has_work(c))
		conn_tls_go_on(c);
	if (!p->closed && !p->lingering)
		conn_pump(c);
}

/* --- deadlines ---------------------------------------------------------------------------------------------------- */

/* deadlines move with every command: the timer follows only when it must ring earlier, or when it rings too early */
void conn_deadline(struct conn *c, usec deadline_mono)
{
	struct conn_private *p = c->priv;

	if (p->closed || p->failed)
		return;
	p->deadline = deadline_mono;
	if (deadline_mono >= p->armed)
		return;
	p->armed = deadline_mono;
	loop_timer_set(p->loop, &p->timer, deadline_mono);
}

static void on_due(struct loop_timer *t)
{
	struct conn_private *p = LIST_ITEM(t, struct conn_private, timer);
	struct conn *c = conn_of(p);

	p->armed = USEC_NEVER;
	if (p->deadline > loop_now(p->loop)) {
		conn_deadline(c, p->deadline);
		return;
	}
	p->deadline = USEC_NEVER;
	if (p->muted) {
		conn_close(c);
	} else if (p->connecting) {
		conn_fail(c, ETIMEDOUT, NULL);
	} else {
		conn_tell(c, CONN_DEADLINE);
		if (!p->closed)
			conn_pump(c);
	}
}

/* --- life --------------------------------------------------------------------------------------------------------- */

void conn_release(struct conn *c)
{
	conn_tls_free(c->priv->tls);
	buf_fini(&c->in);
	buf_fini(&c->out);
	mem_free(LIST_ITEM(c, struct whole, c));
}

static void on_free(struct loop_task *t)
{
	struct conn_private *p = LIST_ITEM(t, struct conn_private, free_task);

	if (p->tls && p->tls->busy && !conn_tls_take_back(conn_of(p)))
		p->freed = true;
	else
		conn_release(conn_of(p));
}

static struct conn *conn_new(struct loop *l, int fd, size_t in_max, size_t out_max, conn_fn fn, void *ctx)
{
	struct whole *w = MEM_NEW(struct whole);

	w->c.priv = &w->p;
	w->c.fd = fd;
	w->c.ctx = ctx;
	buf_init(&w->c.in, in_max);
	buf_init(&w->c.out, out_max);
	w->p.loop = l;
	w->p.fn = fn;
	w->p.deadline = w->p.armed = USEC_NEVER;
	w->p.io.fd = fd;
	w->p.io.on_ready = on_ready;
	loop_timer_init(&w->p.timer, on_due);
	loop_task_init(&w->p.task, on_task);
	loop_task_init(&w->p.free_task, on_free);
	list_init(&w->p.warm);
	return &w->c;
}

static void no_delay(int fd, sa_family_t family)
{
	int on = 1;

	if (family == AF_INET || family == AF_INET6)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

struct conn *conn_accepted(struct loop *l, int fd, size_t in_max, size_t out_max, conn_fn fn, void *ctx)
{
	struct conn *c = conn_new(l, fd, in_max, out_max, fn, ctx);

	if (loop_io_add(l, &c->priv->io, EPOLLIN) < 0) {
		int error = errno;

		close(fd);
		conn_release(c);
		errno = error;
		return NULL;
	}
	c->peer_len = sizeof(c->peer);
	if (getpeername(fd, (struct sockaddr *)&c->peer, &c->peer_len) < 0)
		c->peer_len = 0;
	return c;
}

/* 0 when the connection is under way, else the errno that the event will carry */
static int start_connect(int fd, const struct sockaddr *to, socklen_t to_len, const struct sockaddr *bind_to, socklen_t bind_len)
{
	int on = 1;

	no_delay(fd, to->sa_family);
	/* choose the port at connect, when the whole four-tuple counts: more connections from one address */
	if (bind_to && (bind_to->sa_family == AF_INET || bind_to->sa_family == AF_INET6))
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind_to && bind(fd, bind_to, bind_len) < 0)
		return errno;
	if (connect(fd, to, to_len) < 0 && errno != EINPROGRESS)
		return errno;
	return 0;
}

struct conn *conn_connect(struct loop *l, const struct sockaddr *to, socklen_t to_len, const struct sockaddr *bind_to,
	socklen_t bind_len, size_t in_max, size_t out_max, usec deadline, conn_fn fn, void *ctx)
{
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct conn *c;

	if (fd < 0)
		return NULL;
	c = conn_new(l, fd, in_max, out_max, fn, ctx);
	memcpy(&c->peer, to, to_len < sizeof(c->peer) ? to_len : sizeof(c->peer));
	c->peer_len = to_len;
	c->priv->connecting = true;
	c->priv->fail_due = start_connect(fd, to, to_len, bind_to, bind_len);
	if (!c->priv->fail_due && loop_io_add(l, &c->priv->io, EPOLLOUT) < 0)
		c->priv->fail_due = errno;
	c->unsent = c->priv->fail_due != 0;
	if (c->priv->fail_due)
		loop_defer(l, &c->priv->task);
	conn_deadline(c, deadline);
	return c;
}

size_t conn_memory(const struct conn *c)
{
	const struct conn_tls *t = c->priv->tls;
	size_t n = c->in.cap + c->out.cap;

	/* job_in and job_out are somebody else's while a step runs */
	return t ? n + t->net_in.cap + t->net_out.cap + (t->busy ? 0 : t->job_in.cap + t->job_out.cap) + CONN_TLS_MEMORY : n;
}

void conn_set_owner(struct conn *c, conn_fn fn, void *ctx)
{
	c->priv->fn = fn;
	c->ctx = ctx;
}

void conn_doubt(struct conn *c, usec patience)
{
	unsigned ms = (unsigned)(patience / 1000);

	if (c->peer.ss_family == AF_INET || c->peer.ss_family == AF_INET6)
		setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

void conn_pause(struct conn *c, bool paused)
{
	c->priv->paused = paused;
	conn_flush(c);
}

static void say_goodbye(struct conn *c)
{
	struct conn_private *p = c->priv;

	if (!p->tls || !p->tls->ready || p->failed || p->write_dead || p->lingering || p->tls->net_out.n)
		return;
	tls_close_notify(p->tls->s, &p->tls->net_out);
	if (p->tls->net_out.n)
		write_some(c, &p->tls->net_out);
}

void conn_close(struct conn *c)
{
	struct conn_private *p = c->priv;

	if (p->closed)
		return;
	say_goodbye(c);
	p->closed = true;
	leave_warm(p);
	loop_io_remove(p->loop, &p->io);
	loop_timer_cancel(p->loop, &p->timer);
	loop_task_cancel(&p->task);
	close(c->fd);
	c->fd = -1;
	loop_defer(p->loop, &p->free_task);
}

void conn_close_after_send(struct conn *c, usec deadline)
{
	struct conn_private *p = c->priv;

	if (p->closed || p->muted)
		return;
	if (p->failed || p->connecting || (p->tls && !p->tls->ready)) {
		conn_close(c);
		return;
	}
	conn_deadline(c, deadline);
	p->muted = true;
	conn_flush(c);
}
