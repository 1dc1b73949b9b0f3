/* drive - preloaded into smartd: any file is an NVMe drive in good health, which no machine of the tests has. It answers what
 * smartd asks: the namespace, who the drive is, and its (all zero) log. */
#include <dlfcn.h>
#include <linux/nvme_ioctl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

enum { IDENTIFY = 6, IDENTIFY_LENGTH = 4096, SERIAL_AT = 4 };

int ioctl(int fd, unsigned long request, ...)
{
	static int (*real)(int, unsigned long, ...);
	struct nvme_passthru_cmd *c;
	va_list ap;
	char *p;

	va_start(ap, request);
	c = va_arg(ap, void *);
	va_end(ap);
	if (request == NVME_IOCTL_ID)
		return 1;
	if (request == NVME_IOCTL_ADMIN_CMD) {
		p = (char *)(uintptr_t)c->addr;
		memset(p, 0, c->data_len);
		/* serial number, model, firmware: 20, 40 and 8 bytes */
		if (c->opcode == IDENTIFY && c->data_len == IDENTIFY_LENGTH)
			memcpy(p + SERIAL_AT, "SERIAL-1            A drive of the test                     1.0     ", 68);
		return 0;
	}
	if (!real)
		real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	return real(fd, request, c);
}
