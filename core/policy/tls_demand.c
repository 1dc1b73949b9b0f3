/* tls_demand - see tls_demand.h. */
#include "core/policy/tls_demand.h"

#include "core/base/mem.h"
#include "core/net/tls_names.h"
#include "core/policy/find_told.h"

#define PARAMETER "smtp_tls_policy_maps"

/* --- attributes ----------------------------------------------------------------------------------------------------- */

/* a policy as it is read: what is NULL was not said */
struct reading {
	const struct conf *conf;
	struct tls_demand *out;
	struct buf *why;
};

/* set_list - "a;b" or "a:b" -> "a b": attributes use other separators than parameters do. What is there already stays in front */
static void set_list(char **to, struct str value, const char *separators)
{
	struct buf all;

	buf_init(&all, LIMIT_MAP_VALUE * 2);
	if (*to)
		buf_printf(&all, "%s ", *to);
	for (size_t i = 0; i < value.n; i++)
		buf_byte(&all, strchr(separators, value.p[i]) ? ' ' : value.p[i]);
	mem_free(*to);
	*to = str_dup(buf_view(&all));
	buf_fini(&all);
}

static bool take_match(struct reading *r, struct str value)
{
	if (r->out->match == TLS_MATCH_NONE) {
		buf_printf(r->why, "match= means nothing at level %s", r->out->level->word);
		return false;
	}
	set_list(&r->out->words, value, r->out->match == TLS_MATCH_FINGERPRINT ? "|" : ":");
	return true;
}

static bool take_protocols(struct reading *r, struct str value)
{
	if (r->out->protocols) {
		buf_z(r->why, "protocols= stands there twice");
		return false;
	}
	set_list(&r->out->protocols, value, ";:");
	return tls_protocols_parse(r->out->protocols, r->why) != 0;
}

static bool take_server_name(struct reading *r, struct str value)
{
	struct tls_demand *x = r->out;

	if (x->server_name[0] || value.n >= sizeof(x->server_name)) {
		buf_z(r->why, "servername= stands there twice, or is too long");
		return false;
	}
	if (!str_ieq(value, STR("hostname")))
		memcpy(x->server_name, value.p, value.n);
	return true;
}

/* every cipher that is ever offered is of Postfix's grade high, which is in all of these */
static bool take_ciphers(struct reading *r, struct str value)
{
	if (str_has_word(STR("export low medium high"), " ", value))
		return true;
	buf_printf(r->why, "ciphers=%.*s is not done here", STR_ARG(value));
	return false;
}

/* what is never offered needs no list to leave it out */
static bool take_exclude(struct reading *r, struct str value)
{
	struct str word;

	while (str_word(&value, ":", &word)) {
		if (str_has_word(STR("aNULL eNULL NULL ADH AECDH RC4 RC2 DES 3DES DES-CBC3-SHA IDEA SEED CAMELLIA ARIA MD5 EXP EXPORT LOW "
			"DSS aDSS SRP KRB5"), " ", word))
			continue;
		buf_printf(r->why, "exclude=%.*s is not done here", STR_ARG(word));
		return false;
	}
	return true;
}

/* sessions are reused in any case, and raw public keys are never asked for: neither weakens anything */
static bool take_switch(struct reading *r, struct str value)
{
	if (str_has_word(STR("yes no"), " ", value))
		return true;
	buf_printf(r->why, "\"%.*s\" is neither yes nor no", STR_ARG(value));
	return false;
}

/* a pinned authority that became the public ones would be trust in everybody */
static bool take_nothing(struct reading *r, struct str value)
{
	buf_printf(r->why, "tafile=%.*s is not done here: use smtp_tls_CAfile in a transport of its own, or level fingerprint", STR_ARG(value));
	return false;
}

static const struct {
	const char *name;
	bool (*take)(struct reading *r, struct str value);
} attributes[] = {
	{ "match", take_match },
	{ "tafile", take_nothing },
	{ "protocols", take_protocols },
	{ "servername", take_server_name },
	{ "ciphers", take_ciphers },
	{ "exclude", take_exclude },
	{ "connection_reuse", take_switch },
	{ "enable_rpk", take_switch },
};

static bool take_attribute(struct reading *r, struct str word)
{
	struct str value = word, name;

	str_cut(&value, '=', &name);
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		if (!str_ieq(name, str_of(attributes[i].name)))
			continue;
		if (value.n)
			return attributes[i].take(r, value);
		buf_printf(r->why, "%.*s= has no value", STR_ARG(name));
		return false;
	}
	buf_printf(r->why, "unknown attribute \"%.*s\"", STR_ARG(word));
	return false;
}

/* --- one value ------------------------------------------------------------------------------------------------------- */

static void set_level(struct tls_demand *x, const struct tls_level *row)
{
	x->level = row;
	x->offer = row->offer;
	x->require = row->require;
	x->match = row->match;
}

static bool read_value(struct reading *r, struct str text)
{
	struct str rest = text, word;
	enum conf_tls_level level;

	if (!str_word(&rest, ", \t\r\n", &word) || !tls_level_parse(word, &level)) {
		buf_printf(r->why, "\"%.*s\" does not begin with a TLS level", STR_ARG(text));
		return false;
	}
	set_level(r->out, tls_level_row(level));
	while (str_word(&rest, ", \t\r\n", &word))
		if (!take_attribute(r, word))
			return false;
	return true;
}

/* --- what to match --------------------------------------------------------------------------------------------------- */

size_t tls_demand_digest(const char *name)
{
	static const struct { const char *name; size_t length; } digests[] = {
		{ "md5", 16 }, { "sha1", 20 }, { "sha256", 32 }, { "sha384", 48 }, { "sha512", 64 },
	};

	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
		if (str_ieq(str_of(name), str_of(digests[i].name)))
			return digests[i].length;
	return 0;
}

static const char *default_words(const struct conf *c, const struct tls_level *row)
{
	if (row->match == TLS_MATCH_FINGERPRINT)
		return c->smtp_tls_fingerprint_cert_match;
	return row == tls_level_row(CONF_TLS_SECURE) ? c->smtp_tls_secure_cert_match : c->smtp_tls_verify_cert_match;
}

/* Fingerprints are compared as smtp_tls_fingerprint_digest makes them; one of another length belongs to another digest. Where
 * nobody has chosen one, its default depends on compatibility_level, and each fingerprint is taken for what it is by its length. */
static void keep_fingerprints(struct tls_demand *x, const struct conf *c, struct buf *why)
{
	size_t length = conf_is_set(c, "smtp_tls_fingerprint_digest") ? tls_demand_digest(c->smtp_tls_fingerprint_digest) : 0, all = 0;
	struct str rest = str_of(x->words), word;
	struct buf kept;

	buf_init(&kept, LIMIT_MAP_VALUE * 2);
	while (str_word(&rest, ", |\t\r\n", &word)) {
		all++;
		if (length ? tls_fingerprint_length(word) == length : tls_fingerprint_length(word) > 0)
			buf_printf(&kept, "%s%.*s", kept.n ? " " : "", STR_ARG(word));
	}
	if (!kept.n)
		buf_printf(why, "TLS level fingerprint without anything to match%s%s", all ? ": no fingerprint is one of smtp_tls_fingerprint_digest = " :
			"", all ? c->smtp_tls_fingerprint_digest : "");
	mem_free(x->words);
	x->words = str_dup(buf_view(&kept));
	buf_fini(&kept);
}

/* complete - what the value did not say comes from the parameters */
static void complete(struct tls_demand *x, const struct conf *c, struct buf *why)
{
	struct str rest, word;

	x->own_protocols = x->protocols != NULL;
	if (!x->protocols)
		x->protocols = mem_dupz(x->require ? c->smtp_tls_mandatory_protocols : c->smtp_tls_protocols);
	if (!x->words)
		x->words = mem_dupz(x->match == TLS_MATCH_NONE ? "" : default_words(c, x->level));
	if (why->n)
		return;
	rest = str_of(x->words);
	if (x->match == TLS_MATCH_FINGERPRINT)
		keep_fingerprints(x, c, why);
	else if (x->match == TLS_MATCH_NAME && !str_word(&rest, ", :\t\r\n", &word))
		buf_printf(why, "TLS level %s without anything to match", x->level->word);
	if (!why->n && x->level->dane && c->smtp_dns_support_level != CONF_DNS_DNSSEC)
		buf_printf(why, "TLS level %s needs smtp_dns_support_level = dnssec", x->level->word);
	else if (!why->n && x->level->dane && c->disable_dns_lookups)
		buf_printf(why, "TLS level %s needs the DNS: set disable_dns_lookups = no", x->level->word);
}

bool tls_demand_check(const struct conf *c, struct str value, struct buf *why)
{
	struct tls_demand x = { .words = NULL };
	struct reading r = { .conf = c, .out = &x, .why = why };

	set_level(&x, tls_level_row(CONF_TLS_NONE));
	(void)read_value(&r, value);
	complete(&x, c, why);
	tls_demand_fini(&x);
	return !why->n;
}

/* --- the demand ------------------------------------------------------------------------------------------------------- */

static enum map_answer find(struct maps *table, struct str site, struct buf *out, struct buf *trace)
{
	enum map_answer got = find_told(table, PARAMETER, site, false, out, trace);
	bool bare = site.n && site.p[0] != '[' && str_chr(site, ':') < 0;
	ptrdiff_t dot;

	while (bare && got == MAP_NONE && (dot = str_chr(str_from(site, 1), '.')) >= 0) {
		site = str_from(site, (size_t)dot + 1);
		got = find_told(table, PARAMETER, site, true, out, trace);
	}
	return got;
}

/* The password of RELAYHOST_PASSWORD does not cross a network in clear because nobody thought of a level. */
static enum conf_tls_level own_level(const struct conf *c, const struct tls_site *site)
{
	const char *user, *password;

	if (c->smtp_tls_level_is_ours && !site->near && conf_relay_login(c, site->nexthop, &user, &password))
		return CONF_TLS_ENCRYPT;
	return (enum conf_tls_level)c->smtp_tls_security_level;
}

void tls_demand_make(struct tls_demand *out, const struct conf *c, struct maps *table, const struct tls_site *site, struct buf *trace)
{
	struct reading r = { .conf = c, .out = out };
	enum map_answer got = MAP_NONE;
	struct buf value, why;

	*out = (struct tls_demand){ .words = NULL };
	buf_init(&why, LIMIT_REPLY_TEXT / 2);
	buf_init(&value, LIMIT_MAP_VALUE);
	r.why = &why;
	if (table->n)
		got = find(table, site->nexthop, &value, trace);
	set_level(out, tls_level_row(got == MAP_NONE ? own_level(c, site) : CONF_TLS_SECURE));
	if (got == MAP_FOUND)
		(void)read_value(&r, buf_view(&value));
	else if (got == MAP_ERROR)
		buf_printf(&why, "lookup error for \"%.*s\"", STR_ARG(site->nexthop));
	complete(out, c, &why);
	if (why.n)
		reply_set(&out->failed, 451, "4.7.5", "%s%s", got == MAP_NONE ? "" : PARAMETER ": ", buf_cstr(&why));
	out->by_table = got != MAP_NONE;
	out->unsettled = out->level->dane;
	out->at_once = site->at_once;
	out->offer |= site->at_once;
	out->require |= site->at_once;
	buf_fini(&value);
	buf_fini(&why);
}

void tls_demand_settle(struct tls_demand *x, const struct conf *c, struct dane *d)
{
	x->mx_signed = d->expanded_nexthop[0];
	x->tlsa = d->result != DANE_MAY;
	x->unsettled = false;
	x->require = d->result != DANE_MAY || x->at_once;
	if (!x->require && !x->own_protocols) {
		mem_free(x->protocols);
		x->protocols = mem_dupz(c->smtp_tls_protocols);
	}
	if (d->result == DANE_FAILED)
		reply_set(&x->failed, 451, "4.7.5", "%s", d->why);
	if (d->result == DANE_MATCH) {
		x->dane = d;
		return;
	}
	dane_fini(d);
	mem_free(d);
}

bool tls_demand_may_obey(const struct tls_demand *x)
{
	return !x->by_table && !x->dane && !x->failed.code && x->match == TLS_MATCH_NONE;
}

/* match_host - the certificate must be for the host, by an authority */
static void match_host(struct tls_demand *x, const struct conf *c, const struct tls_level *row)
{
	set_level(x, row);
	x->web = true;
	mem_free(x->words);
	x->words = mem_dupz("hostname");
	if (x->own_protocols)
		return;
	mem_free(x->protocols);
	x->protocols = mem_dupz(c->smtp_tls_mandatory_protocols);
}

void tls_demand_obey(struct tls_demand *x, const struct conf *c, const struct sts_known *known, struct str domain, struct str host)
{
	struct sts_policy p;
	struct str at;

	mem_free(x->sts_domain);
	x->sts_domain = str_dup(domain);
	if ((known->mode != STS_ENFORCE && known->mode != STS_TESTING) || sts_policy_parse(known->text, &p, &at))
		return;
	x->sts = known->mode;
	x->sts_foreign = !sts_policy_has(&p, host);
	x->web = true;
	if (x->sts == STS_TESTING)
		return;
	match_host(x, c, tls_level_made(TLS_MADE_BY_STS));
	if (x->sts_foreign)
		reply_set(&x->failed, 451, "4.7.5", "MX host %.*s is not in the MTA-STS policy of %.*s", STR_ARG(host), STR_ARG(domain));
}

void tls_demand_relax(struct tls_demand *x, const struct conf *c)
{
	x->wish = TLS_WISH_OPTIONAL;
	if (!x->unsettled || x->level->only || x->failed.code)
		return;
	x->unsettled = false;
	set_level(x, tls_level_row(CONF_TLS_MAY));
	x->require = x->at_once;
	if (x->own_protocols)
		return;
	mem_free(x->protocols);
	x->protocols = mem_dupz(c->smtp_tls_protocols);
}

void tls_demand_insist(struct tls_demand *x, const struct conf *c, enum tls_wish wish, bool proven, struct str site)
{
	x->wish = wish;
	if (x->failed.code)
		return;
	if (!proven && !x->mx_signed && x->match != TLS_MATCH_FINGERPRINT && x->level != tls_level_row(CONF_TLS_SECURE))
		reply_set(&x->failed, 550, "5.7.30", "REQUIRETLS: the MX hosts of %.*s are proven neither by DNSSEC nor by an MTA-STS policy",
			STR_ARG(site));
	else if (!x->dane && x->match == TLS_MATCH_NONE)
		match_host(x, c, tls_level_made(TLS_MADE_BY_MESSAGE));
}

void tls_demand_fini(struct tls_demand *x)
{
	mem_free(x->sts_domain);
	x->sts_domain = NULL;
	if (x->dane)
		dane_fini(x->dane);
	mem_free(x->dane);
	x->dane = NULL;
	mem_free(x->words);
	mem_free(x->protocols);
	x->words = x->protocols = NULL;
}
