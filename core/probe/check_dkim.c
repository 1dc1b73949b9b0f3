/* check_dkim - what DNS says of DKIM keys: by itself, of selectors that were named, and beside the private keys that sign on this host. */
#include "core/probe/probe.h"

#include <errno.h>

#include "core/base/mem.h"
#include "core/msg/mime.h"
#include "core/probe/records.h"

enum { LEAST_BITS = 2048 };            /* RFC 8301 section 3.2 */

/* a record is shown by its selector, or its whole name where that is not all that differs */
struct looked_at { struct probe *p; const char *shown, *name; };

static void judge_key(struct probe *p, const char *shown, const struct dkim *k, bool ours)
{
	bool rsa = strncmp(k->key, "RSA", 3) == 0;
	struct str hashes = k->values[DKIM_H];

	if (k->revoked)
		probe_find(p, ours ? PROBE_PROBLEM : PROBE_WARNING, PROBE_DOMAIN, "dkim", "sign with another selector", "%s: the key is revoked", shown);
	else if (rsa && k->bits < 1024)
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "dkim", "make one of 2048 bits: short keys are refused (RFC 8301)", "%s: %s", shown, k->key);
	else if (rsa && k->bits < LEAST_BITS)
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "dkim", "make one of 2048 bits", "%s: %s", shown, k->key);
	else
		probe_find(p, PROBE_OK, PROBE_DOMAIN, "dkim", NULL, "%s: %s", shown, k->key);
	if (k->testing)
		probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "dkim", "remove t=y when it works: until then a bad signature counts as none",
			"%s: the key is for testing", shown);
	if (!k->mail)
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "dkim", "take s= out of the record", "%s: s=%.*s: the key is not for mail", shown,
			STR_ARG(str_head(k->values[DKIM_S], 40)));
	if (hashes.n && str_find(hashes, STR("sha256")) < 0)
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "dkim", "allow sha256: nobody takes sha1 any more (RFC 8301)", "%s: h=%.*s", shown,
			STR_ARG(str_head(hashes, 40)));
}

/* cannot_look - the resolver had no answer: is it the zone's fault, or does it answer nothing at all? */
static void cannot_look(const struct looked_at *l, const struct fact *f)
{
	const struct fact *root = facts_get(&l->p->facts, "", DNS_SOA);

	if (!root || probe_find_bogus(l->p, l->name, DNS_TXT, -1, "dkim"))
		return;
	l->p->lost = root->status == DNS_AGAIN;
	if (l->p->lost)
		probe_find(l->p, PROBE_PROBLEM, PROBE_DOMAIN, "dkim", "correct the nameserver lines of /etc/resolv.conf, or name a resolver with --dns",
			"nothing can be looked up from here: %s", dns_failure(f->rcode, f->error));
	else
		probe_find(l->p, PROBE_WARNING, PROBE_DOMAIN, "dkim", "ask again; if it stays, look at the name servers", "%s: cannot be looked up now: %s",
			l->shown, probe_failure(f->rcode, f->error));
}

/* look - false: not known yet, or there is none that can be read, which is told */
static bool look(const struct looked_at *l, const char *missing, struct dkim *key, bool *absent)
{
	const struct fact *f = facts_get(&l->p->facts, l->name, DNS_TXT);
	const char *wrong;
	struct str at;

	*absent = f && !f->n && f->status != DNS_AGAIN;
	if (!f)
		return false;
	if (f->n != 1) {
		if (f->status == DNS_AGAIN)
			cannot_look(l, f);
		else
			probe_find(l->p, PROBE_PROBLEM, PROBE_DOMAIN, "dkim", f->n ? "keep one of them" : missing, "%s: %s", l->shown,
				f->n ? "more than one record" : f->status == DNS_NXDOMAIN ? "no key" : "no key: the name has no TXT record");
		return false;
	}
	wrong = dkim_parse(fact_text(f, 0), key, &at);
	if (wrong)
		probe_find_wrong(l->p, "dkim", l->shown, wrong, at);
	return !wrong;
}

void check_dkim(struct probe *p)
{
	for (const char *const *selector = p->opt->selectors; *selector; selector++) {
		struct dkim key;
		char name[600];
		bool absent;

		snprintf(name, sizeof(name), "%s._domainkey.%s", *selector, p->target);
		if (look(&(struct looked_at){ p, *selector, name }, "publish the key, or look for the selector in a signature: s=", &key, &absent))
			judge_key(p, *selector, &key, false);
	}
}

/* --- keys of this host -------------------------------------------------------------------------------------------------- */

/* tell_record - what DNS should say of the key; its text may be longer than that of a finding */
static void tell_record(struct probe *p, const char *name, struct str der)
{
	struct buf text;

	buf_init(&text, 4096);
	buf_z(&text, "v=DKIM1; k=rsa; p=");
	mime_base64(&text, der, 0);
	if (!p->dry)
		probe_find(p, PROBE_NOTE, PROBE_DOMAIN, "dkim-key", arena_z(&p->facts.arena, buf_view(&text)), "%s: publish this TXT record", name);
	buf_fini(&text);
}

/* compare - is the key in DNS the other half of ours? */
static bool compare(struct probe *p, const struct dkim_key *k, const char *name, const struct dkim *record, struct str ours)
{
	struct buf theirs;
	bool same;

	buf_init(&theirs, 4096);
	same = dkim_public(record, &theirs) && str_eq(buf_view(&theirs), ours);
	buf_fini(&theirs);
	if (same)
		probe_find(p, PROBE_OK, PROBE_DOMAIN, "dkim-key", NULL, "%s: fits %s", name, k->path);
	else
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "dkim-key", "publish the record that -v shows, or sign with the key of the one in DNS",
			"%s: %s is another key than %s: signatures are not valid", name, record->key, k->path);
	return same;
}

static void check_own(struct probe *p, const struct dkim_key *k, const char *domain)
{
	struct dkim record;
	struct buf ours;
	char name[600];
	bool absent, good;

	snprintf(name, sizeof(name), "%s._domainkey.%s", k->selector, domain);
	buf_init(&ours, 4096);
	if (k->key)
		tls_key_public(k->key, &ours);
	if (k->why && !k->key && str_ends(str_of(k->why), str_of(strerror(EACCES))))
		probe_find(p, PROBE_WARNING, PROBE_DOMAIN, "dkim-key", "ask as root: it was not compared", "%s", k->why);
	else if (k->why)
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "dkim-key", "relayd does not start with it", "%s", k->why);
	good = look(&(struct looked_at){ p, name, name }, k->key ? "publish the record that -v shows" : "publish the key", &record, &absent);
	if (good)
		judge_key(p, name, &record, true);
	if (k->key && tls_key_bits(k->key) >= LEAST_BITS && (absent || (good && !record.revoked && !compare(p, k, name, &record, buf_view(&ours)))))
		tell_record(p, name, buf_view(&ours));
	buf_fini(&ours);
}

void check_dkim_keys(struct probe *p)
{
	bool found = false;

	for (struct dkim_keys *const *set = p->opt->keys; *set; set++) {
		for (size_t i = 0; i < (*set)->n; i++) {
			const struct dkim_key *k = &(*set)->v[i];

			if ((!k->domain || !str_ieq(str_of(k->domain), str_of(p->target))) && !dkim_keys_for(*set, k, str_of(p->target)))
				continue;
			check_own(p, k, k->domain ? k->domain : p->target);
			found = true;
		}
	}
	if (!found)
		probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "dkim-key", "make one, mapgen --dkim DOMAIN SELECTOR, in the folder of keys",
			"no key of this host signs mail of this domain");
}

void probe_dkim_domains(const struct dkim_keys *keys, void (*add)(void *ctx, struct str domain), void *ctx)
{
	for (size_t i = 0; i < keys->n; i++)
		if (keys->v[i].domain)
			add(ctx, str_of(keys->v[i].domain));
	for (size_t i = 0; i < keys->n_rules; i++) {
		struct str pattern = str_of(keys->rules[i].pattern), domain = str_from(pattern, (size_t)(str_rchr(pattern, '@') + 1));

		/* else the key's own is said already */
		if (!keys->v[keys->rules[i].key].domain && dkim_is_domain(domain))
			add(ctx, domain);
	}
}

void probe_dkim_start(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *p, void *ctx), void *ctx)
{
	probe_init(p, o, target, done, ctx);
	probe_hold(p);
	probe_release(p);
}
