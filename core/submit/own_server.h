/* own_server - a server for one message, named in the words of s-nail (mail -S): its URL, login and what TLS must be. It
 * becomes parameters of a configuration for the direct way, so that what carries the mail there is what carries all other mail.
 *
 * smtps:// and submissions:// are TLS from the first byte on any port; smtp-use-starttls demands STARTTLS. What is demanded is
 * had, or nothing is sent: no table and no main.cf makes it less. A password is never part of a message or a log line. */
#ifndef CORE_SUBMIT_OWN_SERVER_H
#define CORE_SUBMIT_OWN_SERVER_H

#include "core/base/arena.h"
#include "core/conf/conf.h"

struct own_server {
	/* as given, borrowed; NULL: not */
	const char *url, *user, *password;
	const char *auth;              /* login, plain …; none: no login */
	const char *verify;            /* strict: the certificate must be right; ignore, warn: it need not. NULL: as main.cf says */
	const char *ca_file;
	bool starttls;
	struct arena arena;            /* what the URL says, decoded */
};
void own_server_init(struct own_server *s);
void own_server_fini(struct own_server *s);
/* own_server_set - a variable, value NULL: only its name was given. false: it is not one of ours */
bool own_server_set(struct own_server *s, struct str name, const char *value);
/* own_server_given - a server was named; a path is the sendmail program of mailx, which is us */
bool own_server_given(const struct own_server *s);
/* own_server_conf - the configuration of `directory` with this server in place of its relayhost; lives no longer than s.
 * NULL: why, or what diag holds */
struct conf *own_server_conf(struct own_server *s, const char *directory, struct buf *why, struct conf_diag *diag);

#endif
