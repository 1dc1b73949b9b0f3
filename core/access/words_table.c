/* words_table - check_*_access: keys of a client, a name or an address, asked of a table, and what its answer does (access(5)).
 *
 * An answer is an action, or a list of restrictions that is judged in the row's place. What an action wants done to the message
 * (HOLD, REDIRECT …) is handed to the owner as an effect, and the list goes on. */
#include "core/access/access_private.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/msg/header.h"

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
	reply_set(l->r->reply, 0, "", "%.*s", STR_ARG(str_head(a->text, LIMIT_REPLY_TEXT / 2)));
	l->r->say = word;
	return ACCESS_TELL;
}

/* --- actions that are carried out where the message enters the queue ---------------------------------------------------- */

static bool is_target(struct str text)
{
	return str_chr(text, '@') >= 0;
}

static bool is_transport(struct str text)
{
	return str_chr(text, ':') >= 0;
}

static bool is_header(struct str text)
{
	size_t colon;

	return header_name_length(text, &colon) > 0;
}

static const struct effect_row {
	enum action_kind kind;
	const char *word;                  /* in the log; NULL: nothing is said */
	const char *needs;                 /* what the argument has to be; NULL: any text, which is what the log says */
	bool (*is_one)(struct str text);
	bool early;                        /* too late once the content has come */
	enum access_says says;
} effects[] = {
	{ ACTION_HOLD, "hold", NULL, NULL, false, ACCESS_TELL },
	{ ACTION_DISCARD, "discard", NULL, NULL, false, ACCESS_TELL_PERMIT },
	{ ACTION_REDIRECT, "redirect", "user@domain target", is_target, false, ACCESS_TELL },
	{ ACTION_BCC, "bcc", "user@domain address", is_target, false, ACCESS_TELL },
	{ ACTION_FILTER, "filter", "transport:destination", is_transport, false, ACCESS_TELL },
	{ ACTION_PREPEND, NULL, "header: text", is_header, true, ACCESS_TELL },
};

static const struct effect_row *find_effect(enum action_kind kind)
{
	size_t i = 0;

	while (i < sizeof(effects) / sizeof(effects[0]) && effects[i].kind != kind)
		i++;
	return i < sizeof(effects) / sizeof(effects[0]) ? &effects[i] : NULL;
}

/* why an effect cannot be; false: it can */
static bool is_misplaced(struct lookup *l, const struct action *a, const struct effect_row *e)
{
	const char *table = map_spec(l->map), *word = action_word(a->kind);

	if (!l->r->request->sender.p)
		log_warn("smtpd", "access table %s: with smtpd_delay_reject = no, action %s is always skipped in client or helo restrictions",
			table, word);
	else if (e->early && l->r->stages[l->r->stage] == ACCESS_END_OF_DATA)
		log_warn("smtpd", "access table %s: action %s must be used before smtpd_end_of_data_restrictions", table, word);
	else if (e->is_one && !e->is_one(a->text))
		log_warn("smtpd", "access table %s entry \"%.*s\" requires %s", table, STR_ARG(l->subject), e->needs);
	else
		return false;
	return true;
}

static enum access_says act(struct lookup *l, const struct action *a, const struct effect_row *e)
{
	struct access_run *r = l->r;
	char text[LIMIT_REPLY_TEXT / 2];

	if (is_misplaced(l, a, e))
		return ACCESS_NEXT;
	if (e->is_one)
		format_text(text, sizeof(text), "triggers %s %.*s", action_word(a->kind), STR_ARG(a->text));
	else if (a->text.n)
		format_text(text, sizeof(text), "%.*s", STR_ARG(a->text));
	else
		format_text(text, sizeof(text), "triggers %s action", action_word(a->kind));
	reply_set(r->reply, 0, "", "<%.*s>: %s %s", STR_ARG(str_head(l->subject, LIMIT_REPLY_TEXT / 4)), access_class(r, l->who), text);
	r->say = e->word;
	r->effect = *a;
	r->effect.text = arena_str(r->request->arena, a->text);
	return e->says;
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
		return act(l, &a, find_effect(a.kind));
	}
	list = r->rules->compile_answer(r->rules, r->request->arena, buf_view(&l->value));
	if (!list)
		return access_misconfigured(r, "an access table gives a restriction that is unknown, or a table that no list names");
	if (access_call(r, list) == ACCESS_REFUSE)
		return ACCESS_REFUSE;
	if (l->who != ACCESS_WHO_STAGE)
		r->stack[r->depth - 1].who = (uint8_t)l->who;
	return ACCESS_CALL;
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

/* find_spelled - the local part as it is written, then without its quotes */
static enum map_answer find_spelled(struct lookup *l, struct str written, struct str local, struct str domain)
{
	enum map_answer m = written.n == local.n ? MAP_NONE : find_joined(l, written, domain);

	return m == MAP_NONE ? find_joined(l, local, domain) : m;
}

/* user+ext@domain, user@domain, the domain and what is above it, user+ext@, user@ */
static enum map_answer find_mail(struct lookup *l, struct str address)
{
	struct addr a = addr_split(address);
	struct str local = addr_unquote_local(l->r->request->arena, a.local), user = without_extension(l->r->request->conf, local);
	struct str written = a.local.n == local.n ? user : arena_printf(l->r->request->arena, "\"%.*s\"", STR_ARG(user));
	enum map_answer m = find_spelled(l, a.local, local, a.domain);

	if (map_is_whole(l->map))
		return m;
	if (m == MAP_NONE && user.n != local.n)
		m = find_spelled(l, written, user, a.domain);
	if (m == MAP_NONE && a.domain.n)
		m = find_domain(l, a.domain);
	if (m == MAP_NONE)
		m = find_spelled(l, a.local, local, STR_EMPTY);
	if (m == MAP_NONE && user.n != local.n)
		m = find_spelled(l, written, user, STR_EMPTY);
	return m;
}

/* --- words ------------------------------------------------------------------------------------------------------------ */

static enum map_answer find_client(struct lookup *l, struct str name)
{
	enum map_answer m = find_domain(l, name);

	return m == MAP_NONE ? find_address(l, l->r->request->client_address) : m;
}

bool access_look(struct access_run *r, const struct access_row *row, struct str subject, struct str name, struct str address,
	enum access_says *says)
{
	struct lookup l = { .r = r, .map = row->map, .who = row->word->who, .subject = subject };
	enum map_answer m;

	buf_init(&l.value, LIMIT_MAP_VALUE);
	m = name.n ? find_domain(&l, name) : find_address(&l, address);
	if (m == MAP_FOUND)
		*says = say(&l);
	else if (m == MAP_ERROR)
		*says = access_temporary(r, subject);
	buf_fini(&l.value);
	return m != MAP_NONE;
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

/* whoever has the address chooses what it says: a name that lets in would let anybody in */
enum access_says access_check_reverse(struct access_run *r, const struct access_row *row)
{
	struct str name = r->request->reverse_name;
	enum access_says says;

	says = check(r, row, ACCESS_WHO_REVERSE, name, find_client);
	return says == ACCESS_PERMIT ? access_misconfigured(r, "check_reverse_client_hostname_access gives OK, which whoever has the address can "
		"bring about: use DUNNO") : says;
}

enum access_says access_check_login(struct access_run *r, const struct access_row *row)
{
	return check(r, row, ACCESS_WHO_LOGIN, r->request->login, find);
}

/* by its fingerprint, then by its key's */
enum access_says access_check_ccert(struct access_run *r, const struct access_row *row)
{
	const struct access_request *q = r->request;
	enum access_says says = ACCESS_NEXT;
	bool found = false;

	for (size_t i = 0; i < 2 && !found; i++) {
		struct lookup l = { .r = r, .map = row->map, .who = ACCESS_WHO_CCERT, .subject = q->ccert_name };
		enum map_answer m;

		buf_init(&l.value, LIMIT_MAP_VALUE);
		m = q->ccert[i].n ? find(&l, q->ccert[i]) : MAP_NONE;
		found = m != MAP_NONE;
		if (m == MAP_FOUND)
			says = say(&l);
		else if (m == MAP_ERROR)
			says = access_temporary(r, q->ccert[i]);
		buf_fini(&l.value);
	}
	return says;
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

enum access_says access_check_etrn(struct access_run *r, const struct access_row *row)
{
	return check(r, row, ACCESS_WHO_STAGE, r->request->etrn, find_domain);
}
