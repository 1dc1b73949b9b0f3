/* saver - see saver.h. */
#include "core/base/saver.h"

#include <errno.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"

struct writing {
	struct pool_job job;
	struct saver *saver;           /* NULL: it is gone */
	struct buf text;
	char *path;
	int error;
};
struct saver {
	struct saver_options o;
	struct writing *writing;
	bool changed, complained;
};

struct saver *saver_new(const struct saver_options *o)
{
	struct saver *s = MEM_NEW(struct saver);

	s->o = *o;
	s->o.path = mem_dupz(o->path);
	return s;
}

void saver_free(struct saver *s)
{
	if (!s)
		return;
	if (s->writing)
		s->writing->saver = NULL;
	mem_free((char *)(uintptr_t)s->o.path);
	mem_free(s);
}

static void work(struct pool_job *j)
{
	struct writing *w = LIST_ITEM(j, struct writing, job);

	w->error = fs_replace(w->path, 0600, buf_view(&w->text)) < 0 ? errno : 0;
}

static void done(struct pool_job *j)
{
	struct writing *w = LIST_ITEM(j, struct writing, job);
	struct saver *s = w->saver;

	if (s && w->error && !s->complained)
		log_warn("smtp", "%s cannot be written: %s: %s", w->path, strerror(w->error), s->o.loss);
	if (s) {
		s->complained = w->error != 0;
		s->writing = NULL;
	}
	buf_fini(&w->text);
	mem_free(w->path);
	mem_free(w);
	if (s && s->changed)
		saver_write(s);
}

static struct writing *draw(struct saver *s)
{
	struct writing *w = MEM_NEW(struct writing);

	s->changed = false;
	w->saver = s;
	w->path = mem_dupz(s->o.path);
	w->job = (struct pool_job){ .work = work, .done = done };
	buf_init(&w->text, s->o.most);
	s->o.draw(s->o.ctx, &w->text);
	return w;
}

void saver_write(struct saver *s)
{
	s->changed = true;
	if (s->writing)
		return;
	s->writing = draw(s);
	if (s->o.pool) {
		pool_run(s->o.pool, &s->writing->job);
	} else {
		work(&s->writing->job);
		done(&s->writing->job);
	}
}

void saver_flush(struct saver *s, bool changed)
{
	struct writing *w;

	if (!(s->changed || changed) || s->writing)
		return;
	w = draw(s);
	work(&w->job);
	done(&w->job);
}
