/* dns_record - what the records of a type say; see dns_wire.h. */
#include "core/net/dns_wire.h"

#include <stdio.h>

/* what the data of a type looks like */
enum shape { SHAPE_ADDRESS, SHAPE_NAME, SHAPE_STRINGS, SHAPE_RAW, SHAPE_SOA };
static const struct { enum dns_type type; const char *name; enum shape shape; size_t skip, least; } types[] = {
	{ DNS_A, "A", SHAPE_ADDRESS, 0, 4 },
	{ DNS_NS, "NS", SHAPE_NAME, 0, 1 },
	{ DNS_CNAME, "CNAME", SHAPE_NAME, 0, 1 },
	{ DNS_SOA, "SOA", SHAPE_SOA, 0, 22 },
	{ DNS_PTR, "PTR", SHAPE_NAME, 0, 1 },
	{ DNS_MX, "MX", SHAPE_NAME, 2, 3 },
	{ DNS_TXT, "TXT", SHAPE_STRINGS, 0, 1 },
	{ DNS_AAAA, "AAAA", SHAPE_ADDRESS, 0, 16 },
	{ DNS_SRV, "SRV", SHAPE_NAME, 6, 7 },
	{ DNS_DS, "DS", SHAPE_RAW, 0, 5 },
	{ DNS_NSEC3PARAM, "NSEC3PARAM", SHAPE_RAW, 0, 5 },
	{ DNS_TLSA, "TLSA", SHAPE_RAW, 0, 4 },
	{ DNS_CAA, "CAA", SHAPE_RAW, 0, 3 },
};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

static size_t type_row(enum dns_type t)
{
	size_t i = 0;

	while (i < TYPES && types[i].type != t)
		i++;
	return i;
}

bool dns_type_is_known(enum dns_type t)
{
	return type_row(t) < TYPES;
}

const char *dns_type_name(enum dns_type t)
{
	size_t row = type_row((enum dns_type)(t & 0xffff));

	return row < TYPES ? types[row].name : "TYPE?";
}

static bool copy_data(struct arena *a, struct dns_record *out, const uint8_t *p, size_t n)
{
	out->data = arena_alloc(a, n ? n : 1);
	if (!out->data)
		return false;
	memcpy(out->data, p, n);
	out->data_n = (uint16_t)n;
	return true;
}

/* character strings, joined: that is how SPF and DMARC are read (RFC 7208 section 3.3) */
static bool join_strings(struct arena *a, const uint8_t *p, size_t n, struct dns_record *out)
{
	size_t at = 0, length = 0;

	out->data = arena_alloc(a, n);
	while (out->data && at < n) {
		size_t piece = p[at++];

		if (piece > n - at)
			return false;
		memcpy(out->data + length, p + at, piece);
		length += piece;
		at += piece;
	}
	out->data_n = (uint16_t)length;
	return out->data != NULL;
}

static bool read_soa(struct arena *a, const struct dns_reader *r, const struct dns_rr *rr, struct dns_record *out, struct dns_name *target)
{
	struct dns_reader d = { .p = r->p, .n = rr->data + rr->data_n, .at = rr->data };
	struct dns_name mailbox;

	dns_read_name(&d, target);
	if (!d.bad)
		dns_read_name(&d, &mailbox);
	return !d.bad && d.n - d.at == 20 && copy_data(a, out, r->p + d.at, 20);
}

static void set_address(struct dns_record *out, const uint8_t *p, size_t n)
{
	ipaddr_from_bytes(p, n, &out->address);
}

bool dns_read_record(struct arena *a, const struct dns_reader *r, const struct dns_rr *rr, struct dns_record *out, bool *odd)
{
	size_t row = type_row((enum dns_type)rr->type);
	const uint8_t *data = r->p + rr->data;
	struct dns_name target = { .text = "" };
	bool ok = rr->data_n >= types[row].least;

	out->type = (enum dns_type)rr->type;
	out->ttl = rr->ttl;
	snprintf(out->name, sizeof(out->name), "%s", rr->owner.text);
	if (ok && types[row].shape == SHAPE_ADDRESS)
		ok = rr->data_n == types[row].least;
	else if (ok && types[row].shape == SHAPE_NAME)
		ok = dns_rr_name(r, rr, types[row].skip, &target);
	else if (ok && types[row].shape == SHAPE_STRINGS)
		ok = join_strings(a, data, rr->data_n, out);
	else if (ok && types[row].shape == SHAPE_SOA)
		ok = read_soa(a, r, rr, out, &target);
	else if (ok)
		ok = copy_data(a, out, data, rr->data_n);
	if (!ok)
		return false;
	if (types[row].shape == SHAPE_ADDRESS)
		set_address(out, data, rr->data_n);
	if (types[row].skip >= 2)
		out->preference = (uint16_t)dns_get16(data);
	if (types[row].skip == 6) {
		out->weight = (uint16_t)dns_get16(data + 2);
		out->port = (uint16_t)dns_get16(data + 4);
	}
	snprintf(out->target, sizeof(out->target), "%s", target.text);
	*odd = target.odd;
	return true;
}
