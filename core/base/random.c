/* random - see random.h. */
#include "core/base/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/mem.h"

void random_bytes(void *p, size_t n)
{
	char *at = p;

	while (n) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			die("getrandom: %s", strerror(errno));
		at += got;
		n -= (size_t)got;
	}
}

uint32_t random_u32(void)
{
	uint32_t v;

	random_bytes(&v, sizeof(v));
	return v;
}

uint32_t random_below(uint32_t bound)
{
	uint32_t first = (uint32_t)-bound % bound, v;

	/* what lies below `first` would make small results more likely */
	do
		v = random_u32();
	while (v < first);
	return v % bound;
}
