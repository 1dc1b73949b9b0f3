/* conn_tls.c - a connection's TLS session: who owns it when, and how bytes pass through.
 *
 * A handshake step is a pool job. While it runs the session and job_in/job_out belong to the pool thread; bytes that
 * arrive meanwhile wait in net_in. A connection that is closed meanwhile is freed when the job is done. After the
 * handshake everything happens on the loop thread: encrypting a record is cheaper than handing it over.
 *
 * From conn_start_tls on, every byte from the socket goes to the TLS session and none to c->in; after the session ended
 * (close_notify, or an error) nothing is read any more (threats B6). */
#include <errno.h>
#include <stdio.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/net/conn_private.h"

static void step_work(struct pool_job *job)
{
	struct conn_tls *t = LIST_ITEM(job, struct conn_tls, job);

	t->step = tls_handshake(t->s, &t->job_in, &t->job_out, t->why);
}

static void step_start(struct conn *c);

static void handshake_lost(struct conn *c)
{
	conn_fail(c, 0, "connection lost during the TLS handshake");
}

static void handshake_done(struct conn *c)
{
	struct conn_tls *t = c->priv->tls;
	struct buf rest = t->job_in;

	t->ready = true;
	/* what came with the last flight belongs in front of what came after it */
	buf_str(&rest, buf_view(&t->net_in));
	buf_fini(&t->net_in);
	t->net_in = rest;
	buf_init(&t->job_in, rest.max);
	buf_fini(&t->job_out);
	conn_tell(c, CONN_TLS_READY);
	if (!c->priv->closed && !c->priv->muted)
		conn_tls_go_on(c);
}

static void step_done(struct pool_job *job)
{
	struct conn_tls *t = LIST_ITEM(job, struct conn_tls, job);
	struct conn *c = t->c;

	t->busy = false;
	t->answered = true;
	if (c->priv->closed || c->priv->failed) {
		if (c->priv->freed)
			conn_release(c);
		return;
	}
	buf_str(&t->net_out, buf_view(&t->job_out));
	buf_clear(&t->job_out);
	if (t->step == TLS_OK) {
		handshake_done(c);
	} else if (t->step != TLS_WANT_READ) {
		conn_send(c); /* the alert that says why */
		conn_fail(c, 0, t->why);
	} else if (t->net_in.n > 0) {
		step_start(c);
	} else if (t->net_eof) {
		handshake_lost(c);
	}
	if (!c->priv->closed && !c->priv->failed)
		conn_pump(c);
}

/* is_too_much - all have their turns in the pool's queue, but past so many in it nobody gets more than his part */
static bool is_too_much(struct conn *c, struct pool *pool)
{
	unsigned all, his;

	pool_waiting(pool, c->turn, &all, &his);
	return all >= LIMIT_HANDSHAKES && his >= LIMIT_HANDSHAKES_CLIENT;
}

/* conn_tls_take_back - a step that no thread has begun: nobody waits for it any more */
bool conn_tls_take_back(struct conn *c)
{
	struct conn_tls *t = c->priv->tls;
	struct pool *pool = loop_pool(c->priv->loop);

	if (pool && pool_take_back(pool, &t->job))
		t->busy = false;
	return !t->busy;
}

static void step_start(struct conn *c)
{
	struct conn_tls *t = c->priv->tls;
	struct pool *pool = loop_pool(c->priv->loop);

	if (pool && t->server && is_too_much(c, pool)) {
		conn_fail(c, 0, "too many TLS handshakes of this client wait already");
		return;
	}
	buf_str(&t->job_in, buf_view(&t->net_in));
	buf_clear(&t->net_in);
	t->busy = true;
	if (pool) {
		pool_run(pool, &t->job);
		return;
	}
	step_work(&t->job);
	step_done(&t->job);
}

/* decrypt into c->in what it has room for, and tell */
static void open_records(struct conn *c)
{
	struct conn_private *p = c->priv;
	struct conn_tls *t = p->tls;
	size_t before = c->in.n;
	enum tls_step step = tls_read(t->s, &t->net_in, &c->in, &t->net_out, t->why);

	t->more = step == TLS_OK && c->in.n >= c->in.max;
	if (c->in.n > before)
		conn_tell(c, CONN_DATA);
	if (p->closed || p->muted)
		return;
	if (step == TLS_FAILED) {
		conn_send(c);
		conn_fail(c, 0, t->why);
	} else if (step == TLS_CLOSED || (t->net_eof && !t->more)) {
		if (step != TLS_CLOSED)
			snprintf(c->why, sizeof(c->why), "TLS connection ended without close_notify");
		p->eof = true;
		conn_tell(c, CONN_EOF);
	}
}

void conn_tls_receive(struct conn *c)
{
	struct conn_tls *t = c->priv->tls;
	ptrdiff_t n = conn_fill(c->fd, &t->net_in);

	if (n < 0) {
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			conn_fail(c, errno, NULL);
		return;
	}
	t->net_eof |= n == 0;
	/* who went before our first word cannot have finished; later, what waits may be the last word of a handshake that is whole */
	if (t->busy && t->net_eof && t->server && !t->answered)
		conn_tls_take_back(c);
	if (t->ready)
		open_records(c);
	else if (t->busy)
		; /* step_done looks at it */
	else if (t->net_eof)
		handshake_lost(c);
	else
		step_start(c);
}

bool conn_tls_has_work(const struct conn *c)
{
	const struct conn_private *p = c->priv;
	const struct conn_tls *t = p->tls;

	if (!t || t->busy || p->eof || p->failed || p->muted)
		return false;
	if (!t->ready)
		return !t->server && !t->started;
	return t->more && !p->paused && c->in.n < c->in.max;
}

void conn_tls_go_on(struct conn *c)
{
	struct conn_tls *t = c->priv->tls;

	if (t->ready) {
		open_records(c);
	} else if (!t->started) {
		t->started = true;
		step_start(c);
	}
}

void conn_tls_seal(struct conn *c)
{
	struct conn_private *p = c->priv;
	struct conn_tls *t = p->tls;

	if (!t->ready || c->out.n == 0 || t->net_out.n >= LIMIT_CONN_READ)
		return;
	if (tls_write(t->s, &c->out, &t->net_out, t->why) == TLS_OK)
		return;
	snprintf(c->why, sizeof(c->why), "%s", t->why);
	buf_clear(&c->out);
	p->write_dead = true;
	p->fail_due = -1;
	loop_defer(p->loop, &p->task);
}

void conn_start_tls(struct conn *c, struct tls_context *ctx, const struct tls_peer *peer)
{
	struct conn_private *p = c->priv;
	struct conn_tls *t;

	if (p->closed || p->failed || p->tls)
		return;
	t = MEM_NEW(struct conn_tls);
	t->c = c;
	t->server = !peer;
	t->s = tls_session_new(ctx, peer);
	t->job.of = c->turn;
	t->job.work = step_work;
	t->job.done = step_done;
	buf_init(&t->net_in, LIMIT_CONN_READ);
	buf_init(&t->job_in, 2 * LIMIT_CONN_READ);
	buf_init(&t->job_out, 2 * LIMIT_CONN_READ);
	buf_init(&t->net_out, c->out.max + 4 * LIMIT_CONN_READ);
	/* what was said in clear goes first, through the same buffer */
	buf_str(&t->net_out, buf_view(&c->out));
	buf_clear(&c->out);
	p->had_output = p->sent_due = false;
	p->tls = t;
	if (c->in.n > 0 || !t->s) {
		snprintf(c->why, sizeof(c->why), "%s", t->s ? "data in clear before the TLS handshake" : "cannot start TLS");
		p->fail_due = -1;
	}
	loop_defer(p->loop, &p->task);
}

const struct tls_info *conn_tls(const struct conn *c)
{
	return c->priv->tls && c->priv->tls->ready ? tls_session_info(c->priv->tls->s) : NULL;
}

struct tls_session *conn_tls_session(const struct conn *c)
{
	return c->priv->tls && c->priv->tls->ready ? c->priv->tls->s : NULL;
}

void conn_tls_free(struct conn_tls *t)
{
	if (!t)
		return;
	tls_session_free(t->s);
	buf_fini(&t->net_in);
	buf_fini(&t->net_out);
	buf_fini(&t->job_in);
	buf_fini(&t->job_out);
	mem_free(t);
}
