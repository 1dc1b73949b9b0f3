/* draft - see draft.h. */
#include "core/msg/draft.h"

#include <stdio.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/msg/header.h"

void draft_init(struct draft *d)
{
	*d = (struct draft){ .subject = NULL };
	buf_init(&d->to, LIMIT_HEADER);
	buf_init(&d->cc, LIMIT_HEADER);
	buf_init(&d->bcc, LIMIT_HEADER);
	buf_init(&d->type_field, LIMIT_ADDRESS);
}

void draft_fini(struct draft *d)
{
	mem_free(d->fields);
	buf_fini(&d->to);
	buf_fini(&d->cc);
	buf_fini(&d->bcc);
	buf_fini(&d->type_field);
}

void draft_set(struct draft *d, struct str name, const char *value)
{
	const struct { const char *name; const char **place; } rows[] = {
		{ "from", &d->from }, { "replyto", &d->reply_to }, { "reply-to", &d->reply_to }, { "ttycharset", &d->charset },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(name, str_of(rows[i].name)))
			*rows[i].place = value;
}

void draft_add_list(struct buf *list, const char *text)
{
	bool words = !strpbrk(text, ",\"\\(<:;");

	if (list->n)
		buf_z(list, ", ");
	/* line ends and other controls are blanks, as in the other fields */
	for (; *text; text++)
		buf_byte(list, words && ascii_is_space(*text) ? ',' : ascii_is_control(*text) ? ' ' : *text);
}

/* name_of - the name of "Name: value"; empty: it is none */
static struct str name_of(struct str field)
{
	ptrdiff_t colon = str_chr(field, ':');

	return compose_is_field(field) ? str_head(field, (size_t)colon) : STR_EMPTY;
}

static bool may_repeat(struct str name)
{
	static const char *const once[] = { "from", "sender", "reply-to", "subject", "date", "message-id", "in-reply-to", "references",
		"mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id", "content-description" };

	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
		if (str_ieq(name, str_of(once[i])))
			return false;
	return true;
}

void draft_add_field(struct draft *d, const char *text)
{
	const struct { const char *name; struct buf *list; } lists[] = { { "to", &d->to }, { "cc", &d->cc }, { "bcc", &d->bcc } };
	struct str field = str_of(text), name = name_of(field);

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (str_ieq(name, str_of(lists[i].name))) {
			draft_add_list(lists[i].list, text + name.n + 1);
			return;
		}
	for (size_t i = 0; i < d->n_fields && !may_repeat(name); i++)
		if (str_ieq(name_of(d->fields[i]), name)) {
			d->fields[i] = field;
			return;
		}
	d->fields = mem_array(d->fields, d->n_fields + 1, sizeof(*d->fields));
	d->fields[d->n_fields++] = field;
}

void draft_recipients(const struct draft *d, struct arena *a, struct inject_rcpts *r)
{
	const struct { const char *where; const struct buf *list; } rows[] = { { "To", &d->to }, { "Cc", &d->cc }, { "Bcc", &d->bcc } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		inject_add_list(a, r, rows[i].where, arena_str(a, buf_view(rows[i].list)));
}

/* fill_in - the text is the whole message: its fields stand, and the draft's put in what it lacks */
static int fill_in(struct arena *a, struct buf *out, const struct compose *given, struct buf *why)
{
	struct compose m = *given;
	struct str text = inject_skip_from_lines(m.text), headers = str_head(text, header_body_split(text));
	const struct { const char *name; struct str *field; } rows[] = {
		{ "From", &m.from }, { "Cc", &m.cc }, { "Reply-To", &m.reply_to }, { "Subject", &m.subject },
	};
	struct header h;

	m.to = STR_EMPTY;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (header_find(headers, rows[i].name, &h))
			*rows[i].field = STR_EMPTY;
	if (compose_fields(a, out, &m, why) < 0)
		return -1;
	buf_str(out, text);
	return 0;
}

/* add_type - -M as a field; text has a charset */
static void add_type(struct draft *d)
{
	const char *charset = strchr(d->type, ';') || strncmp(d->type, "text/", 5) != 0 ? "" : "; charset=utf-8";

	buf_clear(&d->type_field);
	buf_printf(&d->type_field, "Content-Type: %s%s", d->type, charset);
	draft_add_field(d, buf_cstr(&d->type_field));
}

int draft_compose(struct draft *d, struct arena *a, struct str text, struct buf *out, struct buf *why)
{
	char boundary[40];
	struct compose m = { .from = str_of(d->from), .reply_to = str_of(d->reply_to), .to = buf_view(&d->to), .cc = buf_view(&d->cc),
		.subject = str_of(d->subject), .text = text, .charset = d->charset, .files = d->files, .n_files = d->n_files,
		.boundary = boundary };

	snprintf(boundary, sizeof(boundary), "=_%08x%08x%08x", random_u32(), random_u32(), random_u32());
	if (d->type)
		add_type(d);
	m.fields = d->fields;
	m.n_fields = d->n_fields;
	return d->with_headers ? fill_in(a, out, &m, why) : compose_message(a, out, &m, why);
}
