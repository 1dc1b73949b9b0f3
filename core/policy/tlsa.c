/* tlsa - see dane.h: one record, and the certificates it stands for. */
#include "core/policy/dane.h"

const char *tlsa_parse(const uint8_t *p, size_t n, struct tlsa *out)
{
	static const size_t lengths[] = { 0, 32, 64 };

	if (n < 4)
		return "too short";
	*out = (struct tlsa){ p[0], p[1], p[2], p + 3, n - 3 };
	if (out->usage < 2)
		return "usages 0 and 1 mean nothing in mail (RFC 7672 3.1.3)";
	if (out->usage > 3 || out->selector > 1 || out->matching > 2)
		return "a number that is not known";
	return out->matching && out->n != lengths[out->matching] ? "the digest has a wrong length" : NULL;
}

static bool is_same(const struct tlsa *t, const struct tls_link *l)
{
	uint8_t digest[32];

	if (t->matching == 2)
		return memcmp(t->data, l->sha512[t->selector], 64) == 0;
	if (t->matching == 1)
		return memcmp(t->data, l->sha256[t->selector], 32) == 0;
	tls_sha256(digest, t->data, t->n);
	return memcmp(digest, l->sha256[t->selector], 32) == 0;
}

bool tlsa_matches(const struct tlsa *t, const struct tls_link *chain, size_t n, bool name_ok)
{
	if (t->usage == 3)
		return n && is_same(t, &chain[0]);
	for (size_t i = 1; i < n && name_ok; i++)
		if (chain[i].anchors && is_same(t, &chain[i]))
			return true;
	return false;
}

bool tlsa_counts(const struct tlsa *v, size_t n, size_t i)
{
	for (size_t k = 0; k < n; k++)
		if (v[i].matching && v[k].matching > v[i].matching && v[k].usage == v[i].usage && v[k].selector == v[i].selector)
			return false;
	return true;
}
