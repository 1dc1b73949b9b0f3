/* fuzz_verify.c - the file of the verify cache. Whatever is in it: what was kept is sane, and written out it reads back as the
 * same cache, all lines good. */
#include <stdlib.h>

#include "core/access/verify_private.h"
#include "core/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct verify *cache(struct loop *loop, const struct conf *c, struct str text, size_t *bad)
{
	struct verify *v = verify_new(&(struct verify_options){ .loop = loop, .conf = c });

	*bad = verify_file_take(v, text);
	return v;
}

static void judge(const struct verify *v)
{
	LIST_EACH(&v->order, it, tmp) {
		const struct verify_entry *e = LIST_ITEM(it, struct verify_entry, link);

		if (!e->updated || !*e->address || strlen(e->address) > LIMIT_ADDRESS || (e->code != 250 && e->code != 450 && e->code != 550) ||
				e->enhanced[0] != '0' + e->code / 100 || table_find(&v->table, str_of(e->address)) != e)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct loop *loop;
	static struct conf c = { .address_verify_negative_cache = true };
	struct verify *v, *again;
	struct buf text, twice;
	size_t bad;

	if (!loop) {
		loop = loop_new();
		c.address_verify_positive_expire_time = c.address_verify_negative_expire_time = 365 * 86400 * USEC_PER_SEC;
	}
	buf_init(&text, 1 << 24);
	buf_init(&twice, 1 << 24);
	v = cache(loop, &c, str_make((const char *)data, n), &bad);
	judge(v);
	verify_file_format(v, &text);
	again = cache(loop, &c, buf_view(&text), &bad);
	verify_file_format(again, &twice);
	/* an address with a control character is not written */
	if (bad || verify_count(again) > verify_count(v) || text.n != twice.n || (text.n && memcmp(text.p, twice.p, text.n)))
		abort();
	verify_free(again);
	verify_free(v);
	buf_fini(&twice);
	buf_fini(&text);
	return 0;
}
