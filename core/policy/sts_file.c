/* sts_file - the policies that outlive us, as text. Read strictly: what is not to the letter what we write was damaged, and a policy that
 * is half right is worse than one that is fetched again. */
#include <string.h>

#include "core/base/limits.h"
#include "core/policy/sts.h"

#define HEAD "relaybox sts 1\n"
#define END "end\n"
#define LAST_SECOND 253402300800              /* the year 10000 */

void sts_policy_write(const struct sts_policy *p, struct buf *out)
{
	buf_printf(out, "version: STSv1\nmode: %s\n", sts_mode_word(p->mode));
	for (size_t i = 0; i < p->n_mx; i++)
		buf_printf(out, "mx: %.*s\n", STR_ARG(p->mx[i]));
	buf_printf(out, "max_age: %llu\n", (unsigned long long)p->max_age);
}

void sts_file_begin(struct buf *out) { buf_z(out, HEAD); }
void sts_file_end(struct buf *out) { buf_z(out, END); }

void sts_file_add(struct buf *out, const struct sts_line *x)
{
	buf_printf(out, "%.*s %.*s %lld %s %llu", STR_ARG(x->domain), STR_ARG(x->id), (long long)(x->fetched / USEC_PER_SEC),
		sts_mode_word(x->policy->mode), (unsigned long long)x->policy->max_age);
	for (size_t i = 0; i < x->policy->n_mx; i++)
		buf_printf(out, " %.*s", STR_ARG(x->policy->mx[i]));
	buf_byte(out, '\n');
}

static bool is_domain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(s.p[i]) && (!s.p[i] || !strchr("-._", s.p[i])))
			return false;
	return s.n && s.n <= LIMIT_STS_DOMAIN && s.p[0] != '.';
}

static bool is_id(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(s.p[i]))
			return false;
	return s.n && s.n <= STS_ID_MOST;
}

/* read_line - the rest of the line is made into the words of a policy, so that one parser knows what a policy is */
static bool read_line(struct str line, struct sts_line *x, struct sts_policy *p, struct buf *text, struct buf *again)
{
	struct str rest = line, mode, age = STR_EMPTY, mx, at, seconds;
	uint64_t n;

	if (!str_cut(&rest, ' ', &x->domain) || !is_domain(x->domain) || !str_cut(&rest, ' ', &x->id) || !is_id(x->id) ||
	    !str_cut(&rest, ' ', &seconds) || !str_to_u64(seconds, &n) || n > LAST_SECOND || !str_cut(&rest, ' ', &mode))
		return false;
	x->fetched = (usec)n * USEC_PER_SEC;
	str_cut(&rest, ' ', &age);
	buf_clear(text);
	buf_printf(text, "version: STSv1\nmode: %.*s\n", STR_ARG(mode));
	while (str_cut(&rest, ' ', &mx))
		buf_printf(text, "mx: %.*s\n", STR_ARG(mx));
	buf_printf(text, "max_age: %.*s\n", STR_ARG(age));
	x->text = buf_view(text);
	x->policy = p;
	if (text->overflow || sts_policy_parse(x->text, p, &at))
		return false;
	buf_clear(again);
	sts_file_add(again, x);
	return again->n == line.n + 1 && str_starts(buf_view(again), line);
}

bool sts_file_read(struct str text, void (*fn)(void *ctx, const struct sts_line *x), void *ctx)
{
	struct sts_policy policy;
	struct sts_line x;
	struct str line;
	struct buf words, again;
	bool good = str_starts(text, STR(HEAD)) && str_ends(text, STR("\n" END));

	if (!good)
		return false;
	text = str_from(text, strlen(HEAD));
	text = str_head(text, text.n - strlen(END));
	buf_init(&words, LIMIT_STS_POLICY);
	buf_init(&again, LIMIT_STS_POLICY);
	while (good && str_cut(&text, '\n', &line)) {
		good = read_line(line, &x, &policy, &words, &again);
		if (good)
			fn(ctx, &x);
	}
	buf_fini(&words);
	buf_fini(&again);
	return good;
}
