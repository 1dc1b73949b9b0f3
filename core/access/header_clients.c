/* header_clients - see header_clients.h. */
#include "core/access/header_clients.h"

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/map/words.h"

enum way { WAY_INTERFACES, WAY_NETWORKS, WAY_LOGIN, WAY_NEVER, WAYS };
struct header_clients {
	bool ways[WAYS];
	struct match *tables;          /* NULL: none */
};

static const struct { const char *word; enum way way; } words[] = {
	{ "permit_inet_interfaces", WAY_INTERFACES }, { "permit_mynetworks", WAY_NETWORKS }, { "permit_sasl_authenticated", WAY_LOGIN },
	{ "permit_tls_clientcerts", WAY_NEVER }, { "permit_tls_all_clientcerts", WAY_NEVER },
};

/* take_word - true: it is one of ours */
static bool take_word(struct header_clients *h, struct str w)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!str_ieq(w, str_of(words[i].word)))
			continue;
		h->ways[words[i].way] = true;
		return true;
	}
	return str_ieq(w, STR("check_address_map"));
}

static void open_tables(struct header_clients *h, struct buf *tables, struct buf *why)
{
	if (tables->n)
		h->tables = match_open(MATCH_HOSTS, buf_cstr(tables), why);
}

struct header_clients *header_clients_new(const char *list, struct conf_diag *diag)
{
	struct header_clients *h = MEM_NEW(struct header_clients);
	struct str rest = str_of(list), w;
	struct buf tables, why;
	int r;

	buf_init(&tables, LIMIT_CONF_VALUE);
	buf_init(&why, 1024);
	while ((r = words_next(&rest, &w)) > 0 && !why.n) {
		if (take_word(h, w))
			continue;
		if (str_chr(w, ':') < 0)
			buf_printf(&why, "\"%.*s\" is none of permit_inet_interfaces, permit_mynetworks, permit_sasl_authenticated, type:table",
				STR_ARG(str_head(w, 100)));
		buf_printf(&tables, "%.*s ", STR_ARG(w));
	}
	if (r < 0)
		buf_z(&why, "a { has no }");
	if (!why.n)
		open_tables(h, &tables, &why);
	if (why.n)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "local_header_rewrite_clients: %s", buf_cstr(&why));
	if (h->ways[WAY_NEVER])
		conf_diag_add(diag, CONF_WARNING, NULL, 0, "local_header_rewrite_clients: no client is asked for a certificate here: nobody is "
			"meant by permit_tls_clientcerts");
	buf_fini(&tables);
	buf_fini(&why);
	return h;
}

void header_clients_free(struct header_clients *h)
{
	if (h && h->tables)
		match_close(h->tables);
	mem_free(h);
}

void header_clients_refresh(struct header_clients *h, usec now_mono)
{
	if (h->tables)
		match_refresh(h->tables, now_mono);
}

bool header_clients_include(const struct header_clients *h, const struct router *r, const struct ipaddr *client, bool authenticated)
{
	enum map_answer got;

	if (h->ways[WAY_INTERFACES] && route_is_own_address(r, client))
		return true;
	if (h->ways[WAY_LOGIN] && authenticated)
		return true;
	if (h->ways[WAY_NETWORKS] && match_address(r->mynetworks, client) == MAP_FOUND)
		return true;
	got = h->tables ? match_address(h->tables, client) : MAP_NONE;
	if (got == MAP_ERROR)
		log_warn("smtpd", "local_header_rewrite_clients: a table cannot be read: the header stays as it is");
	return got == MAP_FOUND;
}
