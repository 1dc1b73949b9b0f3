/* map_type - what a table type gives to core/map/map.c: one row in its table. Private to core/map. */
#ifndef CORE_MAP_MAP_TYPE_H
#define CORE_MAP_MAP_TYPE_H

#include <sys/stat.h>

#include "core/map/map.h"

enum map_flags {
	MAP_WHOLE = 1,         /* asked once with the whole key, never with parts of it */
	MAP_FOLDS = 2,         /* keys are lower case */
};

/* how a table is named, and how its text is to be read */
struct map_args {
	const char *spec;      /* "hash:/etc/x", for messages */
	const char *name;      /* "/etc/x" */
	enum source_form form;
	bool again;            /* a reload: what was said at the first open is not said again */
};

struct map_type {
	const char *name;
	unsigned flags;
	void *(*open)(const struct map_args *args, struct buf *why);
	enum map_answer (*find)(void *state, struct str key, struct buf *out);
	int (*each)(void *state, int (*fn)(void *ctx, struct str key, struct str value), void *ctx); /* NULL: cannot be walked */
	bool (*is_changed)(void *state);                   /* NULL: never changes */
	void (*refresh)(void *state, usec now_mono);       /* NULL: holds no other tables */
	void (*close)(void *state);
	unsigned (*line)(void *state);                     /* of the file, that the last find came from. NULL: it is not kept */
};

/* stamp - tells whether a file is still the one that was read */
struct stamp {
	bool exists;
	bool hidden;           /* we may not look (the opener can): taken as unchanged */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};
void stamp_take(struct stamp *s, const char *path);
void stamp_from(struct stamp *s, const struct stat *st);
bool stamp_eq(const struct stamp *a, const struct stamp *b);
bool stamp_is_older(const struct stamp *a, const struct stamp *b);  /* false where one does not exist */
bool stamp_is_current(const struct stamp *s, const char *path);

/* map_warn - log what is odd about a table: once a second, for each transport opens the tables of all */
void map_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* map_fail - add "SPEC: text" to why */
void map_fail(const struct map_args *args, struct buf *why, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* rules - the text of a rule table: a file, or `{ {rule}, {rule} }` in the name itself. fn gets one rule per line */
int rules_each(const struct map_args *args, struct stamp *stamp, struct buf *why,
               void (*fn)(void *ctx, unsigned line, struct str rule), void *ctx);
void rules_warn(const struct map_args *args, unsigned line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

extern const struct map_type map_type_cdb, map_type_texthash;                          /* map_file.c */
extern const struct map_type map_type_inline, map_type_static, map_type_fail, map_type_randmap; /* map_inline.c */
extern const struct map_type map_type_unionmap, map_type_pipemap;                      /* map_nest.c */
extern const struct map_type map_type_cidr;                                            /* map_cidr.c */
extern const struct map_type map_type_unix;                                            /* map_unix.c */
extern const struct map_type map_type_regexp, map_type_pcre;                           /* map_regexp.c, map_pcre.c */

#endif
