/* trace - see trace.h. A line is found by ": QUEUEID: "; what it says is told from its first words by a table. */
#include "core/view/trace.h"

#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/buf.h"
#include "core/base/term.h"

struct event { struct str time, service, text; };

/* --- reading --------------------------------------------------------------------------------------------------------- */

/* json_value - the string of "key" in an object of our own, its escapes left but for \" and \\, which lose the backslash; in
 * place: the line is changed */
static struct str json_value(char *line, const char *key)
{
	char wanted[40], *from, *in, *out;

	snprintf(wanted, sizeof(wanted), "\"%s\":\"", key);
	from = strstr(line, wanted);
	if (!from)
		return STR_EMPTY;
	from += strlen(wanted);
	for (in = out = from; *in && *in != '"'; in++) {
		in += *in == '\\' && (in[1] == '"' || in[1] == '\\');
		*out++ = *in;
	}
	return str_make(from, (size_t)(out - from));
}

static bool parse_json(char *line, struct str qid, struct event *e)
{
	char wanted[80];

	snprintf(wanted, sizeof(wanted), "\"queue_id\":\"%.*s\"", STR_ARG(qid));
	if (!strstr(line, wanted))
		return false;
	e->text = str_from(json_value(line, "message"), qid.n + 2);
	e->service = json_value(line, "service");
	e->time = json_value(line, "time");
	return e->text.n && e->time.n;
}

static bool parse_text(const char *line, struct str qid, struct event *e)
{
	char wanted[80];
	const char *at;
	struct str head;
	ptrdiff_t end;

	snprintf(wanted, sizeof(wanted), "]: %.*s: ", STR_ARG(qid));
	at = strstr(line, wanted);
	if (!at)
		return false;
	e->text = str_trim(str_of(at + strlen(wanted)));
	head = str_make(line, (size_t)(at - line));
	end = str_rchr(head, '[');
	e->service = str_head(head, end < 0 ? 0 : (size_t)end);
	e->service = str_from(e->service, (size_t)(str_rchr(e->service, '/') + 1));
	/* "Nov 22 10:00:00" or one word */
	end = ascii_is_alpha(*line) ? 15 : str_chr(head, ' ');
	e->time = str_head(head, end < 0 ? 0 : (size_t)end);
	return true;
}

/* field - the value of "key=", up to what ends it */
static struct str field(struct str text, const char *key, const char *end)
{
	ptrdiff_t at = str_find(text, str_of(key));
	struct str v = str_from(text, at < 0 ? text.n : (size_t)at + strlen(key));
	ptrdiff_t n = str_find(v, str_of(end));

	return str_head(v, n < 0 ? v.n : (size_t)n);
}

/* --- telling ---------------------------------------------------------------------------------------------------------- */

static void tell_arrival(struct trace *t, const struct event *e, struct buf *out)
{
	struct str what = str_from(e->text, (size_t)(str_chr(e->text, '=') + 1));

	t->arrived = true;
	buf_printf(out, "%s%.*s", str_starts(e->text, STR("client=")) ? "arrived from " : str_starts(e->text, STR("uid=")) ?
		"submitted by uid " : "message-id ", STR_ARG(what));
}

static void tell_active(struct trace *t, const struct event *e, struct buf *out)
{
	/* that every try begins with it says nothing new */
	if (!t->active || str_find(e->text, STR("(queue active)")) < 0)
		buf_str(out, e->text);
	t->active = true;
}

static void follow(struct trace *t, struct str id)
{
	size_t i = 0;

	if (id.n < 5 || id.n >= sizeof(t->next[0]) || str_eq(id, t->qid))
		return;
	while (i < t->n_next && !str_eq(id, str_of(t->next[i])))
		i++;
	if (i < t->n_next || i == TRACE_NEXT)
		return;
	bytes_copy(t->next[i], id.p, id.n);
	t->next[i][id.n] = '\0';
	t->n_next++;
}

/* follow_queued - "250 2.0.0 Ok: queued as 8DE012082C", the id up to what belongs to none */
static void follow_queued(struct trace *t, struct str why)
{
	struct str id = field(why, "queued as ", "\n");
	size_t n = 0;

	while (n < id.n && (ascii_is_alnum(id.p[n]) || id.p[n] == '-' || id.p[n] == '_'))
		n++;
	follow(t, str_head(id, n));
}

static void tell_try(struct trace *t, const struct event *e, struct buf *out)
{
	struct str status = field(e->text, " status=", " "), relay = field(e->text, " relay=", ","), to = field(e->text, "to=<", ">");
	struct str why = field(e->text, " status=", "\n");

	t->sent += str_eq(status, STR("sent"));
	t->bounced += str_eq(status, STR("bounced"));
	t->deferred += str_eq(status, STR("deferred"));
	why = str_from(why, status.n + 2);
	if (str_ends(why, STR(")")))
		why.n--;
	if (str_eq(status, STR("sent")))
		follow_queued(t, why);
	buf_printf(out, "%-8.*s  %.*s  ", STR_ARG(status), STR_ARG(to));
	if (relay.n && !str_eq(relay, STR("none")))
		buf_printf(out, "%.*s after %.*ss: ", STR_ARG(relay), STR_ARG(field(e->text, " delay=", ",")));
	buf_str(out, why);
}

static void tell_removed(struct trace *t, const struct event *e, struct buf *out)
{
	struct buf time;

	buf_init(&time, LIMIT_LOG_LINE);
	term_cell(&time, e->time, 0);
	snprintf(t->removed, sizeof(t->removed), "%s", buf_cstr(&time));
	buf_fini(&time);
	buf_z(out, str_eq(e->service, STR("postsuper")) ? "deleted by an administrator" : "done: removed from the queue");
}

static void tell(struct trace *t, const struct event *e)
{
	static const struct { const char *starts; void (*tell)(struct trace *t, const struct event *e, struct buf *out); } table[] = {
		{ "client=", tell_arrival }, { "uid=", tell_arrival }, { "message-id=", tell_arrival }, { "from=", tell_active },
		{ "to=", tell_try }, { "removed", tell_removed },
	};
	struct buf line;
	size_t i = 0, n = sizeof(table) / sizeof(table[0]);

	buf_init(&line, 2 * LIMIT_LOG_LINE);
	while (i < n && !str_starts(e->text, str_of(table[i].starts)))
		i++;
	if (i < n)
		table[i].tell(t, e, &line);
	else
		buf_str(&line, e->text);
	if (!t->lines++)
		fputs(t->head, t->to);
	if (line.n) {
		struct buf shown;

		buf_init(&shown, 4 * LIMIT_LOG_LINE);
		term_cell(&shown, e->time, 0);
		buf_z(&shown, "  ");
		term_cell(&shown, buf_view(&line), 0);
		fprintf(t->to, "  %s\n", buf_cstr(&shown));
		buf_fini(&shown);
	}
	buf_fini(&line);
}

/* object_in - the JSON object of a line, if it is one: the line, or what stands behind a system logger's words */
static char *object_in(char *line)
{
	static const char begin[] = "{\"time\":\"";
	char *at = strstr(line, begin);

	return at && (at == line || (at[-1] == ' ' && !memchr(line, '{', (size_t)(at - line)))) ? at : NULL;
}

static void trace_log(struct trace *t, FILE *log)
{
	char *line = NULL, *object;
	size_t cap = 0;
	struct event e;

	rewind(log);
	while (getline(&line, &cap, log) > 0) {
		object = object_in(line);
		if (object ? parse_json(object, t->qid, &e) : parse_text(line, t->qid, &e))
			tell(t, &e);
	}
	free(line);
}

void trace_logs(struct trace *t, FILE *const *logs, size_t n)
{
	t->head = "what happened:\n";
	for (size_t i = 0; i < n; i++)
		trace_log(t, logs[i]);
	for (size_t k = 0; k < t->n_next; k++) {
		char head[80];
		struct trace there = { .qid = str_of(t->next[k]), .to = t->to, .head = head };

		snprintf(head, sizeof(head), "there, as %s:\n", t->next[k]);
		for (size_t i = 0; i < n; i++)
			trace_log(&there, logs[i]);
		for (size_t i = 0; i < there.n_next; i++)
			follow(t, str_of(there.next[i]));
	}
}
