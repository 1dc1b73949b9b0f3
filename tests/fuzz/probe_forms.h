/* probe_forms - a probe whose every text is the fuzzer's, as a form of output gets it: names, greetings, certificates, findings. */
#ifndef TESTS_FUZZ_PROBE_FORMS_H
#define TESTS_FUZZ_PROBE_FORMS_H

#include <stdio.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/probe/probe_out.h"

/* forms_fill - data as text with a NUL behind it in all fields that come from the wire */
static void forms_fill(struct probe *p, struct probe_options *o, struct probe_address *a, const uint8_t *data, size_t size)
{
	char text[2048];
	size_t n = size < sizeof(text) - 1 ? size : sizeof(text) - 1;

	memcpy(text, data, n);
	text[n] = '\0';
	memset(p, 0, sizeof(*p));
	p->opt = o;
	facts_init(&p->facts, NULL, NULL);
	p->n_hosts = 1;
	p->hosts[0].v[0] = a;
	p->hosts[0].n = 1;
	a->stage = PROBE_FINISHED;
	a->connect_time = a->banner_time = 1;
	a->tls_done = true;
	a->tls.version = "TLSv1.3";
	a->tls.not_after = 1;
	a->ptr_status = DNS_OK;
	ipaddr_parse(STR("192.0.2.1"), &a->ip);
	ipaddr_format(&a->ip, a->text);
	snprintf(p->target, sizeof(p->target), "%.255s", text);
	snprintf(p->given, sizeof(p->given), "%.255s", text);
	snprintf(p->hosts[0].name, sizeof(p->hosts[0].name), "%.255s", text);
	snprintf(a->why, sizeof(a->why), "%.199s", text);
	snprintf(a->ptr, sizeof(a->ptr), "%.255s", text);
	snprintf(a->banner.text, sizeof(a->banner.text), "%.255s", text);
	snprintf(a->ehlo.text, sizeof(a->ehlo.text), "%.255s", text);
	snprintf(a->tls.subject, sizeof(a->tls.subject), "%.255s", text);
	snprintf(a->tls.names, sizeof(a->tls.names), "%.255s", text);
	snprintf(a->tls.cipher, sizeof(a->tls.cipher), "%.63s", text);
	probe_find(p, PROBE_PROBLEM, PROBE_DOMAIN, "spf", "advice", "%s", text);
	probe_find(p, PROBE_WARNING, PROBE_ADDRESS(0, 0), "tls", "set smtpd_tls_security_level = may", "%s", text);
	probe_find(p, PROBE_OK, PROBE_HOST(0), "dane", NULL, "%s", text);
}

/* forms_check - nothing steers a terminal, or ends a line before its time; how many lines there are */
static size_t forms_check(const char *text, size_t n)
{
	struct str rest = str_make(text, n);
	size_t lines = 0;

	while (rest.n) {
		size_t step = str_utf8_step(rest);
		unsigned char c = (unsigned char)rest.p[0];

		if (!step || (c < 32 && c != '\n') || c == 127 || (c == 0xc2 && (unsigned char)rest.p[1] < 0xa0))
			abort();
		lines += c == '\n';
		rest = str_from(rest, step);
	}
	return lines;
}

/* forms_print - what a form makes of it; the caller's (free) */
static char *forms_print(const uint8_t *data, size_t size, void (*print)(const struct probe *p, FILE *to), size_t *n)
{
	struct probe_address *a = MEM_NEW(struct probe_address);
	struct probe_options o = { .port = 25, .now = 1 };
	struct probe *p = MEM_NEW(struct probe);
	char *text = NULL;
	FILE *to = open_memstream(&text, n);

	forms_fill(p, &o, a, data, size);
	print(p, to);
	fclose(to);
	mem_free(p->findings);
	facts_fini(&p->facts);
	mem_free(p);
	mem_free(a);
	return text;
}

#endif
