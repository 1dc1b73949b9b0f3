/* words_hosts - restrictions that ask about the hosts of a domain: check_*_a_access, check_*_mx_access, check_*_ns_access, and
 * permit_mx_backup. The owner brings the hosts with their addresses; each is looked up by name, then by each address, and the first
 * entry counts. sleep waits. */
#include "core/access/access_private.h"

/* --- check_*_{a,mx,ns}_access ------------------------------------------------------------------------------------------- */

/* subject_of - what the row asks about, and its domain; empty: nothing to ask */
static struct str subject_of(const struct access_run *r, enum access_who who, struct str *domain)
{
	const struct access_request *q = r->request;
	struct str text = who == ACCESS_WHO_HELO ? q->helo : who == ACCESS_WHO_SENDER ? q->sender : who == ACCESS_WHO_RECIPIENT ? q->rcpt :
		who == ACCESS_WHO_REVERSE ? q->reverse_name : q->client_name;
	bool is_address = who == ACCESS_WHO_SENDER || who == ACCESS_WHO_RECIPIENT;

	*domain = is_address ? addr_split(text).domain : text;
	if ((who == ACCESS_WHO_CLIENT || who == ACCESS_WHO_REVERSE) && str_ieq(text, STR("unknown")))
		*domain = STR_EMPTY;
	return text;
}

/* no_permit - who owns the domain chooses its hosts, so none of them may let anybody in */
static enum access_says no_permit(struct access_run *r, enum access_says says)
{
	return says == ACCESS_PERMIT ? access_misconfigured(r, "a table of check_*_a_access, _mx_access or _ns_access gives OK, which whoever has "
		"the domain can bring about: use DUNNO") : says;
}

/* a literal is its own host */
static enum access_says check_literal(struct access_run *r, const struct access_row *row, struct str subject, struct str literal)
{
	enum access_says says = ACCESS_NEXT;
	struct ipaddr address;
	char text[46];

	if (literal.n < 3 || literal.p[literal.n - 1] != ']')
		return ACCESS_NEXT;
	literal = str_make(literal.p + 1, literal.n - 2);
	if (str_istarts(literal, STR("ipv6:")))
		literal = str_from(literal, 5);
	if (!ipaddr_parse(literal, &address))
		return ACCESS_NEXT;
	ipaddr_format(&address, text);
	access_look(r, row, subject, STR_EMPTY, arena_str(r->request->arena, str_of(text)), &says);
	return no_permit(r, says);
}

enum access_says access_check_hosts(struct access_run *r, const struct access_row *row)
{
	struct str domain, subject = subject_of(r, row->word->who, &domain);

	if (!domain.n)
		return ACCESS_NEXT;
	if (domain.p[0] == '[')
		return check_literal(r, row, subject, domain);
	domain = str_head(domain, domain.n - (domain.n > 1 && domain.p[domain.n - 1] == '.'));
	if (!addr_valid_domain(domain))
		return ACCESS_NEXT;
	r->hosts = row->word->hosts;
	return access_ask(r, ACCESS_HOSTS, domain);
}

enum access_says access_hosts_answered(struct access_run *r, const struct access_row *row, const struct access_answer *a)
{
	struct str domain, subject = subject_of(r, row->word->who, &domain);
	enum access_says says = ACCESS_NEXT;
	char text[46];

	/* what cannot be looked up now is passed by, as in Postfix */
	for (size_t i = 0; a->code < 400 && i < a->n_hosts; i++) {
		const struct access_host *h = &a->hosts[i];

		if (access_look(r, row, subject, str_of(h->name), STR_EMPTY, &says))
			return no_permit(r, says);
		for (size_t k = 0; k < h->n; k++) {
			ipaddr_format(&h->addresses[k], text);
			if (access_look(r, row, subject, STR_EMPTY, str_of(text), &says))
				return no_permit(r, says);
		}
	}
	return ACCESS_NEXT;
}

/* --- permit_mx_backup --------------------------------------------------------------------------------------------------- */

/* mail for us and our relay domains passes as with permit_auth_destination; a domain elsewhere is asked for its MX */
enum access_says access_mx_backup(struct access_run *r, const struct access_row *row)
{
	struct str domain = addr_split(r->request->rcpt).domain;
	enum access_says says = access_auth_destination(r, row);

	if (says != ACCESS_NEXT || !r->request->rcpt.n || !domain.n || domain.p[0] == '[')
		return says;
	/* a way round by the local part is no mail for that domain (docs/security.md C10) */
	if (!access_is_plain_local(addr_split(r->request->rcpt).local))
		return ACCESS_NEXT;
	r->hosts = ACCESS_HOSTS_MX;
	return access_ask(r, ACCESS_HOSTS, domain);
}

static bool is_us(const struct access_run *r, const struct access_host *h)
{
	for (size_t i = 0; i < h->n; i++)
		if (route_is_own_address(r->request->router, &h->addresses[i]) && !ipaddr_is_loopback(&h->addresses[i]))
			return true;
	return str_ieq(str_of(h->name), str_of(r->request->conf->myhostname));
}

/* in_networks - do all addresses of the first servers lie in permit_mx_backup_networks? */
static enum map_answer in_networks(const struct access_run *r, const struct access_answer *a, unsigned first)
{
	enum map_answer m = MAP_NONE;

	for (size_t i = 0; i < a->n_hosts; i++) {
		if (a->hosts[i].preference != first)
			continue;
		for (size_t k = 0; k < a->hosts[i].n; k++) {
			m = match_address(r->rules->backup_networks, &a->hosts[i].addresses[k]);
			if (m != MAP_FOUND)
				return m;
		}
	}
	return m;
}

enum access_says access_mx_backup_answered(struct access_run *r, const struct access_row *row, const struct access_answer *a)
{
	unsigned first = UINT32_MAX;
	bool us = false;
	enum map_answer m;

	(void)row;
	/* who is not found to be our domain is not let in; what cannot be looked up now is not refused for good */
	if (a->code >= 400 && a->code < 500) {
		access_refuse(r, ACCESS_WHO_RECIPIENT, 450, "4.4.4", "Unable to look up mail exchanger information: Host not found, try again");
		return access_keep(r, &r->if_reject);
	}
	for (size_t i = 0; i < a->n_hosts; i++) {
		us |= is_us(r, &a->hosts[i]);
		first = a->hosts[i].preference < first ? a->hosts[i].preference : first;
	}
	/* a domain whose first server we are is no business of a backup */
	for (size_t i = 0; i < a->n_hosts; i++)
		us &= a->hosts[i].preference != first || !is_us(r, &a->hosts[i]);
	if (!us)
		return ACCESS_NEXT;
	if (!r->rules->backup_networks)
		return ACCESS_PERMIT;
	m = in_networks(r, a, first);
	if (m == MAP_ERROR)
		return access_temporary(r, r->request->rcpt);
	return m == MAP_FOUND ? ACCESS_PERMIT : ACCESS_NEXT;
}

/* --- sleep -------------------------------------------------------------------------------------------------------------- */

enum access_says access_sleep(struct access_run *r, const struct access_row *row)
{
	return access_ask(r, ACCESS_SLEEP, row->text);
}

enum access_says access_slept(struct access_run *r, const struct access_row *row, const struct access_answer *a)
{
	(void)r;
	(void)row;
	(void)a;
	return ACCESS_NEXT;
}
