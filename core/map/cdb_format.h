/* cdb_format - what the cdb reader and the cdb builder share; nobody else includes it.
 *
 * A file is 256 pairs (position, slots) of the hash tables, the records (key length, value length, key, value), then the
 * tables of pairs (hash, position of the record). Numbers are 32 bits, little endian. */
#ifndef CORE_MAP_CDB_FORMAT_H
#define CORE_MAP_CDB_FORMAT_H

#include "core/base/str.h"

#define CDB_TABLES 256
#define CDB_HEADER (CDB_TABLES * 8)

uint32_t cdb_format_hash(struct str key);
void cdb_format_pack(unsigned char at[8], uint32_t a, uint32_t b);
void cdb_format_unpack(const unsigned char at[8], uint32_t *a, uint32_t *b);

#endif
