/* mxcheck_send - a test mail, and the dialogue with its times. It goes the way of sendmail to a server of its own, so what
 * is tried here is what sendmail and mail do. */
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/mxcheck.h"
#include "applets/submission.h"
#include "core/base/env.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/term.h"
#include "core/msg/addr.h"
#include "core/msg/crlf.h"
#include "core/submit/submit.h"

#define BODY_LINES 40                  /* of the content that are shown */

struct show { usec began, last; bool quiet; size_t content; };

static void on_line(void *ctx, char mark, struct str line)
{
	struct show *w = ctx;
	usec now = clock_mono();
	bool end = w->content && str_eq(line, STR("."));

	if (mark == '>' && w->content && !end && w->content++ > BODY_LINES)
		return;
	if (end && w->content > BODY_LINES && !w->quiet)
		printf("%24s (%zu more lines)\n", "", w->content - BODY_LINES - 1);
	if (!w->quiet) {
		printf("%8.3f +%8.3f ms  %s ", (double)(now - w->began) / USEC_PER_SEC, (double)(now - w->last) / USEC_PER_MSEC,
			mark == '*' ? "***" : mark == '>' ? "-->" : "<--");
		term_print(stdout, line);
		putchar('\n');
	}
	if (end)
		w->content = 0;
	if (mark == '<' && str_starts(line, STR("354")))
		w->content = 1;
	w->last = now;
}

/* --- the password ---------------------------------------------------------------------------------------------------- */

static int ask_password(struct buf *out)
{
	struct termios old, silent;
	char line[1024];

	if (tcgetattr(STDIN_FILENO, &old) < 0)
		return applet_fail(EX_USAGE, "--auth wants a password: --password-file, MXCHECK_PASSWORD, or a terminal");
	silent = old;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	fputs("Password: ", stderr);
	if (fgets(line, sizeof(line), stdin))
		buf_z(out, line);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	mem_wipe(line, sizeof(line));
	return EX_OK;
}

/* find_password - from the file, the environment or the terminal; its first line */
static int find_password(const struct mxcheck *k, struct buf *out)
{
	const char *given = env_get("MXCHECK_PASSWORD");
	int code = EX_OK;

	if (k->send.password_file && fs_read_stream(k->send.password_file, out) < 0)
		code = applet_fail(EX_NOINPUT, "cannot read %s", k->send.password_file);
	else if (!k->send.password_file && given)
		buf_z(out, given);
	else if (!k->send.password_file)
		code = ask_password(out);
	if (out->n)
		buf_truncate(out, strcspn(out->p, "\r\n"));
	return code;
}

/* --- the message ------------------------------------------------------------------------------------------------------ */

static int read_body(const struct mxcheck *k, struct buf *out)
{
	const char *body = k->send.body ? k->send.body : "This is a test mail from mxcheck.\n";
	struct crlf_clean lines;
	struct buf raw;
	int r = 0;

	buf_init(out, (size_t)1 << 40);
	buf_init(&raw, (size_t)1 << 40);
	if (!strcmp(body, "-"))
		r = fs_read_fd(STDIN_FILENO, &raw);
	else if (body[0] == '@')
		r = fs_read_stream(body + 1, &raw);
	else
		buf_z(&raw, body);
	crlf_clean_init(&lines);
	crlf_clean_add(&lines, out, buf_view(&raw));
	crlf_clean_end(&lines, out, true);
	buf_fini(&raw);
	return r < 0 ? applet_fail(EX_NOINPUT, "cannot read %s", body) : EX_OK;
}

static int compose(const struct mxcheck *k, struct submission *s, struct str text, struct buf *message)
{
	char boundary[40];
	struct compose m = { .from = str_of(k->setup.sender), .to = buf_view(&k->send.to), .subject = str_of(k->send.subject),
		.fields = k->send.fields, .n_fields = k->send.n_fields, .text = text, .files = k->send.files.v, .n_files = k->send.files.n,
		.boundary = boundary };
	struct buf why;
	int code = EX_OK;

	if (str_eq(m.from, STR("<>")))
		m.from = STR_EMPTY;
	if (!k->send.subject)
		m.subject = STR("mxcheck test");
	snprintf(boundary, sizeof(boundary), "=_%08x%08x%08x", random_u32(), random_u32(), random_u32());
	buf_init(&why, LIMIT_REPLY_TEXT);
	if (compose_message(&s->arena, message, &m, &why) < 0)
		code = applet_fail(EX_DATAERR, "%s", buf_cstr(&why));
	else
		inject_add_list(&s->arena, &s->rcpts, "--to", arena_str(&s->arena, m.to));
	buf_fini(&why);
	return code;
}

/* next_hop - the server, or the domain of the recipients, which must then be one */
static int next_hop(const struct mxcheck *k, const struct submission *s, struct buf *out)
{
	struct str domain = s->rcpts.n ? addr_split(s->rcpts.v[0]).domain : STR_EMPTY;

	if (k->n) {
		buf_printf(out, "relayhost=[%s]:%u", k->targets[0], k->opt.port);
		return EX_OK;
	}
	for (size_t i = 1; i < s->rcpts.n; i++)
		if (!str_ieq(domain, addr_split(s->rcpts.v[i]).domain))
			domain = STR_EMPTY;
	buf_printf(out, "relayhost=%.*s:%u", STR_ARG(domain), k->opt.port);
	return domain.n ? EX_OK : applet_fail(EX_USAGE, "--to has several domains, or none: name a --server");
}

static int send_with(struct mxcheck *k, struct submission *s, struct str message, struct buf *password)
{
	struct show w = { .began = clock_mono(), .last = clock_mono(), .quiet = k->quiet };
	struct submit_options options = { .line = on_line, .ctx = &w, .stop = k->send.stop, .dns = &k->dns, .as_said = true };
	struct conf *c;
	struct buf hop;
	int code;

	buf_init(&hop, LIMIT_CONF_VALUE);
	code = next_hop(k, s, &hop);
	c = code ? NULL : mxcheck_conf(k, buf_cstr(&hop));
	if (c) {
		if (k->send.user)
			conf_set_relay_login(c, k->send.user, buf_cstr(password));
		s->conf = c;
		s->options = &options;
		code = submission_send(s, message);
		/* both end here */
		s->conf = NULL;
		s->options = NULL;
		conf_free(c);
	} else if (!code) {
		code = EX_CONFIG;
	}
	buf_fini(&hop);
	return applet_close_output(code);
}

int mxcheck_send(struct mxcheck *k)
{
	struct submission s;
	struct buf text, message, password;
	int code;

	submission_init(&s, NULL);
	s.own_server = true;
	buf_init(&message, (size_t)1 << 40);
	buf_init(&password, LIMIT_SASL_RESPONSE);
	code = read_body(k, &text);
	if (!code)
		code = submission_sender(&s, "--from", k->setup.sender);
	if (!code)
		code = compose(k, &s, buf_view(&text), &message);
	if (!code && k->send.user)
		code = find_password(k, &password);
	if (!code)
		code = send_with(k, &s, buf_view(&message), &password);
	buf_wipe(&password);
	buf_fini(&text);
	buf_fini(&message);
	submission_fini(&s);
	return code;
}
