/* probe_txt - the policy records of a domain: SPF, DMARC, MTA-STS and TLS-RPT. Their text only; fetching a policy or
 * counting lookups is not done here. */
#include "core/probe/probe.h"

#include "core/base/mem.h"
#include "core/net/tls_names.h"

struct record {
	const char *prefix;            /* of the name: "_dmarc." */
	struct str starts;             /* what a record of this kind begins with */
	size_t place;                  /* in struct probe */
};
static const struct record records[] = {
	{ "", { "v=spf1", 6 }, offsetof(struct probe, spf) },
	{ "_dmarc.", { "v=DMARC1", 8 }, offsetof(struct probe, dmarc) },
	{ "_mta-sts.", { "v=STSv1", 7 }, offsetof(struct probe, sts) },
	{ "_smtp._tls.", { "v=TLSRPTv1", 10 }, offsetof(struct probe, tlsrpt) },
};

struct question { struct probe *probe; const struct record *record; };

static void on_txt(void *ctx, const struct dns_answer *a)
{
	struct question *q = ctx;
	struct probe *p = q->probe;
	struct probe_txt *t = (struct probe_txt *)(void *)((char *)p + q->record->place);

	t->status = a->status;
	for (size_t i = 0; i < a->n; i++) {
		struct str text = str_make((const char *)a->records[i].data, a->records[i].data_n);

		if (!str_istarts(text, q->record->starts))
			continue;
		if (!t->records++)
			tls_clean_text(text, t->text, sizeof(t->text));
	}
	mem_free(q);
	probe_release(p);
}

void probe_txt_start(struct probe *p)
{
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		char name[300];
		struct question *q = MEM_NEW(struct question);

		snprintf(name, sizeof(name), "%s%s", records[i].prefix, p->target);
		*q = (struct question){ p, &records[i] };
		probe_hold(p);
		dns_ask(p->opt->dns, str_of(name), DNS_TXT, on_txt, q);
	}
}
