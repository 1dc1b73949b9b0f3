/* Dovecot's answers: whatever the server says, in whatever pieces, there is a verdict or a wish for more, and yes only after a question */
#include <stdlib.h>

#include "core/auth/dovecot.h"
#include "core/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct auth_question q = { .user = "user", .password = "secret", .tls = true, .client = "192.0.2.1", .server = "" };
	enum dovecot_step step = DOVECOT_MORE;
	size_t piece = size ? data[0] % 31 + 1 : 1, fed = size ? 1 : 0;
	struct dovecot d;
	struct buf in, out;

	buf_init(&in, 2 * LIMIT_AUTH_LINE);
	buf_init(&out, 4 * LIMIT_AUTH_LINE);
	dovecot_begin(&d, &q, 7, &out);
	while (step == DOVECOT_MORE && fed < size) {
		size_t n = size - fed < piece ? size - fed : piece;
		struct str rest;

		buf_add(&in, data + fed, n);
		fed += n;
		rest = buf_view(&in);
		step = dovecot_next(&d, &rest, &out);
		buf_consume(&in, in.n - rest.n);
	}
	if ((step == DOVECOT_YES && (!d.asked || !d.user[0])) || (step == DOVECOT_NO && !d.asked) || in.n > LIMIT_AUTH_LINE + 32)
		abort();
	for (const char *p = step == DOVECOT_YES ? d.user : d.why; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			abort();
	buf_fini(&in);
	buf_fini(&out);
	return 0;
}
