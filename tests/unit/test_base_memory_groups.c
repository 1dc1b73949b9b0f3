/* How much memory control groups leave, in both versions: the group's own limit, and those of all above it. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fs.h"
#include "core/base/memory.h"
#include "tests/unit/t.h"

#define MIB (1024 * 1024)

/* put - PATH=TEXT pairs, one a word, below root; a path's folders are made */
static void put(const char *root, const char *files)
{
	struct str rest = str_of(files), word, path;
	char name[500];

	while (str_word(&rest, " ", &word)) {
		REQUIRE(str_cut(&word, '=', &path));
		for (size_t i = 1; i < path.n; i++) {
			if (path.p[i] != '/')
				continue;
			snprintf(name, sizeof(name), "%s%.*s", root, (int)i, path.p);
			REQUIRE(fs_mkdir(name, 0700) == 0);
		}
		snprintf(name, sizeof(name), "%s%.*s", root, STR_ARG(path));
		REQUIRE(fs_replace(name, 0600, word) == 0);
	}
}

T(memory_of_groups_is_the_least_of_all_above)
{
	static const struct { const char *membership, *files; size_t want; } rows[] = {
		{ "0::/a/b\n", "/a/b/memory.max=67108864\n", 64 * MIB },
		{ "0::/a/b\n", "/a/b/memory.max=max\n /a/memory.max=33554432\n", 32 * MIB },
		{ "0::/a/b\n", "/a/b/memory.max=67108864\n /a/memory.max=134217728\n", 64 * MIB },
		{ "0::/a/b\n", "/a/b/memory.max=max\n", SIZE_MAX },
		{ "0::/a/b\n", "/a/c/memory.max=1048576\n", SIZE_MAX },
		/* a container: its group is what is mounted, whatever it is called outside */
		{ "0::/\n", "/memory.max=67108864\n", 64 * MIB },
		{ "0::/../../pod7/box\n", "/memory.max=67108864\n", 64 * MIB },
		{ "0::/host/slice/box.scope\n", "/memory.max=67108864\n", 64 * MIB },
		{ "0::/a\n", "/a/memory.max=\n", SIZE_MAX }, { "0::/a\n", "/a/memory.max=-1\n", SIZE_MAX }, { "0::/a\n", "/a/memory.max=0\n", SIZE_MAX },
		{ "", "/memory.max=67108864\n", SIZE_MAX }, { "no colons\n0:\n", "/memory.max=67108864\n", SIZE_MAX },
		/* both: the first version has the memory, the second is mounted beside it */
		{ "4:cpu,memory:/x\n0::/y\n", "/memory/x/memory.limit_in_bytes=67108864\n /unified/y/memory.max=max\n", 64 * MIB },
		{ "4:cpu,memory:/x\n0::/y\n", "/memory/x/memory.limit_in_bytes=9223372036854771712\n /unified/y/memory.max=67108864\n", 64 * MIB },
		{ "4:cpu:/x\n", "/memory/x/memory.limit_in_bytes=67108864\n", SIZE_MAX },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char root[400];

		ROW("%zu %s", i, rows[i].membership);
		snprintf(root, sizeof(root), "%s/%zu", t_tmpdir(), i);
		REQUIRE(fs_mkdir(root, 0700) == 0);
		put(root, rows[i].files);
		CHECK(memory_of_groups(str_of(rows[i].membership), root) == rows[i].want);
	}
	CHECK(memory_of_system() > MIB);
}
