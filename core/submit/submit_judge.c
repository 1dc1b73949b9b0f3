/* submit_judge - see submit_judge.h. */
#include "core/submit/submit_judge.h"

#include <sysexits.h>

#include "core/base/format.h"
#include "core/base/limits.h"

#define QUEUED_AS "queued as "

static void take_qid(const struct reply *r, struct submit_result *out)
{
	const char *at = strstr(r->text, QUEUED_AS);
	size_t n = 0;

	if (!at)
		return;
	at += sizeof(QUEUED_AS) - 1;
	while (n + 1 < sizeof(out->qid) && ascii_is_alnum(at[n])) {
		out->qid[n] = at[n];
		n++;
	}
	out->qid[n] = '\0';
}

static bool is_sent(const struct delivery_result *r)
{
	return reply_verdict(&r->reply) == VERDICT_DONE;
}

static void add_reason(struct buf *out, const struct delivery_result *r)
{
	buf_z(out, r->reply.text);
	if (r->doubtful)
		buf_z(out, "; the message may have been taken");
	/* the words that somebody who set it up looks for */
	if (strstr(r->reply.text, "SASL authentication failed; server"))
		buf_z(out, " (check user and password of the login)");
}

/* tell_reasons - each recipient that it was not sent to; a reason that all share stands once */
static void tell_reasons(const struct envelope *e, const struct delivery_result *results, bool named, struct buf *out)
{
	const struct delivery_result *last = NULL;
	bool same = e->n_rcpts > 1;

	for (size_t i = 0; i < e->n_rcpts; i++) {
		if (is_sent(&results[i]))
			continue;
		same = same && (!last || !strcmp(last->reply.text, results[i].reply.text));
		last = &results[i];
	}
	if (!last)
		return;
	if (same || !named) {
		add_reason(out, last);
		return;
	}
	for (size_t i = 0; i < e->n_rcpts; i++) {
		if (is_sent(&results[i]))
			continue;
		buf_printf(out, "%s%.*s: ", out->n ? "; " : "", STR_ARG(e->rcpts[i].addr));
		add_reason(out, &results[i]);
	}
}

/* code_of_refusals - what a caller should do: never mind (no such user, not allowed), or come back */
static int code_of_refusals(const struct envelope *e, const struct delivery_result *results, struct submit_result *out)
{
	bool later = false;

	for (size_t i = 0; i < e->n_rcpts; i++) {
		const struct reply *r = &results[i].reply;

		later |= reply_verdict(r) == VERDICT_LATER;
		if (reply_verdict(r) == VERDICT_NEVER && !out->refused)
			out->refused = !strncmp(r->enhanced, "5.1.", 4) ? EX_NOUSER : EX_UNAVAILABLE;
	}
	return later ? EX_TEMPFAIL : out->refused;
}

int submit_judge(const struct envelope *e, const struct delivery_result *results, struct submit_result *out, enum verdict *verdicts)
{
	size_t sent = 0, never = 0;
	struct buf reasons;

	out->refused = 0;
	out->answered = false;
	for (size_t i = 0; i < e->n_rcpts; i++) {
		verdicts[i] = reply_verdict(&results[i].reply);
		out->answered |= results[i].answered;
		never += verdicts[i] == VERDICT_NEVER;
		sent += is_sent(&results[i]);
		if (is_sent(&results[i]))
			take_qid(&results[i].reply, out);
	}
	if (sent == e->n_rcpts)
		return EX_OK;
	buf_init(&reasons, LIMIT_MAP_VALUE);
	tell_reasons(e, results, out->answered || never, &reasons);
	if (sent)
		format_text(out->why, sizeof(out->why), "sent, but not to %zu of %zu recipients: %s", e->n_rcpts - sent, e->n_rcpts,
			buf_cstr(&reasons));
	else
		format_text(out->why, sizeof(out->why), "%s%s", out->answered || never ? "refused: " : "", buf_cstr(&reasons));
	buf_fini(&reasons);
	return code_of_refusals(e, results, out);
}

bool submit_was_answered(const struct envelope *e, const struct delivery_result *results)
{
	for (size_t i = 0; i < e->n_rcpts; i++)
		if (results[i].answered || results[i].doubtful)
			return true;
	return false;
}
