/* session_policy - may this be done? Runs the restriction lists of an event, and asks DNS and address probes what they ask. The answer
 * is data for session.c: nothing is sent or logged from here but what the lists want in the log. */
#include <time.h>

#include "core/base/format.h"
#include "core/base/log.h"
#include "core/daemon/known.h"
#include "core/daemon/session_private.h"
#include "core/smtp/grammar.h"

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

bool session_is_listed(struct session *s, struct str address, bool sender, struct reply *no)
{
	return known_here(&(struct known){ session_router(s), s->service->conf, s->smtp.envelope.sender, s->smtp.rcpt.full }, address, sender, no);
}

static bool is_listed(void *ctx, struct str address, bool sender, struct reply *no)
{
	return session_is_listed(ctx, address, sender, no);
}

/* --- questions -------------------------------------------------------------------------------------------------------- */

static void on_judged(struct judge *j)
{
	struct session *s = LIST_ITEM(j, struct session, judge);

	s->wake(s);
}

void session_policy_slept(struct session *s)
{
	judge_answer(&s->judge, &(struct access_answer){ .code = 250, .enhanced = "", .text = "" });
}

static void wait_seconds(struct session *s)
{
	uint64_t seconds = 0;

	(void)str_to_u64(s->judge.run.asked, &seconds);
	loop_timer_set(s->relay->loop, &s->timer, loop_now(s->relay->loop) + seconds * USEC_PER_SEC);
}

/* ask - true: the answer comes later */
static bool ask(struct session *s)
{
	if (s->judge.run.question != ACCESS_SLEEP)
		return judge_ask(&s->judge);
	wait_seconds(s);
	return true;
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
	struct access_request *q = &s->judge.request;
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

bool session_policy_begin(struct session *s, enum access_event event)
{
	if (!s->service->rules || s->uid >= 0 || !access_rules_ask(s->service->rules, event))
		return false;
	fill_request(s, event);
	s->judge.dns = s->relay->judge_dns;
	s->judge.verify = s->relay->verify;
	s->judge.arena = &s->arena;
	s->judge.wake = on_judged;
	return judge_begin(&s->judge, s->service->rules, event, s->answer);
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
	const struct access_run *run = &s->judge.run;
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
		switch (access_next(&s->judge.run)) {
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
			if (judge_done(&s->judge))
				s->answer->code = 0;
			else if (s->judge.run.say)
				log_text(LOG_SEV_WARNING, "smtpd", s->pid, NULL, "%s", s->judge.run.say);
			return true;
		}
	}
}

void session_policy_cancel(struct session *s)
{
	judge_cancel(&s->judge);
	if (s->judge.run.question == ACCESS_SLEEP)
		loop_timer_cancel(s->relay->loop, &s->timer);
}

/* --- behind a refusal -------------------------------------------------------------------------------------------------- */

void session_add_footer(struct session *s, struct reply *no)
{
	const struct sockaddr *peer = (const struct sockaddr *)&s->conn->peer;
	unsigned port = peer->sa_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)(const void *)peer)->sin6_port) :
		peer->sa_family == AF_INET ? ntohs(((const struct sockaddr_in *)(const void *)peer)->sin_port) : 0;
	const struct conf *c = s->service->conf;
	time_t now = (time_t)(loop_wall(s->relay->loop) / USEC_PER_SEC);
	char stamp[40] = "", number[12];
	struct access_value more[] = { { "client_port", STR_EMPTY }, { "localtime", STR_EMPTY }, { "server_name", str_of(c->myhostname) } };
	struct str sender = s->smtp.envelope.sender;
	struct tm tm;

	/* the empty sender is one, where there is a mail */
	if (!sender.n && s->event != SMTP_SERVER_HELO && !smtp_server_is_idle(&s->smtp))
		sender = STR("");
	format_text(number, sizeof(number), "%u", port);
	if (localtime_r(&now, &tm))
		strftime(stamp, sizeof(stamp), "%b %d %H:%M:%S", &tm);
	more[0].value = str_of(number);
	more[1].value = str_of(stamp);
	access_footer(s->service->rules, &(struct access_request){ .arena = &s->arena, .conf = c, .client_name = str_of(s->client_name),
		.client_address = str_of(s->client_address), .reverse_name = str_of(s->reverse_name), .helo = str_of(s->smtp.helo),
		.sender = sender, .rcpt = s->event == SMTP_SERVER_RCPT ? s->smtp.rcpt.full : STR_EMPTY }, more,
		sizeof(more) / sizeof(more[0]), no);
}

void session_on_refused(void *ctx, size_t at)
{
	struct session *s = ctx;
	struct buf *out = &s->conn->out;
	struct grammar_reply g = { .cut = false };
	struct str line = str_from(buf_view(out), at);
	const char *why;
	struct reply no;

	grammar_reply(&g, &line, &no, &why, NULL, NULL);
	out->n = at;
	session_add_footer(s, &no);
	reply_format(out, &no);
}
