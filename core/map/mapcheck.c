/* mapcheck - see mapcheck.h. One pass over the source; each kind of table has a function that judges one entry. */
#include "core/map/mapcheck.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/map/aliascheck.h"
#include "core/map/map.h"
#include "core/map/mapgen.h"
#include "core/map/match.h"
#include "core/map/source.h"

#define CHECK_RULES 4096               /* cidr rules compared with each other; comparing is quadratic */

struct rule { struct ipaddr net; unsigned bits, line; };
struct check {
	const char *name;
	mapcheck_fn fn;
	void *ctx;
	struct mapcheck_report *report;
	unsigned line;
	struct table keys;             /* folded key -> line, as a pointer */
	struct rule *rules;
	size_t n_rules;
	int depth;                     /* of if ... endif */
};

static void say(struct check *c, enum mapcheck_level level, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void say(struct check *c, enum mapcheck_level level, unsigned line, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->report->count[level]++;
	c->fn(c->ctx, level, c->name, line, text);
}

static bool has_inner(struct str s, char c)
{
	return s.n > 1 && str_chr(s, c) >= 0;
}

/* --- one entry ---------------------------------------------------------------------------------------------------- */

/* is_address - an address, with or without :port, which has no MX hosts */
static bool is_address(struct str nexthop)
{
	ptrdiff_t colon = str_rchr(nexthop, ':');
	struct ipaddr a;

	return ipaddr_parse(nexthop, &a) || (colon > 0 && ipaddr_parse(str_head(nexthop, (size_t)colon), &a));
}

static void check_transport(struct check *c, struct str key, struct str value)
{
	static const char *const known[] = { "smtp", "relay", "lmtp", "local", "virtual", "error", "retry", "discard" };
	ptrdiff_t colon = str_chr(value, ':');
	struct str transport = str_head(value, colon < 0 ? value.n : (size_t)colon);
	struct str nexthop = colon < 0 ? STR_EMPTY : str_trim(str_from(value, (size_t)colon + 1));
	bool is_known = !transport.n;

	if (key.p[0] == '@')
		say(c, MAPCHECK_PROBLEM, c->line, "the key \"%.*s\" never matches: a transport table has \"%.*s\" for a whole domain",
			STR_ARG(key), STR_ARG(str_from(key, 1)));
	if (has_inner(key, '*'))
		say(c, MAPCHECK_PROBLEM, c->line, "the key \"%.*s\" never matches: \"*\" stands alone; \".example.com\" covers subdomains",
			STR_ARG(key));
	if (key.p[key.n - 1] == '.')
		say(c, MAPCHECK_PROBLEM, c->line, "the key \"%.*s\" never matches: names are looked up without the last dot", STR_ARG(key));
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		is_known = is_known || str_eq(transport, str_of(known[i]));
	if (!is_known && colon < 0 && str_chr(transport, '.') >= 0)
		say(c, MAPCHECK_PROBLEM, c->line, "\"%.*s\" is taken as the name of a transport; write \"smtp:[%.*s]\"", STR_ARG(value),
			STR_ARG(value));
	else if (!is_known)
		say(c, MAPCHECK_NOTE, c->line, "the transport \"%.*s\" must be a line of master.cf", STR_ARG(transport));
	if (nexthop.n && nexthop.p[0] != '[' && !is_address(nexthop) && (str_eq(transport, STR("smtp")) || str_eq(transport, STR("relay")) || !transport.n))
		say(c, MAPCHECK_NOTE, c->line, "mail goes to the MX hosts of \"%.*s\"; for the host itself write [%.*s]",
			STR_ARG(nexthop), STR_ARG(str_head(nexthop, (size_t)(str_chr(nexthop, ':') < 0 ? (ptrdiff_t)nexthop.n :
			str_chr(nexthop, ':')))));
}

static void check_secret(struct check *c, struct str key, struct str value)
{
	if (str_chr(value, ':') < 0)
		say(c, MAPCHECK_WARNING, c->line, "no password: the value has no \":\"; an empty password is sent");
	else if (value.p[0] == ':')
		say(c, MAPCHECK_WARNING, c->line, "no user name before the \":\"");
	if (key.p[0] != '[' && str_chr(key, '@') < 0 && str_chr(key, ':') >= 0)
		say(c, MAPCHECK_NOTE, c->line, "the key must be the nexthop as it is written: relayhost \"[host]:587\" needs the key "
			"\"[host]:587\"");
}

static void on_alias(void *ctx, const char *file, unsigned line, const char *text)
{
	struct check *c = ctx;

	c->report->count[MAPCHECK_PROBLEM]++;
	c->fn(c->ctx, MAPCHECK_PROBLEM, file, line, text);
}

static void check_alias(struct check *c, struct str key, struct str value)
{
	if (str_chr(key, '@') >= 0)
		say(c, MAPCHECK_PROBLEM, c->line, "the key \"%.*s\" never matches: aliases are looked up without a domain", STR_ARG(key));
	if (str_ieq(key, str_trim(value)))
		say(c, MAPCHECK_NOTE, c->line, "\"%.*s\" is an alias of itself", STR_ARG(key));
	aliascheck_entry(c->name, c->line, key, value, on_alias, c);
}

static void check_plain(struct check *c, struct str key, struct str value)
{
	if (key.p[key.n - 1] == ':')
		say(c, MAPCHECK_WARNING, c->line, "record is in \"key: value\" format; is this an alias file?");
}

/* --- cidr ----------------------------------------------------------------------------------------------------------- */

static bool covers(const struct rule *wide, const struct rule *narrow)
{
	unsigned whole = wide->bits / 8, rest = wide->bits % 8;
	uint8_t mask = (uint8_t)(0xff << (8 - rest));

	if (wide->net.family != narrow->net.family || wide->bits > narrow->bits)
		return false;
	return !memcmp(wide->net.b, narrow->net.b, whole) && (!rest || !((wide->net.b[whole] ^ narrow->net.b[whole]) & mask));
}

/* parse_rule - "net/bits" or an address at the front; false: negated, if/endif, or wrong (map_open tells that, and skips it) */
static bool parse_rule(struct str pattern, struct rule *out)
{
	struct network net;
	struct buf why;
	bool good;

	buf_init(&why, LIMIT_REPLY_TEXT);
	good = network_parse(pattern, &net, &why);
	buf_fini(&why);
	if (!good)
		return false;
	out->net = net.net;
	out->bits = net.prefix;
	return true;
}

static void check_cidr(struct check *c, struct str line)
{
	struct str pattern;
	struct rule r = { .line = c->line };

	if (!str_word(&line, " \t", &pattern))
		return;
	if (str_ieq(pattern, STR("if")))
		c->depth++;
	if (str_ieq(pattern, STR("endif")))
		c->depth--;
	/* inside if ... endif a rule holds only for some addresses: it neither hides nor is judged */
	if (c->depth || !str_trim(line).n || !parse_rule(pattern, &r))
		return;
	for (size_t i = 0; i < c->n_rules; i++)
		if (covers(&c->rules[i], &r)) {
			say(c, MAPCHECK_PROBLEM, c->line, "\"%.*s\" is never reached: line %u matches first", STR_ARG(pattern),
				c->rules[i].line);
			return;
		}
	if (c->n_rules < CHECK_RULES)
		c->rules[c->n_rules++] = r;
}

/* --- the file ------------------------------------------------------------------------------------------------------- */

static void check_rights(struct check *c, bool secret)
{
	struct stat st;

	if (stat(c->name, &st) < 0)
		return;
	if (st.st_mode & 002)
		say(c, MAPCHECK_PROBLEM, 0, "anyone may write it; chmod o-w %s", c->name);
	if (secret && st.st_mode & 004)
		say(c, MAPCHECK_WARNING, 0, "it holds passwords and anyone may read it; chmod 600 %s", c->name);
}

static void check_built(struct check *c, bool secret, bool alias)
{
	const char *builder = alias ? "mapgen --alias" : "mapgen";
	char path[4096];
	struct stat source, built;

	snprintf(path, sizeof(path), "%s.cdb", c->name);
	if (stat(c->name, &source) < 0 || !source.st_size)
		return;
	if (stat(path, &built) < 0)
		say(c, MAPCHECK_WARNING, 0, "not built yet: the text is used; run %s %s", builder, c->name);
	else if (built.st_mtime < source.st_mtime)
		say(c, MAPCHECK_WARNING, 0, "%s is older: the text is used; run %s %s", path, builder, c->name);
	else if (secret && built.st_mode & 004)
		say(c, MAPCHECK_WARNING, 0, "it holds passwords and anyone may read it; chmod 600 %s", path);
}

static void check_duplicate(struct check *c, struct str key)
{
	struct buf folded;
	uintptr_t before;

	buf_init(&folded, LIMIT_MAP_VALUE);
	buf_str(&folded, key);
	for (size_t i = 0; i < folded.n; i++)
		folded.p[i] = ascii_lower(folded.p[i]);
	before = (uintptr_t)table_find(&c->keys, buf_view(&folded));
	if (before)
		say(c, MAPCHECK_WARNING, c->line, "duplicate entry: \"%.*s\"; line %lu is used", STR_ARG(str_head(key, 120)),
			(unsigned long)before);
	else
		table_add(&c->keys, buf_view(&folded), (void *)(uintptr_t)c->line);
	buf_fini(&folded);
}

typedef void (*entry_fn)(struct check *c, struct str key, struct str value);

static void check_text(struct check *c, struct str text, enum source_form form, entry_fn judge)
{
	struct source s;
	struct str key, value;
	int got;

	source_init(&s, text, form);
	while ((got = source_next(&s, &key, &value)) != 0) {
		c->line = s.line;
		if (got < 0) {
			say(c, MAPCHECK_PROBLEM, s.line, "%s", s.error);
			continue;
		}
		c->report->entries++;
		if (form == SOURCE_LINES) {
			check_cidr(c, value);
			continue;
		}
		check_duplicate(c, key);
		judge(c, key, value);
	}
	source_fini(&s);
}

/* check_opens - the map room's own judgement of the syntax */
static void check_opens(struct check *c, struct str type)
{
	char spec[4200];
	unsigned before = map_warnings();
	struct buf why;
	struct map *m;

	snprintf(spec, sizeof(spec), "%.*s:%s", STR_ARG(type), c->name);
	buf_init(&why, LIMIT_REPLY_TEXT);
	m = map_open(spec, &why);
	if (!m)
		say(c, MAPCHECK_PROBLEM, 0, "%s", buf_cstr(&why));
	/* each rule that is skipped was told as it was read */
	c->report->count[MAPCHECK_PROBLEM] += map_warnings() - before;
	map_close(m);
	buf_fini(&why);
}

static bool is_named(const char *name, const char *word)
{
	const char *slash = strrchr(name, '/');

	return strstr(slash ? slash + 1 : name, word) != NULL;
}

void mapcheck_run(struct str type, const char *name, bool alias, mapcheck_fn fn, void *ctx, struct mapcheck_report *r)
{
	struct check c = { .name = name, .fn = fn, .ctx = ctx, .report = r };
	bool secret = is_named(name, "passw"), indexed = mapgen_is_indexed(type), cidr = str_eq(type, STR("cidr"));
	bool text_table = indexed || str_eq(type, STR("texthash"));
	struct buf text;

	*r = (struct mapcheck_report){ 0 };
	/* virtual_alias and its like are tables of addresses */
	alias = alias || (is_named(name, "alias") && !is_named(name, "virtual"));
	table_init(&c.keys);
	buf_init(&text, LIMIT_MAP_TEXT);
	if (!text_table && !cidr) {
		check_opens(&c, type);
	} else if (fs_read_file(name, &text) < 0) {
		say(&c, MAPCHECK_PROBLEM, 0, "cannot read it: %s", strerror(errno));
	} else {
		c.rules = mem_array(NULL, CHECK_RULES, sizeof(struct rule));
		check_rights(&c, secret);
		if (indexed)
			check_built(&c, secret, alias);
		if (cidr)
			check_opens(&c, type);
		check_text(&c, buf_view(&text), cidr ? SOURCE_LINES : alias ? SOURCE_ALIAS : SOURCE_TABLE,
			alias ? check_alias : secret ? check_secret : is_named(name, "transport") ? check_transport : check_plain);
	}
	mem_free(c.rules);
	table_fini(&c.keys);
	buf_fini(&text);
}
