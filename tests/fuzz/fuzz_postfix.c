/* queue files of Postfix: whatever was damaged, what is taken is a message that can be queued */
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/postfix_queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* CRLF lines and nothing but */
static void must_be_lines(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] == '\n' && (!i || s.p[i - 1] != '\r')) || (s.p[i] == '\r' && (i + 1 == s.n || s.p[i + 1] != '\n')))
			abort();
	if (s.n && s.p[s.n - 1] != '\n')
		abort();
}

static int put(void *to, struct str piece)
{
	return buf_str(to, piece) ? 0 : -1;
}

static void look(struct postfix_message *m)
{
	struct buf header, body, why, text;
	struct envelope again;
	struct arena a;
	uint64_t size = 0;
	size_t rest;

	buf_init(&header, LIMIT_GIVE_HEADER);
	buf_init(&body, (size_t)1 << 30);
	buf_init(&why, 400);
	buf_init(&text, LIMIT_STORE_ENVELOPE);
	if (postfix_header(m, &header, &rest, &why)) {
		must_be_lines(buf_view(&header));
		if (!str_ends(buf_view(&header), STR("\r\n")) || postfix_body(m, rest, put, &body, &size) != 0 || size != body.n)
			abort();
		must_be_lines(buf_view(&body));
	} else if (!why.n) {
		abort();
	}
	arena_init(&a, 1 << 24);
	envelope_format(&text, &m->e);
	if (!envelope_parse(&a, buf_view(&text), &again) || again.n_rcpts != m->e.n_rcpts || again.unknown.n)
		abort();
	arena_fini(&a);
	buf_fini(&header);
	buf_fini(&body);
	buf_fini(&why);
	buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct postfix_message m;
	struct arena a;
	struct buf why;
	char *copy = mem_alloc(n + 1);

	memcpy(copy, data, n);
	for (int maildrop = 0; maildrop < 2; maildrop++) {
		arena_init(&a, 1 << 24);
		buf_init(&why, 400);
		if (postfix_parse(&a, str_make(copy, n), maildrop, &m, &why))
			look(&m);
		else if (!why.n)
			abort();
		buf_fini(&why);
		arena_fini(&a);
	}
	mem_free(copy);
	return 0;
}
