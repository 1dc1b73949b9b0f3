/* smtp_session - one outbound connection: the client machine meets a socket.
 *
 * Order of a session: connect, (TLS), greeting and EHLO, (STARTTLS, EHLO), (AUTH), transactions, QUIT. What the server
 * says about recipients goes to the try; what ends the session goes to the try once, as a reply in Postfix's words, and
 * the try decides what is asked next. Content is read from the queue as the connection drains, so a slow server costs
 * LIMIT_CLIENT_FEED bytes of memory and no more. */
#include <errno.h>

#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_auth.h"
#include "core/deliver/smtp/smtp_checks.h"
#include "core/deliver/smtp/smtp_hello.h"
#include "core/deliver/smtp/smtp_sign.h"
#include "core/deliver/smtp/smtp_tap.h"
#include "core/deliver/smtp/smtp_try.h"

#define QUIT_WAIT (5 * USEC_PER_SEC)
/* A host may have died while its session waited. One that was idle for longer must give a sign within the time to
 * connect, or the delivery goes on elsewhere; a busy one is not asked twice. */
#define IDLE_TRUSTED (USEC_PER_SEC / 10)

static enum conn_next on_event(struct conn *c, enum conn_event ev);

/* --- life ----------------------------------------------------------------------------------------------------------- */

static void end_reading(struct smtp_session *s)
{
	if (s->reader)
		s->d->o.content.close(s->reader);
	smtp_checks_free(s->checks);
	s->checks = NULL;
	smtp_sign_free(s->signing);
	s->signing = NULL;
	s->reader = NULL;
	s->feeding = s->checking = false;
}

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
	end_reading(s);
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
	end_reading(s);
	conn_deadline(s->conn, loop_now(s->d->o.loop) + QUIT_WAIT);
	conn_flush(s->conn);
}

/* the session ends without a word of QUIT; the try is told why */
void smtp_session_fail(struct smtp_session *s, enum smtp_blame blame, const struct reply *r)
{
	struct smtp_try *t = s->try;
	struct delivery *next = s->next;

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
	enum smtp_phase phase = s->state == SMTP_STATE_TLS ? SMTP_PHASE_STARTTLS : s->feeding || s->checking ? SMTP_PHASE_BODY : s->client.phase;

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
	s->sent = 0;
	s->size = s->try->job->envelope->size;
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

static void feed(struct smtp_session *s);

/* go_on - a piece came back after its time on the pool */
static void go_on(struct smtp_session *s)
{
	feed(s);
	if (s->state < SMTP_STATE_LEAVING)
		smtp_session_pump(s);
	if (s->state < SMTP_STATE_LEAVING)
		conn_flush(s->conn);
}

/* pass_on - content that has passed the checks: to be signed the first time, to the machine the second, or only, time */
static void pass_on(struct smtp_session *s, struct str piece, bool last)
{
	if (!s->signing) {
		smtp_client_body(&s->client, piece, last);
		return;
	}
	s->checking = true;
	smtp_sign_add(s->signing, piece, last);
}

/* on_checked - a piece has passed; at once, or after its time on the pool */
static void on_checked(void *ctx, struct str content, bool last, bool failed)
{
	struct smtp_session *s = ctx;
	bool waited = s->waits_for_checks;

	s->checking = s->waits_for_checks = false;
	if (failed) {
		smtp_session_fail_text(s, SMTP_BLAME_BROKEN, "4.3.0", "a table of header or body checks could not be asked");
		return;
	}
	pass_on(s, content, last);
	if (!waited || s->state >= SMTP_STATE_LEAVING)
		return;
	s->waits_for_checks = s->checking;
	if (!s->checking)
		go_on(s);
}

/* give_piece - of the content to the machine, through the transport's checks where it has some */
static void give_piece(struct smtp_session *s, struct str piece, bool last)
{
	if (s->checks) {
		s->checking = true;
		smtp_checks_add(s->checks, piece, last);
	} else {
		pass_on(s, piece, last);
	}
	if (s->state < SMTP_STATE_LEAVING)
		s->waits_for_checks = s->checking;
}

/* on_field - what is sent of a field that passed the checks: addresses of ours as others shall see them */
static bool on_field(void *ctx, const struct header *h, struct buf *out)
{
	struct smtp_session *s = ctx;

	return s->try && smtp_generic_field(s->try->generic, h, out);
}

static void open_checks(struct smtp_session *s)
{
	char qid[QID_MAX];

	deliver_qid(s->try->job, qid);
	s->checks = smtp_checks_new(&(struct smtp_checks_options){ .conf = s->profile->conf, .checks = s->profile->checks,
		.pool = s->d->o.pool, .envelope = s->try->job->envelope, .qid = qid, .service = smtp_session_service(s), .quiet = s->signing,
		.field = s->try->generic ? on_field : NULL, .give = on_checked, .ctx = s });
}

/* send_signed - the content from its beginning, behind the signature if there is one */
static void send_signed(struct smtp_session *s, struct str field)
{
	if (field.n)
		smtp_client_body(&s->client, field, false);
	smtp_sign_free(s->signing);
	s->signing = NULL;
	smtp_checks_free(s->checks);
	s->checks = NULL;
	if (s->profile->checks)
		open_checks(s);
	s->sent = 0;
	s->feeding = true;
}

/* on_signed - at once, or after its time on the pool */
static void on_signed(void *ctx, enum smtp_sign_step step, struct str field)
{
	struct smtp_session *s = ctx;
	bool waited = s->waits_for_checks;

	s->checking = s->waits_for_checks = false;
	if (step == SMTP_SIGN_FAILED) {
		smtp_session_fail_text(s, SMTP_BLAME_BROKEN, "4.3.0", "the message could not be signed");
		return;
	}
	if (step == SMTP_SIGN_OVER)
		send_signed(s, field);
	if (waited)
		go_on(s);
}

static void open_signing(struct smtp_session *s)
{
	s->signing = smtp_sign_new(&(struct smtp_sign_options){ .keys = s->profile->dkim, .router = s->d->o.router, .client = &s->client,
		.pool = loop_pool(s->d->o.loop), .envelope = s->try->job->envelope, .told = on_signed, .ctx = s });
}

/* feed_header - the header that stands for the content's own */
static void feed_header(struct smtp_session *s)
{
	const struct smtp_generic *g = s->try->generic;

	s->sent = g->header_size;
	s->feeding = s->sent < s->size;
	give_piece(s, buf_view(&g->header), !s->feeding);
}

/* feed_piece - false: it cannot be read, and the session is over */
static bool feed_piece(struct smtp_session *s)
{
	ssize_t n;

	/* where fields are checked, they are mapped behind the checks, one by one */
	if (!s->sent && s->try && s->try->generic && s->try->generic->header_size && !s->checks) {
		feed_header(s);
		return true;
	}
	n = s->size > s->sent ? s->d->o.content.read(s->reader, s->sent, s->d->scratch, LIMIT_CLIENT_PIECE) : 0;
	if (n < 0 || (n == 0 && s->sent < s->size)) {
		smtp_session_fail_text(s, SMTP_BLAME_BROKEN, "4.3.0", "queue file read error");
		return false;
	}
	s->sent += (uint64_t)n;
	s->feeding = s->sent < s->size;
	give_piece(s, str_make(s->d->scratch, (size_t)n), !s->feeding);
	return true;
}

static void feed(struct smtp_session *s)
{
	while (s->feeding && !s->checking && (s->signing || s->conn->out.n < LIMIT_CLIENT_FEED))
		if (!feed_piece(s))
			return;
	/* a piece that the checks have may end the session when it comes back */
	if (s->feeding || s->checking || s->state >= SMTP_STATE_LEAVING || !s->reader)
		return;
	end_reading(s);
	look_ahead(s);
}

static void start_feeding(struct smtp_session *s)
{
	if (!s->reader && !s->feeding)
		s->reader = s->d->o.content.open(s->d->o.content.ctx, s->try->job->msg);
	if (!s->reader) {
		smtp_session_fail_text(s, SMTP_BLAME_BROKEN, "4.3.0", "queue file open error");
		return;
	}
	s->feeding = true;
	if (s->profile->dkim)
		open_signing(s);
	if (s->profile->checks && !s->checks)
		open_checks(s);
	feed(s);
}

/* between transactions: the try that was served is done with us, the next one may already take over in there */
static void on_ready(struct smtp_session *s)
{
	struct smtp_try *t = s->try;

	end_reading(s);
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
	[SMTP_CLIENT_RCPT] = on_rcpt, [SMTP_CLIENT_BODY] = start_feeding, [SMTP_CLIENT_DONE] = on_done,
	[SMTP_CLIENT_NEXT] = on_next, [SMTP_CLIENT_QUIT] = smtp_session_drop,
	[SMTP_CLIENT_REFUSED] = smtp_hello_refused, [SMTP_CLIENT_BROKEN] = on_broken,
};

/* A delivery that ends in here may start the next one on this very session: the outer loop goes on with it. */
void smtp_session_pump(struct smtp_session *s)
{
	enum smtp_client_event ev;

	if (s->pumping)
		return;
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
		if (s->state < SMTP_STATE_LEAVING)
			smtp_tap_went(s, went);
	} while (ev != SMTP_CLIENT_WANT_INPUT && s->state < SMTP_STATE_LEAVING && s->state != SMTP_STATE_TLS);
	s->pumping = false;
	smtp_session_set_deadline(s);
}

/* --- the connection ------------------------------------------------------------------------------------------------------ */

static void on_connected(struct smtp_session *s)
{
	s->connected_at = loop_now(s->d->o.loop);
	smtp_step(s->try, DELIVER_STEP_CONNECTED, NULL);
	if (s->demand->failed.code) {
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
	enum smtp_phase phase = s->feeding || s->checking ? SMTP_PHASE_BODY : s->client.phase;

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
	smtp_session_pump(s);
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
		if (s->feeding) {
			feed(s);
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
