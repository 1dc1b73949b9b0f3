/* helper_order - see helper_order.h. */
#include "core/deliver/local/helper_order.h"

#include <string.h>
#include <sys/stat.h>

/* is_name - a file or user name that stays in its folder */
static bool is_name(const char *p, size_t size)
{
	return memchr(p, 0, size) && *p && *p != '.' && !strchr(p, '/');
}

/* is_text - lines that end in LF, with no other control characters but tab; none begins like an mbox message */
static bool is_text(const char *p, size_t size, bool from_line)
{
	size_t n = strnlen(p, size), lines = 0;

	if (n == size || (n && p[n - 1] != '\n'))
		return false;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)p[i] < ' ' && p[i] != '\n' && p[i] != '\t')
			return false;
		lines += p[i] == '\n';
	}
	if (from_line)
		return lines == 1 && !strncmp(p, "From ", 5);
	return strncmp(p, "From ", 5) && !strstr(p, "\nFrom ") && p[0] != '\n' && !strstr(p, "\n\n");
}

/* is_part - a file that holds what the order says; a pipe would be waited for */
static bool is_part(int fd, uint64_t offset, uint64_t length)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && offset <= (uint64_t)st.st_size &&
		length <= (uint64_t)st.st_size - offset;
}

static bool is_content(int fd, const struct mailbox_order *o)
{
	return is_part(fd, o->offset, o->length) && (!o->header_length || is_part(o->header_fd, o->header_offset, o->header_length));
}

bool helper_order_is_good(const struct mailbox_order *o, int content)
{
	return is_name(o->user, sizeof(o->user)) && is_name(o->unique, sizeof(o->unique)) && memchr(o->path, 0, sizeof(o->path)) &&
		is_text(o->from_line, sizeof(o->from_line), true) && is_text(o->prefix, sizeof(o->prefix), false) && is_content(content, o);
}
