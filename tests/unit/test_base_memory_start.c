/* What the program's start needed is given back, and everything is still there. */
#include "tests/unit/t.h"

#include <stdio.h>

#include "core/base/memory.h"

enum { PAGE = 4096, PAGES = 256 };

static int written = 7;
static const char constants[PAGE * PAGES] = { 1 };

/* kilobytes of files that are mapped; -1: it is not told here */
static long files_mapped(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	long kb = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssFile: %ld kB", &kb) == 1)
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
	before = files_mapped();
	memory_forget_start();
	after = files_mapped();
	CHECK(before < 0 || after < before - PAGES * PAGE / 2048);
	CHECK_INT(written, 8);
	CHECK_INT(sum(), 1);
}
