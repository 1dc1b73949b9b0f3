/* relayctl_login - see relayctl_login.h. */
#include "applets/relayctl_login.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/term.h"
#include "core/msg/date.h"
#include "core/oauth/login.h"

#define SUBMISSION 587

const char *tool_option(const struct tool *t, enum relayctl_oauth_option o)
{
	return t->x->options[o] ? t->x->options[o] : "";
}

struct str tool_first(const char *given, struct str or, const char *else_this)
{
	return *given ? str_of(given) : or.n ? or : str_of(else_this);
}

int tool_open_network(struct tool *t)
{
	struct buf why;
	int code = EX_OK;

	buf_init(&why, LIMIT_OAUTH_WHY);
	t->endpoint.loop = loop_new();
	t->endpoint.dns = t->endpoint.loop ? dns_new(t->endpoint.loop, &(struct dns_options){ 0 }) : NULL;
	t->endpoint.tls = fetch_trust(t->x->conf->oauth_tls_CAfile, &why);
	if (!t->endpoint.dns)
		code = applet_fail(EX_OSERR, "cannot wait for events: %s", strerror(errno));
	else if (!t->endpoint.tls)
		code = applet_fail(EX_CONFIG, "%s", buf_cstr(&why));
	buf_fini(&why);
	return code;
}

void tool_print_when(usec when)
{
	usec now = clock_wall(), far = when > now ? when - now : now - when;
	char text[40];

	date_rfc3339(text, when, date_offset(when));
	printf("%s, %s%lld min%s", text, when > now ? "in " : "", (long long)(far / USEC_PER_SEC / 60), when > now ? "" : " ago");
}

static void show_code(void *ctx, const struct oauth_device *d)
{
	(void)ctx;
	printf("Open this address in a browser, on any machine:\n\n  ");
	term_print(stdout, d->url);
	printf("\n\nand enter the code:\n\n  ");
	term_print(stdout, d->user_code);
	if (d->url_complete.n) {
		printf("\n\nor open this one, which has the code in it:\n\n  ");
		term_print(stdout, d->url_complete);
	}
	printf("\n\nWaiting for that, at most %lld minutes; ^C gives up.\n", (long long)(d->lives / USEC_PER_SEC / 60));
	fflush(stdout);
}

static bool paste_address(void *ctx, struct str url, struct buf *out)
{
	char piece[256];

	(void)ctx;
	printf("Open this address in a browser, on any machine, and agree:\n\n  ");
	term_print(stdout, url);
	printf("\n\nThe browser ends at an address that begins with http://127.0.0.1/ and cannot be opened. Copy the whole of it here:\n");
	fflush(stdout);
	/* the buffer of the stream would keep it */
	setvbuf(stdin, NULL, _IONBF, 0);
	while (fgets(piece, sizeof(piece), stdin) && buf_z(out, piece) && !strchr(piece, '\n'))
		continue;
	mem_wipe(piece, sizeof(piece));
	return out->n > 0;
}

/* with_tenant - in place of the address's "*" */
static struct str with_tenant(struct tool *t, const char *address)
{
	const char *star = strchr(address, '*'), *tenant = *tool_option(t, OAUTH_TENANT) ? tool_option(t, OAUTH_TENANT) : "common";

	return star ? arena_printf(&t->arena, "%.*s%s%s", (int)(star - address), address, tenant, star + 1) : str_of(address);
}

static int read_secret(struct tool *t, struct str *out)
{
	struct buf secret;
	int code = EX_OK;

	if (!*tool_option(t, OAUTH_SECRET_FILE))
		return EX_OK;
	buf_init(&secret, LIMIT_OAUTH_TEXT);
	if (fs_read_stream(tool_option(t, OAUTH_SECRET_FILE), &secret) < 0)
		code = applet_fail(EX_NOINPUT, "%s: %s", tool_option(t, OAUTH_SECRET_FILE), strerror(errno));
	*out = arena_str(&t->arena, str_trim(buf_view(&secret)));
	buf_wipe(&secret);
	return code;
}

/* plan - where to ask and as whom: the options, then what an earlier login wrote, then the provider's */
static int plan(struct tool *t, const struct oauth_provider *p, struct oauth_login *l)
{
	struct oauth_credential *c = &t->credential;
	struct str host, path;
	uint16_t port;
	int code;

	/* a login that is made again: a file that is not there, or has something else, is no fault */
	if (fs_read_file(t->file, &t->text) == 0) {
		struct buf why;

		buf_init(&why, LIMIT_OAUTH_WHY);
		(void)credential_read(buf_view(&t->text), &t->arena, c, &why);
		buf_fini(&why);
	}
	l->device = with_tenant(t, *tool_option(t, OAUTH_DEVICE) || *tool_option(t, OAUTH_AUTHORIZE) ? tool_option(t, OAUTH_DEVICE) : p ? p->device : "");
	l->authorize = str_of(*tool_option(t, OAUTH_AUTHORIZE) || *tool_option(t, OAUTH_DEVICE) ? tool_option(t, OAUTH_AUTHORIZE) : p ? p->authorize : "");
	c->endpoint = *tool_option(t, OAUTH_TOKEN) ? str_of(tool_option(t, OAUTH_TOKEN)) : p ? with_tenant(t, p->token) : c->endpoint;
	c->client_id = tool_first(tool_option(t, OAUTH_CLIENT_ID), c->client_id, "");
	c->scope = tool_first(tool_option(t, OAUTH_SCOPE), c->scope, p ? p->scope : "");
	c->user = tool_first(tool_option(t, OAUTH_USER), c->user, "");
	code = read_secret(t, &c->client_secret);
	if (code)
		return code;
	if (!c->client_id.n)
		return applet_usage_error(&applet_relayctl, "login wants --client-id: the id that the provider gave when this program was registered there");
	if (!l->device.n == !l->authorize.n || !fetch_split(c->endpoint, &host, &port, &path) ||
		!fetch_split(l->device.n ? l->device : l->authorize, &host, &port, &path))
		return applet_usage_error(&applet_relayctl, "login wants microsoft or google, or --device-endpoint (or --authorize-endpoint) and "
			"--token-endpoint, each an https:// address");
	l->token = c->endpoint;
	l->client_id = c->client_id;
	l->client_secret = c->client_secret;
	l->scope = c->scope;
	return EX_OK;
}

/* can_write - asked before the person is: what was agreed to must not be lost */
static int can_write(const struct tool *t)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(t->file, '/') - t->file + 1), t->file);
	return access(folder, W_OK | X_OK) == 0 ? EX_OK : applet_fail(EX_CANTCREAT, "%s: %s", folder, strerror(errno));
}

static int write_file(struct tool *t)
{
	struct stat like;
	struct buf text;
	bool good;

	buf_init(&text, LIMIT_OAUTH_TEXT);
	buf_reserve(&text, LIMIT_OAUTH_TEXT);
	credential_write(&t->credential, &text);
	/* whoever could read the old one must read this */
	if (lstat(t->file, &like) == 0 && S_ISREG(like.st_mode)) {
		like.st_mode = 0600;
		good = fs_replace_like(t->file, &like, buf_view(&text)) == 0;
	} else {
		good = fs_replace(t->file, 0600, buf_view(&text)) == 0;
	}
	good = good && !text.overflow;
	buf_wipe(&text);
	return good ? EX_OK : applet_fail(EX_CANTCREAT, "%s: %s", t->file, strerror(errno));
}

/* tell_next - what has to stand where, so that mail goes with it */
static void tell_next(const struct tool *t, const struct oauth_provider *p)
{
	const struct conf *c = t->x->conf;
	const struct oauth_credential *k = &t->credential;
	bool set = *c->relayhost && (!p || strstr(c->relayhost, p->server));
	const char *relay = set ? c->relayhost : "[SERVER]:587";

	printf("%s is written; its access token ends ", t->file);
	tool_print_when(k->expiry);
	printf(".\n\nThe line for smtp_sasl_password_maps:\n\n  ");
	if (p && !set)
		printf("[%s]:%d ", p->server, SUBMISSION);
	else
		printf("%s ", relay);
	term_print(stdout, k->user.n ? k->user : STR("USER"));
	printf(":%s\n", t->file);
	if (!c->smtp_sasl_auth_enable || !set) {
		printf("\nand in main.cf:\n\n");
		if (p && !set)
			printf("  relayhost = [%s]:%d\n", p->server, SUBMISSION);
		else
			printf("  relayhost = %s\n", relay);
		printf("  smtp_sasl_auth_enable = yes\n  smtp_tls_security_level = secure\n  smtp_tls_CAfile = %s\n", fs_authorities());
	}
	printf("\nrelayctl oauth test %s tries it.\n", t->file);
}

int tool_login(struct tool *t, const char *provider)
{
	const struct oauth_provider *p = provider ? oauth_provider_find(provider) : NULL;
	struct oauth_login l = { .show = show_code, .paste = paste_address };
	struct oauth_answer got;
	char why[LIMIT_OAUTH_WHY];
	int code;

	if (provider && !p)
		return applet_usage_error(&applet_relayctl, "%s: no provider is known by this name: microsoft, google", provider);
	code = plan(t, p, &l);
	if (!code)
		code = can_write(t);
	if (!code)
		code = tool_open_network(t);
	if (code)
		return code;
	l.endpoint = t->endpoint;
	if (!oauth_login(&l, &t->arena, &got, why))
		return applet_fail(EX_UNAVAILABLE, "no login: %s", why);
	if (!got.refresh_token.n)
		return applet_fail(EX_PROTOCOL, "no login: the endpoint gave a token for once and none to renew it: ask for that (a scope such as "
			"offline_access), or register the program so that it may");
	t->credential.access_token = got.access_token;
	t->credential.refresh_token = got.refresh_token;
	t->credential.expiry = clock_wall() + (got.lives ? got.lives : 60 * 60 * USEC_PER_SEC);
	code = write_file(t);
	if (!code)
		tell_next(t, p);
	return code;
}
