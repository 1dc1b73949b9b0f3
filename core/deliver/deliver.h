/* deliver - carries out one try: hands a delivery to the program of its transport (smtp, lmtp, local, error, retry,
 * discard) and brings the answers back with schedule_done. Logs one line per recipient, as Postfix does. */
#ifndef CORE_DELIVER_DELIVER_H
#define CORE_DELIVER_DELIVER_H

#include "core/deliver/bounce_template.h"
#include "core/deliver/content.h"
#include "core/net/conn.h"
#include "core/net/dns.h"
#include "core/policy/tls_level.h"
#include "core/schedule/schedule.h"
#include "core/route/route.h"

/* what the sessions of a delivery do, for those who look on (mxcheck, sendmail -v); relayd has nobody */
enum deliver_step_kind { DELIVER_STEP_CONNECTED, DELIVER_STEP_TLS, DELIVER_STEP_AUTH, DELIVER_STEP_RCPT, DELIVER_STEP_FAILED };
struct deliver_step {
	enum deliver_step_kind kind;
	const char *host;              /* NULL: no host yet (FAILED: the next hop) */
	const struct ipaddr *address;  /* AF_UNSPEC: a unix socket */
	uint16_t port;
	usec took;                     /* CONNECTED */
	const struct tls_info *tls;    /* TLS */
	const struct tls_level *level; /* TLS: what was demanded */
	const char *mechanism;         /* AUTH: that took the password */
	const struct reply *reply;     /* RCPT: the server's; FAILED: why the next address is asked, in Postfix's words */
};
struct deliver_tap {
	void (*step)(void *ctx, struct delivery *d, const struct deliver_step *s);
	/* a line of the dialogue without its end: '<' came, '>' went; passwords are left out. Then each command waits for its answer */
	void (*line)(void *ctx, char mark, struct str line);
	void *ctx;
};
/* A delivery that ends before its mail is sent: QUIT is said after this stage, and every recipient who was not refused has 250 */
enum deliver_stop { DELIVER_STOP_NEVER, DELIVER_STOP_EHLO, DELIVER_STOP_TLS, DELIVER_STOP_AUTH, DELIVER_STOP_MAIL, DELIVER_STOP_RCPT };

/* deliver_profiles - the settings of every smtp and lmtp transport, with their tables, lists and certificates: read once per
 * configuration, so that a mistake is told before anything starts (diag; NULL if there is an error) and a delivery parses
 * nothing. Borrows conf and master. Sessions that still use a profile keep it beyond deliver_profiles_free. */
struct deliver_profiles *deliver_profiles_new(const struct master *m, struct conf_diag *diag);
void deliver_profiles_free(struct deliver_profiles *p);
/* deliver_profiles_ports - where token endpoints are called, which no next hop tells */
void deliver_profiles_ports(const struct deliver_profiles *p, void (*fn)(void *ctx, uint16_t port), void *ctx);

struct deliver_options {
	struct loop *loop;
	struct pool *pool;
	struct store *store;
	struct dns *dns;
	const struct conf *conf;
	const struct master *master;
	struct router *router;
	struct deliver_profiles *profiles;             /* borrowed */
	const struct bounce_templates *templates;      /* words of notices; borrowed; NULL: built-in */
	/* set after the schedule exists; used for mail forwarded by aliases */
	void (*queued)(void *ctx, struct qmsg *m);     /* a new message is durable: schedule it */
	void (*done)(void *ctx, struct delivery *d);   /* = schedule_done */
	void *ctx;
	struct deliver_content content;                /* open == NULL: the store's */
	struct deliver_tap tap;
	/* deliveries only ask, up to RCPT, and nothing is logged about them; transports of smtp and lmtp only (mxcheck) */
	bool ask;
	bool every_address;            /* … and go on to the next address after an answer; the result is the last failure */
	enum deliver_stop stop;
	bool as_said;                  /* a refusal stands as the server said it: there is no queue, and somebody reads along */
	bool silent;                   /* nothing is logged about deliveries */
	int *socket;                   /* a connected one (*socket >= 0, taken over) that stands for the next hop "unix:"; or NULL */
	int helper_fd;                 /* privileged helper for local delivery to other users; -1: deliver as ourselves */
};
struct deliver *deliver_new(const struct deliver_options *o);
void deliver_free(struct deliver *d);                  /* closes every session; nobody is told. The schedule goes first */
/* deliver_reconfigure - new deliveries follow the new settings; what runs ends with the old ones, which must live on till then */
void deliver_reconfigure(struct deliver *d, const struct conf *c, const struct master *m, struct router *r, struct deliver_profiles *p,
	const struct bounce_templates *templates);
bool deliver_uses(const struct deliver *d, const struct master *m);     /* is a transport of m still referred to? */
void deliver_save(struct deliver *d);                    /* what is kept in files is written now; the pool must be idle */
void deliver_start(struct deliver *d, struct delivery *job);
void deliver_dest_idle(struct deliver *d, struct dest *dest);
/* deliver_ask_again - names are looked up anew, and addresses that failed a moment ago count again (flush, reload) */
void deliver_ask_again(struct deliver *d);
void deliver_close_idle(struct deliver *d);            /* sessions that wait for a delivery say QUIT */
size_t deliver_sessions(const struct deliver *d);      /* open outbound connections, idle ones too */

/* deliver_explain - for each next hop of an smtp or lmtp transport: the keys tried in its TLS policy and password tables, and a
 * row "hop" (core/base/row.h) */
void deliver_explain(struct deliver *d, const struct master_transport *t, struct str nexthop, struct str sender, struct buf *out);

/* deliver_login - the login that this sender has of its own at a next hop (smtp_sender_dependent_authentication); empty: none */
struct str deliver_login(struct deliver *d, struct arena *a, const struct master_transport *t, struct str nexthop, struct str sender);

/* simple_answer - what a transport that is no program to deliver with says to all mail: error, retry and discard, whose text is
 * the next hop */
void simple_answer(const struct master_transport *t, struct str text, struct reply *out);

/* --- bounce ------------------------------------------------------------------------------------------------------------ */
/* bounce_notice - compose and queue the notice that schedule_ops.notice asks for; fn(ctx, error) after it is durable.
 * Logs "QID: sender non-delivery notification: QID2". A null sender's failure goes to 2bounce_notice_recipient if
 * notify_classes has 2bounce, else is dropped. */
void bounce_notice(struct deliver *d, int dsn_kind, struct qmsg *m, const struct envelope *e, const size_t *rcpts,
	const struct delivery_result *results, size_t n, void (*fn)(void *ctx, int error), void *ctx);

/* --- probe: may this recipient be delivered? (reject_unverified_recipient; sender double-bounce) -------------------------- */
/* deliver_probe - fn is called once, never from inside */
void deliver_probe(struct deliver *d, struct str rcpt, void (*fn)(void *ctx, const struct reply *r), void *ctx);

#endif
