/* smtp_hello - a session from the connection to the first transaction. */
#ifndef CORE_DELIVER_SMTP_SMTP_HELLO_H
#define CORE_DELIVER_SMTP_SMTP_HELLO_H


struct smtp_session;

void smtp_hello(struct smtp_session *s);               /* EHLO was answered */
void smtp_hello_handshake(struct smtp_session *s);
void smtp_hello_tls_ready(struct smtp_session *s);
void smtp_hello_tls_refused(struct smtp_session *s);   /* a no to STARTTLS */
void smtp_hello_tls_failed(struct smtp_session *s);    /* the handshake */
void smtp_hello_auth_done(struct smtp_session *s);
void smtp_hello_refused(struct smtp_session *s);       /* greeting, EHLO or HELO */

#endif
