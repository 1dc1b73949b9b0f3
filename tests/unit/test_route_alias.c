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
		{ "slips", "@ ok@x.test, @ jd@x.test, @ b@x.test, @ c@x.test" },
		{ "mixed", "@ one@x.test, @ jd@x.test, @ w@x.test, @ dq@x.test, @ p@x.test, @ q@x.test, @ last@x.test" },
		{ "self", "u self, @ copy@far.test" },
		{ "null", "f /dev/null" },
		{ "nested", "@ one@x.test, @ two@x.test" },
	};
	char aliases[2000], nested[400], spec[500];
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
		"missing: :include:/nonexistent/x\nbad: \"unclosed\ntwice: a@x.test, again\nagain: a@x.test\n"
		"slips: ok@x.test, CORP\\jd <jd@x.test>, a@, b@x.test; c@x.test\nself: \\self, copy@far.test\nnull: /dev/null\n"
		"mixed: :include:%s/mixed\nnested: :include:%s/outer\n",
		file_at("members", "# who\none@x.test\n\ntwo@x.test, one@x.test\n"), t_tmpdir(), t_tmpdir());
	file_at("mixed", "one@x.test\nCORP\\jd <jd@x.test>\nJoe @ Work <w@x.test>\n\"dq@x.test\"\n'joe@x.test'\n/var/x\n|/bin/x\n"
		"p@x.test q@x.test\na@\nlast@x.test\n");
	snprintf(nested, sizeof(nested), ":include:%s/members\n", t_tmpdir());
	file_at("outer", nested);
	snprintf(spec, sizeof(spec), "alias_maps=hash:%s", file_at("aliases", aliases));
	conf_diag_init(&diag);
	c = conf_load(t_tmpdir(), extra, &diag);
	REQUIRE(c && master_load(c, &m, &diag) == 0);
	r = router_new(c, &m, &diag);
	REQUIRE(r);
	buf_init(&out, 200000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%s", rows[i].name);
		expand(r, rows[i].name, &out);
		CHECK_STR(buf_cstr(&out), rows[i].want);
	}
	CHECK(r->alias_why[0] == 0);
	expand(r, "missing", &out);
	CHECK(strstr(r->alias_why, "/nonexistent/x: No such file") != NULL);
	/* whoever owns a list does not keep the others waiting: the same member over and over, or what is none */
	for (size_t i = 0; i < 2; i++) {
		ROW("list %zu", i);
		buf_clear(&out);
		while (out.n < 100000)
			buf_z(&out, i ? "(," : "one@x.test ");
		file_at("members", buf_cstr(&out));
		expand(r, "list", &out);
		CHECK_STR(buf_cstr(&out), "ERROR");
		CHECK(strstr(r->alias_why, "too much is written in it") != NULL);
	}
	buf_fini(&out);
	router_free(r);
	master_fini(&m);
	conf_free(c);
	conf_diag_fini(&diag);
}

/* start - a router for these settings; the first finding in told */
static struct router *start(const char *const *extra, struct conf **c, struct master *m, struct conf_diag *diag)
{
	conf_diag_init(diag);
	*c = conf_load(t_tmpdir(), extra, diag);
	return *c && master_load(*c, m, diag) == 0 ? router_new(*c, m, diag) : NULL;
}

T(alias_table_that_is_not_there_stops_nothing_else)
{
	static const struct { const char *setting, *other, *told; bool fails; } rows[] = {
		{ "alias_maps=hash:/nowhere/aliases", "mydestination=", "nothing is delivered locally, so nobody misses it", true },
		{ "alias_maps=hash:/nowhere/aliases", "mydestination=mx.example.jp", "mail for local users waits until there is", true },
		{ "alias_maps=regexp:/nowhere/aliases", "mydestination=mx.example.jp", "there is no /nowhere/aliases: mail for local", true },
		{ "alias_maps=hash:/nowhere/aliases", "local_transport=smtp:[192.0.2.1]", "nobody misses it", true },
		{ "alias_maps=inline:{a=b@c.test}, texthash:/nowhere/x", "mydestination=mx.example.jp", "there is no /nowhere/x", true },
		{ "alias_maps=", "mydestination=mx.example.jp", "", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[] = { "myhostname=mx.example.jp", "mynetworks=127.0.0.0/8", rows[i].setting, rows[i].other, NULL };
		struct conf_diag diag;
		struct conf *c;
		struct master m;
		struct router *r = start(extra, &c, &m, &diag);
		struct buf out;

		ROW("%s %s", rows[i].setting, rows[i].other);
		REQUIRE(r);
		CHECK_INT(diag.n, rows[i].fails);
		CHECK(!rows[i].fails || (diag.v[0].severity == CONF_WARNING && strstr(diag.v[0].text, rows[i].told)));
		buf_init(&out, 4096);
		expand(r, "joe", &out);
		CHECK_STR(buf_cstr(&out), rows[i].fails ? "ERROR" : "NONE");
		buf_fini(&out);
		router_free(r);
		master_fini(&m);
		conf_free(c);
		conf_diag_fini(&diag);
	}
}

T(alias_table_comes_to_life_when_its_file_is_there)
{
	char spec[500];
	const char *extra[] = { "myhostname=mx.example.jp", "mynetworks=127.0.0.0/8", spec, NULL };
	struct conf_diag diag;
	struct conf *c;
	struct master m;
	struct router *r;
	struct buf out;

	snprintf(spec, sizeof(spec), "alias_maps=hash:%s/late", t_tmpdir());
	r = start(extra, &c, &m, &diag);
	REQUIRE(r);
	buf_init(&out, 4096);
	expand(r, "root", &out);
	CHECK_STR(buf_cstr(&out), "ERROR");
	router_refresh(r, 10 * USEC_PER_SEC);
	expand(r, "root", &out);
	CHECK_STR(buf_cstr(&out), "ERROR");
	file_at("late", "root: admin@far.test\n");
	router_refresh(r, 20 * USEC_PER_SEC);
	expand(r, "root", &out);
	CHECK_STR(buf_cstr(&out), "@ admin@far.test");
	buf_fini(&out);
	router_free(r);
	master_fini(&m);
	conf_free(c);
	conf_diag_fini(&diag);
}
