/* words_client - restrictions that ask about the client: its address, its name, what it said in HELO, how it talks. */
#include "core/access/access_private.h"

/* --- address and session ---------------------------------------------------------------------------------------------- */

enum access_says access_permit_mynetworks(struct access_run *r, const struct access_row *row)
{
	const struct access_request *q = r->request;
	enum map_answer a;

	(void)row;
	if (q->local)
		return ACCESS_PERMIT;
	a = match_address(q->router->mynetworks, &q->client);
	if (a == MAP_ERROR)
		return access_temporary(r, q->client_address);
	return a == MAP_FOUND ? ACCESS_PERMIT : ACCESS_NEXT;
}

enum access_says access_permit_inet_interfaces(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return r->request->local || route_is_own_address(r->request->router, &r->request->client) ? ACCESS_PERMIT : ACCESS_NEXT;
}

enum access_says access_permit_sasl(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return r->request->authenticated ? ACCESS_PERMIT : ACCESS_NEXT;
}

enum access_says access_plaintext(struct access_run *r, const struct access_row *row)
{
	int code;

	(void)row;
	if (r->request->tls)
		return ACCESS_NEXT;
	code = (int)r->request->conf->plaintext_reject_code;
	reply_set(r->reply, code, code < 500 ? "4.7.1" : "5.7.1", "Session encryption is required");
	return ACCESS_REFUSE;
}

enum access_says access_pipelining(struct access_run *r, const struct access_row *row)
{
	(void)row;
	if (!r->request->ahead)
		return ACCESS_NEXT;
	return access_refuse(r, ACCESS_WHO_STAGE, 503, "5.5.0", "Improper use of SMTP command pipelining");
}

/* --- host name of the address ----------------------------------------------------------------------------------------- */

static enum access_says no_name(struct access_run *r, const char *what, const char *hard)
{
	const struct access_request *q = r->request;
	int code = q->name == ACCESS_NAME_LATER ? 450 : (int)q->conf->unknown_client_reject_code;

	reply_set(r->reply, code, hard, "Client host rejected: cannot find your %s, [%.*s]", what,
		STR_ARG(q->client_address));
	reply_fit(r->reply, REPLY_ABOUT_OTHER);
	return ACCESS_REFUSE;
}

enum access_says access_unknown_client(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return r->request->name == ACCESS_NAME_VERIFIED ? ACCESS_NEXT : no_name(r, "hostname", "5.7.25");
}

enum access_says access_unknown_reverse(struct access_run *r, const struct access_row *row)
{
	enum access_name name = r->request->name;

	(void)row;
	return name == ACCESS_NAME_VERIFIED || name == ACCESS_NAME_WRONG ? ACCESS_NEXT : no_name(r, "reverse hostname", "5.7.1");
}

/* --- HELO ------------------------------------------------------------------------------------------------------------- */

/* is_decided - nothing was said, or an address in brackets, which only has to be one: so for every check of the name */
static bool is_decided(struct access_run *r, enum access_says *says)
{
	struct str name = r->request->helo;

	*says = ACCESS_NEXT;
	if (!name.n)
		return true;
	if (name.p[0] != '[')
		return false;
	if (!addr_valid_domain(name))
		*says = access_refuse(r, ACCESS_WHO_HELO, (int)r->request->conf->invalid_hostname_reject_code, "5.5.2", "invalid ip address");
	return true;
}

static struct str without_dot(struct str name)
{
	return str_head(name, name.n - (name.n > 1 && name.p[name.n - 1] == '.'));
}

static bool is_host(struct str name)
{
	struct ipaddr bare;

	return addr_valid_domain(without_dot(name)) || ipaddr_parse(name, &bare);
}

enum access_says access_invalid_helo(struct access_run *r, const struct access_row *row)
{
	struct str name = r->request->helo;
	enum access_says says;

	(void)row;
	if (is_decided(r, &says))
		return says;
	if (is_host(name))
		return ACCESS_NEXT;
	return access_refuse(r, ACCESS_WHO_HELO, (int)r->request->conf->invalid_hostname_reject_code, "5.5.2", "Invalid name");
}

enum access_says access_non_fqdn_helo(struct access_run *r, const struct access_row *row)
{
	struct str name = r->request->helo;
	enum access_says says;

	(void)row;
	if (is_decided(r, &says))
		return says;
	name = without_dot(name);
	if (addr_valid_domain(name) && str_chr(name, '.') > 0)
		return ACCESS_NEXT;
	return access_refuse(r, ACCESS_WHO_HELO, (int)r->request->conf->non_fqdn_reject_code, "5.5.2", "need fully-qualified hostname");
}

enum access_says access_naked_ip(struct access_run *r, const struct access_row *row)
{
	struct ipaddr bare;

	(void)row;
	return r->request->helo.n && ipaddr_parse(r->request->helo, &bare) ? ACCESS_PERMIT : ACCESS_NEXT;
}

enum access_says access_unknown_helo(struct access_run *r, const struct access_row *row)
{
	struct str name = r->request->helo;
	enum access_says says;

	(void)row;
	if (is_decided(r, &says))
		return says;
	if (!is_host(name))
		return access_refuse(r, ACCESS_WHO_HELO, (int)r->request->conf->unknown_hostname_reject_code, "4.7.1", "Host not found");
	return access_ask(r, ACCESS_DOMAIN, without_dot(name));
}

enum access_says access_helo_answered(struct access_run *r, const struct access_row *row, const struct access_answer *a)
{
	const struct conf *c = r->request->conf;

	(void)row;
	if (a->code < 400)
		return ACCESS_NEXT;
	if (a->code >= 500)
		return access_refuse(r, ACCESS_WHO_HELO, (int)c->unknown_hostname_reject_code, "4.7.1", "Host not found");
	access_refuse(r, ACCESS_WHO_HELO, 450, "4.7.1", "Host not found");
	return access_put_off(r, c->unknown_helo_hostname_tempfail_action);
}
