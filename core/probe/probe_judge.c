/* probe_judge - facts become findings: what is fine, what is worth a note, what is wrong, and what to do about it. */
#include "core/probe/probe.h"

#include <errno.h>

#include "core/base/ipaddr.h"
#include "core/smtp/client.h"

#define LEAST_SIZE (64 * 1024)         /* of a message, that everybody takes */
#define SLOW (5 * USEC_PER_SEC)        /* a greeting that is worth a word */
#define TEASED USEC_PER_SEC            /* … and one in two parts */

/* --- connections ---------------------------------------------------------------------------------------------------- */

static const struct { int error; const char *text, *advice; } failures[] = {
	{ ECONNREFUSED, "connection refused", "nothing listens on this port, or a firewall rejects it" },
	{ ENETUNREACH, "network is unreachable", "this machine has no route to that address (IPv6 without IPv6 access?)" },
	{ EHOSTUNREACH, "host is unreachable", "the host is down, or a firewall says so" },
	{ EADDRNOTAVAIL, "no local address for this family", "this machine has no route to that address" },
	{ ETIMEDOUT, "connection timed out", "a firewall drops it, or your provider blocks port 25; try from another network" },
	{ EACCES, "not permitted on this machine", "a local firewall or sandbox forbids it" },
	{ EPERM, "not permitted on this machine", "a local firewall or sandbox forbids it" },
	{ ECONNRESET, "connection reset", "the server or something before it hung up" },
};

/* what a handshake failed of: the version is the server's fault, but not every cipher and key is known here */
static const struct { const char *word; enum probe_verdict verdict; bool old; const char *advice; } handshakes[] = {
	{ "no protocol version in common", PROBE_PROBLEM, true, "offer TLS 1.2 and 1.3" },
	{ "does not speak TLS 1.2", PROBE_PROBLEM, true, "offer TLS 1.2 and 1.3" },
	{ "finds no cipher", PROBE_WARNING, false, "others may find one: see openssl s_client -starttls smtp; offer ECDHE with an RSA or ECDSA certificate, which all can use" },
	{ "be verified here", PROBE_WARNING, false, "others may: see openssl s_client -starttls smtp; offer an RSA or ECDSA certificate, which all can use" },
	{ "demands a client certificate", PROBE_PROBLEM, false, "senders have none: do not ask for client certificates (smtpd_tls_req_ccert = no)" },
	{ "our certificate", PROBE_PROBLEM, false, "senders have none: do not ask for client certificates (smtpd_tls_req_ccert = no)" },
	{ "after the reply to STARTTLS", PROBE_PROBLEM, false, "senders hang up: the server, or somebody on the way, answers what nobody said (CVE-2011-0411)" },
	{ "", PROBE_PROBLEM, false, "no common TLS version or cipher, or not TLS at all" },
};

static void judge_handshake(struct probe *p, int h, int k, const struct probe_address *a)
{
	size_t i = 0;

	while (!strstr(a->why, handshakes[i].word))
		i++;
	probe_find(p, handshakes[i].verdict, PROBE_ADDRESS(h, k), "tls", handshakes[i].advice, "%s%s", a->why,
		handshakes[i].old && a->old_tls ? "; it speaks only TLS 1.0 or 1.1" : "");
}

static bool is_connected(const struct probe *p)
{
	for (size_t h = 0; h < p->n_hosts; h++)
		for (size_t k = 0; k < p->hosts[h].n; k++)
			if (p->hosts[h].v[k]->connect_time)
				return true;
	return false;
}

static void judge_failure(struct probe *p, int h, int k, const struct probe_address *a)
{
	static const char *const checks[] = { "connect", "banner", "ehlo", "tls", "quit" };
	/* the handshake is over, so it is EHLO that failed; but in TLS 1.3 the answer to our part of it comes later */
	bool under = a->stage == PROBE_TLS && a->tls_done && !p->wrapper && !strstr(a->why, "refused the handshake");
	const char *check = a->connect_time && !a->stage ? "banner" : under ? "ehlo" : checks[a->stage];

	/* of what is missing here, the domain is not guilty; but a machine without any network has seen nothing */
	if (a->no_route && (a->ip.family == AF_INET6 || is_connected(p))) {
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), check, "look at it from a machine that has such addresses", "not looked at: this machine has no route to %s",
			a->ip.family == AF_INET6 ? "IPv6" : "IPv4");
		return;
	}

	if (a->timed_out && a->stage == PROBE_CONNECT && !a->connect_time) {
		probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), check, failures[4].advice, "connection timed out");
		return;
	}
	if (a->timed_out) {
		probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), a->stage == PROBE_CONNECT ? "banner" : check,
			"the server is very slow, or a tarpit", "no answer in time after connecting");
		return;
	}
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (a->error == failures[i].error) {
			probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), check, failures[i].advice, "%s", failures[i].text);
			return;
		}
	if (a->last.code)
		probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), check, a->last.code / 100 == 4 ? "the server refuses for now; try again later" :
			a->stage == PROBE_EHLO || under ? "it may not like the name that we say: --helo names another" :
			"the server refuses us: look for this address in block lists", "refused%s: %s", under ? " under TLS" : "", a->why);
	else if (a->stage == PROBE_TLS && !under)
		judge_handshake(p, h, k, a);
	else
		probe_find(p, PROBE_PROBLEM, PROBE_ADDRESS(h, k), check,
			"a broken mail server; a balancer without one, or with PROXY headers that it does not want; or it does not like our address", "%s%s", a->why,
			under ? ", under TLS" : "");
}

/* a name made of the address, or for a customer's line: whoever sends from there is taken for a stolen machine */
static bool is_generic(const char *name, const struct ipaddr *a)
{
	static const char *const kinds[] = { "dynamic", "dyn", "dhcp", "dialup", "dial", "ppp", "dsl", "adsl", "vdsl", "pool", "cable", "broadband", "dip" };
	struct str rest = str_of(name), word, kind;
	bool seen[4] = { a->family != AF_INET, a->family != AF_INET, a->family != AF_INET, a->family != AF_INET };
	char hex[9];
	uint64_t n;

	snprintf(hex, sizeof(hex), "%02x%02x%02x%02x", a->b[0], a->b[1], a->b[2], a->b[3]);
	while (str_word(&rest, ".-_", &word)) {
		if (a->family == AF_INET && str_ieq(word, str_of(hex)))
			return true;
		for (kind = word; kind.n && ascii_is_digit(kind.p[kind.n - 1]);)
			kind.n--;
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (str_ieq(kind, str_of(kinds[i])))
				return true;
		while (word.n && !ascii_is_digit(word.p[0]))
			word = str_from(word, 1);
		for (int i = 0; i < 4; i++)
			seen[i] |= str_to_u64(word, &n) && n == a->b[i];
	}
	return a->family == AF_INET && seen[0] && seen[1] && seen[2] && seen[3];
}

static void judge_ptr(struct probe *p, int h, int k, const struct probe_address *a)
{
	if (a->ptr_status == DNS_OK && is_generic(a->ptr, &a->ip))
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "ptr", "if it sends mail, too: give it a name of its own; names made of the address are taken for customers' lines",
			"%s is a generic name", a->ptr);
	if (a->ptr_status == DNS_OK)
		probe_find(p, PROBE_OK, PROBE_ADDRESS(h, k), "ptr", NULL, "%s", a->ptr);
	else if (a->ptr_status == DNS_AGAIN)
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "ptr", NULL, "the name of %s cannot be looked up now", a->text);
	else if (!ipaddr_is_loopback(&a->ip))
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "ptr", "mail from this address may be refused; its owner sets the PTR record",
			"%s", a->ptr_why[0] ? a->ptr_why : "no name for this address");
}

/* --- the dialogue --------------------------------------------------------------------------------------------------- */

static const struct { unsigned bit; const char *word; } extension_words[] = {
	{ SMTP_EXT_PIPELINING, "PIPELINING" }, { SMTP_EXT_SIZE, "SIZE" }, { SMTP_EXT_8BITMIME, "8BITMIME" },
	{ SMTP_EXT_SMTPUTF8, "SMTPUTF8" }, { SMTP_EXT_DSN, "DSN" }, { SMTP_EXT_CHUNKING, "CHUNKING" },
	{ SMTP_EXT_ENHANCED, "ENHANCEDSTATUSCODES" }, { SMTP_EXT_REQUIRETLS, "REQUIRETLS" }, { SMTP_EXT_VRFY, "VRFY" },
	{ SMTP_EXT_ETRN, "ETRN" }, { SMTP_EXT_XCLIENT, "XCLIENT" },
};

/* words of the answer to EHLO that a stranger should not see */
static const struct { struct str word; bool begins; enum probe_verdict verdict; const char *text, *advice; } odd_words[] = {
	{ STR("XXXXXXX"), true, PROBE_WARNING, "something on the way wipes words out (XXXXXXXX): a firewall that looks into SMTP hides STARTTLS",
		"switch its SMTP inspection off (Cisco: no inspect esmtp)" },
	{ STR("XFORWARD"), false, PROBE_WARNING, "XFORWARD is offered to us: strangers may write others' addresses into the log",
		"allow XFORWARD only to trusted addresses (smtpd_authorized_xforward_hosts)" },
	{ STR("EXPN"), false, PROBE_NOTE, "EXPN is offered: who is on a list is nobody else's business", "switch it off (RFC 5321 7.3)" },
	{ STR("TURN"), false, PROBE_WARNING, "TURN is offered: whoever says a name gets its mail", "switch it off (RFC 5321 F.1); ETRN does the same safely" },
	{ STR("X-LINK2STATE"), false, PROBE_NOTE, "X-LINK2STATE is offered: a word of old Exchange servers among each other", "keep it inside" },
	{ STR("XEXCH50"), false, PROBE_NOTE, "XEXCH50 is offered: a word of old Exchange servers among each other", "keep it inside" },
};

static void judge_words(struct probe *p, int h, int k, const char *text)
{
	struct str rest = str_of(text), line, word;

	str_cut(&rest, '\n', &line);
	while (str_cut(&rest, '\n', &line))
		for (size_t i = 0; str_word(&(struct str){ line.p, line.n }, " ", &word) && i < sizeof(odd_words) / sizeof(odd_words[0]); i++)
			if (odd_words[i].begins ? str_istarts(word, odd_words[i].word) : str_ieq(word, odd_words[i].word))
				probe_find(p, odd_words[i].verdict, PROBE_ADDRESS(h, k), "ehlo", odd_words[i].advice, "%s", odd_words[i].text);
}

static void judge_extensions(struct probe *p, int h, int k, const struct probe_address *a)
{
	unsigned all = a->extensions | a->extensions_tls;
	char text[280] = "";
	size_t n = 0;

	for (size_t i = 0; i < sizeof(extension_words) / sizeof(extension_words[0]); i++) {
		if (!(all & extension_words[i].bit) || n + 30 > sizeof(text))
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? " " : "", extension_words[i].word);
		if (extension_words[i].bit == SMTP_EXT_SIZE && a->size_limit)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "=%llu", (unsigned long long)a->size_limit);
	}
	if (n)
		probe_find(p, PROBE_OK, PROBE_ADDRESS(h, k), "ehlo", NULL, "%s, %.0f ms", text, (double)a->ehlo_time / USEC_PER_MSEC);
	else if (!(all & SMTP_EXT_STARTTLS))
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "ehlo", "mail is slower and plainer than it could be", "no extensions (plain SMTP)");
	judge_words(p, h, k, a->ehlo.text);
	if (a->size_limit && a->size_limit < LEAST_SIZE)
		probe_find(p, PROBE_WARNING, PROBE_ADDRESS(h, k), "ehlo", "take 64 kB at least (RFC 5321 4.5.3.1.7): Postfix's message_size_limit",
			"no mail is taken that is larger than %llu bytes", (unsigned long long)a->size_limit);
	if (a->extensions_tls & SMTP_EXT_STARTTLS && !p->wrapper)
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "tls", "the answer to EHLO under TLS must not have it (RFC 3207 4.2)", "STARTTLS is offered under TLS, too");
	if (all & SMTP_EXT_XCLIENT)
		probe_find(p, PROBE_WARNING, PROBE_ADDRESS(h, k), "ehlo", "allow XCLIENT only to trusted addresses", "XCLIENT is offered to us");
	if (a->auth[0] && !a->tls_done && !p->wrapper)
		probe_find(p, PROBE_WARNING, PROBE_ADDRESS(h, k), "auth", "offer AUTH only under TLS (smtpd_tls_auth_only = yes)",
			"AUTH%s in clear", a->auth);
	else if (a->auth[0] && !p->wrapper)
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "auth", "passwords may be sent in clear (smtpd_tls_auth_only = yes stops it)",
			"AUTH%s before STARTTLS", a->auth);
	else if (a->auth_tls[0])
		probe_find(p, PROBE_OK, PROBE_ADDRESS(h, k), "auth", NULL, "AUTH%s under TLS", a->auth_tls);
}

/* a word of the protocol, or of politeness, where the name should be */
static bool is_no_name(const char *name)
{
	static const char *const words[] = { "EHLO", "HELO", "HELLO", "HI", "OK", "WELCOME", "AUTH", "STARTTLS", "HELP", "2.0.0", "250" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_ieq(str_of(name), str_of(words[i])))
			return true;
	for (size_t i = 0; i < sizeof(extension_words) / sizeof(extension_words[0]); i++)
		if (str_ieq(str_of(name), str_of(extension_words[i].word)))
			return true;
	return !*name;
}

static bool has_address(const struct fact *f, const struct ipaddr *a)
{
	for (size_t i = 0; i < f->n; i++)
		if (ipaddr_eq(&f->records[i].address, a))
			return true;
	return false;
}

/* the name that the server gives itself */
static void judge_own_name(struct probe *p, int h, int k, const struct probe_address *a)
{
	const struct fact *v4, *v6;
	char name[256];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(a->ehlo.text, " \n"), a->ehlo.text);
	if (is_no_name(name)) {
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "ehlo", "its first word should be the server's full name (RFC 5321 4.1.1.1)",
			"the answer to EHLO does not begin with a host name, but with \"%s\"", name);
		return;
	}
	if (!strchr(name, '.') || strchr(name, '[')) {
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "ehlo", "set its full host name (myhostname)", "the server calls itself \"%s\"", name);
		return;
	}
	v4 = facts_get(&p->facts, name, DNS_A);
	v6 = facts_get(&p->facts, name, DNS_AAAA);
	if (v4 && v6 && !v4->n && !v6->n && v4->status != DNS_AGAIN && v6->status != DNS_AGAIN)
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "ehlo", "give the name an address, or set another name (myhostname)",
			"the server calls itself %s, which has no address", name);
	else if (v4 && v6 && v4->n + v6->n && a->ptr_status == DNS_OK && a->ptr[0] && !str_ieq(str_of(name), str_of(a->ptr)) && !has_address(v4, &a->ip) && !has_address(v6, &a->ip))
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "ehlo", "let both names be the same: some receivers compare them when it sends",
			"the server calls itself %s, which is another address; this one's name is %s", name, a->ptr);
}

static void judge_place(struct probe *p, int h, int k, const struct probe_address *a)
{
	if (!p->opt->server && !p->literal && !ipaddr_is_public(&a->ip))
		probe_find(p, PROBE_WARNING, PROBE_ADDRESS(h, k), "address", "others cannot reach it: name a public address", "%s is not a public address",
			a->text);
}

static void judge_banner(struct probe *p, int h, int k, const struct probe_address *a)
{
	char name[256];
	size_t n = strcspn(a->banner.text, " \n");

	snprintf(name, sizeof(name), "%.*s", (int)(n < 255 ? n : 255), a->banner.text);
	probe_find(p, PROBE_OK, PROBE_ADDRESS(h, k), "banner", NULL, "%d %.*s, %.0f ms", a->banner.code, (int)strcspn(a->banner.text, "\n"), a->banner.text,
		(double)a->banner_time / USEC_PER_MSEC);
	/* a first line at once and the others later catch programs that do not wait */
	if (a->banner_time > TEASED && a->teaser_time < TEASED / 2 && strchr(a->banner.text, '\n'))
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "banner", "fine, if it is meant: it keeps out clients that talk too early (postscreen)",
			"the greeting's last line comes %.1f seconds after its first", (double)(a->banner_time - a->teaser_time) / USEC_PER_SEC);
	else if (a->banner_time > SLOW)
		probe_find(p, PROBE_WARNING, PROBE_ADDRESS(h, k), "banner", "the server is overloaded, asks DNS or lists that do not answer, or is a tarpit",
			"the greeting takes %.1f seconds", (double)a->banner_time / USEC_PER_SEC);
	if (strstr(a->banner.text, "*****"))
		probe_find(p, PROBE_WARNING, PROBE_ADDRESS(h, k), "banner", "switch its SMTP inspection off (Cisco: no inspect esmtp)",
			"something on the way writes ***** over the greeting: a firewall that looks into SMTP");
	else if (!strchr(name, '.'))
		probe_find(p, PROBE_NOTE, PROBE_ADDRESS(h, k), "banner", "the greeting should begin with the server's full name (RFC 5321 4.3.1)",
			"the greeting does not begin with a host name");
}

/* --- all of it ------------------------------------------------------------------------------------------------------- */

static void judge_address(struct probe *p, int h, int k)
{
	const struct probe_address *a = p->hosts[h].v[k];

	judge_place(p, h, k, a);
	if (a->connect_time)
		probe_find(p, PROBE_OK, PROBE_ADDRESS(h, k), "connect", NULL, "port %u, %.0f ms", p->port, (double)a->connect_time / USEC_PER_MSEC);
	if (a->banner.code)
		judge_banner(p, h, k, a);
	if (a->stage >= PROBE_EHLO && a->ehlo.code) {
		judge_extensions(p, h, k, a);
		/* the words of a server that knows no EHLO are no name */
		if (a->ehlo.code == 250)
			judge_own_name(p, h, k, a);
	}
	if (a->stage != PROBE_FINISHED)
		judge_failure(p, h, k, a);
	else
		probe_judge_tls(p, h, k);
	judge_ptr(p, h, k, a);
}

void check_hosts(struct probe *p)
{
	for (size_t h = 0; h < p->n_hosts; h++) {
		check_host_dns(p, (int)h);
		for (size_t k = 0; k < p->hosts[h].n; k++)
			judge_address(p, (int)h, (int)k);
	}
}
