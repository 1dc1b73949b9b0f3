/* tls_level - the words of smtp_tls_security_level and of policy tables, and what each of them asks for. The one table of them:
 * who wants to know what a level means looks at its row and compares no numbers. */
#ifndef CORE_POLICY_TLS_LEVEL_H
#define CORE_POLICY_TLS_LEVEL_H

#include "core/base/str.h"
#include "core/conf/conf.h"
#include "core/net/tls.h"

struct tls_level {
	const char *word;
	bool offer;                    /* TLS is used where a server has it */
	bool require;                  /* without TLS nothing is sent */
	enum tls_match match;          /* whom the certificate must name */
	bool dane, only;               /* what the DNS says decides (dane.h); … and must say something */
};
const struct tls_level *tls_level_row(int level);      /* an enum conf_tls_level, UNSET too: the row of none */
/* tls_level_made - what no word of parameters or tables asks for: an MTA-STS policy in force (RFC 8461 section 4), or a message with
 * REQUIRETLS (RFC 8689 section 4.2.1) */
enum tls_made { TLS_MADE_BY_STS, TLS_MADE_BY_MESSAGE };
const struct tls_level *tls_level_made(enum tls_made by);
bool tls_level_parse(struct str word, enum conf_tls_level *out);       /* in any case of letters */

#endif
