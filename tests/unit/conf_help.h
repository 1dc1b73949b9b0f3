/* conf_help - a configuration directory of a test's own, and what loading it says. */
#ifndef TESTS_UNIT_CONF_HELP_H
#define TESTS_UNIT_CONF_HELP_H

#include <stdio.h>

#include "core/base/fs.h"
#include "core/conf/conf_private.h"
#include "tests/unit/t.h"

static struct conf_diag diag;

static const char *dir_with(const char *main_cf, const char *master_cf)
{
	static char dir[300];
	static unsigned n;
	char path[400];

	snprintf(dir, sizeof(dir), "%s/%u", t_tmpdir(), n++);
	fs_mkdir(dir, 0700);
	snprintf(path, sizeof(path), "%s/main.cf", dir);
	if (main_cf)
		fs_replace(path, 0600, str_of(main_cf));
	snprintf(path, sizeof(path), "%s/master.cf", dir);
	if (master_cf)
		fs_replace(path, 0600, str_of(master_cf));
	return dir;
}

static struct conf *load(const char *main_cf, const char *master_cf)
{
	conf_diag_fini(&diag);
	return conf_load(dir_with(main_cf, master_cf), NULL, &diag);
}

static const char *first(void)
{
	return diag.n ? diag.v[0].text : "";
}

#endif
