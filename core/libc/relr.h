/* relr - see relr.c. Nobody calls this: the linker makes it the entry point. */
#ifndef CORE_LIBC_RELR_H
#define CORE_LIBC_RELR_H

void relr_apply(void);

#endif
