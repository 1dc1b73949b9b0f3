/* sts_policy - see sts_policy.h. */
#include "core/policy/sts_policy.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/net/tls_names.h"
#include "core/policy/tags.h"

#define YEAR 31557600

static const char *const modes[] = { [STS_NO_MODE] = "", [STS_NONE] = "none", [STS_TESTING] = "testing", [STS_ENFORCE] = "enforce" };

const char *sts_mode_word(enum sts_mode m) { return modes[m]; }

static bool is_pattern(struct str s)
{
	/* no name is longer, and STS_MX_MOST of them are in the file again, however they are written there */
	if (s.n > LIMIT_DOMAIN)
		return false;
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
		for (int i = STS_NONE; i <= STS_ENFORCE; i++)
			if (str_eq(value, str_of(modes[i])))
				out->mode = (enum sts_mode)i;
		return out->mode ? NULL : "not a mode: enforce, testing or none";
	}
	if (str_eq(key, STR("max_age")) && out->max_age == UINT64_MAX)
		return str_to_u64(value, &out->max_age) && out->max_age <= YEAR ? NULL : "not a number of seconds up to 31557600";
	if (!str_eq(key, STR("mx")))
		return NULL;
	if (!is_pattern(value))
		return "not a host name or *.domain";
	if (out->n_mx == STS_MX_MOST)
		return "more patterns than anybody needs";
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

bool sts_policy_is_plain(struct str type)
{
	ptrdiff_t end = str_chr(type, ';');

	return str_ieq(str_trim(end < 0 ? type : str_head(type, (size_t)end)), STR("text/plain"));
}

bool sts_policy_has(const struct sts_policy *s, struct str mx)
{
	for (size_t i = 0; i < s->n_mx; i++)
		if (tls_name_matches(mx, s->mx[i]))
			return true;
	return false;
}

const char *sts_record_parse(struct str text, struct str *id, struct str *at)
{
	static const struct tag_rule rules[] = { { STR("id"), NULL, true } };
	const char *wrong = tags_parse(text, STR("STSv1"), false, rules, 1, id, at);

	if (wrong)
		return wrong;
	*at = *id;
	for (size_t i = 0; i < id->n; i++)
		if (!ascii_is_alnum(id->p[i]))
			return "an id has letters and digits only";
	return id->n && id->n <= STS_ID_MOST ? NULL : "an id has 1 to 32 letters and digits";
}

const char *tlsrpt_parse(struct str text, struct str *rua, struct str *at)
{
	static const struct tag_rule rules[] = { { STR("rua"), NULL, true } };
	const char *wrong = tags_parse(text, STR("TLSRPTv1"), false, rules, 1, rua, at);
	struct str rest = *rua, scheme, body;

	if (wrong)
		return wrong;
	*at = *rua;
	while (rest.n)
		if (uri_next(&rest, &scheme, &body) < 0 || (!str_ieq(scheme, STR("mailto")) && !str_ieq(scheme, STR("https"))))
			return "not a list of mailto: and https: addresses";
	return rua->n ? NULL : "nobody is named";
}
