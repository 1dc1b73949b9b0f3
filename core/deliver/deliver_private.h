/* deliver_private - what the files of core/deliver share; nobody else includes it.
 *
 * Who owns what: `deliver` owns destinations, sessions and tries. A try serves one delivery and has at most one
 * session at a time; a session serves at most one try and, between two of them, waits in its destination's idle list.
 * Profiles belong to a configuration and are counted: a reload brings new ones while sessions of the old one finish. */
#ifndef CORE_DELIVER_DELIVER_PRIVATE_H
#define CORE_DELIVER_DELIVER_PRIVATE_H

#include "core/base/hash.h"
#include "core/deliver/deliver.h"
#include "core/deliver/delivery_log.h"
#include "core/smtp/client.h"
#include "core/policy/tls_demand.h"
#include "core/smtp/sasl.h"

struct helper_client;
struct smtp_dest;
struct smtp_session;
struct smtp_try;

struct deliver {
	struct deliver_options o;
	struct table dests;            /* "transport\nnexthop" -> struct smtp_dest */
	struct list sessions;          /* struct smtp_session.link, all of them */
	struct list tries;             /* struct smtp_try.link */
	struct list local_jobs;        /* struct local_job.link */
	struct list simple_jobs;       /* struct simple_job.link */
	struct list probes;            /* struct probe.link */
	struct list notices;           /* struct notice.link */
	size_t n_sessions;
	struct smtp_dead {
		struct ipaddr address;
		uint16_t port;
		usec until;            /* mono */
	} dead[LIMIT_CLIENT_DEAD];
	unsigned next_dead;
	usec refresh_at;               /* mono: when tables are looked at again */
	struct helper_client *helper;  /* NULL: deliver as ourselves */
	uint64_t last_probe_id;
	char *scratch;                 /* LIMIT_CLIENT_PIECE bytes, for the loop thread */
	bool closing;                  /* deliver_free is at work: nobody is told any more */
};
/* deliver_finish - log a delivery whose recipients all have answers and give it back */
void deliver_finish(struct deliver *d, struct delivery *job, struct delivery_facts *f);
void deliver_qid(const struct delivery *job, char out[QID_MAX]);

/* --- programs ----------------------------------------------------------------------------------------------------- */
void simple_start(struct deliver *d, struct delivery *job);    /* error, retry, discard, and what is not supported */
void simple_free_all(struct deliver *d);
void local_start(struct deliver *d, struct delivery *job);
void local_free_all(struct deliver *d);
void bounce_forget_all(struct deliver *d);
void smtp_start(struct deliver *d, struct delivery *job);      /* smtp and lmtp */
void probe_free_all(struct deliver *d);
bool probe_uses(const struct deliver *d, const struct master *m);
void probe_finish(struct deliver *d, struct delivery *job, struct delivery_facts *f);

/* --- profile: one transport's settings, read once ------------------------------------------------------------------ */
struct smtp_profile {
	struct list link;
	unsigned refs;
	const struct master_transport *transport;
	const struct conf *conf;
	bool lmtp;
	int families;                  /* 1 IPv4, 2 IPv6, 3 both */
	bool use_mx;
	bool cache;                    /* keep sessions between deliveries */
	bool broken;                   /* a table or certificate could not be opened: everything is deferred */
	struct maps tls_policy, sasl;
	unsigned sasl_forbidden, sasl_forbidden_tls;
	struct smtp_tls_slot { char *protocols; struct tls_context *context; } *tls;
	size_t n_tls;
	struct smtp_saved {            /* TLS sessions to resume; LIMIT_CLIENT_TLS_SAVED of them, or NULL */
		uint8_t id[32];
		struct tls_saved *session;
		usec until;            /* mono */
	} *saved;
	unsigned next_saved;
	struct smtp_client_options client;
	usec timeout[SMTP_PHASES];
	struct ipaddr bind4, bind6;
};
struct smtp_profile *smtp_profile_find(struct deliver *d, const struct master_transport *t); /* counted */
bool smtp_profile_is(const struct master_transport *t);        /* of smtp or lmtp, so that it has one */
void smtp_profile_unref(struct smtp_profile *p);
void smtp_profile_refresh_all(struct deliver *d);      /* tables that changed; at most once a second */

/* --- where to connect --------------------------------------------------------------------------------------------- */
struct smtp_target {
	char host[256];                /* as it is called in logs and certificates */
	struct ipaddr address;         /* AF_UNSPEC: a unix socket, whose path is `path` */
	uint16_t port;
	unsigned rank;                 /* 0 is best: place of its next hop, then MX preference */
	char path[108];
	char site[LIMIT_CLIENT_SITE];      /* the next hop as written: key of policy and password tables */
	bool explicit;                 /* somebody wrote this next hop down: its failure is a configuration problem */
	bool fallback;                 /* from smtp_fallback_relay */
};
/* smtp_has_no_way - an errno of connect(2) that is about this machine and its networks */
bool smtp_has_no_way(int error);
void smtp_target_where(const struct smtp_target *t, char out[300]);    /* "host[ip]:port" */
void smtp_target_said(const struct smtp_target *t, char out[300]);     /* "host[ip]" */

/* addresses that just failed; unix sockets have none. took: the longer the failure, the longer it is not repeated */
bool smtp_dead_is(struct deliver *d, const struct ipaddr *address, uint16_t port);
void smtp_dead_mark(struct deliver *d, const struct smtp_target *x, usec took);
void smtp_dead_forget(struct deliver *d, const struct smtp_target *x);
void smtp_dead_forget_all(struct deliver *d);

/* One next hop made into addresses, in the order to try them. */
struct smtp_candidate { struct ipaddr address; char host[256]; unsigned preference; };
struct smtp_hosts;
struct smtp_hosts_result {
	struct smtp_candidate *v;
	size_t n;
	bool we_are_mx;                /* our own address was among the MX hosts: fallback relays must not be used */
	struct reply failed;           /* code != 0: n == 0; 4xx or 5xx, in Postfix's words */
};
typedef void (*smtp_hosts_fn)(void *ctx, const struct smtp_hosts_result *r);
/* smtp_hosts_find - fn is called once, never from inside; then the object is gone. use_mx: look for MX records first */
struct smtp_hosts *smtp_hosts_find(struct deliver *d, const struct smtp_profile *p, struct str host, bool use_mx,
	bool check_loop, smtp_hosts_fn fn, void *ctx);
void smtp_hosts_cancel(struct smtp_hosts *h);

/* --- TLS ------------------------------------------------------------------------------------------------------------ */
/* smtp_tls_find - what a session to t must have; trace (may be NULL) gets a line for each key that is tried */
void smtp_tls_find(struct smtp_profile *p, const struct smtp_target *t, struct tls_demand *out, struct buf *trace);
/* smtp_tls_context - the transport's context for x's protocols; NULL with why. A context with why does not know whom to trust */
struct tls_context *smtp_tls_context(struct smtp_profile *p, const struct tls_demand *x, struct buf *why);
/* smtp_tls_start - begin the handshake as the policy says, with a remembered session where there is one; false with why */
bool smtp_tls_start(struct smtp_session *s, struct buf *why);
void smtp_tls_log(const struct smtp_profile *p, const char *where, const struct tls_info *info);
/* smtp_tls_failure - words for a handshake that failed */
void smtp_tls_failure(const struct tls_demand *x, const char *why, struct reply *out);

/* --- remembered TLS sessions ---------------------------------------------------------------------------------------- */
/* smtp_resume_find - the session to offer under this id; the profile's, NULL if there is none that is young enough */
struct tls_saved *smtp_resume_find(struct smtp_profile *p, const uint8_t id[32], usec now_mono);
void smtp_resume_keep(struct smtp_session *s);         /* EHLO was answered under TLS, so a ticket has come by now */
void smtp_resume_forget(struct smtp_session *s);       /* the handshake failed: do not offer it again */
void smtp_resume_free_all(struct smtp_profile *p);

/* --- sessions --------------------------------------------------------------------------------------------------------- */
enum smtp_blame { SMTP_BLAME_CONNECT, SMTP_BLAME_SITE, SMTP_BLAME_BROKEN, SMTP_BLAME_FINAL };
enum smtp_state { SMTP_STATE_CONNECT, SMTP_STATE_TLS, SMTP_STATE_HELLO, SMTP_STATE_BUSY, SMTP_STATE_IDLE,
	SMTP_STATE_LEAVING /* QUIT is said, the server has not closed yet */, SMTP_STATE_GONE };
struct smtp_session {
	struct list link;              /* deliver.sessions */
	struct list idle;              /* smtp_dest.idle */
	struct loop_task free_task;
	struct deliver *d;
	struct smtp_profile *profile;
	struct smtp_dest *dest;        /* where it waits between deliveries */
	struct smtp_try *try;          /* whom it serves */
	struct delivery *next;         /* begun behind that: the server has its commands, and has not judged them */
	struct conn *conn;
	struct smtp_client client;
	struct smtp_target target;
	struct tls_demand demand;
	enum smtp_state state;
	uint8_t tls_id[32];            /* what a remembered TLS session must have in common with this one */
	bool tls_offered;              /* the server was offered one */
	bool plain;                    /* TLS failed with level may: this connection does without */
	bool backup;                   /* better addresses were failing when it was made */
	bool pumping;
	bool shared;                   /* equal addresses were there: it serves its turn and goes */
	bool others;                   /* other hosts were left when it was made */
	bool answered;                 /* the server answered something in this transaction */
	bool no_way;                   /* this machine has no way to its address: that says nothing about the host */
	bool silent;                   /* its host gave no sign of life: the connection is gone for that */
	bool doubted;                  /* it had been idle for long, and the server has not answered since */
	unsigned uses;                 /* transactions begun */
	usec opened_at, connected_at;  /* mono */
	usec idle_since;
	struct sasl_client sasl;
	struct buf login;              /* user NUL password NUL */
	struct buf token;              /* read in place of the password */
	/* the transaction */
	void *reader;                  /* of deliver_options.content */
	uint64_t size, sent;           /* of the content */
	bool feeding;
};
/* smtp_session_open - connect for t; the result is told to the try. NULL with errno when no socket can be made */
struct smtp_session *smtp_session_open(struct smtp_try *t, const struct smtp_target *target, bool plain, bool backup);
void smtp_session_serve(struct smtp_session *s, struct smtp_try *t);   /* an idle session takes a delivery */
void smtp_session_quit(struct smtp_session *s);        /* say QUIT and go */
void smtp_session_drop(struct smtp_session *s);        /* close at once */

/* --- inside a session (smtp_session.c, smtp_hello.c) ----------------------------------------------------------------- */
const char *smtp_session_service(const struct smtp_session *s);
/* smtp_session_fail - the session ends, the try is told why */
void smtp_session_fail(struct smtp_session *s, enum smtp_blame blame, const struct reply *r);
void smtp_session_fail_text(struct smtp_session *s, enum smtp_blame blame, const char *enhanced, const char *text);
void smtp_session_set_deadline(struct smtp_session *s);
void smtp_session_pump(struct smtp_session *s);
void smtp_hello(struct smtp_session *s);               /* EHLO was answered */
void smtp_hello_handshake(struct smtp_session *s);
void smtp_hello_tls_ready(struct smtp_session *s);
void smtp_hello_tls_refused(struct smtp_session *s);   /* a no to STARTTLS */
void smtp_hello_tls_failed(struct smtp_session *s);    /* the handshake */
void smtp_hello_auth_done(struct smtp_session *s);
void smtp_hello_refused(struct smtp_session *s);       /* greeting, EHLO or HELO */

/* smtp_step - tell who looks on; nobody does in relayd */
void smtp_step(struct smtp_try *t, enum deliver_step_kind kind, const struct reply *r);
void smtp_tap_came(const struct smtp_session *s, struct str text);
/* smtp_tap_went - what was added to the output since it was this long */
void smtp_tap_went(const struct smtp_session *s, size_t before);
/* smtp_tap_stops - true: the delivery was to end after this stage, and has */
bool smtp_tap_stops(struct smtp_session *s, enum deliver_stop stage);

/* --- AUTH ------------------------------------------------------------------------------------------------------------- */
enum smtp_auth { SMTP_AUTH_NONE, SMTP_AUTH_STARTED, SMTP_AUTH_FAILED };
/* smtp_auth_find - the login as the table has it; trace as above */
enum map_answer smtp_auth_find(struct deliver *d, struct smtp_profile *p, const struct smtp_target *t, struct str sender,
	struct buf *out, struct buf *trace);
/* smtp_auth_is_known - is there a password for whom s connects to, or may there be one in a table that cannot be read now? */
bool smtp_auth_is_known(struct smtp_session *s);
enum smtp_auth smtp_auth_begin(struct smtp_session *s, struct reply *failed);
bool smtp_auth_challenge(struct smtp_session *s);      /* false: the exchange is wrong, cancelled */
void smtp_auth_refused(const struct smtp_session *s, struct reply *out);
void smtp_auth_forget(struct smtp_session *s);

/* --- the pool ------------------------------------------------------------------------------------------------------------ */
struct smtp_dest {
	struct deliver *d;
	unsigned owners;               /* destinations that point here; 0: idle sessions are still kept for a moment */
	char *key;
	struct list idle;              /* struct smtp_session.idle, newest first */
	unsigned tries;
	unsigned open;                 /* connections, whatever they do */
	struct list parked;            /* struct smtp_try.park: wait for one of them to end */
	struct ipaddr turn;            /* the address that was chosen last */
	usec primary_retry_at;         /* mono: until then a backup session may be used although better hosts exist */
};
struct smtp_dest *smtp_dest_get(struct deliver *d, struct dest *dest);
void smtp_dest_release(struct smtp_dest *x);           /* frees it when nothing is left */
void smtp_dest_free_all(struct deliver *d);
/* smtp_dest_closed - one connection of x has ended: whoever waited for it goes on */
void smtp_dest_closed(struct smtp_dest *x);
struct smtp_session *smtp_pool_take(struct smtp_dest *x, const struct smtp_profile *p);
bool smtp_pool_wants(const struct smtp_session *s);    /* s may serve another delivery after this one */
void smtp_pool_add(struct smtp_session *s);            /* s is between transactions: keep it, or say QUIT */
void smtp_pool_left(struct smtp_session *s);           /* s leaves the idle list */
void smtp_pool_close_idle(struct deliver *d);
void smtp_pool_make_room(struct smtp_dest *x);         /* one idle session less */

/* --- tries ----------------------------------------------------------------------------------------------------------------- */
struct smtp_try {
	struct list link;              /* deliver.tries */
	struct loop_task task;         /* to go on from the loop */
	struct list park;              /* smtp_dest.parked */
	struct deliver *d;
	struct delivery *job;
	struct smtp_profile *profile;
	struct smtp_dest *dest;
	struct smtp_session *session;
	struct smtp_hosts *hosts;      /* being looked up */
	/* next hops: the delivery's, then the fallback relays */
	struct str sites, fallbacks;   /* what is left of the lists */
	char site[LIMIT_CLIENT_SITE];
	bool explicit, in_fallback;
	unsigned site_number;
	uint16_t port;
	struct smtp_candidate *v;      /* addresses of this site */
	size_t n, at, limit;
	unsigned sessions_left;
	struct smtp_target target;     /* being tried */
	struct smtp_target *skipped;   /* known to fail, for the end */
	size_t n_skipped;
	unsigned best_failed;          /* rank of the best address that failed or was put off */
	/* recipients */
	const struct rcpt **rcpts;     /* of the transaction that runs: a subset of the job's */
	size_t *rows;                  /* their rows in the job */
	bool *accepted;
	size_t n_tx, left;             /* left: recipients without an answer */
	struct reply why;              /* the last word on those */
	char why_relay[300], why_mta[256];
	bool why_answered;             /* … and is the server's about mail */
	bool dest_bad;                 /* that word means: no session could be had */
	bool stale;                    /* a kept session turned out to be closing */
	bool is_probe;
	usec ready_at;                 /* wall */
	unsigned conn_use;
	bool starting, finish_due;
	bool plain, shared;            /* of the connection to make: without TLS; one of several equal addresses */
};
struct smtp_try *smtp_try_start(struct deliver *d, struct delivery *job, bool is_probe);
struct smtp_try *smtp_try_take(struct smtp_session *s, struct delivery *job);  /* s serves it from here on */
void smtp_try_free(struct smtp_try *t);
bool smtp_try_is_last(const struct smtp_try *t);       /* no other host would be asked after this one */
void smtp_try_ready(struct smtp_try *t, struct smtp_session *s);       /* s begins to serve t */
void smtp_try_rcpt(struct smtp_try *t, size_t i, const struct reply *r);   /* RCPT i of the transaction was answered */
void smtp_try_done(struct smtp_try *t, ptrdiff_t i, const struct reply *r, bool no_dsn); /* i < 0: every accepted recipient */
void smtp_try_over(struct smtp_try *t);                /* the transaction ended, the session is free again */
/* smtp_try_failed - the session is gone. FINAL: after the content was complete, a copy may have been taken */
void smtp_try_failed(struct smtp_try *t, enum smtp_blame blame, const struct reply *r);
/* smtp_try_stopped - deliver_options.stop is reached: r for everybody who is left */
void smtp_try_stopped(struct smtp_try *t, const struct reply *r);
void smtp_try_unpark(struct smtp_try *t);              /* there is room for its connection */
void smtp_try_retry(struct smtp_try *t, bool plain);   /* the same address again; plain: without TLS */

#endif
