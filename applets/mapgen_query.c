/* mapgen_query - see mapgen_query.h. */
#include <errno.h>
#include <stdio.h>

#include "applets/applet.h"
#include "applets/mapgen_query.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/map/map.h"
#include "core/msg/mime.h"
#include "core/msg/mime_lines.h"

struct asking {
	const struct mapgen_query *q;
	char **specs;
	struct map **maps;             /* opened when first asked */
	int n;
	int code;                      /* 1 until a key is found; an error stays */
	struct buf value, line;        /* of the answer, until it is whole */
};

void mapgen_split(const char *spec, struct str *type, const char **name)
{
	const char *colon = strchr(spec, ':');

	*type = colon ? str_make(spec, (size_t)(colon - spec)) : STR("cdb");
	*name = colon ? colon + 1 : spec;
}

static void begin(struct asking *a, const struct mapgen_query *q, char **specs, int n)
{
	*a = (struct asking){ .q = q, .specs = specs, .n = n, .code = 1 };
	a->maps = mem_array(NULL, (size_t)n + 1, sizeof(struct map *));
	memset(a->maps, 0, (size_t)n * sizeof(struct map *));
	buf_init(&a->value, LIMIT_CDB_RECORD);
	/* a key and a value of any length fit */
	buf_init(&a->line, 4 * (size_t)LIMIT_CDB_RECORD);
}

static void end(struct asking *a)
{
	for (int i = 0; i < a->n; i++)
		map_close(a->maps[i]);
	mem_free(a->maps);
	buf_fini(&a->value);
	buf_fini(&a->line);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static struct str without_nul(struct str s)
{
	return s.n && s.p[s.n - 1] == '\0' ? str_head(s, s.n - 1) : s;
}

static void add_value(struct asking *a, struct str value)
{
	struct buf b;

	if (!a->q->build->file_values) {
		buf_str(&a->line, value);
		return;
	}
	buf_init(&b, LIMIT_CDB_RECORD);
	buf_str(&a->line, mime_base64_decode(&b, value) ? buf_view(&b) : value);
	buf_fini(&b);
}

/* print_line - in one piece: a call of stdio for each part costs more than the lookup */
static void print_line(struct asking *a)
{
	buf_byte(&a->line, '\n');
	fwrite(a->line.p, 1, a->line.n, stdout);
	buf_clear(&a->line);
}

static int print_entry(void *ctx, struct str key, struct str value)
{
	struct asking *a = ctx;

	if (a->q->json) {
		buf_byte(&a->line, '{');
		buf_json(&a->line, without_nul(key));
		buf_z(&a->line, ": ");
		buf_json(&a->line, without_nul(value));
		buf_byte(&a->line, '}');
	} else {
		buf_str(&a->line, without_nul(key));
		buf_z(&a->line, a->q->build->form == SOURCE_ALIAS ? ":\t" : "\t");
		add_value(a, without_nul(value));
	}
	print_line(a);
	return ferror(stdout) ? -1 : 0;
}

/* --- questions ---------------------------------------------------------------------------------------------------- */

/* find_exact - -f: the key as it is, which the map room would fold */
static enum map_answer find_exact(const char *name, struct str key, struct buf *out)
{
	char path[4096];
	struct cdb_table *t;
	int r;

	snprintf(path, sizeof(path), "%s.cdb", name);
	t = cdb_table_open(path);
	if (!t)
		return MAP_ERROR;
	r = cdb_table_find(t, key, out);
	cdb_table_close(t);
	return r < 0 ? MAP_ERROR : r ? MAP_FOUND : MAP_NONE;
}

static enum map_answer find_in(struct asking *a, int i, struct str key)
{
	struct str type;
	const char *name;
	struct buf why;

	mapgen_split(a->specs[i], &type, &name);
	buf_clear(&a->value);
	if (a->q->build->keep_case && mapgen_is_indexed(type))
		return find_exact(name, key, &a->value);
	if (!a->maps[i]) {
		char spec[4200];

		buf_init(&why, LIMIT_REPLY_TEXT);
		snprintf(spec, sizeof(spec), "%.*s:%s", STR_ARG(type), name);
		a->maps[i] = map_open(spec, &why);
		if (!a->maps[i])
			applet_fail(0, "%s", buf_cstr(&why));
		buf_fini(&why);
	}
	return a->maps[i] ? map_find(a->maps[i], key, &a->value) : MAP_ERROR;
}

static void ask(struct asking *a, struct str key, bool with_key)
{
	for (int i = 0; i < a->n; i++) {
		enum map_answer answer = find_in(a, i, key);

		if (answer == MAP_ERROR) {
			a->code = applet_fail(EX_TEMPFAIL, "cannot look up \"%.*s\" in %s", STR_ARG(key), a->specs[i]);
			return;
		}
		if (answer == MAP_NONE)
			continue;
		a->code = 0;
		if (with_key || a->q->json) {
			print_entry(a, key, buf_view(&a->value));
		} else {
			add_value(a, without_nul(buf_view(&a->value)));
			print_line(a);
		}
		return;
	}
}

static void on_message_line(void *ctx, enum mime_line kind, struct str text)
{
	struct asking *a = ctx;

	if (a->code <= 1 && (kind == MIME_LINE_BODY ? a->q->bodies : a->q->headers))
		ask(a, text, true);
}

/* ask_input - a key a line, or what -b, -h and -m say of a message */
static void ask_input(struct asking *a)
{
	bool message = a->q->headers || a->q->bodies;
	struct mime_lines lines;
	char *line = NULL;
	size_t cap = 0;
	ssize_t got;

	if (a->q->mime && !message)
		applet_fail(0, "warning: -m does nothing without -b or -h");
	mime_lines_init(&lines, a->q->mime, on_message_line, a);
	while (a->code <= 1 && (got = getline(&line, &cap, stdin)) > 0) {
		struct str s = str_make(line, (size_t)got - (line[got - 1] == '\n'));

		if (message)
			mime_lines_add(&lines, s);
		else
			ask(a, s, true);
	}
	mime_lines_end(&lines);
	mem_free(line);
}

int mapgen_query(const struct mapgen_query *q, char **specs, int n)
{
	static char in_buffer[65536], out_buffer[65536];
	struct asking a;

	begin(&a, q, specs, n);
	cdb_hold_below(LIMIT_MAP_TEXT);
	setvbuf(stdin, in_buffer, _IOFBF, sizeof(in_buffer));
	setvbuf(stdout, out_buffer, _IOFBF, sizeof(out_buffer));
	if (strcmp(q->key, "-") != 0)
		ask(&a, str_of(q->key), false);
	else
		ask_input(&a);
	end(&a);
	return applet_close_output(a.code);
}

int mapgen_list(const struct mapgen_query *q, const char *spec)
{
	struct str type;
	const char *name;
	struct asking a;
	struct buf why;
	struct map *m;
	char full[4200];
	int code = EX_OK;

	mapgen_split(spec, &type, &name);
	snprintf(full, sizeof(full), "%.*s:%s", STR_ARG(type), name);
	buf_init(&why, LIMIT_REPLY_TEXT);
	begin(&a, q, NULL, 0);
	m = map_open(full, &why);
	if (!m)
		code = applet_fail(EX_NOINPUT, "%s", buf_cstr(&why));
	else if (map_each(m, print_entry, &a) < 0)
		code = applet_fail(EX_IOERR, "cannot list %s: %s", full, strerror(errno));
	map_close(m);
	end(&a);
	buf_fini(&why);
	return code;
}
