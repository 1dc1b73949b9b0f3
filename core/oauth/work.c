/* work - see work.h. */
#include "core/oauth/work.h"

#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/list.h"
#include "core/base/mem.h"

struct oauth_work {
	struct pool_job job;
	struct loop_task task;         /* tells, where there is no pool */
	oauth_work_fn done;            /* NULL: forgotten */
	void *ctx;
	bool good;
	struct arena arena;            /* of the credential */
	struct oauth_credential credential;
	usec now;
	char *folder, *path, *beside;
	struct buf text, why;          /* to be written; the request */
};

enum { TEXTS = 10 };

static void texts_of(struct oauth_credential *c, struct str *texts[TEXTS])
{
	struct str *all[TEXTS] = { &c->client_id, &c->client_secret, &c->refresh_token, &c->access_token, &c->endpoint, &c->scope, &c->issuer,
		&c->private_key, &c->subject, &c->user };

	for (size_t i = 0; i < TEXTS; i++)
		texts[i] = all[i];
}

static void sign(struct pool_job *j)
{
	struct oauth_work *w = LIST_ITEM(j, struct oauth_work, job);

	w->good = credential_ask(&w->credential, w->now, &w->text, &w->why);
}

static void save(struct pool_job *j)
{
	struct oauth_work *w = LIST_ITEM(j, struct oauth_work, job);

	const char *owner = w->folder ? w->folder : w->beside;
	struct stat like;

	w->good = !w->folder || fs_mkdir(w->folder, 0700) == 0;
	if (w->good && geteuid() == 0 && lstat(owner, &like) == 0 && like.st_uid != 0) {
		like.st_mode = 0600;
		w->good = fs_replace_like(w->path, &like, buf_view(&w->text)) == 0;
	} else if (w->good) {
		w->good = fs_replace(w->path, 0600, buf_view(&w->text)) == 0;
	}
}

static void tell(struct pool_job *j)
{
	struct oauth_work *w = LIST_ITEM(j, struct oauth_work, job);
	struct str *texts[TEXTS];

	if (w->done)
		w->done(w->ctx, w->good, buf_view(&w->text), buf_cstr(&w->why));
	loop_task_cancel(&w->task);
	texts_of(&w->credential, texts);
	for (size_t i = 0; i < TEXTS; i++)
		mem_wipe((char *)(uintptr_t)texts[i]->p, texts[i]->n);
	arena_fini(&w->arena);
	buf_wipe(&w->text);
	buf_fini(&w->why);
	mem_free(w->folder);
	mem_free(w->path);
	mem_free_secret(w->beside);
	mem_free(w);
}

static void on_tell(struct loop_task *t)
{
	tell(&LIST_ITEM(t, struct oauth_work, task)->job);
}

static struct oauth_work *begin(uint64_t of, void (*work)(struct pool_job *), oauth_work_fn done, void *ctx)
{
	struct oauth_work *w = MEM_NEW(struct oauth_work);

	*w = (struct oauth_work){ .job = { .work = work, .done = tell, .of = of }, .done = done, .ctx = ctx };
	loop_task_init(&w->task, on_tell);
	arena_init(&w->arena, 4 * LIMIT_OAUTH_TEXT);
	buf_init(&w->text, 2 * LIMIT_OAUTH_TEXT);
	buf_init(&w->why, LIMIT_OAUTH_WHY);
	return w;
}

static struct oauth_work *run(struct oauth_work *w, struct loop *l, struct pool *p)
{
	if (p) {
		pool_run(p, &w->job);
	} else {
		w->job.work(&w->job);
		loop_defer(l, &w->task);
	}
	return w;
}

struct oauth_work *oauth_work_sign(struct loop *l, struct pool *p, uint64_t of, const struct oauth_credential *c, usec now, oauth_work_fn done, void *ctx)
{
	struct oauth_work *w = begin(of, sign, done, ctx);
	struct str *texts[TEXTS];

	w->credential = *c;
	w->now = now;
	texts_of(&w->credential, texts);
	for (size_t i = 0; i < TEXTS; i++)
		*texts[i] = arena_str(&w->arena, *texts[i]);
	return run(w, l, p);
}

struct oauth_work *oauth_work_save(struct loop *l, struct pool *p, uint64_t of, const struct oauth_save *where, struct str text, oauth_work_fn done,
	void *ctx)
{
	struct oauth_work *w = begin(of, save, done, ctx);

	w->folder = where->folder ? mem_dupz(where->folder) : NULL;
	w->path = mem_dupz(where->path);
	w->beside = mem_dupz(where->beside);
	/* all room at once: a buffer that moves would leave secrets behind */
	buf_reserve(&w->text, text.n);
	buf_str(&w->text, text);
	return run(w, l, p);
}

void oauth_work_forget(struct oauth_work *w)
{
	if (w)
		w->done = NULL;
}
