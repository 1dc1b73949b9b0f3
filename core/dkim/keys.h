/* keys - the private keys that sign for domains, read once per configuration: files of one folder, DOMAIN.SELECTOR.pem or DOMAIN.private, or
 * what OpenDKIM's KeyTable and SigningTable say (opendkim.conf(5)). */
#ifndef CORE_DKIM_KEYS_H
#define CORE_DKIM_KEYS_H

#include "core/net/tls.h"

struct dkim_key {
	char *name;                    /* in the KeyTable; NULL: of a folder */
	char *domain;                  /* in small letters; NULL: whatever the sender's is */
	char *selector;
	struct tls_key *key;
	char *path;                    /* of its file */
	char *why;                     /* it shall not sign (dkim_options.faulty): NULL for all others; key may be NULL then */
};
bool dkim_is_domain(struct str s);      /* labels of letters, digits, - and _ with dots between them; selectors, too */
struct dkim_keys {
	unsigned refs;
	struct dkim_key *v;
	size_t n;
	struct dkim_rule { char *pattern; size_t key; } *rules;        /* of the SigningTable, in its order and in small letters */
	size_t n_rules;
	bool tables, globs;            /* rules decide; * in them stands for anything (refile:) */
};
struct dkim_options {                  /* "" where not given: a folder, or both tables */
	const char *folder;
	const char *selectors;         /* of the folder's keys: "SELECTOR", and "DOMAIN=SELECTOR" where one has another, in a list */
	const char *key_table, *signing_table; /* names of files, "file:" or, the second, "refile:" in front or not */
	bool faulty;                   /* keys that shall not sign are kept, too, for who looks at them only */
};
/* dkim_keys_open - NULL with why: a folder or file cannot be read, everybody may read a key, it is no RSA key of 2048 bits or more, its name
 * is no domain, there is none, or a line of a table is none */
struct dkim_keys *dkim_keys_open(const struct dkim_options *o, struct buf *why);
void dkim_keys_unref(struct dkim_keys *k);             /* NULL: nothing */
/* dkim_keys_find - for this address: by the SigningTable; or of its domain, else of the next one above it that has one. NULL: none. Letter
 * case is nothing */
const struct dkim_key *dkim_keys_find(const struct dkim_keys *k, struct str address);

/* dkim_keys_for - does this one sign for senders of the domain? Of a folder the nearest one does */
bool dkim_keys_for(const struct dkim_keys *k, const struct dkim_key *key, struct str domain);

/* --- within the room --- */
/* dkim_key_read - takes a file's key into *key. False: why says what is wrong, and what there is of the key is kept only where faulty ones are */
bool dkim_key_read(struct dkim_key *key, const char *path, const struct dkim_options *o, struct buf *why);
bool dkim_tables_read(struct dkim_keys *k, const struct dkim_options *o, struct buf *why); /* tables.c; false with why */
const struct dkim_key *dkim_tables_find(const struct dkim_keys *k, struct str address);
char *dkim_lower(struct str s);                        /* owned, in small letters */
bool dkim_tables_sign(const struct dkim_keys *k, size_t key, struct str domain); /* for some sender of the domain */

#endif
