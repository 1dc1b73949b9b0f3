/* envelope - see envelope.h. The text form is a row of records `name LENGTH value LF`; the first one is the version, the
 * last one says "end", and orig, orcpt and notify belong to the rcpt before them. What is empty or zero is left out.
 * A name that is not known, a wrong length or anything after the end refuses the whole. */
#include "core/msg/envelope.h"

#include "core/base/format.h"
#include "core/base/hash.h"
#include "core/base/limits.h"

#define ENVELOPE_VERSION "1"
enum { NAME_MAX = 24, DIGITS_MAX = 12 };       /* of a record: more than any has */

void envelope_unique(struct envelope *e)
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

static void put(struct buf *out, const char *name, struct str value)
{
	buf_z(out, name);
	buf_byte(out, ' ');
	buf_u64(out, value.n);
	buf_byte(out, ' ');
	buf_str(out, value);
	buf_byte(out, '\n');
}

static void put_some(struct buf *out, const char *name, struct str value)
{
	if (value.n)
		put(out, name, value);
}

static void put_number(struct buf *out, const char *name, int64_t value)
{
	char digits[32];
	int n = format_text(digits, sizeof(digits), "%lld", (long long)value);

	put(out, name, str_make(digits, (size_t)n));
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
	for (size_t i = 0; i < e->n_rcpts; i++) {
		const struct rcpt *r = &e->rcpts[i];

		put(out, "rcpt", r->addr);
		put_some(out, "orig", r->orig);
		put_some(out, "orcpt", r->orcpt);
		if (r->notify)
			put_number(out, "notify", r->notify);
	}
	put(out, "end", STR_EMPTY);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool take(struct str *in, struct str *name, struct str *value)
{
	size_t at = 0, begin, n = 0;

	while (at < in->n && at < NAME_MAX && in->p[at] != ' ')
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

static bool to_number(struct str s, int64_t lo, int64_t hi, int64_t *out)
{
	return str_to_i64(s, out) && *out >= lo && *out <= hi;
}

static bool set_text(struct str value, struct str *field)
{
	*field = value;
	return true;
}

static bool set_text_field(struct envelope *e, struct str name, struct str value)
{
	const struct { struct str name; struct str *field; } rows[] = {
		{ STR("sender"), &e->sender }, { STR("envid"), &e->envid }, { STR("client_name"), &e->client_name },
		{ STR("client_addr"), &e->client_addr }, { STR("helo"), &e->helo }, { STR("proto"), &e->proto },
		{ STR("sasl_user"), &e->sasl_user },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(name, rows[i].name))
			return set_text(value, rows[i].field);
	return false;
}

static bool set_rcpt_field(struct rcpt *r, struct str name, struct str value)
{
	int64_t n;

	if (str_eq(name, STR("orig")))
		return set_text(value, &r->orig);
	if (str_eq(name, STR("orcpt")))
		return set_text(value, &r->orcpt);
	if (!str_eq(name, STR("notify")) || !to_number(value, 0, 15, &n))
		return false;
	r->notify = (unsigned)n;
	return true;
}

static bool set_number_field(struct envelope *e, struct str name, struct str value)
{
	int64_t n;

	if (!to_number(value, INT64_MIN, INT64_MAX, &n))
		return false;
	if (str_eq(name, STR("arrival")))
		e->arrival = n;
	else if (str_eq(name, STR("size")) && n >= 0)
		e->size = (uint64_t)n;
	else if (str_eq(name, STR("header_size")) && n >= 0)
		e->header_size = (uint64_t)n;
	else if (str_eq(name, STR("flags")) && n >= 0 && n <= UINT32_MAX)
		e->flags = (unsigned)n;
	else if (str_eq(name, STR("uid")) && n >= -1 && n <= UINT32_MAX)
		e->uid = n;
	else if (str_eq(name, STR("ret")) && n >= 0 && n <= DSN_RET_FULL)
		e->ret = (enum dsn_ret)n;
	else
		return false;
	return true;
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

bool envelope_parse(struct arena *a, struct str in, struct envelope *out)
{
	struct str name, value;
	size_t n_rcpts;

	memset(out, 0, sizeof(*out));
	out->uid = -1;
	if (!count_rcpts(in, &n_rcpts) || !take(&in, &name, &value) || !str_eq(name, STR("envelope")) || !str_eq(value, STR(ENVELOPE_VERSION)))
		return false;
	if (n_rcpts && !(out->rcpts = ARENA_ARRAY(a, struct rcpt, n_rcpts)))
		return false;
	while (take(&in, &name, &value) && !str_eq(name, STR("end"))) {
		struct rcpt *last = out->n_rcpts ? &out->rcpts[out->n_rcpts - 1] : NULL;

		if (str_eq(name, STR("rcpt")))
			out->rcpts[out->n_rcpts++].addr = value;
		else if (!set_text_field(out, name, value) && !(last && set_rcpt_field(last, name, value)) && !set_number_field(out, name, value))
			return false;
	}
	return true;
}
