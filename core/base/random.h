/* random - bytes from the kernel (getrandom), never from a file. Cannot fail. */
#ifndef CORE_BASE_RANDOM_H
#define CORE_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *p, size_t n);
uint32_t random_u32(void);
uint32_t random_below(uint32_t bound);                 /* uniform in [0, bound); bound > 0 */

#endif
