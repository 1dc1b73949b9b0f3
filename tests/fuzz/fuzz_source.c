/* table text: every form ends, and reading through a descriptor gives the same entries as reading from memory */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/map/source.h"
#include "core/map/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void read_all(struct source *s, struct buf *out)
{
	struct str key, value;
	int got;

	while ((got = source_next(s, &key, &value)) != 0) {
		buf_printf(out, "%u:", s->line);
		if (got < 0) {
			buf_z(out, s->error);
			continue;
		}
		buf_str(out, key);
		buf_byte(out, '|');
		buf_str(out, value);
		if (s->form != SOURCE_LINES && !key.n)
			abort();
	}
	source_fini(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = mem_alloc(n);
	struct str in = str_make(copy, n), rest = in, word;
	static int fd = -1;

	memcpy(copy, data, n);
	if (fd < 0)
		fd = memfd_create("source", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
		abort();
	for (int form = SOURCE_TABLE; form <= SOURCE_LINES; form++) {
		struct source s;
		struct buf one, two;

		buf_init(&one, 32 * n + 4096);
		buf_init(&two, 32 * n + 4096);
		source_init(&s, in, (enum source_form)form);
		read_all(&s, &one);
		if (lseek(fd, 0, SEEK_SET) != 0)
			abort();
		source_init_fd(&s, fd, (enum source_form)form);
		read_all(&s, &two);
		if (n < 100000 && !str_eq(buf_view(&one), buf_view(&two)))
			abort();
		buf_fini(&one);
		buf_fini(&two);
	}
	while (words_next(&rest, &word) > 0)
		if (!word.n)
			abort();
	mem_free(copy);
	return 0;
}
