/* auth - see auth.h. What is common to the backends: which one, what may be offered, the life of a question. */
#include <arpa/inet.h>
#include <string.h>

#include "core/auth/auth_private.h"
#include "core/base/format.h"
#include "core/base/mem.h"

/* --- what may be offered ---------------------------------------------------------------------------------------------- */

/* plain_is_allowed - postconf(5), smtpd_sasl_security_options: which words PLAIN and LOGIN do not satisfy */
static bool plain_is_allowed(const char *parameter, const char *options, struct conf_diag *diag)
{
	static const struct { const char *word; bool forbids; } rows[] = {
		{ "noplaintext", true }, { "noactive", false }, { "nodictionary", false }, { "noanonymous", false },
		{ "forward_secrecy", true }, { "mutual_auth", true },
	};
	struct str rest = str_of(options), word;
	bool allowed = true;

	while (str_word(&rest, ", \t\r\n", &word)) {
		size_t i = 0;

		while (i < sizeof(rows) / sizeof(rows[0]) && !str_ieq(word, str_of(rows[i].word)))
			i++;
		if (i < sizeof(rows) / sizeof(rows[0]))
			allowed &= !rows[i].forbids;
		else
			conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: there is no option \"%.*s\": use noplaintext, noactive, nodictionary, "
				"noanonymous, forward_secrecy or mutual_auth", parameter, STR_ARG(word));
	}
	return allowed;
}

static void open_offers(struct auth *a, struct conf_diag *diag)
{
	const struct conf *c = a->conf;
	bool clear = plain_is_allowed("smtpd_sasl_security_options", c->smtpd_sasl_security_options, diag);

	a->offers[true] = plain_is_allowed("smtpd_sasl_tls_security_options", c->smtpd_sasl_tls_security_options, diag);
	a->offers[false] = clear && !c->smtpd_tls_auth_only;
	if (!a->offers[true])
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: nobody could log in, for there are PLAIN and LOGIN alone: set smtpd_sasl_tls_security_options = "
			"noanonymous", conf_is_set(c, "smtpd_sasl_tls_security_options") ? "smtpd_sasl_tls_security_options" : "smtpd_sasl_security_options");
	if (a->offers[false])
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "smtpd_tls_auth_only: passwords may come in clear: set it to yes");
}

/* --- the backend ------------------------------------------------------------------------------------------------------ */

static const struct auth_backend *choose(const struct conf *c, struct conf_diag *diag)
{
	if (*c->smtpd_sasl_password_maps || c->smtpd_users)
		return &auth_table;
	if (str_ieq(str_of(c->smtpd_sasl_type), STR("dovecot")))
		return &auth_dovecot;
	conf_diag_add(diag, CONF_ERROR, NULL, 0, "smtpd_sasl_auth_enable: smtpd_sasl_type = %s is not done: set it to dovecot, with smtpd_sasl_path, or name a "
		"table of users in smtpd_sasl_password_maps (mapgen --password makes its entries)", c->smtpd_sasl_type);
	return NULL;
}

struct auth *auth_open(const struct conf *c, struct conf_diag *diag)
{
	size_t errors = diag->errors;
	struct auth *a;

	if (!c->smtpd_sasl_auth_enable)
		return NULL;
	a = MEM_NEW(struct auth);
	a->conf = c;
	a->backend = choose(c, diag);
	open_offers(a, diag);
	if (a->backend && a->backend->open(a, diag) && diag->errors == errors)
		return a;
	auth_free(a);
	return NULL;
}

static void free_secret(char *z)
{
	if (z)
		mem_wipe(z, strlen(z));
	mem_free(z);
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	maps_close(&a->passwords);
	for (size_t i = 0; i < a->n_logins; i++) {
		mem_free(a->logins[i].user);
		free_secret(a->logins[i].entry);
	}
	mem_free(a->logins);
	free_secret(a->decoy);
	mem_free(a);
}

void auth_refresh(struct auth *a, usec now_mono) { maps_refresh(&a->passwords, now_mono); }
bool auth_offers(const struct auth *a, bool tls) { return a->offers[tls]; }

bool auth_burns(const struct auth *a) { return a->backend->burns; }
uint16_t auth_port(const struct auth *a) { return a->port; }

/* --- a question ------------------------------------------------------------------------------------------------------- */

void auth_check_free(struct auth_check *c)
{
	if (c->conn)
		conn_close(c->conn);
	loop_timer_cancel(c->loop, &c->timer);
	loop_task_cancel(&c->task);
	mem_free(c->user);
	free_secret(c->password);
	free_secret(c->entry);
	mem_free(c);
}

static void tell(struct loop_task *t)
{
	struct auth_check *c = LIST_ITEM(t, struct auth_check, task);
	const char *user = c->dovecot.user[0] ? c->dovecot.user : c->user;

	if (c->fn)
		c->fn(c->ctx, c->verdict, user, c->why);
	auth_check_free(c);
}

void auth_tell(struct auth_check *c, enum auth_verdict v)
{
	c->verdict = v;
	loop_defer(c->loop, &c->task);
}

struct auth_check *auth_ask(struct auth *a, struct loop *l, struct pool *pool, const struct auth_question *q, auth_fn fn, void *ctx)
{
	struct auth_check *c = MEM_NEW(struct auth_check);

	*c = (struct auth_check){ .auth = a, .loop = l, .fn = fn, .ctx = ctx, .tls = q->tls };
	c->user = mem_dupz(q->user);
	c->password = mem_dupz(q->password);
	format_text(c->client, sizeof(c->client), "%s", q->client);
	format_text(c->server, sizeof(c->server), "%s", q->server);
	loop_task_init(&c->task, tell);
	a->backend->ask(c, pool);
	return c;
}

void auth_cancel(struct auth_check *c)
{
	c->fn = NULL;
	c->auth = NULL;
	/* the pool owns it until the work is done; the task frees it then */
	if (!c->working)
		auth_check_free(c);
}
