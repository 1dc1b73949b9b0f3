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
	if (m->n_open == LIMIT_MIME_DEPTH)
		return;
	m->open[m->n_open++] = (struct mime_boundary){ mem_dupz(boundary), digest };
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

static void end_field(struct mime_lines *m)
{
	struct str field = buf_view(&m->field);
	ptrdiff_t colon = str_chr(field, ':');

	if (!field.n)
		return;
	if (m->parse_mime && str_ieq(str_head(field, (size_t)colon), STR("Content-Type")))
		content_type(m, str_from(field, (size_t)colon + 1));
	m->fn(m->ctx, true, field);
	buf_clear(&m->field);
}

/* true: the line belongs to the headers */
static bool header_line(struct mime_lines *m, struct str line)
{
	size_t name, colon;

	if (m->field.n && line.n && (*line.p == ' ' || *line.p == '\t')) {
		if (m->field.n < m->field_max) {
			buf_byte(&m->field, '\n');
			buf_str(&m->field, line);
		}
		return true;
	}
	end_field(m);
	name = header_name_length(line, &colon);
	if (!name)
		return false;
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
		m->at_boundary = true;
		m->typed = false;
		m->composite = !m->in_body && m->type == MIME_MESSAGE;
		return;
	}
}

void mime_lines_init(struct mime_lines *m, bool parse_mime, mime_lines_fn fn, void *ctx)
{
	*m = (struct mime_lines){ .fn = fn, .ctx = ctx, .parse_mime = parse_mime, .field_max = LIMIT_MIME_FIELD };
	/* the last piece of a field may pass its bound, as in Postfix */
	buf_init(&m->field, SIZE_MAX / 2);
}

void mime_lines_add(struct mime_lines *m, struct str line)
{
	m->at_boundary = false;
	if (!m->in_body) {
		if (header_line(m, line))
			return;
		m->in_body = line.n || m->type != MIME_MESSAGE;
		m->type = line.n ? m->type : MIME_TEXT;
		if (line.n && !m->past_first)
			m->fn(m->ctx, false, STR(""));
		m->past_first = true;
	}
	if (m->in_body)
		look_for_boundary(m, line);
	m->fn(m->ctx, false, line);
}

void mime_lines_end(struct mime_lines *m)
{
	end_field(m);
	while (m->n_open)
		close_part(m);
	buf_fini(&m->field);
}
