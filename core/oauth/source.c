/* source - see source.h. */
#include "core/oauth/source.h"

#include <string.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"

bool credential_is(struct str text)
{
	text = str_trim(text);
	return text.n && *text.p == '{';
}

bool oauth_source_read(struct str password, struct buf *text)
{
	char *path;
	bool is;

	if (credential_is(password))
		return buf_str(text, password);
	if (str_starts(password, STR("file:")))
		password = str_from(password, 5);
	if (!password.n || *password.p != '/' || memchr(password.p, 0, password.n))
		return false;
	path = str_dup(password);
	is = fs_read_file(path, text) == 0 && credential_is(buf_view(text));
	mem_free(path);
	return is;
}

bool oauth_is(struct str password)
{
	struct buf text;
	bool is;

	buf_init(&text, LIMIT_OAUTH_TEXT);
	is = oauth_source_read(password, &text);
	buf_wipe(&text);
	return is;
}
