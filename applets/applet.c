/* applet - what the applets share: help, messages, the configuration, talking to relayd. */
#include "applets/applet.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "core/base/env.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/term.h"
#include "core/conf/conf.h"
#include "core/view/control.h"
#include "core/view/listing.h"
#include "core/submit/submit_spool.h"

static const char *called = "relaybox";

void applet_called(const char *name)
{
	called = name;
	log_set_program(name);
}

const char *applet_name(void)
{
	return called;
}

static void print_usage(FILE *to, const struct applet *a)
{
	struct str rest = str_of(a->usage), line;
	const char *lead = "usage:";

	while (str_cut(&rest, '\n', &line)) {
		fprintf(to, "%-6s %s %.*s\n", lead, a->name, STR_ARG(line));
		lead = "";
	}
}

int applet_help(const struct applet *a)
{
	printf("%s - %s\n\n", a->name, a->summary);
	print_usage(stdout, a);
	if (a->verbs)
		printf("\nrequests:\n");
	for (const struct applet_verb *v = a->verbs; v && v->name; v++)
		printf("  %s%s%-*s  %s\n", v->name, *v->args ? " " : "", (int)(22 - strlen(v->name) - (*v->args != 0)), v->args, v->help);
	printf(a->verbs ? "\noptions:\n" : "\n");
	opt_print_help(stdout, a->options);
	if (a->notes)
		printf("\n%s\n", a->notes);
	return applet_close_output(EX_OK);
}

int applet_version(void)
{
	printf("relaybox %s%s%s\n", RELAYBOX_VERSION, *conf_without() ? " without " : "", conf_without());
	return applet_close_output(EX_OK);
}

__attribute__((format(printf, 1, 0))) static void say(const char *fmt, va_list ap)
{
	struct buf text, line;

	/* what a server said may be in it */
	buf_init(&text, LIMIT_HEADER);
	buf_init(&line, 5 * LIMIT_HEADER);
	buf_vprintf(&text, fmt, ap);
	buf_printf(&line, "%s: ", called);
	term_text(&line, buf_view(&text));
	buf_byte(&line, '\n');
	fflush(stdout);
	fwrite(line.p, 1, line.n, stderr);  /* whole, since others write there, too */
	buf_fini(&line);
	buf_fini(&text);
}

int applet_fail(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return code;
}

void applet_note(const char *text)
{
	applet_fail(0, "%s", text);
}

int applet_usage_error(const struct applet *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s: \"%s --help\" lists the options\n", called, a->name);
	return EX_USAGE;
}

struct conf *applet_conf(const char *directory, bool verbose)
{
	struct conf_diag diag;
	struct conf *c;

	conf_diag_init(&diag);
	c = conf_load(conf_default_directory(directory), NULL, &diag);
	if (!c || verbose)
		conf_diag_print(&diag, stderr, called);
	conf_diag_fini(&diag);
	return c;
}

int applet_close_output(int code)
{
	if (fflush(stdout) || ferror(stdout)) {
		if (errno == EPIPE)
			return code ? code : EX_IOERR;
		return applet_fail(EX_IOERR, "cannot write the output: %s", strerror(errno));
	}
	return code;
}

bool applet_colour(FILE *to)
{
	const char *no = env_get("NO_COLOR"), *term = env_get("TERM");

	return isatty(fileno(to)) && (!no || !*no) && term && strcmp(term, "dumb") != 0;
}

int applet_asked(const struct conf *c, int r, const char *about, int no, const struct buf *why)
{
	if (!r)
		return EX_OK;
	if (r > 0)
		return applet_fail(r > 1 ? EX_NOPERM : no, "%s%s%s", about ? about : "", about ? ": " : "", buf_cstr(why));
	if (control_is_silent(errno))
		return applet_fail(EX_UNAVAILABLE, "no relayd answers at %s/control: %s; start relayd, or name its configuration "
			"directory with -c", c->queue_directory, strerror(errno));
	if (errno == EPROTONOSUPPORT)
		return applet_fail(EX_PROTOCOL, "relayd at %s/control is of another version, whose answers are not understood here: use the "
			"relaybox that it was started from", c->queue_directory);
	return applet_fail(EX_TEMPFAIL, "cannot ask relayd at %s/control: %s", c->queue_directory, strerror(errno));
}

int applet_answer(const struct conf *c, const char *request, const char *id, alone_fn alone, char **text, size_t *n)
{
	FILE *to = open_memstream(text, n);
	struct buf why;
	int r, no = id ? EX_NOINPUT : EX_UNAVAILABLE, code = EX_OK;

	if (!to)
		return applet_fail(EX_OSERR, "out of memory");
	buf_init(&why, LIMIT_REPLY_TEXT);
	r = control_request(c->queue_directory, request, to, &why);
	if (r >= 0 || !alone || !control_is_silent(errno))
		code = applet_asked(c, r, id ? id : "relayd", no, &why);
	else if (alone(c, id, to, &why) < 0)
		code = applet_fail(no, "%s: %s (no relayd answers at %s/control)", id ? id : "the queue", buf_cstr(&why), c->queue_directory);
	buf_fini(&why);
	fclose(to);
	return code;
}

struct kept { struct listing listing; struct buf text; };
static void add_kept(void *ctx, const char *id, const struct envelope *e, uint64_t size, struct str reason)
{
	struct kept *k = ctx;

	listing_drop(&k->listing, id, e, size, reason, &k->text);
}

int applet_queue(const struct conf *c, bool json)
{
	struct kept kept = { .listing.form = json ? LISTING_JSON : LISTING_MAILQ };
	struct buf why;
	int r, code = EX_OK;
	bool own;

	buf_init(&kept.text, 64 * 1024 * 1024);
	submit_spool_each(c, add_kept, &kept);
	/* a host that sends directly has no queue but what sendmail keeps */
	own = (*c->relayhost || kept.listing.messages) && access(c->queue_directory, F_OK) < 0;
	if (kept.listing.messages || own)
		listing_end(&kept.listing, &kept.text);
	buf_init(&why, LIMIT_REPLY_TEXT);
	r = control_request(c->queue_directory, json ? "queue json" : "queue", stdout, &why);
	if (r >= 0 || !control_is_silent(errno))
		code = applet_asked(c, r, "relayd refused", EX_UNAVAILABLE, &why);
	else if (!own && listing_offline(c->queue_directory, kept.listing.form, stdout, &why) < 0)
		code = applet_fail(EX_UNAVAILABLE, "cannot read the queue: %s (no relayd answers at %s/control, and the spool "
			"there is not readable)", buf_cstr(&why), c->queue_directory);
	if (kept.text.n)
		fwrite(kept.text.p, 1, kept.text.n, stdout);
	buf_fini(&kept.text);
	buf_fini(&why);
	return applet_close_output(code);
}

int applet_control(const struct conf *c, const char *request, bool quiet)
{
	struct buf why;
	int code;
	FILE *to = quiet ? fopen("/dev/null", "w") : stdout;

	buf_init(&why, LIMIT_REPLY_TEXT);
	code = applet_asked(c, control_request(c->queue_directory, request, to ? to : stdout, &why), NULL, EX_UNAVAILABLE, &why);
	if (to && to != stdout)
		fclose(to);
	buf_fini(&why);
	return applet_close_output(code);
}
