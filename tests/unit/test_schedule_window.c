/* test_schedule_window - the arithmetic of how many deliveries at once, by rows. */
#include "tests/unit/t.h"

#include "core/schedule/window.h"

T(feedback_is_a_number_or_a_share)
{
	static const struct { const char *text; double value; int per; } rows[] = {
		{ "1", 1, PER_DELIVERY }, { "0.5", 0.5, PER_DELIVERY }, { " .25", 0.25, PER_DELIVERY }, { "0", 0, PER_DELIVERY },
		{ "1/concurrency", 1, PER_WINDOW }, { "2 / sqrt_concurrency", 2, PER_SQRT }, { "", 1, PER_DELIVERY },
		{ "x", 1, PER_DELIVERY }, { "1000", 1000, PER_DELIVERY }, { "1001", 1, PER_DELIVERY }, { ".", 1, PER_DELIVERY },
		{ "x/concurrency", 1, PER_WINDOW },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct feedback f = feedback_parse(rows[i].text);

		ROW("%s", rows[i].text);
		CHECK(f.value > rows[i].value - 1e-9 && f.value < rows[i].value + 1e-9);
		CHECK_INT(f.per, rows[i].per);
	}
}

T(feedback_step_depends_on_the_size)
{
	static const struct { const char *text; int64_t size; int thousandths; } rows[] = {
		{ "1", 50, 1000 }, { "0.5", 50, 500 }, { "1/concurrency", 4, 250 }, { "1/concurrency", 1, 1000 }, { "1/concurrency", 0, 1000 },
		{ "1/sqrt_concurrency", 16, 250 }, { "2/sqrt_concurrency", 2, 1414 }, { "1/sqrt_concurrency", 10000, 10 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct feedback f = feedback_parse(rows[i].text);

		ROW("%s at %d", rows[i].text, (int)rows[i].size);
		CHECK_INT((int)(feedback_step(&f, rows[i].size) * 1000 + 0.5), rows[i].thousandths);
	}
}

/* + a success while all of the window is used, o one while nothing else is under way, - a failure, r tried anew, 3 the limit is 3 */
static bool play(struct dest_window *w, const char *events)
{
	bool dead = false;

	for (const char *p = events; *p; p++) {
		if (*p == '+')
			window_succeeded(w, (size_t)w->size);
		else if (*p == 'o')
			window_succeeded(w, 0);
		else if (*p == '-')
			dead |= window_failed(w);
		else if (*p == 'r')
			window_reset(w);
		else
			window_bound(w, *p - '0', w->initial);
	}
	return dead;
}

T(window_follows_its_events)
{
	static const struct {
		const char *name, *grow, *shrink;
		int64_t limit, initial, cohort_limit;
		const char *events;
		int64_t size;
		bool dead;
	} rows[] = {
		{ "begins at the initial size", "1", "1", 20, 5, 1, "", 5, false },
		{ "never above the limit", "1", "1", 3, 5, 1, "", 3, false },
		{ "at least one", "1", "1", 0, 0, 1, "", 1, false },
		{ "grows by one a success", "1", "1", 20, 5, 1, "+++", 8, false },
		{ "up to the limit", "1", "1", 6, 5, 1, "+++++", 6, false },
		{ "no limit", "1", "1", 0, 5, 1, "+++++++++++++++++++++++++", 30, false },
		{ "does not grow unused", "1", "1", 20, 5, 1, "ooooo", 5, false },
		{ "two halves make one", "0.5", "1", 20, 5, 1, "+++", 6, false },
		{ "big steps", "3", "1", 20, 5, 1, "++", 11, false },
		{ "big steps end at the limit", "3", "1", 9, 5, 1, "++", 9, false },
		{ "one for each round", "1/concurrency", "1", 20, 2, 1, "++", 3, false },
		{ "shrinks at a failure", "1", "1", 20, 5, 2, "-", 4, false },
		{ "not below one", "1", "1", 20, 2, 9, "----", 1, false },
		{ "by halves: the first takes one, the second nothing", "1", "0.5", 20, 5, 9, "--", 4, false },
		{ "no shrinking", "1", "0", 20, 5, 9, "---", 5, false },
		{ "a failed cohort is its death", "1", "1", 20, 1, 1, "-", 1, true },
		{ "of five, with a window that stays", "1", "0", 20, 5, 1, "-----", 5, true },
		{ "four of five are none", "1", "0", 20, 5, 1, "----", 5, false },
		{ "a success between them is none", "1", "0", 5, 5, 1, "----+----", 5, false },
		{ "thirds are whole", "1", "0", 20, 3, 1, "---", 3, true },
		{ "sevenths are whole", "1", "0", 20, 7, 1, "-------", 7, true },
		{ "two cohorts", "1", "0", 20, 2, 2, "---", 2, false },
		{ "two cohorts, all", "1", "0", 20, 2, 2, "----", 2, true },
		{ "no cohort limit: never dead", "1", "1", 20, 1, 0, "----------", 1, false },
		{ "tried anew it begins again", "1", "1", 20, 5, 9, "---r", 5, false },
		{ "what had gathered is forgotten", "0.5", "1", 20, 5, 1, "+r+", 5, false },
		{ "a lower limit counts at once", "1", "1", 20, 5, 1, "+++3", 3, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dest_window w = { .cohort_limit = rows[i].cohort_limit, .grow = feedback_parse(rows[i].grow),
			.shrink = feedback_parse(rows[i].shrink) };

		ROW("%s", rows[i].name);
		window_bound(&w, rows[i].limit, rows[i].initial);
		CHECK_INT(play(&w, rows[i].events), rows[i].dead);
		CHECK_INT(w.size, rows[i].size);
	}
}
