/* submit_smtp - see submit_smtp.h. The client machine says what to do next, conn carries the bytes; what is here is the
 * policy of one submission: TLS as asked, AUTH where a login is given, one transaction, QUIT. */
#include "core/submit/submit_smtp.h"

#include <errno.h>
#include <stdio.h>

#include "core/base/mem.h"
#include "core/map/match.h"
#include "core/msg/mime.h"
#include "core/net/conn.h"
#include "core/smtp/client.h"
#include "core/smtp/sasl.h"
#include "core/smtp/token.h"

#define INPUT_MAX (64 * 1024)
#define OUTPUT_MAX (1024 * 1024)
#define PIECE (64 * 1024)              /* content given to the machine at once */
#define FEED_MARK (256 * 1024)         /* output waiting above which no more is given */

struct session {
	struct loop *loop;
	const struct conf *conf;
	const struct submit_server *to;
	struct submit_outcome *out;
	struct conn *conn;
	struct smtp_client client;
	struct smtp_tx tx;
	const struct rcpt **rcpts;
	struct str content;
	size_t sent;
	bool feeding, ended, begun, tls, authenticated, over;
	struct sasl_client sasl;
	struct buf token;              /* read in place of the password */
	struct buf scratch;
};

static const struct submit_watch *watching;

static enum conn_next on_conn(struct conn *c, enum conn_event ev);

/* --- looking on ----------------------------------------------------------------------------------------------------- */

void submit_watch(const struct submit_watch *w)
{
	watching = w;
}

const struct submit_watch *submit_watching(void)
{
	return watching;
}

static enum submit_stop stop_at(void)
{
	return watching ? watching->stop : SUBMIT_STOP_NEVER;
}

static void show(char mark, struct str text)
{
	struct str line;

	while (watching && str_cut(&text, '\n', &line)) {
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		watching->line(watching->ctx, mark, line);
	}
}

/* show_sent - what was added to the output; of a login only its mechanism */
static void show_sent(struct session *s, size_t before)
{
	struct str text = str_from(buf_view(&s->conn->out), before), word;

	if (!watching || !text.n)
		return;
	if (s->client.phase != SMTP_PHASE_AUTH) {
		show('>', text);
		return;
	}
	word = STR("(not shown)");
	if (str_starts(text, STR("AUTH ")))
		word = str_head(text, (size_t)str_chr(str_from(text, 5), text.p[strcspn(text.p + 5, " \r") + 5]) + 5);
	show('>', word);
}

static void show_event(const struct session *s)
{
	const struct tls_info *t = conn_tls(s->conn);
	char text[400], ip[46];
	struct ipaddr a;

	if (t) {
		snprintf(text, sizeof(text), "TLS: %s with cipher %s (%d bits), %s%s%s", t->version, t->cipher, t->bits, tls_trust_word(t->trust),
			t->why_untrusted[0] ? ": " : "", t->why_untrusted);
	} else {
		ipaddr_from_sockaddr((const struct sockaddr *)&s->to->address, &a);
		ipaddr_format(&a, ip);
		snprintf(text, sizeof(text), "connected to %s[%s]", s->to->name, ip);
	}
	show('*', str_of(text));
}

static enum conn_next end(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static enum conn_next end(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!s->out->why[0] && fmt[0])
		vsnprintf(s->out->why, sizeof(s->out->why), fmt, ap);
	va_end(ap);
	s->over = true;
	loop_stop(s->loop);
	return CONN_CLOSE;
}

/* said - end with a reply of the server as the reason */
static enum conn_next said(struct session *s, const char *about)
{
	struct buf line;

	buf_init(&line, LIMIT_REPLY_TEXT + 64);
	reply_line(&line, &s->client.reply);
	end(s, "%s said%s: %s", s->to->name, about, buf_cstr(&line));
	buf_fini(&line);
	return CONN_CLOSE;
}

static usec phase_time(const struct session *s)
{
	const struct conf *c = s->conf;

	switch (s->client.phase) {
	case SMTP_PHASE_MAIL: return c->smtp_mail_timeout;
	case SMTP_PHASE_RCPT: return c->smtp_rcpt_timeout;
	case SMTP_PHASE_DATA: return c->smtp_data_init_timeout;
	case SMTP_PHASE_BODY: return c->smtp_data_xfer_timeout;
	case SMTP_PHASE_END: return c->smtp_data_done_timeout;
	case SMTP_PHASE_STARTTLS: return c->smtp_starttls_timeout;
	case SMTP_PHASE_QUIT: return 5 * USEC_PER_SEC;
	default: return c->smtp_helo_timeout;
	}
}

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

static bool start_tls(struct session *s)
{
	const struct conf *c = s->conf;
	bool strict = s->to->tls >= CONF_TLS_VERIFY;
	struct tls_options o = {
		.ca_file = c->smtp_tls_CAfile, .ca_path = c->smtp_tls_CApath, .cert_file = c->smtp_tls_cert_file,
		.key_file = c->smtp_tls_key_file, .chain_files = c->smtp_tls_chain_files,
		.protocols = s->to->tls >= CONF_TLS_ENCRYPT ? c->smtp_tls_mandatory_protocols : c->smtp_tls_protocols,
	};
	const char *names[] = { s->to->name, NULL };
	struct tls_peer peer = { .server_name = s->to->name, .match = strict ? TLS_MATCH_NAME : TLS_MATCH_NONE, .names = names };
	struct ipaddr ignored;
	struct tls_context *t;
	struct buf why;

	if (ipaddr_parse(str_of(s->to->name), &ignored))
		peer.server_name = NULL;
	buf_init(&why, LIMIT_REPLY_TEXT);
	t = tls_context_new(&o, &why);
	if (t) {
		conn_start_tls(s->conn, t, &peer);
		tls_context_unref(t);
	} else {
		end(s, "TLS cannot be used: %s", buf_cstr(&why));
	}
	buf_fini(&why);
	return t != NULL;
}

/* --- AUTH --------------------------------------------------------------------------------------------------------- */

static enum conn_next start_auth(struct session *s)
{
	const struct conf *c = s->conf;
	const char *options = s->tls ? c->smtp_sasl_tls_security_options : c->smtp_sasl_security_options;
	struct buf why;
	const char *mechanism;
	unsigned forbidden;

	buf_init(&why, LIMIT_REPLY_TEXT);
	forbidden = sasl_parse_properties(options, &why);
	mechanism = sasl_choose(s->client.auth_mechanisms, forbidden, c->smtp_sasl_mechanism_filter, &why);
	s->sasl = (struct sasl_client){ .mechanism = mechanism, .user = str_of(s->to->user) };
	if (!mechanism || !token_find(mechanism, str_of(s->to->password), &s->token, &s->sasl.password, &why)) {
		end(s, "SASL authentication failed: cannot log in to %s: %s%s", s->to->name, buf_cstr(&why),
			s->tls || mechanism ? "" : " (the session has no TLS)");
		buf_fini(&why);
		return CONN_CLOSE;
	}
	buf_fini(&why);
	buf_clear(&s->scratch);
	if (sasl_has_initial(mechanism) && sasl_respond(&s->sasl, STR_EMPTY, &s->scratch))
		smtp_client_auth(&s->client, mechanism, buf_view(&s->scratch), true);
	else
		smtp_client_auth(&s->client, mechanism, STR_EMPTY, false);
	return CONN_KEEP;
}

static void answer_challenge(struct session *s)
{
	struct buf challenge;
	static const char empty[] = "";

	buf_init(&challenge, LIMIT_SASL_RESPONSE);
	buf_clear(&s->scratch);
	if (mime_base64_decode(&challenge, str_of(s->client.reply.text)) &&
	    sasl_respond(&s->sasl, buf_view(&challenge), &s->scratch))
		smtp_client_auth_step(&s->client, s->scratch.n ? buf_view(&s->scratch) : str_make(empty, 0));
	else
		smtp_client_auth_step(&s->client, STR_EMPTY);
	buf_fini(&challenge);
}

/* hello_done - TLS first, then AUTH, then the transaction */
static enum conn_next hello_done(struct session *s)
{
	bool offered = s->client.extensions & SMTP_EXT_STARTTLS;

	if (stop_at() == SUBMIT_STOP_EHLO) {
		smtp_client_ready(&s->client);
		return CONN_KEEP;
	}
	if (!s->tls && s->to->tls >= CONF_TLS_ENCRYPT && !offered)
		return end(s, "TLS is required, but was not offered by host %s", s->to->name);
	if (!s->tls && s->to->tls >= CONF_TLS_MAY && offered) {
		smtp_client_starttls(&s->client);
		return CONN_KEEP;
	}
	if (s->to->user && !s->authenticated)
		return start_auth(s);
	smtp_client_ready(&s->client);
	return CONN_KEEP;
}

/* --- the transaction ----------------------------------------------------------------------------------------------- */

static void feed(struct session *s)
{
	while (s->feeding && s->conn->out.n < FEED_MARK) {
		struct str piece = str_head(str_from(s->content, s->sent), PIECE);

		s->sent += piece.n;
		s->feeding = s->sent < s->content.n;
		s->ended = !s->feeding;
		smtp_client_body(&s->client, piece, !s->feeding);
	}
}

static void take_refusal(struct session *s)
{
	struct submit_outcome *o = s->out;
	const struct reply *r = &s->client.reply;

	if (reply_verdict(r) == VERDICT_DONE)
		return;
	o->verdicts[s->client.rcpt] = reply_verdict(r);
	if (!o->refused++ || (reply_verdict(r) == VERDICT_NEVER && reply_verdict(&o->first_refusal) == VERDICT_LATER))
		o->first_refusal = *r;
	o->refused_later = o->refused_later || reply_verdict(r) == VERDICT_LATER;
	buf_printf(&o->refusals, "%s%.*s: ", o->refusals.n ? "; " : "", STR_ARG(s->tx.rcpts[s->client.rcpt]->addr));
	reply_line(&o->refusals, r);
}

/* forget_words - the replies were out of step: none of them counts */
static void forget_words(struct session *s)
{
	struct submit_outcome *o = s->out;

	for (size_t i = 0; i < s->tx.n_rcpts; i++)
		o->verdicts[i] = VERDICT_DONE;
	o->refused = 0;
	o->refused_later = o->accepted = false;
	o->first_refusal = o->reply = (struct reply){ .code = 0 };
	buf_clear(&o->refusals);
}

/* is_over - between transactions: no more is to be said */
static bool is_over(const struct session *s)
{
	return s->out->stopped || s->out->reply.code || (s->begun && s->tx.n_rcpts && s->out->refused == s->tx.n_rcpts);
}

static enum conn_next on_smtp(struct session *s, enum smtp_client_event ev)
{
	switch (ev) {
	case SMTP_CLIENT_HELLO:
		return hello_done(s);
	case SMTP_CLIENT_STARTTLS:
		return start_tls(s) ? CONN_KEEP : CONN_CLOSE;
	case SMTP_CLIENT_TLS_REFUSED:
		if (s->to->tls >= CONF_TLS_ENCRYPT)
			return said(s, " no to STARTTLS");
		s->tls = true;
		return hello_done(s);
	case SMTP_CLIENT_AUTH:
		answer_challenge(s);
		return CONN_KEEP;
	case SMTP_CLIENT_AUTH_DONE:
		s->authenticated = true;
		if (s->client.reply.code != 235)
			return said(s, " no to the login (check user and password)");
		smtp_client_ready(&s->client);
		return CONN_KEEP;
	case SMTP_CLIENT_READY:
		s->out->stopped = stop_at() && (s->begun || stop_at() < SUBMIT_STOP_MAIL);
		if (is_over(s))
			smtp_client_quit(&s->client);
		else
			smtp_client_begin(&s->client, &s->tx);
		s->begun = true;
		return CONN_KEEP;
	case SMTP_CLIENT_RCPT:
		take_refusal(s);
		return CONN_KEEP;
	case SMTP_CLIENT_BODY:
		s->feeding = true;
		feed(s);
		return CONN_KEEP;
	case SMTP_CLIENT_DONE:
		s->feeding = false;
		s->out->reply = s->client.reply;
		s->out->accepted = reply_verdict(&s->client.reply) == VERDICT_DONE;
		return CONN_KEEP;
	case SMTP_CLIENT_QUIT:
		return end(s, "%s", "");
	case SMTP_CLIENT_REFUSED:
		return said(s, "");
	case SMTP_CLIENT_BROKEN:
		if (s->client.unsure)
			forget_words(s);
		return end(s, "%s: %s", s->to->name, s->client.why);
	case SMTP_CLIENT_NEXT: /* never: nothing is begun behind this one */
	case SMTP_CLIENT_WANT_INPUT:
		break;
	}
	return CONN_KEEP;
}

/* leave - QUIT is courtesy: it is sent, its answer is not waited for */
static enum conn_next leave(struct session *s)
{
	conn_close_after_send(s->conn, clock_mono() + USEC_PER_SEC);
	end(s, "%s", "");
	return CONN_KEEP;
}

/* pump - let the machine work on what has come; after the verdict the rest of the session does not matter any more */
static enum conn_next pump(struct session *s)
{
	for (;;) {
		struct str all = buf_view(&s->conn->in), in = all;
		size_t before = s->conn->out.n;
		enum smtp_client_event ev = smtp_client_next(&s->client, &in);
		enum conn_next next = CONN_KEEP;

		show('<', str_head(all, all.n - in.n));
		/* who stops after MAIL has no recipient to be told about */
		if (s->begun && !s->tx.n_rcpts && all.n > in.n && s->client.reply.code >= 400)
			s->out->reply = s->client.reply;
		buf_consume(&s->conn->in, all.n - in.n);
		if (ev != SMTP_CLIENT_WANT_INPUT)
			next = on_smtp(s, ev);
		show_sent(s, before);
		if (ev == SMTP_CLIENT_WANT_INPUT)
			break;
		if (next == CONN_CLOSE || ev == SMTP_CLIENT_STARTTLS)
			return next;
		if (ev == SMTP_CLIENT_READY && is_over(s))
			return leave(s);
	}
	conn_deadline(s->conn, loop_now(s->loop) + phase_time(s));
	return CONN_KEEP;
}

static enum conn_next on_lost(struct session *s, enum conn_event ev)
{
	const char *doing = smtp_phase_doing(s->client.phase);

	s->out->doubtful = s->ended && !s->out->reply.code;
	if (ev == CONN_DEADLINE)
		return end(s, "conversation with %s timed out while %s", s->to->name, doing);
	if (ev == CONN_EOF)
		return end(s, "lost connection with %s while %s", s->to->name, doing);
	return end(s, "%s: %s", s->to->name, s->conn->why[0] ? s->conn->why : strerror(s->conn->error));
}

static enum conn_next on_conn(struct conn *c, enum conn_event ev)
{
	struct session *s = c->ctx;
	size_t before;

	if (s->over)
		return CONN_CLOSE;
	switch (ev) {
	case CONN_CONNECTED:
		show_event(s);
		if (s->to->tls_wrapper)
			return start_tls(s) ? CONN_KEEP : CONN_CLOSE;
		return pump(s);
	case CONN_TLS_READY:
		s->tls = true;
		show_event(s);
		before = s->conn->out.n;
		s->out->stopped = stop_at() == SUBMIT_STOP_TLS;
		if (s->out->stopped)
			smtp_client_quit(&s->client);
		else
			smtp_client_tls_done(&s->client);
		show_sent(s, before);
		if (s->out->stopped)
			return leave(s);
		return pump(s);
	case CONN_DATA:
		return pump(s);
	case CONN_SENT:
		feed(s);
		conn_deadline(c, loop_now(s->loop) + phase_time(s));
		return CONN_KEEP;
	case CONN_FAILED:
		/* a failed handshake has no errno; where TLS is only welcome the next try does without */
		s->out->retry_plain = !c->error && s->to->tls == CONF_TLS_MAY && !s->to->tls_wrapper && !s->tls;
		return on_lost(s, ev);
	case CONN_EOF:
		if (pump(s) == CONN_CLOSE || s->over)
			return CONN_CLOSE;
		return on_lost(s, ev);
	case CONN_DEADLINE:
		return on_lost(s, ev);
	}
	return CONN_KEEP;
}

static void connect_to(struct session *s, struct submit_server *to)
{
	usec deadline = clock_mono() + s->conf->smtp_connect_timeout;

	if (to->fd >= 0) {
		s->conn = conn_accepted(s->loop, to->fd, INPUT_MAX, OUTPUT_MAX, on_conn, s);
		to->fd = -1;
		if (s->conn)
			conn_deadline(s->conn, clock_mono() + s->conf->smtp_helo_timeout);
	} else {
		s->conn = conn_connect(s->loop, (const struct sockaddr *)&to->address, to->address_n, NULL, 0, INPUT_MAX,
			OUTPUT_MAX, deadline, on_conn, s);
	}
	if (!s->conn)
		snprintf(s->out->why, sizeof(s->out->why), "cannot make a socket: %s", strerror(errno));
}

void submit_smtp_run(struct loop *l, const struct conf *c, struct submit_server *to, const struct envelope *e,
	struct str content, struct submit_outcome *out)
{
	struct session s = { .loop = l, .conf = c, .to = to, .out = out, .content = content };
	struct smtp_client_options o = { .helo_name = *c->smtp_helo_name ? c->smtp_helo_name : c->myhostname, .always_ehlo = true,
		.chunking = !watching, .pipelining = !watching, .line_limit = to->fd >= 0 ? 0 : (size_t)c->smtp_line_length_limit };

	s.rcpts = mem_array(NULL, e->n_rcpts, sizeof(*s.rcpts));
	for (size_t i = 0; i < e->n_rcpts; i++) {
		s.rcpts[i] = &e->rcpts[i];
		out->verdicts[i] = VERDICT_DONE;
	}
	s.tx = (struct smtp_tx){ .sender = e->sender, .rcpts = s.rcpts, .n_rcpts = e->n_rcpts, .size = content.n,
		.flags = e->flags, .envid = e->envid, .ret = e->ret, .probe = stop_at() != SUBMIT_STOP_NEVER };
	if (stop_at() == SUBMIT_STOP_MAIL)
		s.tx.n_rcpts = 0;
	buf_init(&s.scratch, LIMIT_SASL_RESPONSE);
	buf_init(&s.token, LIMIT_SASL_RESPONSE);
	connect_to(&s, to);
	if (s.conn) {
		smtp_client_init(&s.client, &o, &s.conn->out);
		loop_run(l);
		smtp_client_fini(&s.client);
		/* what waits to be sent (QUIT) gets one chance; conn frees itself after the tick */
		loop_tick(l, 0);
	}
	show('*', str_of(out->why));
	buf_wipe(&s.scratch);
	buf_wipe(&s.token);
	mem_free(s.rcpts);
}
