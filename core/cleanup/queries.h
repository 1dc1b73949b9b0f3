/* queries - texts that tables are asked about in one go, at once or on a thread of the pool, and what the tables said. */
#ifndef CORE_CLEANUP_QUERIES_H
#define CORE_CLEANUP_QUERIES_H

#include "core/base/pool.h"
#include "core/cleanup/checks.h"

enum item_kind { ITEM_FIELD, ITEM_HEADER_END, ITEM_PART_FIELD, ITEM_BODY, ITEM_NOTHING };
/* small, for an empty line is one, too */
struct item {
	uint8_t kind, class;           /* enum item_kind, enum check_class */
	uint8_t faults;                /* that are refused: enum mime_fault */
	bool asked : 1, found : 1, failed : 1; /* by the tables */
	bool piece : 1;                /* of a line that goes on */
	uint32_t at, n;                /* in text */
	uint32_t value_at, value_n;    /* in values */
};
/* it lives on when its owner is gone, until the pool is done with it */
struct queries {
	struct pool_job job;
	struct checks_turn turn;
	struct pool *pool;             /* NULL: at once */
	struct checks *checks;         /* counted; NULL: nothing is asked */
	void (*done)(void *owner);
	void *owner;                   /* while it waits; NULL: nobody does */
	size_t next;                   /* item to ask about */
	struct item *v;
	size_t n, cap;
	struct buf text, values, value;
	struct buf said;               /* by tables, for the log: no other thread than the loop's may log */
};
struct queries *queries_new(struct checks *k, struct pool *pool, void (*done)(void *owner));
/* queries_leave - nobody waits for it any more: it is freed, now or when the pool is done */
void queries_leave(struct queries *b);
struct item *queries_add(struct queries *b, enum item_kind kind, enum check_class class, struct str text);
struct str queries_text(const struct queries *b, const struct item *x);
struct str queries_value(const struct queries *b, const struct item *x);
/* queries_ask - the tables about the items that are to be asked; done is called once, maybe before this returns */
void queries_ask(struct queries *b, void *owner);
/* queries_clear - forget the items, and give the memory of many back; what the tables said to the log is logged */
void queries_clear(struct queries *b);
/* queries_memory - bytes held; what the tables say at this moment is not known */
size_t queries_memory(const struct queries *b);

#endif
