/*
 * fuzz_reply.c - replies as servers write them. Whole and byte by byte must give the same, text must be printable and bounded,
 * and what is taken is exactly the reply's lines.
 */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/smtp/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* parse with `step` more bytes at a time; *left: bytes not taken when it was decided */
static enum grammar_result parse(const char *p, size_t n, size_t step, struct reply *r, size_t *taken)
{
	struct grammar_reply g = { 0 };
	enum grammar_result got = GRAMMAR_MORE;
	size_t given = 0;

	*taken = 0;
	while (got == GRAMMAR_MORE && given < n) {
		struct str in;
		const char *why;

		given = n - given > step ? given + step : n;
		in = str_make(p + *taken, given - *taken);
		got = grammar_reply(&g, &in, r, &why, NULL, NULL);
		*taken = given - in.n;
	}
	return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reply whole, pieces;
	size_t taken, again;
	enum grammar_result got = parse((const char *)data, size, size ? size : 1, &whole, &taken);

	if (parse((const char *)data, size, 1, &pieces, &again) != got)
		BUG("pieces change the verdict");
	if (got != GRAMMAR_OK)
		return 0;
	if (taken != again || data[taken - 1] != '\n')
		BUG("pieces change what is taken");
	if (whole.code != pieces.code || strcmp(whole.text, pieces.text) != 0 || strcmp(whole.enhanced, pieces.enhanced) != 0)
		BUG("pieces change the reply");
	if (whole.code < 200 || whole.code > 599 || !str_is_utf8(str_of(whole.text)))
		BUG("code or text");
	for (const char *c = whole.text; *c; c++)
		if (((unsigned char)*c < 32 && *c != '\n') || *c == 127)
			BUG("control characters in the text");
	return 0;
}
