/* spf - the Sender Policy Framework (RFC 7208): a record's terms, macros, and check_host() with its limits.
 *
 * spf_evaluate is called again and again until every fact it wants is known (facts.h); it keeps nothing from call to call.
 * Without a client it walks through every term of every record that could be reached: so lookups are counted for the worst
 * case, and faults are found that a single client would not meet. */
#ifndef CORE_PROBE_SPF_H
#define CORE_PROBE_SPF_H

#include "core/probe/facts.h"
#include "core/probe/spf_reach.h"

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
/* spf_is_swapped - a mechanism's name with '=' behind it, or v=: a modifier that nobody knows, and passed over in silence */
bool spf_is_swapped(struct str word);
/* spf_is_record - "v=spf1", alone or with a blank behind it (section 4.5) */
bool spf_is_record(struct str text);
/* spf_odd_byte - where the first byte is that the grammar has nowhere: a tab, a no-break space; s.n: there is none */
size_t spf_odd_byte(struct str s);

/* what a walk finds that is no error, and surely not meant */
enum spf_odd { SPF_ODD_BEHIND, SPF_ODD_REDIRECT, SPF_ODD_SWAPPED, SPF_ODD_LONG, SPF_ODD_WIDE, SPF_ODDITIES };

enum spf_result { SPF_NONE, SPF_NEUTRAL, SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_TEMPERROR, SPF_PERMERROR };
const char *spf_result_word(enum spf_result r);
struct spf {
	struct facts *facts;
	struct ipaddr client;          /* AF_UNSPEC: walk */
	const char *domain, *sender, *helo, *receiver;
	/* the answer */
	enum spf_result result;        /* walk: NONE, NEUTRAL or the first error */
	unsigned lookups, voids;       /* walk: voids of the family that has more */
	unsigned void_of[2];           /* walk: of an IPv4, an IPv6 client */
	bool sends[2];                 /* walk: some IPv4, IPv6 address may send */
	bool open[2];                  /* walk: every address may */
	char opener[120];              /* the term that opened it first */
	char odd[SPF_ODDITIES][120];   /* the first of each kind; "": none */
	char all;                      /* qualifier of the first record's `all`, after redirects; 0: none */
	bool uses_ptr;
	bool variable;                 /* walk: names that depend on the mail were not looked up */
	char why[300];                 /* of an error; the term that matched */
	char explanation[256];         /* exp=, of a fail */
	/* inside */
	bool waiting;
	unsigned walked;
	bool passing, shut[2];         /* what is met now may pass; a term before it took all of that family */
	struct str top;                /* the term of the domain's own record */
	struct spf_reach reach;
};
bool spf_evaluate(struct spf *s);  /* false: facts are missing */
/* what a walk meets: something odd, and networks of a term with this qualifier; a client meets nothing */
void spf_note(struct spf *s, enum spf_odd kind, struct str text);
void spf_reach_net(struct spf *s, const struct ipaddr *net, unsigned prefix, char qualifier);
void spf_reach_everybody(struct spf *s, char qualifier);
/* spf_expand - the macros of section 7; out gets at most 253 bytes. 1, 0: a fact is missing, -1: not a macro string, or
 * (walk) it depends on the mail */
int spf_expand(struct spf *s, struct str spec, const char *domain, bool explaining, char out[256]);
/* spf_validated - a name of the client, verified, that is `domain` or below it; "" = there is none. `any`: rather any other
 * than none (macro p). False: a fact is missing */
bool spf_validated(struct spf *s, const char *domain, bool any, char out[256]);

#endif
