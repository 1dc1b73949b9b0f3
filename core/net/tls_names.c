/* tls_names.c - tables and small grammars of TLS that need no library, so that they are tested and fuzzed alone. */
#include "core/net/tls_names.h"

#include <stdio.h>
#include <time.h>

/* --- protocols ---------------------------------------------------------------------------------------------------- */

enum { OLDER = 4 }; /* known, never spoken */

static const struct { const char *name; int rank; int bit; } protocols[] = {
	{ "SSLv2", 0, OLDER },
	{ "SSLv3", 1, OLDER },
	{ "TLSv1", 2, OLDER },
	{ "TLSv1.0", 2, OLDER },
	{ "TLSv1.1", 3, OLDER },
	{ "TLSv1.2", 4, TLS_V12 },
	{ "TLSv1.3", 5, TLS_V13 },
	{ "0300", 1, OLDER },
	{ "0301", 2, OLDER },
	{ "0302", 3, OLDER },
	{ "0303", 4, TLS_V12 },
	{ "0304", 5, TLS_V13 },
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

int tls_protocols_parse(const char *list, struct buf *why)
{
	int named = 0, allowed = 0x3f, bits = 0;
	struct str rest = str_of(list), word;

	while (str_word(&rest, ", :\t\r\n", &word)) {
		bool negative, bound;
		int ranks = word_ranks(word, &negative, &bound);

		if (ranks < 0) {
			buf_printf(why, "unknown TLS protocol \"%.*s\": use TLSv1.2, TLSv1.3, or >=TLSv1.2", STR_ARG(str_head(word, 40)));
			return 0;
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
	bits &= TLS_V12 | TLS_V13;
	if (!bits)
		buf_printf(why, "no usable TLS protocol in \"%.100s\": only TLSv1.2 and TLSv1.3 are spoken", list);
	return bits;
}

/* --- ciphers ------------------------------------------------------------------------------------------------------ */

static const struct { const char *mbedtls, *openssl; } ciphers[] = {
	{ "TLS1-3-AES-128-GCM-SHA256", "TLS_AES_128_GCM_SHA256" },
	{ "TLS1-3-AES-256-GCM-SHA384", "TLS_AES_256_GCM_SHA384" },
	{ "TLS1-3-CHACHA20-POLY1305-SHA256", "TLS_CHACHA20_POLY1305_SHA256" },
	{ "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384" },
	{ "TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384" },
	{ "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256" },
	{ "TLS-ECDHE-ECDSA-WITH-CHACHA20-POLY1305-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305" },
	{ "TLS-ECDHE-RSA-WITH-CHACHA20-POLY1305-SHA256", "ECDHE-RSA-CHACHA20-POLY1305" },
	{ "TLS-ECDHE-ECDSA-WITH-AES-256-CBC-SHA384", "ECDHE-ECDSA-AES256-SHA384" },
	{ "TLS-ECDHE-RSA-WITH-AES-256-CBC-SHA384", "ECDHE-RSA-AES256-SHA384" },
	{ "TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA256", "ECDHE-ECDSA-AES128-SHA256" },
	{ "TLS-ECDHE-RSA-WITH-AES-128-CBC-SHA256", "ECDHE-RSA-AES128-SHA256" },
	{ "TLS-ECDHE-ECDSA-WITH-AES-256-CBC-SHA", "ECDHE-ECDSA-AES256-SHA" },
	{ "TLS-ECDHE-RSA-WITH-AES-256-CBC-SHA", "ECDHE-RSA-AES256-SHA" },
	{ "TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA", "ECDHE-ECDSA-AES128-SHA" },
	{ "TLS-ECDHE-RSA-WITH-AES-128-CBC-SHA", "ECDHE-RSA-AES128-SHA" },
	{ "TLS-RSA-WITH-AES-256-GCM-SHA384", "AES256-GCM-SHA384" },
	{ "TLS-RSA-WITH-AES-128-GCM-SHA256", "AES128-GCM-SHA256" },
	{ "TLS-RSA-WITH-AES-256-CBC-SHA256", "AES256-SHA256" },
	{ "TLS-RSA-WITH-AES-128-CBC-SHA256", "AES128-SHA256" },
	{ "TLS-RSA-WITH-AES-256-CBC-SHA", "AES256-SHA" },
	{ "TLS-RSA-WITH-AES-128-CBC-SHA", "AES128-SHA" },
};

/* --- errors ------------------------------------------------------------------------------------------------------- */

/* What a handshake or a record can end with. The library has a text for each of its 200 errors, most about its own use. */
static const struct { unsigned short code; const char *text; } errors[] = {
	{ 0x2080, "the certificate uses a feature that is not supported" },
	{ 0x2180, "the certificate has an invalid format" },
	{ 0x2200, "the certificate has an invalid version" },
	{ 0x2280, "the certificate has an invalid serial number" },
	{ 0x2300, "the certificate has an invalid algorithm" },
	{ 0x2380, "the certificate has an invalid name" },
	{ 0x2400, "the certificate has an invalid date" },
	{ 0x2480, "the certificate has an invalid signature" },
	{ 0x2500, "the certificate has an invalid extension" },
	{ 0x2580, "the certificate has an unknown version" },
	{ 0x2600, "the certificate has a signature that cannot be verified here (Ed25519, RSA-PSS key)" },
	{ 0x2680, "the certificate names two signature algorithms" },
	{ 0x2700, "the certificate is not accepted" },
	{ 0x2780, "the certificate has an unknown format" },
	{ 0x3000, "the certificate chain is too long" },
	{ 0x3980, "the key uses a feature that is not supported" },
	{ 0x3a00, "the key is on an unknown curve" },
	{ 0x3b00, "the public key is invalid" },
	{ 0x3c80, "the key is of a kind that cannot be verified here (Ed25519, RSA-PSS)" },
	{ 0x4280, "the RSA key cannot be used" },
	{ 0x4300, "the RSA key cannot be used" },
	{ 0x4380, "the RSA signature is wrong" },
	{ 0x4e00, "the ECDSA signature is wrong" },
	{ 0x4e80, "the curve is not supported" },
	{ 0x4f80, "the point is not on the curve" },
	{ 0x5f00, "no protocol version in common: TLS 1.2 and 1.3 are spoken here" },
	{ 0x6600, "the peer sent a value that makes no sense" },
	{ 0x6700, "the peer sent a record out of turn" },
	{ 0x6a00, "the peer's message is too large: a chain of certificates may have 16 KiB" },
	{ 0x6c00, "internal error" },
	{ 0x6d00, "the certificate is of a type that the cipher cannot use" },
	{ 0x6d80, "the session ticket has expired" },
	{ 0x6e00, "the negotiation failed" },
	{ 0x6e80, "no protocol version in common: TLS 1.2 and 1.3 are spoken here" },
	{ 0x7080, "a feature is asked for that is not supported" },
	{ 0x7100, "the peer's message is too large: a chain of certificates may have 16 KiB" },
	{ 0x7180, "a record was changed on its way" },
	{ 0x7200, "an invalid record: the peer may not speak TLS" },
	{ 0x7300, "the peer's message cannot be parsed" },
	{ 0x7480, "the peer has no certificate" },
	{ 0x7500, "the peer sent an extension that was not offered" },
	{ 0x7580, "no application protocol in common" },
	{ 0x7600, "no private key for it" },
	{ 0x7680, "no certificate authorities to check it with" },
	{ 0x7700, "the peer's message is out of turn" },
	{ 0x7780, "the peer refused the handshake" },
	{ 0x7800, "no such server name" },
	{ 0x7880, "the peer closed the connection" },
	{ 0x7a00, "the certificate cannot be used" },
	{ 0x7f00, "out of memory" },
};

const char *tls_error_text(unsigned code)
{
	/* the last seven bits are the error of a lower part, which led to this one */
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].code == (code & 0xff80))
			return errors[i].text;
	return "cryptographic error";
}

const char *tls_alert_text(unsigned alert)
{
	static const struct { unsigned first, last; const char *text; } rows[] = {
		{ 40, 40, "it finds no cipher, group or signature in common (an Ed25519 or RSA-PSS key cannot be verified here)" },
		{ 42, 46, "it does not accept our certificate" },
		{ 48, 48, "it does not know who issued our certificate" },
		{ 49, 49, "it denies access" },
		{ 70, 70, "it does not speak TLS 1.2 or 1.3 as we do" },
		{ 71, 71, "it demands stronger ciphers" },
		{ 112, 112, "it does not know the server name" },
		{ 116, 116, "it demands a client certificate" },
		{ 120, 120, "no application protocol in common" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (alert >= rows[i].first && alert <= rows[i].last)
			return rows[i].text;
	return NULL;
}

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

void tls_fingerprint(const uint8_t *digest, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 3 * i, 4, i + 1 < n ? "%02X:" : "%02X", digest[i]);
}

size_t tls_fingerprint_length(struct str text)
{
	size_t digits = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == ':' && digits > 0 && digits % 2 == 0)
			continue;
		if (ascii_hex(text.p[i]) < 0)
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
		if (ascii_hex(text.p[i]) != (at % 2 ? digest[at / 2] & 15 : digest[at / 2] >> 4))
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

usec tls_date(int year, int month, int day, int hour, int minute, int second)
{
	struct tm t = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_min = minute, .tm_sec = second };

	return (usec)timegm(&t) * USEC_PER_SEC;
}
