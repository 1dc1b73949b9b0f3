/* conf_check - names that are set but not ours: accept, warn, or refuse to start. */
#include "core/base/fs.h"
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

/* master_mentions - master.cf may name macros that main.cf defines; it is read here when there is a name to be looked for */
static bool master_mentions(const struct conf *c, struct str name)
{
	struct buf path, text;
	bool found;

	buf_init(&path, LIMIT_CONF_VALUE);
	buf_init(&text, LIMIT_CONF_FILE);
	buf_printf(&path, "%s/master.cf", c->config_directory);
	found = fs_read_file(buf_cstr(&path), &text) == 0 && mentions(buf_cstr(&text), name);
	buf_fini(&path);
	buf_fini(&text);
	return found;
}

static bool is_macro(const struct conf *c, struct str name, bool with_master)
{
	for (const struct conf_source *s = c->source; s; s = s->base)
		for (size_t i = 0; i < s->n; i++)
			if (mentions(s->v[i]->raw, name))
				return true;
	for (size_t i = 0; i < n_params; i++)
		if (params[i].dflt && mentions(params[i].dflt, name))
			return true;
	return with_master && master_mentions(c, name);
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

static void check_unknown(const struct conf *c, const struct conf_entry *e, bool with_master, struct conf_diag *diag)
{
	char nearest[80];

	if (is_macro(c, str_of(e->name), with_master) || is_class(c, str_of(e->name)))
		return;
	if (name_nearest(str_of(e->name), nearest, sizeof(nearest)))
		conf_add_error(diag, e, CONF_WARNING, "unknown parameter %.100s: it has no effect; did you mean %s?", e->name, nearest);
	else
		conf_add_error(diag, e, CONF_WARNING, "unknown parameter %.100s: it has no effect", e->name);
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

/* is_harmless - empty, or what is done here anyway */
static bool is_harmless(const struct conf_entry *e, struct str value, const char *harmless)
{
	return !value.n || same_list(value, str_of(harmless)) || str_eq(str_of(e->raw), str_of(harmless));
}

/* is_fellow - is it set to something, and is the same advice about it? */
static bool is_fellow(const struct conf *c, const struct conf_entry *e, const char *advice)
{
	const char *own, *harmless;
	enum name_class class = name_class(str_of(e->name), &own, &harmless);
	struct buf value, why;
	bool is;

	if (class < NAME_LOCAL || strcmp(own, advice) != 0)
		return false;
	buf_init(&value, LIMIT_CONF_VALUE);
	buf_init(&why, 1024);
	is = expand_value(c, str_of(e->name), &value, &why) == 0 && !is_harmless(e, str_trim(buf_view(&value)), harmless);
	buf_fini(&value);
	buf_fini(&why);
	return is;
}

/* check_dangerous - one line for all that the same advice is about, at the first of them */
static void check_dangerous(const struct conf *c, size_t from, const struct conf_entry *e, struct str value, const char *harmless, const char *advice,
	struct conf_diag *diag)
{
	struct buf names;
	unsigned n = 0;

	if (is_harmless(e, value, harmless))
		return;
	buf_init(&names, 400);
	for (size_t i = from; i < c->source->n; i++) {
		const struct conf_entry *other = c->source->v[i];

		if (!is_fellow(c, other, advice))
			continue;
		if (!n && other != e)
			break;
		buf_printf(&names, "%s%.100s", n++ ? ", " : "", other->name);
	}
	if (n)
		conf_add_error(diag, e, CONF_ERROR, "%s %s not implemented, and must not be ignored: %s", buf_cstr(&names), n > 1 ? "are" : "is", advice);
	buf_fini(&names);
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

	while (str_word(&value, ":, \t\r\n", &word)) {
		if (is_absent_cipher(word))
			continue;
		conf_add_error(diag, e, CONF_ERROR, "%.100s: \"%.*s\" would be used all the same, for the ciphers of relaybox are fixed (ECDHE, RSA; "
			"AES-GCM, AES-CBC, CHACHA20): take it out", e->name, STR_ARG(str_head(word, 60)));
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

/* check_other - what is not done, and missed by nobody who has this value */
static void check_other(const struct conf_entry *e, struct str value, const char *harmless, const char *advice, struct conf_diag *diag)
{
	if (is_harmless(e, value, harmless))
		return;
	conf_add_error(diag, e, CONF_WARNING, "%.100s is not implemented: %s%s", e->name, *advice ? "" : "things are done as with ",
		*advice ? advice : harmless);
}

/* check_feedback - number, number/concurrency, number/sqrt_concurrency */
static void check_feedback(const struct conf_entry *e, struct str value, struct conf_diag *diag)
{
	const struct str per[] = { STR("/concurrency"), STR("/sqrt_concurrency") };
	struct str number = value;
	size_t digits = 0;

	for (size_t i = 0; i < 2; i++)
		if (str_ends(number, per[i]))
			number = str_head(number, number.n - per[i].n);
	for (size_t i = 0; i < number.n; i++)
		digits += ascii_is_digit(number.p[i]) || number.p[i] == '.';
	if (!digits || digits != number.n)
		conf_add_error(diag, e, CONF_ERROR, "bad value \"%.*s\" for %.100s: use a number, number/concurrency or number/sqrt_concurrency",
			STR_ARG(str_head(value, 60)), e->name);
}

static void check_transport(const struct conf_entry *e, struct str value, struct conf_diag *diag)
{
	enum param_kind kind;
	const char *suffix, *advice, *harmless;
	char whole[80];
	struct buf why;
	int64_t v;

	if (!name_is_transport_specific(str_of(e->name), &suffix, &kind))
		return;
	snprintf(whole, sizeof(whole), "default_%s", suffix);
	if (name_class(str_of(whole), &advice, &harmless) == NAME_WARNING)
		check_other(e, str_trim(value), harmless, advice, diag);
	if (kind == PARAM_TEXT || !value.n)
		return;
	buf_init(&why, 500);
	if (!param_check(kind, 's', 0, 31536000, str_of(e->name), str_trim(value), &v, &why))
		conf_add_error(diag, e, CONF_ERROR, "%s", buf_cstr(&why));
	buf_fini(&why);
}

static void check_entry(const struct conf *c, size_t from, const struct conf_entry *e, bool with_master, struct conf_diag *diag)
{
	const char *advice, *harmless;
	enum name_class class = name_class(str_of(e->name), &advice, &harmless);
	struct buf value, why;

	if (conf_left_out(str_of(e->name)))
		conf_add_error(diag, e, CONF_ERROR, "%.100s: this build has its part left out (make WITHOUT=%s)", e->name,
			conf_left_out(str_of(e->name)));
	if ((class == NAME_KNOWN && !str_ends(str_of(e->name), STR("_feedback"))) || class == NAME_IGNORED)
		return;
	buf_init(&value, LIMIT_CONF_VALUE);
	buf_init(&why, 1024);
	if (expand_value(c, str_of(e->name), &value, &why) < 0) {
		conf_add_error(diag, e, CONF_ERROR, "%.150s in the value of %.100s", buf_cstr(&why), e->name);
	} else if (str_ends(str_of(e->name), STR("_feedback"))) {
		check_feedback(e, str_trim(buf_view(&value)), diag);
	} else if (class == NAME_TRANSPORT) {
		check_transport(e, buf_view(&value), diag);
	} else if (class == NAME_ERROR) {
		check_dangerous(c, from, e, str_trim(buf_view(&value)), harmless, advice, diag);
	} else if (class == NAME_LOCAL) {
		if (delivers_locally(c))
			check_dangerous(c, from, e, str_trim(buf_view(&value)), harmless, advice, diag);
	} else if (class == NAME_EXCLUDE) {
		check_excluded(e, buf_view(&value), diag);
	} else if (class == NAME_UNKNOWN) {
		check_unknown(c, e, with_master, diag);
	} else {
		check_other(e, str_trim(buf_view(&value)), harmless, advice, diag);
	}
	buf_fini(&value);
	buf_fini(&why);
}

void conf_check_entries(const struct conf *c, size_t from, bool with_master, struct conf_diag *diag)
{
	for (size_t i = from; i < c->source->n; i++)
		check_entry(c, from, c->source->v[i], with_master, diag);
}
