/* relayctl - look at and steer a running relayd through its control socket; also postqueue and postsuper, whose options
 * are rows of tables that name the same requests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/queue/store.h"
#include "core/relay/control.h"
#include "core/relay/listing.h"

static int run(int argc, char **argv);
static const char *const aliases[] = { "postqueue", "postsuper", NULL };
enum { OPT_JSON = OPT_FIRST_OWN, OPT_FROM, OPT_CLIENT };
static const struct opt options[] = {
	{ 'c', 'c', "config", OPT_ARG, "DIR", "configuration directory" },
	{ OPT_JSON, 'j', "json", OPT_NONE, NULL, "queue, stats: one JSON object a line" },
	{ OPT_FROM, 0, "from", OPT_ARG, "SENDER", "explain: for mail from this sender" },
	{ OPT_CLIENT, 0, "client", OPT_ARG, "IP", "explain: may this client send to it?" },
	{ 'v', 'v', "verbose", OPT_NONE, NULL, "print warnings about the configuration" },
	{ OPT_HELP, 'h', "help", OPT_NONE, NULL, "this text" },
	{ 0 },
};
const struct applet applet_relayctl = {
	.name = "relayctl",
	.aliases = aliases,
	.summary = "look at and steer a running relayd",
	.usage = "[-c DIR] [-j] queue | stats\n[-c DIR] show ID\n[-c DIR] flush [ID|SITE]\n"
		"[-c DIR] hold | release | delete | requeue | expire ID...|ALL|-\n"
		"[-c DIR] explain ADDR [--from SENDER] [--client IP]\n[-c DIR] reload | ping",
	.options = options,
	.notes = "queue and show also work without relayd, from the spool. As postqueue: -p -j -f -i ID -s SITE; as postsuper:\n"
		"-d -h -H -r -e -f ID|ALL|- (\"-\" reads ids from standard input).",
	.run = run,
};

static const struct opt postqueue_options[] = {
	{ 'p', 'p', NULL, OPT_NONE, NULL, "list the queue" },
	{ 'j', 'j', NULL, OPT_NONE, NULL, "list the queue, one JSON object a line" },
	{ 'f', 'f', NULL, OPT_NONE, NULL, "try all mail now" },
	{ 'i', 'i', NULL, OPT_ARG, "ID", "try this message now" },
	{ 's', 's', NULL, OPT_ARG, "SITE", "try mail for this domain now" },
	{ 'c', 'c', NULL, OPT_ARG, "DIR", "configuration directory" },
	{ 'v', 'v', NULL, OPT_NONE, NULL, "print warnings about the configuration" },
	{ OPT_HELP, 'h', "help", OPT_NONE, NULL, "this text" },
	{ 0 },
};
static const struct applet postqueue = {
	.name = "postqueue", .summary = "list or flush the queue",
	.usage = "[-c DIR] -p | -j | -f | -i ID | -s SITE", .options = postqueue_options,
};
static const struct opt postsuper_options[] = {
	{ 'd', 'd', NULL, OPT_ARG, "ID", "delete (ALL: every message; -: ids from standard input)" },
	{ 'h', 'h', NULL, OPT_ARG, "ID", "put on hold" },
	{ 'H', 'H', NULL, OPT_ARG, "ID", "release from hold" },
	{ 'r', 'r', NULL, OPT_ARG, "ID", "requeue: resolve the route anew" },
	{ 'e', 'e', NULL, OPT_ARG, "ID", "expire: return to the sender at the next try" },
	{ 'e', 'f', NULL, OPT_ARG, "ID", "the same as -e" },
	{ 'c', 'c', NULL, OPT_ARG, "DIR", "configuration directory" },
	{ 'p', 'p', NULL, OPT_NONE, NULL, "nothing: the queue needs no purge" },
	{ 's', 's', NULL, OPT_NONE, NULL, "nothing: the queue needs no check" },
	{ 's', 'S', NULL, OPT_NONE, NULL, "nothing" },
	{ 'v', 'v', NULL, OPT_NONE, NULL, "print warnings about the configuration" },
	{ OPT_HELP, 0, "help", OPT_NONE, NULL, "this text" },
	{ 0 },
};
static const struct applet postsuper = {
	.name = "postsuper", .summary = "hold, release, delete, requeue or expire queued mail",
	.usage = "[-c DIR] [-d ID] [-h ID] [-H ID] [-r ID] [-e ID] [QUEUE...]", .options = postsuper_options,
};

/* changes, by the word of relayctl, the letter of postsuper and postsuper's summary */
static const struct change { const char *verb; char letter; const char *summary; } changes[] = {
	{ "delete", 'd', "Deleted" }, { "hold", 'h', "Placed on hold" }, { "release", 'H', "Released from hold" },
	{ "requeue", 'r', "Requeued" }, { "expire", 'e', "Force-expired" },
};
#define CHANGES (sizeof(changes) / sizeof(changes[0]))

/* --- changes ------------------------------------------------------------------------------------------------------- */

/* counted - send a request whose answer is a number; *count grows by it */
static int counted(const struct conf *c, const char *request, const char *about, unsigned long *count)
{
	char *text = NULL;
	size_t n = 0;
	struct buf why;
	FILE *answer = open_memstream(&text, &n);
	int r, code = EX_OK;

	if (!answer)
		return applet_fail(EX_OSERR, "out of memory");
	buf_init(&why, LIMIT_REPLY_TEXT);
	r = control_request(c->queue_directory, request, answer, &why);
	if (r < 0)
		code = applet_fail(EX_UNAVAILABLE, "no relayd answers at %s/control: %s; start relayd, or name its configuration "
			"directory with -c", c->queue_directory, strerror(errno));
	else if (r > 0)
		code = applet_fail(EX_NOINPUT, "%s: %s", about, buf_cstr(&why));
	fclose(answer);
	if (r == 0)
		*count += strtoul(text, NULL, 10);
	free(text);
	buf_fini(&why);
	return code;
}

/* change_one - ID or ALL */
static int change_one(const struct conf *c, const char *verb, const char *id, unsigned long *count)
{
	char request[LIMIT_CONTROL_LINE];
	uint64_t ignored;

	if (strcmp(id, "ALL") != 0 && !qid_parse(str_of(id), &ignored))
		return applet_fail(EX_USAGE, "%s: not a queue id", id);
	snprintf(request, sizeof(request), "%s %s", verb, id);
	return counted(c, request, id, count);
}

/* change - one id, ALL, or "-": ids from standard input, one a line (the first word, as mailq prints it) */
static int change(const struct conf *c, const char *verb, const char *id, unsigned long *count)
{
	char *line = NULL;
	size_t cap = 0;
	int code = EX_OK, r;

	if (strcmp(id, "-") != 0)
		return change_one(c, verb, id, count);
	while (getline(&line, &cap, stdin) > 0) {
		char *end = line + strcspn(line, "*!# \t\r\n");

		*end = '\0';
		if (end == line)
			continue;
		r = change_one(c, verb, line, count);
		code = code ? code : r;
		if (r == EX_UNAVAILABLE)
			break;
	}
	free(line);
	return code;
}

static const char *plural(unsigned long n)
{
	return n == 1 ? "" : "s";
}

static int run_change(const struct conf *c, const struct change *row, char **ids, int n)
{
	unsigned long count = 0;
	int code = EX_OK, r;

	for (int i = 0; i < n; i++) {
		r = change(c, row->verb, ids[i], &count);
		code = code ? code : r;
	}
	if (count)
		printf("%s: %lu message%s\n", row->summary, count, plural(count));
	return applet_close_output(code);
}

/* --- relayctl ------------------------------------------------------------------------------------------------------ */

struct ctl {
	const struct conf *conf;
	bool json;
	const char *from, *client;
	char **args;
	int n_args;
};

static int do_queue(const struct ctl *x)
{
	return applet_queue(x->conf, x->json);
}

static int do_show(const struct ctl *x)
{
	char request[LIMIT_CONTROL_LINE];
	struct buf why;
	int r, code = EX_OK;

	snprintf(request, sizeof(request), "show %.100s", x->args[0]);
	buf_init(&why, LIMIT_REPLY_TEXT);
	r = control_request(x->conf->queue_directory, request, stdout, &why);
	if (r < 0 && (errno == ENOENT || errno == ECONNREFUSED)) {
		buf_clear(&why);
		r = listing_offline_show(x->conf->queue_directory, str_of(x->args[0]), stdout, &why) < 0;
	}
	if (r < 0)
		code = applet_fail(EX_TEMPFAIL, "cannot ask relayd at %s/control: %s", x->conf->queue_directory, strerror(errno));
	else if (r > 0)
		code = applet_fail(EX_NOINPUT, "%s: %s", x->args[0], buf_cstr(&why));
	buf_fini(&why);
	return applet_close_output(code);
}

static int do_flush(const struct ctl *x)
{
	char request[LIMIT_CONTROL_LINE];
	unsigned long count = 0;
	uint64_t ignored;
	int code;

	if (!x->n_args)
		snprintf(request, sizeof(request), "flush");
	else
		snprintf(request, sizeof(request), "flush %s%.400s", qid_parse(str_of(x->args[0]), &ignored) ? "" : "site:", x->args[0]);
	code = counted(x->conf, request, x->n_args ? x->args[0] : "flush", &count);
	if (!code)
		printf("Flushed: %lu message%s\n", count, plural(count));
	return applet_close_output(code);
}

static int do_stats(const struct ctl *x)
{
	return applet_control(x->conf, x->json ? "stats json" : "stats", false);
}

static int do_explain(const struct ctl *x)
{
	struct buf request;
	int code;

	if (strpbrk(x->args[0], " \n") || (x->from && strpbrk(x->from, " \n")) || (x->client && strpbrk(x->client, " \n")))
		return applet_usage_error(&applet_relayctl, "explain takes a bare address");
	buf_init(&request, LIMIT_CONTROL_LINE - 1);
	buf_printf(&request, "explain %s", x->args[0]);
	if (x->from)
		buf_printf(&request, " from=%s", x->from);
	if (x->client)
		buf_printf(&request, " client=%s", x->client);
	code = request.overflow ? applet_usage_error(&applet_relayctl, "the address is too long") :
		applet_control(x->conf, buf_cstr(&request), false);
	buf_fini(&request);
	return code;
}

static int do_reload(const struct ctl *x) { return applet_control(x->conf, "reload", false); }
static int do_ping(const struct ctl *x) { return applet_control(x->conf, "ping", false); }

static const struct verb {
	const char *name;
	int (*run)(const struct ctl *x);
	int least, most;               /* operands */
} verbs[] = {
	{ "queue", do_queue, 0, 0 }, { "show", do_show, 1, 1 }, { "flush", do_flush, 0, 1 }, { "stats", do_stats, 0, 0 },
	{ "explain", do_explain, 1, 1 }, { "reload", do_reload, 0, 0 }, { "ping", do_ping, 0, 0 },
};

static int run_verb(struct ctl *x, const char *word)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, word) != 0)
			continue;
		if (x->n_args < verbs[i].least || x->n_args > verbs[i].most)
			return applet_usage_error(&applet_relayctl, "%s: wrong number of arguments", word);
		return verbs[i].run(x);
	}
	for (size_t i = 0; i < CHANGES; i++)
		if (!strcmp(changes[i].verb, word))
			return x->n_args ? run_change(x->conf, &changes[i], x->args, x->n_args) :
				applet_usage_error(&applet_relayctl, "%s: which message? (ID, ALL, or - for ids on standard input)", word);
	return applet_usage_error(&applet_relayctl, "%s: no such request", word);
}

static int run_relayctl(int argc, char **argv, char **operands)
{
	struct ctl x = { 0 };
	struct opt_parse o;
	const char *directory = NULL;
	struct conf *c;
	bool verbose = false;
	int id, code;

	opt_init(&o, options, argc, argv, operands);
	while ((id = opt_next(&o)) != OPT_END) {
		switch (id) {
		case 'c': directory = o.arg; break;
		case OPT_JSON: x.json = true; break;
		case OPT_FROM: x.from = o.arg; break;
		case OPT_CLIENT: x.client = o.arg; break;
		case 'v': verbose = true; break;
		case OPT_HELP: return applet_help(&applet_relayctl);
		default: return applet_usage_error(&applet_relayctl, "%s", o.error);
		}
	}
	if (!o.n_operands)
		return applet_usage_error(&applet_relayctl, "what shall be done?");
	c = applet_conf(directory, verbose);
	if (!c)
		return EX_CONFIG;
	x.conf = c;
	x.args = operands + 1;
	x.n_args = o.n_operands - 1;
	code = run_verb(&x, operands[0]);
	conf_free(c);
	return code;
}

/* --- postqueue, postsuper -------------------------------------------------------------------------------------------- */

static int run_postqueue(int argc, char **argv, char **operands)
{
	struct opt_parse o;
	const char *directory = NULL, *arg = NULL;
	char mode = 0, request[LIMIT_CONTROL_LINE];
	bool verbose = false;
	struct conf *c;
	int id, code;

	opt_init(&o, postqueue_options, argc, argv, operands);
	while ((id = opt_next(&o)) != OPT_END) {
		if (id == OPT_HELP || id == OPT_BAD)
			return id == OPT_HELP ? applet_help(&postqueue) : applet_usage_error(&postqueue, "%s", o.error);
		if (id == 'c')
			directory = o.arg;
		else if (id == 'v')
			verbose = true;
		else if (mode)
			return applet_usage_error(&postqueue, "only one of -p, -j, -f, -i and -s at a time");
		else
			mode = (char)id, arg = o.arg;
	}
	if (!mode || o.n_operands)
		return applet_usage_error(&postqueue, "what shall be done?");
	c = applet_conf(directory, verbose);
	if (!c)
		return EX_CONFIG;
	snprintf(request, sizeof(request), mode == 'f' ? "flush" : mode == 'i' ? "flush %.400s" : "flush site:%.400s", arg ? arg : "");
	code = mode == 'p' || mode == 'j' ? applet_queue(c, mode == 'j') : applet_control(c, request, true);
	conf_free(c);
	return code;
}

static int run_postsuper(int argc, char **argv, char **operands)
{
	struct opt_parse o;
	const char *directory = NULL;
	unsigned long counts[CHANGES] = { 0 };
	struct { size_t row; const char *id; } *todo = mem_array(NULL, (size_t)argc, sizeof(*todo));
	size_t n = 0;
	bool verbose = false;
	struct conf *c = NULL;
	int id, code = EX_OK, r;

	opt_init(&o, postsuper_options, argc, argv, operands);
	while ((id = opt_next(&o)) != OPT_END && id != OPT_HELP && id != OPT_BAD) {
		if (id == 'c')
			directory = o.arg;
		verbose = verbose || id == 'v';
		for (size_t i = 0; i < CHANGES; i++)
			if (changes[i].letter == id)
				todo[n].row = i, todo[n++].id = o.arg;
	}
	if (id != OPT_END)
		code = id == OPT_HELP ? applet_help(&postsuper) : applet_usage_error(&postsuper, "%s", o.error);
	else if (n && !(c = applet_conf(directory, verbose)))
		code = EX_CONFIG;
	for (size_t i = 0; c && i < n; i++) {
		r = change(c, changes[todo[i].row].verb, todo[i].id, &counts[todo[i].row]);
		code = code ? code : r;
	}
	for (size_t i = 0; i < CHANGES; i++)
		if (counts[i])
			applet_fail(0, "%s: %lu message%s", changes[i].summary, counts[i], plural(counts[i]));
	if (c)
		conf_free(c);
	mem_free(todo);
	return code;
}

static int run(int argc, char **argv)
{
	static const struct { const char *name; int (*run)(int argc, char **argv, char **operands); } names[] = {
		{ "postqueue", run_postqueue }, { "postsuper", run_postsuper },
	};
	char **operands = mem_array(NULL, (size_t)argc, sizeof(char *));
	int code = -1;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(applet_name(), names[i].name))
			code = names[i].run(argc, argv, operands);
	if (code < 0)
		code = run_relayctl(argc, argv, operands);
	mem_free(operands);
	return code;
}
