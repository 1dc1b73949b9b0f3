/* copies - see copies.h. */
#include "core/cleanup/copies.h"

#include "core/base/log.h"

bool copies_are_made(const struct router *r)
{
	return r->rewriting.sender_bcc.maps.n || r->rewriting.recipient_bcc.maps.n || *r->conf->always_bcc;
}

/* one address, as Postfix takes it: a list would be one address that is none */
bool copy_of(struct router *r, struct arena *a, const struct address_maps *m, struct str address, struct str *copy, struct buf *trace,
	struct reply *failed)
{
	enum map_answer got = failed->code ? MAP_NONE : address_find(r, a, m, address, copy, NULL, trace);
	struct addr x;

	if (got == MAP_FOUND && (!addr_parse(a, *copy, &x) || !x.full.n)) {
		log_warn("cleanup", "%s: \"%.*s\" for %.*s is not an address", m->parameter, STR_ARG(str_head(*copy, 200)), STR_ARG(address));
		got = MAP_ERROR;
	}
	if (got == MAP_ERROR)
		reply_set(failed, 451, "4.3.0", "Error: %s cannot be read now", m->parameter);
	if (got == MAP_FOUND)
		*copy = x.full;
	return got == MAP_FOUND;
}
