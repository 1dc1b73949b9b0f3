/* smtp_session - one outbound connection: the client machine meets a socket.
 *
 * Order of a session: connect, (TLS), greeting and EHLO, (STARTTLS, EHLO), (AUTH), transactions, QUIT. What the server
 * says about recipients goes to the try; what ends the session goes to the try once, as a reply in Postfix's words, and
 * the try decides what is asked next. */
#include <errno.h>

#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/metric.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_auth.h"
#include "core/deliver/smtp/smtp_hello.h"
#include "core/deliver/smtp/smtp_report.h"
#include "core/deliver/smtp/smtp_tap.h"
#include "core/deliver/smtp/smtp_try.h"

#define QUIT_WAIT (5 * USEC_PER_SEC)
/* A host may have died while its session waited. One that was idle for longer must give a sign within the time to
 * connect, or the delivery goes on elsewhere; a busy one is not asked twice. */
#define IDLE_TRUSTED (USEC_PER_SEC / 10)

METRIC_ONE(timed_out, "postfix_smtp_connection_timed_out", "Connections to servers that timed out.");

static enum conn_next on_event(struct conn *c, enum conn_event ev);
static const struct smtp_feed_ops feed_ops;

/* --- life ----------------------------------------------------------------------------------------------------------- */

static void free_later(struct loop_task *task)
{
	struct smtp_session *s = LIST_ITEM(task, struct smtp_session, free_task);

	smtp_client_fini(&s->client);
	smtp_policy_free_demand(s->demand);
	smtp_profile_unref(s->profile);
	mem_free(s);
}

/* the session is no more; its memory goes after the tick, for callers further up still look at it */
static void forget(struct smtp_session *s)
{
	if (s->state == SMTP_STATE_GONE)
		return;
	if (s->state == SMTP_STATE_IDLE)
		smtp_pool_left(s);
	s->state = SMTP_STATE_GONE;
	s->d->n_sessions--;
	list_remove(&s->link);
	smtp_feed_end(&s->feed);
	smtp_auth_forget(s);
	s->conn = NULL;
	smtp_dest_closed(s->dest);
	if (s->d->closing)
		free_later(&s->free_task);
	else
		loop_defer(s->d->o.loop, &s->free_task);
}

void smtp_session_drop(struct smtp_session *s)
{
	if (s->state == SMTP_STATE_GONE)
		return;
	conn_close(s->conn);
	forget(s);
}

/* It counts until the server has closed: who allows ten connections shall not see an eleventh. */
void smtp_session_quit(struct smtp_session *s)
{
	size_t before;

	if (s->state >= SMTP_STATE_LEAVING)
		return;
	if (s->state == SMTP_STATE_CONNECT || s->state == SMTP_STATE_TLS) {
		smtp_session_drop(s);
		return;
	}
	before = s->conn->out.n;
	smtp_client_quit(&s->client);
	smtp_tap_went(s, before);
	if (s->d->closing) {
		conn_close_after_send(s->conn, loop_now(s->d->o.loop) + QUIT_WAIT);
		forget(s);
		return;
	}
	if (s->state == SMTP_STATE_IDLE)
		smtp_pool_left(s);
	s->state = SMTP_STATE_LEAVING;
	s->try = NULL;
	smtp_feed_end(&s->feed);
	conn_deadline(s->conn, loop_now(s->d->o.loop) + QUIT_WAIT);
	conn_flush(s->conn);
}

/* the session ends without a word of QUIT; the try is told why */
void smtp_session_fail(struct smtp_session *s, enum smtp_blame blame, const struct reply *r)
{
	struct smtp_try *t = s->try;
	struct delivery *next = s->next;
	struct reply never;

	/* RFC 8689 section 4.2.1: what has no proven TLS here will not have it later */
	if (tls_wish_insists(s->demand->wish) && r != &s->demand->failed && r->code == 451 &&
	    (!strcmp(r->enhanced, "4.7.4") || !strcmp(r->enhanced, "4.7.5"))) {
		reply_set(&never, 550, "5.7.10", "%s", r->text);
		r = &never;
		s->own_failed = true;
	}
	s->try = NULL;
	s->next = NULL;
	if (blame == SMTP_BLAME_SITE)
		smtp_session_quit(s);
	else
		smtp_session_drop(s);
	if (t)
		s->ops->failed(t, blame, r);
	if (next)
		schedule_return(next);
}

void smtp_session_fail_text(struct smtp_session *s, enum smtp_blame blame, const char *enhanced, const char *text)
{
	struct reply r;

	reply_set(&r, 451, enhanced, "%s", text);
	smtp_session_fail(s, blame, &r);
}

bool smtp_session_stops(struct smtp_session *s, enum deliver_stop stage)
{
	struct smtp_try *t = s->try;
	enum deliver_stop stop = s->d->o.stop;
	struct reply r;

	/* who wants to stop at a stage that this server does not have stops before MAIL */
	if (!stop || !t || !(stop == stage || (stage == DELIVER_STOP_AUTH && stop < stage)))
		return false;
	/* a no to MAIL has no recipient to be told about where none was named */
	reply_set(&r, 250, "2.0.0", "stopped as asked");
	if (stage == DELIVER_STOP_MAIL && t->why.code)
		r = t->why;
	s->try = NULL;
	if (s->state == SMTP_STATE_TLS)
		s->state = SMTP_STATE_HELLO;
	smtp_session_quit(s);
	s->ops->stopped(t, &r);
	return true;
}

/* --- connecting ------------------------------------------------------------------------------------------------------- */

static void init_client(struct smtp_session *s)
{
	struct smtp_client_options options = s->profile->client;

	if (s->d->o.tap.line)
		options.pipelining = options.chunking = false;
	smtp_client_init(&s->client, &options, &s->conn->out);
	s->feed = (struct smtp_feed){ .ops = &feed_ops, .d = s->d, .profile = s->profile, .client = &s->client };
}

/* a socket that is connected already stands for the server; else one is made */
static struct conn *connect_to(struct smtp_session *s)
{
	struct loop *loop = s->d->o.loop;
	int fd = s->d->o.socket ? *s->d->o.socket : -1;

	if (fd < 0)
		return smtp_target_connect(&s->target, loop, s->profile, on_event, s);
	*s->d->o.socket = -1;
	s->state = SMTP_STATE_HELLO;
	return conn_accepted(loop, fd, SMTP_IN_MAX, SMTP_OUT_MAX, on_event, s);
}

struct smtp_session *smtp_session_open(struct smtp_try *t, const struct smtp_session_ops *ops)
{
	struct smtp_session *s = MEM_NEW(struct smtp_session);

	s->d = t->d;
	s->ops = ops;
	s->profile = t->profile;
	s->dest = t->dest;
	s->target = t->target;
	s->opened_at = loop_now(s->d->o.loop);
	s->conn = connect_to(s);
	if (!s->conn) {
		mem_free(s);
		return NULL;
	}
	s->profile->refs++;
	s->try = t;
	s->demand = t->policy.demand;
	t->policy.demand = NULL;
	list_init(&s->idle);
	loop_task_init(&s->free_task, free_later);
	list_append(&s->d->sessions, &s->link);
	s->d->n_sessions++;
	s->dest->open++;
	init_client(s);
	smtp_session_set_deadline(s);
	return s;
}

/* --- deadlines -------------------------------------------------------------------------------------------------------- */

void smtp_session_set_deadline(struct smtp_session *s)
{
	enum smtp_phase phase = s->state == SMTP_STATE_TLS ? SMTP_PHASE_STARTTLS : smtp_feed_is_busy(&s->feed) ? SMTP_PHASE_BODY : s->client.phase;

	if (s->state >= SMTP_STATE_IDLE || s->state == SMTP_STATE_CONNECT)
		return;
	conn_deadline(s->conn, loop_now(s->d->o.loop) + s->profile->timeout[phase]);
}

/* --- the transaction ---------------------------------------------------------------------------------------------------- */

static struct smtp_tx make_tx(const struct envelope *e, const struct rcpt *const *rcpts, size_t n, bool is_probe)
{
	return (struct smtp_tx){
		.sender = e->sender, .rcpts = rcpts, .n_rcpts = n, .size = e->size, .flags = e->flags, .envid = e->envid,
		.ret = e->ret, .probe = is_probe,
	};
}

static void enter(struct smtp_session *s)
{
	s->state = SMTP_STATE_BUSY;
	s->uses++;
	if (s->d->o.stop)
		s->try->why.code = 0;
	s->answered = false;
	s->ops->ready(s->try, s);
}

static void begin(struct smtp_session *s)
{
	struct smtp_try *t = s->try;
	struct smtp_tx tx;

	enter(s);
	tx = make_tx(t->job->envelope, t->rcpts, s->d->o.stop == DELIVER_STOP_MAIL ? 0 : t->n_tx, t->is_probe);
	if (t->generic)
		tx.sender = t->generic->sender;
	smtp_client_begin(&s->client, &tx);
}

bool smtp_session_suits(const struct smtp_session *s, const struct delivery *job)
{
	enum tls_wish wish = smtp_policy_wish(s->profile, job, &s->target);

	if (s->demand->wish == TLS_WISH_OPTIONAL || wish == TLS_WISH_OPTIONAL)
		return wish == s->demand->wish || s->demand->wish != TLS_WISH_OPTIONAL;
	if (wish == TLS_WISH_ENDS)
		return s->demand->wish == wish;
	return wish != TLS_WISH_REQUIRED || (s->demand->wish == TLS_WISH_REQUIRED && s->client.extensions & SMTP_EXT_REQUIRETLS);
}

/* look_ahead - the content is out: the commands of what waits for this destination go with it. Only where the server has
 * shown that it takes more than one message in a connection, and is the one that should have them. */
static void look_ahead(struct smtp_session *s)
{
	struct smtp_tx tx;

	if (s->uses < 2 || s->backup || s->profile->generic.maps.n || !smtp_client_takes_next(&s->client) || !smtp_pool_wants(s))
		return;
	s->next = s->try->job->dest->priv ? schedule_next(s->try->job->dest) : NULL;
	if (!s->next)
		return;
	if (!smtp_session_suits(s, s->next)) {
		schedule_return(s->next);
		s->next = NULL;
		return;
	}
	tx = make_tx(s->next->envelope, s->next->rcpts, s->next->n, false);
	smtp_client_begin(&s->client, &tx);
}

void smtp_session_serve(struct smtp_session *s, struct smtp_try *t)
{
	bool nested = s->pumping;

	s->try = t;
	if (loop_now(s->d->o.loop) - s->idle_since > IDLE_TRUSTED) {
		conn_doubt(s->conn, s->profile->timeout[SMTP_PHASE_CONNECT]);
		s->doubted = true;
	}
	begin(s);
	smtp_session_pump(s);
	/* nested: the outer pump adds the content first, then all goes out in one write */
	if (!nested && s->state < SMTP_STATE_LEAVING)
		conn_flush(s->conn);
}

/* --- the content -------------------------------------------------------------------------------------------------------- */

static void on_fed(struct smtp_feed *f)
{
	look_ahead(LIST_ITEM(f, struct smtp_session, feed));
}

static void on_feed_moved(struct smtp_feed *f)
{
	struct smtp_session *s = LIST_ITEM(f, struct smtp_session, feed);

	if (s->state < SMTP_STATE_LEAVING)
		smtp_session_pump(s);
	if (s->state < SMTP_STATE_LEAVING)
		conn_flush(s->conn);
}

static void on_feed_failed(struct smtp_feed *f, const char *why)
{
	smtp_session_fail_text(LIST_ITEM(f, struct smtp_session, feed), SMTP_BLAME_BROKEN, "4.3.0", why);
}

static const struct smtp_feed_ops feed_ops = { on_fed, on_feed_moved, on_feed_failed };

static void on_body(struct smtp_session *s)
{
	smtp_feed_start(&s->feed, s->try->job, s->try->generic);
}

/* between transactions: the try that was served is done with us, the next one may already take over in there */
static void on_ready(struct smtp_session *s)
{
	struct smtp_try *t = s->try;

	smtp_feed_end(&s->feed);
	if (s->state == SMTP_STATE_HELLO) {
		if (!smtp_session_stops(s, DELIVER_STOP_AUTH))
			begin(s);
		return;
	}
	if (smtp_session_stops(s, DELIVER_STOP_MAIL))
		return;
	smtp_pool_add(s);
	if (t)
		s->ops->over(t);
}

/* the server answered all of one delivery; what it says next is about the one behind it */
static void on_next(struct smtp_session *s)
{
	struct smtp_try *before = s->try;
	struct delivery *job = s->next;

	s->next = NULL;
	s->try = NULL;
	if (before)
		s->ops->over(before);
	schedule_begin(job);
	s->try = s->ops->take(s, job);
	enter(s);
	/* the rest of what came is about this one */
	s->answered = s->conn->in.n > 0;
}

static void on_rcpt(struct smtp_session *s)
{
	if (s->try)
		s->ops->rcpt(s->try, s->client.rcpt, &s->client.reply);
}

static void on_done(struct smtp_session *s)
{
	if (s->try)
		s->ops->done(s->try, s->profile->lmtp ? (ptrdiff_t)s->client.rcpt : -1, &s->client.reply,
			!(s->client.extensions & SMTP_EXT_DSN));
}

static void on_broken(struct smtp_session *s)
{
	struct reply r;
	char said[300];

	smtp_target_said(&s->target, said);
	reply_set(&r, 451, "4.4.2", "lost connection with %s while %s: %s", said, smtp_phase_doing(s->client.phase), s->client.why);
	smtp_session_fail(s, s->client.phase == SMTP_PHASE_END ? SMTP_BLAME_FINAL : SMTP_BLAME_BROKEN, &r);
}

static void on_challenge(struct smtp_session *s)
{
	smtp_auth_challenge(s);
}

/* REFUSED and BROKEN have said why; QUIT is never waited for */
static void (*const handlers[])(struct smtp_session *s) = {
	[SMTP_CLIENT_HELLO] = smtp_hello, [SMTP_CLIENT_STARTTLS] = smtp_hello_handshake, [SMTP_CLIENT_TLS_REFUSED] = smtp_hello_tls_refused,
	[SMTP_CLIENT_AUTH] = on_challenge, [SMTP_CLIENT_AUTH_DONE] = smtp_hello_auth_done, [SMTP_CLIENT_READY] = on_ready,
	[SMTP_CLIENT_RCPT] = on_rcpt, [SMTP_CLIENT_BODY] = on_body, [SMTP_CLIENT_DONE] = on_done,
	[SMTP_CLIENT_NEXT] = on_next, [SMTP_CLIENT_QUIT] = smtp_session_drop,
	[SMTP_CLIENT_REFUSED] = smtp_hello_refused, [SMTP_CLIENT_BROKEN] = on_broken,
};

/* A delivery that ends in here may start the next one on this very session: the outer loop goes on with it. False: no reply is whole yet */
static bool pump(struct smtp_session *s)
{
	enum smtp_phase phase = s->client.phase;
	enum smtp_client_event ev;
	bool moved = false;

	if (s->pumping)
		return false;
	s->pumping = true;
	do {
		struct str in = buf_view(&s->conn->in);
		size_t before = in.n;

		size_t went = s->conn->out.n;

		ev = smtp_client_next(&s->client, &in);
		smtp_tap_came(s, str_head(buf_view(&s->conn->in), before - in.n));
		smtp_tap_went(s, went);
		if (s->d->o.stop == DELIVER_STOP_MAIL && s->state == SMTP_STATE_BUSY && before > in.n && s->client.reply.code >= 400)
			s->try->why = s->client.reply;
		buf_consume(&s->conn->in, before - in.n);
		went = s->conn->out.n;
		if (ev != SMTP_CLIENT_WANT_INPUT)
			handlers[ev](s);
		moved |= ev != SMTP_CLIENT_WANT_INPUT || s->client.phase != phase;
		if (s->state < SMTP_STATE_LEAVING)
			smtp_tap_went(s, went);
	} while (ev != SMTP_CLIENT_WANT_INPUT && s->state < SMTP_STATE_LEAVING && s->state != SMTP_STATE_TLS);
	s->pumping = false;
	return moved;
}

void smtp_session_pump(struct smtp_session *s)
{
	pump(s);
	smtp_session_set_deadline(s);
}

/* --- the connection ------------------------------------------------------------------------------------------------------ */

static void on_connected(struct smtp_session *s)
{
	s->connected_at = loop_now(s->d->o.loop);
	smtp_step(s->try, DELIVER_STEP_CONNECTED, NULL);
	if (s->demand->failed.code) {
		if (s->demand->tlsa)
			smtp_report_passed(s->d, s->profile, &s->target, s->demand);
		smtp_session_fail(s, SMTP_BLAME_SITE, &s->demand->failed);
		return;
	}
	if (s->demand->at_once) {
		smtp_hello_handshake(s);
		return;
	}
	s->state = SMTP_STATE_HELLO;
	smtp_session_set_deadline(s);
}

/* what the world calls this failure, and whether a copy of the message may have been taken */
static void lost(struct smtp_session *s, bool timeout)
{
	char said[300], text[600];
	enum smtp_phase phase = smtp_feed_is_busy(&s->feed) ? SMTP_PHASE_BODY : s->client.phase;

	if (s->state == SMTP_STATE_IDLE) {
		smtp_session_drop(s);
		return;
	}
	s->silent = s->conn->error == ETIMEDOUT;
	if (s->state == SMTP_STATE_TLS)
		smtp_resume_forget(s);
	smtp_target_said(&s->target, said);
	format_text(text, sizeof(text), timeout ? "conversation with %s timed out while %s" : "lost connection with %s while %s", said,
		s->state == SMTP_STATE_TLS ? "performing the TLS handshake" : smtp_phase_doing(phase));
	smtp_session_fail_text(s, phase == SMTP_PHASE_END && s->state == SMTP_STATE_BUSY ? SMTP_BLAME_FINAL : SMTP_BLAME_BROKEN, "4.4.2", text);
}

static void on_failed(struct smtp_session *s)
{
	char where[300], text[600];

	if (s->state == SMTP_STATE_TLS) {
		smtp_hello_tls_failed(s);
	} else if (s->state == SMTP_STATE_CONNECT) {
		smtp_target_where(&s->target, where);
		format_text(text, sizeof(text), "connect to %s: %s", where, s->conn->why);
		s->no_way = smtp_has_no_way(s->conn->error);
		timed_out += s->conn->error == ETIMEDOUT;
		smtp_session_fail_text(s, SMTP_BLAME_CONNECT, "4.4.1", text);
	} else {
		lost(s, false);
	}
}

static void on_deadline(struct smtp_session *s)
{
	if (s->state == SMTP_STATE_IDLE)
		smtp_session_quit(s);
	else
		lost(s, true);
}

static void on_data(struct smtp_session *s)
{
	if (s->state == SMTP_STATE_IDLE) {
		/* nobody asked: a 421, most likely */
		smtp_session_drop(s);
		return;
	}
	s->answered |= s->state == SMTP_STATE_BUSY;
	if (s->doubted) {
		conn_doubt(s->conn, 0);
		s->doubted = false;
	}
	/* a reply that comes byte by byte, or line by line, has the time of one */
	if (pump(s))
		smtp_session_set_deadline(s);
}

static enum conn_next on_event(struct conn *c, enum conn_event ev)
{
	struct smtp_session *s = c->ctx;

	if (s->state == SMTP_STATE_LEAVING) {
		buf_clear(&c->in);
		if (ev != CONN_DATA && ev != CONN_SENT)
			smtp_session_drop(s);
		return CONN_KEEP;
	}
	switch (ev) {
	case CONN_CONNECTED:
		on_connected(s);
		break;
	case CONN_DATA:
		on_data(s);
		break;
	case CONN_SENT:
		if (s->feed.feeding) {
			smtp_feed_more(&s->feed);
			smtp_session_set_deadline(s);
		}
		break;
	case CONN_TLS_READY:
		smtp_hello_tls_ready(s);
		break;
	case CONN_EOF:
		lost(s, false);
		break;
	case CONN_FAILED:
		on_failed(s);
		break;
	case CONN_DEADLINE:
		on_deadline(s);
		break;
	}
	return CONN_KEEP;
}
