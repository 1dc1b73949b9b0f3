/* content on its way through checks: the same comes out however it was cut into pieces; where no rule applies, what went in; and no
 * rule makes a second field out of one */
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cleanup/inspect.h"
#include "core/cleanup/section.h"
#include "core/msg/crlf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define RULES "regexp:{ {/^(.*)a(.*)$/ REPLACE $2: $1} {/b/ PREPEND X: y} {/c/ IGNORE} {/d/ HOLD} {/^e/ PASS} {/^f/ REJECT} }"

struct seen {
	struct buf fields, body;
	struct inspection *in;
	unsigned done;
};

static void on_field(void *ctx, const struct header *h)
{
	struct seen *s = ctx;
	struct str raw = h->raw, line;

	for (bool first = true; str_cut(&raw, '\n', &line); first = false)
		if (!line.n || line.p[line.n - 1] != '\r' || (!first && *line.p != ' ' && *line.p != '\t'))
			abort();
	buf_str(&s->fields, h->raw);
}

static void on_raw(void *ctx, struct str raw) { buf_str(&((struct seen *)ctx)->fields, raw); }
static void on_header_end(void *ctx) { buf_z(&((struct seen *)ctx)->fields, "\r\n"); }
static void on_body(void *ctx, struct str crlf) { buf_str(&((struct seen *)ctx)->body, crlf); }
static void on_done(void *ctx) { ((struct seen *)ctx)->done++; }
static void give_field(void *ctx, const struct header *h) { inspect_field(((struct seen *)ctx)->in, h); }

static const struct inspect_ops ops = { .field = on_field, .line = on_raw, .header_end = on_header_end, .body = on_body, .done = on_done };

static int run(struct str content, size_t step, const struct conf *c, struct checks *k, struct seen *out)
{
	struct envelope e = { .uid = -1 };
	struct arena arena;
	struct acts acts = { .envelope = &e, .qid = "X", .arena = &arena };
	struct section s;
	struct str body, rest;
	bool ended = false;
	unsigned went = 0;

	*out = (struct seen){ .done = 0 };
	arena_init(&arena, 1 << 20);
	buf_init(&out->fields, SIZE_MAX / 4);
	buf_init(&out->body, SIZE_MAX / 4);
	out->in = inspect_new(c, k, NULL, &acts, &ops, out);
	section_init(&s, 1000, give_field, out);
	for (size_t at = 0; at < content.n && !acts.refusal.code; at += step) {
		char *piece = str_dup(str_head(str_from(content, at), step));
		struct str p = str_make(piece, content.n - at < step ? content.n - at : step);

		rest = p;
		body = STR_EMPTY;
		if (!ended && (ended = section_add(&s, p, &body, &rest))) {
			inspect_header_end(out->in, !body.n);
			inspect_body(out->in, body);
		}
		if (ended)
			inspect_body(out->in, rest);
		inspect_go(out->in);
		if (out->done != ++went)
			abort();
		mem_free(piece);
	}
	if (!ended && !acts.refusal.code) {
		section_end(&s, &body);
		inspect_header_end(out->in, !body.n);
		inspect_body(out->in, body);
	}
	inspect_body_end(out->in);
	inspect_go(out->in);
	inspect_free(out->in);
	section_fini(&s);
	arena_fini(&arena);
	return acts.refusal.code;
}

static void fini(struct seen *s)
{
	buf_fini(&s->fields);
	buf_fini(&s->body);
}

static void compare(struct str content, size_t step, const struct conf *c, struct checks *k)
{
	struct seen whole, pieces;
	int code = run(content, content.n + 1, c, k, &whole);

	if (run(content, step, c, k, &pieces) != code)
		abort();
	if (!code && (!str_eq(buf_view(&whole.fields), buf_view(&pieces.fields)) || !str_eq(buf_view(&whole.body), buf_view(&pieces.body))))
		abort();
	if (!code && !k && !str_ends(content, buf_view(&whole.body)))
		abort();
	fini(&whole);
	fini(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct checks_from from = { .name = { "h", "m", "n", "b" }, .value = { RULES, RULES, RULES, RULES }, .sends = false };
	static struct checks *k;
	struct conf c = { .body_checks_size_limit = 400, .mime_nesting_limit = 3, .mime_boundary_length_limit = 5, .header_size_limit = 1000,
		.strict_mime_encoding_domain = true };
	struct crlf_clean clean;
	struct conf_diag diag;
	struct buf content;

	if (!k) {
		(void)log_open(&(struct log_config){ .sink = LOG_TO_NOTHING, .syslog_name = "x", .host = "h" });
		conf_diag_init(&diag);
		k = checks_new(&from, &diag);
		conf_diag_fini(&diag);
		if (!k)
			abort();
	}
	buf_init(&content, 2 * n + 2);
	crlf_clean_init(&clean);
	crlf_clean_add(&clean, &content, str_make((const char *)data, n));
	crlf_clean_end(&clean, &content, true);
	compare(buf_view(&content), n % 7 + 1, &c, NULL);
	c.strict_mime_encoding_domain = false;
	compare(buf_view(&content), n % 5 + 1, &c, k);
	buf_fini(&content);
	return 0;
}
