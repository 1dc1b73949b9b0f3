/* wiring - see wiring.h. The tables of core/schedule/schedule.h, core/deliver/deliver.h and core/access/verify.h, filled in. */
#include "core/daemon/wiring.h"

#include "core/route/local_user.h"
#include "core/smtp/grammar.h"

/* --- what the schedule asks ------------------------------------------------------------------------------------------- */

static void route(void *ctx, struct arena *a, const struct envelope *e, const struct rcpt *rcpt, struct schedule_route *out)
{
	struct relay *r = ctx;
	struct route found;
	struct str text = e->refused, code;

	/* on its way into the queue, when nobody was there to be told */
	if (text.n && str_cut(&text, ' ', &code)) {
		char enhanced[12] = "";

		bytes_copy(enhanced, code.p, code.n < sizeof(enhanced) ? code.n : 0);
		reply_set(&out->failed, 550, enhanced, "%.*s", STR_ARG(text));
		return;
	}
	route_resolve(r->settings->router, a, e->sender, rcpt->addr, &found, NULL);
	out->transport = found.transport;
	out->nexthop = found.nexthop;
	out->failed = found.failed;
	if (found.transport && found.transport->program == MASTER_LOCAL)
		out->person = route_local_base(r->settings->conf, local_user_name(a, rcpt->addr));
	if (found.transport)
		out->login = deliver_login(r->deliver, a, found.transport, found.nexthop, e->sender);
	out->asked_only = found.transport && grammar_has_word(r->settings->conf->defer_transports, str_of(found.transport->name));
}

static void deliver(void *ctx, struct delivery *d)
{
	struct relay *r = ctx;

	deliver_start(r->deliver, d);
}

static void dest_idle(void *ctx, struct dest *d)
{
	struct relay *r = ctx;

	if (r->deliver)
		deliver_dest_idle(r->deliver, d);
}

static void notice(void *ctx, void *ticket, int kind, struct qmsg *m, const struct envelope *e, const size_t *rcpts,
	const struct delivery_result *results, size_t n)
{
	struct relay *r = ctx;

	bounce_notice(r->deliver, kind, m, e, rcpts, results, n, schedule_notice_done, ticket);
}

const struct schedule_ops wiring_schedule_ops = { route, deliver, dest_idle, notice };

/* --- what deliveries give back ---------------------------------------------------------------------------------------- */

static void on_queued(void *ctx, struct qmsg *m)
{
	struct relay *r = ctx;

	schedule_add(r->schedule, m, true);
}

static void on_delivered(void *ctx, struct delivery *d)
{
	struct relay *r = ctx;

	history_deliveries(&r->history, loop_wall(r->loop), d, r->counts.mail);
	if (r->settings->conf->http_listen[0])
		history_sent(&r->history, loop_wall(r->loop), d);
	schedule_done(d);
}

struct deliver *wiring_deliver(struct relay *r, int helper_fd)
{
	struct deliver_options o = { .loop = r->loop, .pool = r->file_pool, .store = r->store, .dns = r->dns, .conf = r->settings->conf,
		.master = &r->settings->master, .router = r->settings->router, .profiles = r->settings->profiles, .templates = r->settings->templates, .queued = on_queued,
		.done = on_delivered, .ctx = r, .helper_fd = helper_fd };

	return deliver_new(&o);
}

/* --- what address verification asks ----------------------------------------------------------------------------------- */

static void probe(void *ctx, struct str rcpt, verify_fn fn, void *fn_ctx)
{
	struct relay *r = ctx;

	deliver_probe(r->deliver, rcpt, fn, fn_ctx);
}

struct verify *wiring_verify(struct relay *r)
{
	return verify_new(&(struct verify_options){ .loop = r->loop, .conf = r->settings->conf, .probe = probe, .ctx = r });
}
