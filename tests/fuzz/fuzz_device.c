/* what a login hears: the answer of a device endpoint, the address that a person pastes, a date; and what is kept of tokens. */
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/oauth/login.h"
#include "core/oauth/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t source[32];
	struct str text = str_make((const char *)data, size), code;
	struct oauth_device d;
	struct oauth_state s;
	const char *why;
	struct buf out;
	struct arena a;

	arena_init(&a, 4 * LIMIT_OAUTH_TEXT);
	buf_init(&out, 4 * LIMIT_OAUTH_TEXT);
	if (device_hear(text, &a, &d)) {
		if (d.interval < 0 || d.interval > LIMIT_OAUTH_INTERVAL * USEC_PER_SEC || d.lives < 0 || d.lives > LIMIT_OAUTH_DEVICE * USEC_PER_SEC)
			abort();
		device_ask(&d, STR("id"), STR_EMPTY, &out);
		for (size_t i = 0; i < out.n; i++)
			if (out.p[i] <= ' ' || out.p[i] > '~')
				abort();
	}
	arena_reset(&a);
	code = login_code(text, STR("state"), &a, &why);
	if (code.n > size)
		abort();
	(void)endpoint_skew(text, 0);
	if (oauth_state_parse(text, source, &s)) {
		struct oauth_state again;

		buf_clear(&out);
		oauth_state_format(&s, source, &out);
		if (!oauth_state_parse(buf_view(&out), source, &again) || again.expiry != s.expiry || !str_eq(again.access_token, s.access_token) ||
			!str_eq(again.refresh_token, s.refresh_token) || !str_eq(again.why, s.why))
			abort();
	}
	buf_fini(&out);
	arena_fini(&a);
	return 0;
}
