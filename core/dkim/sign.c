/* sign - see sign.h. */
#include "core/dkim/sign.h"

#include "core/base/format.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/dkim/canon.h"
#include "core/msg/addr_tree.h"
#include "core/msg/mime.h"
#include "core/net/idn.h"

enum { COLUMNS = 76 };

/* what is signed where it is there (RFC 6376 section 5.4.1). Fields of the way (Received, Return-Path) are not, for hosts add them */
static const char *const names[] = {
	"From", "Sender", "Reply-To", "Subject", "Date", "Message-ID", "To", "Cc", "MIME-Version", "Content-Type",
	"Content-Transfer-Encoding", "Content-ID", "Content-Description", "In-Reply-To", "References", "Resent-Date", "Resent-From",
	"Resent-Sender", "Resent-To", "Resent-Cc", "Resent-Message-ID", "List-Id", "List-Help", "List-Unsubscribe",
	"List-Unsubscribe-Post", "List-Subscribe", "List-Post", "List-Owner", "List-Archive",
};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

struct dkim_signing {
	const struct dkim_keys *keys;
	const struct dkim_key *key;    /* NULL: not known yet, or none */
	char *domain;                  /* that it signs for */
	struct buf header;
	size_t line;                   /* of the header: where its last line begins */
	bool in_body, never;
	struct dkim_body body;
	struct tls_hash *hash;         /* of the body */
};

static void hash_body(void *ctx, struct str text)
{
	struct dkim_signing *s = ctx;

	tls_hash_add(s->hash, text.p, text.n);
}

struct dkim_signing *dkim_signing_new(const struct dkim_keys *keys)
{
	struct dkim_signing *s = MEM_NEW(struct dkim_signing);

	s->keys = keys;
	s->hash = tls_hash_new();
	buf_init(&s->header, 2 * LIMIT_HEADER);
	dkim_body_init(&s->body, hash_body, s);
	return s;
}

void dkim_signing_free(struct dkim_signing *s)
{
	if (!s)
		return;
	tls_hash_free(s->hash);
	buf_fini(&s->header);
	mem_free(s->domain);
	mem_free(s);
}

/* --- the header section ------------------------------------------------------------------------------------------------- */

/* key_of - and the domain that is named with it. That of an international address is named, and has its key, as in DNS (RFC 8616) */
static const struct dkim_key *key_of(const struct dkim_keys *keys, struct str from, char **domain)
{
	const struct dkim_key *key = NULL;
	char ascii[LIMIT_DOMAIN + 1];
	struct addr_tree t;
	struct arena a;
	ptrdiff_t at;

	arena_init(&a, 4 * LIMIT_HEADER);
	addr_tree_init(&t, &a, from);
	at = t.n ? str_rchr(t.v[0].is, '@') : -1;
	/* what cannot stand in a tag is nobody's domain */
	if (at >= 0 && idn_to_ascii(str_from(t.v[0].is, (size_t)at + 1), ascii)) {
		key = dkim_keys_find(keys, arena_printf(&a, "%.*s@%s", (int)at, t.v[0].is.p, ascii));
		if (key && !key->domain && !dkim_is_domain(str_of(ascii)))
			key = NULL;
	}
	if (key)
		*domain = mem_dupz(key->domain ? key->domain : ascii);
	addr_tree_fini(&t);
	arena_fini(&a);
	return key;
}

static void judge_header(struct dkim_signing *s)
{
	struct str rest = buf_view(&s->header);
	struct header h, from = { .name = STR_EMPTY };
	size_t n = 0;
	int r;

	s->in_body = true;
	while ((r = header_next(&rest, &h)) == 1) {
		if (!str_ieq(h.name, STR("From")))
			continue;
		from = h;
		n++;
	}
	if (r == 0 && n == 1 && !s->header.overflow)
		s->key = key_of(s->keys, from.value, &s->domain);
	s->never = !s->key;
}

/* take_header - what belongs to the header section, up to and without its empty line; what follows stays in *piece */
static void take_header(struct dkim_signing *s, struct str *piece)
{
	while (piece->n && !s->in_body) {
		const char *end = memchr(piece->p, '\n', piece->n);
		size_t n = end ? (size_t)(end - piece->p) + 1 : piece->n;

		buf_add(&s->header, piece->p, n);
		*piece = str_from(*piece, n);
		if (!end)
			continue;
		if (s->header.overflow || str_eq(str_from(buf_view(&s->header), s->line), STR("\r\n"))) {
			buf_truncate(&s->header, s->line);
			judge_header(s);
		}
		s->line = s->header.n;
	}
}

bool dkim_signing_add(struct dkim_signing *s, struct str piece)
{
	if (!s->in_body)
		take_header(s, &piece);
	if (s->in_body && !s->never)
		dkim_body_add(&s->body, piece);
	return !s->never;
}

/* --- the field ---------------------------------------------------------------------------------------------------------- */

/* put - a word of the field, in the next line where it does not fit into this one */
static void put(struct buf *out, size_t *column, const char *before, struct str word, char after)
{
	size_t n = strlen(before) + word.n + 1;

	if (*column + n > COLUMNS) {
		buf_z(out, "\r\n\t");
		*column = 8;
	}
	buf_z(out, before);
	buf_str(out, word);
	buf_byte(out, after);
	*column += n;
}

/* put_fields - the name of each field that is signed, and what is hashed of it: of several with one name the last one first (section
 * 5.4.2) */
static void put_fields(const struct dkim_signing *s, struct buf *out, size_t *column, struct tls_hash *hash)
{
	struct { size_t n; struct header v[LIMIT_DKIM_INSTANCES]; } *found = mem_array(NULL, NAMES, sizeof(*found));
	struct str rest = buf_view(&s->header);
	struct header h;
	struct buf text;

	memset(found, 0, NAMES * sizeof(*found));
	while (header_next(&rest, &h) == 1)
		for (size_t i = 0; i < NAMES; i++)
			if (str_ieq(h.name, str_of(names[i])))
				found[i].v[found[i].n++ % LIMIT_DKIM_INSTANCES] = h;
	buf_init(&text, 2 * LIMIT_HEADER);
	put(out, column, " h=", str_of(names[0]), ':');
	for (size_t i = 0; i < NAMES; i++) {
		size_t most = found[i].n < LIMIT_DKIM_INSTANCES ? found[i].n : LIMIT_DKIM_INSTANCES;

		for (size_t j = 1; j <= most; j++) {
			put(out, column, "", str_of(names[i]), ':');
			buf_clear(&text);
			dkim_header(&found[i].v[(found[i].n - j) % LIMIT_DKIM_INSTANCES], &text);
			buf_z(&text, "\r\n");
			tls_hash_add(hash, text.p, text.n);
		}
	}
	out->p[out->n - 1] = ';';
	buf_fini(&text);
	mem_free(found);
}

static void put_base64(struct buf *out, size_t *column, const char *tag, const uint8_t *p, size_t n, char end)
{
	struct buf text;
	struct str rest;

	buf_init(&text, 2048);
	mime_base64(&text, str_make((const char *)p, n), 0);
	for (rest = buf_view(&text); rest.n; rest = str_from(rest, 64)) {
		put(out, column, tag, str_head(rest, 64), rest.n > 64 ? ' ' : end);
		tag = "";
	}
	buf_fini(&text);
}

/* hash_itself - the field without its signature, as if it were the last one (section 3.7) */
static void hash_itself(const struct buf *out, struct tls_hash *hash)
{
	struct str rest;
	struct header h;
	struct buf text;

	buf_init(&text, LIMIT_DKIM_FIELD);
	rest = buf_view(out);
	if (header_next(&rest, &h) == 1)
		dkim_header(&h, &text);
	tls_hash_add(hash, text.p, text.n);
	buf_fini(&text);
}

static bool put_signature(struct dkim_signing *s, uint64_t now, struct buf *out)
{
	struct tls_hash *hash = tls_hash_new();
	uint8_t digest[32], signature[TLS_SIGNATURE_MAX];
	size_t column, n;
	char text[32];

	dkim_body_end(&s->body);
	tls_hash_end(s->hash, digest);
	buf_z(out, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;");
	column = out->n;
	put(out, &column, " d=", str_of(s->domain), ';');
	put(out, &column, " s=", str_of(s->key->selector), ';');
	put(out, &column, " t=", str_make(text, (size_t)format_text(text, sizeof(text), "%llu", (unsigned long long)now)), ';');
	put_fields(s, out, &column, hash);
	put_base64(out, &column, " bh=", digest, sizeof(digest), ';');
	buf_z(out, "\r\n\tb=");
	hash_itself(out, hash);
	tls_hash_end(hash, digest);
	tls_hash_free(hash);
	n = tls_key_sign(s->key->key, digest, signature);
	column = 10;
	put_base64(out, &column, "", signature, n, '\r');
	buf_byte(out, '\n');
	return n > 0 && !out->overflow;
}

bool dkim_signing_end(struct dkim_signing *s, uint64_t now, struct buf *out)
{
	struct buf field;
	bool good;

	if (!s->in_body)
		judge_header(s);
	if (s->never)
		return true;
	buf_init(&field, LIMIT_DKIM_FIELD);
	good = put_signature(s, now, &field);
	if (good)
		buf_str(out, buf_view(&field));
	buf_fini(&field);
	return good;
}
