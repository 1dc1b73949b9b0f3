/* queue_view - see queue_view.h. Everything is in memory: a million messages take some 300 MB for a moment, in the client. */
#include "core/view/queue_view.h"

#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/term.h"
#include "core/view/control.h"
#include "core/view/listing.h"

#define LEAST_WHY 16                   /* columns that the reason keeps on a narrow terminal */
enum { COLUMNS = 7, COLUMN_FROM = 4, COLUMN_TO, COLUMN_WHY };

struct shown {
	struct listed l;
	const struct listed_rcpt *rcpt; /* the one that is shown: the first that matches */
	int64_t number;                 /* what the order goes by: this, then text */
	struct str text;
};

/* --- rows to messages ------------------------------------------------------------------------------------------------ */

static bool take_number(struct str *line, int64_t *out)
{
	struct str cell;

	return str_cut(line, '\t', &cell) && str_to_i64(cell, out);
}

static bool parse_message(struct str line, struct listed *l)
{
	int64_t size, expire;

	if (!str_cut(&line, '\t', &l->qid) || !str_cut(&line, '\t', &l->queue) || !take_number(&line, &l->arrival) ||
		!take_number(&line, &l->due) || !take_number(&line, &size) || !take_number(&line, &expire))
		return false;
	l->size = (uint64_t)size;
	l->expire = expire != 0;
	l->sender = line;
	return true;
}

/* parse - an array of messages and one of all their recipients; false: these are no rows */
static bool parse(struct str rows, struct shown **messages, size_t *n, struct listed_rcpt **rcpts)
{
	size_t lines = 0, n_rcpts = 0;
	struct str line;

	for (size_t i = 0; i < rows.n; i++)
		lines += rows.p[i] == '\n';
	*messages = mem_array(NULL, lines + 1, sizeof(**messages));
	*rcpts = mem_array(NULL, lines + 1, sizeof(**rcpts));
	*n = 0;
	while (str_cut(&rows, '\n', &line)) {
		struct listed_rcpt *r = &(*rcpts)[n_rcpts];

		if (row_is(&line, "recipient") && *n) {
			*r = (struct listed_rcpt){ .addr = STR_EMPTY, .orig = STR_EMPTY };
			str_cut(&line, '\t', &r->addr);
			str_cut(&line, '\t', &r->orig);
			r->reason = line;
			(*messages)[*n - 1].l.n++;
			n_rcpts++;
			continue;
		}
		(*messages)[*n] = (struct shown){ .l.rcpts = r };
		if (!row_is(&line, "message") || !parse_message(line, &(*messages)[(*n)++].l))
			return false;
	}
	return true;
}

/* --- which ------------------------------------------------------------------------------------------------------------- */

static bool has_part(struct str s, struct str part)
{
	for (; s.n >= part.n; s = str_from(s, 1)) {
		if (str_istarts(s, part))
			return true;
		if (!s.n)
			break;
	}
	return false;
}

static bool match_address(struct str address, const char *pattern)
{
	struct str p = str_of(pattern);
	ptrdiff_t at = str_rchr(p, '@');

	if (!pattern || at < 0)
		return !pattern || has_part(address, p);
	if ((size_t)at + 1 == p.n)
		return str_istarts(address, p);
	return at ? str_ieq(address, p) : str_iends(address, p);
}

static struct str site_of(struct str address)
{
	ptrdiff_t at = str_rchr(address, '@');

	return at < 0 ? STR_EMPTY : str_from(address, (size_t)at + 1);
}

static bool match_site(struct str address, const char *pattern)
{
	struct str p = str_of(pattern), site = site_of(address);

	return !pattern || (p.n && p.p[0] == '.' ? str_iends(site, p) : str_ieq(site, p));
}

static bool match_rcpt(const struct queue_view *v, const struct listed_rcpt *r)
{
	return match_address(r->addr, v->to) && match_site(r->addr, v->site) && (!v->reason || has_part(r->reason, str_of(v->reason)));
}

static bool match(const struct queue_view *v, struct shown *m, usec now)
{
	usec age = now - m->l.arrival;
	bool any = !v->to && !v->site && !v->reason;

	if (!match_address(m->l.sender, v->from) || (v->state && !str_eq(m->l.queue, str_of(v->state))) ||
		(v->older && age < v->older) || (v->newer && age > v->newer))
		return false;
	for (size_t i = 0; i < m->l.n && !m->rcpt; i++)
		if (match_rcpt(v, &m->l.rcpts[i]))
			m->rcpt = &m->l.rcpts[i];
	return m->rcpt || any;
}

/* --- in which order ------------------------------------------------------------------------------------------------------- */

static void by_age(struct shown *m) { m->number = m->l.arrival; }
static void by_next(struct shown *m) { m->number = str_eq(m->l.queue, STR("hold")) ? INT64_MAX : m->l.due; }
static void by_size(struct shown *m) { m->number = -(int64_t)m->l.size; }
static void by_from(struct shown *m) { m->text = m->l.sender; }
static void by_to(struct shown *m) { m->text = m->rcpt ? m->rcpt->addr : STR_EMPTY; }
static void by_site(struct shown *m) { m->text = m->rcpt ? site_of(m->rcpt->addr) : STR_EMPTY; }
static void by_reason(struct shown *m) { m->text = m->rcpt ? m->rcpt->reason : STR_EMPTY; }
static void (*const sorts[])(struct shown *m) = { by_age, by_next, by_size, by_from, by_to, by_site, by_reason };

bool queue_sort_find(const char *word, unsigned *out)
{
	struct str names = STR(QUEUE_SORTS), name;

	for (*out = 0; str_cut(&names, '|', &name); ++*out)
		if (str_eq(name, str_of(word)))
			return true;
	return false;
}

static int compare_text(struct str a, struct str b)
{
	for (size_t i = 0; i < a.n && i < b.n; i++) {
		int d = (unsigned char)ascii_lower(a.p[i]) - (unsigned char)ascii_lower(b.p[i]);

		if (d)
			return d;
	}
	return a.n < b.n ? -1 : a.n > b.n;
}

static int compare(const void *x, const void *y)
{
	const struct shown *a = x, *b = y;
	int d = a->number < b->number ? -1 : a->number > b->number;

	d = d ? d : compare_text(a->text, b->text);
	d = d ? d : a->l.arrival < b->l.arrival ? -1 : a->l.arrival > b->l.arrival;
	return d ? d : str_cmp(a->l.qid, b->l.qid);
}

/* --- in which form --------------------------------------------------------------------------------------------------------- */

static void add_span(struct buf *out, usec t)
{
	int64_t s = t > 0 ? t / USEC_PER_SEC : 0;

	if (s < 100)
		buf_printf(out, "%ds", (int)s);
	else if (s < 100 * 60)
		buf_printf(out, "%dm", (int)(s / 60));
	else
		buf_printf(out, s < 100 * 3600 ? "%dh" : "%dd", (int)(s < 100 * 3600 ? s / 3600 : s / 86400));
}

static void add_size(struct buf *out, uint64_t n)
{
	static const char units[] = " KMGTPE";
	unsigned u = 0;
	uint64_t tenths = n * 10;

	for (; tenths >= 10240 && u < 6; u++)
		tenths /= 1024;
	if (u && tenths < 100)
		buf_printf(out, "%u.%u%c", (unsigned)(tenths / 10), (unsigned)(tenths % 10), units[u]);
	else if (u)
		buf_printf(out, "%u%c", (unsigned)(tenths / 10), units[u]);
	else
		buf_printf(out, "%u", (unsigned)n);
}

static void add_cells(const struct shown *m, usec now, struct buf cells[COLUMNS])
{
	bool hold = str_eq(m->l.queue, STR("hold"));

	for (size_t i = 0; i < COLUMNS; i++)
		buf_clear(&cells[i]);
	buf_str(&cells[0], m->l.qid);
	buf_z(&cells[0], listing_mark(&m->l));
	add_span(&cells[1], now - m->l.arrival);
	if (hold || m->l.due <= now)
		buf_z(&cells[2], hold ? "hold" : "now");
	else
		add_span(&cells[2], m->l.due - now);
	add_size(&cells[3], m->l.size);
	buf_str(&cells[COLUMN_FROM], m->l.sender);
	if (!m->rcpt)
		return;
	buf_str(&cells[COLUMN_TO], m->rcpt->addr);
	if (m->l.n > 1)
		buf_printf(&cells[COLUMN_TO], " +%zu", m->l.n - 1);
	buf_str(&cells[COLUMN_WHY], m->rcpt->reason);
}

/* fit - narrow the last three columns until the row has room: addresses to a third each, the reason takes the rest */
static void fit(size_t widths[COLUMNS], size_t width)
{
	size_t fixed = 2 * (COLUMNS - 1), room, third, addresses;

	for (size_t i = 0; i < COLUMN_FROM; i++)
		fixed += widths[i];
	room = width > fixed + 3 * 8 ? width - fixed : 3 * 8;
	addresses = widths[COLUMN_FROM] + widths[COLUMN_TO];
	third = room / 3;
	if (addresses + LEAST_WHY > room || addresses + widths[COLUMN_WHY] > room) {
		for (size_t i = COLUMN_FROM; i <= COLUMN_TO; i++)
			widths[i] = widths[i] < third ? widths[i] : third;
		addresses = widths[COLUMN_FROM] + widths[COLUMN_TO];
	}
	if (addresses + widths[COLUMN_WHY] > room)
		widths[COLUMN_WHY] = room - addresses;
}

static const char *colour_of(const struct shown *m)
{
	switch (*listing_mark(&m->l)) {
	case '*': return "\033[32m";
	case '!': return "\033[33m";
	case '#': return "\033[31m";
	default: return "";
	}
}

static void print_row(const struct queue_view *v, struct buf cells[COLUMNS], const size_t widths[COLUMNS], const char *colour, FILE *to)
{
	struct buf line;

	buf_init(&line, 16 * LIMIT_REPLY_TEXT);
	for (size_t i = 0; i < COLUMNS; i++) {
		bool last = i == COLUMNS - 1, numeric = i > 0 && i < COLUMN_FROM;
		size_t pad = numeric && widths[i] > cells[i].n ? widths[i] - cells[i].n : 0;

		if (!i && v->colour)
			buf_z(&line, colour);
		buf_printf(&line, "%*s", (int)pad, "");
		term_cell(&line, buf_view(&cells[i]), last && term_columns(buf_view(&cells[i])) <= widths[i] ? 0 : widths[i] - pad);
		if (!i && v->colour)
			buf_z(&line, "\033[m");
		buf_z(&line, last ? "" : "  ");
	}
	while (line.n && line.p[line.n - 1] == ' ')
		buf_truncate(&line, line.n - 1);
	fprintf(to, "%s\n", buf_cstr(&line));
	buf_fini(&line);
}

static void print_table(const struct queue_view *v, struct shown *m, size_t n, usec now, FILE *to)
{
	static const char *const heads[COLUMNS] = { "ID", "AGE", "NEXT", "SIZE", "FROM", "TO", "WHY" };
	struct buf cells[COLUMNS];
	size_t widths[COLUMNS];

	for (size_t i = 0; i < COLUMNS; i++) {
		buf_init(&cells[i], 4 * LIMIT_REPLY_TEXT);
		widths[i] = strlen(heads[i]);
	}
	for (size_t k = 0; k < n; k++) {
		add_cells(&m[k], now, cells);
		for (size_t i = 0; i < COLUMNS; i++) {
			size_t w = term_columns(buf_view(&cells[i]));

			widths[i] = w > widths[i] ? w : widths[i];
		}
	}
	if (v->width)
		fit(widths, v->width);
	for (size_t i = 0; i < COLUMNS; i++) {
		buf_clear(&cells[i]);
		buf_z(&cells[i], heads[i]);
	}
	print_row(v, cells, widths, "\033[1m", to);
	for (size_t k = 0; k < n; k++) {
		add_cells(&m[k], now, cells);
		print_row(v, cells, widths, colour_of(&m[k]), to);
	}
	for (size_t i = 0; i < COLUMNS; i++)
		buf_fini(&cells[i]);
}

static void print_sum(const struct shown *m, size_t n, size_t all, FILE *to)
{
	uint64_t bytes = 0;
	struct buf size;

	buf_init(&size, 40);
	for (size_t i = 0; i < n; i++)
		bytes += m[i].l.size;
	add_size(&size, bytes);
	if (n == all)
		fprintf(to, "-- %zu message%s, %s bytes\n", n, n == 1 ? "" : "s", buf_cstr(&size));
	else
		fprintf(to, "-- %zu of %zu messages, %s bytes\n", n, all, buf_cstr(&size));
	buf_fini(&size);
}

static void print_lines(const struct queue_view *v, const struct shown *m, size_t n, FILE *to)
{
	struct buf line;

	buf_init(&line, LIMIT_STORE_ENVELOPE);
	for (size_t i = 0; i < n; i++) {
		buf_clear(&line);
		if (v->form == QUEUE_JSON)
			listing_json(&line, &m[i].l);
		else
			buf_printf(&line, "%.*s\n", STR_ARG(m[i].l.qid));
		fwrite(line.p, 1, line.n, to);
	}
	buf_fini(&line);
}

int queue_view_print(const struct queue_view *v, struct str rows, usec now, FILE *to)
{
	struct listed_rcpt *rcpts;
	struct shown *m;
	size_t all, n = 0;
	bool ok = parse(rows, &m, &all, &rcpts);

	for (size_t i = 0; ok && i < all; i++)
		if (match(v, &m[i], now)) {
			sorts[v->sort](&m[i]);
			m[n++] = m[i];
		}
	if (ok && n)
		qsort(m, n, sizeof(*m), compare);
	for (size_t i = 0; v->reverse && i < n / 2; i++) {
		struct shown swap = m[i];

		m[i] = m[n - 1 - i];
		m[n - 1 - i] = swap;
	}
	n = v->count && v->count < n ? v->count : n;
	if (ok && v->form != QUEUE_TABLE) {
		print_lines(v, m, n, to);
	} else if (ok && !all) {
		fputs("Mail queue is empty\n", to);
	} else if (ok) {
		if (n)
			print_table(v, m, n, now, to);
		print_sum(m, n, all, to);
	}
	mem_free(m);
	mem_free(rcpts);
	return ok ? 0 : -1;
}
