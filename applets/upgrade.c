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
#include "core/net/local_socket.h"
#include "core/view/control.h"

#define ASK_TIME (120 * USEC_PER_SEC)
#define FIXED 6                /* relaybox relayd --takeover -d -c DIR */

/* arguments_of - from the rows of "started"; those behind the fixed ones are owned */
static char **arguments_of(struct str rows)
{
	static const char *const fixed[FIXED - 1] = { "relaybox", "relayd", "--takeover", "-d", "-c" };
	char **argv = mem_array(NULL, FIXED + 1, sizeof(*argv));
	size_t n = FIXED;
	struct str line;

	for (size_t i = 0; i < FIXED - 1; i++)
		argv[i] = (char *)(uintptr_t)fixed[i];

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

static bool is_same(struct str said, const char *known)
{
	return known && str_eq(said, str_of(known));
}

/* is_known - are these rows what the caller knows? */
static bool is_known(struct str rows, const char *directory, const char *const *options)
{
	struct str line;
	bool same = true;

	while (same && str_cut(&rows, '\n', &line)) {
		if (row_is(&line, "directory"))
			same = is_same(line, directory);
		else if (row_is(&line, "option"))
			same = is_same(line, *options ? *options++ : NULL);
	}
	return same && !*options;
}

static int refuse(char *const *argv)
{
	applet_fail(0, "relayd says that it was started with other options, and is not root's: what it says is not run as root. If it is right, repeat it:");
	fprintf(stderr, "  relayctl");
	for (argv += FIXED - 2; *argv; argv++)
		fprintf(stderr, " %s", *argv);
	fprintf(stderr, " upgrade\n");
	return EX_NOPERM;
}

/* ask - how it was started, and whose it is; a result of control_request */
static int ask(const struct conf *c, FILE *to, int64_t *owner, struct buf *why)
{
	int fd = local_connect(c->queue_directory, "control"), r = -1, saved;

	if (fd < 0)
		return -1;
	*owner = local_peer(fd);
	if (local_send(fd, "started\n", 8, clock_mono() + ASK_TIME) == 0)
		r = control_answer(fd, to, why);
	saved = errno;
	close(fd);
	errno = saved;
	return r;
}

static int start(const char *binary, char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execv(binary, argv);
		_exit(applet_fail(EX_UNAVAILABLE, "%s: %s", binary, strerror(errno)));
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return applet_fail(EX_OSERR, "%s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

/* ask_started - how the relayd that runs was started, in rows that the caller frees, and whose it is */
static int ask_started(const struct conf *c, char **rows, size_t *n, int64_t *owner)
{
	FILE *to = open_memstream(rows, n);
	struct buf why;
	int code;

	*owner = -1;
	if (!to)
		return applet_fail(EX_OSERR, "out of memory");
	buf_init(&why, LIMIT_REPLY_TEXT);
	code = ask(c, to, owner, &why);
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
	int64_t owner;
	int code = ask_started(c, &rows, &n, &owner);

	if (!code && pid_in(before).n && str_eq(pid_in(before), pid_in(str_make(rows, n))))
		code = applet_fail(EX_UNAVAILABLE, "%s has taken nothing over, and the relayd of before serves on: is it a relaybox?", binary);
	free(rows);
	return code;
}

int upgrade(const struct conf *c, const char *directory, const char *const *options, const char *binary)
{
	char *rows = NULL, **argv;
	size_t n = 0;
	int64_t owner;
	int code = ask_started(c, &rows, &n, &owner);

	argv = code ? NULL : arguments_of(str_make(rows, n));
	if (argv && !argv[FIXED - 1]) {
		code = applet_fail(EX_PROTOCOL, "relayd is of a version that cannot be taken over from: restart it");
	} else if (argv && (*options || (owner != 0 && geteuid() == 0)) && !is_known(str_make(rows, n), directory, options)) {
		code = refuse(argv);
	} else if (argv) {
		code = start(binary, argv);
		if (!code)
			code = confirm(c, str_make(rows, n), binary);
	}
	for (size_t i = FIXED - 1; argv && argv[i]; i++)
		mem_free(argv[i]);
	mem_free(argv);
	free(rows);
	return code;
}
