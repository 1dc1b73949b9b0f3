/* memory_system - how much memory this process may have, as far as the system tells. */
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/memory.h"

static void lower(size_t *most, uint64_t n)
{
	if (n && n < *most)
		*most = (size_t)n;
}

bool memory_group_path(struct str text, const char *controller, struct str *path)
{
	struct str line;

	/* "0::/path", or "4:memory,x:/path" */
	while (str_cut(&text, '\n', &line)) {
		struct str rest = line, id, list, word;

		if (!str_cut(&rest, ':', &id) || !str_cut(&rest, ':', &list))
			continue;
		if (!*controller && !list.n) {
			*path = rest;
			return true;
		}
		while (*controller && str_word(&list, ",", &word))
			if (str_eq(word, str_of(controller))) {
				*path = rest;
				return true;
			}
	}
	return false;
}

/* lower_by_file - a number in a file; "max" and what cannot be read are none */
static void lower_by_file(size_t *most, const char *path)
{
	struct buf text;
	uint64_t n;

	buf_init(&text, LIMIT_GROUP_FILE);
	if (fs_read_file(path, &text) == 0 && str_to_u64(str_trim(buf_view(&text)), &n))
		lower(most, n);
	buf_fini(&text);
}

/* lower_by_groups - the group's own limit and those of all above it. In a container the group is the root of what is mounted */
static void lower_by_groups(size_t *most, const char *mount, struct str path, const char *file)
{
	char name[4096];

	for (;;) {
		ptrdiff_t slash;

		if (snprintf(name, sizeof(name), "%s%.*s/%s", mount, STR_ARG(path), file) < (int)sizeof(name))
			lower_by_file(most, name);
		slash = str_rchr(path, '/');
		if (slash < 0 || path.n == 0)
			return;
		path = str_head(path, (size_t)slash);
	}
}

static void lower_by_limit(size_t *most, int resource)
{
	struct rlimit r;

	if (getrlimit(resource, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
		lower(most, r.rlim_cur);
}

size_t memory_of_groups(struct str text, const char *root)
{
	static const struct { const char *controller, *mount, *file; } rows[] = {
		{ "", "", "memory.max" }, { "", "/unified", "memory.max" }, { "memory", "/memory", "memory.limit_in_bytes" },
	};
	size_t most = SIZE_MAX;
	char mount[4096];
	struct str path;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (memory_group_path(text, rows[i].controller, &path) &&
		    snprintf(mount, sizeof(mount), "%s%s", root, rows[i].mount) < (int)sizeof(mount))
			lower_by_groups(&most, mount, path, rows[i].file);
	return most;
}

size_t memory_of_system(void)
{
	size_t most = SIZE_MAX;
	struct sysinfo machine;
	struct buf text;

	if (sysinfo(&machine) == 0)
		lower(&most, (uint64_t)machine.totalram * machine.mem_unit);
	lower_by_limit(&most, RLIMIT_AS);
	lower_by_limit(&most, RLIMIT_DATA);
	buf_init(&text, LIMIT_GROUP_FILE);
	if (fs_read_file("/proc/self/cgroup", &text) == 0)
		lower(&most, memory_of_groups(buf_view(&text), "/sys/fs/cgroup"));
	buf_fini(&text);
	return most;
}
