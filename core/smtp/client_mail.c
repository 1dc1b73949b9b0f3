/* client_mail - one transaction: MAIL, RCPT for each recipient, then DATA or BDAT, all in one write where the server offers
 * PIPELINING. A recipient is delivered only with its own 2xx and a 2xx to the end of data; replies that come after the
 * transaction failed are read and count for nothing (threats E7).
 *
 * DATA is how one knows that the replies are in step: nothing but DATA is answered with 354. With CHUNKING the replies of a
 * transaction all look the same; it is used for one recipient, where an earlier transaction of the connection showed
 * that the server's enhanced codes tell them apart. A small message then goes out whole, before any reply: one round
 * trip. A larger one waits for the recipient first, so that it is not sent for nothing. Without PIPELINING every step waits,
 * and DATA is used: RFC 3030 would have each chunk wait as well. */
#include <stdio.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/msg/addr.h"
#include "core/msg/mime.h"
#include "core/smtp/client_private.h"

/* --- judged without asking -------------------------------------------------------------------------------------------- */

/* is_safe - is all of it one path between brackets? Most addresses in the queue were parsed before; what a rule put there out of a
 * message (REDIRECT $1) was not, and must become neither a command nor a parameter (threats C6) */
static bool is_safe(struct str s)
{
	bool quoted = false;

	if (!grammar_is_text(s))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		/* letters, mostly */
		if ((unsigned char)s.p[i] > '>' && s.p[i] != '\\')
			continue;
		if ((s.p[i] == '\\' && i + 1 == s.n) || s.p[i] == '\t' || (!quoted && ascii_is_one_of(s.p[i], " <>")))
			return false;
		if (s.p[i] == '\\')
			i++;
		else
			quoted ^= s.p[i] == '"';
	}
	return !quoted;
}

static bool offers(const struct smtp_client *c, unsigned extension) { return c->extensions & extension; }

/* the reply for one recipient that cannot be sent; false: it can */
static bool refuse_rcpt(const struct smtp_client *c, const struct rcpt *r, struct reply *reply)
{
	if (r->addr.n == 0 || !is_safe(r->addr)) {
		if (reply)
			reply_set(reply, 553, "5.1.3", "Bad recipient address syntax");
		return true;
	}
	if (addr_is_utf8(r->addr) && !offers(c, SMTP_EXT_SMTPUTF8)) {
		if (reply)
			reply_set(reply, 553, "5.6.7", "SMTPUTF8 is required, but was not offered by host %s", c->server_name);
		return true;
	}
	return false;
}

/* the reply for a whole transaction that makes no sense to start; false: it does */
static bool refuse_tx(struct smtp_client *c, const struct smtp_tx *tx)
{
	if (c->size_limit > 0 && tx->size > c->size_limit)
		reply_set(&c->reply, 552, "5.3.4", "message size %llu exceeds size limit %llu of server %s",
		          (unsigned long long)tx->size, (unsigned long long)c->size_limit, c->server_name);
	else if (!is_safe(tx->sender))
		reply_set(&c->reply, 553, "5.1.7", "Bad sender address syntax");
	else if (tx->flags & ENVELOPE_REQUIRETLS && !c->opt.lmtp && !offers(c, SMTP_EXT_REQUIRETLS))
		reply_set(&c->reply, 550, "5.7.30", "REQUIRETLS is required, but was not offered by host %s", c->server_name);
	else if (addr_is_utf8(tx->sender) && !offers(c, SMTP_EXT_SMTPUTF8))
		reply_set(&c->reply, 553, "5.6.7", "SMTPUTF8 is required, but was not offered by host %s", c->server_name);
	else
		return false;
	return true;
}

/* --- commands --------------------------------------------------------------------------------------------------------- */

static void send_mail(struct smtp_client *c, struct client_tx *t)
{
	const struct smtp_tx *tx = &t->tx;
	struct buf *out = c->out;

	buf_z(out, "MAIL FROM:<");
	buf_str(out, tx->sender);
	buf_byte(out, '>');
	if (offers(c, SMTP_EXT_SIZE))
		buf_printf(out, " SIZE=%llu", (unsigned long long)tx->size);
	if ((tx->flags & ENVELOPE_8BIT) && offers(c, SMTP_EXT_8BITMIME))
		buf_z(out, " BODY=8BITMIME");
	if (offers(c, SMTP_EXT_DSN)) {
		if (tx->ret != DSN_RET_DEFAULT)
			buf_z(out, tx->ret == DSN_RET_FULL ? " RET=FULL" : " RET=HDRS");
		if (tx->envid.n > 0) {
			buf_z(out, " ENVID=");
			mime_xtext(out, tx->envid);
		}
	}
	if (t->utf8 && offers(c, SMTP_EXT_SMTPUTF8))
		buf_z(out, " SMTPUTF8");
	if (tx->flags & ENVELOPE_REQUIRETLS && !c->opt.lmtp)
		buf_z(out, " REQUIRETLS");
	buf_z(out, "\r\n");
	client_expect(c, EXPECT_MAIL, 1);
	t->sent = true;
}

static void send_notify(struct buf *out, unsigned notify)
{
	static const struct { unsigned bit; const char *word; } words[] = {
		{ DSN_NOTIFY_NEVER, "NEVER" }, { DSN_NOTIFY_SUCCESS, "SUCCESS" },
		{ DSN_NOTIFY_FAILURE, "FAILURE" }, { DSN_NOTIFY_DELAY, "DELAY" },
	};
	const char *before = " NOTIFY=";

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!(notify & words[i].bit))
			continue;
		buf_z(out, before);
		buf_z(out, words[i].word);
		before = ",";
	}
}

/* send_orcpt - what the sender said; else, as Postfix does, what the recipient was before it was rewritten here (RFC 3461 section
 * 4.2) */
static void send_orcpt(struct buf *out, const struct rcpt *r)
{
	struct str orcpt = r->orcpt;
	ptrdiff_t semicolon = str_chr(orcpt, ';');

	if (!orcpt.n && r->orig.n && r->orig.n <= LIMIT_ORCPT && str_is_ascii(r->orig)) {
		buf_z(out, " ORCPT=rfc822;");
		mime_xtext(out, r->orig);
	}
	if (semicolon <= 0 || !grammar_is_text(orcpt))
		return;
	buf_z(out, " ORCPT=");
	buf_str(out, str_head(orcpt, (size_t)semicolon + 1));
	mime_xtext(out, str_from(orcpt, (size_t)semicolon + 1));
}

static void send_rcpt(struct smtp_client *c, struct client_tx *t, size_t i)
{
	const struct rcpt *r = t->tx.rcpts[i];

	buf_z(c->out, "RCPT TO:<");
	buf_str(c->out, r->addr);
	buf_byte(c->out, '>');
	if (offers(c, SMTP_EXT_DSN)) {
		send_notify(c->out, r->notify);
		send_orcpt(c->out, r);
	}
	buf_z(c->out, "\r\n");
	t->states[i] = RCPT_SENT;
	client_expect(c, EXPECT_RCPT, 1);
}

/* send RCPT for the next recipient that wants one; false: none is left */
static bool send_next_rcpt(struct smtp_client *c, struct client_tx *t)
{
	while (t->next_send < t->tx.n_rcpts) {
		size_t i = t->next_send++;

		if (t->states[i] != RCPT_UNSENT)
			continue;
		send_rcpt(c, t, i);
		return true;
	}
	return false;
}

static void send_data(struct smtp_client *c)
{
	client_send(c, "DATA");
	client_expect(c, EXPECT_DATA, 1);
}

static void ask_body(struct smtp_client *c, struct client_tx *t)
{
	content_out_init(&t->content, !t->chunking, c->opt.line_limit);
	if ((t->tx.flags & ENVELOPE_8BIT) && !offers(c, SMTP_EXT_8BITMIME) && !c->opt.keep_8bit)
		t->downgrade = downgrade_new();
	t->body = BODY_ASK;
}

/* --- begin ------------------------------------------------------------------------------------------------------------ */

static void reset_transaction(struct smtp_client *c, struct client_tx *t, const struct smtp_tx *tx)
{
	if (t->states_cap < tx->n_rcpts) {
		t->states = mem_array(t->states, tx->n_rcpts, 1);
		t->states_cap = tx->n_rcpts;
	}
	downgrade_free(t->downgrade);
	*t = (struct client_tx){
		.runs = true, .tx = *tx, .states = t->states, .states_cap = t->states_cap,
		.pipelining = c->opt.pipelining && offers(c, SMTP_EXT_PIPELINING),
		.utf8 = (tx->flags & ENVELOPE_SMTPUTF8) || addr_is_utf8(tx->sender),
	};
	t->chunking = t->pipelining && c->opt.chunking && offers(c, SMTP_EXT_CHUNKING) && (c->priv->telling || c->opt.in_step) &&
		tx->n_rcpts == 1 && !c->opt.lmtp;
	t->telling = true;
	for (size_t i = 0; i < tx->n_rcpts; i++) {
		bool local = refuse_rcpt(c, tx->rcpts[i], NULL);

		t->states[i] = local ? RCPT_LOCAL : RCPT_UNSENT;
		t->n_local += local;
		t->utf8 = t->utf8 || (!local && addr_is_utf8(tx->rcpts[i]->addr));
	}
}

/* all that may be said before the first reply */
static void send_group(struct smtp_client *c, struct client_tx *t)
{
	send_mail(c, t);
	if (!t->pipelining)
		return;
	while (send_next_rcpt(c, t))
		;
	if (!t->tx.probe && !t->chunking)
		send_data(c);
}

/* a small message goes before anybody said yes to its recipient */
static void ask_early(struct smtp_client *c, struct client_tx *t)
{
	if (t->chunking && !t->tx.probe && t->tx.size <= LIMIT_SMTP_BLIND_BODY)
		ask_body(c, t);
}

static void begin(struct smtp_client *c, struct client_tx *t)
{
	client_rest(c, REST_BUSY);
	c->priv->doubt = true;
	if (refuse_tx(c, &t->tx)) {
		c->phase = SMTP_PHASE_MAIL;
		client_fail_all(c);
		return;
	}
	/* a probe without recipients asks about the sender alone */
	if (t->n_local == t->tx.n_rcpts && (t->tx.n_rcpts || !t->tx.probe))
		return;
	send_group(c, t);
	ask_early(c, t);
}

bool smtp_client_takes_next(const struct smtp_client *c)
{
	const struct smtp_client_private *p = c->priv;

	return p->t->runs && p->t->pipelining && !p->ahead && !p->dead && !c->opt.lmtp && !p->t->failed &&
		p->t->body == BODY_SENT && p->held == 1 && p->ring[p->head].what == EXPECT_END;
}

void smtp_client_begin(struct smtp_client *c, const struct smtp_tx *tx)
{
	struct smtp_client_private *p = c->priv;

	if (!p->t->runs) {
		reset_transaction(c, p->t, tx);
		begin(c, p->t);
		return;
	}
	p->ahead = &p->slots[p->t == p->slots];
	reset_transaction(c, p->ahead, tx);
	/* what is refused here is told at its turn, and then all of it is said */
	if (!p->ahead->n_local && !refuse_tx(c, tx))
		send_group(c, p->ahead);
}

enum smtp_client_event client_go_ahead(struct smtp_client *c)
{
	struct smtp_client_private *p = c->priv;

	p->t->runs = false;
	p->t = p->ahead;
	p->ahead = NULL;
	p->doubt = true;
	if (p->t->sent)
		ask_early(c, p->t);
	else
		begin(c, p->t);
	return SMTP_CLIENT_NEXT;
}

/* --- judges ----------------------------------------------------------------------------------------------------------- */

/* x.1.z is about an address (RFC 3463): MAIL and RCPT, never content */
static bool is_about_address(const struct reply *r) { return r->enhanced[0] && r->enhanced[2] == '1' && r->enhanced[3] == '.'; }

void client_fail_all(struct smtp_client *c)
{
	struct client_tx *t = c->priv->t;

	t->failed = true;
	t->sweeping = true;
	t->sweep = 0;
	t->finishing = t->n_accepted > 0;
	t->body = BODY_NONE;
}

static enum smtp_client_event out_of_step(struct smtp_client *c, const char *command)
{
	return client_break(c, "unexpected reply to %s: %d", command, c->reply.code);
}

enum smtp_client_event client_on_mail(struct smtp_client *c)
{
	struct client_tx *t = c->priv->t;

	if (c->reply.code < 400) {
		/* the reply to EHLO, twice; or to the content before, where content has another code */
		if (!client_yes(c) || (strchr(c->reply.text, '\n') && strcmp(c->reply.text, c->ehlo.text) == 0) ||
		    (t->chunking && !is_about_address(&c->reply)))
			return out_of_step(c, "MAIL FROM");
		t->telling = is_about_address(&c->reply);
		if (!t->pipelining)
			send_next_rcpt(c, t);
		return CLIENT_GO_ON;
	}
	t->refused_mail = true;
	client_fail_all(c);
	return CLIENT_GO_ON;
}

enum smtp_client_event client_on_rcpt(struct smtp_client *c)
{
	struct smtp_client_private *p = c->priv;
	struct client_tx *t = p->t;
	bool yes;

	if (c->reply.code < 400 && !client_yes(c))
		return out_of_step(c, "RCPT TO");
	if (t->failed) {
		/* the no to MAIL was another message's, if a recipient is fine now */
		if (c->reply.code < 400 && t->refused_mail && p->later)
			return out_of_step(c, "RCPT TO");
		return CLIENT_GO_ON;
	}
	while (t->states[t->next_reply] != RCPT_SENT)
		t->next_reply++;
	c->rcpt = t->next_reply++;
	yes = c->reply.code < 400;
	if (yes && t->chunking && !is_about_address(&c->reply))
		return out_of_step(c, "RCPT TO");
	t->states[c->rcpt] = yes ? RCPT_ACCEPTED : RCPT_JUDGED;
	t->n_accepted += yes;
	t->refused_rcpt |= !yes;
	t->telling = t->telling && (!yes || is_about_address(&c->reply));
	if (p->held == 0 && !send_next_rcpt(c, t) && !t->tx.probe && t->n_accepted > 0 && t->body == BODY_NONE) {
		if (t->chunking)
			ask_body(c, t);
		else
			send_data(c);
	}
	return SMTP_CLIENT_RCPT;
}

enum smtp_client_event client_on_data(struct smtp_client *c)
{
	struct client_tx *t = c->priv->t;

	if (c->reply.code != 354 && c->reply.code < 400)
		return out_of_step(c, "DATA");
	c->priv->doubt &= c->reply.code != 354;
	if (c->reply.code == 354 && (t->failed || t->n_accepted == 0)) {
		/* RFC 2920 section 3.1: the server wants content for nobody; give it none */
		client_send(c, ".");
		client_expect(c, EXPECT_END, 1);
	} else if (c->reply.code == 354) {
		ask_body(c, t);
	} else if (!t->failed) {
		client_fail_all(c);
	}
	return CLIENT_GO_ON;
}

enum smtp_client_event client_on_chunk(struct smtp_client *c)
{
	struct client_tx *t = c->priv->t;

	if (c->reply.code < 400 && !client_yes(c))
		return out_of_step(c, "BDAT");
	if (c->reply.code < 400 || t->failed || t->n_accepted == 0)
		return CLIENT_GO_ON;
	client_fail_all(c);
	return CLIENT_GO_ON;
}

static bool next_accepted(struct smtp_client *c)
{
	struct client_tx *t = c->priv->t;

	for (size_t i = 0; i < t->tx.n_rcpts; i++) {
		if (t->states[i] != RCPT_ACCEPTED)
			continue;
		t->states[i] = RCPT_JUDGED;
		t->n_accepted--;
		c->rcpt = i;
		c->last = t->n_accepted == 0;
		return true;
	}
	return false;
}

/* c->reply is the word on every accepted recipient (SMTP), on the next of them (LMTP) */
static enum smtp_client_event give_done(struct smtp_client *c)
{
	struct client_tx *t = c->priv->t;

	if (c->opt.lmtp) {
		next_accepted(c);
	} else {
		t->n_accepted = 0;
		c->last = true;
	}
	t->done = c->last;
	return SMTP_CLIENT_DONE;
}

enum smtp_client_event client_on_end(struct smtp_client *c)
{
	struct client_tx *t = c->priv->t;

	bool yes = client_yes(c);

	if ((c->reply.code < 400 && !yes) || (yes && t->chunking && is_about_address(&c->reply)))
		return out_of_step(c, "the end of data");
	if (t->failed || t->n_accepted == 0) {
		if (yes)
			return client_break(c, "server accepted a message after it had refused it: %d", c->reply.code);
		return CLIENT_GO_ON;
	}
	t->ended = true;
	c->priv->later = true;
	if (yes) {
		c->priv->telling = t->telling && c->reply.enhanced[0] && !is_about_address(&c->reply);
		c->priv->doubt = false;
	}
	if (c->opt.lmtp && t->n_accepted > 1)
		client_expect(c, EXPECT_END, 1);
	return give_done(c);
}

enum smtp_client_event client_on_rset(struct smtp_client *c)
{
	if (!client_yes(c))
		return out_of_step(c, "RSET");
	c->priv->later = true;
	client_rest(c, REST_READY);
	return CLIENT_GO_ON;
}

/* --- telling ---------------------------------------------------------------------------------------------------------- */

static enum smtp_client_event tell_local(struct smtp_client *c)
{
	struct client_tx *t = c->priv->t;
	size_t i = t->sweep;

	while (t->states[i] != RCPT_LOCAL)
		i++;
	refuse_rcpt(c, t->tx.rcpts[i], &c->reply);
	t->states[i] = RCPT_JUDGED;
	t->sweep = i + 1;
	if (--t->n_local == 0)
		t->sweep = 0;
	c->rcpt = i;
	return SMTP_CLIENT_RCPT;
}

enum smtp_client_event client_tell(struct smtp_client *c)
{
	struct client_tx *t = c->priv->t;

	if (t->n_local > 0)
		return tell_local(c);
	while (t->sweeping && t->sweep < t->tx.n_rcpts) {
		size_t i = t->sweep++;

		if (t->states[i] >= RCPT_ACCEPTED)
			continue;
		t->states[i] = RCPT_JUDGED;
		c->rcpt = i;
		return SMTP_CLIENT_RCPT;
	}
	t->sweeping = false;
	if (t->finishing) {
		t->finishing = c->opt.lmtp && t->n_accepted > 1;
		return give_done(c);
	}
	return CLIENT_GO_ON;
}

enum smtp_client_event client_tell_body(struct smtp_client *c)
{
	struct smtp_client_private *p = c->priv;
	struct client_tx *t = p->t;

	t->body = BODY_OPEN;
	if (p->held == 0)
		c->phase = SMTP_PHASE_BODY;
	return SMTP_CLIENT_BODY;
}

void client_end(struct smtp_client *c)
{
	struct smtp_client_private *p = c->priv;
	struct client_tx *t = p->t;

	if (t->body == BODY_ASK || t->body == BODY_OPEN)
		return;
	t->runs = false;
	t->body = BODY_NONE;
	buf_clear(&p->scratch);
	buf_shrink(&p->scratch);
	buf_clear(&p->seven);
	buf_shrink(&p->seven);
	downgrade_free(t->downgrade);
	t->downgrade = NULL;
	if (t->refused_mail && p->later && !t->pipelining) {
		/* nothing came after that no which could tell whether it was one to the message before: 221 does */
		smtp_client_quit(c);
	} else if (t->sent && !t->ended) {
		client_send(c, "RSET");
		client_expect(c, EXPECT_RSET, 1);
	} else {
		client_rest(c, REST_READY);
	}
}
