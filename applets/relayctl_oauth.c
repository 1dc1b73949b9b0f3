/* relayctl_oauth - see relayctl_oauth.h. Nothing that it prints has a secret in it. */
#include "applets/relayctl_oauth.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "applets/relayctl_login.h"
#include "applets/submission.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/term.h"
#include "core/oauth/oauth.h"
#include "core/oauth/state.h"

/* read_file - what the token file has; EX_OK, or a code, with the failure said */
static int read_file(struct tool *t)
{
	struct buf why;
	int code = EX_OK;

	buf_init(&why, LIMIT_OAUTH_WHY);
	if (fs_read_file(t->file, &t->text) < 0)
		code = applet_fail(EX_NOINPUT, "%s: %s", t->file, strerror(errno));
	else if (!credential_is(buf_view(&t->text)))
		code = applet_fail(EX_DATAERR, "%s: no token file: not a JSON object", t->file);
	else if (!credential_read(buf_view(&t->text), &t->arena, &t->credential, &why))
		code = applet_fail(EX_DATAERR, "%s: %s", t->file, buf_cstr(&why));
	buf_fini(&why);
	return code;
}

/* --- show ---------------------------------------------------------------------------------------------------------------- */

/* read_state - what has been kept since; views into text */
static bool read_state(const struct tool *t, struct buf *text, struct oauth_state *s)
{
	char place[OAUTH_STATE_PATH], path[OAUTH_STATE_PATH];
	uint8_t source[32];

	oauth_state_place(t->x->conf->queue_directory, false, place);
	oauth_state_path(*place ? place : NULL, t->file, path);
	tls_sha256(source, t->text.p, t->text.n);
	return fs_read_file(path, text) == 0 && oauth_state_parse(buf_view(text), source, s);
}

static void print_row(const char *name, struct str value)
{
	printf("  %-9s ", name);
	term_print(stdout, value.n ? value : STR("-"));
	putchar('\n');
}

static int show(struct tool *t)
{
	static const char *const grants[] = { [OAUTH_REFRESH] = "refresh_token", [OAUTH_CLIENT] = "client_credentials", [OAUTH_JWT] = "jwt-bearer" };
	const struct oauth_credential *c = &t->credential;
	struct oauth_state s = { .expiry = 0 };
	struct buf text;
	struct stat st;
	int code = read_file(t);

	if (code)
		return code;
	buf_init(&text, 2 * LIMIT_OAUTH_TEXT);
	if (!read_state(t, &text, &s))
		s = (struct oauth_state){ .access_token = c->expiry ? c->access_token : STR_EMPTY, .refresh_token = c->refresh_token, .expiry = c->expiry };
	printf("%s:\n", t->file);
	print_row("grant", str_of(grants[c->grant]));
	print_row("user", c->user.n ? c->user : c->subject);
	print_row("client", c->grant == OAUTH_JWT ? c->issuer : c->client_id);
	print_row("endpoint", c->endpoint);
	print_row("scope", c->scope);
	printf("  %-9s ", "token");
	if (s.access_token.n) {
		printf(s.expiry > clock_wall() ? "ends " : "ended ");
		tool_print_when(s.expiry);
		putchar('\n');
	} else {
		printf("none yet\n");
	}
	if (c->grant == OAUTH_REFRESH)
		printf("  %-9s %s\n", "renewal", str_eq(s.refresh_token, c->refresh_token) ? "by the refresh token of the file" :
			"by a refresh token that the endpoint gave since");
	print_row("error", s.why);
	if (lstat(t->file, &st) == 0 && st.st_mode & 077)
		printf("  others than its owner may use this file: chmod 600\n");
	buf_wipe(&text);
	return EX_OK;
}

/* --- test ---------------------------------------------------------------------------------------------------------------- */

struct told { struct loop *loop; char token[LIMIT_OAUTH_TEXT], why[LIMIT_OAUTH_WHY + PATH_MAX]; };

static void on_token(void *ctx, struct str token, const char *why)
{
	struct told *told = ctx;

	snprintf(told->token, sizeof(told->token), "%.*s", STR_ARG(token));
	snprintf(told->why, sizeof(told->why), "%s", why);
	loop_stop(told->loop);
}

static int fetch_token(struct tool *t, struct told *told)
{
	char place[OAUTH_STATE_PATH];
	struct oauth *o;

	oauth_state_place(t->x->conf->queue_directory, true, place);
	o = oauth_new(&(struct oauth_options){ .loop = t->endpoint.loop, .dns = t->endpoint.dns, .directory = place, .fresh = true });
	told->loop = t->endpoint.loop;
	oauth_ask(o, str_of(t->file), t->x->conf, on_token, told);
	loop_run(told->loop);
	oauth_free(o);
	if (!told->token[0])
		return applet_fail(EX_UNAVAILABLE, "%s: no token: %s", t->file, told->why);
	printf("token: the endpoint gave one\n");
	return EX_OK;
}

static void on_line(void *ctx, char mark, struct str line)
{
	(void)ctx;
	if (mark == '<') {
		printf("  ");
		term_print(stdout, line);
		putchar('\n');
	}
}

/* log_in - as a delivery would, up to the end of AUTH */
static int log_in(struct tool *t, const char *user, const char *relay, const char *token)
{
	const char *over[] = { arena_printf(&t->arena, "relayhost=%s", relay).p, "sendmail_submission=direct", "smtp_sasl_auth_enable=yes",
		arena_printf(&t->arena, "smtp_sasl_mechanism_filter=%s", *t->x->conf->smtp_sasl_mechanism_filter ?
			t->x->conf->smtp_sasl_mechanism_filter : "xoauth2, oauthbearer").p, "transport_maps=", "sender_dependent_relayhost_maps=",
		"sender_dependent_default_transport_maps=", "default_transport=smtp", NULL };
	struct submit_options look = { .line = on_line, .stop = DELIVER_STOP_AUTH, .as_said = true };
	struct submission s;
	struct conf_diag diag;
	struct conf *c;
	int code;

	conf_diag_init(&diag);
	c = conf_overlay(t->x->conf, over, NULL, 0, &diag);
	if (!c)
		conf_diag_print(&diag, stderr, applet_name());
	conf_diag_fini(&diag);
	if (!c)
		return EX_CONFIG;
	conf_set_relay_login(c, user, token);
	submission_init(&s, c);
	s.own_server = true;
	s.options = &look;
	code = submission_sender(&s, "--user", strchr(user, '@') ? user : NULL);
	inject_add_list(&s.arena, &s.rcpts, "--user", STR("postmaster"));
	printf("login as %s at %s:\n", user, relay);
	if (!code)
		code = submission_send(&s, STR("Subject: x\r\n\r\n"));
	if (!code)
		printf("login: taken\n");
	submission_fini(&s);
	conf_free(c);
	return code;
}

static int test(struct tool *t)
{
	struct told *told = MEM_NEW(struct told);
	const char *relay = *tool_option(t, OAUTH_RELAY) ? tool_option(t, OAUTH_RELAY) : t->x->conf->relayhost;
	struct str user;
	int code = read_file(t);

	user = tool_first(tool_option(t, OAUTH_USER), t->credential.user, "");
	if (!user.n)
		user = t->credential.subject;
	if (!code)
		code = tool_open_network(t);
	if (!code)
		code = fetch_token(t, told);
	if (!code && !*relay)
		printf("login: not tried, for no relayhost is set; --relay names a server\n");
	else if (!code && !user.n)
		printf("login: not tried, for the file has no user; --user names one\n");
	else if (!code)
		code = log_in(t, arena_z(&t->arena, user), relay, told->token);
	mem_wipe(told, sizeof(*told));
	mem_free(told);
	return code;
}

int relayctl_oauth(const struct relayctl_oauth *x, char **args, int n)
{
	static const struct { const char *word; int (*run)(struct tool *t); } words[] = { { "login", NULL }, { "show", show }, { "test", test } };
	struct tool t = { .x = x, .file = args[n - 1] };
	int code = -1;

	if (*t.file != '/' && getcwd(t.absolute, sizeof(t.absolute)) && strlen(t.absolute) + strlen(t.file) + 2 < sizeof(t.absolute)) {
		char *end = t.absolute + strlen(t.absolute);

		snprintf(end, sizeof(t.absolute) - (size_t)(end - t.absolute), "/%s", t.file);
		t.file = t.absolute;
	}
	/* what would be logged is said */
	log_open(&(struct log_config){ .sink = LOG_TO_NOTHING, .syslog_name = "", .host = "" });
	arena_init(&t.arena, 32 * LIMIT_OAUTH_TEXT);
	buf_init(&t.text, LIMIT_OAUTH_TEXT);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && n > 1; i++)
		if (!strcmp(words[i].word, args[0]) && (!words[i].run || n == 2))
			code = words[i].run ? words[i].run(&t) : tool_login(&t, n == 3 ? args[1] : NULL);
	if (code < 0)
		code = applet_usage_error(&applet_relayctl, "oauth takes login [PROVIDER] FILE, show FILE, or test FILE");
	buf_wipe(&t.text);
	if (t.endpoint.tls)
		tls_context_unref(t.endpoint.tls);
	if (t.endpoint.dns)
		dns_free(t.endpoint.dns);
	if (t.endpoint.loop)
		loop_free(t.endpoint.loop);
	arena_fini(&t.arena);
	return applet_close_output(code);
}
