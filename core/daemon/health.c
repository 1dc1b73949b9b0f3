/* health - a table of paths, each with the question it asks. A balancer that asks for "/", as most do when nobody told them
 * otherwise, learns whether the relay may get mail. */
#include "core/daemon/health.h"

#include <unistd.h>

#include "core/base/mem.h"
#include "core/net/http.h"

#define REQUEST_TIME (5 * USEC_PER_SEC)        /* a request comes, and is answered, within this */

struct visitor {
	struct list link;
	struct relay *relay;
	struct conn *conn;
	struct ipaddr address;
};

const char *health_alive(const struct relay *r)
{
	if (store_is_broken(r->store))
		return "a flush of the queue failed: restart after the disk is well";
	return access(".", W_OK) == 0 ? NULL : "queue_directory cannot be written";
}

/* ready - NULL, or why not */
static const char *ready(const struct relay *r)
{
	size_t most = (size_t)r->settings->conf->http_ready_queue_limit;
	const char *why = health_alive(r);

	if (why)
		return why;
	if ((r->stopping && !r->handing_over) || r->leaving)
		return "shutting down";
	if (r->n_sessions >= r->max_sessions)
		return "too many sessions";
	if (most && store_count(r->store) > most)
		return "more than http_ready_queue_limit messages in the queue";
	return store_has_room(r->store, 0) ? NULL : "no room in queue_directory";
}

static const struct page {
	const char *path;
	const char *(*ask)(const struct relay *r);
} pages[] = { { "/healthz", health_alive }, { "/readyz", ready }, { "/", ready } };

/* answer_page - the status, and in *why what is behind a 404 or 503 */
static int answer_page(const struct relay *r, struct str path, const char **why)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
		if (!str_eq(path, str_of(pages[i].path)))
			continue;
		*why = pages[i].ask(r);
		return *why ? 503 : 200;
	}
	*why = "no such page";
	return 404;
}

/* respond - refused: the status for what is no request, or 0 */
static void respond(struct relay *r, struct conn *c, const struct http_request *q, int refused)
{
	struct buf body;
	const char *why = "not a request that is understood here";
	int status = refused ? refused : answer_page(r, q->path, &why);

	buf_init(&body, LIMIT_HTTP_ANSWER);
	buf_printf(&body, "%s\n", why ? why : "ok");
	http_respond(&c->out, status, "text/plain; charset=utf-8", buf_view(&body), q->head);
	buf_fini(&body);
}

static void leave(struct visitor *v)
{
	list_remove(&v->link);
	mem_free(v);
}

static enum conn_next on_conn(struct conn *c, enum conn_event ev)
{
	struct visitor *v = c->ctx;
	struct relay *r = v->relay;
	struct http_request q;
	int status;

	if (ev == CONN_CONNECTED || ev == CONN_SENT)
		return CONN_KEEP;
	if (ev == CONN_DATA) {
		if (http_parse(buf_view(&c->in), &q, &status) == HTTP_NEED_MORE)
			return CONN_KEEP;
		respond(r, c, &q, status);
		conn_close_after_send(c, loop_now(r->loop) + REQUEST_TIME);
	}
	leave(v);
	return CONN_CLOSE;
}

/* make_room - bounded in all and for each address: past that the oldest goes, of the same address first, which is one that says
 * nothing, for all others are answered at once */
static void make_room(struct relay *r, const struct ipaddr *a)
{
	struct visitor *oldest_same = NULL, *gone;
	unsigned all = 0, same = 0;

	LIST_EACH(&r->visitors, it, tmp) {
		struct visitor *v = LIST_ITEM(it, struct visitor, link);
		bool is_same = ipaddr_eq(&v->address, a);

		all++;
		same += is_same;
		oldest_same = is_same && !oldest_same ? v : oldest_same;
	}
	if (all < LIMIT_HTTP_CONNECTIONS && same < LIMIT_HTTP_CLIENT)
		return;
	gone = oldest_same ? oldest_same : LIST_ITEM(list_first(&r->visitors), struct visitor, link);
	conn_close(gone->conn);
	leave(gone);
}

void health_open(struct relay *r, int fd)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t n = sizeof(peer);
	struct visitor *v = MEM_NEW(struct visitor);

	v->relay = r;
	if (getpeername(fd, (struct sockaddr *)&peer, &n) == 0)
		ipaddr_from_sockaddr((struct sockaddr *)&peer, &v->address);
	make_room(r, &v->address);
	v->conn = conn_accepted(r->loop, fd, LIMIT_HTTP_REQUEST, LIMIT_HTTP_REQUEST, on_conn, v);
	if (!v->conn) {
		mem_free(v);
		return;
	}
	list_append(&r->visitors, &v->link);
	conn_deadline(v->conn, loop_now(r->loop) + REQUEST_TIME);
}
