/* stdio - printf and its family by format.h, in place of musl's, of which half is long doubles.
 *
 * Every one of them ends in these two functions. Only where the linker is asked for them (core/deps/toolchain); elsewhere
 * nothing refers to this file and it is not linked. */
#include <stdio.h>

#include "core/base/format.h"
#include "core/base/mem.h"

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

int vsnprintf(char *restrict out, size_t size, const char *restrict fmt, va_list ap)
{
	return format_vtext(out, size, fmt, ap);
}

int vfprintf(FILE *restrict to, const char *restrict fmt, va_list ap)
{
	char room[1024], *text = room;
	int n = format_vtext(room, sizeof(room), fmt, ap);

	if (n >= (int)sizeof(room)) {
		text = mem_alloc((size_t)n + 1);
		format_vtext(text, (size_t)n + 1, fmt, ap);
	}
	if (n > 0 && fwrite(text, 1, (size_t)n, to) != (size_t)n)
		n = -1;
	if (text != room)
		mem_free(text);
	return n;
}
