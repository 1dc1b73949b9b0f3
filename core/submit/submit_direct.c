/* submit_direct - see submit_direct.h. What relayd would do to local mail is done here: addresses get their domain, the
 * header is completed. A configuration that cannot work (no such host, wrong password) is EX_TEMPFAIL, never a refusal of
 * the mail. */
#include "core/submit/submit_direct.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/map/match.h"
#include "core/net/dns.h"
#include "core/cleanup/cleanup.h"
#include "core/route/route.h"

#define NOT_THERE (-1)
#define HOSTS_MAX 20                   /* MX hosts of one next hop that are looked at */
#define ADDRESSES_MAX 16               /* addresses that are tried in all */

struct direct {
	const struct conf *conf;
	struct loop *loop;
	struct dns *dns;
	struct maps passwords, policies;
	struct arena arena;
	struct envelope envelope;      /* addresses completed */
	struct buf message;            /* header completed */
	unsigned tries;
	struct submit_result *out;
	enum verdict *verdicts;
	int code;
};

/* --- the message ---------------------------------------------------------------------------------------------------- */

struct cleaned { struct direct *d; struct reply reply; };

/* completed addresses are not good any longer than this call */
static void on_clean(void *ctx, const struct reply *reply, struct qmsg *m)
{
	struct cleaned *x = ctx;
	struct envelope *e = &x->d->envelope;

	x->reply = *reply;
	e->sender = arena_str(&x->d->arena, e->sender);
	for (size_t i = 0; i < e->n_rcpts; i++) {
		e->rcpts[i].addr = arena_str(&x->d->arena, e->rcpts[i].addr);
		e->rcpts[i].orig = arena_str(&x->d->arena, e->rcpts[i].orig);
	}
}

/* clean - what the daemon would do to it, on its way into memory. A refusal that is for good is the answer about all recipients */
static bool clean(struct direct *d, struct router *router, struct str content, struct buf *why)
{
	struct cleanup_memory memory;
	struct cleanup_options o = {
		.source = CLEANUP_DIRECT, .sink = cleanup_to_memory(&memory), .router = router, .conf = d->conf, .local = true,
		.now = d->envelope.arrival,
	};
	struct cleaned answer = { .d = d };
	struct cleanup *c;

	/* the same at each try of a message that is kept: whoever gets it twice must be able to tell */
	snprintf(memory.qid, sizeof(memory.qid), "%08X%08X", (unsigned)(d->envelope.arrival / USEC_PER_SEC),
		(unsigned)hash_siphash((uint64_t)d->envelope.arrival, (uint64_t)d->envelope.uid, content.p, content.n));
	buf_init(&memory.header, LIMIT_HEADER);
	buf_init(&memory.body, content.n + 2);
	c = cleanup_begin(&o, &d->envelope);
	cleanup_add(c, content);
	cleanup_end(c, on_clean, &answer);
	buf_str(&d->message, buf_view(&memory.header));
	buf_str(&d->message, buf_view(&memory.body));
	buf_fini(&memory.header);
	buf_fini(&memory.body);
	if (answer.reply.code == 250 && !d->arena.overflow)
		return true;
	buf_z(why, d->arena.overflow ? "too many recipients" : answer.reply.text);
	if (reply_verdict(&answer.reply) == VERDICT_NEVER) {
		d->code = EX_UNAVAILABLE;
		for (size_t i = 0; i < d->envelope.n_rcpts; i++)
			d->verdicts[i] = VERDICT_NEVER;
	}
	return false;
}

static bool complete_message(struct direct *d, struct str content, struct buf *why)
{
	/* nothing is delivered here: tables of local delivery are neither opened nor complained about */
	static const char *const no_local[] = { "alias_maps=", "local_recipient_maps=", NULL };
	struct conf_diag diag;
	struct master master = { 0 };
	struct router *router = NULL;
	struct conf *c;
	bool ok;

	conf_diag_init(&diag);
	c = conf_overlay(d->conf, no_local, NULL, 0, &diag);
	if (c && master_load(c, &master, &diag) == 0)
		router = router_new(c, &master, &diag);
	if (!router)
		buf_printf(why, "%s", diag.n ? diag.v[diag.n - 1].text : "the configuration cannot be used");
	ok = router && clean(d, router, content, why);
	router_free(router);
	master_fini(&master);
	conf_free(c);
	conf_diag_fini(&diag);
	return ok;
}

/* --- names ------------------------------------------------------------------------------------------------------------ */

struct hosts { char name[HOSTS_MAX][256]; uint16_t preference[HOSTS_MAX]; size_t n; enum dns_status status; bool null_mx; };
struct waiting { struct direct *d; struct hosts *hosts; struct dns_addresses *addresses; };

static void on_mx(void *ctx, const struct dns_answer *a)
{
	struct waiting *w = ctx;
	struct hosts *h = w->hosts;

	h->status = a->status;
	for (size_t i = 0; i < a->n && h->n < HOSTS_MAX; i++) {
		size_t at = h->n++;

		h->null_mx = h->null_mx || !a->records[i].target[0];
		/* insertion keeps them in order of preference */
		for (; at > 0 && h->preference[at - 1] > a->records[i].preference; at--) {
			memcpy(h->name[at], h->name[at - 1], sizeof(h->name[0]));
			h->preference[at] = h->preference[at - 1];
		}
		memcpy(h->name[at], a->records[i].target, sizeof(h->name[0]));
		h->preference[at] = a->records[i].preference;
	}
	loop_stop(w->d->loop);
}

static void on_addresses(void *ctx, const struct dns_addresses *a)
{
	struct waiting *w = ctx;

	*w->addresses = *a;
	loop_stop(w->d->loop);
}

/* find_hosts - the names behind a next hop; itself where no MX is to be looked for or none exists */
static bool find_hosts(struct direct *d, const struct nexthop *nh, struct hosts *h, struct buf *why)
{
	struct waiting w = { .d = d, .hosts = h };
	struct ipaddr literal;

	*h = (struct hosts){ .status = DNS_NODATA };
	if (!nh->literal && !ipaddr_parse(nh->host, &literal) && !d->conf->disable_dns_lookups &&
	    strstr(d->conf->smtp_host_lookup, "dns")) {
		dns_ask(d->dns, nh->host, DNS_MX, on_mx, &w);
		loop_run(d->loop);
	}
	if (h->status == DNS_AGAIN || h->null_mx)
		buf_printf(why, h->null_mx ? "%.*s takes no mail (null MX)" : "the MX records of %.*s cannot be looked up now",
			STR_ARG(nh->host));
	if (why->n)
		return false;
	if (!h->n)
		snprintf(h->name[h->n++], sizeof(h->name[0]), "%.*s", STR_ARG(nh->host));
	return true;
}

/* --- one server ------------------------------------------------------------------------------------------------------- */

static enum conf_tls_level level_of(struct direct *d, struct str site)
{
	static const struct { const char *word; enum conf_tls_level level; } words[] = {
		{ "none", CONF_TLS_NONE }, { "may", CONF_TLS_MAY }, { "encrypt", CONF_TLS_ENCRYPT },
		{ "verify", CONF_TLS_VERIFY }, { "secure", CONF_TLS_SECURE },
	};
	const struct conf *c = d->conf;
	enum conf_tls_level level = c->smtp_tls_security_level != CONF_TLS_UNSET ? (enum conf_tls_level)c->smtp_tls_security_level :
		c->smtp_enforce_tls ? CONF_TLS_VERIFY : c->smtp_use_tls ? CONF_TLS_MAY : CONF_TLS_NONE;
	struct buf value;
	struct str rest, word;
	enum map_answer answer;

	buf_init(&value, LIMIT_MAP_VALUE);
	answer = maps_find(&d->policies, site, false, &value, NULL);
	if (answer != MAP_NONE) {
		rest = buf_view(&value);
		/* an unreadable table or a level that is not known here must not weaken: the strictest is taken */
		level = CONF_TLS_SECURE;
		if (!str_word(&rest, " \t", &word))
			word = STR_EMPTY;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (str_eq(word, str_of(words[i].word)))
				level = words[i].level;
	}
	buf_fini(&value);
	return level;
}

/* find_login - RELAYHOST_USERNAME, or an entry of smtp_sasl_password_maps for the host or the next hop as written */
static void find_login(struct direct *d, const char *host, struct str site, struct submit_server *to)
{
	struct buf value;
	struct str delimiter = str_of(d->conf->smtp_sasl_password_result_delimiter);
	ptrdiff_t at;

	if (conf_relay_login(d->conf, site, &to->user, &to->password) || !d->conf->smtp_sasl_auth_enable)
		return;
	buf_init(&value, LIMIT_MAP_VALUE);
	if (maps_find(&d->passwords, str_of(host), false, &value, NULL) == MAP_FOUND ||
	    maps_find(&d->passwords, site, false, &value, NULL) == MAP_FOUND) {
		at = str_find(buf_view(&value), delimiter);
		to->user = arena_z(&d->arena, str_head(buf_view(&value), at < 0 ? value.n : (size_t)at));
		to->password = at < 0 ? "" : arena_z(&d->arena, str_from(buf_view(&value), (size_t)at + delimiter.n));
	}
	buf_wipe(&value);
}

/* try_address - one session, and one more without TLS where TLS was only welcome; true: d->code is the answer */
static bool try_address(struct direct *d, const char *host, const struct nexthop *nh, struct str site, const struct ipaddr *a)
{
	struct submit_server to = { .name = host, .fd = -1, .tls = level_of(d, site) };
	struct submit_outcome o;
	bool final;

	to.tls_wrapper = d->conf->smtp_tls_wrappermode || nh->port == 465;
	if (to.tls_wrapper && to.tls < CONF_TLS_ENCRYPT)
		to.tls = CONF_TLS_ENCRYPT;
	to.address_n = ipaddr_to_sockaddr(a, nh->port, &to.address);
	find_login(d, host, site, &to);
	d->tries++;
	do {
		o = (struct submit_outcome){ .verdicts = d->verdicts };
		buf_init(&o.refusals, sizeof(d->out->why));
		submit_smtp_run(d->loop, d->conf, &to, &d->envelope, buf_view(&d->message), &o);
		d->code = submit_code(&o, d->envelope.n_rcpts, d->out);
		buf_fini(&o.refusals);
		to.tls = o.retry_plain ? CONF_TLS_NONE : to.tls;
	} while (o.retry_plain);
	/* another server may be asked only while this one has surely not taken it */
	final = o.reply.code || o.refused || o.doubtful;
	return o.stopped || (final && (d->code != EX_TEMPFAIL || o.accepted || o.doubtful));
}

static bool try_site(struct direct *d, struct str site)
{
	struct nexthop nh;
	struct hosts h;
	struct dns_addresses addresses;
	struct waiting w = { .d = d, .addresses = &addresses };
	struct buf why;
	int families = d->conf->inet_protocols == CONF_INET_IPV4 ? 1 : d->conf->inet_protocols == CONF_INET_IPV6 ? 2 : 3;
	bool native = strstr(d->conf->smtp_host_lookup, "native") != NULL || d->conf->disable_dns_lookups, done = false;

	buf_init(&why, sizeof(d->out->why) - 1);
	if (!nexthop_parse(site, 25, &nh, &why) || nh.unix_path || !find_hosts(d, &nh, &h, &why)) {
		snprintf(d->out->why, sizeof(d->out->why), "%s", why.n ? buf_cstr(&why) : "a unix path is no relayhost");
		buf_fini(&why);
		return false;
	}
	buf_fini(&why);
	for (size_t i = 0; i < h.n && !done; i++) {
		dns_lookup_host(d->dns, str_of(h.name[i]), families, native ? DNS_NATIVE : nh.literal ? DNS_HOSTS : DNS_ONLY, on_addresses, &w);
		loop_run(d->loop);
		if (addresses.status != DNS_OK)
			snprintf(d->out->why, sizeof(d->out->why), "%s: %s", h.name[i], addresses.why);
		for (size_t k = 0; addresses.status == DNS_OK && k < addresses.n && !done && d->tries < ADDRESSES_MAX; k++)
			done = try_address(d, h.name[i], &nh, site, &addresses.v[k]);
	}
	return done;
}

/* --- all of it -------------------------------------------------------------------------------------------------------- */

static bool open_all(struct direct *d, const struct envelope *e, struct str content, struct buf *why)
{
	struct dns_options options = { .resolv_conf = NULL };

	if (submit_watching())
		options = *submit_watching()->dns;

	d->envelope = *e;
	d->envelope.rcpts = ARENA_ARRAY(&d->arena, struct rcpt, e->n_rcpts);
	if (!d->envelope.rcpts) {
		buf_z(why, "too many recipients");
		return false;
	}
	memcpy(d->envelope.rcpts, e->rcpts, e->n_rcpts * sizeof(*e->rcpts));
	if (maps_open(&d->passwords, d->conf->smtp_sasl_password_maps, why) < 0 ||
	    maps_open(&d->policies, d->conf->smtp_tls_policy_maps, why) < 0)
		return false;
	d->loop = loop_new();
	d->dns = d->loop ? dns_new(d->loop, &options) : NULL;
	if (!d->dns)
		buf_printf(why, "cannot wait for events: %s", strerror(errno));
	return d->dns && complete_message(d, content, why);
}

static void close_all(struct direct *d)
{
	if (d->dns)
		dns_free(d->dns);
	if (d->loop)
		loop_free(d->loop);
	maps_close(&d->passwords);
	maps_close(&d->policies);
	buf_fini(&d->message);
	arena_fini(&d->arena);
}

int submit_direct(const struct conf *c, const struct envelope *e, struct str content, struct submit_result *out,
	enum verdict *verdicts)
{
	struct direct d = { .conf = c, .out = out, .verdicts = verdicts, .code = EX_TEMPFAIL };
	struct str rest = str_of(c->relayhost), site;
	struct buf why;

	if (!str_word(&rest, ", \t\r\n", &site)) {
		snprintf(out->why, sizeof(out->why), "no relayhost is set (main.cf, or RELAYHOST in the environment)");
		return NOT_THERE;
	}
	rest = str_of(c->relayhost);
	arena_init(&d.arena, 8 * LIMIT_SESSION_ARENA);
	buf_init(&d.message, content.n + 4 * LIMIT_HEADER);
	buf_init(&why, sizeof(out->why) - 1);
	if (!open_all(&d, e, content, &why))
		snprintf(out->why, sizeof(out->why), "%s", buf_cstr(&why));
	else
		while (str_word(&rest, ", \t\r\n", &site) && !try_site(&d, site))
			continue;
	if (d.code == EX_TEMPFAIL && !out->answered)
		for (size_t i = 0; i < e->n_rcpts; i++)
			verdicts[i] = VERDICT_LATER;
	buf_fini(&why);
	close_all(&d);
	return d.code;
}
