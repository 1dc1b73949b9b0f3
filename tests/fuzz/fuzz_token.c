/* token files, and passwords that name one: what comes out is a token without control bytes or blanks, or there is a reason */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/smtp/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int file = -1;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str secret, password = str_make((const char *)data, n);
	struct buf out, why;
	char name[64];

	if (file < 0)
		file = memfd_create("token", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, 0) < 0 || (n && pwrite(file, data, n, 0) != (ssize_t)n))
		abort();
	snprintf(name, sizeof(name), "file:/proc/self/fd/%d", file);
	buf_init(&out, LIMIT_SASL_RESPONSE);
	buf_init(&why, 1000);
	if (!token_find("XOAUTH2", str_of(name), &out, &secret, &why)) {
		if (!why.n)
			abort();
	} else {
		if (!secret.n)
			abort();
		for (size_t i = 0; i < secret.n; i++)
			if ((unsigned char)secret.p[i] <= ' ' || (unsigned char)secret.p[i] >= 127)
				abort();
	}
	/* a password of another mechanism is none */
	if (!token_find("PLAIN", password, &out, &secret, &why) || !str_eq(secret, password))
		abort();
	buf_fini(&out);
	buf_fini(&why);
	return 0;
}
