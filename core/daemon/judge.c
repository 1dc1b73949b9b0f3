/* judge - see judge.h. */
#include "core/daemon/judge.h"

#include "core/base/mem.h"

/* --- questions -------------------------------------------------------------------------------------------------------- */

void judge_answer(struct judge *j, const struct access_answer *a)
{
	j->query = NULL;
	access_answer(&j->run, a);
	j->wake(j);
}

static void answered(struct judge *j, int code, const char *enhanced, const char *text)
{
	judge_answer(j, &(struct access_answer){ .code = code, .enhanced = enhanced, .text = text, .addresses = j->listed,
		.n_addresses = j->n_listed });
}

static void domain_answered(struct judge *j, enum dns_status status)
{
	if (status == DNS_OK)
		answered(j, 250, "", "");
	else
		answered(j, status == DNS_AGAIN ? 450 : 550, "", "Domain not found");
}

static void on_domain_address(void *ctx, const struct dns_addresses *a)
{
	domain_answered(ctx, a->status);
}

static void on_domain_mx(void *ctx, const struct dns_answer *a)
{
	struct judge *j = ctx;

	if (a->status == DNS_OK && a->n == 1 && !a->records[0].target[0])
		judge_answer(j, &(struct access_answer){ .code = 550, .enhanced = "", .text = "", .null_mx = true });
	else if (a->status == DNS_NODATA)
		j->query = dns_lookup_host(j->dns, j->run.asked, 3, DNS_ONLY, on_domain_address, j);
	else
		domain_answered(j, a->status);
}

static bool ask_domain(struct judge *j)
{
	j->query = dns_ask(j->dns, j->run.asked, DNS_MX, on_domain_mx, j);
	return true;
}

static void on_list_text(void *ctx, const struct dns_answer *a)
{
	struct judge *j = ctx;
	const struct dns_record *r = a->status == DNS_OK && a->n ? &a->records[0] : NULL;

	answered(j, 250, "", r ? arena_z(j->arena, str_make((const char *)r->data, r->data_n)) : "");
}

static void on_list_address(void *ctx, const struct dns_answer *a)
{
	struct judge *j = ctx;
	size_t n = a->n < LIMIT_ACCESS_LISTED ? a->n : LIMIT_ACCESS_LISTED;

	if (a->status != DNS_OK) {
		answered(j, a->status == DNS_AGAIN ? 450 : 550, "", "");
		return;
	}
	j->listed = ARENA_ARRAY(j->arena, struct ipaddr, n);
	for (size_t i = 0; j->listed && i < n; i++)
		j->listed[j->n_listed++] = a->records[i].address;
	j->query = dns_ask(j->dns, j->run.asked, DNS_TXT, on_list_text, j);
}

static bool ask_list(struct judge *j)
{
	j->query = dns_ask(j->dns, j->run.asked, DNS_A, on_list_address, j);
	return true;
}

static void on_verified(void *ctx, const struct reply *r)
{
	struct judge *j = ctx;

	j->waiting = NULL;
	answered(j, r->code, reply_dsn(r), r->text);
}

/* ask_probe - false when the answer is known already */
static bool ask_probe(struct judge *j)
{
	struct reply known;

	j->waiting = verify_ask(j->verify, j->run.asked, &known, on_verified, j);
	if (j->waiting)
		return true;
	access_answer(&j->run, &(struct access_answer){ .code = known.code, .enhanced = reply_dsn(&known), .text = known.text });
	return false;
}

bool judge_ask(struct judge *j)
{
	static bool (*const by_question[])(struct judge *) = { [ACCESS_DOMAIN] = ask_domain, [ACCESS_PROBE] = ask_probe,
		[ACCESS_DNSLIST] = ask_list, [ACCESS_HOSTS] = judge_ask_hosts };

	j->n_listed = 0;
	return by_question[j->run.question](j);
}

/* --- an event --------------------------------------------------------------------------------------------------------- */

/* recall - the last of what was put off counts */
static void recall(struct judge *j)
{
	for (size_t i = 0; i <= ACCESS_SENDER; i++) {
		const struct reply *r = j->later[i];

		if (!r || !r->code)
			continue;
		j->run.if_permit.code = r->code;
		memcpy(j->run.if_permit.enhanced, r->enhanced, sizeof(j->run.if_permit.enhanced));
		j->run.if_permit.text = str_of(r->text);
	}
}

bool judge_begin(struct judge *j, const struct access_rules *rules, enum access_event event, struct reply *reply)
{
	if (!access_rules_ask(rules, event))
		return false;
	/* RFC 5321 section 4.5.1: the postmaster of this host, whatever the lists say */
	if (event == ACCESS_AT_RCPT && str_ieq(j->request.rcpt_given, STR("postmaster")))
		return false;
	access_begin(&j->run, rules, event, &j->request, reply);
	if (event == ACCESS_AT_RCPT)
		recall(j);
	return true;
}

/* put_off - what is refused for now before there is a recipient (smtpd_delay_reject = no) is refused with each of them */
static void put_off(struct judge *j)
{
	enum access_stage stage = j->run.stages[0];
	const struct access_later *l = &j->run.if_permit;

	if (j->run.n_stages != 1 || stage > ACCESS_SENDER)
		return;
	if (l->code && !j->later[stage])
		j->later[stage] = mem_alloc(sizeof(*j->later[stage]));
	if (l->code)
		reply_set(j->later[stage], l->code, l->enhanced, "%.*s", STR_ARG(l->text));
	else if (j->later[stage])
		j->later[stage]->code = 0;
}

bool judge_done(struct judge *j)
{
	if (j->run.result != ACTION_OK)
		return false;
	put_off(j);
	return true;
}

void judge_cancel(struct judge *j)
{
	if (j->query)
		dns_cancel(j->query);
	if (j->waiting)
		verify_cancel(j->waiting);
	j->query = NULL;
	j->waiting = NULL;
}

void judge_fini(struct judge *j)
{
	judge_cancel(j);
	for (size_t i = 0; i < sizeof(j->later) / sizeof(j->later[0]); i++)
		mem_free(j->later[i]);
}

/* --- names ------------------------------------------------------------------------------------------------------------ */

enum access_name judge_name(enum dns_status status, const char **name, const char *why, struct str *reverse)
{
	struct str text = str_of(why), word;

	*reverse = STR("unknown");
	if (status == DNS_OK) {
		*reverse = str_of(*name);
		return ACCESS_NAME_VERIFIED;
	}
	*name = "unknown";
	if (status == DNS_AGAIN)
		return ACCESS_NAME_LATER;
	/* dns.h: "hostname NAME does not resolve to address …" says which name was somebody else's */
	if (!str_word(&text, " ", &word) || !str_eq(word, STR("hostname")))
		return ACCESS_NAME_NONE;
	(void)str_word(&text, " ", reverse);
	return ACCESS_NAME_WRONG;
}
