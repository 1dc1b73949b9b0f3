/* received - the trace header in Postfix's form, and message ids. Everything that a client said is neutered: what could
 * end a comment, a line or the field becomes '?'. */
#ifndef CORE_MSG_RECEIVED_H
#define CORE_MSG_RECEIVED_H

#include "core/msg/envelope.h"

struct received {
	const struct envelope *envelope; /* helo, client_name, client_addr, proto, sasl_user, uid, flags, arrival, rcpts */
	const char *hostname;            /* myhostname */
	const char *mail_name;
	const char *qid;                 /* or NULL: the network form without an id */
	int offset_minutes;              /* date_offset(arrival) */
	const char *tls;                 /* "TLSv1.3 with cipher X (256/256 bits)", or NULL */
	const char *peer;                /* the client's certificate: "Client CN "x", Issuer "y" (verified OK)", or NULL */
	bool show_sasl_user;             /* smtpd_sasl_authenticated_header */
	bool hide_client;                /* smtpd_hide_client_session: nothing about the session */
};
/* received_format - "Received: ...\r\n"; the network form, or the local form for ENVELOPE_LOCAL without client_addr */
void received_format(struct buf *out, const struct received *r);
/* message_id_format - "<YYYYMMDDhhmmss.QID@host>" (UTC) */
void message_id_format(struct buf *out, usec now, const char *qid, const char *host);

#endif
