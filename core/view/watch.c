/* watch - see watch.h. An interrupt only wakes the wait, so that the terminal is always given back as it was. */
#include "core/view/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <termios.h>
#include <unistd.h>

static struct termios before;
static bool on_terminal;

static void on_interrupt(int signo)
{
	/* being there is enough: it ends the wait */
}

static void begin(void)
{
	struct sigaction interrupt = { .sa_handler = on_interrupt };
	struct termios keys;

	on_terminal = tcgetattr(STDIN_FILENO, &before) == 0 && tcgetpgrp(STDIN_FILENO) == getpgrp();
	if (!on_terminal)
		return;
	keys = before;
	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	keys.c_cc[VMIN] = 1;
	keys.c_cc[VTIME] = 0;
	sigaction(SIGINT, &interrupt, NULL);
	tcsetattr(STDIN_FILENO, TCSANOW, &keys);
}

/* rest - false: the reader wants to end */
static bool rest(usec interval)
{
	usec end = clock_mono() + interval, left;
	struct pollfd keys = { .fd = on_terminal ? STDIN_FILENO : -1, .events = POLLIN };
	char key;
	int r;

	while ((left = end - clock_mono()) > 0) {
		r = poll(&keys, 1, (int)((left + USEC_PER_MSEC - 1) / USEC_PER_MSEC));
		if (r < 0)
			return errno != EINTR;
		if (r > 0 && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
			return false;
	}
	return true;
}

int watch_repeat(usec interval, size_t count, int (*sample)(void *ctx), void *ctx)
{
	size_t done = 0;
	int code;

	begin();
	do
		code = sample(ctx);
	while (!code && ++done != count && rest(interval));
	if (on_terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return code;
}
