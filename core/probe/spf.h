/* spf - the Sender Policy Framework (RFC 7208): a record's terms, macros, and check_host() with its limits.
 *
 * spf_evaluate is called again and again until every fact it wants is known (facts.h); it keeps nothing from call to call.
 * Without a client it walks through every term of every record that could be reached: so lookups are counted for the worst
 * case, and faults are found that a single client would not meet. */
#ifndef CORE_PROBE_SPF_H
#define CORE_PROBE_SPF_H

#include "core/probe/facts.h"

enum { SPF_LOOKUPS = 10, SPF_VOIDS = 2 };  /* section 4.6.4 */
enum spf_kind { SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6, SPF_EXISTS, SPF_REDIRECT, SPF_EXP, SPF_OTHER };
struct spf_term {
	enum spf_kind kind;
	char qualifier;                /* '+' '-' '~' '?'; modifiers: '+' */
	struct str spec;               /* domain-spec or address; empty: the current domain */
	unsigned cidr4, cidr6;         /* 32, 128 when not given */
	struct ipaddr net;             /* ip4, ip6 */
};
bool spf_term_parse(struct str word, struct spf_term *out);    /* false: a syntax error */

enum spf_result { SPF_NONE, SPF_NEUTRAL, SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_TEMPERROR, SPF_PERMERROR };
const char *spf_result_word(enum spf_result r);
struct spf {
	struct facts *facts;
	struct ipaddr client;          /* AF_UNSPEC: walk */
	const char *domain, *sender, *helo, *receiver;
	/* the answer */
	enum spf_result result;        /* walk: NONE, NEUTRAL or the first error */
	unsigned lookups, voids;
	char all;                      /* qualifier of the first record's `all`, after redirects; 0: none */
	bool uses_ptr;
	bool variable;                 /* walk: names that depend on the mail were not looked up */
	char why[300];                 /* of an error; the term that matched */
	char explanation[256];         /* exp=, of a fail */
	/* inside */
	bool waiting;
	unsigned walked;
};
bool spf_evaluate(struct spf *s);  /* false: facts are missing */
/* spf_expand - the macros of section 7; out gets at most 253 bytes. 1, 0: a fact is missing, -1: not a macro string, or
 * (walk) it depends on the mail */
int spf_expand(struct spf *s, struct str spec, const char *domain, bool explaining, char out[256]);
/* spf_validated - a name of the client, verified, that is `domain` or below it; "" = there is none. `any`: rather any other
 * than none (macro p). False: a fact is missing */
bool spf_validated(struct spf *s, const char *domain, bool any, char out[256]);

#endif
