/* without_oauth - in place of this room's other files in builds that leave it out (config.mk): a credential is known, and mail that needs it
 * waits with words that say why. */
#include "core/base/mem.h"
#include "core/oauth/oauth.h"
#include "core/oauth/state.h"

struct oauth { struct loop *loop; };
struct oauth_wait { struct loop_task task; oauth_fn fn; void *ctx; };

struct oauth *oauth_new(const struct oauth_options *options)
{
	struct oauth *o = MEM_NEW(struct oauth);

	o->loop = options->loop;
	return o;
}

void oauth_free(struct oauth *o) { mem_free(o); }

uint16_t oauth_port(struct str password) { return 0; }

static void on_task(struct loop_task *t)
{
	struct oauth_wait *w = LIST_ITEM(t, struct oauth_wait, task);
	struct oauth_wait copy = *w;

	mem_free(w);
	copy.fn(copy.ctx, STR_EMPTY, "this build has OAuth2 left out");
}

struct oauth_wait *oauth_ask(struct oauth *o, struct str file, const struct conf *conf, oauth_fn fn, void *ctx)
{
	struct oauth_wait *w = MEM_NEW(struct oauth_wait);

	w->fn = fn;
	w->ctx = ctx;
	loop_task_init(&w->task, on_task);
	loop_defer(o->loop, &w->task);
	return w;
}

void oauth_cancel(struct oauth_wait *w)
{
	loop_task_cancel(&w->task);
	mem_free(w);
}

bool oauth_refused(struct oauth *o, struct str file, struct str token) { return false; }

const char *oauth_state_place(const char *queue_directory, bool make, char out[OAUTH_STATE_PATH])
{
	out[0] = 0;
	return out;
}
