/* fuzz_hop.c - what stands in tables and lists about where to go: a next hop, an address, a network, the answer to a challenge.
 * What parses is written out and read back the same. */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/map/match.h"
#include "core/base/ipaddr.h"
#include "core/route/route.h"
#include "core/smtp/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void address(struct str text)
{
	struct sockaddr_storage to;
	struct ipaddr a, b;
	char out[46];

	if (!ipaddr_parse(text, &a))
		return;
	ipaddr_format(&a, out);
	if (!ipaddr_parse(str_of(out), &b) || !ipaddr_eq(&a, &b))
		abort();
	ipaddr_to_sockaddr(&a, 25, &to);
	ipaddr_from_sockaddr((struct sockaddr *)&to, &b);
	if (!ipaddr_eq(&a, &b))
		abort();
}

static void challenge(const char *mechanism, struct str text)
{
	struct sasl_client s = { .mechanism = mechanism, .user = STR("user"), .password = STR("secret") };
	struct buf out;

	for (int i = 0; i < 4; i++) {
		buf_init(&out, 400);
		if (sasl_respond(&s, i ? text : STR_EMPTY, &out) && out.overflow)
			abort();
		buf_fini(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const mechanisms[] = { "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER" };
	char *copy = mem_alloc(n + 1);
	struct str text = str_make(copy, n);
	struct nexthop hop;
	struct network net;
	struct buf why;

	if (n)
		memcpy(copy, data, n);
	buf_init(&why, 1000);
	address(text);
	if (nexthop_parse(text, 25, &hop, &why) && (!hop.host.n || (!hop.unix_path && !hop.port)))
		abort();
	buf_clear(&why);
	if (!network_parse(text, &net, &why) && !why.n)
		abort();
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		challenge(mechanisms[i], text);
	buf_clear(&why);
	(void)sasl_parse_properties(copy, &why);
	buf_fini(&why);
	mem_free(copy);
	return 0;
}
