/* records - what a domain says about its mail in TXT records, but for TLS (core/policy): parsers, and judges of one
 * value. Pure: bytes in; views into them out. They accept or say what is wrong, and where. */
#ifndef CORE_PROBE_RECORDS_H
#define CORE_PROBE_RECORDS_H

#include "core/net/tls.h"
#include "core/policy/tags.h"
#include "core/probe/facts.h"

/* tags_find - the first TXT record that begins so; *count of them */
struct str tags_find(const struct fact *f, struct str version, size_t *count);

enum { DMARC_P, DMARC_SP, DMARC_PCT, DMARC_RUA, DMARC_RUF, DMARC_ADKIM, DMARC_ASPF, DMARC_FO, DMARC_RF, DMARC_RI, DMARC_T, DMARC_NP, DMARC_PSD, DMARC_TAGS };
enum { DMARC_WRONG_MOST = 8 };
struct dmarc {
	struct str values[DMARC_TAGS]; /* of a tag that is wrong: p == NULL, its default counts (RFC 9989 4.7) */
	struct { struct str at; const char *why; } wrong[DMARC_WRONG_MOST]; /* such tags */
	size_t n_wrong;
	struct str unknown;            /* the first tag that nobody knows; empty: none */
	bool only_none;                /* p, sp or np is missing or wrong: p=none, for the sake of rua (RFC 7489 6.6.3) */
};
/* dmarc_parse - NULL: a policy; else why the record counts for nothing, and *at: where */
const char *dmarc_parse(struct str text, struct dmarc *out, struct str *at);

enum { DKIM_K, DKIM_P, DKIM_H, DKIM_T, DKIM_S, DKIM_TAGS };
struct dkim {
	struct str values[DKIM_TAGS];
	bool revoked, testing, mail;   /* mail: it may be used for that (s=) */
	char key[32];                  /* "RSA 2048", "Ed25519" */
	unsigned bits;
};
const char *dkim_parse(struct str text, struct dkim *out, struct str *at);
bool dkim_public(const struct dkim *d, struct buf *out);       /* its p=, decoded */

enum { BIMI_L, BIMI_A, BIMI_AVP, BIMI_LPS, BIMI_TAGS };
const char *bimi_parse(struct str text, struct str values[BIMI_TAGS], struct str *at);

#endif
