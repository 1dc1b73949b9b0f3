/* format - snprintf without stdio.
 *
 * What every message passes through is formatted dozens of times (log, replies, Received, envelope), and the C library
 * sends each piece through a FILE. Knows %s %c %d %i %u %x %X %p, and %f with up to nine places, with the flags 0 - +, width,
 * precision and lengths (also as *). Nothing else is written in this program (tests/lint/formats), so the released binary
 * has no other: stdio.c gives it to printf and its family. */
#ifndef CORE_BASE_FORMAT_H
#define CORE_BASE_FORMAT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* format_text - at most size bytes into out, the last one a NUL; returns the bytes the whole text has (like snprintf), or -1:
 * not known, or longer than an int can say */
int format_text(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int format_vtext(char *out, size_t size, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

/* format_digits - the decimal digits of v, the last one right before `end`, which has room for 20; returns the first */
static inline char *format_digits(char *end, uint64_t v)
{
	do
		*--end = (char)('0' + v % 10);
	while (v /= 10);
	return end;
}

#endif
