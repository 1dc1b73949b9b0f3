/* memory_start - the program's own pages that only its start needed. The kernel maps what was read of the file around each page that is
 * used, sixteen at a time; what stays in use comes back from its cache at the next touch, and nothing is read again from a disk. */
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/memory.h"

static void forget_part(uintptr_t from, uintptr_t to, uintptr_t page)
{
	from &= ~(page - 1);
	to = (to + page - 1) & ~(page - 1);
	(void)madvise((void *)from, to - from, MADV_DONTNEED);
}

static int forget(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	/* not what may be written to: such a page would come back as it is in the file */
	for (const ElfW(Phdr) *h = info->dlpi_phdr; h < info->dlpi_phdr + info->dlpi_phnum; h++)
		if (h->p_type == PT_LOAD && !(h->p_flags & PF_W))
			forget_part(info->dlpi_addr + h->p_vaddr, info->dlpi_addr + h->p_vaddr + h->p_memsz, *(uintptr_t *)ctx);
	return 1;       /* libraries beside it, where there are any, are others' too */
}

void memory_forget_start(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	dl_iterate_phdr(forget, &page);
}
