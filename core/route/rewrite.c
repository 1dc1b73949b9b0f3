/* rewrite - the other half of Postfix's trivial-rewrite: an address is completed, never repaired. */
#include "core/route/router.h"

/* turn_round - "host!user" and "user%host" as user@host; an address that is quoted says what it means */
static struct str turn_round(const struct conf *c, struct arena *a, struct str addr)
{
	ptrdiff_t bang = c->swap_bangpath ? str_chr(addr, '!') : -1, percent = c->allow_percent_hack ? str_rchr(addr, '%') : -1;
	struct str host, user;

	if (addr.p[0] == '"' || (bang < 0 && percent < 0))
		return addr;
	host = bang >= 0 ? str_head(addr, (size_t)bang) : str_from(addr, (size_t)percent + 1);
	user = bang >= 0 ? str_from(addr, (size_t)bang + 1) : str_head(addr, (size_t)percent);
	if (!user.n || !addr_valid_domain(host))
		return addr;
	return arena_printf(a, "%.*s@%.*s", STR_ARG(user), STR_ARG(host));
}

struct str rewrite_address(struct router *r, struct arena *a, struct str addr, bool local)
{
	const struct conf *c = r->conf;
	const char *origin = local ? c->myorigin : c->remote_header_rewrite_domain;
	const char *domain = local ? c->mydomain : c->remote_header_rewrite_domain;
	struct addr x = addr_split(addr);

	if (!addr.n)
		return addr;
	if (!x.domain.n && addr.p[addr.n - 1] != '@') {
		addr = turn_round(c, a, addr);
		x = addr_split(addr);
		if (!x.domain.n) {
			if (!c->append_at_myorigin || !*origin)
				return addr;
			addr = arena_printf(a, "%.*s@%s", STR_ARG(addr), origin);
			x = addr_split(addr);
		}
	}
	while (x.domain.n && x.domain.p[x.domain.n - 1] == '.') {
		addr.n--;
		x = addr_split(addr);
	}
	if (!c->append_dot_mydomain || !*domain || !x.domain.n || x.domain.p[0] == '[')
		return addr;
	if (str_chr(x.domain, '.') >= 0)
		return addr;
	return arena_printf(a, "%.*s.%s", STR_ARG(addr), domain);
}
