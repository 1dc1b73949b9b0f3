/* cleanup - see cleanup.h. Three states: reading the header section, streaming the body, waiting for the sink. Where checks are,
 * fields and body take the way through inspect.h before they come to the same places. */
#include "core/cleanup/cleanup.h"

#include <errno.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/metric.h"
#include "core/cleanup/complete.h"
#include "core/cleanup/inspect.h"
#include "core/cleanup/section.h"
#include "core/smtp/content.h"

static const struct source_row {
	bool completes;                /* addresses are not complete yet: elsewhere they were judged in that form */
	bool copies;                   /* always_bcc and its like: for mail from outside only */
	bool ours;                     /* Received says only that we have it */
	bool keeps_list;               /* recipients are as they are: they were expanded already */
	bool limited;                  /* message_size_limit */
	bool quiet;                    /* no log */
	bool bounces;                  /* what rules refuse is queued, to come back to its sender as a notice */
	bool checked;                  /* header_checks and its like (Postfix: not what comes from ourselves) */
} sources[] = {
	[CLEANUP_SMTP] = { .copies = true, .limited = true, .checked = true },
	[CLEANUP_PICKUP] = { .completes = true, .copies = true, .limited = true, .bounces = true, .checked = true },
	[CLEANUP_NOTICE] = { .completes = true, .ours = true },
	[CLEANUP_FORWARD] = { .ours = true },
	[CLEANUP_DIRECT] = { .completes = true, .keeps_list = true, .quiet = true, .checked = true },
};

/* bytes of header sections in memory, of all messages on their way in */
static size_t headers_held;

struct cleanup {
	const struct source_row *source;
	const struct cleanup_sink_ops *sink;
	void *writer;
	struct envelope *envelope;
	struct completion completion;
	struct str sender;             /* as it was given, … */
	struct rcpt *rcpts;            /* … and these, when they are about to change: what they are again when the message is refused */
	size_t n_rcpts;
	struct section section;
	struct buf header;             /* what will be stored */
	struct arena arena, scratch;   /* what addresses became; for one field */
	char qid[QID_MAX];
	size_t held;                   /* our share of headers_held */
	bool in_body, eight_bit;
	uint64_t received, limit;      /* content bytes as they came; limit 0: none */
	struct reply failure;          /* code != 0: refuse */
	struct acts acts;              /* what rules want done with the message */
	struct action_wish *const *wishes;
	struct inspection *inspection; /* NULL: nothing is checked */
	struct recipients_work *work;  /* what becomes of the recipients, at the end */
	struct pool *pool;             /* where checks answer later, and recipients wait for their next turn; NULL: at once */
	struct pool_job turn;
	bool busy, ending;             /* checks are at work; … on the last of it */
	bool adding;                   /* whoever gives us content is still there: he need not be called */
	void (*go_on)(void *ctx);
	void *go_on_ctx;
	unsigned *users;               /* of router and conf */
	cleanup_fn fn;
	void *ctx;
};

void cleanup_refusal(struct reply *r, int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
		reply_set(r, 452, "4.3.1", "Insufficient system storage");
		break;
	case EAGAIN:
		reply_set(r, 452, "4.3.1", "Error: too much mail waits for the disk, try again later");
		break;
	case EFBIG:
	case EMSGSIZE:
		/* message_size_limit is not asked for by this number */
		reply_set(r, 552, "5.3.4", "Message size exceeds file system imposed limit");
		break;
	default:
		reply_set(r, 451, "4.3.0", "Error: queue file write error");
	}
}

size_t cleanup_memory(const struct cleanup *c)
{
	return c->header.cap + c->section.pending.cap + c->arena.used + c->scratch.used + (c->inspection ? inspect_memory(c->inspection) : 0);
}

static void fail(struct cleanup *c, int error)
{
	if (!c->failure.code)
		cleanup_refusal(&c->failure, error);
}

/* --- the header section ---------------------------------------------------------------------------------------------- */

static void hold(struct cleanup *c, size_t n)
{
	headers_held += n - c->held;
	c->held = n;
}

static void release_header(struct cleanup *c)
{
	hold(c, 0);
	buf_fini(&c->header);
	section_fini(&c->section);
}

static void on_field(void *ctx, const struct header *h)
{
	struct cleanup *c = ctx;

	if (c->failure.code)
		return;
	if (c->inspection)
		inspect_field(c->inspection, h);
	else
		complete_field(&c->completion, h);
}

static void check_header(struct cleanup *c)
{
	hold(c, c->header.n + c->section.pending.n + (c->inspection ? inspect_held(c->inspection) : 0));
	if (c->header.overflow || c->scratch.overflow)
		reply_set(&c->failure, 552, "5.3.4", "Error: all header fields together are larger than %d bytes", LIMIT_HEADER);
	else if (c->held > LIMIT_HEADER_FAIR && headers_held > LIMIT_HEADERS_HELD)
		reply_set(&c->failure, 452, "4.3.1", "Error: too many messages with large headers at once, try again later");
}

static struct str part_of(const struct cleanup *c, struct part p)
{
	return str_head(str_from(buf_view(&c->header), p.at), p.n);
}

METRIC_ONE(processed, "postfix_cleanup_messages_processed", "Messages taken in.");
METRIC_ONE(rejected, "postfix_cleanup_messages_rejected", "Messages refused after their content.");

static void log_id_of(const struct cleanup *c, const char *key, struct str id)
{
	struct log_line l;

	log_begin(&l, "cleanup", 0, c->qid);
	log_id(&l, key, id);
	log_key(&l, "event", STR("message-id"));
	log_end(&l);
}

static void log_ids(const struct cleanup *c)
{
	struct str id = part_of(c, c->completion.message_id), resent = part_of(c, c->completion.resent_message_id);

	processed++;
	if (resent.n)
		log_id_of(c, "resent-message-id", resent);
	log_id_of(c, "message-id", id.n ? id : STR("<>"));
}

static void check_hops(struct cleanup *c)
{
	if (c->completion.hops < (unsigned)c->completion.conf->hopcount_limit)
		return;
	if (!c->source->quiet)
		log_say(LOG_SEV_WARNING, "cleanup", 0, c->qid, "reject", "message rejected: hopcount exceeded");
	reply_set(&c->failure, 554, "5.4.0", "Error: too many hops");
}

static void put_body(struct cleanup *c, struct str s)
{
	if (!c->eight_bit)
		c->eight_bit = content_has_8bit(s);
	if (!c->failure.code && s.n && c->sink->add(c->writer, s) != 0)
		fail(c, errno);
}

static void finish_header(struct cleanup *c)
{
	complete_end(&c->completion);
	buf_z(&c->header, "\r\n");
	check_header(c);
	if (!c->source->quiet)
		log_ids(c);
	check_hops(c);
}

static void add_body(struct cleanup *c, struct str s)
{
	if (c->inspection)
		inspect_body(c->inspection, s);
	else
		put_body(c, s);
}

/* end_header - body: what the section had taken for its own */
static void end_header(struct cleanup *c, struct str body)
{
	c->in_body = true;
	if (c->inspection)
		inspect_header_end(c->inspection, !body.n);
	else
		finish_header(c);
	add_body(c, body);
	section_fini(&c->section);
	hold(c, c->header.n);
}

/* --- what passed the checks --------------------------------------------------------------------------------------------- */

static void checked_field(void *ctx, const struct header *h)
{
	struct cleanup *c = ctx;

	complete_field(&c->completion, h);
}

static void checked_line(void *ctx, struct str raw)
{
	struct cleanup *c = ctx;

	buf_str(&c->header, raw);
}

static void checked_header_end(void *ctx)
{
	finish_header(ctx);
}

static void checked_body(void *ctx, struct str crlf)
{
	put_body(ctx, crlf);
}

static void finish(struct cleanup *c);

static void checked(void *ctx)
{
	struct cleanup *c = ctx;
	bool waited = c->busy && !c->adding;

	if (c->acts.refusal.code && !c->failure.code)
		c->failure = c->acts.refusal;
	if (c->failure.code)
		release_header(c);
	c->busy = false;
	if (c->ending)
		finish(c);
	else if (waited && c->go_on)
		c->go_on(c->go_on_ctx);
}

/* --- from begin to end ------------------------------------------------------------------------------------------------ */

/* begin_rules - what access tables asked for; checks, where there are any */
static void begin_rules(struct cleanup *c, const struct cleanup_options *o)
{
	static const struct inspect_ops ops = {
		.field = checked_field, .line = checked_line, .header_end = checked_header_end, .body = checked_body, .done = checked,
	};

	c->acts = (struct acts){ .envelope = c->envelope, .qid = c->qid, .arena = &c->arena, .queueless = c->source->keeps_list,
		.bounces = c->source->bounces };
	c->wishes = o->wishes;
	c->pool = o->pool;
	c->go_on = o->go_on;
	c->go_on_ctx = o->ctx;
	if (c->source->checked && !o->unchecked && inspect_wanted(o->conf, o->checks))
		c->inspection = inspect_new(o->conf, o->checks, o->pool, &c->acts, &ops, c);
}

static bool puts_fields(const struct cleanup *c)
{
	const struct action_wish *w = c->wishes ? *c->wishes : NULL;

	while (w && w->action.kind != ACTION_PREPEND)
		w = w->next;
	return w;
}

/* put_first - the header as it begins, once more: what access tables put before all else, then the fields of ours. They are fields
 * like any other: completed, and checked. Many a rule is about the Received field of ours */
static void put_first(struct cleanup *c)
{
	struct buf ours = c->header, all;
	struct str rest;
	struct header h;

	buf_init(&c->header, LIMIT_HEADER);
	buf_init(&all, LIMIT_HEADER);
	for (const struct action_wish *w = c->wishes ? *c->wishes : NULL; w; w = w->next)
		if (w->action.kind == ACTION_PREPEND)
			buf_printf(&all, "%.*s\r\n", STR_ARG(w->action.text));
	buf_str(&all, buf_view(&ours));
	c->completion.hops = 0;
	rest = buf_view(&all);
	while (header_next(&rest, &h) == 1)
		on_field(c, &h);
	buf_fini(&all);
	buf_fini(&ours);
}

struct cleanup *cleanup_begin(const struct cleanup_options *o, struct envelope *e)
{
	char qid[QID_MAX];
	void *w = o->sink.ops->begin(o->sink.to, qid);
	struct envelope ours = { .flags = ENVELOPE_LOCAL, .arrival = e->arrival, .uid = -1 };
	struct cleanup *c;
	struct addr from;

	if (!w)
		return NULL;
	c = MEM_NEW(struct cleanup);
	c->source = &sources[o->source];
	c->sink = o->sink.ops;
	c->writer = w;
	c->envelope = e;
	c->sender = e->sender;
	c->users = o->users;
	if (c->users)
		++*c->users;
	c->limit = c->source->limited ? (uint64_t)o->conf->message_size_limit : 0;
	memcpy(c->qid, qid, sizeof(qid));
	arena_init(&c->arena, 4 * LIMIT_HEADER);
	arena_init(&c->scratch, 4 * LIMIT_HEADER);
	buf_init(&c->header, LIMIT_HEADER);
	section_init(&c->section, (size_t)o->conf->header_size_limit, on_field, c);
	if (c->source->completes)
		e->sender = rewrite_address(o->router, &c->arena, e->sender, true);
	/* mail in the name of our own daemon is answered by no notice */
	from = addr_split(e->sender);
	if (str_ieq(from.local, STR("mailer-daemon")) && str_ieq(from.domain, str_of(o->conf->myorigin)))
		e->sender = STR_EMPTY;
	c->completion = (struct completion){
		.conf = o->conf, .envelope = e, .qid = c->qid, .scratch = &c->scratch,
		.rewrite = { .router = o->router, .qid = c->source->quiet ? NULL : c->qid, .local = o->local, .maps = !o->unmapped },
		.completes = o->local || *o->conf->remote_header_rewrite_domain, .now = o->now, .out = &c->header,
	};
	begin_rules(c, o);
	complete_begin(&c->completion, c->source->ours ? &ours : e, o->tls_note, o->peer_note, o->front);
	if (c->inspection || puts_fields(c))
		put_first(c);
	e->sender = rewrite_mapped(&c->completion.rewrite, &c->arena, e->sender, PLACE_ENVELOPE_SENDER);
	return c;
}

const char *cleanup_qid(const struct cleanup *c)
{
	return c->qid;
}

void cleanup_add(struct cleanup *c, struct str content)
{
	struct str body, rest = content;

	c->received += content.n;
	if (c->limit && c->received > c->limit && !c->failure.code)
		reply_set(&c->failure, 552, "5.3.4", "Message size exceeds fixed limit");
	if (!c->in_body && !c->failure.code) {
		if (section_add(&c->section, content, &body, &rest)) {
			end_header(c, body);
		} else {
			check_header(c);
			rest = STR_EMPTY;
		}
	}
	if (c->failure.code)
		release_header(c);
	else if (rest.n)
		add_body(c, rest);
	if (c->inspection && !c->failure.code) {
		c->adding = true;
		c->busy = c->pool != NULL;
		inspect_go(c->inspection);
		c->adding = false;
	}
}

bool cleanup_is_busy(const struct cleanup *c)
{
	return c->busy;
}

static void cleanup_free(struct cleanup *c)
{
	if (c->users)
		--*c->users;
	release_header(c);
	inspect_free(c->inspection);
	arena_fini(&c->arena);
	arena_fini(&c->scratch);
	mem_free(c);
}

static void on_stored(void *ctx, struct qmsg *m, int error)
{
	struct cleanup *c = ctx;
	struct reply r;

	if (error)
		cleanup_refusal(&r, error);
	else
		reply_set(&r, 250, "2.0.0", "Ok: queued as %s", c->qid);
	c->fn(c->ctx, &r, error ? NULL : m);
	cleanup_free(c);
}

/* end_recipients - they are what they will be */
static void end_recipients(struct cleanup *c)
{
	const struct rewrite *w = &c->completion.rewrite;

	if (c->work)
		recipients_end(c->work);
	c->work = NULL;
	acts_redirect(&c->acts, w->router);
	if (c->arena.overflow && !c->failure.code)
		reply_set(&c->failure, 552, "5.5.3", "Error: the addresses of all recipients are longer than %d bytes", 4 * LIMIT_HEADER);
}

static void begin_recipients(struct cleanup *c)
{
	const struct rewrite *w = &c->completion.rewrite;
	struct recipients_rules rules = { .router = w->router, .qid = w->qid, .completes = c->source->completes,
		.maps = w->maps, .copies = c->source->copies && w->maps };

	c->rcpts = c->envelope->rcpts;
	c->n_rcpts = c->envelope->n_rcpts;
	acts_wishes(&c->acts, c->wishes ? *c->wishes : NULL);
	acts_add_bcc(&c->acts, w->router);
	if (c->source->keeps_list) {
		for (size_t i = 0; i < c->envelope->n_rcpts; i++)
			recipient_complete(w->router, &c->arena, &c->envelope->rcpts[i]);
	} else {
		c->work = recipients_begin(&rules, &c->arena, &c->scratch, c->envelope, &c->failure);
	}
}

/* give_back - the envelope, when nothing comes of it */
static void give_back(struct cleanup *c)
{
	c->envelope->sender = c->sender;
	if (!c->rcpts)
		return;
	c->envelope->rcpts = c->rcpts;
	c->envelope->n_rcpts = c->n_rcpts;
}

/* drop - a rule wants it to be as if the message had been queued */
static void drop(struct cleanup *c)
{
	struct reply r;

	c->sink->abort(c->writer);
	reply_set(&r, 250, "2.0.0", "Ok: queued as %s", c->qid);
	c->fn(c->ctx, &r, NULL);
	cleanup_free(c);
}

static void commit(struct cleanup *c)
{
	struct buf header = c->header;

	if (c->eight_bit)
		c->envelope->flags |= ENVELOPE_8BIT;
	if (c->acts.hold)
		c->envelope->flags |= ENVELOPE_HOLD;
	if (c->completion.tls_not_required)
		c->envelope->tls_required = STR("no");
	/* the sink has what it needs when commit returns, when c may be gone */
	hold(c, 0);
	buf_init(&c->header, 0);
	c->sink->commit(c->writer, c->envelope, buf_view(&header), on_stored, c);
	buf_fini(&header);
}

/* answer - all is known */
static void answer(struct cleanup *c)
{
	if (c->acts.refusal.code && !c->failure.code)
		c->failure = c->acts.refusal;
	if (c->failure.code) {
		rejected++;
		give_back(c);
		c->sink->abort(c->writer);
		c->fn(c->ctx, &c->failure, NULL);
		cleanup_free(c);
	} else if (c->acts.discard) {
		drop(c);
	} else {
		commit(c);
	}
}

static void take_turn(struct cleanup *c);

/* the others have had theirs */
static void on_turn(struct pool_job *j)
{
	take_turn(LIST_ITEM(j, struct cleanup, turn));
}

static void nothing(struct pool_job *j)
{
	(void)j;
}

/* take_turn - recipients become others for a while, and again when the loop comes round */
static void take_turn(struct cleanup *c)
{
	if (c->work && !recipients_go_on(c->work, c->pool ? LIMIT_RECIPIENTS_SLICE : USEC_NEVER)) {
		c->turn = (struct pool_job){ .work = nothing, .done = on_turn };
		pool_run(c->pool, &c->turn);
		return;
	}
	end_recipients(c);
	answer(c);
}

static void finish(struct cleanup *c)
{
	if (!c->failure.code && c->completion.rewrite.failed)
		rewrite_refusal(&c->failure);
	if (c->failure.code) {
		answer(c);
		return;
	}
	begin_recipients(c);
	take_turn(c);
}

void cleanup_end(struct cleanup *c, cleanup_fn fn, void *ctx)
{
	struct str body;

	c->fn = fn;
	c->ctx = ctx;
	if (!c->in_body && !c->failure.code) {
		section_end(&c->section, &body);
		end_header(c, body);
	}
	c->ending = true;
	if (!c->inspection || c->failure.code) {
		finish(c);
		return;
	}
	inspect_body_end(c->inspection);
	c->busy = c->pool != NULL;
	inspect_go(c->inspection);
}

void cleanup_abort(struct cleanup *c)
{
	give_back(c);
	c->sink->abort(c->writer);
	cleanup_free(c);
}
