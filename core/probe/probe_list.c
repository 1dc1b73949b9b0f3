/* probe_list - see probe_list.h. What a probe's end starts is done after the tick: the probe's own code is still on the
 * stack when it tells. */
#include "core/probe/probe_list.h"

#include "core/base/mem.h"

struct probe_slot {
	struct probe probe;
	struct probe_list *list;
	struct loop_task task;
	bool done;
};

static void start_more(struct probe_list *l);

static void show_ready(struct probe_list *l)
{
	while (l->shown < l->started) {
		struct probe_slot *s = l->slots[l->shown % PROBE_WINDOW];

		if (!s->done)
			return;
		l->show(l->ctx, &s->probe, l->shown++);
		probe_fini(&s->probe);
		mem_free(s);
	}
}

static void on_task(struct loop_task *t)
{
	struct probe_slot *s = LIST_ITEM(t, struct probe_slot, task);
	struct probe_list *l = s->list;

	s->done = true;
	l->finished++;
	if (l->progress)
		l->progress(l->ctx, l->finished);
	show_ready(l);
	start_more(l);
	if (l->shown == l->n)
		loop_stop(l->opt->loop);
}

static void on_done(struct probe *p, void *ctx)
{
	struct probe_slot *s = ctx;

	loop_defer(s->list->opt->loop, &s->task);
}

static void start_more(struct probe_list *l)
{
	while (l->started < l->n && l->started - l->finished < l->parallel && l->started - l->shown < PROBE_WINDOW) {
		size_t at = l->started++;
		struct probe_slot *s = MEM_NEW(struct probe_slot);

		s->list = l;
		loop_task_init(&s->task, on_task);
		l->slots[at % PROBE_WINDOW] = s;
		l->start(&s->probe, l->opt, l->targets[at], on_done, s);
	}
}

void probe_list_run(struct probe_list *l)
{
	l->started = l->finished = l->shown = 0;
	if (!l->n)
		return;
	start_more(l);
	loop_run(l->opt->loop);
	loop_tick(l->opt->loop, 0);
}
