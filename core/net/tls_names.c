/* tls_names.c - tables and small grammars of TLS that need no library, so that they are tested and fuzzed alone. */
#include "core/net/tls_names.h"

/* --- protocols ---------------------------------------------------------------------------------------------------- */

enum { OLDER = 4 }; /* known, never spoken */

static const struct { const char *name; int rank; int bit; } protocols[] = {
	{"SSLv2", 0, OLDER},
	{"SSLv3", 1, OLDER},
	{"TLSv1", 2, OLDER},
	{"TLSv1.0", 2, OLDER},
	{"TLSv1.1", 3, OLDER},
	{"TLSv1.2", 4, TLS_V12},
	{"TLSv1.3", 5, TLS_V13},
	{"0300", 1, OLDER},
	{"0301", 2, OLDER},
	{"0302", 3, OLDER},
	{"0303", 4, TLS_V12},
	{"0304", 5, TLS_V13},
};
enum { PROTOCOLS = sizeof(protocols) / sizeof(protocols[0]) };

static bool protocol_rank(struct str word, int *rank)
{
	for (size_t i = 0; i < PROTOCOLS; i++)
		if (str_ieq(word, str_of(protocols[i].name))) {
			*rank = protocols[i].rank;
			return true;
		}
	return false;
}

/* ranks that a word allows (bits by rank), or -1 */
static int word_ranks(struct str word, bool *negative, bool *bound)
{
	int rank;

	*negative = str_starts(word, STR("!"));
	*bound = str_starts(word, STR(">=")) || str_starts(word, STR("<="));
	if (!protocol_rank(str_from(word, *bound ? 2 : *negative), &rank))
		return -1;
	if (str_starts(word, STR(">=")))
		return 0x3f & ~((1 << rank) - 1);
	if (str_starts(word, STR("<=")))
		return (1 << (rank + 1)) - 1;
	return 1 << rank;
}

int tls_protocols_parse(struct str list, struct str *bad)
{
	int named = 0, allowed = 0x3f, bits = 0;
	struct str word;

	while (str_word(&list, ", :\t\r\n", &word)) {
		bool negative, bound;
		int ranks = word_ranks(word, &negative, &bound);

		if (ranks < 0) {
			*bad = word;
			return -1;
		}
		if (negative)
			allowed &= ~ranks;
		else if (bound)
			allowed &= ranks;
		else
			named |= ranks;
	}
	if (named)
		allowed &= named;
	for (size_t i = 0; i < PROTOCOLS; i++)
		if (allowed & (1 << protocols[i].rank))
			bits |= protocols[i].bit;
	return bits & (TLS_V12 | TLS_V13);
}

/* --- ciphers ------------------------------------------------------------------------------------------------------ */

static const struct { const char *mbedtls, *openssl; } ciphers[] = {
	{"TLS1-3-AES-128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"},
	{"TLS1-3-AES-256-GCM-SHA384", "TLS_AES_256_GCM_SHA384"},
	{"TLS1-3-CHACHA20-POLY1305-SHA256", "TLS_CHACHA20_POLY1305_SHA256"},
	{"TLS1-3-AES-128-CCM-SHA256", "TLS_AES_128_CCM_SHA256"},
	{"TLS1-3-AES-128-CCM-8-SHA256", "TLS_AES_128_CCM_8_SHA256"},
	{"TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
	{"TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
	{"TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
	{"TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
	{"TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
	{"TLS-ECDHE-RSA-WITH-CHACHA20-POLY1305-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
	{"TLS-ECDHE-ECDSA-WITH-AES-256-CBC-SHA384", "ECDHE-ECDSA-AES256-SHA384"},
	{"TLS-ECDHE-RSA-WITH-AES-256-CBC-SHA384", "ECDHE-RSA-AES256-SHA384"},
	{"TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA256", "ECDHE-ECDSA-AES128-SHA256"},
	{"TLS-ECDHE-RSA-WITH-AES-128-CBC-SHA256", "ECDHE-RSA-AES128-SHA256"},
	{"TLS-ECDHE-ECDSA-WITH-AES-256-CBC-SHA", "ECDHE-ECDSA-AES256-SHA"},
	{"TLS-ECDHE-RSA-WITH-AES-256-CBC-SHA", "ECDHE-RSA-AES256-SHA"},
	{"TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA", "ECDHE-ECDSA-AES128-SHA"},
	{"TLS-ECDHE-RSA-WITH-AES-128-CBC-SHA", "ECDHE-RSA-AES128-SHA"},
	{"TLS-ECDHE-ECDSA-WITH-AES-256-CCM", "ECDHE-ECDSA-AES256-CCM"},
	{"TLS-ECDHE-ECDSA-WITH-AES-128-CCM", "ECDHE-ECDSA-AES128-CCM"},
	{"TLS-ECDHE-ECDSA-WITH-AES-256-CCM-8", "ECDHE-ECDSA-AES256-CCM8"},
	{"TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8", "ECDHE-ECDSA-AES128-CCM8"},
	{"TLS-RSA-WITH-AES-256-GCM-SHA384", "AES256-GCM-SHA384"},
	{"TLS-RSA-WITH-AES-128-GCM-SHA256", "AES128-GCM-SHA256"},
	{"TLS-RSA-WITH-AES-256-CBC-SHA256", "AES256-SHA256"},
	{"TLS-RSA-WITH-AES-128-CBC-SHA256", "AES128-SHA256"},
	{"TLS-RSA-WITH-AES-256-CBC-SHA", "AES256-SHA"},
	{"TLS-RSA-WITH-AES-128-CBC-SHA", "AES128-SHA"},
	{"TLS-RSA-WITH-AES-256-CCM", "AES256-CCM"},
	{"TLS-RSA-WITH-AES-128-CCM", "AES128-CCM"},
	{"TLS-RSA-WITH-AES-256-CCM-8", "AES256-CCM8"},
	{"TLS-RSA-WITH-AES-128-CCM-8", "AES128-CCM8"},
};

const char *tls_cipher_name(const char *mbedtls_name)
{
	if (!mbedtls_name)
		return "";
	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		if (strcmp(mbedtls_name, ciphers[i].mbedtls) == 0)
			return ciphers[i].openssl;
	return mbedtls_name;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static struct str without_last_dot(struct str s)
{
	return s.n > 1 && s.p[s.n - 1] == '.' ? str_head(s, s.n - 1) : s;
}

/* letters, digits, '-', '_', '.', and a first "*."; a NUL or a blank makes it no name at all */
static bool is_certificate_name(struct str s)
{
	if (str_starts(s, STR("*.")))
		s = str_from(s, 2);
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
			return false;
	return s.n > 0 && s.p[0] != '.' && str_find(s, STR("..")) < 0;
}

bool tls_name_matches(struct str wanted, struct str in_certificate)
{
	struct str name = without_last_dot(in_certificate);
	ptrdiff_t dot;

	wanted = without_last_dot(wanted);
	if (wanted.n == 0 || !is_certificate_name(name))
		return false;
	if (wanted.p[0] == '.')
		return wanted.n > 1 && name.n > wanted.n && str_iends(name, wanted);
	if (!str_starts(name, STR("*.")))
		return str_ieq(wanted, name);
	dot = str_chr(wanted, '.');
	name = str_from(name, 1);
	return dot > 0 && str_chr(str_from(name, 1), '.') > 0 && str_ieq(str_from(wanted, (size_t)dot), name);
}

static int hex_digit(char c)
{
	c = ascii_lower(c);
	return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t tls_fingerprint_length(struct str text)
{
	size_t digits = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == ':' && digits > 0 && digits % 2 == 0)
			continue;
		if (hex_digit(text.p[i]) < 0)
			return 0;
		digits++;
	}
	return digits % 2 ? 0 : digits / 2;
}

bool tls_fingerprint_matches(struct str text, const uint8_t *digest, size_t n)
{
	size_t at = 0;

	if (n == 0 || tls_fingerprint_length(text) != n)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == ':')
			continue;
		if (hex_digit(text.p[i]) != (at % 2 ? digest[at / 2] & 15 : digest[at / 2] >> 4))
			return false;
		at++;
	}
	return true;
}

/* --- texts -------------------------------------------------------------------------------------------------------- */

void tls_clean_text(struct str s, char *out, size_t size)
{
	bool utf8 = str_is_utf8(s);
	size_t n = s.n < size - 1 ? s.n : size - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = ascii_is_print(s.p[i]) || (utf8 && (s.p[i] & 0x80)) ? s.p[i] : '?';
	out[n] = 0;
}

/* days since 1970-03-01 count leap days at the end of the year */
usec tls_date(int year, int month, int day, int hour, int minute, int second)
{
	int64_t y = month > 2 ? year : year - 1, m = (month + 9) % 12;
	int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;

	return (((days * 24 + hour) * 60 + minute) * 60 + second) * USEC_PER_SEC;
}
