/* dns_codec.c - DNS messages (RFC 1035, 2181, 2308, 6891), read with RFC 9267's list of mistakes at hand.
 *
 * Promise: linear in the message, no recursion, bounded output. A name's pointers must each point before the place
 * where the run of labels that holds them began, so they cannot loop. A reply that is for our question but cannot be
 * read in full is malformed as a whole: never half a set of MX records (threats G2, G4). A record of the wanted type
 * whose name cannot be written as text (a dot or a control byte inside a label) is passed over; if none is left, the
 * reply is malformed too, so that an odd MX never turns into "no MX". */
#include "core/net/dns_codec.h"

#include <stdio.h>

#include "core/base/limits.h"

enum { HEADER = 12, CLASS_IN = 1, TYPE_OPT = 41, TYPE_RRSIG = 46, RRSIG_LEAST = 18, FLAG_QR = 0x8000, FLAG_AA = 0x0400, FLAG_TC = 0x0200, FLAG_RD = 0x0100, FLAG_AD = 0x0020, FLAG_CD = 0x0010,
	EDNS_DO = 0x8000, OPCODE = 0x7800, LABEL_MAX = 63, NAME_WIRE_MAX = 255, NEGATIVE_TTL_MAX = 3600, TTL_MAX = 86400 };

/* --- names -------------------------------------------------------------------------------------------------------- */

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

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* a clean name in wire form; bytes written */
static size_t put_name(uint8_t *p, struct str name)
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

struct reader {
	const uint8_t *p;
	size_t n, at;
	bool bad;
};

struct name {
	char text[256];
	bool odd;      /* holds bytes that text cannot show */
};

static void add_label(struct name *out, size_t *length, const uint8_t *p, size_t n)
{
	if (*length)
		out->text[(*length)++] = '.';
	for (size_t i = 0; i < n; i++) {
		char c = (char)p[i];

		out->odd |= !is_label_byte(c);
		out->text[(*length)++] = ascii_lower(c);
	}
}

/* read a name, compressed or not, and go behind it */
static void read_name(struct reader *r, struct name *out)
{
	size_t at = r->at, run = r->at, wire = 1, length = 0;
	bool jumped = false;

	out->odd = false;
	while (at < r->n && r->p[at]) {
		unsigned c = r->p[at];

		if (c >= 0xc0) {
			size_t to = at + 1 < r->n ? get16(r->p + at) & 0x3fff : r->n;

			if (to >= run || to < HEADER)
				break;
			if (!jumped)
				r->at = at + 2;
			jumped = true;
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
	if (!jumped)
		r->at = at + 1;
	out->text[length] = 0;
}

/* --- queries ------------------------------------------------------------------------------------------------------ */

size_t dns_encode(uint8_t out[DNS_QUERY_MAX], uint16_t id, struct str name, enum dns_type type, bool edns, bool dnssec, bool recursion)
{
	char clean[256];
	size_t n = HEADER;

	if (!dns_name_clean(name, clean))
		return 0;
	dnssec = dnssec || type & DNS_PROVEN;
	memset(out, 0, HEADER);
	put16(out, id);
	put16(out + 2, (recursion ? FLAG_RD : 0) | (dnssec ? FLAG_AD : 0) | (type & DNS_UNCHECKED ? FLAG_CD : 0));
	put16(out + 4, 1);
	n += put_name(out + n, str_of(clean));
	put16(out + n, type & 0xffff);
	put16(out + n + 2, CLASS_IN);
	n += 4;
	if (!edns)
		return n;
	put16(out + 10, 1);
	out[n] = 0;
	put16(out + n + 1, TYPE_OPT);
	put16(out + n + 3, DNS_UDP_SIZE);
	put16(out + n + 5, 0);
	put16(out + n + 7, dnssec ? EDNS_DO : 0);
	put16(out + n + 9, 0);
	return n + 11;
}

size_t dns_build_query(uint8_t out[512], uint16_t id, struct str name, enum dns_type type, bool dnssec)
{
	return dns_encode(out, id, name, type, true, dnssec, true);
}

/* --- replies ------------------------------------------------------------------------------------------------------ */

struct rr {
	struct name owner;
	unsigned type, class;
	uint32_t ttl;
	size_t data, data_n;
};

static void read_rr(struct reader *r, struct rr *rr)
{
	read_name(r, &rr->owner);
	if (r->bad || r->n - r->at < 10) {
		r->bad = true;
		return;
	}
	rr->type = get16(r->p + r->at);
	rr->class = get16(r->p + r->at + 2);
	rr->ttl = get32(r->p + r->at + 4);
	if (rr->ttl > 0x7fffffff) /* RFC 2181 section 8 */
		rr->ttl = 0;
	rr->data_n = get16(r->p + r->at + 8);
	rr->data = r->at + 10;
	r->bad = rr->data_n > r->n - rr->data;
	r->at = rr->data + rr->data_n;
}

/* a name in the data that must fill it from `skip` on; false: malformed */
static bool data_name(const struct reader *r, const struct rr *rr, size_t skip, struct name *out)
{
	struct reader d = { .p = r->p, .n = rr->data + rr->data_n, .at = rr->data + skip };

	if (skip >= rr->data_n)
		return false;
	read_name(&d, out);
	return !d.bad && d.at == d.n;
}

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

static bool read_soa(struct arena *a, const struct reader *r, const struct rr *rr, struct dns_record *out, struct name *target)
{
	struct reader d = { .p = r->p, .n = rr->data + rr->data_n, .at = rr->data };
	struct name mailbox;

	read_name(&d, target);
	if (!d.bad)
		read_name(&d, &mailbox);
	return !d.bad && d.n - d.at == 20 && copy_data(a, out, r->p + d.at, 20);
}

static void set_address(struct dns_record *out, const uint8_t *p, size_t n)
{
	ipaddr_from_bytes(p, n, &out->address);
}

/* false: malformed. *odd: well formed, but of no use as text */
static bool read_record(struct arena *a, const struct reader *r, const struct rr *rr, struct dns_record *out, bool *odd)
{
	size_t row = type_row((enum dns_type)rr->type);
	const uint8_t *data = r->p + rr->data;
	struct name target = { .text = "" };
	bool ok = rr->data_n >= types[row].least;

	out->type = (enum dns_type)rr->type;
	out->ttl = rr->ttl;
	snprintf(out->name, sizeof(out->name), "%s", rr->owner.text);
	if (ok && types[row].shape == SHAPE_ADDRESS)
		ok = rr->data_n == types[row].least;
	else if (ok && types[row].shape == SHAPE_NAME)
		ok = data_name(r, rr, types[row].skip, &target);
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
		out->preference = (uint16_t)get16(data);
	if (types[row].skip == 6) {
		out->weight = (uint16_t)get16(data + 2);
		out->port = (uint16_t)get16(data + 4);
	}
	snprintf(out->target, sizeof(out->target), "%s", target.text);
	*odd = target.odd;
	return true;
}

/* one walk over the answers for the records of `type` that `owner` has, or for its alias */
struct answers {
	struct arena *a;
	struct reader r;       /* at the first answer */
	unsigned count, more;  /* records to walk over; in the other sections, where those may answer, too */
	enum dns_type type;
	struct dns_answer *out;
	uint32_t ttl;
	bool dropped;          /* one of the right type was of no use */
};

static bool add_answer(struct answers *s, const struct reader *r, const struct rr *rr)
{
	bool odd = false;

	if (s->out->n == LIMIT_DNS_RECORDS)
		return true;
	if (!s->out->records)
		s->out->records = ARENA_ARRAY(s->a, struct dns_record, LIMIT_DNS_RECORDS < s->count ? LIMIT_DNS_RECORDS : s->count);
	if (!s->out->records)
		return false;
	memset(&s->out->records[s->out->n], 0, sizeof(struct dns_record));
	if (!read_record(s->a, r, rr, &s->out->records[s->out->n], &odd))
		return false;
	s->dropped |= odd;
	s->out->n += !odd;
	s->ttl = rr->ttl < s->ttl ? rr->ttl : s->ttl;
	return true;
}

static void see_signature(const struct answers *s, const struct rr *rr)
{
	struct dns_signature *to = &s->out->signature;
	const uint8_t *p = s->r.p + rr->data;

	if (rr->type != TYPE_RRSIG || rr->data_n < RRSIG_LEAST || get16(p) != (unsigned)s->type)
		return;
	/* times go round (RFC 1982) */
	if (!to->algorithm || (int32_t)(get32(p + 8) - to->until) > 0) {
		to->until = get32(p + 8);
		to->from = get32(p + 12);
	}
	to->algorithm = p[2] > to->algorithm ? p[2] : to->algorithm;
}

/* false: malformed. *alias: filled when there is one and no record of the type */
static bool collect(struct answers *s, const char *owner, struct name *alias, bool *has_alias)
{
	struct reader r = s->r;
	uint32_t alias_ttl = 0;
	struct rr rr;

	*has_alias = false;
	for (unsigned i = 0; i < s->count; i++) {
		read_rr(&r, &rr);
		if (r.bad)
			return false;
		if (rr.class != CLASS_IN || rr.owner.odd || strcmp(rr.owner.text, owner) != 0)
			continue;
		see_signature(s, &rr);
		if (rr.type == (unsigned)s->type && !add_answer(s, &r, &rr))
			return false;
		if (rr.type != DNS_CNAME || s->type == DNS_CNAME || *has_alias)
			continue;
		if (!data_name(&r, &rr, 0, alias))
			return false;
		*has_alias = true;
		alias_ttl = rr.ttl;
	}
	if (*has_alias && s->out->n == 0 && !s->dropped)
		s->ttl = alias_ttl < s->ttl ? alias_ttl : s->ttl;
	else
		*has_alias = false;
	return true;
}

/* each walk is linear, and there are at most LIMIT_DNS_CNAMES of them. False: malformed, or a chain
 * that is too long to tell whether it ends */
static bool follow_aliases(struct answers *s, const char *name)
{
	char seen[LIMIT_DNS_CNAMES + 1][sizeof(s->out->canonical)];
	struct name alias;
	bool has_alias;

	snprintf(s->out->canonical, sizeof(s->out->canonical), "%s", name);
	for (int i = 0; i <= LIMIT_DNS_CNAMES; i++) {
		if (!collect(s, s->out->canonical, &alias, &has_alias))
			return false;
		if (!has_alias && !s->out->n && i == 0 && s->more) {
			s->count += s->more;
			if (!collect(s, name, &alias, &has_alias))
				return false;
		}
		if (!has_alias)
			return s->out->n > 0 || !s->dropped;
		if (alias.odd)
			return false;
		memcpy(seen[i], s->out->canonical, sizeof(seen[i]));
		snprintf(s->out->canonical, sizeof(s->out->canonical), "%s", alias.text);
		for (int k = 0; k <= i && !s->out->endless; k++)
			s->out->endless = strcmp(seen[k], alias.text) == 0;
		if (s->out->endless)
			return true;
	}
	return false;
}

/* the other sections: SOA for how long a "no" holds, OPT for the upper bits of the rcode */
static void read_rest(struct reader *r, unsigned authority, unsigned additional, struct dns_reply *reply, uint32_t *negative)
{
	struct rr rr;

	for (unsigned i = 0; i < authority + additional; i++) {
		read_rr(r, &rr);
		if (r->bad)
			return;
		if (i < authority && rr.type == DNS_SOA && rr.class == CLASS_IN && rr.data_n >= 22) {
			uint32_t minimum = get32(r->p + rr.data + rr.data_n - 4);

			reply->negative_proof = true;
			*negative = minimum < rr.ttl ? minimum : rr.ttl;
		}
		if (i >= authority && rr.type == TYPE_OPT)
			reply->rcode |= (int)(get16(r->p + rr.data - 6) >> 8) << 4;
	}
}

static bool is_for_us(struct reader *r, uint16_t id, const char *name, enum dns_type type)
{
	struct name asked;

	if (r->n < HEADER || get16(r->p) != id || (get16(r->p + 2) & (FLAG_QR | OPCODE)) != FLAG_QR || get16(r->p + 4) != 1)
		return false;
	r->at = HEADER;
	read_name(r, &asked);
	if (r->bad || r->n - r->at < 4 || asked.odd || strcmp(asked.text, name) != 0)
		return false;
	r->at += 4;
	return get16(r->p + r->at - 4) == (unsigned)type && get16(r->p + r->at - 2) == CLASS_IN;
}

static void malformed(struct dns_answer *out, struct dns_reply *reply)
{
	reply->rcode = DNS_RCODE_MALFORMED;
	out->records = NULL;
	out->n = 0;
	out->status = DNS_AGAIN;
}

static void read_answers(struct arena *a, struct reader *r, const char *name, enum dns_type type, struct dns_answer *out,
	struct dns_reply *reply)
{
	struct answers s = { .a = a, .r = *r, .count = get16(r->p + 6), .type = type, .out = out, .ttl = TTL_MAX };
	uint32_t negative = 0;
	struct rr rr;

	for (unsigned i = 0; i < s.count && !r->bad; i++)
		read_rr(r, &rr);
	if (!r->bad)
		read_rest(r, get16(r->p + 8), get16(r->p + 10), reply, &negative);
	if (r->bad) {
		malformed(out, reply);
		return;
	}
	if (reply->rcode != DNS_RCODE_OK && reply->rcode != DNS_RCODE_NXDOMAIN)
		return;
	/* without recursion, a referral tells what the server knows of another's zone: its servers, and their addresses */
	if (!(get16(r->p + 2) & FLAG_RD) && !reply->negative_proof)
		s.more = get16(r->p + 8) + get16(r->p + 10);
	if (!follow_aliases(&s, name)) {
		malformed(out, reply);
		return;
	}
	out->status = out->n ? DNS_OK : reply->rcode == DNS_RCODE_NXDOMAIN || out->endless ? DNS_NXDOMAIN : DNS_NODATA;
	negative = negative < NEGATIVE_TTL_MAX ? negative : NEGATIVE_TTL_MAX;
	if (!out->n && !reply->negative_proof && out->status == DNS_NODATA && strcmp(out->canonical, name) != 0)
		negative = s.ttl; /* an alias whose target is left to us to ask for */
	reply->ttl = out->n || s.ttl < negative ? s.ttl : negative;
}

int dns_decode(struct arena *a, const uint8_t *p, size_t n, uint16_t id, struct str name, enum dns_type type,
	struct dns_answer *out, struct dns_reply *reply)
{
	struct reader r = { .p = p, .n = n };
	char clean[256];
	unsigned flags;

	type = (enum dns_type)(type & 0xffff);
	if (type_row(type) == TYPES || !dns_name_clean(name, clean) || !is_for_us(&r, id, clean, type))
		return -1;
	flags = get16(p + 2);
	*reply = (struct dns_reply){.rcode = flags & 15, .truncated = flags & FLAG_TC, .authentic = flags & FLAG_AD,
		.authoritative = flags & FLAG_AA};
	memset(out, 0, offsetof(struct dns_answer, why));
	out->status = DNS_AGAIN;
	snprintf(out->canonical, sizeof(out->canonical), "%s", clean);
	if (!reply->truncated)
		read_answers(a, &r, clean, type, out, reply);
	out->authentic = reply->authentic && out->status != DNS_AGAIN;
	return 0;
}

int dns_parse_reply(struct arena *a, const uint8_t *p, size_t n, uint16_t id, struct str name, enum dns_type type,
	struct dns_answer *out, uint32_t *ttl, bool *truncated)
{
	struct dns_reply reply;
	char clean[256];

	memset(out, 0, sizeof(*out));
	if (dns_decode(a, p, n, id, name, type, out, &reply) < 0)
		return -1;
	*ttl = reply.ttl;
	*truncated = reply.truncated;
	dns_name_clean(name, clean);
	dns_explain(out, clean, type);
	return 0;
}

void dns_explain(struct dns_answer *a, const char *name, enum dns_type type)
{
	static const char *const texts[] = {[DNS_NODATA] = "Host found but no data record of requested type",
		[DNS_NXDOMAIN] = "Host not found", [DNS_AGAIN] = "Host not found, try again"};

	a->why[0] = 0;
	if (a->endless)
		snprintf(a->why, sizeof(a->why), "Name server loop for %.70s", name);
	else if (a->status != DNS_OK)
		snprintf(a->why, sizeof(a->why), "Name service error for name=%.70s type=%s: %s", name, dns_type_name(type),
			texts[a->status]);
}
