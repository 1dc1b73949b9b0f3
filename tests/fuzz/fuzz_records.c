/* fuzz_records.c - every parser of records.h and the HTTP answer get the whole input: values are views into it, and what is
 * refused is said where. */
#include <stdlib.h>

#include "core/net/http.h"
#include "core/policy/dane.h"
#include "core/policy/sts_policy.h"
#include "core/probe/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str all;

static void must_be_inside(struct str s)
{
	if (s.n && (s.p < all.p || s.p + s.n > all.p + all.n))
		abort();
}

static void feed_http(void)
{
	struct http_answer a;
	const char *why;
	struct buf body;

	buf_init(&body, 1000);
	for (int ended = 0; ended < 2; ended++) {
		enum http_result r = http_parse_answer(all, ended, &a, &body, &why);

		if ((ended && r == HTTP_NEED_MORE) || body.n > 1000)
			abort();
		must_be_inside(a.type);
	}
	buf_fini(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str values[TAGS_MOST], at, rest, scheme, body;
	struct sts_policy policy;
	struct tls_link link = { .anchors = true };
	struct dmarc dmarc;
	struct dkim key;
	struct tlsa t;
	int more;

	all = str_make((const char *)data, size);
	if (!dmarc_parse(all, &dmarc, &at))
		for (int i = 0; i < DMARC_TAGS; i++)
			must_be_inside(dmarc.values[i]);
	bimi_parse(all, values, &at);
	dkim_parse(all, &key, &at);
	if (!sts_record_parse(all, &rest, &at))
		must_be_inside(rest);
	tlsrpt_parse(all, &rest, &at);
	for (rest = all; (more = uri_next(&rest, &scheme, &body)) != 0;)
		if (more > 0)
			must_be_inside(body);
	if (!sts_policy_parse(all, &policy, &at)) {
		if (policy.mode == STS_NO_MODE || policy.n_mx > STS_MX_MOST)
			abort();
		sts_policy_has(&policy, all);
	}
	if (!tlsa_parse(data, size, &t)) {
		struct tls_link chain[2] = { link, link };

		tlsa_matches(&t, chain, 2, true);
	}
	feed_http();
	return 0;
}
