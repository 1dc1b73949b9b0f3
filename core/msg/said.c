/* said - see said.h. */
#include "core/msg/said.h"

/* the words around the host, as core/deliver/smtp puts them */
static const struct { struct str before, behind; } forms[] = {
	{ STR("host "), STR(" said: ") },
	{ STR("host "), STR(" refused to talk to me: ") },
	{ STR("TLS is required, but host "), STR(" refused to start TLS: ") },
	{ STR("SASL authentication failed; server "), STR(" said: ") },
};

static bool is_reply(struct str s)
{
	for (size_t i = 0; i < 3; i++)
		if (i >= s.n || !ascii_is_digit(s.p[i]))
			return false;
	return s.n == 3 || s.p[3] == ' ' || s.p[3] == '-';
}

/* the server's words may hold this too: the last one is ours */
static struct str without_command(struct str s)
{
	const struct str ours = STR(" (in reply to ");

	for (size_t i = s.n; s.n && s.p[s.n - 1] == ')' && i-- > 0;)
		if (str_starts(str_from(s, i), ours))
			return str_head(s, i);
	return s;
}

bool said_parse(struct str text, struct said *out)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct str rest = str_from(text, forms[i].before.n), host, reply;
		ptrdiff_t at = str_find(rest, forms[i].behind), address;

		if (at < 0 || !str_starts(text, forms[i].before))
			continue;
		host = str_head(rest, (size_t)at);
		reply = without_command(str_from(rest, (size_t)at + forms[i].behind.n));
		address = str_chr(host, '[');
		if (str_chr(host, ' ') >= 0 || !is_reply(reply))
			continue;
		*out = (struct said){ address > 0 ? str_head(host, (size_t)address) : host, reply };
		return true;
	}
	return false;
}
