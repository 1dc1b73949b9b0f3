/* auth - see auth.h. What is common to the backends: which one, what may be offered, the life of a question. */
#include <arpa/inet.h>
#include <string.h>

#include "core/auth/auth_private.h"
#include "core/base/format.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/msg/mime.h"
#include "core/smtp/grammar.h"
#include "core/smtp/sasl.h"

/* --- what may be offered ---------------------------------------------------------------------------------------------- */

/* postconf(5), smtpd_sasl_security_options: which words forbid what */
enum { IS_PLAIN = 1, IS_SCRAM = 2 };

static unsigned forbidden_by(const char *parameter, const char *options, struct conf_diag *diag)
{
	static const struct { const char *word; unsigned forbids; } rows[] = {
		{ "noplaintext", IS_PLAIN }, { "noactive", 0 }, { "nodictionary", 0 }, { "noanonymous", 0 },
		{ "forward_secrecy", IS_PLAIN | IS_SCRAM }, { "mutual_auth", IS_PLAIN },
	};
	struct str rest = str_of(options), word;
	unsigned forbidden = 0;

	while (str_word(&rest, ", \t\r\n", &word)) {
		size_t i = 0;

		while (i < sizeof(rows) / sizeof(rows[0]) && !str_ieq(word, str_of(rows[i].word)))
			i++;
		if (i < sizeof(rows) / sizeof(rows[0]))
			forbidden |= rows[i].forbids;
		else
			conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: there is no option \"%.*s\": use noplaintext, noactive, nodictionary, "
				"noanonymous, forward_secrecy or mutual_auth", parameter, STR_ARG(word));
	}
	return forbidden;
}

/* in the order in which Postfix has those of Dovecot; a client takes the best that it knows */
static const struct { const char *name; unsigned kind; bool bound; } mechanisms[] = {
	{ "PLAIN", IS_PLAIN, false }, { "LOGIN", IS_PLAIN, false }, { "SCRAM-SHA-256", IS_SCRAM, false }, { "SCRAM-SHA-256-PLUS", IS_SCRAM, true },
};

/* offer - of the mechanisms those that are not forbidden, as far as the backend and the filter have them */
static void offer(struct auth *a, enum auth_channel channel, unsigned forbidden)
{
	char *out = a->offers[channel];

	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
		bool has = !(mechanisms[i].kind & forbidden) && (a->scram || mechanisms[i].kind != IS_SCRAM) &&
			(channel == AUTH_BOUND || !mechanisms[i].bound);

		if (has && sasl_filter_allows(a->conf->smtpd_sasl_mechanism_filter, mechanisms[i].name))
			format_text(out + strlen(out), sizeof(a->offers[channel]) - strlen(out), "%s%s", *out ? " " : "", mechanisms[i].name);
	}
}

static void open_offers(struct auth *a, struct conf_diag *diag)
{
	const struct conf *c = a->conf;
	unsigned clear = forbidden_by("smtpd_sasl_security_options", c->smtpd_sasl_security_options, diag);
	unsigned tls = forbidden_by("smtpd_sasl_tls_security_options", c->smtpd_sasl_tls_security_options, diag);

	if (!c->smtpd_tls_auth_only)
		offer(a, AUTH_IN_CLEAR, clear);
	offer(a, AUTH_UNDER_TLS, tls);
	offer(a, AUTH_BOUND, tls);
	if (!*a->offers[AUTH_BOUND])
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: nobody could log in, for there are PLAIN and LOGIN, and SCRAM-SHA-256 where all entries of the "
			"users' tables can do it: set smtpd_sasl_tls_security_options = noanonymous, and leave smtpd_sasl_mechanism_filter alone",
			conf_is_set(c, "smtpd_sasl_tls_security_options") ? "smtpd_sasl_tls_security_options" : "smtpd_sasl_security_options");
	if (grammar_has_word(a->offers[AUTH_IN_CLEAR], STR("PLAIN")) || grammar_has_word(a->offers[AUTH_IN_CLEAR], STR("LOGIN")))
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "smtpd_tls_auth_only: passwords may come in clear: set it to yes");
}

const char *auth_mechanisms(const struct auth *a, enum auth_channel channel) { return a->offers[channel]; }

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
	if (a->backend && a->backend->open(a, diag)) {
		open_offers(a, diag);
		if (diag->errors == errors)
			return a;
	}
	auth_free(a);
	return NULL;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	maps_close(&a->passwords);
	for (size_t i = 0; i < a->n_logins; i++) {
		mem_free(a->logins[i].user);
		mem_free_secret(a->logins[i].entry);
	}
	mem_free(a->logins);
	mem_free_secret(a->decoy);
	mem_free(a);
}

void auth_refresh(struct auth *a, usec now_mono) { maps_refresh(&a->passwords, now_mono); }

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
	mem_free_secret(c->password);
	mem_free_secret(c->entry);
	if (c->scram) {
		scram_fini(&c->scram->exchange);
		buf_wipe(&c->scram->challenge);
		mem_wipe(c->scram, sizeof(*c->scram));
	}
	mem_free(c->scram);
	mem_free(c);
}

static void tell(struct loop_task *t)
{
	struct auth_check *c = LIST_ITEM(t, struct auth_check, task);
	const char *user = c->dovecot.user[0] ? c->dovecot.user : c->user;

	if (c->fn && c->verdict == AUTH_MORE) {
		/* it may cancel, which frees */
		c->fn(c->ctx, AUTH_MORE, buf_cstr(&c->scram->challenge), "");
		return;
	}
	if (c->fn)
		c->fn(c->ctx, c->verdict, user, c->why);
	auth_check_free(c);
}

void auth_tell(struct auth_check *c, enum auth_verdict v)
{
	c->verdict = v;
	loop_defer(c->loop, &c->task);
}

/* begin_scram - NULL: the user is known now; or why it ends here */
static const char *begin_scram(struct auth_check *c, const struct auth_question *q)
{
	struct scram_check *s = c->scram = MEM_NEW(struct scram_check);
	struct scram_channel channel = { .exporter = q->exporter, .plus = str_ends(str_of(q->mechanism), STR("-PLUS")),
		.offered = q->exporter && grammar_has_word(c->auth->offers[AUTH_BOUND], STR("SCRAM-SHA-256-PLUS")) };
	uint8_t raw[18];
	struct buf nonce;
	const char *no;

	scram_init(&s->exchange);
	buf_init(&s->challenge, LIMIT_REPLY_TEXT);
	memcpy(s->secret, q->secret, sizeof(s->secret));
	random_bytes(raw, sizeof(raw));
	buf_init(&nonce, LIMIT_SCRAM_NONCE);
	mime_base64(&nonce, str_make((const char *)raw, sizeof(raw)), 0);
	no = scram_first(&s->exchange, q->message, &channel, buf_view(&nonce));
	buf_fini(&nonce);
	mem_free(c->user);
	c->user = mem_dupz(s->exchange.user);
	return no;
}

struct auth_check *auth_ask(struct auth *a, struct loop *l, struct pool *pool, const struct auth_question *q, auth_fn fn, void *ctx)
{
	struct auth_check *c = MEM_NEW(struct auth_check);
	const char *no = NULL;

	*c = (struct auth_check){ .auth = a, .loop = l, .fn = fn, .ctx = ctx, .tls = q->tls };
	c->user = mem_dupz(q->user ? q->user : "");
	c->password = mem_dupz(q->password ? q->password : "");
	if (!q->password)
		no = begin_scram(c, q);
	format_text(c->client, sizeof(c->client), "%s", q->client);
	format_text(c->server, sizeof(c->server), "%s", q->server);
	loop_task_init(&c->task, tell);
	if (no) {
		format_text(c->why, sizeof(c->why), "%s", no);
		auth_tell(c, AUTH_NO);
	} else {
		a->backend->ask(c, pool);
	}
	return c;
}

void auth_go_on(struct auth_check *c, struct str message)
{
	c->auth->backend->go_on(c, message);
}

void auth_cancel(struct auth_check *c)
{
	if (!c)
		return;
	c->fn = NULL;
	c->auth = NULL;
	/* the pool owns it until the work is done; the task frees it then */
	if (!c->working)
		auth_check_free(c);
}
