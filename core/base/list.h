/* list - intrusive doubly linked ring. The head is a node of its own; an unlinked node points at itself. */
#ifndef CORE_BASE_LIST_H
#define CORE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define LIST_ITEM(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))
/* safe against removal of `it` while walking */
#define LIST_EACH(head, it, tmp) \
	for (struct list *it = (head)->next, *tmp = it->next; it != (head); it = tmp, tmp = it->next)

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_is_empty(const struct list *l) { return l->next == l; }
static inline void list_insert_after(struct list *at, struct list *n)
{
	n->prev = at;
	n->next = at->next;
	at->next->prev = n;
	at->next = n;
}
static inline void list_push(struct list *head, struct list *n) { list_insert_after(head, n); }        /* at the front */
static inline void list_append(struct list *head, struct list *n) { list_insert_after(head->prev, n); } /* at the end */
static inline void list_remove(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}
/* list_append_all - all of `from` to the end of `head`, in order; `from` is empty then */
static inline void list_append_all(struct list *head, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = head->prev;
	head->prev->next = from->next;
	from->prev->next = head;
	head->prev = from->prev;
	list_init(from);
}
static inline struct list *list_first(struct list *head) { return list_is_empty(head) ? NULL : head->next; }

#endif
