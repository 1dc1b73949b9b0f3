/* dsn - see dsn.h. Three parts: a text for people, the report for programs, what came back of the message. Words and
 * order of fields are Postfix's (bounce(5), bounce_notify_util.c), so that mail users and log tools see what they know.
 *
 * Of what other hosts said only what is printable enters, and each field is one line: no reply can add a field or a part
 * (threats C2). UTF-8 in it stays UTF-8, in the report too, as Postfix leaves it. UTF-8 addresses stay, as a SMTPUTF8 message
 * then carries the report (RFC 6533). */
#include "core/msg/dsn.h"

#include <stdio.h>

#include "core/msg/date.h"
#include "core/msg/said.h"

static const struct {
	const char *subject, *copy_subject, *action, *part;
} kinds[] = {
	[DSN_FAILED] = { "Undelivered Mail Returned to Sender", "Postmaster Copy: Undelivered Mail", "failed", "Undelivered Message" },
	[DSN_DELAYED] = { "Delayed Mail (still being retried)", "Postmaster Warning: Delayed Mail", "delayed", "Undelivered Message" },
	[DSN_DELIVERED] = { "Successful Mail Delivery Report", "Successful Mail Delivery Report", "delivered", "Message" },
	[DSN_RELAYED] = { "Successful Mail Delivery Report", "Successful Mail Delivery Report", "relayed", "Message" },
};

/* --- safe pieces -------------------------------------------------------------------------------------------------- */

/* text of any origin as one piece of a line */
static void put_safe(struct buf *out, struct str s, bool utf8)
{
	utf8 = utf8 && str_is_utf8(s);
	for (size_t i = 0; i < s.n; i++)
		buf_byte(out, ascii_is_print(s.p[i]) || (utf8 && (unsigned char)s.p[i] >= 0x80) ? s.p[i] : '?');
}

/* the same over several lines, broken at blanks; continued lines start with `indent` */
static void put_wrapped(struct buf *out, struct str s, size_t column, const char *indent)
{
	struct str word;

	while (str_word(&s, " \n", &word)) {
		/* a word without end would make a line without end */
		while (word.n > 900) {
			size_t n = 900;

			while (n > 896 && ((unsigned char)word.p[n] & 0xc0) == 0x80)
				n--;
			put_safe(out, str_head(word, n), true);
			buf_printf(out, "\r\n%s", indent);
			word = str_from(word, n);
			column = strlen(indent);
		}
		if (column + word.n + 1 > 78) {
			buf_printf(out, "\r\n%s", indent);
			column = strlen(indent);
		} else if (column) {
			buf_byte(out, ' ');
			column++;
		}
		put_safe(out, word, true);
		column += word.n;
	}
	buf_z(out, "\r\n");
}

static bool is_utf8(const struct dsn_request *r)
{
	return r->envelope->flags & ENVELOPE_SMTPUTF8;
}

static bool has_utf8_reply(const struct dsn_request *r)
{
	for (size_t i = 0; i < r->n_rcpts; i++)
		if (!str_is_ascii(str_of(r->rcpts[i].reply->text)) && str_is_utf8(str_of(r->rcpts[i].reply->text)))
			return true;
	return false;
}

static bool has_8bit(const struct dsn_request *r)
{
	if (r->words && !str_is_ascii(r->words->text))
		return true;
	if (!str_is_ascii(r->headers) || !str_is_ascii(r->body) || !str_is_ascii(r->to) || has_utf8_reply(r))
		return true;
	for (size_t i = 0; is_utf8(r) && i < r->n_rcpts; i++)
		if (!str_is_ascii(r->rcpts[i].rcpt->addr) || !str_is_ascii(r->rcpts[i].rcpt->orig))
			return true;
	return false;
}

static void put_date(struct buf *out, const char *name, usec when)
{
	char date[40];

	date_rfc5322(date, when, date_offset(when));
	buf_printf(out, "%s: %s\r\n", name, date);
}

static void put_part(struct buf *out, const struct dsn_request *r, const char *what, const char *type)
{
	buf_printf(out, "\r\n--%s\r\nContent-Description: %s\r\nContent-Type: %s\r\n", r->boundary, what, type);
	if (has_8bit(r))
		buf_z(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_z(out, "\r\n");
}

/* --- the message header ------------------------------------------------------------------------------------------- */

static struct str or_built_in(struct str own, const char *built_in)
{
	return own.n ? own : str_of(built_in);
}

/* the queue completes the address in From */
static void put_header(struct buf *out, const struct dsn_request *r)
{
	static const struct dsn_template none;
	const struct dsn_template *w = r->words ? r->words : &none;
	struct str subject = r->postmaster ? or_built_in(w->postmaster_subject, kinds[r->kind].copy_subject) :
		or_built_in(w->subject, kinds[r->kind].subject);

	put_date(out, "Date", r->now);
	buf_printf(out, "From: %.*s\r\n", STR_ARG(or_built_in(w->from, "Mail Delivery System <MAILER-DAEMON>")));
	buf_printf(out, "Subject: %.*s\r\n", STR_ARG(subject));
	buf_z(out, "To: ");
	put_safe(out, r->to, is_utf8(r));
	buf_printf(out, "\r\nAuto-Submitted: auto-%s\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=%sdelivery-status;\r\n\tboundary=\"%s\"\r\n",
		r->postmaster ? "generated" : "replied", is_utf8(r) ? "global-" : "", r->boundary);
	if (has_8bit(r))
		buf_z(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_z(out, "\r\nThis is a MIME-encapsulated message.\r\n");
}

/* --- the text ----------------------------------------------------------------------------------------------------- */

static const char assistance[] =
	"For further assistance, please send mail to postmaster.\r\n"
	"\r\n"
	"If you do so, please include this problem report. You can\r\n"
	"delete your own text from the attached returned message.\r\n";

static void put_explanation(struct buf *out, const struct dsn_request *r)
{
	usec hours = (r->now - r->envelope->arrival) / USEC_PER_SEC / 3600;
	usec days = (r->will_retry_until - r->envelope->arrival) / USEC_PER_SEC / 86400;

	buf_printf(out, "This is the mail system at host %s.\r\n\r\n", r->hostname);
	switch (r->kind) {
	case DSN_FAILED:
		buf_printf(out, "I'm sorry to have to inform you that your message could not\r\n"
			"be delivered to one or more recipients. It's attached below.\r\n\r\n%s", assistance);
		break;
	case DSN_DELAYED:
		buf_printf(out,
			"####################################################################\r\n"
			"# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. #\r\n"
			"####################################################################\r\n\r\n"
			"Your message could not be delivered for more than %lld hour(s).\r\n"
			"It will be retried until it is %lld day(s) old.\r\n\r\n%s", (long long)hours, (long long)days, assistance);
		break;
	case DSN_DELIVERED:
	case DSN_RELAYED:
		buf_z(out, "Your message was successfully delivered to the destination(s)\r\n"
			"listed below. If the message was delivered to mailbox you will\r\n"
			"receive no further notifications. Otherwise you may still receive\r\n"
			"notifications of mail delivery errors from other systems.\r\n");
		break;
	}
	buf_z(out, "\r\n                   The mail system\r\n");
}

/* the address that the sender knows: not what aliases made of it (threats H4) */
static struct str known_address(const struct rcpt *r)
{
	return r->orig.n ? r->orig : r->addr;
}

/* what the text is written in: UTF-8 where an address or a reply is, else what its author says */
static const char *text_type(const struct dsn_request *r, bool utf8, char out[100])
{
	struct str charset = r->words ? r->words->charset : STR_EMPTY;

	if (utf8 || !charset.n)
		charset = utf8 ? STR("utf-8") : STR("us-ascii");
	snprintf(out, 100, "text/plain; charset=%.*s", (int)(charset.n < 60 ? charset.n : 60), charset.p);
	return out;
}

/* put_success - what became of it: whom it was given to, and what that said */
static void put_success(struct buf *line, const struct dsn_rcpt *d)
{
	struct said said = { d->remote_mta, STR_EMPTY };

	buf_printf(line, "delivery via %.*s: ", STR_ARG(d->relay));
	if (said_parse(str_of(d->reply->text), &said))
		buf_str(line, said.reply);
	else if (d->remote_mta.n && d->reply->code)
		reply_line(line, d->reply);
	else
		buf_z(line, d->reply->text);
}

static void put_text(struct buf *out, const struct dsn_request *r)
{
	char type[100];
	bool utf8 = is_utf8(r) || has_utf8_reply(r);

	put_part(out, r, "Notification", text_type(r, utf8, type));
	if (!r->postmaster && r->words && r->words->text.p)
		buf_str(out, r->words->text);
	else if (!r->postmaster)
		put_explanation(out, r);
	for (size_t i = 0; i < r->n_rcpts; i++) {
		struct str to = known_address(r->rcpts[i].rcpt);
		struct buf line;

		buf_init(&line, LIMIT_REPLY_TEXT + 64);
		/* a deliverer may have put its own words around the answer already */
		if (r->kind >= DSN_DELIVERED && r->rcpts[i].relay.n)
			put_success(&line, &r->rcpts[i]);
		else if (r->rcpts[i].reply->code && r->rcpts[i].remote_mta.n && strncmp(r->rcpts[i].reply->text, "host ", 5)) {
			buf_printf(&line, "host %.*s said: ", STR_ARG(r->rcpts[i].remote_mta));
			reply_line(&line, r->rcpts[i].reply);
		} else {
			buf_z(&line, r->rcpts[i].reply->text);
		}
		buf_z(out, "\r\n<");
		put_safe(out, to, is_utf8(r));
		buf_z(out, ">:");
		put_wrapped(out, buf_view(&line), to.n + 3, "    ");
		buf_fini(&line);
	}
}

/* --- the report --------------------------------------------------------------------------------------------------- */

static void put_address(struct buf *out, const struct dsn_request *r, const char *name, struct str address)
{
	bool utf8 = is_utf8(r) && !str_is_ascii(address);

	buf_printf(out, "%s: %s; ", name, utf8 ? "utf-8" : "rfc822");
	put_safe(out, address, utf8);
	buf_z(out, "\r\n");
}

static void put_orcpt(struct buf *out, const struct dsn_request *r, struct str orcpt)
{
	buf_z(out, "Original-Recipient: ");
	put_safe(out, orcpt, is_utf8(r));
	buf_z(out, "\r\n");
}

/* put_answer - who gave the last word on a recipient, and that word as it was given (RFC 3464 section 2.3.6) */
static void put_answer(struct buf *out, const struct dsn_request *r, const struct dsn_rcpt *d)
{
	struct said said = { d->remote_mta, STR_EMPTY };
	struct buf line;
	size_t start;

	buf_init(&line, LIMIT_REPLY_TEXT + 64);
	if (said_parse(str_of(d->reply->text), &said))
		buf_str(&line, said.reply);
	else if (said.host.n && d->reply->code)
		reply_line(&line, d->reply);
	if (said.host.n) {
		buf_z(out, "Remote-MTA: dns; ");
		put_safe(out, said.host, false);
		buf_z(out, "\r\n");
	}
	start = out->n;
	buf_z(out, "Diagnostic-Code: ");
	if (line.n)
		buf_z(out, "smtp;");
	else
		buf_printf(out, "X-%s;", r->mail_name);
	if (!line.n)
		buf_z(&line, d->reply->text);
	if (line.n)
		put_wrapped(out, buf_view(&line), out->n - start, "    ");
	else
		buf_truncate(out, start);
	buf_fini(&line);
}

static void put_recipient(struct buf *out, const struct dsn_request *r, const struct dsn_rcpt *d)
{
	buf_z(out, "\r\n");
	put_address(out, r, "Final-Recipient", known_address(d->rcpt));
	if (d->rcpt->orcpt.n)
		put_orcpt(out, r, d->rcpt->orcpt);
	buf_printf(out, "Action: %s\r\nStatus: ", kinds[r->kind].action);
	put_safe(out, str_of(reply_dsn(d->reply)), false);
	buf_z(out, "\r\n");
	put_answer(out, r, d);
	if (r->kind == DSN_DELAYED && r->will_retry_until)
		put_date(out, "Will-Retry-Until", r->will_retry_until);
}

static void put_report(struct buf *out, const struct dsn_request *r)
{
	put_part(out, r, "Delivery report", is_utf8(r) ? "message/global-delivery-status" : "message/delivery-status");
	buf_printf(out, "Reporting-MTA: dns; %s\r\n", r->hostname);
	if (r->envelope->envid.n) {
		buf_z(out, "Original-Envelope-Id: ");
		put_safe(out, r->envelope->envid, false);
		buf_z(out, "\r\n");
	}
	buf_printf(out, "X-%s-Queue-ID: %s\r\n", r->mail_name, r->qid);
	buf_printf(out, "X-%s-Sender: ", r->mail_name);
	buf_z(out, is_utf8(r) && !str_is_ascii(r->envelope->sender) ? "utf-8; " : "rfc822; ");
	if (r->envelope->sender.n)
		put_safe(out, r->envelope->sender, is_utf8(r));
	else
		buf_printf(out, "MAILER-DAEMON@%s", r->hostname);
	buf_z(out, "\r\n");
	put_date(out, "Arrival-Date", r->envelope->arrival);
	for (size_t i = 0; i < r->n_rcpts; i++)
		put_recipient(out, r, &r->rcpts[i]);
}

/* --- what came back ----------------------------------------------------------------------------------------------- */

static void put_original(struct buf *out, const struct dsn_request *r)
{
	bool whole = r->body.n > 0;
	char what[64];

	snprintf(what, sizeof(what), "%s%s", kinds[r->kind].part, whole ? "" : " Headers");
	if (is_utf8(r))
		put_part(out, r, what, whole ? "message/global" : "message/global-headers");
	else
		put_part(out, r, what, whole ? "message/rfc822" : "text/rfc822-headers");
	/* as a mailbox would have it */
	buf_z(out, "Return-Path: <");
	put_safe(out, r->envelope->sender, is_utf8(r));
	buf_z(out, ">\r\n");
	buf_str(out, r->headers);
	if (whole) {
		buf_z(out, "\r\n");
		buf_str(out, r->body);
	}
	if (!out->n || out->p[out->n - 1] != '\n')
		buf_z(out, "\r\n");
	buf_printf(out, "\r\n--%s--\r\n", r->boundary);
}

void dsn_format(struct buf *out, const struct dsn_request *r)
{
	put_header(out, r);
	put_text(out, r);
	put_report(out, r);
	put_original(out, r);
}
