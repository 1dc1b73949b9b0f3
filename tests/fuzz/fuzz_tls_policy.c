/* values of smtp_tls_policy_maps: what is taken makes a demand, what is not has a reason; and a demand is never less than its level says */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/conf/conf_private.h"
#include "core/policy/tls_demand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool begins(struct str s, const char *word)
{
	struct str first;

	return str_word(&s, " \t\r\n,", &first) && str_ieq(first, str_of(word));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct conf *c;
	struct tls_site site = { .nexthop = STR("[mx.test]:25") };
	struct str value = str_make((const char *)data, n);
	struct conf_diag diag;
	struct buf spec, why;
	struct maps table;
	struct tls_demand x;
	bool good;

	if (!c) {
		conf_diag_init(&diag);
		c = conf_from_text(STR("myhostname = a.test\nmynetworks = 127.0.0.0/8\nsmtp_tls_security_level = may\n"), "/nowhere", &diag);
		if (!c)
			abort();
	}
	if (n > 2000 || memchr(data ? data : (const uint8_t *)"", 0, n))
		return 0;
	buf_init(&why, 1000);
	good = tls_demand_check(c, value, &why);
	if (!good && !why.n)
		abort();
	/* the same through a table, where its form lets it stand in one */
	buf_init(&spec, 4096);
	buf_printf(&spec, "static:{%.*s}", STR_ARG(value));
	if (!memchr(data ? data : (const uint8_t *)"", '}', n) && !memchr(data ? data : (const uint8_t *)"", '{', n) &&
	    maps_open(&table, buf_cstr(&spec), &why) == 0) {
		tls_demand_make(&x, c, &table, &site, NULL);
		if (!x.failed.code && (begins(value, "encrypt") || begins(value, "verify") || begins(value, "secure") || begins(value, "fingerprint")) && !x.require)
			abort();
		if (!x.failed.code && (begins(value, "verify") || begins(value, "secure")) && x.match == TLS_MATCH_NONE)
			abort();
		if (!x.failed.code && !good && str_trim(value).n)
			abort();
		tls_demand_fini(&x);
		maps_close(&table);
	}
	buf_fini(&spec);
	buf_fini(&why);
	return 0;
}
