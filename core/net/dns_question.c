/* dns_question - a question on the wire: who is asked, when the next server is, and who waits for the answer.
 *
 * A question is one name and type; everybody who asks the same joins it. Each try has a new socket, so the kernel picks
 * a random port for it, and a new random id; the socket is connected, so that only the server's own address and port
 * can answer; the codec checks id, question and the rest (threats G1). A reply that is not for us is passed over, and
 * after LIMIT_DNS_WRONG of them the question goes to TCP, where guessing is of no use. A truncated reply is never used: TCP
 * or the next server, else DNS_AGAIN (G4). */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/metric.h"
#include "core/base/random.h"
#include "core/net/dns_private.h"

#define FIRST_WAIT (2 * USEC_PER_SEC)

struct question {
	struct dns *d;
	struct list link;              /* in d->waiting */
	char key[LIMIT_DNS_KEY];
	char name[256], asked[256];    /* asked: after the aliases so far */
	enum dns_type type;
	struct list waiters;
	struct loop_task task;         /* the first step, outside of dns_ask */
	unsigned hops;                 /* aliases followed with questions of our own */
	unsigned try;                  /* servers go round: try % conf.n, round try / conf.n */
	unsigned first_server;
	bool in_flight, finishing, no_edns, silence;
	bool authentic;                /* all replies so far were */
	struct dns_server at;          /* the one to ask, without recursion; n = 0: those of conf in turn */
	int error, rcode;              /* of the last try: errno, what the server said; both 0: silence */
	/* the running try */
	bool trusted;                  /* the server's word on DNSSEC */
	uint16_t id;
	unsigned wrong;
	struct loop_io udp;
	struct loop_timer timer;
	struct conn *tcp;
	/* the answer */
	struct arena arena;
	struct dns_answer answer;
};

/* --- the end of a question ---------------------------------------------------------------------------------------- */

static void step(struct question *q);

static void stop_try(struct question *q)
{
	if (q->udp.registered) {
		loop_io_remove(q->d->loop, &q->udp);
		close(q->udp.fd);
	}
	loop_timer_cancel(q->d->loop, &q->timer);
	if (q->tcp)
		conn_close(q->tcp);
	q->tcp = NULL;
}

static void question_free(struct question *q)
{
	struct dns *d = q->d;

	stop_try(q);
	loop_task_cancel(&q->task);
	list_remove(&q->link);
	if (table_find(&d->questions, str_of(q->key)) == q)
		table_take(&d->questions, str_of(q->key));
	d->flights -= q->in_flight;
	arena_fini(&q->arena);
	mem_free(q);
}

static void start_waiting(struct dns *d)
{
	struct list *next;

	if (d->flights >= LIMIT_DNS_FLIGHTS || !(next = list_first(&d->waiting)))
		return;
	list_remove(next);
	loop_defer(d->loop, &LIST_ITEM(next, struct question, link)->task);
}

static void finish(struct question *q)
{
	struct dns *d = q->d;
	struct list *w;

	stop_try(q);
	/* who asks the same from now on asks anew */
	table_take(&d->questions, str_of(q->key));
	d->flights -= q->in_flight;
	q->in_flight = false;
	q->finishing = true;
	q->answer.authentic &= q->authentic;
	dns_explain(&q->answer, q->name, q->type);
	while ((w = list_first(&q->waiters)) != NULL) {
		struct dns_query *query = LIST_ITEM(w, struct dns_query, waiter);

		list_remove(&query->waiter);
		query->question = NULL;
		query->running = true;
		query->fn(query->ctx, &q->answer);
		dns_query_free(query);
	}
	question_free(q);
	start_waiting(d);
}

static void finish_again(struct question *q)
{
	memset(&q->answer, 0, offsetof(struct dns_answer, why));
	q->answer.status = DNS_AGAIN;
	q->answer.error = q->error;
	q->answer.rcode = q->rcode;
	q->d->silent += q->at.n && !q->error;
	finish(q);
}

/* --- tries -------------------------------------------------------------------------------------------------------- */

static const struct dns_server *server_of(const struct question *q)
{
	const struct dns_conf *c = &q->d->conf;

	return q->at.n ? &q->at : &c->v[(q->first_server + q->try) % c->n];
}

static size_t servers_of(const struct question *q)
{
	return q->at.n ? 1 : q->d->conf.n;
}

static usec try_deadline(const struct question *q)
{
	const struct dns_conf *c = &q->d->conf;

	return loop_now(q->d->loop) + ((q->at.n || q->try < c->n) && c->timeout > FIRST_WAIT ? FIRST_WAIT : c->timeout);
}

static size_t make_query(struct question *q, uint8_t out[DNS_QUERY_MAX])
{
	q->id = (uint16_t)random_u32();
	return dns_encode(out, q->id, str_of(q->asked), q->type, !q->no_edns, q->d->dnssec, !q->at.n);
}

static int open_udp(struct question *q)
{
	const struct dns_server *s = server_of(q);
	int fd = socket(s->a.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	uint8_t packet[DNS_QUERY_MAX];
	size_t n = make_query(q, packet);

	if (fd < 0)
		return -1;
	q->udp.fd = fd;
	q->trusted = s->loopback || q->d->conf.trust_ad || q->d->trust_ad;
	if (connect(fd, (const struct sockaddr *)&s->a, s->n) < 0 || send(fd, packet, n, MSG_NOSIGNAL) != (ssize_t)n ||
	    loop_io_add(q->d->loop, &q->udp, EPOLLIN) < 0) {
		close(fd);
		return -1;
	}
	return 0;
}

/* false: every server was asked often enough, or all of this round answered and none was of use */
static bool advance(struct question *q)
{
	size_t n = servers_of(q);

	q->try++;
	if (q->try >= n * q->d->conf.attempts || (q->try % n == 0 && !q->silence))
		return false;
	if (q->try % n == 0)
		q->silence = false;
	return true;
}

/* ask the server of this try, or the next one that can be asked at all */
static void start_try(struct question *q)
{
	stop_try(q);
	q->wrong = 0;
	while (open_udp(q) < 0) {
		q->error = errno;
		if (!advance(q)) {
			finish_again(q);
			return;
		}
	}
	q->error = q->rcode = 0;
	loop_timer_set(q->d->loop, &q->timer, try_deadline(q));
}

static void next_try(struct question *q)
{
	if (advance(q))
		start_try(q);
	else
		finish_again(q);
}

static enum conn_next on_tcp(struct conn *c, enum conn_event ev);

static void start_tcp(struct question *q)
{
	const struct dns_server *s = server_of(q);

	stop_try(q);
	q->tcp = conn_connect(q->d->loop, (const struct sockaddr *)&s->a, s->n, NULL, 0, 2 + LIMIT_DNS_MESSAGE,
		2 + DNS_QUERY_MAX, loop_now(q->d->loop) + q->d->conf.timeout, on_tcp, q);
	if (!q->tcp)
		next_try(q);
}

/* --- replies ------------------------------------------------------------------------------------------------------ */

void dns_question_key(char key[LIMIT_DNS_KEY], const char *name, enum dns_type type)
{
	snprintf(key, LIMIT_DNS_KEY, "%d %s", (int)type, name);
}

static void remember(struct question *q, const uint8_t *p, size_t n, const struct dns_reply *r)
{
	char key[LIMIT_DNS_KEY];

	dns_question_key(key, q->asked, q->type);
	if (!q->d->no_cache && !q->at.n)
		dns_cache_add(&q->d->cache, key, p, n, r->authentic, loop_now(q->d->loop), r->ttl);
}

/* a usable reply: done, or on to the target of an alias that the server left to us */
static void take_answer(struct question *q, const struct dns_reply *r)
{
	struct dns_answer *a = &q->answer;

	q->authentic &= r->authentic;
	if (q->at.n || a->status != DNS_NODATA || r->negative_proof || strcmp(a->canonical, q->asked) == 0) {
		finish(q);
	} else if (q->hops++ == LIMIT_DNS_CNAMES) {
		a->status = DNS_NXDOMAIN;
		a->endless = true;
		finish(q);
	} else {
		snprintf(q->asked, sizeof(q->asked), "%s", a->canonical);
		q->try = 0;
		q->silence = false;
		stop_try(q);
		step(q);
	}
}

/* q may be gone when this returns true; false: not for us, go on waiting */
static bool take_reply(struct question *q, const uint8_t *p, size_t n, bool tcp)
{
	struct dns_reply r;

	arena_reset(&q->arena);
	if (dns_decode(&q->arena, p, n, q->id, str_of(q->asked), q->type, &q->answer, &r) < 0)
		return false;
	r.authentic = r.authentic && q->trusted;
	q->answer.authoritative = r.authoritative;
	q->answer.rcode = q->rcode = r.rcode;
	q->d->silent = q->at.n ? 0 : q->d->silent;
	if (r.truncated && !tcp) {
		start_tcp(q);
	} else if (!r.truncated && (r.rcode == DNS_RCODE_OK || r.rcode == DNS_RCODE_NXDOMAIN)) {
		remember(q, p, n, &r);
		take_answer(q, &r);
	} else if (!q->no_edns && (r.rcode == DNS_RCODE_FORMERR || r.rcode == DNS_RCODE_NOTIMP)) {
		q->no_edns = true;
		start_try(q);
	} else if (q->at.n && !r.truncated) {
		finish(q);
	} else {
		next_try(q);
	}
	return true;
}

static void on_udp(struct loop_io *io, uint32_t events)
{
	struct question *q = LIST_ITEM(io, struct question, udp);
	uint8_t packet[4096];

	(void)events;
	for (;;) {
		ssize_t n = recv(io->fd, packet, sizeof(packet), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return;
		if (n < 0) { /* nobody listens there */
			q->error = errno;
			next_try(q);
			return;
		}
		if (take_reply(q, packet, (size_t)n, false))
			return;
		if (++q->wrong > LIMIT_DNS_WRONG) {
			start_tcp(q);
			return;
		}
	}
}

static void on_due(struct loop_timer *t)
{
	struct question *q = LIST_ITEM(t, struct question, timer);

	q->silence = true;
	next_try(q);
}

static void tcp_ask(struct question *q, struct conn *c)
{
	uint8_t packet[DNS_QUERY_MAX];
	size_t n = make_query(q, packet);

	buf_byte(&c->out, (char)(n >> 8));
	buf_byte(&c->out, (char)n);
	buf_add(&c->out, packet, n);
}

static enum conn_next on_tcp(struct conn *c, enum conn_event ev)
{
	struct question *q = c->ctx;
	const uint8_t *p = (const uint8_t *)c->in.p;

	if (ev == CONN_CONNECTED)
		tcp_ask(q, c);
	if (ev == CONN_CONNECTED || ev == CONN_SENT)
		return CONN_KEEP;
	if (ev == CONN_DATA) {
		if (c->in.n < 2 || c->in.n < 2 + ((size_t)p[0] << 8 | p[1]))
			return CONN_KEEP;
		/* the connection is closed with the try, the bytes stay until the end of the tick */
		if (take_reply(q, p + 2, (size_t)p[0] << 8 | p[1], true))
			return CONN_KEEP;
	}
	q->silence |= ev == CONN_DEADLINE;
	q->error = ev == CONN_DEADLINE ? 0 : c->error ? c->error : ECONNRESET;
	next_try(q);
	return CONN_KEEP;
}

/* --- questions ---------------------------------------------------------------------------------------------------- */

static const char *const found[] = { "miss", "hit" };
METRIC_MANY(cache_lookups, "relaybox_dns_cache_lookups", "Questions of DNS.", "result", found);

static bool answer_from_cache(struct question *q)
{
	const struct dns_cached *e;
	struct dns_reply r;
	char key[LIMIT_DNS_KEY];
	uint32_t age;

	dns_question_key(key, q->asked, q->type);
	e = dns_cache_find(&q->d->cache, key, loop_now(q->d->loop));
	cache_lookups[e != NULL]++;
	arena_reset(&q->arena);
	if (!e || dns_decode(&q->arena, e->wire, e->n, (uint16_t)(e->wire[0] << 8 | e->wire[1]), str_of(q->asked), q->type,
			&q->answer, &r) < 0)
		return false;
	age = (uint32_t)((loop_now(q->d->loop) - e->stored) / USEC_PER_SEC);
	for (size_t i = 0; i < q->answer.n; i++)
		q->answer.records[i].ttl -= age < q->answer.records[i].ttl ? age : q->answer.records[i].ttl;
	q->answer.from_cache = true;
	r.authentic = e->authentic;
	take_answer(q, &r);
	return true;
}

static void step(struct question *q)
{
	struct dns *d = q->d;

	if (q->at.n && d->silent >= LIMIT_DNS_SILENT) {
		q->error = ECANCELED;
		finish_again(q);
		return;
	}
	if (!q->at.n && answer_from_cache(q))
		return;
	if (!q->in_flight && d->flights >= LIMIT_DNS_FLIGHTS) {
		list_append(&d->waiting, &q->link);
		return;
	}
	d->flights += !q->in_flight;
	q->in_flight = true;
	q->first_server = d->conf.rotate ? d->turn++ : 0;
	start_try(q);
}

static void on_step(struct loop_task *t)
{
	step(LIST_ITEM(t, struct question, task));
}

struct question *dns_question_of(struct dns *d, const struct dns_server *at, const char *name, enum dns_type type)
{
	struct question *q;
	char key[LIMIT_DNS_KEY];

	dns_question_key(key, name, type);
	for (size_t i = 0, n = strlen(key); at && i <= at->n; i++, n += 2)
		snprintf(key + n, LIMIT_DNS_KEY - n, "%02x", i < at->n ? ((const uint8_t *)&at->a)[i] : 0);
	q = table_find(&d->questions, str_of(key));
	if (q)
		return q;
	q = MEM_NEW(struct question);
	q->d = d;
	q->type = type;
	q->authentic = true;
	if (at)
		q->at = *at;
	memcpy(q->key, key, sizeof(key));
	snprintf(q->name, sizeof(q->name), "%s", name);
	snprintf(q->asked, sizeof(q->asked), "%s", name);
	list_init(&q->link);
	list_init(&q->waiters);
	loop_task_init(&q->task, on_step);
	loop_timer_init(&q->timer, on_due);
	q->udp.on_ready = on_udp;
	arena_init(&q->arena, LIMIT_DNS_REPLY);
	table_add(&d->questions, str_of(key), q);
	loop_defer(d->loop, &q->task);
	return q;
}

void dns_question_join(struct question *q, struct list *waiter)
{
	list_append(&q->waiters, waiter);
}

void dns_question_left(struct question *q)
{
	struct dns *d = q->d;

	if (!list_is_empty(&q->waiters) || q->finishing)
		return;
	question_free(q);
	start_waiting(d);
}
