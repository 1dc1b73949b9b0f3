/* submission - see submission.h. */
#include "applets/submission.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "applets/applet.h"
#include "core/base/env.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/addr_repair.h"
#include "core/msg/crlf.h"
#include "core/submit/submit.h"
#include "core/submit/submit_spool.h"

#define READ_PIECE (4 * 1024)    /* most messages are not longer; a larger one would be pages of the stack */
#define RETRIES 10                     /* kept messages that one run tries after its own */
#define UNLIMITED ((size_t)1 << 40)    /* message_size_limit = 0 */

struct conf *submission_conf(struct own_server *own, bool verbose)
{
	struct conf_diag diag;
	struct conf *c;
	struct buf why;

	if (!own_server_given(own))
		return applet_conf(NULL, verbose);
	buf_init(&why, LIMIT_REPLY_TEXT);
	conf_diag_init(&diag);
	c = own_server_conf(own, conf_default_directory(NULL), &why, &diag);
	if (why.n)
		applet_fail(0, "%s", buf_cstr(&why));
	else if (!c)
		conf_diag_print(&diag, stderr, applet_name());
	conf_diag_fini(&diag);
	buf_fini(&why);
	return c;
}

void submission_init(struct submission *s, const struct conf *c)
{
	*s = (struct submission){ .conf = c };
	arena_init(&s->arena, 64 * LIMIT_SESSION_ARENA);
}

void submission_fini(struct submission *s)
{
	mem_free(s->full_name);
	arena_fini(&s->arena);
}

/* gecos_name - the full name of the password file: up to the first comma, & is the login name */
static void gecos_name(struct submission *s, const char *gecos, const char *login)
{
	struct buf b;

	buf_init(&b, LIMIT_ADDRESS);
	for (; *gecos && *gecos != ','; gecos++)
		if (*gecos != '&')
			buf_byte(&b, *gecos);
		else if (buf_byte(&b, ascii_upper(login[0])))
			buf_z(&b, login + !!login[0]);
	s->full_name = str_dup(buf_view(&b));
	buf_fini(&b);
}

static void own_name(struct submission *s)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *name = env_get("NAME");

	/* a container's arbitrary uid has no name; the number tells at least who it was */
	s->sender = pw && pw->pw_name[0] ? arena_str(&s->arena, str_of(pw->pw_name)) :
		arena_printf(&s->arena, "uid-%lu", (unsigned long)getuid());
	if (!s->full_name && name)
		s->full_name = mem_dupz(name);
	else if (!s->full_name && pw && pw->pw_gecos)
		gecos_name(s, pw->pw_gecos, pw->pw_name);
}

int submission_sender(struct submission *s, const char *option, const char *text)
{
	struct addr_element *v;
	int code = EX_OK;
	size_t n;

	own_name(s);
	if (!text)
		return EX_OK;
	n = addr_repair(&s->arena, str_of(text), &v);
	s->sender = n && v[0].good ? v[0].mailbox.addr.full : STR_EMPTY;
	if (n && !v[0].good)
		code = applet_fail(EX_USAGE, "%s %s: not an address", option, text);
	else if (n > 1)
		applet_fail(0, "%s %s: not one address: the first one counts", option, text);
	mem_free(v);
	return code;
}

/* dot_at - where a line of one dot begins, looking from `from` on; -1: nowhere yet */
static ptrdiff_t dot_at(struct str text, size_t from)
{
	ptrdiff_t at;

	if (!from && (str_starts(text, STR(".\r\n")) || str_eq(text, STR("."))))
		return 0;
	from = from > 4 ? from - 4 : 0;
	at = str_find(str_from(text, from), STR("\r\n.\r\n"));
	return at < 0 ? -1 : at + (ptrdiff_t)from + 2;
}

/* keep_cr - sendmail_fix_line_endings: where CRLF is no line end its CR is one like any other, and those become spaces. The
 * first line decides for `strict`, so *how is no longer that afterwards. */
static void keep_cr(int *how, char *last, char *p, size_t n)
{
	const char *nl = *how == CONF_ENDS_STRICT ? memchr(p, '\n', n) : NULL;

	if (nl)
		*how = (nl > p ? nl[-1] : *last) == '\r' ? CONF_ENDS_ALWAYS : CONF_ENDS_NEVER;
	for (size_t i = 0; i < n && *how == CONF_ENDS_NEVER; i++)
		if (p[i] == '\r')
			p[i] = ' ';
	*last = p[n - 1];
}

int submission_read(const struct conf *c, bool dot_ends, struct buf *out)
{
	struct crlf_clean lines;
	char piece[READ_PIECE];
	size_t limit = c->message_size_limit ? (size_t)c->message_size_limit : UNLIMITED;
	ssize_t got = 1;
	ptrdiff_t dot = -1;
	int how = c->sendmail_fix_line_endings;
	char last = 0;

	buf_init(out, limit + limit / 8 + READ_PIECE);
	crlf_clean_init(&lines);
	while (got > 0 && dot < 0) {
		size_t before = out->n;

		got = read(STDIN_FILENO, piece, sizeof(piece));
		if (got < 0 && errno == EINTR) {
			got = 1;
			continue;
		}
		/* a standard input that is closed has nothing to say */
		if (got < 0 && errno == EBADF)
			got = 0;
		if (got < 0)
			return applet_fail(EX_DATAERR, "cannot read standard input: %s", strerror(errno));
		if (got > 0) {
			keep_cr(&how, &last, piece, (size_t)got);
			buf_reserve(out, (size_t)got);
			crlf_clean_add(&lines, out, str_make(piece, (size_t)got));
		} else {
			crlf_clean_end(&lines, out, true);
		}
		if (dot_ends)
			dot = dot_at(buf_view(out), before);
		if (out->overflow || out->n > limit)
			return applet_fail(EX_UNAVAILABLE, "message file too big: message_size_limit is %lld bytes",
				(long long)c->message_size_limit);
	}
	if (dot >= 0)
		buf_truncate(out, (size_t)dot);
	return EX_OK;
}

static bool needs_utf8(const struct submission *s, const struct inject_report *report)
{
	bool needs = s->smtputf8 || addr_is_utf8(s->sender) || report->utf8_header;

	for (size_t i = 0; i < s->rcpts.n && !needs; i++)
		needs = addr_is_utf8(s->rcpts.v[i]);
	return needs && s->conf->smtputf8_enable;
}

static int make_envelope(struct submission *s, const struct inject_report *report, struct envelope *e)
{
	*e = (struct envelope){ .sender = s->sender, .n_rcpts = s->rcpts.n, .envid = s->envid, .ret = s->ret,
		.arrival = clock_wall(), .uid = getuid() };
	e->flags = ENVELOPE_LOCAL | (report->eight_bit ? ENVELOPE_8BIT : 0) | (needs_utf8(s, report) ? ENVELOPE_SMTPUTF8 : 0) |
		(s->requiretls ? ENVELOPE_REQUIRETLS : 0);
	e->rcpts = ARENA_ARRAY(&s->arena, struct rcpt, s->rcpts.n);
	if (!e->rcpts || s->arena.overflow)
		return applet_fail(EX_UNAVAILABLE, "too many recipients");
	for (size_t i = 0; i < s->rcpts.n; i++)
		e->rcpts[i] = (struct rcpt){ .addr = s->rcpts.v[i], .notify = s->notify };
	envelope_unique(e, false);
	return EX_OK;
}

static int hand_over(struct submission *s, struct envelope *e, struct str content)
{
	struct submit_result r;
	struct submit_flush flush = { .most = RETRIES, .note = applet_note };
	enum verdict *verdicts = s->own_server ? ARENA_ARRAY(&s->arena, enum verdict, e->n_rcpts) : NULL;
	int code;

	if (s->own_server && !verdicts)
		return applet_fail(EX_UNAVAILABLE, "too many recipients");
	code = verdicts ? submit_try(s->conf, s->options, e, content, &r, verdicts) : submit_message(s->conf, s->options, e, content, &r);
	if (r.kept[0])
		applet_fail(0, "not sent now, kept in %s for the next run or \"sendmail -q\": %s", r.kept, r.why);
	else if (code)
		applet_fail(code, "%s", r.why);
	else if (!strcmp(r.way, "maildrop") && s->conf->sendmail_submission == SUBMIT_AUTO)
		applet_fail(0, "no relayd runs; the message waits in %s/maildrop until one does", s->conf->queue_directory);
	else if (s->verbose)
		applet_fail(0, "%s%s by %s", r.qid[0] ? "queued as " : "taken", r.qid, r.way);
	/* the way is open: what had to wait goes after it */
	if (!r.kept[0] && code == EX_OK && !s->own_server)
		submit_spool_flush(s->conf, &flush);
	return code;
}

/* hand_over_each - VERP: to each recipient a message whose sender tells who it was, list+user=domain@its.own.domain */
static int hand_over_each(struct submission *s, struct envelope *e, struct str content)
{
	struct str sender = e->sender;
	ptrdiff_t at = str_rchr(sender, '@');
	struct str local = str_head(sender, at < 0 ? sender.n : (size_t)at), domain = str_from(sender, local.n);
	int code = EX_OK, r;

	if (!sender.n)
		return applet_fail(EX_USAGE, "-XV wants a sender (-f)");
	for (struct rcpt *rcpt = e->rcpts, *end = rcpt + e->n_rcpts; rcpt < end; rcpt++) {
		struct str to = rcpt->addr;
		ptrdiff_t cut = str_rchr(to, '@');

		e->rcpts = rcpt;
		e->n_rcpts = 1;
		e->sender = cut < 0 ? arena_printf(&s->arena, "%.*s%c%.*s%.*s", STR_ARG(local), s->verp[0], STR_ARG(to), STR_ARG(domain)) :
			arena_printf(&s->arena, "%.*s%c%.*s%c%.*s%.*s", STR_ARG(local), s->verp[0], (int)cut, to.p, s->verp[1],
			STR_ARG(str_from(to, (size_t)cut + 1)), STR_ARG(domain));
		r = s->arena.overflow ? applet_fail(EX_UNAVAILABLE, "too many recipients") : hand_over(s, e, content);
		code = code ? code : r;
	}
	return code;
}

int submission_send(struct submission *s, struct str message)
{
	struct inject_options o = { .extract = s->extract, .drop = s->conf->message_drop_headers, .full_name = s->full_name,
		.author = s->author, .sender = s->sender };
	struct inject_report report = { false, false };
	struct envelope e;
	struct buf content;
	int code = EX_OK;

	message = inject_skip_from_lines(message);
	buf_init(&content, message.n + LIMIT_HEADER);
	inject_message(&s->arena, message, &o, &content, &s->rcpts, &report);
	if (s->arena.overflow)
		code = applet_fail(EX_UNAVAILABLE, "too many recipients");
	else if (!s->rcpts.n && s->rcpts.n_bad)
		code = applet_fail(EX_DATAERR, "not sent: no address is good: %s", s->rcpts.bad);
	else if (!s->rcpts.n)
		code = applet_fail(EX_USAGE, s->extract ? "no recipient addresses found in message header" :
			"recipient addresses must be specified on the command line or via the -t option");
	else if (content.overflow)
		code = applet_fail(EX_UNAVAILABLE, "message file too big");
	if (!code)
		code = make_envelope(s, &report, &e);
	if (!code)
		code = (s->verp ? hand_over_each : hand_over)(s, &e, buf_view(&content));
	if (!code && s->rcpts.n_bad)
		code = applet_fail(EX_DATAERR, "sent, but not to what is no address: %s", s->rcpts.bad);
	buf_fini(&content);
	return code;
}
