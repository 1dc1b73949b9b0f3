/* sendmail - submission with Postfix's full flag set; also mailq and newaliases. The input rules are in core/msg/inject,
 * the ways out in core/submit. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/explain.h"
#include "applets/newaliases.h"
#include "applets/submission.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/submit/submit.h"
#include "core/submit/submit_spool.h"
#include "core/submit/submit_stdio.h"

static int run(int argc, char **argv);
static const char *const aliases[] = { "mailq", "newaliases", NULL };
static const struct opt options[] = {
	{ 't', 't', NULL, OPT_NONE, NULL, "take recipients from the To, Cc and Bcc fields too" },
	{ 'f', 'f', NULL, OPT_ARG, "SENDER", "envelope sender (\"\": the null sender)" },
	{ 'f', 'r', NULL, OPT_ARG, "SENDER", "the same as -f" },
	{ 'F', 'F', NULL, OPT_ARG, "NAME", "full name for a From field that is missing" },
	{ 'i', 'i', NULL, OPT_NONE, NULL, "a line of one dot does not end the message" },
	{ 'b', 'b', NULL, OPT_ARG, "MODE", "m: send (default); s: SMTP on standard input; p: list the queue; i: build alias tables; "
		"v: explain addresses; d: start relayd; V: print the version" },
	{ 'q', 'q', NULL, OPT_MAYBE, "WHAT", "flush the queue; IID: one message; RSITE: mail for a site; an interval is ignored" },
	{ 'N', 'N', NULL, OPT_ARG, "WHEN", "delivery notices: never, or a list of success, failure, delay" },
	{ 'R', 'R', NULL, OPT_ARG, "RET", "notices return the message in full or only its hdrs" },
	{ 'V', 'V', NULL, OPT_ARG, "ENVID", "envelope identifier for notices" },
	{ 'B', 'B', NULL, OPT_ARG, "TYPE", "body type: 7BIT or 8BITMIME (found out by itself)" },
	{ 'C', 'C', NULL, OPT_ARG, "PATH", "main.cf, or its directory" },
	{ 'o', 'o', NULL, OPT_ARG, "OPTION", "i: as -i; APATH: alias table for -bi; all others are ignored" },
	{ 'O', 'O', NULL, OPT_ARG, "NAME=VALUE", "smtputf8=yes asks for SMTPUTF8, requiretls=yes for REQUIRETLS; all others are ignored" },
	{ 'I', 'I', NULL, OPT_NONE, NULL, "the same as -bi" },
	{ 'v', 'v', NULL, OPT_NONE, NULL, "say how the message went" },
	{ 'X', 'X', NULL, OPT_ARG, "V[XY]", "VERP: a message for each recipient, from SENDER+user=domain; all others are ignored" },
	{ OPT_HELP, 0, "help", OPT_NONE, NULL, "this text" },
	/* tradition's flags that change nothing */
	{ 'x', 'A', NULL, OPT_ARG, NULL, NULL }, { 'x', 'e', NULL, OPT_ARG, NULL, NULL },
	{ 'x', 'h', NULL, OPT_ARG, NULL, NULL }, { 'x', 'L', NULL, OPT_ARG, NULL, NULL },
	{ 'x', 'p', NULL, OPT_ARG, NULL, NULL },
	{ 'x', 'G', NULL, OPT_NONE, NULL, NULL }, { 'x', 'U', NULL, OPT_NONE, NULL, NULL },
	{ 'x', 'c', NULL, OPT_NONE, NULL, NULL }, { 'x', 'm', NULL, OPT_NONE, NULL, NULL },
	{ 'x', 'n', NULL, OPT_NONE, NULL, NULL }, { 'x', 'x', NULL, OPT_NONE, NULL, NULL },
	{ 0 },
};
const struct applet applet_sendmail = {
	.name = "sendmail",
	.aliases = aliases,
	.summary = "submit a message; list or flush the queue; build alias tables",
	.usage = "[-t] [-i] [-f SENDER] [-F NAME] [-N WHEN] [-R RET] [-V ENVID] [RECIPIENT...]\n-bs | -bp | -bi | -q[IID|RSITE]",
	.options = options,
	.notes = "-A -e -h -L -p (with an argument) and -G -U -c -m -n -x are accepted and ignored.",
	.run = run,
};

struct flags {
	char mode;                     /* letter of -b; 'q' for -q */
	const char *sender, *full_name, *config, *queue, *notify, *ret, *envid, *body, *alias_file, *verp;
	bool extract, dot_is_text, smtputf8, requiretls, daemon;
	int verbose;
	char **rcpts;
	int n_rcpts;
};

/* --- modes -------------------------------------------------------------------------------------------------------- */

static int send_message(const struct conf *c, const struct flags *f)
{
	struct submission s;
	struct buf message;
	int code;

	submission_init(&s, c);
	s.extract = f->extract;
	s.smtputf8 = f->smtputf8;
	s.requiretls = f->requiretls;
	s.verbose = f->verbose > 0;
	s.verp = f->verp;
	submission_dsn(&s, f->notify, f->ret, f->envid);
	if (f->full_name)
		s.full_name = mem_dupz(f->full_name);
	code = submission_sender(&s, "-f", f->sender);
	for (int i = 0; i < f->n_rcpts && !code; i++)
		inject_add_list(&s.arena, &s.rcpts, "recipient", str_of(f->rcpts[i]));
	if (!code && !s.rcpts.n && !s.rcpts.n_bad && !s.extract)
		code = applet_fail(EX_USAGE, "recipient addresses must be specified on the command line or via the -t option");
	if (!code) {
		code = submission_read(c, !f->dot_is_text, &message);
		if (!code)
			code = submission_send(&s, buf_view(&message));
		buf_fini(&message);
	}
	submission_fini(&s);
	return code;
}

/* flush_all - relayd's queue, and what is kept here; a host that has no relayd lacks nothing */
static int flush_all(const struct conf *c)
{
	struct submit_flush kept = { .all = true, .note = applet_note };
	bool has_queue = c->sendmail_submission != SUBMIT_DIRECT && access(c->queue_directory, F_OK) == 0;
	int code;

	submit_spool_flush(c, &kept);
	code = has_queue || !*c->relayhost ? applet_control(c, "flush", true) : EX_OK;
	if (!code && kept.left)
		code = applet_fail(EX_TEMPFAIL, "mail is still kept for later; mailq lists it");
	return code;
}

/* flush - -q, -qIid, -qRsite */
static int flush(const struct conf *c, const struct flags *f)
{
	char request[512];

	if (!f->queue)
		return flush_all(c);
	if (f->queue[0] == 'I' && f->queue[1])
		snprintf(request, sizeof(request), "flush %.400s", f->queue + 1);
	else if (f->queue[0] == 'R' && f->queue[1])
		snprintf(request, sizeof(request), "flush site:%.400s", f->queue + 1);
	else
		return applet_usage_error(&applet_sendmail, "-q%s: only -q, -qIid and -qRsite are known", f->queue);
	return applet_control(c, request, true);
}

/* explain - -bv: what would happen to these addresses (Postfix mails a report; this prints it) */
static int explain(const struct conf *c, const struct flags *f)
{
	const struct explain_words words[] = { { "from=", f->sender }, { NULL, NULL } };
	int code = EX_OK, r;

	if (f->extract || !f->n_rcpts)
		return applet_usage_error(&applet_sendmail, "-bv wants addresses as arguments");
	for (int i = 0; i < f->n_rcpts; i++) {
		r = explain_address(c, conf_default_directory(f->config), f->rcpts[i], words, false);
		code = code ? code : r;
	}
	return code;
}

static int start_daemon(const struct flags *f)
{
	char name[] = "relayd", detach[] = "-d", config[] = "-c", self[] = "/proc/self/exe";
	char *directory = f->config ? mem_dupz(f->config) : NULL;
	char *argv[] = { name, detach, directory ? config : NULL, directory, NULL };

	execv(self, argv);
	mem_free(directory);
	return applet_fail(EX_UNAVAILABLE, "cannot start relayd: %s", strerror(errno));
}

/* --- options -------------------------------------------------------------------------------------------------------- */

static int take_option(struct flags *f, int id, const char *arg)
{
	switch (id) {
	case 't': f->extract = true; break;
	case 'f': f->sender = arg; break;
	case 'F': f->full_name = arg; break;
	case 'i': f->dot_is_text = true; break;
	case 'I': f->mode = 'i'; break;
	case 'N': f->notify = arg; break;
	case 'R': f->ret = arg; break;
	case 'V': f->envid = arg; break;
	case 'C': f->config = arg; break;
	case 'X':
		if (arg[0] == 'V')
			f->verp = arg[1] ? arg + 1 : "+=";
		if (f->verp && (strlen(f->verp) != 2 || strspn(f->verp, "+-=") != 2))
			return applet_usage_error(&applet_sendmail, "-X%s: two of + - = delimit", arg);
		break;
	case 'v': f->verbose++; break;
	case 'b':
		f->mode = arg[0];
		if (!arg[0] || arg[1] || !strchr("mspidlvhHV", arg[0]))
			return applet_usage_error(&applet_sendmail, "-b%s: no such mode", arg);
		break;
	case 'q':
		if (arg && ascii_is_digit(arg[0]))
			f->daemon = true;
		else
			f->mode = 'q', f->queue = arg;
		break;
	case 'B':
		if (strcasecmp(arg, "7BIT") != 0 && strcasecmp(arg, "8BITMIME") != 0)
			return applet_usage_error(&applet_sendmail, "-B %s: neither 7BIT nor 8BITMIME", arg);
		break;
	case 'o':
		f->dot_is_text = f->dot_is_text || arg[0] == 'i';
		if (arg[0] == 'A' && arg[1])
			f->alias_file = arg + 1;
		break;
	case 'O':
		f->smtputf8 = f->smtputf8 || !strcasecmp(arg, "smtputf8=yes");
		f->requiretls = f->requiretls || !strcasecmp(arg, "requiretls=yes");
		break;
	}
	return EX_OK;
}

/* config_directory - -C takes main.cf or its folder */
static char *config_directory(const char *path)
{
	struct stat st;
	const char *slash;

	if (!path)
		return NULL;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return mem_dupz(path);
	slash = strrchr(path, '/');
	return slash ? str_dup(str_make(path, slash == path ? 1 : (size_t)(slash - path))) : mem_dupz(".");
}

static int work(struct flags *f)
{
	char *directory = config_directory(f->config);
	struct conf *c;
	int code;

	if (f->mode == 'h' || f->mode == 'H' || (f->daemon && !strchr("dlspivq", f->mode) && !f->n_rcpts && !f->extract)) {
		/* -bh, -bH: host status; -q30m without a daemon: nothing to do */
		mem_free(directory);
		return EX_OK;
	}
	if (f->mode == 'd' || f->mode == 'l') {
		code = start_daemon(&(struct flags){ .config = directory });
		mem_free(directory);
		return code;
	}
	c = applet_conf(directory, f->verbose > 1);
	mem_free(directory);
	if (!c)
		return EX_CONFIG;
	switch (f->mode) {
	case 'p': code = applet_queue(c, false); break;
	case 'i': code = newaliases(c, f->alias_file); break;
	case 's': code = submit_stdio(c, STDIN_FILENO, STDOUT_FILENO); break;
	case 'v': code = explain(c, f); break;
	case 'q': code = flush(c, f); break;
	default: code = send_message(c, f); break;
	}
	conf_free(c);
	return code;
}

/* take_late_options - "-f SENDER TO -i", as gvmd calls us: -i and -t alone still count behind recipients, which are fewer then */
static int take_late_options(struct flags *f, int n)
{
	while (n > 1 && f->mode == 'm' && (!strcmp(f->rcpts[n - 1], "-i") || !strcmp(f->rcpts[n - 1], "-t"))) {
		f->dot_is_text = f->dot_is_text || f->rcpts[n - 1][1] == 'i';
		f->extract = f->extract || f->rcpts[n - 1][1] == 't';
		n--;
	}
	return n;
}

/* check - a message that would not be sent must be missed */
static int check(const struct flags *f)
{
	if (f->extract && f->mode == 'v')
		return applet_usage_error(&applet_sendmail, "-t option cannot be used with -bv");
	if (f->extract && f->mode != 'm')
		return applet_usage_error(&applet_sendmail, "-t can be used only in delivery mode");
	if (f->n_rcpts && strchr("piqs", f->mode))
		return applet_usage_error(&applet_sendmail, "%s: recipients go with a message only", f->rcpts[0]);
	return EX_OK;
}

static int run(int argc, char **argv)
{
	struct flags f = { .mode = 'm' };
	struct opt_parse o;
	int id, code = EX_OK;

	mem_brief();
	f.rcpts = mem_array(NULL, (size_t)argc, sizeof(char *));
	if (!strcmp(applet_name(), "mailq"))
		f.mode = 'p';
	if (!strcmp(applet_name(), "newaliases"))
		f.mode = 'i';
	opt_init(&o, options, argc, argv, f.rcpts);
	/* as in Postfix: what stands behind a recipient is one, and no option changes the sender there */
	o.posix = true;
	while (!code && (id = opt_next(&o)) != OPT_END && id != OPT_HELP)
		code = id == OPT_BAD ? applet_usage_error(&applet_sendmail, "%s", o.error) : take_option(&f, id, o.arg);
	f.n_rcpts = take_late_options(&f, o.n_operands);
	if (!code && id == OPT_HELP)
		code = applet_help(&applet_sendmail);
	else if (!code && (code = check(&f)) == EX_OK)
		code = f.mode == 'V' ? applet_version() : work(&f);
	mem_free(f.rcpts);
	return code;
}
