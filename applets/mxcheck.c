/* mxcheck - look at the mail servers of domains as a sender would, and say what is wrong and what to do. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/mxcheck.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/net/idn.h"
#include "core/probe/probe_out.h"

static int run(int argc, char **argv);
enum { OPT_SERVER = OPT_FIRST_OWN, OPT_DNS, OPT_NAGIOS, OPT_PROMETHEUS, OPT_CA, OPT_HELO, OPT_TLS, OPT_WATCH, OPT_COUNT,
	OPT_RELAY, OPT_RCPT, OPT_OPEN_RELAY, OPT_DKIM, OPT_FROM, OPT_IP, OPT_SELECTOR, OPT_DNSBL, OPT_NAME_LIST, OPT_LISTS, OPT_PARKED, OPT_SNI, OPT_DEEP, OPT_HTML, OPT_EXPLAIN, OPT_COMPARE,
	OPT_SEND, OPT_TO, OPT_AUTH, OPT_PASSWORD, OPT_HEADER, OPT_SUBJECT, OPT_BODY, OPT_ATTACH, OPT_STOP };
static const struct opt options[] = {
	{ OPT_SERVER, 's', "server", OPT_ARG, "HOST[:PORT]", "look at this server instead of the MX hosts of a domain (again: at more)" },
	{ OPT_RCPT, 0, "rcpt", OPT_ARG, "ADDR", "ask whether its MX hosts would take mail for this address" },
	{ OPT_RELAY, 0, "relay", OPT_NONE, NULL, "ask this host's own next hops, with its TLS policy and passwords" },
	{ 'c', 'c', NULL, OPT_ARG, "DIR|DAYS[,MS]", "configuration directory for --relay and --dkim; without them the same as -C" },
	{ OPT_OPEN_RELAY, 0, "open-relay", OPT_NONE, NULL, "does this host relay for anybody? Exit 2 if so" },
	{ OPT_DKIM, 0, "dkim", OPT_NONE, NULL, "does DNS fit the keys that sign on this host?" },
	{ OPT_FROM, 0, "from", OPT_ARG, "ADDR", "sender to ask with, of --ip, too (postmaster; <> is the null sender)" },
	{ OPT_SEND, 0, "send", OPT_NONE, NULL, "send a test mail and show the dialogue with its times" },
	{ OPT_TO, 0, "to", OPT_ARG, "LIST", "recipients of --send; may be repeated" },
	{ OPT_AUTH, 0, "auth", OPT_ARG, "USER", "log in; the password is in --password-file or MXCHECK_PASSWORD, or is asked for" },
	{ OPT_PASSWORD, 0, "password-file", OPT_ARG, "FILE", "its first line is the password" },
	{ OPT_HEADER, 0, "header", OPT_ARG, "FIELD", "add a header field \"Name: value\"" },
	{ OPT_SUBJECT, 0, "subject", OPT_ARG, "TEXT", "subject" },
	{ OPT_BODY, 0, "body", OPT_ARG, "TEXT", "text (@FILE: from a file, -: standard input)" },
	{ OPT_ATTACH, 0, "attach", OPT_ARG, "FILE", "attach a file" },
	{ OPT_STOP, 0, "quit-after", OPT_ARG, "ehlo|tls|auth|mail|rcpt", "say QUIT after this stage" },
	{ 'f', 'f', "file", OPT_ARG, "LIST", "take domains from a file, one a line (-: standard input)" },
	{ 'p', 'p', "port", OPT_ARG, "PORT", "port of all servers (25)" },
	{ '4', '4', NULL, OPT_NONE, NULL, "IPv4 only" },
	{ '6', '6', NULL, OPT_NONE, NULL, "IPv6 only" },
	{ 't', 't', "timeout", OPT_ARG, "SECONDS", "time for the whole dialogue with one address (20)" },
	{ 'w', 'w', "warning", OPT_ARG, "DAYS[,MS]", "warn of a certificate that expires sooner (21), a slower dialogue" },
	{ 'C', 'C', "critical", OPT_ARG, "DAYS[,MS]", "what is a problem then (7)" },
	{ OPT_TLS, 0, "tls", OPT_ARG, "none|may|must|implicit", "TLS (may); implicit: from the first byte, as on port 465" },
	{ OPT_SNI, 0, "sni", OPT_ARG, "NAME", "name to ask for and to verify in TLS (the host's)" },
	{ OPT_DEEP, 0, "deep", OPT_NONE, NULL, "also what takes many connections: ciphers, injection, STARTTLS and certificate again and again" },
	{ OPT_CA, 0, "ca", OPT_ARG, "FILE", "certificates of the authorities to trust (the system's)" },
	{ OPT_HELO, 0, "helo", OPT_ARG, "NAME", "name to say in EHLO (the host name)" },
	{ OPT_IP, 0, "ip", OPT_ARG, "ADDRESS", "what does SPF say of mail from this address?" },
	{ OPT_SELECTOR, 0, "selector", OPT_ARG, "NAME", "look at this DKIM key (again: at more); --dkim: as if dkim_selector were this" },
	{ OPT_DNSBL, 0, "dnsbl", OPT_ARG, "ZONE", "look for the addresses in this block list (again: in more)" },
	{ OPT_NAME_LIST, 0, "name-list", OPT_ARG, "ZONE", "look for the names in this block list of domains (again: in more)" },
	{ OPT_LISTS, 0, "lists", OPT_NONE, NULL, "look in the block lists that most receivers ask" },
	{ OPT_PARKED, 0, "parked", OPT_NONE, NULL, "the domains are to have no mail: say what lets any in or out" },
	{ OPT_DNS, 0, "dns", OPT_ARG, "SERVER[:PORT]", "ask this name server instead of resolv.conf's" },
	{ 'j', 'j', "json", OPT_NONE, NULL, "one JSON object a line for each target" },
	{ OPT_NAGIOS, 0, "nagios", OPT_NONE, NULL, "one line for each target; exit 0, 1, 2 or 3" },
	{ OPT_PROMETHEUS, 0, "prometheus", OPT_NONE, NULL, "metrics for the textfile collector" },
	{ OPT_HTML, 0, "html", OPT_ARG, "FILE", "write a page to hand on there" },
	{ OPT_EXPLAIN, 0, "explain", OPT_ARG, "KEYWORD", "tell the rule behind a finding, and where it is written (all: each)" },
	{ OPT_COMPARE, 0, "compare", OPT_NONE, NULL, "show what changed between two files that --json made" },
	{ 'o', 'o', "output", OPT_ARG, "FILE", "write there instead, replaced as a whole" },
	{ OPT_WATCH, 0, "watch", OPT_ARG, "SECONDS", "look again and again; show what changed" },
	{ OPT_COUNT, 0, "count", OPT_ARG, "N", "end --watch after N rounds" },
	{ 'q', 'q', "quiet", OPT_NONE, NULL, "show only the verdict, and only where something is wrong" },
	{ 'v', 'v', "verbose", OPT_NONE, NULL, "show notes and what is fine, too" },
	{ OPT_VERSION, 'V', "version", OPT_NONE, NULL, "print the version" },
	{ OPT_HELP, 'h', "help", OPT_NONE, NULL, "this text" },
	{ 0 },
};
const struct applet applet_mxcheck = {
	.name = "mxcheck",
	.summary = "look at the mail servers of a domain",
	.usage = "[OPTION]... [-f LIST] DOMAIN...\n[OPTION]... --server HOST[:PORT]\n[OPTION]... --rcpt ADDR\n"
		"[OPTION]... --relay [-c DIR] [--rcpt ADDR]\n[OPTION]... --open-relay HOST... [--rcpt ADDR]\n[OPTION]... --dkim [-c DIR] [DOMAIN...]\n"
		"[OPTION]... --send [--from ADDR] --to LIST [--server HOST[:PORT]]\n--explain KEYWORD\n--compare FILE FILE",
	.options = options,
	.notes = "Nothing is sent: the dialogue ends after EHLO and STARTTLS, or after RCPT, but for --send. Exit status: 0 no problem,\n"
		"1 problems found.",
	.run = run,
};

enum { NAGIOS_UNKNOWN = 3 };
struct check {
	struct mxcheck m;
	const char *ca, *list, *explain;
	bool compare;
	const char **servers;          /* owned, its strings are not */
	size_t n_servers;
	struct buf list_text;
	struct arena arena;            /* names that were changed */
	char host[256];                /* our own name */
};

/* --- preparing ------------------------------------------------------------------------------------------------------ */

/* open_tls - without trust in anybody the chain cannot be judged, all else can */
static struct tls_context *open_tls(const struct check *k)
{
	struct tls_options o = { .ca_file = k->m.ca_file, .ca_path = "", .cert_file = "", .key_file = "", .chain_files = "",
		.protocols = "" };
	struct tls_context *t;
	struct buf why;

	buf_init(&why, LIMIT_REPLY_TEXT);
	t = tls_context_new(&o, &why);
	if (!t)
		applet_fail(EX_CONFIG, "TLS cannot be used: %s", buf_cstr(&why));
	buf_fini(&why);
	return t;
}

/* in_ascii - what people type may be international: a name, or the domain of an address, in the form that the wire knows; memory is the
 * program's */
static const char *in_ascii(struct check *k, const char *given)
{
	struct str s = str_of(given), domain = str_from(s, (size_t)(str_rchr(s, '@') + 1));
	char made[256];

	if (str_is_ascii(domain) || !idn_to_ascii(domain, made))
		return given;
	return arena_printf(&k->arena, "%.*s%s", (int)(s.n - domain.n), given, made).p;
}

void mxcheck_add_target(struct mxcheck *m, struct str target)
{
	m->targets = mem_array(m->targets, m->n + 1, sizeof(char *));
	m->targets[m->n++] = str_dup(target);
}

/* add_servers - one is called by its name alone; of several the port tells which it is */
static int add_servers(struct check *k)
{
	struct probe_options *o = &k->m.opt;

	o->server = k->n_servers > 0;
	for (size_t i = 0; i < k->n_servers; i++) {
		struct str given = str_of(in_ascii(k, k->servers[i])), host;
		uint16_t port = o->port;

		if (!probe_server_parse(given, &host, &port))
			return applet_usage_error(&applet_mxcheck, "%s: a port is a number from 1 to 65535", k->servers[i]);
		if (!host.n)
			return applet_usage_error(&applet_mxcheck, "\"%s\": not a name", k->servers[i]);
		if (k->n_servers == 1)
			o->port = port;
		mxcheck_add_target(&k->m, k->n_servers == 1 ? host : given);
	}
	return EX_OK;
}

/* add_list - the first word of each line; # begins a comment */
static int add_list(struct check *k)
{
	struct str rest, line, word;
	int r;

	buf_init(&k->list_text, LIMIT_PROBE_OUTPUT);
	r = strcmp(k->list, "-") ? fs_read_stream(k->list, &k->list_text) : fs_read_fd(STDIN_FILENO, &k->list_text);
	if (r < 0)
		return applet_fail(EX_NOINPUT, "cannot read %s: %s", k->list, strerror(errno));
	rest = buf_view(&k->list_text);
	while (str_cut(&rest, '\n', &line))
		if (str_word(&line, " \t\r", &word) && word.p[0] != '#')
			mxcheck_add_target(&k->m, word);
	return EX_OK;
}

static int add_targets(struct check *k, char **operands, int n)
{
	const char *rcpt = k->m.setup.rcpt;
	int code = EX_OK;

	if (k->m.mode == MXCHECK_SEND) {
		if (n || k->list || !k->m.send.to.n)
			return applet_usage_error(&applet_mxcheck, "--send wants recipients with --to, and no more");
		if (k->n_servers > 1)
			return applet_usage_error(&applet_mxcheck, "--send goes to one server");
		return add_servers(k);
	}
	if (k->n_servers && (n || k->list || k->m.mode || rcpt))
		return applet_usage_error(&applet_mxcheck, "--server stands alone");
	if (k->m.mode == MXCHECK_RELAY)
		return n || k->list ? applet_usage_error(&applet_mxcheck, "--relay asks whom the configuration names") : EX_OK;
	if (rcpt && !k->m.mode) {
		k->m.mode = MXCHECK_RCPT;
		mxcheck_add_target(&k->m, str_of(rcpt));
	}
	if (rcpt && k->m.mode == MXCHECK_DKIM)
		return applet_usage_error(&applet_mxcheck, "--dkim asks DNS only");
	for (int i = 0; i < n; i++)
		mxcheck_add_target(&k->m, str_of(k->m.mode ? in_ascii(k, operands[i]) : operands[i]));
	if (k->n_servers)
		code = add_servers(k);
	if (k->list)
		code = add_list(k);
	if (!code && !k->m.n && k->m.mode != MXCHECK_DKIM)
		code = applet_usage_error(&applet_mxcheck, "which domain?");
	for (size_t i = 0; !code && i < k->m.n; i++)
		if (k->m.mode == MXCHECK_RCPT ? !strchr(k->m.targets[i], '@') : !*k->m.targets[i])
			code = applet_usage_error(&applet_mxcheck, "\"%s\": not %s", k->m.targets[i], k->m.mode == MXCHECK_RCPT ? "an address" : "a name");
	return code;
}

static int look(struct check *k)
{
	struct probe_options *o = &k->m.opt;
	int code = EX_OK;

	k->m.ca_file = k->ca ? k->ca : fs_authorities();
	if (k->m.mode == MXCHECK_SEND)
		return mxcheck_send(&k->m);
	o->wrapper = k->m.tls == MXCHECK_TLS_IMPLICIT;
	o->may_wrap = k->m.tls != MXCHECK_TLS_NONE;
	o->must_tls = k->m.tls == MXCHECK_TLS_MUST && !k->m.mode;
	if (!k->m.mode && k->m.tls != MXCHECK_TLS_NONE && !(o->tls = open_tls(k)))
		return EX_CONFIG;
	if (k->m.mode)
		code = k->m.mode == MXCHECK_DKIM ? mxcheck_dkim_open(&k->m) : mxcheck_ask_open(&k->m);
	k->m.progress = k->m.n > 1 && isatty(STDERR_FILENO);
	if (!code)
		code = mxcheck_rounds(&k->m);
	if (o->setup)
		probe_setup_close(&k->m.setup);
	mxcheck_dkim_close(&k->m);
	tls_context_unref(o->tls);
	return code;
}

/* --- options -------------------------------------------------------------------------------------------------------- */

/* threshold - "DAYS", "DAYS,MS", ",MS" */
static bool threshold(const char *arg, unsigned *days, usec *slow)
{
	struct str rest = str_of(arg), first;
	uint64_t n;

	str_cut(&rest, ',', &first);
	if (first.n && !mxcheck_number(first, 100000, &n))
		return false;
	if (first.n)
		*days = (unsigned)n;
	if (rest.n && !mxcheck_number(rest, 1000000, &n))
		return false;
	if (rest.n)
		*slow = (usec)n * USEC_PER_MSEC;
	return first.n || rest.n;
}

/* take_mail_option - false: the argument makes no sense */
static bool take_mail_option(struct mxcheck_mail *m, int id, const char *arg)
{
	switch (id) {
	case OPT_TO: return buf_printf(&m->to, "%s%s", m->to.n ? ", " : "", arg);
	case OPT_AUTH: m->user = arg; break;
	case OPT_PASSWORD: m->password_file = arg; break;
	case OPT_SUBJECT: m->subject = arg; break;
	case OPT_BODY: m->body = arg; break;
	case OPT_ATTACH: return attachments_add(&m->files, arg) == EX_OK;
	case OPT_STOP: return mxcheck_stage(m, arg);
	case OPT_HEADER:
		m->fields = mem_array(m->fields, m->n_fields + 1, sizeof(*m->fields));
		m->fields[m->n_fields++] = str_of(arg);
		return compose_is_field(str_of(arg));
	}
	return true;
}

/* take_option - false: the argument makes no sense */
static bool take_option(struct check *k, int id, const char *arg)
{
	struct probe_options *o = &k->m.opt;
	uint64_t n = 0;
	bool good = true;

	switch (id) {
	case OPT_SERVER:
		k->servers = mem_array(k->servers, k->n_servers + 1, sizeof(*k->servers));
		k->servers[k->n_servers++] = arg;
		break;
	case 'f': k->list = arg; break;
	case 'p': good = mxcheck_number(str_of(arg), 65535, &n) && n; o->port = (uint16_t)n; break;
	case OPT_RCPT: k->m.setup.rcpt = in_ascii(k, arg); break;
	case OPT_RELAY: k->m.mode = MXCHECK_RELAY; break;
	case OPT_OPEN_RELAY: k->m.mode = MXCHECK_OPEN_RELAY; break;
	case OPT_DKIM: k->m.mode = MXCHECK_DKIM; break;
	case OPT_FROM: k->m.setup.sender = o->sender = in_ascii(k, arg); break;
	case 'c': k->m.directory = arg; break;
	case '4': o->families = 1; break;
	case '6': o->families = 2; break;
	case 't': good = mxcheck_number(str_of(arg), 100000, &n) && n; o->time = (usec)n * USEC_PER_SEC; break;
	case 'w': good = threshold(arg, &o->warn_days, &o->slow_warning); break;
	case 'C': good = threshold(arg, &o->problem_days, &o->slow_problem); break;
	case OPT_TLS: good = mxcheck_tls(&k->m, arg); break;
	case OPT_SNI: o->sni = in_ascii(k, arg); break;
	case OPT_DEEP: o->deep = true; break;
	case OPT_CA: k->ca = arg; break;
	case OPT_HELO: o->helo_name = in_ascii(k, arg); break;
	case OPT_IP: good = ipaddr_parse(str_of(arg), &o->client); break;
	case OPT_SELECTOR: good = probe_add_word(o->selectors, arg); break;
	case OPT_DNSBL: good = probe_add_word(o->dnsbl, arg); break;
	case OPT_NAME_LIST: good = probe_add_word(o->name_lists, arg); break;
	case OPT_LISTS: good = probe_add_lists(o); break;
	case OPT_PARKED: o->parked = true; break;
	case OPT_DNS: good = dns_is_servers(str_of(arg)); k->m.dns.server = arg; break;
	case 'j': k->m.form = MXCHECK_JSON; break;
	case OPT_NAGIOS: k->m.form = MXCHECK_NAGIOS; break;
	case OPT_PROMETHEUS: k->m.form = MXCHECK_PROMETHEUS; break;
	case 'o': k->m.output = arg; break;
	case OPT_WATCH: good = mxcheck_number(str_of(arg), 1000000, &n) && n; k->m.every = (usec)n * USEC_PER_SEC; break;
	case OPT_COUNT: good = mxcheck_number(str_of(arg), UINT64_MAX, &k->m.rounds); break;
	case 'q': k->m.quiet = true; break;
	case 'v': k->m.verbose = true; break;
	case OPT_HTML: k->m.form = MXCHECK_HTML; k->m.output = arg; break;
	case OPT_EXPLAIN: k->explain = arg; break;
	case OPT_COMPARE: k->compare = true; break;
	case OPT_SEND: k->m.mode = MXCHECK_SEND; break;
	default: good = take_mail_option(&k->m.send, id, arg);
	}
	return good;
}

static int bad_value(int id, const char *arg)
{
	const struct opt *row = options;

	while (row->id != id)
		row++;
	return applet_usage_error(&applet_mxcheck, "--%s: \"%s\" is not a value that makes sense here: it takes %s", row->name, arg, row->arg_name);
}

static int parse(struct check *k, struct opt_parse *o)
{
	int id;

	while ((id = opt_next(o)) != OPT_END && id != OPT_HELP && id != OPT_VERSION) {
		if (id == OPT_BAD)
			return applet_usage_error(&applet_mxcheck, "%s", o->error);
		if (!take_option(k, id, o->arg))
			return bad_value(id, o->arg);
	}
	if (id == OPT_HELP || id == OPT_VERSION)
		return id;
	/* other plugins of Nagios have -c for what is critical */
	if (k->m.directory && k->m.mode != MXCHECK_RELAY && k->m.mode != MXCHECK_DKIM && threshold(k->m.directory, &k->m.opt.problem_days, &k->m.opt.slow_problem))
		k->m.directory = NULL;
	return EX_OK;
}

/* the option may stand behind the one that is wrong */
static bool wants_nagios(const struct check *k, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--nagios"))
			return true;
	return k->m.form == MXCHECK_NAGIOS;
}

static int run(int argc, char **argv)
{
	struct check k = { .m = { .opt = { .families = 3, .port = 25, .time = 20 * USEC_PER_SEC, .warn_days = 21, .problem_days = 7 },
		.dns = { .dnssec = true, .trust_ad = true } }, .host = "localhost" };
	struct opt_parse o;
	char **operands = mem_array(NULL, (size_t)argc + 1, sizeof(char *));
	int code;

	buf_init(&k.m.send.to, LIMIT_HEADER);
	arena_init(&k.arena, LIMIT_HEADER);
	gethostname(k.host, sizeof(k.host) - 1);
	k.m.opt.helo_name = k.host;
	opt_init(&o, options, argc, argv, operands);
	code = parse(&k, &o);
	if (code == OPT_HELP) {
		code = applet_help(&applet_mxcheck);
	} else if (code == OPT_VERSION) {
		code = applet_version();
	} else {
		if (!code && k.explain)
			code = mxcheck_explain(k.explain);
		else if (!code && k.compare)
			code = mxcheck_compare(&k.m, operands, o.n_operands);
		else
			code = code ? code : add_targets(&k, operands, o.n_operands);
		code = code || k.explain || k.compare ? code : look(&k);
		/* who reads plugins sees their first line, and 0 to 3 (the plugin guidelines) */
		if (code >= EX__BASE && wants_nagios(&k, argc, argv)) {
			printf("MXCHECK UNKNOWN - %s: see standard error\n", code == EX_USAGE ? "the command line is wrong" : "it cannot look");
			code = NAGIOS_UNKNOWN;
		}
	}
	for (size_t i = 0; i < k.m.n; i++)
		mem_free(k.m.targets[i]);
	mem_free(k.m.targets);
	mem_free(k.servers);
	mem_free(operands);
	buf_fini(&k.list_text);
	arena_fini(&k.arena);
	buf_fini(&k.m.send.to);
	attachments_fini(&k.m.send.files);
	mem_free(k.m.send.fields);
	return code;
}
