/* intake - see intake.h. Three states: gathering the header section, streaming the body, waiting for the flush. */
#include "core/cleanup/intake.h"

#include <errno.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cleanup/complete.h"
#include "core/smtp/content.h"

struct intake {
	struct intake_options opt;
	struct envelope *envelope;
	struct store_writer *writer;
	char qid[QID_MAX];
	struct buf header;             /* as received, until the section is complete; then what will be stored */
	size_t scanned;                /* bytes of header known to be whole header lines */
	bool in_body;
	uint64_t received;             /* content bytes as the client sent them */
	struct reply failure;          /* code != 0: refuse */
	bool eight_bit;
	intake_fn fn;
	void *ctx;
};

void intake_refusal(struct reply *r, int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
		reply_set(r, 452, "4.3.1", "Insufficient system storage");
		break;
	case EFBIG:
	case EMSGSIZE:
		reply_set(r, 552, "5.3.4", "Message size exceeds fixed limit");
		break;
	default:
		reply_set(r, 451, "4.3.0", "Error: queue file write error");
	}
}

struct intake *intake_begin(const struct intake_options *o, struct envelope *e)
{
	uint64_t id;
	struct store_writer *w = store_begin(o->store, &id);
	if (!w)
		return NULL;
	struct intake *i = MEM_NEW(struct intake);
	i->opt = *o;
	i->envelope = e;
	i->writer = w;
	qid_format(i->qid, id);
	buf_init(&i->header, LIMIT_HEADER);
	return i;
}

const char *intake_qid(const struct intake *i)
{
	return i->qid;
}

static void fail(struct intake *i, int error)
{
	if (!i->failure.code)
		intake_refusal(&i->failure, error);
}

static void write_body(struct intake *i, struct str s)
{
	if (!i->eight_bit)
		i->eight_bit = content_has_8bit(s);
	if (!i->failure.code && s.n && store_add(i->writer, s) != 0)
		fail(i, errno);
}

/* finish_header - complete the section and write rest, the bytes that follow it (the empty line already taken) */
static void finish_header(struct intake *i, size_t header_n, struct str rest)
{
	struct arena a;
	struct buf out;
	struct str message_id;
	unsigned hops;
	const struct conf *c = i->opt.conf;

	i->in_body = true;
	arena_init(&a, 4 * LIMIT_HEADER);
	buf_init(&out, 4 * LIMIT_HEADER);
	complete_headers(&(struct complete){.router = i->opt.router, .conf = c, .envelope = i->envelope, .qid = i->qid,
		.tls_note = i->opt.tls_note, .local = i->opt.local, .now = i->opt.now}, &a, str_make(i->header.p, header_n), &out,
		&message_id, &hops);
	log_text(LOG_SEV_INFO, "cleanup", 0, i->qid, "message-id=%.*s", STR_ARG(message_id.n ? message_id : STR("<>")));
	buf_z(&out, "\r\n");
	if (out.overflow || a.overflow)
		reply_set(&i->failure, 552, "5.3.4", "Error: message header too large");
	if (hops > c->hopcount_limit) {
		log_text(LOG_SEV_INFO, "cleanup", 0, i->qid, "reject: too many hops (%u Received headers)", hops);
		reply_set(&i->failure, 554, "5.4.0", "Error: too many hops");
	}
	write_body(i, rest);
	buf_fini(&i->header);
	i->header = out;
	arena_fini(&a);
}

enum line { LINE_HEADER, LINE_EMPTY, LINE_BODY };

static enum line classify(struct str line, bool first)
{
	if (line.n <= 2)
		return LINE_EMPTY;
	if ((line.p[0] == ' ' || line.p[0] == '\t') && !first)
		return LINE_HEADER;
	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] == ':')
			return i > 0 ? LINE_HEADER : LINE_BODY;
		if (line.p[i] <= ' ' || line.p[i] == 127) {
			/* obsolete syntax: white space before the colon */
			struct str rest = str_trim(str_from(line, i));
			return i > 0 && rest.n && rest.p[0] == ':' ? LINE_HEADER : LINE_BODY;
		}
	}
	return LINE_BODY;
}

/* scan_header - look at the whole lines that arrived; when the section ends, write it and what follows as body */
static void scan_header(struct intake *i, bool at_end)
{
	while (!i->in_body && i->scanned < i->header.n) {
		struct str rest = str_from(buf_view(&i->header), i->scanned);
		ptrdiff_t lf = str_chr(rest, '\n');
		if (lf < 0 && !at_end)
			return;
		struct str line = str_head(rest, lf < 0 ? rest.n : (size_t)lf + 1);
		switch (classify(line, i->scanned == 0)) {
		case LINE_HEADER:
			i->scanned += line.n;
			break;
		case LINE_EMPTY:
			finish_header(i, i->scanned, str_from(rest, line.n));
			break;
		case LINE_BODY:
			finish_header(i, i->scanned, rest);
			break;
		}
	}
	if (at_end && !i->in_body) {
		if (i->header.n && i->header.p[i->header.n - 1] != '\n')
			buf_z(&i->header, "\r\n");
		finish_header(i, i->header.n, STR_EMPTY);
	}
}

void intake_add(struct intake *i, struct str content)
{
	i->received += content.n;
	if (i->opt.conf->message_size_limit && i->received > (uint64_t)i->opt.conf->message_size_limit)
		fail(i, EFBIG);
	if (i->failure.code)
		return;
	if (i->in_body) {
		write_body(i, content);
		return;
	}
	size_t room = i->header.max - i->header.n;
	buf_str(&i->header, str_head(content, room));
	scan_header(i, false);
	if (i->in_body)
		write_body(i, str_from(content, room));
	else if (content.n > room)
		reply_set(&i->failure, 552, "5.3.4", "Error: message header too large");
}

static void free_intake(struct intake *i)
{
	buf_fini(&i->header);
	mem_free(i);
}

static void on_stored(void *ctx, struct qmsg *m, int error)
{
	struct intake *i = ctx;
	struct reply r;
	if (error)
		intake_refusal(&r, error);
	else
		reply_set(&r, 250, "2.0.0", "Ok: queued as %s", i->qid);
	i->fn(i->ctx, &r, error ? NULL : m);
	free_intake(i);
}

void intake_commit(struct intake *i, intake_fn fn, void *ctx)
{
	scan_header(i, true);
	i->fn = fn;
	i->ctx = ctx;
	if (i->failure.code) {
		struct reply r = i->failure;
		store_abort(i->writer);
		free_intake(i);
		fn(ctx, &r, NULL);
		return;
	}
	if (i->eight_bit)
		i->envelope->flags |= ENVELOPE_8BIT;
	store_commit(i->writer, i->envelope, buf_view(&i->header), on_stored, i);
}

void intake_abort(struct intake *i)
{
	store_abort(i->writer);
	free_intake(i);
}
