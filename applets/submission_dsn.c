/* submission_dsn - which notices a message shall have (RFC 3461), as sendmail's options say it. */
#include "applets/submission.h"

#include "applets/applet.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/smtp/grammar.h"

/* parse_notify - NOTIFY= of RFC 3461, in which people write blanks */
static unsigned parse_notify(const char *text)
{
	char *plain = mem_dupz(text);
	size_t n = 0;
	unsigned bits;

	for (size_t i = 0; text[i]; i++)
		if (!ascii_is_space(text[i]))
			plain[n++] = text[i];
	if (!grammar_notify(str_make(plain, n), &bits)) {
		applet_fail(0, "warning: -N %s: not a list of success, failure, delay, nor never alone; ignored", text);
		bits = DSN_NOTIFY_DEFAULT;
	}
	mem_free(plain);
	return bits;
}

void submission_dsn(struct submission *s, const char *notify, const char *ret, const char *id)
{
	struct str envid = str_of(id);
	bool printable = true;

	for (size_t i = 0; i < envid.n; i++)
		printable = printable && ascii_is_print(envid.p[i]);
	if (notify)
		s->notify = parse_notify(notify);
	if (ret && !strcasecmp(ret, "full"))
		s->ret = DSN_RET_FULL;
	else if (ret && !strcasecmp(ret, "hdrs"))
		s->ret = DSN_RET_HDRS;
	else if (ret)
		applet_fail(0, "warning: -R %s: neither full nor hdrs; ignored", ret);
	if (envid.n > LIMIT_ENVID || !printable)
		applet_fail(0, "warning: -V: at most %d printable characters; ignored", LIMIT_ENVID);
	else
		s->envid = envid;
}
