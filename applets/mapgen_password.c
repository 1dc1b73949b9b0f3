/* mapgen_password - see mapgen_password.h. */
#include "applets/mapgen_password.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/auth/password.h"
#include "core/base/limits.h"
#include "core/base/mem.h"

/* read_line - false: nothing, or too much, with the reason told */
static bool read_line(const char *prompt, char line[LIMIT_PASSWORD + 2])
{
	struct termios seen, unseen;
	bool asks = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &seen) == 0, got;

	if (asks) {
		fputs(prompt, stderr);
		unseen = seen;
		unseen.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
	}
	got = fgets(line, LIMIT_PASSWORD + 2, stdin) != NULL;
	if (asks) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &seen);
		fputs("\n", stderr);
	}
	if (got && strcspn(line, "\n") > LIMIT_PASSWORD)
		return applet_fail(0, "a password has at most %d bytes", LIMIT_PASSWORD), false;
	line[got ? strcspn(line, "\r\n") : 0] = 0;
	return line[0] || (applet_fail(0, "no password: write it on standard input"), false);
}

int mapgen_password(bool scram)
{
	char first[LIMIT_PASSWORD + 2], again[LIMIT_PASSWORD + 2];
	struct buf entry;
	int code = EX_OK;

	/* the buffer of the stream would keep it */
	setvbuf(stdin, NULL, _IONBF, 0);
	if (!read_line("Password: ", first))
		return EX_DATAERR;
	buf_init(&entry, LIMIT_PASSWORD_ENTRY);
	if (isatty(STDIN_FILENO) && (!read_line("Once more: ", again) || strcmp(first, again) != 0)) {
		code = applet_fail(EX_DATAERR, "that was another password");
	} else {
		(scram ? password_make_scram : password_make_salted)(&entry, str_of(first));
		printf("%s\n", buf_cstr(&entry));
	}
	mem_wipe(first, sizeof(first));
	mem_wipe(again, sizeof(again));
	buf_fini(&entry);
	return applet_close_output(code);
}
