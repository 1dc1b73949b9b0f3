/* window - see window.h. */
#include "core/schedule/window.h"

#include <string.h>

#include "core/base/str.h"

struct feedback feedback_parse(const char *text)
{
	struct feedback f = { .value = 1.0 };
	const char *p = text + strspn(text, " ");
	double v = 0, place = 1;
	bool digits = false;

	for (; ascii_is_digit(*p); p++, digits = true)
		v = v * 10 + (*p - '0');
	if (*p == '.')
		for (p++; ascii_is_digit(*p); p++, digits = true)
			v += (*p - '0') * (place /= 10);
	if (digits && v <= 1000)
		f.value = v;
	if (strstr(p, "sqrt_concurrency"))
		f.per = PER_SQRT;
	else if (strstr(p, "concurrency"))
		f.per = PER_WINDOW;
	return f;
}

double feedback_step(const struct feedback *f, int64_t size)
{
	double root;

	if (f->per == PER_DELIVERY || size < 1)
		return f->value;
	if (f->per == PER_WINDOW)
		return f->value / (double)size;
	/* Newton's steps: no need for the mathematics library */
	root = (double)size;
	for (int i = 0; i < 20; i++)
		root = (root + (double)size / root) / 2;
	return f->value / root;
}

static void clip(struct dest_window *w)
{
	if (w->limit > 0 && w->size > w->limit)
		w->size = w->limit;
}

void window_bound(struct dest_window *w, int64_t limit, int64_t initial)
{
	w->limit = limit;
	w->initial = initial < 1 ? 1 : initial;
	if (limit > 0 && w->initial > limit)
		w->initial = limit;
	if (!w->size)
		w->size = w->initial;
	clip(w);
}

void window_reset(struct dest_window *w)
{
	w->size = w->initial;
	w->cohorts = w->failure = w->success = 0;
}

void window_succeeded(struct dest_window *w, size_t in_flight)
{
	w->cohorts = 0;
	/* one that is not used tells nothing about a wider one */
	if ((w->limit > 0 && w->size >= w->limit) || w->size >= (int64_t)in_flight + w->initial)
		return;
	w->success += feedback_step(&w->grow, w->size);
	while (w->success >= 1) {
		w->size++;
		w->success -= 1;
		w->failure = 0;
	}
	clip(w);
}

bool window_failed(struct dest_window *w)
{
	if (w->cohort_limit > 0)
		w->cohorts += 1.0 / (double)(w->size > 0 ? w->size : 1);
	/* sums of thirds and sevenths are not quite whole */
	if (w->cohort_limit > 0 && w->cohorts + 1e-6 >= (double)w->cohort_limit)
		return true;
	w->failure -= feedback_step(&w->shrink, w->size);
	while (w->failure < 0 && w->size > 1) {
		w->size--;
		w->failure += 1;
		w->success = 0;
	}
	if (w->failure < 0)
		w->failure = 0;
	return false;
}
