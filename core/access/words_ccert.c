/* words_ccert - restrictions that let clients in by their certificates (postconf(5), permit_tls_clientcerts): by a fingerprint that
 * relay_clientcerts has, whoever issued it, or by an authority that is trusted. */
#include "core/access/access_private.h"

enum access_says access_permit_ccert(struct access_run *r, const struct access_row *row)
{
	const struct access_request *q = r->request;
	enum access_says says = ACCESS_NEXT;
	struct buf value;

	(void)row;
	buf_init(&value, LIMIT_MAP_VALUE);
	for (size_t i = 0; i < 2 && says == ACCESS_NEXT && q->ccert[i].n; i++) {
		/* the tables are the rules', whose request borrows them */
		enum map_answer got = maps_find((struct maps *)(uintptr_t)&r->rules->clientcerts, q->ccert[i], false, &value, NULL);

		says = got == MAP_FOUND ? ACCESS_PERMIT : got == MAP_ERROR ? access_temporary(r, q->ccert[i]) : ACCESS_NEXT;
	}
	buf_fini(&value);
	return says;
}

enum access_says access_permit_all_ccerts(struct access_run *r, const struct access_row *row)
{
	(void)row;
	return r->request->ccert_trusted ? ACCESS_PERMIT : ACCESS_NEXT;
}
