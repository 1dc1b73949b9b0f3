/* row - see row.h. */
#include "core/base/row.h"

#include <stdarg.h>

#include "core/base/limits.h"

void row_add(struct buf *rows, const char *kind, const struct str *fields, size_t n)
{
	if (!rows)
		return;
	buf_z(rows, kind);
	for (size_t i = 0; i < n; i++) {
		buf_byte(rows, '\t');
		for (size_t k = 0; k < fields[i].n; k++)
			buf_byte(rows, fields[i].p[k] == '\n' ? '/' : (unsigned char)fields[i].p[k] < ' ' || fields[i].p[k] == 0x7f ? '.' : fields[i].p[k]);
	}
	buf_byte(rows, '\n');
}

void row_text(struct buf *rows, const char *kind, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	if (!rows)
		return;
	buf_init(&text, LIMIT_LOG_LINE);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	row_add(rows, kind, &(struct str){ text.p, text.n }, 1);
	buf_fini(&text);
}
