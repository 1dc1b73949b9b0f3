/* words_dns - lists that are asked by DNS: reject_rbl_client, reject_rhsbl_*, permit_dnswl_client, permit_rhswl_client. The name to ask is made here, the
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

/* listed_name - of whom a list of names is asked: what is said to be blocked, and the domain in it */
static struct str listed_name(const struct access_request *q, enum access_who who, struct str *domain)
{
	struct str what = who == ACCESS_WHO_HELO ? q->helo : who == ACCESS_WHO_SENDER ? q->sender : who == ACCESS_WHO_RECIPIENT ? q->rcpt :
		who == ACCESS_WHO_REVERSE ? q->reverse_name : q->name == ACCESS_NAME_VERIFIED ? q->client_name : STR_EMPTY;

	*domain = who == ACCESS_WHO_SENDER || who == ACCESS_WHO_RECIPIENT ? addr_split(what).domain : what;
	if (who == ACCESS_WHO_REVERSE && str_ieq(what, STR("unknown")))
		*domain = STR_EMPTY;
	return what;
}

enum access_says access_rhsbl(struct access_run *r, const struct access_row *row)
{
	struct str domain;

	listed_name(r->request, row->word->who, &domain);
	return ask_name(r, row, domain);
}

/* template_of - rbl_reply_maps for this list, else default_rbl_reply; false: the table cannot be read */
static bool template_of(struct access_run *r, const struct access_row *row, struct buf *out)
{
	struct maps *maps = (struct maps *)(uintptr_t)&r->rules->rbl_replies;
	struct str list = row->filter.n ? arena_printf(r->request->arena, "%.*s=%.*s", STR_ARG(row->text), STR_ARG(row->filter)) : row->text;
	enum map_answer m = maps_find(maps, list, false, out, NULL);

	if (m == MAP_NONE)
		buf_z(out, r->request->conf->default_rbl_reply);
	return m != MAP_ERROR;
}

/* refuse_listed - with the template's words: a code, perhaps an enhanced one, and text */
static enum access_says refuse_listed(struct access_run *r, const struct access_row *row, const char *why)
{
	static const char *const classes[] = { [ACCESS_WHO_STAGE] = "Client host", [ACCESS_WHO_CLIENT] = "Client host", [ACCESS_WHO_HELO] = "Helo command",
		[ACCESS_WHO_SENDER] = "Sender address", [ACCESS_WHO_RECIPIENT] = "Recipient address", [ACCESS_WHO_REVERSE] = "Unverified Client host" };
	const struct access_request *q = r->request;
	enum access_who who = row->word->who;
	struct str ignored, what = who == ACCESS_WHO_STAGE ? q->client_address : listed_name(q, who, &ignored);
	struct str code = arena_printf(r->request->arena, "%d", (int)q->conf->maps_rbl_reject_code);
	const struct access_value values[] = { { "rbl_code", code }, { "rbl_class", str_of(classes[who]) }, { "rbl_what", what },
		{ "rbl_domain", row->text }, { "rbl_reason", str_of(why) } };
	enum access_says says = ACCESS_REFUSE;
	struct buf template, text;
	struct action a;

	buf_init(&template, LIMIT_MAP_VALUE);
	buf_init(&text, LIMIT_REPLY_TEXT);
	if (!template_of(r, row, &template)) {
		says = access_temporary(r, what);
	} else {
		access_template(q, buf_view(&template), values, sizeof(values) / sizeof(values[0]), &text);
		action_parse(buf_view(&text), ACTION_IN_ACCESS, &a);
		if (a.code)
			reply_set(r->reply, a.code, a.enhanced.n ? arena_z(q->arena, a.enhanced) : "4.7.1", "%.*s", STR_ARG(a.text));
		else
			reply_set(r->reply, 450, "4.7.1", "Service unavailable");
		reply_fit(r->reply, REPLY_ABOUT_OTHER);
	}
	buf_fini(&template);
	buf_fini(&text);
	return says;
}

enum access_says access_listed(struct access_run *r, const struct access_row *row, const struct access_answer *a)
{
	/* a list that does not answer lists nobody */
	return a->code >= 400 || !is_listed(row, a) ? ACCESS_NEXT : refuse_listed(r, row, a->text);
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
