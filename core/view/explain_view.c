/* explain_view - see explain_view.h. A kind of row is a row of the table: the names of its fields, and how people read them. What another
 * version says and this one does not know is shown as it is. */
#include "core/view/explain_view.h"

#include "core/base/buf.h"
#include "core/base/limits.h"
#include "core/map/map.h"

#define MOST_FIELDS 6

/* form: $1 … are the fields; what stands in braces is left out with its field where that is empty; ~ is four blanks for each level */
static const struct kind {
	const char *name, *form;
	const char *fields[MOST_FIELDS];
} kinds[] = {
	/* the first: locate() knows its fields */
	{ "lookup", "{$1: }$2: $3: $4$5{ ($6)}", { "parameter", "table", "key", "value", "answer", "at" } },
	{ "setting", "$1 = $2{ ($3)}", { "parameter", "value", "at" } },
	{ "class", "class: $1 is in the $2 class", { "domain", "class" } },
	{ "route", "=> transport $1, nexthop $2", { "transport", "nexthop" } },
	{ "hop", "=> $1: $2", { "nexthop", "text" } },
	{ "result", "=> $1", { "text" } },
	{ "list", "$1 ($2):{ $3}", { "list", "at", "text" } },
	{ "rule", "~$2: $3{: $4}", { "level", "rule", "verdict", "reply" } },
	{ "client", "client $1: $2", { "client", "reply" } },
	{ "etrn", "client $1, for ETRN: $2", { "client", "reply" } },
	{ "note", "$1", { "text" } },
};

static const struct kind *find_kind(struct str name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (str_eq(name, str_of(kinds[i].name)))
			return &kinds[i];
	return NULL;
}

/* locate - the line of an entry of a table that is a text. Whoever asks reads it himself, as far as he may */
static void locate(struct str *cells, struct buf *at)
{
	bool found = cells[3].n || str_eq(cells[4], STR("found"));
	unsigned line = found && !cells[5].n ? map_line(cells[1], cells[2]) : 0;

	if (!line)
		return;
	buf_clear(at);
	buf_printf(at, "%.*s:%u", STR_ARG(str_from(cells[1], (size_t)str_chr(cells[1], ':') + 1)), line);
	cells[5] = buf_view(at);
}

static void put_json(const struct kind *k, const struct str *cells, struct buf *out)
{
	buf_z(out, "{\"step\":");
	buf_json(out, str_of(k->name));
	for (size_t i = 0; i < MOST_FIELDS && k->fields[i]; i++) {
		if (!cells[i].n)
			continue;
		buf_printf(out, ",\"%s\":", k->fields[i]);
		buf_json(out, cells[i]);
	}
	buf_z(out, "}");
}

static void put_levels(struct str level, struct buf *out)
{
	uint64_t n = 0;

	(void)str_to_u64(level, &n);
	for (; n && n <= LIMIT_ACCESS_DEPTH; n--)
		buf_z(out, "    ");
}

static void put_text(const struct kind *k, const struct str *cells, struct buf *out)
{
	size_t group = 0;
	bool hidden = false;

	/* a look-up of a word of a list, which follows */
	if (!cells[0].n)
		buf_z(out, "        ");
	for (const char *p = k->form; *p; p++) {
		if (*p == '{') {
			group = out->n;
			hidden = false;
		} else if (*p == '}') {
			buf_truncate(out, hidden ? group : out->n);
		} else if (*p == '~') {
			put_levels(cells[0], out);
		} else if (*p == '$') {
			hidden |= !cells[*++p - '1'].n;
			buf_str(out, cells[*p - '1']);
		} else {
			buf_byte(out, *p);
		}
	}
}

void explain_view_print(struct str rows, bool json, FILE *to)
{
	struct str line, whole;
	struct buf out, at;

	buf_init(&out, LIMIT_EXPLAIN_ROWS);
	buf_init(&at, LIMIT_LOG_LINE);
	while (str_cut(&rows, '\n', &line)) {
		struct str cells[MOST_FIELDS] = { STR_EMPTY }, name = STR_EMPTY;
		const struct kind *k;

		whole = line;
		str_cut(&line, '\t', &name);
		k = find_kind(name);
		if (!k && !whole.n)
			continue;
		if (k)
			for (size_t i = 0; i < MOST_FIELDS && str_cut(&line, '\t', &cells[i]); i++)
				;
		else
			cells[0] = whole;
		if (k == &kinds[0])
			locate(cells, &at);
		buf_clear(&out);
		(json ? put_json : put_text)(k ? k : find_kind(STR("note")), cells, &out);
		for (size_t i = 0; i < out.n; i++)
			putc((unsigned char)out.p[i] < ' ' || out.p[i] == 0x7f ? '.' : out.p[i], to);
		putc('\n', to);
	}
	buf_fini(&out);
	buf_fini(&at);
}
