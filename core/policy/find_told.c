/* find_told - see find_told.h. */
#include "core/policy/find_told.h"

enum map_answer find_told(struct maps *maps, const char *parameter, struct str key, bool partial, struct buf *out, struct buf *trace)
{
	enum map_answer got = MAP_NONE;

	for (size_t i = 0; i < maps->n && got == MAP_NONE; i++) {
		if (partial && map_is_whole(maps->v[i]))
			continue;
		got = map_find(maps->v[i], key, out);
		if (trace)
			map_tell(trace, parameter, maps->v[i], key, got, out);
	}
	return got;
}
