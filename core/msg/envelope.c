/* envelope - see envelope.h. The text form is a row of records `name LENGTH value LF`; the first one is the version, the
 * last one says "end", and what follows an rcpt belongs to it. What is empty or zero is left out. A wrong length, a number
 * that is none or anything after the end refuses the whole. */
#include "core/msg/envelope.h"

#include "core/base/hash.h"
#include "core/base/limits.h"

#define ENVELOPE_VERSION "1"
#define MAY_PASS_BY "opt_"
enum { DIGITS_MAX = 12 };                      /* of a length: more than any has */

void envelope_unique(struct envelope *e, bool by_origin)
{
	struct table seen;
	struct buf key;
	size_t n = e->n_rcpts;

	if (n < 2)
		return;
	table_init(&seen);
	buf_init(&key, 4 * LIMIT_ADDRESS);
	e->n_rcpts = 0;
	for (size_t i = 0; i < n; i++) {
		struct rcpt *r = &e->rcpts[i];

		buf_clear(&key);
		buf_printf(&key, "%u %.*s %.*s", r->notify, STR_ARG(r->orcpt), STR_ARG(r->addr));
		if (by_origin)
			buf_printf(&key, " %.*s", STR_ARG(r->orig.n ? r->orig : r->addr));
		for (size_t k = 0; k < key.n; k++)
			key.p[k] = ascii_lower(key.p[k]);
		if (!key.overflow && table_find(&seen, buf_view(&key)))
			continue;
		if (!key.overflow)
			table_add(&seen, buf_view(&key), r);
		e->rcpts[e->n_rcpts++] = *r;
	}
	buf_fini(&key);
	table_fini(&seen);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void put_named(struct buf *out, struct str name, struct str value)
{
	buf_str(out, name);
	buf_byte(out, ' ');
	buf_u64(out, value.n);
	buf_byte(out, ' ');
	buf_str(out, value);
	buf_byte(out, '\n');
}

static void put(struct buf *out, const char *name, struct str value)
{
	put_named(out, str_of(name), value);
}

static void put_some(struct buf *out, const char *name, struct str value)
{
	if (value.n)
		put(out, name, value);
}

static void put_number(struct buf *out, const char *name, int64_t value)
{
	char digits[32], *p = digits + sizeof(digits);
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

	do
		*--p = (char)('0' + left % 10);
	while (left /= 10);
	if (value < 0)
		*--p = '-';
	put(out, name, str_make(p, (size_t)(digits + sizeof(digits) - p)));
}

static void put_more(struct buf *out, const struct envelope_field *f)
{
	for (; f; f = f->next)
		put_named(out, f->name, f->value);
}

void envelope_format(struct buf *out, const struct envelope *e)
{
	put(out, "envelope", STR(ENVELOPE_VERSION));
	put_number(out, "arrival", e->arrival);
	put_number(out, "size", (int64_t)e->size);
	put_number(out, "header_size", (int64_t)e->header_size);
	put_number(out, "flags", e->flags);
	put_number(out, "uid", e->uid);
	put(out, "sender", e->sender);
	put_some(out, "envid", e->envid);
	if (e->ret != DSN_RET_DEFAULT)
		put_number(out, "ret", e->ret);
	put_some(out, "client_name", e->client_name);
	put_some(out, "client_addr", e->client_addr);
	put_some(out, "helo", e->helo);
	put_some(out, "proto", e->proto);
	put_some(out, "sasl_user", e->sasl_user);
	put_some(out, "opt_held", e->held);
	put_some(out, "refused", e->refused);
	put_some(out, "opt_tls_required", e->tls_required);
	put_more(out, e->more);
	for (size_t i = 0; i < e->n_rcpts; i++) {
		const struct rcpt *r = &e->rcpts[i];

		put(out, "rcpt", r->addr);
		put_some(out, "orig", r->orig);
		put_some(out, "orcpt", r->orcpt);
		if (r->notify)
			put_number(out, "notify", r->notify);
		put_more(out, r->more);
	}
	put(out, "end", STR_EMPTY);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool take(struct str *in, struct str *name, struct str *value)
{
	size_t at = 0, begin, n = 0;

	while (at < in->n && at < LIMIT_ENVELOPE_NAME && in->p[at] != ' ')
		at++;
	*name = str_head(*in, at);
	for (begin = ++at; at < in->n && at < begin + DIGITS_MAX && ascii_is_digit(in->p[at]); at++)
		n = n * 10 + (size_t)(in->p[at] - '0');
	if (at == begin || at >= in->n || in->p[begin - 1] != ' ' || in->p[at] != ' ')
		return false;
	at++;
	if (n >= in->n - at || in->p[at + n] != '\n')
		return false;
	*value = str_make(in->p + at, n);
	*in = str_from(*in, at + n + 1);
	return true;
}

enum answer { FIELD_TAKEN, FIELD_UNKNOWN /* the name, or what a later version may mean by the value */, FIELD_DAMAGED };

static enum answer to_number(struct str s, int64_t lo, int64_t hi, int64_t *out)
{
	int64_t n;

	if (!str_to_i64(s, &n) || n < lo)
		return FIELD_DAMAGED;
	if (n > hi)
		return FIELD_UNKNOWN;
	*out = n;
	return FIELD_TAKEN;
}

/* is_name - a look at the length first: every message that is tried has ten fields, and each asks half the rows */
static inline bool is_name(struct str name, const char *row, size_t n)
{
	return name.n == n && !memcmp(name.p, row, n);
}

#define OF_MESSAGE(name, field) { name, sizeof(name) - 1, false, offsetof(struct envelope, field) }
#define OF_RCPT(name, field) { name, sizeof(name) - 1, true, offsetof(struct rcpt, field) }
static const struct { char name[20]; unsigned char n; bool of_rcpt; unsigned short at; } texts[] = {
	OF_MESSAGE("sender", sender), OF_MESSAGE("client_name", client_name), OF_MESSAGE("client_addr", client_addr),
	OF_MESSAGE("helo", helo), OF_MESSAGE("proto", proto), OF_MESSAGE("envid", envid), OF_MESSAGE("sasl_user", sasl_user),
	OF_MESSAGE("opt_held", held), OF_MESSAGE("refused", refused), OF_MESSAGE("opt_tls_required", tls_required),
	OF_RCPT("orig", orig), OF_RCPT("orcpt", orcpt),
};

static enum answer text_field(struct envelope *e, struct rcpt *r, struct str name, struct str value)
{
	char *of;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!is_name(name, texts[i].name, texts[i].n))
			continue;
		of = texts[i].of_rcpt ? (char *)r : (char *)e;
		if (!of)
			return FIELD_DAMAGED;
		*(struct str *)(void *)(of + texts[i].at) = value;
		return FIELD_TAKEN;
	}
	return FIELD_UNKNOWN;
}

enum number { NUMBER_ARRIVAL, NUMBER_SIZE, NUMBER_HEADER_SIZE, NUMBER_FLAGS, NUMBER_UID, NUMBER_RET, NUMBER_NOTIFY };
static const struct { struct str name; int64_t lo, hi; } numbers[] = {
	[NUMBER_ARRIVAL] = { { "arrival", 7 }, INT64_MIN, INT64_MAX },
	[NUMBER_SIZE] = { { "size", 4 }, 0, INT64_MAX },
	[NUMBER_HEADER_SIZE] = { { "header_size", 11 }, 0, INT64_MAX },
	[NUMBER_FLAGS] = { { "flags", 5 }, 0, ENVELOPE_KNOWN_FLAGS },
	[NUMBER_UID] = { { "uid", 3 }, -1, UINT32_MAX },
	[NUMBER_RET] = { { "ret", 3 }, 0, DSN_RET_FULL },
	[NUMBER_NOTIFY] = { { "notify", 6 }, 0, 15 },
};
enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

static enum answer number_field(struct envelope *e, struct rcpt *r, struct str name, struct str value)
{
	int64_t n = 0;
	enum answer a;
	size_t i = 0;

	while (i < NUMBERS && !is_name(name, numbers[i].name.p, numbers[i].name.n))
		i++;
	if (i == NUMBERS)
		return FIELD_UNKNOWN;
	a = to_number(value, numbers[i].lo, numbers[i].hi, &n);
	if (a != FIELD_TAKEN)
		return a;
	switch ((enum number)i) {
	case NUMBER_ARRIVAL: e->arrival = n; break;
	case NUMBER_SIZE: e->size = (uint64_t)n; break;
	case NUMBER_HEADER_SIZE: e->header_size = (uint64_t)n; break;
	case NUMBER_FLAGS: e->flags = (unsigned)n; break;
	case NUMBER_UID: e->uid = n; break;
	case NUMBER_RET: e->ret = (enum dsn_ret)n; break;
	case NUMBER_NOTIFY:
		if (!r)
			return FIELD_DAMAGED;
		r->notify = (unsigned)n;
		break;
	}
	return FIELD_TAKEN;
}

/* recipients are counted first, so that their array is allocated once */
static bool count_rcpts(struct str in, size_t *n)
{
	struct str name, value;

	*n = 0;
	while (take(&in, &name, &value)) {
		*n += str_eq(name, STR("rcpt"));
		if (str_eq(name, STR("end")))
			return !value.n && !in.n;
	}
	return false;
}

/* keep - a field that may be passed by, behind those before it */
static bool keep(struct arena *a, struct envelope_field **list, struct str name, struct str value)
{
	struct envelope_field *f = ARENA_NEW(a, struct envelope_field);

	if (!f)
		return false;
	f->name = name;
	f->value = value;
	while (*list)
		list = &(*list)->next;
	*list = f;
	return true;
}

static bool take_field(struct arena *a, struct envelope *e, struct str name, struct str value)
{
	struct rcpt *last = e->n_rcpts ? &e->rcpts[e->n_rcpts - 1] : NULL;
	enum answer got = text_field(e, last, name, value);

	if (got == FIELD_UNKNOWN)
		got = number_field(e, last, name, value);
	if (got == FIELD_UNKNOWN && str_starts(name, STR(MAY_PASS_BY)))
		return keep(a, last ? &last->more : &e->more, name, value);
	if (got == FIELD_UNKNOWN && !e->unknown.n)
		e->unknown = name;
	return got != FIELD_DAMAGED;
}

bool envelope_parse(struct arena *a, struct str in, struct envelope *out)
{
	struct str name, value;
	size_t n_rcpts;

	memset(out, 0, sizeof(*out));
	out->uid = -1;
	if (!count_rcpts(in, &n_rcpts) || !take(&in, &name, &value) || !str_eq(name, STR("envelope")))
		return false;
	/* a version that is not known is as good as a field that is not */
	if (!str_eq(value, STR(ENVELOPE_VERSION)))
		out->unknown = name;
	if (n_rcpts && !(out->rcpts = ARENA_ARRAY(a, struct rcpt, n_rcpts)))
		return false;
	while (take(&in, &name, &value) && !str_eq(name, STR("end"))) {
		if (str_eq(name, STR("rcpt")))
			out->rcpts[out->n_rcpts++].addr = value;
		else if (!take_field(a, out, name, value))
			return false;
	}
	return true;
}
