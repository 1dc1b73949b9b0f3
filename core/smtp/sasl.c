/* sasl - see sasl.h. A table of mechanisms, best first; each step function gets the decoded challenge and gives the raw
 * response. The plain text ones need the channel to be safe: that is the owner's to see to, with SASL_NO_PLAINTEXT. */
#include "core/smtp/sasl.h"

#include "core/base/mem.h"
#include "core/net/tls.h"
#include "core/smtp/grammar.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool plain(struct sasl_client *s, struct str challenge, struct buf *out)
{
	if (s->step > 1 || challenge.n > 0)
		return false;
	buf_byte(out, 0);
	buf_str(out, s->user);
	buf_byte(out, 0);
	return buf_str(out, s->password);
}

/* the prompts differ between servers; only their order is sure */
static bool login(struct sasl_client *s, struct str challenge, struct buf *out)
{
	(void)challenge;
	return s->step <= 2 && buf_str(out, s->step == 1 ? s->user : s->password);
}

static bool cram_md5(struct sasl_client *s, struct str challenge, struct buf *out)
{
	uint8_t digest[16];

	if (s->step > 1 || challenge.n == 0)
		return false;
	tls_hmac_md5(digest, s->password.p, s->password.n, challenge.p, challenge.n);
	buf_str(out, s->user);
	buf_byte(out, ' ');
	buf_hex(out, digest, sizeof(digest));
	mem_wipe(digest, sizeof(digest));
	return !out->overflow;
}

static bool xoauth2(struct sasl_client *s, struct str challenge, struct buf *out)
{
	/* step 2: the challenge is the error as JSON, an empty response asks for the refusal */
	if (s->step > 1)
		return s->step == 2 && challenge.n > 0;
	return buf_printf(out, "user=%.*s\001auth=Bearer %.*s\001\001", STR_ARG(s->user), STR_ARG(s->password));
}

/* RFC 5801: ',' and '=' are written as "=2C" and "=3D" in a user name */
static void add_saslname(struct buf *out, struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == ',')
			buf_z(out, "=2C");
		else if (name.p[i] == '=')
			buf_z(out, "=3D");
		else
			buf_byte(out, name.p[i]);
	}
}

static bool oauthbearer(struct sasl_client *s, struct str challenge, struct buf *out)
{
	/* RFC 7628 section 3.2.3: a lone ^A acknowledges the error */
	if (s->step > 1)
		return s->step == 2 && challenge.n > 0 && buf_byte(out, 1);
	buf_z(out, "n,a=");
	add_saslname(out, s->user);
	return buf_printf(out, ",\001auth=Bearer %.*s\001\001", STR_ARG(s->password));
}

static const struct mechanism {
	const char *name;
	unsigned lacks;          /* properties that forbid it */
	bool initial;
	bool only_if_filtered;   /* the password is a token: only when the filter asks for it by name */
	bool (*respond)(struct sasl_client *s, struct str challenge, struct buf *out);
} mechanisms[] = {
	{ "OAUTHBEARER", SASL_NO_PLAINTEXT | SASL_NO_DICTIONARY | SASL_NO_ACTIVE, true, true, oauthbearer },
	{ "XOAUTH2", SASL_NO_PLAINTEXT | SASL_NO_DICTIONARY | SASL_NO_ACTIVE, true, true, xoauth2 },
	{ "CRAM-MD5", SASL_NO_DICTIONARY | SASL_NO_ACTIVE, false, false, cram_md5 },
	{ "PLAIN", SASL_NO_PLAINTEXT | SASL_NO_DICTIONARY | SASL_NO_ACTIVE, true, false, plain },
	{ "LOGIN", SASL_NO_PLAINTEXT | SASL_NO_DICTIONARY | SASL_NO_ACTIVE, false, false, login },
};

static const struct mechanism *find(const char *name)
{
	for (size_t i = 0; i < COUNT(mechanisms); i++)
		if (str_ieq(str_of(name), str_of(mechanisms[i].name)))
			return &mechanisms[i];
	return NULL;
}

unsigned sasl_parse_properties(const char *list, struct buf *why)
{
	static const struct { const char *word; unsigned bit; } words[] = {
		{ "noplaintext", SASL_NO_PLAINTEXT }, { "noanonymous", SASL_NO_ANONYMOUS },
		{ "nodictionary", SASL_NO_DICTIONARY }, { "noactive", SASL_NO_ACTIVE },
		/* Cyrus words that none of these mechanisms can satisfy or breach in another way */
		{ "forward_secrecy", 0 }, { "mutual_auth", SASL_NO_PLAINTEXT | SASL_NO_DICTIONARY | SASL_NO_ACTIVE },
	};
	struct str rest = str_of(list), word;
	unsigned bits = 0;

	while (str_word(&rest, " \t,\r\n", &word)) {
		size_t i = 0;

		while (i < COUNT(words) && !str_ieq(word, str_of(words[i].word)))
			i++;
		if (i < COUNT(words))
			bits |= words[i].bit;
		else
			buf_printf(why, "%sunknown SASL security option \"%.*s\"", why->n ? ", " : "", STR_ARG(str_head(word, 40)));
	}
	return bits;
}

/* Postfix's mechanism filter is a list with "!" for not; first match decides. An empty one lets all through. */
static bool filter_allows(const char *filter, const char *name, bool *named)
{
	struct str rest = str_of(filter), word;
	bool any = false;

	*named = false;
	while (str_word(&rest, " \t,\r\n", &word)) {
		bool negated = word.p[0] == '!';

		any = true;
		word = str_from(word, negated);
		if (str_ieq(word, STR("static:all")) || str_ieq(word, STR("static:rest")) || str_eq(word, STR("*")))
			return !negated;
		if (str_ieq(word, str_of(name))) {
			*named = !negated;
			return !negated;
		}
	}
	return !any;
}

bool sasl_filter_allows(const char *filter, const char *name)
{
	bool named;

	return filter_allows(filter, name, &named);
}

const char *sasl_choose(const char *offered, unsigned forbidden, const char *filter, struct buf *why)
{
	struct str shown;

	for (size_t i = 0; i < COUNT(mechanisms); i++) {
		const struct mechanism *m = &mechanisms[i];
		bool named;

		if (!grammar_has_word(offered, str_of(m->name)) || (m->lacks & forbidden))
			continue;
		if (filter_allows(filter, m->name, &named) && (named || !m->only_if_filtered))
			return m->name;
	}
	shown = str_head(str_trim(str_of(offered)), 200);
	buf_printf(why, "no mechanism available (offered: %.*s)", STR_ARG(shown.n ? shown : STR("none")));
	return NULL;
}

bool sasl_has_initial(const char *mechanism)
{
	const struct mechanism *m = find(mechanism);

	return m && m->initial;
}

bool sasl_takes_token(const char *mechanism)
{
	const struct mechanism *m = find(mechanism);

	return m && m->only_if_filtered;
}

bool sasl_respond(struct sasl_client *s, struct str challenge, struct buf *out)
{
	const struct mechanism *m = find(s->mechanism);

	if (!m)
		return false;
	s->step++;
	return m->respond(s, challenge, out) && !out->overflow;
}
