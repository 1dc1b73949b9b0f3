/* submit - see submit.h. Each way is a function that answers a sysexits code, or NOT_THERE: this way does not exist here,
 * the next one may. A way that exists and refuses is the answer. */
#include "core/relay/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/queue/maildrop.h"
#include "core/relay/local_socket.h"
#include "core/relay/submit_direct.h"
#include "core/relay/submit_smtp.h"

#define NOT_THERE (-1)
#define QUEUED_AS "queued as "

static void take_qid(const struct reply *r, struct submit_result *out)
{
	const char *at = strstr(r->text, QUEUED_AS);
	size_t n = 0;

	if (!at)
		return;
	at += sizeof(QUEUED_AS) - 1;
	while (n + 1 < sizeof(out->qid) && ascii_is_alnum(at[n])) {
		out->qid[n] = at[n];
		n++;
	}
	out->qid[n] = '\0';
}

/* code_of_refusal - what a caller should do about a refused recipient: never mind (no such user, not allowed) or later */
static int code_of_refusal(const struct submit_outcome *o)
{
	if (o->refused_later)
		return EX_TEMPFAIL;
	return !strncmp(o->first_refusal.enhanced, "5.1.", 4) ? EX_NOUSER : EX_UNAVAILABLE;
}

int submit_code(const struct submit_outcome *o, size_t n_rcpts, struct submit_result *out)
{
	struct buf line;
	int code;

	if (o->accepted) {
		take_qid(&o->reply, out);
		if (!o->refused)
			return EX_OK;
		snprintf(out->why, sizeof(out->why), "sent, but not to %zu of %zu recipients: %s", o->refused, n_rcpts,
			buf_cstr(&o->refusals));
		return code_of_refusal(o);
	}
	if (o->refused == n_rcpts) {
		snprintf(out->why, sizeof(out->why), "refused: %s", buf_cstr(&o->refusals));
		return code_of_refusal(o);
	}
	if (!o->reply.code) {
		snprintf(out->why, sizeof(out->why), "%s%s", o->why, o->doubtful ? "; the message may have been taken" : "");
		return EX_TEMPFAIL;
	}
	buf_init(&line, LIMIT_REPLY_TEXT + 64);
	reply_line(&line, &o->reply);
	snprintf(out->why, sizeof(out->why), "refused: %s", buf_cstr(&line));
	buf_fini(&line);
	code = reply_verdict(&o->reply) == VERDICT_LATER ? EX_TEMPFAIL : EX_UNAVAILABLE;
	return code;
}

static int by_socket(const struct conf *c, const struct envelope *e, struct str content, struct submit_result *out)
{
	struct submit_server to = { .name = "relayd", .tls = CONF_TLS_NONE };
	struct submit_outcome o = { .accepted = false };
	struct loop *l;
	int code;

	to.fd = local_connect(c->queue_directory, "submit");
	if (to.fd < 0) {
		snprintf(out->why, sizeof(out->why), "no relayd answers at %s/submit: %s", c->queue_directory, strerror(errno));
		return NOT_THERE;
	}
	l = loop_new();
	if (!l || fcntl(to.fd, F_SETFL, O_NONBLOCK) < 0) {
		snprintf(out->why, sizeof(out->why), "cannot wait for events: %s", strerror(errno));
		close(to.fd);
		return EX_OSERR;
	}
	buf_init(&o.refusals, sizeof(out->why));
	submit_smtp_run(l, c, &to, e, content, &o);
	code = submit_code(&o, e->n_rcpts, out);
	buf_fini(&o.refusals);
	loop_free(l);
	/* a relayd that is going down has said so before it took anything: the other ways are still open */
	if (!o.reply.code && !o.refused && !o.doubtful)
		return NOT_THERE;
	return code;
}

static int by_maildrop(const struct conf *c, const struct envelope *e, struct str content, struct submit_result *out)
{
	if (maildrop_write(c->queue_directory, e, content) == 0)
		return EX_OK;
	snprintf(out->why, sizeof(out->why), "cannot write to %s/maildrop: %s", c->queue_directory, strerror(errno));
	return errno == ENOENT || errno == EACCES || errno == EROFS || errno == ENOTDIR ? NOT_THERE : EX_TEMPFAIL;
}

static const struct way {
	const char *name;              /* as in sendmail_submission, in the same order after "auto" */
	int (*run)(const struct conf *c, const struct envelope *e, struct str content, struct submit_result *out);
} ways[] = {
	{ "socket", by_socket },
	{ "maildrop", by_maildrop },
	{ "direct", submit_direct },
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

int submit_message(const struct conf *c, const struct envelope *e, struct str content, struct submit_result *out)
{
	struct submit_result tried = { .qid = "" };
	struct buf why;
	int code = NOT_THERE;

	buf_init(&why, 4 * sizeof(out->why));
	*out = (struct submit_result){ .way = "none" };
	for (size_t i = 0; i < WAYS && code == NOT_THERE; i++) {
		if (c->sendmail_submission > 0 && c->sendmail_submission != (int)i + 1)
			continue;
		tried = (struct submit_result){ .way = ways[i].name };
		code = ways[i].run(c, e, content, &tried);
		if (code != NOT_THERE)
			break;
		buf_printf(&why, "%s%s", why.n ? "; " : "", tried.why);
	}
	*out = tried;
	if (code == NOT_THERE) {
		snprintf(out->why, sizeof(out->why), "%s", buf_cstr(&why));
		code = EX_TEMPFAIL;
	}
	buf_fini(&why);
	return code;
}
