/* complete - see complete.h. */
#include "core/cleanup/complete.h"

#include "core/base/hash.h"
#include "core/msg/date.h"
#include "core/msg/received.h"

enum field {
	FIELD_OTHER, FIELD_DATE, FIELD_MESSAGE_ID, FIELD_FROM, FIELD_RECEIVED, FIELD_RESENT_DATE, FIELD_RESENT_MESSAGE_ID,
	FIELD_RESENT_FROM,
	FIELD_TLS_REQUIRED
};

static const struct known {
	struct str name;
	enum field field;
	enum address_place place;      /* its addresses are rewritten as those; 0: it has none */
	bool resent;                   /* makes it a resent message; other names with Resent- do not */
} known[] = {
	{ .name = STR("from"), .field = FIELD_FROM, .place = PLACE_HEADER_SENDER },
	{ .name = STR("date"), .field = FIELD_DATE },
	{ .name = STR("message-id"), .field = FIELD_MESSAGE_ID },
	{ .name = STR("received"), .field = FIELD_RECEIVED },
	{ .name = STR("tls-required"), .field = FIELD_TLS_REQUIRED },
	{ .name = STR("sender"), .place = PLACE_HEADER_SENDER },
	{ .name = STR("reply-to"), .place = PLACE_HEADER_SENDER },
	{ .name = STR("to"), .place = PLACE_HEADER_RECIPIENT },
	{ .name = STR("cc"), .place = PLACE_HEADER_RECIPIENT },
	{ .name = STR("bcc"), .place = PLACE_HEADER_RECIPIENT },
	{ .name = STR("apparently-to"), .place = PLACE_HEADER_RECIPIENT },
	{ .name = STR("disposition-notification-to"), .place = PLACE_HEADER_SENDER },
	{ .name = STR("mail-followup-to"), .place = PLACE_HEADER_SENDER },
	{ .name = STR("return-path"), .place = PLACE_HEADER_SENDER },
	{ .name = STR("return-receipt-to"), .place = PLACE_HEADER_SENDER },
	{ .name = STR("errors-to"), .place = PLACE_HEADER_SENDER },
	{ .name = STR("resent-from"), .field = FIELD_RESENT_FROM, .place = PLACE_HEADER_SENDER, .resent = true },
	{ .name = STR("resent-sender"), .place = PLACE_HEADER_SENDER, .resent = true },
	{ .name = STR("resent-to"), .place = PLACE_HEADER_RECIPIENT, .resent = true },
	{ .name = STR("resent-cc"), .place = PLACE_HEADER_RECIPIENT, .resent = true },
	{ .name = STR("resent-bcc"), .place = PLACE_HEADER_RECIPIENT, .resent = true },
	{ .name = STR("resent-reply-to"), .place = PLACE_HEADER_RECIPIENT, .resent = true },
	{ .name = STR("resent-date"), .field = FIELD_RESENT_DATE, .resent = true },
	{ .name = STR("resent-message-id"), .field = FIELD_RESENT_MESSAGE_ID, .resent = true },
};

static const struct known *find_known(struct str name)
{
	static const struct known other = { .field = FIELD_OTHER };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (name.n == known[i].name.n && ascii_lower(name.p[0]) == known[i].name.p[0] && str_ieq(name, known[i].name))
			return &known[i];
	return &other;
}

unsigned complete_place_of(struct str name)
{
	return name.n ? (unsigned)find_known(name)->place : 0;
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

static bool is_dropped(const struct completion *c, struct str name)
{
	struct str rest, one;

	if (!(c->dropped >> (name.p[0] & 31) & 1))
		return false;
	rest = str_of(c->conf->message_drop_headers);
	while (str_word(&rest, ", \t\r\n", &one))
		if (str_ieq(one, name))
			return true;
	return false;
}

void complete_begin(struct completion *c, const struct envelope *from, const char *tls_note, const char *peer_note, struct str front)
{
	c->dropped = initials(c->conf->message_drop_headers);
	c->hops = 1;
	received_format(c->out, &(struct received){
		.envelope = from, .hostname = c->conf->myhostname, .mail_name = c->conf->mail_name, .qid = c->qid,
		.tls = tls_note, .peer = peer_note, .show_sasl_user = c->conf->smtpd_sasl_authenticated_header, .hide_client = c->conf->smtpd_hide_client_session,
		.offset_minutes = date_offset(from->arrival),
	});
	buf_str(c->out, front);
}

/* note_id - the field was just put out, as it is from its value on */
static void note_id(const struct completion *c, struct part *id, const struct header *h)
{
	struct str value = str_trim(h->value);

	if (!id->n)
		*id = (struct part){ c->out->n - (size_t)(h->raw.p + h->raw.n - value.p), value.n };
}

void complete_field(struct completion *c, const struct header *h)
{
	const struct known *k = find_known(h->name);
	struct str raw = h->raw;
	size_t colon = (size_t)(h->value.p - raw.p) - 1;

	c->resent = c->resent || k->resent;
	if (is_dropped(c, h->name))
		return;
	c->seen |= 1u << k->field;
	c->hops += k->field == FIELD_RECEIVED;
	if (!c->completes || !k->place || !rewrite_field(&c->rewrite, c->scratch, h, k->place, c->out)) {
		if (colon != h->name.n) {
			buf_str(c->out, h->name);
			raw = str_from(raw, colon);
		}
		buf_str(c->out, raw);
	}
	if (k->field == FIELD_TLS_REQUIRED && str_ieq(str_trim(h->value), STR("no")))
		c->tls_not_required = true;
	if (k->field == FIELD_MESSAGE_ID)
		note_id(c, &c->message_id, h);
	else if (k->field == FIELD_RESENT_MESSAGE_ID)
		note_id(c, &c->resent_message_id, h);
}

static bool is_missing(const struct completion *c, enum field plain, enum field resent)
{
	return !(c->seen & 1u << (c->resent ? resent : plain));
}

static void add_message_id(struct completion *c)
{
	size_t start;

	buf_z(c->out, "Message-Id: ");
	start = c->out->n;
	message_id_format(c->out, c->now, c->qid, c->conf->myhostname);
	*(c->resent ? &c->resent_message_id : &c->message_id) = (struct part){ start, c->out->n - start };
	buf_z(c->out, "\r\n");
}

/* in Postfix's order */
static void add_missing(struct completion *c)
{
	const char *prefix = c->resent ? "Resent-" : "";
	struct str sender = c->envelope->sender;
	char date[40];

	if (is_missing(c, FIELD_MESSAGE_ID, FIELD_RESENT_MESSAGE_ID)) {
		buf_z(c->out, prefix);
		add_message_id(c);
	}
	if (is_missing(c, FIELD_DATE, FIELD_RESENT_DATE)) {
		date_rfc5322(date, c->now, date_offset(c->now));
		buf_printf(c->out, "%sDate: %s\r\n", prefix, date);
	}
	if (is_missing(c, FIELD_FROM, FIELD_RESENT_FROM))
		buf_printf(c->out, "%sFrom: %.*s\r\n", prefix, STR_ARG(sender.n ? sender : STR("MAILER-DAEMON")));
}

void complete_end(struct completion *c)
{
	if (c->completes || c->conf->always_add_missing_headers)
		add_missing(c);
}
