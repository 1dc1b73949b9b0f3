/* give - see give.h. */
#include "core/view/give.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/net/local_socket.h"
#include "core/view/control.h"

#define PIECE_TIME (120 * USEC_PER_SEC)        /* for a piece to be taken */

static int put(void *to, struct str piece)
{
	const int *fd = to;

	return local_send(*fd, piece.p, piece.n, clock_mono() + PIECE_TIME);
}

/* send_all - -1 also when the other end has stopped reading: then its answer says why */
static int send_all(int fd, const struct given *g)
{
	struct buf head, envelope;
	int r;

	buf_init(&head, LIMIT_CONTROL_LINE);
	buf_init(&envelope, LIMIT_STORE_ENVELOPE);
	envelope_format(&envelope, g->envelope);
	buf_printf(&head, GIVE_REQUEST " %zu %zu %llu %u %.*s\n", envelope.n, g->header.n, (unsigned long long)g->body, g->flags,
		STR_ARG(str_head(str_of(g->origin), GIVE_ORIGIN - 1)));
	errno = EFBIG;
	r = envelope.overflow ? -1 : put(&fd, buf_view(&head));
	if (r == 0)
		r = put(&fd, buf_view(&envelope));
	if (r == 0 && g->header.n)
		r = put(&fd, g->header);
	if (r == 0 && g->body)
		r = g->add(g->ctx, put, &fd);
	buf_fini(&envelope);
	buf_fini(&head);
	return r;
}

int give(const char *queue_directory, const struct given *g, char qid[QID_MAX], struct buf *why)
{
	int fd = local_connect(queue_directory, "control"), r = -1, saved;
	char *text = NULL;
	size_t n = 0;
	FILE *to;
	uint64_t id;

	if (fd < 0)
		return -1;
	to = open_memstream(&text, &n);
	if (to && (send_all(fd, g) == 0 || errno == EPIPE || errno == ECONNRESET)) {
		r = control_answer(fd, to, why);
		fclose(to);
		to = NULL;
		if (r == 0 && !qid_parse(str_trim(str_make(text, n)), &id)) {
			errno = EPROTO;
			r = -1;
		} else if (r == 0) {
			qid_format(qid, id);
		}
	}
	saved = errno;
	if (to)
		fclose(to);
	free(text);
	close(fd);
	errno = saved;
	return r;
}
