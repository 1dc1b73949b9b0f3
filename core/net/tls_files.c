/* tls_files.c - files of certificates and keys, taken apart but not understood.
 *
 * Files are read through fs_open_table, so that a key only root may read can be read again after the privileges are
 * gone. Text with keys in it is wiped. */
#include "core/net/tls_files.h"

#include <errno.h>
#include <fcntl.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/mem.h"

static bool is_given(const char *path)
{
	return path && *path;
}

static bool read_file(const char *path, struct buf *out, struct buf *why)
{
	int fd = fs_open_table(path);
	ssize_t n = -1;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0) {
		errno = EFBIG;
		if (st.st_size >= 0 && buf_reserve(out, (size_t)st.st_size))
			n = fs_pread_all(fd, out->p + out->n, (size_t)st.st_size, 0);
	}
	if (n < 0)
		buf_printf(why, "%s: %s", path, strerror(errno));
	else
		buf_truncate(out, out->n += (size_t)n);
	if (fd >= 0)
		fs_close(fd);
	return n >= 0;
}

size_t tls_text_length(struct str text)
{
	return text.n + (str_find(text, STR("-----BEGIN")) >= 0);
}

/* --- what to trust ------------------------------------------------------------------------------------------------ */

struct folder {
	const char *path;
	bool (*add)(void *ctx, struct str text);
	void *ctx;
	size_t useful;
};

static bool add_file(const char *path, bool (*add)(void *ctx, struct str text), void *ctx, struct buf *why)
{
	struct buf text;
	bool ok;

	buf_init(&text, LIMIT_TLS_FILE);
	ok = read_file(path, &text, why);
	if (ok && !add(ctx, buf_reserve(&text, 0) ? buf_view(&text) : STR(""))) {
		buf_printf(why, "%s: no usable certificate in it", path);
		ok = false;
	}
	buf_fini(&text);
	return ok;
}

/* "5ed36f99.0": the names by which OpenSSL finds a CA in a folder; other files there are the same certificates again */
static bool is_hash_name(const char *name)
{
	uint64_t n;

	return strlen(name) > 9 && name[8] == '.' && str_to_hex64(str_make(name, 8), &n) && str_to_u64(str_of(name + 9), &n);
}

static int add_from_folder(void *ctx, const char *name)
{
	struct folder *f = ctx;
	struct buf path, why;

	if (!is_hash_name(name))
		return 0;
	buf_init(&path, 4096);
	buf_init(&why, 4096);
	if (buf_printf(&path, "%s/%s", f->path, name) && add_file(buf_cstr(&path), f->add, f->ctx, &why))
		f->useful++;
	buf_fini(&path);
	buf_fini(&why);
	return 0;
}

bool tls_each_ca(const char *file, const char *folder, bool (*add)(void *ctx, struct str text), void *ctx, struct buf *why)
{
	struct folder f = { folder, add, ctx, 0 };

	if (is_given(file) && !add_file(file, add, ctx, why))
		return false;
	if (!is_given(folder))
		return true;
	if (fs_each_name(folder, add_from_folder, &f) < 0)
		buf_printf(why, "%s: %s", folder, strerror(errno));
	else if (!f.useful)
		buf_printf(why, "%s: no usable certificate under a hash name there (see openssl-rehash)", folder);
	else
		return true;
	return false;
}

/* --- who we are --------------------------------------------------------------------------------------------------- */

size_t tls_next_key(struct str text, size_t at)
{
	while (at < text.n) {
		ptrdiff_t begin = str_find(str_from(text, at), STR("-----BEGIN "));
		struct str rest, line;

		if (begin < 0)
			break;
		at += (size_t)begin;
		rest = str_from(text, at);
		if (str_cut(&rest, '\n', &line) && str_find(line, STR("PRIVATE KEY-----")) >= 0)
			return at;
		at++;
	}
	return text.n;
}

const char *tls_take_apart(struct str text, tls_identity_fn add, void *ctx)
{
	size_t at = tls_next_key(text, 0);
	const char *wrong = NULL;

	if (tls_next_key(text, at + 1) == text.n)
		return add(ctx, text, text);
	while (!wrong && at < text.n) {
		size_t end = tls_next_key(text, at + 1);
		char *piece = str_dup(str_make(text.p + at, end - at));

		wrong = add(ctx, str_make(piece, end - at), str_make(piece, end - at));
		mem_wipe(piece, end - at);
		mem_free(piece);
		at = end;
	}
	return wrong;
}

bool tls_read_files(const char *files, struct buf *text, struct buf *why)
{
	struct str list = str_of(files), word;
	bool ok = true;

	while (ok && str_word(&list, ", \t\r\n", &word)) {
		char *path = str_dup(word);

		ok = read_file(path, text, why) && buf_byte(text, '\n');
		mem_free(path);
	}
	return ok;
}

bool tls_each_identity(const char *cert_file, const char *key_file, const char *chain_files,
	tls_identity_fn add, void *ctx, struct buf *why)
{
	bool single = is_given(cert_file);
	const char *from = single ? cert_file : chain_files, *wrong = NULL;
	struct buf text, key;
	bool ok;

	if (!is_given(from))
		return true;
	buf_init(&text, LIMIT_TLS_FILE);
	buf_init(&key, LIMIT_TLS_FILE);
	ok = single ? read_file(from, &text, why) : tls_read_files(from, &text, why);
	if (ok && single && is_given(key_file)) {
		ok = read_file(key_file, &key, why);
		wrong = ok ? add(ctx, buf_view(&key), buf_view(&text)) : NULL;
	} else if (ok) {
		wrong = tls_take_apart(buf_view(&text), add, ctx);
	}
	if (wrong)
		buf_printf(why, "%s: %s", from, wrong);
	buf_wipe(&text);
	buf_wipe(&key);
	return ok && !wrong;
}
