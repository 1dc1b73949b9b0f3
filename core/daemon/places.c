/* places - see places.h. */
#include "core/daemon/places.h"

#include "core/daemon/pressure.h"

static size_t for_strangers(size_t places)
{
	return places - places / LIMIT_SESSIONS_RESERVED_SHARE;
}

enum place places_look(const struct relay *r, const struct service *v, bool own)
{
	size_t all = own ? r->max_sessions : for_strangers(r->max_sessions), here = (size_t)v->max_sessions;

	if (r->n_sessions >= all || (!own && pressure_is_on(r)))
		return PLACE_NONE;
	return !here || (size_t)v->load->sessions < (own ? here : for_strangers(here)) ? PLACE_FREE : PLACE_BUSY;
}

bool places_may_stay(struct relay *r, const struct service *v, const struct ipaddr *client)
{
	size_t here = (size_t)v->max_sessions;

	if (r->n_sessions <= for_strangers(r->max_sessions) && (!here || (size_t)v->load->sessions <= for_strangers(here)))
		return true;
	return service_is_own(v, client);
}

void places_left(struct relay *r, const struct service *v)
{
	v->load->sessions--;
	if (r->n_waiting)
		loop_defer(r->loop, &r->places);
}
