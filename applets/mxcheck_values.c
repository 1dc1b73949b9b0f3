/* mxcheck_values - arguments of options as values; false: it makes no sense. */
#include "applets/mxcheck.h"

bool mxcheck_number(struct str text, uint64_t most, uint64_t *out)
{
	return str_to_u64(text, out) && *out <= most;
}

bool mxcheck_tls(struct mxcheck *k, const char *word)
{
	static const char *const words[] = { "may", "none", "must", "implicit" };

	for (unsigned i = 0; i < 4; i++)
		if (!strcmp(word, words[i])) {
			k->tls = i;
			return true;
		}
	return false;
}

bool mxcheck_stage(struct mxcheck_mail *m, const char *word)
{
	static const char *const words[] = { [DELIVER_STOP_EHLO] = "ehlo", [DELIVER_STOP_TLS] = "tls", [DELIVER_STOP_AUTH] = "auth",
		[DELIVER_STOP_MAIL] = "mail", [DELIVER_STOP_RCPT] = "rcpt" };

	for (unsigned i = DELIVER_STOP_EHLO; i <= DELIVER_STOP_RCPT; i++)
		if (str_ieq(str_of(word), str_of(words[i])))
			m->stop = i;
	return m->stop != DELIVER_STOP_NEVER;
}

bool mxcheck_threshold(const char *arg, unsigned *days, usec *slow)
{
	struct str rest = str_of(arg), first;
	uint64_t n;

	str_cut(&rest, ',', &first);
	if (first.n && !mxcheck_number(first, 100000, &n))
		return false;
	if (first.n)
		*days = (unsigned)n;
	if (rest.n && !mxcheck_number(rest, 1000000, &n))
		return false;
	if (rest.n)
		*slow = (usec)n * USEC_PER_MSEC;
	return first.n || rest.n;
}
