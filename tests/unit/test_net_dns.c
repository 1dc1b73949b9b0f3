/* test_net_dns.c - the DNS codec, the files and the cache: no network. */
#include <arpa/inet.h>
#include <stdio.h>

#include "core/base/mem.h"
#include "core/net/dns_cache.h"
#include "core/net/dns_files.h"
#include "tests/unit/net_dns_msg.h"
#include "tests/unit/t.h"

static struct msg m;
static struct arena arena;
static struct dns_answer answer;
static struct dns_reply reply;

/* parse from a block of exactly the message's size, so that the sanitizers see one byte too many */
static int decode(const char *name, enum dns_type type)
{
	uint8_t *exact = mem_alloc(m.n ? m.n : 1);
	int r;

	arena_fini(&arena);
	arena_init(&arena, 512 * 1024);
	memset(&reply, 0, sizeof(reply));
	memcpy(exact, m.p, m.n);
	r = dns_decode(&arena, exact, m.n, 7, str_of(name), type, &answer, &reply);
	mem_free(exact);
	return r;
}

T(dns_query_bytes)
{
	static const uint8_t want[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\1\2mx\7example\0\0\x0f\0\1\0\0\x29\x04\xd0\0\0\0\0\0\0";
	uint8_t out[DNS_QUERY_MAX];
	size_t n = dns_build_query(out, 0x1234, STR("MX.Example."), DNS_MX, false);

	CHECK_MEM(out, n, want, sizeof(want) - 1);
	n = dns_build_query(out, 1, STR("x"), DNS_TLSA, true);
	CHECK_INT(out[3], 0x20);
	CHECK_INT(out[n - 4], 0x80);
	/* proof is asked for by one question alone, too, which is of the same type on the wire */
	memset(out, 0, sizeof(out));
	n = dns_encode(out, 1, STR("x"), (enum dns_type)((unsigned)DNS_MX | DNS_PROVEN), true, false, true);
	CHECK_INT(out[3], 0x20);
	CHECK_INT(out[n - 4], 0x80);
	CHECK_INT(out[12 + 3] << 8 | out[12 + 4], DNS_MX);
	CHECK_INT(dns_encode(out, 1, STR(""), DNS_NS, false, false, true), 17);
}

T(dns_names_that_are_none)
{
	static const struct { const char *name; bool ok; } rows[] = {
		{ "a.b", true }, { "a.b.", true }, { "", true }, { ".", true }, { "_dmarc.x", true }, { "A-1.b", true },
		{ "..", false }, { "a..b", false }, { ".a", false }, { "a b", false }, { "a\\b", false }, { "\xc3\xa4.de", false }, { "a\tb", false },
	};
	char clean[256], label[70], name[300] = "";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].name);
		CHECK_INT(dns_name_clean(str_of(rows[i].name), clean), rows[i].ok);
	}
	ROW("long");
	memset(label, 'a', 64);
	label[64] = 0;
	CHECK(!dns_name_clean(str_of(label), clean));
	label[63] = 0;
	CHECK(dns_name_clean(str_of(label), clean));
	for (int i = 0; i < 63; i++)
		strcat(name, "aaa.");
	strcat(name, "a");
	CHECK_INT(strlen(name), 253);
	CHECK(dns_name_clean(str_of(name), clean));
	strcat(name, "a");
	CHECK(!dns_name_clean(str_of(name), clean));
}

T(dns_reads_addresses_and_follows_aliases)
{
	msg_begin(&m, 7, 0x81a0, "www.Example.com", DNS_A);
	msg_target(&m, "@", DNS_CNAME, 300, 0, "b.example.net");
	msg_target(&m, "B.example.net", DNS_CNAME, 200, 0, "c.example.net");
	msg_a(&m, "c.example.net", 500, 0x01020304);
	msg_a(&m, "unrelated.example", 1, 0x09090909);
	msg_a(&m, "c.example.net", 400, 0x01020305);
	msg_opt(&m, 0);
	REQUIRE(decode("WWW.example.com.", DNS_A) == 0);
	CHECK_INT(answer.status, DNS_OK);
	CHECK_INT(answer.n, 2);
	CHECK_STR(answer.canonical, "c.example.net");
	CHECK_STR(answer.records[0].name, "c.example.net");
	CHECK_MEM(answer.records[1].address.b, 4, "\1\2\3\5", 4);
	CHECK_INT(answer.records[1].address.family, AF_INET);
	CHECK_INT(reply.ttl, 200);
	CHECK(reply.authentic);
}

static void add_signature(const char *owner, enum dns_type of, unsigned algorithm, uint32_t until, uint32_t from, size_t least)
{
	size_t at = msg_rr(&m, 0, owner, (enum dns_type)46, 300), began = m.n;

	msg_u16(&m, of);
	msg_u16(&m, algorithm << 8 | 2);
	msg_u32(&m, 300);
	msg_u32(&m, until);
	msg_u32(&m, from);
	msg_u16(&m, 12345);
	msg_bytes(&m, "\0signature", 10);
	m.n = least ? began + least : m.n;
	msg_end(&m, at);
}

/* of the signatures that came the one that lasts longest counts, also past the day when their numbers begin anew (RFC 4034 3.1.5) */
T(dns_keeps_the_dates_of_signatures)
{
	static const struct { uint32_t until[2]; unsigned algorithm[2]; uint32_t want; unsigned best; } rows[] = {
		{ { 2000, 1000 }, { 13, 13 }, 2000, 13 }, { { 1000, 2000 }, { 7, 13 }, 2000, 13 }, { { 2000, 1000 }, { 7, 13 }, 2000, 13 },
		{ { 0xfffffff0u, 16 }, { 8, 8 }, 16, 8 }, { { 16, 0xfffffff0u }, { 8, 8 }, 16, 8 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%zu", i);
		msg_begin(&m, 7, 0x81a0, "x", DNS_A);
		add_signature("@", DNS_A, rows[i].algorithm[0], rows[i].until[0], 5, 0);
		msg_a(&m, "@", 300, 1);
		add_signature("@", DNS_A, rows[i].algorithm[1], rows[i].until[1], 6, 0);
		/* another type's, another name's, and one that is cut off */
		add_signature("@", DNS_MX, 15, 0x7fffffff, 7, 0);
		add_signature("y", DNS_A, 15, 0x7fffffff, 7, 0);
		add_signature("@", DNS_A, 15, 0x7fffffff, 7, 17);
		REQUIRE(decode("x", DNS_A) == 0);
		CHECK_INT(answer.n, 1);
		CHECK_INT(answer.signature.until, rows[i].want);
		CHECK_INT(answer.signature.from, rows[i].want == rows[i].until[0] ? 5 : 6);
		CHECK_INT(answer.signature.algorithm, rows[i].best);
	}
	msg_begin(&m, 7, 0x8180, "x", DNS_A);
	msg_a(&m, "@", 300, 1);
	REQUIRE(decode("x", DNS_A) == 0);
	CHECK_INT(answer.signature.algorithm, 0);
}

T(dns_reads_every_type)
{
	static const uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	size_t at;

	msg_begin(&m, 7, 0x8180, "x", DNS_MX);
	msg_target(&m, "@", DNS_MX, 99999999, 10, "Mail.@");
	msg_target(&m, "@", DNS_MX, 60, 0, "");
	REQUIRE(decode("x", DNS_MX) == 0);
	CHECK_INT(answer.n, 2);
	CHECK_STR(answer.records[0].target, "mail.x");
	CHECK_INT(answer.records[0].preference, 10);
	CHECK_STR(answer.records[1].target, "");

	msg_begin(&m, 7, 0x8180, "x", DNS_AAAA);
	msg_aaaa(&m, "@", 99999999, v6);
	REQUIRE(decode("x", DNS_AAAA) == 0);
	CHECK_MEM(answer.records[0].address.b, 16, v6, 16);
	CHECK_INT(reply.ttl, 86400);

	msg_begin(&m, 7, 0x8180, "x", DNS_TXT);
	at = msg_rr(&m, 0, "@", DNS_TXT, 60);
	msg_bytes(&m, "\7v=spf1 \0\4-all", 14);
	msg_end(&m, at);
	REQUIRE(decode("x", DNS_TXT) == 0);
	CHECK_MEM(answer.records[0].data, answer.records[0].data_n, "v=spf1 -all", 11);

	msg_begin(&m, 7, 0x8180, "x", DNS_SRV);
	at = msg_rr(&m, 0, "@", DNS_SRV, 60);
	msg_bytes(&m, "\0\1\0\2\0\x19", 6);
	msg_name(&m, "smtp.x");
	msg_end(&m, at);
	REQUIRE(decode("x", DNS_SRV) == 0);
	CHECK_INT(answer.records[0].preference, 1);
	CHECK_INT(answer.records[0].weight, 2);
	CHECK_INT(answer.records[0].port, 25);
	CHECK_STR(answer.records[0].target, "smtp.x");

	msg_begin(&m, 7, 0x8180, "x", DNS_TLSA);
	at = msg_rr(&m, 0, "@", DNS_TLSA, 60);
	msg_bytes(&m, "\3\1\1\xab", 4);
	msg_end(&m, at);
	REQUIRE(decode("x", DNS_TLSA) == 0);
	CHECK_MEM(answer.records[0].data, answer.records[0].data_n, "\3\1\1\xab", 4);

	msg_begin(&m, 7, 0x8180, "x", DNS_SOA);
	msg_soa(&m, "@", 60, 30);
	m.p[7] = 1, m.p[9] = 0; /* as an answer */
	REQUIRE(decode("x", DNS_SOA) == 0);
	CHECK_STR(answer.records[0].target, "ns.example");
	CHECK_INT(answer.records[0].data_n, 20);
}

T(dns_says_no_and_for_how_long)
{
	static const struct { unsigned flags, upper; bool soa; int status, rcode; uint32_t ttl; const char *why; } rows[] = {
		{ 0x8180, 0, true, DNS_NODATA, 0, 30, "Name service error for name=x.example type=MX: Host found but no data record of requested type" },
		{ 0x8183, 0, true, DNS_NXDOMAIN, 3, 30, "Name service error for name=x.example type=MX: Host not found" },
		{ 0x8183, 0, false, DNS_NXDOMAIN, 3, 0, "Name service error for name=x.example type=MX: Host not found" },
		{ 0x8182, 0, false, DNS_AGAIN, 2, 0, "Name service error for name=x.example type=MX: Host not found, try again" },
		{ 0x8185, 0, true, DNS_AGAIN, 5, 0, "Name service error for name=x.example type=MX: Host not found, try again" },
		{ 0x8184, 0, true, DNS_AGAIN, 4, 0, "Name service error for name=x.example type=MX: Host not found, try again" },
		{ 0x8181, 0, true, DNS_AGAIN, 1, 0, "Name service error for name=x.example type=MX: Host not found, try again" },
		{ 0x8180, 1, true, DNS_AGAIN, 16, 0, "Name service error for name=x.example type=MX: Host not found, try again" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%zu", i);
		msg_begin(&m, 7, rows[i].flags, "x.example", DNS_MX);
		if (rows[i].soa)
			msg_soa(&m, "example", 60, 30);
		msg_opt(&m, rows[i].upper);
		REQUIRE(decode("x.example", DNS_MX) == 0);
		CHECK_INT(answer.status, rows[i].status);
		CHECK_INT(reply.rcode, rows[i].rcode);
		CHECK_INT(reply.ttl, rows[i].ttl);
		dns_explain(&answer, "x.example", DNS_MX);
		CHECK_STR(answer.why, rows[i].why);
	}
	msg_begin(&m, 7, 0x8183, "x.example", DNS_MX);
	msg_soa(&m, "example", 1000000, 1000000);
	decode("x.example", DNS_MX);
	CHECK_INT(reply.ttl, 3600);
}

/* of a zone that is another's, a server that is asked without recursion knows the servers and their addresses */
T(dns_reads_referrals)
{
	static const struct { unsigned flags; enum dns_type type; bool soa; const char *asked; size_t n; } rows[] = {
		{ 0x8000, DNS_NS, false, "x.example", 2 }, { 0x8000, DNS_A, false, "ns.x.example", 1 }, { 0x8000, DNS_A, false, "x.example", 0 },
		{ 0x8000, DNS_NS, false, "y.x.example", 0 }, { 0x8180, DNS_NS, false, "x.example", 0 }, { 0x8000, DNS_NS, true, "x.example", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t at;

		ROW("%d", (int)i);
		msg_begin(&m, 7, rows[i].flags, rows[i].asked, rows[i].type);
		for (int k = 0; k < 2; k++) {
			at = msg_rr(&m, 1, "x.example", DNS_NS, 60);
			msg_name(&m, k ? "ns.x.example" : "ns.y.example");
			msg_end(&m, at);
		}
		if (rows[i].soa)
			msg_soa(&m, "example", 60, 60);
		at = msg_rr(&m, 2, "ns.x.example", DNS_A, 60);
		msg_u32(&m, 0xc0000201);
		msg_end(&m, at);
		msg_opt(&m, 0);
		REQUIRE(decode(rows[i].asked, rows[i].type) == 0);
		CHECK_INT(answer.n, rows[i].n);
		CHECK_INT(answer.status, rows[i].n ? DNS_OK : DNS_NODATA);
	}
}

T(dns_ignores_what_is_not_its_answer)
{
	static const struct { const char *what; unsigned id, flags; const char *name; enum dns_type type; int want; } rows[] = {
		{ "right", 7, 0x8180, "x.example", DNS_A, 0 },
		{ "case", 7, 0x8180, "X.Example", DNS_A, 0 },
		{ "id", 8, 0x8180, "x.example", DNS_A, -1 },
		{ "a query", 7, 0x0100, "x.example", DNS_A, -1 },
		{ "opcode", 7, 0x9180, "x.example", DNS_A, -1 },
		{ "name", 7, 0x8180, "y.example", DNS_A, -1 },
		{ "longer", 7, 0x8180, "x.example.com", DNS_A, -1 },
		{ "type", 7, 0x8180, "x.example", DNS_AAAA, -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].what);
		msg_begin(&m, rows[i].id, rows[i].flags, rows[i].name, rows[i].type);
		CHECK_INT(decode("x.example", DNS_A), rows[i].want);
	}
	ROW("class");
	msg_begin(&m, 7, 0x8180, "x.example", DNS_A);
	m.p[m.n - 1] = 3;
	CHECK_INT(decode("x.example", DNS_A), -1);
	ROW("two questions");
	m.p[m.n - 1] = 1;
	m.p[5] = 2;
	CHECK_INT(decode("x.example", DNS_A), -1);
	ROW("a dot inside a label");
	msg_begin(&m, 7, 0x8180, "xyexample", DNS_A);
	m.p[14] = '.';
	CHECK_INT(decode("x.example", DNS_A), -1);
	for (size_t n = 0; n < 12 + 11 + 4; n++) {
		ROW("cut at %zu", n);
		msg_begin(&m, 7, 0x8180, "x.example", DNS_A);
		m.n = n;
		CHECK_INT(decode("x.example", DNS_A), -1);
	}
}

/* every cut of a good reply behind its question is malformed, never a part of the answer */
T(dns_cut_replies_are_malformed)
{
	size_t whole, question;

	msg_begin(&m, 7, 0x8180, "x", DNS_MX);
	question = m.n;
	msg_target(&m, "@", DNS_MX, 60, 10, "a.@");
	msg_target(&m, "@", DNS_MX, 60, 20, "b.example.com");
	msg_opt(&m, 0);
	whole = m.n;
	for (size_t n = question; n < whole; n++) {
		ROW("%zu", n);
		m.n = n;
		REQUIRE(decode("x", DNS_MX) == 0);
		CHECK_INT(answer.status, DNS_AGAIN);
		CHECK_INT(answer.n, 0);
		CHECK_INT(reply.rcode, DNS_RCODE_MALFORMED);
		CHECK_INT(reply.ttl, 0);
	}
}

T(dns_truncated_is_never_used)
{
	msg_begin(&m, 7, 0x8380, "x", DNS_MX);
	msg_target(&m, "@", DNS_MX, 60, 10, "a.x");
	REQUIRE(decode("x", DNS_MX) == 0);
	CHECK(reply.truncated);
	CHECK_INT(answer.n, 0);
	CHECK_INT(answer.status, DNS_AGAIN);
}

static void malformed_rdata(const char *what, enum dns_type type, const void *p, size_t n)
{
	size_t at;

	ROW("%s", what);
	msg_begin(&m, 7, 0x8180, "x", type);
	at = msg_rr(&m, 0, "@", type, 60);
	msg_bytes(&m, p, n);
	msg_end(&m, at);
	CHECK_INT(decode("x", type), 0);
	CHECK_INT(answer.status, DNS_AGAIN);
	CHECK_INT(answer.n, 0);
}

T(dns_rfc_9267_list)
{
	char long_name[400];
	size_t n = 0;

	malformed_rdata("pointer to itself", DNS_MX, "\0\1\xc0\x1e", 4);
	malformed_rdata("pointer forward", DNS_MX, "\0\1\xc0\x40", 4);
	malformed_rdata("pointer into the header", DNS_MX, "\0\1\xc0\x02", 4);
	malformed_rdata("pointer past the end", DNS_MX, "\0\1\xff\xff", 4);
	malformed_rdata("half a pointer", DNS_MX, "\0\1\xc0", 3);
	malformed_rdata("label type 01", DNS_MX, "\0\1\x41" "a\0", 5);
	malformed_rdata("label type 10", DNS_MX, "\0\1\x81" "a\0", 5);
	malformed_rdata("loop of two", DNS_MX, "\0\1\1a\xc0\x1e\1b\xc0\x1e", 10);
	malformed_rdata("no terminator", DNS_MX, "\0\1\1a\1b", 6);
	malformed_rdata("name beyond the data", DNS_MX, "\0\1\5ab", 5);
	malformed_rdata("bytes behind the name", DNS_MX, "\0\1\1a\0x", 6);
	malformed_rdata("no name", DNS_MX, "\0\1", 2);
	malformed_rdata("empty", DNS_MX, "", 0);
	malformed_rdata("one byte", DNS_MX, "\0", 1);
	malformed_rdata("A of 3", DNS_A, "\1\2\3", 3);
	malformed_rdata("A of 5", DNS_A, "\1\2\3\4\5", 5);
	malformed_rdata("A of 0", DNS_A, "", 0);
	malformed_rdata("AAAA of 15", DNS_AAAA, "123456789012345", 15);
	malformed_rdata("TLSA of 3", DNS_TLSA, "\3\1\1", 3);
	malformed_rdata("TLSA of 0", DNS_TLSA, "", 0);
	malformed_rdata("TXT too short", DNS_TXT, "\5abc", 4);
	malformed_rdata("TXT of 0", DNS_TXT, "", 0);
	malformed_rdata("SRV of 6", DNS_SRV, "\0\0\0\0\0\0", 6);
	malformed_rdata("NUL in a name", DNS_MX, "\0\1\3a\0b\0", 7);
	malformed_rdata("dot in a name", DNS_MX, "\0\1\3a.b\0", 7);
	long_name[n++] = 0, long_name[n++] = 1;
	for (int i = 0; i < 128; i++)
		long_name[n++] = 1, long_name[n++] = 'a';
	long_name[n++] = 0;
	malformed_rdata("name of 256", DNS_MX, long_name, n);
	ROW("name of 255");
	n = 2;
	for (int i = 0; i < 127; i++)
		long_name[n++] = 1, long_name[n++] = 'a';
	long_name[n++] = 0;
	msg_begin(&m, 7, 0x8180, "x", DNS_MX);
	msg_end(&m, (msg_rr(&m, 0, "@", DNS_MX, 60), msg_bytes(&m, long_name, n), m.n - n));
	CHECK_INT(decode("x", DNS_MX), 0);
	CHECK_INT(answer.status, DNS_OK);
	CHECK_INT(strlen(answer.records[0].target), 253);
}

/* through_pointers - what comes of a name with so many on its way to the question's */
static enum dns_status through_pointers(unsigned n)
{
	size_t at, last;

	ROW("%u pointers", n);
	msg_begin(&m, 7, 0x8180, "x", DNS_MX);
	at = msg_rr(&m, 0, "@", DNS_TXT, 60);
	for (unsigned i = 1; i < n; i++)
		msg_u16(&m, 0xc000 | (i == 1 ? 12 : (unsigned)m.n - 2));
	last = m.n - 2;
	msg_end(&m, at);
	at = msg_rr(&m, 0, "@", DNS_MX, 60);
	msg_u16(&m, 10);
	msg_u16(&m, 0xc000 | (unsigned)last);
	msg_end(&m, at);
	CHECK_INT(decode("x", DNS_MX), 0);
	return answer.status;
}

T(dns_follows_no_more_pointers_than_a_name_can_need)
{
	CHECK_INT(through_pointers(2), DNS_OK);
	CHECK_STR(answer.records[0].target, "x");
	CHECK_INT(through_pointers(127), DNS_OK);
	CHECK_STR(answer.records[0].target, "x");
	CHECK_INT(through_pointers(128), DNS_AGAIN);
	CHECK_INT(through_pointers(8000), DNS_AGAIN);
}

T(dns_rdata_of_every_length)
{
	static const enum dns_type types[] = { DNS_A, DNS_NS, DNS_CNAME, DNS_SOA, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA, DNS_SRV, DNS_TLSA, DNS_CAA };
	uint8_t data[41];

	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
		for (size_t n = 0; n <= 40; n++)
			for (int fill = 0; fill < 4; fill++) {
				size_t at;

				ROW("type %d length %zu fill %d", types[t], n, fill);
				memset(data, "\0\1\xc0\x3f"[fill], sizeof(data));
				msg_begin(&m, 7, 0x8180, "x", types[t]);
				at = msg_rr(&m, 0, "@", types[t], 60);
				msg_bytes(&m, data, n);
				msg_end(&m, at);
				CHECK_INT(decode("x", types[t]), 0);
				CHECK(answer.n <= 1);
			}
}

T(dns_counts_that_lie)
{
	for (int section = 0; section < 3; section++) {
		ROW("%d", section);
		msg_begin(&m, 7, 0x8180, "x", DNS_A);
		msg_a(&m, "@", 60, 1);
		msg_count(&m, section);
		CHECK_INT(decode("x", DNS_A), 0);
		CHECK_INT(answer.status, DNS_AGAIN);
	}
}

T(dns_five_thousand_records_and_long_chains)
{
	char a[32], b[32];

	msg_begin(&m, 7, 0x8180, "x", DNS_A);
	for (int i = 0; i < 4000; i++)
		msg_a(&m, "@", 60, (uint32_t)i);
	CHECK_INT(decode("x", DNS_A), 0);
	CHECK_INT(answer.n, LIMIT_DNS_RECORDS);
	for (int length = 1; length <= 20; length++) {
		ROW("cycle of %d", length);
		msg_begin(&m, 7, 0x8180, "n0", DNS_A);
		for (int i = 0; i < length; i++) {
			snprintf(a, sizeof(a), "n%d", i);
			snprintf(b, sizeof(b), "n%d", (i + 1) % length);
			msg_target(&m, a, DNS_CNAME, 60, 0, b);
		}
		CHECK_INT(decode("n0", DNS_A), 0);
		CHECK_INT(answer.status, length <= LIMIT_DNS_CNAMES + 1 ? DNS_NXDOMAIN : DNS_AGAIN);
		CHECK_INT(answer.endless, length <= LIMIT_DNS_CNAMES + 1);
		ROW("chain of %d", length);
		msg_begin(&m, 7, 0x8180, "n0", DNS_A);
		for (int i = length; i > 0; i--) {
			snprintf(a, sizeof(a), "n%d", i - 1);
			snprintf(b, sizeof(b), "n%d", i);
			msg_target(&m, a, DNS_CNAME, 60, 0, b);
		}
		snprintf(b, sizeof(b), "n%d", length);
		msg_a(&m, b, 60, 1);
		CHECK_INT(decode("n0", DNS_A), 0);
		CHECK_INT(answer.status, length <= LIMIT_DNS_CNAMES ? DNS_OK : DNS_AGAIN);
	}
}

T(dns_odd_mx_is_no_missing_mx)
{
	msg_begin(&m, 7, 0x8180, "x", DNS_MX);
	msg_target(&m, "@", DNS_MX, 60, 10, "good.x");
	msg_end(&m, (msg_rr(&m, 0, "@", DNS_MX, 60), msg_bytes(&m, "\0\1\3a b\0", 7), m.n - 7));
	CHECK_INT(decode("x", DNS_MX), 0);
	CHECK_INT(answer.n, 1);
	CHECK_STR(answer.records[0].target, "good.x");
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static void show_servers(const struct dns_conf *c, char *out, size_t size)
{
	*out = 0;
	for (size_t i = 0; i < c->n; i++) {
		const struct sockaddr_in6 *v6 = (const void *)&c->v[i].a;
		struct ipaddr ip;
		char text[46];

		ipaddr_from_sockaddr((const struct sockaddr *)&c->v[i].a, &ip);
		ipaddr_format(&ip, text);
		snprintf(out + strlen(out), size - strlen(out), "%s%s/%d%s", i ? " " : "", text, ntohs(v6->sin6_port),
			c->v[i].loopback ? "L" : "");
	}
}

T(resolv_conf)
{
	static const struct { const char *text, *servers; int timeout, attempts; bool rotate, trust_ad, proves; } rows[] = {
		{ "", "127.0.0.1/53L", 5, 2, false, false, true },
		{ "nameserver 192.0.2.1\nnameserver ::1\n", "192.0.2.1/53 ::1/53L", 5, 2, false, false, false },
		{ "# nameserver 192.0.2.9\n;x\n\tnameserver\t192.0.2.1 # x\r\nnameserver 192.0.2.2", "192.0.2.1/53 192.0.2.2/53", 5, 2, false, false, false },
		{ "nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions trust-ad\n", "192.0.2.1/53 192.0.2.2/53", 5, 2, false, true, true },
		{ "nameserver 127.0.0.53\nnameserver ::1\n", "127.0.0.53/53L ::1/53L", 5, 2, false, false, true },
		{ "nameserver nonsense\nnameserver\nsearch x y\n", "127.0.0.1/53L", 5, 2, false, false, true },
		{ "nameserver 192.0.2.1:5353\nnameserver [::1]:99\nnameserver fe80::1%1", "192.0.2.1/5353 ::1/99L fe80::1/53", 5, 2, false, false, false },
		{ "nameserver 192.0.2.1:0\nnameserver 192.0.2.1:65536\nnameserver 192.0.2.1:x\n", "127.0.0.1/53L", 5, 2, false, false, true },
		{ "options timeout:1 attempts:3 rotate trust-ad ndots:5\n", "127.0.0.1/53L", 1, 3, true, true, true },
		{ "options timeout:0 attempts:99\noptions timeout:x timeout:\n", "127.0.0.1/53L", 1, 5, false, false, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dns_conf c;
		char text[500];

		ROW("%s", rows[i].text);
		dns_conf_parse(&c, str_of(rows[i].text));
		show_servers(&c, text, sizeof(text));
		CHECK_STR(text, rows[i].servers);
		CHECK_INT(c.timeout, rows[i].timeout * USEC_PER_SEC);
		CHECK_INT(c.attempts, rows[i].attempts);
		CHECK_INT(c.rotate, rows[i].rotate);
		CHECK_INT(c.trust_ad, rows[i].trust_ad);
		CHECK_INT(dns_conf_proves(&c), rows[i].proves);
	}
}

T(resolv_conf_search)
{
	static const struct { const char *text, *search; unsigned ndots; } rows[] = {
		{ "", "", 1 },
		{ "search a.example B.example.\n", "a.example b.example ", 1 },
		{ "search a\nsearch b\noptions ndots:5\n", "b ", 5 },
		{ "search a b\ndomain c d\noptions ndots:0 ndots:x\n", "c ", 0 },
		{ "search a b c d e f g h\noptions ndots:99\n", "a b c d e f ", 15 },
		{ "search . x..y \n", "", 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dns_conf c = { .n = 0 };
		char all[LIMIT_DNS_SEARCH * 257 + 1] = "";

		ROW("%s", rows[i].text);
		dns_conf_parse(&c, str_of(rows[i].text));
		for (size_t k = 0; k < c.n_search; k++) {
			strcat(all, c.search[k]);
			strcat(all, " ");
		}
		CHECK_STR(all, rows[i].search);
		CHECK_INT(c.ndots, rows[i].ndots);
	}
}

T(hosts_file)
{
	static const char text[] = "127.0.0.1 localhost\n# 1.2.3.4 no\n192.0.2.1\tMail.Example.com mail # x\n"
		"2001:db8::1 mail mail.example.com\n192.0.2.2 mail\nnonsense mail\n192.0.2.3\n192.0.2.1 second\n";
	static const struct { const char *name; int families; const char *want; } rows[] = {
		{ "mail", 3, "192.0.2.1 2001:db8::1 192.0.2.2" },
		{ "mail", 1, "192.0.2.1 192.0.2.2" },
		{ "mail", 2, "2001:db8::1" },
		{ "mail.example.com", 3, "192.0.2.1 2001:db8::1" },
		{ "localhost", 3, "127.0.0.1" },
		{ "no", 3, "" },
		{ "second", 3, "192.0.2.1" },
	};
	struct hosts h;
	struct ipaddr a;

	hosts_init(&h);
	hosts_parse(&h, str_of(text));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ipaddr v[10];
		char got[200] = "", one[46];
		bool known;
		size_t n = hosts_find(&h, rows[i].name, rows[i].families, v, 10, &known);

		for (size_t k = 0; k < n; k++) {
			ipaddr_format(&v[k], one);
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", k ? " " : "", one);
		}
		ROW("%s %d", rows[i].name, rows[i].families);
		CHECK_STR(got, rows[i].want);
	}
	ipaddr_parse(STR("192.0.2.1"), &a);
	CHECK_STR(hosts_name(&h, &a), "mail.example.com");
	ipaddr_parse(STR("192.0.2.9"), &a);
	CHECK(hosts_name(&h, &a) == NULL);
	hosts_fini(&h);
	hosts_init(&h);
	hosts_parse(&h, STR(""));
	ipaddr_parse(STR("::1"), &a);
	CHECK_STR(hosts_name(&h, &a), "localhost");
	hosts_fini(&h);
}

T(dns_cache_forgets_in_order)
{
	static uint8_t big[100000];
	struct dns_cache c;
	char key[32];

	dns_cache_init(&c);
	dns_cache_add(&c, "a", big, 10, true, 1000, 1);
	CHECK(dns_cache_find(&c, "a", 1000) != NULL);
	CHECK(dns_cache_find(&c, "a", 1000 + USEC_PER_SEC - 1) != NULL);
	CHECK(dns_cache_find(&c, "a", 1000 + USEC_PER_SEC) == NULL);
	CHECK_INT(c.count, 0);
	dns_cache_add(&c, "b", big, 10, true, 0, 0);
	CHECK(dns_cache_find(&c, "b", 0) == NULL);
	for (int i = 0; i < 200; i++) {
		snprintf(key, sizeof(key), "%d", i);
		dns_cache_add(&c, key, big, sizeof(big), false, 0, 100);
		dns_cache_find(&c, "0", 0); /* stays in use */
	}
	CHECK(c.bytes <= LIMIT_DNS_CACHE_BYTES);
	CHECK(dns_cache_find(&c, "0", 0) != NULL);
	CHECK(dns_cache_find(&c, "1", 0) == NULL);
	CHECK(dns_cache_find(&c, "199", 0) != NULL);
	dns_cache_add(&c, "199", big, 5, false, 0, 100);
	CHECK_INT(dns_cache_find(&c, "199", 0)->n, 5);
	dns_cache_fini(&c);
}

T(dns_answers_are_in_the_arena_and_go_with_it)
{
	size_t used;

	msg_begin(&m, 7, 0x81a0, "example.com", DNS_A);
	msg_a(&m, "example.com", 500, 0x01020304);
	REQUIRE(decode("example.com", DNS_A) == 0);
	used = arena.used;
	CHECK(used >= sizeof(answer.records[0]));
	msg_a(&m, "example.com", 500, 0x01020305);
	REQUIRE(decode("example.com", DNS_A) == 0);
	CHECK(arena.used > used);
	arena_fini(&arena);
	CHECK(!arena.blocks);
	/* what is not in the arena is lost from here on, and the sanitizer tells of it */
	memset(&answer, 0, sizeof(answer));
	memset(&reply, 0, sizeof(reply));
}
