/* relayctl - look at and steer a running relayd through its control socket. The requests are rows of a table. */
#include <limits.h>
#include <stdlib.h>

#include "applets/explain.h"
#include "applets/move_queue.h"
#include "applets/postcat.h"
#include "applets/postqueue.h"
#include "applets/relayctl.h"
#include "applets/upgrade.h"
#include "core/base/mem.h"
#include "core/view/import_postfix.h"

static int run(int argc, char **argv);
static int do_explain(void *ctx, const struct applet_verb *verb);
static int do_plain(void *ctx, const struct applet_verb *verb);
static int do_upgrade(void *ctx, const struct applet_verb *verb);
static int do_adopt(void *ctx, const struct applet_verb *verb);
static int do_import(void *ctx, const struct applet_verb *verb);
static int do_oauth(void *ctx, const struct applet_verb *verb);

enum { OPT_FROM = OPT_FIRST_OWN, OPT_TO, OPT_SITE, OPT_REASON, OPT_STATE, OPT_OLDER, OPT_NEWER, OPT_SORT, OPT_IDS, OPT_COUNT,
	OPT_WATCH, OPT_LOG, OPT_CLIENT, OPT_HELO, OPT_SASL, OPT_PORT, OPT_REMOVE, OPT_OAUTH, OPT_OAUTH_END = OPT_OAUTH + OAUTH_OPTIONS };
static const struct opt options[] = {
	{ 'c', 'c', "config", OPT_ARG, "DIR", "configuration directory" },
	{ 'o', 'o', NULL, OPT_ARG, "NAME=VALUE", "upgrade: relayd was started with this" },
	{ 'j', 'j', "json", OPT_NONE, NULL, "queue, stats, explain: one JSON object a line" },
	{ OPT_FROM, 0, "from", OPT_ARG, "SENDER", "queue: from this sender; explain: for mail from it" },
	{ OPT_TO, 0, "to", OPT_ARG, "ADDR", "queue: to this recipient" },
	{ OPT_SITE, 0, "site", OPT_ARG, "DOMAIN", "queue: to this domain (.DOMAIN: below it)" },
	{ OPT_REASON, 0, "reason", OPT_ARG, "TEXT", "queue: waiting for a reason with this in it" },
	{ OPT_STATE, 0, "state", OPT_ARG, "active|deferred|hold", "queue: in this state" },
	{ OPT_OLDER, 0, "older", OPT_ARG, "AGE", "queue: at least so old (90s, 5m, 2h, 1d; s)" },
	{ OPT_NEWER, 0, "newer", OPT_ARG, "AGE", "queue: at most so old" },
	{ OPT_SORT, 0, "sort", OPT_ARG, QUEUE_SORTS, "queue: the order (age)" },
	{ 'r', 'r', "reverse", OPT_NONE, NULL, "queue: the other way round" },
	{ OPT_IDS, 0, "ids", OPT_NONE, NULL, "queue: only the ids, for \"relayctl delete -\"" },
	{ OPT_COUNT, 0, "count", OPT_ARG, "N", "queue: the first N; stats --watch: N times" },
	{ OPT_WATCH, 'w', "watch", OPT_MAYBE, "SECONDS", "stats: again and again, with rates (2)" },
	{ OPT_LOG, 0, "log", OPT_ARG, "FILE", "trace: a mail log (maillog_file; -: standard input); may be repeated" },
	{ OPT_CLIENT, 0, "client", OPT_ARG, "IP", "explain: may this client send to it?" },
	{ OPT_HELO, 0, "helo", OPT_ARG, "NAME", "explain: a client that says this name" },
	{ OPT_SASL, 0, "sasl", OPT_ARG, "USER", "explain: a client that has logged in" },
	{ OPT_PORT, 0, "port", OPT_ARG, "PORT", "explain: a client of this port (the first of master.cf)" },
	{ OPT_REMOVE, 0, "remove", OPT_NONE, NULL, "import-postfix: take away there what is here now" },
	{ OPT_OAUTH + OAUTH_CLIENT_ID, 0, "client-id", OPT_ARG, "ID", "oauth login: what the provider calls this program" },
	{ OPT_OAUTH + OAUTH_SECRET_FILE, 0, "secret-file", OPT_ARG, "FILE", "oauth login: its secret, if it was given one" },
	{ OPT_OAUTH + OAUTH_TENANT, 0, "tenant", OPT_ARG, "NAME", "oauth login microsoft: the organisation (common)" },
	{ OPT_OAUTH + OAUTH_SCOPE, 0, "scope", OPT_ARG, "TEXT", "oauth login: what for (to send mail)" },
	{ OPT_OAUTH + OAUTH_USER, 0, "user", OPT_ARG, "ADDR", "oauth: who logs in with the token" },
	{ OPT_OAUTH + OAUTH_DEVICE, 0, "device-endpoint", OPT_ARG, "URL", "oauth login: elsewhere, by a code that is entered there" },
	{ OPT_OAUTH + OAUTH_AUTHORIZE, 0, "authorize-endpoint", OPT_ARG, "URL", "oauth login: elsewhere, by an address that is copied" },
	{ OPT_OAUTH + OAUTH_TOKEN, 0, "token-endpoint", OPT_ARG, "URL", "oauth login: who gives tokens there" },
	{ OPT_OAUTH + OAUTH_RELAY, 0, "relay", OPT_ARG, "HOST", "oauth test: log in there (relayhost)" },
	{ 'v', 'v', "verbose", OPT_NONE, NULL, "print warnings about the configuration" },
	{ OPT_HELP, 'h', "help", OPT_NONE, NULL, "this text" },
	{ 0 },
};
#define IDS "ID...|ALL|-"
static const struct applet_verb verbs[] = {
	{ "queue", "", "list the queue", relayctl_queue, 0, 0 },
	{ "show", "ID", "print a message and what is known of it", relayctl_show, 1, 1 },
	{ "trace", "ID", "tell what happened to a message", relayctl_trace, 1, 1 },
	{ "flush", "[ID|SITE]", "try all mail, this message, or mail for a domain now", relayctl_flush, 0, 1 },
	{ "hold", IDS, "do not deliver until released", relayctl_change, 1, -1 },
	{ "release", IDS, "end the hold", relayctl_change, 1, -1 },
	{ "delete", IDS, "forget the message", relayctl_change, 1, -1 },
	{ "requeue", IDS, "resolve the route anew", relayctl_change, 1, -1 },
	{ "expire", IDS, "return to the sender at the next try", relayctl_change, 1, -1 },
	{ "stats", "", "figures, the last hour, destinations, last errors", relayctl_stats, 0, 1 },
	{ "explain", "ADDR", "where mail for an address would go, and why", do_explain, 1, 1 },
	{ "reload", "", "read the configuration anew", do_plain, 0, 0 },
	{ "adopt", "DIR", "take over what is queued in DIR, of a relayd that is gone", do_adopt, 1, 1 },
	{ "import-postfix", "DIR", "take what is queued in DIR, a stopped Postfix's queue_directory", do_import, 1, 1 },
	{ "upgrade", "[BINARY]", "have this relaybox, or BINARY, take over from relayd; no client is refused", do_upgrade, 0, 1 },
	{ "oauth", "login [PROVIDER] FILE|show FILE|test FILE", "make a token file by logging in, tell what one has, try it", do_oauth, 2, 3 },
	{ "stop", "", "finish what is under way, and end", do_plain, 0, 0 },
	{ "ping", "", "succeed if relayd answers", do_plain, 0, 0 },
	{ 0 },
};
static const struct applet *const also[] = { &applet_postqueue, &applet_postsuper, &applet_postcat, NULL };
const struct applet applet_relayctl = {
	.name = "relayctl",
	.also = also,
	.summary = "look at and steer a running relayd",
	.usage = "[-c DIR] [OPTION...] REQUEST [ARGUMENT...]",
	.options = options,
	.verbs = verbs,
	.notes = "queue, show, trace and explain also work without relayd, from the spool. \"-\" reads ids from standard input.",
	.run = run,
};

static int do_explain(void *ctx, const struct applet_verb *verb)
{
	const struct relayctl *x = ctx;
	const struct explain_words words[] = { { "from=", x->from }, { "client=", x->client }, { "helo=", x->helo }, { "sasl=", x->sasl },
		{ "port=", x->port }, { NULL, NULL } };

	return explain_address(x->conf, x->directory, x->args[0], words, x->json);
}

static int do_plain(void *ctx, const struct applet_verb *verb)
{
	const struct relayctl *x = ctx;

	return applet_control(x->conf, verb->name, false);
}

static int do_adopt(void *ctx, const struct applet_verb *verb)
{
	const struct relayctl *x = ctx;

	return move_queue(&(struct moving){ .conf = x->conf, .directory = x->args[0] }, adopt);
}

static int do_import(void *ctx, const struct applet_verb *verb)
{
	const struct relayctl *x = ctx;

	return move_queue(&(struct moving){ .conf = x->conf, .directory = x->args[0], .remove = x->remove }, import_postfix);
}

static int do_oauth(void *ctx, const struct applet_verb *verb)
{
	struct relayctl *x = ctx;

	x->oauth.conf = x->conf;
	return relayctl_oauth(&x->oauth, x->args, x->n_args);
}

static int do_upgrade(void *ctx, const struct applet_verb *verb)
{
	const struct relayctl *x = ctx;
	char absolute[PATH_MAX];

	/* as relayd does */
	return upgrade(x->conf, realpath(x->directory, absolute) ? absolute : x->directory, x->started, x->n_args ? x->args[0] : "/proc/self/exe");
}

static int run_verb(struct relayctl *x, const char *word)
{
	for (const struct applet_verb *v = verbs; v->name; v++) {
		if (strcmp(v->name, word) != 0)
			continue;
		if (x->n_args < v->least || (v->most >= 0 && x->n_args > v->most))
			return applet_usage_error(&applet_relayctl, "%s takes %s", word, *v->args ? v->args : "no argument");
		/* "delete ALL --from spammer" must not delete everything */
		if (x->chosen && (v->run == relayctl_change || v->run == relayctl_flush))
			return applet_usage_error(&applet_relayctl, "%s takes ids alone: \"relayctl queue --ids\" finds them", word);
		if (x->n_started && v->run != do_upgrade)
			return applet_usage_error(&applet_relayctl, "-o is for upgrade");
		return v->run(x, v);
	}
	return applet_usage_error(&applet_relayctl, "%s: no such request", word);
}

/* take_option - 0, or why not */
static const char *take_option(struct relayctl *x, int id, const char *arg)
{
	uint64_t count;

	x->chosen |= id >= OPT_FIRST_OWN;
	if (id >= OPT_OAUTH && id < OPT_OAUTH_END)
		x->oauth.options[id - OPT_OAUTH] = arg;
	switch (id) {
	case 'j': x->json = true; break;
	case 'o': x->started[x->n_started++] = arg; break;
	case OPT_FROM: x->from = arg; break;
	case OPT_TO: x->view.to = arg; break;
	case OPT_SITE: x->view.site = arg; break;
	case OPT_REASON: x->view.reason = arg; break;
	case OPT_STATE:
		x->view.state = arg;
		return strcmp(arg, "active") && strcmp(arg, "deferred") && strcmp(arg, "hold") ? "--state is active, deferred or hold" : NULL;
	case OPT_OLDER: return conf_parse_time(str_of(arg), 's', &x->view.older) ? NULL : "--older wants an age, such as 90s or 2h";
	case OPT_NEWER: return conf_parse_time(str_of(arg), 's', &x->view.newer) ? NULL : "--newer wants an age, such as 90s or 2h";
	case OPT_SORT: return queue_sort_find(arg, &x->view.sort) ? NULL : "--sort is one of " QUEUE_SORTS;
	case 'r': x->view.reverse = true; break;
	case OPT_IDS: x->ids = true; break;
	case OPT_COUNT:
		if (!str_to_u64(str_of(arg), &count) || !count)
			return "--count wants a number";
		x->view.count = (size_t)count;
		break;
	case OPT_WATCH:
		x->watch = true;
		return !arg || (conf_parse_time(str_of(arg), 's', &x->interval) && x->interval > 0) ? NULL : "--watch wants seconds";
	case OPT_LOG:
		if (x->n_logs == LIMIT_TRACE_LOGS)
			return "--log was given too often";
		x->logs[x->n_logs++] = arg;
		break;
	case OPT_CLIENT: x->client = arg; break;
	case OPT_HELO: x->helo = arg; break;
	case OPT_SASL: x->sasl = arg; break;
	case OPT_PORT: x->port = arg; break;
	case OPT_REMOVE: x->remove = true; break;
	default: break;
	}
	return NULL;
}

static int run_operands(struct relayctl *x, const char *directory, bool verbose, int n)
{
	struct conf *c;
	int code;

	if (!n)
		return applet_usage_error(&applet_relayctl, "what shall be done?");
	c = applet_conf(directory, verbose);
	if (!c)
		return EX_CONFIG;
	x->conf = c;
	x->directory = conf_default_directory(directory);
	x->n_args = n - 1;
	code = run_verb(x, x->args[-1]);
	conf_free(c);
	return code;
}

static int run(int argc, char **argv)
{
	struct relayctl x = { .interval = 2 * USEC_PER_SEC };
	char **operands = mem_array(NULL, (size_t)argc, sizeof(char *));
	const char *directory = NULL, *wrong = NULL;
	struct opt_parse o;
	bool verbose = false;
	int id, code;

	x.started = mem_array(NULL, (size_t)argc + 1, sizeof(*x.started));
	memset(x.started, 0, ((size_t)argc + 1) * sizeof(*x.started));
	opt_init(&o, options, argc, argv, operands);
	while (!wrong && (id = opt_next(&o)) != OPT_END && id != OPT_HELP) {
		directory = id == 'c' ? o.arg : directory;
		verbose |= id == 'v';
		wrong = id == OPT_BAD ? o.error : take_option(&x, id, o.arg);
	}
	x.args = operands + 1;
	code = wrong ? applet_usage_error(&applet_relayctl, "%s", wrong) : id == OPT_HELP ? applet_help(&applet_relayctl) :
		run_operands(&x, directory, verbose, o.n_operands);
	mem_free(operands);
	mem_free(x.started);
	return code;
}
