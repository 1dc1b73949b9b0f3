/* master_private - what the files master*.c share. */
#ifndef CORE_CONF_MASTER_PRIVATE_H
#define CORE_CONF_MASTER_PRIVATE_H

#include "core/conf/conf_private.h"

#define MASTER_OVERRIDES 200 /* -o options of one line */

struct master_line {
	struct str service, type, program;  /* views of the line */
	struct str field[8], arguments;     /* the same line as it was written */
	int64_t maxproc;                    /* -1: "-" */
	unsigned number;
	const char *overrides[MASTER_OVERRIDES + 1]; /* "name=value", owned, NULL-terminated */
	size_t n_overrides;
};
bool master_line_parse(struct str line, unsigned number, struct master_line *out, struct buf *why); /* fini in any case */
void master_line_fini(struct master_line *l);

struct master_load {                        /* what the steps of one load share */
	const struct conf *conf;
	struct master *out;
	struct conf_diag *diag;
	const char *path;                   /* NULL: not from a file */
	struct buf not_run;                 /* services that nothing here serves */
	struct master_line behind;          /* "smtpd pass": where postscreen hands clients to; without options where there is none */
};

/* master_screen_find - the line behind postscreen, wherever it stands in text; master_screen_line - make a line of postscreen one of smtpd */
void master_screen_find(struct master_load *ld, struct str text);
void master_screen_line(struct master_load *ld, struct master_line *l);

void master_take_line(struct master_load *ld, struct master_line *l);  /* to what it makes: a listener, a transport, a cleanup */
bool master_env_replaces(struct str service, struct str type);         /* has the environment a line in the place of this one? */
void master_env_lines(struct master_load *ld);

#endif
