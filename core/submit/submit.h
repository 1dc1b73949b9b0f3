/* submit - hand a locally written message on, by the first way that is there: the submit socket of a running relayd (SMTP
 * over a unix socket), queue_directory/maildrop/, or straight to relayhost (sendmail_submission chooses otherwise).
 * Durable, or in the next server's hands, when it returns EX_OK. */
#ifndef CORE_SUBMIT_SUBMIT_H
#define CORE_SUBMIT_SUBMIT_H

#include "core/conf/conf.h"
#include "core/deliver/deliver.h"
#include "core/msg/envelope.h"
#include "core/msg/reply.h"

enum submit_way { SUBMIT_AUTO, SUBMIT_SOCKET, SUBMIT_MAILDROP, SUBMIT_DIRECT }; /* sendmail_submission */
/* who looks on at the SMTP sessions of one call, and what is asked of them; all may be 0 */
struct submit_options {
	/* '>' was sent, '<' received, '*' happened. Passwords are left out; then each command waits for its answer */
	void (*line)(void *ctx, char mark, struct str line);
	void *ctx;
	enum deliver_stop stop;        /* QUIT after this stage: nothing is sent */
	const struct dns_options *dns; /* for the direct way */
	bool as_said;                  /* a refusal stands as the server said it, even where a configuration is to blame */
};
struct submit_result {
	char qid[64];          /* what the server called it; "" if unknown */
	const char *way;       /* "socket", "maildrop", "direct" */
	char why[512];         /* what failed and what to do */
	char kept[256];        /* the user's own spool, when mail was left there because it could not be sent now; else "" */
	int refused;           /* sysexits code about recipients that were refused for good; 0: none were */
	bool answered;         /* a server has answered about this mail: others may fare better now */
};
/* submit_message - sysexits code: 0, EX_TEMPFAIL, EX_UNAVAILABLE (refused), EX_NOUSER … ; content in LF or CRLF lines.
 * Recipients that the direct way cannot reach now are kept in the user's own spool (submit_spool.h): that is EX_OK, with
 * `kept` and `why` filled in. o may be NULL */
int submit_message(const struct conf *c, const struct submit_options *o, const struct envelope *e, struct str content,
	struct submit_result *out);
/* submit_try - the same, but nothing is kept: verdicts[i] says what became of recipient i */
int submit_try(const struct conf *c, const struct submit_options *o, const struct envelope *e, struct str content,
	struct submit_result *out, enum verdict *verdicts);
#define SUBMIT_NOT_THERE (-1)          /* inside: this way does not exist here, the next one may */

#endif
