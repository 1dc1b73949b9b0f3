/* complete - see complete.h. Address fields are only re-made where an address lacks its domain: the bytes around the local
 * part stay as written and "@domain" is put in behind it. */
#include "core/cleanup/complete.h"

#include "core/base/hash.h"
#include "core/msg/date.h"
#include "core/msg/header.h"
#include "core/msg/received.h"

enum field { FIELD_OTHER, FIELD_ADDRESSES, FIELD_DATE, FIELD_MESSAGE_ID, FIELD_FROM, FIELD_RECEIVED };

static const struct {
	const char *name;
	enum field field;
} known[] = {
	{"from", FIELD_FROM}, {"date", FIELD_DATE}, {"message-id", FIELD_MESSAGE_ID}, {"received", FIELD_RECEIVED},
	{"sender", FIELD_ADDRESSES}, {"reply-to", FIELD_ADDRESSES}, {"to", FIELD_ADDRESSES}, {"cc", FIELD_ADDRESSES},
	{"resent-from", FIELD_ADDRESSES}, {"resent-sender", FIELD_ADDRESSES}, {"resent-to", FIELD_ADDRESSES},
	{"resent-cc", FIELD_ADDRESSES}, {"resent-reply-to", FIELD_ADDRESSES}, {"errors-to", FIELD_ADDRESSES},
};

static enum field field_of(struct str name)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (name.n && ascii_lower(name.p[0]) == known[i].name[0] && str_ieq(name, str_of(known[i].name)))
			return known[i].field;
	return FIELD_OTHER;
}

/* initials - a bit for each letter that a word of the list begins with: most names need no more than a look at it */
static uint32_t initials(const char *list)
{
	uint32_t set = 0;
	for (bool before = true; *list; list++) {
		bool gap = ascii_is_one_of(*list, ", \t\r\n");
		if (before && !gap)
			set |= 1u << (*list & 31);
		before = gap;
	}
	return set;
}

static bool is_dropped(const char *list, uint32_t letters, struct str name)
{
	struct str rest = str_of(list), one;
	if (name.n && !(letters >> (name.p[0] & 31) & 1))
		return false;
	while (str_word(&rest, ", \t\r\n", &one))
		if (str_ieq(one, name))
			return true;
	return false;
}

/* place_of - where the address stands in its mailbox: not in the display name nor in a comment, which may hold the same word */
static const char *place_of(const struct mailbox *m)
{
	size_t at = m->name.n ? (size_t)(m->name.p + m->name.n - m->raw.p) : 0, depth = 0;
	for (; at < m->raw.n; at++) {
		char c = m->raw.p[at];
		if (!depth && str_starts(str_from(m->raw, at), m->addr.full))
			return m->raw.p + at;
		depth += c == '(';
		depth -= c == ')' && depth;
		at += c == '\\' && depth;
	}
	return NULL;
}

/* add_qualified - the field with "@domain" (or ".domain") added where an address lacks it; the field as it is when
 * nothing lacks or when the list cannot be parsed */
static void add_qualified(const struct complete *c, struct arena *a, const struct header *h, struct buf *out)
{
	struct str rest = h->value, done = h->raw;
	struct mailbox m;
	int r;
	size_t start = out->n;
	while ((r = addr_list_next(a, &rest, &m)) == 1) {
		struct str full = rewrite_address(c->router, a, m.addr.full, true);
		if (str_eq(full, m.addr.full) || !m.addr.full.n)
			continue;
		const char *place = place_of(&m);
		/* all that precedes this address, then the completed one */
		if (!place || place < done.p || place + m.addr.full.n > h->raw.p + h->raw.n)
			continue;
		buf_add(out, done.p, (size_t)(place - done.p));
		buf_str(out, full);
		done = str_make(place + m.addr.full.n, (size_t)(h->raw.p + h->raw.n - (place + m.addr.full.n)));
	}
	if (r < 0) {
		buf_truncate(out, start);
		done = h->raw;
	}
	buf_str(out, done);
}

static void add_missing(const struct complete *c, const bool seen[FIELD_RECEIVED + 1], struct arena *a, struct buf *out,
	struct str *message_id)
{
	if (!seen[FIELD_MESSAGE_ID]) {
		size_t start = buf_view(out).n + sizeof "Message-Id: " - 1;
		buf_z(out, "Message-Id: ");
		message_id_format(out, c->now, c->qid, c->conf->myhostname);
		*message_id = arena_str(a, str_from(buf_view(out), start));
		buf_z(out, "\r\n");
	}
	if (!seen[FIELD_DATE]) {
		char date[40];
		date_rfc5322(date, c->now, date_offset(c->now));
		buf_printf(out, "Date: %s\r\n", date);
	}
	if (!seen[FIELD_FROM]) {
		struct str sender = c->envelope->sender;
		if (str_is_empty(sender))
			buf_printf(out, "From: MAILER-DAEMON (Mail Delivery System)\r\n");
		else
			buf_printf(out, "From: %.*s\r\n", STR_ARG(sender));
	}
}

void complete_headers(const struct complete *c, struct arena *a, struct str in, struct buf *out, struct str *message_id, unsigned *hops)
{
	bool seen[FIELD_RECEIVED + 1] = {false};
	struct header h;
	uint32_t letters = initials(c->conf->message_drop_headers);
	*message_id = STR_EMPTY;
	*hops = 0;
	received_format(out, &(struct received){.envelope = c->envelope, .hostname = c->conf->myhostname,
		.mail_name = c->conf->mail_name, .qid = c->qid, .tls = c->tls_note,
		.offset_minutes = date_offset(c->envelope->arrival)});
	while (header_next(&in, &h) == 1) {
		enum field f = field_of(h.name);
		if (is_dropped(c->conf->message_drop_headers, letters, h.name))
			continue;
		seen[f] = true;
		*hops += f == FIELD_RECEIVED;
		if (f == FIELD_MESSAGE_ID && !message_id->n)
			*message_id = str_trim(h.value);
		if (c->local && (f == FIELD_ADDRESSES || f == FIELD_FROM))
			add_qualified(c, a, &h, out);
		else
			buf_str(out, h.raw);
	}
	if (c->local || c->conf->always_add_missing_headers)
		add_missing(c, seen, a, out, message_id);
}
