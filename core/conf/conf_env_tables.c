/* conf_env_tables - POSTMAP_name: the text of a table, as other images have it written into a file and indexed. Here it takes the
 * file's place where a parameter names it, as in POSTFIX_transport_maps=hash:/etc/postfix/transport. */
#include "core/base/env.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/conf/conf_private.h"
#include "core/map/source.h"

#define PREFIX "POSTMAP_"

/* as_inline - the table in the form that needs no file; false with a finding, which shows nothing of it: it may have passwords */
static bool as_inline(const char *variable, const char *text, struct buf *out, struct conf_diag *diag)
{
	struct source src;
	struct str key, value;
	const char *why = NULL;
	int r;

	source_init(&src, str_of(text), SOURCE_SECRETS);
	buf_z(out, "inline:{");
	while (!why && (r = source_next(&src, &key, &value)) != 0) {
		if (r < 0)
			why = src.error;
		else if (str_chr(key, '=') >= 0 || str_chr(key, '{') >= 0 || str_chr(key, '}') >= 0 || str_chr(value, '{') >= 0 || str_chr(value, '}') >= 0)
			why = "{, }, and = in a key, cannot be written here: mount the table as a file";
		else
			buf_printf(out, "%s{%.*s = %.*s}", out->p[out->n - 1] == '{' ? "" : ", ", STR_ARG(key), STR_ARG(value));
	}
	if (!why && !buf_byte(out, '}'))
		why = "the table is too large for a variable: mount it as a file";
	if (why)
		conf_diag_add(diag, CONF_ERROR, "environment", 0, "%s: line %u: %s", variable, src.line, why);
	source_fini(&src);
	return !why;
}

/* names_at - does raw name the table at p? Then how long that is */
static size_t names_at(const char *p, struct str table)
{
	static const char *const types[] = { "hash:", "lmdb:", "btree:", "cdb:", "dbm:", "texthash:" };
	static const char *const folders[] = { "/etc/postfix/", "/etc/relaybox/", "$config_directory/", "${config_directory}/" };

	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
		for (size_t f = 0; f < sizeof(folders) / sizeof(folders[0]); f++) {
			size_t n = strlen(types[t]), k = strlen(folders[f]);

			if (strncmp(p, types[t], n) || strncmp(p + n, folders[f], k) || strncmp(p + n + k, table.p, table.n))
				continue;
			n += k + table.n;
			if (!p[n] || strchr(", \t\r\n}", p[n]))
				return n;
		}
	return 0;
}

/* put_in - in the place of each name of the table; false if there is none. Text with a $ is taken as it is, so no other may be in it */
static bool put_in(struct conf_entry *e, struct str table, struct str text)
{
	struct buf made;
	bool any = false;

	buf_init(&made, LIMIT_CONF_VALUE);
	for (const char *p = e->raw; *p;) {
		size_t n = p == e->raw || strchr(", \t\r\n{", p[-1]) ? names_at(p, table) : 0;

		if (n)
			buf_str(&made, text);
		else
			buf_byte(&made, *p);
		any |= n > 0;
		p += n ? n : 1;
	}
	if (any) {
		mem_wipe(e->raw, strlen(e->raw));
		mem_free(e->raw);
		e->raw = mem_dupz(buf_cstr(&made));
		e->text = str_chr(text, '$') >= 0 ? CONF_TEXT_LITERAL : e->text;
	}
	buf_wipe(&made);
	return any;
}

void conf_env_tables(struct conf_source *s, struct conf_diag *diag)
{
	const char *variable, *value;
	unsigned cursor = 0, len;

	while (env_each(PREFIX, &cursor, &variable, &value, &len)) {
		struct str table = str_from(str_make(variable, len), sizeof(PREFIX) - 1);
		struct buf text;
		bool used = !*value || !table.n, good = true;
		char *name = str_dup(str_make(variable, len));

		buf_init(&text, LIMIT_CONF_VALUE);
		if (!used)
			good = as_inline(name, value, &text, diag);
		for (size_t i = 0; i < s->n && good && *value && table.n; i++)
			used |= put_in(s->v[i], table, buf_view(&text));
		if (good && !used)
			conf_diag_add(diag, CONF_WARNING, "environment", 0, "%s has no effect: no parameter names hash:/etc/postfix/%.*s, nor the like of it; "
				"tables of patterns need a file", name, STR_ARG(table));
		buf_wipe(&text);
		mem_free(name);
	}
}
