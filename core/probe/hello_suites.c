/* hello_suites - the ciphers of TLS up to 1.2 by what they are made of: how keys are agreed on, and what hides the text. Their names
 * are made of both (OpenSSL's); so is the judgement. */
#include <stdio.h>

#include "core/probe/hello.h"

enum exchange { RSA, DHE_RSA, ECDHE_RSA, ECDHE_ECDSA, ADH, AECDH, EXPORT };
static const char *const exchanges[] = { "", "DHE-RSA-", "ECDHE-RSA-", "ECDHE-ECDSA-", "ADH-", "AECDH-", "EXP-" };
enum text { A128, A256, A128_256, A256_256, A256_384, G128, G256, CHACHA, CAM128, CAM256, DES3, DES, RC4, RC4_MD5, RC2, NONE, NONE_256, NONE_MD5 };
static const char *const texts[] = { "AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES256-SHA256", "AES256-SHA384", "AES128-GCM-SHA256", "AES256-GCM-SHA384",
	"CHACHA20-POLY1305", "CAMELLIA128-SHA", "CAMELLIA256-SHA", "DES-CBC3-SHA", "DES-CBC-SHA", "RC4-SHA", "RC4-MD5", "RC2-CBC-MD5", "NULL-SHA",
	"NULL-SHA256", "NULL-MD5" };

static const struct { uint16_t id; uint8_t exchange, text; } suites[] = {
	{ 0xc02c, ECDHE_ECDSA, G256 }, { 0xc030, ECDHE_RSA, G256 }, { 0x009f, DHE_RSA, G256 }, { 0xcca9, ECDHE_ECDSA, CHACHA }, { 0xcca8, ECDHE_RSA, CHACHA },
	{ 0xccaa, DHE_RSA, CHACHA }, { 0xc02b, ECDHE_ECDSA, G128 }, { 0xc02f, ECDHE_RSA, G128 }, { 0x009e, DHE_RSA, G128 }, { 0xc024, ECDHE_ECDSA, A256_384 },
	{ 0xc028, ECDHE_RSA, A256_384 }, { 0x006b, DHE_RSA, A256_256 }, { 0xc023, ECDHE_ECDSA, A128_256 }, { 0xc027, ECDHE_RSA, A128_256 }, { 0x0067, DHE_RSA, A128_256 },
	{ 0xc00a, ECDHE_ECDSA, A256 }, { 0xc014, ECDHE_RSA, A256 }, { 0x0039, DHE_RSA, A256 }, { 0xc009, ECDHE_ECDSA, A128 }, { 0xc013, ECDHE_RSA, A128 },
	{ 0x0033, DHE_RSA, A128 }, { 0x009d, RSA, G256 }, { 0x009c, RSA, G128 }, { 0x003d, RSA, A256_256 }, { 0x003c, RSA, A128_256 }, { 0x0035, RSA, A256 },
	{ 0x002f, RSA, A128 }, { 0x0088, DHE_RSA, CAM256 }, { 0x0045, DHE_RSA, CAM128 }, { 0x0084, RSA, CAM256 }, { 0x0041, RSA, CAM128 },
	{ 0xc008, ECDHE_ECDSA, DES3 }, { 0xc012, ECDHE_RSA, DES3 }, { 0x0016, DHE_RSA, DES3 }, { 0x000a, RSA, DES3 }, { 0xc007, ECDHE_ECDSA, RC4 },
	{ 0xc011, ECDHE_RSA, RC4 }, { 0x0005, RSA, RC4 }, { 0x0004, RSA, RC4_MD5 }, { 0x0009, RSA, DES }, { 0x0015, DHE_RSA, DES },
	{ 0xc019, AECDH, A256 }, { 0xc018, AECDH, A128 }, { 0xc017, AECDH, DES3 }, { 0xc016, AECDH, RC4 }, { 0xc015, AECDH, NONE }, { 0x00a7, ADH, G256 },
	{ 0x00a6, ADH, G128 }, { 0x006d, ADH, A256_256 }, { 0x006c, ADH, A128_256 }, { 0x003a, ADH, A256 }, { 0x0034, ADH, A128 }, { 0x001b, ADH, DES3 },
	{ 0x0018, ADH, RC4_MD5 }, { 0x0003, EXPORT, RC4_MD5 }, { 0x0006, EXPORT, RC2 }, { 0x0008, EXPORT, DES }, { 0xc006, ECDHE_ECDSA, NONE },
	{ 0xc010, ECDHE_RSA, NONE }, { 0x003b, RSA, NONE_256 }, { 0x0002, RSA, NONE }, { 0x0001, RSA, NONE_MD5 },
};
enum { SUITES = sizeof(suites) / sizeof(suites[0]) };
_Static_assert(sizeof(suites) / sizeof(suites[0]) < HELLO_SUITES, "all of them and a signal");

static const uint16_t of_1_3[] = { 0x1302, 0x1303, 0x1301, 0x1304, 0x1305 };
static const char *const names_1_3[] = { "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_SHA256",
	"TLS_AES_128_CCM_8_SHA256" };
/* what clients of the days of TLS 1.0 offered, anonymous ones as Postfix takes them: AES-CBC with SHA-1; 3DES, RC4; and the signal of
 * RFC 5746 */
static const uint16_t old[] = { 0xc014, 0xc00a, 0x0039, 0x0035, 0xc013, 0xc009, 0x0033, 0x002f, 0xc012, 0xc008, 0x0016, 0x000a, 0xc011, 0x0005, 0xc019,
	0x003a, 0xc018, 0x00ff };

size_t hello_suites(unsigned version, enum hello_key key, uint16_t out[HELLO_SUITES])
{
	size_t n = 0;

	if (version == HELLO_TLS_1_3)
		memcpy(out, of_1_3, sizeof(of_1_3));
	for (size_t i = 0; version < HELLO_TLS_1_3 && i < SUITES; i++) {
		enum exchange x = suites[i].exchange;

		if (key == HELLO_ANY || (key == HELLO_RSA ? x <= ECDHE_RSA : x == ECDHE_ECDSA))
			out[n++] = suites[i].id;
	}
	return version == HELLO_TLS_1_3 ? sizeof(of_1_3) / sizeof(of_1_3[0]) : n;
}

size_t hello_old_suites(uint16_t out[HELLO_SUITES])
{
	memcpy(out, old, sizeof(old));
	return sizeof(old) / sizeof(old[0]);
}

static size_t find(unsigned suite)
{
	size_t i = 0;

	while (i < SUITES && suites[i].id != suite)
		i++;
	return i;
}

enum hello_fault hello_judge(unsigned suite)
{
	size_t i = find(suite);
	unsigned x, t;

	if (i == SUITES)
		return HELLO_FINE;
	x = suites[i].exchange;
	t = suites[i].text;
	return t >= NONE || x == EXPORT ? HELLO_NO_SECRET : t >= DES3 ? HELLO_BROKEN : x >= ADH ? HELLO_ANONYMOUS : x == RSA ? HELLO_STATIC : HELLO_FINE;
}

void hello_name(unsigned suite, char out[48])
{
	size_t i = find(suite);

	if (i < SUITES)
		snprintf(out, 48, "%s%s", exchanges[suites[i].exchange], texts[suites[i].text]);
	else if (suite > 0x1300 && suite <= 0x1305)
		snprintf(out, 48, "%s", names_1_3[suite - 0x1301]);
	else
		snprintf(out, 48, "0x%04x", suite);
}
