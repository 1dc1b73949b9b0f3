/* ipaddr_public - networks that nobody outside reaches (RFC 6890 and its kin). */
#include "core/base/ipaddr.h"

static const struct network not_public[] = {
	{ { AF_INET, { 0 } }, 8 }, { { AF_INET, { 10 } }, 8 }, { { AF_INET, { 127 } }, 8 }, { { AF_INET, { 169, 254 } }, 16 },
	{ { AF_INET, { 172, 16 } }, 12 }, { { AF_INET, { 192, 168 } }, 16 }, { { AF_INET, { 100, 64 } }, 10 }, { { AF_INET, { 224 } }, 3 },
	{ { AF_INET, { 198, 18 } }, 15 }, { { AF_INET, { 192, 0, 0 } }, 24 },
	/* compatible, mapped, NAT64, discard, benchmarks, site-local */
	{ { AF_INET6, { 0 } }, 96 }, { { AF_INET6, { [10] = 0xff, 0xff } }, 96 }, { { AF_INET6, { 0, 0x64, 0xff, 0x9b } }, 96 },
	{ { AF_INET6, { 0, 0x64, 0xff, 0x9b, 0, 1 } }, 48 }, { { AF_INET6, { 1 } }, 64 }, { { AF_INET6, { 0x20, 1, 0, 2 } }, 48 },
	{ { AF_INET6, { 0xfe, 0xc0 } }, 10 }, { { AF_INET6, { 0xfc } }, 7 }, { { AF_INET6, { 0xfe, 0x80 } }, 10 }, { { AF_INET6, { 0xff } }, 8 },
};

bool ipaddr_is_public(const struct ipaddr *a)
{
	for (size_t i = 0; i < sizeof(not_public) / sizeof(not_public[0]); i++)
		if (network_has(&not_public[i], a))
			return false;
	return true;
}
