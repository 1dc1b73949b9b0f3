/* content - see content.h. */
#include "core/deliver/content.h"

static void *stored_open(void *ctx, const struct qmsg *m)
{
	return store_read_open(ctx, m);
}

static ssize_t stored_read(void *reader, uint64_t at, void *p, size_t n)
{
	return store_read(reader, at, p, n);
}

static void stored_close(void *reader)
{
	store_read_close(reader);
}

struct deliver_content content_of_store(struct store *s)
{
	return (struct deliver_content){ .open = stored_open, .read = stored_read, .close = stored_close, .ctx = s };
}

static void *memory_open(void *ctx, const struct qmsg *m)
{
	(void)m;
	return ctx;
}

static ssize_t memory_read(void *reader, uint64_t at, void *p, size_t n)
{
	const struct str *text = reader;
	struct str piece = at < text->n ? str_head(str_from(*text, (size_t)at), n) : STR_EMPTY;

	if (piece.n)
		memcpy(p, piece.p, piece.n);
	return (ssize_t)piece.n;
}

static void memory_close(void *reader)
{
	(void)reader;
}

struct deliver_content content_of_memory(const struct str *text)
{
	return (struct deliver_content){ .open = memory_open, .read = memory_read, .close = memory_close, .ctx = (void *)(uintptr_t)text };
}
