/* rewrite - the other half of Postfix's trivial-rewrite: an address is completed, never repaired. */
#include "core/route/router.h"

struct str rewrite_address(struct router *r, struct arena *a, struct str addr, bool local)
{
	const struct conf *c = r->conf;
	struct addr x = addr_split(addr);

	if (!addr.n)
		return addr;
	if (!x.domain.n && addr.p[addr.n - 1] != '@') {
		if (!local || !c->append_at_myorigin || !*c->myorigin)
			return addr;
		addr = arena_printf(a, "%.*s@%s", STR_ARG(addr), c->myorigin);
		x = addr_split(addr);
	}
	while (x.domain.n && x.domain.p[x.domain.n - 1] == '.') {
		addr.n--;
		x = addr_split(addr);
	}
	if (!local || !c->append_dot_mydomain || !*c->mydomain || !x.domain.n || x.domain.p[0] == '[')
		return addr;
	if (str_chr(x.domain, '.') >= 0)
		return addr;
	return arena_printf(a, "%.*s.%s", STR_ARG(addr), c->mydomain);
}
