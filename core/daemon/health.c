/* health - see health.h. */
#include "core/daemon/health.h"

#include <unistd.h>

const char *health_alive(const struct relay *r)
{
	if (store_is_broken(r->store))
		return "a flush of the queue failed: restart after the disk is well";
	return access(".", W_OK) == 0 ? NULL : "queue_directory cannot be written";
}

const char *health_ready(const struct relay *r)
{
	size_t most = (size_t)r->settings->conf->http_ready_queue_limit;
	const char *why = health_alive(r);

	if (why)
		return why;
	if ((r->stopping && !r->handing_over) || r->leaving)
		return "shutting down";
	if (r->n_sessions >= r->max_sessions)
		return "too many sessions";
	if (most && store_count(r->store) > most)
		return "more than http_ready_queue_limit messages in the queue";
	return store_has_room(r->store, 0) ? NULL : "no room in queue_directory";
}
