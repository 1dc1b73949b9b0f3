/* alias - aliases(5): a local name stands for addresses, files and lists.
 *
 * Expansion is a work list, not a recursion: names still to expand sit at the end of the target array and are replaced
 * by what their alias says. A name is expanded once; where it comes up again inside its own alias it means the mailbox,
 * anywhere else the loop is cut. Commands are reported, never run: there is no shell in this program. An element that cannot
 * be understood is logged with its place and left out; the others are done. */
#include "core/route/router.h"

#include <errno.h>
#include <stdio.h>

#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/log.h"

struct expansion {
	struct router *r;
	struct route_ask q;
	struct alias_target *v;
	size_t n, cap;
	struct table seen;             /* names expanded and targets listed */
	size_t depth, elements;
	bool failed;
	bool left_out;                 /* an element was */
};

/* where an element stands: the alias, or a line of an :include: file (line 0: the alias); owner: the sender of mail for it */
struct place { struct str alias, owner, file; unsigned line; };

/* --- expansion -------------------------------------------------------------------------------------------------- */

static void fail(struct expansion *x, const char *what, struct str which, const char *why)
{
	x->failed = true;
	snprintf(x->r->alias_why, sizeof(x->r->alias_why), "%s %.*s: %s", what, STR_ARG(which), why);
}

static bool grow(struct expansion *x)
{
	size_t cap = x->cap ? 2 * x->cap : 8;
	struct alias_target *v = ARENA_ARRAY(x->q.arena, struct alias_target, cap);

	if (!v)
		return false;
	if (x->n)
		memcpy(v, x->v, x->n * sizeof(*v));
	x->v = v;
	x->cap = cap;
	return true;
}

static void add(struct expansion *x, const struct place *at, enum alias_kind kind, struct str text)
{
	static char yes;
	struct str key = arena_printf(x->q.arena, "%d %.*s", (int)kind, STR_ARG(text));

	if (table_find(&x->seen, key))
		return;
	if (x->n >= LIMIT_ALIAS_TARGETS) {
		fail(x, "alias", text, "too many targets");
		return;
	}
	if (x->n == x->cap && !grow(x))
		return;
	table_add(&x->seen, key, &yes);
	x->v[x->n++] = (struct alias_target){ kind, text, at->owner };
}

static enum map_answer find(struct expansion *x, struct str name, struct str *value)
{
	return route_ask(&x->q, "alias_maps", &x->r->alias_maps, name, false, value);
}

static enum map_answer lookup(struct expansion *x, struct str name, struct str *value)
{
	struct str base;
	enum map_answer got = find(x, name, value);

	if (got == MAP_NONE && route_base(x->r, x->q.arena, name, &base))
		got = find(x, base, value);
	if (got == MAP_ERROR)
		fail(x, "alias database lookup of", name, "table cannot be read");
	return got;
}

static void take_text(struct expansion *x, const struct place *at, struct str text);

/* leave_out - the element alone: the mail goes to the others, and whoever reads the log can mend it */
static void leave_out(struct expansion *x, const struct place *at, struct str element, const char *why)
{
	x->left_out = true;
	if (at->line)
		log_warn("local", "%.*s, line %u (alias %.*s): %s: \"%.*s\"", STR_ARG(at->file), at->line, STR_ARG(at->alias), why,
			STR_ARG(str_head(element, 200)));
	else
		log_warn("local", "alias %.*s: %s: \"%.*s\"", STR_ARG(at->alias), why, STR_ARG(str_head(element, 200)));
}

static void take_include(struct expansion *x, const struct place *from, struct str path)
{
	struct place at = { .alias = from->alias, .owner = from->owner, .file = path };
	struct str rest, line;
	struct buf text;

	if (!path.n || path.p[0] != '/') {
		leave_out(x, from, path, ":include: needs an absolute path");
		return;
	}
	if (++x->depth > LIMIT_ALIAS_DEPTH) {
		fail(x, ":include:", path, "nested too deep");
		return;
	}
	buf_init(&text, LIMIT_ALIAS_INCLUDE);
	if (fs_read_file(arena_z(x->q.arena, path), &text) < 0) {
		fail(x, "open include file", path, strerror(errno));
	} else {
		rest = arena_str(x->q.arena, buf_view(&text));
		while (!x->failed && alias_text_line(&rest, &at.line, &line))
			take_text(x, &at, line);
	}
	buf_fini(&text);
}

static void take_address(struct expansion *x, const struct place *at, struct str text)
{
	struct arena *a = x->q.arena;
	struct str full = rewrite_address(x->r, a, text, true);
	struct addr addr = addr_split(full);
	enum map_answer answer = MAP_NONE;

	if (route_class_of(x->r, addr.domain, &answer) == ROUTE_LOCAL && answer == MAP_FOUND) {
		struct str local = arena_lower(a, addr_unquote_local(a, addr.local));

		if (str_eq(local, at->alias)) {
			add(x, at, ALIAS_USER, local);
			return;
		}
	}
	add(x, at, ALIAS_ADDRESS, full);
}

static void take_text(struct expansion *x, const struct place *at, struct str text)
{
	struct alias_target t;

	while (!x->failed && alias_text_next(x->q.arena, &text, &t)) {
		if (++x->elements > LIMIT_ALIAS_ELEMENTS)
			fail(x, "alias", at->alias, "too much is written in it");
		else if (t.kind == ALIAS_BAD)
			leave_out(x, at, t.text, "not an address, left out");
		else if (at->line && (t.kind == ALIAS_FILE || t.kind == ALIAS_COMMAND))
			leave_out(x, at, t.text, "no file or command may stand in an :include: file, left out");
		else if (t.kind == ALIAS_INCLUDE)
			take_include(x, at, t.text);
		else if (t.kind == ALIAS_ADDRESS)
			take_address(x, at, t.text);
		else
			add(x, at, t.kind, t.text);
	}
}

/* find_owner - owner-NAME, or what it stands for; `otherwise` where there is none */
static struct str find_owner(struct expansion *x, struct str name, struct str otherwise)
{
	struct arena *a = x->q.arena;
	struct str value, base = name, owner;
	struct alias_target t = { .kind = ALIAS_BAD };

	if (!x->r->conf->owner_request_special || str_istarts(name, STR("owner-")))
		return otherwise;
	(void)route_base(x->r, a, name, &base);
	owner = arena_printf(a, "owner-%.*s", STR_ARG(base));
	if (find(x, owner, &value) != MAP_FOUND)
		return otherwise;
	if (x->r->conf->expand_owner_alias && alias_text_next(a, &value, &t) && t.kind == ALIAS_ADDRESS)
		owner = t.text;
	return rewrite_address(x->r, a, owner, true);
}

/* a target that is a local name with an alias of its own gives way to what that alias says */
static bool expand_one(struct expansion *x, size_t at)
{
	static char yes;
	struct arena *a = x->q.arena;
	struct addr addr = addr_split(x->v[at].text);
	enum map_answer answer = MAP_NONE;
	struct str name, value, key, owner = x->v[at].owner;

	if (x->v[at].kind != ALIAS_ADDRESS || route_class_of(x->r, addr.domain, &answer) != ROUTE_LOCAL || answer != MAP_FOUND)
		return false;
	name = arena_lower(a, addr_unquote_local(a, addr.local));
	if (lookup(x, name, &value) != MAP_FOUND)
		return false;
	key = arena_printf(a, "expanded %.*s", STR_ARG(name));
	memmove(x->v + at, x->v + at + 1, (x->n - at - 1) * sizeof(*x->v));
	x->n--;
	if (table_find(&x->seen, key))
		return true;
	table_add(&x->seen, key, &yes);
	if (++x->depth > LIMIT_ALIAS_DEPTH)
		fail(x, "alias", name, "nested too deep");
	else
		take_text(x, &(struct place){ .alias = name, .owner = find_owner(x, name, owner) }, value);
	return true;
}

enum map_answer alias_find(struct router *r, struct arena *a, struct str local)
{
	struct expansion x = { .r = r, .q = { .arena = a } };
	struct str name = arena_lower(a, local), value;

	r->alias_why[0] = 0;
	return r->alias_maps.n && name.n ? lookup(&x, name, &value) : MAP_NONE;
}

enum map_answer alias_expand(struct router *r, struct arena *a, struct str local, struct alias_target **out, size_t *n, struct str *owner)
{
	static char yes;
	struct expansion x = { .r = r, .q = { .arena = a } };
	struct str name = arena_lower(a, local), value;
	enum map_answer got;

	*out = NULL;
	*n = 0;
	*owner = STR_EMPTY;
	r->alias_why[0] = 0;
	if (!r->alias_maps.n || !name.n)
		return MAP_NONE;
	got = lookup(&x, name, &value);
	if (got != MAP_FOUND)
		return got;
	table_init(&x.seen);
	table_add(&x.seen, arena_printf(a, "expanded %.*s", STR_ARG(name)), &yes);
	*owner = find_owner(&x, name, STR_EMPTY);
	take_text(&x, &(struct place){ .alias = name, .owner = *owner }, value);
	for (size_t i = 0; i < x.n && !x.failed;)
		i += expand_one(&x, i) ? 0 : 1;
	if (!x.failed && !x.n && x.left_out)
		fail(&x, "alias", name, "nothing in it can be understood");
	table_fini(&x.seen);
	*out = x.v;
	*n = x.n;
	return x.failed || a->overflow ? MAP_ERROR : MAP_FOUND;
}
