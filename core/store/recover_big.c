/* recover_big - at a start: does every large message have its content, and every file in big/ its message? A file without
 * one was never accepted or is finished, and goes; content that is missing or cut short is damage. See store_private.h. */
#include <errno.h>
#include <stdio.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/store/store_private.h"

struct big { struct store *s; uint64_t *set_aside; };

static int on_big_name(void *ctx, const char *name)
{
	struct big *b = ctx;
	struct store *s = b->s;
	char path[STORE_PATH], to[STORE_PATH];
	struct qmsg *m;
	uint64_t id;
	int done;

	if (!qid_parse(str_of(name), &id))
		return 0;
	m = store_find(s, id);
	if (m && m->flags & QMSG_BIG)
		return 0;
	if (id >= s->next_id)
		s->next_id = id + 1;
	store_path(s, path, "big/%s", name);
	store_path(s, to, "corrupt/%s.content", name);
	/* after damage its message may be among what was set aside; otherwise it was never accepted, or it is finished */
	done = *b->set_aside ? fs_rename(path, to) : fs_unlink(path);
	if (done < 0)
		log_warn("qmgr", "cannot clear away %s: %s", path, strerror(errno));
	return 0;
}

static void lose_big(struct store *s, struct qmsg *m)
{
	char path[STORE_PATH], to[STORE_PATH], qid[QID_MAX], name[64];
	struct record rec;
	bool kept = true;
	struct buf b;

	qid_format(qid, m->id);
	log_text(LOG_SEV_ERROR, "qmgr", 0, qid, "the content in big/%s is missing or cut short; the rest of the message is in corrupt/", qid);
	if (s->o.read_only)
		return;
	store_path(s, path, "big/%s", qid);
	store_path(s, to, "corrupt/%s.content", qid);
	if (fs_rename(path, to) < 0 && errno != ENOENT)
		log_warn("qmgr", "cannot set %s aside: %s", path, strerror(errno));
	snprintf(name, sizeof(name), "%s.record", qid);
	if (!read_record(s, m->record, m->id, &rec, &b)) {
		store_set_aside(s, name, b.p, b.n, &kept);
		buf_fini(&b);
	}
	if (kept)
		store_remove(s, m, NULL, NULL);
}

static bool is_lost(struct store *s, const struct qmsg *m)
{
	char path[STORE_PATH], qid[QID_MAX];
	struct stat st;
	uint64_t size;

	qid_format(qid, m->id);
	store_path(s, path, "big/%s", qid);
	if (stat(path, &st) < 0)
		return errno == ENOENT;
	/* a record that cannot be read is found again by whoever delivers it */
	return read_big_size(s, m, &size) == 0 && (uint64_t)st.st_size != size;
}

static void check_big(struct store *s, uint64_t *set_aside)
{
	size_t cursor = 0;
	struct qmsg *m;

	while (s->stats.big_files && store_each(s, &cursor, &m)) {
		if (!(m->flags & QMSG_BIG) || !is_lost(s, m))
			continue;
		(*set_aside)++;
		lose_big(s, m);
	}
}

int recover_big(struct store *s, uint64_t *set_aside)
{
	struct big b = { s, set_aside };
	char dir[STORE_PATH];

	store_path(s, dir, "big");
	check_big(s, set_aside);
	return s->o.read_only ? 0 : fs_each_name(dir, on_big_name, &b);
}
