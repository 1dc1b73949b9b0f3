/* relr - the first instructions of the released binary: put the load address into the pointers of its tables.
 *
 * A position-independent file lists every pointer in its data. The packed list (DT_RELR) takes a bit for each where the
 * plain one takes 24 bytes, which is 60 kB of this binary; but musl before 1.2.4 does not read it when there is no dynamic
 * loader. So the entry point is here, and musl's own comes after. The list is marked as empty when it is done: a newer musl
 * finds nothing to do. No function may be called and no stack guard be looked at before that.
 *
 * Only where the linker packs (core/deps/toolchain); elsewhere nothing refers to this file and it is not linked. */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "core/base/mem.h"
#include "core/libc/relr.h"

#define INLINE static inline __attribute__((always_inline))

/* advise - madvise(2) */
#ifdef __x86_64__
__asm__(".text\n.globl relr_start\n.type relr_start, @function\nrelr_start:\n\tendbr64\n\tcall relr_apply\n\tjmp _start\n");
INLINE void advise(uintptr_t at, size_t n, long advice)
{
	long r = SYS_madvise;

	__asm__ volatile("syscall" : "+a"(r) : "D"(at), "S"(n), "d"(advice) : "rcx", "r11", "memory");
}
#else
#ifdef __aarch64__
__asm__(".text\n.globl relr_start\n.type relr_start, %function\nrelr_start:\n\tbl relr_apply\n\tb _start\n");
INLINE void advise(uintptr_t at, size_t n, long advice)
{
	register long x0 __asm__("x0") = (long)at, x1 __asm__("x1") = (long)n, x2 __asm__("x2") = advice, x8 __asm__("x8") = SYS_madvise;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x8) : "memory");
}
#else
INLINE void advise(uintptr_t at, size_t n, long advice) { }
#endif
#endif

enum { TAG_RELR_SIZE = 35, TAG_RELR = 36, BITS = 63 };
#define PAGE ((uintptr_t)4095)

/* both are the linker's; hidden, so that their addresses need no table either */
extern Elf64_Dyn _DYNAMIC[] __attribute__((visibility("hidden")));
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

/* populate - the pages of what may be written become ours at once, which is less than a fault for each; an older kernel does nothing */
INLINE void populate(uintptr_t base)
{
	const Elf64_Ehdr *file = (const void *)base;

	for (const Elf64_Phdr *h = (const void *)(base + file->e_phoff), *end = h + file->e_phnum; h < end; h++)
		if (h->p_type == PT_LOAD && h->p_flags & PF_W)
			advise((base + h->p_vaddr) & ~PAGE, (h->p_vaddr & PAGE) + h->p_filesz, MEM_POPULATE_WRITE);
}

/* an even word: the address of a pointer; an odd one: which of the next 63 words are pointers, too */
__attribute__((used, no_stack_protector)) void relr_apply(void)
{
	uintptr_t base = (uintptr_t)__ehdr_start, *where = NULL;
	const uint64_t *list = NULL;
	size_t n = 0;

	populate(base);
	for (Elf64_Dyn *d = _DYNAMIC; d->d_tag; d++) {
		if (d->d_tag == TAG_RELR)
			list = (const uint64_t *)(base + d->d_un.d_ptr);
		if (d->d_tag == TAG_RELR_SIZE) {
			n = d->d_un.d_val / sizeof(*list);
			d->d_un.d_val = 0;
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (!(list[i] & 1)) {
			where = (uintptr_t *)(base + list[i]);
			*where++ += base;
			continue;
		}
		for (uint64_t rest = list[i] >> 1; rest; rest &= rest - 1)
			where[__builtin_ctzll(rest)] += base;
		where += BITS;
	}
}
