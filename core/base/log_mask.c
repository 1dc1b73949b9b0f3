/* log_mask - see log_mask.h. */
#include "core/base/log_mask.h"

#include "core/base/hash.h"

/* --- where an address is in a text ---------------------------------------------------------------------------------------------- */

static bool in_local(char c)
{
	return ascii_is_alnum(c) || (unsigned char)c >= 0x80 || ascii_is_one_of(c, "!#$%&'*+-/=?^_`{|}~.");
}

static bool in_domain(char c)
{
	return ascii_is_alnum(c) || (unsigned char)c >= 0x80 || c == '-' || c == '.' || c == '_';
}

/* begin_of - of the local part that ends before at: a quoted string, or characters of atoms */
static size_t begin_of(struct str s, size_t from, size_t at)
{
	size_t i = at;

	if (i > from && s.p[i - 1] == '"') {
		for (i--; i > from; i--)
			if (s.p[i - 1] == '"' && (i - 1 == from || s.p[i - 2] != '\\'))
				return i - 1;
		return at - 1;
	}
	while (i > from && in_local(s.p[i - 1]))
		i--;
	return i;
}

static size_t end_of(struct str s, size_t at)
{
	size_t i = at + 1;

	if (i < s.n && s.p[i] == '[') {
		ptrdiff_t end = str_chr(str_from(s, i), ']');

		return end < 0 ? s.n : i + (size_t)end + 1;
	}
	/* whatever follows another @ belongs to it, too */
	while (i < s.n && (in_domain(s.p[i]) || s.p[i] == '@'))
		i++;
	/* a full stop behind it is the sentence's */
	while (i > at + 1 && s.p[i - 1] == '.')
		i--;
	return i;
}

/* --- what is left of it ------------------------------------------------------------------------------------------------------------ */

static size_t first_length(struct str s)
{
	size_t n = str_utf8_step(s);

	return n ? n : s.n > 0;
}

static struct str last_of(struct str s)
{
	size_t at = s.n;

	while (at && (s.p[at - 1] & 0xc0) == 0x80)
		at--;
	return str_from(s, at ? at - 1 : 0);
}

static void mask_local(struct buf *out, struct str local, bool all)
{
	bool quoted = local.n > 2 && local.p[0] == '"' && local.p[local.n - 1] == '"';

	if (all) {
		buf_byte(out, '*');
		return;
	}
	if (quoted)
		local = str_make(local.p + 1, local.n - 2);
	buf_z(out, quoted ? "\"" : "");
	buf_str(out, str_head(local, first_length(local)));
	buf_byte(out, '*');
	buf_str(out, last_of(local));
	buf_z(out, quoted ? "\"" : "");
}

/* stars - one for each character; all: one for all of them */
static void stars(struct buf *out, struct str s, bool all)
{
	if (all && s.n)
		s.n = 1;
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] & 0xc0) != 0x80)
			buf_byte(out, '*');
}

static void mask_domain(struct buf *out, struct str domain, bool all)
{
	ptrdiff_t dot = str_rchr(domain, '.');
	struct str tag = STR_EMPTY;

	if (domain.n && domain.p[0] == '[') {
		tag = str_head(domain, str_istarts(domain, STR("[IPv6:")) ? 6 : 1);
		buf_str(out, tag);
		buf_z(out, all || tag.n > 1 ? "*]" : "*.*.*.*]");
		return;
	}
	stars(out, str_head(domain, dot < 0 ? domain.n : (size_t)dot), all);
	buf_str(out, str_from(domain, dot < 0 ? domain.n : (size_t)dot));
}

static void mask_one(struct buf *out, struct str address, enum log_mask how)
{
	size_t at = (size_t)str_rchr(address, '@');

	if (how == LOG_MASK_HASH) {
		buf_printf(out, "%016llx", (unsigned long long)hash_bytes(address.p, address.n));
		return;
	}
	mask_local(out, str_head(address, at), how == LOG_MASK_PARANOID);
	buf_byte(out, '@');
	mask_domain(out, str_from(address, at + 1), how == LOG_MASK_PARANOID);
}

void log_mask(struct buf *out, struct str s, enum log_mask how, bool whole)
{
	size_t done = 0, at;
	ptrdiff_t found;

	if (whole && str_chr(s, '@') >= 0) {
		mask_one(out, s, how);
		return;
	}
	while ((found = str_chr(str_from(s, done), '@')) >= 0) {
		size_t begin, end;

		at = done + (size_t)found;
		begin = begin_of(s, done, at);
		end = end_of(s, at);
		buf_str(out, str_make(s.p + done, begin - done));
		if (begin < at && end > at + 1)
			mask_one(out, str_make(s.p + begin, end - begin), how);
		else
			buf_str(out, str_make(s.p + begin, end - begin));
		done = end;
	}
	buf_str(out, str_from(s, done));
}
