/* pressure - see pressure.h. What a session holds is counted when it is asked for, and only then: nothing is kept up to date for it.
 * An ended session's memory comes back after the tick; until then it is known as promised. */
#include "core/daemon/pressure.h"

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/daemon/limit_hit.h"
#include "core/daemon/session_private.h"

#define WARNING (10 * USEC_PER_SEC)    /* between two lines about sessions that were ended */
#define SHARE_OF_SYSTEM(n) ((n) / 4 * 3) /* the rest is for stacks, tables in memory and the kernel's own */
#define SLACK(n) ((n) / 16)            /* freed beyond the limit, so that not every byte after that asks again */

void pressure_set(struct relay *r)
{
	int64_t limit = r->settings->conf->memory_limit;

	r->memory_limit = limit ? (size_t)limit : SHARE_OF_SYSTEM(r->memory_system);
}

static size_t holds(const struct session *s)
{
	return conn_memory(s->conn) + s->arena.used + (s->message ? cleanup_memory(s->message) : 0);
}

/* greediest - of those that can be ended and hold more than is fair; *most: how much */
static struct session *greediest(struct relay *r, size_t *most)
{
	struct session *found = NULL;

	*most = LIMIT_SESSION_FAIR;
	LIST_EACH(&r->sessions, it, tmp) {
		struct session *s = LIST_ITEM(it, struct session, link);
		/* a commit ends soon by itself, and a handshake's memory belongs to a thread */
		size_t n = s->waits == SESSION_WAITS_COMMIT || s->waits == SESSION_WAITS_TLS ? 0 : holds(s);

		if (n <= *most)
			continue;
		*most = n;
		found = s;
	}
	return found;
}

static void warn(struct relay *r, const struct session *s, size_t held)
{
	usec now = loop_now(r->loop);

	r->counts.memory_refusals++;
	limit_hit(LIMIT_HIT_MEMORY);
	if (r->pressure_warned && now - r->pressure_warned <= WARNING)
		return;
	r->pressure_warned = now;
	log_warn("smtpd", "memory_limit: %zu bytes are held and %zu may be: the sessions that hold most are ended, the first has %zu bytes: %s",
		pressure_used(r), r->memory_limit, held, s->client_text);
}

struct session *pressure_next(struct relay *r)
{
	usec now = loop_now(r->loop);
	size_t held, target = r->memory_limit - SLACK(r->memory_limit);
	struct session *s;

	if (r->promised_at != now)
		r->promised = 0;
	r->promised_at = now;
	if (!r->promised)
		mem_trim();
	if (pressure_used(r) <= (r->promised ? target + r->promised : r->memory_limit))
		return NULL;
	s = greediest(r, &held);
	if (!s)
		return NULL;
	r->promised += held;
	warn(r, s, held);
	return s;
}
