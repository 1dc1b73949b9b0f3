/* test_store_traces - ways through the model of the log, drawn by a seed and played in the store (store_replay.h): thousands of short
 * lives, in which any segment may be the next that goes. */
#include "tests/unit/store_model.h"
#include "tests/unit/store_replay.h"

/* --- traces ------------------------------------------------------------------------------------------------------------------ */

enum { TRACES = 500, TRACE_STEPS = 90, TRACE_CHOICES = 4096 };

static uint32_t draw(uint32_t *seed, size_t n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (uint32_t)((*seed >> 8) % n);
}

static void begin_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->next = 1;
	w->crashes = 3;
}

/* draw_trace - one way through the model, chosen by the seed; where the small model is full it begins anew */
static void draw_trace(uint32_t seed, char out[TRACE_STEPS + 1])
{
	static char choices[TRACE_CHOICES];
	struct world w;
	size_t pick;

	without = ALL_RULES;
	msgs = MSGS;
	with_states = 1;
	recs = RECS;
	letters = choices;
	begin_world(&w);
	for (int i = 0; i < TRACE_STEPS; i++) {
		n_stack = 0;
		step(&w);
		/* of the many parts that a crash may keep only one counts: else there would be nothing but crashes */
		while (n_stack > 1 && choices[n_stack - 1] == 'x' && choices[n_stack - 2] == 'x')
			n_stack--;
		if (!n_stack) {
			begin_world(&w);
			out[i] = 'n';
			continue;
		}
		pick = draw(&seed, n_stack);
		out[i] = choices[pick];
		w = stack[pick];
	}
	out[TRACE_STEPS] = 0;
	letters = NULL;
	free(stack);
	stack = NULL;
	n_stack = cap_stack = 0;
}

/* replay_some - TRACES of them; in parts, since a case has a minute */
static void replay_some(uint32_t part)
{
	char trace[TRACE_STEPS + 1];
	const char *why = NULL;

	/* as in the daemon */
	mem_cache();
	for (uint32_t i = 0; i < TRACES && !why; i++) {
		draw_trace((part * TRACES + i) * 2654435761u, trace);
		if (getenv("RELAYBOX_TRACES"))
			printf("# %s\n", trace);
		ROW("%s", trace);
		why = replay_trace(trace);
		CHECK_STR(why ? why : "", "");
	}
	/* it was no walk in an empty room */
	CHECK(replay.crashes > 2 * TRACES);
	CHECK(replay.moved > TRACES);
}

T(model_traces_hold_in_the_store_1) { replay_some(0); }
T(model_traces_hold_in_the_store_2) { replay_some(1); }
T(model_traces_hold_in_the_store_3) { replay_some(2); }
T(model_traces_hold_in_the_store_4) { replay_some(3); }
T(model_traces_hold_in_the_store_5) { replay_some(4); }
T(model_traces_hold_in_the_store_6) { replay_some(5); }
T(model_traces_hold_in_the_store_7) { replay_some(6); }
T(model_traces_hold_in_the_store_8) { replay_some(7); }

/* the trace that a random walk hardly finds: the end stands in a later segment than the copy, and that segment goes first */
T(store_end_that_overtakes_its_copy_stays_ended)
{
	const char *why = NULL;

	REQUIRE(!replay_open());
	for (int i = 0; i < 200 && !replay.moving; i++) {
		replay_others_land();
		replay_note_moves();
	}
	REQUIRE(replay.moving);
	/* who keeps the segment of the copy */
	replay_accept();
	replay_step('s');
	REQUIRE(replay.s->flight);
	replay_end_moving();
	for (int i = 0; i < 40 && !why; i++) {
		int v[5];

		for (int k = 0; k < 5; k++)
			v[k] = replay_accept();
		replay_step('l');
		replay_step('s');
		pool_wait(NULL);
		for (int k = 0; k < 5; k++)
			replay_end(v[k]);
		replay_step('s');
		pool_wait(NULL);
		while (store_maintain(replay.s))
			;
		pool_wait(NULL);
		why = replay_crash(false);
	}
	CHECK_STR(why ? why : "", "");
	replay_close();
}
