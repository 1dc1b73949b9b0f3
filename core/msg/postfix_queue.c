/* postfix_queue - see postfix_queue.h. */
#include "core/msg/postfix_queue.h"

#include <stddef.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/crlf.h"

/* --- records ---------------------------------------------------------------------------------------------------------- */

struct reader {
	struct str file;
	size_t at;
	size_t seen;                   /* bytes; no more than there are, or the row leads in a circle */
};
enum { AT_END = 0, DAMAGED = -1 };

/* take - the next record as it stands; its type, AT_END or DAMAGED */
static int take(struct reader *r, struct str *data)
{
	size_t at = r->at, length = 0;
	unsigned shift = 0;
	unsigned char c;
	int type;

	if (at >= r->file.n)
		return AT_END;
	type = (unsigned char)r->file.p[at++];
	do {
		if (at >= r->file.n || shift > 28)
			return DAMAGED;
		c = (unsigned char)r->file.p[at++];
		length |= (size_t)(c & 127) << shift;
		shift += 7;
	} while (c & 128);
	if (!type || length > r->file.n - at)
		return DAMAGED;
	r->seen += at + length - r->at;
	if (r->seen > r->file.n)
		return DAMAGED;
	*data = str_make(r->file.p + at, length);
	r->at = at + length;
	return type;
}

/* next - pointers are followed, and what was deleted is passed by */
static int next(struct reader *r, struct str *data)
{
	uint64_t to;
	int type;

	while ((type = take(r, data)) == 'p' || type == 'w') {
		if (type == 'w')
			continue;
		if (!str_to_u64(str_trim(*data), &to) || to >= r->file.n)
			return DAMAGED;
		if (to)
			r->at = (size_t)to;
	}
	return type;
}

/* --- the envelope ----------------------------------------------------------------------------------------------------- */

struct parse {
	struct arena *arena;
	struct postfix_message *m;
	struct buf *why;
	struct rcpt *rcpts;
	size_t n, cap;
	struct rcpt next;              /* what stands in front of a recipient is its */
	struct str redirect;
	bool has_sender;
};

static bool refuse(struct parse *p, const char *why)
{
	if (!p->why->n)
		buf_z(p->why, why);
	return false;
}

static bool number(struct str s, uint64_t most, unsigned *out)
{
	uint64_t n;

	if (!str_to_u64(s, &n) || n > most)
		return false;
	*out = (unsigned)n;
	return true;
}

/* SOPT_… of Postfix: what MAIL asked for. All else there is what Postfix found in the message, which we find, too */
enum { SENT_SMTPUTF8 = 1, SENT_REQUIRETLS = 32 };

static bool on_size(struct parse *p, struct str data)
{
	struct str word;
	uint64_t n;

	/* of the content: size, offset, recipients, what qmgr noted, size; how it must be sent */
	for (int i = 0; str_word(&data, " ", &word); i++) {
		if (!str_to_u64(word, &n))
			return refuse(p, "its size record is damaged");
		if (i == 5)
			p->m->e.flags |= (n & SENT_SMTPUTF8 ? ENVELOPE_SMTPUTF8 : 0) | (n & SENT_REQUIRETLS ? ENVELOPE_REQUIRETLS : 0);
	}
	return true;
}

static bool on_time(struct parse *p, struct str data)
{
	struct str seconds;
	uint64_t s, us = 0;

	if (!str_word(&data, " ", &seconds) || !str_to_u64(seconds, &s) || s > (uint64_t)INT64_MAX / USEC_PER_SEC / 2)
		return refuse(p, "its time is damaged");
	if (!str_to_u64(str_trim(data), &us) || us >= USEC_PER_SEC)
		us = 0;
	p->m->e.arrival = (usec)s * USEC_PER_SEC + (usec)us;
	return true;
}

static bool on_sender(struct parse *p, struct str data)
{
	p->m->e.sender = data;
	p->has_sender = true;
	return true;
}

static bool on_orig(struct parse *p, struct str data)
{
	p->next.orig = data;
	return true;
}

static bool on_rcpt(struct parse *p, struct str data)
{
	if (!data.n)
		return refuse(p, "a recipient is empty");
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 16;
		p->rcpts = mem_array(p->rcpts, p->cap, sizeof(*p->rcpts));
	}
	p->next.addr = data;
	if (str_eq(p->next.orig, data))
		p->next.orig = STR_EMPTY;
	p->rcpts[p->n++] = p->next;
	p->next = (struct rcpt){ .notify = 0 };
	return true;
}

/* on_done - delivered, or taken back */
static bool on_done(struct parse *p, struct str data)
{
	(void)data;
	p->next = (struct rcpt){ .notify = 0 };
	return true;
}

static bool on_redirect(struct parse *p, struct str data)
{
	p->redirect = data;
	return true;
}

static bool on_filter(struct parse *p, struct str data)
{
	(void)data;
	return refuse(p, "it is for a content filter (content_filter, FILTER)");
}

static bool on_killed(struct parse *p, struct str data)
{
	(void)data;
	return refuse(p, "Postfix has given it up itself");
}

/* on_attribute - name=value; most are Postfix's own notes */
static bool on_attribute(struct parse *p, struct str data)
{
	struct envelope *e = &p->m->e;
	ptrdiff_t eq = str_chr(data, '=');
	struct str name = str_head(data, eq < 0 ? data.n : (size_t)eq), value = eq < 0 ? STR_EMPTY : str_from(data, (size_t)eq + 1);
	static const struct { const char *name; size_t at; } texts[] = {
#define TEXT(field) offsetof(struct envelope, field)
		{ "envelope_id", TEXT(envid) }, { "log_client_name", TEXT(client_name) }, { "log_client_address", TEXT(client_addr) },
		{ "log_helo_name", TEXT(helo) }, { "log_protocol_name", TEXT(proto) }, { "sasl_username", TEXT(sasl_user) },
#undef TEXT
	};
	unsigned n;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (str_eq(name, str_of(texts[i].name)))
			*(struct str *)(void *)((char *)e + texts[i].at) = value;
	if (str_eq(name, STR("dsn_orig_rcpt")))
		p->next.orcpt = value;
	if (str_eq(name, STR("encoding")) && str_ieq(value, STR("8bit")))
		e->flags |= ENVELOPE_8BIT;
	if (str_eq(name, STR("notify_flags")) && !number(value, 15, &p->next.notify))
		return refuse(p, "its wishes for delivery notices are damaged");
	if (str_eq(name, STR("ret_flags"))) {
		if (!number(value, 3, &n))
			return refuse(p, "its wishes for delivery notices are damaged");
		/* 1: all, 2: the header section */
		e->ret = n & 2 ? DSN_RET_HDRS : n & 1 ? DSN_RET_FULL : DSN_RET_DEFAULT;
	}
	if (str_eq(name, STR("trace_flags")) && (!number(value, UINT32_MAX, &n) || n))
		return refuse(p, "it is a probe, or asks for a report of its delivery");
	return true;
}

static const struct row {
	char type;
	bool (*fn)(struct parse *p, struct str data);
} rows[] = {
	{ 'C', on_size }, { 'T', on_time }, { 'S', on_sender }, { 'O', on_orig }, { 'R', on_rcpt }, { 'D', on_done }, { '/', on_done },
	{ 'A', on_attribute }, { '>', on_redirect }, { 'L', on_filter }, { 'K', on_killed },
};
/* full name, inspector, warning time, flags, delay, errors-to, return-receipt, priority, milters, an older creation time */
static const char passed_by[] = "FIWfderPmc";

static bool on_record(struct parse *p, int type, struct str data)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == type)
			return rows[i].fn(p, data);
	if (strchr(passed_by, type))
		return true;
	if (!p->why->n)
		buf_printf(p->why, type > ' ' && type < 127 ? "it has a record '%c', which is not known here" : "it has a record %d, which is not known here", type);
	return false;
}

/* section - until the record that ends it */
static bool section(struct parse *p, struct reader *r, int last)
{
	struct str data;
	int type;

	while ((type = next(r, &data)) != last) {
		if (type == AT_END)
			return refuse(p, "it is not complete");
		if (type == DAMAGED)
			return refuse(p, "its records are damaged, or cut off");
		if (!on_record(p, type, data))
			return false;
	}
	return true;
}

static bool skip_content(struct parse *p, struct reader *r)
{
	struct str data;
	int type;

	while ((type = next(r, &data)) == 'N' || type == 'L')
		;
	if (type == 'X')
		return true;
	return refuse(p, type == AT_END ? "it is not complete" : "its content is damaged");
}

/* is_text - what goes into replies, logs and header fields has no control bytes; addresses have no blanks outside of quotes either, but
 * that is the judge's matter */
static bool is_text(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return false;
	return true;
}

static bool check_texts(struct parse *p)
{
	struct envelope *e = &p->m->e;
	bool good = is_text(e->sender) && is_text(e->envid) && is_text(e->client_name) && is_text(e->client_addr) && is_text(e->helo) &&
		is_text(e->proto) && is_text(e->sasl_user);

	for (size_t i = 0; i < p->n; i++)
		good &= is_text(p->rcpts[i].addr) && is_text(p->rcpts[i].orig) && is_text(p->rcpts[i].orcpt);
	return good || refuse(p, "its envelope has control characters");
}

/* give_rcpts - to the arena; a redirect stands for all of them */
static bool give_rcpts(struct parse *p)
{
	struct envelope *e = &p->m->e;

	p->m->done = !p->n;
	if (p->redirect.n && p->n) {
		p->n = 1;
		p->rcpts[0] = (struct rcpt){ .addr = p->redirect, .orig = p->rcpts[0].orig.n ? p->rcpts[0].orig : p->rcpts[0].addr };
	}
	if (!check_texts(p))
		return false;
	e->rcpts = ARENA_ARRAY(p->arena, struct rcpt, p->n + 1);
	if (!e->rcpts)
		return refuse(p, "it has too many recipients");
	for (size_t i = 0; i < p->n; i++)
		e->rcpts[i] = p->rcpts[i];
	e->n_rcpts = p->n;
	return true;
}

bool postfix_parse(struct arena *a, struct str file, bool maildrop, struct postfix_message *out, struct buf *why)
{
	struct parse p = { .arena = a, .m = out, .why = why };
	struct reader r = { .file = file };
	bool good;

	*out = (struct postfix_message){ .file = file, .e = { .uid = -1 } };
	good = (file.n && file.p[0] == (maildrop ? 'T' : 'C')) || refuse(&p, "it is no queue file of Postfix");
	good = good && section(&p, &r, 'M');
	out->content = r.at;
	good = good && skip_content(&p, &r) && section(&p, &r, 'E');
	good = good && ((p.has_sender && out->e.arrival) || refuse(&p, "it has no sender or no time"));
	good = good && give_rcpts(&p);
	mem_free(p.rcpts);
	return good;
}

/* --- the content ------------------------------------------------------------------------------------------------------ */

/* is_header - may this line stand in a header section? */
static bool is_header(struct str line, bool first)
{
	size_t i = 0;

	if (line.n && (line.p[0] == ' ' || line.p[0] == '\t'))
		return !first;
	while (i < line.n && line.p[i] > ' ' && line.p[i] < 127 && line.p[i] != ':')
		i++;
	while (i && i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
		i++;
	return i && i < line.n && line.p[i] == ':';
}

static void clean_line(struct buf *out, struct str line)
{
	struct crlf_clean c;

	crlf_clean_init(&c);
	crlf_clean_add(&c, out, line);
	crlf_clean_end(&c, out, false);
	buf_z(out, "\r\n");
}

/* logical - the next line, of one record or several; false: the content is over */
static bool logical(struct reader *r, struct buf *line)
{
	struct str data;
	int type;

	buf_clear(line);
	while ((type = next(r, &data)) == 'L')
		buf_str(line, data);
	if (type == 'N')
		buf_str(line, data);
	return type == 'N';
}

bool postfix_header(const struct postfix_message *m, struct buf *out, size_t *rest, struct buf *why)
{
	struct reader r = { .file = m->file, .at = m->content };
	struct buf line;

	buf_init(&line, LIMIT_GIVE_HEADER);
	for (*rest = r.at; logical(&r, &line) && !line.overflow && line.n && is_header(buf_view(&line), out->n == 0); *rest = r.at)
		clean_line(out, buf_view(&line));
	/* the empty line is of neither */
	if (!line.n && !line.overflow)
		*rest = r.at;
	if (!line.overflow)
		buf_z(out, "\r\n");
	else
		out->overflow = true;
	buf_fini(&line);
	if (out->overflow)
		buf_z(why, "its header section is larger than this version of relaybox takes");
	return !out->overflow;
}

int postfix_body(const struct postfix_message *m, size_t rest, int (*put)(void *to, struct str piece), void *to, uint64_t *size)
{
	struct reader r = { .file = m->file, .at = rest };
	struct crlf_clean c;
	struct str data;
	struct buf out;
	uint64_t all = 0;
	int type, result = 0;

	crlf_clean_init(&c);
	buf_init(&out, m->file.n * 2 + 4);
	while (!result && ((type = next(&r, &data)) == 'N' || type == 'L')) {
		crlf_clean_add(&c, &out, data);
		if (type == 'N')
			crlf_clean_add(&c, &out, STR("\n"));
		all += out.n;
		if (put && out.n)
			result = put(to, buf_view(&out));
		buf_clear(&out);
	}
	crlf_clean_end(&c, &out, true);
	all += out.n;
	if (put && out.n && !result)
		result = put(to, buf_view(&out));
	buf_fini(&out);
	if (size)
		*size = all;
	return result;
}
