/* listing - see listing.h. The columns are Postfix's to the byte, because scripts cut them. */
#include "core/view/listing.h"

#include <errno.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/term.h"
#include "core/msg/date.h"

#define REASON_END 76                  /* reasons end at this column */
#define SHOW_PIECE 16384

/* a message as the store tells it, and as it is shown */
struct entry {
	char qid[QID_MAX];
	struct qmsg *m;
	bool active;
	struct envelope envelope;
	struct rcpt_state *states;
	struct listed shown;
	struct str held;               /* why it is, when nobody asked for that */
};

const char *listing_queue(const struct qmsg *m, bool active)
{
	return m->flags & QMSG_HELD ? "hold" : active ? "active" : "deferred";
}

static void add_text(struct buf *out, const struct listed *l)
{
	char id[QID_MAX + 2], date[32];
	struct str before = STR_EMPTY;

	snprintf(id, sizeof(id), "%.*s%s", STR_ARG(l->qid), listing_mark(l));
	date_mbox(date, l->arrival, date_offset(l->arrival));
	buf_printf(out, "%-11s %7llu %20.20s ", id, (unsigned long long)l->size, date);
	term_text(out, l->sender);
	buf_byte(out, '\n');
	for (size_t i = 0; i < l->n; i++) {
		struct str reason = l->rcpts[i].reason;

		if (reason.n && !str_eq(reason, before)) {
			buf_printf(out, "%*s(", reason.n < REASON_END ? REASON_END - (int)reason.n : 0, "");
			term_text(out, reason);
			buf_z(out, ")\n");
			before = reason;
		}
		buf_printf(out, "%41s", "");
		term_text(out, l->rcpts[i].addr);
		buf_byte(out, '\n');
	}
	buf_byte(out, '\n');
}

const char *listing_mark(const struct listed *l)
{
	return str_eq(l->queue, STR("hold")) ? "!" : str_eq(l->queue, STR("active")) ? "*" : l->expire ? "#" : "";
}

void listing_json(struct buf *out, const struct listed *l)
{
	buf_printf(out, "{\"queue_name\": \"%.*s\", \"queue_id\": \"%.*s\", \"arrival_time\": %lld, \"message_size\": %llu, "
		"\"forced_expire\": %s, \"sender\": ", STR_ARG(l->queue), STR_ARG(l->qid), (long long)(l->arrival / USEC_PER_SEC),
		(unsigned long long)l->size, l->expire ? "true" : "false");
	buf_json(out, l->sender);
	buf_z(out, ", \"recipients\": [");
	for (size_t i = 0; i < l->n; i++) {
		const struct listed_rcpt *r = &l->rcpts[i];

		buf_z(out, i ? ", {\"address\": " : "{\"address\": ");
		buf_json(out, r->addr);
		if (r->orig.n) {
			buf_z(out, ", \"orig_address\": ");
			buf_json(out, r->orig);
		}
		if (r->reason.n) {
			buf_z(out, ", \"delay_reason\": ");
			buf_json(out, r->reason);
		}
		buf_byte(out, '}');
	}
	buf_z(out, "]}\n");
}

static void add_cell(struct buf *out, struct str s)
{
	size_t at = out->n + 1;

	buf_byte(out, '\t');
	term_text(out, s);
	for (; at < out->n; at++)
		if (out->p[at] == '\t')
			out->p[at] = ' ';
}

static void add_rows(struct buf *out, const struct listed *l)
{
	buf_printf(out, "message\t%.*s\t%.*s\t%lld\t%lld\t%llu\t%d", STR_ARG(l->qid), STR_ARG(l->queue), (long long)l->arrival,
		(long long)l->due, (unsigned long long)l->size, l->expire);
	add_cell(out, l->sender);
	buf_byte(out, '\n');
	for (size_t i = 0; i < l->n; i++) {
		buf_z(out, "recipient");
		add_cell(out, l->rcpts[i].addr);
		add_cell(out, l->rcpts[i].orig);
		add_cell(out, l->rcpts[i].reason);
		buf_byte(out, '\n');
	}
}

static const char *queue_of(const struct entry *e)
{
	return e->held.n ? "hold" : listing_queue(e->m, e->active);
}

static bool is_held(const struct entry *e)
{
	return e->held.n || e->m->flags & QMSG_HELD;
}

static bool fill_shown(struct arena *a, struct entry *e)
{
	struct listed *l = &e->shown;

	*l = (struct listed){ .qid = str_of(e->qid), .queue = str_of(queue_of(e)), .arrival = e->m->arrival, .size = e->m->size,
		.due = e->active || is_held(e) ? 0 : e->m->due.key, .expire = e->m->flags & QMSG_EXPIRE,
		.sender = e->envelope.sender.n ? e->envelope.sender : STR("MAILER-DAEMON"),
		.rcpts = ARENA_ARRAY(a, struct listed_rcpt, e->envelope.n_rcpts) };
	for (size_t i = 0; l->rcpts && i < e->envelope.n_rcpts; i++)
		if (e->states[i].status != RCPT_DONE)
			l->rcpts[l->n++] = (struct listed_rcpt){ e->envelope.rcpts[i].addr, e->envelope.rcpts[i].orig,
				e->held.n ? e->held : e->states[i].last.code ? e->states[i].last.text : STR_EMPTY };
	return l->rcpts;
}

static int load(struct store *s, struct qmsg *m, bool active, struct arena *a, struct entry *e)
{
	*e = (struct entry){ .m = m, .active = active };
	qid_format(e->qid, m->id);
	if (store_envelope(s, m, a, &e->envelope) < 0)
		return -1;
	if (e->envelope.unknown.n)
		e->held = arena_printf(a, ENVELOPE_UNKNOWN_WHY, STR_ARG(e->envelope.unknown));
	else if (m->flags & QMSG_HOLD)
		e->held = e->envelope.held;
	return store_states(s, m, a, &e->states);
}

static const struct form {
	const char *word;
	void (*add)(struct buf *out, const struct listed *l);
} forms[] = {
	[LISTING_MAILQ] = { "", add_text }, [LISTING_JSON] = { "json", listing_json }, [LISTING_ROWS] = { "rows", add_rows },
};

bool listing_form(struct str word, enum listing_form *out)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (str_eq(word, str_of(forms[i].word))) {
			*out = (enum listing_form)i;
			return true;
		}
	return false;
}

static void add_entry(struct listing *l, struct arena *a, struct entry *e, struct buf *out)
{
	if (!fill_shown(a, e))
		return;
	if (!l->messages++ && l->form == LISTING_MAILQ)
		buf_printf(out, "%-11s %7s %-20s %s\n", "-Queue ID-", "--Size--", "----Arrival Time----",
			"-Sender/Recipient-------");
	l->bytes += e->m->size;
	forms[l->form].add(out, &e->shown);
}

void listing_drop(struct listing *l, const char *id, const struct envelope *e, uint64_t size, struct str reason, struct buf *out)
{
	struct qmsg m = { .arrival = e->arrival, .size = size };
	struct entry entry = { .m = &m, .envelope = *e };
	struct arena a;

	arena_init(&a, 8 * LIMIT_SESSION_ARENA);
	snprintf(entry.qid, sizeof(entry.qid), "%s", id);
	entry.states = ARENA_ARRAY(&a, struct rcpt_state, e->n_rcpts);
	for (size_t i = 0; entry.states && reason.n && i < e->n_rcpts; i++) {
		entry.states[i].last.code = 450;
		entry.states[i].last.text = reason;
	}
	if (entry.states)
		add_entry(l, &a, &entry, out);
	arena_fini(&a);
}

int listing_message(struct listing *l, struct store *s, struct qmsg *m, bool active, struct buf *out)
{
	struct arena a;
	struct entry e;
	int r;

	arena_init(&a, 8 * LIMIT_SESSION_ARENA);
	r = load(s, m, active, &a, &e);
	if (r == 0)
		add_entry(l, &a, &e, out);
	arena_fini(&a);
	return r;
}

void listing_end(struct listing *l, struct buf *out)
{
	if (l->form != LISTING_MAILQ)
		return;
	if (!l->messages)
		buf_z(out, "Mail queue is empty\n");
	else
		buf_printf(out, "-- %llu Kbytes in %zu Request%s.\n", (unsigned long long)(l->bytes / 1024), l->messages,
			l->messages == 1 ? "" : "s");
}

/* --- show --------------------------------------------------------------------------------------------------------- */

static void show_text(struct buf *out, const char *name, struct str value)
{
	if (!value.n)
		return;
	buf_printf(out, "%s: ", name);
	term_text(out, value);
	buf_byte(out, '\n');
}

static void show_envelope(struct buf *out, const struct entry *e)
{
	const struct envelope *v = &e->envelope;
	char date[40];

	buf_printf(out, "queue: %s%s\n", queue_of(e), e->m->flags & QMSG_EXPIRE ? ", expires at the next try" : "");
	show_text(out, "reason", e->held);
	date_rfc5322(date, e->m->arrival, date_offset(e->m->arrival));
	buf_printf(out, "arrival: %s\nsize: %llu\n", date, (unsigned long long)e->m->size);
	if (!e->active && !is_held(e) && e->m->due.key > 0) {
		date_rfc5322(date, e->m->due.key, date_offset(e->m->due.key));
		buf_printf(out, "next try: %s\n", date);
	}
	show_text(out, "client", v->client_name);
	show_text(out, "address", v->client_addr);
	show_text(out, "helo", v->helo);
	show_text(out, "proto", v->proto);
	show_text(out, "sasl_username", v->sasl_user);
	if (v->uid >= 0 && v->flags & ENVELOPE_LOCAL)
		buf_printf(out, "uid: %lld\n", (long long)v->uid);
	show_text(out, "envid", v->envid);
	buf_z(out, "sender: ");
	term_text(out, v->sender);
	buf_byte(out, '\n');
	for (size_t i = 0; i < v->n_rcpts; i++) {
		const struct rcpt_state *st = &e->states[i];

		show_text(out, st->status == RCPT_DONE ? "done recipient" : "recipient", v->rcpts[i].addr);
		show_text(out, "original recipient", v->rcpts[i].orig);
		if (st->last.code) {
			buf_printf(out, "last answer: %d %s ", st->last.code, st->last.enhanced);
			term_text(out, st->last.text);
			buf_byte(out, '\n');
		}
	}
}

/* show_content - lines for a terminal: *kept are the last bytes of the piece before, which may be part of a character or of a
 * line end */
static void show_content(struct buf *out, struct str piece, struct buf *kept)
{
	struct str rest, line;
	ptrdiff_t end;

	buf_str(kept, piece);
	rest = buf_view(kept);
	while ((end = str_chr(rest, '\n')) >= 0) {
		line = str_head(rest, (size_t)end);
		rest = str_from(rest, (size_t)end + 1);
		if (str_ends(line, STR("\r")))
			line.n--;
		term_text(out, line);
		buf_byte(out, '\n');
	}
	if (rest.n > SHOW_PIECE) {
		term_text(out, str_head(rest, rest.n - 4));
		rest = str_from(rest, rest.n - 4);
	}
	buf_consume(kept, kept->n - rest.n);
}

/* add_content - what out has room for; 0, or -1 with errno */
static int add_content(struct store *s, struct qmsg *m, struct buf *out)
{
	struct store_reader *reader = store_read_open(s, m);
	char piece[SHOW_PIECE];
	uint64_t at = 0;
	ssize_t got = -1;
	struct buf kept;

	buf_z(out, "*** CONTENT ***\n");
	buf_init(&kept, 3 * SHOW_PIECE);
	/* a byte that may not be shown takes four */
	while (reader && out->n + 12 * SHOW_PIECE + 200 < out->max && (got = store_read(reader, at, piece, sizeof(piece))) > 0) {
		show_content(out, str_make(piece, (size_t)got), &kept);
		at += (uint64_t)got;
	}
	term_text(out, buf_view(&kept));
	buf_fini(&kept);
	if (got > 0)
		buf_printf(out, "\n*** %llu more bytes ***\n", (unsigned long long)(m->size > at ? m->size - at : 0));
	if (reader)
		store_read_close(reader);
	return got < 0 ? -1 : 0;
}

int listing_show(struct store *s, struct qmsg *m, bool content, struct buf *out)
{
	struct arena a;
	struct entry e;
	int r;

	arena_init(&a, 8 * LIMIT_SESSION_ARENA);
	r = load(s, m, m->active != NULL, &a, &e);
	if (r == 0) {
		if (content)
			buf_printf(out, "*** ENVELOPE %s ***\n", e.qid);
		show_envelope(out, &e);
	}
	if (r == 0 && content)
		r = add_content(s, m, out);
	arena_fini(&a);
	return r;
}
