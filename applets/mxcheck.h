/* mxcheck - what the files of this applet share: the options as values, and running them. */
#ifndef APPLETS_MXCHECK_H
#define APPLETS_MXCHECK_H

#include "applets/attachments.h"
#include "core/probe/probe_ask.h"
#include "core/probe/probe_list.h"
#include "core/submit/submit.h"

extern const struct applet applet_mxcheck;

enum mxcheck_form { MXCHECK_TEXT, MXCHECK_JSON, MXCHECK_NAGIOS, MXCHECK_PROMETHEUS, MXCHECK_HTML };
enum mxcheck_mode { MXCHECK_LOOK, MXCHECK_RCPT, MXCHECK_RELAY, MXCHECK_OPEN_RELAY, MXCHECK_DKIM, MXCHECK_SEND };
enum mxcheck_tls { MXCHECK_TLS_MAY, MXCHECK_TLS_NONE, MXCHECK_TLS_MUST, MXCHECK_TLS_IMPLICIT };
struct mxcheck {
	struct probe_options opt;
	struct probe_setup setup;
	struct dns_options dns;
	enum mxcheck_mode mode;
	enum mxcheck_tls tls;
	const char *ca_file;           /* "" where this system has none */
	const char *directory;         /* -c */
	struct mxcheck_mail {          /* --send; its sender is setup.sender, its server the only target */
		struct buf to;         /* an address list */
		const char *user, *password_file, *subject, *body;
		struct str *fields;    /* owned */
		size_t n_fields;
		struct attachments files;
		enum deliver_stop stop;
	} send;
	struct dkim_keys **keys;       /* --dkim: those that sign here, then NULL; owned */
	size_t n_keys;
	char **targets;                /* owned */
	size_t n;
	enum mxcheck_form form;
	const char *output;            /* file, replaced as a whole after each round; NULL: standard output */
	bool quiet, verbose, progress;
	usec every;                    /* --watch: time from one round's start to the next; 0: one round */
	uint64_t rounds;               /* 0: until interrupted */
	/* as they were given */
	const char *ca, *list, *explain;
	bool compare;
	const char **servers;          /* owned, its strings are not */
	size_t n_servers;
	struct buf list_text;
	struct arena arena;            /* names that were changed */
	char host[256];                /* our own name */
};
/* mxcheck_rounds - look at all targets, again and again where asked; the exit status */
int mxcheck_rounds(struct mxcheck *k);
/* mxcheck_ask_open - the configuration behind the modes that ask; a sysexits code, failures are said */
int mxcheck_ask_open(struct mxcheck *k);
/* mxcheck_dkim_open - the keys of the configuration, and their domains where none was named; a sysexits code, failures are said */
int mxcheck_dkim_open(struct mxcheck *k);
void mxcheck_dkim_close(struct mxcheck *k);
/* mxcheck_conf - a configuration made of the options alone, and of one more "name=value" (may be NULL); NULL after saying why */
struct conf *mxcheck_conf(const struct mxcheck *k, const char *more);
/* mxcheck_send - a test mail, its dialogue on standard output; a sysexits code */
int mxcheck_send(struct mxcheck *k);

/* --- mxcheck_targets.c --- */
/* mxcheck_name - what people type may be international: a name, or the domain of an address, in the form that the wire knows; its memory
 * is the program's */
const char *mxcheck_name(struct mxcheck *k, const char *given);
void mxcheck_add_target(struct mxcheck *k, struct str target);
/* mxcheck_targets - all that there are to be, of n operands and what the options say; a sysexits code, failures are said */
int mxcheck_targets(struct mxcheck *k, char **operands, int n);
/* --- mxcheck_papers.c --- exit statuses; compare: n files are there */
int mxcheck_explain(const char *word);
int mxcheck_compare(const struct mxcheck *k, char **files, int n);
/* --- mxcheck_values.c --- */
bool mxcheck_number(struct str text, uint64_t most, uint64_t *out);
/* mxcheck_threshold - "DAYS", "DAYS,MS" or ",MS": what is not said stays as it is */
bool mxcheck_threshold(const char *arg, unsigned *days, usec *slow);
bool mxcheck_tls(struct mxcheck *k, const char *word);
bool mxcheck_stage(struct mxcheck_mail *m, const char *word);

#endif
