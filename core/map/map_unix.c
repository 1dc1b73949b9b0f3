/* map_unix - unix:passwd.byname and unix:group.byname: the host's accounts as tables, with a line of passwd(5) or group(5) as value.
 * Asked anew each time, so that nothing has to be reloaded. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/map/map_type.h"

static enum map_answer said(int error, bool found)
{
	return found ? MAP_FOUND : !error || error == ENOENT ? MAP_NONE : MAP_ERROR;
}

static enum map_answer find_passwd(const char *name, struct buf *out)
{
	char text[LIMIT_USER_ENTRY];
	struct passwd pw, *found = NULL;
	int error = getpwnam_r(name, &pw, text, sizeof(text), &found);

	if (found)
		buf_printf(out, "%s:x:%u:%u:%s:%s:%s", pw.pw_name, (unsigned)pw.pw_uid, (unsigned)pw.pw_gid, pw.pw_gecos, pw.pw_dir,
			pw.pw_shell);
	return said(error, found);
}

static enum map_answer find_group(const char *name, struct buf *out)
{
	char text[LIMIT_USER_ENTRY];
	struct group gr, *found = NULL;
	int error = getgrnam_r(name, &gr, text, sizeof(text), &found);

	if (!found)
		return said(error, false);
	buf_printf(out, "%s:x:%u:", gr.gr_name, (unsigned)gr.gr_gid);
	for (size_t i = 0; gr.gr_mem[i]; i++)
		buf_printf(out, "%s%s", i ? "," : "", gr.gr_mem[i]);
	return MAP_FOUND;
}

static const struct unix_table {
	const char *name;
	enum map_answer (*find)(const char *name, struct buf *out);
} tables[] = {
	{ "passwd.byname", find_passwd }, { "group.byname", find_group },
};

static void *unix_open(const struct map_args *args, struct buf *why)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (!strcmp(args->name, tables[i].name))
			return (void *)(uintptr_t)&tables[i];
	map_fail(args, why, "there are unix:passwd.byname and unix:group.byname");
	return NULL;
}

static enum map_answer unix_find(void *state, struct str key, struct buf *out)
{
	const struct unix_table *table = state;
	char name[LIMIT_USER_NAME];

	if (!key.n || key.n >= sizeof(name) || memchr(key.p, 0, key.n) || memchr(key.p, '/', key.n))
		return MAP_NONE;
	memcpy(name, key.p, key.n);
	name[key.n] = 0;
	return table->find(name, out);
}

static void unix_close(void *state)
{
	(void)state;
}

const struct map_type map_type_unix = { "unix", MAP_FOLDS, unix_open, unix_find, NULL, NULL, NULL, unix_close, NULL };
