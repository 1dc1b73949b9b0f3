/* smtp_try - one delivery on its way to a server that takes it: next hops in order, their addresses in order, then the
 * fallback relays, then a last word.
 *
 * Postfix's rules (docs/postfix-semantics.md): a soft error of a server that is not the last moves on to the next one and
 * leaves only an info line; the last server's word counts. Hard errors about recipients count at once. A next hop that
 * somebody wrote down and that fails hard is a configuration problem: deferred, never bounced. An address that just
 * failed is put off to the end while others are left, so a dead first relay costs its timeout once, not per message. */
#include <errno.h>
#include <limits.h>

#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"

static void next_site(struct smtp_try *t);
static void next_address(struct smtp_try *t);
static bool open_target(struct smtp_try *t);

static const char *service(const struct smtp_try *t)
{
	return t->profile->lmtp ? "lmtp" : "smtp";
}

/* --- life --------------------------------------------------------------------------------------------------------------- */

static void let_go(struct smtp_try *t)
{
	list_remove(&t->link);
	list_remove(&t->task.link);
	list_remove(&t->park);
	smtp_hosts_cancel(t->hosts);
	t->dest->tries--;
	smtp_dest_release(t->dest);
	smtp_profile_unref(t->profile);
	mem_free(t->v);
	mem_free(t->skipped);
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
	struct delivery_facts f = { .service = service(t), .conn_use = t->conn_use, .ready_at = t->ready_at, .probe = t->is_probe };
	struct deliver *d = t->d;
	struct delivery *job = t->job;

	t->finish_due = true;
	if (t->starting) {
		loop_defer(d->o.loop, &t->task);
		return;
	}
	let_go(t);
	if (d->o.ask || d->o.stop)
		d->o.done(d->o.ctx, job);
	else if (f.probe)
		probe_finish(d, job, &f);
	else
		deliver_finish(d, job, &f);
}

static void on_task(struct loop_task *task)
{
	struct smtp_try *t = LIST_ITEM(task, struct smtp_try, task);

	if (t->finish_due)
		finish(t);
	else if (!open_target(t))
		next_address(t);
}

/* --- recipients --------------------------------------------------------------------------------------------------------- */

static void answer(struct smtp_try *t, size_t row, const struct reply *r, const char *relay, const char *mta, bool answered)
{
	struct delivery_result *x = &t->job->results[row];

	if (x->reply.code)
		return;
	x->reply = *r;
	x->answered = answered;
	format_text(x->relay, sizeof(x->relay), "%s", relay);
	format_text(x->remote_mta, sizeof(x->remote_mta), "%s", mta);
	t->left--;
}

/* the last word on everybody who is left */
static void finish_left(struct smtp_try *t)
{
	struct delivery *job = t->job;
	struct buf line;

	if (!t->left) {
		finish(t);
		return;
	}
	if (!t->why.code)
		reply_set(&t->why, 450, "4.3.0", "server unavailable or unable to receive mail");
	for (size_t i = 0; i < job->n; i++)
		answer(t, i, &t->why, t->why_relay[0] ? t->why_relay : "none", t->why_mta, t->why_answered);
	if (t->dest_bad && t->why.code < 500) {
		buf_init(&line, sizeof(job->dest_why) - 1);
		buf_str(&line, str_head(str_of(t->why.text), sizeof(job->dest_why) - 1));
		job->dest_failed = true;
		format_text(job->dest_why, sizeof(job->dest_why), "%s", buf_cstr(&line));
		buf_fini(&line);
	}
	finish(t);
}

static void set_why(struct smtp_try *t, const struct reply *r, const struct smtp_target *said_by, bool dest_bad)
{
	t->why = *r;
	t->why_relay[0] = t->why_mta[0] = 0;
	t->dest_bad = dest_bad;
	t->why_answered = false;
	if (said_by) {
		smtp_target_where(said_by, t->why_relay);
		/* a lost connection is our word, not the server's */
		if (str_starts(str_of(r->text), STR("host ")))
			format_text(t->why_mta, sizeof(t->why_mta), "%s", said_by->host);
	}
	if (r->code >= 500 && t->explicit) {
		log_warn(service(t), "%s configuration problem: %s", t->in_fallback ? "smtp_fallback_relay" : "next hop", t->site);
		t->why.code = 451;
		format_text(t->why.enhanced, sizeof(t->why.enhanced), "4.3.5");
	}
}

bool smtp_has_no_way(int error)
{
	return error == ENETUNREACH || error == EHOSTUNREACH || error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

/* set_connect_why - of several addresses the one that tells most is remembered: "Network is unreachable" of the last, IPv6, would
 * hide what the others said */
static void set_connect_why(struct smtp_try *t, const struct reply *r, bool no_way)
{
	if (!no_way || !t->why.code || t->why.code >= 500)
		set_why(t, r, NULL, true);
}

static void log_moving_on(struct smtp_try *t, const char *text)
{
	char qid[QID_MAX];

	deliver_qid(t->job, qid);
	log_text(LOG_SEV_INFO, service(t), 0, qid, "%s", text);
}

/* --- connecting ------------------------------------------------------------------------------------------------------------ */

static bool has_text(struct str list)
{
	struct str word;

	return str_word(&list, ", \t\r\n", &word);
}

bool smtp_try_is_last(const struct smtp_try *t)
{
	return !(t->at < t->limit && t->sessions_left > 0) && !has_text(t->sites) && !has_text(t->fallbacks) && !t->n_skipped;
}

/* true: somebody will call back */
static bool open_target(struct smtp_try *t)
{
	struct smtp_dest *x = t->dest;
	int64_t limit = conf_transport_int(t->profile->conf, t->job->dest->transport->name, "destination_concurrency_limit");
	char where[300];
	struct reply r;
	int error;

	if (limit > 0 && x->open >= (uint64_t)limit) {
		list_append(&x->parked, &t->park);
		smtp_pool_make_room(x);
		return true;
	}
	t->session = smtp_session_open(t, &t->target, t->plain, t->best_failed < t->target.rank);
	t->plain = false;
	if (t->session) {
		t->session->shared = t->shared;
		t->session->others = !smtp_try_is_last(t);
		return true;
	}
	error = errno;
	smtp_target_where(&t->target, where);
	reply_set(&r, 451, "4.4.1", "connect to %s: %s", where, conn_error_text(error));
	log_info(service(t), "%s", r.text);
	set_connect_why(t, &r, smtp_has_no_way(error));
	return false;
}

void smtp_try_unpark(struct smtp_try *t)
{
	list_remove(&t->park);
	loop_defer(t->d->o.loop, &t->task);
}

static void put_off(struct smtp_try *t)
{
	if (!t->skipped)
		t->skipped = mem_array(NULL, LIMIT_CLIENT_SKIPPED, sizeof(*t->skipped));
	t->skipped[t->n_skipped++] = t->target;
}

static void note_failed(struct smtp_try *t)
{
	if (t->target.rank < t->best_failed)
		t->best_failed = t->target.rank;
}

static void set_target(struct smtp_try *t, const struct smtp_candidate *x)
{
	t->target = (struct smtp_target){
		.address = x->address, .port = t->port, .rank = (t->site_number << 16) + x->preference,
		.explicit = t->explicit, .fallback = t->in_fallback,
	};
	memcpy(t->target.host, x->host, sizeof(t->target.host));
	memcpy(t->target.site, t->site, sizeof(t->target.site));
}

/* The next hop may have moved, and its old address be another's by now: the next try asks again, whatever the TTL said. */
static void forget_addresses(struct smtp_try *t)
{
	struct nexthop hop;
	struct buf why;

	buf_init(&why, 300);
	if (nexthop_parse(str_of(t->site), 25, &hop, &why) && !hop.unix_path)
		dns_forget(t->d->o.dns, hop.host);
	buf_fini(&why);
	for (size_t i = 0; i < t->n; i++)
		if (!i || strcmp(t->v[i].host, t->v[i - 1].host) != 0)
			dns_forget(t->d->o.dns, str_of(t->v[i].host));
}

static void next_address(struct smtp_try *t)
{
	while (t->at < t->limit && t->sessions_left > 0) {
		set_target(t, &t->v[t->at++]);
		if (smtp_dead_is(t->d, &t->target.address, t->port) && t->n_skipped < LIMIT_CLIENT_SKIPPED && !smtp_try_is_last(t)) {
			put_off(t);
			note_failed(t);
			continue;
		}
		if (open_target(t))
			return;
		note_failed(t);
	}
	if (t->dest_bad)
		forget_addresses(t);
	next_site(t);
}

static int compare(const struct ipaddr *a, const struct ipaddr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

/* Of the equal addresses that answer, the one after the last: exact turns per destination, whatever order the resolver
 * gives, for others ask it as well. */
static void take_turn(struct smtp_try *t)
{
	struct smtp_candidate *v = t->v, *best = NULL, first = v[0];
	const struct ipaddr *last = &t->dest->turn;
	size_t alive = 0;

	for (size_t i = 0; i < t->n && v[i].preference == v[0].preference; i++) {
		bool later = compare(&v[i].address, last) > 0;

		if (v[i].address.family != v[0].address.family || smtp_dead_is(t->d, &v[i].address, t->port))
			continue;
		alive++;
		if (!best || (later != (compare(&best->address, last) > 0) ? later : compare(&v[i].address, &best->address) < 0))
			best = &v[i];
	}
	t->shared = alive > 1;
	if (!t->shared || !t->profile->conf->smtp_randomize_addresses)
		return;
	v[0] = *best;
	*best = first;
	t->dest->turn = v[0].address;
}

/* --- next hops -------------------------------------------------------------------------------------------------------------- */

static void on_hosts(void *ctx, const struct smtp_hosts_result *r)
{
	struct smtp_try *t = ctx;
	const struct conf *c = t->profile->conf;

	t->hosts = NULL;
	if (r->we_are_mx)
		t->fallbacks = STR_EMPTY;
	if (r->failed.code) {
		smtp_step(t, DELIVER_STEP_FAILED, &r->failed);
		set_why(t, &r->failed, NULL, true);
		t->n = 0;
		forget_addresses(t);
		if (!smtp_try_is_last(t))
			log_moving_on(t, r->failed.text);
		next_site(t);
		return;
	}
	mem_free(t->v);
	t->v = mem_array(NULL, r->n, sizeof(*t->v));
	memcpy(t->v, r->v, r->n * sizeof(*t->v));
	t->n = r->n;
	t->at = 0;
	t->limit = c->smtp_mx_address_limit && (size_t)c->smtp_mx_address_limit < r->n ? (size_t)c->smtp_mx_address_limit : r->n;
	take_turn(t);
	t->sessions_left = c->smtp_mx_session_limit && !t->d->o.ask ? (unsigned)c->smtp_mx_session_limit : UINT_MAX;
	next_address(t);
}

static bool take_site(struct smtp_try *t)
{
	struct str word;

	if (!str_word(&t->sites, ", \t\r\n", &word)) {
		if (!str_word(&t->fallbacks, ", \t\r\n", &word))
			return false;
		t->in_fallback = true;
	}
	format_text(t->site, sizeof(t->site), "%.*s", STR_ARG(word));
	t->explicit = t->in_fallback || !str_ieq(word, addr_split(t->job->rcpts[0]->addr).domain) ||
		str_eq(word, str_of(t->d->o.conf->relayhost));
	t->site_number++;
	t->at = t->limit = 0;
	return true;
}

static bool refuse_site(struct smtp_try *t, const char *why)
{
	struct reply r;

	reply_set(&r, 550, "5.4.4", "Host or domain name not found. Next hop %s: %s", t->site, why);
	smtp_step(t, DELIVER_STEP_FAILED, &r);
	set_why(t, &r, NULL, true);
	return false;
}

static bool start_unix(struct smtp_try *t, struct str path)
{
	if (path.n >= sizeof(t->target.path))
		return refuse_site(t, "the path is too long");
	t->target = (struct smtp_target){ .explicit = true, .rank = t->site_number << 16 };
	memcpy(t->target.path, path.p, path.n);
	memcpy(t->target.site, t->site, sizeof(t->target.site));
	format_text(t->target.host, sizeof(t->target.host), "%s", t->profile->conf->myhostname);
	t->sessions_left = 0;
	return open_target(t);
}

/* true: somebody will call back */
static bool start_site(struct smtp_try *t)
{
	struct nexthop hop;
	struct buf why;
	bool ok;

	buf_init(&why, 300);
	ok = nexthop_parse(str_of(t->site), t->profile->lmtp ? 24 : 25, &hop, &why) || refuse_site(t, buf_cstr(&why));
	buf_fini(&why);
	if (!ok)
		return false;
	if (hop.unix_path)
		return start_unix(t, hop.host);
	t->port = hop.port;
	t->hosts = smtp_hosts_find(t->d, t->profile, hop.host, t->profile->use_mx && !hop.literal,
		!t->explicit && hop.port == 25 && !t->profile->lmtp && !t->d->o.ask, on_hosts, t);
	return true;
}

static void next_site(struct smtp_try *t)
{
	while (take_site(t))
		if (start_site(t))
			return;
	while (t->n_skipped) {
		t->target = t->skipped[--t->n_skipped];
		memcpy(t->site, t->target.site, sizeof(t->site));
		t->explicit = t->target.explicit;
		t->in_fallback = t->target.fallback;
		if (open_target(t))
			return;
	}
	finish_left(t);
}

/* --- start ------------------------------------------------------------------------------------------------------------------ */

static struct smtp_try *make(struct deliver *d, struct delivery *job, bool is_probe)
{
	size_t each = sizeof(struct rcpt *) + sizeof(size_t) + sizeof(bool);
	struct smtp_try *t = mem_alloc(sizeof(*t) + job->n * each);

	t->d = d;
	t->job = job;
	t->is_probe = is_probe;
	t->rcpts = (const struct rcpt **)(void *)(t + 1);
	t->rows = (size_t *)(void *)(t->rcpts + job->n);
	t->accepted = (bool *)(t->rows + job->n);
	t->left = job->n;
	t->best_failed = UINT_MAX;
	t->profile = smtp_profile_find(d, job->dest->transport);
	t->dest = smtp_dest_get(d, job->dest);
	t->dest->tries++;
	t->sites = str_of(job->dest->nexthop);
	t->fallbacks = t->profile->lmtp || d->o.ask ? STR_EMPTY : str_of(t->profile->conf->smtp_fallback_relay);
	loop_task_init(&t->task, on_task);
	list_init(&t->park);
	list_append(&d->tries, &t->link);
	return t;
}

struct smtp_try *smtp_try_take(struct smtp_session *s, struct delivery *job)
{
	return make(s->d, job, false);
}

struct smtp_try *smtp_try_start(struct deliver *d, struct delivery *job, bool is_probe)
{
	struct smtp_try *t = make(d, job, is_probe);
	struct smtp_session *s;

	t->starting = true;
	s = smtp_pool_take(t->dest, t->profile);
	if (s)
		smtp_session_serve(s, t);
	else
		next_site(t);
	t->starting = false;
	return t;
}

void smtp_start(struct deliver *d, struct delivery *job)
{
	smtp_try_start(d, job, d->o.ask || d->o.stop);
}

/* --- what a session tells ------------------------------------------------------------------------------------------------------ */

void smtp_try_ready(struct smtp_try *t, struct smtp_session *s)
{
	t->session = s;
	t->ready_at = loop_wall(t->d->o.loop);
	t->conn_use = s->uses;
	t->stale = false;
	t->n_tx = 0;
	for (size_t i = 0; i < t->job->n; i++) {
		if (t->job->results[i].reply.code)
			continue;
		t->rcpts[t->n_tx] = t->job->rcpts[i];
		t->rows[t->n_tx] = i;
		t->accepted[t->n_tx++] = false;
	}
	if (s->uses > 1)
		return;
	smtp_dead_forget(t->d, &s->target);
	if (t->sessions_left && t->sessions_left != UINT_MAX)
		t->sessions_left--;
}

/* a server's no, with who said it to what; machine-made refusals have no server in them */
static void word_refusal(const struct smtp_session *s, const struct reply *r, struct reply *out)
{
	char said[300], enhanced[12];
	struct buf line;

	if (!s->answered) {
		*out = *r;
		return;
	}
	smtp_target_said(&s->target, said);
	memcpy(enhanced, reply_dsn(r), strnlen(reply_dsn(r), sizeof(enhanced) - 1) + 1);
	buf_init(&line, 2 * LIMIT_REPLY_TEXT);
	reply_line(&line, r);
	reply_set(out, r->code, enhanced, "host %s said: %s (in reply to %s)", said, buf_cstr(&line),
		smtp_phase_command(s->client.phase));
	buf_fini(&line);
}

/* A next hop that somebody wrote down wants a login or TLS that this configuration does not give it (RFC 4954 section 6, RFC 3207
 * section 4): as with a wrong password, mail waits for whoever can mend that. */
static bool wants_login(const struct smtp_session *s, const struct reply *r)
{
	static const char *const enhanced[] = { "5.7.8", "5.7.9", "5.7.11", "5.7.12" };
	bool wants = r->code == 530 || r->code == 534 || r->code == 535 || r->code == 538;

	for (size_t i = 0; i < sizeof(enhanced) / sizeof(enhanced[0]); i++)
		wants |= r->code >= 500 && !strcmp(r->enhanced, enhanced[i]);
	return wants && s->answered && s->target.explicit && !s->d->o.as_said;
}

static void make_later(struct smtp_try *t, const struct smtp_session *s, struct reply *r)
{
	log_warn(service(t), "next hop configuration problem: %s wants a login or TLS: %s", s->target.site, r->text);
	r->code = 454;
	r->enhanced[0] = '4';
}

static void refused(struct smtp_try *t, size_t i, const struct reply *r)
{
	struct smtp_session *s = t->session;
	struct reply worded;
	char where[300];

	bool others = s->uses > 1 ? s->others : !smtp_try_is_last(t);

	word_refusal(s, r, &worded);
	if (wants_login(s, r))
		make_later(t, s, &worded);
	if (reply_verdict(&worded) == VERDICT_LATER && others) {
		set_why(t, &worded, &s->target, false);
		t->why_answered = s->answered;
		log_moving_on(t, worded.text);
		return;
	}
	smtp_target_where(&s->target, where);
	answer(t, t->rows[i], &worded, where, s->answered ? s->target.host : "", s->answered);
}

static void sent(struct smtp_try *t, size_t i, const struct reply *r, bool no_dsn)
{
	struct smtp_session *s = t->session;
	char where[300];

	smtp_target_where(&s->target, where);
	t->job->results[t->rows[i]].relayed = no_dsn;
	answer(t, t->rows[i], r, where, s->target.host, true);
}

void smtp_try_rcpt(struct smtp_try *t, size_t i, const struct reply *r)
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
			sent(t, i, r, false);
	} else if (r->code == 421 && s->uses > 1 && s->client.phase == SMTP_PHASE_MAIL) {
		t->stale = true;
	} else {
		t->accepted[i] = false;
		refused(t, i, r);
	}
}

void smtp_try_done(struct smtp_try *t, ptrdiff_t i, const struct reply *r, bool no_dsn)
{
	bool ok = reply_verdict(r) == VERDICT_DONE;
	size_t from = i < 0 ? 0 : (size_t)i, to = i < 0 ? t->n_tx : (size_t)i + 1;

	for (size_t k = from; k < to && k < t->n_tx; k++) {
		if (!t->accepted[k])
			continue;
		t->accepted[k] = false;
		if (ok)
			sent(t, k, r, no_dsn);
		else
			refused(t, k, r);
	}
}

void smtp_try_over(struct smtp_try *t)
{
	t->session = NULL;
	if (t->left)
		next_address(t);
	else
		finish(t);
}

/* the connection went after the whole content: those whom the server had accepted may have the message */
static void answer_accepted(struct smtp_try *t, const struct smtp_session *s, const struct reply *r)
{
	char where[300];

	smtp_target_where(&s->target, where);
	for (size_t i = 0; i < t->n_tx; i++)
		if (t->accepted[i]) {
			answer(t, t->rows[i], r, where, "", false);
			t->job->results[t->rows[i]].doubtful = true;
		}
}

void smtp_try_stopped(struct smtp_try *t, const struct reply *r)
{
	t->session = NULL;
	for (size_t i = 0; i < t->job->n; i++)
		answer(t, i, r, "none", "", r->code >= 400);
	finish(t);
}

/* the replies were out of step: what was said in this transaction may have been about something else */
static void forget_answers(struct smtp_try *t)
{
	for (size_t i = 0; i < t->n_tx; i++) {
		struct delivery_result *x = &t->job->results[t->rows[i]];

		t->accepted[i] = false;
		t->left += x->reply.code != 0;
		*x = (struct delivery_result){ .reply.code = 0 };
	}
}

void smtp_try_failed(struct smtp_try *t, enum smtp_blame blame, const struct reply *r)
{
	struct smtp_session *s = t->session;
	usec now = loop_now(t->d->o.loop);

	if (s->client.unsure)
		forget_answers(t);
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
		next_site(t);
		return;
	}
	if (blame == SMTP_BLAME_FINAL)
		answer_accepted(t, s, r);
	if (!t->left) {
		finish(t);
		return;
	}
	if (!s->answered && s->target.address.family != AF_UNSPEC)
		smtp_dead_mark(t->d, &s->target, blame == SMTP_BLAME_CONNECT ? now - s->opened_at : 0);
	note_failed(t);
	if (blame != SMTP_BLAME_CONNECT && s->uses == 0 && t->sessions_left && t->sessions_left != UINT_MAX)
		t->sessions_left--;
	if (blame == SMTP_BLAME_CONNECT)
		log_info(service(t), "%s", r->text);
	else if (!smtp_try_is_last(t))
		log_moving_on(t, r->text);
	if (blame == SMTP_BLAME_CONNECT)
		set_connect_why(t, r, s->no_way);
	else
		set_why(t, r, &s->target, !s->answered);
	next_address(t);
}

void smtp_try_retry(struct smtp_try *t, bool plain)
{
	t->session = NULL;
	t->plain = plain;
	if (!open_target(t))
		next_address(t);
}
