/* memory - how much of it this process holds, and how much it may.
 *
 * Counted in one place, where blocks come from and go back to the C library (mem.c and the TLS library's allocator), so whatever
 * holds them: sessions, the queue's index, answers of DNS, TLS. Blocks that are kept for their next use count, stacks and file
 * mappings do not. */
#ifndef CORE_BASE_MEMORY_H
#define CORE_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/str.h"

size_t memory_used(void);      /* bytes, with what the C library takes beside */
/* memory_count - a block of n bytes came (n > 0) or went; any thread */
void memory_count(ptrdiff_t n);
/* memory_count_here - the calling thread is the one whose counting needs no lock */
void memory_count_here(void);
/* memory_of_system - the least of: the machine's memory, limits of the control groups that the process is in (both versions), its
 * own limits of address space and data. Reads /proc and /sys: before a sandbox is closed */
size_t memory_of_system(void);
/* memory_forget_start - the program's code and constants are no longer mapped, until they are used again: for who has begun and waits */
void memory_forget_start(void);
/* memory_group_path - of /proc/self/cgroup's text: the path in the unified hierarchy, or in v1's of `controller`; false: none */
bool memory_group_path(struct str text, const char *controller, struct str *path);
/* memory_of_groups - the least limit of those groups and of all above them, below root, where they are mounted; SIZE_MAX: none */
size_t memory_of_groups(struct str text, const char *root);

#endif
