/* relayd - the daemon's command line; everything else is core/daemon. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "applets/postconf.h"
#include "applets/postfix.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/daemon/identity.h"
#include "core/daemon/relay.h"
#include "core/view/control.h"

enum { OPT_HEALTH = OPT_FIRST_OWN, OPT_TAKEOVER };
static const struct opt options[] = {
	{ 'c', 'c', "config", OPT_ARG, "DIR", "configuration directory (MAIL_CONFIG, /etc/relaybox, /etc/postfix)" },
	{ 'o', 'o', "set", OPT_ARG, "NAME=VALUE", "override one main.cf parameter; may be repeated" },
	{ 't', 't', "check", OPT_NONE, NULL, "check the configuration and exit" },
	{ 'n', 'n', "non-default", OPT_NONE, NULL, "print the parameters that differ from their defaults and exit" },
	{ 'D', 'D', "defaults", OPT_NONE, NULL, "print every parameter with its default and exit" },
	{ 'x', 'x', "expand", OPT_NONE, NULL, "print every parameter with its value and exit; $names are expanded, with -n and -D too" },
	{ OPT_HEALTH, 0, "health", OPT_NONE, NULL, "ask the relayd that runs whether it is well, and exit: 0 yes, 1 no" },
	{ 'd', 'd', "daemon", OPT_NONE, NULL, "go to the background (the default is the foreground)" },
	{ OPT_TAKEOVER, 0, "takeover", OPT_NONE, NULL, "take over from the relayd that runs (see relayctl upgrade)" },
	{ 'v', 'v', "verbose", OPT_NONE, NULL, "log more; may be repeated" },
	{ 'h', 'h', "help", OPT_NONE, NULL, "show this help and exit" },
	{ 0, 0, NULL, OPT_NONE, NULL, NULL },
};

const struct applet applet_relayd;

/* note_directory - one that was named and is not there is a slip more often than a wish for the defaults */
static void note_directory(const char *directory)
{
	struct stat st;

	if (stat(directory, &st) < 0)
		applet_fail(0, "warning: configuration directory %s: %s: the defaults are used", directory, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		applet_fail(0, "warning: configuration directory %s: this is a file, not the directory of main.cf: the defaults are used", directory);
}

/* dump - also what is refused, with what is wrong on standard error */
static int dump(const char *directory, const char *const *extra, int job, bool expanded)
{
	struct conf_diag diag;
	struct conf *c;

	conf_diag_init(&diag);
	c = conf_load_whole(directory, extra, &diag);
	conf_diag_locate(&diag, c);
	conf_diag_print(&diag, stderr, "relayd");
	conf_dump(c, job == 'D' ? CONF_DUMP_DEFAULTS : job == 'n' ? CONF_DUMP_SET : CONF_DUMP_ALL, expanded, false, stdout);
	conf_diag_fini(&diag);
	conf_free(c);
	return EX_OK;
}

/* ask_health - for a container's health check, which knows 0 and 1. What the files say now is not asked: relayd serves with what it read */
static int ask_health(const char *directory, const char *const *extra)
{
	struct conf_diag diag;
	struct conf *c;
	struct buf why;
	int r;

	conf_diag_init(&diag);
	c = conf_load_whole(directory, extra, &diag);
	buf_init(&why, LIMIT_REPLY_TEXT);
	r = control_request(c->queue_directory, "health", stdout, &why);
	if (r == 0)
		puts("ok");
	else if (r > 0)
		applet_fail(0, "%s", buf_cstr(&why));
	else
		applet_fail(0, "no relayd answers at %s/control: %s", c->queue_directory, strerror(errno));
	buf_fini(&why);
	conf_diag_fini(&diag);
	conf_free(c);
	return applet_close_output(r == 0 ? 0 : 1);
}

/* log_refusal - why there is no start, for who reads the log as JSON; false: that is nobody */
static bool log_refusal(const char *directory, const char *const *extra, const struct conf_diag *found)
{
	struct conf_diag ignored;
	struct conf *c;
	bool told;

	conf_diag_init(&ignored);
	c = conf_load_whole(directory, extra, &ignored);
	conf_diag_fini(&ignored);
	told = c->log_format == CONF_LOG_JSON && relay_open_log(c, false) == 0;
	if (told) {
		relay_log_findings(found);
		log_finish();
	}
	conf_free(c);
	return told;
}

/* has_owner - would root start it? Where nothing names the user, the check may be made for another host, or for who is not root */
static bool has_owner(const struct conf *c)
{
	struct identity owner;
	struct buf why;
	bool found, named = conf_is_set(c, "mail_owner");

	buf_init(&why, LIMIT_REPLY_TEXT);
	found = identity_find(c, &owner, &why);
	if (!found)
		applet_fail(0, "%s%s", named ? "" : "warning: ", buf_cstr(&why));
	buf_fini(&why);
	return found || !named;
}

static int run(int argc, char **argv)
{
	struct opt_parse o;
	struct conf_diag diag;
	const char *directory = NULL, **extra = mem_alloc(((size_t)argc + 1) * sizeof(*extra));
	char **operands = mem_alloc(((size_t)argc + 1) * sizeof(*operands)), absolute[PATH_MAX];
	int id, job = 0, n_extra = 0;
	bool daemonise = false, takeover = false, expanded = false, in_log;
	struct settings *s;

	opt_init(&o, options, argc, argv, operands);
	while ((id = opt_next(&o)) != OPT_END)
		switch (id) {
		case 'c': directory = o.arg; break;
		case 'o': extra[n_extra++] = o.arg; break;
		case 't': case 'n': case 'D': case OPT_HEALTH: job = id; break;
		case 'x': expanded = true; break;
		case 'd': daemonise = true; break;
		case OPT_TAKEOVER: takeover = true; break;
		case 'v': log_verbose++; break;
		case 'h': return applet_help(&applet_relayd);
		default: return applet_usage_error(&applet_relayd, "%s", o.error);
		}
	if (o.n_operands)
		return applet_usage_error(&applet_relayd, "unexpected argument \"%s\"", o.operands[0]);
	log_set_program("relayd");
	if (directory)
		note_directory(directory);
	directory = conf_default_directory(directory);
	if (realpath(directory, absolute))
		directory = absolute;
	if (job == OPT_HEALTH)
		return ask_health(directory, extra);
	if (job == 'n' || job == 'D' || (expanded && job != 't'))
		return dump(directory, extra, job, expanded);
	conf_diag_init(&diag);
	s = settings_load(directory, extra, &diag);
	/* who reads the log as JSON is not given text: of a start that goes on, the log tells */
	in_log = s && !job && s->conf->log_format == CONF_LOG_JSON;
	if (!in_log && (s || job || !log_refusal(directory, extra, &diag)))
		conf_diag_print(&diag, stderr, "relayd");
	if (!s)
		return EX_CONFIG;
	if (job == 't') {
		if (!has_owner(s->conf))
			return EX_CONFIG;
		printf("relayd: %s: the configuration is good\n", directory);
		return EX_OK;
	}
	return relay_run(s, &(struct relay_options){ .directory = directory, .extra = extra, .daemonise = daemonise, .takeover = takeover,
		.found = in_log ? &diag : NULL });
}

static const struct applet *const also[] = { &applet_postconf, &applet_postfix, NULL };
const struct applet applet_relayd = {
	.name = "relayd",
	.also = also,
	.summary = "SMTP router with a durable queue",
	.usage = "[-c DIR] [-o NAME=VALUE]... [-d] [-v] [--takeover]\n[-c DIR] -t | -n | -D | -x | --health",
	.options = options,
	.notes = "Without -d relayd stays in the foreground and logs where maillog_file says (standard error by default).\n"
		"Signals: TERM stop, HUP reload, USR1 try all queued mail now.",
	.run = run,
};
