/* sink - see sink.h. */
#include "core/cleanup/sink.h"

#include <errno.h>

static void *begin_in_store(void *to, char qid[QID_MAX])
{
	uint64_t id;
	struct store_writer *w = store_begin(to, &id);

	if (w)
		qid_format(qid, id);
	return w;
}

static int add_to_store(void *w, struct str body)
{
	return store_add(w, body);
}

static void commit_to_store(void *w, struct envelope *e, struct str header, store_fn fn, void *ctx)
{
	store_commit(w, e, header, fn, ctx);
}

static void abort_in_store(void *w)
{
	store_abort(w);
}

struct cleanup_sink cleanup_to_store(struct store *s)
{
	static const struct cleanup_sink_ops ops = {
		.begin = begin_in_store, .add = add_to_store, .commit = commit_to_store, .abort = abort_in_store,
	};

	return (struct cleanup_sink){ &ops, s };
}

static void *begin_in_memory(void *to, char qid[QID_MAX])
{
	struct cleanup_memory *m = to;

	memcpy(qid, m->qid, QID_MAX);
	buf_clear(&m->header);
	buf_clear(&m->body);
	return m;
}

static int add_to_memory(void *w, struct str body)
{
	struct cleanup_memory *m = w;

	errno = EFBIG;
	return buf_str(&m->body, body) ? 0 : -1;
}

static void commit_to_memory(void *w, struct envelope *e, struct str header, store_fn fn, void *ctx)
{
	struct cleanup_memory *m = w;

	e->header_size = header.n;
	e->size = header.n + m->body.n;
	fn(ctx, NULL, buf_str(&m->header, header) ? 0 : EFBIG);
}

static void abort_in_memory(void *w)
{
	struct cleanup_memory *m = w;

	buf_clear(&m->header);
	buf_clear(&m->body);
}

struct cleanup_sink cleanup_to_memory(struct cleanup_memory *m)
{
	static const struct cleanup_sink_ops ops = {
		.begin = begin_in_memory, .add = add_to_memory, .commit = commit_to_memory, .abort = abort_in_memory,
	};

	return (struct cleanup_sink){ &ops, m };
}
