/* format - see format.h. */
#include "core/base/format.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/str.h"

struct target {
	char *p;
	size_t size, n;         /* n: bytes of the whole text, also of what did not fit */
};

struct spec {
	bool left, zero;
	int width, precision;   /* precision -1: none given */
	int length;             /* 'h' and 'H' (hh), 'l' and 'L' (ll), 'z', 'j', 't'; 0: int */
	char kind;
};

static inline void put(struct target *t, const char *p, size_t n)
{
	size_t room = t->n < t->size ? t->size - t->n : 0;

	if (room)
		bytes_copy(t->p + t->n, p, n < room ? n : room);
	t->n += n;
}

static void pad(struct target *t, char c, size_t n)
{
	for (; n; n--)
		put(t, &c, 1);
}

/* number - a count in the format itself */
static int number(const char **f)
{
	int n = 0;

	for (; **f >= '0' && **f <= '9'; (*f)++)
		n = n < INT_MAX / 10 - 1 ? n * 10 + (**f - '0') : n;
	return n;
}

/* bytes_of - the width of an integer argument; 0: not known here */
static unsigned bytes_of(const struct spec *s)
{
	switch (s->length) {
	case 0:
	case 'h':
	case 'H':
		return sizeof(int);
	case 'L':
		return sizeof(long long);
	case 'l':
	case 'z':
	case 't':
		return sizeof(long);
	case 'j':
		return sizeof(intmax_t);
	}
	return 0;
}

/* read_spec - what stands behind a %, and its stars; f ends behind it */
#define STAR(number) (*f == '*' ? (f++, va_arg(ap->list, int)) : (number)(&f))
struct args { va_list list; };

static const char *read_spec(struct spec *s, const char *f, struct args *ap)
{
	*s = (struct spec){ .precision = -1 };
	for (;; f++) {
		if (*f == '-')
			s->left = true;
		else if (*f == '0')
			s->zero = true;
		else
			break;
	}
	s->width = STAR(number);
	if (s->width < 0) {
		s->left = true;
		s->width = s->width == INT_MIN ? INT_MAX : -s->width;
	}
	if (*f == '.') {
		f++;
		s->precision = STAR(number);
	}
	while (ascii_is_one_of(*f, "hlzjt")) {
		s->length = s->length == *f ? *f - 'a' + 'A' : *f;
		f++;
	}
	s->kind = *f ? *f++ : 0;
	return f;
}

static void put_field(struct target *t, const struct spec *s, const char *p, size_t n)
{
	size_t gap = (size_t)s->width > n ? (size_t)s->width - n : 0;

	if (!s->left)
		pad(t, ' ', gap);
	put(t, p, n);
	if (s->left)
		pad(t, ' ', gap);
}

static void put_number(struct target *t, const struct spec *s, uint64_t v, bool negative)
{
	const char *digits = s->kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	bool hex = s->kind == 'x' || s->kind == 'X';
	char text[64];
	size_t at = sizeof(text), least = s->precision < 0 ? 1 : (size_t)s->precision;

	if (s->precision < 0 && s->zero && !s->left && s->width > negative)
		least = (size_t)s->width - negative;
	/* two constants: a division by one of them is a multiplication, by a variable it is not */
	for (; v; v = hex ? v / 16 : v / 10)
		text[--at] = digits[hex ? v % 16 : v % 10];
	for (; sizeof(text) - at < least; )
		text[--at] = '0';
	if (negative)
		text[--at] = '-';
	put_field(t, s, text + at, sizeof(text) - at);
}

static bool put_integer(struct target *t, const struct spec *s, struct args *ap)
{
	bool is_signed = s->kind == 'd' || s->kind == 'i';
	unsigned bytes = bytes_of(s);
	int64_t v;

	/* longer than any number of ours; nobody writes it, and the array ends there */
	if (!bytes || s->precision > 40 || (s->zero && s->width > 40))
		return false;
	v = bytes == sizeof(int) ? va_arg(ap->list, int) : va_arg(ap->list, int64_t);
	if (s->length == 'h')
		v = is_signed ? (short)v : (unsigned short)v;
	else if (s->length == 'H')
		v = is_signed ? (signed char)v : (unsigned char)v;
	if (is_signed)
		put_number(t, s, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0);
	else
		put_number(t, s, bytes == sizeof(int) ? (uint32_t)v : (uint64_t)v, false);
	return true;
}

static bool put_argument(struct target *t, const struct spec *s, struct args *ap)
{
	const char *z;
	char c;

	switch (s->kind) {
	case '%':
		put(t, "%", 1);
		return true;
	case 'c':
		c = (char)va_arg(ap->list, int);
		put_field(t, s, &c, 1);
		return !s->length;
	case 's':
		z = va_arg(ap->list, const char *);
		z = z ? z : "(null)";
		put_field(t, s, z, s->precision < 0 ? strlen(z) : strnlen(z, (size_t)s->precision));
		return !s->length;
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
		return put_integer(t, s, ap);
	}
	return false;
}

/* put_plain - %s, %d, %u and their long forms without flags and widths, which is nearly all that is asked for: how many bytes of
 * the format that was; 0: it is something else */
static size_t put_plain(struct target *t, const char *f, struct args *ap)
{
	size_t longs = *f == 'z' ? 1 : *f == 'l' ? 1 + (f[1] == 'l') : 0;
	char digits[24];
	size_t at = sizeof(digits);
	int64_t number;
	uint64_t v;

	if (*f == 's') {
		const char *z = va_arg(ap->list, const char *);

		z = z ? z : "(null)";
		put(t, z, strlen(z));
		return 1;
	}
	if (f[longs] == 'd')
		number = longs ? va_arg(ap->list, int64_t) : va_arg(ap->list, int);
	else if (f[longs] == 'u')
		number = longs ? va_arg(ap->list, int64_t) : (int64_t)va_arg(ap->list, unsigned);
	else
		return 0;
	v = number < 0 && f[longs] == 'd' ? 0 - (uint64_t)number : (uint64_t)number;
	do
		digits[--at] = (char)('0' + v % 10);
	while (v /= 10);
	if (number < 0 && f[longs] == 'd')
		digits[--at] = '-';
	put(t, digits + at, sizeof(digits) - at);
	return longs + 1;
}

int format_vtext(char *out, size_t size, const char *fmt, va_list list)
{
	struct target t = { out, size ? size - 1 : 0, 0 };
	bool known = true;
	struct args ap;
	struct spec s;

	va_copy(ap.list, list);
	for (const char *f = fmt; known && *f;) {
		const char *text = f;
		size_t plain;

		while (*f && *f != '%')
			f++;
		put(&t, text, (size_t)(f - text));
		if (!*f)
			break;
		plain = put_plain(&t, f + 1, &ap);
		if (plain) {
			f += 1 + plain;
		} else {
			f = read_spec(&s, f + 1, &ap);
			known = put_argument(&t, &s, &ap);
		}
	}
	va_end(ap.list);
	if (!known || t.n > INT_MAX)
		return vsnprintf(out, size, fmt, list);
	if (size)
		out[t.n < t.size ? t.n : t.size] = 0;
	return (int)t.n;
}

int format_text(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = format_vtext(out, size, fmt, ap);
	va_end(ap);
	return n;
}
