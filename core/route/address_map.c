/* address_map - see rewriting.h: how tables are asked for an address, and what their entries mean. */
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/msg/addr_repair.h"
#include "core/route/router.h"

/* --- asking ----------------------------------------------------------------------------------------------------------- */

/* is_ours - may an entry stand for the local part alone? */
static enum map_answer is_ours(struct router *r, struct str domain)
{
	enum map_answer answer = MAP_FOUND;

	if (str_ieq(domain, str_of(r->conf->myorigin)) || route_class_of(r, domain, &answer) == ROUTE_LOCAL)
		return answer;
	return answer == MAP_ERROR ? MAP_ERROR : MAP_NONE;
}

/* strip - the local part without its extension, which begins at ext of it; false: there is none */
static bool strip(const struct router *r, struct arena *a, struct str local, struct str *base, struct str *ext)
{
	struct str bare = addr_unquote_local(a, local);

	if (!route_base(r, a, bare, base))
		return false;
	*ext = str_from(bare, base->n);
	if (bare.n != local.n)
		*base = arena_printf(a, "\"%.*s\"", STR_ARG(*base));
	return true;
}

/* the forms of an address in their order */
static const struct { bool base, local, domain; } forms[] = {
	{ .local = true, .domain = true }, { .base = true, .local = true, .domain = true },
	{ .local = true }, { .base = true, .local = true },
	{ .domain = true },
};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

void address_keys_begin(struct address_keys *k, struct router *r, struct arena *a, struct str address)
{
	struct addr s = addr_split(address);

	*k = (struct address_keys){ .router = r, .arena = a, .local = s.local, .domain = s.domain.n ? s.domain : STR_EMPTY };
	if (s.local.n)
		k->has_base = strip(r, a, s.local, &k->base, &k->extension);
	else
		k->at = 2 * FORMS;
}

int address_keys_next(struct address_keys *k, struct address_key *out)
{
	while (k->at < 2 * FORMS) {
		size_t form = k->at / 2;
		bool bare = k->at++ % 2, base = forms[form].base, whole = forms[form].local && forms[form].domain;
		struct str local = !forms[form].local ? STR_EMPTY : base ? k->base : k->local;
		struct str plain = addr_unquote_local(k->arena, local);
		bool fits = k->whole_only ? whole && k->domain.n : whole || k->domain.n;

		/* what needs no quotes has one spelling; an address without a domain is its local part */
		if (!fits || (base && !k->has_base) || (!bare && plain.n == local.n))
			continue;
		if (!forms[form].domain && !k->ours_asked) {
			k->ours = is_ours(k->router, k->domain);
			k->ours_asked = true;
		}
		if (!forms[form].domain && k->ours == MAP_ERROR)
			return -1;
		if (!forms[form].domain && k->ours == MAP_NONE)
			continue;
		if (bare)
			local = plain;
		out->text = forms[form].domain && k->domain.n ? arena_printf(k->arena, "%.*s@%.*s", STR_ARG(local), STR_ARG(k->domain)) : local;
		out->partial = form > 0;
		out->base = base;
		return 1;
	}
	return 0;
}

enum map_answer address_ask(struct router *r, struct route_ask *q, const struct address_maps *m, struct str address, struct str *value,
	struct str *extension)
{
	struct address_key key = { .base = false };
	enum map_answer got = MAP_NONE;
	struct address_keys keys;
	int more = 1;

	if (extension)
		*extension = STR_EMPTY;
	if (!m->maps.n)
		return MAP_NONE;
	address_keys_begin(&keys, r, q->arena, address);
	while (got == MAP_NONE && (more = address_keys_next(&keys, &key)) > 0)
		got = route_ask(q, m->parameter, &m->maps, key.text, key.partial, value);
	if (extension && got == MAP_FOUND && key.base)
		*extension = keys.extension;
	return more < 0 ? MAP_ERROR : got;
}

enum map_answer address_find(struct router *r, struct arena *a, const struct address_maps *m, struct str address, struct str *value,
	struct str *extension, struct buf *trace)
{
	struct route_ask q = { .arena = a, .trace = trace };

	return address_ask(r, &q, m, address, value, extension);
}

/* --- what an entry says ------------------------------------------------------------------------------------------------ */

/* join - local part and extension at domain; the local part is quoted again where that is needed */
static struct str join(struct arena *a, struct str local, struct str extension, struct str domain)
{
	struct addr out;
	struct buf text;
	bool good;

	if (!extension.n)
		return domain.n ? arena_printf(a, "%.*s@%.*s", STR_ARG(local), STR_ARG(domain)) : local;
	local = addr_unquote_local(a, local);
	buf_init(&text, 4 * LIMIT_ADDRESS);
	buf_byte(&text, '"');
	buf_escaped(&text, local);
	buf_escaped(&text, extension);
	buf_byte(&text, '"');
	if (domain.n)
		buf_printf(&text, "@%.*s", STR_ARG(domain));
	good = !text.overflow && addr_parse(a, buf_view(&text), &out);
	buf_fini(&text);
	return good ? out.full : STR_EMPTY;
}

static enum map_answer no_address(const struct address_maps *m, struct str address, struct str entry)
{
	log_warn("cleanup", "%s: lookup of %.*s returns \"%.*s\", which is no address", m->parameter, STR_ARG(address),
		STR_ARG(str_head(entry, 200)));
	return MAP_ERROR;
}

/* take_entry - the addresses of an entry, extension and all */
static bool take_entry(struct router *r, struct arena *a, struct str entry, struct str extension, struct address_list *out)
{
	struct addr_element *v;
	size_t n = addr_repair(a, entry, &v);
	bool good = n > 0;

	out->v = good ? ARENA_ARRAY(a, struct str, n) : NULL;
	good = good && out->v;
	for (size_t i = 0; i < n && good; i++) {
		struct addr x = addr_split(v[i].good ? rewrite_address(r, a, v[i].mailbox.addr.full, true) : STR_EMPTY);

		out->v[out->n] = join(a, x.local, extension, x.domain);
		good = v[i].good && out->v[out->n++].n;
	}
	mem_free(v);
	return good;
}

enum map_answer address_map(struct router *r, struct arena *a, const struct address_maps *m, struct str address, bool propagate,
	struct address_list *out, struct buf *trace)
{
	struct str entry = STR_EMPTY, extension = STR_EMPTY, base, ext;
	struct addr s = addr_split(address);
	enum map_answer got = address_find(r, a, m, address, &entry, propagate ? &extension : NULL, trace);

	*out = (struct address_list){ .v = NULL };
	if (got != MAP_FOUND)
		return got;
	if (entry.n && entry.p[0] == '@') {
		if (extension.n && strip(r, a, s.local, &base, &ext))
			s.local = base;
		entry = arena_printf(a, "%.*s%.*s", STR_ARG(s.local), STR_ARG(entry));
	}
	if (!take_entry(r, a, entry, extension, out))
		return no_address(m, address, entry);
	return a->overflow ? MAP_ERROR : MAP_FOUND;
}

enum map_answer address_map_spend(struct router *r, struct arena *a, const struct address_maps *m, struct str address, bool propagate,
	struct address_list *out, struct buf *trace, uint64_t *spent)
{
	uint64_t before = map_spent();
	enum map_answer got = address_map(r, a, m, address, propagate, out, trace);

	*spent += map_spent() - before + LIMIT_REWRITE_ASK * m->maps.n;
	return got;
}

enum map_answer rewriting_knows(struct router *r, struct str address, bool sender)
{
	struct rewriting *w = &r->rewriting;
	const struct address_maps *const asked[] = { &w->recipient_canonical, &w->canonical, &w->virtual_alias, &w->sender_canonical };
	enum map_answer got = MAP_NONE;
	struct str value;
	struct arena a;

	arena_init(&a, LIMIT_SESSION_ARENA);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]) - !sender && got == MAP_NONE; i++)
		got = address_find(r, &a, asked[i], address, &value, NULL, NULL);
	arena_fini(&a);
	return got;
}

/* --- masquerading ------------------------------------------------------------------------------------------------------ */

static bool is_exempt(const struct conf *c, struct str local)
{
	return str_has_word(str_of(c->masquerade_exceptions), ", \t\r\n", local);
}

struct str masquerade_address(const struct conf *c, struct arena *a, struct str address)
{
	struct addr s = addr_split(address);
	struct str rest = str_of(c->masquerade_domains), w;
	bool shorten;

	if (!s.domain.n || !rest.n || is_exempt(c, s.local))
		return address;
	while (str_word(&rest, ", \t\r\n", &w)) {
		for (shorten = true; w.n && w.p[0] == '!'; w = str_from(w, 1))
			shorten = !shorten;
		if (!w.n || w.n > s.domain.n || !str_iends(s.domain, w))
			continue;
		if (w.n == s.domain.n)
			return address;
		if (s.domain.p[s.domain.n - w.n - 1] != '.')
			continue;
		return shorten ? arena_printf(a, "%.*s@%.*s", STR_ARG(s.local), STR_ARG(arena_lower(a, w))) : address;
	}
	return address;
}
