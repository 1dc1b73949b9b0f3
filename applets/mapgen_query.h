/* mapgen_query - mapgen's questions to tables: -q and -s. */
#ifndef APPLETS_MAPGEN_QUERY_H
#define APPLETS_MAPGEN_QUERY_H

#include "core/map/mapgen.h"

struct mapgen_query {
	const char *key;               /* "-": keys from standard input */
	bool bodies, headers, mime;    /* -b, -h, -m: standard input is a message */
	bool json;
	const struct mapgen_options *build; /* keep_case, file_values, form */
};
/* mapgen_split - "hash:/x" into its parts; a name without a type is cdb */
void mapgen_split(const char *spec, struct str *type, const char **name);
int mapgen_query(const struct mapgen_query *q, char **specs, int n); /* 0 found, 1 not there, else a sysexits code */
int mapgen_list(const struct mapgen_query *q, const char *spec);     /* a sysexits code */

#endif
