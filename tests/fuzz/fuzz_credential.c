/* credentials and the answers of token endpoints: JSON of strangers. What is read is text, and a request made of it is a form. */
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/oauth/credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make((const char *)data, size);
	struct oauth_credential c;
	struct oauth_answer answer;
	struct buf form, why;
	struct arena a;

	arena_init(&a, 4 * LIMIT_OAUTH_TEXT);
	buf_init(&form, LIMIT_OAUTH_TEXT);
	buf_init(&why, LIMIT_OAUTH_WHY);
	if (credential_read(text, &a, &c, &why) && c.grant != OAUTH_JWT && credential_ask(&c, 0, &form, &why))
		for (size_t i = 0; i < form.n; i++)
			if (form.p[i] <= ' ' || form.p[i] > '~')
				abort();
	arena_reset(&a);
	if (credential_hear(text, &a, &answer))
		for (size_t i = 0; i < answer.access_token.n; i++)
			if (answer.access_token.p[i] <= ' ' || answer.access_token.p[i] > '~')
				abort();
	buf_fini(&form);
	buf_fini(&why);
	arena_fini(&a);
	return 0;
}
