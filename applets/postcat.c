/* postcat - `relayctl show` in the words of Postfix's postcat: which parts of the message, and marks between them. */
#include "applets/postcat.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/view/listing.h"

static int run(int argc, char **argv);
static const struct opt options[] = {
	{ 'q', 'q', NULL, OPT_NONE, NULL, "operands are queue ids" },
	{ 'e', 'e', NULL, OPT_NONE, NULL, "the envelope" },
	{ 'h', 'h', NULL, OPT_NONE, NULL, "the header" },
	{ 'b', 'b', NULL, OPT_NONE, NULL, "the body; of -e, -h and -b any, and all if there is none" },
	{ 'c', 'c', NULL, OPT_ARG, "DIR", "configuration directory" },
	{ 'v', 'v', NULL, OPT_NONE, NULL, "print warnings about the configuration" },
	{ OPT_HELP, 0, "help", OPT_NONE, NULL, "this text" },
	{ 0 },
};
const struct applet applet_postcat = {
	.name = "postcat", .summary = "print queued messages", .usage = "[-c DIR] [-e] [-h] [-b] -q ID...", .options = options, .run = run,
};

struct parts { bool envelope, header, body; };

static int from_spool(const struct conf *c, const char *id, FILE *to, struct buf *why)
{
	return listing_offline_show(c->queue_directory, str_of(id), true, to, why);
}

int message_text(const struct conf *c, const char *id, char **text, size_t *n)
{
	char request[LIMIT_CONTROL_LINE];

	snprintf(request, sizeof(request), "show %.100s", id);
	return applet_answer(c, request, id, from_spool, text, n);
}

static void put(struct str text)
{
	fwrite(text.p, 1, text.n, stdout);
}

/* part_at - all up to what follows `mark`, without it, of *rest; all of it where there is none */
static struct str part_at(struct str *rest, struct str mark)
{
	ptrdiff_t at = str_find(*rest, mark);
	struct str part = at < 0 ? *rest : str_head(*rest, (size_t)at);

	*rest = at < 0 ? STR_EMPTY : str_from(*rest, (size_t)at + mark.n);
	return part;
}

static void print(struct str text, const char *id, const struct parts *w)
{
	struct str rest = text, envelope, header;

	/* a line of the envelope has no line end in it, so the first such line is the mark */
	part_at(&rest, STR("\n"));
	envelope = part_at(&rest, STR("*** CONTENT ***\n"));
	if (w->envelope) {
		printf("*** ENVELOPE RECORDS %s ***\n", id);
		put(envelope);
	}
	if (w->envelope && (w->header || w->body))
		printf("*** MESSAGE CONTENTS %s ***\n", id);
	header = str_starts(rest, STR("\n")) ? str_head(rest, 0) : part_at(&rest, STR("\n\n"));
	if (w->header && header.n) {
		put(header);
		if (!str_ends(header, STR("\n")))
			putchar('\n');
	}
	if (w->body && w->header && rest.n && !str_starts(rest, STR("\n")))
		putchar('\n');
	if (w->body)
		put(rest);
	if (w->envelope && (w->header || w->body))
		printf("*** MESSAGE FILE END %s ***\n", id);
}

static int print_all(const struct conf *c, char **ids, int n, const struct parts *w)
{
	int code = EX_OK;

	for (int i = 0; i < n; i++) {
		char *text = NULL;
		size_t size = 0;
		int r = message_text(c, ids[i], &text, &size);

		if (!r)
			print(str_make(text, size), ids[i], w);
		code = code ? code : r;
		free(text);
	}
	return applet_close_output(code);
}

static int run(int argc, char **argv)
{
	char **operands = mem_array(NULL, (size_t)argc + 1, sizeof(*operands));
	struct parts w = { false, false, false };
	const char *directory = NULL;
	bool verbose = false, by_id = false;
	struct opt_parse o;
	struct conf *c = NULL;
	int id, code;

	opt_init(&o, options, argc, argv, operands);
	while ((id = opt_next(&o)) != OPT_END && id != OPT_HELP && id != OPT_BAD) {
		directory = id == 'c' ? o.arg : directory;
		verbose |= id == 'v';
		by_id |= id == 'q';
		w.envelope |= id == 'e';
		w.header |= id == 'h';
		w.body |= id == 'b';
	}
	if (!w.envelope && !w.header && !w.body)
		w = (struct parts){ true, true, true };
	if (id != OPT_END)
		code = id == OPT_HELP ? applet_help(&applet_postcat) : applet_usage_error(&applet_postcat, "%s", o.error);
	else if (!by_id || !o.n_operands)
		code = applet_usage_error(&applet_postcat, by_id ? "which message?" : "messages of this queue are no files: use -q ID");
	else
		code = (c = applet_conf(directory, verbose)) ? print_all(c, operands, o.n_operands, &w) : EX_CONFIG;
	conf_free(c);
	mem_free(operands);
	return code;
}
