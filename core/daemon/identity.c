/* identity - see identity.h. */
#include "core/daemon/identity.h"

#include <pwd.h>
#include <unistd.h>

#include "core/base/format.h"
#include "core/base/log.h"

/* what accounts for this are called, in the order in which they are looked for when mail_owner is not set */
static const char *const usual[] = { "postfix", "relaybox" };
#define NOBODY 65534
#define OUR_NUMBER 12525              /* where no account exists at all, as in an empty image: nobody else has it */

/* find_account - by name, or by number ("1000", "1000:1000"), which needs no account */
static bool find_account(const char *owner, struct identity *out)
{
	const struct passwd *pw;
	struct str rest = str_of(owner), text;
	uint64_t uid, gid;

	if (str_cut(&rest, ':', &text) && str_to_u64(text, &uid) && uid < UINT32_MAX && str_to_u64(rest.n ? rest : text, &gid) &&
	    gid < UINT32_MAX) {
		pw = rest.n ? NULL : getpwuid((uid_t)uid);
		out->uid = (uid_t)uid;
		out->gid = pw ? pw->pw_gid : (gid_t)gid;
		format_text(out->name, sizeof(out->name), "%s", owner);
		return true;
	}
	pw = getpwnam(owner);
	if (!pw)
		return false;
	out->uid = pw->pw_uid;
	out->gid = pw->pw_gid;
	format_text(out->name, sizeof(out->name), "%s", pw->pw_name);
	return true;
}

static bool is_nobody(const struct identity *x)
{
	const struct passwd *pw = getpwnam("nobody");

	return x->uid == NOBODY || (pw && pw->pw_uid == x->uid);
}

static bool find_usual(struct identity *out, struct buf *why)
{
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (find_account(usual[i], out))
			return true;
	if (!getpwuid(0)) {
		out->uid = out->gid = OUR_NUMBER;
		format_text(out->name, sizeof(out->name), "%d", OUR_NUMBER);
		return true;
	}
	buf_z(why, "no user postfix or relaybox on this host to give root up for: make one (adduser -S -D -H relaybox; useradd -r "
		"relaybox), set mail_owner to an account or a number of its own, or start relayd as an ordinary user");
	return false;
}

bool identity_find(const struct conf *c, struct identity *out, struct buf *why)
{
	*out = (struct identity){ .uid = geteuid(), .gid = getegid() };
	if (out->uid != 0)
		return true;
	if (!conf_is_set(c, "mail_owner")) {
		if (!find_usual(out, why))
			return false;
	} else if (!find_account(c->mail_owner, out)) {
		buf_printf(why, "mail_owner %s: no such user: make it (adduser -S -D -H %s; useradd -r %s), or set mail_owner to a number",
			c->mail_owner, c->mail_owner, c->mail_owner);
		return false;
	}
	out->drop = out->uid != 0;
	if (!is_nobody(out))
		return true;
	if (!conf_is_set(c, "mail_owner")) {
		buf_printf(why, "user %s has the uid of nobody, whom other programs are, too: give it a uid of its own, or set mail_owner", out->name);
		return false;
	}
	log_warn("master", "mail_owner %s is nobody, whom other programs are, too: they can read and stop what is his", c->mail_owner);
	return true;
}
