/* fuzz_pattern - flags, an expression, a line feed, a text: whatever they are, matching ends with its count of steps, and groups lie in
 * the text. What is found with all that is known beforehand is found without it, too. */
#include <stdlib.h>

#include "core/map/pattern_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void look(const struct pattern *p, struct pattern_work *w, struct str text, struct pattern_span *groups, enum pattern_answer *answer)
{
	pattern_begin(w, text, 200000);
	*answer = pattern_find(p, w, groups);
	for (size_t i = 0; *answer == PATTERN_FOUND && i <= pattern_groups(p); i++)
		if (groups[i].to > (ptrdiff_t)text.n || (i == 0 && groups[i].from > groups[i].to))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str in = str_make((const char *)data, n), text;
	struct pattern_span groups[PATTERN_GROUPS], plain_groups[PATTERN_GROUPS];
	struct pattern_work work = { .steps = 0 };
	enum pattern_answer answer, plain;
	struct pattern *p;
	bool missing = false, sifted = false;
	struct buf why;

	if (n < 2 || n > 2000 || !str_cut(&in, '\n', &text))
		return 0;
	buf_init(&why, 200);
	p = pattern_new(str_from(text, 1), data[0], &missing, &why);
	if (!p != !!why.n)
		abort();
	if (p) {
		look(p, &work, in, groups, &answer);
		sifted = !pattern_may_match(pattern_sieve(p), pattern_sift(&work));
		p->has_first = false;
		p->needs = (struct pattern_set){ { 0 } };
		look(p, &work, in, plain_groups, &plain);
		if (answer != PATTERN_DEAR && plain != PATTERN_DEAR && (answer != plain || (plain == PATTERN_FOUND && sifted) || (plain == PATTERN_FOUND && memcmp(groups, plain_groups, sizeof(groups)))))
			abort();
	}
	pattern_free(p);
	pattern_work_fini(&work);
	buf_fini(&why);
	return 0;
}
