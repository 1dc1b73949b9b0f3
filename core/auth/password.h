/* password - what a table says of a user's password, and whether one fits. An entry is one of
 *
 *   {PLAIN}text                                  the password itself
 *   $5$[rounds=N$]SALT$HASH, $6$…                SHA-crypt with SHA-256 or SHA-512 (crypt(5))
 *   $2b$NN$SALT-AND-HASH, $2a$, $2y$             bcrypt
 *   SCRAM-SHA-256$N:SALT$STORED:SERVER           RFC 5803
 *
 * All but the first burn time by intent: they run on a pool thread. */
#ifndef CORE_AUTH_PASSWORD_H
#define CORE_AUTH_PASSWORD_H

#include "core/auth/scram.h"
#include "core/base/buf.h"

/* password_check_entry - NULL, or what is wrong with an entry ("unknown form …"); no secret is in it */
const char *password_check_entry(struct str entry);
/* password_burns - its work is worth a thread */
bool password_burns(struct str entry);
/* password_fits - false also for an entry that password_check_entry refuses. Time depends on the form of the entry and the length of
 * the password alone */
bool password_fits(struct str entry, struct str password);
/* password_does_scram - SCRAM can be done with it: of a hash of another kind only the client knows what it is of */
bool password_does_scram(struct str entry);
/* password_scram - what SCRAM needs of such an entry; of a {PLAIN} one it is made, with the rounds and the salt that e has. Burns then */
bool password_scram(struct str entry, struct scram_entry *e);
enum { PASSWORD_SCRAM_ROUNDS = 4096 };                 /* of those that we make: RFC 7677 section 4 */
/* password_make - an entry ($6$) for a password, with salt: 16 characters of crypt's 64 */
void password_make(struct buf *out, struct str password, struct str salt);
void password_make_salted(struct buf *out, struct str password);       /* with a salt of its own */

void password_make_scram(struct buf *out, struct str password);        /* one for SCRAM-SHA-256 */

extern const char crypt_letters[65];                   /* six bits each, as crypt(3) has them in salts and SHA-crypt in hashes */
/* The algorithms. crypt_sha - setting: "$6$rounds=5000$salt" and whatever follows; the whole entry into out. false: not a setting */
bool crypt_sha(struct buf *out, struct str password, struct str setting);
/* crypt_blowfish - setting: "$2b$10$" and 22 characters of salt */
bool crypt_blowfish(struct buf *out, struct str password, struct str setting);

#endif
