/* words_login - restrictions that ask who logged in: does he own the sender's address (smtpd_sender_login_maps, postconf(5)), and may he
 * (check_sasl_access)? */
#include "core/access/access_private.h"

/* owners - whom the sender's address belongs to; false: nobody says, or the answer has failed (*failed) */
static bool owners(struct access_run *r, struct str *list, bool *failed)
{
	const struct access_request *q = r->request;
	enum map_answer got = address_find(q->router, q->arena, &r->rules->logins, q->sender, list, NULL, NULL);

	*failed = got == MAP_ERROR;
	return got == MAP_FOUND;
}

static enum access_says not_logged_in(struct access_run *r)
{
	return access_refuse(r, ACCESS_WHO_SENDER, 553, "5.7.1", "not logged in");
}

static enum access_says not_owned(struct access_run *r)
{
	struct buf why;
	enum access_says says;

	buf_init(&why, 400);
	buf_printf(&why, "not owned by user %.*s", STR_ARG(r->request->login));
	says = access_refuse(r, ACCESS_WHO_SENDER, 553, "5.7.1", buf_cstr(&why));
	buf_fini(&why);
	return says;
}

/* a user sends as himself; unknown_too: an address that nobody owns is not his */
static enum access_says judge_user(struct access_run *r, bool unknown_too)
{
	bool failed, owned;
	struct str list;

	owned = owners(r, &list, &failed);
	if (failed)
		return access_temporary(r, r->request->sender);
	if (owned ? str_has_word(list, ", \t\r\n", r->request->login) : !unknown_too)
		return ACCESS_NEXT;
	return not_owned(r);
}

/* whoever is not logged in does not send as somebody who could; where nobody can log in the list says nothing */
static enum access_says judge_stranger(struct access_run *r)
{
	bool failed, owned;
	struct str list;

	if (!r->request->conf->smtpd_sasl_auth_enable)
		return ACCESS_NEXT;
	owned = owners(r, &list, &failed);
	return failed ? access_temporary(r, r->request->sender) : owned ? not_logged_in(r) : ACCESS_NEXT;
}

enum access_says access_login_mismatch(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return !r->request->sender.n ? ACCESS_NEXT : r->request->authenticated ? judge_user(r, true) : judge_stranger(r);
}

enum access_says access_user_mismatch(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return !r->request->sender.n || !r->request->authenticated ? ACCESS_NEXT : judge_user(r, true);
}

enum access_says access_known_mismatch(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return !r->request->sender.n || !r->request->authenticated ? ACCESS_NEXT : judge_user(r, false);
}

enum access_says access_stranger_mismatch(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return !r->request->sender.n || r->request->authenticated ? ACCESS_NEXT : judge_stranger(r);
}
