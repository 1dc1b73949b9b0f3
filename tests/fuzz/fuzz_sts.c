/* the file of MTA-STS policies and what a web server gives: what is read is written back to the letter, and stays within its bounds */
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/policy/sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void on_line(void *ctx, const struct sts_line *x)
{
	if (!x->domain.n || x->domain.n > LIMIT_STS_DOMAIN || x->id.n > STS_ID_MOST || x->policy->mode == STS_NO_MODE || x->policy->n_mx > STS_MX_MOST)
		abort();
	sts_file_add(ctx, x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = str_make((const char *)data, n), at;
	struct sts_policy policy, second;
	struct buf again;

	buf_init(&again, 2 * LIMIT_STS_FILE);
	sts_file_begin(&again);
	if (sts_file_read(text, on_line, &again)) {
		sts_file_end(&again);
		if (!str_eq(buf_view(&again), text))
			abort();
	}
	buf_clear(&again);
	if (!sts_policy_parse(text, &policy, &at)) {
		sts_policy_write(&policy, &again);
		if (sts_policy_parse(buf_view(&again), &second, &at) || second.mode != policy.mode || second.max_age != policy.max_age || second.n_mx != policy.n_mx)
			abort();
	}
	buf_fini(&again);
	return 0;
}
