/* keys - the private keys that sign for domains: files DOMAIN.SELECTOR.pem of one folder, read once per configuration. */
#ifndef CORE_DKIM_KEYS_H
#define CORE_DKIM_KEYS_H

#include "core/net/tls.h"

struct dkim_key {
	char *domain;                  /* in small letters */
	struct tls_key *key;
};
bool dkim_is_domain(struct str s);      /* labels of letters, digits, - and _ with dots between them; selectors, too */
struct dkim_keys {
	unsigned refs;
	char *selector;
	struct dkim_key *v;
	size_t n;
};
/* dkim_keys_open - every file of the folder that ends in .SELECTOR.pem. NULL with why: the folder or a file cannot be read, everybody may
 * read one, it is no RSA key of 2048 bits or more, its name is no domain, or there is none */
struct dkim_keys *dkim_keys_open(const char *folder, const char *selector, struct buf *why);
void dkim_keys_unref(struct dkim_keys *k);             /* NULL: nothing */
/* dkim_keys_find - of this domain, else of the next one above it that has one; NULL: none. Letter case is nothing */
const struct dkim_key *dkim_keys_find(const struct dkim_keys *k, struct str domain);

#endif
