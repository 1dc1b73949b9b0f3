/* test_schedule - the schedule on a real store, with a deliverer that answers when the test says so. */
#include "tests/unit/t.h"

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/conf/conf.h"
#include "core/msg/dsn.h"
#include "core/schedule/schedule.h"
#include "tests/unit/store_help.h"

enum { JOBS = 30000 };

static struct {
	struct loop *loop;
	struct store *store;
	struct schedule *schedule;
	struct conf *conf;
	char dir[256];
	/* what the deliverer was given and has not answered */
	struct delivery *jobs[JOBS];
	size_t n_jobs, started, most_at_once, most_rcpts;
	/* notices */
	int notices[4], notice_error;
	size_t notice_rows;
	size_t last_rows[64];
	void *ticket;
	bool keep_ticket;
	int idle_calls;
	size_t routed, routed_old;      /* recipients: an envelope was read for each */
} f;

static struct master_transport smtp = { .name = (char *)"smtp", .program = MASTER_SMTP };
static struct master_transport local = { .name = (char *)"local", .program = MASTER_LOCAL };

static void op_route(void *ctx, struct arena *a, const struct envelope *e, const struct rcpt *r, struct schedule_route *out)
{
	struct str domain = str_from(r->addr, (size_t)str_rchr(r->addr, '@') + 1);

	f.routed++;
	f.routed_old += str_eq(domain, STR("old.test"));
	out->transport = &smtp;
	out->nexthop = arena_str(a, domain);
	if (str_eq(domain, STR("local.test")))
		out->transport = &local;
	if (str_eq(domain, STR("never.test")))
		reply_set(&out->failed, 550, "5.1.2", "no such domain");
	if (str_eq(domain, STR("later.test")))
		reply_set(&out->failed, 451, "4.3.0", "table is broken");
}

static void op_deliver(void *ctx, struct delivery *d)
{
	size_t at_once = 1;

	for (size_t i = 0; i < f.n_jobs; i++)
		at_once += f.jobs[i]->dest == d->dest;
	if (at_once > f.most_at_once)
		f.most_at_once = at_once;
	if (d->n > f.most_rcpts)
		f.most_rcpts = d->n;
	f.jobs[f.n_jobs++] = d;
	f.started++;
}

static void op_idle(void *ctx, struct dest *d)
{
	f.idle_calls++;
}

static void op_notice(void *ctx, void *ticket, int kind, struct qmsg *m, const struct envelope *e, const size_t *rcpts,
	const struct delivery_result *results, size_t n)
{
	f.notices[kind]++;
	f.notice_rows += n;
	for (size_t i = 0; i < n && i < 64; i++)
		f.last_rows[i] = rcpts[i];
	if (f.keep_ticket)
		f.ticket = ticket;
	else
		schedule_notice_done(ticket, f.notice_error);
}

static const struct schedule_ops ops = { op_route, op_deliver, op_idle, op_notice };

static void tick(int n)
{
	while (n-- > 0) {
		loop_tick(f.loop, 0);
		store_tick(f.store, clock_mono());
	}
}

/* tick_until - old mail has a share of the time, so on a slow machine a few ticks may pass it by */
#define tick_until(what) do { \
		for (int tries = 0; tries < 2000 && !(what); tries++) { \
			tick(1); \
			usleep(1000); \
		} \
	} while (0)

static void on_found(void *ctx, struct qmsg *m)
{
	schedule_add(f.schedule, m, false);
}

static void begin_with(const char *const *extra, const char *dir)
{
	struct store_options o;
	struct schedule_options so;
	struct conf_diag diag;
	struct buf why;

	memset(&f, 0, sizeof(f));
	log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = "/dev/null", .syslog_name = "postfix", .host = "h" });
	snprintf(f.dir, sizeof(f.dir), "%s", dir);
	conf_diag_init(&diag);
	f.conf = conf_load(t_tmpdir(), extra, &diag);
	if (!f.conf)
		conf_diag_print(&diag, stderr, "test");
	conf_diag_fini(&diag);
	f.loop = loop_new();
	loop_tick(f.loop, 0);
	o = q_options(f.dir);
	so = (struct schedule_options){ .conf = f.conf, .loop = f.loop, .ops = &ops };
	buf_init(&why, 1000);
	/* the schedule needs the store and the store's messages the schedule */
	f.store = store_open(&o, NULL, NULL, &why);
	buf_fini(&why);
	so.store = f.store;
	f.schedule = schedule_new(&so);
	for (size_t cursor = 0;;) {
		struct qmsg *m;

		if (!store_each(f.store, &cursor, &m))
			break;
		on_found(NULL, m);
	}
}

static void begin(const char *const *extra)
{
	begin_with(extra, q_dir());
}

static void answer_job(size_t i, int code, const char *enhanced)
{
	struct delivery *d = f.jobs[i];

	f.jobs[i] = f.jobs[--f.n_jobs];
	for (size_t k = 0; k < d->n; k++) {
		reply_set(&d->results[k].reply, code, enhanced, "the server said so");
		snprintf(d->results[k].relay, sizeof(d->results[k].relay), "mx.test[192.0.2.1]:25");
	}
	schedule_done(d);
}

static void fail_job(size_t i)
{
	struct delivery *d = f.jobs[i];

	d->dest_failed = true;
	snprintf(d->dest_why, sizeof(d->dest_why), "connect to mx.test: refused");
	answer_job(i, 450, "4.4.1");
}

static void end(void)
{
	f.keep_ticket = false;
	schedule_stop(f.schedule);
	while (f.n_jobs)
		answer_job(0, 450, "4.0.0");
	schedule_free(f.schedule);
	store_close(f.store);
	loop_free(f.loop);
	conf_free(f.conf);
}

struct put { const char *sender; const char *const *rcpts; size_t n; unsigned notify; usec age; unsigned flags; const char *field; };

static void on_put(void *ctx, struct qmsg *m, int error)
{
	*(struct qmsg **)ctx = m;
}

static struct qmsg *put_only(const struct put *p)
{
	static struct rcpt rcpts[150];
	struct envelope e = { .sender = str_of(p->sender ? p->sender : "s@example.com"), .rcpts = rcpts, .n_rcpts = p->n, .uid = -1,
		.arrival = clock_wall() - p->age, .flags = p->flags };
	struct envelope_field field = { .name = str_of(p->field ? p->field : ""), .value = STR("x") };
	struct qmsg *m = NULL;
	struct store_writer *w;
	uint64_t id;

	memset(rcpts, 0, sizeof(rcpts));
	for (size_t i = 0; i < p->n; i++)
		rcpts[i] = (struct rcpt){ .addr = str_of(p->rcpts[i]), .notify = p->notify };
	e.more = p->field ? &field : NULL;
	w = store_begin(f.store, &id);
	store_add(w, STR("x\r\n"));
	store_commit(w, &e, STR("Subject: x\r\n\r\n"), on_put, &m);
	store_tick(f.store, clock_mono());
	return m;
}

static struct qmsg *put(const struct put *p)
{
	struct qmsg *m = put_only(p);

	schedule_add(f.schedule, m, true);
	return m;
}

static struct qmsg *put_to(const char *rcpt)
{
	struct put p = { .rcpts = &rcpt, .n = 1 };

	return put(&p);
}

T(schedule_delivers_and_removes)
{
	begin(NULL);
	REQUIRE(f.conf && f.store);
	put_to("a@one.test");
	tick(2);
	CHECK_INT(f.n_jobs, 1);
	CHECK_STR(f.jobs[0]->dest->nexthop, "one.test");
	CHECK(f.jobs[0]->dest->transport == &smtp);
	CHECK_VIEW(f.jobs[0]->rcpts[0]->addr, "a@one.test");
	CHECK_VIEW(f.jobs[0]->envelope->sender, "s@example.com");
	CHECK_INT(schedule_in_flight(f.schedule), 1);
	CHECK(schedule_is_active(f.jobs[0]->msg));
	answer_job(0, 250, "2.0.0");
	CHECK_INT(store_count(f.store), 0);
	CHECK_INT(schedule_in_flight(f.schedule), 0);
	CHECK_INT(f.notices[DSN_DELIVERED] + f.notices[DSN_FAILED], 0);
	end();
}

T(schedule_backoff_is_the_age_between_its_bounds)
{
	static const struct { usec age, want; } rows[] = { { 0, 300 }, { 100, 300 }, { 1000, 1000 }, { 3999, 3999 }, { 90000, 4000 } };
	const char *rcpt = "a@one.test";

	begin(NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct put p = { .rcpts = &rcpt, .n = 1, .age = rows[i].age * USEC_PER_SEC };
		struct qmsg *m = put(&p);
		usec wait;

		ROW("age %d", (int)rows[i].age);
		tick(2);
		REQUIRE(f.n_jobs == 1);
		answer_job(0, 450, "4.2.0");
		wait = m->due.key - clock_wall();
		CHECK(wait > (rows[i].want - 2) * USEC_PER_SEC && wait < (rows[i].want + 2) * USEC_PER_SEC);
		CHECK(!schedule_is_active(m));
		tick(2);
		CHECK_INT(f.n_jobs, 0);
	}
	end();
}

T(schedule_never_exceeds_the_concurrency_limit)
{
	static const char *const extra[] = { "smtp_destination_concurrency_limit=3", "initial_destination_concurrency=2", NULL };

	begin(extra);
	for (int i = 0; i < 50; i++)
		put_to("a@one.test");
	tick(3);
	CHECK_INT(f.n_jobs, 2);
	for (int i = 0; i < 50; i++) {
		CHECK(f.n_jobs > 0);
		answer_job(0, 250, "2.0.0");
		tick(2);
	}
	CHECK_INT(f.most_at_once, 3);
	CHECK_INT(store_count(f.store), 0);
	end();
}

T(schedule_next_is_beyond_the_window_until_it_begins)
{
	static const char *const extra[] = { "smtp_destination_concurrency_limit=2", "initial_destination_concurrency=2", NULL };
	struct delivery *next[3];
	struct dest *dest;

	begin(extra);
	for (int i = 0; i < 5; i++)
		put_to("a@one.test");
	tick(3);
	REQUIRE(f.n_jobs == 2);
	dest = f.jobs[0]->dest;
	for (int i = 0; i < 3; i++)
		REQUIRE((next[i] = schedule_next(dest)) != NULL);
	CHECK(!schedule_next(dest));
	CHECK_INT(schedule_in_flight(f.schedule), 5);
	/* one takes the place of an answered delivery: no other starts for that */
	answer_job(0, 250, "2.0.0");
	schedule_begin(next[0]);
	f.jobs[f.n_jobs++] = next[0];
	tick(3);
	CHECK_INT(f.n_jobs, 2);
	/* two go back untried, and wait for a place like all others */
	schedule_return(next[2]);
	schedule_return(next[1]);
	CHECK_INT(schedule_in_flight(f.schedule), 2);
	tick(3);
	CHECK_INT(f.n_jobs, 2);
	for (int i = 0; i < 4; i++) {
		REQUIRE(f.n_jobs > 0);
		answer_job(0, 250, "2.0.0");
		tick(3);
	}
	CHECK_INT(f.most_at_once, 2);
	CHECK_INT(f.started, 4);
	CHECK_INT(store_count(f.store), 0);
	end();
}

T(schedule_next_leaves_places_to_others)
{
	static const char *const extra[] = { "smtp_destination_concurrency_limit=2", "initial_destination_concurrency=2", NULL };

	begin(extra);
	smtp.maxproc = 2;
	for (int i = 0; i < 4; i++)
		put_to("a@one.test");
	tick(3);
	REQUIRE(f.n_jobs == 2);
	/* the transport is full, and nobody else waits for it */
	schedule_return(schedule_next(f.jobs[0]->dest));
	put_to("a@two.test");
	tick(3);
	CHECK_INT(f.n_jobs, 2);
	CHECK(!schedule_next(f.jobs[0]->dest));
	smtp.maxproc = 0;
	schedule_stop(f.schedule);
	CHECK(!schedule_next(f.jobs[0]->dest));
	end();
}

T(schedule_next_that_comes_back_to_a_dead_destination_is_deferred)
{
	static const char *const extra[] = { "smtp_destination_concurrency_limit=1", NULL };
	struct delivery *next;
	struct qmsg *m;

	begin(extra);
	put_to("a@one.test");
	put_to("b@one.test");
	tick(3);
	REQUIRE(f.n_jobs == 1);
	REQUIRE((next = schedule_next(f.jobs[0]->dest)) != NULL);
	m = next->msg;
	fail_job(0);
	CHECK(!schedule_next(next->dest));
	schedule_return(next);
	tick(3);
	CHECK_INT(f.n_jobs, 0);
	CHECK(!schedule_is_active(m));
	CHECK(m->due.key > clock_wall());
	end();
}

T(schedule_next_is_not_for_pauses)
{
	static const char *const extra[] = { "smtp_destination_rate_delay=1s", NULL };

	begin(extra);
	put_to("a@one.test");
	put_to("a@one.test");
	tick(2);
	REQUIRE(f.n_jobs == 1);
	CHECK(!schedule_next(f.jobs[0]->dest));
	end();
}

T(schedule_window_shrinks_and_grows)
{
	static const char *const extra[] = { "default_destination_concurrency_failed_cohort_limit=100", NULL };
	struct schedule_dest_info info = { 0 };
	size_t cursor = 0;

	begin(extra);
	for (int i = 0; i < 100; i++)
		put_to("a@one.test");
	tick(3);
	CHECK_INT(f.n_jobs, 5);
	for (int i = 0; i < 3; i++)
		fail_job(0);
	REQUIRE(schedule_each_dest(f.schedule, &cursor, &info));
	CHECK_INT(info.window, 2);
	CHECK_STR(info.transport, "smtp");
	CHECK_STR(info.nexthop, "one.test");
	for (int i = 0; i < 60; i++) {
		answer_job(0, 250, "2.0.0");
		tick(2);
	}
	cursor = 0;
	schedule_each_dest(f.schedule, &cursor, &info);
	CHECK_INT(info.window, 20);
	CHECK_INT(f.most_at_once, 20);
	end();
}

T(schedule_feedback_is_a_number_or_a_share_of_the_window)
{
	static const struct { const char *text; int want; } rows[] = {
		{ "default_destination_concurrency_negative_feedback=0.5", 3 },
		{ "default_destination_concurrency_negative_feedback=.25", 4 },
		{ "default_destination_concurrency_negative_feedback=2", 1 },
		{ "default_destination_concurrency_negative_feedback=1/concurrency", 4 },
		{ "default_destination_concurrency_negative_feedback=2000", 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[] = { "default_destination_concurrency_failed_cohort_limit=100", rows[i].text, NULL };
		struct schedule_dest_info info = { 0 };
		size_t cursor = 0;

		ROW("%s", rows[i].text);
		begin(extra);
		for (int k = 0; k < 100; k++)
			put_to("a@one.test");
		tick(3);
		for (int k = 0; k < 3; k++)
			fail_job(0);
		REQUIRE(schedule_each_dest(f.schedule, &cursor, &info));
		CHECK_INT(info.window, rows[i].want);
		end();
	}
}

T(schedule_splits_by_recipient_limit_and_destination)
{
	const char *rcpts[120];
	struct put p = { .rcpts = rcpts, .n = 120 };
	size_t seen = 0;

	for (int i = 0; i < 120; i++)
		rcpts[i] = i % 12 == 0 ? "x@two.test" : "a@one.test";
	begin(NULL);
	put(&p);
	tick(3);
	/* 110 recipients in lots of 50, and 10 */
	CHECK_INT(f.n_jobs, 4);
	CHECK_INT(f.most_rcpts, 50);
	for (size_t i = 0; i < f.n_jobs; i++)
		seen += f.jobs[i]->n;
	CHECK_INT(seen, 120);
	while (f.n_jobs > 1)
		answer_job(0, 250, "2.0.0");
	CHECK_INT(store_count(f.store), 1);
	answer_job(0, 250, "2.0.0");
	CHECK_INT(store_count(f.store), 0);
	end();
}

T(schedule_local_limits_are_per_recipient)
{
	const char *rcpts[6] = { "a@local.test", "a@local.test", "a@local.test", "b@local.test", "b@local.test", "c@local.test" };
	struct put p = { .rcpts = rcpts, .n = 6 };

	begin(NULL);
	put(&p);
	tick(3);
	/* one recipient per delivery, two at once for each user */
	CHECK_INT(f.n_jobs, 5);
	CHECK_INT(f.most_rcpts, 1);
	end();
}

T(schedule_dead_destination_costs_others_nothing_and_recovers)
{
	static const char *const extra[] = { "minimal_backoff_time=1s", "initial_destination_concurrency=1", NULL };
	struct schedule_dest_info info = { 0 };
	struct qmsg *m[20];
	struct rcpt_state *states;
	struct arena a;
	size_t cursor = 0;
	usec begun;

	begin(extra);
	for (int i = 0; i < 20; i++)
		m[i] = put_to("a@dead.test");
	tick(3);
	CHECK_INT(f.n_jobs, 1);
	fail_job(0);
	tick(3);
	/* everything else that waited was deferred without a try, with the reason */
	CHECK_INT(f.n_jobs, 0);
	CHECK_INT(f.started, 1);
	CHECK_INT(store_count(f.store), 20);
	REQUIRE(schedule_each_dest(f.schedule, &cursor, &info));
	CHECK(info.dead_until > clock_wall());
	CHECK_STR(info.why, "connect to mx.test: refused");
	arena_init(&a, 10000);
	CHECK_INT(store_states(f.store, m[19], &a, &states), 0);
	CHECK_VIEW(states[0].last.text, "delivery temporarily suspended: connect to mx.test: refused");
	arena_fini(&a);
	put_to("a@alive.test");
	tick(3);
	CHECK_INT(f.n_jobs, 1);
	CHECK_STR(f.jobs[0]->dest->nexthop, "alive.test");
	answer_job(0, 250, "2.0.0");
	begun = clock_mono();
	while (!f.n_jobs && clock_mono() < begun + 5 * USEC_PER_SEC) {
		loop_tick(f.loop, USEC_PER_SEC / 10);
		store_tick(f.store, clock_mono());
	}
	CHECK(clock_mono() - begun > USEC_PER_SEC / 2);
	CHECK_INT(f.n_jobs, 1);
	CHECK_STR(f.jobs[0]->dest->nexthop, "dead.test");
	end();
}

static void make_due(struct qmsg *m)
{
	m->due.key = 1;
	schedule_add(f.schedule, m, false);
}

/* kill_dest - n messages for one destination that is dead then; the first of them */
static struct qmsg *kill_dest(int n)
{
	struct qmsg *m = put_to("a@dead.test");

	while (--n > 0)
		put_to("a@dead.test");
	tick(3 + n / 100);
	fail_job(0);
	tick(30);
	return m;
}

static uint64_t appended(void)
{
	struct store_stats st;

	tick(1);
	store_stats(f.store, &st);
	return st.appended_bytes;
}

T(schedule_dead_destination_is_not_read_for)
{
	static const struct { usec age, want; } rows[] = { { 0, 300 }, { 1000, 1000 }, { 90000, 4000 } };
	static const char *const extra[] = { "initial_destination_concurrency=1", NULL };
	struct qmsg *m;
	uint64_t bytes;
	size_t routed;

	begin(extra);
	kill_dest(2);
	m = put_to("a@dead.test");
	tick(3);
	routed = f.routed;
	bytes = appended();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		usec wait;

		ROW("age %d", (int)rows[i].age);
		m->arrival = clock_wall() - rows[i].age * USEC_PER_SEC;
		make_due(m);
		tick(3);
		wait = m->due.key - clock_wall();
		CHECK(wait > (rows[i].want - 5) * USEC_PER_SEC && wait < (rows[i].want + 5) * USEC_PER_SEC);
		CHECK_INT(f.routed, routed);
		CHECK_INT(appended(), bytes);
	}
	/* what may lead elsewhere by now is looked at */
	schedule_reroute(f.schedule);
	make_due(m);
	tick(3);
	CHECK_INT(f.routed, routed + 1);
	CHECK_INT(f.n_jobs, 0);
	/* and a flush tries all of it */
	schedule_flush_all(f.schedule);
	tick(3);
	CHECK_INT(f.n_jobs, 1);
	end();
}

T(schedule_dead_destination_keeps_nobody_from_being_told)
{
	static const char *const extra[] = { "initial_destination_concurrency=1", "delay_warning_time=1h", "maximal_queue_lifetime=1d",
		"bounce_queue_lifetime=1d", NULL };
	struct qmsg *m;

	begin(extra);
	m = kill_dest(2);
	m->arrival -= 7200 * USEC_PER_SEC;
	for (int i = 0; i < 2; i++) {
		make_due(m);
		tick_until(f.notices[DSN_DELAYED]);
		tick(3);
		CHECK_INT(f.notices[DSN_DELAYED], 1);
	}
	CHECK_INT(store_count(f.store), 2);
	m->arrival -= 90000 * USEC_PER_SEC;
	make_due(m);
	tick_until(f.notices[DSN_FAILED]);
	CHECK_INT(f.notices[DSN_FAILED], 1);
	tick_until(store_count(f.store) == 1);
	CHECK_INT(store_count(f.store), 1);
	CHECK_INT(f.started, 1);
	end();
}

T(schedule_recipients_of_a_dead_destination_hold_up_no_others)
{
	static const char *const extra[] = { "initial_destination_concurrency=1", NULL };
	static const struct { const char *other; size_t jobs; } rows[] = { { "b@one.test", 1 }, { "b@later.test", 0 } };

	begin(extra);
	kill_dest(2);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *rcpts[] = { rows[i].other, "a@dead.test" };
		struct put p = { .rcpts = rcpts, .n = 2 };
		struct qmsg *m = put(&p);
		size_t routed;

		ROW("%s", rows[i].other);
		tick(3);
		REQUIRE(f.n_jobs == rows[i].jobs);
		if (f.n_jobs)
			answer_job(0, 450, "4.2.0");
		routed = f.routed;
		make_due(m);
		tick(3);
		CHECK_INT(f.routed, routed + 2);
		REQUIRE(f.n_jobs == rows[i].jobs);
		if (f.n_jobs)
			answer_job(0, 250, "2.0.0");
		CHECK_INT(m->n_pending, 2 - rows[i].jobs);
	}
	end();
}

T(schedule_dead_destination_with_a_long_queue_is_tried_with_few)
{
	enum { MANY = 2000 };
	static const char *const extra[] = { "minimal_backoff_time=1s", "maximal_backoff_time=1000s", "initial_destination_concurrency=1",
		"queue_run_delay=1s", NULL };
	usec begun = clock_mono();
	size_t routed, cursor = 0;
	struct qmsg *m;

	begin(extra);
	kill_dest(MANY);
	routed = f.routed;
	while (!f.n_jobs && clock_mono() < begun + 10 * USEC_PER_SEC) {
		loop_tick(f.loop, USEC_PER_SEC / 10);
		store_tick(f.store, clock_mono());
	}
	/* while its answer is open they all come; they wait in line unread */
	begun = clock_mono();
	while (clock_mono() < begun + 5 * USEC_PER_SEC / 2)
		tick(1);
	CHECK_INT(f.n_jobs, 1);
	fail_job(0);
	tick(2 * MANY / 100);
	CHECK_INT(f.n_jobs, 0);
	CHECK(f.routed - routed < 2 * LIMIT_SCHEDULE_BACKLOG);
	while (store_each(f.store, &cursor, &m))
		CHECK(!schedule_is_active(m) && m->due.key > clock_wall() - USEC_PER_SEC);
	CHECK_INT(store_count(f.store), MANY);
	/* it is back: everybody has a try */
	schedule_flush_all(f.schedule);
	for (begun = clock_mono(); store_count(f.store) && clock_mono() < begun + 10 * USEC_PER_SEC; tick(1))
		while (f.n_jobs)
			answer_job(0, 250, "2.0.0");
	CHECK_INT(store_count(f.store), 0);
	end();
}

/* due_in - a message of an earlier life, due then */
static struct qmsg *due_in(const char *rcpt, usec wait)
{
	struct put p = { .rcpts = &rcpt, .n = 1 };
	struct qmsg *m = put_only(&p);

	m->due.key = clock_wall() + wait;
	schedule_add(f.schedule, m, false);
	return m;
}

static usec wait_for_jobs(size_t n)
{
	usec begun = clock_mono();

	while (f.n_jobs < n && clock_mono() < begun + 5 * USEC_PER_SEC)
		loop_tick(f.loop, USEC_PER_SEC / 100);
	return clock_mono() - begun;
}

T(schedule_looks_at_the_queue_as_often_as_queue_run_delay_says)
{
	static const char *const extra[] = { "queue_run_delay=1s", "minimal_backoff_time=1s", NULL };
	struct qmsg *m;
	usec took;

	begin(extra);
	/* after a quiet time the first is tried when it is due */
	due_in("a@one.test", USEC_PER_SEC / 5);
	took = wait_for_jobs(1);
	CHECK(took > USEC_PER_SEC / 10 && took < USEC_PER_SEC * 7 / 10);
	/* what comes due now waits for the next look, and then all of it is tried */
	m = due_in("b@two.test", USEC_PER_SEC / 10);
	due_in("c@three.test", USEC_PER_SEC / 2);
	took = wait_for_jobs(2);
	CHECK(took > USEC_PER_SEC * 8 / 10);
	tick(2);
	CHECK_INT(f.n_jobs, 3);
	/* who asks for it need not wait, nor who releases one message */
	due_in("d@four.test", 0);
	tick(3);
	CHECK_INT(f.n_jobs, 3);
	schedule_flush_all(f.schedule);
	CHECK(wait_for_jobs(4) < USEC_PER_SEC / 2);
	m = due_in("e@five.test", 0);
	tick(3);
	CHECK_INT(f.n_jobs, 4);
	CHECK_INT(schedule_control(f.schedule, SCHEDULE_FLUSH, m), 0);
	CHECK(wait_for_jobs(5) < USEC_PER_SEC / 2);
	end();
}

T(schedule_old_mail_leaves_the_time_to_new_mail)
{
	enum { OLD = 20000, TICKS = 200 };
	static const char *const extra[] = { "smtp_destination_concurrency_limit=1", NULL };
	const char *rcpt = "a@old.test";
	struct put p = { .rcpts = &rcpt, .n = 1 };
	int without = 0, delivered = 0;
	size_t read;
	usec begun;

	begin(extra);
	for (int i = 0; i < OLD; i++)
		make_due(put_only(&p));
	for (int i = 0; i < TICKS; i++) {
		size_t before = f.routed_old;

		put_to("a@new.test");
		tick(1);
		without += i && f.routed_old == before;
		for (size_t k = f.n_jobs; k-- > 0;)
			if (!strcmp(f.jobs[k]->dest->nexthop, "new.test")) {
				answer_job(k, 250, "2.0.0");
				delivered++;
			}
	}
	CHECK(f.routed_old > 0);
	CHECK(f.routed_old < OLD);
	CHECK(without > TICKS / 2);
	CHECK_INT(delivered, TICKS);
	/* without new mail the old has all of the time */
	read = f.routed_old;
	for (begun = clock_mono(); f.routed_old < OLD && clock_mono() < begun + 20 * USEC_PER_SEC;)
		loop_tick(f.loop, USEC_PER_SEC);
	CHECK(f.routed_old > read);
	CHECK_INT(f.routed_old, OLD);
	end();
}

T(schedule_slow_destination_delays_nobody)
{
	static const char *const extra[] = { "qmgr_message_active_limit=1000", NULL };
	struct schedule_dest_info info;
	size_t cursor = 0, fast = 0;

	begin(extra);
	for (int i = 0; i < 25000; i++) {
		const char *rcpt = "a@slow.test";
		struct put p = { .rcpts = &rcpt, .n = 1 };

		put(&p);
	}
	tick(300);
	CHECK_INT(f.n_jobs, 5);
	REQUIRE(schedule_each_dest(f.schedule, &cursor, &info));
	CHECK(info.waiting <= LIMIT_SCHEDULE_BACKLOG);
	for (int i = 0; i < 300; i++) {
		put_to("b@fast.test");
		tick(2);
		for (size_t k = 0; k < f.n_jobs; k++)
			if (!strcmp(f.jobs[k]->dest->nexthop, "fast.test")) {
				answer_job(k, 250, "2.0.0");
				fast++;
				break;
			}
	}
	CHECK_INT(fast, 300);
	/* and the slow one still gets all of its own */
	while (f.n_jobs) {
		answer_job(0, 250, "2.0.0");
		tick(1);
		if (!f.n_jobs)
			tick(2);
	}
	CHECK_INT(store_count(f.store), 0);
	end();
}

T(schedule_new_mail_is_not_stuck_behind_old_mail)
{
	static const char *const extra[] = { "smtp_destination_concurrency_limit=1", NULL };
	struct qmsg *fresh;
	int turns = 0;

	begin(extra);
	for (int i = 0; i < 2000; i++) {
		const char *rcpt = "a@one.test";
		struct put p = { .rcpts = &rcpt, .n = 1 };
		struct qmsg *m = put_only(&p);

		m->due.key = 1;
		schedule_add(f.schedule, m, false);
	}
	tick(30);
	fresh = put_to("a@one.test");
	tick(2);
	while (f.n_jobs && f.jobs[0]->msg != fresh && turns++ < 2000) {
		answer_job(0, 250, "2.0.0");
		tick(1);
	}
	CHECK(turns < LIMIT_SCHEDULE_BACKLOG + 10);
	end();
}

T(schedule_expiry_returns_after_a_last_try)
{
	static const char *const extra[] = { "maximal_queue_lifetime=1d", "bounce_queue_lifetime=2d", NULL };
	const char *rcpts[] = { "a@one.test", "b@one.test" };
	struct put p = { .rcpts = rcpts, .n = 2, .age = 90000 * USEC_PER_SEC };

	begin(extra);
	put(&p);
	tick(2);
	REQUIRE(f.n_jobs == 1);
	answer_job(0, 450, "4.2.0");
	CHECK_INT(f.notices[DSN_FAILED], 1);
	CHECK_INT(f.notice_rows, 2);
	CHECK_INT(store_count(f.store), 0);
	/* a notice lives longer here */
	p.sender = "";
	p.flags = ENVELOPE_BOUNCE;
	put(&p);
	tick(2);
	answer_job(0, 450, "4.2.0");
	CHECK_INT(store_count(f.store), 1);
	CHECK_INT(f.notices[DSN_FAILED], 1);
	end();
}

T(schedule_failed_recipients_stay_until_the_notice_is_durable)
{
	const char *rcpts[] = { "a@one.test", "b@two.test" };
	struct put p = { .rcpts = rcpts, .n = 2 };
	struct qmsg *m;

	begin(NULL);
	f.keep_ticket = true;
	m = put(&p);
	tick(2);
	REQUIRE(f.n_jobs == 2);
	answer_job(0, 550, "5.1.1");
	CHECK(!f.ticket);
	answer_job(0, 250, "2.0.0");
	REQUIRE(f.ticket);
	CHECK_INT(store_count(f.store), 1);
	CHECK(schedule_is_active(m));
	/* the notice could not be queued: try again later, the other recipient is done */
	schedule_notice_done(f.ticket, ENOSPC);
	CHECK_INT(store_count(f.store), 1);
	CHECK_INT(m->n_pending, 1);
	CHECK(m->due.key > clock_wall() + 200 * USEC_PER_SEC);
	f.ticket = NULL;
	CHECK_INT(schedule_control(f.schedule, SCHEDULE_FLUSH, m), 0);
	tick(3);
	REQUIRE(f.n_jobs == 1);
	CHECK_INT(f.jobs[0]->n, 1);
	answer_job(0, 550, "5.1.1");
	REQUIRE(f.ticket);
	schedule_notice_done(f.ticket, 0);
	CHECK_INT(store_count(f.store), 0);
	end();
}

T(schedule_notify_is_honoured)
{
	static const struct { unsigned notify; int code; bool relayed, local; int kind; } rows[] = {
		{ DSN_NOTIFY_DEFAULT, 550, false, false, DSN_FAILED }, { DSN_NOTIFY_NEVER, 550, false, false, -1 },
		{ DSN_NOTIFY_SUCCESS, 550, false, false, -1 }, { DSN_NOTIFY_FAILURE, 550, false, false, DSN_FAILED },
		{ DSN_NOTIFY_DEFAULT, 250, true, false, -1 }, { DSN_NOTIFY_SUCCESS, 250, true, false, DSN_RELAYED },
		{ DSN_NOTIFY_SUCCESS, 250, false, false, -1 }, { DSN_NOTIFY_SUCCESS, 250, false, true, DSN_DELIVERED },
	};

	begin(NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *rcpt = rows[i].local ? "a@local.test" : "a@one.test";
		struct put p = { .rcpts = &rcpt, .n = 1, .notify = rows[i].notify };
		int want[4] = { 0 };

		ROW("%zu", i);
		memset(f.notices, 0, sizeof(f.notices));
		put(&p);
		tick(2);
		REQUIRE(f.n_jobs == 1);
		f.jobs[0]->results[0].relayed = rows[i].relayed;
		answer_job(0, rows[i].code, rows[i].code == 250 ? "2.0.0" : "5.0.0");
		if (rows[i].kind >= 0)
			want[rows[i].kind] = 1;
		CHECK_MEM(f.notices, sizeof(want), want, sizeof(want));
		CHECK_INT(store_count(f.store), 0);
	}
	end();
}

T(schedule_warns_of_a_delay_once)
{
	static const char *const extra[] = { "delay_warning_time=1h", NULL };
	const char *rcpt = "a@one.test";
	struct put p = { .rcpts = &rcpt, .n = 1, .age = 4000 * USEC_PER_SEC };
	struct qmsg *m;
	char dir[256];

	begin(extra);
	m = put(&p);
	tick(2);
	answer_job(0, 450, "4.2.0");
	CHECK_INT(f.notices[DSN_DELAYED], 1);
	CHECK(m->flags & QMSG_WARNED);
	schedule_control(f.schedule, SCHEDULE_FLUSH, m);
	tick(2);
	answer_job(0, 450, "4.2.0");
	CHECK_INT(f.notices[DSN_DELAYED], 1);
	/* not even after a restart, and never to the null sender */
	snprintf(dir, sizeof(dir), "%s", f.dir);
	p.sender = "";
	put(&p);
	tick(2);
	answer_job(0, 450, "4.2.0");
	CHECK_INT(f.notices[DSN_DELAYED], 1);
	end();
	begin_with(extra, dir);
	CHECK_INT(schedule_flush_all(f.schedule), 2);
	tick(2);
	CHECK_INT(f.n_jobs, 2);
	end();
	CHECK_INT(f.notices[DSN_DELAYED], 0);
}

T(schedule_route_failures_are_answers)
{
	static const char *const soft[] = { "soft_bounce=yes", NULL };
	const char *rcpts[] = { "a@never.test", "b@later.test", "c@one.test" };
	struct put p = { .rcpts = rcpts, .n = 3 };
	struct rcpt_state *states;
	struct arena a;
	struct qmsg *m;

	begin(NULL);
	m = put(&p);
	tick(2);
	CHECK_INT(f.n_jobs, 1);
	CHECK_INT(f.jobs[0]->n, 1);
	answer_job(0, 250, "2.0.0");
	CHECK_INT(f.notices[DSN_FAILED], 1);
	CHECK_INT(f.last_rows[0], 0);
	CHECK_INT(m->n_pending, 1);
	end();
	begin(soft);
	m = put(&p);
	tick(2);
	answer_job(0, 554, "5.7.1");
	CHECK_INT(f.notices[DSN_FAILED], 0);
	CHECK_INT(m->n_pending, 3);
	/* what was for good is for later, in both of its codes */
	arena_init(&a, 10000);
	CHECK_INT(store_states(f.store, m, &a, &states), 0);
	for (size_t i = 0; i < 3; i++) {
		ROW("%zu", i);
		CHECK(states[i].last.code >= 400 && states[i].last.code < 500);
		CHECK_INT(states[i].last.enhanced[0], '4');
	}
	CHECK_INT(states[2].last.code, 454);
	CHECK_STR(states[2].last.enhanced, "4.7.1");
	arena_fini(&a);
	end();
}

T(schedule_control_of_a_waiting_message)
{
	struct qmsg *m;
	char dir[256];
	uint64_t id;

	begin(NULL);
	m = put_to("a@one.test");
	id = m->id;
	tick(2);
	answer_job(0, 450, "4.2.0");
	CHECK_INT(schedule_control(f.schedule, SCHEDULE_HOLD, m), 0);
	schedule_flush_all(f.schedule);
	schedule_control(f.schedule, SCHEDULE_FLUSH, m);
	tick(3);
	CHECK_INT(f.n_jobs, 0);
	snprintf(dir, sizeof(dir), "%s", f.dir);
	end();
	begin_with(NULL, dir);
	m = store_find(f.store, id);
	REQUIRE(m);
	CHECK(m->flags & QMSG_HOLD);
	schedule_flush_all(f.schedule);
	tick(3);
	CHECK_INT(f.n_jobs, 0);
	CHECK_INT(schedule_control(f.schedule, SCHEDULE_RELEASE, m), 0);
	tick(3);
	CHECK_INT(f.n_jobs, 1);
	answer_job(0, 450, "4.2.0");
	CHECK_INT(schedule_flush_site(f.schedule, STR("two.test")), 0);
	CHECK_INT(schedule_flush_site(f.schedule, STR("ONE.test")), 1);
	tick(3);
	CHECK_INT(f.n_jobs, 1);
	answer_job(0, 450, "4.2.0");
	CHECK_INT(schedule_control(f.schedule, SCHEDULE_REQUEUE, m), 0);
	tick(3);
	CHECK_INT(f.n_jobs, 1);
	answer_job(0, 450, "4.2.0");
	CHECK_INT(schedule_control(f.schedule, SCHEDULE_EXPIRE, m), 0);
	tick(3);
	/* no further try: the sender is told */
	CHECK_INT(f.n_jobs, 0);
	CHECK_INT(f.notices[DSN_FAILED], 1);
	CHECK_INT(store_count(f.store), 0);
	m = put_to("a@one.test");
	tick(2);
	answer_job(0, 450, "4.2.0");
	CHECK_INT(schedule_control(f.schedule, SCHEDULE_DELETE, m), 0);
	CHECK_INT(store_count(f.store), 0);
	CHECK_INT(f.notices[DSN_FAILED], 1);
	end();
}

T(schedule_holds_an_envelope_with_a_field_that_must_be_known)
{
	const char *rcpt = "a@one.test";
	struct put strange = { .rcpts = &rcpt, .n = 1, .field = "route_to" }, other = { .rcpts = &rcpt, .n = 1, .field = "opt_route_to" };
	struct qmsg *m;
	uint64_t id;

	begin(NULL);
	REQUIRE(f.conf && f.store);
	m = put(&strange);
	id = m->id;
	tick(2);
	for (int turn = 0; turn < 2; turn++) {
		char dir[256];

		ROW("turn %d", turn);
		REQUIRE(m);
		CHECK_INT(f.n_jobs, 0);
		CHECK(m->flags & QMSG_STRANGE && !schedule_is_active(m));
		schedule_flush_all(f.schedule);
		CHECK_INT(schedule_control(f.schedule, SCHEDULE_FLUSH, m), 0);
		CHECK_INT(schedule_control(f.schedule, SCHEDULE_EXPIRE, m), 0);
		tick(3);
		/* who is told it may go meets the same field again */
		CHECK_INT(schedule_control(f.schedule, SCHEDULE_RELEASE, m), 0);
		CHECK(!(m->flags & QMSG_HELD));
		tick(3);
		CHECK_INT(schedule_control(f.schedule, SCHEDULE_REQUEUE, m), 0);
		tick(3);
		CHECK_INT(f.n_jobs, 0);
		CHECK(m->flags & QMSG_STRANGE);
		CHECK_INT(f.notices[DSN_FAILED], 0);
		snprintf(dir, sizeof(dir), "%s", f.dir);
		end();
		begin_with(NULL, dir);
		tick(3);
		m = store_find(f.store, id);
	}
	REQUIRE(m);
	/* a later version finds no mark of ours */
	CHECK_INT(m->flags & QMSG_HOLD, 0);
	CHECK_INT(schedule_control(f.schedule, SCHEDULE_DELETE, m), 0);
	put(&other);
	tick(2);
	CHECK_INT(f.n_jobs, 1);
	answer_job(0, 250, "2.0.0");
	end();
}

T(schedule_control_of_a_message_in_delivery)
{
	static const char *const extra[] = { "smtp_destination_concurrency_limit=1", NULL };
	struct qmsg *m, *second;

	begin(extra);
	m = put_to("a@one.test");
	second = put_to("a@one.test");
	tick(2);
	REQUIRE(f.n_jobs == 1 && f.jobs[0]->msg == m);
	/* the second only waits: it is taken back */
	CHECK_INT(schedule_control(f.schedule, SCHEDULE_HOLD, second), 0);
	CHECK(!schedule_is_active(second));
	errno = 0;
	CHECK_INT(schedule_control(f.schedule, SCHEDULE_DELETE, m), -1);
	CHECK_INT(errno, EBUSY);
	CHECK_INT(store_count(f.store), 2);
	answer_job(0, 450, "4.2.0");
	CHECK_INT(store_count(f.store), 1);
	tick(2);
	CHECK_INT(f.n_jobs, 0);
	CHECK_INT(schedule_control(f.schedule, SCHEDULE_DELETE, second), 0);
	m = put_to("a@one.test");
	tick(2);
	REQUIRE(f.n_jobs == 1);
	CHECK_INT(schedule_control(f.schedule, SCHEDULE_HOLD, m), -1);
	answer_job(0, 450, "4.2.0");
	CHECK(m->flags & QMSG_HOLD);
	schedule_flush_all(f.schedule);
	tick(2);
	CHECK_INT(f.n_jobs, 0);
	end();
}

T(schedule_flush_tries_a_dead_destination)
{
	static const char *const extra[] = { "initial_destination_concurrency=1", NULL };
	struct qmsg *m;

	begin(extra);
	m = put_to("a@one.test");
	tick(2);
	fail_job(0);
	tick(2);
	schedule_flush_all(f.schedule);
	tick(2);
	CHECK_INT(f.n_jobs, 1);
	fail_job(0);
	tick(2);
	CHECK_INT(schedule_control(f.schedule, SCHEDULE_FLUSH, m), 0);
	tick(2);
	CHECK_INT(f.n_jobs, 1);
	end();
}

/* asked for all at once, and dead again: the rest is put off unread. What is asked for after that is tried */
T(schedule_flush_of_a_dead_queue_reads_few)
{
	enum { MANY = 2000, SEEN = LIMIT_SCHEDULE_BACKLOG + 10 };
	static const char *const extra[] = { "initial_destination_concurrency=1", NULL };
	static const char *const sites[] = { NULL, "dead.test" };
	struct qmsg *m;

	for (size_t i = 0; i < 2; i++) {
		size_t routed;

		ROW("%s", sites[i] ? sites[i] : "all of it");
		begin(extra);
		m = kill_dest(MANY);
		routed = f.routed;
		if (sites[i])
			schedule_flush_site(f.schedule, str_of(sites[i]));
		else
			CHECK_INT(schedule_flush_all(f.schedule), MANY);
		tick_until(f.n_jobs);
		REQUIRE(f.n_jobs == 1);
		fail_job(0);
		tick(60);
		CHECK_INT(f.n_jobs, 0);
		CHECK(f.routed - routed < SEEN);
		CHECK_INT(schedule_control(f.schedule, SCHEDULE_FLUSH, m), 0);
		tick_until(f.n_jobs);
		CHECK_INT(f.n_jobs, 1);
		end();
	}
}

T(schedule_results_are_stored_while_others_are_tried)
{
	const char *rcpts[] = { "a@one.test", "b@slow.test" };
	struct put p = { .rcpts = rcpts, .n = 2 };
	char dir[256], copy[256];
	usec begun = clock_mono();

	begin(NULL);
	put(&p);
	tick(2);
	REQUIRE(f.n_jobs == 2);
	answer_job(!strcmp(f.jobs[0]->dest->nexthop, "slow.test"), 250, "2.0.0");
	while (clock_mono() < begun + USEC_PER_SEC) {
		loop_tick(f.loop, USEC_PER_SEC / 20);
		store_tick(f.store, clock_mono());
	}
	snprintf(dir, sizeof(dir), "%s", f.dir);
	snprintf(copy, sizeof(copy), "%s", q_dir());
	q_copy(dir, copy);
	end();
	/* after a kill only the other recipient is tried again */
	begin_with(NULL, copy);
	tick(3);
	CHECK_INT(f.n_jobs, 1);
	CHECK_INT(f.jobs[0]->n, 1);
	CHECK_VIEW(f.jobs[0]->rcpts[0]->addr, "b@slow.test");
	end();
}

T(schedule_pauses_between_deliveries)
{
	static const char *const extra[] = { "smtp_destination_rate_delay=1s", NULL };
	usec begun;

	begin(extra);
	put_to("a@one.test");
	put_to("a@one.test");
	put_to("a@two.test");
	tick(2);
	CHECK_INT(f.n_jobs, 2);
	begun = clock_mono();
	while (f.n_jobs)
		answer_job(0, 250, "2.0.0");
	while (!f.n_jobs && clock_mono() < begun + 5 * USEC_PER_SEC)
		loop_tick(f.loop, USEC_PER_SEC / 10);
	CHECK_INT(f.n_jobs, 1);
	CHECK(clock_mono() - begun >= USEC_PER_SEC * 9 / 10);
	end();
}

T(schedule_stop_starts_nothing_new)
{
	begin(NULL);
	for (int i = 0; i < 10; i++)
		put_to("a@one.test");
	tick(2);
	CHECK_INT(f.n_jobs, 5);
	schedule_stop(f.schedule);
	answer_job(0, 250, "2.0.0");
	tick(3);
	CHECK_INT(f.n_jobs, 4);
	end();
}

T(schedule_active_set_is_bounded)
{
	static const char *const extra[] = { "qmgr_message_active_limit=50", NULL };
	size_t active = 0, cursor = 0;
	struct qmsg *m;

	begin(extra);
	for (int i = 0; i < 200; i++) {
		char rcpt[64];

		snprintf(rcpt, sizeof(rcpt), "a@d%d.test", i);
		put_to(rcpt);
	}
	tick(5);
	while (store_each(f.store, &cursor, &m))
		active += schedule_is_active(m);
	CHECK_INT(active, 50);
	while (f.n_jobs) {
		answer_job(0, 250, "2.0.0");
		tick(2);
	}
	CHECK_INT(store_count(f.store), 0);
	end();
}

T(schedule_save_leaves_no_answer_behind)
{
	const char *rcpts[] = { "a@one.test", "b@slow.test" };
	struct put p = { .rcpts = rcpts, .n = 2 };
	struct rcpt_state *states;
	struct qmsg *m;
	struct arena a;

	begin(NULL);
	m = put(&p);
	tick(2);
	REQUIRE(f.n_jobs == 2);
	answer_job(!strcmp(f.jobs[0]->dest->nexthop, "slow.test"), 250, "2.0.0");
	schedule_stop(f.schedule);
	/* no timer runs any more */
	schedule_save(f.schedule);
	arena_init(&a, 65536);
	REQUIRE(store_states(f.store, m, &a, &states) == 0);
	CHECK_INT(states[0].status, RCPT_DONE);
	CHECK_INT(states[1].status, RCPT_PENDING);
	arena_fini(&a);
	end();
}

/* --- giving the queue away ------------------------------------------------------------------------------------------------ */

static size_t jobs_at(const char *nexthop)
{
	size_t n = 0;

	for (size_t i = 0; i < f.n_jobs; i++)
		n += !strcmp(f.jobs[i]->dest->nexthop, nexthop);
	return n;
}

T(schedule_drain_sends_what_waits_and_what_is_deferred_elsewhere)
{
	struct qmsg *deferred;

	begin(NULL);
	deferred = put_to("a@one.test");
	tick(2);
	answer_job(0, 450, "4.2.0");
	for (int i = 0; i < 7; i++)
		put_to("a@two.test");
	put_to("a@local.test");
	tick(2);
	/* five at once, two wait there */
	CHECK_INT(jobs_at("two.test"), 5);
	CHECK(deferred->due.key > clock_wall());
	schedule_drain(f.schedule, &smtp, STR("[peer]"));
	tick(2);
	CHECK_INT(jobs_at("two.test"), 5);
	CHECK_INT(jobs_at("[peer]"), 3);
	CHECK(!schedule_is_drained(f.schedule));
	/* one that comes late, and one whose own next hop defers it now */
	put_to("b@three.test");
	for (size_t i = 0; i < f.n_jobs; i++)
		if (!strcmp(f.jobs[i]->dest->nexthop, "two.test")) {
			answer_job(i, 450, "4.2.0");
			break;
		}
	tick(2);
	CHECK_INT(jobs_at("[peer]"), 5);
	CHECK_INT(jobs_at("three.test"), 0);
	while (f.n_jobs) {
		answer_job(0, 250, "2.0.0");
		tick(2);
	}
	CHECK_INT(store_count(f.store), 0);
	CHECK(schedule_is_drained(f.schedule));
	end();
}

T(schedule_drain_that_is_refused_changes_nothing)
{
	const char *rcpt = "a@one.test";
	struct put old = { .rcpts = &rcpt, .n = 1, .age = 6 * 86400 * USEC_PER_SEC };
	struct qmsg *m, *fresh;
	usec due;

	begin(NULL);
	m = put_to("a@two.test");
	tick(2);
	answer_job(0, 450, "4.2.0");
	due = m->due.key;
	schedule_drain(f.schedule, &smtp, STR("[peer]"));
	/* older than its lifetime */
	fresh = put(&old);
	tick(2);
	CHECK_INT(jobs_at("[peer]"), 2);
	while (f.n_jobs)
		answer_job(0, 550, "5.7.1");
	tick(2);
	CHECK_INT(store_count(f.store), 2);
	CHECK_INT(f.notices[DSN_FAILED] + f.notices[DSN_DELAYED], 0);
	CHECK_INT(m->due.key, due);
	CHECK_INT(fresh->due.key, 0);
	/* each was tried once */
	CHECK_INT(f.n_jobs, 0);
	CHECK(schedule_is_drained(f.schedule));
	end();
}

T(schedule_drain_ends_when_its_relay_is_dead)
{
	size_t before;

	begin(NULL);
	for (int i = 0; i < 300; i++)
		put_to("a@one.test");
	schedule_drain(f.schedule, &smtp, STR("[peer]"));
	for (int i = 0; i < 100 && f.n_jobs + !schedule_is_drained(f.schedule); i++) {
		tick(1);
		before = f.started;
		if (f.n_jobs)
			fail_job(0);
		CHECK(f.started == before);
	}
	CHECK(schedule_is_drained(f.schedule));
	CHECK(f.started < 100);
	CHECK_INT(store_count(f.store), 300);
	end();
}

/* a relay that was dead before is asked all the same */
T(schedule_drain_revives_its_relay)
{
	static const char *const extra[] = { "initial_destination_concurrency=1", NULL };

	begin(extra);
	put_to("a@one.test");
	tick(2);
	fail_job(0);
	tick(2);
	schedule_drain(f.schedule, &smtp, STR("one.test"));
	tick(2);
	CHECK_INT(f.n_jobs, 1);
	answer_job(0, 250, "2.0.0");
	CHECK(schedule_is_drained(f.schedule));
	end();
}
