/* trace_view - see trace_view.h. */
#include "core/view/trace_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/view/control.h"
#include "core/view/listing.h"
#include "core/view/trace.h"

struct logs { FILE *v[LIMIT_TRACE_LOGS]; size_t n; struct buf input; };

/* envelope_of - what the queue knows; true when it is there */
static bool envelope_of(const struct trace_view *v, struct str qid, char **text, size_t *n)
{
	char request[64];
	FILE *to = open_memstream(text, n);
	struct buf why, note;
	int r;

	if (!to)
		return false;
	buf_init(&why, LIMIT_REPLY_TEXT);
	snprintf(request, sizeof(request), "trace %.*s", STR_ARG(str_head(qid, 40)));
	r = control_request(v->conf->queue_directory, request, to, &why);
	if (r < 0 && control_is_silent(errno)) {
		buf_clear(&why);
		r = listing_offline_show(v->conf->queue_directory, qid, false, to, &why);
	}
	if (r && !str_eq(buf_view(&why), STR("no such message in the queue"))) {
		buf_init(&note, 2 * LIMIT_REPLY_TEXT);
		buf_printf(&note, "cannot look into the queue: %s", why.n ? buf_cstr(&why) : strerror(errno));
		v->note(buf_cstr(&note));
		buf_fini(&note);
	}
	buf_fini(&why);
	fclose(to);
	return r == 0;
}

/* spooled - standard input, where it can be read again: what became of a message may stand before it */
static FILE *spooled(struct buf *keep, FILE *to)
{
	size_t n = 1;

	buf_init(keep, LIMIT_TRACE_INPUT);
	while (n && buf_reserve(keep, 65536)) {
		n = fread(keep->p + keep->n, 1, 65536, stdin);
		keep->n += n;
	}
	if (keep->overflow)
		fprintf(to, "what happened: only the first %d bytes of standard input were read: give a log so long as a file\n", LIMIT_TRACE_INPUT);
	return keep->n ? fmemopen(keep->p, keep->n, "r") : fopen("/dev/null", "re");
}

static void add_log(struct logs *l, const char *name, bool must, FILE *to)
{
	FILE *f = strcmp(name, "-") ? fopen(name, "re") : l->input.p ? NULL : spooled(&l->input, to);

	if (f && l->n < LIMIT_TRACE_LOGS)
		l->v[l->n++] = f;
	else if (f)
		fclose(f);
	else if (must)
		fprintf(to, "what happened: not known: cannot read the log %s: %s\n", name, strerror(errno));
}

/* read_logs - those that were named, else ours, with the one that was rotated last before it; false when there is none to read (said) */
static bool read_logs(const struct trace_view *v, struct trace *t, const char *own)
{
	struct logs l = { .n = 0 };
	char before[LIMIT_CONTROL_LINE];

	if (!v->n_logs && !own) {
		fprintf(t->to, "what happened: not known here: the log is not a file (maillog_file); --log FILE reads one, --log - standard input\n");
		return false;
	}
	for (size_t i = 0; i < v->n_logs; i++)
		add_log(&l, v->logs[i], true, t->to);
	if (!v->n_logs) {
		snprintf(before, sizeof(before), "%s.1", own);
		add_log(&l, before, false, t->to);
		add_log(&l, own, true, t->to);
	}
	trace_logs(t, l.v, l.n);
	for (size_t i = 0; i < l.n; i++)
		fclose(l.v[i]);
	buf_fini(&l.input);
	return l.n > 0;
}

/* own_log - the file that relayd writes, of the two that may be; NULL: none */
static const char *own_log(const struct conf *c)
{
	const char *names[] = { c->maillog_file, c->log_also };

	for (size_t i = 0; i < 2; i++)
		if (names[i][0] == '/' && strncmp(names[i], "/dev/", 5) != 0)
			return names[i];
	return NULL;
}

static void tell_end(const struct trace *t, bool queued, const char *envelope, size_t n)
{
	FILE *to = t->to;

	if (queued) {
		fprintf(to, "now in the queue:\n");
		fwrite(envelope, 1, n, to);
	} else if (t->removed[0]) {
		fprintf(to, "now: not in the queue since %s; sent to %zu, bounced for %zu recipient%s, deferred %zu time%s before\n", t->removed,
			t->sent, t->bounced, t->bounced == 1 ? "" : "s", t->deferred, t->deferred == 1 ? "" : "s");
	} else {
		fprintf(to, "now: not in the queue; how it ended is not in this log\n");
	}
}

int trace_view_print(const struct trace_view *v, const char *qid, FILE *to, struct buf *why)
{
	struct trace t = { .qid = str_of(qid), .to = to };
	const char *own = own_log(v->conf), *name = v->n_logs == 1 ? v->logs[0] : v->n_logs || !own ? "" : own;
	char *envelope = NULL;
	size_t n = 0;
	bool queued = envelope_of(v, t.qid, &envelope, &n), readable = read_logs(v, &t, own), known = queued || t.lines;

	if (!known)
		buf_printf(why, "%s: no such message in the queue%s%s", qid, readable ? ", nor in the log " : "", readable ? name : "");
	else if (readable && !t.lines)
		fprintf(to, "what happened: not in the log %s\n", name);
	else if (readable && !t.arrived)
		fprintf(to, "how it came is not in this log: it is older\n");
	if (known)
		tell_end(&t, queued, envelope, n);
	free(envelope);
	return known ? 0 : -1;
}
