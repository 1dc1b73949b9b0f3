/* takeover - see takeover.h. The new relayd's side waits for each answer: it serves nobody yet. */
#include "core/daemon/takeover.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/daemon/inherit.h"
#include "core/daemon/listener.h"
#include "core/net/fdpass.h"
#include "core/net/local_socket.h"
#include "core/view/control.h"

#define ANSWER_TIME (30 * USEC_PER_SEC)
#define LOCK_TRIES 200
#define LOCK_PAUSE 10000000                    /* ns */
#define CLOSING (60 * USEC_PER_SEC)            /* for the old one to close its queue */

/* --- the old one ------------------------------------------------------------------------------------------------------ */

int takeover_offer(struct relay *r, int fd)
{
	char line[128];

	for (size_t i = 0; i < r->inherited->n; i++) {
		const struct inherited_socket *one = &r->inherited->v[i];
		int n = snprintf(line, sizeof(line), "+" TAKEOVER_SOCKET " %s\n", one->name);

		if (fdpass_send(fd, one->fd, line, (size_t)n) != 0)
			return -1;
	}
	return listener_each_own(r, fd, fdpass_send, "+" TAKEOVER_SOCKET " -\n");
}

/* --- the new one ------------------------------------------------------------------------------------------------------ */

struct offer {
	struct relay *relay;
	struct takeover *takeover;
	int fds[LIMIT_INHERITED];
	size_t n_fds, taken;
	bool ready;
	char why[300];
};

/* take_line - false: that is no offer */
static bool take_line(struct offer *o, struct str line)
{
	struct str word = line, rest = line;
	uint64_t seconds;

	str_cut(&rest, ' ', &word);
	if (str_starts(line, STR(CONTROL_HELLO)))
		return true;
	if (str_eq(word, STR("+" TAKEOVER_SOCKET)) && o->taken < o->n_fds) {
		bool own = str_eq(rest, STR("-"));
		int fd = o->fds[o->taken++];

		return inherit_add(o->relay->inherited, fd, !own, own ? STR_EMPTY : rest) == 0;
	}
	if (str_eq(word, STR("+" TAKEOVER_READY)) && str_to_u64(rest, &seconds) && seconds <= 86400) {
		o->takeover->patience = (usec)seconds * USEC_PER_SEC + CLOSING;
		o->ready = true;
		return o->taken == o->n_fds;
	}
	snprintf(o->why, sizeof(o->why), "%.*s", STR_ARG(str_from(str_head(line, 250), line.n ? 1 : 0)));
	return false;
}

static bool take_lines(struct offer *o, struct buf *in)
{
	struct str rest = buf_view(in);
	ptrdiff_t end;
	bool good = true;

	while (good && (end = str_chr(rest, '\n')) >= 0) {
		good = take_line(o, str_head(rest, (size_t)end));
		rest = str_from(rest, (size_t)end + 1);
	}
	buf_consume(in, in->n - rest.n);
	return good;
}

static bool receive(struct offer *o, struct buf *in, int fd)
{
	char piece[512];
	struct timeval most = { .tv_sec = ANSWER_TIME / USEC_PER_SEC };
	ptrdiff_t got = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
	while (!o->ready) {
		int passed = -1;

		got = fdpass_recv(fd, &passed, piece, sizeof(piece));
		if (passed >= 0 && o->n_fds < LIMIT_INHERITED)
			o->fds[o->n_fds++] = passed;
		else if (passed >= 0)
			close(passed);
		if (got <= 0 || !buf_add(in, piece, (size_t)got) || !take_lines(o, in))
			break;
	}
	if (!o->ready && !o->why[0])
		snprintf(o->why, sizeof(o->why), "%s", got < 0 ? strerror(errno) : "it does not understand the request");
	return o->ready;
}

static bool is_trusted(int fd, uid_t owner)
{
	int64_t uid = local_peer(fd);

	return uid == 0 || uid == (int64_t)owner;
}

int takeover_ask(struct relay *r, struct takeover *t, uid_t owner)
{
	struct offer o = { .relay = r, .takeover = t };
	struct buf in;
	bool good;

	t->fd = local_connect(r->settings->conf->queue_directory, "control");
	if (t->fd < 0 && (errno == ENOENT || errno == ECONNREFUSED)) {
		log_info("master", "takeover: no relayd runs");
		return 0;
	}
	buf_init(&in, LIMIT_CONTROL_LINE);
	if (t->fd < 0)
		snprintf(o.why, sizeof(o.why), "%s", strerror(errno));
	else if (!is_trusted(t->fd, owner))
		snprintf(o.why, sizeof(o.why), "the process there is neither root's nor %u's", (unsigned)owner);
	good = !o.why[0] && local_send(t->fd, TAKEOVER_REQUEST "\n", sizeof(TAKEOVER_REQUEST), clock_mono() + ANSWER_TIME) == 0 &&
	       receive(&o, &in, t->fd);
	buf_fini(&in);
	while (o.taken < o.n_fds)
		close(o.fds[o.taken++]);
	if (good)
		return 0;
	log_error("master", "takeover: %s/control: %s", r->settings->conf->queue_directory, o.why);
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	return -1;
}

int takeover_go(struct takeover *t)
{
	char byte;
	usec until = clock_mono() + t->patience;
	ssize_t got = local_send(t->fd, TAKEOVER_GO "\n", sizeof(TAKEOVER_GO), clock_mono() + ANSWER_TIME);

	if (got == 0)
		do
			got = local_receive(t->fd, &byte, 1, until);
		while (got > 0);
	/* one that was killed resets the connection: its queue is as free */
	if (got < 0 && errno != ECONNRESET) {
		log_error("master", "takeover: the old relayd does not end: %s", strerror(errno));
		return -1;
	}
	close(t->fd);
	t->fd = -1;
	/* of a process that is killed the lock may go a moment after the connection */
	for (int i = 0; i < LOCK_TRIES && store_in_use("."); i++)
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_PAUSE }, NULL);
	return 0;
}
