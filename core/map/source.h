/* source - the text of a table, line by line: `key whitespace value`, "quoted keys", comments, continuation lines;
 * or in alias form `key: value` (postalias). Shared by texthash, mapgen and cidr. */
#ifndef CORE_MAP_SOURCE_H
#define CORE_MAP_SOURCE_H

#include <sys/stat.h>

#include "core/base/buf.h"

enum source_form {
	SOURCE_TABLE,
	SOURCE_ALIAS,          /* name: value; results as in SOURCE_ROUTE */
	SOURCE_ALIAS_TEXT,     /* texthash as alias_maps: name value, which Postfix reads there, and name: value, line by line */
	SOURCE_ROUTE,          /* a table that chooses a next hop: no result is made of what a pattern matched */
	SOURCE_SECRETS,        /* a table of passwords: no message shows what is written in its name, as inline: has it */
	SOURCE_LOGINS,         /* … that says who may come in: as SOURCE_ROUTE, too */
	SOURCE_LINES,          /* logical lines, not split: cidr */
};
struct source {
	struct str rest;       /* text not yet read; the caller keeps the bytes */
	unsigned line;         /* physical line where the current entry starts, from 1 */
	enum source_form form;
	struct buf logical;    /* current logical line */
	unsigned next_line;
	char error[120];       /* why the last entry is unusable ("expected format: key whitespace value") */
	int fd;                /* source_init_fd: where more text comes from; -1: all of it is in rest */
	bool begun;            /* the front of the text was looked at */
	int read_errno;        /* reading failed: source_next then says 0, and this is not 0 */
	size_t room;           /* of the window */
	struct buf window;
};
void source_init(struct source *s, struct str text, enum source_form form);
/* source_init_fd - the same, read from fd (the caller's) as it goes: memory stays small whatever the size of the file */
void source_init_fd(struct source *s, int fd, enum source_form form);
void source_fini(struct source *s);
/* source_next - 1 with key and value (views valid until the next call), 0 at the end, -1 for a bad line (s->line,
 * s->error; go on calling) */
int source_next(struct source *s, struct str *key, struct str *value);
/* source_load - the whole file into text (its bound applies: EFBIG), and what fstat says of it; 0, or -1 with errno */
int source_load(const char *path, struct buf *text, struct stat *st);

#endif
