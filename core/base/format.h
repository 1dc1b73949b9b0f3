/* format - snprintf's plain half, without stdio.
 *
 * What every message passes through is formatted dozens of times (log, replies, Received, envelope), and the C library
 * sends each piece through a FILE. Knows %s %c %d %i %u %x %X with the flags 0 and -, width, precision and lengths
 * (also as *); a format that holds anything else goes to vsnprintf as a whole, so the answer is always the same. */
#ifndef CORE_BASE_FORMAT_H
#define CORE_BASE_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* format_text - at most size bytes into out, the last one a NUL; returns the bytes the whole text has (like snprintf), or -1 */
int format_text(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int format_vtext(char *out, size_t size, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

#endif
