/* alias - aliases(5): a local name stands for addresses, files and lists.
 *
 * Expansion is a work list, not a recursion: names still to expand sit at the end of the target array and are replaced
 * by what their alias says. A name is expanded once; where it comes up again inside its own alias it means the mailbox,
 * anywhere else the loop is cut. Commands are reported, never run: there is no shell in this program. */
#include "core/route/router.h"

#include <errno.h>
#include <stdio.h>

#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/base/limits.h"

struct expansion {
	struct router *r;
	struct route_ask q;
	struct alias_target *v;
	size_t n, cap;
	struct table seen;             /* names expanded and targets listed */
	size_t depth;
	bool failed;
};

/* --- the text of an alias --------------------------------------------------------------------------------------- */

/* length of the item at the front of s: up to a comma outside of quotes, brackets and comments */
static size_t item_length(struct str s)
{
	size_t i = 0;
	int comment = 0;
	bool quoted = false;

	for (; i < s.n; i++) {
		char c = s.p[i];

		if (c == '\\' && i + 1 < s.n && (quoted || comment))
			i++;
		else if (c == '"' && !comment)
			quoted = !quoted;
		else if (!quoted && c == '(')
			comment++;
		else if (!quoted && c == ')' && comment)
			comment--;
		else if (!quoted && !comment && (c == ',' || c == '\n'))
			break;
	}
	return i;
}

static bool is_special(struct str s)
{
	return s.n && (s.p[0] == '|' || s.p[0] == '/' || str_istarts(s, STR(":include:")));
}

/* "|command args" and the like: the quotes belong to the alias file, not to the target */
static struct str unquote(struct arena *a, struct str s)
{
	char *p;
	size_t n = 0;

	if (s.n < 2 || s.p[0] != '"' || s.p[s.n - 1] != '"' || !(p = arena_alloc(a, s.n)))
		return s;
	for (size_t i = 1; i + 1 < s.n; i++) {
		if (s.p[i] == '\\' && i + 2 < s.n)
			i++;
		p[n++] = s.p[i];
	}
	return str_make(p, n);
}

static void set_special(struct alias_target *out, struct str s)
{
	if (s.p[0] == '|')
		*out = (struct alias_target){ ALIAS_COMMAND, str_trim(str_from(s, 1)) };
	else if (s.p[0] == '/')
		*out = (struct alias_target){ ALIAS_FILE, s };
	else
		*out = (struct alias_target){ ALIAS_INCLUDE, str_trim(str_from(s, 9)) };
}

int alias_item_next(struct arena *a, struct str *rest, struct alias_target *out)
{
	struct str item = STR_EMPTY, plain;
	struct mailbox m;

	while (rest->n && !item.n) {
		size_t n = item_length(*rest);

		item = str_trim(str_head(*rest, n));
		*rest = str_from(*rest, n + 1);
	}
	if (!item.n)
		return 0;
	plain = unquote(a, item);
	if (is_special(plain)) {
		set_special(out, plain);
		return 1;
	}
	if (addr_list_next(a, &item, &m) != 1 || !m.addr.full.n)
		return -1;
	*out = (struct alias_target){ ALIAS_ADDRESS, m.addr.full };
	return 1;
}

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

static void add(struct expansion *x, enum alias_kind kind, struct str text)
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
	x->v[x->n++] = (struct alias_target){ kind, text };
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

static void take_text(struct expansion *x, struct str name, struct str text, bool included);

static void take_include(struct expansion *x, struct str name, struct str path)
{
	struct buf text;
	int fd;

	if (!path.n || path.p[0] != '/') {
		fail(x, ":include:", path, "not an absolute path");
		return;
	}
	fd = fs_open_table(arena_z(x->q.arena, path));
	buf_init(&text, LIMIT_ALIAS_INCLUDE);
	if (fd < 0 || fs_read_fd(fd, &text) < 0)
		fail(x, "open include file", path, strerror(errno));
	else
		take_text(x, name, arena_str(x->q.arena, buf_view(&text)), true);
	if (fd >= 0)
		fs_close(fd);
	buf_fini(&text);
}

static void take_address(struct expansion *x, struct str name, struct str text)
{
	struct arena *a = x->q.arena;
	struct str full = rewrite_address(x->r, a, text, true);
	struct addr addr = addr_split(full);
	enum map_answer answer = MAP_NONE;

	if (route_class_of(x->r, addr.domain, &answer) == ROUTE_LOCAL && answer == MAP_FOUND) {
		struct str local = route_lower(a, addr_unquote_local(a, addr.local));

		if (str_eq(local, name)) {
			add(x, ALIAS_USER, local);
			return;
		}
	}
	add(x, ALIAS_ADDRESS, full);
}

static void skip_comments(struct str *rest)
{
	*rest = str_trim(*rest);
	while (rest->n && rest->p[0] == '#') {
		ptrdiff_t end = str_chr(*rest, '\n');

		*rest = end < 0 ? STR_EMPTY : str_trim(str_from(*rest, (size_t)end + 1));
	}
}

static void take_text(struct expansion *x, struct str name, struct str text, bool included)
{
	struct alias_target t;
	int got = 1;

	while (got == 1 && !x->failed) {
		if (included)
			skip_comments(&text);
		got = alias_item_next(x->q.arena, &text, &t);
		if (got < 0)
			fail(x, "alias", name, "not an address, a file or a list");
		else if (got && included && t.kind != ALIAS_ADDRESS)
			fail(x, ":include: file of", name, "only addresses are allowed there");
		else if (got && t.kind == ALIAS_INCLUDE)
			take_include(x, name, t.text);
		else if (got && t.kind == ALIAS_ADDRESS)
			take_address(x, name, t.text);
		else if (got)
			add(x, t.kind, t.text);
	}
}

/* a target that is a local name with an alias of its own gives way to what that alias says */
static bool expand_one(struct expansion *x, size_t at)
{
	static char yes;
	struct arena *a = x->q.arena;
	struct addr addr = addr_split(x->v[at].text);
	enum map_answer answer = MAP_NONE;
	struct str name, value, key;

	if (x->v[at].kind != ALIAS_ADDRESS || route_class_of(x->r, addr.domain, &answer) != ROUTE_LOCAL || answer != MAP_FOUND)
		return false;
	name = route_lower(a, addr_unquote_local(a, addr.local));
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
		take_text(x, name, value, false);
	return true;
}

static struct str find_owner(struct expansion *x, struct str name)
{
	struct str value, owner = arena_printf(x->q.arena, "owner-%.*s", STR_ARG(name));

	if (str_istarts(name, STR("owner-")) || find(x, owner, &value) != MAP_FOUND)
		return STR_EMPTY;
	return rewrite_address(x->r, x->q.arena, owner, true);
}

enum map_answer alias_find(struct router *r, struct arena *a, struct str local)
{
	struct expansion x = { .r = r, .q = { .arena = a } };
	struct str name = route_lower(a, local), value;

	r->alias_why[0] = 0;
	return r->alias_maps.n && name.n ? lookup(&x, name, &value) : MAP_NONE;
}

enum map_answer alias_expand(struct router *r, struct arena *a, struct str local, struct alias_target **out, size_t *n, struct str *owner)
{
	static char yes;
	struct expansion x = { .r = r, .q = { .arena = a } };
	struct str name = route_lower(a, local), value;
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
	take_text(&x, name, value, false);
	for (size_t i = 0; i < x.n && !x.failed;)
		i += expand_one(&x, i) ? 0 : 1;
	if (!x.failed)
		*owner = find_owner(&x, name);
	table_fini(&x.seen);
	*out = x.v;
	*n = x.n;
	return x.failed || a->overflow ? MAP_ERROR : MAP_FOUND;
}
