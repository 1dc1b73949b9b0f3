/* log_repeat - see log_repeat.h. */
#include "core/base/log_repeat.h"

#include "core/base/format.h"
#include "core/base/hash.h"
#include "core/base/limits.h"

static struct log_said said[LIMIT_LOG_TEXTS];
static unsigned waiting;               /* rows with a count */

/* row_of - the one of this key, else one to take: free, or that whose time is over first and which has nothing to tell; NULL: none */
static struct log_said *row_of(uint64_t key)
{
	struct log_said *best = NULL;

	for (size_t i = 0; i < LIMIT_LOG_TEXTS; i++) {
		if (said[i].key == key)
			return &said[i];
		if (!said[i].more && (!best || said[i].over < best->over))
			best = &said[i];
	}
	return best;
}

bool log_repeat_is_enough(enum log_severity severity, const char *service, struct str text, usec now)
{
	uint64_t key = hash_bytes(text.p, text.n) | 1;
	struct log_said *s = row_of(key);

	if (!s)
		return false;
	if (s->key != key || (now >= s->over && !s->more)) {
		*s = (struct log_said){ .key = key, .over = now + LIMIT_LOG_WINDOW, .severity = severity };
		format_text(s->service, sizeof(s->service), "%s", service);
		format_text(s->text, sizeof(s->text), "%.*s", STR_ARG(text));
	}
	if (s->n < LIMIT_LOG_REPEATS) {
		s->n++;
		return false;
	}
	waiting += !s->more;
	s->more++;
	return true;
}

bool log_repeat_waiting(void)
{
	return waiting > 0;
}

bool log_repeat_take(usec now, struct log_said *out)
{
	for (size_t i = 0; i < LIMIT_LOG_TEXTS; i++)
		if (said[i].more && now >= said[i].over) {
			*out = said[i];
			said[i] = (struct log_said){ .key = 0 };
			waiting--;
			return true;
		}
	return false;
}
