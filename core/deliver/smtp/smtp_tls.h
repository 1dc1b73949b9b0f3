/* smtp_tls - a demand (core/policy/tls_demand.h) made into a handshake, and TLS sessions that are remembered. */
#ifndef CORE_DELIVER_SMTP_SMTP_TLS_H
#define CORE_DELIVER_SMTP_SMTP_TLS_H

#include "core/deliver/smtp/smtp_profile.h"
#include "core/deliver/smtp/smtp_target.h"
#include "core/policy/tls_demand.h"

struct smtp_session;

/* smtp_tls_find - what a session to t must have; trace (may be NULL) gets a line for each key that is tried */
void smtp_tls_find(struct smtp_profile *p, const struct smtp_target *t, struct tls_demand *out, struct buf *trace);
/* smtp_tls_context - the transport's context for x's protocols; NULL with why. A context with why does not know whom to trust */
struct tls_context *smtp_tls_context(struct smtp_profile *p, const struct tls_demand *x, struct buf *why);
/* smtp_tls_start - begin the handshake as the policy says, with a remembered session where there is one; false with why */
bool smtp_tls_start(struct smtp_session *s, struct buf *why);
/* smtp_tls_judge - after the handshake: is the server whom the DNS says? false with the words for it */
bool smtp_tls_judge(struct smtp_session *s, struct reply *out);
void smtp_tls_log(const struct smtp_profile *p, const char *where, const struct tls_info *info);
/* smtp_tls_failure - words for a handshake that failed */
void smtp_tls_failure(const struct tls_demand *x, const char *why, struct reply *out);

/* --- remembered TLS sessions ---------------------------------------------------------------------------------------- */
/* smtp_resume_find - the session to offer under this id; the profile's, NULL if there is none that is young enough */
struct tls_saved *smtp_resume_find(struct smtp_profile *p, const uint8_t id[32], usec now_mono);
void smtp_resume_keep(struct smtp_session *s);         /* EHLO was answered under TLS, so a ticket has come by now */
void smtp_resume_forget(struct smtp_session *s);       /* the handshake failed: do not offer it again */
void smtp_resume_free_all(struct smtp_profile *p);

#endif
