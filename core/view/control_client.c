/* control_client - see control.h: one request, one streamed answer. */
#include "core/view/control.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/term.h"
#include "core/net/local_socket.h"

#define ANSWER_TIME (120 * USEC_PER_SEC)  /* between two pieces of the answer */
#define ANSWER_LINE (1024 * 1024)         /* a JSON line of a message with thousands of recipients */

enum line_result { LINE_MORE, LINE_DONE, LINE_REFUSED, LINE_WRONG, LINE_STRANGE };

bool row_is(struct str *line, const char *kind)
{
	ptrdiff_t tab = str_chr(*line, '\t');
	struct str word = str_head(*line, tab < 0 ? 0 : (size_t)tab), letter = str_eq(str_of(kind), STR("minute")) ? STR("p") :
		str_make(kind, 1);

	if (tab < 0 || (!str_eq(word, str_of(kind)) && !str_eq(word, letter)))
		return false;
	*line = str_from(*line, (size_t)tab + 1);
	return true;
}

static enum line_result take_line(struct str line, FILE *to, struct buf *why)
{
	if (line.n && line.p[0] == '+') {
		/* what a remote server said may be in it */
		term_print(to, str_from(line, 1));
		putc('\n', to);
		return LINE_MORE;
	}
	if (str_starts(line, STR(CONTROL_HELLO))) {
		uint64_t version;

		line = str_from(line, sizeof(CONTROL_HELLO) - 1);
		return str_to_u64(line, &version) && version >= 1 && version <= CONTROL_VERSION ? LINE_MORE : LINE_STRANGE;
	}
	if (str_eq(line, STR(".")))
		return LINE_DONE;
	if (!line.n || line.p[0] != '!')
		return LINE_WRONG;
	buf_str(why, str_from(line, 1));
	return LINE_REFUSED;
}

static enum line_result take_lines(struct buf *in, FILE *to, struct buf *why)
{
	struct str rest = buf_view(in);
	enum line_result r = LINE_MORE;
	ptrdiff_t end;

	while (r == LINE_MORE && (end = str_chr(rest, '\n')) >= 0) {
		r = take_line(str_head(rest, (size_t)end), to, why);
		rest = str_from(rest, (size_t)end + 1);
	}
	buf_consume(in, in->n - rest.n);
	return r;
}

int control_answer(int fd, FILE *to, struct buf *why)
{
	struct buf in;
	enum line_result r = LINE_MORE;
	ssize_t got = 1;

	buf_init(&in, ANSWER_LINE);
	while (r == LINE_MORE) {
		char piece[16384];

		got = local_receive(fd, piece, sizeof(piece), clock_mono() + ANSWER_TIME);
		if (got <= 0)
			break;
		if (!buf_add(&in, piece, (size_t)got))
			r = LINE_WRONG;
		else
			r = take_lines(&in, to, why);
	}
	buf_fini(&in);
	if (got == 0)
		errno = ECONNRESET;
	if (r == LINE_WRONG || r == LINE_STRANGE)
		errno = r == LINE_STRANGE ? EPROTONOSUPPORT : EPROTO;
	if (r == LINE_REFUSED)
		return str_eq(buf_view(why), STR(CONTROL_NOT_PERMITTED)) ? 2 : 1;
	return r == LINE_DONE ? 0 : -1;
}

int control_request(const char *queue_directory, const char *request, FILE *to, struct buf *why)
{
	struct buf line;
	int fd, r = -1, saved;

	if (strlen(request) + 1 > LIMIT_CONTROL_LINE || strchr(request, '\n')) {
		errno = EINVAL;
		return -1;
	}
	fd = local_connect(queue_directory, "control");
	if (fd < 0)
		return -1;
	buf_init(&line, LIMIT_CONTROL_LINE);
	buf_printf(&line, "%s\n", request);
	if (local_send(fd, line.p, line.n, clock_mono() + ANSWER_TIME) == 0)
		r = control_answer(fd, to, why);
	saved = errno;
	buf_fini(&line);
	close(fd);
	errno = saved;
	return r;
}

bool control_is_silent(int error)
{
	return error == ENOENT || error == ECONNREFUSED || error == ENOTDIR || error == ENAMETOOLONG;
}
