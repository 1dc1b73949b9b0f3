/* keys - see keys.h. */
#include "core/dkim/keys.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "core/base/format.h"
#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"

enum { LEAST_BITS = 2048 };        /* RFC 8301 section 3.2 */

struct reading {
	struct dkim_keys *keys;
	const struct dkim_options *o;
	struct buf *why;
};

bool dkim_is_domain(struct str s)
{
	struct str label;

	if (!s.n || s.n > LIMIT_DKIM_DOMAIN || s.p[s.n - 1] == '.')
		return false;
	while (str_cut(&s, '.', &label)) {
		if (!label.n || label.n > 63)
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!ascii_is_alnum(label.p[i]) && label.p[i] != '-' && label.p[i] != '_')
				return false;
	}
	return true;
}

/* read_key - the text of a file; with a fault, too, where it is only the file's mode */
static bool read_key(const char *path, struct buf *pem, struct buf *why)
{
	int fd = fs_open_table(path);
	struct stat st;
	bool good = fd >= 0 && fstat(fd, &st) == 0 && fs_read_fd(fd, pem) >= 0;

	if (!good)
		buf_printf(why, "%s: %s", path, strerror(errno));
	else if (st.st_mode & S_IRWXO)
		buf_printf(why, "%s: everybody may open this private key: chmod 600 it", path);
	if (fd >= 0)
		fs_close(fd);
	return good;
}

/* in PKCS #8 the word for Ed25519 (RFC 8410 section 3) stands where base64 makes the same letters of it whatever follows */
static bool is_edwards(struct str pem)
{
	return str_find(pem, STR("BQYDK2Vw")) >= 0;
}

bool dkim_key_read(struct dkim_key *key, const char *path, const struct dkim_options *o, struct buf *why)
{
	struct buf pem;

	buf_init(&pem, LIMIT_TLS_FILE);
	if (read_key(path, &pem, why)) {
		key->key = tls_key_new(buf_view(&pem));
		if (!key->key && is_edwards(buf_view(&pem)))
			buf_printf(why, "%s%s: an Ed25519 key, which cannot sign here: make an RSA key (mapgen --dkim DOMAIN SELECTOR) and name that one",
				why->n ? "; " : "", path);
		else if (!key->key || tls_key_bits(key->key) < LEAST_BITS)
			buf_printf(why, "%s%s: no RSA private key in PEM form, of %d bits or more and without a password", why->n ? "; " : "", path, LEAST_BITS);
	}
	buf_wipe(&pem);
	if (!why->n)
		return true;
	if (o->faulty) {
		key->why = str_dup(buf_view(why));
		buf_clear(why);
	}
	return o->faulty;
}

/* selector_of - of a domain's key: the list's word for it, else its last word for all; empty: none */
static struct str selector_of(const char *selectors, struct str domain)
{
	struct str rest = str_of(selectors), word, found = STR_EMPTY;

	while (str_word(&rest, ", \t\r\n", &word)) {
		ptrdiff_t equals = str_chr(word, '=');

		if (equals < 0)
			found = word;
		else if (str_ieq(str_head(word, (size_t)equals), domain))
			return str_from(word, (size_t)equals + 1);
	}
	return found;
}

/* key_name - whose key a file is by its name, "DOMAIN.SELECTOR.pem" or "DOMAIN.private"; false: it is of another selector */
static bool key_name(const char *selectors, struct str name, struct str *domain, struct str *selector)
{
	*domain = name;
	if (str_ends(name, STR(".private"))) {
		domain->n -= STR(".private").n;
		*selector = selector_of(selectors, *domain);
		return true;
	}
	domain->n -= STR(".pem").n;
	/* where the selector begins only the list knows: it may have dots, too */
	for (size_t i = 0; i + 1 < domain->n; i++) {
		struct str before = str_head(*domain, i);

		if (domain->p[i] != '.')
			continue;
		*selector = selector_of(selectors, before);
		if (str_eq(str_from(*domain, i + 1), *selector)) {
			*domain = before;
			return true;
		}
	}
	return false;
}

/* look_at - a key of another selector is opened, too: what is not seen at the start may not be read by a relayd that has given root up */
static void look_at(const char *path)
{
	int fd = fs_open_table(path);

	if (fd >= 0)
		fs_close(fd);
}

static void free_key(struct dkim_key *key)
{
	mem_free(key->name);
	mem_free(key->domain);
	mem_free(key->selector);
	mem_free(key->path);
	mem_free(key->why);
	tls_key_free(key->key);
}

/* add_key - a domain's DOMAIN.SELECTOR.pem is more than its DOMAIN.private */
static void add_key(struct dkim_keys *k, struct dkim_key *key, bool more)
{
	size_t at = 0;

	while (at < k->n && !str_ieq(str_of(k->v[at].domain), str_of(key->domain)))
		at++;
	if (at < k->n && !more) {
		free_key(key);
		return;
	}
	if (at == k->n) {
		k->v = mem_array(k->v, k->n + 1, sizeof(*k->v));
		k->n++;
	} else {
		free_key(&k->v[at]);
	}
	k->v[at] = *key;
}

static int take_file(void *ctx, const char *name)
{
	struct reading *r = ctx;
	bool pem = str_ends(str_of(name), STR(".pem"));
	struct str domain, selector;
	struct dkim_key key = { .name = NULL };
	char path[PATH_MAX];

	if (!pem && !str_ends(str_of(name), STR(".private")))
		return 0;
	if (format_text(path, sizeof(path), "%s/%s", r->o->folder, name) >= (int)sizeof(path)) {
		buf_printf(r->why, "%s/%s: too long a name", r->o->folder, name);
	} else if (!key_name(r->o->selectors, str_of(name), &domain, &selector)) {
		look_at(path);
		return 0;
	} else if (!dkim_is_domain(domain) || !dkim_is_domain(selector)) {
		buf_printf(r->why, "%s: its name is not DOMAIN.%.*s.pem, or DOMAIN.private with a selector for the domain", path, STR_ARG(selector));
	} else if (r->keys->n == LIMIT_DKIM_KEYS) {
		buf_printf(r->why, "%s: more than %d keys", r->o->folder, LIMIT_DKIM_KEYS);
	} else if (dkim_key_read(&key, path, r->o, r->why)) {
		key.domain = dkim_lower(domain);
		key.selector = str_dup(selector);
		key.path = mem_dupz(path);
		add_key(r->keys, &key, pem);
		return 0;
	}
	free_key(&key);
	return 1;
}

static void read_folder(struct dkim_keys *k, const struct dkim_options *o, struct buf *why)
{
	struct str rest = str_of(o->selectors), word;
	struct reading r = { .keys = k, .o = o, .why = why };

	while (!why->n && str_word(&rest, ", \t\r\n", &word))
		if (!dkim_is_domain(str_from(word, (size_t)(str_chr(word, '=') + 1))))
			buf_printf(why, "\"%.*s\" is no selector: letters, digits, - and dots inside", STR_ARG(str_head(word, 100)));
	if (!str_trim(str_of(o->selectors)).n)
		buf_z(why, "there is no selector");
	if (why->n)
		return;
	if (fs_each_name(o->folder, take_file, &r) < 0)
		buf_printf(why, "%s: %s", o->folder, strerror(errno));
	else if (!k->n && !why->n)
		buf_printf(why, "%s: no file DOMAIN.%s.pem or DOMAIN.private is there", o->folder, o->selectors);
}

struct dkim_keys *dkim_keys_open(const struct dkim_options *o, struct buf *why)
{
	struct dkim_keys *k = MEM_NEW(struct dkim_keys);

	k->refs = 1;
	k->tables = *o->signing_table || *o->key_table;
	if (k->tables && (!*o->signing_table || !*o->key_table || *o->folder))
		buf_z(why, "the two tables go together, and not with a folder");
	else if (k->tables)
		(void)dkim_tables_read(k, o, why);
	else
		read_folder(k, o, why);
	if (!why->n)
		return k;
	dkim_keys_unref(k);
	return NULL;
}

void dkim_keys_unref(struct dkim_keys *k)
{
	if (!k || --k->refs)
		return;
	for (size_t i = 0; i < k->n; i++)
		free_key(&k->v[i]);
	mem_free(k->v);
	for (size_t i = 0; i < k->n_rules; i++)
		mem_free(k->rules[i].pattern);
	mem_free(k->rules);
	mem_free(k);
}

/* nearest - of a folder: the key of the domain, else of the next one above it */
static const struct dkim_key *nearest(const struct dkim_keys *k, struct str domain)
{
	struct str label;

	for (; domain.n; str_cut(&domain, '.', &label))
		for (size_t i = 0; i < k->n; i++)
			if (str_ieq(domain, str_of(k->v[i].domain)))
				return &k->v[i];
	return NULL;
}

const struct dkim_key *dkim_keys_find(const struct dkim_keys *k, struct str address)
{
	ptrdiff_t at = str_rchr(address, '@');

	if (at < 0)
		return NULL;
	return k->tables ? dkim_tables_find(k, address) : nearest(k, str_from(address, (size_t)at + 1));
}

bool dkim_keys_for(const struct dkim_keys *k, const struct dkim_key *key, struct str domain)
{
	return k->tables ? dkim_tables_sign(k, (size_t)(key - k->v), domain) : key == nearest(k, domain);
}
