/* act - see act.h. One row for each action: its word in the log, what its argument must be, what it does. */
#include "core/cleanup/act.h"

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/msg/header.h"

static const char *const where_words[] = { [ACT_HEADER] = "header", [ACT_BODY] = "body" };

/* --- the log ---------------------------------------------------------------------------------------------------------- */

static void log_origin(struct log_line *l, const struct envelope *e)
{
	if (e->client_addr.n)
		log_words(l, " from %.*s[%.*s];", STR_ARG(e->client_name), STR_ARG(e->client_addr));
	else
		log_words(l, " from local;");
	if (e->client_addr.n) {
		log_key(l, "client", e->client_addr);
		log_key(l, "name", e->client_name);
	}
}

/* log_found - what a check found, as keys */
static void log_found(struct log_line *l, const char *where, struct str content, struct str text)
{
	log_key(l, "where", str_of(where));
	log_key(l, "found", content);
	log_key(l, "text", text);
}

/* log_sent - Postfix's client says less than its cleanup */
static void log_sent(const struct acts *a, const char *what, enum act_where where, struct str content, struct str text)
{
	struct str shown = str_head(content, LIMIT_CHECK_SENT_LOGGED);
	struct log_line l;

	log_begin(&l, a->service, 0, a->qid);
	log_event(&l, LOG_SEV_INFO, what, "%s: %s %.*s%s%.*s", what, where_words[where], STR_ARG(shown), text.n ? ": " : "", STR_ARG(text));
	log_found(&l, where_words[where], shown, text);
	log_end(&l);
}

static void log_action(const struct acts *a, const char *what, enum act_where where, struct str content, struct str text)
{
	const struct envelope *e = a->envelope;
	struct log_line l;

	log_begin(&l, "cleanup", 0, a->qid);
	log_words(&l, "%s: %s %.*s", what, where_words[where], STR_ARG(str_head(content, LIMIT_CHECK_LOGGED)));
	log_origin(&l, e);
	log_key(&l, "event", str_of(what));
	log_found(&l, where_words[where], str_head(content, LIMIT_CHECK_LOGGED), text);
	l.spaced = true;
	l.fields = 1;
	log_addr(&l, "from", e->sender);
	if (e->n_rcpts)
		log_addr(&l, "to", e->rcpts[e->n_rcpts - 1].addr);
	if (e->proto.n)
		log_str(&l, "proto", e->proto);
	if (e->helo.n)
		log_addr(&l, "helo", e->helo);
	if (text.n)
		log_words(&l, ": %.*s", STR_ARG(text));
	log_end(&l);
}

void acts_log_fault(const struct acts *a, const char *fault, struct str content)
{
	const struct envelope *e = a->envelope;
	struct log_line l;

	log_begin(&l, "cleanup", 0, a->qid);
	log_words(&l, "reject: mime-error %s: %.*s", fault, STR_ARG(str_head(content, LIMIT_CHECK_LOGGED / 2)));
	log_origin(&l, e);
	log_key(&l, "event", STR("reject"));
	log_found(&l, "mime-error", str_head(content, LIMIT_CHECK_LOGGED / 2), str_of(fault));
	l.spaced = true;
	l.fields = 1;
	log_addr(&l, "from", e->sender);
	log_addr(&l, "to", e->n_rcpts ? e->rcpts[e->n_rcpts - 1].addr : STR("unknown"));
	log_end(&l);
}

/* --- what actions do -------------------------------------------------------------------------------------------------- */

void acts_refuse(struct acts *a, struct str words)
{
	struct str code = STR_EMPTY, text = words;
	char enhanced[12] = "";

	a->over = true;
	a->hold = false;
	if (a->bounces && words.n && *words.p != '4') {
		a->envelope->refused = arena_str(a->arena, words);
		return;
	}
	str_cut(&text, ' ', &code);
	if (code.n < sizeof(enhanced))
		bytes_copy(enhanced, code.p, code.n);
	reply_set(&a->refusal, enhanced[0] == '4' ? 451 : 550, enhanced, "%.*s", STR_ARG(str_head(text, LIMIT_REPLY_TEXT / 2)));
}

static void reject(struct acts *a, struct action *x)
{
	struct str code = x->enhanced.n ? x->enhanced : STR("5.7.1"), text = x->text.n ? x->text : STR("message content rejected");
	char first = code.p[0];

	if (first != '4' && first != '5') {
		log_warn("cleanup", "bad DSN action in %.*s %.*s -- need 4.x.x or 5.x.x", STR_ARG(code), STR_ARG(text));
		first = '4';
	}
	x->text = arena_printf(a->arena, "%c%.*s %.*s", first, STR_ARG(str_from(code, 1)), STR_ARG(str_head(text, LIMIT_REPLY_TEXT / 2)));
	acts_refuse(a, x->text);
}

static void nothing(struct acts *a, struct action *x)
{
	(void)a;
	(void)x;
}

static void pass(struct acts *a, struct action *x)
{
	(void)x;
	a->over = true;
}

static void discard(struct acts *a, struct action *x)
{
	(void)x;
	a->over = a->discard = true;
}

static void hold(struct acts *a, struct action *x)
{
	(void)x;
	a->hold = true;
}

static void redirect(struct acts *a, struct action *x)
{
	a->redirect = arena_str(a->arena, x->text);
	a->over = true;
}

static void redirect_outside(struct acts *a, struct action *x)
{
	a->redirect = arena_str(a->arena, x->text);
}

static void add_bcc(struct acts *a, struct action *x)
{
	struct act_bcc **at = &a->bcc;
	size_t n = 0;

	for (; *at; at = &(*at)->next, n++)
		if (str_ieq((*at)->address, x->text))
			return;
	if (n == LIMIT_CHECK_BCC) {
		acts_refuse(a, STR("4.3.5 Error: checks add too many recipients"));
		return;
	}
	*at = ARENA_NEW(a->arena, struct act_bcc);
	if (*at)
		(*at)->address = arena_str(a->arena, x->text);
}

static void filter(struct acts *a, struct action *x)
{
	a->hold = true;
	a->envelope->held = arena_printf(a->arena, "FILTER %.*s: relaybox has no content filters", STR_ARG(x->text));
}

static bool is_address(struct str text)
{
	return str_chr(text, '@') >= 0;
}

static bool is_transport(struct str text)
{
	return str_chr(text, ':') >= 0;
}

static bool is_field(struct str text)
{
	size_t colon;

	return header_name_length(text, &colon) > 0;
}

static const struct act_row {
	enum action_kind kind;
	const char *word;                          /* in the log; NULL: nothing is said */
	void (*act)(struct acts *a, struct action *x);
	void (*outside)(struct acts *a, struct action *x); /* of an access table, where that is another thing */
	enum act_text text;
	bool argument;                             /* it must have one … */
	bool (*is_one)(struct str text);           /* … of that kind; PREPEND, REPLACE: in a header */
	const char *needs;
	bool needs_queue;
	bool sends;                                /* it may be done to mail on its way out */
} rows[] = {
	{ ACTION_REJECT, "reject", reject, NULL, ACT_KEEP, false, NULL, NULL, false, false },
	{ ACTION_WARN, "warning", nothing, NULL, ACT_KEEP, false, NULL, NULL, false, true },
	{ ACTION_INFO, "info", nothing, NULL, ACT_KEEP, false, NULL, NULL, false, true },
	{ ACTION_FILTER, "filter", filter, NULL, ACT_KEEP, true, is_transport, "transport:destination", true, false },
	{ ACTION_PASS, "pass", pass, NULL, ACT_KEEP, false, NULL, NULL, false, false },
	{ ACTION_DISCARD, "discard", discard, NULL, ACT_KEEP, false, NULL, NULL, false, false },
	{ ACTION_HOLD, "hold", hold, NULL, ACT_KEEP, false, NULL, NULL, true, false },
	{ ACTION_PREPEND, "prepend", nothing, NULL, ACT_PREPEND, true, is_field, "\"headername: headervalue\"", false, true },
	{ ACTION_REPLACE, "replace", nothing, NULL, ACT_REPLACE, true, is_field, "\"headername: headervalue\"", false, true },
	{ ACTION_REDIRECT, "redirect", redirect, redirect_outside, ACT_KEEP, true, is_address, "user@domain", true, false },
	{ ACTION_BCC, "bcc", add_bcc, NULL, ACT_KEEP, true, is_address, "user@domain", true, false },
	{ ACTION_STRIP, "strip", nothing, NULL, ACT_DROP, false, NULL, NULL, false, true },
	{ ACTION_IGNORE, NULL, nothing, NULL, ACT_DROP, false, NULL, NULL, false, true },
	{ ACTION_DUNNO, NULL, nothing, NULL, ACT_KEEP, false, NULL, NULL, false, true },
	{ ACTION_OK, NULL, nothing, NULL, ACT_KEEP, false, NULL, NULL, false, true },
};

static const struct act_row *find_row(enum action_kind kind)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].kind == kind)
			return &rows[i];
	return NULL;
}

/* --- checks ----------------------------------------------------------------------------------------------------------- */

static const char *service_of(const struct acts *a)
{
	return a->sends ? a->service : "cleanup";
}

static bool is_argument_good(const struct acts *a, const struct act_row *row, const struct action *x, enum act_where where, const char *table)
{
	bool text = row->text == ACT_PREPEND || row->text == ACT_REPLACE;

	if (!row->argument || (x->text.n && text && where == ACT_BODY))
		return true;
	if (!x->text.n)
		log_warn(service_of(a), "%s action without text in %s map", action_word(x->kind), table);
	else if (!row->is_one(x->text))
		log_warn(service_of(a), "bad %s %s \"%.*s\" in %s map -- need %s", action_word(x->kind),
			row->is_one == is_address ? "target" : row->is_one == is_transport ? "command" : "header text", STR_ARG(x->text), table,
			row->needs);
	else
		return true;
	return false;
}

enum act_text acts_check(struct acts *a, struct str value, enum act_where where, struct str content, const char *table,
	struct action *action)
{
	const struct act_row *row;

	action_parse(value, where == ACT_HEADER ? ACTION_IN_HEADER : ACTION_IN_BODY, action);
	row = find_row(action->kind);
	if (!row || (a->sends && !row->sends)) {
		log_warn(service_of(a), "%s command in %s map: %.*s", a->sends ? "unsupported" : "unknown", table,
			STR_ARG(str_head(value, LIMIT_CHECK_LOGGED)));
		return ACT_KEEP;
	}
	if (!is_argument_good(a, row, action, where, table))
		return ACT_KEEP;
	if (row->needs_queue && a->queueless) {
		acts_refuse(a, STR("4.3.5 an action of header_checks or body_checks needs the queue: start relayd"));
		return ACT_KEEP;
	}
	/* what is held already, or dropped, is not held again */
	if (action->kind == ACTION_HOLD && (a->hold || a->discard))
		return ACT_KEEP;
	row->act(a, action);
	if (row->word && !a->quiet)
		(a->sends ? log_sent : log_action)(a, row->word, where, content, action->text);
	return row->text;
}

/* --- access tables ---------------------------------------------------------------------------------------------------- */

void acts_wishes(struct acts *a, const struct action_wish *w)
{
	for (; w; w = w->next) {
		const struct act_row *row = find_row(w->action.kind);
		struct action x = w->action;

		if (row)
			(row->outside ? row->outside : row->act)(a, &x);
	}
}

/* --- recipients --------------------------------------------------------------------------------------------------------- */

bool acts_add_bcc(struct acts *a, struct router *r)
{
	struct envelope *e = a->envelope;
	size_t more = 0;
	struct rcpt *v;

	for (const struct act_bcc *b = a->bcc; b; b = b->next)
		more++;
	if (!more)
		return true;
	v = ARENA_ARRAY(a->arena, struct rcpt, e->n_rcpts + more);
	if (!v)
		return false;
	if (e->n_rcpts)
		memcpy(v, e->rcpts, e->n_rcpts * sizeof(*v));
	e->rcpts = v;
	/* the sender does not hear of them */
	for (const struct act_bcc *b = a->bcc; b; b = b->next)
		e->rcpts[e->n_rcpts++] = (struct rcpt){ .addr = rewrite_address(r, a->arena, b->address, true), .notify = DSN_NOTIFY_NEVER };
	return !a->arena->overflow;
}

bool acts_redirect(struct acts *a, struct router *r)
{
	struct envelope *e = a->envelope;

	if (!a->redirect.n || !e->n_rcpts)
		return true;
	if (!e->rcpts[0].orig.n)
		e->rcpts[0].orig = e->rcpts[0].addr;
	e->rcpts[0].addr = rewrite_address(r, a->arena, a->redirect, true);
	e->n_rcpts = 1;
	return !a->arena->overflow;
}
