/* the privileged helper's protocol: an order made of any bytes (with a good one as its ground, so that single fields are bad) is refused, or
 * every field of it stays in its place: names in their folder, texts whole lines that begin no message of their own (threats F1, F3) */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/deliver/local/helper_order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void must_be_name(const char *p, size_t size)
{
	must(memchr(p, 0, size) && *p && *p != '.' && !strchr(p, '/'));
}

static void must_be_lines(const char *p, size_t size, bool one)
{
	size_t n = strnlen(p, size), lines = 0;

	must(n < size);
	for (size_t i = 0; i < n; i++) {
		must((unsigned char)p[i] >= ' ' || p[i] == '\n' || p[i] == '\t');
		lines += p[i] == '\n';
		/* no line but a first one of its own begins a message in an mbox, none ends the header */
		must(one || strncmp(p + i, "From ", 5) != 0 || (i > 0 && p[i - 1] != '\n'));
		must(one || p[i] != '\n' || (i > 0 && p[i - 1] != '\n'));
	}
	must(!one || (lines == 1 && !strncmp(p, "From ", 5)));
	must(n == 0 || p[n - 1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int content = -1;
	struct mailbox_order o = { .user = "user", .path = "/var/mail/user", .unique = "1.M2P3", .from_line = "From a@b.test Mon Jan  1 00:00:00 2024\n",
		.prefix = "Return-Path: <a@b.test>\n", .length = 10, .header_fd = -1 };
	char *bytes = (char *)&o;

	if (content < 0 && ((content = memfd_create("content", 0)) < 0 || ftruncate(content, 1000) < 0))
		abort();
	/* pieces of the input overwrite pieces of the order: where (two bytes), how many (one), what */
	while (n > 3) {
		size_t at = (data[0] | (size_t)data[1] << 8) % sizeof(o), length = data[2];

		data += 3;
		n -= 3;
		length = length > n ? n : length;
		length = length > sizeof(o) - at ? sizeof(o) - at : length;
		memcpy(bytes + at, data, length);
		data += length;
		n -= length;
	}
	o.header_fd = o.header_length ? content : -1;
	if (!helper_order_is_good(&o, content))
		return 0;
	must_be_name(o.user, sizeof(o.user));
	must_be_name(o.unique, sizeof(o.unique));
	must(memchr(o.path, 0, sizeof(o.path)) != NULL);
	must_be_lines(o.from_line, sizeof(o.from_line), true);
	must_be_lines(o.prefix, sizeof(o.prefix), false);
	must(o.offset <= 1000 && o.length <= 1000 - o.offset);
	must(!o.header_length || (o.header_offset <= 1000 && o.header_length <= 1000 - o.header_offset));
	return 0;
}
