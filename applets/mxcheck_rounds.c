/* mxcheck_rounds - one round after the other, and what is shown of each. */
#include "applets/mxcheck.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/term.h"
#include "core/msg/date.h"
#include "core/probe/probe_out.h"
#include "core/probe/probe_seen.h"

#define PROGRESS_EVERY (USEC_PER_SEC / 10)
#define POOL_FROM 8                    /* targets from which TLS handshakes get threads of their own */

struct rounds {
	struct mxcheck *k;
	FILE *to;
	bool colour, first;
	char **before;                 /* what each target was like in the last round */
	size_t changes, problems;
	struct probe_metrics metrics;
	usec shown_at;                 /* the progress line */
	int worst;
};

/* --- showing -------------------------------------------------------------------------------------------------------- */

static void clear_progress(struct rounds *r)
{
	if (r->shown_at)
		fputs("\r\033[K", stderr);
	r->shown_at = 0;
}

static void on_progress(void *ctx, size_t finished)
{
	struct rounds *r = ctx;
	usec now = loop_now(r->k->opt.loop);

	if (r->shown_at && now - r->shown_at < PROGRESS_EVERY)
		return;
	fprintf(stderr, "\r%zu of %zu, %zu with problems\033[K", finished, r->k->n, r->problems);
	r->shown_at = now ? now : 1;
}

static void show_text(struct rounds *r, const struct probe *p, size_t at)
{
	if (!r->first) {
		r->changes += probe_changes(p, &r->before[at], r->to, r->colour);
		return;
	}
	probe_print_text(p, r->to, &(struct probe_style){ .colour = r->colour, .verbose = r->k->verbose, .quiet = r->k->quiet,
		.width = r->to == stdout ? term_width(STDOUT_FILENO) : 0 });
	if (r->before)
		probe_changes(p, &r->before[at], r->to, r->colour);
}

static void on_show(void *ctx, struct probe *p, size_t at)
{
	struct rounds *r = ctx;
	int code = p->exit_code ? p->exit_code : p->count[PROBE_PROBLEM] > 0;

	if (code == PROBE_EXIT_GOOD)
		code = EX_OK;

	r->problems += p->count[PROBE_PROBLEM] > 0;
	if (r->to == stdout)
		clear_progress(r);
	if (r->k->form == MXCHECK_NAGIOS)
		code = probe_print_nagios(p, r->to);
	else if (r->k->form == MXCHECK_JSON)
		probe_print_json(p, r->to);
	else if (r->k->form == MXCHECK_PROMETHEUS)
		probe_metrics_add(&r->metrics, p);
	else if (r->k->form == MXCHECK_HTML)
		probe_print_html(p, r->to);
	else
		show_text(r, p, at);
	r->worst = code > r->worst ? code : r->worst;
}

/* --- rounds --------------------------------------------------------------------------------------------------------- */

/* say_when - the end of a further round */
static void say_when(struct rounds *r)
{
	usec now = r->k->opt.now;
	char text[40];

	if (r->first || r->k->form != MXCHECK_TEXT || (r->k->quiet && !r->changes))
		return;
	date_rfc3339(text, now, date_offset(now));
	fprintf(r->to, "%s: %zu change%s\n", text, r->changes, r->changes == 1 ? "" : "s");
}

static int one_round(struct rounds *r)
{
	struct mxcheck *k = r->k;
	static const probe_start_fn starts[] = { [MXCHECK_LOOK] = probe_start, [MXCHECK_RCPT] = probe_rcpt_start,
		[MXCHECK_RELAY] = probe_relay_start, [MXCHECK_OPEN_RELAY] = probe_open_start, [MXCHECK_DKIM] = probe_dkim_start };
	struct probe_list list = { .opt = &k->opt, .start = starts[k->mode], .targets = k->targets, .n = k->n,
		.parallel = k->mode == MXCHECK_LOOK || k->mode == MXCHECK_DKIM ? PROBE_PARALLEL : PROBE_ASK_PARALLEL, .show = on_show,
		.progress = k->progress ? on_progress : NULL, .ctx = r };
	char *text = NULL;
	size_t n = 0;
	int code = EX_OK;

	r->to = k->output ? open_memstream(&text, &n) : stdout;
	r->worst = 0;
	r->changes = r->problems = 0;
	k->opt.now = clock_wall();
	k->opt.dns = dns_new(k->opt.loop, &k->dns);
	k->opt.seen = probe_seen_new();
	if (!r->to || !k->opt.dns) {
		code = applet_fail(EX_OSERR, "cannot wait for events: %s", strerror(errno));
	} else {
		probe_metrics_init(&r->metrics);
		if (k->form == MXCHECK_HTML)
			probe_html_begin(r->to, k->opt.now);
		probe_list_run(&list);
		clear_progress(r);
		if (k->form == MXCHECK_PROMETHEUS)
			probe_metrics_print(&r->metrics, k->opt.now, r->to);
		if (k->form == MXCHECK_HTML)
			probe_html_end(r->to);
		say_when(r);
		probe_metrics_fini(&r->metrics);
	}
	probe_seen_free(k->opt.seen);
	if (k->opt.dns)
		dns_free(k->opt.dns);
	if (r->to && k->output)
		fclose(r->to);
	if (!code && k->output && fs_replace(k->output, 0644, str_make(text, n)) < 0)
		code = applet_fail(EX_CANTCREAT, "cannot write %s: %s", k->output, strerror(errno));
	free(text);
	return code;
}

static int all_rounds(struct rounds *r)
{
	struct mxcheck *k = r->k;
	usec next = clock_mono();
	int code = EX_OK;

	for (uint64_t round = 1; !code; round++) {
		code = one_round(r);
		r->first = false;
		if (!k->every || round == k->rounds)
			break;
		if (!k->output)
			code = code ? code : applet_close_output(EX_OK);
		next += k->every;
		next = next < clock_mono() ? clock_mono() : next;
		while (!code && clock_mono() < next)
			loop_tick(k->opt.loop, next - clock_mono());
	}
	return code ? code : applet_close_output(r->worst);
}

int mxcheck_rounds(struct mxcheck *k)
{
	struct rounds r = { .k = k, .first = true };
	struct pool *pool = k->n >= POOL_FROM ? pool_new(LIMIT_POOL_THREADS) : NULL;
	int code;

	r.colour = !k->output && applet_colour(stdout);
	if (k->every && k->form == MXCHECK_TEXT)
		r.before = mem_alloc(k->n * sizeof(*r.before));
	k->opt.loop = loop_new();
	if (k->opt.loop && pool)
		loop_use_pool(k->opt.loop, pool);
	code = k->opt.loop ? all_rounds(&r) : applet_fail(EX_OSERR, "cannot wait for events: %s", strerror(errno));
	for (size_t i = 0; r.before && i < k->n; i++)
		mem_free(r.before[i]);
	mem_free(r.before);
	if (k->opt.loop && pool)
		loop_use_pool(k->opt.loop, NULL);
	if (pool)
		pool_free(pool);
	if (k->opt.loop)
		loop_free(k->opt.loop);
	return code;
}
