/* cdb files of any content: lookups and walks end, and what they give lies inside the file */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/map/cdb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct count {
	size_t left;
	struct cdb_table *t;
};

static int each(void *ctx, struct str key, struct str value)
{
	struct count *c = ctx;
	struct buf out;

	if (key.n + value.n + 8 > c->left)
		abort();
	c->left -= key.n + value.n + 8;
	buf_init(&out, 1 << 16);
	(void)cdb_table_find(c->t, key, &out);
	buf_fini(&out);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	int fd = memfd_create("cdb", MFD_CLOEXEC);
	struct count c = { .left = n };
	struct buf out;
	char path[64];

	if (fd < 0 || fs_write_all(fd, data, n) < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	c.t = cdb_table_open(path);
	if (c.t) {
		buf_init(&out, 1 << 16);
		(void)cdb_table_find(c.t, STR("a"), &out);
		buf_clear(&out);
		(void)cdb_table_find(c.t, str_make((const char *)data, n < 40 ? n : 40), &out);
		(void)cdb_table_each(c.t, each, &c);
		buf_fini(&out);
		cdb_table_close(c.t);
	}
	close(fd);
	return 0;
}
