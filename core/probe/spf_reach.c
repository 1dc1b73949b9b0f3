/* spf_reach.c - see spf_reach.h. A network whose other half is there becomes the one above both. */
#include "core/base/term.h"
#include "core/probe/spf.h"

enum { WIDE = 8 };                    /* a network that nobody has all of */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct network nobody[] = {
	{ { AF_INET, { 0 } }, 8 }, { { AF_INET, { 10 } }, 8 }, { { AF_INET, { 127 } }, 8 }, { { AF_INET, { 169, 254 } }, 16 },
	{ { AF_INET, { 172, 16 } }, 12 }, { { AF_INET, { 192, 168 } }, 16 }, { { AF_INET, { 100, 64 } }, 10 }, { { AF_INET, { 224 } }, 3 },
	{ { AF_INET6, { 0 } }, 3 }, { { AF_INET6, { 0x40 } }, 2 }, { { AF_INET6, { 0x80 } }, 1 },
};

static struct network masked(const struct ipaddr *a, unsigned prefix)
{
	struct network n = { *a, prefix };

	for (unsigned bit = prefix; bit < (a->family == AF_INET ? 32 : 128); bit++)
		n.net.b[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
	return n;
}

static bool has(const struct network *outer, const struct network *inner)
{
	return outer->net.family == inner->net.family && outer->prefix <= inner->prefix && network_has(outer, &inner->net);
}

void spf_reach_add(struct spf_reach *r, const struct ipaddr *a, unsigned prefix)
{
	struct network n = masked(a, prefix), other;
	bool joined = true;

	while (joined) {
		joined = false;
		other = n;
		if (n.prefix)
			other.net.b[(n.prefix - 1) / 8] ^= (uint8_t)(0x80 >> (n.prefix - 1) % 8);
		for (size_t i = 0; i < r->n;) {
			if (has(&r->v[i], &n))
				return;
			joined |= n.prefix && has(&r->v[i], &other);
			if (has(&n, &r->v[i]))
				r->v[i] = r->v[--r->n];
			else
				i++;
		}
		if (joined)
			n = masked(&n.net, n.prefix - 1);
	}
	if (r->n < LIMIT_SPF_REACH)
		r->v[r->n++] = n;
}

void spf_reach_init(struct spf_reach *r)
{
	r->n = 0;
	for (size_t i = 0; i < COUNT(nobody); i++)
		spf_reach_add(r, &nobody[i].net, nobody[i].prefix);
}

bool spf_reach_is_all(const struct spf_reach *r, int family)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].net.family == family && !r->v[i].prefix)
			return true;
	return false;
}

/* --- of a walk ------------------------------------------------------------------------------------------------------ */

void spf_note(struct spf *s, enum spf_odd kind, struct str text)
{
	if (s->client.family == AF_UNSPEC && !s->odd[kind][0])
		term_cut(text, s->odd[kind], sizeof(s->odd[kind]));
}

/* a walk meets a network: of those who pass, or a wall before all that comes behind it */
void spf_reach_net(struct spf *s, const struct ipaddr *net, unsigned prefix, char qualifier)
{
	bool v6 = net->family == AF_INET6, was = s->open[v6];

	if (s->shut[v6] || s->client.family != AF_UNSPEC)
		return;
	if (!s->passing || qualifier != '+') {
		s->shut[v6] = s->passing && !prefix;
		return;
	}
	s->sends[v6] = true;
	if (prefix && prefix < WIDE && !v6)
		spf_note(s, SPF_ODD_WIDE, s->top);
	spf_reach_add(&s->reach, net, prefix);
	s->open[v6] = spf_reach_is_all(&s->reach, net->family);
	if (s->open[v6] && !was && !s->opener[0])
		term_cut(s->top, s->opener, sizeof(s->opener));
}

void spf_reach_everybody(struct spf *s, char qualifier)
{
	spf_reach_net(s, &(struct ipaddr){ .family = AF_INET }, 0, qualifier);
	spf_reach_net(s, &(struct ipaddr){ .family = AF_INET6 }, 0, qualifier);
}
