/* mapgen_change - tables that mapgen builds, and changes by -d and -i. */
#ifndef APPLETS_MAPGEN_CHANGE_H
#define APPLETS_MAPGEN_CHANGE_H

#include "core/base/clock.h"
#include "core/map/mapgen.h"

struct mapgen_change {
	struct mapgen_options build;   /* who is told is filled in */
	const char *remove;            /* -d: a key, or "-": those on standard input; NULL: none */
	bool update, own_rights, verbose;
	bool terminal, shown;          /* progress is shown on stderr */
	usec began;
};
/* mapgen_change - build, update or delete from one table, as its owner where we are root; a sysexits code, failures said, 1 when -d
 * found nothing */
int mapgen_change(struct mapgen_change *s, const char *spec);

#endif
