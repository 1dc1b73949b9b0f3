/* What the program's start needed is given back, and everything is still there. */
#include "tests/unit/t.h"

#include <stdio.h>

#include "core/base/memory.h"

/* many: of a large folio that one touch is in, the kernel may map all again */
enum { PAGE = 4096, PAGES = 1024 };

static int written = 7;
static const char constants[PAGE * PAGES] = { 1 };

/* kilobytes that are mapped, page by page: the counters of /proc/self/status may be off by hundreds; -1: it is not told here */
static long mapped(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[200];
	long kb = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Rss: %ld kB", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static int sum(void)
{
	const volatile char *p = constants;
	int n = 0;

	for (int i = 0; i < PAGES; i++)
		n += p[i * PAGE];
	return n;
}

T(memory_of_the_start_is_given_back)
{
	long before, after;

	written = 8;
	CHECK_INT(sum(), 1);
	before = mapped();
	memory_forget_start();
	after = mapped();
	CHECK(before < 0 || after < before - PAGES * PAGE / 2048);
	CHECK_INT(written, 8);
	CHECK_INT(sum(), 1);
}
