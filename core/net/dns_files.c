/* dns_files.c - resolv.conf(5) and hosts(5). A line that cannot be read is passed over, as everywhere else. */
#include "core/net/dns_files.h"

#include <arpa/inet.h>
#include <net/if.h>

#include "core/base/mem.h"
#include "core/net/dns_codec.h"

enum { PORT = 53, TIMEOUT_MOST = 30, ATTEMPTS_MOST = 5, NDOTS_MOST = 15 };

static const char blanks[] = " \t\r\n";

/* --- name servers ------------------------------------------------------------------------------------------------- */

/* "1.2.3.4", "1.2.3.4:53", "::1", "[::1]:53", "fe80::1%eth0" into address, port and scope */
static bool split_server(struct str s, struct str *address, uint64_t *port, struct str *scope)
{
	ptrdiff_t colon = str_rchr(s, ':'), percent = str_chr(s, '%');
	bool bracket = str_starts(s, STR("["));

	*port = PORT;
	*scope = STR_EMPTY;
	if (bracket ? colon > 0 && s.p[colon - 1] == ']' : colon >= 0 && colon == str_chr(s, ':')) {
		if (!str_to_u64(str_from(s, (size_t)colon + 1), port) || *port == 0 || *port > 65535)
			return false;
		s = str_head(s, (size_t)colon);
	}
	if (percent >= 0 && !bracket) {
		*scope = str_from(s, (size_t)percent + 1);
		s = str_head(s, (size_t)percent);
	}
	*address = s;
	return true;
}

unsigned dns_scope_id(struct str scope)
{
	char name[IF_NAMESIZE] = "";
	uint64_t n;

	if (str_to_u64(scope, &n))
		return (unsigned)n;
	if (scope.n && scope.n < sizeof(name)) {
		memcpy(name, scope.p, scope.n);
		return if_nametoindex(name);
	}
	return 0;
}

static bool add_server(struct dns_conf *c, struct str text)
{
	struct dns_server *s = &c->v[c->n];
	struct sockaddr_in *v4 = (struct sockaddr_in *)&s->a;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&s->a;
	struct str address, scope;
	struct ipaddr ip;
	uint64_t port;

	if (c->n == LIMIT_DNS_SERVERS || !split_server(text, &address, &port, &scope) || !ipaddr_parse(address, &ip))
		return false;
	memset(s, 0, sizeof(*s));
	s->loopback = ipaddr_is_loopback(&ip);
	if (ip.family == AF_INET) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		memcpy(&v4->sin_addr, ip.b, 4);
		s->n = sizeof(*v4);
	} else {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		v6->sin6_scope_id = dns_scope_id(scope);
		memcpy(&v6->sin6_addr, ip.b, 16);
		s->n = sizeof(*v6);
	}
	c->n++;
	return true;
}

static uint64_t option_number(struct str word, struct str name, uint64_t most, uint64_t otherwise)
{
	uint64_t n;

	if (!str_starts(word, name) || !str_to_u64(str_from(word, name.n), &n))
		return otherwise;
	return n < 1 ? 1 : n > most ? most : n;
}

static void add_option(struct dns_conf *c, struct str word)
{
	c->timeout = (usec)option_number(word, STR("timeout:"), TIMEOUT_MOST, (uint64_t)(c->timeout / USEC_PER_SEC)) * USEC_PER_SEC;
	c->attempts = (unsigned)option_number(word, STR("attempts:"), ATTEMPTS_MOST, c->attempts);
	if (str_starts(word, STR("ndots:")))
		c->ndots = str_eq(word, STR("ndots:0")) ? 0 : (unsigned)option_number(word, STR("ndots:"), NDOTS_MOST, c->ndots);
	c->rotate |= str_eq(word, STR("rotate"));
	c->trust_ad |= str_eq(word, STR("trust-ad"));
}

static void conf_init(struct dns_conf *c)
{
	*c = (struct dns_conf){ .timeout = 5 * USEC_PER_SEC, .attempts = 2, .ndots = 1 };
}

/* a later line takes the place of an earlier one */
static void set_search(struct dns_conf *c, struct str rest, size_t most)
{
	struct str word;

	c->n_search = 0;
	while (c->n_search < most && str_word(&rest, blanks, &word))
		if (dns_name_clean(word, c->search[c->n_search]) && c->search[c->n_search][0])
			c->n_search++;
}

void dns_conf_parse(struct dns_conf *c, struct str text)
{
	struct str line, word, first;

	conf_init(c);
	while (str_cut(&text, '\n', &line)) {
		if (str_starts(line, STR("#")) || str_starts(line, STR(";")) || !str_word(&line, blanks, &first))
			continue;
		if (str_eq(first, STR("nameserver")) && str_word(&line, blanks, &word))
			add_server(c, word);
		if (str_eq(first, STR("search")))
			set_search(c, line, LIMIT_DNS_SEARCH);
		else if (str_eq(first, STR("domain")))
			set_search(c, line, 1);
		while (str_eq(first, STR("options")) && str_word(&line, blanks, &word))
			add_option(c, word);
	}
	if (!c->n)
		add_server(c, STR("127.0.0.1"));
}

bool dns_conf_servers(struct dns_conf *c, struct str list)
{
	struct str word;

	conf_init(c);
	while (str_word(&list, ", \t", &word))
		if (!add_server(c, word))
			return false;
	return c->n > 0;
}

bool dns_conf_proves(const struct dns_conf *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!c->v[i].loopback && !c->trust_ad)
			return false;
	return c->n > 0;
}

/* --- hosts -------------------------------------------------------------------------------------------------------- */

struct host_address {
	struct ipaddr a;
	struct host_address *next;
};

void hosts_init(struct hosts *h)
{
	arena_init(&h->arena, 4 * LIMIT_HOSTS_FILE);
	table_init(&h->names);
	table_init(&h->addresses);
}

void hosts_fini(struct hosts *h)
{
	table_fini(&h->names);
	table_fini(&h->addresses);
	arena_fini(&h->arena);
}

static void add_name(struct hosts *h, const char *name, const struct ipaddr *a)
{
	struct host_address *entry = ARENA_NEW(&h->arena, struct host_address), *last = table_find(&h->names, str_of(name));

	if (!entry)
		return;
	entry->a = *a;
	if (!last) {
		table_add(&h->names, str_of(name), entry);
		return;
	}
	for (int n = 0; last->next && n < LIMIT_DNS_RECORDS; n++)
		last = last->next;
	if (!last->next)
		last->next = entry;
}

static void add_line(struct hosts *h, struct str line)
{
	struct str word;
	struct ipaddr a;
	char name[256], key[46];
	bool first = true;

	if (!str_word(&line, blanks, &word) || !ipaddr_parse(word, &a))
		return;
	ipaddr_format(&a, key);
	while (str_word(&line, blanks, &word)) {
		if (!dns_name_clean(word, name) || !name[0])
			continue;
		add_name(h, name, &a);
		if (first && !table_find(&h->addresses, str_of(key))) {
			const char *copy = arena_z(&h->arena, str_of(name));

			if (*copy)
				table_add(&h->addresses, str_of(key), (char *)(uintptr_t)copy);
		}
		first = false;
	}
}

void hosts_parse(struct hosts *h, struct str text)
{
	struct str line;

	while (str_cut(&text, '\n', &line)) {
		ptrdiff_t hash = str_chr(line, '#');

		add_line(h, hash < 0 ? line : str_head(line, (size_t)hash));
	}
	if (!table_find(&h->names, STR("localhost"))) {
		add_line(h, STR("127.0.0.1 localhost"));
		add_line(h, STR("::1 localhost"));
	}
}

size_t hosts_find(const struct hosts *h, const char *name, int families, struct ipaddr *out, size_t max, bool *known)
{
	size_t n = 0;
	struct host_address *e = table_find(&h->names, str_of(name));

	*known = e != NULL;
	for (; e && n < max; e = e->next)
		if (families & (e->a.family == AF_INET ? 1 : 2))
			out[n++] = e->a;
	return n;
}

const char *hosts_name(const struct hosts *h, const struct ipaddr *a)
{
	char key[46];

	ipaddr_format(a, key);
	return table_find(&h->addresses, str_of(key));
}
