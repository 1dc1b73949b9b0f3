/* records_tls - MTA-STS policies, and what they ask of a server's name. */
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
