/* smtp_candidates - see smtp_candidates.h. */
#include "core/deliver/smtp/smtp_candidates.h"

#include <limits.h>

#include "core/base/format.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_profile.h"

#define QUIET (USEC_PER_SEC / 4)       /* RFC 8305, 5: the attempt at the next address is not delayed longer */

void smtp_candidates_start(struct smtp_candidates *c, struct str nexthops, struct str fallbacks)
{
	c->sites = nexthops;
	c->fallbacks = fallbacks;
	c->best_failed = UINT_MAX;
}

void smtp_candidates_fini(struct smtp_candidates *c)
{
	smtp_hosts_cancel(c->hosts);
	mem_free(c->v);
	mem_free(c->skipped);
}

static bool has_text(struct str list)
{
	struct str word;

	return str_word(&list, ", \t\r\n", &word);
}

bool smtp_candidates_is_last(const struct smtp_candidates *c)
{
	return !(c->at < c->limit && c->sessions_left > 0) && !has_text(c->sites) && !has_text(c->fallbacks) && !c->n_skipped;
}

/* note_answered - whatever it said */
static void note_answered(struct smtp_candidates *c, const struct ipaddr *address)
{
	if (ipaddr_eq(address, &c->turn->asked))
		c->turn->asked_at = 0;
}

/* note_worse - from here on it can only be a worse one */
static void note_worse(struct smtp_candidates *c, const struct smtp_target *t)
{
	if (t->rank < c->best_failed)
		c->best_failed = t->rank;
}

void smtp_candidates_note_failed(struct smtp_candidates *c, const struct smtp_target *t)
{
	note_answered(c, &t->address);
	note_worse(c, t);
}

void smtp_candidates_note_session(struct smtp_candidates *c, const struct smtp_target *t, bool good)
{
	note_answered(c, &t->address);
	c->had_session |= good;
	if (c->sessions_left && c->sessions_left != UINT_MAX)
		c->sessions_left--;
}

/* --- addresses ------------------------------------------------------------------------------------------------------- */

static int compare(const struct ipaddr *a, const struct ipaddr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

/* asked_for - how long the one that was asked is not there; -1: there is none. Who asked may be gone, so this ends when the time for a
 * connection does */
static usec asked_for(const struct smtp_candidates *c)
{
	usec since = loop_now(c->d->o.loop) - c->turn->asked_at;

	return c->turn->asked_at && since <= c->profile->timeout[SMTP_PHASE_CONNECT] ? since : -1;
}

static bool is_silent(const struct smtp_candidates *c, const struct ipaddr *address)
{
	return asked_for(c) > QUIET && ipaddr_eq(address, &c->turn->asked);
}

static void note_asked(struct smtp_candidates *c, const struct ipaddr *address)
{
	if (asked_for(c) >= 0)
		return;
	c->turn->asked = *address;
	c->turn->asked_at = loop_now(c->d->o.loop);
}

/* Of the equal addresses that answer, the one after the last: exact turns per destination, whatever order the resolver
 * gives, for others ask it as well. */
static void take_turn(struct smtp_candidates *c)
{
	struct smtp_candidate *v = c->v, *best = NULL, first = v[0];
	const struct ipaddr *last = &c->turn->last;
	size_t alive = 0;

	for (size_t i = 0; i < c->n && v[i].preference == v[0].preference; i++) {
		bool later = compare(&v[i].address, last) > 0;

		if (v[i].address.family != v[0].address.family || smtp_dead_is(c->d, &v[i].address, c->port))
			continue;
		alive++;
		if (is_silent(c, &v[i].address))
			continue;
		if (!best || (later != (compare(&best->address, last) > 0) ? later : compare(&v[i].address, &best->address) < 0))
			best = &v[i];
	}
	c->shared = alive > 1;
	/* none: two hosts have one address, and that is silent */
	if (!c->shared || !best || !c->profile->conf->smtp_randomize_addresses)
		return;
	v[0] = *best;
	*best = first;
	c->turn->last = v[0].address;
	note_asked(c, &v[0].address);
}

/* may_be_ourselves - nobody wrote this next hop down, so mail that comes back from it would go there again, for ever */
static bool may_be_ourselves(const struct smtp_candidates *c, uint16_t port)
{
	return !c->explicit && port == 25 && !c->profile->lmtp && !c->d->o.ask;
}

static void set_target(const struct smtp_candidates *c, const struct smtp_candidate *x, struct smtp_target *out)
{
	*out = (struct smtp_target){
		.address = x->address, .port = c->port, .rank = (c->site_number << 16) + x->preference,
		.explicit = c->explicit, .fallback = c->in_fallback, .mirror = may_be_ourselves(c, c->port),
	};
	memcpy(out->host, x->host, sizeof(out->host));
	memcpy(out->site, c->site, sizeof(out->site));
}

static void put_off(struct smtp_candidates *c, const struct smtp_target *t)
{
	if (!c->skipped)
		c->skipped = mem_array(NULL, LIMIT_CLIENT_SKIPPED, sizeof(*c->skipped));
	c->skipped[c->n_skipped++] = *t;
	note_worse(c, t);
}

/* The next hop may have moved, and its old address be another's by now: the next try asks again, whatever the TTL said. */
static void forget_addresses(struct smtp_candidates *c)
{
	struct nexthop hop;
	struct buf why;

	buf_init(&why, 300);
	if (nexthop_parse(str_of(c->site), 25, &hop, &why) && !hop.unix_path)
		dns_forget(c->d->o.dns, hop.host);
	buf_fini(&why);
	for (size_t i = 0; i < c->n; i++)
		if (!i || strcmp(c->v[i].host, c->v[i - 1].host) != 0)
			dns_forget(c->d->o.dns, str_of(c->v[i].host));
}

static bool next_address(struct smtp_candidates *c, struct smtp_target *out)
{
	while (c->at < c->limit && c->sessions_left > 0) {
		set_target(c, &c->v[c->at++], out);
		if (!smtp_dead_is(c->d, &out->address, c->port) || c->n_skipped == LIMIT_CLIENT_SKIPPED || smtp_candidates_is_last(c))
			return true;
		put_off(c, out);
	}
	return false;
}

/* --- next hops -------------------------------------------------------------------------------------------------------- */

static void on_hosts(void *ctx, const struct smtp_hosts_result *r)
{
	struct smtp_candidates *c = ctx;
	size_t limit = (size_t)c->profile->conf->smtp_mx_address_limit;

	c->hosts = NULL;
	if (r->we_are_mx)
		c->fallbacks = STR_EMPTY;
	if (r->failed.code) {
		forget_addresses(c);
		c->failed(c, &r->failed);
		c->go_on(c);
		return;
	}
	mem_free(c->v);
	c->v = mem_array(NULL, r->n, sizeof(*c->v));
	memcpy(c->v, r->v, r->n * sizeof(*c->v));
	c->n = r->n;
	c->limit = limit && limit < r->n ? limit : r->n;
	take_turn(c);
	c->sessions_left = c->profile->conf->smtp_mx_session_limit && !c->d->o.ask ? (unsigned)c->profile->conf->smtp_mx_session_limit :
		UINT_MAX;
	c->go_on(c);
}

static bool take_site(struct smtp_candidates *c)
{
	struct str word;

	if (!str_word(&c->sites, ", \t\r\n", &word)) {
		if (!str_word(&c->fallbacks, ", \t\r\n", &word))
			return false;
		c->in_fallback = true;
	}
	format_text(c->site, sizeof(c->site), "%.*s", STR_ARG(word));
	c->explicit = c->in_fallback || !str_ieq(word, c->domain) || str_eq(word, str_of(c->d->o.conf->relayhost));
	c->site_number++;
	c->n = c->at = c->limit = 0;
	c->had_session = false;
	return true;
}

static enum smtp_next refuse_site(struct smtp_candidates *c, const char *why)
{
	struct reply r;

	reply_set(&r, 550, "5.4.4", "Host or domain name not found. Next hop %s: %s", c->site, why);
	c->failed(c, &r);
	return SMTP_NEXT_OVER;
}

static enum smtp_next take_unix(struct smtp_candidates *c, struct str path, struct smtp_target *out)
{
	*out = (struct smtp_target){ .explicit = true, .rank = c->site_number << 16 };
	if (path.n >= sizeof(out->path))
		return refuse_site(c, "the path is too long");
	memcpy(out->path, path.p, path.n);
	memcpy(out->site, c->site, sizeof(out->site));
	format_text(out->host, sizeof(out->host), "%s", c->profile->conf->myhostname);
	c->sessions_left = 0;
	return SMTP_NEXT_FOUND;
}

/* start_site - OVER: with this one */
static enum smtp_next start_site(struct smtp_candidates *c, struct smtp_target *out)
{
	bool ok;
	struct nexthop hop;
	struct buf why;

	buf_init(&why, 300);
	ok = nexthop_parse(str_of(c->site), c->profile->port, &hop, &why);
	if (!ok)
		(void)refuse_site(c, buf_cstr(&why));
	buf_fini(&why);
	if (!ok)
		return SMTP_NEXT_OVER;
	if (hop.unix_path)
		return take_unix(c, hop.host, out);
	c->port = hop.port;
	c->hosts = smtp_hosts_find(c->d, c->profile, hop.host, c->profile->use_mx && !hop.literal,
		may_be_ourselves(c, hop.port), on_hosts, c);
	return SMTP_NEXT_WAIT;
}

static bool take_skipped(struct smtp_candidates *c, struct smtp_target *out)
{
	if (!c->n_skipped)
		return false;
	*out = c->skipped[--c->n_skipped];
	memcpy(c->site, out->site, sizeof(c->site));
	c->explicit = out->explicit;
	c->in_fallback = out->fallback;
	return true;
}

enum smtp_next smtp_candidates_next(struct smtp_candidates *c, struct smtp_target *out)
{
	if (next_address(c, out))
		return SMTP_NEXT_FOUND;
	if (c->n && !c->had_session)
		forget_addresses(c);
	while (take_site(c)) {
		enum smtp_next got = start_site(c, out);

		if (got != SMTP_NEXT_OVER)
			return got;
	}
	return take_skipped(c, out) ? SMTP_NEXT_FOUND : SMTP_NEXT_OVER;
}
