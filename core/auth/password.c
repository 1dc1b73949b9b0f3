/* password - see password.h. One row per form. */
#include "core/auth/password.h"

#include <string.h>

#include "core/auth/scram.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/net/tls.h"

/* same - without telling by its time where two texts differ */
static bool same(struct str a, struct str b)
{
	uint8_t x[32], y[32];
	unsigned differs = 0;

	tls_sha256(x, a.p, a.n);
	tls_sha256(y, b.p, b.n);
	for (size_t i = 0; i < sizeof(x); i++)
		differs |= (unsigned)(x[i] ^ y[i]);
	return !differs;
}

/* --- {PLAIN} -------------------------------------------------------------------------------------------------------- */

static bool plain_fits(struct str entry, struct str password)
{
	return same(str_from(entry, STR("{PLAIN}").n), password);
}

static const char *plain_check(struct str entry)
{
	return entry.n > STR("{PLAIN}").n ? NULL : "an empty password";
}

/* --- crypt ---------------------------------------------------------------------------------------------------------- */

static bool crypt_fits(bool (*crypt)(struct buf *, struct str, struct str), struct str entry, struct str password)
{
	struct buf made;
	bool fits;

	buf_init(&made, LIMIT_PASSWORD_ENTRY);
	fits = crypt(&made, password, entry) && same(buf_view(&made), entry);
	buf_wipe(&made);
	return fits;
}

static bool sha_fits(struct str entry, struct str password)
{
	return crypt_fits(crypt_sha, entry, password);
}

static bool blowfish_fits(struct str entry, struct str password)
{
	return crypt_fits(crypt_blowfish, entry, password);
}

/* the parts between dollars: how many, and of which lengths, is all that can be seen before any work */
static const char *sha_check(struct str entry)
{
	ptrdiff_t last = -1;
	size_t hash = entry.n > 1 && entry.p[1] == '5' ? 43 : 86;
	unsigned long rounds = 0;
	struct str rest = str_from(entry, 3);

	if (str_starts(rest, STR("rounds="))) {
		for (rest = str_from(rest, 7); rest.n && ascii_is_digit(*rest.p) && rounds <= LIMIT_PASSWORD_ROUNDS; rest = str_from(rest, 1))
			rounds = rounds * 10 + (unsigned long)(*rest.p - '0');
		if (rounds < 1000 || rounds > LIMIT_PASSWORD_ROUNDS)
			return "rounds must be from 1000 to 1000000";
	}
	for (size_t i = 0; i < entry.n; i++)
		if (entry.p[i] == '$')
			last = (ptrdiff_t)i;
	return last > 2 && entry.n - (size_t)last - 1 == hash ? NULL : "a hash that is cut, or too long";
}

static const char *blowfish_check(struct str entry)
{
	unsigned cost = 0;

	if (entry.n != 60 || !memchr("aby", entry.p[2], 3) || entry.p[3] != '$' || entry.p[6] != '$')
		return "a hash that is cut, or too long";
	for (size_t i = 4; i < 6; i++)
		cost = cost * 10 + (unsigned)(entry.p[i] - '0');
	return cost < 4 || cost > LIMIT_PASSWORD_COST ? "the cost must be from 04 to 14" : NULL;
}

/* --- SCRAM (RFC 5803) ----------------------------------------------------------------------------------------------- */

static bool scram_fits(struct str entry, struct str password)
{
	struct scram_entry e;

	return scram_entry_read(entry, &e) && scram_entry_fits(&e, password);
}

static const char *scram_check(struct str entry)
{
	struct scram_entry e;

	return scram_entry_read(entry, &e) ? NULL : "not N:SALT$STORED:SERVER, as RFC 5803 has it";
}

/* --- the forms ------------------------------------------------------------------------------------------------------ */

static const struct form {
	const char *prefix;
	bool burns, scram;
	bool (*fits)(struct str entry, struct str password);
	const char *(*check)(struct str entry);
} forms[] = {
	{ "{PLAIN}", false, true, plain_fits, plain_check }, { "$5$", true, false, sha_fits, sha_check }, { "$6$", true, false, sha_fits, sha_check },
	{ "$2", true, false, blowfish_fits, blowfish_check }, { "SCRAM-SHA-256$", true, true, scram_fits, scram_check },
};

static const struct form *form_of(struct str entry)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (str_starts(entry, str_of(forms[i].prefix)))
			return &forms[i];
	return NULL;
}

const char *password_check_entry(struct str entry)
{
	const struct form *f = form_of(entry);

	if (entry.n > LIMIT_PASSWORD_ENTRY)
		return "too long";
	return f ? f->check(entry) : "an unknown form: have it made by mapgen --password, or write {PLAIN} in front of the password";
}

bool password_burns(struct str entry)
{
	const struct form *f = form_of(entry);

	return f && f->burns;
}

bool password_does_scram(struct str entry)
{
	const struct form *f = form_of(entry);

	return f && f->scram && !password_check_entry(entry);
}

bool password_scram(struct str entry, struct scram_entry *e)
{
	if (!password_does_scram(entry))
		return false;
	if (!scram_entry_read(entry, e))
		scram_entry_make(e, str_from(entry, STR("{PLAIN}").n));
	return true;
}

bool password_fits(struct str entry, struct str password)
{
	return password.n <= LIMIT_PASSWORD && !password_check_entry(entry) && form_of(entry)->fits(entry, password);
}

void password_make(struct buf *out, struct str password, struct str salt)
{
	struct buf setting;

	buf_init(&setting, LIMIT_PASSWORD_ENTRY);
	buf_printf(&setting, "$6$%.*s$", STR_ARG(salt));
	if (!crypt_sha(out, password, buf_view(&setting)))
		BUG("password_make");
	buf_fini(&setting);
}

void password_make_scram(struct buf *out, struct str password)
{
	struct scram_entry e = { .rounds = PASSWORD_SCRAM_ROUNDS, .salt_n = 16 };

	random_bytes(e.salt, e.salt_n);
	scram_entry_make(&e, password);
	scram_entry_format(&e, out);
	mem_wipe(&e, sizeof(e));
}

void password_make_salted(struct buf *out, struct str password)
{
	char salt[16];

	random_bytes(salt, sizeof(salt));
	for (size_t i = 0; i < sizeof(salt); i++)
		salt[i] = crypt_letters[salt[i] & 63];
	password_make(out, password, str_make(salt, sizeof(salt)));
}
