/* addr - addresses: the envelope grammar of RFC 5321 and the header grammar of RFC 5322 (with UTF-8: RFC 6531/6532).
 *
 * One canonical text everywhere: local@domain as it goes on the wire, the local part quoted only where it must be, no
 * angle brackets, the null sender as "". Parsers accept or refuse; they never repair (threats C1, C10). A parsed address
 * never holds CR, LF, NUL or other control bytes. */
#ifndef CORE_MSG_ADDR_H
#define CORE_MSG_ADDR_H

#include "core/base/arena.h"
#include "core/base/buf.h"

struct addr {
	struct str full;       /* canonical text */
	struct str local;      /* view into full; still quoted if it was */
	struct str domain;     /* view into full; empty if unqualified; "[1.2.3.4]" for a literal */
};

/* addr_parse - all of s as one bare address (no brackets, no display name). Result lives in `a`.
 * false: not an address. An unqualified local part ("root") is accepted; "" is the null address. */
bool addr_parse(struct arena *a, struct str s, struct addr *out);
/* addr_parse_path - "<path>" at the front of s as in MAIL FROM:/RCPT TO: (source routes are dropped, brackets may be
 * missing as in Postfix); *rest gets what follows. false: syntax */
bool addr_parse_path(struct arena *a, struct str s, struct addr *out, struct str *rest);
/* addr_split - local and domain of canonical text, no check, no copy; the domain starts after the last unquoted '@' */
struct addr addr_split(struct str canonical);
/* addr_unquote_local - local part without quotes and escapes (for maps and mailboxes) */
struct str addr_unquote_local(struct arena *a, struct str local);
/* addr_key - map key: the address with its local part unquoted, lower case */
struct str addr_key(struct arena *a, struct str canonical);
bool addr_is_utf8(struct str canonical);               /* needs SMTPUTF8 */
bool addr_valid_domain(struct str d);                  /* LDH or UTF-8 labels, length rules, or an address literal */

/* one mailbox of a header or of sendmail's argv */
struct mailbox {
	struct addr addr;
	struct str name;       /* display phrase as written, trimmed; may be empty */
	struct str raw;        /* the bytes of this mailbox as written */
};
/* addr_list_next - take the next mailbox of an RFC 5322 address list (groups, comments, quoted strings, obsolete routes)
 * off *rest; 1 with out, 0 at the end, -1 for syntax (the list must then be refused whole). Iterative, linear time. */
int addr_list_next(struct arena *a, struct str *rest, struct mailbox *out);

#endif
