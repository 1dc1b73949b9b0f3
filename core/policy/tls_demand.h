/* tls_demand - what one connection must have of TLS: made here, out of smtp_tls_security_level, the entry of smtp_tls_policy_maps, where
 * the connection goes, and what DNS (DANE) and the domain's policy (MTA-STS) say. An entry of the table counts before both, and so does
 * a level that names whom to trust; proven TLSA records count before an MTA-STS policy (RFC 8461 section 2). Sessions look at the parts of the value; what level it was is only
 * for logs.
 *
 * A table is asked for the next hop exactly as it is written, brackets and port included; only a bare domain is also looked up
 * by its parents (".example.com"). What cannot be understood or is not done here defers, as in Postfix: a demand is never
 * lowered in silence. */
#ifndef CORE_POLICY_TLS_DEMAND_H
#define CORE_POLICY_TLS_DEMAND_H

#include "core/map/map.h"
#include "core/msg/reply.h"
#include "core/policy/dane.h"
#include "core/policy/sts.h"
#include "core/policy/tls_level.h"

/* what a message wants beside it (RFC 8689) */
enum tls_wish { TLS_WISH_NONE, TLS_WISH_OPTIONAL /* TLS-Required: No */, TLS_WISH_ENDS /* REQUIRETLS, and this hop is its end: LMTP */, TLS_WISH_REQUIRED };
struct tls_demand {
	const struct tls_level *level; /* where it began, for logs */
	bool offer;                    /* STARTTLS is said where it is offered */
	bool require;                  /* without TLS nothing is sent */
	bool at_once;                  /* TLS from the first byte */
	enum tls_match match;
	char *words;                   /* what to match, between blanks: names, "nexthop" …, or fingerprints; owned */
	char *protocols;               /* owned */
	bool own_protocols;            /* … and the entry's */
	char server_name[256];         /* "" = the host's */
	bool unsettled;                /* level dane: nothing is sent before tls_demand_settle */
	struct dane *dane;             /* its records, one of which must match; NULL: none; owned */
	enum tls_wish wish;            /* of the message that it was made for; what was made for OPTIONAL serves no other */
	bool tlsa;                     /* level dane: there are records, of whatever use, or nobody can tell */
	bool mx_signed;                /* level dane: the MX records are proven by DNSSEC */
	bool web;                      /* where no authority is configured the system's are trusted */
	bool by_table;                 /* an entry of smtp_tls_policy_maps says so */
	char *sts_domain;              /* whose MTA-STS policy was looked at; NULL: nobody's; owned */
	enum sts_mode sts;             /* … its mode, if it counts: testing is looked at and not insisted on */
	bool sts_foreign;              /* … and the host is not in its list */
	struct reply failed;           /* code != 0: nothing is sent now, and this is why */
};
/* where a connection goes */
struct tls_site {
	struct str nexthop;            /* as written */
	bool at_once;                  /* smtp_tls_wrappermode, or a port that means it */
	bool near;                     /* it does not leave this machine */
};
/* tls_demand_make - trace (may be NULL) gets a line for each key that is tried. To be ended with tls_demand_fini */
void tls_demand_make(struct tls_demand *out, const struct conf *c, struct maps *table, const struct tls_site *site, struct buf *trace);
/* tls_demand_settle - x, of a level that the DNS decides, as the settled d says; takes d */
void tls_demand_settle(struct tls_demand *x, const struct conf *c, struct dane *d);
/* tls_demand_may_obey - is there room for an MTA-STS policy beside what x (settled) has already? */
bool tls_demand_may_obey(const struct tls_demand *x);
/* tls_demand_obey - x, as the domain's policy says for this MX host */
void tls_demand_obey(struct tls_demand *x, const struct conf *c, const struct sts_known *known, struct str domain, struct str host);
/* tls_demand_relax - x for a message with TLS-Required: No: of what the recipient publishes nothing counts, of what was configured all */
void tls_demand_relax(struct tls_demand *x, const struct conf *c);
/* tls_demand_insist - x (settled) for a message with REQUIRETLS, by this wish: the server's name is proven, and its certificate must be for it. proven:
 * nobody but the administrator or a policy chose that name */
void tls_demand_insist(struct tls_demand *x, const struct conf *c, enum tls_wish wish, bool proven, struct str site);
static inline bool tls_wish_insists(enum tls_wish x) { return x == TLS_WISH_ENDS || x == TLS_WISH_REQUIRED; }
void tls_demand_fini(struct tls_demand *x);
/* tls_demand_check - is this a value of smtp_tls_policy_maps that can be done? false with why */
bool tls_demand_check(const struct conf *c, struct str value, struct buf *why);
/* tls_demand_digest - length in bytes of smtp_tls_fingerprint_digest; 0: no digest is called so */
size_t tls_demand_digest(const char *name);

#endif
