/* session_policy - may this be done? Runs the restriction lists of an event, and asks DNS and address probes what they ask. The answer
 * is data for session.c: nothing is sent or logged from here but what the lists want in the log. */
#include <time.h>

#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/daemon/session_private.h"
#include "core/deliver/deliver.h"
#include "core/route/listed.h"

/* --- whose is it? ----------------------------------------------------------------------------------------------------- */

bool session_is_local(const struct session *s)
{
	return s->uid >= 0 || (!s->foreign && header_clients_include(s->service->header_clients, session_router(s), &s->address,
		s->smtp.authenticated));
}

/* --- limits of one client --------------------------------------------------------------------------------------------- */

static unsigned count(struct session *s, enum client_rate what)
{
	return client_rate_count(s->client, what, loop_now(s->relay->loop), session_conf(s)->anvil_rate_time_unit);
}

bool session_over(struct session *s, enum client_rate what, int64_t limit)
{
	return s->uid < 0 && !s->exempt && limit && count(s, what) > (unsigned)limit;
}

/* --- is it known here? ------------------------------------------------------------------------------------------------ */

/* say - "<address>: Recipient address rejected: why", with the enhanced code that says whose address it is */
static bool say(struct str who, bool sender, int code, const char *enhanced, const char *why, struct reply *no)
{
	reply_set(no, code, enhanced ? enhanced : sender ? code >= 500 ? "5.1.0" : "4.1.0" : code >= 500 ? "5.1.1" : "4.1.1",
		"<%.*s>: %s address rejected: %s", STR_ARG(who), sender ? "Sender" : "Recipient", why);
	return false;
}

static bool say_later(struct str who, struct reply *no)
{
	reply_set(no, 451, "4.3.0", "<%.*s>: Temporary lookup failure", STR_ARG(who));
	return false;
}

/* is_sent_back - the tables send this recipient to error or retry: say so here rather than in a notice later */
static bool is_sent_back(struct session *s, struct str rcpt, struct reply *out)
{
	struct arena a;
	struct route to;
	struct reply r = { .code = 250 };

	arena_init(&a, LIMIT_SESSION_ARENA);
	route_resolve(session_router(s), &a, s->smtp.envelope.sender, rcpt, &to, NULL);
	if (!to.failed.code && (to.transport->program == MASTER_ERROR || to.transport->program == MASTER_RETRY)) {
		simple_answer(to.transport, to.nexthop, &r);
		say(s->smtp.rcpt.full, false, to.class == ROUTE_VIRTUAL_ALIAS ? (int)s->service->conf->unknown_virtual_alias_reject_code : r.code,
			to.class != ROUTE_VIRTUAL_ALIAS && strcmp(r.enhanced + 1, ".0.0") ? r.enhanced : NULL, r.text, out);
	}
	arena_fini(&a);
	return r.code >= 400;
}

/* unknown - what a recipient of this class is not in, and how that is said */
static bool unknown(struct session *s, enum route_class class, struct str who, bool sender, struct reply *no)
{
	const struct conf *c = session_conf(s);
	const struct { const char *why; int64_t code; } rows[] = {
		[ROUTE_LOCAL] = { "User unknown in local recipient table", c->unknown_local_recipient_reject_code },
		[ROUTE_VIRTUAL_ALIAS] = { "User unknown in virtual alias table", c->unknown_virtual_alias_reject_code },
		[ROUTE_RELAY] = { "User unknown in relay recipient table", c->unknown_relay_recipient_reject_code },
	};

	return say(who, sender, (int)rows[class].code, NULL, rows[class].why, no);
}

bool session_is_listed(struct session *s, struct str address, bool sender, struct reply *no)
{
	struct router *router = session_router(s);
	struct str who = sender ? address : s->smtp.rcpt.full;
	enum map_answer known;
	enum route_class class;

	if (!address.n)
		return true;
	known = rewriting_knows(router, address);
	if (known != MAP_NONE)
		return known == MAP_FOUND || say_later(who, no);
	if (!sender && is_sent_back(s, address, no))
		return false;
	known = route_lists(router, address, &class);
	if (known == MAP_NONE)
		return unknown(s, class, who, sender, no);
	return known == MAP_FOUND || say_later(who, no);
}

static bool is_listed(void *ctx, struct str address, bool sender, struct reply *no)
{
	return session_is_listed(ctx, address, sender, no);
}

/* --- questions -------------------------------------------------------------------------------------------------------- */

void session_policy_answer(struct session *s, const struct access_answer *a)
{
	s->query = NULL;
	access_answer(&s->run, a);
	s->wake(s);
}

static void answered(struct session *s, int code, const char *enhanced, const char *text)
{
	session_policy_answer(s, &(struct access_answer){ .code = code, .enhanced = enhanced, .text = text, .addresses = s->listed,
		.n_addresses = s->n_listed });
}

static void domain_answered(struct session *s, enum dns_status status)
{
	if (status == DNS_OK)
		answered(s, 250, "", "");
	else
		answered(s, status == DNS_AGAIN ? 450 : 550, "", "Domain not found");
}

static void on_domain_address(void *ctx, const struct dns_addresses *a)
{
	domain_answered(ctx, a->status);
}

static void on_domain_mx(void *ctx, const struct dns_answer *a)
{
	struct session *s = ctx;

	if (a->status == DNS_OK && a->n == 1 && !a->records[0].target[0])
		session_policy_answer(s, &(struct access_answer){ .code = 550, .enhanced = "", .text = "", .null_mx = true });
	else if (a->status == DNS_NODATA)
		s->query = dns_lookup_host(s->relay->judge_dns, s->run.asked, 3, DNS_ONLY, on_domain_address, s);
	else
		domain_answered(s, a->status);
}

static bool ask_domain(struct session *s)
{
	s->query = dns_ask(s->relay->judge_dns, s->run.asked, DNS_MX, on_domain_mx, s);
	return true;
}

static void on_list_text(void *ctx, const struct dns_answer *a)
{
	struct session *s = ctx;
	const struct dns_record *r = a->status == DNS_OK && a->n ? &a->records[0] : NULL;

	answered(s, 250, "", r ? arena_z(&s->arena, str_make((const char *)r->data, r->data_n)) : "");
}

static void on_list_address(void *ctx, const struct dns_answer *a)
{
	struct session *s = ctx;
	size_t n = a->n < LIMIT_ACCESS_LISTED ? a->n : LIMIT_ACCESS_LISTED;

	if (a->status != DNS_OK) {
		answered(s, a->status == DNS_AGAIN ? 450 : 550, "", "");
		return;
	}
	s->listed = ARENA_ARRAY(&s->arena, struct ipaddr, n);
	for (size_t i = 0; s->listed && i < n; i++)
		s->listed[s->n_listed++] = a->records[i].address;
	s->query = dns_ask(s->relay->judge_dns, s->run.asked, DNS_TXT, on_list_text, s);
}

static bool ask_list(struct session *s)
{
	s->n_listed = 0;
	s->query = dns_ask(s->relay->judge_dns, s->run.asked, DNS_A, on_list_address, s);
	return true;
}

static void on_verified(void *ctx, const struct reply *r)
{
	struct session *s = ctx;

	s->verify = NULL;
	answered(s, r->code, reply_dsn(r), r->text);
}

/* ask_probe - false when the answer is known already */
static bool ask_probe(struct session *s)
{
	struct reply known;

	s->verify = verify_ask(s->relay->verify, s->run.asked, &known, on_verified, s);
	if (s->verify)
		return true;
	access_answer(&s->run, &(struct access_answer){ .code = known.code, .enhanced = reply_dsn(&known), .text = known.text });
	return false;
}

void session_policy_slept(struct session *s)
{
	answered(s, 250, "", "");
}

static bool ask_time(struct session *s)
{
	uint64_t seconds = 0;

	(void)str_to_u64(s->run.asked, &seconds);
	loop_timer_set(s->relay->loop, &s->timer, loop_now(s->relay->loop) + seconds * USEC_PER_SEC);
	return true;
}

/* ask - true: the answer comes later */
static bool ask(struct session *s)
{
	static bool (*const by_question[])(struct session *) = { [ACCESS_DOMAIN] = ask_domain, [ACCESS_PROBE] = ask_probe,
		[ACCESS_DNSLIST] = ask_list, [ACCESS_HOSTS] = session_ask_hosts, [ACCESS_SLEEP] = ask_time };

	s->n_listed = 0;
	return by_question[s->run.question](s);
}

/* --- judging ---------------------------------------------------------------------------------------------------------- */

/* the recipient at DATA and the end of the message, where there is one only */
static struct str only_recipient(struct session *s)
{
	const struct envelope *e = &s->smtp.envelope;

	return e->n_rcpts == 1 ? e->rcpts[0].addr : STR_EMPTY;
}

static void fill_request(struct session *s, enum access_event event)
{
	struct access_request *q = &s->request;
	struct str rcpt = event == ACCESS_AT_RCPT ? q->rcpt : event > ACCESS_AT_RCPT && event < ACCESS_AT_ETRN ? only_recipient(s) : STR_EMPTY;
	bool mail = event >= ACCESS_AT_MAIL && event < ACCESS_AT_ETRN;

	*q = (struct access_request){
		.router = session_router(s), .conf = session_conf(s), .arena = &s->arena,
		.client = s->foreign ? (struct ipaddr){ .family = AF_UNSPEC } : s->address,
		.client_name = str_of(s->client_name), .client_address = str_of(s->client_address), .name = s->name_state,
		.reverse_name = str_of(s->reverse_name), .login = s->smtp.authenticated ? str_of(s->smtp.user) : STR_EMPTY,
		.local = s->uid >= 0, .authenticated = s->smtp.authenticated, .tls = s->smtp.tls,
		.ccert = { str_of(s->cert ? s->cert->of_cert : ""), str_of(s->cert ? s->cert->of_key : "") },
		.ccert_name = str_of(s->cert ? conn_tls(s->conn)->subject_cn : ""),
		.ccert_trusted = s->cert && conn_tls(s->conn)->trust >= TLS_TRUSTED,
		.ahead = s->event != SMTP_SERVER_EVENTS && smtp_server_sent_ahead(&s->smtp),
		.many = s->smtp.envelope.n_rcpts > 1, .n_rcpts = s->smtp.envelope.n_rcpts,
		.helo = s->smtp.helo[0] ? str_of(s->smtp.helo) : STR_EMPTY, .rcpt = rcpt, .is_listed = is_listed, .ctx = s,
	};
	if (event == ACCESS_AT_MAIL)
		q->sender = rewrite_address(q->router, &s->arena, s->smtp.envelope.sender, true);
	else if (mail)
		q->sender = s->smtp.envelope.sender;
	/* the empty sender is one, where there is a mail (VRFY knows none) */
	if (mail && !q->sender.p && s->event != SMTP_SERVER_VRFY)
		q->sender = STR("");
	if (mail)
		q->sender_given = event == ACCESS_AT_MAIL ? s->smtp.envelope.sender : s->sender_given;
	if (event == ACCESS_AT_RCPT)
		q->rcpt_given = s->smtp.rcpt.full;
	if (event == ACCESS_AT_ETRN)
		q->etrn = s->smtp.argument;
}

/* put_off - what is refused for now before there is a recipient (smtpd_delay_reject = no) is refused with each of them */
static void put_off(struct session *s)
{
	enum access_stage stage = s->run.stages[0];
	const struct access_later *l = &s->run.if_permit;

	if (s->run.n_stages != 1 || stage > ACCESS_SENDER)
		return;
	if (l->code && !s->later[stage])
		s->later[stage] = mem_alloc(sizeof(*s->later[stage]));
	if (l->code)
		reply_set(s->later[stage], l->code, l->enhanced, "%.*s", STR_ARG(l->text));
	else if (s->later[stage])
		s->later[stage]->code = 0;
}

/* recall - the last of them counts */
static void recall(struct session *s)
{
	for (size_t i = 0; i <= ACCESS_SENDER; i++) {
		const struct reply *r = s->later[i];

		if (!r || !r->code)
			continue;
		s->run.if_permit.code = r->code;
		memcpy(s->run.if_permit.enhanced, r->enhanced, sizeof(s->run.if_permit.enhanced));
		s->run.if_permit.text = str_of(r->text);
	}
}

bool session_policy_begin(struct session *s, enum access_event event)
{
	if (!s->service->rules || s->uid >= 0 || !access_rules_ask(s->service->rules, event))
		return false;
	/* RFC 5321 section 4.5.1: the postmaster of this host, whatever the lists say */
	if (event == ACCESS_AT_RCPT && str_ieq(s->smtp.rcpt.full, STR("postmaster")))
		return false;
	fill_request(s, event);
	access_begin(&s->run, s->service->rules, event, &s->request, s->answer);
	if (event == ACCESS_AT_RCPT)
		recall(s);
	return true;
}

static bool is_held(const struct session *s)
{
	for (const struct action_wish *w = s->wishes; w; w = w->next)
		if (w->action.kind == ACTION_HOLD)
			return true;
	return false;
}

/* remember - what a rule wants done to the message; false: there is no room for it, and mail does not pass without */
static bool remember(struct session *s, const struct action *effect)
{
	struct action_wish **at = &s->wishes, *w = ARENA_NEW(&s->arena, struct action_wish);

	if (!w || s->arena.overflow)
		return false;
	w->action = *effect;
	while (*at)
		at = &(*at)->next;
	*at = w;
	return true;
}

/* note - false: refused */
static bool note(struct session *s)
{
	const struct access_run *run = &s->run;
	bool effect = run->effect.kind != ACTION_NONE;

	/* that it is held is said once */
	if (run->effect.kind == ACTION_HOLD && is_held(s))
		return true;
	if (run->say)
		session_log_reject(s, run->say, s->answer);
	if (effect && !remember(s, &run->effect)) {
		reply_set(s->answer, 452, "4.3.1", "Error: what rules want done to this message is too much");
		return false;
	}
	return true;
}

bool session_policy_go(struct session *s)
{
	for (;;) {
		switch (access_next(&s->run)) {
		case ACCESS_SAY:
			if (!note(s))
				return true;
			break;
		case ACCESS_ASK:
			if (!ask(s))
				break;
			session_wait(s, SESSION_WAITS_POLICY);
			return false;
		case ACCESS_DONE:
			if (s->run.result == ACTION_OK) {
				s->answer->code = 0;
				put_off(s);
			} else if (s->run.say)
				log_text(LOG_SEV_WARNING, "smtpd", s->pid, NULL, "%s", s->run.say);
			return true;
		}
	}
}

void session_policy_cancel(struct session *s)
{
	if (s->query)
		dns_cancel(s->query);
	if (s->verify)
		verify_cancel(s->verify);
	if (s->run.question == ACCESS_SLEEP)
		loop_timer_cancel(s->relay->loop, &s->timer);
	s->query = NULL;
	s->verify = NULL;
}

/* --- behind a refusal -------------------------------------------------------------------------------------------------- */

void session_add_footer(struct session *s)
{
	const struct sockaddr *peer = (const struct sockaddr *)&s->conn->peer;
	unsigned port = peer->sa_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)(const void *)peer)->sin6_port) :
		peer->sa_family == AF_INET ? ntohs(((const struct sockaddr_in *)(const void *)peer)->sin_port) : 0;
	const struct conf *c = s->service->conf;
	time_t now = (time_t)(loop_wall(s->relay->loop) / USEC_PER_SEC);
	char stamp[40] = "", number[12];
	struct access_value more[] = { { "client_port", STR_EMPTY }, { "localtime", STR_EMPTY }, { "server_name", str_of(c->myhostname) } };
	struct tm tm;

	if (!s->service->rules || s->uid >= 0 || (!*c->smtpd_reject_footer && !*c->smtpd_reject_footer_maps))
		return;
	format_text(number, sizeof(number), "%u", port);
	if (localtime_r(&now, &tm))
		strftime(stamp, sizeof(stamp), "%b %d %H:%M:%S", &tm);
	more[0].value = str_of(number);
	more[1].value = str_of(stamp);
	access_footer(s->service->rules, &(struct access_request){ .arena = &s->arena, .conf = c, .client_name = str_of(s->client_name),
		.client_address = str_of(s->client_address), .reverse_name = str_of(s->reverse_name), .helo = str_of(s->smtp.helo),
		.sender = s->smtp.envelope.sender, .rcpt = s->event == SMTP_SERVER_RCPT ? s->smtp.rcpt.full : STR_EMPTY }, more,
		sizeof(more) / sizeof(more[0]), s->answer);
}
