/* cdb - the only file that knows tinycdb. Reading never trusts a stored length (threats K1) and never maps the file
 * (K2: a truncated file must not kill the reader); writing goes to a temporary name, fsync, rename, fsync directory. */
#ifndef CORE_MAP_CDB_H
#define CORE_MAP_CDB_H

#include "core/base/buf.h"

struct cdb_table;
struct cdb_table *cdb_table_open(const char *path);                 /* NULL with errno; EINVAL: not a cdb file */
void cdb_table_close(struct cdb_table *t);
int cdb_table_find(struct cdb_table *t, struct str key, struct buf *out); /* 1 found, 0 not, -1 with errno */
/* cdb_hold_below - from now on, tables smaller than `size` that are asked often are copied into memory: for a program that
 * asks for very many keys, where each read of a few bytes is a system call. 0, the default: none is. */
void cdb_hold_below(uint64_t size);
int cdb_table_each(struct cdb_table *t, int (*fn)(void *ctx, struct str key, struct str value), void *ctx);

enum cdb_duplicates { CDB_DUP_WARN_FIRST, CDB_DUP_REPLACE, CDB_DUP_SILENT_FIRST, CDB_DUP_ERROR };
struct cdb_builder;
/* cdb_builder_new - builds PATH.tmp, renamed to PATH by finish; mode as of the source table. NULL with errno */
struct cdb_builder *cdb_builder_new(const char *path, unsigned mode);
/* cdb_builder_expect - so many records will come, perhaps: room for them is made at once */
void cdb_builder_expect(struct cdb_builder *b, size_t records);
int cdb_builder_add(struct cdb_builder *b, struct str key, struct str value, enum cdb_duplicates d); /* 1 added, 0 duplicate kept out, -1 errno */
/* the same in two steps: with other work between them, the memory that the second step needs has come by then. The first gives
 * what the second wants to be told of the same key */
uint32_t cdb_builder_ask(const struct cdb_builder *b, struct str key);
int cdb_builder_put(struct cdb_builder *b, uint32_t tag, struct str key, struct str value, enum cdb_duplicates d);
int cdb_builder_finish(struct cdb_builder *b);                      /* 0 durable and in place, or -1 with errno; frees b */
void cdb_builder_abort(struct cdb_builder *b);

#endif
