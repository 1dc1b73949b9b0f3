/* adopt - see adopt.h. Root does what it does there as the folder's owner (core/base/rights.h). */
#include "core/view/adopt.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/rights.h"
#include "core/base/term.h"
#include "core/store/maildrop.h"
#include "core/view/control.h"
#include "core/view/give.h"

#define PIECE 16384
#define FLUSH_EACH 16                          /* messages; as many may come twice after a crash */

struct adoption {
	struct moving *m;
	struct stat owner;
	bool believed;                 /* the owner: root, we, or whom relayd runs as */
	struct store *store;
	uint64_t *ids;
	size_t n;
	bool gone;                     /* relayd does not answer any more, or not us */
};

void moving_say(struct moving *m, const char *from, const char *qid, const char *problem)
{
	m->messages += !problem;
	m->left += problem != NULL;
	/* names and addresses of strangers */
	term_print(m->say, str_of(from));
	fputs(problem ? ": left: " : ": now ", m->say);
	term_print(m->say, str_of(problem ? problem : qid));
	fputc('\n', m->say);
}

static void on_found(void *ctx, struct qmsg *m)
{
	struct adoption *x = ctx;

	x->ids = mem_array(x->ids, x->n + 1, sizeof(*x->ids));
	x->ids[x->n++] = m->id;
}

/* --- one message ------------------------------------------------------------------------------------------------------ */

struct source { struct store_reader *reader; uint64_t at, end; };

static int add_body(void *ctx, int (*put)(void *to, struct str piece), void *to)
{
	struct source *s = ctx;
	char piece[PIECE];

	while (s->at < s->end) {
		ssize_t got = store_read(s->reader, s->at, piece, s->end - s->at < PIECE ? (size_t)(s->end - s->at) : PIECE);

		if (got == 0)
			errno = EILSEQ;
		if (got <= 0 || put(to, str_make(piece, (size_t)got)) != 0)
			return -1;
		s->at += (uint64_t)got;
	}
	return 0;
}

/* only_pending - the others have it */
static void only_pending(struct envelope *e, const struct rcpt_state *states)
{
	size_t n = e->n_rcpts;

	e->n_rcpts = 0;
	for (size_t i = 0; i < n; i++)
		if (states[i].status == RCPT_PENDING)
			e->rcpts[e->n_rcpts++] = e->rcpts[i];
}

/* give_message - as who may talk to relayd; a result of give() */
static int give_message(struct adoption *x, const struct qmsg *m, const struct envelope *e, char qid[QID_MAX], struct buf *why)
{
	struct source s = { .reader = store_read_open(x->store, m), .end = m->size };
	struct given g = { .envelope = e, .add = add_body, .ctx = &s, .flags = m->flags & QMSG_STORED };
	char origin[GIVE_ORIGIN];
	int r, error;

	if (!s.reader)
		return -1;
	qid_format(qid, m->id);
	snprintf(origin, sizeof(origin), "%s of %s", qid, x->m->directory);
	g.header = store_read_header(s.reader);
	s.at = g.header.n;
	g.body = m->size - g.header.n;
	g.origin = origin;
	r = rights_back() == 0 ? give(x->m->conf->queue_directory, &g, qid, why) : -1;
	error = errno;
	x->gone = r == 2 || (r < 0 && (error == ENOENT || error == ECONNREFUSED));
	rights_become(x->owner.st_uid, x->owner.st_gid);
	store_read_close(s.reader);
	errno = error;
	return r;
}

static int put_buf(void *to, struct str piece) { return buf_str(to, piece) ? 0 : -1; }

/* drop_message - what a stranger's queue says is his word, envelope and content: it is judged as what he drops, which he could have
 * done without us. 0, or -1 with errno */
static int drop_message(struct adoption *x, const struct qmsg *m, const struct envelope *e, char name[MAILDROP_NAME])
{
	struct source s = { .reader = store_read_open(x->store, m), .end = m->size };
	struct buf content;
	int r;

	if (!s.reader)
		return -1;
	buf_init(&content, (size_t)m->size + 1);
	r = add_body(&s, put_buf, &content) == 0 ? maildrop_write_named(x->m->conf->queue_directory, e, buf_view(&content), name) : -1;
	buf_fini(&content);
	store_read_close(s.reader);
	return r;
}

/* move_message - *why is filled with what keeps it there */
static bool move_message(struct adoption *x, struct qmsg *m, char now[MAILDROP_NAME], struct buf *why)
{
	struct envelope e;
	struct rcpt_state *states;
	struct arena a;
	int r = -1;

	arena_init(&a, 4 * (size_t)LIMIT_STORE_ENVELOPE);
	if (store_envelope(x->store, m, &a, &e) == 0 && store_states(x->store, m, &a, &states) == 0) {
		if (e.unknown.n) {
			buf_printf(why, ENVELOPE_UNKNOWN_WHY, STR_ARG(e.unknown));
		} else {
			only_pending(&e, states);
			r = x->believed ? give_message(x, m, &e, now, why) : drop_message(x, m, &e, now);
		}
	}
	if (r != 0 && !why->n)
		buf_z(why, strerror(errno));
	arena_fini(&a);
	return r == 0;
}

static void move_all(struct adoption *x)
{
	char from[QID_MAX], now[MAILDROP_NAME];
	struct buf why;

	buf_init(&why, LIMIT_REPLY_TEXT);
	for (size_t i = 0; i < x->n; i++) {
		struct qmsg *m = store_find(x->store, x->ids[i]);
		bool done;

		x->m->left += x->gone;
		if (!m || x->gone)
			continue;
		qid_format(from, m->id);
		buf_clear(&why);
		done = move_message(x, m, now, &why);
		moving_say(x->m, from, now, done ? NULL : buf_cstr(&why));
		if (done)
			store_remove(x->store, m, NULL, NULL);
		if (x->m->messages % FLUSH_EACH == 0)
			store_tick(x->store, clock_mono() + USEC_PER_SEC);
	}
	buf_fini(&why);
}

/* --- what nobody has picked up ---------------------------------------------------------------------------------------- */

/* move_drop - into our own maildrop, as who wrote it: relayd believes the owner of the file */
static int move_drop(void *ctx, const char *name)
{
	struct adoption *x = ctx;
	char now[MAILDROP_NAME] = "";
	struct maildrop d = { .fd = -1 };
	struct stat st;
	struct buf content;
	struct arena a;
	const char *problem = NULL;

	arena_init(&a, 4 * (size_t)LIMIT_STORE_ENVELOPE);
	buf_init(&content, (size_t)1 << 40);
	/* whose it is the open file says: its name may be another's by now */
	if (maildrop_open(x->m->directory, name, &a, &d) != 0 || fstat(d.fd, &st) != 0 || maildrop_content(&d, &content) != 0)
		problem = strerror(errno);
	else if (getuid() != 0 && st.st_uid != getuid())
		problem = "it is another user's: root can take it";
	else if (rights_become(st.st_uid, st.st_gid) != 0 || maildrop_write_named(x->m->conf->queue_directory, &d.envelope, buf_view(&content), now) != 0)
		problem = strerror(errno);
	moving_say(x->m, name, now, problem);
	rights_become(x->owner.st_uid, x->owner.st_gid);
	maildrop_close(&d);
	if (!problem && maildrop_remove(x->m->directory, name) != 0)
		fprintf(x->m->say, "%s: not removed: %s\n", name, strerror(errno));
	buf_fini(&content);
	arena_fini(&a);
	return 0;
}

/* --- all -------------------------------------------------------------------------------------------------------------- */

static bool is_same(const struct stat *a, const struct stat *b) { return a->st_dev == b->st_dev && a->st_ino == b->st_ino; }

/* look - is this a queue folder, and whose? */
static bool look(struct adoption *x, struct buf *why)
{
	char path[4096];
	struct stat log, ours = { 0 };

	snprintf(path, sizeof(path), "%s/log", x->m->directory);
	if (stat(x->m->directory, &x->owner) != 0 || lstat(path, &log) != 0)
		buf_printf(why, "%s: %s: no queue folder of relaybox", path, strerror(errno));
	else if (stat(x->m->conf->queue_directory, &ours) == 0 && is_same(&ours, &x->owner))
		buf_printf(why, "%s is the queue of the relayd that runs", x->m->directory);
	else if (log.st_uid != x->owner.st_uid)
		buf_printf(why, "%s is not its folder's owner's", path);
	else if (rights_become(x->owner.st_uid, x->owner.st_gid) != 0)
		buf_printf(why, "become its owner: %s", strerror(errno));
	x->believed = x->owner.st_uid == 0 || x->owner.st_uid == getuid() || x->owner.st_uid == ours.st_uid;
	return !why->n;
}

/* tell_corrupt - what the store set aside as it read the log (it named each) */
static void tell_corrupt(const struct adoption *x)
{
	struct store_stats stats;

	store_stats(x->store, &stats);
	x->m->left += (size_t)stats.corrupt;
	if (stats.corrupt)
		fprintf(x->m->say, "%s/corrupt: %llu damaged parts are kept there\n", x->m->directory, (unsigned long long)stats.corrupt);
}

int adopt(struct moving *m, struct buf *why)
{
	struct adoption x = { .m = m };
	struct store_options o = { .dir = m->directory, .segment_size = m->conf->queue_segment_size, .big_threshold = m->conf->queue_big_threshold,
		.sync = true };

	if (!look(&x, why))
		return -1;
	x.store = store_open(&o, on_found, &x, why);
	if (x.store) {
		tell_corrupt(&x);
		move_all(&x);
		maildrop_each(m->directory, move_drop, &x);
		store_close(x.store);
	}
	mem_free(x.ids);
	rights_back();
	return x.store ? 0 : -1;
}
