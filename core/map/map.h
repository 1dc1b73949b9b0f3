/* map - lookup by `type:name`: one interface over cdb, text tables, inline, static, cidr and their combinations.
 *
 * hash:, btree:, lmdb:, dbm: and cdb: NAME all mean NAME.cdb; where that is missing or older than NAME, the text in
 * NAME is loaded instead (one warning, LOG_SEV_WARNING, says so; an *empty or absent* .cdb with an empty source is simply empty).
 * Tables reload when their file changes (map_refresh, asked at most once a second).
 * A lookup has three answers; MAP_ERROR means "ask later" and must defer, never bounce. Not safe across threads. */
#ifndef CORE_MAP_MAP_H
#define CORE_MAP_MAP_H

#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/map/source.h"

enum map_answer { MAP_FOUND, MAP_NONE, MAP_ERROR };
struct map;

/* map_tell - what a table said of a key, as a row "lookup" (core/base/row.h); value counts where it was found. parameter: "": not known */
void map_tell(struct buf *rows, const char *parameter, struct map *m, struct str key, enum map_answer got, const struct buf *value);
/* map_line - where in the text of a table of this spec an entry stands; 0: not known. It reads all of it: not for the daemon */
unsigned map_line(struct str spec, struct str key);
/* map_watch - each look-up of this thread adds a row, from now on; NULL: no more */
void map_watch(struct buf *rows);

bool map_is_type(struct str name);                     /* a type that is known here, "proxy" too */
void map_print_types(FILE *to);                        /* the same types, one a line */
/* map_open_form - map_open for a table whose text has another form: alias_maps read `name: value` lines (SOURCE_ALIAS) */
struct map *map_open_form(const char *spec, enum source_form form, struct buf *why);
/* map_open - one table; NULL with `why` filled ("unsupported map type", "/x/y: No such file …").
 * A file that is absent is an error at open. Files are opened with fs_open_table. */
struct map *map_open(const char *spec, struct buf *why);
void map_close(struct map *m);
/* map_find - look one key up. `out` is cleared first. Keys are folded to lower case for table types that fold. */
enum map_answer map_find(struct map *m, struct str key, struct buf *out);
void map_refresh(struct map *m, usec now_mono);
uint64_t map_spent(void);                       /* steps that all rules of patterns have cost this thread so far */
unsigned map_reloads(void);                     /* how often any table was loaded anew; wraps */
unsigned map_warnings(void);                    /* how much was said to be odd in tables; wraps */
const char *map_spec(const struct map *m);      /* "hash:/etc/x", as messages show it */
bool map_is_whole(const struct map *m);         /* cidr, regexp…: ask once with the whole address, no partial keys */
/* map_each - walk all entries of a table that can be walked; -1 with errno ENOTSUP otherwise */
int map_each(struct map *m, int (*fn)(void *ctx, struct str key, struct str value), void *ctx);

/* map_is_sifted_out - no rule of it can match key: seen without asking it, in a few nanoseconds a rule. Not while another thread asks */
bool map_is_sifted_out(const struct map *m, struct str key);

/* map_each_rule - the results of a regexp or pcre table, in order, with the line of each in its file; fn stops it with what is not 0. -1
 * with errno ENOTSUP for other tables */
int map_each_rule(struct map *m, int (*fn)(void *ctx, unsigned line, struct str result), void *ctx);

/* maps - an ordered list of tables (a parameter's value); each key goes through all tables before the next key */
struct maps {
	struct map **v;
	size_t n;
};
int maps_open(struct maps *ms, const char *list, struct buf *why);   /* 0, or -1 with why; "" = no tables */
int maps_open_form(struct maps *ms, const char *list, enum source_form form, struct buf *why);
/* maps_open_absent - the same, but a table whose file does not exist is taken: its name is added to missing, each lookup in it
 * fails, and it comes to life when the file is there (map_refresh) */
int maps_open_absent(struct maps *ms, const char *list, enum source_form form, struct buf *missing, struct buf *why);
void maps_close(struct maps *ms);
/* maps_find - first hit; *which (may be NULL) tells the table. partial: skip tables that take whole keys only */
enum map_answer maps_find(struct maps *ms, struct str key, bool partial, struct buf *out, const struct map **which);
void maps_refresh(struct maps *ms, usec now_mono);

#endif
