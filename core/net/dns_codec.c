/* dns_codec.c - DNS messages (RFC 1035, 2181, 2308, 6891), read with RFC 9267's list of mistakes at hand.
 *
 * Promise: linear in the message, no recursion, bounded output. A reply that is for our question but cannot be
 * read in full is malformed as a whole: never half a set of MX records (threats G2, G4). A record of the wanted type
 * whose name cannot be written as text (a dot or a control byte inside a label) is passed over; if none is left, the
 * reply is malformed too, so that an odd MX never turns into "no MX". */
#include "core/net/dns_codec.h"

#include <stdio.h>

#include "core/base/limits.h"
#include "core/net/dns_wire.h"

enum { CLASS_IN = 1, TYPE_OPT = 41, TYPE_RRSIG = 46, RRSIG_LEAST = 18, FLAG_QR = 0x8000, FLAG_AA = 0x0400, FLAG_TC = 0x0200, FLAG_RD = 0x0100, FLAG_AD = 0x0020,
	FLAG_CD = 0x0010, EDNS_DO = 0x8000, OPCODE = 0x7800, NEGATIVE_TTL_MAX = 3600, TTL_MAX = 86400 };

/* --- queries ------------------------------------------------------------------------------------------------------ */

size_t dns_encode(uint8_t out[DNS_QUERY_MAX], uint16_t id, struct str name, enum dns_type type, bool edns, bool dnssec, bool recursion)
{
	char clean[256];
	size_t n = DNS_HEADER;

	if (!dns_name_clean(name, clean))
		return 0;
	dnssec = dnssec || type & DNS_PROVEN;
	memset(out, 0, DNS_HEADER);
	dns_put16(out, id);
	dns_put16(out + 2, (recursion ? FLAG_RD : 0) | (dnssec ? FLAG_AD : 0) | (type & DNS_UNCHECKED ? FLAG_CD : 0));
	dns_put16(out + 4, 1);
	n += dns_put_name(out + n, str_of(clean));
	dns_put16(out + n, type & 0xffff);
	dns_put16(out + n + 2, CLASS_IN);
	n += 4;
	if (!edns)
		return n;
	dns_put16(out + 10, 1);
	out[n] = 0;
	dns_put16(out + n + 1, TYPE_OPT);
	dns_put16(out + n + 3, DNS_UDP_SIZE);
	dns_put16(out + n + 5, 0);
	dns_put16(out + n + 7, dnssec ? EDNS_DO : 0);
	dns_put16(out + n + 9, 0);
	return n + 11;
}

size_t dns_build_query(uint8_t out[512], uint16_t id, struct str name, enum dns_type type, bool dnssec)
{
	return dns_encode(out, id, name, type, true, dnssec, true);
}

/* --- replies ------------------------------------------------------------------------------------------------------ */

/* one walk over the answers for the records of `type` that `owner` has, or for its alias */
struct answers {
	struct arena *a;
	struct dns_reader r;       /* at the first answer */
	unsigned count, more;  /* records to walk over; in the other sections, where those may answer, too */
	enum dns_type type;
	struct dns_answer *out;
	uint32_t ttl;
	bool dropped;          /* one of the right type was of no use */
};

static bool add_answer(struct answers *s, const struct dns_reader *r, const struct dns_rr *rr)
{
	bool odd = false;

	if (s->out->n == LIMIT_DNS_RECORDS)
		return true;
	if (!s->out->records)
		s->out->records = ARENA_ARRAY(s->a, struct dns_record, LIMIT_DNS_RECORDS < s->count ? LIMIT_DNS_RECORDS : s->count);
	if (!s->out->records)
		return false;
	memset(&s->out->records[s->out->n], 0, sizeof(struct dns_record));
	if (!dns_read_record(s->a, r, rr, &s->out->records[s->out->n], &odd))
		return false;
	s->dropped |= odd;
	s->out->n += !odd;
	s->ttl = rr->ttl < s->ttl ? rr->ttl : s->ttl;
	return true;
}

static void see_signature(const struct answers *s, const struct dns_rr *rr)
{
	struct dns_signature *to = &s->out->signature;
	const uint8_t *p = s->r.p + rr->data;

	if (rr->type != TYPE_RRSIG || rr->data_n < RRSIG_LEAST || dns_get16(p) != (unsigned)s->type)
		return;
	/* times go round (RFC 1982) */
	if (!to->algorithm || (int32_t)(dns_get32(p + 8) - to->until) > 0) {
		to->until = dns_get32(p + 8);
		to->from = dns_get32(p + 12);
	}
	to->algorithm = p[2] > to->algorithm ? p[2] : to->algorithm;
}

/* false: malformed. *alias: filled when there is one and no record of the type */
static bool collect(struct answers *s, const char *owner, struct dns_name *alias, bool *has_alias)
{
	struct dns_reader r = s->r;
	uint32_t alias_ttl = 0;
	struct dns_rr rr;

	*has_alias = false;
	for (unsigned i = 0; i < s->count; i++) {
		dns_read_rr(&r, &rr);
		if (r.bad)
			return false;
		if (rr.class != CLASS_IN || rr.owner.odd || strcmp(rr.owner.text, owner) != 0)
			continue;
		see_signature(s, &rr);
		if (rr.type == (unsigned)s->type && !add_answer(s, &r, &rr))
			return false;
		if (rr.type != DNS_CNAME || s->type == DNS_CNAME || *has_alias)
			continue;
		if (!dns_rr_name(&r, &rr, 0, alias))
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
	struct dns_name alias;
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
static void read_rest(struct dns_reader *r, unsigned authority, unsigned additional, struct dns_reply *reply, uint32_t *negative)
{
	struct dns_rr rr;

	for (unsigned i = 0; i < authority + additional; i++) {
		dns_read_rr(r, &rr);
		if (r->bad)
			return;
		if (i < authority && rr.type == DNS_SOA && rr.class == CLASS_IN && rr.data_n >= 22) {
			uint32_t minimum = dns_get32(r->p + rr.data + rr.data_n - 4);

			reply->negative_proof = true;
			*negative = minimum < rr.ttl ? minimum : rr.ttl;
		}
		if (i >= authority && rr.type == TYPE_OPT)
			reply->rcode |= (int)(dns_get16(r->p + rr.data - 6) >> 8) << 4;
	}
}

static bool is_for_us(struct dns_reader *r, uint16_t id, const char *name, enum dns_type type)
{
	struct dns_name asked;

	if (r->n < DNS_HEADER || dns_get16(r->p) != id || (dns_get16(r->p + 2) & (FLAG_QR | OPCODE)) != FLAG_QR || dns_get16(r->p + 4) != 1)
		return false;
	r->at = DNS_HEADER;
	dns_read_name(r, &asked);
	if (r->bad || r->n - r->at < 4 || asked.odd || strcmp(asked.text, name) != 0)
		return false;
	r->at += 4;
	return dns_get16(r->p + r->at - 4) == (unsigned)type && dns_get16(r->p + r->at - 2) == CLASS_IN;
}

static void malformed(struct dns_answer *out, struct dns_reply *reply)
{
	reply->rcode = DNS_RCODE_MALFORMED;
	out->records = NULL;
	out->n = 0;
	out->status = DNS_AGAIN;
}

static void read_answers(struct arena *a, struct dns_reader *r, const char *name, enum dns_type type, struct dns_answer *out,
	struct dns_reply *reply)
{
	struct answers s = { .a = a, .r = *r, .count = dns_get16(r->p + 6), .type = type, .out = out, .ttl = TTL_MAX };
	uint32_t negative = 0;
	struct dns_rr rr;

	for (unsigned i = 0; i < s.count && !r->bad; i++)
		dns_read_rr(r, &rr);
	if (!r->bad)
		read_rest(r, dns_get16(r->p + 8), dns_get16(r->p + 10), reply, &negative);
	if (r->bad) {
		malformed(out, reply);
		return;
	}
	if (reply->rcode != DNS_RCODE_OK && reply->rcode != DNS_RCODE_NXDOMAIN)
		return;
	/* without recursion, a referral tells what the server knows of another's zone: its servers, and their addresses */
	if (!(dns_get16(r->p + 2) & FLAG_RD) && !reply->negative_proof)
		s.more = dns_get16(r->p + 8) + dns_get16(r->p + 10);
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
	struct dns_reader r = { .p = p, .n = n };
	char clean[256];
	unsigned flags;

	type = (enum dns_type)(type & 0xffff);
	if (!dns_type_is_known(type) || !dns_name_clean(name, clean) || !is_for_us(&r, id, clean, type))
		return -1;
	flags = dns_get16(p + 2);
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
