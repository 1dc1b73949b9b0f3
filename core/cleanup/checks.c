/* checks - see checks.h. Parameters of equal value (mime_header_checks is $header_checks) share their tables. */
#include "core/cleanup/checks.h"

#include "core/base/mem.h"
#include "core/msg/action.h"

struct checks {
	unsigned refs;
	bool busy;                             /* somebody has the tables to himself */
	struct list waiting;                   /* struct checks_turn.link */
	struct checks_from from;
	struct maps maps[CHECK_CLASSES];
	struct maps *of[CHECK_CLASSES];        /* NULL: nothing is asked */
};

/* share - true: an earlier parameter says the same; what is wrong with it has been told */
static bool share(struct checks *k, enum check_class class)
{
	for (size_t i = 0; i < class; i++)
		if (!strcmp(k->from.value[i], k->from.value[class])) {
			k->of[class] = k->of[i];
			return true;
		}
	return false;
}

struct rules_of { const char *parameter, *table; struct conf_diag *diag; bool refused; };

/* check_rule - one that cannot be carried out is told before it meets mail */
static int check_rule(void *ctx, unsigned line, struct str result)
{
	struct rules_of *r = ctx;
	struct action a;

	action_parse(result, ACTION_IN_HEADER, &a);
	if (a.kind == ACTION_FILTER) {
		conf_diag_add(r->diag, CONF_ERROR, NULL, 0, "%s: %s, line %u: FILTER is not done, and what matches would be held: take the rule out, "
			"or route such mail to the filter with transport_maps or relayhost", r->parameter, r->table, line);
		r->refused = true;
	}
	return r->refused;
}

static bool open_class(struct checks *k, enum check_class class, struct conf_diag *diag)
{
	struct buf why;
	bool good;

	if (!*k->from.value[class] || share(k, class))
		return true;
	buf_init(&why, 1024);
	good = maps_open(&k->maps[class], k->from.value[class], &why) == 0;
	if (!good)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: %s", k->from.name[class], buf_cstr(&why));
	else if (k->maps[class].n)
		k->of[class] = &k->maps[class];
	for (size_t i = 0; good && !k->from.sends && i < k->maps[class].n; i++) {
		struct rules_of r = { .parameter = k->from.name[class], .table = map_spec(k->maps[class].v[i]), .diag = diag };

		(void)map_each_rule(k->maps[class].v[i], check_rule, &r);
		good = !r.refused;
	}
	buf_fini(&why);
	return good;
}

struct checks *checks_new(const struct checks_from *from, struct conf_diag *diag)
{
	struct checks *k = MEM_NEW(struct checks);
	bool good = true, any = false;

	k->refs = 1;
	list_init(&k->waiting);
	k->from = *from;
	for (enum check_class i = 0; i < CHECK_CLASSES; i++) {
		good &= open_class(k, i, diag);
		any |= k->of[i] != NULL;
	}
	if (good && any)
		return k;
	checks_unref(k);
	return NULL;
}

struct checks *checks_of_incoming(const struct conf *c, struct conf_diag *diag)
{
	return checks_new(&(struct checks_from){
		.name = { [CHECK_HEADER] = "header_checks", [CHECK_MIME] = "mime_header_checks", [CHECK_NESTED] = "nested_header_checks",
			[CHECK_BODY] = "body_checks" },
		.value = { [CHECK_HEADER] = c->header_checks, [CHECK_MIME] = c->mime_header_checks,
			[CHECK_NESTED] = c->nested_header_checks, [CHECK_BODY] = c->body_checks } }, diag);
}

struct checks *checks_ref(struct checks *k)
{
	if (k)
		k->refs++;
	return k;
}

void checks_unref(struct checks *k)
{
	if (!k || --k->refs)
		return;
	for (size_t i = 0; i < CHECK_CLASSES; i++)
		maps_close(&k->maps[i]);
	mem_free(k);
}

bool checks_in_use(const struct checks *k)
{
	return k && k->refs > 1;
}

void checks_refresh(struct checks *k, usec now_mono)
{
	for (size_t i = 0; k && !k->busy && i < CHECK_CLASSES; i++)
		maps_refresh(&k->maps[i], now_mono);
}

const char *checks_name(const struct checks *k, enum check_class class)
{
	return k->from.name[class];
}

bool checks_has(const struct checks *k, enum check_class class)
{
	return k && k->of[class];
}

enum check_class checks_class(enum mime_line kind, struct str name)
{
	static const struct str about_content[] = { STR("Content-Type"), STR("Content-Transfer-Encoding"), STR("Content-Disposition"),
		STR("Content-Description"), STR("Content-ID"), STR("MIME-Version") };
	static const enum check_class classes[] = {
		[MIME_LINE_BODY] = CHECK_BODY, [MIME_LINE_HEADER] = CHECK_HEADER, [MIME_LINE_PART] = CHECK_MIME, [MIME_LINE_NESTED] = CHECK_NESTED,
	};

	for (size_t i = 0; kind != MIME_LINE_BODY && i < sizeof(about_content) / sizeof(about_content[0]); i++)
		if (str_ieq(name, about_content[i]))
			return CHECK_MIME;
	return classes[kind];
}

enum map_answer checks_find(struct checks *k, enum check_class class, struct str text, struct buf *out)
{
	return k->of[class] && text.n ? maps_find(k->of[class], text, false, out, NULL) : MAP_NONE;
}

bool checks_pass_by(const struct checks *k, enum check_class class, struct str text)
{
	const struct maps *maps = k->of[class];

	/* they may be loaded anew under it */
	if (k->busy)
		return false;
	for (size_t i = 0; i < maps->n; i++)
		if (!map_is_sifted_out(maps->v[i], text))
			return false;
	return true;
}

void checks_wait(struct checks *k, struct checks_turn *t)
{
	list_init(&t->link);
	if (k->busy) {
		list_append(&k->waiting, &t->link);
		return;
	}
	k->busy = true;
	t->go(t);
}

void checks_turn_over(struct checks *k)
{
	struct list *first = list_first(&k->waiting);

	k->busy = first != NULL;
	if (!first)
		return;
	list_remove(first);
	LIST_ITEM(first, struct checks_turn, link)->go(LIST_ITEM(first, struct checks_turn, link));
}
