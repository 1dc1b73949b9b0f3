/* session_report - what the postmaster is told of a session in which something went wrong (notify_classes: protocol, policy,
 * resource, software, data): a transcript, where one of these classes but resource and software wants it; else the answer that was
 * wrong. Passwords and content are left out. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cleanup/notice.h"
#include "core/daemon/session_private.h"

struct session_report {
	struct buf text;
	unsigned faults;               /* enum report_class */
	bool secret;                   /* the next line of the client may be a password */
	struct relay *relay;           /* while its notice is on its way */
	char client[256 + 46 + 4];
};

static struct session_report *report_of(struct session *s)
{
	if (!s->report) {
		s->report = MEM_NEW(struct session_report);
		buf_init(&s->report->text, LIMIT_REPORT);
	}
	return s->report;
}

void session_report_begin(struct session *s)
{
	if (s->uid < 0 && s->service->reports & (REPORT_PROTOCOL | REPORT_POLICY | REPORT_DATA))
		(void)report_of(s);
}

/* --- what is said ------------------------------------------------------------------------------------------------------- */

static void put_line(struct buf *out, const char *who, struct str line)
{
	buf_printf(out, " %s", who);
	line = str_head(line, LIMIT_REPORT_LINE);
	for (size_t i = 0; i < line.n; i++)
		buf_byte(out, ascii_is_print(line.p[i]) ? line.p[i] : '?');
	buf_z(out, "\r\n");
}

/* What comes behind AUTH may be a password, up to the answer to it, and lines that are no commands later. Where content follows, only
 * the command itself is looked at */
void session_report_in(struct session *s, struct str text)
{
	struct session_report *r = s->report;
	bool content = s->event == SMTP_SERVER_BODY || smtp_server_reads_content(&s->smtp);
	struct str line;

	for (bool first = true; r && str_cut(&text, '\n', &line) && (first || !content); first = false) {
		bool auth = str_istarts(str_trim(line), STR("AUTH"));

		put_line(&r->text, "In:  ", !r->secret && auth ? STR("AUTH (not shown)") :
			r->secret || !smtp_server_may_show(&s->smtp, line) ? STR("(not shown)") : str_trim(line));
		r->secret |= auth;
	}
	if (r)
		r->secret = false;
}

void session_report_out(struct session *s, size_t before)
{
	struct session_report *r = s->report;
	struct str text, line;

	if (!r || s->conn->out.n <= before)
		return;
	text = str_from(buf_view(&s->conn->out), before);
	while (str_cut(&text, '\n', &line)) {
		put_line(&r->text, "Out: ", str_trim(line));
		/* a step of AUTH */
		r->secret = str_starts(line, STR("334"));
	}
}

/* --- what was wrong ------------------------------------------------------------------------------------------------------- */

static enum report_class class_of(const struct reply *a, bool judged)
{
	static const struct { int from, to; const char *subject; enum report_class class, judged; } rows[] = {
		{ 500, 504, NULL, REPORT_PROTOCOL, REPORT_POLICY },
		{ 400, 599, ".3.5", REPORT_SOFTWARE, REPORT_SOFTWARE },
		{ 400, 599, ".3.0", REPORT_RESOURCE, REPORT_SOFTWARE },
		{ 400, 599, ".3.1", REPORT_RESOURCE, REPORT_RESOURCE },
		{ 400, 599, NULL, REPORT_POLICY, REPORT_POLICY },
	};
	size_t i = 0;

	while (a->code < rows[i].from || a->code > rows[i].to ||
	       (rows[i].subject && strcmp(a->enhanced + (a->enhanced[0] != '\0'), rows[i].subject) != 0))
		i++;
	return judged ? rows[i].judged : rows[i].class;
}

void session_report_answer(struct session *s, const struct reply *a, bool judged)
{
	enum report_class class;
	struct buf line;

	if (a->code < 400 || !s->service->reports || s->uid >= 0)
		return;
	class = class_of(a, judged);
	if (!(s->service->reports & class))
		return;
	if (!s->report) {
		/* nobody keeps a transcript for these: what was wrong is enough */
		buf_init(&line, LIMIT_REPLY_TEXT + 32);
		reply_line(&line, a);
		put_line(&report_of(s)->text, "Out: ", buf_view(&line));
		buf_fini(&line);
	}
	s->report->faults |= class;
}

void session_report_machine(struct session *s, size_t before)
{
	struct str text = str_from(buf_view(&s->conn->out), before);

	/* a refusal of the machine's own is one of how the client speaks */
	if (s->report && text.n > 3 && (text.p[0] == '4' || text.p[0] == '5') && s->service->reports & REPORT_PROTOCOL)
		s->report->faults |= REPORT_PROTOCOL;
}

/* --- the notice ------------------------------------------------------------------------------------------------------------ */

static void report_free(struct session_report *r)
{
	buf_fini(&r->text);
	mem_free(r);
}

static void on_queued(void *ctx, const struct reply *reply, struct qmsg *m)
{
	struct session_report *r = ctx;

	if (m)
		schedule_add(r->relay->schedule, m, true);
	else
		log_warn("smtpd", "the postmaster is not told of errors from %s: %s", r->client, reply->text);
	report_free(r);
}

static void tell(struct session *s, struct session_report *r)
{
	const struct conf *c = session_conf(s);
	struct arena a;
	struct buf text;
	struct str to;

	arena_init(&a, 8 * LIMIT_ADDRESS);
	buf_init(&text, 2 * LIMIT_REPORT);
	to = rewrite_address(session_router(s), &a, str_of(c->error_notice_recipient), true);
	buf_printf(&text, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\nTo: Postmaster <%.*s>\r\n"
		"Subject: %s SMTP server: errors from %s\r\nAuto-Submitted: auto-generated\r\n\r\n", c->myhostname, STR_ARG(to), c->mail_name,
		r->client);
	buf_printf(&text, "Transcript of session follows.\r\n\r\n%.*s", STR_ARG(buf_view(&r->text)));
	if (r->text.overflow)
		buf_z(&text, " (the rest is left out)\r\n");
	buf_z(&text, "\r\n\r\nFor other details, see the local mail logfile\r\n");
	cleanup_notice(&(struct cleanup_notice){
		.store = s->relay->store, .router = session_router(s), .conf = c,
		.sender = rewrite_address(session_router(s), &a, str_of(c->double_bounce_sender), true), .to = to, .text = buf_view(&text),
		.now = loop_wall(s->relay->loop),
	}, on_queued, r);
	buf_fini(&text);
	arena_fini(&a);
}

void session_report_end(struct session *s)
{
	struct session_report *r = s->report;
	usec now = loop_now(s->relay->loop);

	s->report = NULL;
	if (!r)
		return;
	/* who makes one error in each of a thousand sessions shall not make a thousand notices */
	if (!r->faults || s->relay->stopping || (s->relay->reported_at && now < s->relay->reported_at + LIMIT_REPORT_PAUSE)) {
		report_free(r);
		return;
	}
	s->relay->reported_at = now;
	r->relay = s->relay;
	bytes_copy(r->client, s->client_text, strnlen(s->client_text, sizeof(r->client) - 1));
	tell(s, r);
}
