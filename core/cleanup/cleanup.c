/* cleanup - see cleanup.h. Three states: reading the header section, streaming the body, waiting for the sink. */
#include "core/cleanup/cleanup.h"

#include <errno.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cleanup/complete.h"
#include "core/cleanup/section.h"
#include "core/smtp/content.h"

static const struct source_row {
	bool completes;                /* addresses are not complete yet: elsewhere they were judged in that form */
	bool ours;                     /* Received says only that we have it */
	bool keeps_list;               /* recipients are neither expanded nor is one of two equal ones left out */
	bool limited;                  /* message_size_limit */
	bool quiet;                    /* no log */
} sources[] = {
	[CLEANUP_SMTP] = { .limited = true },
	[CLEANUP_PICKUP] = { .completes = true, .limited = true },
	[CLEANUP_NOTICE] = { .completes = true, .ours = true },
	[CLEANUP_FORWARD] = { .ours = true },
	[CLEANUP_DIRECT] = { .completes = true, .keeps_list = true, .quiet = true },
};

/* bytes of header sections in memory, of all messages on their way in */
static size_t headers_held;

struct cleanup {
	const struct source_row *source;
	const struct cleanup_sink_ops *sink;
	void *writer;
	struct envelope *envelope;
	struct completion completion;
	struct recipients_expand expand;
	struct section section;
	struct buf header;             /* what will be stored */
	struct arena arena, scratch;   /* what addresses became; for one field */
	char qid[QID_MAX];
	size_t held;                   /* our share of headers_held */
	bool in_body, eight_bit;
	uint64_t received, limit;      /* content bytes as they came; limit 0: none */
	struct reply failure;          /* code != 0: refuse */
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
	return c->header.cap + c->section.pending.cap + c->arena.used + c->scratch.used;
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

	if (!c->failure.code)
		complete_field(&c->completion, h);
}

static void check_header(struct cleanup *c)
{
	hold(c, c->header.n + c->section.pending.n);
	if (c->header.overflow || c->scratch.overflow)
		reply_set(&c->failure, 552, "5.3.4", "Error: all header fields together are larger than %d bytes", LIMIT_HEADER);
	else if (c->held > LIMIT_HEADER_FAIR && headers_held > LIMIT_HEADERS_HELD)
		reply_set(&c->failure, 452, "4.3.1", "Error: too many messages with large headers at once, try again later");
}

static struct str part_of(const struct cleanup *c, struct part p)
{
	return str_head(str_from(buf_view(&c->header), p.at), p.n);
}

static void log_ids(const struct cleanup *c)
{
	struct str id = part_of(c, c->completion.message_id), resent = part_of(c, c->completion.resent_message_id);

	if (resent.n)
		log_text(LOG_SEV_INFO, "cleanup", 0, c->qid, "resent-message-id=%.*s", STR_ARG(resent));
	log_text(LOG_SEV_INFO, "cleanup", 0, c->qid, "message-id=%.*s", STR_ARG(id.n ? id : STR("<>")));
}

static void check_hops(struct cleanup *c)
{
	if (c->completion.hops < (unsigned)c->completion.conf->hopcount_limit)
		return;
	if (!c->source->quiet)
		log_text(LOG_SEV_WARNING, "cleanup", 0, c->qid, "message rejected: hopcount exceeded");
	reply_set(&c->failure, 554, "5.4.0", "Error: too many hops");
}

static void add_body(struct cleanup *c, struct str s)
{
	if (!c->eight_bit)
		c->eight_bit = content_has_8bit(s);
	if (!c->failure.code && s.n && c->sink->add(c->writer, s) != 0)
		fail(c, errno);
}

/* end_header - body: what the section had taken for its own */
static void end_header(struct cleanup *c, struct str body)
{
	c->in_body = true;
	complete_end(&c->completion);
	buf_z(&c->header, "\r\n");
	check_header(c);
	if (!c->source->quiet)
		log_ids(c);
	check_hops(c);
	add_body(c, body);
	section_fini(&c->section);
	hold(c, c->header.n);
}

/* --- from begin to end ------------------------------------------------------------------------------------------------ */

struct cleanup *cleanup_begin(const struct cleanup_options *o, struct envelope *e)
{
	char qid[QID_MAX];
	void *w = o->sink.ops->begin(o->sink.to, qid);
	struct envelope ours = { .flags = ENVELOPE_LOCAL, .arrival = e->arrival, .uid = -1 };
	struct cleanup *c;

	if (!w)
		return NULL;
	c = MEM_NEW(struct cleanup);
	c->source = &sources[o->source];
	c->sink = o->sink.ops;
	c->writer = w;
	c->envelope = e;
	c->expand = o->expand;
	c->limit = c->source->limited ? (uint64_t)o->conf->message_size_limit : 0;
	memcpy(c->qid, qid, sizeof(qid));
	arena_init(&c->arena, 4 * LIMIT_HEADER);
	arena_init(&c->scratch, 4 * LIMIT_HEADER);
	buf_init(&c->header, LIMIT_HEADER);
	section_init(&c->section, (size_t)o->conf->header_size_limit, on_field, c);
	if (c->source->completes)
		e->sender = rewrite_address(o->router, &c->arena, e->sender, true);
	c->completion = (struct completion){
		.router = o->router, .conf = o->conf, .envelope = e, .qid = c->qid, .scratch = &c->scratch, .local = o->local,
		.now = o->now, .out = &c->header,
	};
	complete_begin(&c->completion, c->source->ours ? &ours : e, o->tls_note, o->front);
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
}

static void cleanup_free(struct cleanup *c)
{
	release_header(c);
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

static void finish_recipients(struct cleanup *c)
{
	const struct completion *x = &c->completion;

	if (c->failure.code)
		return;
	if (c->source->completes)
		recipients_complete(x->router, &c->arena, c->envelope, x->local);
	if (!c->source->keeps_list)
		recipients_finish(&c->arena, c->envelope, &c->expand, &c->failure);
	if (c->arena.overflow && !c->failure.code)
		reply_set(&c->failure, 552, "5.5.3", "Error: the addresses of all recipients are longer than %d bytes", 4 * LIMIT_HEADER);
}

void cleanup_end(struct cleanup *c, cleanup_fn fn, void *ctx)
{
	struct str body;
	struct buf header;

	if (!c->in_body && !c->failure.code) {
		section_end(&c->section, &body);
		end_header(c, body);
	}
	finish_recipients(c);
	c->fn = fn;
	c->ctx = ctx;
	if (c->failure.code) {
		c->sink->abort(c->writer);
		fn(ctx, &c->failure, NULL);
		cleanup_free(c);
		return;
	}
	if (c->eight_bit)
		c->envelope->flags |= ENVELOPE_8BIT;
	/* the sink has what it needs when commit returns, when c may be gone */
	header = c->header;
	hold(c, 0);
	buf_init(&c->header, 0);
	c->sink->commit(c->writer, c->envelope, buf_view(&header), on_stored, c);
	buf_fini(&header);
}

void cleanup_abort(struct cleanup *c)
{
	c->sink->abort(c->writer);
	cleanup_free(c);
}
