/* move_queue - see move_queue.h. */
#include "applets/move_queue.h"

#include "applets/applet.h"
#include "core/base/limits.h"
#include "core/view/control.h"

int move_queue(struct moving *m, int (*move)(struct moving *m, struct buf *why))
{
	struct buf why;
	int code;

	m->say = stdout;
	buf_init(&why, LIMIT_REPLY_TEXT);
	code = applet_asked(m->conf, control_request(m->conf->queue_directory, "ping", stdout, &why), m->directory, EX_UNAVAILABLE, &why);
	if (!code && move(m, &why) < 0)
		code = applet_fail(EX_NOINPUT, "%s: %s", m->directory, buf_cstr(&why));
	if (!code)
		printf("%zu message%s taken over, %zu left\n", m->messages, m->messages == 1 ? "" : "s", m->left);
	buf_fini(&why);
	return applet_close_output(code || !m->left ? code : EX_TEMPFAIL);
}
