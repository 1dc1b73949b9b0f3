/* verify: the cache of probe results: who waits, who is told, what is kept how long, and what a restart finds. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/access/verify.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "tests/unit/t.h"

#define DAY (86400 * USEC_PER_SEC)
#define MOST 8

/* a world in which probes are answered by hand */
struct world {
	struct conf_diag diag;
	struct conf *conf;
	struct loop *loop;
	struct verify *v;
	char path[300], map[400];
	size_t n_probes;               /* asked so far */
	struct { char rcpt[100]; verify_fn fn; void *ctx; } open[MOST];
	size_t n_open;
};
struct client {
	struct verify_wait *wait;
	struct reply said;
	unsigned told;
};

static void on_probe(void *ctx, struct str rcpt, verify_fn fn, void *fn_ctx)
{
	struct world *w = ctx;

	if (!CHECK(w->n_open < MOST))
		return;
	snprintf(w->open[w->n_open].rcpt, sizeof(w->open[0].rcpt), "%.*s", STR_ARG(rcpt));
	w->open[w->n_open].fn = fn;
	w->open[w->n_open++].ctx = fn_ctx;
	w->n_probes++;
}

static void answer(struct world *w, size_t i, int code, const char *enhanced, const char *text)
{
	struct reply r;
	verify_fn fn = w->open[i].fn;
	void *ctx = w->open[i].ctx;

	memmove(&w->open[i], &w->open[i + 1], (w->n_open - i - 1) * sizeof(w->open[0]));
	w->n_open--;
	reply_set(&r, code, enhanced, "%s", text);
	fn(ctx, &r);
}

static void world_start(struct world *w)
{
	w->n_open = 0;
	w->v = verify_new(&(struct verify_options){ .loop = w->loop, .conf = w->conf, .probe = on_probe, .ctx = w });
}

static bool world_open(struct world *w, const char *more)
{
	const char *extra[] = { "alias_maps=", "myhostname=here.test", w->map, more, NULL };

	memset(w, 0, sizeof(*w));
	snprintf(w->path, sizeof(w->path), "%s/verify_cache", t_tmpdir());
	snprintf(w->map, sizeof(w->map), "address_verify_map=btree:%s", w->path);
	unlink(w->path);
	conf_diag_init(&w->diag);
	w->conf = conf_load(t_tmpdir(), extra, &w->diag);
	w->loop = loop_new();
	if (!w->conf || !w->loop)
		return false;
	world_start(w);
	return true;
}

static void world_close(struct world *w)
{
	verify_free(w->v);
	loop_free(w->loop);
	conf_free(w->conf);
	conf_diag_fini(&w->diag);
	unlink(w->path);
}

static void on_told(void *ctx, const struct reply *r)
{
	struct client *c = ctx;

	c->said = *r;
	c->told++;
	c->wait = NULL;
}

static bool ask(struct world *w, struct client *c, const char *rcpt)
{
	memset(c, 0, sizeof(*c));
	c->wait = verify_ask(w->v, str_of(rcpt), &c->said, on_told, c);
	return c->wait != NULL;
}

static void file_put(struct world *w, const char *head, usec age, const char *rest)
{
	char text[1000];

	snprintf(text, sizeof(text), "%s%lld%s", head, (long long)((clock_wall() - age) / USEC_PER_SEC), rest);
	CHECK_INT(fs_replace(w->path, 0600, str_of(text)), 0);
}

static void file_check(struct world *w, const char *part, bool there)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	CHECK_INT(fs_read_file(w->path, &b), 0);
	CHECK((str_find(buf_view(&b), str_of(part)) >= 0) == there);
	buf_fini(&b);
}

#define HEAD "relaybox verify cache 1\n"

T(verify_shares_one_probe_and_remembers_the_answer)
{
	struct world w;
	struct client a, b, c;

	REQUIRE(world_open(&w, NULL));
	CHECK(ask(&w, &a, "u@Example.TEST"));
	CHECK(ask(&w, &b, "u@example.test"));
	CHECK_INT(w.n_probes, 1);
	CHECK_STR(w.open[0].rcpt, "u@example.test");
	answer(&w, 0, 250, "2.1.5", "Ok");
	CHECK_INT(a.told, 1);
	CHECK_INT(b.told, 1);
	CHECK_INT(b.said.code, 250);
	CHECK(!ask(&w, &c, "u@EXAMPLE.test"));
	CHECK_INT(c.said.code, 250);
	CHECK_STR(c.said.enhanced, "2.1.5");
	CHECK_INT(c.told, 0);
	CHECK_INT(w.n_probes, 1);
	CHECK(ask(&w, &c, "U@example.test"));
	verify_cancel(c.wait);
	world_close(&w);
}

T(verify_survives_a_restart)
{
	struct world w;
	struct client a;

	REQUIRE(world_open(&w, NULL));
	ask(&w, &a, "good@x.test");
	ask(&w, &a, "bad@x.test");
	ask(&w, &a, "busy@x.test");
	ask(&w, &a, "\"tab\there\"@x.test");
	answer(&w, 0, 250, "2.1.5", "Ok");
	answer(&w, 0, 550, "5.1.1", "host h said:\n550 no such user");
	answer(&w, 0, 421, "", "come back");
	answer(&w, 0, 250, "2.1.5", "Ok");
	verify_free(w.v);
	file_check(&w, HEAD, true);
	file_check(&w, "\tundeliverable\tbad@x.test\t5.1.1\thost h said: 550 no such user\n", true);
	file_check(&w, "\tdeferred\tbusy@x.test\t4.0.0\tcome back\n", true);
	file_check(&w, "here", false);
	world_start(&w);
	CHECK(!ask(&w, &a, "good@x.test"));
	CHECK_INT(a.said.code, 250);
	CHECK(!ask(&w, &a, "bad@x.test"));
	CHECK_INT(a.said.code, 550);
	CHECK_STR(a.said.text, "host h said: 550 no such user");
	CHECK(!ask(&w, &a, "busy@x.test"));
	CHECK_INT(a.said.code, 450);
	CHECK_INT(w.n_probes, 4);
	world_close(&w);
}

T(verify_ages_answers_as_postfix_does)
{
	static const struct { const char *word; usec age; bool known, probes; int code; } rows[] = {
		{ "deliverable", 0, true, false, 250 },
		{ "deliverable", 6 * DAY, true, false, 250 },
		{ "deliverable", 8 * DAY, true, true, 250 },
		{ "deliverable", 32 * DAY, false, true, 0 },
		{ "undeliverable", DAY / 24, true, false, 550 },
		{ "undeliverable", DAY / 4, true, true, 550 },
		{ "undeliverable", 4 * DAY, false, true, 0 },
		{ "deferred", DAY / 4, true, true, 450 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct world w;
		struct client a;
		char rest[100];

		ROW("%zu %s", i, rows[i].word);
		REQUIRE(world_open(&w, NULL));
		snprintf(rest, sizeof(rest), "\t%s\ta@x.test\t%d.1.5\ttext\n", rows[i].word, rows[i].word[0] == 'u' ? 5 : rows[i].word[2] == 'l' ? 2 : 4);
		file_put(&w, HEAD, rows[i].age, rest);
		CHECK(ask(&w, &a, "a@x.test") == !rows[i].known);
		CHECK_INT(w.n_probes, rows[i].probes);
		if (rows[i].known)
			CHECK_INT(a.said.code, rows[i].code);
		world_close(&w);
	}
}

T(verify_keeps_a_good_answer_when_its_refresh_fails)
{
	static const struct { int code; const char *want; } rows[] = { { 550, "deliverable" }, { 450, "deliverable" }, { 250, "deliverable" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct world w;
		struct client a;

		ROW("%d", rows[i].code);
		REQUIRE(world_open(&w, NULL));
		file_put(&w, HEAD, 8 * DAY, "\tdeliverable\ta@x.test\t2.1.5\tOk\n");
		CHECK(!ask(&w, &a, "a@x.test"));
		answer(&w, 0, rows[i].code, "", "x");
		CHECK(!ask(&w, &a, "a@x.test"));
		CHECK_INT(a.said.code, 250);
		/* refreshed: quiet for a week; not refreshed: probed at each question */
		CHECK_INT(w.n_probes, rows[i].code == 250 ? 1 : 2);
		world_close(&w);
	}
}

T(verify_forgets_bad_answers_when_told_to)
{
	struct world w;
	struct client a, b;

	REQUIRE(world_open(&w, "address_verify_negative_cache=no"));
	ask(&w, &a, "a@x.test");
	ask(&w, &b, "a@x.test");
	answer(&w, 0, 550, "5.1.1", "no");
	CHECK_INT(a.said.code, 550);
	CHECK_INT(b.said.code, 550);
	CHECK_INT(verify_count(w.v), 0);
	CHECK(ask(&w, &a, "a@x.test"));
	CHECK_INT(w.n_probes, 2);
	answer(&w, 0, 250, "", "yes");
	CHECK(!ask(&w, &a, "a@x.test"));
	world_close(&w);
}

static void run_for(struct world *w, usec time)
{
	usec end = clock_mono() + time;

	while (clock_mono() < end)
		loop_tick(w->loop, 10 * USEC_PER_MSEC);
}

T(verify_bounds_the_wait_and_keeps_the_late_answer)
{
	struct world w;
	struct client a;
	const char *extra[] = { "alias_maps=", "myhostname=here.test", w.map, "address_verify_poll_count=1", NULL };

	REQUIRE(world_open(&w, "address_verify_poll_count=2"));
	/* one look, as greylisting: no wait at all */
	verify_free(w.v);
	conf_free(w.conf);
	w.conf = conf_load(t_tmpdir(), extra, &w.diag);
	world_start(&w);
	CHECK(!ask(&w, &a, "a@x.test"));
	CHECK_INT(a.said.code, 450);
	CHECK_STR(a.said.enhanced, "4.1.1");
	CHECK_STR(a.said.text, "Address verification in progress");
	CHECK_INT(w.n_probes, 1);
	answer(&w, 0, 250, "2.1.5", "Ok");
	CHECK_INT(a.told, 0);
	CHECK(!ask(&w, &a, "a@x.test"));
	CHECK_INT(a.said.code, 250);
	world_close(&w);

	REQUIRE(world_open(&w, "address_verify_poll_delay=1s"));
	CHECK(ask(&w, &a, "b@x.test"));
	run_for(&w, 100 * USEC_PER_MSEC);
	CHECK_INT(a.told, 0);
	run_for(&w, 2200 * USEC_PER_MSEC);
	CHECK_INT(a.told, 1);
	CHECK_STR(a.said.text, "Address verification in progress");
	answer(&w, 0, 550, "5.1.1", "no");
	CHECK_INT(a.told, 1);
	CHECK(!ask(&w, &a, "b@x.test"));
	CHECK_INT(a.said.code, 550);
	world_close(&w);
}

T(verify_client_that_leaves_leaves_nothing)
{
	struct world w;
	struct client a, b;

	REQUIRE(world_open(&w, NULL));
	CHECK(ask(&w, &a, "a@x.test"));
	CHECK(ask(&w, &b, "a@x.test"));
	verify_cancel(a.wait);
	verify_cancel(b.wait);
	answer(&w, 0, 250, "2.1.5", "Ok");
	CHECK_INT(a.told + b.told, 0);
	CHECK(!ask(&w, &a, "a@x.test"));
	CHECK_INT(a.said.code, 250);
	/* still waiting when everything ends */
	CHECK(ask(&w, &b, "b@x.test"));
	world_close(&w);
}

T(verify_bounds_the_probes_at_work)
{
	struct world w;
	struct client c[4];

	REQUIRE(world_open(&w, "default_destination_concurrency_limit=2"));
	for (int i = 0; i < 4; i++) {
		char rcpt[20];

		snprintf(rcpt, sizeof(rcpt), "%d@x.test", i);
		CHECK(ask(&w, &c[i], rcpt));
	}
	CHECK_INT(w.n_open, 2);
	answer(&w, 1, 250, "", "");
	CHECK_INT(c[1].told, 1);
	CHECK_INT(w.n_open, 2);
	CHECK_STR(w.open[1].rcpt, "2@x.test");
	answer(&w, 0, 250, "", "");
	answer(&w, 0, 250, "", "");
	answer(&w, 0, 250, "", "");
	CHECK_INT(c[0].told + c[1].told + c[2].told + c[3].told, 4);
	CHECK_INT(w.n_open, 0);
	world_close(&w);
}

T(verify_file_is_refused_or_mended)
{
	static const struct { const char *head, *rest; usec age; bool known, kept; } rows[] = {
		{ "relaybox verify cache 2\n", "\tdeliverable\ta@x.test\t2.1.5\tOk\n", 0, false, true },
		{ "\177ELF", "\tdeliverable\ta@x.test\t2.1.5\tOk\n", 0, false, true },
		{ HEAD, "\tdeliverable\ta@x.test\t2.1.5\tOk\n1764000000\tdeliv", 0, true, false },
		{ HEAD "\n\t\t\t\t\n", "\tdeliverable\ta@x.test\t2.1.5\tOk\n", 0, true, false },
		{ HEAD, "\tmaybe\ta@x.test\t2.1.5\tOk\n", 0, false, false },
		{ HEAD, "\tdeliverable\ta@x.test\t5.1.5\tOk\n", 0, false, false },
		{ HEAD, "\tdeliverable\t\t2.1.5\tOk\n", 0, false, false },
		{ HEAD, "\tdeliverable\ta@x.test\t2.1.5\tOk\n", -DAY, false, false },
		{ HEAD "1\tundeliverable\ta@x.test\t5.1.1\tno\n", "\tdeliverable\ta@x.test\t2.1.5\tOk\n", 60 * USEC_PER_SEC, true, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct world w;
		struct client a;
		struct buf before, after;

		ROW("%zu", i);
		REQUIRE(world_open(&w, NULL));
		file_put(&w, rows[i].head, rows[i].age, rows[i].rest);
		buf_init(&before, 5000);
		buf_init(&after, 5000);
		fs_read_file(w.path, &before);
		CHECK(ask(&w, &a, "a@x.test") == !rows[i].known);
		if (!rows[i].known)
			answer(&w, 0, 250, "2.1.5", "Ok");
		fs_read_file(w.path, &after);
		/* another program's file stays as it is; ours has one sound line at the end */
		if (rows[i].kept)
			CHECK_MEM(after.p, after.n, before.p, before.n);
		else
			CHECK(str_ends(buf_view(&after), STR("\tdeliverable\ta@x.test\t2.1.5\tOk\n")) && str_starts(buf_view(&after), STR(HEAD)));
		buf_fini(&before);
		buf_fini(&after);
		world_close(&w);
	}
}

T(verify_file_stays_small)
{
	struct world w;
	struct client a;
	struct stat st;

	REQUIRE(world_open(&w, "address_verify_positive_refresh_time=1s"));
	/* the same address again and again: old lines are cleaned out */
	for (int i = 0; i < 3000; i++) {
		char rcpt[30];

		snprintf(rcpt, sizeof(rcpt), "%d@x.test", i % 7);
		if (i < 7) {
			CHECK(ask(&w, &a, rcpt));
			answer(&w, 0, 250, "2.1.5", "Ok");
			continue;
		}
		verify_free(w.v);
		world_start(&w);
		CHECK(!ask(&w, &a, rcpt));
		if (i > 40)
			break;
	}
	REQUIRE(stat(w.path, &st) == 0);
	CHECK(st.st_size < 1000);
	CHECK_INT(st.st_mode & 0777, 0600);
	world_close(&w);
}

static int fail_at, calls;

static int fail_nth(const char *call, const char *path)
{
	(void)call;
	(void)path;
	return ++calls == fail_at ? 28 /* ENOSPC */ : 0;
}

T(verify_goes_on_in_memory_when_a_file_call_fails)
{
	bool more = true;

	for (fail_at = 1; more && fail_at < 100; fail_at++) {
		struct world w;
		struct client a;

		ROW("call %d", fail_at);
		REQUIRE(world_open(&w, NULL));
		file_put(&w, HEAD, DAY, "\tdeliverable\told@x.test\t2.1.5\tOk\n");
		calls = 0;
		fs_hook = fail_nth;
		if (ask(&w, &a, "a@x.test"))
			answer(&w, 0, 250, "2.1.5", "Ok");
		CHECK_INT(a.said.code, 250);
		CHECK(!ask(&w, &a, "a@x.test"));
		fs_hook = NULL;
		more = calls >= fail_at;
		/* a restart finds a whole file, whatever failed */
		verify_free(w.v);
		world_start(&w);
		CHECK(!ask(&w, &a, "old@x.test"));
		world_close(&w);
	}
	CHECK(fail_at > 3);
}

/* each age is one of four settings: good or bad, asked again or forgotten; at its end what was known still counts, past it no more */
T(verify_keeps_each_answer_as_long_as_told)
{
	static const struct { const char *set; bool good; usec age; bool known, probed; } rows[] = {
		{ "address_verify_positive_refresh_time=100s", true, 60, true, false }, { "address_verify_positive_refresh_time=100s", true, 140, true, true },
		{ "address_verify_negative_refresh_time=100s", false, 60, true, false }, { "address_verify_negative_refresh_time=100s", false, 140, true, true },
		{ "address_verify_positive_expire_time=100s", true, 60, true, false }, { "address_verify_positive_expire_time=100s", true, 140, false, true },
		{ "address_verify_negative_expire_time=100s", false, 60, true, false }, { "address_verify_negative_expire_time=100s", false, 140, false, true },
		/* one kind's is not the other's */
		{ "address_verify_positive_refresh_time=100s", false, 140, true, false }, { "address_verify_negative_refresh_time=100s", true, 140, true, false },
		{ "address_verify_positive_expire_time=100s", false, 140, true, false }, { "address_verify_negative_expire_time=100s", true, 140, true, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;
		struct client a;

		ROW("%s at %d", rows[i].set, (int)rows[i].age);
		REQUIRE(world_open(&w, rows[i].set));
		file_put(&w, HEAD, rows[i].age * USEC_PER_SEC, rows[i].good ? "\tdeliverable\ta@x.test\t2.1.5\tOk\n" : "\tundeliverable\ta@x.test\t5.1.1\tno\n");
		CHECK_INT(ask(&w, &a, "a@x.test"), !rows[i].known);
		if (rows[i].known)
			CHECK_INT(a.said.code, rows[i].good ? 250 : 550);
		CHECK_INT(w.n_probes, rows[i].probed);
		while (w.n_open)
			answer(&w, 0, 250, "2.1.5", "Ok");
		world_close(&w);
	}
}
