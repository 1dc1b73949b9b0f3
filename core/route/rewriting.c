/* rewriting - see rewriting.h: the tables and what the parameters beside them say. */
#include "core/route/rewriting.h"

#include "core/base/str.h"
#include "core/route/keys.h"

/* --- opening ---------------------------------------------------------------------------------------------------------- */

struct word { const char *name; unsigned bit; };

static const struct word places[] = {
	{ "envelope_sender", PLACE_ENVELOPE_SENDER }, { "envelope_recipient", PLACE_ENVELOPE_RECIPIENT },
	{ "header_sender", PLACE_HEADER_SENDER }, { "header_recipient", PLACE_HEADER_RECIPIENT }, { NULL, 0 },
};
static const struct word extensions[] = {
	{ "canonical", EXTENSION_CANONICAL }, { "virtual", EXTENSION_VIRTUAL }, { "alias", EXTENSION_ALIAS },
	{ "forward", EXTENSION_FORWARD }, { "include", EXTENSION_INCLUDE }, { "generic", EXTENSION_GENERIC }, { NULL, 0 },
};

static unsigned bits_of(const struct word *words, const char *list, struct buf *why)
{
	struct str rest = str_of(list), w;
	unsigned bits = 0;
	size_t i;

	while (str_word(&rest, ", \t\r\n", &w)) {
		for (i = 0; words[i].name && !str_ieq(w, str_of(words[i].name));)
			i++;
		bits |= words[i].bit;
		if (words[i].name)
			continue;
		buf_printf(why, "\"%.*s\" is none of", STR_ARG(str_head(w, 100)));
		for (i = 0; words[i].name; i++)
			buf_printf(why, "%s %s", i ? "," : "", words[i].name);
		return bits;
	}
	return bits;
}

static unsigned read_bits(const struct word *words, const char *parameter, const char *list, struct conf_diag *diag)
{
	unsigned bits;
	struct buf why;

	buf_init(&why, 400);
	bits = bits_of(words, list, &why);
	if (why.n)
		conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: %s", parameter, buf_cstr(&why));
	buf_fini(&why);
	return bits;
}

unsigned rewriting_propagate(const char *list, struct buf *why)
{
	return bits_of(extensions, list, why);
}

/* each - the tables, one after the other; NULL behind the last */
static struct address_maps *each(struct rewriting *w, size_t i)
{
	struct address_maps *const all[] = {
		&w->canonical, &w->sender_canonical, &w->recipient_canonical, &w->virtual_alias, &w->sender_bcc, &w->recipient_bcc,
		&w->relocated, NULL,
	};

	return all[i];
}

void rewriting_open(struct rewriting *w, const struct conf *c, struct conf_diag *diag)
{
	const struct { const char *name, *list; } values[] = {
		{ "canonical_maps", c->canonical_maps }, { "sender_canonical_maps", c->sender_canonical_maps },
		{ "recipient_canonical_maps", c->recipient_canonical_maps }, { "virtual_alias_maps", c->virtual_alias_maps },
		{ "sender_bcc_maps", c->sender_bcc_maps }, { "recipient_bcc_maps", c->recipient_bcc_maps },
		{ "relocated_maps", c->relocated_maps },
	};
	struct address_maps *m;
	struct buf why;

	buf_init(&why, 1024);
	for (size_t i = 0; (m = each(w, i)); i++) {
		m->parameter = values[i].name;
		if (maps_open(&m->maps, values[i].list, &why) < 0)
			conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: %s", m->parameter, buf_cstr(&why));
		buf_clear(&why);
		for (size_t j = 0; j < m->maps.n; j++)
			keys_advise(m->maps.v[j], m->parameter, KEYS_ADDRESS, c, diag);
	}
	buf_fini(&why);
	w->canonical_places = read_bits(places, "canonical_classes", c->canonical_classes, diag);
	w->sender_canonical_places = read_bits(places, "sender_canonical_classes", c->sender_canonical_classes, diag);
	w->recipient_canonical_places = read_bits(places, "recipient_canonical_classes", c->recipient_canonical_classes, diag);
	w->masquerade_places = read_bits(places, "masquerade_classes", c->masquerade_classes, diag);
	w->propagate = read_bits(extensions, "propagate_unmatched_extensions", c->propagate_unmatched_extensions, diag);
	w->any = w->canonical.maps.n || w->sender_canonical.maps.n || w->recipient_canonical.maps.n || *c->masquerade_domains;
}

void rewriting_close(struct rewriting *w)
{
	struct address_maps *m;

	for (size_t i = 0; (m = each(w, i)); i++)
		maps_close(&m->maps);
}

void rewriting_refresh(struct rewriting *w, usec now_mono)
{
	struct address_maps *m;

	for (size_t i = 0; (m = each(w, i)); i++)
		maps_refresh(&m->maps, now_mono);
}
