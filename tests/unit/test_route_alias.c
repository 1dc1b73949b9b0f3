/* aliases(5): items, nesting, loops, owners, includes */
#include <stdio.h>

#include "core/base/fs.h"
#include "core/route/route.h"
#include "tests/unit/t.h"

static const char *file_at(const char *name, const char *content)
{
	static char path[400];

	snprintf(path, sizeof(path), "%s/%s", t_tmpdir(), name);
	CHECK_INT(fs_replace(path, 0600, str_of(content)), 0);
	return path;
}

static const char kinds[] = "@uf|i";

/* "@a@b u name f/x" in order, or NONE or ERROR */
static void expand(struct router *r, const char *name, struct buf *out)
{
	struct arena a;
	struct alias_target *v;
	struct str owner;
	size_t n;

	arena_init(&a, 4 << 20);
	buf_clear(out);
	switch (alias_expand(r, &a, str_of(name), &v, &n, &owner)) {
	case MAP_NONE:
		buf_z(out, "NONE");
		break;
	case MAP_ERROR:
		buf_z(out, "ERROR");
		break;
	case MAP_FOUND:
		for (size_t i = 0; i < n; i++)
			buf_printf(out, "%s%c %.*s", i ? ", " : "", kinds[v[i].kind], STR_ARG(v[i].text));
		if (owner.n)
			buf_printf(out, " owner %.*s", STR_ARG(owner));
		break;
	}
	arena_fini(&a);
}

T(alias_expansion)
{
	static const struct { const char *name, *want; } rows[] = {
		{ "root", "@ admin@far.test" },
		{ "ROOT", "@ admin@far.test" },
		{ "root+ext", "@ admin@far.test" },
		{ "postmaster", "@ admin@far.test" },
		{ "nobody", "NONE" },
		{ "many", "@ a@x.test, @ b@x.test, @ joe@mx.example.jp" },
		{ "both", "u both, @ copy@far.test" },
		{ "ping", "" },
		{ "cmd", "| /usr/bin/vacation -a \"b c\"" },
		{ "file", "f /var/log/x, f /var/y/" },
		{ "quoted", "@ \"a b\"@x.test, @ joe@x.test" },
		{ "list", "@ one@x.test, @ two@x.test owner owner-list@mx.example.jp" },
		{ "missing", "ERROR" },
		{ "bad", "ERROR" },
		{ "twice", "@ a@x.test" },
	};
	char aliases[2000], spec[500];
	const char *extra[] = { "myhostname=mx.example.jp", "mydestination=$myhostname", "recipient_delimiter=+", "mynetworks=127.0.0.0/8",
		spec, NULL };
	struct conf_diag diag;
	struct conf *c;
	struct master m;
	struct router *r;
	struct buf out;

	snprintf(aliases, sizeof(aliases),
		"# comment\npostmaster: root\nroot:admin@far.test\nmany: a@x.test, b@x.test,\n\tjoe\nboth: both, copy@far.test\n"
		"ping: pong\npong: ping\ncmd: \"|/usr/bin/vacation -a \\\"b c\\\"\"\nfile: /var/log/x, /var/y/\n"
		"quoted: \"a b\"@x.test, Joe <joe@x.test>\nlist: :include:%s\nowner-list: boss@x.test\n"
		"missing: :include:/nonexistent/x\nbad: \"unclosed\ntwice: a@x.test, again\nagain: a@x.test\n",
		file_at("members", "# who\none@x.test\n\ntwo@x.test, one@x.test\n"));
	snprintf(spec, sizeof(spec), "alias_maps=hash:%s", file_at("aliases", aliases));
	conf_diag_init(&diag);
	c = conf_load(t_tmpdir(), extra, &diag);
	REQUIRE(c && master_load(c, &m, &diag) == 0);
	r = router_new(c, &m, &diag);
	REQUIRE(r);
	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].name);
		expand(r, rows[i].name, &out);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	CHECK(r->alias_why[0] == 0);
	expand(r, "missing", &out);
	CHECK(strstr(r->alias_why, "/nonexistent/x: No such file") != NULL);
	buf_fini(&out);
	router_free(r);
	master_fini(&m);
	conf_free(c);
	conf_diag_fini(&diag);
}
