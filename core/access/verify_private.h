/* verify_private - what verify.c and verify_file.c share. */
#ifndef CORE_ACCESS_VERIFY_PRIVATE_H
#define CORE_ACCESS_VERIFY_PRIVATE_H

#include "core/access/verify.h"
#include "core/base/hash.h"
#include "core/base/list.h"

struct verify_entry {
	struct list link;              /* verify.order */
	struct list turn;              /* verify.waiting: its probe has not begun */
	struct list waits;             /* struct verify_wait.link */
	struct verify *v;
	usec updated;                  /* wall; 0: nothing is known */
	int code;                      /* 250, 450, 550 */
	char enhanced[12];
	char *text;
	bool probing;                  /* a probe runs or waits for its turn */
	char *address;                 /* the key */
};
struct verify {
	struct verify_options o;
	struct table table;            /* address -> struct verify_entry */
	struct list order;             /* longest without news first */
	struct list waiting;
	size_t n_probes;
	bool loaded;
	char *path;                    /* NULL: in memory only */
	int fd;                        /* for appending; -1: none */
	size_t lines;                  /* in the file */
};
struct verify_entry *verify_entry_get(struct verify *v, struct str address);   /* made when missing; NULL when there is no room */
void verify_entry_set(struct verify_entry *e, int code, struct str enhanced, struct str text, usec updated);
void verify_entry_drop(struct verify_entry *e);
bool verify_is_expired(const struct verify_entry *e, usec now);
/* --- the file (verify_file.c) ------------------------------------------------------------------------------------- */
void verify_file_open(struct verify *v);               /* read what is there, write it anew without what has expired */
void verify_file_add(struct verify *v, const struct verify_entry *e);
size_t verify_file_take(struct verify *v, struct str text);    /* lines without the version's; how many make no sense */
void verify_file_format(const struct verify *v, struct buf *out);      /* the same lines */
void verify_file_close(struct verify *v);

#endif
