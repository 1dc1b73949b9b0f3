/* store_replay - traces of the model, played on the real store: what the model calls a step happens there by hand, since the
 * pool of this program runs a job only when the trace says so. A crash is a second look at the files as they are, judged by
 * what the store had acknowledged. Around the messages of the model others come and go, so that segments fill, empty and
 * are compacted. RELAYBOX_TRACES=1 prints the traces. */
#ifndef TESTS_UNIT_STORE_REPLAY_H
#define TESTS_UNIT_STORE_REPLAY_H

#include "core/base/clock.h"
#include "core/store/store_private.h"
#include "tests/unit/store_help.h"

/* --- a pool that waits for us --------------------------------------------------------------------------------------------- */

static struct list replay_jobs = { &replay_jobs, &replay_jobs };

void pool_run(struct pool *p, struct pool_job *j)
{
	(void)p;
	list_append(&replay_jobs, &j->link);
}

static int replay_run_one(void)
{
	struct list *l = list_first(&replay_jobs);
	struct pool_job *j;

	if (!l)
		return 0;
	list_remove(l);
	j = LIST_ITEM(l, struct pool_job, link);
	j->work(j);
	j->done(j);
	return 1;
}

void pool_wait(struct pool *p)
{
	(void)p;
	while (replay_run_one())
		;
}

/* --- the ledger ------------------------------------------------------------------------------------------------------------- */

enum { REPLAY_MOST = 4000, REPLAY_STAY = 7, REPLAY_STAY_MOST = 16, REPLAY_FILLERS = 4, REPLAY_SIZE = 850 };
struct replay_msg { uint64_t id; int in_acked, out_asked, out_acked, goes; usec due_asked, due_acked; };
static struct replay {
	struct store *s;
	struct store_options o;
	struct replay_msg v[REPLAY_MOST];
	int n, oldest, of_model[2];
	int stays[REPLAY_STAY_MOST], n_stays; /* of the others */
	uint32_t seed;          /* which of them go, and when */
	uint64_t moving;        /* a message whose copy is on its way, or was */
	usec now;
	unsigned long crashes, moved;
} replay;

static void replay_in(void *ctx, struct qmsg *m, int error)
{
	((struct replay_msg *)ctx)->in_acked = !error;
}

static void replay_state(void *ctx, struct qmsg *m, int error)
{
	struct replay_msg *r = ctx;

	if (!error)
		r->due_acked = r->due_asked;
}

static void replay_out(void *ctx, struct qmsg *m, int error)
{
	((struct replay_msg *)ctx)->out_acked = !error;
}

static int replay_accept(void)
{
	struct rcpt rcpt = { .addr = STR("a@example.org") };
	struct envelope e = { .sender = STR("s@example.com"), .rcpts = &rcpt, .n_rcpts = 1, .arrival = 1700000000000000, .uid = -1 };
	struct replay_msg *r = &replay.v[replay.n];
	struct store_writer *w;
	struct buf b;

	if (replay.n == REPLAY_MOST)
		return -1;
	w = store_begin(replay.s, &r->id);
	q_content(&b, r->id, REPLAY_SIZE);
	store_add(w, str_from(buf_view(&b), Q_HEADER));
	store_commit(w, &e, str_head(buf_view(&b), Q_HEADER), replay_in, r);
	buf_fini(&b);
	return replay.n++;
}

static void replay_update(int i)
{
	struct rcpt_state state = { .status = RCPT_PENDING, .last = { .code = 450, .text = STR("later") } };
	struct qmsg *m = i < 0 ? NULL : store_find(replay.s, replay.v[i].id);

	/* one at a time, so that an answer says which */
	if (!m || replay.v[i].due_asked != replay.v[i].due_acked)
		return;
	replay.v[i].due_asked = ++replay.now;
	store_update(replay.s, m, &state, replay.now, replay_state, &replay.v[i]);
}

/* replay_note_moves - which messages have a copy on its way */
static void replay_note_moves(void)
{
	const struct batch *b = &replay.s->gather;

	for (size_t k = 0; k < b->n_v; k++)
		if (b->v[k].move && b->v[k].r.type == RECORD_MESSAGE)
			replay.moving = b->v[k].r.id;
}

static void replay_end(int i)
{
	struct qmsg *m = i < 0 ? NULL : store_find(replay.s, replay.v[i].id);

	if (!m)
		return;
	replay.v[i].out_asked = 1;
	store_remove(replay.s, m, replay_out, &replay.v[i]);
}

/* replay_end_moving - an end that overtakes the copy: it is in the batch after it */
static void replay_end_moving(void)
{
	for (int i = 0; replay.moving && replay.s->flight && i < replay.n; i++)
		if (replay.v[i].id == replay.moving)
			replay_end(i);
	replay.moving = 0;
}

static uint32_t replay_draw(uint32_t n)
{
	replay.seed = replay.seed * 1664525 + 1013904223;
	return (replay.seed >> 8) % n;
}

static void replay_end_other(void)
{
	int *v = &replay.stays[replay_draw((uint32_t)replay.n_stays)];

	replay_end(*v);
	*v = replay.stays[--replay.n_stays];
}

/* replay_others - enough for a new segment. None, one or two of them stay a while, and those that stay end in no order: so any
 * segment may be the next that is empty, whatever stands in it for the sake of others */
static void replay_others(void)
{
	int first = replay.n, stay = (int)replay_draw(3);

	/* those of the time before, once they are there */
	for (int i = replay.oldest; i < first; i++)
		if (replay.v[i].goes && !replay.v[i].out_asked)
			replay_end(i);
	while (replay.oldest < first && (!replay.v[replay.oldest].goes || replay.v[replay.oldest].out_asked))
		replay.oldest++;
	for (int i = 0; i < REPLAY_FILLERS && replay_accept() >= 0; i++)
		replay.v[first + i].goes = i >= stay;
	for (int i = first; i < first + stay && i < replay.n && replay.n_stays < REPLAY_STAY_MOST; i++)
		replay.stays[replay.n_stays++] = i;
	while (replay.n_stays > REPLAY_STAY)
		replay_end_other();
	if (replay.n_stays && replay_draw(2))
		replay_end_other();
	/* what stays is tried now and then: compaction meets states on disk and on their way there */
	for (uint32_t i = replay_draw(3); replay.n_stays && i > 0; i--)
		replay_update(replay.stays[replay_draw((uint32_t)replay.n_stays)]);
}

/* --- a crash ------------------------------------------------------------------------------------------------------------------ */

/* whole: read each message, too */
static const char *replay_judge(struct store *s, bool whole)
{
	for (int i = 0; i < replay.n; i++) {
		const struct replay_msg *r = &replay.v[i];
		struct qmsg *m = store_find(s, r->id);

		if (r->in_acked && !r->out_asked && !m)
			return "an acknowledged message is lost";
		if (r->out_acked && m)
			return "a message came back after its end was acknowledged";
		if (m && r->due_acked && m->due.key < r->due_acked)
			return "an acknowledged state is lost";
		if (m && whole && !q_whole(s, r->id, REPLAY_SIZE))
			return "a message is not whole";
	}
	return NULL;
}

static const char *replay_crash(bool whole)
{
	struct store_options o = replay.o;
	const char *why;
	struct buf text;
	struct store *s;

	o.pool = NULL;
	o.read_only = true;
	buf_init(&text, 1000);
	s = store_open(&o, NULL, NULL, &text);
	buf_fini(&text);
	if (!s)
		return "the store does not open";
	why = replay_judge(s, whole);
	store_close(s);
	replay.crashes++;
	return why;
}

/* --- one trace: a letter is a step of the model ------------------------------------------------------------------------------ */

static const char *replay_step(char step)
{
	switch (step) {
	case 'a': case 'b': replay.of_model[step - 'a'] = replay_accept(); break;
	case 'u': case 'v': replay_update(replay.of_model[step - 'u']); break;
	case 'e': case 'f':
		replay_end(replay.of_model[step - 'e']);
		replay_end_moving();
		break;
	case 'n': replay_others(); /* fall through */
	case 's': /* the first look only sees that results wait */
		store_tick(replay.s, replay.now += 3600 * USEC_PER_SEC);
		store_tick(replay.s, replay.now += 3600 * USEC_PER_SEC);
		break;
	case 'l': replay_run_one(); break;
	case 'c': case 'm': case 'r': case 'd':
		store_maintain(replay.s);
		replay_note_moves();
		break;
	case 'x': return replay_crash(false);
	default: break;
	}
	return NULL;
}

static void replay_others_land(void)
{
	replay_step('n');
	pool_wait(NULL);
	store_maintain(replay.s);
	pool_wait(NULL);
}

static const char *replay_open(void)
{
	static const unsigned char not_a_pool;
	static char dir[300];
	struct buf text;

	snprintf(dir, sizeof(dir), "%s/replay", q_fast_dir());
	memset(replay.v, 0, sizeof(replay.v));
	replay.n = replay.oldest = replay.n_stays = 0;
	replay.seed = 1;
	replay.moving = 0;
	replay.of_model[0] = replay.of_model[1] = -1;
	replay.now = 2000000000000000;
	replay.o = q_options(dir);
	replay.o.segment_size = 4096;
	replay.o.pool = (struct pool *)(uintptr_t)&not_a_pool;
	buf_init(&text, 1000);
	replay.s = store_open(&replay.o, NULL, NULL, &text);
	buf_fini(&text);
	return replay.s ? NULL : "the store does not open";
}

static void replay_close(void)
{
	struct store_stats st;

	store_stats(replay.s, &st);
	replay.moved += st.moved;
	store_close(replay.s);
	nftw(replay.o.dir, q_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *replay_trace(const char *trace)
{
	const char *why = replay_open();

	if (why)
		return why;
	for (const char *p = trace; *p; p++)
		replay.seed = replay.seed * 31 + (uint32_t)*p;
	for (const char *p = trace; *p && !why; p++)
		why = replay_step(*p);
	/* everything lands, and half of the others ends: what was needless goes */
	for (int i = 0; i < 3 && !why; i++) {
		for (int k = 0; k < 4; k++)
			replay_others_land();
		pool_wait(NULL);
		why = replay_crash(i == 2);
	}
	replay_close();
	return why;
}

#endif
