/* reads - see reads.h. */
#include "core/daemon/reads.h"

#include <stdint.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/mem.h"

void reads_add(void *ctx, const char *path)
{
	struct reads *r = ctx;

	if (path[0] != '/' || r->n == LIMIT_SETTINGS_READS)
		return;
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->v[i], path))
			return;
	r->v = mem_array(r->v, r->n + 2, sizeof(*r->v));
	r->v[r->n++] = mem_dupz(path);
	r->v[r->n] = NULL;
}

void reads_fini(struct reads *r)
{
	for (size_t i = 0; i < r->n; i++)
		mem_free((void *)(uintptr_t)r->v[i]);
	mem_free(r->v);
	*r = (struct reads){ NULL, 0 };
}
