/* stop - the way out: the delay in which balancers look elsewhere, then no more mail, and what is under way ends in time.
 *
 * Whoever is in the middle of a message may end it, and who had come just before may bring one; all others hear 421. What runs
 * ends, and what is queued is given to drain_relay or stays. What time cuts off is in the queue: a SIGKILL at any moment costs no
 * more than that, and at most a second copy. */
#include "core/base/log.h"
#include "core/daemon/listener.h"
#include "core/daemon/relay.h"
#include "core/daemon/session.h"

#define LAST_CALL USEC_PER_SEC         /* for who came as the end came, and would take a 421 for a refusal */

static bool is_over(const struct relay *r)
{
	return r->n_sessions == 0 && schedule_in_flight(r->schedule) == 0 && schedule_is_drained(r->schedule);
}

void relay_stop_check(void *ctx)
{
	struct relay *r = ctx;

	if (r->stopping && is_over(r))
		loop_stop(r->loop);
}

void relay_tell_stopping(const struct relay *r)
{
	const struct conf *c = r->settings->conf;

	notify_stopping(&r->notify, r->n_sessions, schedule_in_flight(r->schedule), c->shutdown_delay + c->shutdown_timeout);
}

/* next - wake up when the last call is over, then when all is */
static void next(struct relay *r)
{
	bool called = loop_now(r->loop) >= r->last_call;

	loop_timer_set(r->loop, &r->stop_timer, called || r->stop_by < r->last_call ? r->stop_by : r->last_call);
}

static void begin(struct relay *r)
{
	const struct settings *s = r->settings;
	usec now = loop_now(r->loop);

	r->stopping = true;
	r->last_call = now + LAST_CALL;
	r->stop_by = now + s->conf->shutdown_timeout;
	listener_close_mail(r);
	loop_defer(r->loop, &r->places);
	if (*s->conf->drain_relay && !r->handing_over)
		schedule_drain(r->schedule, master_find_transport(&s->master, STR("smtp")), str_of(s->conf->drain_relay));
	else
		schedule_stop(r->schedule);
	session_close_idle(r, now - LAST_CALL);
	relay_tell_stopping(r);
	next(r);
}

static void give_up(struct relay *r)
{
	log_warn("master", "shutdown_timeout is over: %zu sessions and %zu deliveries are cut off", r->n_sessions,
		schedule_in_flight(r->schedule));
	session_close_all(r);
	loop_stop(r->loop);
}

static void on_time(struct loop_timer *t)
{
	struct relay *r = LIST_ITEM(t, struct relay, stop_timer);

	if (!r->stopping) {
		begin(r);
	} else if (loop_now(r->loop) >= r->stop_by) {
		give_up(r);
	} else {
		session_close_idle(r, r->last_call);
		next(r);
	}
}

void relay_stop_init(struct relay *r)
{
	loop_timer_init(&r->stop_timer, on_time);
}

void relay_hand_over(struct relay *r)
{
	if (r->stopping)
		return;
	r->handing_over = true;
	log_say(LOG_SEV_INFO, "master", 0, NULL, "hand-over", "terminating: another relayd takes over");
	begin(r);
}

void relay_stop(struct relay *r, const char *why)
{
	usec delay = r->settings->conf->shutdown_delay;
	struct log_line l;

	if (r->stopping)
		return;
	if (delay && !r->leaving) {
		r->leaving = true;
		log_begin(&l, "master", 0, NULL);
		log_event(&l, LOG_SEV_INFO, "leave", "terminating on %s: mail is taken for %lld more seconds", why, (long long)(delay / USEC_PER_SEC));
		log_key(&l, "reason", str_of(why));
		log_key_number(&l, "seconds", delay / USEC_PER_SEC);
		log_end(&l);
		relay_tell_stopping(r);
		loop_timer_set(r->loop, &r->stop_timer, loop_now(r->loop) + delay);
		return;
	}
	log_begin(&l, "master", 0, NULL);
	log_event(&l, LOG_SEV_INFO, "stop", "terminating on %s", why);
	log_key(&l, "reason", str_of(why));
	log_end(&l);
	begin(r);
}
