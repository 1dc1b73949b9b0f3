/* smtp_feed - see smtp_feed.h. A piece that has passed the checks goes to the signature the first time, to the machine the second, or
 * only, time. */
#include "core/deliver/smtp/smtp_feed.h"

#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_checks.h"
#include "core/deliver/smtp/smtp_sign.h"

void smtp_feed_end(struct smtp_feed *f)
{
	if (f->reader) {
		f->d->o.content.close(f->reader);
		loop_task_cancel(&f->turn);
	}
	smtp_checks_free(f->checks);
	f->checks = NULL;
	smtp_sign_free(f->signing);
	f->signing = NULL;
	f->reader = NULL;
	f->feeding = f->checking = f->waits = false;
}

static void fail(struct smtp_feed *f, const char *why)
{
	smtp_feed_end(f);
	f->ops->failed(f, why);
}

static void pass_on(struct smtp_feed *f, struct str piece, bool last)
{
	if (!f->signing) {
		smtp_client_body(f->client, piece, last);
		return;
	}
	f->checking = true;
	smtp_sign_add(f->signing, piece, last);
}

static void go_on(struct smtp_feed *f)
{
	smtp_feed_more(f);
	f->ops->moved(f);
}

/* on_checked - a piece has passed; at once, or after its time on the pool */
static void on_checked(void *ctx, struct str content, bool last, bool failed)
{
	struct smtp_feed *f = ctx;
	bool waited = f->waits;

	f->checking = f->waits = false;
	if (failed) {
		fail(f, "a table of header or body checks could not be asked");
		return;
	}
	pass_on(f, content, last);
	if (!waited || !f->reader)
		return;
	f->waits = f->checking;
	if (!f->checking)
		go_on(f);
}

/* give_piece - of the content to the machine, through the transport's checks where it has some. Where fields are checked, they are mapped
 * behind the checks, one by one */
static void give_piece(struct smtp_feed *f, struct str piece, bool last)
{
	if (f->checks) {
		f->checking = true;
		smtp_checks_add(f->checks, piece, last);
	} else if (f->generic && !smtp_generic_piece(f->generic, &piece, last)) {
		fail(f, f->generic->failed.text);
	} else {
		pass_on(f, piece, last);
	}
	if (f->reader)
		f->waits = f->checking;
}

/* on_field - what is sent of a field that passed the checks: addresses of ours as others shall see them */
static bool on_field(void *ctx, const struct header *h, struct buf *out)
{
	struct smtp_feed *f = ctx;

	return smtp_generic_field(f->generic, h, out);
}

static void open_checks(struct smtp_feed *f)
{
	char qid[QID_MAX];

	deliver_qid(f->job, qid);
	f->checks = smtp_checks_new(&(struct smtp_checks_options){ .conf = f->profile->conf, .checks = f->profile->checks,
		.pool = f->d->o.pool, .envelope = f->job->envelope, .qid = qid, .service = smtp_profile_service(f->profile),
		.quiet = f->signing, .field = f->generic ? on_field : NULL, .give = on_checked, .ctx = f });
}

/* begin - with the content, the first time or the second */
static void begin(struct smtp_feed *f)
{
	smtp_checks_free(f->checks);
	f->checks = NULL;
	if (f->profile->checks)
		open_checks(f);
	if (f->generic)
		smtp_generic_begin(f->generic);
	f->sent = 0;
	f->feeding = true;
}

/* send_signed - the content from its beginning, behind the signature if there is one */
static void send_signed(struct smtp_feed *f, struct str field)
{
	if (field.n)
		smtp_client_body(f->client, field, false);
	smtp_sign_free(f->signing);
	f->signing = NULL;
	begin(f);
}

/* on_signed - at once, or after its time on the pool */
static void on_signed(void *ctx, enum smtp_sign_step step, struct str field)
{
	struct smtp_feed *f = ctx;
	bool waited = f->waits;

	f->checking = f->waits = false;
	if (step == SMTP_SIGN_FAILED) {
		fail(f, "the message could not be signed");
		return;
	}
	if (step == SMTP_SIGN_OVER)
		send_signed(f, field);
	if (waited)
		go_on(f);
}

static void open_signing(struct smtp_feed *f)
{
	f->signing = smtp_sign_new(&(struct smtp_sign_options){ .keys = f->profile->dkim, .router = f->d->o.router, .client = f->client,
		.pool = loop_pool(f->d->o.loop), .envelope = f->job->envelope, .told = on_signed, .ctx = f });
}

static void on_turn(struct loop_task *t)
{
	struct smtp_feed *f = LIST_ITEM(t, struct smtp_feed, turn);

	f->checking = f->waits = false;
	go_on(f);
}

/* feed_piece - false: it cannot be read, and the feed has failed */
static bool feed_piece(struct smtp_feed *f)
{
	ssize_t n;

	n = f->size > f->sent ? f->d->o.content.read(f->reader, f->sent, f->d->scratch, f->checks ? LIMIT_CHECK_PIECE : LIMIT_CLIENT_PIECE) : 0;
	if (n < 0 || (n == 0 && f->sent < f->size)) {
		fail(f, "queue file read error");
		return false;
	}
	f->sent += (uint64_t)n;
	f->feeding = f->sent < f->size;
	give_piece(f, str_make(f->d->scratch, (size_t)n), !f->feeding);
	/* a piece of the header costs milliseconds */
	if (f->feeding && !f->checking && f->generic && !f->checks && !f->generic->in_body) {
		f->checking = f->waits = true;
		loop_defer(f->d->o.loop, &f->turn);
	}
	return true;
}

void smtp_feed_more(struct smtp_feed *f)
{
	while (f->feeding && !f->checking && (f->signing || f->client->out->n < (f->checks ? 2 * LIMIT_CHECK_PIECE : LIMIT_CLIENT_FEED)))
		if (!feed_piece(f))
			return;
	/* a piece that the checks have may end it when it comes back */
	if (smtp_feed_is_busy(f) || !f->reader)
		return;
	smtp_feed_end(f);
	f->ops->over(f);
}

void smtp_feed_start(struct smtp_feed *f, const struct delivery *job, struct smtp_generic *generic)
{
	f->job = job;
	f->generic = generic;
	f->size = job->envelope->size;
	f->reader = f->d->o.content.open(f->d->o.content.ctx, job->msg);
	if (!f->reader) {
		fail(f, "queue file open error");
		return;
	}
	loop_task_init(&f->turn, on_turn);
	if (f->profile->dkim)
		open_signing(f);
	begin(f);
	smtp_feed_more(f);
}
