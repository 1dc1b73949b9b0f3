/* upgrade - see upgrade.h. The dialogue between the two is core/daemon/takeover.h: here the new one is started, and waited for until it serves. */
#include "applets/upgrade.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/view/control.h"

#define FIXED 6                /* relaybox relayd --takeover -d -c DIR */

/* arguments_of - from the rows of "started"; those behind the fixed ones are owned */
static char **arguments_of(struct str rows)
{
	char **argv = mem_array(NULL, FIXED + 1, sizeof(*argv));
	size_t n = FIXED;
	struct str line;

	argv[FIXED - 1] = NULL;
	while (str_cut(&rows, '\n', &line)) {
		if (row_is(&line, "directory")) {
			argv[FIXED - 1] = str_dup(line);
		} else if (row_is(&line, "option")) {
			argv = mem_array(argv, n + 3, sizeof(*argv));
			argv[n++] = mem_dupz("-o");
			argv[n++] = str_dup(line);
		}
	}
	argv[n] = NULL;
	return argv;
}

static int start(const char *binary, char **argv)
{
	static const char *const fixed[] = { "relaybox", "relayd", "--takeover", "-d", "-c" };
	int status;
	pid_t pid;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		argv[i] = (char *)(uintptr_t)fixed[i];
	pid = fork();
	if (pid == 0) {
		execv(binary, argv);
		_exit(applet_fail(EX_UNAVAILABLE, "%s: %s", binary, strerror(errno)));
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return applet_fail(EX_OSERR, "%s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

/* ask_started - how the relayd that runs was started, in rows that the caller frees */
static int ask_started(const struct conf *c, char **rows, size_t *n)
{
	FILE *to = open_memstream(rows, n);
	struct buf why;
	int code;

	if (!to)
		return applet_fail(EX_OSERR, "out of memory");
	buf_init(&why, LIMIT_REPLY_TEXT);
	code = control_request(c->queue_directory, "started", to, &why);
	fclose(to);
	code = applet_asked(c, code, "upgrade", EX_UNAVAILABLE, &why);
	buf_fini(&why);
	return code;
}

/* pid_in - of the relayd that answered; empty where its version does not tell */
static struct str pid_in(struct str rows)
{
	struct str line;

	while (str_cut(&rows, '\n', &line))
		if (row_is(&line, "pid"))
			return line;
	return STR_EMPTY;
}

/* confirm - any program may end with 0: does another relayd answer than before? */
static int confirm(const struct conf *c, struct str before, const char *binary)
{
	char *rows = NULL;
	size_t n = 0;
	int code = ask_started(c, &rows, &n);

	if (!code && pid_in(before).n && str_eq(pid_in(before), pid_in(str_make(rows, n))))
		code = applet_fail(EX_UNAVAILABLE, "%s has taken nothing over, and the relayd of before serves on: is it a relaybox?", binary);
	free(rows);
	return code;
}

int upgrade(const struct conf *c, const char *binary)
{
	char *rows = NULL, **argv;
	size_t n = 0;
	int code = ask_started(c, &rows, &n);

	argv = code ? NULL : arguments_of(str_make(rows, n));
	if (argv && argv[FIXED - 1]) {
		code = start(binary, argv);
		if (!code)
			code = confirm(c, str_make(rows, n), binary);
	} else if (argv) {
		code = applet_fail(EX_PROTOCOL, "relayd is of a version that cannot be taken over from: restart it");
	}
	for (size_t i = FIXED - 1; argv && argv[i]; i++)
		mem_free(argv[i]);
	mem_free(argv);
	free(rows);
	return code;
}
