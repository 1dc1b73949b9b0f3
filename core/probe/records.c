/* records.c - the TXT records: one grammar, a table of tags for each kind. */
#include "core/probe/records.h"

#include <stdio.h>

#include "core/msg/mime.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct str tags_find(const struct fact *f, struct str version, size_t *count)
{
	struct str found = STR_EMPTY;

	*count = 0;
	for (size_t i = 0; i < f->n; i++)
		if (tags_begin(fact_text(f, i), version) && !(*count)++)
			found = fact_text(f, i);
	return found;
}

static const struct tag_rule dmarc_rules[DMARC_TAGS] = {
	[DMARC_P] = { STR("p"), "none quarantine reject", true }, [DMARC_SP] = { STR("sp"), "none quarantine reject", false },
	[DMARC_PCT] = { STR("pct"), "#100", false }, [DMARC_RUA] = { STR("rua"), NULL, false },
	[DMARC_RUF] = { STR("ruf"), NULL, false }, [DMARC_ADKIM] = { STR("adkim"), "r s", false },
	[DMARC_ASPF] = { STR("aspf"), "r s", false }, [DMARC_FO] = { STR("fo"), ":0 1 d s", false },
	[DMARC_RF] = { STR("rf"), ":afrf", false }, [DMARC_RI] = { STR("ri"), "#4294967295", false },
	[DMARC_T] = { STR("t"), "y n", false }, [DMARC_NP] = { STR("np"), "none quarantine reject", false },
	[DMARC_PSD] = { STR("psd"), "y n u", false },
};

static void dmarc_wrong(struct dmarc *d, struct str at, const char *why)
{
	if (d->n_wrong < DMARC_WRONG_MOST) {
		d->wrong[d->n_wrong].at = at;
		d->wrong[d->n_wrong++].why = why;
	}
}

static void dmarc_tag(struct dmarc *d, struct str tag)
{
	ptrdiff_t is = str_chr(tag, '=');
	struct str name = str_trim(str_head(tag, is < 0 ? 0 : (size_t)is));
	const char *wrong = tags_take(tag, dmarc_rules, DMARC_TAGS, d->values);
	bool known = false;

	for (int i = 0; i < DMARC_TAGS; i++) {
		bool it = str_eq(name, dmarc_rules[i].name);

		known |= it;
		if (!it && str_ieq(name, dmarc_rules[i].name))
			wrong = "names of tags are small letters (RFC 6376 3.2): not everybody reads it";
		/* the value that is not allowed was taken; the first of two stays */
		if (it && wrong && !tags_allow(d->values[i], dmarc_rules[i].allowed)) {
			d->values[i] = STR_EMPTY;
			d->only_none |= i == DMARC_P || i == DMARC_SP || i == DMARC_NP;
		}
	}
	if (wrong)
		dmarc_wrong(d, tag, wrong);
	else if (!known && !d->unknown.n)
		d->unknown = tag;
}

/* the good ones of a list of addresses; those that are not are told */
static size_t dmarc_reports(struct dmarc *d, int i)
{
	struct str rest = d->values[i], scheme, body, before;
	size_t good = 0;
	int more;

	for (before = rest; (more = uri_next(&rest, &scheme, &body)) != 0; before = rest) {
		struct str one = STR_EMPTY;

		str_cut(&before, ',', &one);
		good += more > 0;
		if (more < 0 && str_trim(one).n)
			dmarc_wrong(d, str_trim(one), "not a mailto: address");
	}
	return good;
}

const char *dmarc_parse(struct str text, struct dmarc *d, struct str *at)
{
	size_t reports;

	*d = (struct dmarc){ .n_wrong = 0 };
	*at = STR_EMPTY;
	str_cut(&text, ';', at);
	if (!tags_begin(*at, STR("DMARC1")))
		return str_istarts(str_trim(*at), STR("v")) ? "not the version that is known" : "the version must come first";
	while (str_cut(&text, ';', at))
		if (str_trim(*at).n)
			dmarc_tag(d, str_trim(*at));
	reports = dmarc_reports(d, DMARC_RUA);
	dmarc_reports(d, DMARC_RUF);
	d->only_none |= !d->values[DMARC_P].p;
	if (d->only_none && !reports) {
		*at = d->n_wrong ? d->wrong[0].at : STR("p");
		return d->n_wrong ? d->wrong[0].why : "missing";
	}
	return NULL;
}

/* blanks may stand anywhere in base64 (RFC 6376 3.2) */
static bool decode(struct str text, struct buf *out)
{
	struct buf dense;
	bool good;

	buf_init(&dense, text.n + 1);
	for (size_t i = 0; i < text.n; i++)
		if (!ascii_is_space(text.p[i]))
			buf_byte(&dense, text.p[i]);
	good = mime_base64_decode(out, buf_view(&dense)) && out->n;
	buf_fini(&dense);
	return good;
}

bool dkim_public(const struct dkim *d, struct buf *out)
{
	return decode(d->values[DKIM_P], out);
}

const char *dkim_parse(struct str text, struct dkim *out, struct str *at)
{
	static const struct tag_rule rules[DKIM_TAGS] = {
		[DKIM_K] = { STR("k"), "rsa ed25519", false }, [DKIM_P] = { STR("p"), NULL, true }, [DKIM_H] = { STR("h"), NULL, false },
		[DKIM_T] = { STR("t"), NULL, false }, [DKIM_S] = { STR("s"), NULL, false },
	};
	const char *wrong = tags_parse(text, STR("DKIM1"), true, rules, DKIM_TAGS, out->values, at);
	bool ed25519;
	struct buf der;
	uint64_t bits = 0;

	out->key[0] = 0;
	out->bits = 0;
	if (wrong)
		return wrong;
	out->revoked = !out->values[DKIM_P].n;
	out->testing = str_has_word(out->values[DKIM_T], ": \t", STR("y"));
	out->mail = !out->values[DKIM_S].n || str_has_word(out->values[DKIM_S], ": \t", STR("*")) || str_has_word(out->values[DKIM_S], ": \t", STR("email"));
	ed25519 = str_ieq(out->values[DKIM_K], STR("ed25519"));
	*at = STR("p");
	if (out->revoked)
		return NULL;
	buf_init(&der, text.n);
	if (!decode(out->values[DKIM_P], &der))
		wrong = "not base64";
	else if (ed25519 ? der.n != 32 : !tls_public_key(der.p, der.n, out->key) || !str_starts(str_of(out->key), STR("RSA ")))
		wrong = "not a public key of its kind";
	else if (ed25519)
		snprintf(out->key, sizeof(out->key), "Ed25519");
	else
		str_to_u64(str_of(out->key + 4), &bits);
	out->bits = ed25519 ? 256 : (unsigned)bits;
	buf_fini(&der);
	return wrong;
}

static bool is_https(struct str s)
{
	return str_istarts(s, STR("https://")) && s.n > 8;
}

const char *bimi_parse(struct str text, struct str values[BIMI_TAGS], struct str *at)
{
	static const struct tag_rule rules[BIMI_TAGS] = { [BIMI_L] = { STR("l"), NULL, true }, [BIMI_A] = { STR("a"), NULL, false },
		[BIMI_AVP] = { STR("avp"), "brand personal", false }, [BIMI_LPS] = { STR("lps"), NULL, false } };
	const char *wrong = tags_parse(text, STR("BIMI1"), false, rules, BIMI_TAGS, values, at);

	for (int i = 0; !wrong && i <= BIMI_A; i++) {
		*at = values[i];
		if (at->n && !is_https(*at))
			wrong = "not an https: address";
	}
	return wrong;
}
