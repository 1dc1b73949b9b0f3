/* hash, heap, list, crc, random, pool, clock. */
#include <poll.h>
#include <unistd.h>
#include <pthread.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/crc.h"
#include "core/base/hash.h"
#include "core/base/heap.h"
#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/base/pool.h"
#include "core/base/random.h"
#include "tests/unit/t.h"

T(hash_siphash_has_the_published_results)
{
	/* the key 00 01 … 0f, messages of growing length; from the reference implementation */
	static const struct { size_t n; uint64_t want; } rows[] = {
		{ 0, 0x726fdb47dd0e0e31u }, { 1, 0x74f839c593dc67fdu }, { 7, 0xab0200f58b01d137u },
		{ 8, 0x93f5f5799a932462u }, { 15, 0xa129ca6149be45e5u },
	};
	unsigned char m[16];

	for (unsigned char i = 0; i < 16; i++)
		m[i] = i;
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		ROW("%zu", rows[k].n);
		CHECK(hash_siphash(0x0706050403020100u, 0x0f0e0d0c0b0a0908u, m, rows[k].n) == rows[k].want);
	}
}

T(table_finds_what_was_added)
{
	struct table t;
	char key[20];
	int values[2000];
	size_t cursor = 0, seen = 0;
	struct str k;
	void *v;

	table_init(&t);
	CHECK(!table_find(&t, STR("x")));
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		table_add(&t, str_of(key), &values[i]);
	}
	table_add(&t, STR("key7"), &values[0]);
	CHECK_INT(t.n, 2000);
	CHECK(table_find(&t, STR("key7")) == &values[0]);
	CHECK(table_find(&t, STR("key1999")) == &values[1999]);
	CHECK(!table_find(&t, STR("key2000")));
	while (table_each(&t, &cursor, &k, &v)) {
		seen++;
		if (v != &values[5])
			CHECK(table_take(&t, k) == v);
	}
	CHECK_INT(seen, 2000);
	CHECK_INT(t.n, 1);
	CHECK(table_find(&t, STR("key5")) == &values[5]);
	CHECK(!table_take(&t, STR("key6")));
	for (int i = 0; i < 5000; i++) {
		table_add(&t, STR("again"), &values[1]);
		CHECK(table_take(&t, STR("again")) == &values[1]);
	}
	CHECK(t.cap < 5000);
	table_fini(&t);
}

T(idmap_survives_removal_while_walking)
{
	struct idmap m;
	int x;
	size_t cursor = 0, seen = 0;
	uint64_t key;
	void *v;

	idmap_init(&m);
	CHECK(!idmap_find(&m, 1) && !idmap_find(&m, 0));
	for (uint64_t i = 1; i <= 3000; i++)
		idmap_add(&m, i << 20, &x);
	while (idmap_each(&m, &cursor, &key, &v)) {
		seen++;
		if (key % (2 << 20))
			CHECK(idmap_take(&m, key) == &x);
	}
	CHECK_INT(seen, 3000);
	CHECK_INT(m.n, 1500);
	CHECK(!idmap_find(&m, 1 << 20) && idmap_find(&m, 2 << 20) == &x);
	CHECK(!idmap_take(&m, 1 << 20));
	for (uint64_t i = 1; i <= 3000; i++)
		idmap_add(&m, i << 20, &x);
	CHECK_INT(m.n, 3000);
	idmap_fini(&m);
}

T(heap_gives_the_smallest_first)
{
	enum { N = 500 };
	struct heap_node nodes[N] = { { 0 } };
	struct heap h;
	int64_t last = INT64_MIN;
	size_t left = 0;

	heap_init(&h);
	CHECK(!heap_first(&h));
	for (size_t i = 0; i < N; i++)
		heap_add(&h, &nodes[i], (int64_t)(i * 7919 % 1009));
	for (size_t i = 0; i < N; i += 3)
		heap_remove(&h, &nodes[i]);
	for (size_t i = 1; i < N; i += 3)
		heap_add(&h, &nodes[i], (int64_t)(i * 31 % 500) - 250);
	heap_remove(&h, &nodes[0]);
	for (struct heap_node *x; (x = heap_first(&h)); heap_remove(&h, x), left++) {
		CHECK(x->key >= last);
		last = x->key;
	}
	CHECK_INT(left, N - (N + 2) / 3);
	heap_add(&h, &nodes[0], 1);
	heap_fini(&h);
	CHECK_INT(nodes[0].pos, 0);
}

T(crc_has_the_published_results)
{
	unsigned char zero[32] = { 0 }, text[200];
	uint32_t c;

	CHECK_INT(crc32c(0, "123456789", 9), 0xe3069283);
	CHECK_INT(crc32c(0, zero, 32), 0x8a9136aa);
	CHECK_INT(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
	CHECK_INT(crc32c(0, NULL, 0), 0);
	for (size_t n = 0; n < sizeof(text); n++) {
		random_bytes(text, n);
		c = crc32c_portable(0, text, n);
		CHECK_INT(crc32c(0, text, n), c);
	}
}

T(random_stays_below)
{
	unsigned seen[3] = { 0 };

	for (int i = 0; i < 300; i++)
		seen[random_below(3)]++;
	CHECK(seen[0] && seen[1] && seen[2]);
	CHECK_INT(random_below(1), 0);
}

T(list_append_all_keeps_the_order)
{
	struct list a, b, nodes[4];
	int i = 0;

	list_init(&a);
	list_init(&b);
	list_append_all(&a, &b);
	CHECK(list_is_empty(&a));
	list_append(&b, &nodes[0]);
	list_append(&b, &nodes[1]);
	list_append_all(&a, &b);
	list_append(&b, &nodes[2]);
	list_append(&b, &nodes[3]);
	list_append_all(&a, &b);
	CHECK(list_is_empty(&b));
	LIST_EACH(&a, it, next)
		CHECK(it == &nodes[i++] && it->prev->next == it);
	CHECK_INT(i, 4);
}

T(list_removes_while_walking)
{
	struct list head, nodes[5];
	size_t n = 0;

	list_init(&head);
	for (size_t i = 0; i < 5; i++)
		list_append(&head, &nodes[i]);
	LIST_EACH(&head, it, next) {
		CHECK(it == &nodes[n]);
		if (n++ % 2)
			list_remove(it);
	}
	CHECK(list_first(&head) == &nodes[0] && nodes[0].next == &nodes[2] && list_is_empty(&nodes[1]));
}

struct square {
	struct pool_job job;
	int in, out, done;
	struct pool *again;
};

static void square_work(struct pool_job *j)
{
	struct square *s = LIST_ITEM(j, struct square, job);

	s->out = s->in * s->in;
}

static void square_done(struct pool_job *j)
{
	struct square *s = LIST_ITEM(j, struct square, job);

	s->done++;
	if (s->again && s->done == 1)
		pool_run(s->again, j);
}

/* a gate that the one thread waits behind until all jobs are there; then the order in which they ran */
static struct { pthread_mutex_t lock; char order[64]; size_t n; } turns = { .lock = PTHREAD_MUTEX_INITIALIZER };
struct turn { struct pool_job job; char name; };

static void gate_work(struct pool_job *j)
{
	(void)j;
	pthread_mutex_lock(&turns.lock);
	pthread_mutex_unlock(&turns.lock);
}

static void turn_work(struct pool_job *j)
{
	turns.order[turns.n++] = LIST_ITEM(j, struct turn, job)->name;
}

static void turn_done(struct pool_job *j) { (void)j; }

enum { GATE = 1000 };                  /* whom the job is for that runs first */

/* count - how often c comes */
static unsigned count(const char *come, char c)
{
	unsigned n = 0;

	for (; *come; come++)
		n += *come == c;
	return n;
}

/* stand_apart - those for whom the jobs are share no place: places are given by chance, and few */
static bool stand_apart(struct pool *p, const char *come)
{
	unsigned all, his;

	for (const char *c = come; *c; c++) {
		pool_waiting(p, (uint64_t)*c, &all, &his);
		if (his != count(come, *c))
			return false;
	}
	/* nor with the one that ran first */
	pool_waiting(p, GATE, &all, &his);
	return !his;
}

/* try_turns - false: chance has put two into one place */
static bool try_turns(const char *come, const char *run)
{
	struct pool *p = pool_new(1);
	struct turn jobs[16];
	struct pool_job gate = { .of = GATE, .work = gate_work, .done = turn_done };
	unsigned all, his;
	size_t n = strlen(come);
	bool apart;

	turns.n = 0;
	memset(turns.order, 0, sizeof(turns.order));
	pthread_mutex_lock(&turns.lock);
	pool_run(p, &gate);
	do
		pool_waiting(p, GATE, &all, &his);
	while (all);
	for (size_t k = 0; k < n; k++) {
		jobs[k] = (struct turn){ .job = { .of = (uint64_t)come[k], .work = turn_work, .done = turn_done }, .name = come[k] };
		pool_run(p, &jobs[k].job);
	}
	pool_waiting(p, 'A', &all, &his);
	CHECK_INT(all, n);
	apart = stand_apart(p, come);
	/* one that is taken back runs neither now nor later */
	CHECK(pool_take_back(p, &jobs[n - 1].job));
	CHECK(!pool_take_back(p, &jobs[n - 1].job));
	pthread_mutex_unlock(&turns.lock);
	pool_wait(p);
	if (apart)
		CHECK_STR(turns.order, run);
	else
		CHECK_INT(strlen(turns.order), strlen(run));
	pool_free(p);
	return apart;
}

/* upper case: jobs of one client, lower case of others */
T(pool_serves_everybody_in_turn)
{
	static const struct { const char *come, *run; } rows[] = {
		{ "AAAAAAbz", "AbAAAAA" }, { "AAAAAAbbbcz", "AbcAbAbAAA" }, { "abcdefz", "abcdef" }, { "AAAAA", "AAAA" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned tries = 0;

		ROW("%s", rows[i].come);
		while (!try_turns(rows[i].come, rows[i].run) && tries < 100)
			tries++;
		CHECK(tries < 100);
	}
}

T(pool_runs_and_reaps_every_job)
{
	enum { N = 200 };
	static struct square jobs[N];
	struct pool *p = pool_new(3);
	struct pollfd pfd;

	REQUIRE(p);
	for (int i = 0; i < N; i++) {
		jobs[i] = (struct square){ .job = { .work = square_work, .done = square_done }, .in = i,
			.again = i % 5 ? NULL : p };
		pool_run(p, &jobs[i].job);
	}
	pfd = (struct pollfd){ .fd = pool_fd(p), .events = POLLIN };
	CHECK_INT(poll(&pfd, 1, 5000), 1);
	pool_reap(p);
	pool_wait(p);
	CHECK_INT(poll(&pfd, 1, 0), 0);
	for (int i = 0; i < N; i++) {
		CHECK_INT(jobs[i].out, i * i);
		CHECK_INT(jobs[i].done, i % 5 ? 1 : 2);
	}
	pool_free(p);
}

T(clock_goes_on)
{
	usec a = clock_mono(), b = clock_mono();

	CHECK(b >= a);
	CHECK(clock_wall() > 1600000000 * USEC_PER_SEC);
}

/* jobs that go on only when all of them are under way */
static _Atomic unsigned came;
static unsigned met;

static void meet(struct pool_job *j)
{
	(void)j;
	came++;
	for (int i = 0; i < 10000 && came < 3; i++)
		usleep(1000);
}

static void part(struct pool_job *j)
{
	(void)j;
	met += came == 3;
}

T(pool_has_a_thread_for_each_job_up_to_its_number)
{
	struct pool *p = pool_new(3);
	struct pool_job jobs[3] = { { .work = meet, .done = part }, { .work = meet, .done = part }, { .work = meet, .done = part } };

	REQUIRE(p);
	for (int i = 0; i < 3; i++)
		pool_run(p, &jobs[i]);
	pool_wait(p);
	CHECK_INT(met, 3);
	pool_free(p);
}

/* a job that its `done` starts anew, and waits for to be worked on */
static _Atomic unsigned worked;
static unsigned reaped;
static struct pool *endless;

static void work_again(struct pool_job *j)
{
	(void)j;
	worked++;
}

static void start_again(struct pool_job *j)
{
	unsigned before = worked;
	struct pollfd pfd = { .fd = pool_fd(endless), .events = POLLIN };

	if (++reaped > 3)
		return;
	*j = (struct pool_job){ .work = work_again, .done = start_again };
	pool_run(endless, j);
	CHECK_INT(poll(&pfd, 1, 10000), 1);
	CHECK_INT(worked, before + 1);
}

T(pool_reaps_what_was_finished_and_no_more)
{
	struct pool_job job = { .work = work_again, .done = start_again };
	struct pollfd pfd;

	endless = pool_new(1);
	REQUIRE(endless);
	pfd = (struct pollfd){ .fd = pool_fd(endless), .events = POLLIN };
	pool_run(endless, &job);
	for (unsigned turn = 1; turn <= 4; turn++) {
		CHECK_INT(poll(&pfd, 1, 10000), 1);
		pool_reap(endless);
		CHECK_INT(reaped, turn);
	}
	pool_free(endless);
}
