/* newaliases - see newaliases.h. */
#include "applets/newaliases.h"

#include "applets/applet.h"
#include "applets/mapgen_query.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/map/words.h"

static void on_warn(void *ctx, const char *file, unsigned line, const char *text)
{
	applet_fail(0, "warning: %s, line %u: %s", file, line, text);
}

static int build_aliases(const char *name)
{
	struct mapgen_options o = { .form = SOURCE_ALIAS, .warn = on_warn };
	struct mapgen_report r;
	struct buf why;
	int code = EX_OK;

	buf_init(&why, LIMIT_REPLY_TEXT);
	if (mapgen_build(name, &o, &r, &why) < 0)
		code = applet_fail(EX_CANTCREAT, "%s", buf_cstr(&why));
	buf_fini(&why);
	return code;
}

int newaliases(const struct conf *c, const char *source)
{
	struct str rest = str_of(source ? source : *c->alias_database ? c->alias_database : c->alias_maps), word;
	int code = EX_OK, r;

	while (words_next(&rest, &word) > 0) {
		char *spec = str_dup(word);
		const char *name;
		struct str type;

		mapgen_split(spec, &type, &name);
		r = mapgen_is_indexed(type) ? build_aliases(name) : EX_OK;
		code = code ? code : r;
		mem_free(spec);
	}
	return code;
}
