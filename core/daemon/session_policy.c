/* session_policy - may this client send to this recipient? Runs the restriction lists, asks DNS and address probes for
 * them, checks local recipients, and logs each refusal in the form that fail2ban and pflogsumm read. */
#include "core/base/log.h"
#include "core/daemon/session_private.h"
#include "core/route/local_user.h"
#include "core/access/users.h"

bool session_is_local(const struct session *s)
{
	/* local_header_rewrite_clients = permit_inet_interfaces */
	return s->uid >= 0 || (!s->foreign && route_is_own_address(s->relay->settings->router, &s->address));
}

void session_refuse(struct session *s, const struct reply *r)
{
	struct buf line;
	buf_init(&line, LIMIT_LOG_LINE);
	reply_line(&line, r);
	session_log_reject(s, buf_cstr(&line));
	buf_fini(&line);
	session_answer(s, r);
}

/* is_sent_back - the tables send this recipient to error or retry: say so here rather than in a notice later */
static bool is_sent_back(struct session *s, struct str rcpt, struct reply *out)
{
	struct arena a;
	struct route to;
	struct reply r = {.code = 250};
	arena_init(&a, LIMIT_SESSION_ARENA);
	route_resolve(s->relay->settings->router, &a, s->smtp.envelope.sender, rcpt, &to, NULL);
	if (!to.failed.code && (!strcmp(to.transport->program, "error") || !strcmp(to.transport->program, "retry"))) {
		simple_answer(to.transport, to.nexthop, &r);
		reply_set(out, r.code, strcmp(r.enhanced + 1, ".0.0") ? r.enhanced : r.code >= 500 ? "5.1.1" : "4.1.1",
			"<%.*s>: Recipient address rejected: %s", STR_ARG(s->smtp.rcpt.full), r.text);
	}
	arena_fini(&a);
	return r.code >= 400;
}

/* ends_well - mail for a local domain is only taken for an alias or an account (threats H3); false with the refusal */
static bool ends_well(struct session *s, struct str rcpt, struct reply *out)
{
	const struct conf *c = s->service->conf;
	enum map_answer ours;
	if (!c->smtpd_reject_unlisted_recipient)
		return true;
	if (is_sent_back(s, rcpt, out))
		return false;
	if (!*c->local_recipient_maps)
		return true;
	if (route_class_of(s->relay->settings->router, addr_split(rcpt).domain, &ours) != ROUTE_LOCAL || ours == MAP_ERROR)
		return true;
	local_user_check(s->relay->settings->router, rcpt, out);
	struct str who = s->smtp.rcpt.full;
	int code = (int)c->unknown_local_recipient_reject_code;
	switch (reply_verdict(out)) {
	case VERDICT_DONE:
		return true;
	case VERDICT_LATER:
		reply_set(out, 451, "4.3.0", "<%.*s>: Temporary lookup failure", STR_ARG(who));
		return false;
	case VERDICT_NEVER:
		reply_set(out, code, code >= 500 ? "5.1.1" : "4.1.1",
			"<%.*s>: Recipient address rejected: User unknown in local recipient table", STR_ARG(who));
		return false;
	}
	return true;
}

static void permitted(struct session *s)
{
	struct reply r;
	const struct conf *c = s->service->conf;
	if (!ends_well(s, s->request.rcpt, &r)) {
		session_refuse(s, &r);
		return;
	}
	if (s->client && !s->exempt && c->smtpd_client_recipient_rate_limit &&
		client_rate_count(s->client, CLIENT_RECIPIENTS, loop_now(s->relay->loop), c->anvil_rate_time_unit) >
			(unsigned)c->smtpd_client_recipient_rate_limit) {
		reply_set(&r, 450, "4.7.1", "Error: too many recipients from your address");
		session_refuse(s, &r);
		return;
	}
	reply_set(&r, 250, "2.1.5", "Ok");
	session_answer(s, &r);
}

static void judge(struct session *s);

static void domain_answer(struct session *s, enum dns_status status, const char *why)
{
	struct reply r;
	if (status == DNS_OK)
		reply_set(&r, 250, "2.0.0", "Ok");
	else if (status == DNS_AGAIN)
		reply_set(&r, 450, "4.1.2", "%s", *why ? why : "Domain not found, try again");
	else
		reply_set(&r, 550, "5.1.2", "Domain not found");
	access_answer(&s->run, &r);
	judge(s);
	session_continue(s);
}

static void on_domain_address(void *ctx, const struct dns_addresses *a)
{
	struct session *s = ctx;
	s->domain_query = NULL;
	domain_answer(s, a->status, "");
}

static void on_domain_mx(void *ctx, const struct dns_answer *a)
{
	struct session *s = ctx;
	s->domain_query = NULL;
	if (a->status == DNS_NODATA)
		s->domain_query = dns_lookup_host(s->relay->dns, s->run.question, 3, false, on_domain_address, s);
	else
		domain_answer(s, a->status, "");
}

static void on_verified(void *ctx, const struct reply *r)
{
	struct session *s = ctx;
	s->verify = NULL;
	access_answer(&s->run, r);
	judge(s);
	session_continue(s);
}

/* ask_verify - false when the answer is known and the run may go on at once */
static bool ask_verify(struct session *s)
{
	struct reply known;
	s->verify = verify_ask(s->relay->verify, s->run.question, &known, on_verified, s);
	if (s->verify)
		return true;
	access_answer(&s->run, &known);
	return false;
}

static void judge(struct session *s)
{
	enum access_outcome o;
	do
		o = access_next(&s->run);
	while (o == ACCESS_ASK_VERIFY && !ask_verify(s));
	switch (o) {
	case ACCESS_OK:
		permitted(s);
		break;
	case ACCESS_REFUSE:
		session_refuse(s, &s->run.reply);
		break;
	case ACCESS_ASK_DOMAIN:
		s->domain_query = dns_ask(s->relay->dns, s->run.question, DNS_MX, on_domain_mx, s);
		break;
	case ACCESS_ASK_VERIFY:
		break;
	}
}

void session_policy_recipient(struct session *s)
{
	struct router *router = s->relay->settings->router;
	s->request = (struct access_request){
		.router = router,
		.conf = s->service->conf,
		.client = s->foreign ? (struct ipaddr){.family = AF_UNSPEC} : s->address,
		.client_name = str_of(s->client_name),
		.local = s->uid >= 0,
		.authenticated = s->smtp.authenticated,
		.helo = str_of(s->smtp.helo),
		.sender = s->smtp.envelope.sender,
		.rcpt = rewrite_address(router, &s->arena, s->smtp.rcpt.full, session_is_local(s)),
	};
	if (s->uid >= 0) {
		/* a local user may send anywhere; a wrong address comes back as a notice, as with every sendmail */
		struct reply r;
		reply_set(&r, 250, "2.1.5", "Ok");
		if (!users_include(s->service->conf->authorized_submit_users, s->uid))
			reply_set(&r, 550, "5.7.0", "you are not in authorized_submit_users");
		session_answer(s, &r);
		return;
	}
	/* as the router refuses it, which would be a notice to a sender who may be invented */
	if (s->request.rcpt.n && *s->request.rcpt.p == '-' && !s->service->conf->allow_min_user) {
		struct reply r;
		reply_set(&r, 501, "5.1.3", "Bad recipient address syntax");
		session_refuse(s, &r);
		return;
	}
	/* RFC 5321 section 4.5.1: the postmaster of this host, whatever the lists say */
	if (str_ieq(s->smtp.rcpt.full, STR("postmaster"))) {
		permitted(s);
		return;
	}
	access_begin(&s->run, &s->request, s->service->relay, s->service->recipient);
	judge(s);
}

void session_policy_cancel(struct session *s)
{
	if (s->domain_query)
		dns_cancel(s->domain_query);
	if (s->verify)
		verify_cancel(s->verify);
	s->domain_query = NULL;
	s->verify = NULL;
}
