/* dovecot - see dovecot.h. A line is a command and its arguments, with tabs between. */
#include "core/auth/dovecot.h"

#include <string.h>

#include "core/base/format.h"
#include "core/base/mem.h"
#include "core/msg/mime.h"

void dovecot_begin(struct dovecot *d, const struct auth_question *q, uint32_t pid, struct buf *out)
{
	*d = (struct dovecot){ .question = *q };
	buf_printf(out, "VERSION\t1\t1\nCPID\t%lu\n", (unsigned long)pid);
}

/* next_argument - false: there is none left */
static bool next_argument(struct str *line, struct str *argument)
{
	ptrdiff_t tab = str_chr(*line, '\t');

	if (!line->p)
		return false;
	*argument = tab < 0 ? *line : str_head(*line, (size_t)tab);
	*line = tab < 0 ? (struct str){ NULL, 0 } : str_from(*line, (size_t)tab + 1);
	return true;
}

static enum dovecot_step later(struct dovecot *d, const char *why)
{
	format_text(d->why, sizeof(d->why), "%s", why);
	return DOVECOT_LATER;
}

/* copy_text - what is logged and compared has no control bytes; a tab, a line end and \1 itself come as \1t, \1n, \0011 */
static void copy_text(char *to, size_t size, struct str from)
{
	size_t n = 0;

	for (size_t i = 0; i < from.n && n + 1 < size; i++)
		to[n++] = (unsigned char)from.p[i] < ' ' || from.p[i] == 127 ? '?' : from.p[i];
	to[n] = 0;
}

static enum dovecot_step on_version(struct dovecot *d, struct str line)
{
	struct str major;

	return next_argument(&line, &major) && str_eq(major, STR("1")) ? DOVECOT_MORE :
		later(d, "the authentication server speaks another version of its protocol");
}

static enum dovecot_step on_mech(struct dovecot *d, struct str line)
{
	struct str name;

	d->has_plain |= next_argument(&line, &name) && str_ieq(name, STR("PLAIN"));
	return DOVECOT_MORE;
}

/* ask - "resp" ends the line */
static enum dovecot_step ask(struct dovecot *d, struct buf *out)
{
	const struct auth_question *q = &d->question;
	struct buf plain;

	if (d->asked || !d->has_plain)
		return d->asked ? DOVECOT_MORE : later(d, "the authentication server has no PLAIN: add it to its auth_mechanisms");
	d->asked = true;
	buf_printf(out, "AUTH\t1\tPLAIN\tservice=smtp\tnologin");
	if (*q->server)
		buf_printf(out, "\tlip=%s", q->server);
	if (*q->client)
		buf_printf(out, "\trip=%s", q->client);
	buf_printf(out, "%s\tresp=", q->tls ? "\tsecured" : "");
	buf_init(&plain, strlen(q->user) + strlen(q->password) + 2);
	buf_reserve(&plain, plain.max);
	buf_byte(&plain, 0);
	buf_z(&plain, q->user);
	buf_byte(&plain, 0);
	buf_z(&plain, q->password);
	mime_base64(out, buf_view(&plain), 0);
	buf_byte(out, '\n');
	buf_wipe(&plain);
	return DOVECOT_MORE;
}

static bool is_ours(struct str *line)
{
	struct str id;

	return next_argument(line, &id) && str_eq(id, STR("1"));
}

static enum dovecot_step on_ok(struct dovecot *d, struct str line)
{
	struct str argument;
	bool shut = false;             /* the password is right, and the user is kept out */

	if (!d->asked || !is_ours(&line))
		return later(d, "the authentication server answered what was not asked");
	copy_text(d->user, sizeof(d->user), str_of(d->question.user));
	while (next_argument(&line, &argument)) {
		if (str_starts(argument, STR("user=")) && argument.n > 5 && argument.n - 5 < sizeof(d->user))
			copy_text(d->user, sizeof(d->user), str_from(argument, 5));
		if (str_starts(argument, STR("reason=")))
			copy_text(d->why, sizeof(d->why), str_from(argument, 7));
		shut |= str_eq(argument, STR("nologin"));
	}
	return shut ? DOVECOT_NO : DOVECOT_YES;
}

static enum dovecot_step on_fail(struct dovecot *d, struct str line)
{
	struct str argument;
	bool temporary = false;

	if (!d->asked || !is_ours(&line))
		return later(d, "the authentication server answered what was not asked");
	while (next_argument(&line, &argument)) {
		temporary |= str_eq(argument, STR("temp"));
		if (str_starts(argument, STR("reason=")))
			copy_text(d->why, sizeof(d->why), str_from(argument, 7));
	}
	return temporary ? DOVECOT_LATER : DOVECOT_NO;
}

static enum dovecot_step on_cont(struct dovecot *d, struct str line)
{
	(void)line;
	return later(d, "the authentication server wants more than a user and a password");
}

static enum dovecot_step take_line(struct dovecot *d, struct str line, struct buf *out)
{
	static const struct { const char *word; enum dovecot_step (*take)(struct dovecot *, struct str); } rows[] = {
		{ "VERSION", on_version }, { "MECH", on_mech }, { "OK", on_ok }, { "FAIL", on_fail }, { "CONT", on_cont },
	};
	struct str word = STR_EMPTY;

	next_argument(&line, &word);
	if (str_eq(word, STR("DONE")))
		return ask(d, out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(word, str_of(rows[i].word)))
			return rows[i].take(d, line);
	/* SPID, CUID, COOKIE, and what later versions add */
	return DOVECOT_MORE;
}

enum dovecot_step dovecot_next(struct dovecot *d, struct str *in, struct buf *out)
{
	enum dovecot_step step = DOVECOT_MORE;
	ptrdiff_t end;

	while (step == DOVECOT_MORE && (end = str_chr(*in, '\n')) >= 0) {
		step = take_line(d, str_head(*in, (size_t)end), out);
		*in = str_from(*in, (size_t)end + 1);
	}
	if (step == DOVECOT_MORE && in->n >= LIMIT_AUTH_LINE)
		return later(d, "the authentication server's line has no end");
	return step;
}
