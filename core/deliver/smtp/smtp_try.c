/* smtp_try - one delivery on its way to a server that takes it: the candidates in order, what their policy demands, a session, and
 * what it says about the recipients. The last word is smtp_answer.c's. */
#include "core/deliver/smtp/smtp_try.h"

#include <errno.h>

#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_answer.h"
#include "core/deliver/smtp/smtp_report.h"
#include "core/deliver/smtp/smtp_tap.h"

static const struct smtp_session_ops ops;

/* --- life --------------------------------------------------------------------------------------------------------------- */

static void let_go(struct smtp_try *t)
{
	list_remove(&t->link);
	list_remove(&t->task.link);
	list_remove(&t->park.link);
	smtp_candidates_fini(&t->candidates);
	smtp_policy_fini(&t->policy);
	smtp_generic_free(t->generic);
	t->dest->tries--;
	smtp_dest_release(t->dest);
	smtp_profile_unref(t->profile);
	mem_free(t);
}

void smtp_try_free(struct smtp_try *t)
{
	if (t->session) {
		t->session->try = NULL;
		smtp_session_drop(t->session);
	}
	let_go(t);
}

static void finish(struct smtp_try *t)
{
	struct delivery_facts f = { .service = smtp_try_service(t), .conn_use = t->conn_use, .ready_at = t->ready_at, .probe = t->is_probe };
	struct deliver *d = t->d;
	struct delivery *job = t->job;
	smtp_try_end end = t->end;

	t->finish_due = true;
	if (t->starting) {
		loop_defer(d->o.loop, &t->task);
		return;
	}
	let_go(t);
	end(d, job, &f);
}

/* --- connecting ----------------------------------------------------------------------------------------------------------- */

/* pass_by - a host that the domain's policy does not name is not even called */
static bool pass_by(struct smtp_try *t)
{
	const struct tls_demand *x = t->policy.demand;

	bool message = x && tls_wish_insists(x->wish);

	if (!x || !x->failed.code || (!x->sts_foreign && !message))
		return false;
	smtp_step(t, DELIVER_STEP_FAILED, &x->failed);
	if (x->sts_foreign)
		smtp_report_passed(t->d, t->profile, &t->target, x);
	smtp_answer_log(t, x->failed.text);
	smtp_answer_remember(t, &x->failed, &t->target, !message);
	return true;
}

/* true: somebody will call back */
static bool open_target(struct smtp_try *t)
{
	struct smtp_dest *x = t->dest;
	int64_t limit = conf_transport_int(t->profile->conf, t->job->dest->transport->name, "destination_concurrency_limit");
	char where[300];
	struct reply r;
	int error;

	if (pass_by(t))
		return false;
	if (limit > 0 && x->open >= (uint64_t)limit) {
		list_append(&x->parked, &t->park.link);
		smtp_pool_make_room(x);
		return true;
	}
	t->session = smtp_session_open(t, &ops);
	if (t->session) {
		t->session->plain = t->plain;
		t->session->backup = t->candidates.best_failed < t->target.rank;
		t->session->shared = t->candidates.shared;
		t->session->others = !smtp_candidates_is_last(&t->candidates);
		t->plain = false;
		return true;
	}
	error = errno;
	t->plain = false;
	smtp_target_where(&t->target, where);
	reply_set(&r, 451, "4.4.1", "connect to %s: %s", where, conn_error_text(error));
	log_info(smtp_try_service(t), "%s", r.text);
	smtp_answer_remember_connect(t, &r, smtp_has_no_way(error));
	return false;
}

/* true: somebody will call back */
static bool ask_and_open(struct smtp_try *t)
{
	return !smtp_policy_ask(&t->policy, t->d, t->profile, &t->target, smtp_policy_wish(t->profile, t->job, &t->target)) || open_target(t);
}

/* go_on - with the next server that gives us a session, or with the last word */
static void go_on(struct smtp_try *t)
{
	enum smtp_next got;

	while ((got = smtp_candidates_next(&t->candidates, &t->target)) == SMTP_NEXT_FOUND) {
		if (ask_and_open(t))
			return;
		smtp_candidates_note_failed(&t->candidates, &t->target);
	}
	if (got == SMTP_NEXT_WAIT)
		return;
	smtp_answer_left(t);
	finish(t);
}

static void on_candidates(struct smtp_candidates *c)
{
	go_on(LIST_ITEM(c, struct smtp_try, candidates));
}

static void on_site_failed(struct smtp_candidates *c, const struct reply *r)
{
	struct smtp_try *t = LIST_ITEM(c, struct smtp_try, candidates);

	smtp_step(t, DELIVER_STEP_FAILED, r);
	smtp_answer_remember(t, r, NULL, true);
	if (!smtp_candidates_is_last(c))
		smtp_answer_log(t, r->text);
}

static void on_policy(struct smtp_policy *q)
{
	struct smtp_try *t = LIST_ITEM(q, struct smtp_try, policy);

	if (!open_target(t))
		go_on(t);
}

static void on_park(struct smtp_park *x)
{
	struct smtp_try *t = LIST_ITEM(x, struct smtp_try, park);

	loop_defer(t->d->o.loop, &t->task);
}

static void on_task(struct loop_task *task)
{
	struct smtp_try *t = LIST_ITEM(task, struct smtp_try, task);

	if (t->finish_due)
		finish(t);
	else if (!open_target(t))
		go_on(t);
}

/* --- start ------------------------------------------------------------------------------------------------------------------ */

static void start_candidates(struct smtp_try *t)
{
	struct deliver *d = t->d;

	t->candidates.d = d;
	t->candidates.profile = t->profile;
	t->candidates.domain = addr_split(t->job->rcpts[0]->addr).domain;
	t->candidates.turn = &t->dest->turn;
	t->candidates.go_on = on_candidates;
	t->candidates.failed = on_site_failed;
	smtp_candidates_start(&t->candidates, str_of(t->job->dest->nexthop),
		t->profile->lmtp || d->o.ask ? STR_EMPTY : str_of(t->profile->conf->smtp_fallback_relay));
}

static struct smtp_try *make(struct deliver *d, struct delivery *job, bool is_probe, smtp_try_end end)
{
	size_t each = sizeof(struct rcpt *) + sizeof(size_t) + sizeof(bool);
	struct smtp_try *t = mem_alloc(sizeof(*t) + job->n * each);

	t->d = d;
	t->job = job;
	t->is_probe = is_probe;
	t->end = end;
	t->rcpts = (const struct rcpt **)(void *)(t + 1);
	t->rows = (size_t *)(void *)(t->rcpts + job->n);
	t->accepted = (bool *)(t->rows + job->n);
	t->left = job->n;
	t->profile = smtp_profile_find(d, job->dest->transport);
	t->dest = smtp_dest_get(d, job->dest);
	t->dest->tries++;
	t->policy.go_on = on_policy;
	t->park.go = on_park;
	loop_task_init(&t->task, on_task);
	list_init(&t->park.link);
	t->generic = smtp_generic_new(d, t->profile, job);
	list_append(&d->tries, &t->link);
	start_candidates(t);
	return t;
}

/* give_up - before anybody was asked: nobody could do better */
static void give_up(struct smtp_try *t, const struct reply *r)
{
	smtp_answer_remember(t, r, NULL, false);
	smtp_answer_left(t);
	finish(t);
}

static struct smtp_try *on_take(struct smtp_session *s, struct delivery *job)
{
	return make(s->d, job, false, deliver_finish);
}

struct smtp_try *smtp_try_start(struct deliver *d, struct delivery *job, bool is_probe, smtp_try_end end)
{
	struct smtp_try *t = make(d, job, is_probe, end);
	struct smtp_session *s;

	t->starting = true;
	if (t->generic && t->generic->failed.code) {
		give_up(t, &t->generic->failed);
		t->starting = false;
		return t;
	}
	s = smtp_pool_take(t->dest, t->profile, job);
	if (s)
		smtp_session_serve(s, t);
	else
		go_on(t);
	t->starting = false;
	return t;
}

static void end_asking(struct deliver *d, struct delivery *job, struct delivery_facts *f)
{
	(void)f;
	d->o.done(d->o.ctx, job);
}

void smtp_start(struct deliver *d, struct delivery *job)
{
	bool asks = d->o.ask || d->o.stop;

	smtp_try_start(d, job, asks, asks ? end_asking : deliver_finish);
}

/* --- what a session tells ------------------------------------------------------------------------------------------------------ */

static void on_ready(struct smtp_try *t, struct smtp_session *s)
{
	t->session = s;
	t->ready_at = loop_wall(t->d->o.loop);
	t->conn_use = s->uses;
	t->stale = false;
	t->n_tx = 0;
	for (size_t i = 0; i < t->job->n; i++) {
		if (t->job->results[i].reply.code)
			continue;
		t->rcpts[t->n_tx] = t->generic ? &t->generic->rcpts[i] : t->job->rcpts[i];
		t->rows[t->n_tx] = i;
		t->accepted[t->n_tx++] = false;
	}
	if (s->uses > 1)
		return;
	smtp_dead_forget(t->d, &s->target);
	smtp_candidates_note_session(&t->candidates, &s->target, true);
}

static void on_rcpt(struct smtp_try *t, size_t i, const struct reply *r)
{
	struct smtp_session *s = t->session;

	if (i >= t->n_tx)
		return;
	smtp_step(t, DELIVER_STEP_RCPT, r);
	if (t->d->o.every_address)
		return;
	if (reply_verdict(r) == VERDICT_DONE) {
		t->accepted[i] = true;
		if (t->is_probe)
			smtp_answer_sent(t, i, r, false);
	} else if (r->code == 421 && s->uses > 1 && s->client.phase == SMTP_PHASE_MAIL) {
		t->stale = true;
	} else {
		t->accepted[i] = false;
		smtp_answer_refused(t, i, r);
	}
}

static void on_done(struct smtp_try *t, ptrdiff_t i, const struct reply *r, bool no_dsn)
{
	bool ok = reply_verdict(r) == VERDICT_DONE;
	size_t from = i < 0 ? 0 : (size_t)i, to = i < 0 ? t->n_tx : (size_t)i + 1;

	for (size_t k = from; k < to && k < t->n_tx; k++) {
		if (!t->accepted[k])
			continue;
		t->accepted[k] = false;
		if (ok)
			smtp_answer_sent(t, k, r, no_dsn);
		else
			smtp_answer_refused(t, k, r);
	}
}

static void on_over(struct smtp_try *t)
{
	t->session = NULL;
	if (t->left)
		go_on(t);
	else
		finish(t);
}

static void on_stopped(struct smtp_try *t, const struct reply *r)
{
	t->session = NULL;
	for (size_t i = 0; i < t->job->n; i++)
		smtp_answer_give(t, i, r, "none", "", r->code >= 400);
	finish(t);
}

static void on_failed(struct smtp_try *t, enum smtp_blame blame, const struct reply *r)
{
	struct smtp_session *s = t->session;
	usec now = loop_now(t->d->o.loop);
	bool login_failed = s->login_failed && t->job->dest->by_login;

	if (s->client.unsure)
		smtp_answer_forget(t);
	if (!s->answered)
		smtp_policy_doubt(t->d, s->demand);
	if (t->left)
		smtp_step(t, DELIVER_STEP_FAILED, r);
	t->session = NULL;
	if (s->uses > 1 && (t->stale || s->client.unsure || !s->answered)) {
		/* it was closed while it waited, or a reply too many to the delivery before came into this one: that says
		 * nothing about the host, but silence does */
		if (s->silent)
			smtp_dead_mark(t->d, &s->target, t->profile->timeout[SMTP_PHASE_CONNECT]);
		/* what comes now is a connection of its own, and the time until it is there belongs to it */
		t->conn_use = 0;
		t->ready_at = 0;
		go_on(t);
		return;
	}
	if (blame == SMTP_BLAME_FINAL)
		smtp_answer_accepted(t, s, r);
	if (!t->left) {
		finish(t);
		return;
	}
	/* a login of one sender's that fails says nothing about the host: other senders' mail goes on */
	if (!s->answered && !s->own_failed && s->target.address.family != AF_UNSPEC)
		smtp_dead_mark(t->d, &s->target, blame == SMTP_BLAME_CONNECT ? now - s->opened_at : 0);
	smtp_candidates_note_failed(&t->candidates, &t->target);
	if (blame != SMTP_BLAME_CONNECT && s->uses == 0)
		smtp_candidates_note_session(&t->candidates, &s->target, false);
	if (blame == SMTP_BLAME_CONNECT)
		log_info(smtp_try_service(t), "%s", r->text);
	else if (!smtp_candidates_is_last(&t->candidates))
		smtp_answer_log(t, r->text);
	if (blame == SMTP_BLAME_CONNECT)
		smtp_answer_remember_connect(t, r, s->no_way);
	else
		smtp_answer_remember(t, r, &s->target, !s->answered && (!s->own_failed || login_failed));
	t->login_failed = login_failed;
	go_on(t);
}

static void on_retry(struct smtp_try *t, bool plain)
{
	t->session = NULL;
	t->plain = plain;
	if (!ask_and_open(t))
		go_on(t);
}

static const struct smtp_session_ops ops = {
	.ready = on_ready, .rcpt = on_rcpt, .done = on_done, .over = on_over, .failed = on_failed, .retry = on_retry, .stopped = on_stopped,
	.take = on_take,
};
