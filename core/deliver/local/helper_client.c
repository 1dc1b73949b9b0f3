/* helper_client - see helper_client.h. Answers that arrive while a table is being opened wait for the end of the tick. */
#include "core/deliver/local/helper_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/net/fdpass.h"

#define OPEN_WAIT_MS 5000

struct pending {
	struct list link;
	uint64_t id;
	helper_fn fn;
	void *ctx;
	struct reply reply;            /* code != 0: answered, to be told */
};
struct helper_client {
	struct loop *loop;
	struct loop_io io;
	struct loop_task task;         /* tells answers that are known */
	struct list pending;
	uint64_t last_id;
	bool dead;
};

static struct pending *find(struct helper_client *h, uint64_t id)
{
	LIST_EACH(&h->pending, it, tmp)
		if (LIST_ITEM(it, struct pending, link)->id == id)
			return LIST_ITEM(it, struct pending, link);
	return NULL;
}

static void run_task(struct loop_task *task)
{
	struct helper_client *h = LIST_ITEM(task, struct helper_client, task);
	struct list ready;

	list_init(&ready);
	LIST_EACH(&h->pending, it, tmp) {
		if (!LIST_ITEM(it, struct pending, link)->reply.code)
			continue;
		list_remove(it);
		list_append(&ready, it);
	}
	while (!list_is_empty(&ready)) {
		struct pending *p = LIST_ITEM(list_first(&ready), struct pending, link);
		struct pending copy = *p;

		list_remove(&p->link);
		mem_free(p);
		copy.fn(copy.ctx, &copy.reply);
	}
}

static void set_dead(struct helper_client *h)
{
	if (!h->dead) {
		log_warn("local", "the privileged helper is gone: local delivery waits for a restart");
		loop_io_remove(h->loop, &h->io);
	}
	h->dead = true;
	LIST_EACH(&h->pending, it, tmp) {
		struct pending *p = LIST_ITEM(it, struct pending, link);

		if (!p->reply.code)
			reply_set(&p->reply, 451, "4.3.0", "local delivery is not available");
	}
	loop_defer(h->loop, &h->task);
}

/* 1 with an answer, 0 none now, -1 the helper is gone */
static int receive(struct helper_client *h, struct helper_answer *a, int *fd)
{
	ptrdiff_t n;

	*fd = -1;
	if (h->dead)
		return -1;
	n = fdpass_recv(h->io.fd, fd, a, sizeof(*a));
	if (n == (ptrdiff_t)sizeof(*a))
		return 1;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return 0;
	set_dead(h);
	return -1;
}

static void take_answer(struct helper_client *h, const struct helper_answer *a, int fd)
{
	struct pending *p = find(h, a->id);

	if (fd >= 0)
		fs_close(fd);
	if (!p)
		return;
	p->reply = a->reply;
	p->reply.text[sizeof(p->reply.text) - 1] = 0;
	p->reply.enhanced[sizeof(p->reply.enhanced) - 1] = 0;
	if (!p->reply.code)
		reply_set(&p->reply, 451, "4.3.0", "local delivery gave no answer");
	loop_defer(h->loop, &h->task);
}

static void on_ready(struct loop_io *io, uint32_t events)
{
	struct helper_client *h = LIST_ITEM(io, struct helper_client, io);
	struct helper_answer a;
	int fd;

	while (receive(h, &a, &fd) > 0)
		take_answer(h, &a, fd);
}

/* ask - for a descriptor, while the caller waits */
static int ask(struct helper_client *h, struct helper_request *r)
{
	struct pollfd p = { .fd = h->io.fd, .events = POLLIN };
	struct helper_answer a;
	int fd, got;

	r->id = ++h->last_id;
	if (h->dead) {
		errno = EACCES;
		return -1;
	}
	if (fdpass_send(h->io.fd, -1, r, sizeof(*r)) < 0)
		return -1;
	while ((got = receive(h, &a, &fd)) >= 0) {
		if (got > 0 && a.id == r->id) {
			errno = a.error;
			return fd;
		}
		if (got > 0)
			take_answer(h, &a, fd);
		else if (poll(&p, 1, OPEN_WAIT_MS) == 0)
			break;
	}
	errno = ETIMEDOUT;
	return -1;
}

static int ask_for(struct helper_client *h, enum helper_verb verb, const char *path)
{
	struct helper_request r = { .verb = verb };

	if (strlen(path) >= sizeof(r.order.path)) {
		errno = EACCES;
		return -1;
	}
	memcpy(r.order.path, path, strlen(path));
	return ask(h, &r);
}

int helper_client_open(struct helper_client *h, const char *path)
{
	return ask_for(h, HELPER_OPEN, path);
}

static int log_opener(void *ctx, const char *path)
{
	return ask_for(ctx, HELPER_LOG, path);
}

static int opener(void *ctx, const char *path)
{
	return helper_client_open(ctx, path);
}

struct helper_client *helper_client_new(struct loop *l, int fd)
{
	struct helper_client *h = MEM_NEW(struct helper_client);

	h->loop = l;
	h->io.fd = fd;
	h->io.on_ready = on_ready;
	list_init(&h->pending);
	loop_task_init(&h->task, run_task);
	if (loop_io_add(l, &h->io, EPOLLIN) < 0)
		set_dead(h);
	fs_set_opener(opener, h);
	log_set_opener(log_opener, h);
	return h;
}

void helper_client_free(struct helper_client *h)
{
	if (!h)
		return;
	fs_set_opener(NULL, NULL);
	log_set_opener(NULL, NULL);
	list_remove(&h->task.link);
	if (!h->dead)
		loop_io_remove(h->loop, &h->io);
	LIST_EACH(&h->pending, it, tmp)
		mem_free(LIST_ITEM(it, struct pending, link));
	mem_free(h);
}

static int send_order(struct helper_client *h, struct helper_request *r, int content_fd)
{
	if (r->order.header_length) {
		r->verb = HELPER_HEADER;
		if (fdpass_send(h->io.fd, r->order.header_fd, r, sizeof(*r)) < 0)
			return -1;
	}
	r->verb = HELPER_DELIVER;
	return fdpass_send(h->io.fd, content_fd, r, sizeof(*r));
}

void helper_client_deliver(struct helper_client *h, const struct mailbox_order *o, int content_fd, helper_fn fn, void *ctx)
{
	struct pending *p = MEM_NEW(struct pending);
	struct helper_request r = { .id = ++h->last_id, .order = *o };

	p->id = r.id;
	p->fn = fn;
	p->ctx = ctx;
	list_append(&h->pending, &p->link);
	if (!h->dead && send_order(h, &r, content_fd) == 0)
		return;
	reply_set(&p->reply, 451, "4.3.0", "local delivery is busy: %s", h->dead ? "the helper is gone" : strerror(errno));
	loop_defer(h->loop, &h->task);
}

void helper_client_cancel(struct helper_client *h, void *ctx)
{
	LIST_EACH(&h->pending, it, tmp) {
		struct pending *p = LIST_ITEM(it, struct pending, link);

		if (p->ctx != ctx)
			continue;
		list_remove(&p->link);
		mem_free(p);
	}
}
