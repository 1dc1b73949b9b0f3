/* move_queue - see move_queue.h. */
#include "applets/move_queue.h"

#include "applets/applet.h"
#include "core/base/limits.h"
#include "core/view/control.h"

int move_queue(const struct conf *c, const char *directory, int (*move)(const struct conf *c, const char *directory, FILE *say, struct moved *out,
	struct buf *why))
{
	struct moved moved = { 0 };
	struct buf why;
	int code;

	buf_init(&why, LIMIT_REPLY_TEXT);
	code = applet_asked(c, control_request(c->queue_directory, "ping", stderr, &why), directory, EX_UNAVAILABLE, &why);
	if (!code && move(c, directory, stdout, &moved, &why) < 0)
		code = applet_fail(EX_NOINPUT, "%s: %s", directory, buf_cstr(&why));
	if (!code)
		printf("%zu message%s taken over, %zu left\n", moved.messages, moved.messages == 1 ? "" : "s", moved.left);
	buf_fini(&why);
	return applet_close_output(code || !moved.left ? code : EX_TEMPFAIL);
}
