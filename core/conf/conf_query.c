/* conf_query - questions to a loaded conf: values by name, where they came from, per-transport values, the dump. */
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/format.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/format.h"
#include "core/conf/conf_private.h"

const char *conf_get(const struct conf *c, const char *name)
{
	struct str key = str_of(name);
	const struct param *p = param_find(key);
	struct conf_source *s = c->source;
	const char *value = table_find(&s->cache, key);
	struct buf text, why;

	if (value)
		return value;
	if (!p && !source_find(s, key))
		return NULL;
	if (p && param_is_text(p))
		return *(const char *const *)(const void *)((const char *)c + p->at);
	buf_init(&text, LIMIT_CONF_VALUE);
	buf_init(&why, 1024);
	if (expand_value(c, key, &text, &why) < 0)
		buf_clear(&text);
	value = source_keep(s, buf_view(&text));
	table_add(&s->cache, key, (void *)(uintptr_t)value);
	buf_fini(&text);
	buf_fini(&why);
	return value;
}

bool conf_is_set(const struct conf *c, const char *name)
{
	return source_find(c->source, str_of(name)) != NULL;
}

const char *conf_where(const struct conf *c, const char *name)
{
	struct conf_entry *e = source_find(c->source, str_of(name));
	const char *base;
	char text[128];

	if (!e)
		return "default";
	if (!e->file)
		return e->origin;
	base = strrchr(e->file, '/');
	format_text(text, sizeof(text), "%.100s:%u", base ? base + 1 : e->file, e->line);
	if (!e->where)
		e->where = source_keep(c->source, str_of(text));
	return e->where;
}

bool conf_relay_login(const struct conf *c, struct str nexthop, const char **username, const char **password)
{
	struct str rest = str_of(c->relayhost), word;

	if (!c->relay_username || !c->relay_password || !nexthop.n)
		return false;
	while (str_word(&rest, ", \t\r\n", &word)) {
		if (!str_ieq(word, nexthop))
			continue;
		*username = c->relay_username;
		*password = c->relay_password;
		return true;
	}
	return false;
}

void conf_set_relay_login(struct conf *c, const char *username, const char *password)
{
	source_set_login(c->source, username, password);
	c->relay_username = c->source->relay_user;
	c->relay_password = c->source->relay_password;
}

/* --- per transport ------------------------------------------------------------------------------------------------ */

const char *conf_transport_text(const struct conf *c, const char *transport, const char *suffix)
{
	char name[256];
	const char *value;

	format_text(name, sizeof(name), "%s_%s", transport, suffix);
	value = conf_get(c, name);
	if (value)
		return value;
	format_text(name, sizeof(name), "default_%s", suffix);
	value = conf_get(c, name);
	if (!value)
		value = conf_get(c, suffix);
	return value ? value : "";
}

int64_t conf_transport_int(const struct conf *c, const char *transport, const char *suffix)
{
	int64_t v;

	/* checked when it was loaded */
	return str_to_i64(str_trim(str_of(conf_transport_text(c, transport, suffix))), &v) ? v : 0;
}

usec conf_transport_time(const struct conf *c, const char *transport, const char *suffix)
{
	usec t;

	return conf_parse_time(str_trim(str_of(conf_transport_text(c, transport, suffix))), 's', &t) ? t : 0;
}

/* --- the dump ----------------------------------------------------------------------------------------------------- */

struct dump_row {
	const char *name, *text;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct dump_row *)a)->name, ((const struct dump_row *)b)->name);
}

/* default_text - as main.cf would say it; computed defaults as they came out */
static const char *default_text(const struct conf *c, const struct param *p)
{
	struct buf text, why;
	const char *value;

	if (p->dflt)
		return p->dflt;
	buf_init(&text, LIMIT_CONF_VALUE);
	buf_init(&why, 1024);
	value = conf_default_of(c, p->name, &text, &why) == 0 ? source_keep(c->source, buf_view(&text)) : "";
	buf_fini(&text);
	buf_fini(&why);
	return value;
}

static bool is_shown(const struct conf_entry *e)
{
	return e->file || !strcmp(e->origin, "environment") || !strcmp(e->origin, CONF_FROM_LOGIN) ||
		!strcmp(e->origin, "option");
}

/* expanded_text - name's value, or text, without $names; as it was written where it cannot be expanded */
static const char *expanded_text(const struct conf *c, const char *name, const char *text)
{
	struct buf out, why;

	buf_init(&out, LIMIT_CONF_VALUE);
	buf_init(&why, 1024);
	if ((name ? expand_value(c, str_of(name), &out, &why) : conf_expand(c, str_of(text), &out, &why)) == 0)
		text = source_keep(c->source, buf_view(&out));
	buf_fini(&out);
	buf_fini(&why);
	return text;
}

/* transport_default - of a name such as relay_destination_rate_delay; NULL: it is none */
static const char *transport_default(const struct conf *c, const char *name)
{
	const char *suffix;
	enum param_kind kind;
	struct str transport;

	if (!name_is_transport_specific(str_of(name), &suffix, &kind))
		return NULL;
	transport = str_head(str_of(name), strlen(name) - strlen(suffix) - 1);
	return conf_transport_text(c, source_keep(c->source, transport), suffix);
}

/* the lmtp client's parameters have the defaults of their smtp_ twins */
static const char *lmtp_default(const struct conf *c, const char *name)
{
	const struct param *twin;
	char smtp[80];

	format_text(smtp, sizeof(smtp), "s%s", name + 1);
	twin = param_find(str_of(smtp));
	return !strcmp(name, "lmtp_tcp_port") ? "24" : twin ? default_text(c, twin) : transport_default(c, name);
}

static const char *fixed_text(const struct conf *c, const char *name)
{
	const char *text = builtin_value(c, str_of(name));

	/* own_networks, which is computed, is a name of ours that has no value to be shown */
	if (text && *text)
		return text;
	return str_starts(str_of(name), STR("lmtp_")) ? lmtp_default(c, name) : transport_default(c, name);
}

const char *conf_text(const struct conf *c, const char *name, enum conf_dump_what what, bool expanded)
{
	const struct conf_entry *e = what == CONF_DUMP_DEFAULTS ? NULL : source_find(c->source, str_of(name));
	const struct param *p = param_find(str_of(name));
	const char *text;

	if (what == CONF_DUMP_SET && (!e || !is_shown(e)))
		return NULL;
	text = e ? e->raw : p ? default_text(c, p) : fixed_text(c, name);
	/* what is read with names of its own in it stays as it is */
	if (!text || !expanded || (p && p->kind == PARAM_RAW))
		return text;
	return expanded_text(c, e || (p && what != CONF_DUMP_DEFAULTS) ? name : NULL, text);
}

bool conf_is_name(const char *name)
{
	const char *advice, *harmless;

	return name_class(str_of(name), &advice, &harmless) != NAME_UNKNOWN;
}

void conf_print(const char *name, const char *text, bool bare, FILE *to)
{
	struct str rest = str_of(text), word;
	const char *before = bare ? "" : " ";

	fprintf(to, "%s%s", bare ? "" : name, bare ? "" : " =");
	for (; str_word(&rest, " \t\r\n", &word); before = " ")
		fprintf(to, "%s%.*s", before, STR_ARG(word));
	putc('\n', to);
}

void conf_dump(const struct conf *c, enum conf_dump_what what, bool expanded, bool bare, FILE *to)
{
	size_t max = what == CONF_DUMP_SET ? c->source->n : n_params, n = 0;
	struct dump_row *rows = mem_array(NULL, max + 1, sizeof(*rows));

	for (size_t i = 0; i < max; i++) {
		const struct conf_entry *e = what == CONF_DUMP_SET ? c->source->v[i] : what == CONF_DUMP_ALL ?
			source_find(c->source, str_of(params[i].name)) : NULL;

		if (what == CONF_DUMP_SET && !is_shown(e))
			continue;
		rows[n].name = e ? e->name : params[i].name;
		rows[n].text = e ? e->raw : default_text(c, &params[i]);
		if (expanded)
			rows[n].text = expanded_text(c, what == CONF_DUMP_DEFAULTS ? NULL : rows[n].name, rows[n].text);
		n++;
	}
	qsort(rows, n, sizeof(*rows), by_name);
	for (size_t i = 0; i < n; i++)
		conf_print(rows[i].name, rows[i].text, bare, to);
	mem_free(rows);
}
