/* inspect - see inspect.h. Lines longer than LIMIT_CHECK_LINE are looked at in pieces, as Postfix does, and only the first
 * body_checks_size_limit bytes of each part's body at all. */
#include "core/cleanup/inspect.h"

#include "core/base/format.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cleanup/queries.h"

struct inspection {
	const struct conf *conf;
	struct acts *acts;
	const struct inspect_ops *ops;
	void *ctx;
	struct queries *queries;
	struct mime_lines lines;
	unsigned strict;               /* enum mime_fault: what is refused */
	bool parses;                   /* the structure of the message */
	bool passes;                   /* nobody asks about anything behind the header: it is not looked at */
	struct buf line;               /* the beginning of a body line */
	bool in_line;                  /* pieces of it were given already */
	bool piece;                    /* the line under way does not end yet */
	struct buf out;                /* body that is to be given on */
};

/* --- what there is to look at ------------------------------------------------------------------------------------------- */

static unsigned strict_of(const struct conf *c, const struct checks *k)
{
	unsigned strict = 0;

	if (c->disable_mime_input_processing)
		return 0;
	if (c->strict_8bitmime || c->strict_7bit_headers)
		strict |= MIME_FAULT_8BIT_HEADER;
	if (c->strict_8bitmime || c->strict_8bitmime_body)
		strict |= MIME_FAULT_8BIT_BODY;
	if (c->strict_mime_encoding_domain)
		strict |= MIME_FAULT_ENCODING;
	return strict || k ? strict | MIME_FAULT_NESTING : 0;
}

bool inspect_wanted(const struct conf *c, const struct checks *k)
{
	return k || strict_of(c, k);
}

/* --- taking apart --------------------------------------------------------------------------------------------------------- */

/* note_faults - what is refused of the field or line of this call */
static void note_faults(struct inspection *in, struct str text)
{
	unsigned faults = in->lines.faults & in->strict;

	if (faults & MIME_FAULT_ENCODING)
		text = str_of(in->lines.encoded);
	if (faults)
		queries_add(in->queries, ITEM_NOTHING, CHECK_HEADER, text)->faults = (uint8_t)faults;
}

static void on_line(void *ctx, enum mime_line kind, struct str text)
{
	struct inspection *in = ctx;
	ptrdiff_t colon = kind == MIME_LINE_BODY ? 0 : str_chr(text, ':');
	int64_t most = in->acts->sends ? 0 : in->conf->body_checks_size_limit;
	struct item *x;

	/* the message's own fields came by inspect_field: here they only tell what the message is made of */
	note_faults(in, text);
	if (kind == MIME_LINE_HEADER)
		return;
	x = queries_add(in->queries, kind == MIME_LINE_BODY ? ITEM_BODY : ITEM_PART_FIELD, checks_class(kind, str_head(text, (size_t)colon)), text);
	x->asked = kind != MIME_LINE_BODY || !most || in->lines.offset < (uint64_t)most;
	x->piece = kind == MIME_LINE_BODY && in->piece;
}

static bool tells_structure(struct str name)
{
	return str_ieq(name, STR("Content-Type")) || str_ieq(name, STR("Content-Transfer-Encoding"));
}

/* tell_structure - text: a field, among the queries, which may move */
static void tell_structure(struct inspection *in, struct str text)
{
	char *own = str_dup(text);
	struct str rest = str_make(own, text.n), line;

	while (str_cut(&rest, '\n', &line))
		mime_lines_add(&in->lines, line);
	mem_free(own);
}

void inspect_field(struct inspection *in, const struct header *h)
{
	struct str rest = h->value;
	struct item *x = queries_add(in->queries, ITEM_FIELD, checks_class(MIME_LINE_HEADER, h->name), h->name);
	struct buf *text = &in->queries->text;
	size_t at = x->at;

	x->asked = true;
	buf_byte(text, ':');
	/* "\r\n" inside is one line end */
	for (size_t i = 0; i < rest.n; i++)
		if (rest.p[i] != '\r' || i + 1 == rest.n || rest.p[i + 1] != '\n')
			buf_byte(text, rest.p[i]);
	x->n = (uint32_t)(text->n - at);
	if (!in->parses || (!tells_structure(h->name) && (str_is_ascii(h->raw) || !(in->strict & MIME_FAULT_8BIT_HEADER))))
		return;
	tell_structure(in, str_from(buf_view(text), at));
}

void inspect_header_end(struct inspection *in, bool by_empty_line)
{
	queries_add(in->queries, ITEM_HEADER_END, CHECK_HEADER, STR_EMPTY);
	mime_lines_end_header(&in->lines, by_empty_line);
	note_faults(in, STR_EMPTY);
	in->lines.faults = 0;
}

/* take_line - text: a line, or a piece of one */
static void take_line(struct inspection *in, struct str text, bool ends)
{
	in->piece = !ends;
	if (in->in_line)
		mime_lines_more(&in->lines, text);
	else
		mime_lines_add(&in->lines, text);
	in->in_line = !ends;
}

void inspect_body(struct inspection *in, struct str crlf)
{
	if (in->passes) {
		buf_str(&in->out, crlf);
		return;
	}
	while (crlf.n) {
		const char *nl = memchr(crlf.p, '\n', crlf.n);
		size_t room = LIMIT_CHECK_LINE + 2 - in->line.n, n = nl ? (size_t)(nl - crlf.p) + 1 : crlf.n;
		struct str line;

		n = n < room ? n : room;
		buf_add(&in->line, crlf.p, n);
		crlf = str_from(crlf, n);
		line = buf_view(&in->line);
		if (str_ends(line, STR("\r\n"))) {
			take_line(in, str_head(line, line.n - 2), true);
			buf_clear(&in->line);
		} else if (line.n == LIMIT_CHECK_LINE + 2) {
			take_line(in, str_head(line, LIMIT_CHECK_LINE), false);
			buf_consume(&in->line, LIMIT_CHECK_LINE);
		}
	}
}

void inspect_body_end(struct inspection *in)
{
	if (in->line.n || in->in_line)
		take_line(in, buf_view(&in->line), true);
	buf_clear(&in->line);
	/* a field at the end of a part that has no body */
	mime_lines_end(&in->lines);
	mime_lines_init(&in->lines, in->parses, on_line, in);
}

/* --- acting --------------------------------------------------------------------------------------------------------------- */

static const struct { enum mime_fault fault; const char *text; } fault_texts[] = {
	{ MIME_FAULT_NESTING, "MIME nesting exceeds safety limit" },
	{ MIME_FAULT_8BIT_HEADER, "improper use of 8-bit data in message header" },
	{ MIME_FAULT_8BIT_BODY, "improper use of 8-bit data in message body" },
	{ MIME_FAULT_ENCODING, "invalid message/* or multipart/* encoding domain" },
};

static void refuse_fault(struct inspection *in, const struct item *x, struct str text)
{
	char words[100];

	for (size_t i = 0; i < sizeof(fault_texts) / sizeof(fault_texts[0]); i++) {
		if (!(x->faults & fault_texts[i].fault) || in->acts->refusal.code)
			continue;
		acts_log_fault(in->acts, fault_texts[i].text, text);
		format_text(words, sizeof(words), "5.6.0 %s", fault_texts[i].text);
		acts_refuse(in->acts, str_of(words));
	}
}

/* put_field - text with LF line ends as lines of the header section; a line inside that does not begin with white space gets a tab,
 * so that it stays inside */
static void put_field(struct buf *out, struct str text)
{
	struct str line;

	for (bool first = true; str_cut(&text, '\n', &line); first = false) {
		if (!first && (!line.n || (*line.p != ' ' && *line.p != '\t')))
			buf_byte(out, '\t');
		buf_str(out, line);
		buf_z(out, "\r\n");
	}
}

static void give_field(struct inspection *in, struct str text)
{
	struct buf raw;
	struct str rest;
	struct header h;

	buf_init(&raw, LIMIT_HEADER);
	put_field(&raw, text);
	rest = buf_view(&raw);
	if (header_next(&rest, &h) == 1)
		in->ops->field(in->ctx, &h);
	buf_fini(&raw);
}

static void give_line(struct inspection *in, struct str text)
{
	struct buf raw;

	buf_init(&raw, LIMIT_HEADER);
	put_field(&raw, text);
	in->ops->line(in->ctx, buf_view(&raw));
	buf_fini(&raw);
}

static void put_body(struct inspection *in, struct str text, bool piece)
{
	buf_str(&in->out, text);
	if (!piece)
		buf_z(&in->out, "\r\n");
}

/* put - text where the item stands */
static void put(struct inspection *in, const struct item *x, struct str text, bool piece)
{
	if (x->kind == ITEM_FIELD)
		give_field(in, text);
	else if (x->kind == ITEM_PART_FIELD)
		put_field(&in->out, text);
	else
		put_body(in, text, piece);
}

static void act_on(struct inspection *in, const struct item *x, struct str text)
{
	const struct queries *b = in->queries;
	struct str value = queries_value(b, x);
	enum act_where where = x->kind == ITEM_BODY ? ACT_BODY : ACT_HEADER;
	struct action a;

	switch (acts_check(in->acts, value, where, text, checks_name(b->checks, x->class), &a)) {
	case ACT_KEEP:
		break;
	case ACT_DROP:
		return;
	case ACT_REPLACE:
		put(in, x, a.text, x->piece);
		return;
	case ACT_PREPEND:
		if (x->kind == ITEM_FIELD)
			give_line(in, a.text);
		else
			put(in, x, a.text, false);
		break;
	}
	put(in, x, text, x->piece);
}

static void give_body(struct inspection *in)
{
	if (in->out.n)
		in->ops->body(in->ctx, buf_view(&in->out));
	buf_clear(&in->out);
	/* the next piece may be long in coming */
	buf_shrink(&in->out);
}

static void give_item(struct inspection *in, const struct item *x)
{
	struct str text = queries_text(in->queries, x);
	struct acts *acts = in->acts;

	if (x->faults)
		refuse_fault(in, x, text);
	if (x->failed && !acts->over) {
		log_warn("cleanup", "%s: %s map lookup problem -- message not accepted, try again later", acts->qid,
			checks_name(in->queries->checks, x->class));
		acts_refuse(acts, STR("4.3.0 Error: queue file write error"));
	}
	if (acts->refusal.code || x->kind == ITEM_NOTHING)
		return;
	if (x->kind == ITEM_HEADER_END)
		in->ops->header_end(in->ctx);
	else if (x->found && !acts->over)
		act_on(in, x, text);
	else
		put(in, x, text, x->piece);
}

static void asked(void *ctx)
{
	struct inspection *in = ctx;
	struct queries *b = in->queries;

	if ((b->text.overflow || b->values.overflow) && !in->acts->refusal.code)
		acts_refuse(in->acts, STR("4.3.0 Error: checks put more into this message than it may hold"));
	for (size_t i = 0; i < b->n; i++)
		give_item(in, &b->v[i]);
	queries_clear(b);
	give_body(in);
	in->ops->done(in->ctx);
}

/* --- life ----------------------------------------------------------------------------------------------------------------- */

void inspect_go(struct inspection *in)
{
	struct queries *b = in->queries;

	for (size_t i = 0; i < b->n; i++)
		b->v[i].asked &= !in->acts->over;
	queries_ask(b, in);
}

struct inspection *inspect_new(const struct conf *c, struct checks *k, struct pool *pool, struct acts *acts,
	const struct inspect_ops *ops, void *ctx)
{
	struct inspection *in = MEM_NEW(struct inspection);

	in->conf = c;
	in->acts = acts;
	in->ops = ops;
	in->ctx = ctx;
	in->strict = acts->sends ? 0 : strict_of(c, k);
	/* RFC 6531 section 3.2: there they are what was announced */
	if (acts->envelope->flags & ENVELOPE_SMTPUTF8)
		in->strict &= ~(unsigned)MIME_FAULT_8BIT_HEADER;
	in->parses = !c->disable_mime_input_processing;
	in->passes = !in->strict && !checks_has(k, CHECK_MIME) && !checks_has(k, CHECK_NESTED) && !checks_has(k, CHECK_BODY);
	in->queries = queries_new(k, pool, asked);
	buf_init(&in->line, LIMIT_CHECK_LINE + 2);
	buf_init(&in->out, 8 * LIMIT_HEADER);
	mime_lines_init(&in->lines, in->parses, on_line, in);
	/* Postfix counts two less than there are */
	in->lines.max_open = (size_t)c->mime_nesting_limit + 2;
	in->lines.max_boundary = (size_t)c->mime_boundary_length_limit;
	in->lines.field_max = (size_t)c->header_size_limit;
	return in;
}

void inspect_free(struct inspection *in)
{
	if (!in)
		return;
	queries_leave(in->queries);
	/* nobody is told of a field that has not ended */
	buf_clear(&in->lines.field);
	mime_lines_end(&in->lines);
	buf_fini(&in->line);
	buf_fini(&in->out);
	mem_free(in);
}

size_t inspect_memory(const struct inspection *in)
{
	return sizeof(*in) + sizeof(*in->queries) + queries_memory(in->queries) + in->line.cap + in->lines.field.cap + in->out.cap;
}

size_t inspect_held(const struct inspection *in)
{
	return in->queries->text.n + in->line.n + in->lines.field.n;
}
