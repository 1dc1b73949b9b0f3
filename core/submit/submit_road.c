/* submit_road - see submit_road.h. One delivery per destination and recipient limit, one after the other: who looks on sees one
 * dialogue, and a connection serves the next of them. */
#include "core/submit/submit_road.h"

#include <errno.h>
#include <unistd.h>

#include "core/base/mem.h"

struct run {
	struct submit_road *road;
	const struct envelope *envelope;
	const struct road_hop *hops;
	struct delivery_result *results;
	struct deliver_profiles *profiles;
	struct loop *loop;
	struct dns *dns;
	struct deliver *deliver;
	/* the delivery that runs */
	const struct rcpt **rcpts;
	size_t *rows;
	struct delivery_result *answers;
	struct dest dest;
	struct qmsg msg;
	struct delivery job;
};

/* --- who looks on ----------------------------------------------------------------------------------------------------- */

static void on_step(void *ctx, struct delivery *d, const struct deliver_step *s)
{
	const struct submit_options *o = ctx;
	const struct tls_info *t = s->tls;
	struct buf text;
	char ip[46] = "socket";

	(void)d;
	buf_init(&text, 2 * LIMIT_REPLY_TEXT);
	switch (s->kind) {
	case DELIVER_STEP_CONNECTED:
		if (s->address->family != AF_UNSPEC)
			ipaddr_format(s->address, ip);
		buf_printf(&text, "connected to %s[%s]", s->host, ip);
		break;
	case DELIVER_STEP_TLS:
		buf_printf(&text, "TLS: %s with cipher %s (%d bits), %s%s%s", t->version, t->cipher, t->bits, tls_trust_word(t->trust),
			t->why_untrusted[0] ? ": " : "", t->why_untrusted);
		break;
	case DELIVER_STEP_FAILED:
		buf_z(&text, s->reply->text);
		break;
	case DELIVER_STEP_AUTH:
	case DELIVER_STEP_RCPT:
		break;
	}
	if (text.n)
		o->line(o->ctx, '*', buf_view(&text));
	buf_fini(&text);
}

static void on_line(void *ctx, char mark, struct str line)
{
	const struct submit_options *o = ctx;

	o->line(o->ctx, mark, line);
}

/* --- one delivery ------------------------------------------------------------------------------------------------------ */

static void on_done(void *ctx, struct delivery *job)
{
	struct run *r = ctx;

	(void)job;
	loop_stop(r->loop);
}

static bool is_for(const struct run *r, size_t i, const struct road_hop *hop)
{
	return !r->results[i].reply.code && r->hops[i].transport == hop->transport && str_eq(r->hops[i].nexthop, hop->nexthop);
}

/* gather - the recipients that go with this one */
static void gather(struct run *r, size_t first)
{
	const struct road_hop *hop = &r->hops[first];
	int64_t limit = conf_transport_int(hop->transport->conf, hop->transport->name, "destination_recipient_limit");
	size_t n = 0;

	for (size_t i = first; i < r->envelope->n_rcpts && (!limit || r->road->socket >= 0 || n < (uint64_t)limit); i++) {
		if (!is_for(r, i, hop))
			continue;
		r->rcpts[n] = &r->envelope->rcpts[i];
		r->answers[n] = (struct delivery_result){ .relayed = false };
		r->rows[n++] = i;
	}
	r->dest = (struct dest){ .transport = hop->transport, .nexthop = hop->nexthop.p };
	r->msg = (struct qmsg){ .id = r->road->id, .arrival = r->envelope->arrival, .size = r->road->content.n };
	r->job = (struct delivery){ .dest = &r->dest, .msg = &r->msg, .envelope = r->envelope, .n = n, .rcpts = r->rcpts,
		.results = r->answers, .active_at = loop_wall(r->loop), .start_at = loop_wall(r->loop) };
}

static void deliver_all(struct run *r)
{
	for (size_t i = 0; i < r->envelope->n_rcpts; i++) {
		if (r->results[i].reply.code)
			continue;
		gather(r, i);
		deliver_start(r->deliver, &r->job);
		loop_run(r->loop);
		for (size_t k = 0; k < r->job.n; k++)
			r->results[r->rows[k]] = r->answers[k];
		deliver_dest_idle(r->deliver, &r->dest);
	}
	/* QUIT is courtesy: it is sent, its answer is not waited for */
	deliver_close_idle(r->deliver);
	loop_tick(r->loop, 0);
}

/* --- all of it ---------------------------------------------------------------------------------------------------------- */

static bool open_profiles(struct run *r, struct buf *why)
{
	struct conf_diag diag;

	conf_diag_init(&diag);
	r->profiles = deliver_profiles_new(r->road->master, &diag);
	for (size_t i = 0; i < diag.n && !r->profiles; i++)
		if (diag.v[i].severity == CONF_ERROR)
			buf_printf(why, "%s%s", why->n ? "; " : "", diag.v[i].text);
	conf_diag_fini(&diag);
	return r->profiles != NULL;
}

static bool open_loop(struct run *r, struct buf *why)
{
	const struct submit_options *o = r->road->options;
	struct dns_options dns = { .resolv_conf = NULL };

	if (o && o->dns)
		dns = *o->dns;
	r->loop = loop_new();
	/* who is connected already looks nothing up */
	r->dns = r->loop && r->road->socket < 0 ? dns_new(r->loop, &dns) : NULL;
	if (r->dns || (r->loop && r->road->socket >= 0))
		return true;
	buf_printf(why, "cannot wait for events: %s", strerror(errno));
	return false;
}

static void open_deliver(struct run *r)
{
	struct submit_road *road = r->road;
	const struct submit_options *o = road->options;
	struct deliver_options d = { .loop = r->loop, .dns = r->dns, .conf = road->conf, .master = road->master, .router = road->router,
		.profiles = r->profiles, .done = on_done, .ctx = r, .content = content_of_memory(&road->content), .helper_fd = -1,
		.socket = &road->socket, .silent = road->socket >= 0 };

	if (o && o->line)
		d.tap = (struct deliver_tap){ .step = on_step, .line = on_line, .ctx = (void *)(uintptr_t)o };
	if (o) {
		d.stop = o->stop;
		d.as_said = o->as_said;
	}
	r->deliver = deliver_new(&d);
}

int submit_road_run(struct submit_road *road, const struct envelope *e, const struct road_hop *hops, struct delivery_result *results,
	struct buf *why)
{
	struct run r = { .road = road, .envelope = e, .hops = hops, .results = results };
	bool ok = open_profiles(&r, why) && open_loop(&r, why);

	for (size_t i = 0; i < e->n_rcpts; i++)
		results[i] = (struct delivery_result){ .reply = hops[i].failed };
	if (ok) {
		r.rcpts = mem_array(NULL, e->n_rcpts, sizeof(*r.rcpts));
		r.rows = mem_array(NULL, e->n_rcpts, sizeof(*r.rows));
		r.answers = mem_array(NULL, e->n_rcpts, sizeof(*r.answers));
		open_deliver(&r);
		deliver_all(&r);
		deliver_free(r.deliver);
		/* what was closed is freed in the next tick: there may be many messages */
		loop_tick(r.loop, 0);
		mem_free(r.rcpts);
		mem_free(r.rows);
		mem_free(r.answers);
	}
	if (road->socket >= 0)
		close(road->socket);
	if (r.dns)
		dns_free(r.dns);
	if (r.loop)
		loop_free(r.loop);
	deliver_profiles_free(r.profiles);
	return ok ? 0 : -1;
}
