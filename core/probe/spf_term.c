/* spf_term - the grammar of RFC 7208 section 12: terms, domain-specs, macros; and what macros stand for. */
#include <stdio.h>

#include "core/base/buf.h"
#include "core/probe/spf.h"

static const struct { struct str name; enum spf_kind kind; bool modifier, may, must, cidr; } words[] = {
	{ STR("all"), SPF_ALL, false, false, false, false },
	{ STR("include"), SPF_INCLUDE, false, true, true, false },
	{ STR("a"), SPF_A, false, true, false, true },
	{ STR("mx"), SPF_MX, false, true, false, true },
	{ STR("ptr"), SPF_PTR, false, true, false, false },
	{ STR("ip4"), SPF_IP4, false, true, true, true },
	{ STR("ip6"), SPF_IP6, false, true, true, true },
	{ STR("exists"), SPF_EXISTS, false, true, true, false },
	{ STR("redirect"), SPF_REDIRECT, true, true, true, false },
	{ STR("exp"), SPF_EXP, true, true, true, false },
};

/* one macro-expand at the front of s: bytes, 0: not one */
static size_t macro_length(struct str s)
{
	size_t at = 3;
	int parts = 0;

	if (s.n < 2)
		return 0;
	if (s.p[1] == '%' || s.p[1] == '_' || s.p[1] == '-')
		return 2;
	if (s.p[1] != '{' || s.n < 4 || !memchr("slodiphcrtv", ascii_lower(s.p[2]), 11))
		return 0;
	while (at < s.n && ascii_is_digit(s.p[at]))
		parts |= s.p[at++] - '0';
	/* of a name, none: an error (RFC 7208 7.3) */
	if (at > 3 && !parts)
		return 0;
	if (at < s.n && ascii_lower(s.p[at]) == 'r')
		at++;
	while (at < s.n && s.p[at] && strchr(".-+,/_=", s.p[at]))
		at++;
	return at < s.n && s.p[at] == '}' ? at + 1 : 0;
}

/* a macro-string; a domain-spec ends in a macro or in a top label, which is not a number */
static bool is_spec(struct str s, bool domain)
{
	bool macro_last = false;
	struct str top = s;
	ptrdiff_t dot;

	for (size_t at = 0, step; at < s.n; at += step) {
		step = s.p[at] == '%' ? macro_length(str_from(s, at)) : s.p[at] > ' ' && s.p[at] < 127;
		if (!step)
			return false;
		macro_last = s.p[at] == '%';
	}
	if (!domain || macro_last)
		return s.n > 0 || !domain;
	if (str_ends(top, STR(".")))
		top.n--;
	dot = str_rchr(top, '.');
	top = str_from(top, (size_t)(dot + 1));
	for (size_t i = 0; i < top.n; i++)
		if (!ascii_is_alnum(top.p[i]) && top.p[i] != '-')
			return false;
	for (size_t i = 0; i < top.n; i++)
		if (!ascii_is_digit(top.p[i]))
			return dot >= 0 && top.p[0] != '-' && top.p[top.n - 1] != '-';
	return false;
}

static bool take_prefix(struct str s, unsigned most, unsigned *out)
{
	uint64_t n;

	if (!str_to_u64(s, &n) || n > most || (s.n > 1 && s.p[0] == '0'))
		return false;
	*out = (unsigned)n;
	return true;
}

/* "/24", "//64", "/24//64" off the end of *s; an address has one of its own family */
static bool take_cidr(struct str *s, enum spf_kind kind, struct spf_term *t)
{
	ptrdiff_t close = str_rchr(*s, '}'), slash, two;
	struct str tail = str_from(*s, (size_t)(close + 1));

	slash = str_chr(tail, '/');
	if (slash < 0)
		return true;
	s->n = (size_t)(close + 1 + slash);
	tail = str_from(tail, (size_t)slash + 1);
	if (kind == SPF_IP4 || kind == SPF_IP6)
		return take_prefix(tail, kind == SPF_IP4 ? 32 : 128, kind == SPF_IP4 ? &t->cidr4 : &t->cidr6);
	if (str_starts(tail, STR("/")))
		return take_prefix(str_from(tail, 1), 128, &t->cidr6);
	two = str_find(tail, STR("//"));
	if (two >= 0 && !take_prefix(str_from(tail, (size_t)two + 2), 128, &t->cidr6))
		return false;
	return take_prefix(str_head(tail, two >= 0 ? (size_t)two : tail.n), 32, &t->cidr4);
}

static bool is_modifier_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(s.p[i]) && (s.p[i] == 0 || !strchr("-_.", s.p[i])))
			return false;
	return s.n && ascii_is_alpha(s.p[0]);
}

bool spf_is_record(struct str text)
{
	return str_istarts(text, STR("v=spf1")) && (text.n == 6 || text.p[6] == ' ');
}

size_t spf_odd_byte(struct str s)
{
	size_t at = 0;

	while (at < s.n && s.p[at] >= ' ' && s.p[at] < 127)
		at++;
	return at;
}

bool spf_is_swapped(struct str word)
{
	ptrdiff_t is = str_chr(word, '=');
	struct str name = str_head(word, is < 0 ? 0 : (size_t)is);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!words[i].modifier && str_ieq(name, words[i].name))
			return true;
	return str_ieq(name, STR("v"));
}

/* the part behind ':' or '=' */
static bool take_argument(struct str arg, bool given, size_t row, struct spf_term *t)
{
	bool is_address = t->kind == SPF_IP4 || t->kind == SPF_IP6;

	if (words[row].cidr && !take_cidr(&arg, t->kind, t))
		return false;
	t->spec = arg;
	if (!given)
		return !words[row].must && !arg.n;
	if (is_address)
		return str_chr(arg, '[') < 0 && (str_chr(arg, ':') >= 0) == (t->kind == SPF_IP6) && ipaddr_parse(arg, &t->net);
	return words[row].may && is_spec(arg, true);
}

bool spf_term_parse(struct str word, struct spf_term *t)
{
	struct str name, rest;
	size_t at = 0;

	*t = (struct spf_term){ .kind = SPF_OTHER, .qualifier = '+', .cidr4 = 32, .cidr6 = 128 };
	while (at < word.n && word.p[at] != '=' && word.p[at] != ':' && word.p[at] != '/')
		at++;
	name = str_head(word, at);
	rest = str_from(word, at);
	if (at < word.n && word.p[at] == '=') {
		t->spec = str_from(rest, 1);
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (words[i].modifier && str_ieq(name, words[i].name)) {
				t->kind = words[i].kind;
				return is_spec(t->spec, true);
			}
		return is_modifier_name(name) && is_spec(t->spec, false);
	}
	if (name.n && strchr("+-~?", name.p[0])) {
		t->qualifier = name.p[0];
		name = str_from(name, 1);
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!words[i].modifier && str_ieq(name, words[i].name)) {
			bool colon = str_starts(rest, STR(":"));

			t->kind = words[i].kind;
			return take_argument(str_from(rest, colon), colon, i, t);
		}
	return false;
}

/* --- what macros stand for ------------------------------------------------------------------------------------------ */

/* the text of a letter; 1, 0: a fact is missing, -1: not known (walk) */
static int letter_text(struct spf *s, char letter, const char *domain, char out[512])
{
	const char *sender = s->sender ? s->sender : "", *at = strrchr(sender, '@');

	if (s->client.family == AF_UNSPEC && letter != 'd')
		return -1;
	*out = 0;
	switch (letter) {
	case 's': snprintf(out, 512, "%s%s", at ? "" : "postmaster@", sender); break;
	case 'l': snprintf(out, 512, "%.*s", at && at > sender ? (int)(at - sender) : 10, at && at > sender ? sender : "postmaster"); break;
	case 'o': snprintf(out, 512, "%s", at ? at + 1 : sender); break;
	case 'd': snprintf(out, 512, "%s", domain); break;
	case 'h': snprintf(out, 512, "%s", s->helo); break;
	case 'r': snprintf(out, 512, "%s", s->receiver ? s->receiver : "unknown"); break;
	case 't': snprintf(out, 512, "%lld", (long long)(clock_wall() / USEC_PER_SEC)); break;
	case 'v': snprintf(out, 512, "%s", s->client.family == AF_INET ? "in-addr" : "ip6"); break;
	case 'c': ipaddr_format(&s->client, out); break;
	case 'i':
		if (s->client.family == AF_INET)
			ipaddr_format(&s->client, out);
		for (int i = 0; s->client.family == AF_INET6 && i < 16; i++)
			snprintf(out + 4 * i, 5, i < 15 ? "%x.%x." : "%x.%x", s->client.b[i] >> 4, s->client.b[i] & 15);
		break;
	case 'p':
		if (!spf_validated(s, domain, true, out))
			return 0;
		if (!*out)
			snprintf(out, 512, "unknown");
		break;
	}
	return 1;
}

/* the pieces between delimiters, perhaps reversed, the last ones only, with dots between (section 7.3) */
static void add_transformed(struct buf *out, struct str macro, struct str text)
{
	char delimiters[16] = "";
	struct str pieces[128], whole = text;
	size_t n = 0, at = 3, d = 0;
	uint64_t keep = 0;
	bool reverse;

	for (; ascii_is_digit(macro.p[at]); at++)
		keep = keep < 1000 ? keep * 10 + (uint64_t)(macro.p[at] - '0') : keep;
	reverse = ascii_lower(macro.p[at]) == 'r';
	at += reverse;
	for (; macro.p[at] != '}' && d < sizeof(delimiters) - 1; at++)
		delimiters[d++] = macro.p[at];
	if (!d)
		delimiters[0] = '.';
	for (size_t i = 0, from = 0; i <= whole.n && n < 128; i++)
		if (i == whole.n || strchr(delimiters, whole.p[i])) {
			pieces[n++] = str_make(whole.p + from, i - from);
			from = i + 1;
		}
	for (size_t i = keep && keep < n ? n - keep : 0; i < n; i++) {
		struct str piece = pieces[reverse ? n - 1 - i : i];

		if (ascii_is_alpha(macro.p[2]) && ascii_lower(macro.p[2]) != macro.p[2])
			buf_uri(out, piece);
		else
			buf_str(out, piece);
		if (i + 1 < n)
			buf_byte(out, '.');
	}
}

static int expand(struct spf *s, struct str spec, const char *domain, bool explaining, struct buf *out)
{
	for (size_t at = 0, step; at < spec.n; at += step) {
		struct str macro = str_from(spec, at);
		char text[512], letter;
		int known;

		step = macro.p[0] == '%' ? macro_length(macro) : 1;
		if (!step)
			return -1;
		letter = step > 2 ? ascii_lower(macro.p[2]) : macro.p[step - 1];
		if (step <= 2) {
			buf_z(out, step == 1 || letter == '%' ? (char[]){ letter, 0 } : letter == '_' ? " " : "%20");
			continue;
		}
		if (!explaining && strchr("crt", letter))
			return -1;
		known = letter_text(s, letter, domain, text);
		if (known <= 0)
			return known;
		add_transformed(out, macro, str_of(text));
	}
	return 1;
}

int spf_expand(struct spf *s, struct str spec, const char *domain, bool explaining, char out[256])
{
	struct str name;
	struct buf b;
	int known;

	buf_init(&b, 4096);
	known = expand(s, spec, domain, explaining, &b);
	name = buf_view(&b);
	/* too long: labels off the left (section 7.3) */
	while (!explaining && name.n > 253 && str_chr(name, '.') >= 0)
		name = str_from(name, (size_t)str_chr(name, '.') + 1);
	snprintf(out, 256, "%.*s", STR_ARG(str_head(name, 255)));
	buf_fini(&b);
	return known;
}
