/* aliases and the lists that they include, both made of the input: expansion ends within its bounds, its targets are what they are said to be,
 * and the check that mapgen does ends, too */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/conf/conf_private.h"
#include "core/map/aliascheck.h"
#include "core/map/source.h"
#include "core/msg/alias_text.h"
#include "core/route/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void on_slip(void *ctx, const char *file, unsigned line, const char *text)
{
	(void)ctx;
	(void)file;
	(void)line;
	if (!*text)
		abort();
}

/* the input as lines of an :include: file, element by element: what is no element is told as such, and the text ends */
static void elements(struct str text)
{
	struct str rest = text, line;
	struct alias_target t;
	unsigned number = 0;
	struct arena a;

	while (alias_text_line(&rest, &number, &line)) {
		arena_init(&a, LIMIT_SESSION_ARENA);
		for (size_t most = line.n + 1; alias_text_next(&a, &line, &t); most--)
			if (!most || t.kind == ALIAS_USER || (t.kind == ALIAS_FILE && (!t.text.n || t.text.p[0] != '/')))
				abort();
		arena_fini(&a);
	}
}

/* targets - the aliases of a table whose list is that table itself */
static void targets(const char *spec)
{
	static const char *const names[] = { "root", "list", "a", "b", "postmaster" };
	static struct master none;
	char text[400];
	struct conf_diag diag;
	struct alias_target *v;
	struct router *r;
	struct str owner;
	struct conf *c;
	size_t count;
	struct arena a;

	snprintf(text, sizeof(text), "myhostname = a.test\nmynetworks = 127.0.0.0/8\nmydestination = a.test\nrelay_domains =\nalias_maps = %s\n", spec);
	conf_diag_init(&diag);
	c = conf_from_text(str_of(text), "/nowhere", &diag);
	if (c && master_load(c, &none, &diag) == 0 && (r = router_new(c, &none, &diag))) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			arena_init(&a, 2 * LIMIT_SESSION_ARENA);
			v = NULL;
			count = 0;
			if (alias_expand(r, &a, str_of(names[i]), &v, &count, &owner) == MAP_FOUND)
				for (size_t k = 0; k < count; k++)
					if (v[k].kind == ALIAS_INCLUDE || v[k].kind == ALIAS_BAD || count > LIMIT_ALIAS_TARGETS)
						abort();
			arena_fini(&a);
		}
		router_free(r);
	}
	master_fini(&none);
	none = (struct master){ .n_listeners = 0 };
	if (c)
		conf_free(c);
	conf_diag_fini(&diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char list[] = "list: :include:%s, a\n";
	static int file = -1;
	char name[64], spec[100], first[100];
	int length;

	if (file < 0) {
		struct log_config quiet = { .sink = LOG_TO_NOTHING };

		log_open(&quiet);
		file = memfd_create("aliases", MFD_CLOEXEC);
	}
	if (file < 0 || n > 4096)
		return 0;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	length = snprintf(first, sizeof(first), list, name);
	if (ftruncate(file, 0) < 0 || pwrite(file, first, (size_t)length, 0) != length || (n && pwrite(file, data, n, length) != (ssize_t)n))
		abort();
	elements(str_make((const char *)data, n));
	aliascheck_file(name, on_slip, NULL);
	snprintf(spec, sizeof(spec), "texthash:%s", name);
	targets(spec);
	return 0;
}
