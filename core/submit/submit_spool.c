/* submit_spool - see submit_spool.h. */
#include "core/submit/submit_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/statfs.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/env.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/store/maildrop.h"
#include "core/submit/submit.h"

#define ID_DIGITS 16                   /* of a drop's name: the time it was made */

/* --- the folder ------------------------------------------------------------------------------------------------------- */

struct place { char base[4000], path[4096]; };

/* place_at - the i-th folder of the list in submit_spool.h; false: no more. An empty base: not here */
static bool place_at(const struct conf *c, unsigned i, struct place *p)
{
	const char *bases[] = { c->sendmail_spool, env_get("HOME"), "/var/tmp" };
	const char *base = i < 3 ? bases[i] : NULL;

	if (i >= 3)
		return false;
	p->base[0] = '\0';
	if (base && base[0] == '/' && strlen(base) < sizeof(p->base))
		snprintf(p->base, sizeof(p->base), "%s", base);
	if (i == 1)
		snprintf(p->path, sizeof(p->path), "%s/.relaybox", p->base);
	else
		snprintf(p->path, sizeof(p->path), "%s/relaybox-%lu", p->base, (unsigned long)geteuid());
	return true;
}

/* is_private_tmp - systemd's PrivateTmp: a folder of its own that goes with the service. Its mount tells */
static bool is_private_tmp(const char *path)
{
	struct buf mounts;
	struct str rest, line, word;
	bool found = false;

	buf_init(&mounts, 1024 * 1024);
	fs_read_file("/proc/self/mountinfo", &mounts);
	rest = buf_view(&mounts);
	while (str_cut(&rest, '\n', &line)) {
		struct str root = STR_EMPTY, point = STR_EMPTY;

		/* id, parent, device, root, mount point */
		for (unsigned i = 0; i < 5 && str_word(&line, " ", &word); i++) {
			root = i == 3 ? word : root;
			point = i == 4 ? word : point;
		}
		if (str_eq(point, str_of(path)))
			found = str_find(root, STR("/systemd-private-")) >= 0;
	}
	buf_fini(&mounts);
	return found;
}

/* is_forgotten - a restart, or the end of a service, clears it */
static bool is_forgotten(const char *base)
{
	static const char *const cleared[] = { "/tmp", "/dev/shm", "/run", "/var/run" };
	char real[PATH_MAX];
	struct statfs fs;

	if (!realpath(base, real))
		return false;
	for (size_t i = 0; i < sizeof(cleared) / sizeof(cleared[0]); i++)
		if (!strcmp(real, cleared[i]))
			return true;
	return is_private_tmp(real) || (statfs(real, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC));
}

/* is_safe - no stranger can put a folder of his own in the place of ours */
static bool is_safe(const struct place *p)
{
	struct stat base, own;

	if (stat(p->base, &base) < 0 || lstat(p->path, &own) < 0)
		return false;
	errno = EPERM;
	return (base.st_uid == 0 || base.st_uid == geteuid()) && (!(base.st_mode & 002) || base.st_mode & S_ISVTX) &&
		S_ISDIR(own.st_mode) && own.st_uid == geteuid() && !(own.st_mode & 022);
}

static bool make_folder(const struct place *p)
{
	char drops[4200];

	snprintf(drops, sizeof(drops), "%s/maildrop", p->path);
	if (access(drops, F_OK) == 0)
		return is_safe(p);
	/* the folders themselves must survive a loss of power, too; one that may not be listed cannot be flushed alone */
	return fs_mkdir(p->path, 0700) == 0 && is_safe(p) && fs_mkdir(drops, 0700) == 0 && fs_sync_dir(p->path) == 0 &&
		(fs_sync_dir(p->base) == 0 || errno == EACCES);
}

/* why_path - the file that says why a drop is still there */
static void why_path(char path[4200], const struct place *p, const char *name)
{
	snprintf(path, 4200, "%s/why%s%s", p->path, *name ? "/" : "", name);
}

/* note_why - only told to people, so a failure changes nothing */
static void note_why(const struct place *p, const char *name, const char *reason)
{
	char path[4200];

	why_path(path, p, "");
	if (fs_mkdir(path, 0700) < 0)
		return;
	why_path(path, p, name);
	fs_replace(path, 0600, str_of(reason));
}

static void remove_drop(const struct place *p, const char *name)
{
	char path[4200];

	maildrop_remove(p->path, name);
	why_path(path, p, name);
	fs_unlink(path);
}

int submit_spool_keep(const struct conf *c, const struct envelope *e, struct str content, const char *reason, char *where, size_t n,
	struct buf *why)
{
	char name[MAILDROP_NAME];
	struct place p;

	for (unsigned i = 0; place_at(c, i, &p); i++) {
		if (!p.base[0])
			continue;
		/* who names a folder in the configuration knows what it is */
		if (i > 0 && is_forgotten(p.base)) {
			buf_printf(why, "%s%s: a restart forgets it", why->n ? ", " : "", p.base);
			continue;
		}
		if (make_folder(&p) && maildrop_write_named(p.path, e, content, name) == 0) {
			note_why(&p, name, reason);
			snprintf(where, n, "%s", p.path);
			return 0;
		}
		buf_printf(why, "%s%s: %s", why->n ? ", " : "", p.path, strerror(errno));
	}
	return -1;
}

/* --- one kept message ------------------------------------------------------------------------------------------------- */

struct visit {
	const struct conf *conf;
	struct place place;
	struct submit_flush *flush;
	submit_spool_fn *fn;
	void *ctx;
	const char *id;                /* to be deleted; NULL: all */
	size_t deleted;
};
struct drop {
	struct arena arena;
	struct envelope envelope;
	struct buf content;
};

static bool drop_read(struct drop *d, const char *folder, const char *name)
{
	arena_init(&d->arena, 8 * LIMIT_SESSION_ARENA);
	buf_init(&d->content, (size_t)1 << 40);
	return maildrop_read(folder, name, &d->arena, &d->envelope, &d->content) == 0;
}

static void drop_fini(struct drop *d)
{
	buf_fini(&d->content);
	arena_fini(&d->arena);
}

__attribute__((format(printf, 2, 3))) static void note(const struct visit *v, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	v->flush->note(text);
}

/* choose - the envelope with only the recipients of this verdict; their array is the arena's */
static struct envelope choose(struct drop *d, const enum verdict *verdicts, enum verdict wanted)
{
	struct envelope e = d->envelope;

	e.rcpts = ARENA_ARRAY(&d->arena, struct rcpt, e.n_rcpts);
	e.n_rcpts = 0;
	for (size_t i = 0; e.rcpts && i < d->envelope.n_rcpts; i++)
		if (verdicts[i] == wanted)
			e.rcpts[e.n_rcpts++] = d->envelope.rcpts[i];
	return e;
}

/* bury - dead.letter/NAME: the message behind fields that say who it was for and why it did not go; 0 when on disk */
static int bury(const struct visit *v, const char *name, const struct envelope *e, const struct drop *d, const char *why)
{
	char path[4200];
	struct buf text;
	size_t n;
	int r;

	n = (size_t)snprintf(path, sizeof(path), "%s/dead.letter", v->place.path);
	buf_init(&text, (size_t)1 << 40);
	buf_printf(&text, "X-Not-Sent: %s\r\nX-Envelope-From: <%.*s>\r\n", why, STR_ARG(e->sender));
	for (size_t i = 0; i < e->n_rcpts; i++)
		buf_printf(&text, "X-Envelope-To: <%.*s>\r\n", STR_ARG(e->rcpts[i].addr));
	buf_str(&text, buf_view(&d->content));
	r = fs_mkdir(path, 0700);
	snprintf(path + n, sizeof(path) - n, "/%s", name);
	if (r == 0)
		r = fs_replace(path, 0600, buf_view(&text));
	buf_fini(&text);
	if (r < 0)
		note(v, "cannot write %s: %s", path, strerror(errno));
	else
		note(v, "mail to %.*s was not sent and is in %s: %s", STR_ARG(e->rcpts[0].addr), path, why);
	return r;
}

/* settle - make what the try has shown lasting: new drops and letters first, then the old drop goes */
static void settle(struct visit *v, const char *name, struct drop *d, enum verdict *verdicts, const char *why)
{
	bool expired = clock_wall() - d->envelope.arrival > v->conf->maximal_queue_lifetime;
	size_t n[VERDICT_NEVER + 1] = { 0 };
	char kept[MAILDROP_NAME];
	struct envelope later, never;

	for (size_t i = 0; i < d->envelope.n_rcpts; i++) {
		if (expired && verdicts[i] == VERDICT_LATER)
			verdicts[i] = VERDICT_NEVER;
		n[verdicts[i]]++;
	}
	v->flush->left += n[VERDICT_LATER] > 0;
	if (n[VERDICT_LATER] == d->envelope.n_rcpts) {
		note_why(&v->place, name, why);
		return;
	}
	later = choose(d, verdicts, VERDICT_LATER);
	never = choose(d, verdicts, VERDICT_NEVER);
	if (d->arena.overflow || (never.n_rcpts && bury(v, name, &never, d, why) < 0))
		return;
	if (later.n_rcpts && maildrop_write_named(v->place.path, &later, buf_view(&d->content), kept) < 0) {
		note(v, "cannot write to %s/maildrop: %s", v->place.path, strerror(errno));
		return;
	}
	if (later.n_rcpts)
		note_why(&v->place, kept, why);
	remove_drop(&v->place, name);
}

/* try_drop - true: a server was there */
static bool try_drop(struct visit *v, const char *name)
{
	struct drop d;
	struct submit_result r = { .answered = true };
	enum verdict *verdicts;

	if (!drop_read(&d, v->place.path, name) || !d.envelope.n_rcpts) {
		v->flush->left++;
		note(v, "%s/maildrop/%s cannot be read: %s", v->place.path, name, strerror(errno));
	} else {
		verdicts = mem_array(NULL, d.envelope.n_rcpts, sizeof(*verdicts));
		v->flush->tried++;
		submit_try(v->conf, NULL, &d.envelope, buf_view(&d.content), &r, verdicts);
		settle(v, name, &d, verdicts, r.why);
		mem_free(verdicts);
	}
	drop_fini(&d);
	return r.answered;
}

/* visit_drop - maildrop_each's: lock it, try it when it is due; 1 ends the round */
static int visit_drop(void *ctx, const char *name)
{
	struct visit *v = ctx;
	struct submit_flush *f = v->flush;
	char path[4200];
	struct stat st;
	bool locked, go_on = true;
	int fd;

	snprintf(path, sizeof(path), "%s/maildrop/%s", v->place.path, name);
	fd = fs_open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return 0;
	locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
	if (fstat(fd, &st) < 0 || !st.st_nlink) {
		/* another process has sent it meanwhile: it has no name any more */
		go_on = true;
	} else if (!locked || (!f->all && clock_wall() < (usec)st.st_mtime * USEC_PER_SEC + v->conf->minimal_backoff_time)) {
		f->left++;
	} else {
		/* before the try, so that a message which breaks us is not the first one each time */
		futimens(fd, NULL);
		go_on = try_drop(v, name);
	}
	close(fd);
	return go_on && (!f->most || f->tried < f->most) ? 0 : 1;
}

/* --- all of them ------------------------------------------------------------------------------------------------------- */

static void visit_places(struct visit *v, int (*fn)(void *ctx, const char *name))
{
	for (unsigned i = 0; place_at(v->conf, i, &v->place); i++)
		if (v->place.base[0] && access(v->place.path, F_OK) == 0 && is_safe(&v->place) &&
		    maildrop_each(v->place.path, fn, v) > 0)
			return;
}

void submit_spool_flush(const struct conf *c, struct submit_flush *f)
{
	struct visit v = { .conf = c, .flush = f };

	visit_places(&v, visit_drop);
}

static int show_drop(void *ctx, const char *name)
{
	struct visit *v = ctx;
	struct drop d;
	struct buf reason;
	char id[ID_DIGITS + 1], path[4200];

	snprintf(id, sizeof(id), "%s", name);
	buf_init(&reason, LIMIT_REPLY_TEXT);
	why_path(path, &v->place, name);
	fs_read_file(path, &reason);
	if (drop_read(&d, v->place.path, name))
		v->fn(v->ctx, id, &d.envelope, d.content.n, buf_view(&reason));
	drop_fini(&d);
	buf_fini(&reason);
	return 0;
}

void submit_spool_each(const struct conf *c, submit_spool_fn *fn, void *ctx)
{
	struct visit v = { .conf = c, .fn = fn, .ctx = ctx };

	visit_places(&v, show_drop);
}

static int delete_drop(void *ctx, const char *name)
{
	struct visit *v = ctx;
	char path[4200];
	int fd;

	if (v->id && strncasecmp(v->id, name, ID_DIGITS) != 0)
		return 0;
	snprintf(path, sizeof(path), "%s/maildrop/%s", v->place.path, name);
	fd = fs_open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return 0;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		remove_drop(&v->place, name);
		v->deleted++;
	}
	close(fd);
	return 0;
}

size_t submit_spool_delete(const struct conf *c, const char *id)
{
	bool all = !strcmp(id, "ALL");
	struct visit v = { .conf = c, .id = all ? NULL : id };

	if (all || strlen(id) == ID_DIGITS)
		visit_places(&v, delete_drop);
	return v.deleted;
}
