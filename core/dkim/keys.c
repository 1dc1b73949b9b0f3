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
	const char *folder;
	struct str suffix;             /* ".SELECTOR.pem" */
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

static struct tls_key *open_key(const char *path, struct buf *why)
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

/* look_at - a key of another selector is opened, too: what is not seen at the start may not be read by a relayd that has given root up */
static void look_at(const struct reading *r, const char *name)
{
	char path[PATH_MAX];
	int fd = -1;

	if (str_ends(str_of(name), STR(".pem")) && format_text(path, sizeof(path), "%s/%s", r->folder, name) < (int)sizeof(path))
		fd = fs_open_table(path);
	if (fd >= 0)
		fs_close(fd);
}

static int take_file(void *ctx, const char *name)
{
	struct reading *r = ctx;
	struct dkim_keys *k = r->keys;
	struct str domain = str_of(name);
	char path[PATH_MAX];
	struct tls_key *key;

	if (!str_ends(domain, r->suffix)) {
		look_at(r, name);
		return 0;
	}
	domain.n -= r->suffix.n;
	if (format_text(path, sizeof(path), "%s/%s", r->folder, name) >= (int)sizeof(path) || !dkim_is_domain(domain))
		buf_printf(r->why, "%s/%s: its name is not DOMAIN%.*s", r->folder, name, STR_ARG(r->suffix));
	else if (k->n == LIMIT_DKIM_KEYS)
		buf_printf(r->why, "%s: more than %d keys", r->folder, LIMIT_DKIM_KEYS);
	key = r->why->n ? NULL : open_key(path, r->why);
	if (!key)
		return 1;
	k->v = mem_array(k->v, k->n + 1, sizeof(*k->v));
	k->v[k->n] = (struct dkim_key){ .domain = str_dup(domain), .key = key };
	for (char *c = k->v[k->n].domain; *c; c++)
		*c = ascii_lower(*c);
	k->n++;
	return 0;
}

struct dkim_keys *dkim_keys_open(const char *folder, const char *selector, struct buf *why)
{
	struct dkim_keys *k = MEM_NEW(struct dkim_keys);
	char suffix[LIMIT_DKIM_DOMAIN + 8];
	struct reading r = { .keys = k, .folder = folder, .why = why };

	k->refs = 1;
	k->selector = str_dup(str_of(selector));
	if (!dkim_is_domain(str_of(selector))) {
		buf_printf(why, "\"%.100s\" is no selector: letters, digits, - and dots inside", selector);
	} else {
		format_text(suffix, sizeof(suffix), ".%s.pem", selector);
		r.suffix = str_of(suffix);
		if (fs_each_name(folder, take_file, &r) < 0)
			buf_printf(why, "%s: %s", folder, strerror(errno));
		else if (!k->n && !why->n)
			buf_printf(why, "%s: no file DOMAIN.%s.pem is there", folder, selector);
	}
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
		mem_free(k->v[i].domain);
		tls_key_free(k->v[i].key);
	}
	mem_free(k->v);
	mem_free(k->selector);
	mem_free(k);
}

const struct dkim_key *dkim_keys_find(const struct dkim_keys *k, struct str domain)
{
	struct str label;

	while (domain.n) {
		for (size_t i = 0; i < k->n; i++)
			if (str_ieq(domain, str_of(k->v[i].domain)))
				return &k->v[i];
		str_cut(&domain, '.', &label);
	}
	return NULL;
}
