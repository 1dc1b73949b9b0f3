/* section - see section.h. A field is whole when the line behind it has begun with something else than white space. Fields that
 * are whole in the piece that came are given on where they stand; only what a piece cuts is gathered. Postfix's rules, and
 * what a reader may not know of them:
 *  - lines that begin with From and a blank, or with any number of > before that, at the very start, are not the end of the
 *    section, as RFC 5322 would have it: somebody passed the line on that separates messages in an mbox. Each becomes the
 *    field X-Mailbox-Line;
 *  - a section that begins with white space is empty;
 *  - of a field longer than the limit the rest is left out, lines that have only white space left too. */
#include "core/cleanup/section.h"

#include "core/base/limits.h"

void section_init(struct section *s, size_t limit, void (*field)(void *ctx, const struct header *h), void *ctx)
{
	*s = (struct section){ .limit = limit && limit < LIMIT_HEADER ? limit : LIMIT_HEADER, .field = field, .ctx = ctx };
	/* the field that is whole, with a second byte at each line end, and the line behind it */
	buf_init(&s->pending, 3 * LIMIT_HEADER);
}

void section_fini(struct section *s)
{
	buf_fini(&s->pending);
}

static bool is_white(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_mbox_line(struct str line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] == '>')
		n++;
	return str_starts(str_from(line, n), STR("From "));
}

/* how many bytes of the line at work are kept, its end apart */
static size_t line_room(const struct section *s, bool continues)
{
	size_t used = continues ? s->text + 1 : 0, room = used < s->limit ? s->limit - used : 0;

	return !continues && room < LIMIT_HEADER_NAME ? LIMIT_HEADER_NAME : room;
}

static void give_field(struct section *s, struct str raw)
{
	struct header h;

	if (raw.n && header_next(&raw, &h) == 1)
		s->field(s->ctx, &h);
}

static void give_mbox_line(struct section *s, struct str line)
{
	struct header h = { .name = STR("X-Mailbox-Line") };
	struct buf field;

	buf_init(&field, line.n + 32);
	buf_z(&field, "X-Mailbox-Line: ");
	buf_str(&field, line);
	h.raw = buf_view(&field);
	h.value = str_head(str_from(h.raw, h.name.n + 1), field.n - h.name.n - 3);
	s->field(s->ctx, &h);
	buf_fini(&field);
}

/* the line at work is whole and belongs to the field before it */
static void continue_field(struct section *s)
{
	struct str line = str_from(buf_view(&s->pending), s->whole);
	size_t room = line_room(s, true);

	if (!room || (line.n - 2 == room && !str_trim(line).n)) {
		buf_truncate(&s->pending, s->whole);
		return;
	}
	s->text += line.n - 1;
	s->whole = s->pending.n;
}

/* the line at work is whole, or so much of it that its kind is known: false when the body begins with it */
static bool begin_field(struct section *s)
{
	struct str line;
	size_t colon;

	give_field(s, str_head(buf_view(&s->pending), s->whole));
	buf_consume(&s->pending, s->whole);
	s->whole = s->text = 0;
	line = buf_view(&s->pending);
	if (!s->begun && is_mbox_line(line)) {
		give_mbox_line(s, line);
		buf_clear(&s->pending);
		return true;
	}
	s->begun = true;
	if (!header_name_length(line, &colon))
		return false;
	s->text = line.n - 2;
	if (s->text > s->limit) {
		s->text = s->limit > colon ? s->limit : colon + 1;
		buf_truncate(&s->pending, s->text);
		buf_z(&s->pending, "\r\n");
	}
	s->whole = s->pending.n;
	return true;
}

static bool is_body(const struct section *s, struct str line)
{
	size_t colon;

	return !(!s->begun && is_mbox_line(line)) && !header_name_length(line, &colon);
}

/* take_line - a line, or a piece of one, off *in; false when the body begins with what is pending */
static bool take_line(struct section *s, struct str *in)
{
	const char *nl = memchr(in->p, '\n', in->n);
	size_t n = nl ? (size_t)(nl - in->p) + 1 : in->n, have = s->pending.n - s->whole, most;
	bool continues = s->whole && is_white(have ? s->pending.p[s->whole] : in->p[0]);
	size_t room = line_room(s, continues);

	most = room + 2 - have;
	buf_str(&s->pending, str_head(*in, n < most ? n : most));
	if (n > most) {
		struct str line = str_from(buf_view(&s->pending), s->whole);

		if (!continues && is_body(s, line)) {
			*in = str_from(*in, most);
			return begin_field(s);
		}
		if (nl) {
			buf_truncate(&s->pending, s->whole + room);
			buf_z(&s->pending, "\r\n");
		}
	}
	*in = str_from(*in, n);
	if (!nl)
		return true;
	if (!continues)
		return begin_field(s);
	continue_field(s);
	return true;
}

/* fields that are whole in this piece */
static struct str take_whole_fields(struct section *s, struct str in)
{
	struct str rest = in;
	struct header h;

	if (!s->begun && is_mbox_line(in))
		return in;
	while (header_next(&rest, &h) == 1 && rest.n && h.raw.n <= s->limit) {
		s->begun = true;
		s->field(s->ctx, &h);
		in = rest;
	}
	return in;
}

static struct str body_of(struct section *s)
{
	struct str line = buf_view(&s->pending);

	return str_eq(line, STR("\r\n")) ? STR_EMPTY : line;
}

bool section_add(struct section *s, struct str content, struct str *body, struct str *rest)
{
	*body = STR_EMPTY;
	*rest = content;
	if (!s->pending.n)
		*rest = take_whole_fields(s, content);
	if (!s->pending.n && str_starts(*rest, STR("\r\n"))) {
		*rest = str_from(*rest, 2);
		return true;
	}
	while (rest->n)
		if (!take_line(s, rest)) {
			*body = body_of(s);
			return true;
		}
	return false;
}

void section_end(struct section *s, struct str *body)
{
	struct str end = STR("\r\n");

	*body = STR_EMPTY;
	if (s->pending.n > s->whole && !take_line(s, &end))
		*body = body_of(s);
	else
		give_field(s, str_head(buf_view(&s->pending), s->whole));
}
