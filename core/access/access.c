/* access - the machine of the language of rules: stages of an event, a stack of lists, one question at a time.
 *
 * Each row says go on, permit, refuse, wait, call or tell (access_private.h). "permit" ends the list of its stage; a refusal ends
 * all. A refusal that is put off (defer_if_permit) waits to the end and is the answer then, unless something refuses for good. */
#include "core/access/access_private.h"

const struct access_stage_row access_stages[ACCESS_STAGES] = {
	[ACCESS_CLIENT] = { "smtpd_client_restrictions", "Client host" },
	[ACCESS_HELO] = { "smtpd_helo_restrictions", "Helo command" },
	[ACCESS_SENDER] = { "smtpd_sender_restrictions", "Sender address" },
	[ACCESS_RELAY] = { "smtpd_relay_restrictions", "Recipient address" },
	[ACCESS_RECIPIENT] = { "smtpd_recipient_restrictions", "Recipient address" },
	[ACCESS_DATA] = { "smtpd_data_restrictions", "Data command" },
	[ACCESS_END_OF_DATA] = { "smtpd_end_of_data_restrictions", "End-of-data" },
	[ACCESS_ETRN] = { "smtpd_etrn_restrictions", "Etrn command" },
};

/* the stages of each event, with smtpd_delay_reject and without. RCPT has its two last ones in either order */
static const struct {
	enum access_stage delayed[6], at_once[4];
	uint8_t n_delayed, n_at_once;
} events[ACCESS_EVENTS] = {
	[ACCESS_AT_CONNECT] = { .at_once = { ACCESS_CLIENT }, .n_at_once = 1 },
	[ACCESS_AT_HELO] = { .at_once = { ACCESS_HELO }, .n_at_once = 1 },
	[ACCESS_AT_MAIL] = { .at_once = { ACCESS_SENDER }, .n_at_once = 1 },
	[ACCESS_AT_RCPT] = { { ACCESS_CLIENT, ACCESS_HELO, ACCESS_SENDER, ACCESS_RELAY, ACCESS_RECIPIENT, ACCESS_RELAY },
		{ ACCESS_RELAY, ACCESS_RECIPIENT, ACCESS_RELAY }, 5, 2 },
	[ACCESS_AT_DATA] = { { ACCESS_DATA }, { ACCESS_DATA }, 1, 1 },
	[ACCESS_AT_END] = { { ACCESS_END_OF_DATA }, { ACCESS_END_OF_DATA }, 1, 1 },
	[ACCESS_AT_ETRN] = { { ACCESS_CLIENT, ACCESS_HELO, ACCESS_ETRN }, { ACCESS_ETRN }, 3, 1 },
};

static const enum access_stage *stages_of(const struct conf *c, enum access_event event, size_t *n)
{
	static const enum access_stage recipient_first[] = { ACCESS_CLIENT, ACCESS_HELO, ACCESS_SENDER, ACCESS_RECIPIENT, ACCESS_RELAY };

	*n = c->smtpd_delay_reject ? events[event].n_delayed : events[event].n_at_once;
	if (event == ACCESS_AT_RCPT && !c->smtpd_relay_before_recipient_restrictions)
		return c->smtpd_delay_reject ? recipient_first : recipient_first + 3;
	return c->smtpd_delay_reject ? events[event].delayed : events[event].at_once;
}

bool access_rules_ask(const struct access_rules *rules, enum access_event event)
{
	size_t n;
	const enum access_stage *stages = stages_of(rules->conf, event, &n);

	for (size_t i = 0; i < n; i++)
		if (rules->lists[stages[i]].n > 0)
			return true;
	return false;
}

/* --- what rows use ---------------------------------------------------------------------------------------------------- */

static enum access_stage stage_of(const struct access_run *r)
{
	return r->stages[r->stage];
}

struct str access_given(const struct access_request *q, bool sender)
{
	struct str given = sender ? q->sender_given : q->rcpt_given;

	return given.p ? given : sender ? q->sender : q->rcpt;
}

/* a list that a table's answer is speaks of what the table was asked about */
static enum access_who who_of(const struct access_run *r, enum access_who who)
{
	return who == ACCESS_WHO_STAGE && r->depth ? (enum access_who)r->stack[r->depth - 1].who : who;
}

static struct str who_text(const struct access_run *r, enum access_who who, struct buf *scratch)
{
	static const enum access_who of_stage[ACCESS_STAGES] = {
		[ACCESS_CLIENT] = ACCESS_WHO_CLIENT, [ACCESS_HELO] = ACCESS_WHO_HELO, [ACCESS_SENDER] = ACCESS_WHO_SENDER,
		[ACCESS_RELAY] = ACCESS_WHO_RECIPIENT, [ACCESS_RECIPIENT] = ACCESS_WHO_RECIPIENT,
	};
	const struct access_request *q = r->request;

	who = who_of(r, who);
	switch (who == ACCESS_WHO_STAGE ? of_stage[stage_of(r)] : who) {
	case ACCESS_WHO_CLIENT:
		buf_printf(scratch, "%.*s[%.*s]", STR_ARG(q->client_name), STR_ARG(q->client_address));
		return buf_view(scratch);
	case ACCESS_WHO_REVERSE:
		return q->reverse_name;
	case ACCESS_WHO_HELO:
		return q->helo;
	case ACCESS_WHO_SENDER:
		return access_given(q, true);
	case ACCESS_WHO_RECIPIENT:
		return access_given(q, false);
	case ACCESS_WHO_LOGIN:
		return q->login;
	case ACCESS_WHO_CCERT:
		return q->ccert_name;
	case ACCESS_WHO_STAGE:
		break;
	}
	return stage_of(r) == ACCESS_ETRN ? q->etrn : stage_of(r) == ACCESS_DATA ? STR("DATA") : STR("END-OF-MESSAGE");
}

const char *access_class(const struct access_run *r, enum access_who who)
{
	static const enum access_stage stages[] = {
		[ACCESS_WHO_CLIENT] = ACCESS_CLIENT, [ACCESS_WHO_HELO] = ACCESS_HELO, [ACCESS_WHO_SENDER] = ACCESS_SENDER,
		[ACCESS_WHO_RECIPIENT] = ACCESS_RECIPIENT,
	};

	who = who_of(r, who);
	if (who == ACCESS_WHO_CCERT)
		return "Client certificate";
	if (who == ACCESS_WHO_LOGIN)
		return "SASL login name";
	if (who == ACCESS_WHO_REVERSE)
		return "Unverified Client host";
	return access_stages[who == ACCESS_WHO_STAGE ? stage_of(r) : stages[who]].class;
}

enum access_says access_refuse(struct access_run *r, enum access_who who, int code, const char *enhanced, const char *why)
{
	const char *class = access_class(r, who);
	struct buf scratch;
	struct str text;

	buf_init(&scratch, 512);
	text = who_text(r, who, &scratch);
	reply_set(r->reply, code, enhanced, "<%.*s>: %s rejected: %s", STR_ARG(text), class, why);
	reply_fit(r->reply, class == access_stages[ACCESS_SENDER].class ? REPLY_ABOUT_SENDER :
		class == access_stages[ACCESS_RECIPIENT].class ? REPLY_ABOUT_RECIPIENT : REPLY_ABOUT_OTHER);
	buf_fini(&scratch);
	return ACCESS_REFUSE;
}

enum access_says access_temporary(struct access_run *r, struct str who)
{
	reply_set(r->reply, 451, "4.3.0", "<%.*s>: Temporary lookup failure", STR_ARG(who));
	return ACCESS_REFUSE;
}

enum access_says access_misconfigured(struct access_run *r, const char *what)
{
	r->say = what;
	reply_set(r->reply, 451, "4.3.5", "Server configuration error");
	return ACCESS_REFUSE;
}

enum access_says access_keep(struct access_run *r, struct access_later *later)
{
	if (later->code)
		return ACCESS_NEXT;
	later->code = r->reply->code;
	memcpy(later->enhanced, r->reply->enhanced, sizeof(later->enhanced));
	later->text = arena_str(r->request->arena, str_of(r->reply->text));
	return ACCESS_NEXT;
}

static void recall(struct access_run *r, const struct access_later *later)
{
	reply_set(r->reply, later->code, later->enhanced, "%.*s", STR_ARG(later->text));
}

enum access_says access_put_off(struct access_run *r, const char *action)
{
	const struct access_frame *now = &r->stack[r->depth - 1];

	/* under warn_if_reject it is a line in the log like any other refusal */
	if (now->warn_all || now->warn_next || str_ieq(str_of(action), STR("defer")))
		return ACCESS_REFUSE;
	return access_keep(r, &r->if_permit);
}

enum access_says access_ask(struct access_run *r, enum access_question question, struct str key)
{
	r->question = question;
	r->asked = key;
	return ACCESS_WAIT;
}

enum access_says access_call(struct access_run *r, const struct access_list *list)
{
	struct access_frame *now = &r->stack[r->depth - 1];
	bool warn = now->warn_all || now->warn_next;

	if (r->depth == LIMIT_ACCESS_DEPTH)
		return access_misconfigured(r, "restriction lists call each other without end");
	now->warn_next = false;
	now->at++;
	r->stack[r->depth] = (struct access_frame){ .list = list, .warn_all = warn, .who = r->stack[r->depth - 1].who };
	r->depth++;
	return ACCESS_CALL;
}

bool access_relay_is_asked(struct access_run *r)
{
	const enum access_stage *order = events[ACCESS_AT_RCPT].delayed;

	if (stage_of(r) != ACCESS_RECIPIENT || r->stage + 1 >= r->n_stages || r->stages[r->stage + 1] != ACCESS_RELAY)
		return true;
	r->stages = r->request->conf->smtpd_delay_reject ? order : events[ACCESS_AT_RCPT].at_once;
	r->depth = 0;
	return false;
}

/* --- going on --------------------------------------------------------------------------------------------------------- */

void access_begin(struct access_run *r, const struct access_rules *rules, enum access_event event, const struct access_request *q,
	struct reply *reply)
{
	r->request = q;
	r->reply = reply;
	r->rules = rules;
	r->stages = stages_of(rules->conf, event, &r->n_stages);
	r->stage = r->depth = 0;
	r->steps = 0;
	r->question = ACCESS_NO_QUESTION;
	r->if_permit = r->if_reject = (struct access_later){ 0 };
	r->result = ACTION_NONE;
	r->told = false;
	r->say = NULL;
	r->effect.kind = ACTION_NONE;
	r->reply->code = 0;
}

static enum access_outcome refused(struct access_run *r)
{
	if (r->if_reject.code && r->reply->code >= 500)
		recall(r, &r->if_reject);
	r->result = r->reply->code >= 500 ? ACTION_REJECT : ACTION_DEFER;
	return ACCESS_DONE;
}

/* is_early - judged before there is a recipient: what is put off waits for one */
static bool is_early(const struct access_run *r)
{
	return r->n_stages == 1 && r->stages[0] <= ACCESS_SENDER;
}

static enum access_outcome finished(struct access_run *r)
{
	r->result = ACTION_OK;
	if (!r->if_permit.code || is_early(r))
		return ACCESS_DONE;
	recall(r, &r->if_permit);
	r->result = ACTION_DEFER;
	return ACCESS_DONE;
}

/* the row under way is done with; what it said counts for the list */
static void row_done(struct access_run *r)
{
	struct access_frame *now = &r->stack[r->depth - 1];

	now->warn_next = false;
	now->at++;
}

/* take - what a row said; true: the owner is to be told */
static bool take(struct access_run *r, enum access_says says, enum access_outcome *out)
{
	const struct access_frame *now;
	bool warn;

	/* another list goes on, and the stack may be empty */
	if (says == ACCESS_CALL)
		return false;
	now = &r->stack[r->depth - 1];
	warn = now->warn_all || now->warn_next;
	switch (says) {
	case ACCESS_CALL:
	case ACCESS_NEXT:
		row_done(r);
		return false;
	case ACCESS_PERMIT:
		r->depth = 0;
		r->stage++;
		return false;
	case ACCESS_REFUSE:
		if (!warn) {
			*out = refused(r);
			return true;
		}
		r->say = "reject_warning";
		break;
	case ACCESS_WAIT:
		*out = ACCESS_ASK;
		return true;
	case ACCESS_TELL:
		break;
	case ACCESS_TELL_PERMIT:
		r->depth = 0;
		r->stage++;
		*out = ACCESS_SAY;
		return true;
	}
	row_done(r);
	*out = ACCESS_SAY;
	return true;
}

/* next_list - a list to go on with is on the stack; false when there is none left */
static bool next_list(struct access_run *r)
{
	while (r->depth && r->stack[r->depth - 1].at >= r->stack[r->depth - 1].list->n) {
		r->depth--;
		r->stage += !r->depth;
	}
	while (!r->depth && r->stage < r->n_stages) {
		const struct access_list *list = &r->rules->lists[stage_of(r)];

		if (r->request->trace)
			access_trace_list(r, stage_of(r));
		if (!list->n) {
			r->stage++;
			continue;
		}
		/* "defer if it would be refused" holds for its own list */
		r->if_reject.code = 0;
		r->stack[r->depth++] = (struct access_frame){ .list = list };
	}
	return r->depth > 0;
}

/* judge - and answered: what a row says, told to who asks why */
static enum access_says judge(struct access_run *r, const struct access_row *row, const struct access_answer *a)
{
	struct access_mark mark;
	enum access_says says;

	if (!r->request->trace)
		return a ? row->word->answered(r, row, a) : row->word->judge(r, row);
	mark = (struct access_mark){ .depth = r->depth, .put_off = r->if_permit.code, .if_reject = r->if_reject.code };
	map_watch(r->request->trace);
	says = a ? row->word->answered(r, row, a) : row->word->judge(r, row);
	map_watch(NULL);
	access_trace_row(r, row, says, &mark);
	return says;
}

enum access_outcome access_next(struct access_run *r)
{
	enum access_outcome out = ACCESS_DONE;

	if (r->result != ACTION_NONE)
		return ACCESS_DONE;
	if (r->told) {
		r->told = false;
		return ACCESS_SAY;
	}
	r->say = NULL;
	r->effect.kind = ACTION_NONE;
	while (next_list(r)) {
		struct access_frame *now = &r->stack[r->depth - 1];
		const struct access_row *row = &now->list->rows[now->at];

		if (row->word->flags & ACCESS_WARNS) {
			now->at++;
			now->warn_next = true;
			continue;
		}
		if (r->steps++ == LIMIT_ACCESS_STEPS) {
			access_misconfigured(r, "restriction lists call each other too often");
			return refused(r);
		}
		if (take(r, judge(r, row, NULL), &out))
			return out;
	}
	return finished(r);
}

void access_answer(struct access_run *r, const struct access_answer *a)
{
	const struct access_frame *now = &r->stack[r->depth - 1];
	const struct access_row *row = &now->list->rows[now->at];
	enum access_outcome out;

	r->question = ACCESS_NO_QUESTION;
	r->say = NULL;
	r->effect.kind = ACTION_NONE;
	r->told = take(r, judge(r, row, a), &out) && out == ACCESS_SAY;
}
