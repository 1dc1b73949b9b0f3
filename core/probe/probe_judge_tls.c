/* probe_judge_tls - what is said of TLS at an address: protocol and cipher, each certificate that it shows, and to whom. */
#include "core/probe/probe_looks.h"

#define DAY (86400 * USEC_PER_SEC)

/* --- certificates ----------------------------------------------------------------------------------------------------- */

/* one certificate of an address; whose: "RSA ", "other " where there are two, ""; to: who gets it */
struct shown { const struct tls_info *tls; bool matches; const char *whose, *to; };

static void judge_trust(struct probe *p, int h, int k, const struct shown *s)
{
	const struct tls_info *t = s->tls;
	const struct probe_address *a = p->hosts[h].v[k];
	bool alone = t->chain_length == 1 && strcmp(t->subject, t->issuer) != 0;
	const char *bits = strchr(t->key, ' ');
	uint64_t n;

	if (t->trust == TLS_UNTRUSTED && (t->not_after >= p->opt->now || strchr(t->why_untrusted, ';')))
		probe_find(p, a->dane_ok ? PROBE_NOTE : PROBE_WARNING, PROBE_ADDRESS(h, k), "trust", alone ?
			"send the intermediate certificates behind the server's own (smtpd_tls_chain_files); for an authority of your own there is --ca" :
			"use a certificate of a public authority, with its intermediates", "%s%snot trusted: %s%s", s->whose,
			*s->whose ? "certificate " : "", t->why_untrusted, alone ? "; one certificate is sent: an intermediate is missing, or the authority is not public" : "");
	if (bits && str_to_u64(str_of(bits + 1), &n) && n < (t->key[0] == 'R' ? 2048 : 256))
		probe_find(p, PROBE_WARNING, PROBE_ADDRESS(h, k), "key", "make one of RSA 2048 or EC 256", "the %scertificate's key is weak: %s", s->whose, t->key);
}

static void judge_certificate(struct probe *p, int h, int k, const struct shown *s)
{
	const struct tls_info *t = s->tls;
	const struct probe_address *a = p->hosts[h].v[k];
	long long days = (long long)((t->not_after - p->opt->now) / DAY);
	const char *who = t->subject_cn[0] ? t->subject_cn : t->subject;

	probe_find(p, PROBE_OK, PROBE_ADDRESS(h, k), "certificate", NULL, "%s%s, issued by %s, %s, chain of %d", s->to, who,
		t->issuer_cn[0] ? t->issuer_cn : t->issuer, t->key, t->chain_length);
	if (!t->not_after)
		return;
	if (t->not_after < p->opt->now)
		probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), "expiry", "renew it", "the %scertificate expired %lld days ago", s->whose, -days);
	else if (days < (long long)p->opt->problem_days)
		probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), "expiry", "renew it now", "the %scertificate expires in %lld days", s->whose, days);
	else if (days < (long long)p->opt->warn_days)
		probe_find(p, PROBE_WARNING, PROBE_ADDRESS(h, k), "expiry", "renew it", "the %scertificate expires in %lld days", s->whose, days);
	else
		probe_find(p, PROBE_OK, PROBE_ADDRESS(h, k), "expiry", NULL, "%s%s%lld days left", s->whose, *s->whose ? "certificate: " : "", days);
	if (t->not_before > p->opt->now)
		probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), "expiry", "check the clocks", "the %scertificate is not valid yet", s->whose);
	if (!s->matches && !t->names[0])
		probe_find(p, a->dane_ok ? PROBE_NOTE : PROBE_WARNING, PROBE_ADDRESS(h, k), "name", "make one with the host's name in its subjectAltName: who verifies looks at nothing else (RFC 9525 2)",
			"the %scertificate names no host in its subjectAltName", s->whose);
	else if (!s->matches && !probe_tls_name(p, &p->hosts[h]))
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "name", "--sni gives a name to ask for and to verify",
			"the %scertificate is for %.200s; an address has no name to verify", s->whose, t->names[0] ? t->names : who);
	else if (!s->matches)
		probe_find(p, a->dane_ok ? PROBE_NOTE : PROBE_WARNING, PROBE_ADDRESS(h, k), "name", "senders that verify (MTA-STS, smtp_tls_security_level = verify) refuse it",
			"the %scertificate is for %.200s, not for %s", s->whose, t->names[0] ? t->names : who, p->opt->sni ? p->opt->sni : p->hosts[h].name);
	else if (!t->names[0])
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "name", "make one with a subjectAltName: who verifies looks at nothing else (RFC 9525 2)",
			"the %scertificate names its host in the common name only", s->whose);
	judge_trust(p, h, k, s);
}

/* --- further looks --------------------------------------------------------------------------------------------------- */

static void judge_unnamed(struct probe *p, int h, int k, const struct probe_address *a)
{
	const struct tls_info *t = &a->unnamed->info;
	const char *who = t->subject_cn[0] ? t->subject_cn : t->subject, *expired = t->not_after < p->opt->now ? ", and has expired" : "";

	probe_find(p, *expired ? PROBE_WARNING : PROBE_NOTE, PROBE_ADDRESS(h, k), "sni", "many senders say no name (Postfix): let the server's own certificate be the default",
		"clients that say no name (SNI) get another certificate, which is for %.200s%s", t->names[0] ? t->names : who, expired);
}

/* the names of what is wrong so, as many as fit; how many */
static size_t list_ciphers(const struct probe_ciphers *c, enum hello_fault fault, char out[300])
{
	size_t n = 0, at = 0;
	char name[48];

	*out = 0;
	for (size_t i = 0; i < c->n; i++) {
		if (hello_judge(c->v[i]) != fault)
			continue;
		n++;
		hello_name(c->v[i], name);
		if (at + strlen(name) + 2 < 300)
			at += (size_t)snprintf(out + at, 300 - at, "%s%s", at ? " " : "", name);
	}
	return n;
}

static void judge_ciphers(struct probe *p, int h, int k, const struct probe_ciphers *c)
{
	static const struct { enum probe_verdict v; const char *text, *advice; } rows[HELLO_FAULTS] = {
		[HELLO_NO_SECRET] = { PROBE_WARNING, "ciphers that hide nothing", "switch them off: smtpd_tls_exclude_ciphers = eNULL, EXPORT" },
		[HELLO_BROKEN] = { PROBE_WARNING, "ciphers that are broken", "switch them off (RFC 7465, RFC 9325 4.1): smtpd_tls_exclude_ciphers = RC4, 3DES, DES" },
		[HELLO_ANONYMOUS] = { PROBE_NOTE, "ciphers without a certificate", "fine at port 25, where many senders verify nobody; else smtpd_tls_exclude_ciphers = aNULL" },
		[HELLO_STATIC] = { PROBE_NOTE, "ciphers without forward secrecy", "nobody needs them: smtpd_tls_exclude_ciphers = kRSA (RFC 9325 4.1)" },
	};
	char list[300];
	size_t n, fine = list_ciphers(c, HELLO_FINE, list);

	probe_find(p, fine ? PROBE_OK : PROBE_WARNING, PROBE_ADDRESS(h, k), "ciphers", "offer ECDHE: whoever gets the key later reads all that was sent", "%s%s",
		fine ? "with forward secrecy: " : "none with forward secrecy is taken", list);
	for (int f = 0; f < HELLO_FINE; f++)
		if ((n = list_ciphers(c, (enum hello_fault)f, list)) > 0)
			probe_find(p, rows[f].v, PROBE_ADDRESS(h, k), "ciphers", rows[f].advice, "%s are taken: %s", rows[f].text, list);
}

static void judge_looks(struct probe *p, int h, int k, const struct probe_address *a)
{
	if (a->other) {
		bool ec = a->other->info.key[0] == 'E';

		judge_certificate(p, h, k, &(struct shown){ &a->other->info, a->other->name_matches, ec ? "ECDSA " : "RSA ", ec ? "ECDSA clients get " : "RSA clients get " });
	}
	if (a->varying) {
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "certificate", "several servers behind one address? Give all of them the new one, then see --deep again",
			"another certificate was seen on %u of %u connections", a->varied, a->seen_again + 1);
		judge_certificate(p, h, k, &(struct shown){ &a->varying->info, a->varying->name_matches, "other ", "some connections get " });
	}
	/* what changes from one connection to the next is no matter of names */
	if (a->unnamed && !(a->varying && !memcmp(a->unnamed->chain[0].sha256[0], a->varying->chain[0].sha256[0], 32)))
		judge_unnamed(p, h, k, a);
	if (a->ciphers)
		judge_ciphers(p, h, k, a->ciphers);
	if (a->injected)
		probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), "injection", "update the server: whoever is on the way can slip commands into the session (CVE-2011-0411)",
			"what stands behind STARTTLS in clear is answered under TLS");
}

void probe_judge_tls(struct probe *p, int h, int k)
{
	const struct probe_address *a = p->hosts[h].v[k];
	unsigned times = a->asked_again + 1, offered = a->offered_again + a->tls_offered;

	if (!p->opt->tls)
		return;
	if (!p->wrapper && offered && offered < times)
		probe_find(p, PROBE_WARNING, PROBE_ADDRESS(h, k), "tls", "several servers behind one address? Let each offer it: senders go on in clear, or put mail off",
			"STARTTLS is offered only sometimes: %u of %u times", offered, times);
	if (!a->tls_offered && !p->wrapper) {
		/* who asks for TLS is told that it is missing (probe_expect.c) */
		if (!p->opt->must_tls)
			probe_find(p, PROBE_WARNING, PROBE_ADDRESS(h, k), "tls", "mail to this server travels in clear; set smtpd_tls_security_level = may",
				"STARTTLS is not offered");
		return;
	}
	probe_find(p, PROBE_OK, PROBE_ADDRESS(h, k), "tls", NULL, "%s with cipher %s (%d bits), %.0f ms", a->tls.version ? a->tls.version : "TLS",
		a->tls.cipher, a->tls.bits, (double)a->tls_time / USEC_PER_MSEC);
	/* mail between servers would fall back to clear text; a client with a password would not */
	if (a->old_tls)
		probe_find(p, p->port == 25 ? PROBE_NOTE : PROBE_WARNING, PROBE_ADDRESS(h, k), "tls", "nobody needs them (RFC 8996): smtpd_tls_protocols = >=TLSv1.2",
			"TLS 1.%s still accepted", a->old_tls == 6 ? "0 and 1.1 are" : a->old_tls == 2 ? "0 is" : "1 is");
	if (!a->ciphers && a->tls.version && !strcmp(a->tls.version, "TLSv1.2") && !strstr(a->tls.cipher, "DHE"))
		probe_find(p, PROBE_WARNING, PROBE_ADDRESS(h, k), "ciphers", "offer ECDHE: whoever gets the key later reads all that was sent (RFC 9325 4.1)",
			"the connection has no forward secrecy: %s", a->tls.cipher);
	judge_certificate(p, h, k, &(struct shown){ &a->tls, a->name_matches, "", "" });
	judge_looks(p, h, k, a);
}
