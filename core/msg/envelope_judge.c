/* envelope_judge - an envelope that somebody else wrote, judged as if it came over the wire (threats F2). Addresses pass the
 * parser that MAIL and RCPT pass; what only a session can know is forgotten; wishes that are none are dropped. */
#include "core/base/limits.h"
#include "core/msg/addr.h"
#include "core/msg/envelope.h"

/* is_plain - short, and nothing in it that could end a line or steer a terminal */
static bool is_plain(struct str s, size_t most, bool utf8)
{
	if (s.n > most)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127 || (!utf8 && (unsigned char)s.p[i] > 127))
			return false;
	return true;
}

static struct str plain_or_nothing(struct str s, size_t most, bool utf8)
{
	return is_plain(s, most, utf8) ? s : STR_EMPTY;
}

static bool judge_address(struct arena *a, struct str *address)
{
	struct addr parsed;

	if (address->n > LIMIT_ADDRESS || !addr_parse(a, *address, &parsed))
		return false;
	*address = parsed.full;
	return true;
}

static bool judge_rcpt(struct arena *a, struct rcpt *r)
{
	const unsigned asked = DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY;

	if (!r->addr.n || !judge_address(a, &r->addr))
		return false;
	r->orig = plain_or_nothing(r->orig, LIMIT_ADDRESS, true);
	r->orcpt = plain_or_nothing(r->orcpt, LIMIT_ORCPT, false);
	r->notify = r->notify & DSN_NOTIFY_NEVER ? DSN_NOTIFY_NEVER : r->notify & asked;
	r->more = NULL;
	return true;
}

bool envelope_judge(struct arena *a, struct envelope *e, int64_t uid, usec now)
{
	if (e->unknown.n || !e->n_rcpts || e->n_rcpts > LIMIT_MESSAGE_RCPTS || !judge_address(a, &e->sender))
		return false;
	for (size_t i = 0; i < e->n_rcpts; i++)
		if (!judge_rcpt(a, &e->rcpts[i]))
			return false;
	e->envid = plain_or_nothing(e->envid, LIMIT_ENVID, false);
	e->flags = (e->flags & (ENVELOPE_8BIT | ENVELOPE_SMTPUTF8 | ENVELOPE_REQUIRETLS)) | ENVELOPE_LOCAL;
	e->client_name = e->client_addr = e->helo = e->proto = e->sasl_user = e->held = e->refused = e->tls_required = STR_EMPTY;
	e->more = NULL;
	e->uid = uid;
	/* what lies in the future would never be too old */
	if (e->arrival <= 0 || e->arrival > now)
		e->arrival = now;
	return true;
}
