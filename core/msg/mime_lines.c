/* mime_lines - see mime_lines.h. */
#include "core/msg/mime_lines.h"

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/header.h"

/* --- words of a Content-Type --------------------------------------------------------------------------------------- */

/* a word, a quoted string ('"') or one of the special characters; 0: the end */
struct token {
	char kind;
	char text[LIMIT_MIME_BOUNDARY + 1];
};

static bool is_special(char c)
{
	return ascii_is_one_of(c, "()<>@,;:\\\"/[]?=");
}

/* skip white space and (comments (in comments)) */
static void skip_blank(struct str *s)
{
	size_t at = 0, depth = 0;

	for (; at < s->n; at++) {
		char c = s->p[at];

		if (c == '(')
			depth++;
		else if (c == ')' && depth)
			depth--;
		else if (c == '\\' && depth)
			at++;
		else if (!depth && !ascii_is_space(c))
			break;
	}
	*s = str_from(*s, at);
}

static void take_token(struct str *s, struct token *t)
{
	size_t at = 0, n = 0;

	skip_blank(s);
	*t = (struct token){ 0 };
	if (!s->n)
		return;
	t->kind = *s->p == '"' ? '"' : is_special(*s->p) ? *s->p : 'w';
	if (t->kind == '"') {
		for (at = 1; at < s->n && s->p[at] != '"'; at++) {
			at += s->p[at] == '\\' && at + 1 < s->n;
			if (n < LIMIT_MIME_BOUNDARY && s->p[at] != '\n')
				t->text[n++] = s->p[at];
		}
		at++;
	} else if (t->kind == 'w') {
		for (; at < s->n && !ascii_is_space(s->p[at]) && !is_special(s->p[at]); at++)
			if (n < LIMIT_MIME_BOUNDARY)
				t->text[n++] = s->p[at];
	} else {
		at = 1;
	}
	*s = str_from(*s, at);
}

/* take_part - the first three tokens up to the next ; or the end; how many, or -1 when nothing is left */
static int take_part(struct str *s, struct token v[3])
{
	struct token rest;
	int n = 0;

	skip_blank(s);
	if (!s->n)
		return -1;
	for (;;) {
		struct token *t = n < 3 ? &v[n] : &rest;

		take_token(s, t);
		if (!t->kind || t->kind == ';')
			return n;
		n += n < 3;
	}
}

static bool is_word(const struct token *t, const char *word)
{
	return t->kind == 'w' && str_ieq(str_of(t->text), str_of(word));
}

/* --- the parts of a message ---------------------------------------------------------------------------------------- */

static void open_part(struct mime_lines *m, const char *boundary, bool digest)
{
	if (m->n_open >= m->max_open) {
		m->faults |= MIME_FAULT_NESTING;
		return;
	}
	m->open[m->n_open++] = (struct mime_boundary){ str_dup(str_head(str_of(boundary), m->max_boundary)), digest };
}

static void close_part(struct mime_lines *m)
{
	mem_free(m->open[--m->n_open].text);
}

/* Of several boundaries each counts, so that it does not matter which one the sender uses */
static void content_type(struct mime_lines *m, struct str value)
{
	struct token v[3];
	int n = take_part(&value, v);
	bool sub = n == 3 && v[1].kind == '/';

	m->typed = true;

	if (n <= 0) {
		m->type = MIME_OTHER;
	} else if (is_word(&v[0], "text")) {
		m->type = MIME_TEXT;
	} else if (is_word(&v[0], "message")) {
		m->type = sub && is_word(&v[2], "rfc822") ? MIME_MESSAGE : MIME_OTHER;
	} else if (is_word(&v[0], "multipart")) {
		bool digest = sub && is_word(&v[2], "digest");

		m->type = MIME_MULTIPART;
		while ((n = take_part(&value, v)) >= 0)
			if (n == 3 && is_word(&v[0], "boundary") && v[1].kind == '=')
				open_part(m, v[2].text, digest);
	}
	m->composite = m->type == MIME_MULTIPART || m->type == MIME_MESSAGE;
}

static void content_encoding(struct mime_lines *m, struct str value)
{
	struct token v[3];
	static const struct { const char *word; int encoding; } encodings[] = {
		{ "7bit", MIME_7BIT }, { "8bit", MIME_8BIT }, { "binary", MIME_8BIT }, { "base64", MIME_ENCODED },
		{ "quoted-printable", MIME_ENCODED },
	};

	if (take_part(&value, v) <= 0)
		return;
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
		if (is_word(&v[0], encodings[i].word)) {
			m->encoding = encodings[i].encoding;
			m->encoded = encodings[i].encoding == MIME_ENCODED ? encodings[i].word : NULL;
		}
}

static void end_field(struct mime_lines *m)
{
	struct str field = buf_view(&m->field), name;
	ptrdiff_t colon = str_chr(field, ':');

	if (!field.n)
		return;
	name = str_head(field, (size_t)colon);
	m->faults = 0;
	if (m->parse_mime && str_ieq(name, STR("Content-Type")))
		content_type(m, str_from(field, (size_t)colon + 1));
	else if (m->parse_mime && str_ieq(name, STR("Content-Transfer-Encoding")))
		content_encoding(m, str_from(field, (size_t)colon + 1));
	if (!str_is_ascii(field))
		m->faults |= MIME_FAULT_8BIT_HEADER;
	m->fn(m->ctx, m->section, field);
	m->faults = 0;
	buf_clear(&m->field);
}

/* true: the line belongs to the headers */
static bool header_line(struct mime_lines *m, struct str line)
{
	size_t name, colon;

	m->in_field = true;

	if (m->field.n && line.n && (*line.p == ' ' || *line.p == '\t')) {
		if (m->field.n < m->field_max) {
			buf_byte(&m->field, '\n');
			buf_str(&m->field, line);
		}
		return true;
	}
	end_field(m);
	name = header_name_length(line, &colon);
	if (!name) {
		m->in_field = false;
		return false;
	}
	/* "name :" is an old way to write "name:" */
	buf_str(&m->field, str_head(line, name));
	buf_str(&m->field, str_from(line, colon));
	return true;
}

/* look_for_boundary - a line that begins with the boundary of an open part begins or ends one, whatever follows */
static void look_for_boundary(struct mime_lines *m, struct str line)
{
	for (size_t i = line.n > 2 && str_starts(line, STR("--")) ? m->n_open : 0; i--;) {
		struct str boundary = str_of(m->open[i].text), rest = str_from(line, 2);

		if (!str_starts(rest, boundary))
			continue;
		while (m->n_open > i + 1)
			close_part(m);
		m->in_body = str_starts(str_from(rest, boundary.n), STR("--"));
		if (m->in_body)
			close_part(m);
		else
			m->type = m->open[i].digest ? MIME_MESSAGE : MIME_TEXT;
		m->section = MIME_LINE_PART;
		m->encoding = MIME_7BIT;
		m->at_boundary = true;
		m->typed = false;
		m->composite = !m->in_body && m->type == MIME_MESSAGE;
		return;
	}
}

void mime_lines_init(struct mime_lines *m, bool parse_mime, mime_lines_fn fn, void *ctx)
{
	*m = (struct mime_lines){ .fn = fn, .ctx = ctx, .parse_mime = parse_mime, .field_max = LIMIT_MIME_FIELD,
		.section = MIME_LINE_HEADER, .max_open = LIMIT_MIME_DEPTH, .max_boundary = LIMIT_MIME_BOUNDARY };
	/* the last piece of a field may pass its bound, as in Postfix */
	buf_init(&m->field, SIZE_MAX / 2);
}

static void body_line(struct mime_lines *m, struct str text)
{
	if (m->encoding == MIME_7BIT && !str_is_ascii(text))
		m->faults |= MIME_FAULT_8BIT_BODY;
	m->fn(m->ctx, MIME_LINE_BODY, text);
	m->faults = 0;
	m->offset += text.n + 1;
}

/* end_section - the line behind the last field of a header section; true: another section begins behind it */
static bool end_section(struct mime_lines *m, struct str line)
{
	bool nested = m->type == MIME_MESSAGE && !line.n;

	if (m->composite && m->encoding == MIME_ENCODED)
		m->faults |= MIME_FAULT_ENCODING;
	m->in_body = !nested;
	m->type = line.n ? m->type : MIME_TEXT;
	m->offset = 0;
	if (line.n && !m->past_first)
		m->fn(m->ctx, MIME_LINE_BODY, STR(""));
	m->past_first = true;
	return nested;
}

static void begin_nested(struct mime_lines *m)
{
	m->section = MIME_LINE_NESTED;
	m->encoding = MIME_7BIT;
}

void mime_lines_add(struct mime_lines *m, struct str line)
{
	bool nested = false;

	m->at_boundary = false;
	if (!m->in_body) {
		if (header_line(m, line))
			return;
		nested = end_section(m, line);
	}
	if (m->in_body)
		look_for_boundary(m, line);
	body_line(m, line);
	if (nested)
		begin_nested(m);
}

void mime_lines_end_header(struct mime_lines *m, bool by_empty_line)
{
	end_field(m);
	m->past_first = true;
	if (end_section(m, by_empty_line ? STR_EMPTY : STR("-")))
		begin_nested(m);
	/* an empty line counts */
	m->offset = by_empty_line;
}

void mime_lines_more(struct mime_lines *m, struct str piece)
{
	if (m->in_body || !m->in_field) {
		body_line(m, piece);
		/* not a line end */
		m->offset--;
	} else if (m->field.n < m->field_max) {
		buf_str(&m->field, piece);
	}
}

void mime_lines_end(struct mime_lines *m)
{
	end_field(m);
	while (m->n_open)
		close_part(m);
	buf_fini(&m->field);
}
