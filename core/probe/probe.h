/* probe - what mxcheck finds out about a domain or a server: MX records, addresses, names, the SMTP dialogue up to EHLO,
 * TLS and the certificate. Everything goes on at the same time on one loop; each host has its deadline.
 *
 * Hosts and dialogues are gathered by probe_dns.c, probe_smtp.c and probe_sts.c. What is checked is the table in
 * probe_checks.c: each check is a function that reads what was gathered and asks DNS for more through facts.h, and tells
 * findings: a verdict, what it is about, and what to do. probe_text.c and probe_json.c show them. Nothing is ever sent past
 * EHLO. */
#ifndef CORE_PROBE_PROBE_H
#define CORE_PROBE_PROBE_H

#include <stdio.h>

#include "core/base/arena.h"
#include "core/base/list.h"
#include "core/dkim/keys.h"
#include "core/msg/reply.h"
#include "core/net/conn.h"
#include "core/net/dns.h"
#include "core/probe/facts.h"
#include "core/probe/hello.h"

#define PROBE_HOSTS 16                 /* MX hosts that are looked at */
#define PROBE_ADDRESSES 8              /* addresses of one host */
#define PROBE_FINDINGS 512
#define PROBE_EXIT_GOOD (-1)
#define PROBE_WORDS 16                 /* --selector, --dnsbl */

enum probe_verdict { PROBE_OK, PROBE_NOTE, PROBE_WARNING, PROBE_PROBLEM, PROBE_VERDICTS };
const char *probe_verdict_word(enum probe_verdict v);

enum probe_stage { PROBE_CONNECT, PROBE_BANNER, PROBE_EHLO, PROBE_TLS, PROBE_FINISHED };
struct probe_address {                 /* one address of a host: what its server said */
	struct ipaddr ip;
	char text[46];
	unsigned going, others;        /* questions to it on their way; owners beside the first (probe_seen.h) */
	struct list waiting;           /* … of its end */
	struct kept *kept;             /* while it is remembered */
	enum dns_status ptr_status;
	char ptr[256], ptr_why[200];
	enum probe_stage stage;        /* how far it came */
	char why[200];                 /* why it did not come further; "" = all the way */
	int error;                     /* errno of a connection that failed */
	bool no_route;                 /* … before a packet left: this machine cannot reach any such address */
	bool timed_out;
	usec connect_time, teaser_time, banner_time, ehlo_time, tls_time; /* teaser: the greeting's first bytes */
	struct reply banner, ehlo, last;
	unsigned extensions, extensions_tls;
	uint64_t size_limit;
	char auth[256], auth_tls[256];
	bool esmtp, tls_offered, tls_done;
	unsigned old_tls;              /* versions that it should speak no more: 2 TLS 1.0, 4 TLS 1.1 */
	struct tls_info tls;
	bool name_matches;             /* one of the certificate's names stands for the host */
	struct tls_link *chain;        /* n_chain certificates */
	size_t n_chain;
	bool dane_ok;                  /* a TLSA record that counts stands for the certificate */
	/* of further connections (probe_looks.h); owned, NULL: nothing else was seen */
	struct tls_look *other, *unnamed, *varying; /* the certificate for clients of the other kind of key; without a name; another time */
	struct probe_ciphers { uint16_t v[HELLO_SUITES]; size_t n; } *ciphers; /* that it takes, in its order */
	bool injected;                 /* what stood behind STARTTLS in clear was answered under TLS */
	unsigned asked_again, offered_again; /* how often EHLO was, and STARTTLS was offered */
	unsigned sampled, seen_again, varied; /* how often it was asked again; showed a certificate; another one */
};
struct probe_host {
	char name[256];
	uint16_t preference;
	bool is_alias;                 /* the MX name is a CNAME */
	enum dns_status status;
	char why[200];
	struct probe_address *v[PROBE_ADDRESSES];
	size_t n, more;                /* addresses that are looked at, and that are not */
};
struct probe_policy {                  /* the MTA-STS policy, as fetched */
	bool asked, fetched;
	char why[200], type[64];       /* why it was not; its Content-Type */
	struct buf text;
};
struct probe_finding {
	enum probe_verdict verdict;
	int host, address;             /* index, -1: the domain, the host as a whole */
	const char *check;             /* "mx", "connect", "certificate" … */
	const char *text;
	const char *advice;            /* what to do; NULL: nothing */
};
struct probe_options {
	struct loop *loop;
	struct dns *dns;
	const char *helo_name;
	int families;                  /* 1 IPv4, 2 IPv6, 3 both */
	uint16_t port;                 /* 25 */
	bool wrapper, may_wrap;        /* TLS from the first byte; at port 465, too */
	bool server;                   /* the target is a server, not a domain: no MX, no policy records */
	usec time;                     /* for one address, whole dialogue */
	struct tls_context *tls;       /* NULL: STARTTLS is not tried */
	unsigned warn_days, problem_days; /* certificate expiry */
	usec slow_warning, slow_problem; /* the dialogue with one address; 0: any time is fine */
	struct probe_seen *seen;       /* the servers of this run; NULL: none is remembered */
	struct dkim_keys *const *keys; /* of the mode that compares keys with DNS, and checks nothing else: sets that sign here, then NULL */
	const struct probe_setup *setup; /* of the modes that ask (probe_ask.h); their findings are made as they come */
	bool must_tls;                 /* no TLS is a problem */
	usec now;                      /* wall */
	const char *selectors[PROBE_WORDS + 1], *dnsbl[PROBE_WORDS + 1], *name_lists[PROBE_WORDS + 1]; /* NULL-terminated */
	const char *sni;               /* the name to ask for and to verify in TLS; NULL: the host's */
	bool deep;                     /* also what takes many connections: ciphers, injection, STARTTLS again and again */
	bool parked;                   /* the domain is to have no mail: what lets any in or out is a problem */
	struct ipaddr client;          /* SPF is evaluated for it; AF_UNSPEC: only counted */
	const char *sender;            /* … and for mail of this address; NULL, "<>": postmaster of the domain */
};
struct probe {
	const struct probe_options *opt;
	char target[256];
	char given[256];               /* as it was typed, where that is international; "": like target */
	uint16_t port;                 /* of its servers */
	bool wrapper;                  /* TLS from the first byte */
	/* facts */
	enum dns_status mx_status;
	bool no_name;                  /* the target is an address, a URL, or has a port */
	bool mx_endless;               /* an alias of an alias, round and round */
	char mx_why[200];
	int mx_rcode, mx_error;        /* of DNS_AGAIN: what the resolver did */
	bool lost;                     /* and it cannot find the root either: it is not the domain that is wrong */
	bool null_mx, implicit_mx;     /* "MX 0 ."; no MX, the domain's own address is used */
	bool authentic;                /* the MX answer was validated (AD) */
	struct dns_signature signature; /* … and what it is signed with */
	struct probe_host hosts[PROBE_HOSTS];
	size_t n_hosts, more_hosts;
	struct probe_policy sts;
	struct facts facts;
	/* judgement */
	struct probe_finding *findings;
	size_t n_findings, room, count[PROBE_VERDICTS];
	int exit_code;                 /* a mode's own, PROBE_EXIT_GOOD: 0; otherwise 1 where a problem was found */
	/* running */
	unsigned pending;              /* of what probe_hold began */
	unsigned asking;               /* facts on their way */
	bool mx_known, literal, dry;   /* dry: checks run to learn what they want to know */
	uint64_t settled;              /* checks that know everything, a bit each */
	struct loop_task turn;
	void (*done)(struct probe *p, void *ctx);
	void *ctx;
};

/* probe_init - an empty probe; whoever fills it holds it meanwhile */
void probe_init(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *p, void *ctx), void *ctx);
/* probe_start - begin; done is called from the loop when all is known and judged. target: domain, host or address */
void probe_start(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *p, void *ctx), void *ctx);
/* probe_dkim_domains - of the keys, each domain that is known by name; some may come twice */
void probe_dkim_domains(const struct dkim_keys *keys, void (*add)(void *ctx, struct str domain), void *ctx);
/* probe_dkim_start - the same of the keys that sign for this domain, and of nothing else */
void probe_dkim_start(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *p, void *ctx), void *ctx);
void probe_fini(struct probe *p);
/* probe_server_parse - "host", "host:port", "[v6]:port": host without brackets; *port stays as it is where none is said. False: not a
 * name, or not a port */
bool probe_server_parse(struct str s, struct str *host, uint16_t *port);

/* probe_add_word - one more selector or list; false: it is empty, or one too many */
bool probe_add_word(const char **words, const char *word);
/* probe_add_lists - the lists that most receivers ask, and that everybody may ask for a little while */
bool probe_add_lists(struct probe_options *o);

/* --- output ------------------------------------------------------------------------------------------------------ */
struct probe_style {
	bool colour;
	bool verbose;                  /* what is fine, and notes, too */
	bool quiet;                    /* only the verdict, and only where something is wrong */
	size_t width;                  /* lines are broken there; 0: nowhere */
};
void probe_print_text(const struct probe *p, FILE *to, const struct probe_style *s);
const struct probe_finding *probe_worst(const struct probe *p); /* the first of the worst warnings and problems; NULL: there is none */
/* probe_rules - what each keyword of a finding (its check) stands for */
struct probe_rule { const char *word, *rule, *where; };
const struct probe_rule *probe_rules(size_t *n);
void probe_print_json(const struct probe *p, FILE *to);    /* one object, one line */
int probe_print_nagios(const struct probe *p, FILE *to);   /* one line; 0, 1, 2 or 3 */

/* --- inside ------------------------------------------------------------------------------------------------------ */
void probe_dns_start(struct probe *p);                     /* hosts and addresses, then probe_smtp_start for each */
/* probe_choose - which addresses of many are looked at, the same ones each time: in order, IPv4 first, and each family has half the
 * places if it needs them. How many */
size_t probe_choose(const struct ipaddr *v, size_t n, struct ipaddr out[PROBE_ADDRESSES]);
void probe_sts_start(struct probe *p);                     /* fetch the policy; into p->sts */
void probe_smtp_start(struct probe *p, struct probe_host *h, struct probe_address *a);
void probe_ptr_start(struct probe *p, struct probe_address *a);
void probe_hold(struct probe *p);                          /* one more thing goes on */
void probe_release(struct probe *p);                       /* it ended; the last one judges and calls done */
/* probe_check - run the checks: dry, those that may run and are not settled; else all, to tell findings. The modes that ask
 * have none */
void probe_check(struct probe *p);
/* probe_find - tell a finding. Its place is one argument, so that all of them, and one for the text, are in registers */
struct probe_place { int16_t host, address; };
#define PROBE_ADDRESS(h, k) ((struct probe_place){ (int16_t)(h), (int16_t)(k) })
#define PROBE_HOST(h) PROBE_ADDRESS(h, -1)
#define PROBE_DOMAIN PROBE_ADDRESS(-1, -1)
void probe_find(struct probe *p, enum probe_verdict v, struct probe_place at, const char *check, const char *advice,
	const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* probe_failure - what a resolver did that works for other names: whether it waits for servers in vain or knows already that it would is a
 * matter of the moment, and two runs should say one thing */
const char *probe_failure(int rcode, int error);
/* probe_find_bogus - does an answer come once nobody looks at signatures? Then they are what is wrong, which is told, and true */
bool probe_find_bogus(struct probe *p, const char *name, enum dns_type type, int host, const char *check);
void probe_judge_tls(struct probe *p, int h, int k);       /* of an address whose dialogue came to its end */
/* probe_zone - the NS records of the zone that has the domain; none: not known. NULL: facts are missing */
const struct fact *probe_zone(struct probe *p);
int32_t probe_signed_for(const struct probe *p, const struct dns_signature *s); /* seconds until it ends */
/* probe_advise - the advice in the words of the server that the greeting names (Postfix, Exim, Exchange, a hoster) */
const char *probe_advise(struct probe *p, int host, int address, const char *advice);
/* checks; each is a row of the table in probe_checks.c */
/* probe_find_wrong - a record that cannot be read: what is wrong, and where */
void probe_find_wrong(struct probe *p, const char *check, const char *what, const char *wrong, struct str at);
/* probe_find_alike - a TXT record that was meant to begin with v=VERSION (`starts`), and does not: then it is told, and true */
bool probe_find_alike(struct probe *p, const char *check, const struct fact *f, struct str starts);
/* probe_one_record - the one TXT record that begins so; false after telling why there is none. missing: advice, NULL: silence */
bool probe_one_record(struct probe *p, const char *check, const struct fact *f, struct str starts, struct str *out, const char *missing);
void check_mx(struct probe *p);
void check_hosts(struct probe *p);
void check_host_dns(struct probe *p, int h);
void check_ns(struct probe *p);
void check_dnssec(struct probe *p);
void check_use(struct probe *p);
void check_caa(struct probe *p);
void check_dnsbl(struct probe *p);
void check_dane(struct probe *p);
void check_sts(struct probe *p);
void check_tlsrpt(struct probe *p);
void check_spf(struct probe *p);
/* probe_find_deaf - reports are to be sent to this domain: does it take mail? */
void probe_find_deaf(struct probe *p, const char *check, struct str domain);
void check_dmarc(struct probe *p);
/* check_dmarc_organisation - the organisational domain, as DMARC sees it; NULL: facts are missing */
const char *check_dmarc_organisation(struct probe *p);
bool check_dmarc_enforces(struct probe *p);                /* quarantine or reject, of all mail: what logos ask for */
void check_dkim(struct probe *p);
void check_dkim_keys(struct probe *p);                     /* stands alone: no row */
void check_bimi(struct probe *p);
void check_senders(struct probe *p);

#endif
