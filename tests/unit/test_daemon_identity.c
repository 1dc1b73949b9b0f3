/* identity and privilege: who relayd becomes, for every account that a host may have, and that nothing of root is left. Who we are, which
 * accounts there are and what the kernel answers is a table here */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/daemon/identity.h"
#include "core/daemon/privilege.h"
#include "tests/unit/t.h"

struct account { const char *name; unsigned uid, gid; };
static uid_t self;
static const struct account *accounts;

static struct passwd *account(const struct account *a)
{
	static struct passwd pw;

	pw = (struct passwd){ .pw_name = (char *)(uintptr_t)a->name, .pw_uid = a->uid, .pw_gid = a->gid };
	return &pw;
}

static gid_t group = 77;

uid_t geteuid(void) { return self; }
gid_t getegid(void) { return group; }

struct passwd *getpwnam(const char *name)
{
	for (const struct account *a = accounts; a->name; a++)
		if (strcmp(a->name, name) == 0)
			return account(a);
	return NULL;
}

/* libc has all of these in one object: none of them is left to it */
void setpwent(void) { }
void endpwent(void) { }
struct passwd *getpwent(void) { return NULL; }

struct passwd *getpwuid(uid_t uid)
{
	for (const struct account *a = accounts; a->name; a++)
		if (a->uid == uid)
			return account(a);
	return NULL;
}

static const struct account usual[] = { { "root", 0, 0 }, { "postfix", 101, 102 }, { "relaybox", 103, 104 }, { "nobody", 65534, 65534 },
	{ "mail", 8, 12 }, { NULL, 0, 0 } };
static const struct account ours[] = { { "root", 0, 0 }, { "relaybox", 103, 104 }, { NULL, 0, 0 } };
static const struct account bare[] = { { "root", 0, 0 }, { "nobody", 99, 99 }, { NULL, 0, 0 } };
static const struct account shared[] = { { "root", 0, 0 }, { "postfix", 99, 100 }, { "nobody", 99, 99 }, { NULL, 0, 0 } };
static const struct account none[] = { { NULL, 0, 0 } };

T(identity_is_an_account_of_its_own)
{
	static const struct { uid_t self; const struct account *accounts; const char *owner; unsigned uid, gid; const char *name; bool drop; const char *why; } rows[] = {
		/* not root: whoever started it, whatever is set */
		{ 1000, usual, NULL, 1000, 77, "", false, NULL }, { 1000, usual, "nowhere", 1000, 77, "", false, NULL },
		{ 0, usual, NULL, 101, 102, "postfix", true, NULL }, { 0, ours, NULL, 103, 104, "relaybox", true, NULL },
		{ 0, bare, NULL, 0, 0, "", false, "no user postfix or relaybox on this host" },
		{ 0, shared, NULL, 0, 0, "", false, "user postfix has the uid of nobody" },
		/* an image without any account */
		{ 0, none, NULL, 12525, 12525, "12525", true, NULL },
		{ 0, usual, "mail", 8, 12, "mail", true, NULL }, { 0, usual, "nowhere", 0, 0, "", false, "mail_owner nowhere: no such user" },
		/* numbers need no account, but have its group where there is one */
		{ 0, usual, "8", 8, 12, "8", true, NULL }, { 0, usual, "1234", 1234, 1234, "1234", true, NULL },
		{ 0, usual, "8:9", 8, 9, "8:9", true, NULL }, { 0, none, "1234:99", 1234, 99, "1234:99", true, NULL },
		{ 0, usual, "4294967295", 0, 0, "", false, "no such user" }, { 0, usual, "8:4294967295", 0, 0, "", false, "no such user" },
		{ 0, usual, "8:x", 0, 0, "", false, "no such user" }, { 0, usual, "x:8", 0, 0, "", false, "no such user" },
		{ 0, usual, "4294967294:4294967294", 4294967294u, 4294967294u, "4294967294:4294967294", true, NULL },
		/* root that stays root, and nobody when somebody wrote it down */
		{ 0, usual, "root", 0, 0, "root", false, NULL }, { 0, usual, "nobody", 65534, 65534, "nobody", true, NULL },
		{ 0, shared, "postfix", 99, 100, "postfix", true, NULL },
	};

	log_open(&(struct log_config){ .sink = LOG_TO_NOTHING, .syslog_name = "postfix", .host = "mx" });
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char set[100];
		const char *extra[] = { "alias_maps=", rows[i].owner ? set : NULL, NULL };
		struct conf_diag diag;
		struct identity x;
		struct conf *c;
		struct buf why;
		bool found;

		ROW("%zu %s", i, rows[i].owner ? rows[i].owner : "");
		snprintf(set, sizeof(set), "mail_owner=%s", rows[i].owner ? rows[i].owner : "");
		self = rows[i].self;
		accounts = rows[i].accounts;
		conf_diag_init(&diag);
		c = conf_load(t_tmpdir(), extra, &diag);
		REQUIRE(c);
		buf_init(&why, 1000);
		found = identity_find(c, &x, &why);
		CHECK_INT(found, !rows[i].why);
		CHECK(rows[i].why ? strstr(buf_cstr(&why), rows[i].why) != NULL : why.n == 0);
		if (found) {
			CHECK_INT(x.uid, rows[i].uid);
			CHECK_INT(x.gid, rows[i].gid);
			CHECK_STR(x.name, rows[i].name);
			CHECK_INT(x.drop, rows[i].drop);
		}
		buf_fini(&why);
		conf_free(c);
		conf_diag_fini(&diag);
	}
}

/* --- giving root up --------------------------------------------------------------------------------------------------------- */

static char done[200];                 /* the calls, in order */
static const char *fails;              /* this one is refused */
static bool lies;                      /* setuid says yes and does nothing; root stays to be had */

static int note(const char *call, unsigned n)
{
	char text[60];

	snprintf(text, sizeof(text), "%s %u", call, n);
	snprintf(done + strlen(done), sizeof(done) - strlen(done), "%s%s", *done ? ", " : "", text);
	errno = EPERM;
	return fails && strcmp(fails, text) == 0 ? -1 : 0;
}

int setgroups(size_t n, const gid_t *v)
{
	(void)v;
	return note("setgroups", (unsigned)n);
}

int setgid(gid_t gid)
{
	int r = note("setgid", gid);

	group = r == 0 && !lies ? gid : group;
	return r;
}

int setuid(uid_t uid)
{
	int r = note("setuid", uid);

	if (uid == 0 && !lies && self != 0)
		return -1;
	self = r == 0 && !lies ? uid : self;
	return r;
}

T(privilege_leaves_nothing_of_root)
{
	static const char all[] = "setgroups 0, setgid 9, setuid 8, setuid 0";
	static const struct { bool drop; const char *fails; bool lies; int result; const char *done; } rows[] = {
		{ true, NULL, false, 0, all }, { false, NULL, false, 0, "" },
		/* what is refused ends it there: nothing is served with half of root's rights */
		{ true, "setgroups 0", false, -1, "setgroups 0" }, { true, "setgid 9", false, -1, "setgroups 0, setgid 9" },
		{ true, "setuid 8", false, -1, "setgroups 0, setgid 9, setuid 8" },
		/* a kernel, or a filter in front of it, that only says yes */
		{ true, NULL, true, -1, all }, { true, "setuid 0", true, -1, all },
	};

	log_open(&(struct log_config){ .sink = LOG_TO_NOTHING, .syslog_name = "postfix", .host = "mx" });
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct identity owner = { .uid = 8, .gid = 9, .name = "mail", .drop = rows[i].drop };

		ROW("%zu", i);
		self = 0;
		group = 0;
		done[0] = '\0';
		fails = rows[i].fails;
		lies = rows[i].lies;
		CHECK_INT(privilege_drop(&owner), rows[i].result);
		CHECK_STR(done, rows[i].done);
		if (!rows[i].result && rows[i].drop)
			CHECK(self == 8 && group == 9);
	}
	/* the user is another, the group is still root's */
	ROW("group");
	self = 8;
	group = 0;
	fails = NULL;
	lies = true;
	CHECK_INT(privilege_drop(&(struct identity){ .uid = 8, .gid = 9, .name = "mail", .drop = true }), -1);
}
