/* words_address - restrictions that ask about sender and recipient: is the domain ours, is the address whole, known, deliverable? */
#include "core/access/access_private.h"

/* --- is it ours? ------------------------------------------------------------------------------------------------------ */

/* no sender-specified routing: user%elsewhere@here must not pass as mail for here (docs/security.md C10) */
bool access_is_plain_local(struct str local)
{
	for (size_t i = 0; i < local.n; i++)
		if (ascii_is_one_of(local.p[i], "@%!"))
			return false;
	return true;
}

bool access_is_ours(const struct access_request *q, enum map_answer *answer)
{
	struct addr a = addr_split(q->rcpt);

	*answer = MAP_FOUND;
	if (!access_is_plain_local(a.local))
		return false;
	if (str_is_empty(a.domain))
		return true;
	return route_class_of(q->router, a.domain, answer) != ROUTE_DEFAULT;
}

enum access_says access_auth_destination(struct access_run *r, const struct access_row *row)
{
	enum map_answer answer;
	bool ours;

	(void)row;
	if (!r->request->rcpt.n)
		return ACCESS_NEXT;
	ours = access_is_ours(r->request, &answer);
	if (answer == MAP_ERROR)
		return access_temporary(r, access_given(r->request, false));
	return ours ? ACCESS_PERMIT : ACCESS_NEXT;
}

static enum access_says unauth_destination(struct access_run *r, int code)
{
	struct str given = access_given(r->request, false);
	enum map_answer answer;
	bool ours;

	if (!r->request->rcpt.n)
		return ACCESS_NEXT;
	ours = access_is_ours(r->request, &answer);
	if (answer == MAP_ERROR)
		return access_temporary(r, given);
	if (ours)
		return ACCESS_NEXT;
	reply_set(r->reply, code, code >= 500 ? "5.7.1" : "4.7.1", "<%.*s>: Relay access denied", STR_ARG(given));
	return ACCESS_REFUSE;
}

enum access_says access_unauth_reject(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return unauth_destination(r, (int)r->request->conf->relay_domains_reject_code);
}

enum access_says access_unauth_defer(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return unauth_destination(r, 454);
}

/* the old word for both */
enum access_says access_relay_domains(struct access_run *r, const struct access_row *row)
{
	enum access_says says = access_auth_destination(r, row);

	if (says != ACCESS_NEXT || !r->request->rcpt.n)
		return says;
	return access_refuse(r, ACCESS_WHO_RECIPIENT, (int)r->request->conf->relay_domains_reject_code, "5.7.1", "Relay access denied");
}

/* --- is it whole, and known? ------------------------------------------------------------------------------------------ */

static enum access_says non_fqdn(struct access_run *r, enum access_who who, struct str address)
{
	struct addr a = addr_split(address);

	if (!address.n || (a.domain.n && a.domain.p[0] == '[') || str_chr(a.domain, '.') > 0)
		return ACCESS_NEXT;
	return access_refuse(r, who, (int)r->request->conf->non_fqdn_reject_code, "5.5.2", "need fully-qualified address");
}

enum access_says access_non_fqdn_sender(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return non_fqdn(r, ACCESS_WHO_SENDER, access_given(r->request, true));
}

enum access_says access_non_fqdn_recipient(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return non_fqdn(r, ACCESS_WHO_RECIPIENT, access_given(r->request, false));
}

static enum access_says unlisted(struct access_run *r, struct str address, bool sender)
{
	const struct access_request *q = r->request;

	if (!address.n || !q->is_listed || q->is_listed(q->ctx, address, sender, r->reply))
		return ACCESS_NEXT;
	return ACCESS_REFUSE;
}

enum access_says access_unlisted_sender(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return unlisted(r, r->request->sender, true);
}

enum access_says access_unlisted_recipient(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return unlisted(r, r->request->rcpt, false);
}

enum access_says access_many_recipients(struct access_run *r, const struct access_row *row)
{
	const struct access_request *q = r->request;

	(void)row;
	/* at RCPT, q->rcpt comes on top of those that were accepted */
	if (!q->sender.p || q->sender.n || !(q->many || (q->rcpt.n && q->n_rcpts > 0 && r->stages[r->stage] < ACCESS_DATA)))
		return ACCESS_NEXT;
	return access_refuse(r, ACCESS_WHO_STAGE, (int)q->conf->multi_recipient_bounce_reject_code, "5.5.3", "Multi-recipient bounce");
}

/* --- has the domain mail? --------------------------------------------------------------------------------------------- */

/* a domain whose mail ends here, a literal or no domain at all need no question */
static enum access_says ask_domain(struct access_run *r, struct str address)
{
	struct addr a = addr_split(address);
	enum map_answer m = MAP_NONE;
	enum route_class class;

	if (!a.domain.n || a.domain.p[0] == '[')
		return ACCESS_NEXT;
	class = route_class_of(r->request->router, a.domain, &m);
	if (class != ROUTE_DEFAULT && class != ROUTE_RELAY && m != MAP_ERROR)
		return ACCESS_NEXT;
	return access_ask(r, ACCESS_DOMAIN, a.domain);
}

enum access_says access_unknown_sender_domain(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return ask_domain(r, r->request->sender);
}

enum access_says access_unknown_recipient_domain(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return ask_domain(r, r->request->rcpt);
}

/* RFC 7505 section 4 */
static enum access_says no_mail(struct access_run *r, enum access_who who)
{
	bool sender = who == ACCESS_WHO_SENDER;
	struct str domain = addr_split(sender ? r->request->sender : r->request->rcpt).domain;
	enum access_says says;
	struct buf why;

	buf_init(&why, LIMIT_REPLY_TEXT);
	buf_printf(&why, "Domain %.*s does not accept mail (nullMX)", STR_ARG(domain));
	says = access_refuse(r, who, sender ? 550 : 556, sender ? "5.7.27" : "5.1.10", buf_cstr(&why));
	buf_fini(&why);
	return says;
}

static enum access_says domain_answered(struct access_run *r, enum access_who who, const char *enhanced, const struct access_answer *a)
{
	const struct conf *c = r->request->conf;
	const char *why = a->text[0] ? a->text : "Domain not found";

	if (a->null_mx)
		return no_mail(r, who);
	if (a->code < 400)
		return ACCESS_NEXT;
	access_refuse(r, who, a->code < 500 ? 450 : (int)c->unknown_address_reject_code, enhanced, why);
	return a->code < 500 ? access_put_off(r, c->unknown_address_tempfail_action) : ACCESS_REFUSE;
}

enum access_says access_sender_domain_answered(struct access_run *r, const struct access_row *row, const struct access_answer *a)
{
	(void)row;
	return domain_answered(r, ACCESS_WHO_SENDER, "4.1.8", a);
}

enum access_says access_recipient_domain_answered(struct access_run *r, const struct access_row *row, const struct access_answer *a)
{
	(void)row;
	return domain_answered(r, ACCESS_WHO_RECIPIENT, "4.1.2", a);
}

/* --- is it deliverable? ----------------------------------------------------------------------------------------------- */

enum access_says access_unverified_sender(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return r->request->sender.n ? access_ask(r, ACCESS_PROBE, r->request->sender) : ACCESS_NEXT;
}

enum access_says access_unverified_recipient(struct access_run *r, const struct access_row *row)
{
	enum map_answer answer;

	(void)row;
	if (!r->request->rcpt.n)
		return ACCESS_NEXT;
	/* a stranger's mail to a third domain causes no probe there */
	if (!access_is_ours(r->request, &answer) && !access_relay_is_asked(r))
		return ACCESS_CALL;
	return access_ask(r, ACCESS_PROBE, r->request->rcpt);
}

/* reason: an administrator's words, in place of those of the address's own server */
static enum access_says verified(struct access_run *r, enum access_who who, const struct access_answer *a, int64_t reject, int64_t defer,
	const char *action, const char *reason)
{
	bool later = a->code < 500;
	int code = (int)(later ? defer : reject);
	struct buf text;

	if (a->code < 400 || code < 400)
		return ACCESS_NEXT;
	buf_init(&text, LIMIT_REPLY_TEXT);
	buf_printf(&text, "%s address: %.*s", later ? "unverified" : "undeliverable",
		STR_ARG(str_head(str_of(*reason ? reason : a->text), LIMIT_REPLY_TEXT / 2)));
	access_refuse(r, who, code, later ? "4.1.1" : "5.1.1", buf_cstr(&text));
	buf_fini(&text);
	return later ? access_put_off(r, action) : ACCESS_REFUSE;
}

enum access_says access_sender_verified(struct access_run *r, const struct access_row *row, const struct access_answer *a)
{
	const struct conf *c = r->request->conf;

	(void)row;
	return verified(r, ACCESS_WHO_SENDER, a, c->unverified_sender_reject_code, c->unverified_sender_defer_code,
		c->unverified_sender_tempfail_action, c->unverified_sender_reject_reason);
}

enum access_says access_recipient_verified(struct access_run *r, const struct access_row *row, const struct access_answer *a)
{
	const struct conf *c = r->request->conf;

	(void)row;
	return verified(r, ACCESS_WHO_RECIPIENT, a, c->unverified_recipient_reject_code, c->unverified_recipient_defer_code,
		c->unverified_recipient_tempfail_action, c->unverified_recipient_reject_reason);
}
