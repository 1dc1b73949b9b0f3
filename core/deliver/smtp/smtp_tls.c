/* smtp_tls - how much TLS a destination must have, and with whom: levels, smtp_tls_policy_maps, contexts, log lines.
 *
 * A policy table is asked for the next hop exactly as it is written, brackets and port included; only a bare domain is
 * also looked up by its parents (".example.com"). A level that cannot be had defers; it is never lowered in silence. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"

/* --- contexts ----------------------------------------------------------------------------------------------------- */

static struct tls_context *context_new(const struct smtp_profile *p, enum conf_tls_level level, const char *protocols,
	struct buf *why)
{
	const struct conf *c = p->conf;
	struct tls_options o = {
		.ca_file = c->smtp_tls_CAfile, .ca_path = c->smtp_tls_CApath,
		.cert_file = c->smtp_tls_cert_file, .key_file = c->smtp_tls_key_file,
		.chain_files = c->smtp_tls_chain_files,
		.protocols = protocols,
	};
	struct tls_context *x = tls_context_new(&o, why);
	struct buf second;
	size_t more;

	if (x || level >= CONF_TLS_VERIFY || (!*o.ca_file && !*o.ca_path))
		return x;
	/* whom we trust is only logged at this level: go on without */
	buf_z(why, ": servers cannot be verified");
	o.ca_file = o.ca_path = "";
	more = why->n;
	x = tls_context_new(&o, why);
	if (why->n > more) {
		/* the second reason is what stands in the way */
		buf_init(&second, LIMIT_REPLY_TEXT);
		buf_str(&second, str_from(buf_view(why), more));
		buf_clear(why);
		buf_str(why, buf_view(&second));
		buf_fini(&second);
	}
	return x;
}

struct tls_context *smtp_tls_context(struct smtp_profile *p, enum conf_tls_level level, const char *protocols, struct buf *why)
{
	struct tls_context *x;

	if (!*protocols)
		protocols = level >= CONF_TLS_ENCRYPT ? p->conf->smtp_tls_mandatory_protocols : p->conf->smtp_tls_protocols;
	for (size_t i = 0; i < p->n_tls; i++)
		if (!strcmp(p->tls[i].protocols, protocols))
			return p->tls[i].context;
	x = context_new(p, level, protocols, why);
	if (!x)
		return NULL;
	p->tls = mem_array(p->tls, p->n_tls + 1, sizeof(*p->tls));
	p->tls[p->n_tls++] = (struct smtp_tls_slot){ mem_dupz(protocols), x };
	return x;
}

/* --- policy --------------------------------------------------------------------------------------------------------- */

const char *const smtp_tls_levels[] = { "none", "may", "encrypt", "fingerprint", "verify", "secure", "dane", "dane-only" };

static bool parse_level(struct str word, enum conf_tls_level *out)
{
	for (size_t i = 0; i < sizeof(smtp_tls_levels) / sizeof(smtp_tls_levels[0]); i++) {
		if (!str_ieq(word, str_of(smtp_tls_levels[i])))
			continue;
		*out = (enum conf_tls_level)i;
		return true;
	}
	return false;
}

/* "a;b" or "a:b" -> "a b": attributes use other separators than parameters do */
static char *dup_list(struct str value, const char *separators)
{
	char *p = str_dup(value);

	for (size_t i = 0; i < value.n; i++)
		if (strchr(separators, p[i]))
			p[i] = ' ';
	return p;
}

static bool parse_attribute(struct str word, struct smtp_tls_policy *out)
{
	static const char *const ignored[] = { "ciphers", "exclude", "tafile", "connection_reuse", "enable_rpk" };
	struct str value = word, name;

	str_cut(&value, '=', &name);
	if (str_ieq(name, STR("match"))) {
		mem_free(out->match);
		out->match = dup_list(value, out->level == CONF_TLS_FINGERPRINT ? "|" : ":");
		return true;
	}
	if (str_ieq(name, STR("protocols"))) {
		mem_free(out->protocols);
		out->protocols = dup_list(value, ";:");
		return true;
	}
	if (str_ieq(name, STR("servername")) && value.n < sizeof(out->server_name)) {
		if (!str_ieq(value, STR("hostname")))
			memcpy(out->server_name, value.p, value.n);
		return true;
	}
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (str_ieq(name, str_of(ignored[i])))
			return true;
	return false;
}

static void parse_policy(struct str text, struct smtp_tls_policy *out)
{
	struct str rest = text, word;

	if (!str_word(&rest, ", \t\r\n", &word) || !parse_level(word, &out->level)) {
		reply_set(&out->failed, 451, "4.7.5", "smtp_tls_policy_maps: \"%.*s\" does not begin with a TLS level", STR_ARG(text));
		return;
	}
	while (str_word(&rest, ", \t\r\n", &word))
		if (!parse_attribute(word, out))
			reply_set(&out->failed, 451, "4.7.5", "smtp_tls_policy_maps: unknown attribute \"%.*s\"", STR_ARG(word));
}

static enum map_answer ask(struct smtp_profile *p, struct str site, struct buf *out, struct buf *trace)
{
	enum map_answer got = smtp_explain_find(&p->tls_policy, "smtp_tls_policy_maps", site, false, out, trace);
	bool bare = site.n && site.p[0] != '[' && str_chr(site, ':') < 0;
	ptrdiff_t dot;

	while (bare && got == MAP_NONE && (dot = str_chr(str_from(site, 1), '.')) >= 0) {
		site = str_from(site, (size_t)dot + 1);
		got = smtp_explain_find(&p->tls_policy, "smtp_tls_policy_maps", site, true, out, trace);
	}
	return got;
}

void smtp_tls_policy_find(struct smtp_profile *p, const struct smtp_target *t, struct smtp_tls_policy *out, struct buf *trace)
{
	struct buf value;
	enum map_answer got = MAP_NONE;

	*out = (struct smtp_tls_policy){ .level = p->tls_level, .protocols = mem_dupz(""), .match = mem_dupz("") };
	if (p->tls_policy.n) {
		buf_init(&value, LIMIT_MAP_VALUE);
		got = ask(p, str_of(t->site), &value, trace);
		if (got == MAP_FOUND)
			parse_policy(buf_view(&value), out);
		else if (got == MAP_ERROR)
			reply_set(&out->failed, 451, "4.7.5", "smtp_tls_policy_maps: lookup error for \"%s\"", t->site);
		buf_fini(&value);
	}
	if (out->level == CONF_TLS_DANE_ONLY || (out->level == CONF_TLS_DANE && got == MAP_FOUND))
		reply_set(&out->failed, 451, "4.7.5", "TLS level %s is not supported: use secure, verify or fingerprint",
			smtp_tls_levels[out->level]);
	/* going on without its passwords or certificates would make mail bounce */
	if (p->broken)
		reply_set(&out->failed, 451, "4.3.5", "transport %s is not usable: a table or certificate could not be opened", p->transport->name);
	/* the port means TLS from the first byte, whatever the level says */
	if (t->port == 465 && out->level < CONF_TLS_ENCRYPT && !p->lmtp)
		out->level = CONF_TLS_ENCRYPT;
}

void smtp_tls_policy_fini(struct smtp_tls_policy *x)
{
	mem_free(x->protocols);
	mem_free(x->match);
	x->protocols = x->match = NULL;
}

/* --- the handshake ---------------------------------------------------------------------------------------------------- */

enum { MATCH_MAX = 32 };

/* the words of smtp_tls_verify_cert_match: hostname, nexthop, dot-nexthop, or a name */
static size_t match_names(struct arena *a, const char *words, const struct smtp_target *t, const char *out[MATCH_MAX + 1])
{
	struct str rest = str_of(words), word;
	struct nexthop hop = { .host = STR_EMPTY };
	struct buf why;
	size_t n = 0;

	buf_init(&why, 200);
	if (!nexthop_parse(str_of(t->site), 0, &hop, &why))
		hop.host = str_of(t->site);
	while (n < MATCH_MAX && str_word(&rest, ", :\t\r\n", &word)) {
		if (str_eq(word, STR("hostname")))
			out[n++] = t->host;
		else if (str_eq(word, STR("nexthop")))
			out[n++] = arena_z(a, hop.host);
		else if (str_eq(word, STR("dot-nexthop")))
			out[n++] = arena_printf(a, ".%.*s", STR_ARG(hop.host)).p;
		else
			out[n++] = arena_z(a, word);
	}
	out[n] = NULL;
	buf_fini(&why);
	return n;
}

static size_t match_fingerprints(struct arena *a, const char *words, const char *out[MATCH_MAX + 1])
{
	struct str rest = str_of(words), word;
	size_t n = 0;

	while (n < MATCH_MAX && str_word(&rest, ", |\t\r\n", &word))
		out[n++] = arena_z(a, word);
	out[n] = NULL;
	return n;
}

static const char *default_match(const struct smtp_profile *p, enum conf_tls_level level)
{
	if (level == CONF_TLS_FINGERPRINT)
		return p->conf->smtp_tls_fingerprint_cert_match;
	return level == CONF_TLS_VERIFY ? p->conf->smtp_tls_verify_cert_match : p->conf->smtp_tls_secure_cert_match;
}

/* whom to expect; 0 when the level has nothing to match */
static size_t set_peer(const struct smtp_session *s, struct arena *a, const char *list[MATCH_MAX + 1], struct tls_peer *peer)
{
	const struct smtp_tls_policy *x = &s->policy;
	const char *words = *x->match ? x->match : default_match(s->profile, x->level);
	struct ipaddr literal;

	*peer = (struct tls_peer){ .match = TLS_MATCH_NONE };
	list[0] = NULL;
	if (x->server_name[0])
		peer->server_name = x->server_name;
	else if (!ipaddr_parse(str_of(s->target.host), &literal))
		peer->server_name = s->target.host;
	if (x->level == CONF_TLS_FINGERPRINT) {
		peer->match = TLS_MATCH_FINGERPRINT;
		peer->fingerprints = list;
		return match_fingerprints(a, words, list);
	}
	if (x->level < CONF_TLS_VERIFY || x->level > CONF_TLS_SECURE)
		return 1;
	peer->match = TLS_MATCH_NAME;
	peer->names = list;
	return match_names(a, words, &s->target, list);
}

/* all that the verification of a session rests on; what is in the context (authorities, own certificate, protocols) is
 * there by its address, for a session lives no longer than its context */
static void set_id(struct smtp_session *s, const struct tls_context *context, const struct tls_peer *peer, const char *const *list)
{
	char where[300];
	struct buf b;

	smtp_target_where(&s->target, where);
	buf_init(&b, 64 * 1024);
	buf_printf(&b, "%s\n%p\n%s\n%s", where, (const void *)context, smtp_tls_levels[s->policy.level],
		peer->server_name ? peer->server_name : "");
	while (*list)
		buf_printf(&b, "\n%s", *list++);
	tls_sha256(s->tls_id, b.p, b.n);
	buf_fini(&b);
}

bool smtp_tls_start(struct smtp_session *s, struct buf *why)
{
	struct tls_context *context = smtp_tls_context(s->profile, s->policy.level, s->policy.protocols, why);
	const char *list[MATCH_MAX + 1];
	struct tls_peer peer;
	struct arena a;
	bool ok;

	if (!context)
		return false;
	arena_init(&a, 64 * 1024);
	ok = set_peer(s, &a, list, &peer) > 0;
	if (ok) {
		set_id(s, context, &peer, list);
		peer.resume = smtp_resume_find(s->profile, s->tls_id, loop_now(s->d->o.loop));
		s->tls_offered = peer.resume;
		conn_start_tls(s->conn, context, &peer);
	} else {
		buf_clear(why);
		buf_printf(why, "TLS level %s without anything to match", smtp_tls_levels[s->policy.level]);
	}
	arena_fini(&a);
	return ok;
}

void smtp_tls_log(const struct smtp_profile *p, const char *where, const struct tls_info *info)
{
	if (!info || p->conf->smtp_tls_loglevel < 1)
		return;
	if (info->resumed && p->conf->smtp_tls_loglevel > 1)
		log_info(p->lmtp ? "lmtp" : "smtp", "%s: Reusing old session", where);
	if (info->trust == TLS_UNTRUSTED && info->why_untrusted[0])
		log_info(p->lmtp ? "lmtp" : "smtp", "certificate verification failed for %s: %s", where, info->why_untrusted);
	log_info(p->lmtp ? "lmtp" : "smtp", "%s TLS connection established to %s: %s with cipher %s (%d/%d bits)",
		tls_trust_word(info->trust), where, info->version, info->cipher, info->bits, info->bits);
}

void smtp_tls_failure(const struct smtp_tls_policy *x, const char *why, struct reply *out)
{
	struct str text = str_of(why);

	if (x->level < CONF_TLS_FINGERPRINT || str_find(text, STR("certificate")) < 0)
		reply_set(out, 451, "4.7.5", "Cannot start TLS: handshake failure: %s", why);
	else if (str_find(text, STR("not trusted")) >= 0)
		reply_set(out, 451, "4.7.5", "Server certificate not trusted: %s", why);
	else
		reply_set(out, 451, "4.7.5", "Server certificate not verified: %s", why);
}
