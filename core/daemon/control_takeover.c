/* control_takeover - the old relayd's side of a takeover; takeover.c is the new one's, takeover.h has the dialogue. */
#include <unistd.h>

#include "core/daemon/control_private.h"
#include "core/daemon/takeover.h"

#define PATIENCE (120 * USEC_PER_SEC)          /* for the new one to be ready */

/* refuses - NULL, or why this relayd may not be replaced, or not by that user */
static const char *refuses(const struct peer *p)
{
	const struct relay *r = p->relay;

	if (r->stopping || r->leaving)
		return "relayd is shutting down";
	if (getpid() == 1)
		return "relayd is process 1 here, and with it this container would end: replace the container";
	if (r->notify.fd >= 0)
		return "a supervisor watches this relayd (NOTIFY_SOCKET): have it restart relayd; no connection is refused if the sockets are its own "
		       "(LISTEN_FDS) or kept for us (FDSTORE)";
	if (r->in_foreground)
		return "relayd is in the foreground (no -d): who started it, a supervisor perhaps, waits for its end and would start one more; have that "
		       "one restart it";
	/* whoever has no helper could not deliver to users */
	if (r->has_helper && p->uid != 0)
		return "relayd was started by root, and only root may take over from it";
	return NULL;
}

/* go - the new one has all that it needs */
static void go(struct peer *p)
{
	if (!str_starts(buf_view(&p->conn->in), STR(TAKEOVER_GO "\n")))
		return;
	p->more = NULL;
	/* its end tells the new one that the queue is free */
	p->stays = true;
	conn_deadline(p->conn, USEC_NEVER);
	relay_hand_over(p->relay);
}

void control_takeover(struct peer *p, struct str args)
{
	const char *no = refuses(p);

	(void)args;
	/* descriptors go past the buffer: what is in it first */
	conn_flush(p->conn);
	if (!no && takeover_offer(p->relay, p->conn->fd) != 0)
		no = "the sockets could not be handed over";
	if (no) {
		control_finish(p, no);
		return;
	}
	buf_printf(&p->conn->out, "+%s %lld\n", TAKEOVER_READY, (long long)(p->relay->settings->conf->shutdown_timeout / USEC_PER_SEC));
	p->more = go;
	conn_deadline(p->conn, loop_now(p->relay->loop) + PATIENCE);
}

/* control_started - how this relayd was started, so that another can be started in the same way */
void control_started(struct peer *p, struct str args)
{
	struct buf *out = &p->conn->out;

	(void)args;
	buf_printf(out, "+directory\t%s\n+pid\t%d\n", p->relay->directory, (int)getpid());
	for (const char *const *o = p->relay->extra; o && *o; o++)
		if (!strchr(*o, '\n'))
			buf_printf(out, "+option\t%s\n", *o);
	control_finish(p, NULL);
}
