/* crypt_sha - SHA-crypt (U. Drepper, "Unix crypt using SHA-256 and SHA-512", 2008): $5$ and $6$. The steps keep the names that the
 * specification gives them. */
#include <string.h>

#include "core/auth/password.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/net/tls.h"

#define SALT_BYTES 16
#define ROUNDS_DEFAULT 5000
#define ROUNDS_LEAST 1000

const char crypt_letters[65] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* which bytes of the digest make four letters: the specification's order, from the last group of the digest's thirds on */
struct family { char digit; size_t length; void (*hash)(struct buf *text, uint8_t *out); };

static void hash256(struct buf *text, uint8_t *out)
{
	tls_sha256(out, text->p, text->n);
}

static void hash512(struct buf *text, uint8_t *out)
{
	tls_sha512(out, text->p, text->n);
}

static const struct family families[] = { { '5', 32, hash256 }, { '6', 64, hash512 } };

struct setting { const struct family *family; struct str salt; unsigned long rounds; bool said; };

static bool read_rounds(struct str *rest, struct setting *s)
{
	s->rounds = ROUNDS_DEFAULT;
	s->said = str_starts(*rest, STR("rounds="));
	if (!s->said)
		return true;
	*rest = str_from(*rest, 7);
	for (s->rounds = 0; rest->n && ascii_is_digit(*rest->p); *rest = str_from(*rest, 1))
		if ((s->rounds = s->rounds * 10 + (unsigned long)(*rest->p - '0')) > LIMIT_PASSWORD_ROUNDS)
			return false;
	if (!rest->n || *rest->p != '$' || s->rounds < ROUNDS_LEAST)
		return false;
	*rest = str_from(*rest, 1);
	return true;
}

static bool read_setting(struct str text, struct setting *s)
{
	ptrdiff_t end;

	*s = (struct setting){ .family = NULL };
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (text.n > 3 && text.p[0] == '$' && text.p[1] == families[i].digit && text.p[2] == '$')
			s->family = &families[i];
	if (!s->family)
		return false;
	text = str_from(text, 3);
	if (!read_rounds(&text, s))
		return false;
	end = str_chr(text, '$');
	s->salt = end < 0 ? text : str_head(text, (size_t)end);
	s->salt = str_head(s->salt, s->salt.n < SALT_BYTES ? s->salt.n : SALT_BYTES);
	return true;
}

static void add_repeated(struct buf *out, const uint8_t *digest, size_t length, size_t n)
{
	for (; n > length; n -= length)
		buf_add(out, digest, length);
	buf_add(out, digest, n);
}

/* digest of one text made of a part repeated `times` */
static void hash_repeated(const struct family *f, struct buf *text, struct str part, size_t times, uint8_t *out)
{
	buf_clear(text);
	for (size_t i = 0; i < times; i++)
		buf_str(text, part);
	f->hash(text, out);
}

/* steps 1 to 12: A */
static void first_digest(const struct setting *s, struct str key, struct buf *text, uint8_t a[64])
{
	const struct family *f = s->family;
	uint8_t b[64];

	buf_clear(text);
	buf_str(text, key);
	buf_str(text, s->salt);
	buf_str(text, key);
	f->hash(text, b);
	buf_clear(text);
	buf_str(text, key);
	buf_str(text, s->salt);
	add_repeated(text, b, f->length, key.n);
	for (size_t bits = key.n; bits; bits >>= 1) {
		if (bits & 1)
			buf_add(text, b, f->length);
		else
			buf_str(text, key);
	}
	f->hash(text, a);
	mem_wipe(b, sizeof(b));
}

/* step 21 */
static void rounds(const struct setting *s, const struct buf *p, const struct buf *salt, struct buf *text, uint8_t a[64])
{
	const struct family *f = s->family;

	for (unsigned long i = 0; i < s->rounds; i++) {
		buf_clear(text);
		if (i & 1)
			buf_str(text, buf_view(p));
		else
			buf_add(text, a, f->length);
		if (i % 3)
			buf_str(text, buf_view(salt));
		if (i % 7)
			buf_str(text, buf_view(p));
		if (i & 1)
			buf_add(text, a, f->length);
		else
			buf_str(text, buf_view(p));
		f->hash(text, a);
	}
}

static void put_letters(struct buf *out, unsigned b2, unsigned b1, unsigned b0, int n)
{
	unsigned long w = (unsigned long)b2 << 16 | b1 << 8 | b0;

	for (; n > 0; n--, w >>= 6)
		buf_byte(out, crypt_letters[w & 63]);
}

/* step 22: three columns of the digest, read round in turn */
static void put_digest(struct buf *out, const struct family *f, const uint8_t *a)
{
	size_t third = f->length / 3, i[3] = { 0, third, 2 * third };
	/* SHA-256 turns the columns one way, SHA-512 the other */
	size_t turn = f->length == 32 ? 2 : 1;

	for (size_t k = 0; k < third; k++) {
		size_t first = k * turn % 3;

		put_letters(out, a[i[first]++], a[i[(first + 1) % 3]++], a[i[(first + 2) % 3]++], 4);
	}
	if (f->length == 32)
		put_letters(out, 0, a[31], a[30], 3);
	else
		put_letters(out, 0, 0, a[63], 2);
}

bool crypt_sha(struct buf *out, struct str password, struct str setting)
{
	struct buf text, p, salt;
	uint8_t a[64], d[64];
	struct setting s;

	if (password.n > LIMIT_PASSWORD || !read_setting(setting, &s))
		return false;
	buf_init(&text, LIMIT_PASSWORD * LIMIT_PASSWORD + 64 * 64);
	buf_init(&p, LIMIT_PASSWORD);
	buf_init(&salt, SALT_BYTES);
	first_digest(&s, password, &text, a);
	hash_repeated(s.family, &text, password, password.n, d);
	add_repeated(&p, d, s.family->length, password.n);
	hash_repeated(s.family, &text, s.salt, 16 + a[0], d);
	add_repeated(&salt, d, s.family->length, s.salt.n);
	rounds(&s, &p, &salt, &text, a);
	buf_printf(out, "$%c$", s.family->digit);
	if (s.said)
		buf_printf(out, "rounds=%lu$", s.rounds);
	buf_str(out, s.salt);
	buf_byte(out, '$');
	put_digest(out, s.family, a);
	mem_wipe(a, sizeof(a));
	mem_wipe(d, sizeof(d));
	buf_wipe(&text);
	buf_wipe(&p);
	buf_fini(&salt);
	return true;
}
