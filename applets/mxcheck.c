/* mxcheck - look at the mail servers of domains as a sender would, and say what is wrong and what to do. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/mxcheck.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
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

/* open_tls - without trust in anybody the chain cannot be judged, all else can */
static struct tls_context *open_tls(const struct mxcheck *k)
{
	struct tls_options o = { .ca_file = k->ca_file, .ca_path = "", .cert_file = "", .key_file = "", .chain_files = "",
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

static int look(struct mxcheck *k)
{
	struct probe_options *o = &k->opt;
	int code = EX_OK;

	k->ca_file = k->ca ? k->ca : fs_authorities();
	if (k->mode == MXCHECK_SEND)
		return mxcheck_send(k);
	o->wrapper = k->tls == MXCHECK_TLS_IMPLICIT;
	o->may_wrap = k->tls != MXCHECK_TLS_NONE;
	o->must_tls = k->tls == MXCHECK_TLS_MUST && !k->mode;
	if (!k->mode && k->tls != MXCHECK_TLS_NONE && !(o->tls = open_tls(k)))
		return EX_CONFIG;
	if (k->mode)
		code = k->mode == MXCHECK_DKIM ? mxcheck_dkim_open(k) : mxcheck_ask_open(k);
	k->progress = k->n > 1 && isatty(STDERR_FILENO);
	if (!code)
		code = mxcheck_rounds(k);
	if (o->setup)
		probe_setup_close(&k->setup);
	mxcheck_dkim_close(k);
	tls_context_unref(o->tls);
	return code;
}

/* --- options -------------------------------------------------------------------------------------------------------- */

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
static bool take_option(struct mxcheck *k, int id, const char *arg)
{
	struct probe_options *o = &k->opt;
	uint64_t n = 0;
	bool good = true;

	switch (id) {
	case OPT_SERVER:
		k->servers = mem_array(k->servers, k->n_servers + 1, sizeof(*k->servers));
		k->servers[k->n_servers++] = arg;
		break;
	case 'f': k->list = arg; break;
	case 'p': good = mxcheck_number(str_of(arg), 65535, &n) && n; o->port = (uint16_t)n; break;
	case OPT_RCPT: k->setup.rcpt = mxcheck_name(k, arg); break;
	case OPT_RELAY: k->mode = MXCHECK_RELAY; break;
	case OPT_OPEN_RELAY: k->mode = MXCHECK_OPEN_RELAY; break;
	case OPT_DKIM: k->mode = MXCHECK_DKIM; break;
	case OPT_FROM: k->setup.sender = o->sender = mxcheck_name(k, arg); break;
	case 'c': k->directory = arg; break;
	case '4': o->families = 1; break;
	case '6': o->families = 2; break;
	case 't': good = mxcheck_number(str_of(arg), 100000, &n) && n; o->time = (usec)n * USEC_PER_SEC; break;
	case 'w': good = mxcheck_threshold(arg, &o->warn_days, &o->slow_warning); break;
	case 'C': good = mxcheck_threshold(arg, &o->problem_days, &o->slow_problem); break;
	case OPT_TLS: good = mxcheck_tls(k, arg); break;
	case OPT_SNI: o->sni = mxcheck_name(k, arg); break;
	case OPT_DEEP: o->deep = true; break;
	case OPT_CA: k->ca = arg; break;
	case OPT_HELO: o->helo_name = mxcheck_name(k, arg); break;
	case OPT_IP: good = ipaddr_parse(str_of(arg), &o->client); break;
	case OPT_SELECTOR: good = probe_add_word(o->selectors, arg); break;
	case OPT_DNSBL: good = probe_add_word(o->dnsbl, arg); break;
	case OPT_NAME_LIST: good = probe_add_word(o->name_lists, arg); break;
	case OPT_LISTS: good = probe_add_lists(o); break;
	case OPT_PARKED: o->parked = true; break;
	case OPT_DNS: good = dns_is_servers(str_of(arg)); k->dns.server = arg; break;
	case 'j': k->form = MXCHECK_JSON; break;
	case OPT_NAGIOS: k->form = MXCHECK_NAGIOS; break;
	case OPT_PROMETHEUS: k->form = MXCHECK_PROMETHEUS; break;
	case 'o': k->output = arg; break;
	case OPT_WATCH: good = mxcheck_number(str_of(arg), 1000000, &n) && n; k->every = (usec)n * USEC_PER_SEC; break;
	case OPT_COUNT: good = mxcheck_number(str_of(arg), UINT64_MAX, &k->rounds); break;
	case 'q': k->quiet = true; break;
	case 'v': k->verbose = true; break;
	case OPT_HTML: k->form = MXCHECK_HTML; k->output = arg; break;
	case OPT_EXPLAIN: k->explain = arg; break;
	case OPT_COMPARE: k->compare = true; break;
	case OPT_SEND: k->mode = MXCHECK_SEND; break;
	default: good = take_mail_option(&k->send, id, arg);
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

static int parse(struct mxcheck *k, struct opt_parse *o)
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
	if (k->directory && k->mode != MXCHECK_RELAY && k->mode != MXCHECK_DKIM && mxcheck_threshold(k->directory, &k->opt.problem_days, &k->opt.slow_problem))
		k->directory = NULL;
	return EX_OK;
}

/* the option may stand behind the one that is wrong */
static bool wants_nagios(const struct mxcheck *k, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--nagios"))
			return true;
	return k->form == MXCHECK_NAGIOS;
}

static int run(int argc, char **argv)
{
	struct mxcheck k = { .opt = { .families = 3, .port = 25, .time = 20 * USEC_PER_SEC, .warn_days = 21, .problem_days = 7 },
		.dns = { .dnssec = true, .trust_ad = true }, .host = "localhost" };
	struct opt_parse o;
	char **operands = mem_array(NULL, (size_t)argc + 1, sizeof(char *));
	int code;

	buf_init(&k.send.to, LIMIT_HEADER);
	arena_init(&k.arena, LIMIT_HEADER);
	gethostname(k.host, sizeof(k.host) - 1);
	k.opt.helo_name = k.host;
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
			code = mxcheck_compare(&k, operands, o.n_operands);
		else
			code = code ? code : mxcheck_targets(&k, operands, o.n_operands);
		code = code || k.explain || k.compare ? code : look(&k);
		/* who reads plugins sees their first line, and 0 to 3 (the plugin guidelines) */
		if (code >= EX__BASE && wants_nagios(&k, argc, argv)) {
			printf("MXCHECK UNKNOWN - %s: see standard error\n", code == EX_USAGE ? "the command line is wrong" : "it cannot look");
			code = NAGIOS_UNKNOWN;
		}
	}
	for (size_t i = 0; i < k.n; i++)
		mem_free(k.targets[i]);
	mem_free(k.targets);
	mem_free(k.servers);
	mem_free(operands);
	buf_fini(&k.list_text);
	arena_fini(&k.arena);
	buf_fini(&k.send.to);
	attachments_fini(&k.send.files);
	mem_free(k.send.fields);
	return code;
}
