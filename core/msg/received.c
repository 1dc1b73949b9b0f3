/* received - see received.h. */
#include "core/msg/received.h"

#include <time.h>

#include "core/msg/date.h"

/* client text inside the header: names, addresses and protocol words need no other bytes than these */
static void put_neuter(struct buf *out, struct str s)
{
	while (s.n) {
		size_t n = 0;

		while (n < s.n && ascii_is_print(s.p[n]) && !ascii_is_one_of(s.p[n], "<>()\\\";@ "))
			n++;
		buf_str(out, str_head(s, n));
		if (n < s.n)
			buf_byte(out, '?');
		s = str_from(s, n + 1);
	}
}

static void put_client(struct buf *out, const struct envelope *e)
{
	struct str helo = e->helo.n ? e->helo : e->client_name;

	buf_z(out, "Received: from ");
	put_neuter(out, helo.n ? helo : STR("unknown"));
	buf_z(out, " (");
	put_neuter(out, e->client_name.n ? e->client_name : STR("unknown"));
	buf_z(out, str_chr(e->client_addr, ':') >= 0 ? " [IPv6:" : " [");
	put_neuter(out, e->client_addr);
	buf_z(out, "])\r\n");
}

/* put_note - a comment of words that are ours, or were made fit for one */
static void put_note(struct buf *out, const char *first, const char *text)
{
	buf_printf(out, "\t(%s", first);
	for (const char *p = text; *p; p++)
		buf_byte(out, ascii_is_print(*p) ? *p : '?');
	buf_z(out, ")\r\n");
}

/* one recipient is named; several are not, so that none learns of the others */
static void put_for(struct buf *out, const struct envelope *e)
{
	if (e->n_rcpts == 1 && e->rcpts[0].addr.n) {
		struct str to = e->rcpts[0].orig.n ? e->rcpts[0].orig : e->rcpts[0].addr;

		buf_z(out, "\r\n\tfor <");
		buf_str(out, to);
		buf_byte(out, '>');
	}
}

void received_format(struct buf *out, const struct received *r)
{
	const struct envelope *e = r->envelope;
	char date[40];

	date_rfc5322(date, e->arrival, r->offset_minutes);
	if (r->hide_client || (!e->client_addr.n && e->flags & ENVELOPE_LOCAL)) {
		buf_printf(out, "Received: by %s (%s", r->hostname, r->mail_name);
		if (e->uid >= 0 && !e->client_addr.n)
			buf_printf(out, ", from userid %lld", (long long)e->uid);
		buf_printf(out, ")\r\n\tid %s; %s\r\n", r->qid, date);
		return;
	}
	put_client(out, e);
	if (r->tls)
		put_note(out, "using ", r->tls);
	if (r->peer)
		put_note(out, "", r->peer);
	if (r->show_sasl_user && e->sasl_user.n) {
		buf_z(out, "\t(Authenticated sender: ");
		for (size_t i = 0; i < e->sasl_user.n; i++) {
			char c = e->sasl_user.p[i];

			buf_byte(out, ascii_is_print(c) && !strchr("()\\", c) ? c : '?');
		}
		buf_z(out, ")\r\n");
	}
	buf_printf(out, "\tby %s (%s) with ", r->hostname, r->mail_name);
	put_neuter(out, e->proto);
	if (r->qid)
		buf_printf(out, " id %s", r->qid);
	put_for(out, e);
	buf_printf(out, "; %s\r\n", date);
}

void message_id_format(struct buf *out, usec now, const char *qid, const char *host)
{
	time_t t = (time_t)(now / USEC_PER_SEC);
	struct tm tm = { .tm_mday = 1, .tm_year = 70 };
	char stamp[32];

	gmtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &tm);
	buf_printf(out, "<%s.%s@%s>", stamp, qid, host);
}
