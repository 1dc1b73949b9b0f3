/* fuzz_tls_names.c - a wanted name and a certificate's name, apart at the first newline; protocol lists, fingerprints
 * and the search for keys in PEM text get the whole. */
#include <stdlib.h>

#include "core/net/tls_files.h"
#include "core/net/tls_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = str_make((const char *)data, size), rest = all, wanted = STR_EMPTY;
	struct buf list, why;
	uint8_t digest[32] = { 0 };
	char text[64];

	str_cut(&rest, '\n', &wanted);
	if (tls_name_matches(wanted, rest) && memchr(rest.p, 0, rest.n))
		abort();
	buf_init(&list, size);
	buf_init(&why, 200);
	buf_str(&list, all);
	if (!tls_protocols_parse(buf_cstr(&list), &why) != (why.n > 0))
		abort();
	buf_fini(&list);
	buf_fini(&why);
	tls_fingerprint_length(all);
	tls_fingerprint_matches(all, digest, sizeof(digest));
	tls_clean_text(all, text, sizeof(text));
	for (size_t at = 0; at < size; at++) {
		size_t key = tls_next_key(all, at);

		if (key < at || key > size)
			abort();
		at = key;
	}
	return 0;
}
