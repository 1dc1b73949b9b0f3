/* probe_compare - two runs, kept as --json printed them: which findings came and went. */
#include "core/base/arena.h"
#include "core/base/json_read.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/probe/probe_out.h"

struct run { char *target, *lines; };  /* owned; NULL lines: without findings */
struct runs { struct run *v; size_t n; };

struct finding { struct str verdict, host, address, check, text; };
static void on_finding(void *ctx, const struct json_member *m)
{
	struct finding *f = ctx;
	const struct { struct str name; struct str *to; } rows[] = { { STR("verdict"), &f->verdict }, { STR("host"), &f->host }, { STR("address"), &f->address },
		{ STR("check"), &f->check }, { STR("text"), &f->text } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(m->name, rows[i].name) && m->kind == JSON_STRING)
			*rows[i].to = m->value;
}

struct object { struct str target, findings; };
static void on_object(void *ctx, const struct json_member *m)
{
	struct object *o = ctx;

	if (str_eq(m->name, STR("target")) && m->kind == JSON_STRING)
		o->target = m->value;
	if (str_eq(m->name, STR("findings")) && m->kind == JSON_NESTED)
		o->findings = m->value;
}

/* next_object - of an array that is known to be JSON: up to the brace that closes it */
static bool next_object(struct str *rest, struct str *one)
{
	bool quoted = false;
	unsigned depth = 0;

	while (rest->n && rest->p[0] != '{')
		*rest = str_from(*rest, 1);
	for (size_t i = 0; i < rest->n; i++) {
		char c = rest->p[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && c == '{')
			depth++;
		else if (!quoted && c == '}' && --depth == 0) {
			*one = str_head(*rest, i + 1);
			*rest = str_from(*rest, i + 1);
			return true;
		}
	}
	return false;
}

static bool read_run(struct runs *r, struct str line)
{
	struct object o = { .target = STR_EMPTY };
	struct arena arena;
	struct buf lines;
	struct str one;
	bool good;

	arena_init(&arena, LIMIT_PROBE_OUTPUT);
	buf_init(&lines, LIMIT_PROBE_OUTPUT);
	good = json_read_object(line, &arena, on_object, &o) && o.target.p;
	while (good && next_object(&o.findings, &one)) {
		struct finding f = { .verdict = STR_EMPTY };

		good = json_read_object(one, &arena, on_finding, &f);
		probe_change_line(&lines, f.verdict, f.host, f.address, f.check, f.text);
	}
	if (good) {
		r->v = mem_array(r->v, r->n + 1, sizeof(*r->v));
		r->v[r->n++] = (struct run){ str_dup(o.target), mem_dupz(buf_cstr(&lines)) };
	}
	buf_fini(&lines);
	arena_fini(&arena);
	return good;
}

static bool read_runs(struct runs *r, struct str text)
{
	struct str line;

	while (str_cut(&text, '\n', &line))
		if (str_trim(line).n && !read_run(r, line))
			return false;
	return true;
}

static void forget(struct runs *r)
{
	for (size_t i = 0; i < r->n; i++) {
		mem_free(r->v[i].target);
		mem_free(r->v[i].lines);
	}
	mem_free(r->v);
}

static const char *lines_of(const struct runs *r, const char *target)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->v[i].target, target))
			return r->v[i].lines;
	return "";
}

ptrdiff_t probe_compare(struct str before, struct str after, FILE *to, bool colour)
{
	struct runs a = { .n = 0 }, b = { .n = 0 };
	bool good = read_runs(&a, before) && read_runs(&b, after);
	size_t n = 0;

	for (size_t i = 0; good && i < b.n; i++)
		n += probe_print_changes(b.v[i].target, str_of(lines_of(&a, b.v[i].target)), str_of(b.v[i].lines), to, colour);
	for (size_t i = 0; good && i < a.n; i++)
		if (!*lines_of(&b, a.v[i].target))
			n += probe_print_changes(a.v[i].target, str_of(a.v[i].lines), STR_EMPTY, to, colour);
	forget(&a);
	forget(&b);
	return good ? (ptrdiff_t)n : -1;
}
