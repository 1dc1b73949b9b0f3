/* import_postfix - see import_postfix.h. Files are read with the rights of their folder's owner, and no links are followed. Mail of maildrop
 * was not cleaned up yet: it goes to our own maildrop, as whose it is. */
#include "core/view/import_postfix.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/rights.h"
#include "core/msg/addr.h"
#include "core/msg/postfix_queue.h"
#include "core/store/maildrop.h"
#include "core/view/give.h"

#define DEPTH 8                                /* of hash_queue_depth, and more than it may be */
#define NAME_SIZE 256

static const struct queue { const char *name; unsigned flags; bool maildrop; } queues[] = {
	{ "incoming", 0, false }, { "active", 0, false }, { "deferred", 0, false }, { "hold", QMSG_HOLD, false }, { "maildrop", 0, true },
};

struct import {
	struct moving *m;
	const struct queue *queue;
	struct stat owner;             /* of the queue's folder */
	int root, dir;                 /* Postfix's queue_directory; the folder that is looked at */
	int depth;
};

/* --- is anybody at work there? ---------------------------------------------------------------------------------------- */

/* runs - master(8) keeps a lock on its pid file, in one way or the other */
static bool runs(int root)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = fs_openat(root, "pid/master.pid", O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	bool held;

	if (fd < 0)
		return false;
	held = (fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK) || (flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK);
	fs_close(fd);
	return held;
}

/* --- one file --------------------------------------------------------------------------------------------------------- */

struct body { const struct postfix_message *message; size_t rest; };

static int add_body(void *ctx, int (*put)(void *to, struct str piece), void *to)
{
	const struct body *b = ctx;

	return postfix_body(b->message, b->rest, put, to, NULL);
}

static bool addresses_are_good(struct arena *a, const struct envelope *e, struct buf *why)
{
	struct addr parsed;

	for (size_t i = 0; i <= e->n_rcpts; i++) {
		struct str one = i ? e->rcpts[i - 1].addr : e->sender;

		if ((i || one.n) && !addr_parse(a, one, &parsed)) {
			buf_printf(why, "its address \"%.*s\" is none that mail can be sent with", STR_ARG(str_head(one, 100)));
			return false;
		}
	}
	return true;
}

static int to_buffer(void *to, struct str piece)
{
	return buf_str(to, piece) ? 0 : -1;
}

/* drop - into our maildrop; the owner of the file is believed, as by Postfix */
static bool drop(struct import *x, struct arena *a, const struct postfix_message *p, const struct stat *st, struct str header, size_t rest, char now[NAME_SIZE],
	struct buf *why)
{
	struct envelope e = p->e;
	struct buf content;
	int r = -1;

	buf_init(&content, (size_t)1 << 40);
	buf_str(&content, header);
	e.uid = st->st_uid;
	e.flags |= ENVELOPE_LOCAL;
	if (!envelope_judge(a, &e, st->st_uid, clock_wall()))
		buf_z(why, "its addresses are none that mail can be sent with");
	else if (postfix_body(p, rest, to_buffer, &content, NULL) != 0)
		buf_z(why, "it is too large");
	else if (getuid() != 0 && st->st_uid != getuid())
		buf_z(why, "it is another user's: root can take it");
	else if (rights_become(st->st_uid, st->st_gid) != 0 ||
	         (r = maildrop_write_named(x->m->conf->queue_directory, &e, buf_view(&content), now)) != 0)
		buf_z(why, strerror(errno));
	buf_fini(&content);
	return r == 0;
}

static bool hand_over(struct import *x, const struct postfix_message *p, const char *name, struct str header, size_t rest, char now[NAME_SIZE],
	struct buf *why)
{
	struct body b = { p, rest };
	char origin[GIVE_ORIGIN];
	struct given g = { .envelope = &p->e, .header = header, .add = add_body, .ctx = &b, .flags = x->queue->flags, .origin = origin };
	int r;

	snprintf(origin, sizeof(origin), "%.40s of Postfix", name);
	postfix_body(p, rest, NULL, NULL, &g.body);
	r = rights_back() == 0 ? give(x->m->conf->queue_directory, &g, now, why) : -1;
	if (r != 0 && !why->n)
		buf_z(why, strerror(errno));
	return r == 0;
}

/* take_text - what the file says becomes a message of ours */
static bool take_text(struct import *x, const char *name, struct str file, const struct stat *st, char now[NAME_SIZE], struct buf *why)
{
	struct postfix_message p;
	struct arena a;
	struct buf header;
	size_t rest;
	bool done = false;

	arena_init(&a, 4 * (size_t)LIMIT_STORE_ENVELOPE);
	buf_init(&header, LIMIT_GIVE_HEADER);
	if (!postfix_parse(&a, file, x->queue->maildrop, &p, why) || !postfix_header(&p, &header, &rest, why))
		done = false;
	else if (p.done)
		buf_z(why, "nobody waits for it any more");
	else if (x->queue->maildrop)
		done = drop(x, &a, &p, st, buf_view(&header), rest, now, why);
	else
		done = addresses_are_good(&a, &p.e, why) && hand_over(x, &p, name, buf_view(&header), rest, now, why);
	buf_fini(&header);
	arena_fini(&a);
	rights_become(x->owner.st_uid, x->owner.st_gid);
	return done;
}

/* has_bounce - recipients that failed are done in the file already, and the notice about them is not sent yet */
static bool has_bounce(const struct import *x, const char *name)
{
	char path[NAME_SIZE];
	struct stat st;

	/* by hash_queue_names bounce/N/NAME, and so on */
	snprintf(path, sizeof(path), "bounce/%s", name);
	if (fstatat(x->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	for (int depth = 1; depth < DEPTH && name[depth]; depth++) {
		size_t n = (size_t)snprintf(path, sizeof(path), "bounce/");

		for (int i = 0; i < depth && n < sizeof(path) - 3; i++) {
			path[n++] = name[i];
			path[n++] = '/';
		}
		snprintf(path + n, sizeof(path) - n, "%s", name);
		if (fstatat(x->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	}
	return false;
}

/* is_queue_id - it goes into the request to relayd as it stands */
static bool is_queue_id(const char *name)
{
	size_t n = strspn(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

	return n && !name[n];
}

static bool take_file(struct import *x, const char *name, int fd, const struct stat *st, char now[NAME_SIZE], struct buf *why)
{
	struct buf file;
	bool done = false;

	buf_init(&file, LIMIT_IMPORT_FILE);
	if (!is_queue_id(name))
		buf_z(why, "its name is no queue id of Postfix");
	/* Postfix says in this way that all of it is there */
	else if (!(st->st_mode & S_IXUSR))
		buf_z(why, "Postfix has not finished it");
	else if (!x->queue->maildrop && has_bounce(x, name))
		buf_z(why, "a notice that some of it could not be delivered is not sent yet (bounce/)");
	else if (fs_read_fd(fd, &file) != 0)
		buf_z(why, strerror(errno));
	else
		done = take_text(x, name, buf_view(&file), st, now, why);
	buf_fini(&file);
	return done;
}

static void take_name(struct import *x, const char *name, int fd, const struct stat *st)
{
	char now[NAME_SIZE] = "", from[NAME_SIZE];
	struct buf why;
	bool done;

	buf_init(&why, LIMIT_REPLY_TEXT);
	done = take_file(x, name, fd, st, now, &why);
	snprintf(from, sizeof(from), "%s/%.200s", x->queue->name, name);
	moving_say(x->m, from, now, done ? NULL : buf_cstr(&why));
	if (done && x->m->remove && fs_unlinkat(x->dir, name) != 0)
		fprintf(x->m->say, "%s: not removed: %s\n", from, strerror(errno));
	buf_fini(&why);
}

/* --- the folders ------------------------------------------------------------------------------------------------------ */

static int each_entry(void *ctx, const char *name)
{
	struct import *x = ctx;
	int fd = fs_openat(x->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0), before = x->dir;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		moving_say(x->m, name, "", strerror(errno));
	} else if (S_ISREG(st.st_mode)) {
		take_name(x, name, fd, &st);
	} else if (S_ISDIR(st.st_mode) && x->depth < DEPTH) {
		x->dir = fd;
		x->depth++;
		fs_each_name_at(fd, each_entry, x);
		x->depth--;
		x->dir = before;
	}
	if (fd >= 0)
		fs_close(fd);
	return 0;
}

static void import_queue(struct import *x)
{
	x->dir = fs_openat(x->root, x->queue->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (x->dir >= 0 && fstat(x->dir, &x->owner) == 0 && rights_become(x->owner.st_uid, x->owner.st_gid) == 0)
		fs_each_name_at(x->dir, each_entry, x);
	else if (errno != ENOENT)
		moving_say(x->m, x->queue->name, "", strerror(errno));
	if (x->dir >= 0)
		fs_close(x->dir);
	rights_back();
}

int import_postfix(struct moving *m, struct buf *why)
{
	struct import x = { .m = m, .root = fs_open(m->directory, O_RDONLY | O_DIRECTORY, 0) };
	struct stat st;

	if (x.root < 0)
		buf_z(why, strerror(errno));
	else if (fstatat(x.root, "deferred", &st, 0) != 0 || fstatat(x.root, "active", &st, 0) != 0)
		buf_z(why, "no queue_directory of Postfix");
	else if (runs(x.root))
		buf_z(why, "Postfix runs there: stop it first (postfix stop)");
	for (size_t i = 0; !why->n && i < sizeof(queues) / sizeof(queues[0]); i++) {
		x.queue = &queues[i];
		import_queue(&x);
	}
	if (x.root >= 0)
		fs_close(x.root);
	return why->n ? -1 : 0;
}
