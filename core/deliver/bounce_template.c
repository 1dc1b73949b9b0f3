/* bounce_template - see bounce_template.h. Everything is read and expanded once, when a configuration is loaded. */
#include "core/deliver/bounce_template.h"

#include <errno.h>

#include "core/base/arena.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/header.h"

struct bounce_templates {
	struct arena arena;
	struct dsn_template v[BOUNCE_TEXTS];
	bool has[BOUNCE_TEXTS];
};

static const struct template_row { struct str name; const char *word; bool copies; /* the postmaster may get one */ } rows[] = {
	[BOUNCE_FAILURE] = { STR("failure_template"), "failure", true }, [BOUNCE_DELAY] = { STR("delay_template"), "delay", true },
	[BOUNCE_SUCCESS] = { STR("success_template"), "success", false }, [BOUNCE_VERIFY] = { STR("verify_template"), "verify", false },
};

struct reader {
	const struct conf *conf;
	struct conf_diag *diag;
	const char *file;
	unsigned line;
	struct bounce_templates *t;
};

static void wrong(const struct reader *r, enum conf_severity how, const char *what, struct str text)
{
	conf_diag_add(r->diag, how, r->file, r->line, "bounce_template_file: %s \"%.*s\"", what, STR_ARG(str_head(text, 100)));
}

static bool take_line(struct reader *r, struct str *rest, struct str *line)
{
	if (!str_cut(rest, '\n', line))
		return false;
	r->line++;
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

/* --- text --------------------------------------------------------------------------------------------------------------- */

static const struct { struct str prefix; size_t field; } times[] = {
	{ STR("delay_warning_time_"), offsetof(struct conf, delay_warning_time) },
	{ STR("maximal_queue_lifetime_"), offsetof(struct conf, maximal_queue_lifetime) },
};
static const struct { struct str word; usec seconds; } units[] = {
	{ STR("seconds"), 1 }, { STR("minutes"), 60 }, { STR("hours"), 3600 }, { STR("days"), 86400 }, { STR("weeks"), 7 * 86400 },
};

/* put_time - $delay_warning_time_hours and its like; 0: the name is no such, -1: its unit is none */
static int put_time(const struct conf *c, struct str name, struct buf *out)
{
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		for (size_t k = 0; str_starts(name, times[i].prefix) && k <= sizeof(units) / sizeof(units[0]); k++) {
			if (k == sizeof(units) / sizeof(units[0]))
				return -1;
			if (!str_eq(str_from(name, times[i].prefix.n), units[k].word))
				continue;
			buf_printf(out, "%lld", (long long)(*(const usec *)((const char *)c + times[i].field) / USEC_PER_SEC / units[k].seconds));
			return 1;
		}
	return 0;
}

/* name_at - the $name, ${name} or $(name) at the front of s; used: bytes of all of it, 0: something else */
static struct str name_at(struct str s, size_t *used)
{
	bool braced = s.n > 1 && (s.p[1] == '{' || s.p[1] == '(');
	size_t begin = braced ? 2 : 1, n = begin;

	while (n < s.n && (ascii_is_alnum(s.p[n]) || s.p[n] == '_'))
		n++;
	*used = 0;
	if (n > begin && (!braced || (n < s.n && s.p[n] == (s.p[1] == '{' ? '}' : ')'))))
		*used = n + braced;
	return str_make(s.p + begin, n - begin);
}

/* expand - the text with its parameters, in CRLF lines; false: told */
static bool expand(struct reader *r, struct str text, struct buf *out)
{
	struct buf plain, expanded, why;
	struct str rest = text, line;
	bool good = true;

	buf_init(&plain, LIMIT_CONF_VALUE);
	buf_init(&expanded, LIMIT_CONF_VALUE);
	buf_init(&why, LIMIT_REPLY_TEXT);
	while (rest.n && good) {
		size_t used = 0;
		struct str name = rest.p[0] == '$' ? name_at(rest, &used) : STR_EMPTY;
		char z[LIMIT_ENVELOPE_NAME];
		int time = used ? put_time(r->conf, name, &plain) : 0;

		bytes_copy(z, name.p, name.n < sizeof(z) - 1 ? name.n : sizeof(z) - 1);
		z[name.n < sizeof(z) - 1 ? name.n : sizeof(z) - 1] = '\0';
		good = time >= 0 && (!used || time || conf_get(r->conf, z));
		if (!good)
			wrong(r, CONF_ERROR, time < 0 ? "unknown unit of" : "undefined $name", name);
		/* "$$" stays together */
		used = used && !time ? used : used ? used : rest.p[0] == '$' && rest.n > 1 ? 2 : 1;
		if (!time)
			buf_str(&plain, str_head(rest, used));
		rest = str_from(rest, used);
	}
	if (good && conf_expand(r->conf, buf_view(&plain), &expanded, &why) < 0) {
		wrong(r, CONF_ERROR, buf_cstr(&why), STR_EMPTY);
		good = false;
	}
	rest = buf_view(&expanded);
	while (good && str_cut(&rest, '\n', &line)) {
		for (size_t i = 0; i < line.n; i++)
			buf_byte(out, (unsigned char)line.p[i] < ' ' && line.p[i] != '\t' ? ' ' : line.p[i]);
		buf_z(out, "\r\n");
	}
	buf_fini(&plain);
	buf_fini(&expanded);
	buf_fini(&why);
	return good;
}

/* --- one template --------------------------------------------------------------------------------------------------------- */

/* take_field - a header line; false: the template is passed by, told */
static bool take_field(struct reader *r, const struct template_row *row, struct str line, struct dsn_template *t)
{
	const struct { struct str name; struct str *field; bool of_copies; } fields[] = {
		{ STR("charset"), &t->charset, false }, { STR("from"), &t->from, false }, { STR("subject"), &t->subject, false },
		{ STR("postmaster-subject"), &t->postmaster_subject, true },
	};
	size_t colon, n = header_name_length(line, &colon);
	struct str value = n ? str_trim(str_from(line, colon + 1)) : STR_EMPTY;

	for (size_t i = 0; n && i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!str_ieq(str_head(line, n), fields[i].name) || (fields[i].of_copies && !row->copies))
			continue;
		for (size_t k = 0; k < value.n; k++)
			if (!ascii_is_print(value.p[k])) {
				wrong(r, CONF_WARNING, "a header line of a template is not ASCII, and the template is passed by:", line);
				return false;
			}
		*fields[i].field = arena_str(&r->t->arena, value);
		return true;
	}
	wrong(r, CONF_WARNING, "a template has a line that is no header of its kind, and is passed by:", line);
	return false;
}

static void take_template(struct reader *r, enum bounce_text which, struct str text)
{
	struct dsn_template t = { .charset = STR("us-ascii") };
	struct str line, rest = text;
	struct buf out;

	while (str_cut(&rest, '\n', &line) && str_trim(line).n)
		if (!take_field(r, &rows[which], line, &t))
			return;
	if (!str_is_ascii(rest) && str_ieq(t.charset, STR("us-ascii"))) {
		wrong(r, CONF_WARNING, "a template that is not ASCII has no Charset header, and is passed by:", rows[which].name);
		return;
	}
	buf_init(&out, LIMIT_CONF_VALUE);
	if (expand(r, rest, &out)) {
		t.text = arena_str(&r->t->arena, buf_view(&out));
		r->t->v[which] = t;
		r->t->has[which] = true;
	}
	buf_fini(&out);
}

/* --- the file --------------------------------------------------------------------------------------------------------------- */

/* take_text - up to the line that is `end` alone */
static void take_text(struct reader *r, struct str *rest, struct str end, struct buf *text)
{
	struct str line;

	while (take_line(r, rest, &line)) {
		if (str_eq(line, end))
			return;
		buf_str(text, line);
		buf_byte(text, '\n');
	}
	wrong(r, CONF_ERROR, "the end of a template is missing: a line with nothing but", end);
}

/* take_begin - "name = <<EOF"; false: told */
static bool take_begin(struct reader *r, struct str line, struct str *name, struct str *end)
{
	ptrdiff_t equals = str_chr(line, '=');

	*name = str_trim(str_head(line, equals < 0 ? 0 : (size_t)equals));
	*end = str_trim(str_from(line, (size_t)equals + 1));
	if (equals > 0 && name->n && str_starts(*end, STR("<<"))) {
		*end = str_trim(str_from(*end, 2));
		if (end->n)
			return true;
	}
	wrong(r, CONF_ERROR, "expected \"failure_template = <<EOF\", found", line);
	return false;
}

static void take_file(struct reader *r, struct str text)
{
	struct str rest = text, line, name, end;
	struct buf body;

	buf_init(&body, LIMIT_CONF_VALUE);
	while (take_line(r, &rest, &line)) {
		size_t i = 0;

		line = str_trim(line);
		if (!line.n || line.p[0] == '#')
			continue;
		if (!take_begin(r, line, &name, &end))
			break;
		buf_clear(&body);
		take_text(r, &rest, end, &body);
		while (i < BOUNCE_TEXTS && !str_eq(name, rows[i].name))
			i++;
		if (body.overflow)
			wrong(r, CONF_ERROR, "too long: template", name);
		else if (i == BOUNCE_TEXTS)
			wrong(r, CONF_WARNING, "unknown template, passed by:", name);
		else
			take_template(r, (enum bounce_text)i, buf_view(&body));
	}
	buf_fini(&body);
}

struct bounce_templates *bounce_templates_parse(const struct conf *c, const char *file, struct str text, struct conf_diag *diag)
{
	struct bounce_templates *t = MEM_NEW(struct bounce_templates);
	struct reader r = { .conf = c, .diag = diag, .file = file, .t = t };

	arena_init(&t->arena, 2 * BOUNCE_TEXTS * LIMIT_CONF_VALUE);
	take_file(&r, text);
	return t;
}

struct bounce_templates *bounce_templates_new(const struct conf *c, struct conf_diag *diag)
{
	struct bounce_templates *t;
	struct buf text;

	buf_init(&text, LIMIT_CONF_FILE);
	if (*c->bounce_template_file && fs_read_file(c->bounce_template_file, &text) < 0)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "bounce_template_file: %s: %s", c->bounce_template_file, strerror(errno));
	t = bounce_templates_parse(c, c->bounce_template_file, buf_view(&text), diag);
	buf_fini(&text);
	return t;
}

void bounce_templates_free(struct bounce_templates *t)
{
	if (!t)
		return;
	arena_fini(&t->arena);
	mem_free(t);
}

const struct dsn_template *bounce_template(const struct bounce_templates *t, enum bounce_text which)
{
	return t && t->has[which] ? &t->v[which] : NULL;
}
