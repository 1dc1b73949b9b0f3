/* postfix - start, stop and steer relayd by the words of Postfix's postfix(1). Each is what relayd or relayctl does already. */
#include "applets/postfix.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/store/store.h"
#include "core/view/control.h"

#define STOP_LOOK (20 * 1000)                  /* microseconds between two looks */
#define STOP_MORE (10 * USEC_PER_SEC)          /* beyond what relayd has for it: the queue is closed then */

static int run(int argc, char **argv);
static int do_start(void *ctx, const struct applet_verb *verb);
static int do_daemon(void *ctx, const struct applet_verb *verb);
static int do_stop(void *ctx, const struct applet_verb *verb);
static int do_status(void *ctx, const struct applet_verb *verb);
static int do_control(void *ctx, const struct applet_verb *verb);

static const struct opt options[] = {
	{ 'c', 'c', NULL, OPT_ARG, "DIR", "configuration directory" },
	{ 'v', 'v', NULL, OPT_NONE, NULL, "say more" },
	{ OPT_HELP, 'h', "help", OPT_NONE, NULL, "this text" },
	{ 0 },
};
static const struct applet_verb verbs[] = {
	{ "start", "", "start relayd in the background", do_start, 0, 0 },
	{ "start-fg", "", "be relayd, in the foreground", do_start, 0, 0 },
	{ "stop", "", "finish what is under way; return when relayd has ended", do_stop, 0, 0 },
	{ "reload", "", "read the configuration anew", do_control, 0, 0 },
	{ "status", "", "succeed if relayd runs", do_status, 0, 0 },
	{ "check", "", "say what is wrong with the configuration", do_daemon, 0, 0 },
	{ "flush", "", "try all queued mail now", do_control, 0, 0 },
	{ 0 },
};
const struct applet applet_postfix = {
	.name = "postfix", .summary = "start, stop and steer relayd",
	.usage = "[-c DIR] [-v] COMMAND", .options = options, .verbs = verbs, .run = run,
};

struct call {
	const char *directory;         /* of -c; NULL: none */
	bool verbose;
	struct conf *conf;             /* loaded when it is asked for */
};

/* ping - is there a relayd? What control_request says */
static int ping(const struct conf *c, struct buf *why)
{
	return control_request(c->queue_directory, "ping", stdout, why);
}

static bool runs(const struct conf *c)
{
	struct buf why;
	bool any;

	buf_init(&why, LIMIT_REPLY_TEXT);
	any = ping(c, &why) >= 0 || !control_is_silent(errno);
	buf_fini(&why);
	return any;
}

/* load_whole - to find a relayd that runs: that one can be stopped while what it would be started with is refused */
static void load_whole(struct call *x)
{
	struct conf_diag diag;

	conf_diag_init(&diag);
	x->conf = conf_load_whole(conf_default_directory(x->directory), NULL, &diag);
	if (diag.errors || x->verbose)
		conf_diag_print(&diag, stderr, applet_name());
	conf_diag_fini(&diag);
}

/* do_daemon - what relayd does by itself, with its options */
static int do_daemon(void *ctx, const struct applet_verb *verb)
{
	const struct { const char *verb, *option; } rows[] = { { "start", "-d" }, { "check", "-t" } };
	const struct call *x = ctx;
	const char *argv[6] = { "relayd" };
	int argc = 1;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].verb, verb->name))
			argv[argc++] = rows[i].option;
	if (x->verbose)
		argv[argc++] = "-v";
	if (x->directory) {
		argv[argc++] = "-c";
		argv[argc++] = x->directory;
	}
	return applet_relayd.run(argc, (char **)(uintptr_t)argv);
}

static int do_start(void *ctx, const struct applet_verb *verb)
{
	struct call *x = ctx;

	x->conf = applet_conf(x->directory, x->verbose);
	if (!x->conf)
		return EX_CONFIG;
	if (runs(x->conf))
		return applet_fail(EX_UNAVAILABLE, "relayd runs already, on %s", x->conf->queue_directory);
	return do_daemon(x, verb);
}

static int do_stop(void *ctx, const struct applet_verb *verb)
{
	struct call *x = ctx;
	usec until;
	int code;

	load_whole(x);
	code = applet_control(x->conf, verb->name, true);
	until = clock_mono() + x->conf->shutdown_delay + x->conf->shutdown_timeout + STOP_MORE;
	while (!code && (runs(x->conf) || store_in_use(x->conf->queue_directory))) {
		if (clock_mono() > until)
			return applet_fail(EX_TEMPFAIL, "relayd has not ended yet; what it is at, its log says");
		usleep(STOP_LOOK);
	}
	return code;
}

static int do_status(void *ctx, const struct applet_verb *verb)
{
	struct call *x = ctx;
	struct buf why;
	int code;

	load_whole(x);
	buf_init(&why, LIMIT_REPLY_TEXT);
	code = applet_asked(x->conf, ping(x->conf, &why), NULL, EX_UNAVAILABLE, &why);
	buf_fini(&why);
	if (!code)
		printf("relayd runs, on %s\n", x->conf->queue_directory);
	return applet_close_output(code);
}

static int do_control(void *ctx, const struct applet_verb *verb)
{
	struct call *x = ctx;

	load_whole(x);
	return applet_control(x->conf, verb->name, true);
}

static int run(int argc, char **argv)
{
	char **operands = mem_array(NULL, (size_t)argc + 1, sizeof(*operands));
	struct call x = { .directory = NULL };
	struct opt_parse o;
	const struct applet_verb *v = verbs;
	const char *word = NULL;
	int id, n, code;

	opt_init(&o, options, argc, argv, operands);
	while ((id = opt_next(&o)) != OPT_END && id != OPT_HELP && id != OPT_BAD) {
		x.directory = id == 'c' ? o.arg : x.directory;
		x.verbose |= id == 'v';
	}
	n = o.n_operands;
	word = n ? operands[0] : "";
	mem_free(operands);
	if (id == OPT_HELP)
		return applet_help(&applet_postfix);
	if (id == OPT_BAD)
		return applet_usage_error(&applet_postfix, "%s", o.error);
	while (v->name && strcmp(v->name, word) != 0)
		v++;
	if (!v->name || n != 1)
		return applet_usage_error(&applet_postfix, n == 1 ? "%s: no such command" : "one command is wanted%s", n == 1 ? word : "");
	code = v->run(&x, v);
	conf_free(x.conf);
	return code;
}
