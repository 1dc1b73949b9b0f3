/* submit - see submit.h. Each way is a function that answers a sysexits code, or SUBMIT_NOT_THERE: this way does not exist here,
 * the next one may. A way that exists and refuses is the answer. */
#include "core/submit/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/msg/header.h"
#include "core/store/maildrop.h"
#include "core/submit/submit_alias.h"
#include "core/submit/submit_direct.h"
#include "core/submit/submit_socket.h"
#include "core/submit/submit_spool.h"
#include "core/access/users.h"

#define DIRECT "direct"                /* the last of the ways */

static void all_are(enum verdict *verdicts, size_t n, enum verdict what)
{
	for (size_t i = 0; i < n; i++)
		verdicts[i] = what;
}

static int by_maildrop(const struct conf *c, const struct submit_options *o, const struct envelope *e, struct str content,
	struct submit_result *out, enum verdict *verdicts)
{
	(void)o;
	/* relayd would refuse it when nobody listens any more */
	if (header_body_split(content) > LIMIT_HEADER) {
		out->answered = true;
		all_are(verdicts, e->n_rcpts, VERDICT_NEVER);
		snprintf(out->why, sizeof(out->why), "refused: all header fields together are larger than %d bytes", LIMIT_HEADER);
		return EX_UNAVAILABLE;
	}
	out->answered = maildrop_write(c->queue_directory, e, content) == 0;
	if (out->answered)
		return EX_OK;
	all_are(verdicts, e->n_rcpts, VERDICT_LATER);
	snprintf(out->why, sizeof(out->why), "cannot write to %s/maildrop: %s", c->queue_directory, strerror(errno));
	return errno == ENOENT || errno == EACCES || errno == EROFS || errno == ENOTDIR ? SUBMIT_NOT_THERE : EX_TEMPFAIL;
}

static const struct way {
	const char *name;              /* as in sendmail_submission, in the same order after "auto" */
	/* verdicts come as DONE; all are set when the way is there and the code is not 0 */
	int (*run)(const struct conf *c, const struct submit_options *o, const struct envelope *e, struct str content,
		struct submit_result *out, enum verdict *verdicts);
} ways[] = {
	{ "socket", submit_socket },
	{ "maildrop", by_maildrop },
	{ DIRECT, submit_direct },
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

/* take_way - the first way that is there, up to and without `end`; SUBMIT_NOT_THERE: none is, why says of each why not */
static int take_way(const struct conf *c, const struct submit_options *o, const struct envelope *e, struct str content,
	size_t begin, size_t end, struct submit_result *out, enum verdict *verdicts, struct buf *why)
{
	int code = SUBMIT_NOT_THERE;

	for (size_t i = begin; i < end && code == SUBMIT_NOT_THERE; i++) {
		if (c->sendmail_submission > 0 && c->sendmail_submission != (int)i + 1)
			continue;
		*out = (struct submit_result){ .way = ways[i].name };
		all_are(verdicts, e->n_rcpts, VERDICT_DONE);
		code = ways[i].run(c, o, e, content, out, verdicts);
		if (code == SUBMIT_NOT_THERE)
			buf_printf(why, "%s%s", why->n ? "; " : "", out->why);
	}
	return code;
}

/* nowhere - no way is there */
static int nowhere(const struct envelope *e, struct submit_result *out, enum verdict *verdicts, const struct buf *why)
{
	*out = (struct submit_result){ .way = "none" };
	snprintf(out->why, sizeof(out->why), "%s", buf_cstr(why));
	all_are(verdicts, e->n_rcpts, VERDICT_LATER);
	return EX_TEMPFAIL;
}

/* may_submit - false: EX_NOPERM */
static bool may_submit(const struct conf *c, const struct envelope *e, struct submit_result *out)
{
	*out = (struct submit_result){ .way = "none", .answered = true };
	if (users_include(c->authorized_submit_users, e->uid))
		return true;
	snprintf(out->why, sizeof(out->why), "you are not in authorized_submit_users");
	return false;
}

int submit_try(const struct conf *c, const struct submit_options *o, const struct envelope *e, struct str content, struct submit_result *out,
	enum verdict *verdicts)
{
	struct buf why;
	int code;

	all_are(verdicts, e->n_rcpts, VERDICT_NEVER);
	if (!may_submit(c, e, out))
		return EX_NOPERM;
	buf_init(&why, 4 * sizeof(out->why));
	code = take_way(c, o, e, content, 0, WAYS, out, verdicts, &why);
	if (code == SUBMIT_NOT_THERE)
		code = nowhere(e, out, verdicts, &why);
	buf_fini(&why);
	return code;
}

/* keep - the recipients that are for later, and the message, into the user's spool; a sysexits code */
static int keep(const struct conf *c, const struct envelope *e, struct str content, const enum verdict *verdicts,
	struct submit_result *out)
{
	struct envelope later = *e;
	struct buf why;
	size_t n;

	later.rcpts = mem_array(NULL, e->n_rcpts, sizeof(*later.rcpts));
	later.n_rcpts = 0;
	for (size_t i = 0; i < e->n_rcpts; i++)
		if (verdicts[i] == VERDICT_LATER)
			later.rcpts[later.n_rcpts++] = e->rcpts[i];
	buf_init(&why, sizeof(out->why) - 1);
	if (submit_spool_keep(c, &later, content, out->why, out->kept, sizeof(out->kept), &why) < 0) {
		n = strlen(out->why);
		snprintf(out->why + n, sizeof(out->why) - n, "; it is not kept, no folder for it can be written (%s)", buf_cstr(&why));
	}
	mem_free(later.rcpts);
	buf_fini(&why);
	return out->kept[0] ? out->refused : EX_TEMPFAIL;
}

/* go_direct - straight to relayhost: aliases first, and what cannot go now is kept under the names that they gave */
static int go_direct(const struct conf *c, const struct submit_options *o, const struct envelope *e, struct str content,
	struct submit_result *out, struct buf *why)
{
	struct envelope forwarded = *e;
	struct buf trouble;
	struct arena a;
	enum verdict *verdicts;
	int code = EX_TEMPFAIL;

	arena_init(&a, 8 * LIMIT_SESSION_ARENA);
	buf_init(&trouble, sizeof(out->why));
	*out = (struct submit_result){ .way = DIRECT };
	if (*c->relayhost && submit_alias(c, &a, &forwarded, &trouble) < 0)
		snprintf(out->why, sizeof(out->why), "%s", buf_cstr(&trouble));
	verdicts = mem_array(NULL, forwarded.n_rcpts, sizeof(*verdicts));
	all_are(verdicts, forwarded.n_rcpts, VERDICT_LATER);
	if (!trouble.n)
		code = take_way(c, o, &forwarded, content, WAYS - 1, WAYS, out, verdicts, why);
	if (code == SUBMIT_NOT_THERE)
		code = nowhere(&forwarded, out, verdicts, why);
	if (code == EX_TEMPFAIL && !strcmp(out->way, DIRECT))
		code = keep(c, &forwarded, content, verdicts, out);
	mem_free(verdicts);
	buf_fini(&trouble);
	arena_fini(&a);
	return code;
}

int submit_message(const struct conf *c, const struct submit_options *o, const struct envelope *e, struct str content, struct submit_result *out)
{
	enum verdict *verdicts;
	struct buf why;
	int code;

	if (!may_submit(c, e, out))
		return EX_NOPERM;
	verdicts = mem_array(NULL, e->n_rcpts, sizeof(*verdicts));
	buf_init(&why, 4 * sizeof(out->why));
	code = take_way(c, o, e, content, 0, WAYS - 1, out, verdicts, &why);
	if (code == SUBMIT_NOT_THERE)
		code = go_direct(c, o, e, content, out, &why);
	buf_fini(&why);
	mem_free(verdicts);
	return code;
}
