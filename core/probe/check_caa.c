/* check_caa - who may issue certificates for the hosts (RFC 8659), and for logos (RFC 9495 says whom mail's own tags concern): the
 * records of the name, else of the nearest one above it. */
#include "core/base/term.h"
#include "core/probe/probe.h"

enum { CRITICAL = 0x80 };

static const struct str known[] = { STR("issue"), STR("issuewild"), STR("iodef"), STR("contactemail"), STR("contactphone"), STR("issuemail"),
	STR("issuevmc") };

static const struct fact *find_records(struct probe *p, const char *name, const char **at)
{
	const struct fact *f;

	for (;; name++) {
		f = facts_get(&p->facts, name, DNS_CAA);
		*at = name;
		if (!f || f->n || f->status == DNS_AGAIN)
			return f;
		name = strchr(name, '.');
		if (!name || !strchr(name + 1, '.'))
			return NULL;
	}
}

static bool is_known(struct str tag)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (str_ieq(tag, known[i]))
			return true;
	return false;
}

/* the authority in "letsencrypt.org; validationmethods=dns-01"; empty: nobody */
static struct str authority(struct str value)
{
	struct str name = STR_EMPTY;

	str_cut(&value, ';', &name);
	return str_trim(name);
}

static void judge_records(struct probe *p, int h, const struct fact *f, const char *at)
{
	char allowed[200] = "", shown[80];
	bool issue = false;
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		struct str data = fact_text(f, i), tag, value;
		size_t length = data.n > 1 ? (unsigned char)data.p[1] : 0;

		if (!length || length > data.n - 2) {
			probe_find(p, PROBE_WARNING, PROBE_HOST(h), "caa", "correct it: no authority issues on a record that it cannot read", "a CAA record of %s cannot be read", at);
			continue;
		}
		tag = str_head(str_from(data, 2), length);
		value = authority(str_from(data, 2 + length));
		term_cut(tag, shown, sizeof(shown));
		if (!is_known(tag))
			probe_find(p, data.p[0] & CRITICAL ? PROBE_WARNING : PROBE_NOTE, PROBE_HOST(h), "caa", "look at its spelling: issue, issuewild, iodef",
				"a CAA record of %s has a tag that nobody knows%s: %s", at, data.p[0] & CRITICAL ? ", and is critical, so nobody issues" : "", shown);
		if (!str_ieq(tag, known[0]))
			continue;
		issue = true;
		term_cut(value, shown, sizeof(shown));
		if (value.n && n + value.n + 3 < sizeof(allowed))
			n += (size_t)snprintf(allowed + n, sizeof(allowed) - n, "%s%s", n ? ", " : "", shown);
	}
	if (issue && !n)
		probe_find(p, PROBE_NOTE, PROBE_HOST(h), "caa", "fine where no certificate is to be had; else name the authority: issue \"ca.example\"",
			"CAA of %s: nobody may issue certificates", at);
	else if (issue)
		probe_find(p, PROBE_OK, PROBE_HOST(h), "caa", NULL, "CAA of %s: certificates come from %s", at, allowed);
}

void check_caa(struct probe *p)
{
	struct ipaddr literal;

	for (size_t h = 0; h < p->n_hosts; h++) {
		const char *at;
		const struct fact *f = p->hosts[h].name[0] && !ipaddr_parse(str_of(p->hosts[h].name), &literal) ? find_records(p, p->hosts[h].name, &at) : NULL;

		if (f && f->n)
			judge_records(p, (int)h, f, at);
		else if (f)
			probe_find(p, PROBE_WARNING, PROBE_HOST(h), "caa", "see its name servers: no authority issues while there is no answer (RFC 8659 3)",
				"the CAA records of %s cannot be looked up", at);
	}
}
