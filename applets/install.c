/* install - see install.h. */
#include "applets/install.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/base/format.h"
#include "core/base/fs.h"

struct install {
	const char *dir;
	char self[4096];       /* the binary, an absolute path */
	char target[4096];     /* what symbolic links say */
	bool symbolic, replace;
};

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* is_itself - the binary may have the name of an applet */
static bool is_itself(const struct install *in, const char *name)
{
	char home[sizeof(in->self)];

	snprintf(home, sizeof(home), "%.*s.", (int)(fs_name(in->self) - in->self), in->self);
	return !strcmp(name, fs_name(in->self)) && is_same_file(in->dir, home);
}

static int install_one(void *ctx, const char *name)
{
	const struct install *in = ctx;
	char path[4096];

	if (is_itself(in, name))
		return 0;
	if (snprintf(path, sizeof(path), "%s/%s", in->dir, name) >= (int)sizeof(path))
		return applet_fail(EX_CANTCREAT, "cannot install into %s: the path is too long", in->dir);
	if ((in->replace || is_same_file(path, in->self)) && fs_unlink(path) < 0 && errno != ENOENT)
		return applet_fail(EX_CANTCREAT, "cannot replace %s: %s", path, strerror(errno));
	if ((in->symbolic ? symlink(in->target, path) : fs_link(in->self, path)) < 0)
		return applet_fail(EX_CANTCREAT, "cannot make %s: %s%s", path, strerror(errno),
			errno == EEXIST ? "; -f replaces it" : errno == EXDEV ? "; -s makes symbolic links" : "");
	return 0;
}

/* uninstall_one - only what is this binary by another name */
static int uninstall_one(void *ctx, const char *name)
{
	const struct install *in = ctx;
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", in->dir, name) >= (int)sizeof(path) || !is_same_file(path, in->self))
		return 0;
	if (is_itself(in, name) || fs_unlink(path) == 0)
		return 0;
	return applet_fail(EX_CANTCREAT, "cannot remove %s: %s", path, strerror(errno));
}

/* find_self - where this binary is; false: said */
static bool find_self(struct install *in, const char *argv0)
{
	ssize_t n = readlink("/proc/self/exe", in->self, sizeof(in->self) - 1);

	if (n < 0 && strchr(argv0, '/'))
		n = snprintf(in->self, sizeof(in->self), "%s", argv0);
	if (n >= 0 && n < (ssize_t)sizeof(in->self))
		return true;
	applet_fail(0, "cannot tell where this binary is: /proc is not mounted; call it by its full path");
	return false;
}

int uninstall_names(names_fn each, const char *dir, const char *argv0)
{
	struct install in = { .dir = dir };
	char beside[sizeof(in.self)];

	if (!find_self(&in, argv0))
		return EX_OSERR;
	snprintf(beside, sizeof(beside), "%.*s.", (int)(fs_name(in.self) - in.self), in.self);
	in.dir = dir ? dir : beside;
	return each(uninstall_one, &in);
}

int install_names(names_fn each, const char *dir, bool symbolic, bool replace, const char *argv0)
{
	struct install in = { .dir = dir, .symbolic = symbolic, .replace = replace };
	char beside[4096];

	if (!find_self(&in, argv0))
		return EX_OSERR;
	/* a link beside the binary stays right when the folder is moved */
	format_text(beside, sizeof(beside), "%s/%s", dir, fs_name(in.self));
	format_text(in.target, sizeof(in.target), "%s", is_same_file(beside, in.self) ? fs_name(in.self) : in.self);
	return each(install_one, &in);
}
