/* probe - what mxcheck finds out about a domain or a server: MX records, addresses, names, the SMTP dialogue up to EHLO,
 * TLS and the certificate. Everything goes on at the same time on one loop; each host has its deadline.
 *
 * Facts are gathered first (probe_dns.c, probe_smtp.c, probe_txt.c), then judged (probe_judge.c), then shown
 * (probe_text.c, probe_json.c): a finding is a verdict, what it is about, and what to do. Nothing is ever sent past EHLO. */
#ifndef CORE_PROBE_PROBE_H
#define CORE_PROBE_PROBE_H

#include <stdio.h>

#include "core/base/arena.h"
#include "core/msg/reply.h"
#include "core/net/conn.h"
#include "core/net/dns.h"

#define PROBE_HOSTS 16                 /* MX hosts that are looked at */
#define PROBE_ADDRESSES 8              /* addresses of one host */
#define PROBE_FINDINGS 512
#define PROBE_EXIT_GOOD (-1)

enum probe_verdict { PROBE_OK, PROBE_NOTE, PROBE_WARNING, PROBE_PROBLEM, PROBE_VERDICTS };
const char *probe_verdict_word(enum probe_verdict v);

enum probe_stage { PROBE_CONNECT, PROBE_BANNER, PROBE_EHLO, PROBE_TLS, PROBE_FINISHED };
struct probe_address {                 /* one address of a host: what its server said */
	struct ipaddr ip;
	char text[46];
	enum dns_status ptr_status;
	char ptr[256], ptr_why[200];
	enum probe_stage stage;        /* how far it came */
	char why[200];                 /* why it did not come further; "" = all the way */
	int error;                     /* errno of a connection that failed */
	bool timed_out;
	usec connect_time, banner_time, ehlo_time, tls_time;
	struct reply banner, ehlo, last;
	unsigned extensions, extensions_tls;
	uint64_t size_limit;
	char auth[256], auth_tls[256];
	bool esmtp, tls_offered, tls_done;
	struct tls_info tls;
	bool name_matches;             /* one of the certificate's names stands for the host */
};
struct probe_host {
	char name[256];
	uint16_t preference;
	bool is_alias;                 /* the MX name is a CNAME */
	enum dns_status status;
	char why[200];
	struct probe_address *v[PROBE_ADDRESSES];
	size_t n;
};
struct probe_txt { enum dns_status status; char text[1024]; unsigned records; }; /* a policy record; text: the first one */
struct probe_finding {
	enum probe_verdict verdict;
	int host, address;             /* index, -1: the domain, the host as a whole */
	const char *check;             /* "mx", "connect", "certificate" … */
	char text[300];
	const char *advice;            /* what to do; NULL: nothing */
};
struct probe_options {
	struct loop *loop;
	struct dns *dns;
	const char *helo_name;
	int families;                  /* 1 IPv4, 2 IPv6, 3 both */
	uint16_t port;                 /* 25 */
	bool wrapper;                  /* TLS from the first byte */
	bool server;                   /* the target is a server, not a domain: no MX, no policy records */
	usec time;                     /* for one address, whole dialogue */
	struct tls_context *tls;       /* NULL: STARTTLS is not tried */
	unsigned warn_days, problem_days; /* certificate expiry */
	usec slow_warning, slow_problem; /* the dialogue with one address; 0: any time is fine */
	const struct probe_setup *setup; /* of the modes that ask (probe_ask.h); their findings are made as they come */
	bool must_tls;                 /* no TLS is a problem */
	usec now;                      /* wall */
};
struct probe {
	const struct probe_options *opt;
	char target[256];
	/* facts */
	enum dns_status mx_status;
	char mx_why[200];
	bool null_mx, implicit_mx;     /* "MX 0 ."; no MX, the domain's own address is used */
	bool authentic;                /* the MX answer was validated (AD) */
	struct probe_host hosts[PROBE_HOSTS];
	size_t n_hosts, more_hosts;
	struct probe_txt spf, dmarc, sts, tlsrpt;
	/* judgement */
	struct probe_finding *findings;
	size_t n_findings, count[PROBE_VERDICTS];
	int exit_code;                 /* a mode's own, PROBE_EXIT_GOOD: 0; otherwise 1 where a problem was found */
	/* running */
	unsigned pending;
	void (*done)(struct probe *p, void *ctx);
	void *ctx;
};

/* probe_init - an empty probe; whoever fills it holds it meanwhile */
void probe_init(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *p, void *ctx), void *ctx);
/* probe_start - begin; done is called from the loop when all is known and judged. target: domain, host or address */
void probe_start(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *p, void *ctx), void *ctx);
void probe_fini(struct probe *p);

/* --- output ------------------------------------------------------------------------------------------------------ */
void probe_print_text(const struct probe *p, FILE *to, bool colour, bool verbose); /* verbose: what is ok, too */
void probe_print_json(const struct probe *p, FILE *to);    /* one object, one line */
int probe_print_nagios(const struct probe *p, FILE *to);   /* one line; 0, 1, 2 or 3 */

/* --- inside ------------------------------------------------------------------------------------------------------ */
void probe_dns_start(struct probe *p);                     /* hosts and addresses, then probe_smtp_start for each */
void probe_txt_start(struct probe *p);                     /* SPF, DMARC, MTA-STS, TLS-RPT records */
void probe_smtp_start(struct probe *p, struct probe_host *h, struct probe_address *a);
void probe_ptr_start(struct probe *p, struct probe_address *a);
void probe_hold(struct probe *p);                          /* one more thing goes on */
void probe_release(struct probe *p);                       /* it ended; the last one judges and calls done */
void probe_judge(struct probe *p);
void probe_find(struct probe *p, enum probe_verdict v, int host, int address, const char *check, const char *advice,
	const char *fmt, ...) __attribute__((format(printf, 7, 8)));

#endif
