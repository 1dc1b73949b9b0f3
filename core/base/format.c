/* format - see format.h. */
#include "core/base/format.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/str.h"

struct target {
	char *p;
	size_t size, n;         /* n: bytes of the whole text, also of what did not fit */
};

struct spec {
	bool left, zero, plus;
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
		else if (*f == '+')
			s->plus = true;
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

/* put_digits - sign, zeros and digits in their field; the digits are at least so many */
static void put_digits(struct target *t, const struct spec *s, bool negative, const char *digits, size_t n, size_t least)
{
	char sign = negative ? '-' : '+';
	bool signed_ = negative || s->plus;
	size_t zeros = least > n ? least - n : 0, whole = signed_ + zeros + n, gap = (size_t)s->width > whole ? (size_t)s->width - whole : 0;

	if (!s->left)
		pad(t, ' ', gap);
	put(t, &sign, signed_);
	pad(t, '0', zeros);
	put(t, digits, n);
	if (s->left)
		pad(t, ' ', gap);
}

/* zero_fill - how many digits the flag 0 asks for */
static size_t zero_fill(const struct spec *s, bool negative, size_t least)
{
	bool signed_ = negative || s->plus;

	return s->zero && !s->left && s->width > signed_ ? (size_t)s->width - signed_ : least;
}

static void put_number(struct target *t, const struct spec *s, uint64_t v, bool negative)
{
	const char *digits = s->kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	bool hex = s->kind == 'x' || s->kind == 'X';
	char text[24];
	size_t at = sizeof(text);

	/* two constants: a division by one of them is a multiplication, by a variable it is not */
	for (; v; v = hex ? v / 16 : v / 10)
		text[--at] = digits[hex ? v % 16 : v % 10];
	put_digits(t, s, negative, text + at, sizeof(text) - at, s->precision < 0 ? zero_fill(s, negative, 1) : (size_t)s->precision);
}

enum { PLACES = 9 };

/* put_fixed - a time or a rate: up to nine places, and no more than fits 64 bits; a half goes to the even digit, as in libc */
static bool put_fixed(struct target *t, const struct spec *s, double v)
{
	static const uint32_t scales[PLACES + 1] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000 };
	size_t places = s->precision < 0 ? 6 : (size_t)s->precision, at;
	bool negative = v < 0;
	uint64_t whole, part;
	char text[40];
	double rest;

	v = negative ? -v : v;
	if (s->length || places > PLACES || !(v < 1e18))
		return false;
	whole = (uint64_t)v;
	rest = (v - (double)whole) * scales[places];
	part = (uint64_t)rest;
	rest -= (double)part;
	part += rest > 0.5 || (rest == 0.5 && (places ? part : whole) & 1);
	whole += part / scales[places];
	part %= scales[places];
	at = sizeof(text);
	for (size_t i = 0; i < places; i++, part /= 10)
		text[--at] = (char)('0' + part % 10);
	if (places)
		text[--at] = '.';
	at = (size_t)(format_digits(text + at, whole) - text);
	put_digits(t, s, negative, text + at, sizeof(text) - at, zero_fill(s, negative, 0));
	return true;
}

static bool put_integer(struct target *t, const struct spec *s, struct args *ap)
{
	bool is_signed = s->kind == 'd' || s->kind == 'i';
	unsigned bytes = bytes_of(s);
	int64_t v;

	if (!bytes)
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
	bool wide = s->length && (s->kind == 'c' || s->kind == 's');
	const char *z;
	char c;

	switch (wide ? 0 : s->kind) {
	case '%':
		put(t, "%", 1);
		return true;
	case 'c':
		c = (char)va_arg(ap->list, int);
		put_field(t, s, &c, 1);
		return true;
	case 's':
		z = va_arg(ap->list, const char *);
		z = z ? z : "(null)";
		put_field(t, s, z, s->precision < 0 ? strlen(z) : strnlen(z, (size_t)s->precision));
		return true;
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
		return put_integer(t, s, ap);
	case 'p':
		put(t, "0x", 2);
		put_number(t, &(struct spec){ .precision = -1, .kind = 'x' }, (uintptr_t)va_arg(ap->list, void *), false);
		return true;
	case 'f':
		return put_fixed(t, s, va_arg(ap->list, double));
	}
	return false;
}

/* put_plain - %s, %d, %u and their long forms without flags and widths, which is nearly all that is asked for: how many bytes of
 * the format that was; 0: it is something else */
static size_t put_plain(struct target *t, const char *f, struct args *ap)
{
	size_t longs = *f == 'z' ? 1 : *f == 'l' ? 1 + (f[1] == 'l') : 0;
	char digits[40];               /* longer than any number: gcc cannot see that bytes_copy stays inside */
	char *end = digits + sizeof(digits), *first;
	int64_t number;

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
	first = format_digits(end, number < 0 && f[longs] == 'd' ? 0 - (uint64_t)number : (uint64_t)number);
	if (number < 0 && f[longs] == 'd')
		*--first = '-';
	put(t, first, (size_t)(end - first));
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
	if (size)
		out[t.n < t.size ? t.n : t.size] = 0;
	return known && t.n <= INT_MAX ? (int)t.n : -1;
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
