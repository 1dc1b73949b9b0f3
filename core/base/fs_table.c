/* fs_table - lookup tables, keys and secrets, opened for reading; see fs.h. */
#include "core/base/fs_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int (*table_opener)(void *ctx, const char *path);
static void *table_opener_ctx;
static void (*table_seen)(void *ctx, const char *path);
static void *table_seen_ctx;

/* is_table - a regular file, or the null device, which is an empty one; whatever else could make its reader wait */
static bool is_table(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	return S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
}

int fs_open_table(const char *path)
{
	int fd;

	if (table_seen)
		table_seen(table_seen_ctx, path);
	fd = fs_open_guarded(path, O_RDONLY, 0);
	if (fd < 0 && table_opener && (errno == EACCES || errno == EPERM))
		fd = table_opener(table_opener_ctx, path);
	if (fd < 0 || is_table(fd))
		return fd;
	fs_abandon(fd);
	return -1;
}

void fs_set_opener(int (*opener)(void *ctx, const char *path), void *ctx)
{
	table_opener = opener;
	table_opener_ctx = ctx;
}

void fs_watch_tables(void (*seen)(void *ctx, const char *path), void *ctx)
{
	table_seen = seen;
	table_seen_ctx = ctx;
}

const char *fs_authorities(void)
{
	static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem" };

	for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]); i++)
		if (access(bundles[i], R_OK) == 0)
			return bundles[i];
	return "";
}
