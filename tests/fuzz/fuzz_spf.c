/* fuzz_spf.c - SPF: the input is lines "name text", the first name is the domain; every other question has no answer. Terms
 * and macros are parsed on the way; with a client, without one, the evaluation must come to an end. */
#include <stdlib.h>

#include "core/probe/spf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str input;

static void ask(void *ctx, struct fact *f)
{
	struct str rest = input, line, name;
	struct dns_record records[4];
	struct dns_answer a = { .status = DNS_NXDOMAIN, .records = records };

	memset(records, 0, sizeof(records));
	while (str_cut(&rest, '\n', &line)) {
		if (!str_cut(&line, ' ', &name) || !str_ieq(name, str_of(f->name)) || a.n == 4)
			continue;
		records[a.n].type = f->type;
		records[a.n].data = (uint8_t *)(uintptr_t)line.p;
		records[a.n].data_n = (uint16_t)(line.n < 4096 ? line.n : 4096);
		memcpy(records[a.n].address.b, line.p, line.n < 4 ? line.n : 4);
		records[a.n].address.family = AF_INET;
		for (size_t i = 0; i < line.n && i < 60; i++)
			records[a.n].target[i] = ascii_is_alnum(line.p[i]) || line.p[i] == '.' ? line.p[i] : '-';
		a.status = DNS_OK;
		a.n++;
	}
	facts_learn(ctx, f, &a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const clients[] = { "", "192.0.2.1", "2001:db8::1" };
	struct str first = STR_EMPTY, rest;
	char domain[256] = "";

	input = rest = str_make((const char *)data, size);
	str_cut(&rest, ' ', &first);
	if (first.n < sizeof(domain))
		memcpy(domain, first.p ? first.p : "", first.n);
	for (size_t i = 0; i < 3; i++) {
		struct spf s = { .domain = domain, .sender = "a.b@c.example", .helo = "h.example" };
		struct facts facts;

		facts_init(&facts, ask, &facts);
		s.facts = &facts;
		ipaddr_parse(str_of(clients[i]), &s.client);
		/* answers come at once here */
		if (!spf_evaluate(&s))
			abort();
		if (s.result < SPF_NONE || s.result > SPF_PERMERROR)
			abort();
		facts_fini(&facts);
	}
	return 0;
}
