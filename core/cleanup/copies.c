/* copies - see copies.h. */
#include "core/cleanup/copies.h"

#include "core/base/log.h"

bool copies_are_made(const struct router *r)
{
	return r->rewriting.sender_bcc.maps.n || r->rewriting.recipient_bcc.maps.n || *r->conf->always_bcc;
}

/* find - one address, as Postfix takes it: a list would be one address that is none */
static bool find(struct router *r, struct arena *a, const struct address_maps *m, struct str address, struct str *copy,
	struct reply *failed)
{
	enum map_answer got = failed->code ? MAP_NONE : address_find(r, a, m, address, copy, NULL, NULL);
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

bool copy_of_sender(struct router *r, struct arena *a, struct str sender, struct str *copy, struct reply *failed)
{
	return find(r, a, &r->rewriting.sender_bcc, sender, copy, failed);
}

bool copy_of_recipient(struct router *r, struct arena *a, struct str rcpt, struct str *copy, struct reply *failed)
{
	return find(r, a, &r->rewriting.recipient_bcc, rcpt, copy, failed);
}
