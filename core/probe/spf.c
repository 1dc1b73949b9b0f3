/* spf - check_host() of RFC 7208 section 4, as a recursive function over known facts. */
#include "core/probe/spf.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/ipaddr.h"
#include "core/base/limits.h"
#include "core/base/term.h"

/* names that depend on each other stop at the limit of lookups; a walk goes on past it, to tell how many there are */
enum { MX_MOST = 10, PTR_MOST = 10 };
/* what a mechanism says, or WAIT: a fact is missing */
enum word { NO, YES, TEMPERROR, PERMERROR, WAIT };
enum { RESULT_WAIT = -1 };
enum { LONG = 450 };                   /* octets that fit an answer (section 3.4) */

static int check_host(struct spf *s, const char *domain, unsigned depth);

const char *spf_result_word(enum spf_result r)
{
	static const char *const words[] = { "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror" };

	return words[r];
}

static bool is_walk(const struct spf *s)
{
	return s->client.family == AF_UNSPEC;
}

/* the first reason stays: it is the one that counts */
__attribute__((format(printf, 3, 4))) static enum word error(struct spf *s, enum word m, const char *fmt, ...)
{
	va_list ap;

	if (s->why[0])
		return m;
	s->result = m == TEMPERROR ? SPF_TEMPERROR : SPF_PERMERROR;
	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	return m;
}

/* --- questions ------------------------------------------------------------------------------------------------------ */

/* NO: it is there; else why it is of no use */
static enum word look(struct spf *s, const char *name, enum dns_type type, const struct fact **out)
{
	const struct fact *f = *out = facts_get(s->facts, name, type);

	if (!f)
		return WAIT;
	if (f->status == DNS_AGAIN)
		return error(s, TEMPERROR, "%s cannot be looked up now", name);
	return NO;
}

/* which of the families find nothing; 3: both */
static enum word count_void(struct spf *s, const char *name, unsigned families)
{
	s->void_of[0] += families & 1;
	s->void_of[1] += families >> 1 & 1;
	s->voids = is_walk(s) ? (s->void_of[0] > s->void_of[1] ? s->void_of[0] : s->void_of[1]) : s->voids + 1;
	if (s->voids > SPF_VOIDS && !is_walk(s))
		return error(s, PERMERROR, "more than %d lookups find nothing; the last is %s", SPF_VOIDS, name);
	return NO;
}

static bool in_net(const struct ipaddr *a, const struct ipaddr *net, const struct spf_term *t)
{
	struct network n = { *net, net->family == AF_INET ? t->cidr4 : t->cidr6 };

	return a->family == net->family && network_has(&n, a);
}

/* does an address of host hold the client? A walk asks for both families and matches nothing.
 * *found: families that it has addresses of */
static enum word match_host(struct spf *s, const char *host, const struct spf_term *t, unsigned *found)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA };
	const struct fact *f;
	enum word m, worst = NO;

	*found = 0;
	for (int k = 0; k < 2; k++) {
		if (!is_walk(s) && (s->client.family == AF_INET) != (k == 0))
			continue;
		m = look(s, host, types[k], &f);
		worst = m > worst ? m : worst;
		for (size_t i = 0; m == NO && i < f->n; i++) {
			if (in_net(&s->client, &f->records[i].address, t))
				return YES;
			spf_reach_net(s, &f->records[i].address, k ? t->cidr6 : t->cidr4, t->qualifier);
		}
		*found |= m != NO || f->n ? 1u << k : 0;
	}
	return worst;
}

static enum word match_a(struct spf *s, const char *target, const struct spf_term *t)
{
	unsigned found;
	enum word m = match_host(s, target, t, &found);

	return m == NO && (is_walk(s) ? found != 3 : !found) ? count_void(s, target, ~found & 3) : m;
}

static enum word match_mx(struct spf *s, const char *target, const struct spf_term *t)
{
	const struct fact *f;
	enum word m = look(s, target, DNS_MX, &f), worst = NO;
	unsigned found;

	if (m != NO)
		return m;
	if (!f->n)
		return count_void(s, target, 3);
	if (f->n > MX_MOST)
		return error(s, PERMERROR, "mx:%s has more than %d hosts", target, MX_MOST);
	for (size_t i = 0; i < f->n; i++) {
		m = match_host(s, f->records[i].target, t, &found);
		if (m == YES)
			return YES;
		worst = m > worst ? m : worst;
	}
	return worst;
}

bool spf_validated(struct spf *s, const char *domain, bool any, char out[256])
{
	struct spf_term whole = { .cidr4 = 32, .cidr6 = 128 };
	struct str wanted = str_of(domain);
	const struct fact *f;
	char reverse[256];
	unsigned found;

	fact_reverse(&s->client, s->client.family == AF_INET ? "in-addr.arpa" : "ip6.arpa", reverse);
	f = facts_get(s->facts, reverse, DNS_PTR);
	*out = 0;
	if (!f)
		return false;
	for (size_t i = 0; i < f->n && i < PTR_MOST; i++) {
		struct str name = str_of(f->records[i].target);
		bool below = str_ieq(name, wanted) || (name.n > wanted.n && str_iends(name, wanted) && name.p[name.n - wanted.n - 1] == '.');
		enum word m = below || any ? match_host(s, name.p, &whole, &found) : NO;

		if (m == WAIT)
			return false;
		if (m == YES && (below || !*out))
			snprintf(out, 256, "%s", name.p);
		if (m == YES && below)
			return true;
	}
	return true;
}

static enum word match_ptr(struct spf *s, const char *target)
{
	char name[256];

	s->uses_ptr = true;
	if (is_walk(s))
		return NO;
	if (!spf_validated(s, target, false, name))
		return WAIT;
	return *name ? YES : NO;
}

static enum word match_exists(struct spf *s, const char *target, const struct spf_term *t)
{
	const struct fact *f;
	enum word m = look(s, target, DNS_A, &f);

	if (m != NO)
		return m;
	if (!f->n)
		return count_void(s, target, 3);
	/* a walk comes here with names that are the same for everybody */
	spf_reach_everybody(s, t->qualifier);
	return YES;
}

static enum word match_include(struct spf *s, const char *target, const struct spf_term *t, unsigned depth)
{
	static const enum word by_result[] = { [SPF_NEUTRAL] = NO, [SPF_PASS] = YES, [SPF_FAIL] = NO, [SPF_SOFTFAIL] = NO,
		[SPF_TEMPERROR] = TEMPERROR, [SPF_PERMERROR] = PERMERROR };
	bool passing = s->passing, shut[2] = { s->shut[0], s->shut[1] };
	int r;

	s->passing = passing && t->qualifier == '+';
	r = check_host(s, target, depth + 1);
	s->passing = passing;
	memcpy(s->shut, shut, sizeof(shut));
	if (r == RESULT_WAIT)
		return WAIT;
	if (r == SPF_NONE)
		return error(s, PERMERROR, "include:%s has no SPF record", target);
	return by_result[r];
}

/* --- terms ---------------------------------------------------------------------------------------------------------- */

static enum word count_lookup(struct spf *s)
{
	s->lookups++;
	if (is_walk(s) ? s->lookups > LIMIT_SPF_WALK : s->lookups > SPF_LOOKUPS)
		return error(s, PERMERROR, "more than %d lookups", is_walk(s) ? LIMIT_SPF_WALK : SPF_LOOKUPS);
	return NO;
}

static enum word match_term(struct spf *s, const char *domain, const struct spf_term *t, unsigned depth)
{
	char target[256];
	int known = 1;

	if (t->kind == SPF_ALL) {
		spf_reach_everybody(s, t->qualifier);
		return YES;
	}
	if (t->kind == SPF_IP4 || t->kind == SPF_IP6) {
		spf_reach_net(s, &t->net, t->kind == SPF_IP4 ? t->cidr4 : t->cidr6, t->qualifier);
		return in_net(&s->client, &t->net, t) ? YES : NO;
	}
	if (count_lookup(s) != NO)
		return PERMERROR;
	snprintf(target, sizeof(target), "%s", domain);
	if (t->spec.n)
		known = spf_expand(s, t->spec, domain, false, target);
	if (known == 0)
		return WAIT;
	if (known < 0) {
		s->variable |= is_walk(s);
		return is_walk(s) ? NO : error(s, PERMERROR, "%.*s: a macro that is not allowed here", STR_ARG(t->spec));
	}
	switch (t->kind) {
	case SPF_INCLUDE: return match_include(s, target, t, depth);
	case SPF_A: return match_a(s, target, t);
	case SPF_MX: return match_mx(s, target, t);
	case SPF_PTR: return match_ptr(s, target);
	default: return match_exists(s, target, t);
	}
}

/* the whole record is read before any of it counts (section 4.6) */
static bool is_sound(struct spf *s, const char *domain, struct str text, struct spf_term *redirect, struct spf_term *exp)
{
	struct spf_term t;
	struct str word;
	bool ended = false;

	*redirect = *exp = (struct spf_term){ .spec = STR_EMPTY };
	while (str_word(&text, " ", &word)) {
		char shown[80];
		struct spf_term *once = NULL;

		term_cut(word, shown, sizeof(shown));
		if (!spf_term_parse(word, &t)) {
			size_t odd = spf_odd_byte(word);

			if (odd < word.n)
				error(s, PERMERROR, "%s: \"%s\" has the byte 0x%02x: terms are parted by blanks", domain, shown, (unsigned char)word.p[odd]);
			else
				error(s, PERMERROR, "%s: \"%s\" is not understood", domain, shown);
			return false;
		}
		if (ended && t.kind < SPF_REDIRECT)
			spf_note(s, SPF_ODD_BEHIND, word);
		if (t.kind == SPF_OTHER && spf_is_swapped(word))
			spf_note(s, SPF_ODD_SWAPPED, word);
		ended |= t.kind == SPF_ALL;
		once = t.kind == SPF_REDIRECT ? redirect : t.kind == SPF_EXP ? exp : NULL;
		if (once && once->spec.n) {
			error(s, PERMERROR, "%s: \"%s\" is there twice", domain, shown);
			return false;
		}
		if (once)
			*once = t;
	}
	if (ended && redirect->spec.n)
		spf_note(s, SPF_ODD_REDIRECT, redirect->spec);
	return true;
}

static void explain(struct spf *s, const char *domain, const struct spf_term *exp)
{
	const struct fact *f;
	char name[256];

	if (!exp->spec.n || spf_expand(s, exp->spec, domain, false, name) <= 0)
		return;
	f = facts_get(s->facts, name, DNS_TXT);
	if (f && f->n == 1 && str_is_ascii(fact_text(f, 0)))
		spf_expand(s, fact_text(f, 0), domain, true, s->explanation);
}

static enum spf_result of_qualifier(char q)
{
	return q == '+' ? SPF_PASS : q == '-' ? SPF_FAIL : q == '~' ? SPF_SOFTFAIL : SPF_NEUTRAL;
}

static int follow(struct spf *s, const char *domain, const struct spf_term *redirect, unsigned depth)
{
	char target[256];
	int known, r;

	if (count_lookup(s) != NO)
		return SPF_PERMERROR;
	known = spf_expand(s, redirect->spec, domain, false, target);
	s->variable |= known < 0 && is_walk(s);
	if (known <= 0)
		return known == 0 ? RESULT_WAIT : is_walk(s) ? SPF_NEUTRAL : SPF_PERMERROR;
	/* an explanation and an `all` of the target count as this record's own */
	r = check_host(s, target, depth);
	if (r == SPF_NONE)
		error(s, PERMERROR, "redirect=%s has no SPF record", target);
	return r == SPF_NONE ? SPF_PERMERROR : r;
}

static int run_terms(struct spf *s, const char *domain, struct str text, unsigned depth)
{
	struct spf_term t, redirect, exp;
	int worst = SPF_NEUTRAL;
	struct str word;

	if (!is_sound(s, domain, text, &redirect, &exp))
		return SPF_PERMERROR;
	while (str_word(&text, " ", &word)) {
		enum word m;

		spf_term_parse(word, &t);
		if (t.kind >= SPF_REDIRECT)
			continue;
		if (!depth)
			s->top = word;
		if (t.kind == SPF_ALL && !depth)
			s->all = t.qualifier;
		m = match_term(s, domain, &t, depth);
		s->waiting |= m == WAIT;
		if (is_walk(s) && t.kind == SPF_ALL)
			return worst;
		if (m == NO || is_walk(s))
			continue;
		if (m != YES)
			return m == WAIT ? RESULT_WAIT : m == TEMPERROR ? SPF_TEMPERROR : SPF_PERMERROR;
		if (!depth)
			snprintf(s->why, sizeof(s->why), "%.*s", STR_ARG(word));
		if (!depth && t.qualifier == '-')
			explain(s, domain, &exp);
		return of_qualifier(t.qualifier);
	}
	return redirect.spec.n ? follow(s, domain, &redirect, depth) : worst;
}

static int check_host(struct spf *s, const char *domain, unsigned depth)
{
	struct str text = STR_EMPTY;
	const struct fact *f;
	size_t records = 0;
	enum word m;

	if (depth > LIMIT_SPF_DEPTH || ++s->walked > 4 * LIMIT_SPF_WALK) {
		error(s, PERMERROR, "%s: it includes itself", domain);
		return SPF_PERMERROR;
	}
	m = look(s, domain, DNS_TXT, &f);
	if (m != NO) {
		s->waiting |= m == WAIT;
		return m == WAIT ? RESULT_WAIT : SPF_TEMPERROR;
	}
	for (size_t i = 0; i < f->n; i++) {
		struct str one = fact_text(f, i);

		if (!spf_is_record(one))
			continue;
		if (one.n > LONG)
			spf_note(s, SPF_ODD_LONG, str_of(domain));
		text = str_from(one, 6);
		records++;
	}
	if (records > 1) {
		error(s, PERMERROR, "%s has %zu SPF records; there must be one", domain, records);
		return SPF_PERMERROR;
	}
	return records ? run_terms(s, domain, text, depth) : SPF_NONE;
}

bool spf_evaluate(struct spf *s)
{
	int r;

	s->result = SPF_NONE;
	s->lookups = s->voids = s->walked = 0;
	s->all = s->why[0] = s->explanation[0] = 0;
	s->uses_ptr = s->variable = s->waiting = false;
	memset(s->void_of, 0, sizeof(s->void_of));
	memset(s->sends, 0, sizeof(s->sends));
	memset(s->open, 0, sizeof(s->open));
	memset(s->shut, 0, sizeof(s->shut));
	memset(s->odd, 0, sizeof(s->odd));
	s->opener[0] = 0;
	s->passing = true;
	s->top = STR_EMPTY;
	spf_reach_init(&s->reach);
	r = check_host(s, s->domain, 0);
	if (r == RESULT_WAIT || (is_walk(s) && s->waiting))
		return false;
	/* a walk goes on after an error; the first one is the result */
	if (!is_walk(s) || (s->result != SPF_TEMPERROR && s->result != SPF_PERMERROR))
		s->result = (enum spf_result)r;
	return true;
}
