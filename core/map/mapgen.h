/* mapgen - builds and edits NAME.cdb from the text in NAME: what mapgen, postmap, postalias and newaliases do.
 *
 * The table is replaced as a whole: built aside, flushed, renamed; an error leaves the old one. The temporary file is
 * locked before the source is read, so of two builders the later one has read the later text. Lines that cannot be used
 * are reported and left out, as postmap does; they are no failure. */
#ifndef CORE_MAP_MAPGEN_H
#define CORE_MAP_MAPGEN_H

#include "core/map/cdb.h"
#include "core/map/source.h"

struct mapgen_options {
	enum source_form form;         /* SOURCE_TABLE or SOURCE_ALIAS */
	enum cdb_duplicates duplicates;
	bool keep_case;                /* -f: keys are not folded to lower case */
	bool nul;                      /* -N: keys and values end with a NUL */
	bool any_bytes;                /* -u: keys and values need not be UTF-8 */
	bool file_values;              /* -F: a value names files; their content is stored, base64 */
	bool default_mode;             /* -p: 0644, not the mode of the source */
	/* what is odd about the source: line 0 = the file as a whole. May be NULL */
	void (*warn)(void *ctx, const char *file, unsigned line, const char *text);
	void (*progress)(void *ctx, size_t entries, size_t done, size_t total); /* bytes of the source; may be NULL */
	void *ctx;
};
struct mapgen_report { size_t entries, duplicates, unusable, deleted; };

/* mapgen_is_indexed - do tables of this type need building? (hash, btree, lmdb, dbm, cdb: all become NAME.cdb) */
bool mapgen_is_indexed(struct str type);
/* mapgen_build - 0, or -1 with why (says which file and what to do) */
int mapgen_build(const char *name, const struct mapgen_options *o, struct mapgen_report *r, struct buf *why);
/* mapgen_update - add entries in `text` to NAME.cdb, which need not exist */
int mapgen_update(const char *name, struct str text, const struct mapgen_options *o, struct mapgen_report *r, struct buf *why);
/* mapgen_delete - take these keys out of NAME.cdb; r->deleted tells how many were there */
int mapgen_delete(const char *name, const struct str *keys, size_t n, const struct mapgen_options *o, struct mapgen_report *r,
	struct buf *why);

#endif
