/* map_say - what is wrong with a table, in words: why it cannot be opened, and what is odd in it. See map_type.h. */
#include <stdarg.h>

#include "core/base/clock.h"
#include "core/base/crc.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/map/map_type.h"

void map_fail(const struct map_args *args, struct buf *why, const char *fmt, ...)
{
	va_list ap;

	buf_printf(why, "%.200s: ", args->spec);
	va_start(ap, fmt);
	buf_vprintf(why, fmt, ap);
	va_end(ap);
}

static unsigned warnings;

unsigned map_warnings(void)
{
	return warnings;
}

#define WARNED 64                      /* warnings remembered: a load that has more says some of them again */

void map_warn(const char *fmt, ...)
{
	static struct { uint32_t hash; usec until; } said[WARNED];
	static size_t next;
	usec now = clock_mono();
	struct buf text;
	uint32_t hash;
	va_list ap;

	warnings++;
	buf_init(&text, LIMIT_LOG_LINE);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	hash = crc32c(0, text.p, text.n);
	for (size_t i = 0; i < WARNED && text.n; i++)
		if (said[i].hash == hash && said[i].until > now)
			buf_clear(&text);
	if (text.n) {
		said[next].hash = hash;
		said[next].until = now + USEC_PER_SEC;
		next = (next + 1) % WARNED;
		log_warn("map", "%s", buf_cstr(&text));
	}
	buf_fini(&text);
}
