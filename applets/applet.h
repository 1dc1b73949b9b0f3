/* applet - one row per applet: its file defines `const struct applet applet_NAME`, config.mk switches it on.
 *
 * The option table is the single source of --help, the man page check and shell completion. */
#ifndef APPLETS_APPLET_H
#define APPLETS_APPLET_H

#include <stdio.h>
#include <sysexits.h>

#include "core/base/buf.h"
#include "core/base/opt.h"

struct conf;
struct applet_verb {
	const char *name, *args, *help; /* args: "ADDR", "[ID|SITE]"; "": none */
	int (*run)(void *ctx, const struct applet_verb *verb); /* ctx: the applet's own */
	int least, most;               /* operands; most < 0: no limit */
};
struct applet {
	const char *name;
	const char *const *aliases;    /* other argv[0] names, NULL-terminated; NULL: none */
	const struct applet *const *also; /* names with options of their own, NULL-terminated; NULL: none */
	const char *summary;           /* one line, no full stop */
	const char *usage;             /* "[-c DIR] …"; lines separated by '\n' */
	const struct opt *options;     /* ends with id 0 */
	const struct applet_verb *verbs; /* what the first operand may be; ends with name NULL; NULL: operands are free */
	const char *notes;             /* after the options in --help; may be NULL */
	int (*run)(int argc, char **argv); /* argv[0] = the name it was called by; returns a sysexits code */
};
/* ids of options that have no letter; an applet's own begin after them */
enum applet_option { OPT_HELP = 256, OPT_VERSION, OPT_FIRST_OWN };

/* applet_help - usage, options and notes to stdout; returns EX_OK */
int applet_help(const struct applet *a);
int applet_version(void);                              /* "relaybox X" to stdout; returns EX_OK */
/* applet_usage_error - "name: why" and a hint at -h on stderr; returns EX_USAGE */
int applet_usage_error(const struct applet *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* applet_fail - "NAME: what failed: why" on stderr, NAME as the person called it; returns code */
int applet_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void applet_note(const char *text);                    /* the same of a text, for who tells notes */
void applet_called(const char *name);                  /* the name for messages; set by the dispatcher */
const char *applet_name(void);
/* applet_conf - the configuration of -c DIR (NULL: the default directory); NULL after errors were said (EX_CONFIG).
 * Warnings are for the administrator: they show only when verbose. */
struct conf *applet_conf(const char *directory, bool verbose);
/* applet_close_output - flush stdout; code, or EX_IOERR with a message when the output was lost */
int applet_close_output(int code);
bool applet_colour(FILE *to);                          /* a terminal that wants colour: NO_COLOR and TERM=dumb say no */
/* applet_asked - what became of a control_request, r: a sysexits code (no: for a refusal), failures said, with `about` (may be
 * NULL) before a refusal */
int applet_asked(const struct conf *c, int r, const char *about, int no, const struct buf *why);
/* applet_answer - the answer to a request, in memory: from relayd, or where none runs from `alone` (NULL: nowhere else). id: of the
 * message that it is about, NULL: of none. A sysexits code, failures said; *text is the caller's to free in any case */
typedef int (*alone_fn)(const struct conf *c, const char *id, FILE *to, struct buf *why);
int applet_answer(const struct conf *c, const char *request, const char *id, alone_fn alone, char **text, size_t *n);
/* applet_queue - the queue as mailq or `postqueue -j` shows it: from relayd, else read from the spool */
int applet_queue(const struct conf *c, bool json);
/* applet_control - send a request to relayd, print its answer (quiet: do not); a sysexits code, failures said on stderr */
int applet_control(const struct conf *c, const char *request, bool quiet);

#endif
