/* probe_json - facts and findings as one JSON object on one line. */
#include "core/msg/date.h"
#include "core/probe/probe.h"

enum { FORMAT = 1 };                   /* of the object; fields are added without a new one, never taken away */

static void put_text(FILE *to, const char *z)
{
	struct str s = str_of(z);

	fputc('"', to);
	while (s.n) {
		unsigned char c = (unsigned char)s.p[0];
		size_t step = str_utf8_step(s);

		if (!step)
			fputs("\\ufffd", to);
		else if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else if (c < 32 || c == 127 || (c == 0xc2 && (unsigned char)s.p[1] < 0xa0))
			fprintf(to, "\\u%04x", c == 0xc2 ? (unsigned char)s.p[1] : c);
		else
			fwrite(s.p, 1, step, to);
		s = str_from(s, step ? step : 1);
	}
	fputc('"', to);
}

static void put_field(FILE *to, const char *name, const char *z)
{
	fprintf(to, ", \"%s\": ", name);
	put_text(to, z ? z : "");
}

static void put_tls(FILE *to, const struct probe_address *a)
{
	const struct tls_info *t = &a->tls;

	fputs(", \"tls\": {\"trust\": ", to);
	put_text(to, tls_trust_word(t->trust));
	put_field(to, "version", t->version);
	put_field(to, "cipher", t->cipher);
	put_field(to, "subject", t->subject);
	put_field(to, "issuer", t->issuer);
	put_field(to, "names", t->names);
	put_field(to, "key", t->key);
	put_field(to, "sha256", t->sha256);
	if (t->why_untrusted[0])
		put_field(to, "why_untrusted", t->why_untrusted);
	fprintf(to, ", \"bits\": %d, \"chain_length\": %d, \"not_before\": %lld, \"not_after\": %lld, \"name_matches\": %s}", t->bits,
		t->chain_length, (long long)(t->not_before / USEC_PER_SEC), (long long)(t->not_after / USEC_PER_SEC),
		a->name_matches ? "true" : "false");
}

static void put_address(FILE *to, const struct probe_address *a)
{
	fputs("{\"address\": ", to);
	put_text(to, a->text);
	put_field(to, "ptr", a->ptr_status == DNS_OK ? a->ptr : "");
	fprintf(to, ", \"reached\": %s, \"finished\": %s", a->connect_time ? "true" : "false",
		a->stage == PROBE_FINISHED ? "true" : "false");
	if (a->why[0])
		put_field(to, "error", a->why);
	fprintf(to, ", \"connect_ms\": %.3f, \"banner_ms\": %.3f, \"ehlo_ms\": %.3f, \"tls_ms\": %.3f",
		(double)a->connect_time / USEC_PER_MSEC, (double)a->banner_time / USEC_PER_MSEC, (double)a->ehlo_time / USEC_PER_MSEC,
		(double)a->tls_time / USEC_PER_MSEC);
	put_field(to, "banner", a->banner.text);
	put_field(to, "ehlo", a->ehlo.text);
	fprintf(to, ", \"size_limit\": %llu, \"starttls\": %s", (unsigned long long)a->size_limit, a->tls_offered ? "true" : "false");
	if (a->tls_done)
		put_tls(to, a);
	fputc('}', to);
}

static void put_host(FILE *to, const struct probe_host *h)
{
	fputs("{\"name\": ", to);
	put_text(to, h->name);
	fprintf(to, ", \"preference\": %u, \"alias\": %s, \"addresses\": [", h->preference, h->is_alias ? "true" : "false");
	for (size_t k = 0; k < h->n; k++) {
		fputs(k ? ", " : "", to);
		put_address(to, h->v[k]);
	}
	fputs("]}", to);
}

static void put_finding(const struct probe *p, FILE *to, const struct probe_finding *f)
{
	fputs("{\"verdict\": ", to);
	put_text(to, probe_verdict_word(f->verdict));
	if (f->host >= 0)
		put_field(to, "host", p->hosts[f->host].name);
	if (f->address >= 0)
		put_field(to, "address", p->hosts[f->host].v[f->address]->text);
	put_field(to, "check", f->check);
	put_field(to, "text", f->text);
	if (f->advice && f->verdict != PROBE_OK)
		put_field(to, "advice", f->advice);
	fputc('}', to);
}

void probe_print_json(const struct probe *p, FILE *to)
{
	char time[40];

	fputs("{\"target\": ", to);
	put_text(to, p->target);
	if (p->given[0])
		put_field(to, "given", p->given);
	date_rfc3339(time, p->opt->now, 0);
	fprintf(to, ", \"tool\": \"mxcheck\", \"version\": \"%s\", \"format\": %d, \"time\": \"%s\"", RELAYBOX_VERSION, FORMAT, time);
	fprintf(to, ", \"problems\": %zu, \"warnings\": %zu, \"notes\": %zu, \"hosts\": [", p->count[PROBE_PROBLEM],
		p->count[PROBE_WARNING], p->count[PROBE_NOTE]);
	for (size_t h = 0; h < p->n_hosts; h++) {
		fputs(h ? ", " : "", to);
		put_host(to, &p->hosts[h]);
	}
	fputs("], \"findings\": [", to);
	for (size_t i = 0; i < p->n_findings; i++) {
		fputs(i ? ", " : "", to);
		put_finding(p, to, &p->findings[i]);
	}
	fputs("]}\n", to);
}
