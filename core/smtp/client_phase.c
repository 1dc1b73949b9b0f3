/* client_phase - Postfix's words for where a session is: "lost connection with H[IP] while sending RCPT TO", "host H[IP]
 * said: 450 … (in reply to RCPT TO command)". */
#include "core/smtp/client.h"

static const struct { const char *doing, *command; } words[SMTP_PHASES] = {
	[SMTP_PHASE_CONNECT] = { "connecting", "connection" },
	[SMTP_PHASE_GREETING] = { "receiving the initial server greeting", "initial server greeting" },
	[SMTP_PHASE_EHLO] = { "performing the EHLO handshake", "EHLO command" },
	[SMTP_PHASE_STARTTLS] = { "receiving the STARTTLS response", "STARTTLS command" },
	[SMTP_PHASE_AUTH] = { "performing SASL authentication", "AUTH command" },
	[SMTP_PHASE_READY] = { "waiting for mail to send", "last command" },
	[SMTP_PHASE_MAIL] = { "sending MAIL FROM", "MAIL FROM command" },
	[SMTP_PHASE_RCPT] = { "sending RCPT TO", "RCPT TO command" },
	[SMTP_PHASE_DATA] = { "sending DATA command", "DATA command" },
	[SMTP_PHASE_BODY] = { "sending message body", "message body" },
	[SMTP_PHASE_END] = { "sending end of data -- message may be sent more than once", "end of DATA command" },
	[SMTP_PHASE_RSET] = { "sending final RSET", "RSET command" },
	[SMTP_PHASE_QUIT] = { "sending QUIT", "QUIT command" },
};

const char *smtp_phase_doing(enum smtp_phase p) { return words[p].doing; }

const char *smtp_phase_command(enum smtp_phase p) { return words[p].command; }
