/* words_table - check_*_access: keys of a client, a name or an address, asked of a table, and what its answer does (access(5)).
 *
 * An answer is an action, or a list of restrictions that is judged in the row's place. An action that relaybox cannot carry out
 * defers the mail, and the log says so: passing it by would do less than the administrator asked for. */
#include "core/access/access_private.h"

/* one look-up under way: whose table, and what it said */
struct lookup {
	struct access_run *r;
	struct map *map;
	enum access_who who;
	struct str subject;        /* what the row asks about, for replies */
	struct buf value;
};

static enum map_answer find(struct lookup *l, struct str key)
{
	return map_find(l->map, key, &l->value);
}

/* --- answers ---------------------------------------------------------------------------------------------------------- */

static enum access_says refuse(struct lookup *l, const struct action *a, int code, const char *enhanced, const char *why)
{
	char own[12] = "";
	struct buf text;
	enum access_says says;

	bytes_copy(own, a->enhanced.p, a->enhanced.n < sizeof(own) ? a->enhanced.n : 0);
	buf_init(&text, LIMIT_REPLY_TEXT);
	buf_str(&text, a->text.n ? str_head(a->text, LIMIT_REPLY_TEXT / 2) : str_of(why));
	says = access_refuse(l->r, l->who, a->code ? a->code : code, *own ? own : enhanced, buf_cstr(&text));
	buf_fini(&text);
	return says;
}

static enum access_says tell(struct lookup *l, const struct action *a, const char *word)
{
	reply_set(l->r->reply, 0, "", "<%.*s>: %.*s", STR_ARG(l->subject), STR_ARG(str_head(a->text, LIMIT_REPLY_TEXT / 2)));
	l->r->say = word;
	return ACCESS_TELL;
}

static enum access_says say(struct lookup *l)
{
	struct access_run *r = l->r;
	const struct conf *c = r->request->conf;
	const struct access_list *list;
	struct action a;

	action_parse(buf_view(&l->value), ACTION_IN_ACCESS, &a);
	switch (a.kind) {
	case ACTION_DUNNO:
		return ACCESS_NEXT;
	case ACTION_OK:
		return ACCESS_PERMIT;
	case ACTION_REJECT:
		return refuse(l, &a, (int)c->access_map_reject_code, "5.7.1", "Access denied");
	case ACTION_DEFER:
		return refuse(l, &a, (int)c->access_map_defer_code, "4.7.1", "Access denied");
	case ACTION_DEFER_IF_PERMIT:
		refuse(l, &a, (int)c->access_map_defer_code, "4.7.1", "Service unavailable");
		return access_put_off(r, "");
	case ACTION_DEFER_IF_REJECT:
		refuse(l, &a, (int)c->access_map_defer_code, "4.7.1", "Service unavailable");
		return access_keep(r, &r->if_reject);
	case ACTION_WARN:
		return tell(l, &a, "warn");
	case ACTION_INFO:
		return tell(l, &a, "info");
	case ACTION_NONE:
		break;
	default:
		return access_misconfigured(r, "an access table gives an action that relaybox does not carry out: use REJECT, DEFER, OK, DUNNO, "
			"WARN, INFO or restrictions");
	}
	list = access_compile_answer(r->rules, r->request->arena, buf_view(&l->value));
	if (!list)
		return access_misconfigured(r, "an access table gives a restriction that is unknown, or a table that no list names");
	return access_call(r, list);
}

/* --- keys ------------------------------------------------------------------------------------------------------------- */

/* the name, then what is above it: example.com, or .example.com where parent_domain_matches_subdomains does not name
 * smtpd_access_maps */
static enum map_answer find_domain(struct lookup *l, struct str name)
{
	enum map_answer m = find(l, name);
	bool plain = l->r->rules->parents_match;
	ptrdiff_t dot;

	if (map_is_whole(l->map) || (name.n && name.p[0] == '['))
		return m;
	while (m == MAP_NONE && (dot = str_chr(str_from(name, 1), '.')) >= 0) {
		name = str_from(name, 1 + (size_t)dot);
		m = find(l, plain ? str_from(name, 1) : name);
	}
	return m;
}

/* the address, then the nets it lies in, one number after the other */
static enum map_answer find_address(struct lookup *l, struct str address)
{
	char separator = str_chr(address, ':') >= 0 ? ':' : '.';
	enum map_answer m = find(l, address);
	ptrdiff_t at;

	if (map_is_whole(l->map))
		return m;
	while (m == MAP_NONE && (at = str_rchr(address, separator)) > 0) {
		address = str_head(address, (size_t)at);
		/* 2001:db8:: is no net of its own name */
		while (address.n && address.p[address.n - 1] == ':')
			address.n--;
		m = find(l, address);
	}
	return m;
}

static struct str without_extension(const struct conf *c, struct str local)
{
	for (size_t i = 1; i < local.n; i++)
		if (ascii_is_one_of(local.p[i], c->recipient_delimiter))
			return str_head(local, i);
	return local;
}

static enum map_answer find_joined(struct lookup *l, struct str local, struct str domain)
{
	struct buf key;
	enum map_answer m;

	buf_init(&key, 2 * LIMIT_ADDRESS);
	buf_printf(&key, "%.*s@%.*s", STR_ARG(local), STR_ARG(domain));
	m = find(l, buf_view(&key));
	buf_fini(&key);
	return m;
}

/* user+ext@domain, user@domain, the domain and what is above it, user+ext@, user@ */
static enum map_answer find_mail(struct lookup *l, struct str address)
{
	struct addr a = addr_split(address);
	struct str local = addr_unquote_local(l->r->request->arena, a.local), user = without_extension(l->r->request->conf, local);
	enum map_answer m = find_joined(l, local, a.domain);

	if (map_is_whole(l->map))
		return m;
	if (m == MAP_NONE && user.n != local.n)
		m = find_joined(l, user, a.domain);
	if (m == MAP_NONE && a.domain.n)
		m = find_domain(l, a.domain);
	if (m == MAP_NONE)
		m = find_joined(l, local, STR_EMPTY);
	if (m == MAP_NONE && user.n != local.n)
		m = find_joined(l, user, STR_EMPTY);
	return m;
}

/* --- words ------------------------------------------------------------------------------------------------------------ */

static enum map_answer find_client(struct lookup *l, struct str name)
{
	enum map_answer m = find_domain(l, name);

	return m == MAP_NONE ? find_address(l, l->r->request->client_address) : m;
}

static enum access_says check(struct access_run *r, const struct access_row *row, enum access_who who, struct str subject,
	enum map_answer (*by)(struct lookup *l, struct str key))
{
	struct lookup l = { .r = r, .map = row->map, .who = who, .subject = subject };
	enum access_says says = ACCESS_NEXT;

	if (!subject.n)
		return ACCESS_NEXT;
	buf_init(&l.value, LIMIT_MAP_VALUE);
	switch (by(&l, subject)) {
	case MAP_FOUND:
		says = say(&l);
		break;
	case MAP_ERROR:
		says = access_temporary(r, subject);
		break;
	case MAP_NONE:
		break;
	}
	buf_fini(&l.value);
	return says;
}

enum access_says access_check_client(struct access_run *r, const struct access_row *row)
{
	return check(r, row, ACCESS_WHO_CLIENT, r->request->client_name, find_client);
}

enum access_says access_check_helo(struct access_run *r, const struct access_row *row)
{
	return check(r, row, ACCESS_WHO_HELO, r->request->helo, find_domain);
}

enum access_says access_check_sender(struct access_run *r, const struct access_row *row)
{
	const struct access_request *q = r->request;

	if (q->sender.p && !q->sender.n)
		return check(r, row, ACCESS_WHO_SENDER, str_of(q->conf->smtpd_null_access_lookup_key), find);
	return check(r, row, ACCESS_WHO_SENDER, q->sender, find_mail);
}

enum access_says access_check_recipient(struct access_run *r, const struct access_row *row)
{
	return check(r, row, ACCESS_WHO_RECIPIENT, r->request->rcpt, find_mail);
}

enum access_says access_check_login(struct access_run *r, const struct access_row *row)
{
	return check(r, row, ACCESS_WHO_LOGIN, r->request->user, find);
}

enum access_says access_check_etrn(struct access_run *r, const struct access_row *row)
{
	return check(r, row, ACCESS_WHO_STAGE, r->request->etrn, find_domain);
}
