/* stats_view - see stats_view.h. A kind of row is a row of the table `sections`: heading, text and JSON of each. */
#include "core/view/stats_view.h"

#include <inttypes.h>
#include <time.h>

#include "core/base/limits.h"
#include "core/base/term.h"
#include "core/view/control.h"
#include "core/view/history.h"

enum {
	MOST_CELLS = STATS_CELLS,
	PLOT_AT = 38,                  /* columns before the minutes */
	NAME = 40, NAME_LEAST = 12,    /* of a destination: all the room there is, or what leaves some for its state */
	COUNTS = 3 * 9 + 2, STATE = 20,
};

struct print {
	const struct stats_view *v;
	struct str rows, before;
	usec between;
	struct buf out;
};

static size_t split(struct str line, struct str cells[MOST_CELLS])
{
	size_t n = 0;

	for (size_t i = 0; i < MOST_CELLS; i++)
		cells[i] = STR_EMPTY;
	while (n < MOST_CELLS && str_cut(&line, '\t', &cells[n]))
		n++;
	return n;
}

bool stats_next_row(struct str *rows, const char *kind, struct str cells[MOST_CELLS])
{
	struct str line;

	while (str_cut(rows, '\n', &line))
		if (row_is(&line, kind)) {
			split(line, cells);
			return true;
		}
	return false;
}

uint64_t stats_number(struct str s)
{
	uint64_t v;

	return str_to_u64(s, &v) ? v : 0;
}

/* rate_of - how fast a counter grew since the sample before, a second; false: not a counter, or no sample before */
static bool rate_of(const struct print *p, struct str key, uint64_t value, double *out)
{
	struct str rows = p->before, cells[MOST_CELLS];

	if (!str_ends(key, STR("_total")) || p->between <= 0)
		return false;
	while (stats_next_row(&rows, "figure", cells))
		if (str_eq(cells[0], key)) {
			uint64_t was = stats_number(cells[2]);

			/* a relayd that was started anew counts from 0; what no counter can do is no rate */
			*out = value < was ? 0 : (double)(value - was) * 1e6 / (double)p->between;
			return *out < 1e15;
		}
	return false;
}

/* --- text ---------------------------------------------------------------------------------------------------------- */

static void text_figure(struct print *p, struct str cells[MOST_CELLS])
{
	double rate;

	term_cell(&p->out, cells[1], 30);
	buf_printf(&p->out, " %12" PRIu64, stats_number(cells[2]));
	if (rate_of(p, cells[0], stats_number(cells[2]), &rate))
		buf_printf(&p->out, " %10.1f/s", rate);
	buf_byte(&p->out, '\n');
}

static size_t name_width(const struct print *p)
{
	size_t taken = COUNTS + STATE, room = p->v->width > taken ? p->v->width - taken : 0;

	return !p->v->width || room > NAME ? NAME : room < NAME_LEAST ? NAME_LEAST : room;
}

static void text_destination(struct print *p, struct str cells[MOST_CELLS])
{
	bool dead = str_eq(cells[5], STR("1"));
	struct buf name;
	size_t fixed = name_width(p) + COUNTS;

	buf_init(&name, 2 * LIMIT_DOMAIN);
	buf_printf(&name, "%.*s:%.*s", STR_ARG(cells[0]), STR_ARG(cells[1]));
	term_cell(&p->out, buf_view(&name), name_width(p));
	buf_printf(&p->out, " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 "  ", stats_number(cells[2]), stats_number(cells[3]), stats_number(cells[4]));
	if (dead && p->v->colour)
		buf_z(&p->out, "\033[31m");
	term_cell(&p->out, dead ? cells[6].n ? cells[6] : STR("suspended") : STR("ok"),
		p->v->width > fixed + 8 && term_columns(cells[6]) > p->v->width - fixed ? p->v->width - fixed : 0);
	buf_z(&p->out, dead && p->v->colour ? "\033[m\n" : "\n");
	buf_fini(&name);
}

static void text_error(struct print *p, struct str cells[MOST_CELLS])
{
	time_t at = (time_t)(stats_number(cells[0]) / (uint64_t)USEC_PER_SEC);
	struct tm tm;
	char date[32];
	size_t before = p->out.n, used;

	localtime_r(&at, &tm);
	strftime(date, sizeof(date), "%b %e %H:%M:%S", &tm);
	buf_printf(&p->out, "%s  ", date);
	term_cell(&p->out, cells[1], 0);
	buf_z(&p->out, str_eq(cells[2], STR("1")) ? "  bounced   " : "  deferred  ");
	term_cell(&p->out, cells[3], 24);
	buf_z(&p->out, "  ");
	used = p->out.n - before;
	before = p->v->width > used + 8 && term_columns(cells[5]) > p->v->width - used ? p->v->width - used : 0;
	term_cell(&p->out, cells[5], before);
	buf_byte(&p->out, '\n');
}

/* text_plot - one line a column of the minutes, each scaled to its own maximum; the newest are shown where there is no room for all */
static void text_plot(struct print *p)
{
	static const char *const names[HISTORY_COLUMNS] = { "accepted", "sent", "deferred", "bounced" };
	static const char *const colours[HISTORY_COLUMNS] = { "", "\033[32m", "\033[33m", "\033[31m" };
	static const char *const blocks[] = { "\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83", "\xe2\x96\x84", "\xe2\x96\x85", "\xe2\x96\x86",
		"\xe2\x96\x87", "\xe2\x96\x88" };
	static const char *const marks[] = { ".", ":", "-", "=", "+", "*", "#", "@" };
	const char *const *steps = term_is_utf8() ? blocks : marks;
	struct str rows = p->rows, cells[MOST_CELLS];
	size_t minutes = 0, most_shown = p->v->width > PLOT_AT ? p->v->width - PLOT_AT : 0, hidden, at;

	while (stats_next_row(&rows, "minute", cells))
		minutes++;
	hidden = p->v->width && minutes > most_shown ? minutes - most_shown : 0;
	buf_printf(&p->out, "\n%-9s %8s %8s %8s  the last %zu minute%s\n", "a minute", "now", "most", "sum", minutes, minutes == 1 ? "" : "s");
	for (size_t i = 0; i < HISTORY_COLUMNS; i++) {
		uint64_t most = 0, sum = 0, last = 0;

		for (rows = p->rows; stats_next_row(&rows, "minute", cells); sum += last) {
			last = stats_number(cells[i]);
			most = last > most ? last : most;
		}
		buf_printf(&p->out, "%-9s %8llu %8llu %8llu  %s", names[i], (unsigned long long)last, (unsigned long long)most,
			(unsigned long long)sum, p->v->colour ? colours[i] : "");
		for (rows = p->rows, at = 0; stats_next_row(&rows, "minute", cells); at++) {
			uint64_t n = stats_number(cells[i]);

			/* what is not nothing is seen */
			if (at >= hidden)
				buf_z(&p->out, n ? steps[(n - 1) * 8 / most] : " ");
		}
		buf_z(&p->out, p->v->colour ? "\033[m\n" : "\n");
	}
}

static void text_rows(struct print *p, const char *kind, const char *heading, void (*row)(struct print *p, struct str cells[MOST_CELLS]))
{
	struct str rows = p->rows, cells[MOST_CELLS];

	for (size_t n = 0; stats_next_row(&rows, kind, cells); n++) {
		if (!n)
			buf_z(&p->out, heading);
		row(p, cells);
	}
}

/* --- JSON ------------------------------------------------------------------------------------------------------------ */

/* what the cells of a kind are called; a name that begins with '#' is a number's, with '?' a truth value's */
static const struct object { const char *kind, *name, *keys[MOST_CELLS]; } objects[] = {
	{ "destination", "destinations", { "transport", "nexthop", "#waiting", "#in_flight", "#window", "?dead", "why" } },
	{ "error", "errors", { "#time", "queue_id", "?final", "recipient", "relay", "text" } },
	{ "minute", "minutes", { "#accepted", "#sent", "#deferred", "#bounced" } },
};

static void json_object(struct buf *out, const struct object *o, struct str cells[MOST_CELLS])
{
	for (size_t i = 0; i < MOST_CELLS && o->keys[i]; i++) {
		const char *key = o->keys[i];
		bool plain = *key == '#' || *key == '?';

		buf_printf(out, "%c\"%s\":", i ? ',' : '{', key + plain);
		if (!plain)
			buf_json(out, cells[i]);
		else if (*key == '?')
			buf_z(out, str_eq(cells[i], STR("1")) ? "true" : "false");
		else
			buf_printf(out, "%llu", (unsigned long long)stats_number(cells[i]) / (strcmp(key, "#time") ? 1 : USEC_PER_SEC));
	}
	buf_byte(out, '}');
}

static void json_number(struct print *p, struct str key, uint64_t value)
{
	buf_json(&p->out, key);
	buf_printf(&p->out, ":%" PRIu64 ",", value);
}

static void json(struct print *p)
{
	struct str rows = p->rows, cells[MOST_CELLS];
	double rate;
	const char *between = "";

	buf_byte(&p->out, '{');
	while (stats_next_row(&rows, "figure", cells))
		json_number(p, cells[0], stats_number(cells[2]));
	buf_z(&p->out, "\"rates\":{");
	for (rows = p->rows; stats_next_row(&rows, "figure", cells);)
		if (rate_of(p, cells[0], stats_number(cells[2]), &rate)) {
			buf_z(&p->out, between);
			buf_json(&p->out, str_head(cells[0], cells[0].n - 6));
			buf_printf(&p->out, ":%.3f", rate);
			between = ",";
		}
	buf_byte(&p->out, '}');
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		size_t n = 0;

		buf_printf(&p->out, ",\"%s\":[", objects[i].name);
		for (rows = p->rows; stats_next_row(&rows, objects[i].kind, cells); n++) {
			buf_z(&p->out, n ? "," : "");
			json_object(&p->out, &objects[i], cells);
		}
		buf_byte(&p->out, ']');
	}
	buf_z(&p->out, "}\n");
}

/* print_cut - each line cut to the terminal, whose colours take no room */
static void print_cut(const struct print *p, FILE *to)
{
	struct str rest = buf_view(&p->out), line;
	struct buf cut;

	buf_init(&cut, 64 * 1024);
	while (str_cut(&rest, '\n', &line)) {
		size_t room = p->v->width;
		bool coloured = false;

		buf_clear(&cut);
		while (line.n) {
			ptrdiff_t escape = str_chr(line, '\033'), end = escape == 0 ? str_chr(line, 'm') : escape < 0 ? (ptrdiff_t)line.n : escape;
			struct str run = str_head(line, (size_t)end + (escape == 0));
			size_t columns = escape == 0 ? 0 : term_columns(run);

			if (columns > room)
				term_cell(&cut, run, room);
			else if (columns <= room && (escape == 0 || room))
				buf_str(&cut, run);
			coloured |= escape == 0;
			room -= columns < room ? columns : room;
			line = str_from(line, run.n);
			if (!room && escape != 0)
				break;
		}
		fprintf(to, "%s%s\n", buf_cstr(&cut), coloured ? "\033[m" : "");
	}
	buf_fini(&cut);
}

void stats_view_print(const struct stats_view *v, struct str rows, struct str before, usec between, FILE *to)
{
	struct print p = { .v = v, .rows = rows, .before = before, .between = before.n ? between : 0 };
	struct buf heading;

	buf_init(&p.out, 64 * 1024 * 1024);
	if (v->json) {
		json(&p);
	} else {
		text_rows(&p, "figure", "", text_figure);
		text_plot(&p);
		buf_init(&heading, 200);
		buf_byte(&heading, '\n');
		term_cell(&heading, STR("destination"), name_width(&p));
		buf_z(&heading, "  waiting  sending    limit  state\n");
		text_rows(&p, "destination", buf_cstr(&heading), text_destination);
		buf_fini(&heading);
		text_rows(&p, "error", "\nlast errors\n", text_error);
	}
	if (v->width && !v->json)
		print_cut(&p, to);
	else
		fwrite(p.out.p, 1, p.out.n, to);
	buf_fini(&p.out);
}
