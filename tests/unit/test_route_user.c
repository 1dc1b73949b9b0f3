/* does anybody answer to this local name? */
#include <stdio.h>

#include "core/base/fs.h"
#include "core/route/local_user.h"
#include "tests/unit/t.h"

struct world {
	struct conf *conf;
	struct master master;
	struct router *router;
};

static void world_open(struct world *w, const char *aliases)
{
	char spec[500];
	const char *extra[] = { "myhostname=mx.example.jp", "mydestination=$myhostname", "recipient_delimiter=+", "mynetworks=127.0.0.0/8",
		spec, NULL };
	char path[400];
	struct conf_diag diag;

	snprintf(path, sizeof(path), "%s/aliases", t_tmpdir());
	CHECK_INT(fs_replace(path, 0600, str_of(aliases)), 0);
	snprintf(spec, sizeof(spec), "alias_maps=hash:%s", path);
	conf_diag_init(&diag);
	w->conf = conf_load(t_tmpdir(), extra, &diag);
	REQUIRE(w->conf && master_load(w->conf, &w->master, &diag) == 0);
	w->router = router_new(w->conf, &w->master, &diag);
	REQUIRE(w->router);
	conf_diag_fini(&diag);
}

static void world_close(struct world *w)
{
	router_free(w->router);
	master_fini(&w->master);
	conf_free(w->conf);
}

T(local_user_check_rows)
{
	static const struct { const char *rcpt; int code; const char *text; } rows[] = {
		{ "joe@mx.example.jp", 250, "delivers to alias" },
		{ "JOE@mx.example.jp", 250, "delivers to alias" },
		{ "joe+x@mx.example.jp", 250, "delivers to alias" },
		/* looked for, not expanded: what is wrong with an alias is no refusal of its name */
		{ "missing@mx.example.jp", 250, "delivers to alias" },
		{ "root@mx.example.jp", 250, "delivers to mailbox" },
		{ "root+x@mx.example.jp", 250, "delivers to mailbox" },
		{ "\"root\"@mx.example.jp", 250, "delivers to mailbox" },
		{ "no/such@mx.example.jp", 550, "unknown user: \"no/such\"" },
		{ "nosuchuser@mx.example.jp", 550, "unknown user: \"nosuchuser\"" },
	};
	struct world w;
	struct reply r;

	world_open(&w, "joe: far@x.test\nmissing: :include:/nonexistent/x\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].rcpt);
		local_user_check(w.router, str_of(rows[i].rcpt), &r);
		CHECK_INT(r.code, rows[i].code);
		CHECK_STR(r.text, rows[i].text);
	}
	world_close(&w);
}
