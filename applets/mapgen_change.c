/* mapgen_change - see mapgen_change.h. */
#include "applets/mapgen_change.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/mapgen_query.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/rights.h"
#include "core/map/map.h"

static void on_warn(void *ctx, const char *file, unsigned line, const char *text)
{
	struct mapgen_change *s = ctx;

	if (s->shown)
		fputs("\r\033[K", stderr);
	s->shown = false;
	if (line)
		applet_fail(0, "warning: %s, line %u: %s", file, line, text);
	else
		applet_fail(0, "warning: %s: %s", file, text);
}

static void on_progress(void *ctx, size_t entries, size_t done, size_t total)
{
	struct mapgen_change *s = ctx;
	unsigned percent = total ? (unsigned)(done * 100 / total) : 100;

	if (!s->terminal || clock_mono() - s->began < USEC_PER_SEC / 2)
		return;
	fprintf(stderr, "\r%s: %3u %% [%-20.*s] %zu entries", applet_name(), percent, (int)(percent / 5),
		"====================", entries);
	s->shown = true;
}

/* become_owner - as root, write with the rights of the source's owner: a hostile folder then gains nobody anything */
static int become_owner(const char *name)
{
	struct stat st;

	if (stat(name, &st) == 0 && rights_become(st.st_uid, st.st_gid) < 0)
		return applet_fail(EX_OSERR, "cannot become the owner of %s: %s; -o keeps root's rights", name, strerror(errno));
	return EX_OK;
}

/* warn_of_folder - root's own rights, in a folder in which somebody else gives the names */
static void warn_of_folder(const char *name)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(name, '/');
	struct stat st;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - name) + 1 : 1, slash ? name : ".");
	if (geteuid() != 0 || stat(folder, &st) < 0)
		return;
	if (st.st_uid != 0)
		applet_fail(0, "warning: %s belongs to uid %u, who can change what is built there: links in it are not followed", folder,
			(unsigned)st.st_uid);
	else if (st.st_mode & (S_IWGRP | S_IWOTH) && !(st.st_mode & S_ISVTX))
		applet_fail(0, "warning: %s can be written by others, who can change what is built there: links in it are not followed", folder);
}

static int delete(struct mapgen_change *s, const char *name, struct mapgen_report *r, struct buf *why)
{
	struct buf text;
	struct str rest, line, *keys = NULL;
	size_t n = 0, cap = 0;
	int result;

	buf_init(&text, LIMIT_MAP_TEXT);
	if (strcmp(s->remove, "-") != 0)
		buf_z(&text, s->remove);
	else if (fs_read_fd(STDIN_FILENO, &text) < 0)
		buf_printf(why, "cannot read standard input: %s", strerror(errno));
	rest = buf_view(&text);
	while (str_cut(&rest, '\n', &line)) {
		if (n == cap) {
			cap = cap ? cap * 2 : 16;
			keys = mem_array(keys, cap, sizeof(*keys));
		}
		keys[n++] = str_trim(line);
	}
	result = why->n ? -1 : mapgen_delete(name, keys, n, &s->build, r, why);
	mem_free(keys);
	buf_fini(&text);
	return result;
}

static int update(struct mapgen_change *s, const char *name, struct mapgen_report *r, struct buf *why)
{
	struct buf text;
	int result = -1;

	buf_init(&text, LIMIT_MAP_TEXT);
	if (fs_read_fd(STDIN_FILENO, &text) < 0)
		buf_printf(why, "cannot read standard input: %s", strerror(errno));
	else
		result = mapgen_update(name, buf_view(&text), &s->build, r, why);
	buf_fini(&text);
	return result;
}

int mapgen_change(struct mapgen_change *s, const char *spec)
{
	struct str type;
	const char *name;
	struct mapgen_report r;
	struct buf why;
	int result, code = EX_OK;

	mapgen_split(spec, &type, &name);
	if (!map_is_type(type))
		return applet_fail(EX_USAGE, "%s: unsupported map type \"%.*s\"", spec, STR_ARG(type));
	if (!mapgen_is_indexed(type))
		return applet_fail(EX_USAGE, "a table of type %.*s is not built: it is read as it is", STR_ARG(type));
	if (!s->own_rights && become_owner(name))
		return EX_OSERR;
	warn_of_folder(name);
	s->terminal = isatty(STDERR_FILENO);
	s->build.warn = on_warn;
	s->build.progress = on_progress;
	s->build.ctx = s;
	buf_init(&why, LIMIT_REPLY_TEXT);
	s->began = clock_mono();
	result = s->remove ? delete(s, name, &r, &why) : s->update ? update(s, name, &r, &why) :
		mapgen_build(name, &s->build, &r, &why);
	if (s->shown)
		fputs("\r\033[K", stderr);
	s->shown = false;
	if (result < 0)
		code = applet_fail(EX_CANTCREAT, "%s", buf_cstr(&why));
	else if (s->remove)
		code = r.deleted ? EX_OK : 1;
	if (result == 0 && s->verbose)
		applet_fail(0, "%s.cdb: %zu entries, %zu duplicates, %zu unusable, %zu deleted, %.2f s", name, r.entries,
			r.duplicates, r.unusable, r.deleted, (double)(clock_mono() - s->began) / USEC_PER_SEC);
	buf_fini(&why);
	if (rights_back() < 0)
		die("cannot take root's rights again: %s", strerror(errno));
	return code;
}
