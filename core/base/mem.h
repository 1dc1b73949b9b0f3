/* mem - allocation that succeeds or ends the process.
 *
 * Everything that a peer can make grow is bounded by core/base/limits.h, so running out means that the host has no
 * memory left; the queue on disk is what makes dying safe. */
#ifndef CORE_BASE_MEM_H
#define CORE_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t n);                             /* zeroed */
void *mem_realloc(void *p, size_t n);                  /* new bytes are not zeroed */
void *mem_array(void *p, size_t count, size_t size);   /* realloc with an overflow check */
char *mem_dupz(const char *z);
void mem_free(void *p);
/* mem_cache - from now on this thread keeps some of what it frees for its next needs; one thread of a process may */
void mem_cache(void);
/* mem_brief - this process does one thing and ends: its first blocks come from a region that nothing is given back to. At the start, once */
void mem_brief(void);
void mem_trim(void);                                   /* give what this thread keeps back to the system; call when idle */
/* mem_expect_random - a large block will be read here and there: large pages spare faults now and look-ups of pages later */
void mem_expect_random(void *p, size_t n);
#define MEM_POPULATE_WRITE 23  /* of madvise, Linux 5.14: touch pages for writing; headers of a C library may not name it */
void mem_wipe(void *p, size_t n);                      /* forget a secret; never optimised away */
void mem_free_secret(char *z);                         /* wiped, then freed; NULL: nothing */
#define MEM_NEW(type) ((type *)mem_alloc(sizeof(type)))

/* die - say why on stderr and end with EX_OSERR; only for what cannot happen on a working host */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* bug - a promise between modules is broken: say where and abort */
_Noreturn void bug_at(const char *file, int line, const char *what);
#define BUG(what) bug_at(__FILE__, __LINE__, (what))

#endif
