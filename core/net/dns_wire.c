/* dns_wire - see dns_wire.h.
 *
 * A name's pointers must each point before the place where the run of labels that holds them began, so they cannot loop. More of them than a
 * name can have labels do nothing but make who reads it walk: a message has room for thousands, and for as many names that lead through all. */
#include "core/net/dns_wire.h"

#include "core/base/limits.h"

enum { LABEL_MAX = 63, NAME_WIRE_MAX = 255 };

static bool is_label_byte(char c)
{
	return c > ' ' && c < 127 && c != '.' && c != '\\';
}

bool dns_name_clean(struct str name, char out[256])
{
	size_t label = 0;

	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n > NAME_WIRE_MAX - 2)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		label = name.p[i] == '.' ? 0 : label + 1;
		if (label == 0 ? i == 0 || name.p[i - 1] == '.' : label > LABEL_MAX || !is_label_byte(name.p[i]))
			return false;
		out[i] = ascii_lower(name.p[i]);
	}
	out[name.n] = 0;
	return name.n == 0 || label > 0;
}

size_t dns_put_name(uint8_t *p, struct str name)
{
	struct str label;
	size_t n = 0;

	while (str_cut(&name, '.', &label)) {
		p[n++] = (uint8_t)label.n;
		memcpy(p + n, label.p, label.n);
		n += label.n;
	}
	p[n++] = 0;
	return n;
}

static void add_label(struct dns_name *out, size_t *length, const uint8_t *p, size_t n)
{
	if (*length)
		out->text[(*length)++] = '.';
	for (size_t i = 0; i < n; i++) {
		char c = (char)p[i];

		out->odd |= !is_label_byte(c);
		out->text[(*length)++] = ascii_lower(c);
	}
}

void dns_read_name(struct dns_reader *r, struct dns_name *out)
{
	size_t at = r->at, run = r->at, wire = 1, length = 0;
	unsigned pointers = 0;

	out->odd = false;
	while (at < r->n && r->p[at]) {
		unsigned c = r->p[at];

		if (c >= 0xc0) {
			size_t to = at + 1 < r->n ? dns_get16(r->p + at) & 0x3fff : r->n;

			if (to >= run || to < DNS_HEADER || pointers == LIMIT_DNS_POINTERS)
				break;
			if (!pointers++)
				r->at = at + 2;
			at = run = to;
			continue;
		}
		wire += c + 1;
		if (c > LABEL_MAX || wire > NAME_WIRE_MAX || at + 1 + c >= r->n)
			break;
		add_label(out, &length, r->p + at + 1, c);
		at += c + 1;
	}
	r->bad |= at >= r->n || r->p[at] != 0;
	if (!pointers)
		r->at = at + 1;
	out->text[length] = 0;
}

void dns_read_rr(struct dns_reader *r, struct dns_rr *rr)
{
	dns_read_name(r, &rr->owner);
	if (r->bad || r->n - r->at < 10) {
		r->bad = true;
		return;
	}
	rr->type = dns_get16(r->p + r->at);
	rr->class = dns_get16(r->p + r->at + 2);
	rr->ttl = dns_get32(r->p + r->at + 4);
	if (rr->ttl > 0x7fffffff) /* RFC 2181 section 8 */
		rr->ttl = 0;
	rr->data_n = dns_get16(r->p + r->at + 8);
	rr->data = r->at + 10;
	r->bad = rr->data_n > r->n - rr->data;
	r->at = rr->data + rr->data_n;
}

bool dns_rr_name(const struct dns_reader *r, const struct dns_rr *rr, size_t skip, struct dns_name *out)
{
	struct dns_reader d = { .p = r->p, .n = rr->data + rr->data_n, .at = rr->data + skip };

	if (skip >= rr->data_n)
		return false;
	dns_read_name(&d, out);
	return !d.bad && d.at == d.n;
}
