/* ask - see ask.h. */
#include "core/policy/ask.h"

enum map_answer policy_ask(struct maps *maps, const char *parameter, struct str key, bool partial, struct buf *out, struct buf *trace)
{
	static const char *const words[] = { [MAP_FOUND] = "found", [MAP_NONE] = "not found", [MAP_ERROR] = "lookup error" };
	enum map_answer got = maps_find(maps, key, partial, out, NULL);

	if (trace && maps->n)
		buf_printf(trace, "%s: %.*s: %s\n", parameter, STR_ARG(key), words[got]);
	return got;
}
