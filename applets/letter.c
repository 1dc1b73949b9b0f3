/* letter - see letter.h. The terminal's own line editing is used; a signal only wakes the read. */
#include "applets/letter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/submission.h"
#include "core/base/env.h"
#include "core/base/fs.h"
#include "core/msg/crlf.h"

void letter_save(struct str text)
{
	const char *home = env_get("HOME"), *dead = env_get("DEAD");
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s%s", dead ? dead : home ? home : ".", dead ? "" : "/dead.letter");
	if (!text.n)
		return;
	fd = fs_open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0600);
	if (fd < 0 || fs_write_all(fd, text.p, text.n) < 0 || fs_sync(fd) < 0)
		applet_fail(0, "cannot keep the text in %s: %s", path, strerror(errno));
	else
		applet_fail(0, "the text is kept in %s", path);
	if (fd >= 0)
		close(fd);
}

static void on_interrupt(int signo)
{
	/* being there is enough: it ends the wait */
}

/* read_line - what the terminal gives at once: a line. Its length, 0 at the end, -1 after two Ctrl-C in a row. SIGINT is
 * blocked but for the wait, so that none comes unseen. */
static ssize_t read_line(char *line, size_t n, const sigset_t *waiting)
{
	struct pollfd terminal = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t got;

	for (int interrupts = 0; ppoll(&terminal, 1, NULL, waiting) < 0 && errno == EINTR;) {
		if (++interrupts == 2)
			return -1;
		fprintf(stderr, "\n(Interrupt -- one more to kill letter)\n");
	}
	got = read(STDIN_FILENO, line, n);
	return got < 0 ? 0 : got;
}

/* read_terminal - the subject where there is none (static storage), then lines up to Ctrl-D or a line "."; 1 after Ctrl-C twice in a row, the
 * text then being saved */
static int read_terminal(const char **subject, struct buf *out)
{
	static char typed[1024];
	struct sigaction interrupt = { .sa_handler = on_interrupt }, before;
	sigset_t blocked, waiting;
	char line[4096];
	ssize_t n = 1;
	struct crlf_clean c;
	bool fresh = true;             /* a line begins; a long one comes in pieces */

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, &waiting);
	sigaction(SIGINT, &interrupt, &before);
	if (!*subject) {
		fprintf(stderr, "Subject: ");
		n = read_line(typed, sizeof(typed) - 1, &waiting);
		typed[n < 0 ? 0 : n > 0 && typed[n - 1] == '\n' ? n - 1 : n] = '\0';
		*subject = typed;
	}
	fprintf(stderr, "(end with \".\" on a line of its own, or Ctrl-D; Ctrl-C twice sends nothing)\n");
	crlf_clean_init(&c);
	while (n > 0 && (n = read_line(line, sizeof(line), &waiting)) > 0 && !(fresh && n == 2 && !memcmp(line, ".\n", 2))) {
		crlf_clean_add(&c, out, str_make(line, (size_t)n));
		fresh = line[n - 1] == '\n';
	}
	crlf_clean_end(&c, out, true);
	/* from here on Ctrl-C ends the program again */
	sigaction(SIGINT, &before, NULL);
	sigprocmask(SIG_SETMASK, &waiting, NULL);
	if (n < 0)
		letter_save(buf_view(out));
	return n < 0 ? 1 : out->overflow ? applet_fail(EX_UNAVAILABLE, "the message is too big") : EX_OK;
}

static int read_file(const char *path, struct buf *out)
{
	struct buf raw;
	struct crlf_clean c;
	int r;

	buf_init(&raw, out->max);
	r = fs_read_stream(path, &raw);
	if (r == 0) {
		crlf_clean_init(&c);
		crlf_clean_add(&c, out, buf_view(&raw));
		crlf_clean_end(&c, out, true);
	}
	buf_fini(&raw);
	return r < 0 ? applet_fail(EX_NOINPUT, "cannot read %s: %s", path, strerror(errno)) : EX_OK;
}

int letter_text(const struct conf *c, const char *quote, const char *file, const char **subject, struct buf *out)
{
	struct buf input;
	int code = EX_OK;

	/* a line end may become two bytes; what is longer is refused when it is sent */
	buf_init(out, c->message_size_limit ? 2 * (size_t)c->message_size_limit : (size_t)1 << 40);
	if (quote)
		code = read_file(quote, out);
	if (code || file)
		return code ? code : read_file(file, out);
	if (isatty(STDIN_FILENO))
		return read_terminal(subject, out);
	code = submission_read(c, false, &input);
	buf_str(out, buf_view(&input));
	buf_fini(&input);
	return code;
}
