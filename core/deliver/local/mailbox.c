/* mailbox - what maildir and mbox share: the copy from queue form (CRLF) to file form (LF), and the words of a failure. */
#include "core/deliver/local/mailbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/msg/crlf.h"

void mailbox_set_path(struct mailbox_order *o)
{
	size_t n = strlen(o->path);

	o->kind = n > 1 && o->path[n - 1] == '/' ? MAILBOX_MAILDIR : MAILBOX_MBOX;
	while (n > 1 && o->path[n - 1] == '/')
		o->path[--n] = '\0';
}

bool mailbox_locate(struct mailbox_order *o, const char *home, const char *home_mailbox, const char *spool)
{
	bool maildirs = str_ends(str_of(spool), STR("/"));
	int n;

	if (*home_mailbox)
		n = snprintf(o->path, sizeof(o->path), "%s/%s", home, home_mailbox);
	else
		n = snprintf(o->path, sizeof(o->path), "%s%s%s%s", spool, maildirs ? "" : "/", o->user, maildirs ? "/" : "");
	if (n >= (int)sizeof(o->path) || o->path[0] != '/')
		return false;
	mailbox_set_path(o);
	return true;
}

void mailbox_deliver(const struct mailbox_order *o, int content_fd, struct reply *out)
{
	if (o->kind == MAILBOX_MAILDIR)
		maildir_deliver(o, content_fd, out);
	else
		mbox_deliver(o, content_fd, out);
}

void mailbox_unique(char out[MAILBOX_UNIQUE], const char *hostname, usec wall, const char *qid)
{
	char host[64];

	snprintf(host, sizeof(host), "%s", hostname);
	/* maildir(5): / and : have a meaning in names */
	for (char *p = host; *p; p++)
		if (*p == '/' || *p == ':' || !ascii_is_print(*p))
			*p = '_';
	snprintf(out, MAILBOX_UNIQUE, "%lld.M%06dP%ldQ%sR%08x.%s", (long long)(wall / USEC_PER_SEC), (int)(wall % USEC_PER_SEC),
		(long)getpid(), qid, random_u32(), host);
}

void mailbox_failed(struct reply *out, int error, const char *what, const char *path)
{
	static const struct { int error, code; const char *enhanced; } rows[] = {
		{ EFBIG, 552, "5.2.2" }, { EDQUOT, 452, "4.2.2" }, { ENOSPC, 452, "4.3.1" },
	};
	int code = 451;
	const char *enhanced = "4.2.0";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].error != error)
			continue;
		code = rows[i].code;
		enhanced = rows[i].enhanced;
	}
	reply_set(out, code, enhanced, "%s %s: %s", what, path, error == EFBIG ? "mailbox size limit exceeded" : strerror(error));
}

/* --- the copy ------------------------------------------------------------------------------------------------------- */

struct mailbox_copy {
	int fd;
	off_t at;              /* where the next byte goes */
	struct crlf_to_lf lines;
	char *piece;
	bool needs_end;        /* the last line has none */
	struct buf out;
	int error;
};

static void flush(struct mailbox_copy *c, uint64_t limit)
{
	if (c->error || !c->out.n)
		return;
	if (limit && (uint64_t)c->at + c->out.n > limit)
		c->error = EFBIG;
	else if (fs_pwrite_all(c->fd, c->out.p, c->out.n, c->at) < 0)
		c->error = errno;
	c->at += (off_t)c->out.n;
	buf_clear(&c->out);
}

/* copy_from - n bytes of fd from at on */
static void copy_from(struct mailbox_copy *c, int fd, uint64_t at, uint64_t n, uint64_t limit)
{
	uint64_t done = 0;

	while (done < n && !c->error) {
		size_t want = n - done < LIMIT_CLIENT_PIECE ? (size_t)(n - done) : LIMIT_CLIENT_PIECE;
		ssize_t got = fs_pread_all(fd, c->piece, want, (off_t)(at + done));

		if (got < (ssize_t)want) {
			c->error = got < 0 ? errno : EIO;
			return;
		}
		crlf_to_lf_add(&c->lines, &c->out, str_make(c->piece, (size_t)got));
		done += (uint64_t)got;
		c->needs_end = c->piece[got - 1] != '\n';
		flush(c, limit);
	}
}

int mailbox_copy(const struct mailbox_order *o, int content_fd, int fd, off_t at, bool quote_from, off_t *end)
{
	struct mailbox_copy c = { .fd = fd, .at = at, .piece = mem_alloc(LIMIT_CLIENT_PIECE) };

	buf_init(&c.out, 3 * LIMIT_CLIENT_PIECE + MAILBOX_PREFIX + MAILBOX_PATH);
	if (quote_from)
		buf_z(&c.out, o->from_line);
	buf_z(&c.out, o->prefix);
	crlf_to_lf_init(&c.lines, quote_from);
	copy_from(&c, o->header_fd, o->header_offset, o->header_length, o->limit);
	copy_from(&c, content_fd, o->offset, o->length, o->limit);
	crlf_to_lf_end(&c.lines, &c.out);
	/* a last line is a line; an mbox message is followed by an empty one */
	buf_z(&c.out, c.needs_end && !c.error ? "\n" : "");
	buf_z(&c.out, quote_from ? "\n" : "");
	flush(&c, o->limit);
	*end = c.at;
	buf_fini(&c.out);
	mem_free(c.piece);
	return c.error;
}
