/* relayctl_queue - requests that are about mail in the queue: which there is, what became of it, how much; and what to do with it. */
#include "applets/relayctl.h"

#include <stdlib.h>
#include <unistd.h>

#include "applets/postcat.h"
#include "applets/postqueue.h"
#include "core/base/term.h"
#include "core/store/store.h"
#include "core/view/listing.h"
#include "core/view/stats_view.h"
#include "core/view/trace_view.h"
#include "core/view/watch.h"

static int rows_of_spool(const struct conf *c, const char *id, FILE *to, struct buf *why)
{
	return listing_offline(c->queue_directory, LISTING_ROWS, to, why);
}

int relayctl_queue(void *ctx, const struct applet_verb *verb)
{
	struct relayctl *x = ctx;
	char *text = NULL;
	size_t n = 0;
	int code = applet_answer(x->conf, "queue rows", NULL, rows_of_spool, &text, &n);

	x->view.form = x->ids ? QUEUE_IDS : x->json ? QUEUE_JSON : QUEUE_TABLE;
	x->view.width = term_width(STDOUT_FILENO);
	x->view.colour = applet_colour(stdout);
	x->view.from = x->from;
	if (!code && queue_view_print(&x->view, str_make(text, n), clock_wall(), stdout) < 0)
		code = applet_fail(EX_PROTOCOL, "relayd is of another version: its answer is not understood");
	free(text);
	return applet_close_output(code);
}

int relayctl_show(void *ctx, const struct applet_verb *verb)
{
	const struct relayctl *x = ctx;
	char *text = NULL;
	size_t n = 0;
	int code = message_text(x->conf, x->args[0], &text, &n);

	if (!code)
		fwrite(text, 1, n, stdout);
	free(text);
	return applet_close_output(code);
}

int relayctl_change(void *ctx, const struct applet_verb *verb)
{
	const struct relayctl *x = ctx;

	return change_queue(x->conf, verb->name, x->args, x->n_args);
}

int relayctl_flush(void *ctx, const struct applet_verb *verb)
{
	const struct relayctl *x = ctx;
	char request[LIMIT_CONTROL_LINE];
	unsigned long count = 0;
	uint64_t ignored;
	int code;

	if (!x->n_args)
		snprintf(request, sizeof(request), "flush");
	else
		snprintf(request, sizeof(request), "flush %s%.400s", qid_parse(str_of(x->args[0]), &ignored) ? "" : "site:", x->args[0]);
	code = change_request(x->conf, request, x->n_args ? x->args[0] : "flush", &count);
	if (!code)
		printf("Flushed: %lu message%s\n", count, count == 1 ? "" : "s");
	return applet_close_output(code);
}

int relayctl_trace(void *ctx, const struct applet_verb *verb)
{
	const struct relayctl *x = ctx;
	struct trace_view v = { .conf = x->conf, .logs = x->logs, .n_logs = x->n_logs, .note = applet_note };
	struct buf why;
	uint64_t ignored;
	int code = EX_OK;

	if (!qid_parse(str_of(x->args[0]), &ignored))
		return applet_fail(EX_USAGE, "%s: not a queue id", x->args[0]);
	buf_init(&why, LIMIT_REPLY_TEXT);
	if (trace_view_print(&v, x->args[0], stdout, &why) < 0)
		code = applet_fail(EX_NOINPUT, "%s", buf_cstr(&why));
	buf_fini(&why);
	return applet_close_output(code);
}

/* --- figures ---------------------------------------------------------------------------------------------------------- */

struct sampling {
	const struct relayctl *x;
	char *before;                  /* the sample before; NULL: none */
	size_t n_before;
	usec at;
};
static int sample(void *ctx)
{
	struct sampling *s = ctx;
	/* the window may have another size by now */
	struct stats_view v = { .json = s->x->json, .width = term_width(STDOUT_FILENO), .colour = applet_colour(stdout) };
	char *text = NULL;
	size_t n = 0;
	int code = applet_answer(s->x->conf, "stats", NULL, NULL, &text, &n);
	usec now = clock_mono();

	if (!code && s->x->watch && !v.json && v.width)
		fputs("\033[H\033[J", stdout);
	if (!code)
		stats_view_print(&v, str_make(text, n), str_make(s->before, s->n_before), now - s->at, stdout);
	free(s->before);
	s->before = text;
	s->n_before = n;
	s->at = now;
	return applet_close_output(code);
}

int relayctl_stats(void *ctx, const struct applet_verb *verb)
{
	struct relayctl *x = ctx;
	struct sampling s = { .x = x };
	int code;

	if (x->n_args && (!x->watch || !conf_parse_time(str_of(x->args[0]), 's', &x->interval) || !x->interval))
		return applet_usage_error(&applet_relayctl, "stats takes an interval, with --watch");
	code = x->watch ? watch_repeat(x->interval, x->view.count, sample, &s) : sample(&s);
	free(s.before);
	return code;
}
