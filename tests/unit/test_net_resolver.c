/* test_net_resolver.c - the resolver against name servers of its own, on loopback, inside the same loop. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/net/dns.h"
#include "core/net/dns_files.h"
#include "core/net/loop.h"
#include "tests/unit/net_dns_msg.h"
#include "tests/unit/t.h"

/* what a server does with a question for a name that begins with the word */
enum behave { GOOD, SILENT, SERVFAIL, REFUSED, WRONG_ID, WRONG_NAME, TRUNCATE, FORMERR, CHAIN, DANGLING, GARBAGE, FLOOD, NXDOMAIN, EMPTY, LOOP };
static const struct { const char *word; enum behave how; } words[] = {
	{ "silent", SILENT }, { "servfail", SERVFAIL }, { "refused", REFUSED }, { "wrongid", WRONG_ID }, { "wrongname", WRONG_NAME },
	{ "big", TRUNCATE }, { "formerr", FORMERR }, { "chain", CHAIN }, { "dangling", DANGLING }, { "garbage", GARBAGE }, { "flood", FLOOD },
	{ "gone", NXDOMAIN }, { "empty", EMPTY }, { "loop", LOOP }, { "", GOOD },
};

struct server {
	struct loop_io udp, tcp, peer;
	struct loop *l;
	int port;
	int asked, asked_tcp, recursive;
	int only;              /* -1: by the name; else always so */
	uint16_t ids[64], ports[64];
	char last[256];
};

static struct msg m;

static enum behave behave(const struct server *s, const char *name)
{
	size_t i = 0;

	if (s->only >= 0)
		return (enum behave)s->only;
	while (strncmp(name, words[i].word, strlen(words[i].word)) != 0)
		i++;
	return words[i].how;
}

static void read_question(struct server *s, const uint8_t *p, enum dns_type *type)
{
	size_t n = 0, at = 12;

	while (p[at]) {
		for (int i = 0; i < p[at]; i++)
			s->last[n++] = (char)p[at + 1 + (size_t)i];
		s->last[n++] = '.';
		at += p[at] + 1u;
	}
	s->last[n ? n - 1 : 0] = 0;
	*type = (enum dns_type)(p[at + 1] << 8 | p[at + 2]);
}

static void good_answer(const char *name, enum dns_type type, int records)
{
	static const uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 9 };

	for (int i = 0; i < records; i++) {
		if (type == DNS_A)
			msg_a(&m, name, 60, 0xc0000201 + (uint32_t)i);
		else if (type == DNS_AAAA)
			msg_aaaa(&m, name, 60, v6);
		else if (type == DNS_MX)
			msg_target(&m, name, DNS_MX, 60, (unsigned)i, "mx.example");
		else if (type == DNS_PTR)
			msg_target(&m, name, DNS_PTR, 60, 0, "Host.Example");
	}
}

/* false: say nothing */
static bool make_reply(struct server *s, const uint8_t *p, bool tcp)
{
	unsigned id = (unsigned)(p[0] << 8 | p[1]);
	bool edns = p[11] != 0;
	enum dns_type type;
	enum behave how;

	read_question(s, p, &type);
	s->recursive += p[2] & 1;
	how = behave(s, s->last);
	msg_begin(&m, how == WRONG_ID || how == FLOOD ? id ^ 1 : id, p[2] & 1 ? 0x8180 : 0x8400, how == WRONG_NAME ? "evil.example" : s->last, type);
	if (how == SERVFAIL || how == REFUSED || (how == FORMERR && edns) || how == NXDOMAIN)
		m.p[3] |= how == SERVFAIL ? 2 : how == REFUSED ? 5 : how == NXDOMAIN ? 3 : 1;
	else if (how == TRUNCATE && !tcp)
		m.p[2] |= 2, good_answer("@", type, 1);
	else if (how == TRUNCATE)
		good_answer("@", type, 90);
	else if (how == CHAIN)
		msg_target(&m, "@", DNS_CNAME, 60, 0, "real.example"), good_answer("real.example", type, 1);
	else if (how == DANGLING)
		msg_target(&m, "@", DNS_CNAME, 60, 0, "real.example");
	else if (how == LOOP)
		msg_target(&m, "@", DNS_CNAME, 60, 0, strcmp(s->last, "loop1") ? "loop1" : "loop2");
	else if (how == GARBAGE)
		msg_bytes(&m, "xx", 2), m.p[7] = 9;
	else if (how != EMPTY)
		good_answer("@", type, 2);
	if (how == NXDOMAIN || how == EMPTY)
		msg_soa(&m, "example", 60, 60);
	return how != SILENT;
}

static void on_udp(struct loop_io *io, uint32_t events)
{
	struct server *s = LIST_ITEM(io, struct server, udp);
	struct sockaddr_in from;
	socklen_t n = sizeof(from);
	uint8_t p[600];

	(void)events;
	if (recvfrom(io->fd, p, sizeof(p), 0, (struct sockaddr *)&from, &n) < 17)
		return;
	s->ids[s->asked % 64] = (uint16_t)(p[0] << 8 | p[1]);
	s->ports[s->asked % 64] = from.sin_port;
	s->asked++;
	if (!make_reply(s, p, false))
		return;
	for (int i = behave(s, s->last) == FLOOD ? 40 : 1; i > 0; i--)
		(void)!sendto(io->fd, m.p, m.n, 0, (struct sockaddr *)&from, n);
}

static void on_peer(struct loop_io *io, uint32_t events)
{
	struct server *s = LIST_ITEM(io, struct server, peer);
	uint8_t p[600], length[2];
	ssize_t n = recv(io->fd, p, sizeof(p), MSG_DONTWAIT);

	(void)events;
	if (n > 17) {
		s->asked_tcp++;
		if (make_reply(s, p + 2, true)) {
			if (behave(s, s->last) == FLOOD)
				m.p[1] ^= 1;
			length[0] = (uint8_t)(m.n >> 8), length[1] = (uint8_t)m.n;
			/* in three pieces, to be put together again */
			(void)!send(io->fd, length, 1, MSG_NOSIGNAL);
			(void)!send(io->fd, length + 1, 1, MSG_NOSIGNAL);
			(void)!send(io->fd, m.p, m.n, MSG_NOSIGNAL);
			return;
		}
	}
	loop_io_remove(s->l, io);
	close(io->fd);
}

static void on_tcp(struct loop_io *io, uint32_t events)
{
	struct server *s = LIST_ITEM(io, struct server, tcp);
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK);

	(void)events;
	if (s->peer.registered) {
		loop_io_remove(s->l, &s->peer);
		close(s->peer.fd);
	}
	s->peer = (struct loop_io){ .fd = fd, .on_ready = on_peer };
	loop_io_add(s->l, &s->peer, EPOLLIN);
}

/* bind_both - one free port for both; another program may hold a port for TCP alone, so a few are tried */
static bool bind_both(int *udp, int tcp, struct sockaddr_in *at)
{
	for (int tries = 0; tries < 50; tries++) {
		socklen_t n = sizeof(*at);

		*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		*udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		if (bind(*udp, (struct sockaddr *)at, n) || getsockname(*udp, (struct sockaddr *)at, &n))
			return false;
		if (!bind(tcp, (struct sockaddr *)at, n))
			return true;
		close(*udp);
	}
	return false;
}

static bool server_start(struct server *s, struct loop *l, int only)
{
	int udp, tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in at;

	if (!bind_both(&udp, tcp, &at) || listen(tcp, 5))
		return false;
	*s = (struct server){.l = l, .only = only, .udp = { .fd = udp, .on_ready = on_udp }, .tcp = {.fd = tcp, .on_ready = on_tcp}};
	s->port = ntohs(at.sin_port);
	return loop_io_add(l, &s->udp, EPOLLIN) == 0 && loop_io_add(l, &s->tcp, EPOLLIN) == 0;
}

static void server_stop(struct server *s)
{
	loop_io_remove(s->l, &s->udp);
	loop_io_remove(s->l, &s->tcp);
	close(s->udp.fd);
	close(s->tcp.fd);
	if (s->peer.registered) {
		loop_io_remove(s->l, &s->peer);
		close(s->peer.fd);
	}
}

struct got {
	int count;
	struct dns_answer a;
	struct dns_record first;
	struct dns_addresses addresses;
	char name[300], why[400];
	enum dns_status status;
};

static void got_answer(void *ctx, const struct dns_answer *a)
{
	struct got *g = ctx;

	g->count++;
	g->a = *a;
	if (a->n)
		g->first = a->records[0];
}

static void got_addresses(void *ctx, const struct dns_addresses *a)
{
	struct got *g = ctx;

	g->count++;
	g->addresses = *a;
}

static void got_name(void *ctx, enum dns_status status, const char *name, const char *why)
{
	struct got *g = ctx;

	g->count++;
	g->status = status;
	snprintf(g->name, sizeof(g->name), "%s", name);
	snprintf(g->why, sizeof(g->why), "%s", why);
}

struct place {
	struct loop *l;
	struct server a, b;
	struct dns *d;
	char hosts[300], resolv[300];
};

static bool place_init(struct place *p, int a, int b, bool no_cache)
{
	struct dns_options o = { .hosts = p->hosts, .resolv_conf = p->resolv, .no_cache = no_cache };
	FILE *f;

	p->l = loop_new();
	if (!server_start(&p->a, p->l, a) || !server_start(&p->b, p->l, b))
		return false;
	snprintf(p->hosts, sizeof(p->hosts), "%s/hosts", t_tmpdir());
	snprintf(p->resolv, sizeof(p->resolv), "%s/resolv.conf", t_tmpdir());
	f = fopen(p->hosts, "w");
	if (!f)
		return false;
	fputs("192.0.2.77 inhosts.example inhosts\n", f);
	fclose(f);
	f = fopen(p->resolv, "w");
	if (!f)
		return false;
	fprintf(f, "nameserver 127.0.0.1:%d\nnameserver 127.0.0.1:%d\noptions timeout:1 attempts:2\n", p->a.port, p->b.port);
	fclose(f);
	p->d = dns_new(p->l, &o);
	return p->d != NULL;
}

static void place_fini(struct place *p)
{
	dns_free(p->d);
	loop_tick(p->l, 0);
	server_stop(&p->a);
	server_stop(&p->b);
	loop_free(p->l);
}

static void wait_for(struct place *p, const int *count, int n)
{
	for (int i = 0; i < 2000 && *count < n; i++)
		loop_tick(p->l, 10000);
}

T(resolver_answers)
{
	static const struct {
		const char *name;
		enum dns_type type;
		enum dns_status status;
		size_t n;
		int first, second, tcp; /* questions that each server gets */
		const char *canonical;
	} rows[] = {
		{ "good", DNS_A, DNS_OK, 2, 1, 0, 0, "good" },
		{ "Good2.", DNS_MX, DNS_OK, 2, 1, 0, 0, "good2" },
		{ "gone", DNS_MX, DNS_NXDOMAIN, 0, 1, 0, 0, "gone" },
		{ "empty", DNS_MX, DNS_NODATA, 0, 1, 0, 0, "empty" },
		{ "servfail", DNS_MX, DNS_AGAIN, 0, 1, 1, 0, "" },
		{ "refused", DNS_A, DNS_AGAIN, 0, 1, 1, 0, "" },
		{ "garbage", DNS_MX, DNS_AGAIN, 0, 1, 1, 0, "" },
		{ "big", DNS_MX, DNS_OK, 90, 1, 0, 1, "big" },
		{ "formerr", DNS_A, DNS_OK, 2, 2, 0, 0, "formerr" },
		{ "chain", DNS_A, DNS_OK, 1, 1, 0, 0, "real.example" },
		{ "dangling", DNS_A, DNS_OK, 2, 2, 0, 0, "real.example" },
		{ "flood", DNS_A, DNS_OK, 2, 1, 0, 1, "flood" },
		{ "loop1", DNS_A, DNS_NXDOMAIN, 0, 11, 0, 0, "loop2" },
		{ "not a name", DNS_A, DNS_NXDOMAIN, 0, 0, 0, 0, "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct place p;
		struct got g = { 0 };

		ROW("%s", rows[i].name);
		REQUIRE(place_init(&p, -1, -1, true));
		dns_ask(p.d, str_of(rows[i].name), rows[i].type, got_answer, &g);
		CHECK_INT(g.count, 0);
		wait_for(&p, &g.count, 1);
		CHECK_INT(g.count, 1);
		CHECK_INT(g.a.status, rows[i].status);
		CHECK_INT(g.a.n, rows[i].n);
		CHECK_INT(p.a.asked, rows[i].first);
		CHECK_INT(p.b.asked, rows[i].second);
		CHECK_INT(p.a.asked_tcp, rows[i].tcp);
		CHECK_STR(g.a.canonical, rows[i].canonical);
		CHECK_INT(g.a.why[0] != 0, g.a.status != DNS_OK);
		place_fini(&p);
	}
}

T(resolver_goes_to_the_next_server_and_gives_up)
{
	static const struct { int a, b; enum dns_status status; int asked_a, asked_b; } rows[] = {
		{ SERVFAIL, GOOD, DNS_OK, 1, 1 },
		{ REFUSED, GOOD, DNS_OK, 1, 1 },
		{ GARBAGE, GOOD, DNS_OK, 1, 1 },
		{ SILENT, GOOD, DNS_OK, 1, 1 },
		{ WRONG_ID, GOOD, DNS_OK, 1, 1 },
		{ WRONG_NAME, GOOD, DNS_OK, 1, 1 },
		{ SILENT, SERVFAIL, DNS_AGAIN, 2, 2 },
		{ GOOD, SILENT, DNS_OK, 1, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct place p;
		struct got g = { 0 };

		ROW("%zu", i);
		REQUIRE(place_init(&p, rows[i].a, rows[i].b, true));
		dns_ask(p.d, STR("x.example"), DNS_MX, got_answer, &g);
		wait_for(&p, &g.count, 1);
		CHECK_INT(g.count, 1);
		CHECK_INT(g.a.status, rows[i].status);
		CHECK_INT(p.a.asked, rows[i].asked_a);
		CHECK_INT(p.b.asked, rows[i].asked_b);
		place_fini(&p);
	}
}

T(resolver_nobody_listens)
{
	struct loop *l = loop_new();
	struct dns_options o = { .server = "127.0.0.1:1", .hosts = "/nonexistent", .resolv_conf = "/nonexistent" };
	struct dns *d = dns_new(l, &o);
	struct got g = { 0 };

	dns_ask(d, STR("x"), DNS_A, got_answer, &g);
	for (int i = 0; i < 100 && !g.count; i++)
		loop_tick(l, 10000);
	CHECK_INT(g.count, 1);
	CHECK_INT(g.a.status, DNS_AGAIN);
	dns_free(d);
	loop_free(l);
}

T(resolver_caches_and_shares)
{
	struct place p;
	struct got g[4] = {{0}};

	REQUIRE(place_init(&p, -1, -1, false));
	for (int i = 0; i < 3; i++)
		dns_ask(p.d, str_of(i ? "Good" : "good."), DNS_A, got_answer, &g[i]);
	wait_for(&p, &g[2].count, 1);
	CHECK(g[0].count == 1 && g[1].count == 1 && g[2].count == 1);
	CHECK_INT(p.a.asked, 1);
	CHECK(!g[2].a.from_cache);
	dns_ask(p.d, STR("good"), DNS_A, got_answer, &g[3]);
	CHECK_INT(g[3].count, 0);
	wait_for(&p, &g[3].count, 1);
	CHECK_INT(p.a.asked, 1);
	CHECK(g[3].a.from_cache);
	CHECK_INT(g[3].a.n, 2);
	CHECK_INT(g[3].first.ttl, 60);
	/* an alias over two replies comes from the cache too; a negative answer as well; a failure does not */
	for (int i = 0; i < 6; i++) {
		struct got x = { 0 };

		dns_ask(p.d, str_of(i % 3 == 0 ? "dangling" : i % 3 == 1 ? "gone" : "servfail"), DNS_A, got_answer, &x);
		wait_for(&p, &x.count, 1);
		CHECK_INT(x.a.from_cache, i >= 3 && i < 5);
	}
	CHECK_INT(p.a.asked, 1 + 2 + 1 + 2);
	place_fini(&p);
}

T(resolver_random_ids_and_a_new_port_each)
{
	struct place p;
	int same_id = 0, same_port = 0;

	REQUIRE(place_init(&p, -1, -1, true));
	for (int i = 0; i < 64; i++) {
		struct got g = { 0 };

		dns_ask(p.d, STR("good"), DNS_A, got_answer, &g);
		wait_for(&p, &g.count, 1);
	}
	for (int i = 1; i < 64; i++) {
		same_id += p.a.ids[i] == p.a.ids[i - 1] || p.a.ids[i] == p.a.ids[i - 1] + 1;
		same_port += p.a.ports[i] == p.a.ports[i - 1];
	}
	CHECK(same_id < 3);
	CHECK(same_port < 5);
	place_fini(&p);
}

struct canceller {
	struct dns_query *other, *self;
	int count;
};

static void cancel_all(void *ctx, const struct dns_answer *a)
{
	struct canceller *c = ctx;

	(void)a;
	c->count++;
	dns_cancel(c->other);
	dns_cancel(c->self);
}

T(resolver_cancels_at_any_time)
{
	struct place p;
	struct got g = { 0 };
	struct canceller c = { 0 };
	struct dns_query *q;

	REQUIRE(place_init(&p, -1, -1, false));
	/* at once; in flight; over TCP; the second of two; from inside a callback, the other one and itself */
	dns_cancel(dns_ask(p.d, STR("good"), DNS_A, got_answer, &g));
	dns_cancel(dns_ask(p.d, STR("bad name"), DNS_A, got_answer, &g));
	q = dns_ask(p.d, STR("silent"), DNS_A, got_answer, &g);
	loop_tick(p.l, 0);
	loop_tick(p.l, 0);
	dns_cancel(q);
	q = dns_ask(p.d, STR("big"), DNS_A, got_answer, &g);
	for (int i = 0; i < 200 && !p.a.asked_tcp; i++)
		loop_tick(p.l, 1000);
	dns_cancel(q);
	dns_cancel(dns_lookup_host(p.d, STR("silent"), 3, DNS_HOSTS, got_addresses, &g));
	CHECK_INT(g.count, 0);
	c.self = dns_ask(p.d, STR("good"), DNS_A, cancel_all, &c);
	c.other = dns_ask(p.d, STR("good"), DNS_A, got_answer, &g);
	wait_for(&p, &c.count, 1);
	CHECK_INT(c.count, 1);
	loop_tick(p.l, 10000);
	CHECK_INT(g.count, 0);
	/* and what is left when the resolver goes */
	dns_lookup_host(p.d, STR("silent"), 3, DNS_HOSTS, got_addresses, &g);
	loop_tick(p.l, 0);
	dns_ask(p.d, STR("silent"), DNS_MX, got_answer, &g);
	place_fini(&p);
	CHECK_INT(g.count, 0);
}

T(resolver_many_at_once)
{
	struct place p;
	struct got *g = calloc(600, sizeof(*g));
	int total = 0;

	REQUIRE(g && place_init(&p, -1, -1, false));
	for (int i = 0; i < 600; i++) {
		char name[32];

		snprintf(name, sizeof(name), "host%d.example", i);
		dns_ask(p.d, str_of(name), DNS_A, got_answer, &g[i]);
	}
	for (int i = 0; i < 3000 && total < 600; i++) {
		loop_tick(p.l, 10000);
		total = 0;
		for (int k = 0; k < 600; k++)
			total += g[k].count == 1 && g[k].a.status == DNS_OK;
	}
	CHECK_INT(total, 600);
	place_fini(&p);
	free(g);
}

T(resolver_hosts)
{
	static const struct { const char *host; int families; enum dns_source from; enum dns_status status; size_t n; const char *first; int asked; } rows[] = {
		{ "good", 3, DNS_HOSTS, DNS_OK, 4, NULL, 2 },
		{ "good", 2, DNS_HOSTS, DNS_OK, 2, "2001:db8::9", 1 },
		{ "good", 0, DNS_HOSTS, DNS_NODATA, 0, NULL, 0 },
		{ "192.0.2.5", 3, DNS_HOSTS, DNS_OK, 1, "192.0.2.5", 0 },
		{ "[192.0.2.5]", 1, DNS_ONLY, DNS_OK, 1, "192.0.2.5", 0 },
		{ "IPv6:::1", 3, DNS_HOSTS, DNS_OK, 1, "::1", 0 },
		{ "::1", 1, DNS_HOSTS, DNS_NODATA, 0, NULL, 0 },
		{ "INHOSTS.example", 3, DNS_HOSTS, DNS_OK, 1, "192.0.2.77", 0 },
		{ "inhosts", 3, DNS_HOSTS, DNS_OK, 1, "192.0.2.77", 0 },
		{ "inhosts.example", 1, DNS_ONLY, DNS_OK, 2, NULL, 1 },
		{ "localhost", 3, DNS_HOSTS, DNS_OK, 2, "127.0.0.1", 0 },
		{ "gone", 3, DNS_HOSTS, DNS_NXDOMAIN, 0, NULL, 2 },
		{ "empty", 3, DNS_HOSTS, DNS_NODATA, 0, NULL, 2 },
		{ "servfail", 3, DNS_HOSTS, DNS_AGAIN, 0, NULL, 2 },
		{ "no name", 3, DNS_HOSTS, DNS_NXDOMAIN, 0, NULL, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct place p;
		struct got g = { 0 };
		char text[46] = "";

		ROW("%s %d", rows[i].host, rows[i].families);
		REQUIRE(place_init(&p, -1, -1, true));
		dns_lookup_host(p.d, str_of(rows[i].host), rows[i].families, rows[i].from, got_addresses, &g);
		CHECK_INT(g.count, 0);
		wait_for(&p, &g.count, 1);
		CHECK_INT(g.count, 1);
		CHECK_INT(g.addresses.status, rows[i].status);
		CHECK_INT(g.addresses.n, rows[i].n);
		CHECK_INT(p.a.asked, rows[i].asked);
		CHECK_INT(g.addresses.why[0] != 0, rows[i].status != DNS_OK);
		if (rows[i].first) {
			ipaddr_format(&g.addresses.v[0], text);
			CHECK_STR(text, rows[i].first);
		}
		for (size_t k = 1; k < g.addresses.n; k++)
			CHECK(g.addresses.v[k - 1].family == AF_INET || g.addresses.v[k].family == AF_INET6);
		place_fini(&p);
	}
}

/* how the system looks up a host: search and ndots of resolv.conf, the first name with an address counts */
T(resolver_native_searches)
{
	static const struct { const char *host, *conf; enum dns_source from; enum dns_status status; const char *last; int asked; } rows[] = {
		{ "gone", "search good.example", DNS_NATIVE, DNS_NXDOMAIN, "gone", 2 },
		{ "svc", "search a.example", DNS_ONLY, DNS_OK, "svc", 1 },
		{ "svc", "search a.example", DNS_HOSTS, DNS_OK, "svc", 1 },
		{ "svc", "search a.example", DNS_NATIVE, DNS_OK, "svc.a.example", 1 },
		{ "svc", "search a.example\ndomain b.example", DNS_NATIVE, DNS_OK, "svc.b.example", 1 },
		{ "svc", "", DNS_NATIVE, DNS_OK, "svc", 1 },
		{ "svc.", "search a.example", DNS_NATIVE, DNS_OK, "svc", 1 },
		{ "svc.ns", "search a.example", DNS_NATIVE, DNS_OK, "svc.ns", 1 },
		{ "svc.ns", "search a.example\noptions ndots:5", DNS_NATIVE, DNS_OK, "svc.ns.a.example", 1 },
		{ "svc", "search a.example\noptions ndots:0", DNS_NATIVE, DNS_OK, "svc", 1 },
		{ "svc", "search x..y a.example", DNS_NATIVE, DNS_OK, "svc.a.example", 1 },
		{ "svc", "search .", DNS_NATIVE, DNS_OK, "svc", 1 },
		{ "gone.x", "search a.example b.example", DNS_NATIVE, DNS_NXDOMAIN, "gone.x.b.example", 3 },
		{ "inhosts", "search a.example", DNS_NATIVE, DNS_OK, "", 0 },
		{ "192.0.2.1", "search a.example", DNS_NATIVE, DNS_OK, "", 0 },
		{ "servfail", "search a.example", DNS_NATIVE, DNS_AGAIN, "servfail", 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct place p;
		struct got g = { 0 };
		FILE *f;

		ROW("%s %s", rows[i].host, rows[i].conf);
		REQUIRE(place_init(&p, -1, -1, true));
		f = fopen(p.resolv, "w");
		REQUIRE(f);
		fprintf(f, "nameserver 127.0.0.1:%d\n%s\n", p.a.port, rows[i].conf);
		fclose(f);
		dns_free(p.d);
		p.d = dns_new(p.l, &(struct dns_options){ .hosts = p.hosts, .resolv_conf = p.resolv, .no_cache = true });
		dns_lookup_host(p.d, str_of(rows[i].host), 1, rows[i].from, got_addresses, &g);
		wait_for(&p, &g.count, 1);
		CHECK_INT(g.count, 1);
		CHECK_INT(g.addresses.status, rows[i].status);
		CHECK_INT(g.addresses.why[0] != 0, rows[i].status != DNS_OK);
		CHECK_INT(p.a.asked, rows[i].asked);
		CHECK_STR(p.a.last, rows[i].last);
		place_fini(&p);
	}
}

/* a next hop that refuses is asked for anew, also behind an alias, and nothing else is */
T(resolver_forgets)
{
	static const char *const names[] = { "good", "dangling", "chain", "gone" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct place p;
		struct got g = { 0 };
		int before;

		ROW("%s", names[i]);
		REQUIRE(place_init(&p, -1, -1, false));
		for (int turn = 0; turn < 3; turn++) {
			if (turn == 2)
				dns_forget(p.d, str_of(i ? names[i] : "GOOD."));
			before = p.a.asked;
			dns_lookup_host(p.d, str_of(names[i]), 3, DNS_HOSTS, got_addresses, &g);
			dns_ask(p.d, str_of(names[i]), DNS_MX, got_answer, &g);
			dns_ask(p.d, STR("other"), DNS_MX, got_answer, &g);
			wait_for(&p, &g.count, 3 * (turn + 1));
			CHECK_INT(g.count, 3 * (turn + 1));
			CHECK_INT(p.a.asked - before, turn == 1 ? 0 : (i == 1 ? 6 : 3) + (turn == 0));
		}
		dns_forget(p.d, STR("no name"));
		dns_forget(p.d, STR_EMPTY);
		place_fini(&p);
	}
}

T(resolver_round_robin)
{
	struct place p;
	int first[2] = { 0 };

	REQUIRE(place_init(&p, -1, -1, false));
	for (int i = 0; i < 10; i++) {
		struct got g = { 0 };

		dns_lookup_host(p.d, STR("good"), 1, DNS_ONLY, got_addresses, &g);
		wait_for(&p, &g.count, 1);
		REQUIRE(g.addresses.n == 2);
		first[g.addresses.v[0].b[3] - 1]++;
	}
	CHECK_INT(first[0], 5);
	CHECK_INT(first[1], 5);
	place_fini(&p);
}

static struct dns_server server_at(int port)
{
	struct dns_server at = { .loopback = false };
	struct ipaddr own;

	ipaddr_parse(STR("127.0.0.1"), &own);
	at.n = ipaddr_to_sockaddr(&own, (uint16_t)port, &at.a);
	return at;
}

T(resolver_asks_one_server_for_what_it_knows_itself)
{
	static const struct { const char *name; enum dns_status status; int rcode; bool authoritative; int asked, tcp; } rows[] = {
		{ "good", DNS_OK, 0, true, 1, 0 }, { "gone", DNS_NXDOMAIN, 3, true, 1, 0 }, { "empty", DNS_NODATA, 0, true, 1, 0 },
		{ "servfail", DNS_AGAIN, 2, true, 1, 0 }, { "refused", DNS_AGAIN, 5, true, 1, 0 }, { "formerr", DNS_OK, 0, true, 2, 0 },
		{ "garbage", DNS_AGAIN, -1, true, 1, 0 }, { "dangling", DNS_NODATA, 0, true, 1, 0 }, { "big", DNS_OK, 0, true, 1, 1 },
		{ "silent", DNS_AGAIN, 0, false, 2, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dns_server at;
		struct place p;

		ROW("%s", rows[i].name);
		REQUIRE(place_init(&p, -1, -1, false));
		at = server_at(p.b.port);
		/* nothing is remembered: the second question is sent like the first */
		for (int turn = 1; turn <= 2; turn++) {
			struct got g = { 0 };

			dns_ask_at(p.d, &at, str_of(rows[i].name), DNS_MX, got_answer, &g);
			wait_for(&p, &g.count, 1);
			CHECK_INT(g.count, 1);
			CHECK_INT(g.a.status, rows[i].status);
			CHECK_INT(g.a.rcode, rows[i].rcode);
			CHECK_INT(g.a.authoritative, rows[i].authoritative);
			CHECK_INT(g.a.error, 0);
			CHECK_INT(p.a.asked, 0);
			CHECK_INT(p.b.asked, turn * rows[i].asked);
			CHECK_INT(p.b.asked_tcp, turn * rows[i].tcp);
			CHECK_INT(p.b.recursive, 0);
		}
		place_fini(&p);
	}
}

T(resolver_gives_up_on_servers_when_none_ever_answers)
{
	struct dns_server at, closed;
	struct got g = { 0 }, last = { 0 };
	struct place p;
	char name[20];
	int asked;

	REQUIRE(place_init(&p, -1, -1, true));
	at = server_at(p.a.port);
	closed = server_at(1);
	dns_ask_at(p.d, &closed, STR("x"), DNS_SOA, got_answer, &last);
	wait_for(&p, &last.count, 1);
	CHECK_INT(last.a.error, ECONNREFUSED);
	for (int i = 0; i < 32; i++) {
		snprintf(name, sizeof(name), "silent%d", i);
		dns_ask_at(p.d, &at, str_of(name), DNS_MX, got_answer, &g);
	}
	wait_for(&p, &g.count, 32);
	CHECK_INT(g.a.error, 0);
	asked = p.a.asked;
	dns_ask_at(p.d, &at, STR("good"), DNS_MX, got_answer, &last);
	wait_for(&p, &last.count, 2);
	CHECK_INT(last.a.error, ECANCELED);
	CHECK_INT(p.a.asked, asked);
	/* the resolver itself is asked as before */
	dns_ask(p.d, STR("good"), DNS_MX, got_answer, &last);
	wait_for(&p, &last.count, 3);
	CHECK_INT(last.a.status, DNS_OK);
	place_fini(&p);
}

T(resolver_names)
{
	static const struct { const char *address; enum dns_status status; const char *name, *why; } rows[] = {
		{ "192.0.2.1", DNS_OK, "host.example", "" },
		{ "192.0.2.2", DNS_OK, "host.example", "" },
		{ "192.0.2.9", DNS_NODATA, "unknown", "hostname host.example does not resolve to address 192.0.2.9" },
		{ "2001:db8::9", DNS_OK, "host.example", "" },
		{ "2001:db8::8", DNS_NODATA, "unknown", "hostname host.example does not resolve to address 2001:db8::8" },
		{ "127.0.0.1", DNS_OK, "localhost", "" },
		{ "192.0.2.77", DNS_OK, "inhosts.example", "" },
	};
	struct place p;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct got g = { 0 };
		struct ipaddr a;

		ROW("%s", rows[i].address);
		REQUIRE(place_init(&p, -1, -1, false));
		REQUIRE(ipaddr_parse(str_of(rows[i].address), &a));
		dns_lookup_name(p.d, &a, got_name, &g);
		CHECK_INT(g.count, 0);
		wait_for(&p, &g.count, 1);
		CHECK_INT(g.count, 1);
		CHECK_INT(g.status, rows[i].status);
		CHECK_STR(g.name, rows[i].name);
		CHECK_STR(g.why, rows[i].why);
		place_fini(&p);
	}
	for (int only = SERVFAIL; only <= NXDOMAIN; only += NXDOMAIN - SERVFAIL) {
		struct got g = { 0 };
		struct ipaddr a;

		ROW("%d", only);
		REQUIRE(place_init(&p, only, only, false));
		ipaddr_parse(STR("192.0.2.1"), &a);
		dns_lookup_name(p.d, &a, got_name, &g);
		wait_for(&p, &g.count, 1);
		CHECK_STR(g.name, "unknown");
		CHECK_INT(g.status, only == SERVFAIL ? DNS_AGAIN : DNS_NODATA);
		place_fini(&p);
	}
}

/* questions that were given up in flight make room for others, however many there were */
T(resolver_gives_the_place_of_a_cancelled_question_back)
{
	struct place p;
	struct got g = { 0 };

	REQUIRE(place_init(&p, -1, -1, true));
	for (int i = 0; i < 3 * LIMIT_DNS_FLIGHTS; i++) {
		struct dns_query *q;
		char name[32];

		snprintf(name, sizeof(name), "silent%d.example", i);
		q = dns_ask(p.d, str_of(name), DNS_A, got_answer, &g);
		loop_tick(p.l, 0);
		dns_cancel(q);
	}
	dns_ask(p.d, STR("good"), DNS_A, got_answer, &g);
	wait_for(&p, &g.count, 1);
	CHECK_INT(g.count, 1);
	CHECK_INT(g.a.status, DNS_OK);
	place_fini(&p);
}

/* a name is forgotten in every domain of a search list that is as long as it may be */
T(resolver_forgets_a_name_in_the_whole_search_list)
{
	struct dns_options o;
	struct got g = { 0 };
	struct place p;
	FILE *f;
	int asked;

	REQUIRE(place_init(&p, -1, -1, false));
	dns_free(p.d);
	f = fopen(p.resolv, "w");
	REQUIRE(f);
	fprintf(f, "nameserver 127.0.0.1:%d\nsearch", p.a.port);
	for (int i = 0; i < LIMIT_DNS_SEARCH; i++)
		fprintf(f, " d%d.test", i);
	fprintf(f, "\noptions timeout:1 attempts:2\n");
	fclose(f);
	o = (struct dns_options){ .hosts = p.hosts, .resolv_conf = p.resolv };
	p.d = dns_new(p.l, &o);
	REQUIRE(p.d);
	for (int i = 1; i <= 3; i++) {
		ROW("%d", i);
		dns_lookup_host(p.d, STR("good"), 1, DNS_NATIVE, got_addresses, &g);
		wait_for(&p, &g.count, i);
		CHECK_INT(g.count, i);
		/* the second time it is known, the third it was forgotten */
		CHECK(i == 1 || (p.a.asked > asked) == (i == 3));
		asked = p.a.asked;
		if (i == 2)
			dns_forget(p.d, STR("good"));
	}
	place_fini(&p);
}
