/* fuzz_dns_files.c - the same text as resolv.conf, as a list of servers and as hosts. */
#include <stdlib.h>

#include "core/net/dns_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make((const char *)data, size);
	struct ipaddr v[10];
	struct dns_conf c;
	struct hosts h;
	bool known;

	dns_conf_parse(&c, text);
	if (c.n < 1 || c.n > LIMIT_DNS_SERVERS || c.attempts < 1 || c.timeout < USEC_PER_SEC)
		abort();
	dns_conf_servers(&c, text);
	hosts_init(&h);
	hosts_parse(&h, text);
	hosts_find(&h, "localhost", 3, v, 10, &known);
	if (!known)
		abort();
	hosts_fini(&h);
	return 0;
}
