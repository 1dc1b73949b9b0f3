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

/* read_key - the text of a file that not everybody may read */
static bool read_key(const char *path, struct buf *pem, struct buf *why)
{
	int fd = fs_open_table(path);
	struct stat st;
	bool good = fd >= 0 && fstat(fd, &st) == 0;

	if (good && (st.st_mode & S_IRWXO)) {
		buf_printf(why, "%s: everybody may open this private key: chmod 600 it", path);
		fs_close(fd);
		return false;
	}
	good = good && fs_read_fd(fd, pem) >= 0;
	if (!good)
		buf_printf(why, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		fs_close(fd);
	return good;
}

struct tls_key *dkim_key_read(const char *path, struct buf *why)
{
	struct tls_key *key = NULL;
	struct buf pem;

	buf_init(&pem, LIMIT_TLS_FILE);
	if (read_key(path, &pem, why)) {
		key = tls_key_new(buf_view(&pem));
		if (!key || tls_key_bits(key) < LEAST_BITS) {
			buf_printf(why, "%s: no RSA private key in PEM form, of %d bits or more and without a password", path, LEAST_BITS);
			tls_key_free(key);
			key = NULL;
		}
	}
	buf_wipe(&pem);
	return key;
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

/* add_key - a domain's DOMAIN.SELECTOR.pem is more than its DOMAIN.private */
static void add_key(struct dkim_keys *k, struct str domain, struct str selector, struct tls_key *key, bool more)
{
	size_t at = 0;

	while (at < k->n && !str_ieq(str_of(k->v[at].domain), domain))
		at++;
	if (at < k->n && !more) {
		tls_key_free(key);
		return;
	}
	if (at == k->n) {
		k->v = mem_array(k->v, k->n + 1, sizeof(*k->v));
		k->v[k->n++] = (struct dkim_key){ .domain = str_dup(domain) };
		for (char *c = k->v[at].domain; *c; c++)
			*c = ascii_lower(*c);
	}
	tls_key_free(k->v[at].key);
	mem_free(k->v[at].selector);
	k->v[at].key = key;
	k->v[at].selector = str_dup(selector);
}

static int take_file(void *ctx, const char *name)
{
	struct reading *r = ctx;
	bool pem = str_ends(str_of(name), STR(".pem"));
	struct str domain, selector;
	struct tls_key *key = NULL;
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
	} else {
		key = dkim_key_read(path, r->why);
	}
	if (!key)
		return 1;
	add_key(r->keys, domain, selector, key, pem);
	return 0;
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
	for (size_t i = 0; i < k->n; i++) {
		mem_free(k->v[i].name);
		mem_free(k->v[i].domain);
		mem_free(k->v[i].selector);
		tls_key_free(k->v[i].key);
	}
	mem_free(k->v);
	for (size_t i = 0; i < k->n_rules; i++)
		mem_free(k->rules[i].pattern);
	mem_free(k->rules);
	mem_free(k);
}

const struct dkim_key *dkim_keys_find(const struct dkim_keys *k, struct str address)
{
	ptrdiff_t at = str_rchr(address, '@');
	struct str domain = str_from(address, (size_t)(at + 1)), label;

	if (at < 0)
		return NULL;
	if (k->tables)
		return dkim_tables_find(k, address);
	while (domain.n) {
		for (size_t i = 0; i < k->n; i++)
			if (str_ieq(domain, str_of(k->v[i].domain)))
				return &k->v[i];
		str_cut(&domain, '.', &label);
	}
	return NULL;
}
