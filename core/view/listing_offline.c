/* listing_offline - the queue where no relayd runs: the spool as it lies there, opened read-only, and what was left for a relayd. */
#include <errno.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/store/maildrop.h"
#include "core/view/listing.h"

struct found { struct qmsg **v; size_t n, cap; };
static void on_found(void *ctx, struct qmsg *m)
{
	struct found *f = ctx;

	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 256;
		f->v = mem_array(f->v, f->cap, sizeof(*f->v));
	}
	f->v[f->n++] = m;
}

static struct store *open_spool(const char *queue_directory, struct found *f, struct buf *why)
{
	struct store_options o = { .dir = queue_directory, .read_only = true };

	return store_open(&o, on_found, f, why);
}

struct drops { struct listing *listing; const char *directory; struct buf *text; };

static int add_drop(void *ctx, const char *name)
{
	struct drops *d = ctx;
	struct envelope e;
	struct buf content;
	struct arena a;
	char id[17];

	arena_init(&a, 8 * LIMIT_SESSION_ARENA);
	buf_init(&content, (size_t)1 << 40);
	snprintf(id, sizeof(id), "%s", name);
	if (maildrop_read(d->directory, name, &a, &e, &content) == 0)
		listing_drop(d->listing, id, &e, content.n, STR("no relayd has taken it yet"), d->text);
	buf_fini(&content);
	arena_fini(&a);
	return 0;
}

int listing_offline(const char *queue_directory, enum listing_form form, FILE *to, struct buf *why)
{
	struct found f = { 0 };
	struct listing l = { .form = form };
	struct buf text;
	struct drops drops = { &l, queue_directory, &text };
	struct store *s = open_spool(queue_directory, &f, why);
	int left;

	buf_init(&text, 64 * 1024 * 1024);
	for (size_t i = 0; s && i < f.n; i++) {
		buf_clear(&text);
		listing_message(&l, s, f.v[i], false, &text);
		fwrite(text.p, 1, text.n, to);
	}
	/* what was left for a relayd that does not run; not everybody may look there */
	buf_clear(&text);
	left = maildrop_each(queue_directory, add_drop, &drops);
	if (s || left == 0)
		listing_end(&l, &text);
	if (text.n)
		fwrite(text.p, 1, text.n, to);
	buf_fini(&text);
	mem_free(f.v);
	if (s)
		store_close(s);
	return s || (left == 0 && l.messages) ? 0 : -1;
}

int listing_offline_show(const char *queue_directory, struct str qid, bool content, FILE *to, struct buf *why)
{
	struct found f = { 0 };
	struct store *s = open_spool(queue_directory, &f, why);
	struct buf text;
	struct qmsg *m;
	uint64_t id;
	int r = -1;

	if (!s)
		return -1;
	m = qid_parse(qid, &id) ? store_find(s, id) : NULL;
	buf_init(&text, 64 * 1024 * 1024);
	if (!m)
		buf_z(why, "no such message in the queue");
	else if ((r = listing_show(s, m, content, &text)) < 0)
		buf_z(why, strerror(errno));
	else
		fwrite(text.p, 1, text.n, to);
	buf_fini(&text);
	mem_free(f.v);
	store_close(s);
	return r;
}
