/* which recipients of ours exist: accounts, aliases, and tables */
#include <stdio.h>

#include "core/route/listed.h"
#include "tests/unit/t.h"

struct row { const char *address; enum map_answer want; enum route_class class; };

static void check_rows(const char *const *extra, const struct row *rows, size_t n)
{
	struct conf_diag diag;
	struct master master;
	struct router *router = NULL;
	struct conf *conf;

	conf_diag_init(&diag);
	conf = conf_load(t_tmpdir(), extra, &diag);
	if (CHECK(conf != NULL) && CHECK_INT(master_load(conf, &master, &diag), 0))
		router = router_new(conf, &master, &diag);
	for (size_t i = 0; CHECK(router != NULL) && i < n; i++) {
		enum route_class class;

		ROW("%s", rows[i].address);
		CHECK_INT(route_lists(router, str_of(rows[i].address), &class), rows[i].want);
		if (rows[i].want == MAP_NONE)
			CHECK_INT(class, rows[i].class);
	}
	router_free(router);
	master_fini(&master);
	conf_free(conf);
	conf_diag_fini(&diag);
}
#define CHECK_ROWS(extra, rows) check_rows(extra, rows, sizeof(rows) / sizeof(rows[0]))

#define BASE "myhostname=mx.here.test", "mydestination=here.test", "relay_domains=relayed.test", "recipient_delimiter=+", \
	"alias_maps=inline:{team=root}", "compatibility_level=3.6"
#define LOCAL ROUTE_LOCAL
#define RELAY ROUTE_RELAY

T(listed_by_account_or_alias_unless_told_otherwise)
{
	static const char *const extra[] = { BASE, NULL };
	static const struct row rows[] = {
		{ "root@here.test", MAP_FOUND, 0 }, { "ROOT@Here.Test", MAP_FOUND, 0 }, { "root+x@here.test", MAP_FOUND, 0 },
		{ "team@here.test", MAP_FOUND, 0 }, { "team+x@here.test", MAP_FOUND, 0 },
		{ "nobody-is-called-so@here.test", MAP_NONE, LOCAL },
		{ "postmaster@here.test", MAP_FOUND, 0 }, { "MAILER-DAEMON@here.test", MAP_FOUND, 0 },
		{ "double-bounce@here.test", MAP_FOUND, 0 },
		{ "anyone@relayed.test", MAP_FOUND, 0 }, { "anyone@else.test", MAP_FOUND, 0 },
	};

	CHECK_ROWS(extra, rows);
}

T(listed_by_tables_with_the_keys_of_an_address)
{
	static const char *const extra[] = { BASE, "local_recipient_maps=inline:{clerk=x, full@here.test=x} proxy:unix:group.byname",
		"relay_recipient_maps=inline:{a@relayed.test=x, @any.relayed.test=x}, regexp:{{/^(b[0-9]+)@relayed/ $1}}", NULL };
	static const struct row rows[] = {
		{ "clerk@here.test", MAP_FOUND, 0 }, { "clerk+x@here.test", MAP_FOUND, 0 }, { "Full+x@here.test", MAP_FOUND, 0 },
		{ "team@here.test", MAP_NONE, LOCAL }, { "daemon@here.test", MAP_FOUND, 0 }, { "postmaster@here.test", MAP_FOUND, 0 },
		{ "a@relayed.test", MAP_FOUND, 0 }, { "A+x@relayed.test", MAP_FOUND, 0 }, { "a@sub.relayed.test", MAP_NONE, RELAY },
		{ "any@any.relayed.test", MAP_FOUND, 0 }, { "b12@relayed.test", MAP_FOUND, 0 }, { "b@relayed.test", MAP_NONE, RELAY },
		{ "b@else.test", MAP_FOUND, 0 },
	};

	CHECK_ROWS(extra, rows);
}

T(listed_later_while_a_table_fails)
{
	static const char *const extra[] = { BASE, "local_recipient_maps=unix:passwd.byname fail:x", "relay_recipient_maps=fail:x", NULL };
	static const struct row rows[] = {
		{ "root@here.test", MAP_FOUND, 0 }, { "team@here.test", MAP_ERROR, 0 }, { "a@relayed.test", MAP_ERROR, 0 },
	};

	CHECK_ROWS(extra, rows);
}

T(listed_is_everybody_where_nobody_is_named)
{
	static const char *const extra[] = { BASE, "local_recipient_maps=", NULL };
	static const struct row rows[] = { { "no-such-user@here.test", MAP_FOUND, 0 }, { "a@relayed.test", MAP_FOUND, 0 } };

	CHECK_ROWS(extra, rows);
}
