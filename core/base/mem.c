/* mem - see mem.h. calloc and realloc with the one answer to running out: die(). */
#include "core/base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

void *mem_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		die("out of memory (%zu bytes)", n);
	return p;
}

void *mem_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q)
		die("out of memory (%zu bytes)", n);
	return q;
}

void *mem_array(void *p, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n))
		die("out of memory (%zu times %zu bytes)", count, size);
	return mem_realloc(p, n);
}

char *mem_dupz(const char *z)
{
	size_t n = strlen(z) + 1;

	return memcpy(mem_realloc(NULL, n), z, n);
}

void mem_free(void *p)
{
	free(p);
}

void mem_wipe(void *p, size_t n)
{
	if (p && n)
		explicit_bzero(p, n);
}

void die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: fatal: ", program_invocation_short_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EX_OSERR);
}

void bug_at(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s: panic: %s:%d: %s\n", program_invocation_short_name, file, line, what);
	abort();
}
