/* landlock - see landlock.h. */
#include "core/base/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/fs.h"

/* the same numbers on every architecture */
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
enum { RULE_PATH = 1, RULE_PORT = 2, ASK_VERSION = 1 };
/* of abstract unix sockets and signals: other processes cannot be reached */
#define SCOPES 3u
#define TCP (LANDLOCK_TCP_BIND | LANDLOCK_TCP_CONNECT)
/* what a file that is no folder can give */
#define OF_FILES (LANDLOCK_EXECUTE | LANDLOCK_WRITE | LANDLOCK_READ | LANDLOCK_TRUNCATE | LANDLOCK_DEVICE)
#define FIRST_RIGHTS ((1u << 13) - 1)
#define LEAST 2

struct ruleset_attr { uint64_t files, tcp, scopes; };
struct path_attr { uint64_t rights; int32_t parent; } __attribute__((packed));
struct port_attr { uint64_t tcp, port; };

/* what each version of the interface brought, and what the kernels before it lack */
static const struct version {
	int number;
	unsigned files, tcp, scopes;
	const char *word;
} versions[] = {
	{ 2, FIRST_RIGHTS | LANDLOCK_MOVE, 0, 0, "files" },
	{ 3, LANDLOCK_TRUNCATE, 0, 0, "truncating" },
	{ 4, 0, TCP, 0, "TCP ports" },
	{ 5, LANDLOCK_DEVICE, 0, 0, "ioctl of devices" },
	{ 6, 0, 0, SCOPES, "signals and abstract sockets" },
};
#define N_VERSIONS (sizeof(versions) / sizeof(versions[0]))

static int version_here(void)
{
	return (int)syscall(CREATE_RULESET, NULL, 0, ASK_VERSION);
}

static struct ruleset_attr known_to(int version)
{
	struct ruleset_attr a = { 0, 0, 0 };

	for (size_t i = 0; i < N_VERSIONS && versions[i].number <= version; i++) {
		a.files |= versions[i].files;
		a.tcp |= versions[i].tcp;
		a.scopes |= versions[i].scopes;
	}
	return a;
}

/* size_for - of the structure as that version knows it; a larger one is refused where its end is not empty */
static size_t size_for(const struct ruleset_attr *a)
{
	return a->scopes ? sizeof(*a) : a->tcp ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

int landlock_begin(struct landlock *l, unsigned tcp)
{
	int version = version_here();
	struct ruleset_attr a = known_to(version);

	*l = (struct landlock){ .fd = -1, .files = (unsigned)a.files, .tcp = (unsigned)a.tcp & tcp };
	errno = version > 0 && version < LEAST ? EPROTONOSUPPORT : errno;
	if (version < LEAST)
		return -1;
	a.tcp = l->tcp;
	l->fd = (int)syscall(CREATE_RULESET, &a, size_for(&a), 0);
	return l->fd < 0 ? -1 : 0;
}

static void note(struct landlock *l, long result)
{
	if (result != 0 && !l->error)
		l->error = errno;
}

void landlock_allow(struct landlock *l, const char *path, unsigned rights)
{
	struct path_attr rule = { .parent = fs_open(path, O_PATH, 0) };
	struct stat st;

	if (rule.parent < 0) {
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			note(l, -1);
		return;
	}
	rule.rights = rights & l->files;
	if (fstat(rule.parent, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.rights &= OF_FILES;
	if (rule.rights)
		note(l, syscall(ADD_RULE, l->fd, RULE_PATH, &rule, 0));
	close(rule.parent);
}

static void allow_parent(struct landlock *l, const char *file, unsigned rights)
{
	const char *slash = strrchr(file, '/');
	char path[PATH_MAX];
	size_t n = slash && slash != file ? (size_t)(slash - file) : strlen(file);

	if (n >= sizeof(path))
		return;
	memcpy(path, file, n);
	path[n] = '\0';
	landlock_allow(l, path, rights);
}

void landlock_allow_folder(struct landlock *l, const char *file, unsigned rights)
{
	char real[PATH_MAX];

	allow_parent(l, file, rights);
	if (realpath(file, real) && strcmp(real, file) != 0)
		allow_parent(l, real, rights);
}

void landlock_allow_port(struct landlock *l, unsigned tcp, uint16_t port)
{
	struct port_attr rule = { tcp & l->tcp, port };

	if (rule.tcp)
		note(l, syscall(ADD_RULE, l->fd, RULE_PORT, &rule, 0));
}

int landlock_close(struct landlock *l)
{
	if (!l->error)
		note(l, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (!l->error)
		note(l, syscall(RESTRICT_SELF, l->fd, 0));
	close(l->fd);
	errno = l->error;
	return l->error ? -1 : 0;
}

void landlock_lacks(struct buf *out, bool tcp)
{
	int version = version_here();

	for (size_t i = 0; i < N_VERSIONS; i++)
		if (versions[i].number > version && (tcp || !versions[i].tcp))
			buf_printf(out, "%s%s", out->n ? ", " : "", versions[i].word);
}
