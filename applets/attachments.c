/* attachments - see attachments.h. */
#include "applets/attachments.h"

#include <errno.h>

#include "applets/applet.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"

int attachments_add(struct attachments *a, const char *path)
{
	size_t at = a->n++;

	a->v = mem_array(a->v, a->n, sizeof(*a->v));
	a->contents = mem_array(a->contents, a->n, sizeof(*a->contents));
	a->v[at] = (struct compose_file){ .name = fs_name(path) };
	buf_init(&a->contents[at], LIMIT_ATTACHMENT);
	if (fs_read_stream(path, &a->contents[at]) < 0)
		return applet_fail(EX_NOINPUT, "cannot attach %s: %s", path, strerror(errno));
	a->v[at].content = buf_view(&a->contents[at]);
	return EX_OK;
}

void attachments_fini(struct attachments *a)
{
	for (size_t i = 0; i < a->n; i++)
		buf_fini(&a->contents[i]);
	mem_free(a->contents);
	mem_free(a->v);
}
