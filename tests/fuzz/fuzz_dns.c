/* fuzz_dns.c - replies: the first byte picks the type, the message's own question and id are what we "asked". */
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/net/dns_codec.h"

static const enum dns_type types[] = { DNS_A, DNS_NS, DNS_CNAME, DNS_SOA, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA, DNS_SRV, DNS_TLSA, DNS_CAA };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* the question's name as text, so that replies get past the check that they are for us */
static void asked_name(const uint8_t *p, size_t n, char out[256])
{
	size_t at = 12, length = 0;

	while (at < n && p[at] && p[at] <= 63 && at + p[at] < n && length + p[at] + 2 < 256) {
		for (size_t i = 1; i <= p[at]; i++)
			out[length++] = (char)p[at + i];
		out[length++] = '.';
		at += p[at] + 1u;
	}
	out[length] = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_answer answer;
	struct dns_reply reply;
	struct arena arena;
	enum dns_type type;
	char name[256] = "";

	if (size < 3)
		return 0;
	type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
	data++, size--;
	asked_name(data, size, name);
	arena_init(&arena, 512 * 1024);
	if (dns_decode(&arena, data, size, (uint16_t)(data[0] << 8 | data[1]), str_of(name), type, &answer, &reply) == 0) {
		if (answer.n > LIMIT_DNS_RECORDS || (answer.status == DNS_OK) != (answer.n > 0))
			abort();
		if ((reply.truncated || reply.rcode == DNS_RCODE_MALFORMED) && (answer.n || reply.ttl))
			abort();
		for (size_t i = 0; i < answer.n; i++)
			if (answer.records[i].type != type || strlen(answer.records[i].target) > 253)
				abort();
	}
	arena_fini(&arena);
	return 0;
}
