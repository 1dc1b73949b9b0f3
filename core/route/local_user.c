/* local_user - see local_user.h. Asked when a recipient is judged and again when mail is delivered, which may be days later. */
#include "core/route/local_user.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>

#include "core/base/limits.h"

struct str local_user_name(struct arena *a, struct str address)
{
	return arena_lower(a, addr_unquote_local(a, addr_split(address).local));
}

/* 1 found, 0 not, -1 with errno */
static int find_account(struct str name, struct local_user *out)
{
	struct passwd pw, *found = NULL;
	char text[LIMIT_USER_ENTRY];
	int error;

	if (!name.n || name.n >= sizeof(out->name) || memchr(name.p, 0, name.n) || memchr(name.p, '/', name.n))
		return 0;
	snprintf(out->name, sizeof(out->name), "%.*s", STR_ARG(name));
	error = getpwnam_r(out->name, &pw, text, sizeof(text), &found);
	if (error && error != ENOENT) {
		errno = error;
		return -1;
	}
	if (!found || strlen(pw.pw_dir) >= sizeof(out->home))
		return 0;
	snprintf(out->home, sizeof(out->home), "%s", pw.pw_dir);
	out->uid = pw.pw_uid;
	return 1;
}

int local_user_find(const struct conf *c, struct str name, struct local_user *out)
{
	struct str base = route_local_base(c, name);
	int got = find_account(name, out);

	return got == 0 && base.n < name.n ? find_account(base, out) : got;
}

static void check_account(const struct conf *c, struct str name, struct reply *out)
{
	struct local_user u;
	int got = local_user_find(c, name, &u);

	if (got > 0)
		reply_set(out, 250, "2.0.0", "delivers to mailbox");
	else if (got < 0)
		reply_set(out, 451, "4.3.0", "user lookup error: %s", strerror(errno));
	else
		reply_set(out, 550, "5.1.1", "unknown user: \"%.*s\"", STR_ARG(route_local_base(c, name)));
}

void local_user_check(struct router *r, struct str rcpt, struct reply *out)
{
	struct arena a;
	struct str name;

	arena_init(&a, LIMIT_SESSION_ARENA);
	name = local_user_name(&a, rcpt);
	switch (alias_find(r, &a, name)) {
	case MAP_FOUND:
		reply_set(out, 250, "2.0.0", "delivers to alias");
		break;
	case MAP_ERROR:
		reply_set(out, 451, "4.3.0", "%s", r->alias_why);
		break;
	case MAP_NONE:
		check_account(r->conf, name, out);
		break;
	}
	arena_fini(&a);
}
