/* test_store_model - every interleaving of the model of the log (store_model.h). The controls leave one rule out each, and must find a
 * loss or a return: otherwise the model proves nothing. */
#include "tests/unit/store_model.h"

static const char *walk(enum rule left_out, int n_msgs, int states_too, uint8_t crashes)
{
	struct world w;

	memset(&w, 0, sizeof(w));
	without = left_out;
	broken = NULL;
	states = 0;
	n_stack = 0;
	w.next = 1;
	w.crashes = crashes;
	msgs = n_msgs;
	with_states = states_too;
	recs = states_too ? RECS : RECS - 2;
	visit(&w);
	while (n_stack && !broken && states < STATES_MOST) {
		w = stack[--n_stack];
		step(&w);
	}
	free(seen);
	free(stack);
	seen = NULL;
	stack = NULL;
	n_seen = cap_seen = cap_stack = 0;
	return broken;
}

static void walk_all(int n_msgs, int states_too, uint8_t crashes)
{
	const char *why = walk(ALL_RULES, n_msgs, states_too, crashes);

	CHECK_STR(why ? why : "", "");
	CHECK(states > 1000 && states < STATES_MOST);
}

T(model_keeps_the_promise_for_one_message_and_two_crashes)
{
	walk_all(1, 1, 2);
}

T(model_keeps_the_promise_for_two_messages_and_a_crash)
{
	walk_all(2, 0, 1);
}

T(model_needs_every_rule)
{
	static const struct { enum rule rule; const char *name; } rows[] = {
		{ NO_PINS, "pins" }, { NO_MOVED_ENDS, "ends of messages that were being copied" },
		{ NO_STATE_WITH_MESSAGE, "state copied with its message" }, { NO_DIR_FLUSH, "flush of the directory" },
		{ ACK_BEFORE_FLUSH, "flush before the answer" }, { NO_STALE_TARGET, "ends name where compaction copies from" },
		{ ADOPT_EARLY, "a copy counts once the state is behind it" },
		{ RELEASE_EARLY, "a state is needed until the end is durable" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("without: %s", rows[i].name);
		CHECK(walk(rows[i].rule, 1, 1, 2) != NULL || walk(rows[i].rule, 2, 0, 1) != NULL);
	}
}
