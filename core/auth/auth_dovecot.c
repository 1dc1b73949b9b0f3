/* auth_dovecot - users that a Dovecot knows: a connection for each question, so nothing is left over from one to the next. */
#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/auth/auth_private.h"
#include "core/base/format.h"
#include "core/base/ipaddr.h"
#include "core/base/mem.h"
#include "core/base/random.h"

#define ANSWER_TIME (30 * USEC_PER_SEC)        /* Dovecot itself puts a no off for up to 17 s */
#define POSTFIX_QUEUE "/var/spool/postfix"

/* --- where it listens ------------------------------------------------------------------------------------------------- */

static void take_path(struct auth *a, const char *path, struct conf_diag *diag)
{
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&a->server;

	if (strlen(path) >= sizeof(un->sun_path)) {
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "smtpd_sasl_path: longer than the %zu bytes that a socket's name may have",
			sizeof(un->sun_path) - 1);
		return;
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, strlen(path) + 1);
	a->server_len = sizeof(*un);
	if (access(path, F_OK) < 0 && errno == ENOENT)
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "smtpd_sasl_path: there is no %s: nobody can log in until Dovecot listens there (its "
			"service auth, unix_listener)", path);
}

/* a relative name is one in the queue directory; Dovecot's own recipe puts the socket into Postfix's, which counts where ours has none */
static void take_relative(struct auth *a, const char *name, struct conf_diag *diag)
{
	char ours[4096], theirs[4096];

	format_text(ours, sizeof(ours), "%s/%s", a->conf->queue_directory, name);
	format_text(theirs, sizeof(theirs), POSTFIX_QUEUE "/%s", name);
	take_path(a, access(ours, F_OK) < 0 && access(theirs, F_OK) == 0 ? theirs : ours, diag);
}

static void take_inet(struct auth *a, struct str endpoint, struct conf_diag *diag)
{
	ptrdiff_t colon = -1;
	struct ipaddr address;
	unsigned long port = 0;
	struct str host;

	for (size_t i = 0; i < endpoint.n; i++)
		if (endpoint.p[i] == ':')
			colon = (ptrdiff_t)i;
	host = colon < 0 ? STR_EMPTY : str_head(endpoint, (size_t)colon);
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = str_make(host.p + 1, host.n - 2);
	if (str_eq(host, STR("localhost")))
		host = STR("127.0.0.1");
	for (size_t i = (size_t)(colon + 1); colon >= 0 && i < endpoint.n && port <= 65535; i++)
		port = ascii_is_digit(endpoint.p[i]) ? port * 10 + (unsigned long)(endpoint.p[i] - '0') : 65536;
	if (ipaddr_parse(host, &address) && port && port <= 65535)
		a->server_len = ipaddr_to_sockaddr(&address, a->port = (uint16_t)port, &a->server);
	else
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "smtpd_sasl_path: inet:%.*s: use inet:ADDRESS:PORT with an IP address or localhost",
			STR_ARG(endpoint));
}

static bool dovecot_open(struct auth *a, struct conf_diag *diag)
{
	struct str path = str_of(a->conf->smtpd_sasl_path);

	if (str_starts(path, STR("unix:")))
		path = str_from(path, 5);
	if (str_starts(path, STR("inet:")))
		take_inet(a, str_from(path, 5), diag);
	else if (!path.n)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "smtpd_sasl_path: name Dovecot's socket, e.g. private/auth");
	else if (*path.p == '/')
		take_path(a, path.p, diag);
	else
		take_relative(a, path.p, diag);
	return a->server_len > 0;
}

/* --- a question ------------------------------------------------------------------------------------------------------- */

static enum conn_next end(struct auth_check *c, enum auth_verdict v, const char *why)
{
	c->conn = NULL;
	format_text(c->why, sizeof(c->why), "%s", why);
	auth_tell(c, v);
	return CONN_CLOSE;
}

static enum conn_next take(struct auth_check *c)
{
	struct str in = buf_view(&c->conn->in);
	size_t before = in.n;
	enum dovecot_step step = dovecot_next(&c->dovecot, &in, &c->conn->out);

	buf_consume(&c->conn->in, before - in.n);
	switch (step) {
	case DOVECOT_MORE:
		return CONN_KEEP;
	case DOVECOT_YES:
		return end(c, AUTH_YES, "");
	case DOVECOT_NO:
		return end(c, AUTH_NO, c->dovecot.why);
	case DOVECOT_LATER:
		break;
	}
	return end(c, AUTH_LATER, c->dovecot.why[0] ? c->dovecot.why : "the authentication server cannot tell now");
}

static enum conn_next on_conn(struct conn *conn, enum conn_event ev)
{
	struct auth_check *c = conn->ctx;
	struct auth_question q = { .user = c->user, .password = c->password, .tls = c->tls, .client = c->client, .server = c->server };

	switch (ev) {
	case CONN_CONNECTED:
		conn_deadline(conn, loop_now(c->loop) + ANSWER_TIME);
		dovecot_begin(&c->dovecot, &q, random_u32() >> 1 | 1, &conn->out);
		return CONN_KEEP;
	case CONN_DATA:
		return take(c);
	case CONN_SENT:
	case CONN_TLS_READY:
		return CONN_KEEP;
	case CONN_EOF:
		return end(c, AUTH_LATER, "the authentication server hung up");
	case CONN_FAILED:
		return end(c, AUTH_LATER, conn->why[0] ? conn->why : conn_error_text(conn->error));
	case CONN_DEADLINE:
		break;
	}
	return end(c, AUTH_LATER, "the authentication server does not answer");
}

static void dovecot_ask(struct auth_check *c, struct pool *pool)
{
	const struct auth *a = c->auth;

	(void)pool;
	loop_timer_init(&c->timer, NULL);
	c->conn = conn_connect(c->loop, (const struct sockaddr *)&a->server, a->server_len, NULL, 0, 2 * LIMIT_AUTH_LINE, 4 * LIMIT_AUTH_LINE,
		loop_now(c->loop) + ANSWER_TIME, on_conn, c);
	if (!c->conn)
		end(c, AUTH_LATER, strerror(errno));
}

const struct auth_backend auth_dovecot = { dovecot_open, dovecot_ask, NULL, false };
