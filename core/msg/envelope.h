/* envelope - what travels with a message: sender, recipients, DSN wishes, origin. Its text form in the queue is
 * `key value` records (words, not letters), length-prefixed, so no byte in a value can forge a field.
 *
 * A field's name tells a reader that does not know it what to do. One that begins with "opt_" may be passed by, and is kept
 * when the envelope is written again. Any other may change what the message means (who gets it, how it may be sent), so
 * whoever does not know it must not deliver: `unknown` names it, and the message is held until a version comes that does.
 * A new field whose loss would only be a pity is therefore called opt_SOMETHING. */
#ifndef CORE_MSG_ENVELOPE_H
#define CORE_MSG_ENVELOPE_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/clock.h"

enum dsn_notify { DSN_NOTIFY_DEFAULT = 0, DSN_NOTIFY_NEVER = 1, DSN_NOTIFY_SUCCESS = 2, DSN_NOTIFY_FAILURE = 4, DSN_NOTIFY_DELAY = 8 };
enum dsn_ret { DSN_RET_DEFAULT, DSN_RET_HDRS, DSN_RET_FULL };
enum envelope_flags {
	ENVELOPE_8BIT = 1,       /* BODY=8BITMIME, or bytes >= 0x80 seen in the body */
	ENVELOPE_SMTPUTF8 = 2,   /* MAIL had SMTPUTF8, or an address or header needs it */
	ENVELOPE_LOCAL = 4,      /* from sendmail, maildrop or a bounce: not from the network */
	ENVELOPE_BOUNCE = 8,     /* made by us: a non-delivery or delay notice */
	ENVELOPE_VERIFY = 16,    /* an address probe: never delivered past RCPT, never bounced, never stored */
	ENVELOPE_HOLD = 32,      /* a rule wants it held as it enters the queue */
	ENVELOPE_REQUIRETLS = 64, /* MAIL had REQUIRETLS (RFC 8689): it goes on by proven TLS, or not at all */
	ENVELOPE_KNOWN_FLAGS = 127,
};

/* a field that may be passed by, as it was read */
struct envelope_field {
	struct envelope_field *next;
	struct str name, value;
};
struct rcpt {
	struct str addr;         /* canonical, after rewriting */
	struct str orig;         /* as the client gave it, when that differs from addr; else empty (orig_to=) */
	struct str orcpt;        /* DSN ORCPT "rfc822;a@b" decoded, or empty */
	unsigned notify;         /* enum dsn_notify bits */
	struct envelope_field *more; /* opt_ fields behind this recipient that we do not know */
};
struct envelope {
	struct str sender;       /* canonical; "" = null sender */
	struct rcpt *rcpts;
	size_t n_rcpts;
	struct str envid;        /* decoded, or empty */
	enum dsn_ret ret;
	unsigned flags;          /* enum envelope_flags */
	usec arrival;            /* wall clock, when the message began */
	uint64_t header_size;    /* bytes of the header section, its empty line included */
	uint64_t size;           /* bytes of the whole content */
	struct str client_name;  /* "unknown" or a verified host name; empty for local submission */
	struct str client_addr;  /* "192.0.2.1" */
	struct str helo;
	struct str proto;        /* "ESMTP", "ESMTPS" … */
	struct str sasl_user;
	struct str held;         /* why it is held, when nobody asked for that; empty otherwise */
	struct str refused;      /* a rule refused it when nobody was there to be told: "5.7.1 text". No recipient ever gets it */
	struct str tls_required; /* "no": its TLS-Required field says so (RFC 8689); what recipients publish is not to stop it. Else empty */
	int64_t uid;             /* local submission; -1 otherwise */
	struct envelope_field *more; /* opt_ fields that we do not know; in the arena it was read into */
	struct str unknown;      /* set by envelope_parse: a field that must be known and is not. Never deliver such a message */
};
/* why such a message is held; takes STR_ARG(unknown) */
#define ENVELOPE_UNKNOWN_WHY "held: the envelope has the field \"%.*s\", which this version of relaybox does not know"
/* envelope_unique - leave out each recipient that is there before, letter case aside, with the same DSN wishes; by_origin: and which
 * was written in the same way */
void envelope_unique(struct envelope *e, bool by_origin);
void envelope_format(struct buf *out, const struct envelope *e);
/* envelope_parse - views point into `in`, arrays live in the arena; false: damaged. Look at `unknown` before acting on it */
bool envelope_parse(struct arena *a, struct str in, struct envelope *out);
/* envelope_judge - make of what was parsed from a stranger's text what it may say: valid addresses (else false, as for no or too
 * many recipients, and fields that must be known), no origin but this uid, no arrival after now, no marks of ours */
bool envelope_judge(struct arena *a, struct envelope *e, int64_t uid, usec now);

#endif
