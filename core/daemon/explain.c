/* explain - see explain.h. First the address: what cleanup makes of it and where that goes, told at once. Then the client, if there is one:
 * the events of a mail from it in their order, up to the first that is refused; each may wait for DNS. */
#include "core/daemon/explain.h"

#include "core/base/format.h"
#include "core/base/mem.h"
#include "core/base/row.h"
#include "core/cleanup/recipients.h"
#include "core/cleanup/rewrite.h"
#include "core/daemon/judge.h"
#include "core/daemon/known.h"
#include "core/route/explain_local.h"

struct explanation {
	struct explain_world world;
	explain_fn fn;
	void *ctx;
	struct arena arena;
	struct buf rows;
	const struct service *service;     /* of the client; NULL: there is none */
	struct str rcpt, sender, mapped;   /* as RCPT and MAIL complete them; the sender as cleanup maps it */
	struct str rcpt_given, sender_given, client, helo, login;
	bool *ended;                       /* while explain_begin runs */
	struct ipaddr address;
	char name[256], reverse[256];
	enum access_name name_state;
	struct dns_query *name_query;
	struct judge judge;
	enum access_event at;
	bool judging;
	struct str undecided;              /* a probe that was not made */
	struct reply no;
};

static struct router *router_of(const struct explanation *x)
{
	return x->world.settings->router;
}

static void explain_free(struct explanation *x)
{
	x->world.settings->n_users--;
	judge_fini(&x->judge);
	buf_fini(&x->rows);
	arena_fini(&x->arena);
	mem_free(x);
}

void explain_cancel(struct explanation *x)
{
	dns_cancel(x->name_query);
	explain_free(x);
}

static void finish(struct explanation *x, const char *problem)
{
	if (!problem && (x->rows.overflow || x->arena.overflow))
		problem = "there is more to tell than fits into an answer";
	if (x->ended)
		*x->ended = true;
	x->fn(x->ctx, buf_view(&x->rows), problem);
	explain_free(x);
}

/* --- the address ------------------------------------------------------------------------------------------------------ */

static void put_reply(struct explanation *x, const char *kind, const struct reply *r)
{
	row_text(&x->rows, kind, "%d %s%s%s", r->code, r->enhanced, *r->enhanced ? " " : "", r->text);
}

/* explain_route - where mail for one address goes, with every key that is tried */
static bool explain_route(struct explanation *x, struct str addr)
{
	struct route out;

	route_resolve(router_of(x), &x->arena, x->mapped, addr, &out, &x->rows);
	if (out.failed.code) {
		put_reply(x, "result", &out.failed);
		return false;
	}
	ROW_ADD(&x->rows, "route", str_of(out.transport->name), out.nexthop);
	deliver_explain(x->world.deliver, out.transport, out.nexthop, x->mapped, &x->rows);
	return !strcmp(out.transport->name, "local");
}

/* explain_target - an address that an alias leads to: aliases were followed already */
static void explain_target(void *ctx, struct str addr)
{
	explain_route(ctx, addr);
}

/* explain_sender - what cleanup makes of it */
static void explain_sender(struct explanation *x)
{
	struct rewrite w = { .router = router_of(x), .maps = true, .trace = &x->rows };

	x->mapped = rewrite_mapped(&w, &x->arena, x->sender, PLACE_ENVELOPE_SENDER);
	if (!str_eq(x->mapped, x->sender_given))
		row_text(&x->rows, "note", "the sender becomes %.*s", STR_ARG(x->mapped));
}

/* explain_recipient - what cleanup makes of it, and where each of those goes */
static void explain_recipient(struct explanation *x)
{
	struct recipients_rules rules = { .router = router_of(x), .trace = &x->rows, .maps = true, .copies = true };
	struct rcpt one = { .addr = x->rcpt };
	struct envelope e = { .sender = x->mapped, .rcpts = &one, .n_rcpts = 1 };
	struct arena scratch;
	struct reply failed;

	arena_init(&scratch, LIMIT_FORWARD_ARENA);
	recipients_become(&rules, &x->arena, &scratch, &e, &failed);
	arena_fini(&scratch);
	if (failed.code)
		put_reply(x, "result", &failed);
	for (size_t i = 0; i < e.n_rcpts && !failed.code; i++) {
		struct str to = e.rcpts[i].addr;

		if (e.rcpts[i].notify == DSN_NOTIFY_NEVER)
			row_text(&x->rows, "note", "a copy goes to %.*s", STR_ARG(to));
		else if (!str_eq(to, x->rcpt))
			row_text(&x->rows, "note", "becomes %.*s", STR_ARG(to));
		if (explain_route(x, to))
			explain_local(router_of(x), &x->arena, to, &x->rows, explain_target, x);
	}
}

/* --- the client: its events ------------------------------------------------------------------------------------------- */

static bool is_listed(void *ctx, struct str address, bool sender, struct reply *no)
{
	const struct explanation *x = ctx;

	return known_here(&(struct known){ router_of(x), x->service->conf, x->sender, x->rcpt_given }, address, sender, no);
}

static void fill_request(struct explanation *x)
{
	const struct conf *c = x->service->conf;
	struct access_request *q = &x->judge.request;
	bool mail = x->at >= ACCESS_AT_MAIL && x->at < ACCESS_AT_ETRN;

	*q = (struct access_request){ .router = router_of(x), .conf = c, .arena = &x->arena, .client = x->address, .client_name = str_of(x->name),
		.client_address = x->client, .name = x->name_state, .reverse_name = str_of(x->reverse), .login = x->login, .authenticated = x->login.n,
		.tls = x->service->tls_wrapper || x->service->smtp.tls_required || (x->login.n && c->smtpd_tls_auth_only), .helo = x->helo,
		.n_rcpts = x->at > ACCESS_AT_RCPT, .is_listed = is_listed, .ctx = x, .trace = &x->rows };
	if (mail) {
		q->sender = x->sender;
		q->sender_given = x->sender_given;
	}
	if (x->at >= ACCESS_AT_RCPT && mail)
		q->rcpt = x->rcpt;
	if (x->at == ACCESS_AT_RCPT)
		q->rcpt_given = x->rcpt_given;
	if (x->at == ACCESS_AT_ETRN)
		q->etrn = addr_split(x->rcpt).domain;
}

/* before_lists - a recipient that the router refuses is refused by RCPT already */
static bool before_lists(struct explanation *x)
{
	if (x->at != ACCESS_AT_RCPT || !route_is_option(x->service->conf, x->rcpt))
		return true;
	reply_set(&x->no, 501, "5.1.3", "Bad recipient address syntax");
	return false;
}

/* after_lists - what RCPT is refused with when no list refuses it */
static bool after_lists(struct explanation *x)
{
	const struct conf *c = x->service->conf;

	if (x->at != ACCESS_AT_RCPT)
		return true;
	return (!c->smtpd_reject_unlisted_sender || is_listed(x, x->sender, true, &x->no)) &&
		(!c->smtpd_reject_unlisted_recipient || is_listed(x, x->rcpt, false, &x->no));
}

static void put_verdict(struct explanation *x, bool refused)
{
	const struct access_value server = { "server_name", str_of(x->service->conf->myhostname) };
	struct buf says;

	if (refused && x->service->conf->soft_bounce)
		reply_soften(&x->no);
	if (refused)
		access_footer(x->service->rules, &x->judge.request, &server, 1, &x->no);
	buf_init(&says, LIMIT_REPLY_TEXT + 400);
	if (refused)
		buf_printf(&says, "%d %s%s%s", x->no.code, x->no.enhanced, *x->no.enhanced ? " " : "", x->no.text);
	else
		buf_z(&says, "accepted");
	if (x->undecided.n)
		buf_printf(&says, " (if a probe of %.*s finds it good)", STR_ARG(x->undecided));
	ROW_ADD(&x->rows, x->at == ACCESS_AT_ETRN ? "etrn" : "client", x->client, buf_view(&says));
	buf_fini(&says);
}

/* ask - true: the answer comes later. A probe would go to somebody's server, and seconds can pass unseen */
static bool ask(struct explanation *x)
{
	struct access_run *run = &x->judge.run;

	if (run->question != ACCESS_SLEEP && run->question != ACCESS_PROBE)
		return judge_ask(&x->judge);
	if (run->question == ACCESS_PROBE) {
		x->undecided = arena_str(&x->arena, run->asked);
		row_text(&x->rows, "note", "not decided here: no probe is sent, it is taken for good");
	}
	access_answer(run, &(struct access_answer){ .code = 250, .enhanced = "", .text = "" });
	return false;
}

/* judge_on - false: it waits */
static bool judge_on(struct explanation *x)
{
	enum access_outcome o;

	while ((o = access_next(&x->judge.run)) != ACCESS_DONE)
		if (o == ACCESS_ASK && ask(x))
			return false;
	return true;
}

static void go_on(struct explanation *x)
{
	for (; x->at < ACCESS_EVENTS; x->at++) {
		bool refused = !x->judging && !before_lists(x);

		/* a client need not say ETRN */
		if (!refused && !x->judging && (x->at != ACCESS_AT_ETRN || *x->service->conf->smtpd_etrn_restrictions)) {
			fill_request(x);
			x->judging = judge_begin(&x->judge, x->service->rules, x->at, &x->no);
		}
		if (x->judging && !judge_on(x))
			return;
		refused = refused || (x->judging && !judge_done(&x->judge)) || !after_lists(x);
		if (refused && x->judge.run.say && x->judging)
			row_text(&x->rows, "note", "%s", x->judge.run.say);
		if (x->at < ACCESS_AT_ETRN && (refused || x->at + 1 == ACCESS_AT_ETRN)) {
			put_verdict(x, refused);
			x->at = ACCESS_AT_END;
		} else if (x->at == ACCESS_AT_ETRN && x->judging) {
			put_verdict(x, refused);
		}
		x->judging = false;
	}
	finish(x, NULL);
}

static void on_judged(struct judge *j)
{
	go_on(LIST_ITEM(j, struct explanation, judge));
}

/* --- the client: who it is --------------------------------------------------------------------------------------------- */

static void begin_events(struct explanation *x)
{
	x->judge.dns = x->world.judge_dns;
	x->judge.arena = &x->arena;
	x->judge.wake = on_judged;
	row_text(&x->rows, "note", "a client %s[%.*s] of port %u (%s)", x->name, STR_ARG(x->client), x->service->port, x->service->name);
	go_on(x);
}

static void on_name(void *ctx, enum dns_status status, const char *name, const char *why)
{
	struct explanation *x = ctx;
	struct str reverse;

	x->name_query = NULL;
	x->name_state = judge_name(status, &name, why, &reverse);
	format_text(x->name, sizeof(x->name), "%s", name);
	format_text(x->reverse, sizeof(x->reverse), "%.*s", STR_ARG(reverse));
	begin_events(x);
}

static void begin_client(struct explanation *x)
{
	if (x->address.family != AF_UNSPEC && x->service->conf->smtpd_peername_lookup)
		x->name_query = dns_lookup_name(x->world.name_dns, &x->address, on_name, x);
	else
		begin_events(x);
}

/* --- the request -------------------------------------------------------------------------------------------------------- */

/* find_service - of port, or the first that takes mail */
static const struct service *find_service(const struct settings *s, uint16_t port)
{
	for (size_t i = 0; i < s->n_services; i++)
		if (s->services[i].rules && (!port || s->services[i].port == port))
			return &s->services[i];
	return NULL;
}

/* with_blanks - those in quotes came as tabs */
static struct str with_blanks(struct arena *a, struct str word)
{
	char *z = arena_alloc(a, word.n + 1);

	for (size_t i = 0; z && i < word.n; i++)
		z[i] = word.p[i] == '\t' ? ' ' : word.p[i];
	return z ? str_make(z, word.n) : STR_EMPTY;
}

/* parse - NULL, or what is wrong */
static const char *parse(struct explanation *x, struct str request)
{
	const struct { struct str word; struct str *value; } words[] = { { STR("from="), &x->sender_given }, { STR("client="), &x->client },
		{ STR("helo="), &x->helo }, { STR("sasl="), &x->login } };
	struct str word;
	uint64_t port = 0;

	while (str_word(&request, " ", &word)) {
		size_t i = 0;

		word = with_blanks(&x->arena, word);
		while (i < sizeof(words) / sizeof(words[0]) && !str_starts(word, words[i].word))
			i++;
		if (i < sizeof(words) / sizeof(words[0]))
			*words[i].value = str_from(word, words[i].word.n);
		else if (!str_starts(word, STR("port=")))
			x->rcpt_given = word;
		else if (!str_to_u64(str_from(word, 5), &port) || !port || port > UINT16_MAX)
			return "port= wants a number";
	}
	if (!x->client.n && !x->helo.n && !x->login.n && !port)
		return NULL;
	if (x->client.n && !ipaddr_parse(x->client, &x->address))
		return "client= wants an address";
	if (!x->client.n)
		x->client = STR("unknown");
	x->service = find_service(x->world.settings, (uint16_t)port);
	return x->service ? NULL : "no such port takes mail here";
}

/* parse_path - as MAIL and RCPT take it: without a source route. What is no path stays as it is */
static void parse_path(struct explanation *x, struct str *address)
{
	struct addr a;
	struct str rest;

	if (addr_parse_path(&x->arena, arena_printf(&x->arena, "<%.*s>", STR_ARG(*address)), &a, &rest) && !rest.n)
		*address = a.full;
}

static void begin(struct explanation *x)
{
	parse_path(x, &x->rcpt_given);
	parse_path(x, &x->sender_given);
	x->rcpt = rewrite_address(router_of(x), &x->arena, x->rcpt_given, true);
	if (!str_eq(x->rcpt, x->rcpt_given))
		row_text(&x->rows, "note", "rewritten to %.*s", STR_ARG(x->rcpt));
	x->sender = rewrite_address(router_of(x), &x->arena, x->sender_given, true);
	if (!x->sender.p)
		x->sender = STR("");
	explain_sender(x);
	explain_recipient(x);
	if (x->service)
		begin_client(x);
	else
		finish(x, NULL);
}

struct explanation *explain_begin(const struct explain_world *w, struct str request, explain_fn fn, void *ctx)
{
	struct explanation *x = MEM_NEW(struct explanation);
	const char *wrong;
	bool ended = false;

	x->world = *w;
	x->fn = fn;
	x->ctx = ctx;
	x->sender_given = STR("");
	x->address.family = AF_UNSPEC;
	x->ended = &ended;
	w->settings->n_users++;
	arena_init(&x->arena, LIMIT_FORWARD_ARENA);
	buf_init(&x->rows, LIMIT_EXPLAIN_ROWS);
	format_text(x->name, sizeof(x->name), "unknown");
	format_text(x->reverse, sizeof(x->reverse), "unknown");
	wrong = parse(x, request);
	if (wrong)
		finish(x, wrong);
	else
		begin(x);
	if (ended)
		return NULL;
	x->ended = NULL;
	return x;
}
