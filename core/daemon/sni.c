/* sni - see sni.h. */
#include "core/daemon/sni.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/map/map.h"
#include "core/msg/mime.h"
#include "core/net/tls_files.h"

struct reading { struct sni *sni; const char *spec; struct buf *why; };

/* take_text - what a value says: the files' content in base64, as postmap -F puts it into a table, or their names */
static bool take_text(struct str value, struct buf *text, struct buf *why)
{
	char *files;
	bool good;

	if (mime_base64_decode(text, value) && str_find(buf_view(text), STR("-----BEGIN ")) >= 0)
		return true;
	buf_clear(text);
	files = str_dup(value);
	good = tls_read_files(files, text, why);
	mem_free(files);
	return good;
}

static int take_entry(void *ctx, struct str key, struct str value)
{
	struct reading *r = ctx;
	struct sni *s = r->sni;
	struct buf text;
	char *name, *pem;

	/* the first table that has a name counts */
	for (size_t i = 0; i < s->n; i++)
		if (str_ieq(str_of(s->v[i].name), key))
			return 0;
	if (s->n == LIMIT_SNI_NAMES) {
		buf_printf(r->why, "%s: more than %d names", r->spec, LIMIT_SNI_NAMES);
		return 1;
	}
	buf_init(&text, LIMIT_TLS_FILE);
	buf_reserve(&text, value.n);
	if (!take_text(str_trim(value), &text, r->why)) {
		buf_wipe(&text);
		return 1;
	}
	name = str_dup(key);
	for (char *p = name; *p; p++)
		*p = ascii_lower(*p);
	pem = str_dup(buf_view(&text));
	s->v = mem_array(s->v, s->n + 1, sizeof(*s->v));
	s->v[s->n++] = (struct tls_own){ name, str_make(pem, text.n) };
	buf_wipe(&text);
	return 0;
}

bool sni_load(struct sni *s, const char *maps, struct buf *why)
{
	struct maps tables;
	bool good = maps_open(&tables, maps, why) == 0;

	*s = (struct sni){ NULL, 0 };
	for (size_t i = 0; good && i < tables.n; i++) {
		struct reading r = { s, map_spec(tables.v[i]), why };
		int walked = map_each(tables.v[i], take_entry, &r);

		if (walked < 0)
			buf_printf(why, "%s: a table of this type cannot be read through: use hash, cdb, texthash or inline", r.spec);
		good = walked == 0;
	}
	maps_close(&tables);
	return good;
}

void sni_free(struct sni *s)
{
	for (size_t i = 0; i < s->n; i++) {
		mem_free((char *)(uintptr_t)s->v[i].name);
		mem_wipe((char *)(uintptr_t)s->v[i].pem.p, s->v[i].pem.n);
		mem_free((char *)(uintptr_t)s->v[i].pem.p);
	}
	mem_free(s->v);
}
