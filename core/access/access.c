/* access - restriction lists as tables: a word, what it asks, what it says.
 *
 * A list is compiled once into rows that point at the word table; judging walks the rows and keeps only an index, so an
 * evaluation can stop for a DNS answer or an address probe and go on later. Each word answers one of: go on, permit,
 * refuse, ask the owner. Texts and codes are Postfix's (access(5), postconf(5)), because fail2ban and people read them. */
#include "core/access/access.h"

#include "core/base/mem.h"

enum answer { NEXT, PERMIT, REFUSE, ASK };

struct word {
	const char *name;
	enum answer (*judge)(struct access_run *r);
	void (*answered)(struct access_run *r, const struct reply *a);  /* after ASK */
	enum access_outcome asks;
	bool closes;                   /* a list with this word cannot be an open relay */
};
struct access_list {
	const struct word **words;
	size_t n;
};

static void refuse(struct access_run *r, int code, const char *enhanced, const char *what, struct str who, const char *why)
{
	reply_set(&r->reply, code, enhanced, "<%.*s>: %s%s", STR_ARG(who), what, why);
}

/* is_plain_local - no sender-specified routing: user%elsewhere@here must not pass as mail for here (threats C10) */
static bool is_plain_local(struct str local)
{
	for (size_t i = 0; i < local.n; i++)
		if (strchr("@%!", local.p[i]))
			return false;
	return true;
}

/* is_ours - MAP_FOUND: we are a final destination or a relay for this recipient */
static enum map_answer is_ours(const struct access_request *q)
{
	struct addr a = addr_split(q->rcpt);
	enum map_answer answer = MAP_FOUND;
	if (!is_plain_local(a.local))
		return MAP_NONE;
	if (str_is_empty(a.domain))
		return MAP_FOUND;
	enum route_class class = route_class_of(q->router, a.domain, &answer);
	if (answer == MAP_ERROR)
		return MAP_ERROR;
	return class == ROUTE_DEFAULT ? MAP_NONE : MAP_FOUND;
}

static enum answer temporary(struct access_run *r, struct str who)
{
	refuse(r, 451, "4.3.0", "Temporary lookup failure", who, "");
	return REFUSE;
}

static enum answer permit(struct access_run *r) { (void)r; return PERMIT; }
static enum answer pass(struct access_run *r) { (void)r; return NEXT; }

static enum answer reject(struct access_run *r)
{
	refuse(r, 554, "5.7.1", "Recipient address rejected: ", r->request->rcpt, "Access denied");
	return REFUSE;
}

static enum answer defer(struct access_run *r)
{
	refuse(r, 450, "4.7.1", "Recipient address rejected: ", r->request->rcpt, "Try again later");
	return REFUSE;
}

static enum answer permit_mynetworks(struct access_run *r)
{
	const struct access_request *q = r->request;
	if (q->local)
		return PERMIT;
	enum map_answer a = match_address(q->router->mynetworks, &q->client);
	if (a == MAP_ERROR)
		return temporary(r, q->rcpt);
	return a == MAP_FOUND ? PERMIT : NEXT;
}

static enum answer permit_sasl(struct access_run *r)
{
	return r->request->authenticated ? PERMIT : NEXT;
}

static enum answer permit_auth_destination(struct access_run *r)
{
	enum map_answer a = is_ours(r->request);
	if (a == MAP_ERROR)
		return temporary(r, r->request->rcpt);
	return a == MAP_FOUND ? PERMIT : NEXT;
}

static enum answer unauth_destination(struct access_run *r, int code, const char *enhanced)
{
	enum map_answer a = is_ours(r->request);
	if (a == MAP_ERROR)
		return temporary(r, r->request->rcpt);
	if (a == MAP_FOUND)
		return NEXT;
	refuse(r, code, enhanced, "Relay access denied", r->request->rcpt, "");
	return REFUSE;
}

static enum answer reject_unauth_destination(struct access_run *r)
{
	return unauth_destination(r, (int)r->request->conf->relay_domains_reject_code, "5.7.1");
}

static enum answer defer_unauth_destination(struct access_run *r)
{
	return unauth_destination(r, 454, "4.7.1");
}

static enum answer non_fqdn(struct access_run *r, struct str addr, const char *what)
{
	struct addr a = addr_split(addr);
	bool literal = a.domain.n > 0 && a.domain.p[0] == '[';
	if (str_is_empty(addr) || literal || str_chr(a.domain, '.') > 0)
		return NEXT;
	refuse(r, 504, "5.5.2", what, addr, "need fully-qualified address");
	return REFUSE;
}

static enum answer non_fqdn_recipient(struct access_run *r) { return non_fqdn(r, r->request->rcpt, "Recipient address rejected: "); }
static enum answer non_fqdn_sender(struct access_run *r) { return non_fqdn(r, r->request->sender, "Sender address rejected: "); }

/* ask_domain - a domain that we serve ourselves, a literal or no domain at all need no question */
static enum answer ask_domain(struct access_run *r, struct str addr)
{
	struct addr a = addr_split(addr);
	enum map_answer m = MAP_NONE;
	if (str_is_empty(a.domain) || a.domain.p[0] == '[')
		return NEXT;
	if (route_class_of(r->request->router, a.domain, &m) != ROUTE_DEFAULT && m != MAP_ERROR)
		return NEXT;
	r->question = a.domain;
	return ASK;
}

static enum answer unknown_recipient_domain(struct access_run *r) { return ask_domain(r, r->request->rcpt); }
static enum answer unknown_sender_domain(struct access_run *r) { return ask_domain(r, r->request->sender); }

/* conclude - a no stands; where the lookup failed for now (later), go on to look for one and say "later" at the end */
static void conclude(struct access_run *r, bool later, const char *action)
{
	r->pending = later && !str_ieq(str_of(action), STR("defer"));
	r->at += r->pending;
}

static void domain_answered(struct access_run *r, const struct reply *a, struct str addr, const char *what, const char *subject_detail)
{
	bool later = reply_verdict(a) == VERDICT_LATER;
	int code = later ? 450 : (int)r->request->conf->unknown_address_reject_code;
	char enhanced[12] = {(char)('0' + code / 100), '\0'};
	memcpy(enhanced + 1, subject_detail, strlen(subject_detail) + 1);
	refuse(r, code, enhanced, what, addr, a->text[0] ? a->text : "Domain not found");
	conclude(r, later, r->request->conf->unknown_address_tempfail_action);
}

static void recipient_domain_answered(struct access_run *r, const struct reply *a)
{
	domain_answered(r, a, r->request->rcpt, "Recipient address rejected: ", ".1.2");
}

static void sender_domain_answered(struct access_run *r, const struct reply *a)
{
	domain_answered(r, a, r->request->sender, "Sender address rejected: ", ".1.8");
}

static enum answer unverified_recipient(struct access_run *r)
{
	r->question = r->request->rcpt;
	return ASK;
}

static void recipient_verified(struct access_run *r, const struct reply *a)
{
	const struct conf *c = r->request->conf;
	bool later = reply_verdict(a) == VERDICT_LATER;
	int code = (int)(later ? c->unverified_recipient_defer_code : c->unverified_recipient_reject_code);
	if (code < 400) {
		r->at++;
		return;
	}
	struct str dsn = str_of(reply_dsn(a));
	char enhanced[sizeof r->reply.enhanced] = "";
	/* the class digit must agree with the code we send, the rest is the remote server's */
	memcpy(enhanced, dsn.p, dsn.n < sizeof enhanced ? dsn.n : sizeof enhanced - 1);
	enhanced[0] = code >= 500 ? '5' : '4';
	refuse(r, code, enhanced, later ? "Recipient address rejected: unverified address: " : "Recipient address rejected: undeliverable address: ",
		r->request->rcpt, a->text);
	conclude(r, later, c->unverified_recipient_tempfail_action);
}

static const struct word words[] = {
	{"permit", permit, NULL, 0, false},
	{"reject", reject, NULL, 0, true},
	{"defer", defer, NULL, 0, true},
	{"permit_mynetworks", permit_mynetworks, NULL, 0, false},
	{"permit_sasl_authenticated", permit_sasl, NULL, 0, false},
	{"permit_auth_destination", permit_auth_destination, NULL, 0, false},
	{"reject_unauth_destination", reject_unauth_destination, NULL, 0, true},
	{"defer_unauth_destination", defer_unauth_destination, NULL, 0, true},
	{"reject_non_fqdn_recipient", non_fqdn_recipient, NULL, 0, false},
	{"reject_non_fqdn_sender", non_fqdn_sender, NULL, 0, false},
	{"reject_unknown_recipient_domain", unknown_recipient_domain, recipient_domain_answered, ACCESS_ASK_DOMAIN, false},
	{"reject_unknown_sender_domain", unknown_sender_domain, sender_domain_answered, ACCESS_ASK_DOMAIN, false},
	{"reject_unverified_recipient", unverified_recipient, recipient_verified, ACCESS_ASK_VERIFY, false},
	/* always on here: the server machine refuses talk before its turn, the session unknown local recipients */
	{"reject_unauth_pipelining", pass, NULL, 0, false},
	{"reject_unlisted_recipient", pass, NULL, 0, false},
};

static const struct word *find_word(struct str s)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (str_ieq(s, str_of(words[i].name)))
			return &words[i];
	return NULL;
}

struct access_list *access_compile(const char *text, const char *parameter, const struct conf *c, struct conf_diag *diag)
{
	struct access_list *l = MEM_NEW(struct access_list);
	struct str rest = str_of(text), one;
	(void)c;
	while (str_word(&rest, ", \t\r\n", &one)) {
		const struct word *w = find_word(one);
		if (!w) {
			conf_diag_add(diag, CONF_ERROR, NULL, 0,
				"%s: unknown or unsupported restriction \"%.*s\": remove it, or use one that relaybox.conf(5) lists",
				parameter, STR_ARG(str_head(one, 100)));
			continue;
		}
		l->words = mem_array(l->words, l->n + 1, sizeof *l->words);
		l->words[l->n++] = w;
	}
	return l;
}

void access_list_free(struct access_list *l)
{
	if (!l)
		return;
	mem_free(l->words);
	mem_free(l);
}

bool access_list_closes(const struct access_list *l)
{
	/* what stands behind "permit" is never asked */
	for (size_t i = 0; l && i < l->n && l->words[i]->judge != permit; i++)
		if (l->words[i]->closes)
			return true;
	return false;
}

void access_begin(struct access_run *r, const struct access_request *q, const struct access_list *relay, const struct access_list *recipient)
{
	*r = (struct access_run){.request = q};
	r->list[ACCESS_RELAY] = relay;
	r->list[ACCESS_RECIPIENT] = recipient;
}

enum access_outcome access_next(struct access_run *r)
{
	while (r->stage < ACCESS_STAGES) {
		const struct access_list *l = r->list[r->stage];
		if (r->reply.code && !r->pending)
			return ACCESS_REFUSE;
		if (!l || r->at >= l->n) {
			r->stage++;
			r->at = 0;
			continue;
		}
		const struct word *w = l->words[r->at];
		switch (w->judge(r)) {
		case NEXT:
			r->at++;
			break;
		case PERMIT:
			r->at = l->n;
			break;
		case REFUSE:
			return ACCESS_REFUSE;
		case ASK:
			return w->asks;
		}
	}
	return r->pending ? ACCESS_REFUSE : ACCESS_OK;
}

void access_answer(struct access_run *r, const struct reply *answer)
{
	const struct word *w = r->list[r->stage]->words[r->at];
	if (reply_verdict(answer) == VERDICT_DONE)
		r->at++;
	else
		w->answered(r, answer);
}
