/* rewriting - the tables that change addresses, opened once per configuration, and how they are asked: Postfix's canonical(5),
 * virtual(5), generic(5) and relocated(5), bcc tables, masquerading.
 *
 * A table is asked for an address by these keys, each of all tables before the next: the address; without its extension
 * (recipient_delimiter); then, if its domain is $myorigin or delivered here, the local part with the extension and without it; then
 * @domain. A local part that needs quotes is asked for with them first, then without. Tables of patterns see the whole address only. */
#ifndef CORE_ROUTE_REWRITING_H
#define CORE_ROUTE_REWRITING_H

#include "core/base/arena.h"
#include "core/base/limits.h"
#include "core/conf/conf.h"
#include "core/map/map.h"

struct router;

/* where an address stands, a bit each: what the *_classes parameters choose from */
enum address_place {
	PLACE_ENVELOPE_SENDER = 1, PLACE_ENVELOPE_RECIPIENT = 2, PLACE_HEADER_SENDER = 4, PLACE_HEADER_RECIPIENT = 8
};
/* propagate_unmatched_extensions, a bit each */
enum extension_class {
	EXTENSION_CANONICAL = 1, EXTENSION_VIRTUAL = 2, EXTENSION_ALIAS = 4, EXTENSION_FORWARD = 8, EXTENSION_INCLUDE = 16,
	EXTENSION_GENERIC = 32
};

/* one parameter's tables, with its name for messages */
struct address_maps { const char *parameter; struct maps maps; };

struct rewriting {
	struct address_maps canonical, sender_canonical, recipient_canonical, virtual_alias, sender_bcc, recipient_bcc, relocated;
	unsigned canonical_places, sender_canonical_places, recipient_canonical_places, masquerade_places;  /* enum address_place */
	unsigned propagate;            /* enum extension_class */
	bool any;                      /* something changes addresses at all: canonical tables or masquerading */
};
/* rewriting_open - errors go to diag; rewriting_close after it in any case */
void rewriting_open(struct rewriting *w, const struct conf *c, struct conf_diag *diag);
void rewriting_close(struct rewriting *w);
void rewriting_refresh(struct rewriting *w, usec now_mono);
/* rewriting_propagate - the value of propagate_unmatched_extensions; words that are none of it go to why */
unsigned rewriting_propagate(const char *list, struct buf *why);

/* The keys of an address, one after the other, for who asks the tables himself. Texts live in the arena */
struct address_keys {
	struct router *router;
	struct arena *arena;
	struct str local, base, extension, domain;     /* base: the local part without its extension */
	size_t at;
	bool has_base, ours_asked;
	bool whole_only;               /* set by who begins: keys of a local part and a domain, no others */
	enum map_answer ours;
};
struct address_key {
	struct str text;
	bool partial;                  /* not the whole address */
	bool base;                     /* without the extension */
};
void address_keys_begin(struct address_keys *k, struct router *r, struct arena *a, struct str address);
/* address_keys_next - 1; 0: that was the last; -1: whose the domain is cannot be told now */
int address_keys_next(struct address_keys *k, struct address_key *out);

/* address_find - the entry for an address. value lives in the arena. extension (may be NULL): "+ext" where an entry without it
 * was found, else empty. MAP_ERROR was logged */
enum map_answer address_find(struct router *r, struct arena *a, const struct address_maps *m, struct str address, struct str *value,
	struct str *extension, struct buf *trace);

struct address_list { struct str *v; size_t n; };
/* address_map - what the entry makes of an address: the addresses in it, completed as local ones; "@domain" keeps the local part;
 * propagate: the extension that was not asked for is put behind each. MAP_FOUND: at least one. An entry without an address in it is
 * MAP_ERROR, as a table that cannot be read: logged, the mail waits for somebody to mend it */
enum map_answer address_map(struct router *r, struct arena *a, const struct address_maps *m, struct str address, bool propagate,
	struct address_list *out, struct buf *trace);
/* address_map_spend - the same, and *spent grows by what it cost: steps of patterns, and LIMIT_REWRITE_ASK for each table */
enum map_answer address_map_spend(struct router *r, struct arena *a, const struct address_maps *m, struct str address, bool propagate,
	struct address_list *out, struct buf *trace, uint64_t *spent);
/* address_is_dear - was so much spent on the addresses of one message that the next ones are not asked for? */
static inline bool address_is_dear(uint64_t spent) { return spent > LIMIT_REWRITE_STEPS; }

/* masquerade_address - masquerade_domains: the domain cut down to the first parent of the list; what stays as it is is returned */
struct str masquerade_address(const struct conf *c, struct arena *a, struct str address);

/* rewriting_knows - do canonical or virtual tables have an entry for this recipient, or sender? It is then none that is unknown */
enum map_answer rewriting_knows(struct router *r, struct str address, bool sender);

#endif
