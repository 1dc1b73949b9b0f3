/* token.c - see token.h. What would change the shape of the response (a blank, a control character) is no token. */
#include "core/smtp/token.h"

#include <errno.h>

#include "core/base/fs.h"
#include "core/base/json_read.h"
#include "core/base/limits.h"
#include "core/smtp/sasl.h"

static bool names_file(struct str password, struct str *path)
{
	*path = password;
	if (str_starts(password, STR("/")))
		return true;
	*path = str_from(password, 5);
	return str_starts(password, STR("file:"));
}

bool token_find(const char *mechanism, struct str password, struct buf *out, struct str *secret, struct buf *why)
{
	struct str path, text;
	int fd, result;

	*secret = password;
	if (!sasl_takes_token(mechanism) || !names_file(password, &path))
		return true;
	buf_clear(out);
	buf_str(out, path);
	fd = fs_open_table(buf_cstr(out));
	buf_clear(out);
	result = fd < 0 ? -1 : fs_read_fd(fd, out);
	if (result < 0)
		buf_printf(why, "token file %.*s: %s", STR_ARG(path), strerror(errno));
	if (fd >= 0)
		fs_close(fd);
	if (result < 0)
		return false;
	text = buf_view(out);
	if (!str_cut(&text, '\n', secret))
		*secret = text;
	*secret = str_trim(*secret);
	if (str_is_token(*secret))
		return true;
	buf_printf(why, "token file %.*s: no token in its first line", STR_ARG(path));
	return false;
}

static void on_member(void *ctx, const struct json_member *m)
{
	static const char *const names[] = { "status", "scope", "openid-configuration" };
	struct buf *out = ctx;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (m->kind <= JSON_NUMBER && m->value.n && str_eq(m->name, str_of(names[i])))
			buf_printf(out, "%s%s %.*s", out->n ? ", " : "", names[i], STR_ARG(str_head(m->value, m->value.n < 100 ? m->value.n : 100)));
}

void token_error(struct str json, struct buf *out)
{
	struct arena arena;

	arena_init(&arena, LIMIT_SASL_RESPONSE);
	if (!json_read_object(json, &arena, on_member, out) || !out->n) {
		buf_clear(out);
		buf_str(out, str_head(json, json.n < 200 ? json.n : 200));
	}
	arena_fini(&arena);
}
