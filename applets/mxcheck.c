/* mxcheck - look at the mail servers of domains as a sender would, and say what is wrong and what to do. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/probe/probe.h"

#define PARALLEL 64                    /* domains that are looked at together */

static int run(int argc, char **argv);
enum { OPT_SERVER = OPT_FIRST_OWN, OPT_DNS, OPT_JSON, OPT_NAGIOS, OPT_CA, OPT_HELO, OPT_NO_TLS, OPT_WRAPPER };
static const struct opt options[] = {
	{ OPT_SERVER, 's', "server", OPT_ARG, "HOST[:PORT]", "look at this server instead of the MX hosts of a domain" },
	{ 'p', 'p', "port", OPT_ARG, "PORT", "port of all servers (25)" },
	{ '4', '4', NULL, OPT_NONE, NULL, "IPv4 only" },
	{ '6', '6', NULL, OPT_NONE, NULL, "IPv6 only" },
	{ 't', 't', "timeout", OPT_ARG, "SECONDS", "time for the whole dialogue with one address (20)" },
	{ 'w', 'w', "warning", OPT_ARG, "DAYS", "warn of a certificate that expires sooner (21)" },
	{ 'C', 'C', "critical", OPT_ARG, "DAYS", "one that expires sooner is a problem (7)" },
	{ OPT_WRAPPER, 0, "tls", OPT_NONE, NULL, "TLS from the first byte (the default on port 465)" },
	{ OPT_NO_TLS, 0, "no-tls", OPT_NONE, NULL, "do not try STARTTLS" },
	{ OPT_CA, 0, "ca", OPT_ARG, "FILE", "certificates of the authorities to trust (the system's)" },
	{ OPT_HELO, 0, "helo", OPT_ARG, "NAME", "name to say in EHLO (the host name)" },
	{ OPT_DNS, 0, "dns", OPT_ARG, "SERVER[:PORT]", "ask this name server instead of resolv.conf's" },
	{ OPT_JSON, 'j', "json", OPT_NONE, NULL, "one JSON object a line for each target" },
	{ OPT_NAGIOS, 0, "nagios", OPT_NONE, NULL, "one line for each target; exit 0, 1, 2 or 3" },
	{ 'q', 'q', "quiet", OPT_NONE, NULL, "show only what is not fine" },
	{ OPT_HELP, 'h', "help", OPT_NONE, NULL, "this text" },
	{ 0 },
};
const struct applet applet_mxcheck = {
	.name = "mxcheck",
	.summary = "look at the mail servers of a domain",
	.usage = "[-46jq] [--dns SERVER] DOMAIN...\n[-46jq] --server HOST[:PORT]",
	.options = options,
	.notes = "Nothing is sent: the dialogue ends after EHLO and STARTTLS. Exit status: 0 no problem, 1 problems found.",
	.run = run,
};

struct check {
	struct probe_options opt;
	const char *server, *ca;
	bool no_tls, wrapper, json, nagios, quiet;
	struct dns_options dns;
	char **targets;
	struct probe *probes;
	bool *ready;                   /* which are done, to be shown in order */
	int n, started, shown, worst;
};

static void on_done(struct probe *p, void *ctx);

static void start_more(struct check *k)
{
	while (k->started < k->n && k->started - k->shown < PARALLEL) {
		int at = k->started++;

		probe_start(&k->probes[at], &k->opt, k->targets[at], on_done, k);
	}
}

static void show(struct check *k, struct probe *p)
{
	int state;

	if (k->json)
		probe_print_json(p, stdout);
	if (k->nagios) {
		state = probe_print_nagios(p, stdout);
		k->worst = state > k->worst ? state : k->worst;
	} else if (p->count[PROBE_PROBLEM]) {
		k->worst = 1;
	}
	if (!k->json && !k->nagios)
		probe_print_text(p, stdout, applet_colour(stdout), !k->quiet);
}

static void on_done(struct probe *p, void *ctx)
{
	struct check *k = ctx;

	k->ready[p - k->probes] = true;
	while (k->shown < k->n && k->ready[k->shown]) {
		show(k, &k->probes[k->shown]);
		probe_fini(&k->probes[k->shown++]);
	}
	start_more(k);
	if (k->shown == k->n)
		loop_stop(k->opt.loop);
}

/* open_tls - trust in what the system trusts; without it the chain cannot be judged, all else can */
static struct tls_context *open_tls(const struct check *k)
{
	static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem", NULL };
	struct tls_options o = { .ca_file = k->ca ? k->ca : "", .ca_path = "", .cert_file = "", .key_file = "", .chain_files = "",
		.protocols = "" };
	struct tls_context *t;
	struct buf why;

	for (size_t i = 0; !k->ca && bundles[i] && !*o.ca_file; i++)
		if (access(bundles[i], R_OK) == 0)
			o.ca_file = bundles[i];
	buf_init(&why, LIMIT_REPLY_TEXT);
	t = tls_context_new(&o, &why);
	if (!t)
		applet_fail(EX_CONFIG, "TLS cannot be used: %s", buf_cstr(&why));
	buf_fini(&why);
	return t;
}

/* split_server - "host:port", "[v6]:port", "host" */
static char *split_server(struct check *k, const char *text)
{
	struct str s = str_of(text);
	ptrdiff_t colon = str_rchr(s, ':');
	uint64_t port;

	if (colon > 0 && (str_chr(s, ':') == colon || text[colon - 1] == ']') && str_to_u64(str_from(s, (size_t)colon + 1), &port) &&
	    port && port < 65536) {
		k->opt.port = (uint16_t)port;
		s = str_head(s, (size_t)colon);
	}
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_make(s.p + 1, s.n - 2);
	return str_dup(s);
}

static int look(struct check *k)
{
	char host[256] = "localhost";
	int code = EX_OSERR;

	gethostname(host, sizeof(host) - 1);
	k->opt.helo_name = k->opt.helo_name ? k->opt.helo_name : host;
	k->opt.wrapper = k->wrapper || (k->opt.port == 465 && !k->no_tls);
	k->opt.now = clock_wall();
	k->opt.tls = k->no_tls ? NULL : open_tls(k);
	if (!k->opt.tls && !k->no_tls)
		return EX_CONFIG;
	k->probes = mem_array(NULL, (size_t)k->n, sizeof(*k->probes));
	k->ready = mem_alloc((size_t)k->n);
	k->opt.loop = loop_new();
	k->opt.dns = k->opt.loop ? dns_new(k->opt.loop, &k->dns) : NULL;
	if (k->opt.dns) {
		start_more(k);
		loop_run(k->opt.loop);
		loop_tick(k->opt.loop, 0);
		dns_free(k->opt.dns);
		code = k->worst;
	} else {
		applet_fail(EX_OSERR, "cannot wait for events: %s", strerror(errno));
	}
	if (k->opt.loop)
		loop_free(k->opt.loop);
	tls_context_unref(k->opt.tls);
	mem_free(k->probes);
	mem_free(k->ready);
	return applet_close_output(code);
}

static bool number(const char *text, uint64_t most, uint64_t *out)
{
	return str_to_u64(str_of(text), out) && *out <= most;
}

/* take_option - 0, or a sysexits code after saying why */
static int take_option(struct check *k, int id, const char *arg)
{
	uint64_t n = 0;

	if ((id == 'p' || id == 't' || id == 'w' || id == 'C') && !number(arg, id == 'p' ? 65535 : 100000, &n))
		return applet_usage_error(&applet_mxcheck, "-%c %s: not a number that makes sense", id, arg);
	switch (id) {
	case OPT_SERVER: k->server = arg; break;
	case 'p': k->opt.port = (uint16_t)n; break;
	case '4': k->opt.families = 1; break;
	case '6': k->opt.families = 2; break;
	case 't': k->opt.time = (usec)n * USEC_PER_SEC; break;
	case 'w': k->opt.warn_days = (unsigned)n; break;
	case 'C': k->opt.problem_days = (unsigned)n; break;
	case OPT_WRAPPER: k->wrapper = true; break;
	case OPT_NO_TLS: k->no_tls = true; break;
	case OPT_CA: k->ca = arg; break;
	case OPT_HELO: k->opt.helo_name = arg; break;
	case OPT_DNS: k->dns.server = arg; break;
	case OPT_JSON: k->json = true; break;
	case OPT_NAGIOS: k->nagios = true; break;
	case 'q': k->quiet = true; break;
	}
	return EX_OK;
}

static int run(int argc, char **argv)
{
	struct check k = { .opt = { .families = 3, .port = 25, .time = 20 * USEC_PER_SEC, .warn_days = 21, .problem_days = 7 },
		.dns = { .dnssec = true } };
	struct opt_parse o;
	char *server = NULL;
	int id, code = EX_OK;

	k.targets = mem_array(NULL, (size_t)argc + 1, sizeof(char *));
	opt_init(&o, options, argc, argv, k.targets);
	while (!code && (id = opt_next(&o)) != OPT_END && id != OPT_HELP)
		code = id == OPT_BAD ? applet_usage_error(&applet_mxcheck, "%s", o.error) : take_option(&k, id, o.arg);
	k.n = o.n_operands;
	if (!code && id == OPT_HELP) {
		code = applet_help(&applet_mxcheck);
	} else if (!code) {
		if (k.server) {
			server = split_server(&k, k.server);
			k.targets[k.n++] = server;
			k.opt.server = true;
		}
		if (!k.n || (k.server && k.n > 1))
			code = applet_usage_error(&applet_mxcheck, k.n ? "--server stands alone" : "which domain?");
		else
			code = look(&k);
	}
	mem_free(server);
	mem_free(k.targets);
	return code;
}
