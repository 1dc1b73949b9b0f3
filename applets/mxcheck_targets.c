/* mxcheck_targets - whom to look at: servers, domains, addresses, as the command line and a list name them. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/mxcheck.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/net/idn.h"

const char *mxcheck_name(struct mxcheck *k, const char *given)
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
static int add_servers(struct mxcheck *k)
{
	struct probe_options *o = &k->opt;

	o->server = k->n_servers > 0;
	for (size_t i = 0; i < k->n_servers; i++) {
		struct str given = str_of(mxcheck_name(k, k->servers[i])), host;
		uint16_t port = o->port;

		if (!probe_server_parse(given, &host, &port))
			return applet_usage_error(&applet_mxcheck, "%s: a port is a number from 1 to 65535", k->servers[i]);
		if (!host.n)
			return applet_usage_error(&applet_mxcheck, "\"%s\": not a name", k->servers[i]);
		if (k->n_servers == 1)
			o->port = port;
		mxcheck_add_target(k, k->n_servers == 1 ? host : given);
	}
	return EX_OK;
}

/* add_list - the first word of each line; # begins a comment */
static int add_list(struct mxcheck *k)
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
			mxcheck_add_target(k, word);
	return EX_OK;
}

int mxcheck_targets(struct mxcheck *k, char **operands, int n)
{
	const char *rcpt = k->setup.rcpt;
	int code = EX_OK;

	if (k->mode == MXCHECK_SEND) {
		if (n || k->list || !k->send.to.n)
			return applet_usage_error(&applet_mxcheck, "--send wants recipients with --to, and no more");
		if (k->n_servers > 1)
			return applet_usage_error(&applet_mxcheck, "--send goes to one server");
		return add_servers(k);
	}
	if (k->n_servers && (n || k->list || k->mode || rcpt))
		return applet_usage_error(&applet_mxcheck, "--server stands alone");
	if (k->mode == MXCHECK_RELAY)
		return n || k->list ? applet_usage_error(&applet_mxcheck, "--relay asks whom the configuration names") : EX_OK;
	if (rcpt && !k->mode) {
		k->mode = MXCHECK_RCPT;
		mxcheck_add_target(k, str_of(rcpt));
	}
	if (rcpt && k->mode == MXCHECK_DKIM)
		return applet_usage_error(&applet_mxcheck, "--dkim asks DNS only");
	for (int i = 0; i < n; i++)
		mxcheck_add_target(k, str_of(k->mode ? mxcheck_name(k, operands[i]) : operands[i]));
	if (k->n_servers)
		code = add_servers(k);
	if (k->list)
		code = add_list(k);
	if (!code && !k->n && k->mode != MXCHECK_DKIM)
		code = applet_usage_error(&applet_mxcheck, "which domain?");
	for (size_t i = 0; !code && i < k->n; i++)
		if (k->mode == MXCHECK_RCPT ? !strchr(k->targets[i], '@') : !*k->targets[i])
			code = applet_usage_error(&applet_mxcheck, "\"%s\": not %s", k->targets[i], k->mode == MXCHECK_RCPT ? "an address" : "a name");
	return code;
}
