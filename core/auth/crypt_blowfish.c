/* crypt_blowfish - bcrypt (N. Provos, D. Mazières, "A Future-Adaptable Password Scheme", 1999): $2a$, $2b$, $2y$, which differ by old
 * faults of programs that made them. Blowfish (B. Schneier, 1993) begins with the binary digits of pi; they are worked out when the
 * first entry of this kind is judged, with Machin's formula, rather than kept in a table of 4 KiB. */
#include <pthread.h>
#include <string.h>

#include "core/auth/password.h"
#include "core/base/limits.h"
#include "core/base/mem.h"

enum { ROUNDS = 16, SUBKEYS = ROUNDS + 2, BOXES = 4, KEY_BYTES = 72, SALT = 16, SALT_LETTERS = 22, DIGEST = 23, BLOCKS = 3 };

struct blowfish { uint32_t p[SUBKEYS], s[BOXES][256]; };

/* --- pi ------------------------------------------------------------------------------------------------------------ */

enum { DIGITS = SUBKEYS + BOXES * 256, WORDS = 1 + DIGITS + 2 /* what rounding may spoil */ };

static struct blowfish initial;
static pthread_once_t initial_once = PTHREAD_ONCE_INIT;

/* fixed point: v[0] is the whole part. from: words before it are 0; the new first one that is not */
static size_t divide(uint32_t *out, const uint32_t *v, size_t from, uint32_t by)
{
	uint64_t rest = 0;

	for (size_t i = from; i < WORDS; i++) {
		uint64_t now = rest << 32 | v[i];

		out[i] = (uint32_t)(now / by);
		rest = now % by;
	}
	while (from < WORDS && !out[from])
		from++;
	return from;
}

static void add(uint32_t *sum, const uint32_t *v, size_t from, bool minus)
{
	uint64_t carry = 0;
	size_t i;

	for (i = WORDS; i-- > from;) {
		uint64_t now = minus ? (uint64_t)sum[i] - v[i] - carry : (uint64_t)sum[i] + v[i] + carry;

		sum[i] = (uint32_t)now;
		carry = now >> 32 & 1;
	}
	for (i = from; carry && i-- > 0;) {
		sum[i] += minus ? UINT32_MAX : 1;
		carry = minus ? sum[i] == UINT32_MAX : !sum[i];
	}
}

/* sum += or -= scale * atan(1/x) */
static void add_atan(uint32_t *sum, uint32_t scale, uint32_t x, bool minus)
{
	uint32_t power[WORDS] = { scale }, term[WORDS];
	size_t from = divide(power, power, 0, x);

	for (uint32_t n = 1; from < WORDS; n += 2, minus = !minus) {
		/* a word that the division leaves at 0 still is one of the term's */
		divide(term, power, from, n);
		add(sum, term, from, minus);
		from = divide(power, power, from, x * x);
	}
}

static void work_out(void)
{
	uint32_t pi[WORDS] = { 0 };
	size_t at = 1;

	add_atan(pi, 16, 5, false);
	add_atan(pi, 4, 239, true);
	for (size_t i = 0; i < SUBKEYS; i++)
		initial.p[i] = pi[at++];
	for (size_t b = 0; b < BOXES; b++)
		for (size_t i = 0; i < 256; i++)
			initial.s[b][i] = pi[at++];
}

/* --- Blowfish ------------------------------------------------------------------------------------------------------ */

static uint32_t feistel(const struct blowfish *f, uint32_t x)
{
	return ((f->s[0][x >> 24] + f->s[1][x >> 16 & 255]) ^ f->s[2][x >> 8 & 255]) + f->s[3][x & 255];
}

static void encrypt(const struct blowfish *f, uint32_t block[2])
{
	uint32_t left = block[0], right = block[1];

	for (size_t i = 0; i < ROUNDS; i += 2) {
		left ^= f->p[i];
		right ^= feistel(f, left);
		right ^= f->p[i + 1];
		left ^= feistel(f, right);
	}
	block[0] = right ^ f->p[ROUNDS + 1];
	block[1] = left ^ f->p[ROUNDS];
}

/* the next four bytes of a text that has no end */
static uint32_t next_word(const uint8_t *text, size_t n, size_t *at)
{
	uint32_t w = 0;

	for (int i = 0; i < 4; i++, *at = (*at + 1) % n)
		w = w << 8 | text[*at];
	return w;
}

static void expand(struct blowfish *f, const uint8_t salt[SALT], const uint8_t *key, size_t key_n)
{
	uint32_t block[2] = { 0, 0 };
	uint32_t *all[] = { f->p, f->s[0], f->s[1], f->s[2], f->s[3] };
	size_t at = 0, salt_at = 0;

	for (size_t i = 0; i < SUBKEYS; i++)
		f->p[i] ^= next_word(key, key_n, &at);
	for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
		for (size_t i = 0; i < (k ? 256u : SUBKEYS); i += 2) {
			if (salt) {
				block[0] ^= next_word(salt, SALT, &salt_at);
				block[1] ^= next_word(salt, SALT, &salt_at);
			}
			encrypt(f, block);
			all[k][i] = block[0];
			all[k][i + 1] = block[1];
		}
}

/* --- bcrypt -------------------------------------------------------------------------------------------------------- */

static const char letters[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static bool read_salt(struct str text, uint8_t salt[SALT])
{
	uint32_t bits = 0;
	size_t have = 0, n = 0;

	for (size_t i = 0; i < SALT_LETTERS; i++) {
		const char *letter = memchr(letters, text.p[i], 64);

		if (!letter)
			return false;
		bits = bits << 6 | (uint32_t)(letter - letters);
		have += 6;
		if (have >= 8 && n < SALT)
			salt[n++] = (uint8_t)(bits >> (have -= 8));
	}
	return true;
}

static void put_digest(struct buf *out, const uint8_t *digest)
{
	uint32_t bits = 0;
	size_t have = 0;

	for (size_t i = 0; i < DIGEST; i++) {
		bits = bits << 8 | digest[i];
		for (have += 8; have >= 6;)
			buf_byte(out, letters[bits >> (have -= 6) & 63]);
	}
	buf_byte(out, letters[bits << (6 - have) & 63]);
}

static void work(unsigned cost, const uint8_t salt[SALT], const uint8_t *key, size_t key_n, uint8_t digest[24])
{
	static const char text[] = "OrpheanBeholderScryDoubt";
	struct blowfish f;
	size_t at = 0;

	pthread_once(&initial_once, work_out);
	f = initial;
	expand(&f, salt, key, key_n);
	for (uint64_t i = 0; i < UINT64_C(1) << cost; i++) {
		expand(&f, NULL, key, key_n);
		expand(&f, NULL, salt, SALT);
	}
	for (size_t b = 0; b < BLOCKS; b++) {
		uint32_t block[2];

		block[0] = next_word((const uint8_t *)text, 24, &at);
		block[1] = next_word((const uint8_t *)text, 24, &at);
		for (int i = 0; i < 64; i++)
			encrypt(&f, block);
		for (size_t i = 0; i < 8; i++)
			digest[8 * b + i] = (uint8_t)(block[i / 4] >> (24 - 8 * (i % 4)));
	}
	mem_wipe(&f, sizeof(f));
}

bool crypt_blowfish(struct buf *out, struct str password, struct str setting)
{
	uint8_t salt[SALT], key[KEY_BYTES] = { 0 }, digest[24];
	size_t n = password.n < KEY_BYTES ? password.n : KEY_BYTES;
	unsigned cost;

	if (setting.n < 7 + SALT_LETTERS || memcmp(setting.p, "$2", 2) || !memchr("aby", setting.p[2], 3) || setting.p[3] != '$' ||
	    !ascii_is_digit(setting.p[4]) || !ascii_is_digit(setting.p[5]) || setting.p[6] != '$')
		return false;
	cost = (unsigned)(setting.p[4] - '0') * 10 + (unsigned)(setting.p[5] - '0');
	if (cost < 4 || cost > LIMIT_PASSWORD_COST || !read_salt(str_from(setting, 7), salt))
		return false;
	memcpy(key, password.p, n);
	work(cost, salt, key, n < KEY_BYTES ? n + 1 : n, digest);
	buf_str(out, str_head(setting, 7 + SALT_LETTERS));
	put_digest(out, digest);
	mem_wipe(key, sizeof(key));
	return true;
}
