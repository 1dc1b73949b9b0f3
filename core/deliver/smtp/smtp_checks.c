/* smtp_checks - see smtp_checks.h. The way is that of content which comes in (core/cleanup/inspect.h), with fewer actions. */
#include "core/deliver/smtp/smtp_checks.h"

#include "core/base/mem.h"
#include "core/cleanup/inspect.h"
#include "core/cleanup/section.h"
#include "core/store/store.h"

struct smtp_checks {
	struct smtp_checks_options o;
	struct envelope envelope;
	struct arena arena;
	struct acts acts;
	struct inspection *inspection;
	struct section section;
	char qid[QID_MAX];
	bool in_body, last, failed;
	struct buf out;
};

struct checks *smtp_checks_of(const struct conf *c, bool lmtp, struct conf_diag *diag)
{
	static const struct checks_from names[] = {
		{ .name = { "smtp_header_checks", "smtp_mime_header_checks", "smtp_nested_header_checks", "smtp_body_checks" } },
		{ .name = { "lmtp_header_checks", "lmtp_mime_header_checks", "lmtp_nested_header_checks", "lmtp_body_checks" } },
	};
	struct checks_from from = names[lmtp];

	from.sends = true;
	from.value[CHECK_HEADER] = c->smtp_header_checks;
	from.value[CHECK_MIME] = c->smtp_mime_header_checks;
	from.value[CHECK_NESTED] = c->smtp_nested_header_checks;
	from.value[CHECK_BODY] = c->smtp_body_checks;
	return checks_new(&from, diag);
}

static void on_section_field(void *ctx, const struct header *h)
{
	struct smtp_checks *x = ctx;

	inspect_field(x->inspection, h);
}

static void put_field(void *ctx, const struct header *h)
{
	struct smtp_checks *x = ctx;

	if (!x->o.field)
		buf_str(&x->out, h->raw);
	else
		x->failed |= !x->o.field(x->o.ctx, h, &x->out);
}

static void put_raw(void *ctx, struct str raw)
{
	struct smtp_checks *x = ctx;

	buf_str(&x->out, raw);
}

static void put_header_end(void *ctx)
{
	struct smtp_checks *x = ctx;

	buf_z(&x->out, "\r\n");
}

static void on_done(void *ctx)
{
	struct smtp_checks *x = ctx;
	struct buf out = x->out;
	bool failed = x->failed || x->acts.refusal.code || out.overflow;

	/* whoever is given it may free us */
	buf_init(&x->out, out.max);
	x->o.give(x->o.ctx, buf_view(&out), x->last, failed);
	buf_fini(&out);
}

struct smtp_checks *smtp_checks_new(const struct smtp_checks_options *o)
{
	static const struct inspect_ops ops = {
		.field = put_field, .line = put_raw, .header_end = put_header_end, .body = put_raw, .done = on_done,
	};
	struct smtp_checks *x = MEM_NEW(struct smtp_checks);

	x->o = *o;
	x->envelope = *o->envelope;
	bytes_copy(x->qid, o->qid, strnlen(o->qid, QID_MAX - 1));
	arena_init(&x->arena, LIMIT_SESSION_ARENA);
	x->acts = (struct acts){ .envelope = &x->envelope, .qid = x->qid, .arena = &x->arena, .sends = true, .service = o->service, .quiet = o->quiet };
	section_init(&x->section, LIMIT_HEADER, on_section_field, x);
	buf_init(&x->out, 8 * LIMIT_HEADER);
	x->inspection = inspect_new(o->conf, o->checks, o->pool, &x->acts, &ops, x);
	return x;
}

void smtp_checks_free(struct smtp_checks *x)
{
	if (!x)
		return;
	inspect_free(x->inspection);
	section_fini(&x->section);
	arena_fini(&x->arena);
	buf_fini(&x->out);
	mem_free(x);
}

static void end_header(struct smtp_checks *x, struct str body)
{
	x->in_body = true;
	inspect_header_end(x->inspection, !body.n);
	inspect_body(x->inspection, body);
}

void smtp_checks_add(struct smtp_checks *x, struct str piece, bool last)
{
	struct str body, rest = piece;

	if (!x->in_body) {
		if (section_add(&x->section, piece, &body, &rest))
			end_header(x, body);
		else
			rest = STR_EMPTY;
	}
	if (x->in_body)
		inspect_body(x->inspection, rest);
	if (last && !x->in_body) {
		section_end(&x->section, &body);
		end_header(x, body);
	}
	if (last)
		inspect_body_end(x->inspection);
	x->last = last;
	inspect_go(x->inspection);
}
