/* explain - see explain.h. */
#include "applets/explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/conf/conf.h"
#include "core/daemon/explain.h"
#include "core/view/control.h"
#include "core/view/explain_view.h"

/* alone - no relayd runs */
static int alone(const char *directory, struct str request, bool json)
{
	struct buf rows, why;
	int code = EX_OK;

	buf_init(&rows, LIMIT_EXPLAIN_ROWS);
	buf_init(&why, LIMIT_LOG_LINE);
	if (explain_alone(directory, request, &rows, &why) < 0)
		code = applet_fail(EX_CONFIG, "%s (no relayd answers)", buf_cstr(&why));
	else
		explain_view_print(buf_view(&rows), json, stdout);
	buf_fini(&rows);
	buf_fini(&why);
	return code;
}

static int ask(const struct conf *c, const char *directory, const char *request, bool json)
{
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);
	struct buf why;
	int code, r;

	if (!to)
		return applet_fail(EX_OSERR, "out of memory");
	buf_init(&why, LIMIT_REPLY_TEXT);
	r = control_request(c->queue_directory, request, to, &why);
	if (r < 0 && control_is_silent(errno))
		code = alone(directory, str_from(str_of(request), strlen("explain ")), json);
	else
		code = applet_asked(c, r, NULL, EX_UNAVAILABLE, &why);
	fclose(to);
	explain_view_print(str_make(text, n), json, stdout);
	free(text);
	buf_fini(&why);
	return applet_close_output(code);
}

/* add - a word of the request; blanks in quotes go as tabs, for blanks part the words. false: it is no address */
static bool add(struct buf *request, const char *name, const char *text)
{
	size_t at = request->n;

	if (strpbrk(text, "\t\n") || (strchr(text, ' ') && !strchr(text, '"')))
		return false;
	buf_printf(request, "%s%s", name, text);
	for (at += strlen(name); at < request->n; at++)
		if (request->p[at] == ' ')
			request->p[at] = '\t';
	return true;
}

int explain_address(const struct conf *c, const char *directory, const char *address, const struct explain_words *words, bool json)
{
	struct buf request;
	bool bare;
	int code;

	buf_init(&request, LIMIT_CONTROL_LINE - 1);
	bare = add(&request, "explain ", address);
	for (; words->word; words++) {
		if (!words->value)
			continue;
		buf_byte(&request, ' ');
		bare &= add(&request, words->word, words->value);
	}
	code = !bare ? applet_fail(EX_USAGE, "%s: not a bare address", address) : request.overflow ? applet_fail(EX_USAGE, "the address is too long") :
		ask(c, directory, buf_cstr(&request), json);
	buf_fini(&request);
	return code;
}
