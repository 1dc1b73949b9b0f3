/* words_dns - lists that are asked by DNS: reject_rbl_client, reject_rhsbl_*, permit_dnswl_client. The name to ask is made here, the
 * owner brings the addresses and the text that it has; `domain=127.0.0.[2..11]` says which addresses count. */
#include "core/access/access_private.h"

/* --- names ------------------------------------------------------------------------------------------------------------ */

static void add_reversed(struct buf *b, const struct ipaddr *a)
{
	if (a->family == AF_INET6)
		for (size_t i = 16; i-- > 0;)
			buf_printf(b, "%x.%x.", a->b[i] & 15u, (unsigned)a->b[i] >> 4);
	else
		for (size_t i = 4; i-- > 0;)
			buf_printf(b, "%u.", a->b[i]);
}

/* ask - about `prefix` in the list's domain; what makes no name is not listed */
static enum access_says ask(struct access_run *r, const struct access_row *row, struct buf *prefix)
{
	if (prefix->overflow || prefix->n + row->text.n > LIMIT_DOMAIN)
		return ACCESS_NEXT;
	buf_str(prefix, row->text);
	return access_ask(r, ACCESS_DNSLIST, arena_str(r->request->arena, buf_view(prefix)));
}

static enum access_says ask_client(struct access_run *r, const struct access_row *row)
{
	const struct ipaddr *client = &r->request->client;
	enum access_says says;
	struct buf name;

	if (client->family != AF_INET && client->family != AF_INET6)
		return ACCESS_NEXT;
	buf_init(&name, 2 * LIMIT_DOMAIN);
	add_reversed(&name, client);
	says = ask(r, row, &name);
	buf_fini(&name);
	return says;
}

static enum access_says ask_name(struct access_run *r, const struct access_row *row, struct str domain)
{
	struct ipaddr bare;
	enum access_says says;
	struct buf name;

	if (!domain.n || domain.p[0] == '[' || !addr_valid_domain(domain) || ipaddr_parse(domain, &bare))
		return ACCESS_NEXT;
	buf_init(&name, 2 * LIMIT_DOMAIN);
	buf_printf(&name, "%.*s.", STR_ARG(domain));
	says = ask(r, row, &name);
	buf_fini(&name);
	return says;
}

/* --- which addresses count -------------------------------------------------------------------------------------------- */

static bool take_number(struct str *s, unsigned *out)
{
	size_t n = 0;

	for (*out = 0; n < s->n && n < 3 && ascii_is_digit(s->p[n]); n++)
		*out = *out * 10 + (unsigned)(s->p[n] - '0');
	*s = str_from(*s, n);
	return n > 0;
}

/* "[2;4..11]", "2": does v fit the part at the front of *s? */
static bool part_fits(struct str *s, unsigned v)
{
	bool group = s->n && s->p[0] == '[', fits = false;
	unsigned first, last;

	*s = str_from(*s, group);
	do {
		if (!take_number(s, &first))
			return false;
		last = first;
		if (group && str_starts(*s, STR(".."))) {
			*s = str_from(*s, 2);
			if (!take_number(s, &last))
				return false;
		}
		fits |= v >= first && v <= last;
		if (!group)
			return fits;
		if (!s->n || !ascii_is_one_of(s->p[0], ";]"))
			return false;
		group = s->p[0] == ';';
		*s = str_from(*s, 1);
	} while (group);
	return fits;
}

static bool address_fits(struct str filter, const struct ipaddr *a)
{
	if (!filter.n)
		return true;
	for (size_t i = 0; i < 4; i++) {
		if (i && (!filter.n || filter.p[0] != '.'))
			return false;
		filter = str_from(filter, i > 0);
		if (a->family != AF_INET || !part_fits(&filter, a->b[i]))
			return false;
	}
	return !filter.n;
}

static bool is_listed(const struct access_row *row, const struct access_answer *a)
{
	for (size_t i = 0; i < a->n_addresses; i++)
		if (address_fits(row->filter, &a->addresses[i]))
			return true;
	return false;
}

/* --- words ------------------------------------------------------------------------------------------------------------ */

enum access_says access_rbl_client(struct access_run *r, const struct access_row *row) { return ask_client(r, row); }
enum access_says access_dnswl_client(struct access_run *r, const struct access_row *row) { return ask_client(r, row); }
enum access_says access_rhsbl_helo(struct access_run *r, const struct access_row *row) { return ask_name(r, row, r->request->helo); }

enum access_says access_rhsbl_client(struct access_run *r, const struct access_row *row)
{
	return r->request->name == ACCESS_NAME_VERIFIED ? ask_name(r, row, r->request->client_name) : ACCESS_NEXT;
}

enum access_says access_rhsbl_sender(struct access_run *r, const struct access_row *row)
{
	return ask_name(r, row, addr_split(r->request->sender).domain);
}

enum access_says access_rhsbl_recipient(struct access_run *r, const struct access_row *row)
{
	return ask_name(r, row, addr_split(r->request->rcpt).domain);
}

enum access_says access_listed(struct access_run *r, const struct access_row *row, const struct access_answer *a)
{
	/* which word it is says what is blocked */
	static const struct { access_judge *judge; const char *class; } kinds[] = {
		{ access_rbl_client, "Client host" }, { access_rhsbl_client, "Client host" }, { access_rhsbl_helo, "Helo command" },
		{ access_rhsbl_sender, "Sender address" }, { access_rhsbl_recipient, "Recipient address" },
	};
	const struct access_request *q = r->request;
	struct str what[] = { q->client_address, q->client_name, q->helo, q->sender, q->rcpt };
	int code = (int)q->conf->maps_rbl_reject_code;

	/* a list that does not answer lists nobody */
	if (a->code >= 400 || !is_listed(row, a))
		return ACCESS_NEXT;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (row->word->judge == kinds[i].judge)
			reply_set(r->reply, code, code >= 500 ? "5.7.1" : "4.7.1", "Service unavailable; %s [%.*s] blocked using %.*s%s%s",
				kinds[i].class, STR_ARG(what[i]), STR_ARG(row->text), *a->text ? "; " : "", a->text);
	return ACCESS_REFUSE;
}

enum access_says access_list_permits(struct access_run *r, const struct access_row *row, const struct access_answer *a)
{
	if (a->code < 400)
		return is_listed(row, a) ? ACCESS_PERMIT : ACCESS_NEXT;
	if (a->code >= 500)
		return ACCESS_NEXT;
	/* whom it would let in is not refused while it is silent */
	access_refuse(r, ACCESS_WHO_CLIENT, 450, "4.7.1", "DNS whitelist lookup failed");
	return access_keep(r, &r->if_reject);
}
