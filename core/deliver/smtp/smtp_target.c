/* smtp_target - see smtp_target.h. */
#include "core/deliver/smtp/smtp_target.h"

#include <errno.h>
#include <sys/un.h>

#include "core/base/format.h"
#include "core/deliver/smtp/smtp_profile.h"

void smtp_target_said(const struct smtp_target *t, char out[300])
{
	char ip[46];

	if (t->address.family == AF_UNSPEC) {
		format_text(out, 300, "%.180s[%.107s]", t->host, t->path);
		return;
	}
	ipaddr_format(&t->address, ip);
	format_text(out, 300, "%.230s[%.60s]", t->host, ip);
}

void smtp_target_where(const struct smtp_target *t, char out[300])
{
	size_t n;

	smtp_target_said(t, out);
	n = strlen(out);
	if (t->address.family != AF_UNSPEC)
		format_text(out + n, 300 - n, ":%u", t->port);
}

bool smtp_has_no_way(int error)
{
	return error == ENETUNREACH || error == EHOSTUNREACH || error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

static socklen_t make_unix(const char *path, struct sockaddr_storage *out)
{
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)out;

	*out = (struct sockaddr_storage){ .ss_family = AF_UNSPEC };
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, strnlen(path, sizeof(un->sun_path) - 1));
	return sizeof(*un);
}

struct conn *smtp_target_connect(const struct smtp_target *t, struct loop *loop, const struct smtp_profile *p, conn_fn fn, void *ctx)
{
	const struct ipaddr *from = t->address.family == AF_INET ? &p->bind4 : &p->bind6;
	usec wait = p->timeout[SMTP_PHASE_CONNECT];
	struct sockaddr_storage to, bind_to;
	socklen_t to_len, bind_len = 0;

	to_len = t->address.family == AF_UNSPEC ? make_unix(t->path, &to) : ipaddr_to_sockaddr(&t->address, t->port, &to);
	if (t->address.family != AF_UNSPEC && from->family != AF_UNSPEC && !ipaddr_is_loopback(&t->address))
		bind_len = ipaddr_to_sockaddr(from, 0, &bind_to);
	return conn_connect(loop, (const struct sockaddr *)&to, to_len, bind_len ? (const struct sockaddr *)&bind_to : NULL, bind_len,
		SMTP_IN_MAX, SMTP_OUT_MAX, wait ? loop_now(loop) + wait : USEC_NEVER, fn, ctx);
}
