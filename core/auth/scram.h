/* scram - SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677) on the server's side, and entries of tables for it (RFC 5803), as pure
 * steps: messages in, messages out.
 *
 *   first   n,,n=user,r=NONCE                     scram_first takes it
 *           r=NONCE+OURS,s=SALT,i=ROUNDS          scram_challenge makes it, of the user's entry
 *   final   c=biws,r=NONCE+OURS,p=PROOF           scram_final judges it, and makes
 *           v=SIGNATURE                           … by which the client knows us
 *
 * The channel is bound by what TLS exports (tls-exporter, RFC 9266). A client that could bind and was told that we cannot is refused:
 * somebody between us took the word out of our offer. Names and passwords are compared as they come: what SASLprep would change of text
 * beyond ASCII is for the client to do. */
#ifndef CORE_AUTH_SCRAM_H
#define CORE_AUTH_SCRAM_H

#include "core/base/buf.h"
#include "core/base/limits.h"

struct scram_entry { unsigned long rounds; uint8_t salt[64], stored[32], server[32]; size_t salt_n; };
/* scram_entry_read - "SCRAM-SHA-256$N:SALT$STORED:SERVER"; false: it is not that */
bool scram_entry_read(struct str entry, struct scram_entry *e);
/* scram_entry_make - stored and server key of a password; rounds and salt are there. Burns */
void scram_entry_make(struct scram_entry *e, struct str password);
void scram_entry_format(const struct scram_entry *e, struct buf *out);
/* scram_entry_fits - is it the password's? Burns */
bool scram_entry_fits(const struct scram_entry *e, struct str password);

struct scram {
	char user[LIMIT_AUTH_USER];
	struct buf bound;              /* what the client's c= must be: its header, and what binds the channel */
	struct buf said;               /* the client's first message without its header, and our answer */
	struct buf nonce;              /* of both */
	struct scram_entry entry;
};
/* scram_init - exporter: 32 bytes of this channel, NULL: it cannot be bound. plus: the mechanism that demands it. offered: it was in our offer */
struct scram_channel { const uint8_t *exporter; bool plus, offered; };
void scram_init(struct scram *s);
void scram_fini(struct scram *s);      /* wipes */
/* scram_first - NULL: the user is known, or why the exchange ends. ours: printable, of our half of the nonce */
const char *scram_first(struct scram *s, struct str message, const struct scram_channel *channel, struct str ours);
void scram_challenge(struct scram *s, struct buf *out);        /* s->entry is there */
/* scram_final - NULL: the client knows the password, and out has the answer; or why the exchange ends, "" where it is the password */
const char *scram_final(struct scram *s, struct str message, struct buf *out);

#endif
