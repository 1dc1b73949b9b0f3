/* smtp_tls - a demand (core/policy/tls_demand.h) made into a handshake: the context, the names to match for this host, the log
 * lines, and the words for what fails. */
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_session.h"

/* --- contexts ----------------------------------------------------------------------------------------------------- */

static struct tls_context *context_new(const struct smtp_profile *p, const struct tls_demand *x, struct buf *why)
{
	const struct conf *c = p->conf;
	struct tls_options o = {
		.ca_file = c->smtp_tls_CAfile, .ca_path = c->smtp_tls_CApath,
		.cert_file = c->smtp_tls_cert_file, .key_file = c->smtp_tls_key_file,
		.chain_files = c->smtp_tls_chain_files,
		.protocols = x->protocols,
	};
	struct tls_context *made;
	struct buf second;
	size_t more;

	if (x->web && !*o.ca_file && !*o.ca_path)
		o.ca_file = fs_authorities();
	made = tls_context_new(&o, why);
	if (made || x->match == TLS_MATCH_NAME || (!*o.ca_file && !*o.ca_path))
		return made;
	/* whom we trust is only logged where no name is to match: go on without */
	buf_z(why, ": servers cannot be verified");
	o.ca_file = o.ca_path = "";
	more = why->n;
	made = tls_context_new(&o, why);
	if (why->n > more) {
		/* the second reason is what stands in the way */
		buf_init(&second, LIMIT_REPLY_TEXT);
		buf_str(&second, str_from(buf_view(why), more));
		buf_clear(why);
		buf_str(why, buf_view(&second));
		buf_fini(&second);
	}
	return made;
}

struct tls_context *smtp_tls_context(struct smtp_profile *p, const struct tls_demand *x, struct buf *why)
{
	struct tls_context *made;

	for (size_t i = 0; i < p->n_tls; i++)
		if (p->tls[i].web == x->web && !strcmp(p->tls[i].protocols, x->protocols))
			return p->tls[i].context;
	made = context_new(p, x, why);
	if (!made)
		return NULL;
	p->tls = mem_array(p->tls, p->n_tls + 1, sizeof(*p->tls));
	p->tls[p->n_tls++] = (struct smtp_tls_slot){ .protocols = mem_dupz(x->protocols), .web = x->web, .context = made };
	return made;
}

void smtp_tls_find(struct smtp_profile *p, const struct smtp_target *t, struct tls_demand *out, struct buf *trace)
{
	struct tls_site site = {
		.nexthop = str_of(t->site),
		.at_once = p->conf->smtp_tls_wrappermode || (t->port == 465 && !p->lmtp),
		.near = t->path[0] || ipaddr_is_loopback(&t->address),
	};

	tls_demand_make(out, p->conf, &p->tls_policy, &site, trace);
	/* going on without its passwords or certificates would make mail bounce */
	if (p->broken)
		reply_set(&out->failed, 451, "4.3.5", "transport %s is not usable: a table or certificate could not be opened", p->transport->name);
}

/* --- the handshake ---------------------------------------------------------------------------------------------------- */


/* the words of smtp_tls_verify_cert_match: hostname, nexthop, dot-nexthop, or a name */
static size_t match_names(struct arena *a, const char *words, const struct smtp_target *t, const char *out[LIMIT_CLIENT_TLS_NAMES + 1])
{
	struct str rest = str_of(words), word;
	struct nexthop hop = { .host = STR_EMPTY };
	struct buf why;
	size_t n = 0;

	buf_init(&why, 200);
	if (!nexthop_parse(str_of(t->site), 0, &hop, &why))
		hop.host = str_of(t->site);
	while (n < LIMIT_CLIENT_TLS_NAMES && str_word(&rest, ", :\t\r\n", &word)) {
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

static size_t match_fingerprints(struct arena *a, const char *words, const char *out[LIMIT_CLIENT_TLS_NAMES + 1])
{
	struct str rest = str_of(words), word;
	size_t n = 0;

	while (n < LIMIT_CLIENT_TLS_NAMES && str_word(&rest, ", |\t\r\n", &word))
		out[n++] = arena_z(a, word);
	out[n] = NULL;
	return n;
}

/* whom to expect; 0 when the level has nothing to match */
static size_t set_peer(const struct smtp_session *s, struct arena *a, const char *list[LIMIT_CLIENT_TLS_NAMES + 1], struct tls_peer *peer)
{
	const struct tls_demand *x = s->demand;
	struct ipaddr literal;

	*peer = (struct tls_peer){ .match = x->match };
	list[0] = NULL;
	if (x->server_name[0])
		peer->server_name = x->server_name;
	else if (!ipaddr_parse(str_of(s->target.host), &literal))
		peer->server_name = s->target.host;
	if (x->dane) {
		peer->server_name = x->dane->base;
		peer->links = true;
	}
	peer->names = peer->fingerprints = list;
	switch (x->match) {
	case TLS_MATCH_FINGERPRINT: return match_fingerprints(a, x->words, list);
	case TLS_MATCH_NAME: return match_names(a, x->words, &s->target, list);
	case TLS_MATCH_NONE: break;
	}
	return 1;
}

/* all that the verification of a session rests on; what is in the context (authorities, own certificate, protocols) is
 * there by its address, for a session lives no longer than its context */
static void set_id(struct smtp_session *s, const struct tls_context *context, const struct tls_peer *peer, const char *const *list)
{
	char where[300];
	struct buf b;

	smtp_target_where(&s->target, where);
	buf_init(&b, 64 * 1024);
	buf_printf(&b, "%s\n%p\n%s\n%s", where, (const void *)context, s->demand->level->word,
		peer->server_name ? peer->server_name : "");
	while (*list)
		buf_printf(&b, "\n%s", *list++);
	tls_sha256(s->tls_id, b.p, b.n);
	buf_fini(&b);
}

bool smtp_tls_start(struct smtp_session *s, struct buf *why)
{
	struct tls_context *context = smtp_tls_context(s->profile, s->demand, why);
	const char *list[LIMIT_CLIENT_TLS_NAMES + 1];
	struct tls_peer peer;
	struct arena a;
	bool ok;

	if (!context)
		return false;
	if (s->demand->unsettled)
		BUG("a session began before its TLS level was settled");
	arena_init(&a, 64 * 1024);
	ok = set_peer(s, &a, list, &peer) > 0;
	if (ok) {
		set_id(s, context, &peer, list);
		/* what is remembered of a session are not all of its certificates */
		peer.resume = peer.links || s->demand->sts == STS_TESTING ? NULL : smtp_resume_find(s->profile, s->tls_id, loop_now(s->d->o.loop));
		s->tls_offered = peer.resume;
		conn_start_tls(s->conn, context, &peer);
	} else {
		buf_clear(why);
		buf_printf(why, "TLS level %s without anything to match", s->demand->level->word);
	}
	arena_fini(&a);
	return ok;
}

bool smtp_tls_judge(struct smtp_session *s, struct reply *out)
{
	const struct dane *d = s->demand->dane;
	struct tls_session *tls = conn_tls_session(s->conn);
	const char *names[3];
	const struct tls_link *links;
	bool named = false;
	size_t n;

	if (!d)
		return true;
	links = tls_session_links(tls, &n);
	for (size_t i = 0, all = dane_names(d, names); i < all; i++)
		named |= tls_peer_is(tls, names[i]);
	if (dane_matches(d, links, n, named)) {
		/* that the host is the domain's is not proven where the MX records are not */
		tls_vouch(tls, d->nexthop[0] && !d->expanded_nexthop[0] ? TLS_TRUSTED : TLS_VERIFIED);
		return true;
	}
	reply_set(out, 451, "4.7.5", "Server certificate not verified: no TLSA record of %s matches it", d->base);
	return false;
}

void smtp_tls_log(const struct smtp_profile *p, const char *where, const struct tls_info *info)
{
	struct log_line l;

	if (!info || p->conf->smtp_tls_loglevel < 1)
		return;
	if (info->resumed && p->conf->smtp_tls_loglevel > 1)
		log_info(p->lmtp ? "lmtp" : "smtp", "%s: Reusing old session", where);
	if (info->trust == TLS_UNTRUSTED && info->why_untrusted[0])
		log_info(p->lmtp ? "lmtp" : "smtp", "certificate verification failed for %s: %s", where, info->why_untrusted);
	log_begin(&l, p->lmtp ? "lmtp" : "smtp", 0, NULL);
	tls_log(&l, info, "to", where);
	log_key(&l, "relay", str_of(where));
	log_end(&l);
}

void smtp_tls_failure(const struct tls_demand *x, const char *why, struct reply *out)
{
	struct str text = str_of(why);

	if (x->match == TLS_MATCH_NONE || str_find(text, STR("certificate")) < 0)
		reply_set(out, 451, "4.7.5", "Cannot start TLS: handshake failure: %s", why);
	else if (str_find(text, STR("not trusted")) >= 0)
		reply_set(out, 451, "4.7.5", "Server certificate not trusted: %s", why);
	else
		reply_set(out, 451, "4.7.5", "Server certificate not verified: %s", why);
}
