/* smtp_report - see smtp_report.h. Counted are sessions with hosts that MX records name, where nobody but the domain says what TLS must
 * prove: what this configuration demands by itself is no policy of the domain's. */
#include "core/deliver/smtp/smtp_report.h"

#include <string.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_policy.h"
#include "core/deliver/tls_report.h"

static enum tlsrpt_type policy_of(struct deliver *d, const struct smtp_profile *p, const struct tls_demand *x, struct buf *out)
{
	struct sts_known known;

	if (x->tlsa) {
		for (size_t i = 0; x->dane && i < x->dane->n; i++) {
			const struct tlsa *t = &x->dane->v[i];

			buf_printf(out, "%u %u %u ", t->usage, t->selector, t->matching);
			buf_hex(out, t->data, t->n);
			buf_byte(out, '\n');
		}
		return TLSRPT_TLSA;
	}
	if (!x->sts)
		return TLSRPT_NO_POLICY;
	if (sts_find(d->sts, str_of(x->sts_domain), p->web, &known))
		buf_str(out, known.text);
	return TLSRPT_STS;
}

/* count_missing - a policy was announced and could not be had (RFC 8460 section 4.3.2.2) */
static void count_missing(struct deliver *d, const struct smtp_profile *p, const struct tls_demand *x, struct tlsrpt_session *r)
{
	static const enum tlsrpt_result results[] = { [STS_NOT_FETCHED] = TLSRPT_STS_FETCH_ERROR, [STS_NOT_VALID] = TLSRPT_STS_INVALID,
		[STS_NOT_PROVEN] = TLSRPT_STS_WEBPKI_INVALID };
	struct sts_known known;

	if (!x->sts_domain || r->type != TLSRPT_NO_POLICY || !sts_find(d->sts, str_of(x->sts_domain), p->web, &known) || !known.failure)
		return;
	r->type = TLSRPT_STS;
	r->result = results[known.failure];
	r->reason = str_of(known.why);
	tls_report_count(d->report, r);
}

static void count(struct deliver *d, const struct smtp_profile *p, const struct smtp_target *t, const struct tls_demand *x, int fd,
	enum tlsrpt_result result, const char *why)
{
	struct tlsrpt_session r = { .result = result, .host = str_of(t->host), .reason = str_of(why) };
	char address[46], own[46], key[LIMIT_DOMAIN + 1];
	struct sockaddr_storage from;
	socklen_t n = sizeof(from);
	struct ipaddr ours;
	struct buf policy;
	struct str domain;

	if (!p->conf->smtp_tlsrpt_enable || !d->o.store || d->o.ask || x->by_table || x->wish == TLS_WISH_OPTIONAL || x->level->only ||
	    (x->match != TLS_MATCH_NONE && !x->web) || !smtp_policy_domain(p, t, &domain) || domain.n > LIMIT_DOMAIN)
		return;
	for (size_t i = 0; i <= domain.n; i++)
		key[i] = i < domain.n ? ascii_lower(domain.p[i]) : 0;
	r.domain = str_of(key);
	ipaddr_format(&t->address, address);
	r.address = str_of(address);
	if (fd >= 0 && getsockname(fd, (struct sockaddr *)&from, &n) == 0) {
		ipaddr_from_sockaddr((struct sockaddr *)&from, &ours);
		ipaddr_format(&ours, own);
		r.own_address = str_of(own);
	}
	if (!d->report)
		d->report = tls_report_new(d);
	buf_init(&policy, LIMIT_STS_POLICY);
	r.type = policy_of(d, p, x, &policy);
	r.policy = buf_view(&policy);
	tls_report_count(d->report, &r);
	count_missing(d, p, x, &r);
	buf_fini(&policy);
}

void smtp_report(struct smtp_session *s, enum tlsrpt_result result, const char *why)
{
	if (s->reported)
		return;
	s->reported = true;
	count(s->d, s->profile, &s->target, s->demand, s->conn ? s->conn->fd : -1, result, why);
}

void smtp_report_handshake(struct smtp_session *s, const char *why)
{
	static const struct { const char *word; enum tlsrpt_result result; } rows[] = {
		{ "expired", TLSRPT_CERTIFICATE_EXPIRED }, { "another name", TLSRPT_CERTIFICATE_HOST_MISMATCH },
		{ "certificate", TLSRPT_CERTIFICATE_NOT_TRUSTED },
	};
	enum tlsrpt_result result = TLSRPT_VALIDATION_FAILURE;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && result == TLSRPT_VALIDATION_FAILURE; i++)
		if (strstr(why, rows[i].word))
			result = rows[i].result;
	smtp_report(s, result, why);
}

void smtp_report_passed(struct deliver *d, const struct smtp_profile *p, const struct smtp_target *t, const struct tls_demand *x)
{
	count(d, p, t, x, -1, x->tlsa ? TLSRPT_DNSSEC_INVALID : TLSRPT_VALIDATION_FAILURE, x->failed.text);
}

void smtp_report_tested(struct smtp_session *s, const char *wrong)
{
	const struct tls_demand *x = s->demand;
	char said[300];

	if (x->sts != STS_TESTING)
		return;
	if (x->sts_foreign)
		smtp_report(s, TLSRPT_VALIDATION_FAILURE, "the MX host is not in the policy");
	else if (conn_tls(s->conn))
		smtp_report_handshake(s, wrong);
	smtp_target_said(&s->target, said);
	log_info(smtp_session_service(s), "MTA-STS policy of %s (testing): host %s would get no mail: %s", x->sts_domain, said,
		x->sts_foreign ? "it is not in the policy" : wrong);
}

void smtp_report_test(struct smtp_session *s)
{
	const struct tls_info *info = conn_tls(s->conn);

	if (s->demand->sts != STS_TESTING)
		return;
	if (!info || info->trust < TLS_TRUSTED)
		smtp_report_tested(s, info && info->why_untrusted[0] ? info->why_untrusted : "its certificate is not trusted");
	else if (s->demand->sts_foreign || !tls_peer_is(conn_tls_session(s->conn), s->target.host))
		smtp_report_tested(s, "its certificate is for another name");
}
