/* explain_local - see explain_local.h. The order is that of delivery: aliases first, then accounts. */
#include "core/route/explain_local.h"

#include <errno.h>
#include <string.h>

#include "core/base/row.h"
#include "core/route/local_user.h"
#include "core/route/luser.h"

static void explain_account(const struct conf *c, struct str name, struct buf *out)
{
	const char *spool = c->mail_spool_directory;
	size_t n = strlen(spool);
	struct local_user u;
	int got = local_user_find(c, name, &u);

	if (got < 0)
		row_text(out, "result", "451 4.3.0 user lookup error: %s", strerror(errno));
	else if (got == 0)
		row_text(out, "result", "550 5.1.1 unknown user: \"%.*s\"", STR_ARG(route_local_base(c, name)));
	else if (*c->home_mailbox)
		row_text(out, "result", "mailbox %s/%s of %s", u.home, c->home_mailbox, u.name);
	else
		/* a spool that ends with a slash has maildirs in it */
		row_text(out, "result", n && spool[n - 1] == '/' ? "mailbox %s%s/ of %s" : "mailbox %s/%s of %s", spool, u.name, u.name);
}

void explain_local(struct router *r, struct arena *a, struct str rcpt, struct buf *out, void (*next)(void *ctx, struct str addr), void *ctx)
{
	struct str name = local_user_name(a, rcpt), owner, luser = STR_EMPTY;
	struct local_user account;
	struct alias_target *v;
	enum map_answer answer;
	size_t n;

	answer = alias_expand(r, a, name, &v, &n, &owner);
	if (answer == MAP_ERROR)
		row_text(out, "result", "451 4.3.0 %s", r->alias_why);
	if (answer == MAP_NONE && local_user_find(r->conf, name, &account) == 0)
		luser = luser_address(r->conf, a, name, rcpt);
	if (luser.n)
		luser = rewrite_address(r, a, luser, true);
	if (luser.n && !str_ieq(luser, rcpt)) {
		row_text(out, "note", "luser_relay: %.*s", STR_ARG(luser));
		next(ctx, luser);
	} else if (answer == MAP_NONE) {
		explain_account(r->conf, name, out);
	}
	if (answer == MAP_FOUND && !n)
		row_text(out, "result", "550 5.4.6 alias %.*s names nobody but itself", STR_ARG(name));
	for (size_t i = 0; answer == MAP_FOUND && i < n; i++) {
		row_text(out, "note", "alias %.*s: %.*s", STR_ARG(name), STR_ARG(v[i].text));
		switch (v[i].kind) {
		case ALIAS_ADDRESS:
			next(ctx, v[i].text);
			break;
		case ALIAS_USER:
			explain_account(r->conf, v[i].text, out);
			break;
		case ALIAS_FILE:
			row_text(out, "result", "file %.*s", STR_ARG(v[i].text));
			break;
		default:
			row_text(out, "result", "%.*s is not run here", STR_ARG(v[i].text));
			break;
		}
	}
}
