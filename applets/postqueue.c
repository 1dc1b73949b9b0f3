/* postqueue, postsuper - Postfix's names for what relayctl does, and the changes that all three make. */
#include "applets/postqueue.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/store/store.h"
#include "core/submit/submit_spool.h"

static int run_postqueue(int argc, char **argv);
static int run_postsuper(int argc, char **argv);
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
const struct applet applet_postqueue = {
	.name = "postqueue", .summary = "list or flush the queue",
	.usage = "[-c DIR] -p | -j | -f | -i ID | -s SITE", .options = postqueue_options,
	.run = run_postqueue,
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
const struct applet applet_postsuper = {
	.name = "postsuper", .summary = "hold, release, delete, requeue or expire queued mail",
	.usage = "[-c DIR] [-d ID] [-h ID] [-H ID] [-r ID] [-e ID] [QUEUE...]", .options = postsuper_options,
	.run = run_postsuper,
};

/* changes, by the word of relayctl, the letter of postsuper and postsuper's summary */
static const struct change { const char *verb; char letter; const char *summary, *done; } changes[] = {
	{ "delete", 'd', "Deleted", "removed" }, { "hold", 'h', "Placed on hold", "placed on hold" },
	{ "release", 'H', "Released from hold", "released from hold" }, { "requeue", 'r', "Requeued", "requeued" },
	{ "expire", 'e', "Force-expired", "expired" },
};
#define CHANGES (sizeof(changes) / sizeof(changes[0]))

/* --- changes ------------------------------------------------------------------------------------------------------- */

int change_request(const struct conf *c, const char *request, const char *about, unsigned long *count)
{
	char *text = NULL;
	size_t n = 0;
	int code = applet_answer(c, request, about, NULL, &text, &n);

	if (!code)
		*count += strtoul(text, NULL, 10);
	free(text);
	return code;
}

/* is_kept_id - mailq's id of what is kept without relayd: the 16 digits of a time */
static bool is_kept_id(const char *id)
{
	return strlen(id) == 16 && strspn(id, "0123456789abcdefABCDEF") == 16;
}

static int check_id(const char *id)
{
	uint64_t ignored;

	return !strcmp(id, "ALL") || is_kept_id(id) || qid_parse(str_of(id), &ignored) ? EX_OK : applet_fail(EX_USAGE, "%s: not a queue id", id);
}

/* change_one - ID or ALL, in these queues: each with a space before it, none: in all */
static int change_one(const struct conf *c, const char *verb, const char *id, const char *queues, unsigned long *count)
{
	char request[LIMIT_CONTROL_LINE];
	size_t kept;

	if (check_id(id))
		return EX_USAGE;
	if (!strcmp(verb, "delete") && !*queues && (!strcmp(id, "ALL") || is_kept_id(id))) {
		kept = submit_spool_delete(c, id);
		*count += kept;
		if (kept && (is_kept_id(id) || access(c->queue_directory, F_OK) < 0))
			return EX_OK;
	}
	snprintf(request, sizeof(request), "%s %s%s", verb, id, queues);
	return change_request(c, request, id, count);
}

/* change - one id, ALL, or "-": ids from standard input, one a line (the first word, as mailq prints it) */
static int change(const struct conf *c, const char *verb, const char *id, const char *queues, unsigned long *count)
{
	char *line = NULL;
	size_t cap = 0;
	int code = EX_OK, r;

	if (strcmp(id, "-") != 0)
		return change_one(c, verb, id, queues, count);
	while (getline(&line, &cap, stdin) > 0) {
		char *end = line + strcspn(line, "*!# \t\r\n");

		*end = '\0';
		if (end == line)
			continue;
		r = change_one(c, verb, line, queues, count);
		code = code ? code : r;
		if (r == EX_UNAVAILABLE || r == EX_NOPERM)
			break;
	}
	free(line);
	return code;
}

static const char *plural(unsigned long n)
{
	return n == 1 ? "" : "s";
}

int change_queue(const struct conf *c, const char *verb, char **ids, int n)
{
	unsigned long count = 0;
	int code = EX_OK, r;

	/* first look at all: "delete ALL deferred" is a mistake, and nothing may be gone then */
	for (int i = 0; i < n; i++)
		code = strcmp(ids[i], "-") && check_id(ids[i]) ? EX_USAGE : code;
	for (int i = 0; i < n && code != EX_USAGE; i++) {
		r = change(c, verb, ids[i], "", &count);
		code = code ? code : r;
	}
	for (size_t i = 0; count && i < CHANGES; i++)
		if (!strcmp(changes[i].verb, verb))
			printf("%s: %lu message%s\n", changes[i].summary, count, plural(count));
	return applet_close_output(code);
}

/* --- postqueue, postsuper -------------------------------------------------------------------------------------------- */

static int run_postqueue(int argc, char **argv)
{
	struct opt_parse o;
	const char *directory = NULL, *arg = NULL;
	char mode = 0, request[LIMIT_CONTROL_LINE], **operands = mem_array(NULL, (size_t)argc, sizeof(char *));
	bool verbose = false, twice = false;
	struct conf *c;
	int id, code;

	opt_init(&o, postqueue_options, argc, argv, operands);
	while ((id = opt_next(&o)) != OPT_END && id != OPT_HELP && id != OPT_BAD) {
		if (id == 'c')
			directory = o.arg;
		else if (id == 'v')
			verbose = true;
		else
			twice |= mode != 0, mode = (char)id, arg = o.arg;
	}
	mem_free(operands);
	if (id == OPT_HELP)
		return applet_help(&applet_postqueue);
	if (id == OPT_BAD)
		return applet_usage_error(&applet_postqueue, "%s", o.error);
	if (twice)
		return applet_usage_error(&applet_postqueue, "only one of -p, -j, -f, -i and -s at a time");
	if (!mode || o.n_operands)
		return applet_usage_error(&applet_postqueue, "what shall be done?");
	c = applet_conf(directory, verbose);
	if (!c)
		return EX_CONFIG;
	snprintf(request, sizeof(request), mode == 'f' ? "flush" : mode == 'i' ? "flush %.400s" : "flush site:%.400s", arg ? arg : "");
	code = mode == 'p' || mode == 'j' ? applet_queue(c, mode == 'j') : applet_control(c, request, true);
	conf_free(c);
	return code;
}

/* take_queues - the operands of postsuper as change_one wants them; false: these are no queues (said) */
static bool take_queues(char **operands, int n, struct buf *out)
{
	static const char names[] = " hold incoming active deferred ";
	struct buf word;
	bool ok = true;

	buf_init(&word, LIMIT_CONTROL_LINE);
	for (int i = 0; i < n && ok; i++) {
		buf_clear(&word);
		buf_printf(&word, " %s ", operands[i]);
		ok = strstr(names, buf_cstr(&word)) && buf_str(out, str_head(buf_view(&word), word.n - 1));
		if (!ok)
			applet_usage_error(&applet_postsuper, "%s: the queues are%s", operands[i], names);
	}
	buf_fini(&word);
	return ok;
}

/* say_done - as Postfix's postsuper, each message that was named gets its line */
static void say_done(const struct change *row, const char *id, unsigned long n)
{
	if (n == 1 && strcmp(id, "ALL") != 0 && strcmp(id, "-") != 0)
		applet_fail(0, "%s: %s", id, row->done);
}

static int run_postsuper(int argc, char **argv)
{
	struct opt_parse o;
	const char *directory = NULL;
	unsigned long counts[CHANGES] = { 0 };
	struct { size_t row; const char *id; } *todo = mem_array(NULL, (size_t)argc, sizeof(*todo));
	size_t n = 0;
	bool verbose = false;
	struct conf *c = NULL;
	char **operands = mem_array(NULL, (size_t)argc, sizeof(char *));
	struct buf queues;
	int id, code = EX_OK, r;

	buf_init(&queues, LIMIT_CONTROL_LINE / 2);
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
		code = id == OPT_HELP ? applet_help(&applet_postsuper) : applet_usage_error(&applet_postsuper, "%s", o.error);
	else if (!take_queues(operands, o.n_operands, &queues))
		code = EX_USAGE;
	else if (n && !(c = applet_conf(directory, verbose)))
		code = EX_CONFIG;
	for (size_t i = 0; c && i < n; i++) {
		unsigned long before = counts[todo[i].row];

		r = change(c, changes[todo[i].row].verb, todo[i].id, buf_cstr(&queues), &counts[todo[i].row]);
		say_done(&changes[todo[i].row], todo[i].id, counts[todo[i].row] - before);
		code = code ? code : r;
	}
	for (size_t i = 0; i < CHANGES; i++)
		if (counts[i])
			applet_fail(0, "%s: %lu message%s", changes[i].summary, counts[i], plural(counts[i]));
	if (c)
		conf_free(c);
	buf_fini(&queues);
	mem_free(operands);
	mem_free(todo);
	return code;
}
