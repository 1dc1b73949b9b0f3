/* aliascheck - see aliascheck.h. */
#include "core/map/aliascheck.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/map/source.h"
#include "core/msg/alias_text.h"

#define INCLUDE_DEPTH 5                /* lists in lists that are looked at */

struct look {
	const char *file;
	unsigned line;                 /* where the element stands */
	unsigned depth;                /* 0: in the aliases file itself */
	struct str key;
	aliascheck_fn fn;
	void *ctx;
	bool told;
};

static void tell(struct look *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct look *l, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->told = true;
	l->fn(l->ctx, l->file, l->line, text);
}

static void look_at(struct look *l, struct str text);

static void look_into(struct look *l, struct str path)
{
	char name[4096];
	struct look inner = *l;
	struct str rest, line;
	struct buf text;

	if (!path.n || path.p[0] != '/' || path.n >= sizeof(name)) {
		tell(l, "\"%.*s\": \":include:%.*s\" needs an absolute path", STR_ARG(l->key), STR_ARG(str_head(path, 200)));
		return;
	}
	if (++inner.depth > INCLUDE_DEPTH)
		return;
	snprintf(name, sizeof(name), "%.*s", STR_ARG(path));
	buf_init(&text, LIMIT_ALIAS_INCLUDE);
	if (fs_read_file(name, &text) == 0) {
		rest = buf_view(&text);
		inner.file = name;
		inner.line = 0;
		while (alias_text_line(&rest, &inner.line, &line))
			look_at(&inner, line);
		l->told = l->told || inner.told;
	} else if (errno == ENOENT || errno == ENOTDIR || errno == EISDIR || errno == EINVAL) {
		tell(l, "\"%.*s\": mail waits, for the list %s cannot be read: %s", STR_ARG(l->key), name, strerror(errno));
	}
	buf_fini(&text);
}

static void look_at(struct look *l, struct str text)
{
	struct alias_target t;
	struct arena a;

	arena_init(&a, LIMIT_SESSION_ARENA);
	while (alias_text_next(&a, &text, &t)) {
		struct str shown = str_head(t.text, 200);

		if (t.kind == ALIAS_BAD)
			tell(l, "\"%.*s\": \"%.*s\" is not an address and gets no mail", STR_ARG(l->key), STR_ARG(shown));
		else if (t.kind == ALIAS_COMMAND && !l->depth)
			tell(l, "\"%.*s\" goes to a command: relaybox runs none, mail to it is not delivered", STR_ARG(l->key));
		else if (l->depth && (t.kind == ALIAS_COMMAND || t.kind == ALIAS_FILE))
			tell(l, "\"%.*s\": \"%.*s\": no file or command may stand in an :include: file, it gets no mail", STR_ARG(l->key),
				STR_ARG(shown));
		else if (t.kind == ALIAS_INCLUDE)
			look_into(l, t.text);
		arena_reset(&a);
	}
	arena_fini(&a);
}

bool aliascheck_entry(const char *file, unsigned line, struct str key, struct str value, aliascheck_fn fn, void *ctx)
{
	struct look l = { .file = file, .line = line, .key = str_head(key, 100), .fn = fn, .ctx = ctx };

	look_at(&l, value);
	return !l.told;
}

/* each_entry - of an aliases file, with the line it stands on */
static void each_entry(const char *path, void (*fn)(void *ctx, unsigned line, struct str key, struct str value), void *ctx)
{
	struct str key, value;
	struct buf text;
	struct source s;
	struct stat st;
	int got;

	buf_init(&text, LIMIT_MAP_TEXT);
	if (source_load(path, &text, &st) == 0) {
		source_init(&s, buf_view(&text), SOURCE_ALIAS);
		while ((got = source_next(&s, &key, &value)) != 0)
			if (got > 0)
				fn(ctx, s.line, key, value);
		source_fini(&s);
	}
	buf_fini(&text);
}

struct checking { const char *path; aliascheck_fn fn; void *ctx; };

static void check_entry(void *ctx, unsigned line, struct str key, struct str value)
{
	struct checking *x = ctx;

	aliascheck_entry(x->path, line, key, value, x->fn, x->ctx);
}

void aliascheck_file(const char *path, aliascheck_fn fn, void *ctx)
{
	struct checking x = { .path = path, .fn = fn, .ctx = ctx };

	each_entry(path, check_entry, &x);
}
