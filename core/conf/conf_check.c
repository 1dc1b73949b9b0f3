/* conf_check - names that are set but not ours: accept, warn, or refuse to start. */
#include "core/base/limits.h"
#include "core/conf/conf_private.h"

/* mentions - does text hold $name, ${name or $(name? */
static bool mentions(const char *text, struct str name)
{
	struct str rest = str_of(text);

	for (;;) {
		ptrdiff_t at = str_chr(rest, '$');

		if (at < 0)
			return false;
		rest = str_from(rest, (size_t)at + 1);
		while (rest.n && (rest.p[0] == '{' || rest.p[0] == '(' || rest.p[0] == ' '))
			rest = str_from(rest, 1);
		if (str_starts(rest, name) &&
		    (rest.n == name.n || (!ascii_is_alnum(rest.p[name.n]) && rest.p[name.n] != '_')))
			return true;
	}
}

static bool is_macro(const struct conf *c, struct str name, const char *more_text)
{
	for (const struct conf_source *s = c->source; s; s = s->base)
		for (size_t i = 0; i < s->n; i++)
			if (mentions(s->v[i]->raw, name))
				return true;
	for (size_t i = 0; i < n_params; i++)
		if (params[i].dflt && mentions(params[i].dflt, name))
			return true;
	return more_text && mentions(more_text, name);
}

/* is_class - a restriction list of one's own, which smtpd_restriction_classes names */
static bool is_class(const struct conf *c, struct str name)
{
	struct str rest = str_of(conf_get(c, "smtpd_restriction_classes")), word;

	while (str_word(&rest, ", \t\r\n", &word))
		if (str_eq(word, name))
			return true;
	return false;
}

static void check_unknown(const struct conf *c, const struct conf_entry *e, const char *more_text, struct conf_diag *diag)
{
	char nearest[80], text[400];

	if (is_macro(c, str_of(e->name), more_text) || is_class(c, str_of(e->name)))
		return;
	if (name_nearest(str_of(e->name), nearest, sizeof(nearest)))
		snprintf(text, sizeof(text), "unknown parameter %.100s: it has no effect; did you mean %s?", e->name, nearest);
	else
		snprintf(text, sizeof(text), "unknown parameter %.100s: it has no effect", e->name);
	conf_add_error(diag, e, CONF_WARNING, text);
}

/* same_list - the same words, whatever separates them */
static bool same_list(struct str a, struct str b)
{
	struct str x, y;

	for (;;) {
		bool more_a = str_word(&a, ", \t\r\n", &x), more_b = str_word(&b, ", \t\r\n", &y);

		if (!more_a || !more_b)
			return more_a == more_b;
		if (!str_ieq(x, y))
			return false;
	}
}

static void check_dangerous(const struct conf_entry *e, struct str value, const char *harmless, const char *advice,
	struct conf_diag *diag)
{
	char text[500];

	if (!value.n || same_list(value, str_of(harmless)) || str_eq(str_of(e->raw), str_of(harmless)))
		return;
	snprintf(text, sizeof(text), "%.100s is not implemented, and must not be ignored: %s", e->name, advice);
	conf_add_error(diag, e, CONF_ERROR, text);
}

/* parts of a cipher's name that relaybox's TLS has none of, so what has one of them is excluded already */
static const char absent_ciphers[] = "aNULL eNULL NULL EXPORT EXPORT40 EXPORT56 EXP LOW MEDIUM DES 3DES DES3 CBC3 RC2 RC4 MD2 MD5 DSS aDSS PSK "
	"aPSK kPSK SRP aSRP SSLv2 IDEA SEED CAMELLIA CAMELLIA128 CAMELLIA256 ARIA ARIA128 ARIA256 ADH AECDH DH EDH DHE DHr kDH kDHr kDHd kEDH kDHE "
	"aDH aECDH kECDH kECDHr kECDHe ECDHr KRB5 aKRB5 GOST aGOST kGOST GOST89MAC CCM CCM8 AESCCM AESCCM8";

static bool is_absent_cipher(struct str word)
{
	struct str part;

	while (str_word(&word, "+-", &part)) {
		struct str rest = str_of(absent_ciphers), one;

		while (str_word(&rest, " ", &one))
			if (str_ieq(part, one))
				return true;
	}
	return false;
}

static void check_excluded(const struct conf_entry *e, struct str value, struct conf_diag *diag)
{
	struct str word;
	char text[400];

	while (str_word(&value, ":, \t\r\n", &word)) {
		if (is_absent_cipher(word))
			continue;
		snprintf(text, sizeof(text), "%.100s: \"%.*s\" would be used all the same, for the ciphers of relaybox are fixed (ECDHE, RSA; "
			"AES-GCM, AES-CBC, CHACHA20): take it out", e->name, STR_ARG(str_head(word, 60)));
		conf_add_error(diag, e, CONF_ERROR, text);
		return;
	}
}

/* delivers_locally - may mail end in a mailbox of this host? */
static bool delivers_locally(const struct conf *c)
{
	struct str transport = str_of(c->local_transport);
	ptrdiff_t colon = str_chr(transport, ':');

	return *c->mydestination && str_eq(str_trim(str_head(transport, colon < 0 ? transport.n : (size_t)colon)), STR("local"));
}

static void check_transport(const struct conf_entry *e, struct str value, struct conf_diag *diag)
{
	enum param_kind kind;
	const char *suffix;
	struct buf why;
	int64_t v;

	if (!name_is_transport_specific(str_of(e->name), &suffix, &kind) || kind == PARAM_TEXT)
		return;
	buf_init(&why, 500);
	if (!param_check(kind, 's', 0, 31536000, str_of(e->name), str_trim(value), &v, &why))
		conf_add_error(diag, e, CONF_ERROR, buf_cstr(&why));
	buf_fini(&why);
}

static void check_entry(const struct conf *c, const struct conf_entry *e, const char *more_text, struct conf_diag *diag)
{
	const char *advice, *harmless;
	enum name_class class = name_class(str_of(e->name), &advice, &harmless);
	struct buf value, why;
	char text[300];

	if (class == NAME_KNOWN || class == NAME_IGNORED)
		return;
	buf_init(&value, LIMIT_CONF_VALUE);
	buf_init(&why, 1024);
	if (expand_value(c, str_of(e->name), &value, &why) < 0) {
		snprintf(text, sizeof(text), "%.150s in the value of %.100s", buf_cstr(&why), e->name);
		conf_add_error(diag, e, CONF_ERROR, text);
	} else if (class == NAME_TRANSPORT) {
		check_transport(e, buf_view(&value), diag);
	} else if (class == NAME_ERROR) {
		check_dangerous(e, str_trim(buf_view(&value)), harmless, advice, diag);
	} else if (class == NAME_LOCAL) {
		if (delivers_locally(c))
			check_dangerous(e, str_trim(buf_view(&value)), harmless, advice, diag);
	} else if (class == NAME_EXCLUDE) {
		check_excluded(e, buf_view(&value), diag);
	} else if (class == NAME_UNKNOWN) {
		check_unknown(c, e, more_text, diag);
	} else if (value.n && !same_list(buf_view(&value), str_of(harmless))) {
		snprintf(text, sizeof(text), "%.100s is a Postfix parameter that relaybox does not implement: it has no effect", e->name);
		conf_add_error(diag, e, CONF_WARNING, text);
	}
	buf_fini(&value);
	buf_fini(&why);
}

void conf_check_entries(const struct conf *c, size_t from, const char *more_text, struct conf_diag *diag)
{
	for (size_t i = from; i < c->source->n; i++)
		check_entry(c, c->source->v[i], more_text, diag);
}
