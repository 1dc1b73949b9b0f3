/* auth_table - users in a table of ours. The look-up is quick and done at once, the hash on the pool. A user that does not exist costs the
 * hash of somebody's entry, and every no waits as long. */
#include <string.h>

#include "core/auth/auth_private.h"
#include "core/auth/password.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/net/tls.h"

#define NO_WAITS (2 * USEC_PER_SEC)            /* whoever guesses has this for each try */

/* --- opening ---------------------------------------------------------------------------------------------------------- */

/* take_logins - "user:password" elements with commas or line ends between: SMTPD_SASL_USERS */
static void take_logins(struct auth *a, const char *list, struct conf_diag *diag)
{
	struct str rest = str_of(list), word;

	while (str_word(&rest, ",\r\n", &word)) {
		ptrdiff_t colon;
		struct buf entry;

		word = str_trim(word);
		colon = str_chr(word, ':');
		if (!word.n)
			continue;
		if (colon < 1 || (size_t)colon + 1 == word.n) {
			conf_diag_add(diag, CONF_ERROR, "environment", 0, "SMTPD_SASL_USERS: element %zu is not user:password", a->n_logins + 1);
			return;
		}
		buf_init(&entry, LIMIT_CONF_VALUE);
		buf_printf(&entry, "%s%.*s", password_check_entry(str_from(word, (size_t)colon + 1)) ? "{PLAIN}" : "",
			STR_ARG(str_from(word, (size_t)colon + 1)));
		a->logins = mem_array(a->logins, a->n_logins + 1, sizeof(*a->logins));
		a->logins[a->n_logins++] = (struct auth_login){ str_dup(str_head(word, (size_t)colon)), str_dup(buf_view(&entry)) };
		buf_wipe(&entry);
	}
}

struct look { struct auth *auth; const char *spec; struct conf_diag *diag; size_t seen, told; };

/* look_at_entry - an entry that can never fit is told at the start, and the first good one is the decoy */
static int look_at_entry(void *ctx, struct str key, struct str value)
{
	struct look *l = ctx;
	const char *why = password_check_entry(value);

	if (!why && !l->auth->decoy)
		l->auth->decoy = str_dup(value);
	if (why && ++l->told <= LIMIT_AUTH_TOLD)
		conf_diag_add(l->diag, CONF_WARNING, NULL, 0, "smtpd_sasl_password_maps: %s: \"%.*s\" cannot log in: %s", l->spec,
			STR_ARG(str_head(key, 100)), why);
	return ++l->seen >= LIMIT_AUTH_LOOKED_AT || l->told > LIMIT_AUTH_TOLD;
}

/* can_scram - the mechanism is offered where it works for everybody: clients take the best that is offered, and then it must do. A table
 * that cannot be looked through has nobody to go by */
struct kinds { size_t seen, without; };

static int look_at_kind(void *ctx, struct str key, struct str value)
{
	struct kinds *k = ctx;

	(void)key;
	k->without += !password_does_scram(value);
	return k->without || ++k->seen >= LIMIT_AUTH_LOOKED_AT;
}

static bool can_scram(const struct auth *a)
{
	struct kinds k = { 0, 0 };
	bool all = true;

	for (size_t i = 0; i < a->n_logins; i++)
		(void)look_at_kind(&k, STR_EMPTY, str_of(a->logins[i].entry));
	for (size_t i = 0; i < a->passwords.n; i++) {
		size_t before = k.seen;

		(void)map_each(a->passwords.v[i], look_at_kind, &k);
		all &= k.seen > before;
	}
	return all && k.seen && !k.without;
}

static bool table_open(struct auth *a, struct conf_diag *diag)
{
	struct buf why;
	bool good;

	buf_init(&why, 1024);
	good = maps_open_form(&a->passwords, a->conf->smtpd_sasl_password_maps, SOURCE_LOGINS, &why) == 0;
	if (!good)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "smtpd_sasl_password_maps: %s", buf_cstr(&why));
	buf_fini(&why);
	if (a->conf->smtpd_users)
		take_logins(a, a->conf->smtpd_users, diag);
	for (size_t i = 0; i < a->passwords.n; i++) {
		struct look l = { .auth = a, .spec = map_spec(a->passwords.v[i]), .diag = diag };

		(void)map_each(a->passwords.v[i], look_at_entry, &l);
	}
	if (!a->decoy && a->n_logins)
		a->decoy = mem_dupz(a->logins[0].entry);
	if (!a->decoy) {
		struct buf made;

		buf_init(&made, LIMIT_PASSWORD_ENTRY);
		password_make(&made, STR("nobody's"), STR("decoy"));
		a->decoy = str_dup(buf_view(&made));
		buf_fini(&made);
	}
	a->scram = good && can_scram(a);
	return good;
}

/* --- a question ------------------------------------------------------------------------------------------------------- */

static enum map_answer find(struct auth *a, const char *user, struct buf *out)
{
	for (size_t i = 0; i < a->n_logins; i++)
		if (!strcmp(a->logins[i].user, user)) {
			buf_z(out, a->logins[i].entry);
			return MAP_FOUND;
		}
	return maps_find(&a->passwords, str_of(user), false, out, NULL);
}

/* find_user - as he is called, or completed with smtpd_sasl_local_domain */
static enum map_answer find_user(struct auth_check *c, struct buf *out)
{
	const char *domain = c->auth->conf->smtpd_sasl_local_domain;
	enum map_answer got = find(c->auth, c->user, out);
	char full[LIMIT_AUTH_USER];

	if (got != MAP_NONE || !*domain || strchr(c->user, '@') ||
	    snprintf(full, sizeof(full), "%s@%s", c->user, domain) >= (int)sizeof(full))
		return got;
	got = find(c->auth, full, out);
	if (got == MAP_FOUND) {
		mem_free(c->user);
		c->user = mem_dupz(full);
	}
	return got;
}

static void on_pause(struct loop_timer *t)
{
	auth_tell(LIST_ITEM(t, struct auth_check, timer), AUTH_NO);
}

static void work(struct pool_job *j)
{
	struct auth_check *c = LIST_ITEM(j, struct auth_check, job);

	c->verdict = password_fits(str_of(c->entry), str_of(c->password)) && c->known ? AUTH_YES : AUTH_NO;
}

static void done(struct pool_job *j)
{
	struct auth_check *c = LIST_ITEM(j, struct auth_check, job);

	c->working = false;
	if (!c->fn || c->verdict != AUTH_NO)
		auth_tell(c, c->verdict);
	else
		loop_timer_set(c->loop, &c->timer, loop_now(c->loop) + NO_WAITS);
}

/* --- SCRAM ------------------------------------------------------------------------------------------------------------ */

/* invent_salt - of a user who has none: always the same for the same name, or it would tell that there is none */
static void invent_salt(struct scram_check *s)
{
	struct scram_entry *e = &s->exchange.entry;
	uint8_t salt[32];

	tls_hmac_sha256(salt, s->secret, sizeof(s->secret), s->exchange.user, strlen(s->exchange.user));
	e->salt_n = e->salt_n ? e->salt_n : 16;
	for (size_t i = 0; i < e->salt_n; i++)
		e->salt[i] = salt[i % sizeof(salt)];
}

/* prepare - the entry, for a user who is not there as somebody's would be; what nobody knows a password of fits nobody */
static void prepare(struct pool_job *j)
{
	struct auth_check *c = LIST_ITEM(j, struct auth_check, job);
	struct scram_entry *e = &c->scram->exchange.entry;
	bool kept = scram_entry_read(str_of(c->entry), e);

	if (!kept)
		*e = (struct scram_entry){ .rounds = PASSWORD_SCRAM_ROUNDS };
	if (!kept || !c->known)
		invent_salt(c->scram);
	if (!kept)
		c->known &= password_scram(str_of(c->entry), e);
	if (!c->known)
		random_bytes(e->stored, sizeof(e->stored));
	scram_challenge(&c->scram->exchange, &c->scram->challenge);
	c->verdict = AUTH_MORE;
}

static void table_go_on(struct auth_check *c, struct str message)
{
	struct scram_check *s = c->scram;
	const char *no = NULL;

	/* the second answer says nothing: it asks for the end (RFC 4954 section 4) */
	if (!s->shown) {
		buf_clear(&s->challenge);
		no = scram_final(&s->exchange, message, &s->challenge);
	} else if (message.n) {
		no = "malformed response";
	}
	c->verdict = no || !c->known ? AUTH_NO : s->shown ? AUTH_YES : AUTH_MORE;
	s->shown = true;
	format_text(c->why, sizeof(c->why), "%s", no ? no : "");
	done(&c->job);
}

/* burns - a password is worth a thread for its form's sake, SCRAM for a password's */
static bool burns(const struct auth_check *c)
{
	struct scram_entry e;

	return c->scram ? !scram_entry_read(str_of(c->entry), &e) : password_burns(str_of(c->entry));
}

static void table_ask(struct auth_check *c, struct pool *pool)
{
	enum map_answer got;
	struct buf entry;

	loop_timer_init(&c->timer, on_pause);
	buf_init(&entry, LIMIT_MAP_VALUE);
	got = find_user(c, &entry);
	c->known = got == MAP_FOUND;
	c->entry = c->known ? str_dup(str_trim(buf_view(&entry))) : mem_dupz(c->auth->decoy);
	buf_wipe(&entry);
	if (got == MAP_ERROR) {
		format_text(c->why, sizeof(c->why), "the table of users cannot be read");
		auth_tell(c, AUTH_LATER);
		return;
	}
	if (c->known && password_check_entry(str_of(c->entry)))
		log_text(LOG_SEV_WARNING, "smtpd", 0, NULL, "smtpd_sasl_password_maps: the entry of %s: %s", c->user,
			password_check_entry(str_of(c->entry)));
	c->job = (struct pool_job){ .work = work, .done = done };
	if (c->known && c->scram && !password_does_scram(str_of(c->entry)))
		log_text(LOG_SEV_WARNING, "smtpd", 0, NULL, "smtpd_sasl_password_maps: the entry of %s cannot do SCRAM, which is offered: reload, or make it "
			"anew with mapgen --password --scram", c->user);
	if (c->scram)
		c->job.work = prepare;
	if (burns(c)) {
		c->working = true;
		pool_run(pool, &c->job);
		return;
	}
	c->job.work(&c->job);
	done(&c->job);
}

const struct auth_backend auth_table = { table_open, table_ask, table_go_on, true };
