/* pickup - see pickup.h. One drop at a time: read, commit, and only when it is durable in the queue remove the file; a
 * crash in between delivers it twice, never not at all. A file that is no drop is left alone and named once. */
#include "core/daemon/pickup.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "core/access/users.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cleanup/cleanup.h"
#include "core/msg/crlf.h"
#include "core/store/maildrop.h"


struct pickup {
	struct relay *relay;
	struct loop_io watch;
	struct loop_timer again;
	struct table refused;          /* names that are no drops, so that each is told once */
	char **names;                  /* of the last look into the folder, oldest first */
	size_t n_names, at;
	char current[256];
	struct arena arena;
	struct envelope envelope;
	struct buf content;
	bool busy, stopped;
};

static void look(struct pickup *p);

static void finish(struct pickup *p)
{
	buf_fini(&p->content);
	arena_reset(&p->arena);
	p->busy = false;
}

static void forget_drop(struct pickup *p)
{
	if (maildrop_remove(".", p->current) != 0)
		log_warn("pickup", "remove maildrop/%s: %s", p->current, strerror(errno));
}

static void on_committed(void *ctx, const struct reply *reply, struct qmsg *m)
{
	struct pickup *p = ctx;
	struct relay *r = p->relay;
	bool never = !m && reply_verdict(reply) == VERDICT_NEVER;

	if (m) {
		r->counts.mail[0]++;
		r->counts.submissions++;
		schedule_add(r->schedule, m, true);
	}
	if (never)
		table_add(&p->refused, str_of(p->current), p);
	if (m)
		forget_drop(p);
	else
		log_warn("pickup", "maildrop/%s: %s%s: %s", p->current, never ? "refused: " : "", reply->text, never ? "left alone" :
			"trying again later");
	finish(p);
	loop_timer_set(r->loop, &p->again, loop_now(r->loop) + (m || never ? 0 : 60 * USEC_PER_SEC));
}

static void take(struct pickup *p)
{
	struct relay *r = p->relay;
	struct cleanup_options o = {
		.source = CLEANUP_PICKUP, .sink = cleanup_to_store(r->store), .router = r->settings->router, .conf = r->settings->conf,
		.local = true, .now = loop_wall(r->loop),
	};
	struct str given = p->envelope.sender;
	struct crlf_clean clean;
	struct cleanup *c;
	struct log_line l;
	struct buf crlf;
	struct reply full;

	if (!users_include(o.conf->authorized_submit_users, p->envelope.uid)) {
		log_warn("pickup", "maildrop/%s: refused: uid %lld is not in authorized_submit_users: dropped", p->current,
			(long long)p->envelope.uid);
		forget_drop(p);
		finish(p);
		loop_timer_set(r->loop, &p->again, loop_now(r->loop));
		return;
	}
	p->envelope.flags |= ENVELOPE_LOCAL;
	c = cleanup_begin(&o, &p->envelope);
	if (!c) {
		cleanup_refusal(&full, errno);
		on_committed(p, &full, NULL);
		return;
	}
	log_begin(&l, "pickup", 0, cleanup_qid(c));
	l.spaced = true;
	log_field(&l, "uid", "%lld", (long long)p->envelope.uid);
	log_addr(&l, "from", given);
	log_end(&l);
	crlf_clean_init(&clean);
	buf_init(&crlf, 2 * LIMIT_DROP);
	crlf_clean_add(&clean, &crlf, buf_view(&p->content));
	crlf_clean_end(&clean, &crlf, true);
	cleanup_add(c, buf_view(&crlf));
	buf_fini(&crlf);
	cleanup_end(c, on_committed, p);
}

static int remember(void *ctx, const char *name)
{
	struct pickup *p = ctx;

	if (!table_find(&p->refused, str_of(name))) {
		p->names = mem_array(p->names, p->n_names + 1, sizeof(*p->names));
		p->names[p->n_names++] = mem_dupz(name);
	}
	return 0;
}

static void forget_names(struct pickup *p)
{
	for (size_t i = 0; i < p->n_names; i++)
		mem_free(p->names[i]);
	mem_free(p->names);
	p->names = NULL;
	p->n_names = p->at = 0;
}

/* read_drop - false: there is nothing to take under that name */
static bool read_drop(struct pickup *p, const char *name)
{
	buf_init(&p->content, LIMIT_DROP);
	if (maildrop_read(".", name, &p->arena, &p->envelope, &p->content) == 0)
		return true;
	if (errno != ENOENT) {
		log_warn("pickup", "maildrop/%s: %s: left alone", name, errno == EBADMSG ? "not a message" : strerror(errno));
		table_add(&p->refused, str_of(name), p);
	}
	finish(p);
	return false;
}

/* look - take the next drop of the last look, or look again; each name is read once, however many there are */
static void look(struct pickup *p)
{
	if (p->busy || p->stopped)
		return;
	if (p->at >= p->n_names) {
		forget_names(p);
		if (maildrop_each(".", remember, p) != 0 && errno != ENOENT)
			log_warn("pickup", "maildrop: %s", strerror(errno));
	}
	while (p->at < p->n_names) {
		const char *name = p->names[p->at++];

		if (!read_drop(p, name))
			continue;
		snprintf(p->current, sizeof(p->current), "%s", name);
		p->busy = true;
		take(p);
		return;
	}
}

static void on_again(struct loop_timer *t)
{
	look(LIST_ITEM(t, struct pickup, again));
}

static void on_change(struct loop_io *io, uint32_t events)
{
	char ignored[4096];

	(void)events;
	while (read(io->fd, ignored, sizeof(ignored)) > 0)
		continue;
	look(LIST_ITEM(io, struct pickup, watch));
}

struct pickup *pickup_start(struct relay *r)
{
	struct pickup *p = MEM_NEW(struct pickup);

	p->relay = r;
	table_init(&p->refused);
	arena_init(&p->arena, LIMIT_DROP_ARENA * LIMIT_SESSION_ARENA);
	loop_timer_init(&p->again, on_again);
	p->watch = (struct loop_io){ .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .on_ready = on_change };
	if (p->watch.fd >= 0 && (inotify_add_watch(p->watch.fd, "maildrop", IN_MOVED_TO) < 0 || loop_io_add(r->loop, &p->watch, EPOLLIN) != 0))
		log_warn("pickup", "watch maildrop: %s: drops are taken at start only", strerror(errno));
	loop_timer_set(r->loop, &p->again, loop_now(r->loop));
	return p;
}

void pickup_stop(struct pickup *p)
{
	if (!p)
		return;
	p->stopped = true;
	loop_timer_cancel(p->relay->loop, &p->again);
	if (p->watch.registered)
		loop_io_remove(p->relay->loop, &p->watch);
	if (p->watch.fd >= 0)
		close(p->watch.fd);
	table_fini(&p->refused);
	forget_names(p);
	arena_fini(&p->arena);
	buf_fini(&p->content);
	mem_free(p);
}
