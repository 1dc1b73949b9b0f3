/* SCRAM: whatever a client says in its two messages, it is refused or leaves a name that a log may have; without the key nobody comes in */
#include <stdlib.h>
#include <string.h>

#include "core/auth/scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t exporter[32] = { 7 };
	struct scram_channel channel = { .exporter = size && data[0] & 1 ? exporter : NULL, .plus = size && data[0] & 2, .offered = size && data[0] & 4 };
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t n = end ? (size_t)(end - data) : size;
	struct str first = str_make((const char *)data + !!n, n - !!n);
	struct str final = end ? str_make((const char *)end + 1, size - n - 1) : STR_EMPTY;
	struct scram_entry entry;
	struct scram s;
	struct buf out;

	if (scram_entry_read(first, &entry) && (!entry.salt_n || entry.salt_n > sizeof(entry.salt) || !entry.rounds))
		abort();
	scram_init(&s);
	buf_init(&out, 4096);
	if (!scram_first(&s, first, &channel, STR("nonce"))) {
		if (!s.user[0] || !str_is_utf8(str_of(s.user)))
			abort();
		for (const char *p = s.user; *p; p++)
			if (ascii_is_control(*p))
				abort();
		s.entry = (struct scram_entry){ .rounds = 4096, .salt_n = 16, .stored = { 1, 2, 3 } };
		scram_challenge(&s, &out);
		if (!scram_final(&s, final, &out))
			abort();
	}
	scram_fini(&s);
	buf_fini(&out);
	return 0;
}
