/* smtp_resume - TLS sessions that are remembered, so that the next connection to the same server saves a full handshake.
 *
 * The id of a session covers all that its verification rests on (smtp_tls.c makes it): server, port, level, names, context;
 * so a session that was made at one level is never offered at another, and the library judges its certificate again
 * besides. A session that came out of a resumption keeps the age of the full handshake at its root: what was verified once
 * counts for smtp_tls_session_cache_timeout and no longer. The memory belongs to the transport's profile: a reload, which
 * may bring other certificates, begins with none. As in Postfix, a session may be used by several connections. */
#include "core/base/mem.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_session.h"

static struct smtp_saved *find(struct smtp_profile *p, const uint8_t id[32])
{
	for (size_t i = 0; p->saved && i < LIMIT_CLIENT_TLS_SAVED; i++)
		if (p->saved[i].session && !memcmp(p->saved[i].id, id, sizeof(p->saved[i].id)))
			return &p->saved[i];
	return NULL;
}

static void clear(struct smtp_saved *x)
{
	tls_saved_free(x->session);
	*x = (struct smtp_saved){ .session = NULL };
}

struct tls_saved *smtp_resume_find(struct smtp_profile *p, const uint8_t id[32], usec now_mono)
{
	struct smtp_saved *x = find(p, id);

	if (x && x->until <= now_mono)
		clear(x);
	return x ? x->session : NULL;
}

void smtp_resume_keep(struct smtp_session *s)
{
	struct smtp_profile *p = s->profile;
	const struct conf *c = p->conf;
	struct smtp_saved *x = find(p, s->tls_id);
	bool resumed = conn_tls(s->conn)->resumed;
	usec until = resumed && x ? x->until : loop_now(s->d->o.loop) + c->smtp_tls_session_cache_timeout;
	struct tls_saved *session;

	if (!*c->smtp_tls_session_cache_database || (resumed && !x))
		return;
	session = tls_session_save(conn_tls_session(s->conn));
	if (!session)
		return;
	if (!p->saved)
		p->saved = mem_alloc(LIMIT_CLIENT_TLS_SAVED * sizeof(*p->saved));
	if (!x)
		x = &p->saved[p->next_saved++ % LIMIT_CLIENT_TLS_SAVED];
	clear(x);
	*x = (struct smtp_saved){ .session = session, .until = until };
	memcpy(x->id, s->tls_id, sizeof(x->id));
}

void smtp_resume_forget(struct smtp_session *s)
{
	struct smtp_saved *x = find(s->profile, s->tls_id);

	if (x)
		clear(x);
}

void smtp_resume_free_all(struct smtp_profile *p)
{
	for (size_t i = 0; p->saved && i < LIMIT_CLIENT_TLS_SAVED; i++)
		clear(&p->saved[i]);
	mem_free(p->saved);
}
