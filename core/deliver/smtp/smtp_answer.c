/* smtp_answer - see smtp_answer.h. Postfix's rules (docs/postfix-semantics.md): a soft error of a server that is not the last moves on
 * to the next one and leaves only an info line; the last server's word counts. Hard errors about recipients count at once. A next
 * hop that somebody wrote down and that fails hard is a configuration problem: deferred, never bounced. */
#include "core/deliver/smtp/smtp_answer.h"

#include "core/base/format.h"
#include "core/base/log.h"
#include "core/deliver/deliver_private.h"

/* --- answers and the last word ------------------------------------------------------------------------------------------ */

void smtp_answer_give(struct smtp_try *t, size_t row, const struct reply *r, const char *relay, const char *mta, bool answered)
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
void smtp_answer_left(struct smtp_try *t)
{
	struct delivery *job = t->job;
	struct buf line;

	if (!t->left)
		return;
	if (!t->why.code)
		reply_set(&t->why, 450, "4.3.0", "server unavailable or unable to receive mail");
	for (size_t i = 0; i < job->n; i++)
		smtp_answer_give(t, i, &t->why, t->why_relay[0] ? t->why_relay : "none", t->why_mta, t->why_answered);
	if (t->dest_bad && t->why.code < 500) {
		buf_init(&line, sizeof(job->dest_why) - 1);
		buf_str(&line, str_head(str_of(t->why.text), sizeof(job->dest_why) - 1));
		job->dest_failed = true;
		job->dest_hopeless = t->login_failed;
		format_text(job->dest_why, sizeof(job->dest_why), "%s", buf_cstr(&line));
		buf_fini(&line);
	}
}

/* is_requiretls - the message asked for what this next hop has not: that is nobody's mistake */
static bool is_requiretls(const struct reply *r)
{
	return !strcmp(r->enhanced, "5.7.30") || !strcmp(r->enhanced, "5.7.10");
}

void smtp_answer_remember(struct smtp_try *t, const struct reply *r, const struct smtp_target *said_by, bool dest_bad)
{
	t->why = *r;
	t->why_relay[0] = t->why_mta[0] = 0;
	t->dest_bad = dest_bad;
	t->login_failed = false;
	t->why_answered = false;
	if (said_by) {
		smtp_target_where(said_by, t->why_relay);
		/* a lost connection is our word, not the server's */
		if (str_starts(str_of(r->text), STR("host ")))
			format_text(t->why_mta, sizeof(t->why_mta), "%s", said_by->host);
	}
	if (r->code >= 500 && t->candidates.explicit && !is_requiretls(r)) {
		log_warn(smtp_try_service(t), "%s configuration problem: %s",
			t->candidates.in_fallback ? "smtp_fallback_relay" : "next hop", t->candidates.site);
		t->why.code = 451;
		format_text(t->why.enhanced, sizeof(t->why.enhanced), "4.3.5");
	}
}

/* set_connect_why - of several addresses the one that tells most is remembered: "Network is unreachable" of the last, IPv6, would
 * hide what the others said */
void smtp_answer_remember_connect(struct smtp_try *t, const struct reply *r, bool no_way)
{
	if (!no_way || !t->why.code || t->why.code >= 500)
		smtp_answer_remember(t, r, NULL, true);
}

void smtp_answer_log(struct smtp_try *t, const char *text)
{
	char qid[QID_MAX];

	deliver_qid(t->job, qid);
	log_text(LOG_SEV_INFO, smtp_try_service(t), 0, qid, "%s", text);
}

/* --- what a server said ------------------------------------------------------------------------------------------------ */

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
	log_warn(smtp_try_service(t), "next hop configuration problem: %s wants a login or TLS: %s", s->target.site, r->text);
	r->code = 454;
	r->enhanced[0] = '4';
}

void smtp_answer_refused(struct smtp_try *t, size_t i, const struct reply *r)
{
	struct smtp_session *s = t->session;
	struct reply worded;
	char where[300];

	bool others = s->uses > 1 ? s->others : !smtp_candidates_is_last(&t->candidates);

	word_refusal(s, r, &worded);
	if (wants_login(s, r))
		make_later(t, s, &worded);
	/* nothing is for good: the next server may know better */
	if (s->d->o.conf->soft_bounce && others)
		reply_soften(&worded);
	if (reply_verdict(&worded) == VERDICT_LATER && others) {
		smtp_answer_remember(t, &worded, &s->target, false);
		t->why_answered = s->answered;
		smtp_answer_log(t, worded.text);
		return;
	}
	smtp_target_where(&s->target, where);
	smtp_answer_give(t, t->rows[i], &worded, where, s->answered ? s->target.host : "", s->answered);
}

void smtp_answer_sent(struct smtp_try *t, size_t i, const struct reply *r, bool no_dsn)
{
	struct smtp_session *s = t->session;
	char where[300];

	smtp_target_where(&s->target, where);
	t->job->results[t->rows[i]].relayed = no_dsn;
	smtp_answer_give(t, t->rows[i], r, where, s->target.host, true);
}

/* the connection went after the whole content: those whom the server had accepted may have the message */
void smtp_answer_accepted(struct smtp_try *t, const struct smtp_session *s, const struct reply *r)
{
	char where[300];

	smtp_target_where(&s->target, where);
	for (size_t i = 0; i < t->n_tx; i++)
		if (t->accepted[i]) {
			smtp_answer_give(t, t->rows[i], r, where, "", false);
			t->job->results[t->rows[i]].doubtful = true;
		}
}

/* the replies were out of step: what was said in this transaction may have been about something else */
void smtp_answer_forget(struct smtp_try *t)
{
	for (size_t i = 0; i < t->n_tx; i++) {
		struct delivery_result *x = &t->job->results[t->rows[i]];

		t->accepted[i] = false;
		t->left += x->reply.code != 0;
		*x = (struct delivery_result){ .reply.code = 0 };
	}
}
