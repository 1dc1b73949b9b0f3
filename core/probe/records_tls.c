/* records_tls - MTA-STS policies and TLSA records, and what they ask of a server's name and certificates. */
#include "core/net/tls_names.h"
#include "core/probe/records.h"

#define YEAR 31557600

static const struct { struct str word; enum sts_mode mode; } modes[] = {
	{ STR("none"), STS_NONE }, { STR("testing"), STS_TESTING }, { STR("enforce"), STS_ENFORCE },
};

static bool is_pattern(struct str s)
{
	if (str_starts(s, STR("*.")))
		s = str_from(s, 2);
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(s.p[i]) && (!s.p[i] || !strchr("-._", s.p[i])))
			return false;
	return s.n && s.p[0] != '.';
}

static const char *take_line(struct str key, struct str value, struct sts_policy *out, bool *seen_version)
{
	if (str_eq(key, STR("version"))) {
		*seen_version = str_eq(value, STR("STSv1"));
		return *seen_version ? NULL : "not a version that is known";
	}
	/* of what is there twice, the first counts */
	if (str_eq(key, STR("mode")) && !out->mode) {
		for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
			if (str_eq(value, modes[i].word))
				out->mode = modes[i].mode;
		return out->mode ? NULL : "not a mode: enforce, testing or none";
	}
	if (str_eq(key, STR("max_age")) && out->max_age == UINT64_MAX)
		return str_to_u64(value, &out->max_age) && out->max_age <= YEAR ? NULL : "not a number of seconds up to 31557600";
	if (!str_eq(key, STR("mx")))
		return NULL;
	if (!is_pattern(value))
		return "not a host name or *.domain";
	if (out->n_mx < STS_MX_MOST)
		out->mx[out->n_mx++] = value;
	return NULL;
}

const char *sts_policy_parse(struct str text, struct sts_policy *out, struct str *at)
{
	bool version = false;
	const char *wrong;

	*out = (struct sts_policy){ .max_age = UINT64_MAX };
	while (str_cut(&text, '\n', at)) {
		struct str line = str_trim(*at), key;

		*at = line;
		if (!line.n)
			continue;
		if (str_chr(line, ':') < 1)
			return "not key: value";
		str_cut(&line, ':', &key);
		wrong = take_line(str_trim(key), str_trim(line), out, &version);
		if (wrong)
			return wrong;
	}
	*at = !version ? STR("version") : !out->mode ? STR("mode") : out->max_age == UINT64_MAX ? STR("max_age") : STR("mx");
	return version && out->mode && out->max_age != UINT64_MAX && (out->n_mx || out->mode == STS_NONE) ? NULL : "missing";
}

bool sts_policy_has(const struct sts_policy *s, struct str mx)
{
	for (size_t i = 0; i < s->n_mx; i++)
		if (tls_name_matches(mx, s->mx[i]))
			return true;
	return false;
}

/* --- TLSA ----------------------------------------------------------------------------------------------------------- */

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
