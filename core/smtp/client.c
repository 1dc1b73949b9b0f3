/* client - the SMTP client machine: the ring of expected replies, the loop, and how a session breaks. See client.h for
 * the promises, client_private.h for where the rest is.
 *
 * Bytes that no command asked for are never kept for the next one: with no reply outstanding any input ends the session,
 * also when it came together with the last reply (threats B2, E7). Recipients that are not judged when a session breaks are
 * the owner's to try again. */
#include "core/smtp/client.h"

#include <stdarg.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/smtp/client_private.h"

/* --- life ------------------------------------------------------------------------------------------------------------- */

void smtp_client_init(struct smtp_client *c, const struct smtp_client_options *o, struct buf *out)
{
	*c = (struct smtp_client){ .opt = *o, .out = out, .phase = SMTP_PHASE_GREETING };
	c->priv = MEM_NEW(struct smtp_client_private);
	c->priv->t = c->priv->slots;
	buf_init(&c->priv->scratch, SIZE_MAX / 4);
	buf_init(&c->priv->seven, SIZE_MAX / 4);
	client_expect(c, EXPECT_GREETING, 1);
}

void smtp_client_fini(struct smtp_client *c)
{
	if (!c->priv)
		return;
	buf_fini(&c->priv->scratch);
	buf_fini(&c->priv->seven);
	for (size_t i = 0; i < sizeof(c->priv->slots) / sizeof(c->priv->slots[0]); i++) {
		mem_free(c->priv->slots[i].states);
		downgrade_free(c->priv->slots[i].downgrade);
	}
	mem_free(c->priv);
	c->priv = NULL;
}

bool smtp_client_is_reusable(const struct smtp_client *c)
{
	const struct smtp_client_private *p = c->priv;

	return p->held == 0 && !p->dead && !p->t->runs && p->rest == REST_READY;
}

/* --- the ring --------------------------------------------------------------------------------------------------------- */

static const struct {
	enum smtp_phase phase;
	enum smtp_client_event (*judge)(struct smtp_client *c);
} expects[EXPECTS] = {
	[EXPECT_GREETING] = { SMTP_PHASE_GREETING, client_on_greeting },
	[EXPECT_EHLO] = { SMTP_PHASE_EHLO, client_on_ehlo },
	[EXPECT_HELO] = { SMTP_PHASE_EHLO, client_on_helo },
	[EXPECT_STARTTLS] = { SMTP_PHASE_STARTTLS, client_on_starttls },
	[EXPECT_AUTH] = { SMTP_PHASE_AUTH, client_on_auth },
	[EXPECT_MAIL] = { SMTP_PHASE_MAIL, client_on_mail },
	[EXPECT_RCPT] = { SMTP_PHASE_RCPT, client_on_rcpt },
	[EXPECT_DATA] = { SMTP_PHASE_DATA, client_on_data },
	[EXPECT_CHUNK] = { SMTP_PHASE_END, client_on_chunk },
	[EXPECT_END] = { SMTP_PHASE_END, client_on_end },
	[EXPECT_RSET] = { SMTP_PHASE_RSET, client_on_rset },
	[EXPECT_QUIT] = { SMTP_PHASE_QUIT, NULL },
};

void client_expect(struct smtp_client *c, enum client_expect what, size_t count)
{
	struct smtp_client_private *p = c->priv;
	struct client_expected *last = &p->ring[(p->head + p->held + CLIENT_RING - 1) % CLIENT_RING];

	p->rest = REST_BUSY;
	if (count == 0)
		return;
	if (p->held > 0 && last->what == what) {
		last->count += count;
		return;
	}
	if (p->held == CLIENT_RING)
		BUG("more kinds of replies outstanding than there are");
	p->ring[(p->head + p->held++) % CLIENT_RING] = (struct client_expected){ what, count };
	if (p->held == 1 && !p->judging)
		c->phase = expects[what].phase;
}

/* one reply of the head's kind is here */
static enum client_expect take_expected(struct smtp_client *c)
{
	struct smtp_client_private *p = c->priv;
	struct client_expected *head = &p->ring[p->head];
	enum client_expect what = head->what;

	if (--head->count == 0) {
		p->head = (p->head + 1) % CLIENT_RING;
		p->held--;
	}
	return what;
}

void client_rest(struct smtp_client *c, enum client_rest rest)
{
	c->priv->rest = rest;
	c->priv->told = false;
}

void client_send(struct smtp_client *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(c->out, fmt, ap);
	va_end(ap);
	buf_add(c->out, "\r\n", 2);
}

/* --- the end ---------------------------------------------------------------------------------------------------------- */

enum smtp_client_event client_break(struct smtp_client *c, const char *fmt, ...)
{
	struct smtp_client_private *p = c->priv;
	struct buf text;
	va_list ap;

	buf_init(&text, LIMIT_REPLY_TEXT * 2);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	memcpy(c->why, buf_cstr(&text), text.n < sizeof(c->why) ? text.n : sizeof(c->why) - 1);
	c->why[text.n < sizeof(c->why) ? text.n : sizeof(c->why) - 1] = 0;
	buf_fini(&text);
	c->unsure |= p->doubt;
	p->dead = true;
	p->told = false;
	p->held = 0;
	p->t->body = BODY_NONE;
	return CLIENT_GO_ON;
}

bool client_yes(const struct smtp_client *c)
{
	static const int others[] = { 211, 214, 220, 221, 235 };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (c->reply.code == others[i])
			return false;
	return c->reply.code / 100 == 2;
}

/* the whole reply as a reason, on one line */
static enum smtp_client_event break_with_reply(struct smtp_client *c, const char *what)
{
	struct buf line;

	buf_init(&line, LIMIT_REPLY_TEXT * 2);
	reply_line(&line, &c->reply);
	client_break(c, "%s: %s", what, buf_cstr(&line));
	buf_fini(&line);
	return CLIENT_GO_ON;
}

/* 421: the server goes away, and that is its word on all that is not decided. After RCPT some stay and take the message
 * for the others: there it is the word on one recipient, and a connection that closes says the rest */
static enum smtp_client_event server_leaves(struct smtp_client *c)
{
	if (c->priv->t->runs && !c->priv->t->done)
		client_fail_all(c);
	c->priv->doubt = false;
	return break_with_reply(c, "server closes the session");
}

/* a whole reply that no command asked for */
static enum smtp_client_event unsolicited(struct smtp_client *c)
{
	struct smtp_client_private *p = c->priv;

	/* a refusal in the middle of the content is a word on the message, unless it may be one that was given before;
	 * anything better is not to be believed */
	if (c->reply.code >= 400 && (p->t->body == BODY_ASK || p->t->body == BODY_OPEN) && !p->t->failed && !p->t->refused_rcpt) {
		c->phase = SMTP_PHASE_BODY;
		client_fail_all(c);
	}
	return break_with_reply(c, "unexpected reply");
}

/* --- the loop --------------------------------------------------------------------------------------------------------- */

static enum smtp_client_event judge(struct smtp_client *c)
{
	enum client_expect what = take_expected(c);

	enum smtp_client_event e;

	c->phase = expects[what].phase;
	if (what == EXPECT_QUIT && !c->priv->doubt) {
		client_rest(c, REST_OVER);
		return SMTP_CLIENT_QUIT;
	}
	if (what == EXPECT_QUIT) {
		c->priv->doubt = c->reply.code != 221;
		return break_with_reply(c, c->priv->doubt ? "unexpected reply to QUIT" : "session ended after a refused sender");
	}
	if (c->reply.code == 421 && what > EXPECT_AUTH && what != EXPECT_RCPT)
		return server_leaves(c);
	/* the event is about this phase, whatever is sent next */
	c->priv->judging = true;
	e = expects[what].judge(c);
	c->priv->judging = false;
	return e;
}

/* nothing is outstanding and nothing came: what the owner is to decide now */
static enum smtp_client_event tell_rest(struct smtp_client *c)
{
	static const enum smtp_client_event events[] = {
		[REST_BUSY] = SMTP_CLIENT_WANT_INPUT, [REST_HELLO] = SMTP_CLIENT_HELLO, [REST_TLS] = SMTP_CLIENT_STARTTLS,
		[REST_CHALLENGE] = SMTP_CLIENT_AUTH, [REST_AUTH_DONE] = SMTP_CLIENT_AUTH_DONE,
		[REST_READY] = SMTP_CLIENT_READY, [REST_OVER] = SMTP_CLIENT_WANT_INPUT,
	};
	struct smtp_client_private *p = c->priv;

	if (p->told)
		return SMTP_CLIENT_WANT_INPUT;
	p->told = true;
	if (p->rest == REST_READY) {
		c->phase = SMTP_PHASE_READY;
		p->doubt = false;
	}
	return events[p->rest];
}

/* no reply may follow the next one before something is sent. LMTP's answers for each recipient are one expectation. */
static bool is_last_expected(const struct smtp_client *c)
{
	const struct smtp_client_private *p = c->priv;
	const struct client_expected *head = &p->ring[p->head];

	return p->held == 1 && head->count == 1 && !(head->what == EXPECT_END && c->opt.lmtp && p->t->n_accepted > 1);
}

/* take one reply off the input and judge it */
static enum smtp_client_event take_reply(struct smtp_client *c, struct str *in)
{
	struct smtp_client_private *p = c->priv;
	bool hello = p->held > 0 && p->ring[p->head].what == EXPECT_EHLO && !p->early;
	const char *why = NULL;

	if (p->held > 0)
		c->phase = expects[p->ring[p->head].what].phase;
	if (p->rest == REST_TLS)
		return client_break(c, "data after the reply to STARTTLS");
	switch (grammar_reply(&p->parser, in, &c->reply, &why, hello ? client_ehlo_line : NULL, c)) {
	case GRAMMAR_MORE:
		return SMTP_CLIENT_WANT_INPUT;
	case GRAMMAR_BAD:
		return client_break(c, "%s", why);
	case GRAMMAR_OK:
		break;
	}
	if (p->held == 0 || p->early)
		return unsolicited(c);
	p->early = in->n > 0 && is_last_expected(c);
	return judge(c);
}

enum smtp_client_event smtp_client_next(struct smtp_client *c, struct str *in)
{
	struct smtp_client_private *p = c->priv;
	enum smtp_client_event e = CLIENT_GO_ON;

	while (e == CLIENT_GO_ON) {
		e = p->t->runs ? client_tell(c) : CLIENT_GO_ON;
		if (e == CLIENT_GO_ON && p->ahead && p->t->done && !p->dead)
			e = client_go_ahead(c);
		if (e == CLIENT_GO_ON && p->t->body == BODY_ASK && !(in->n > 0 && (p->held == 0 || p->early)))
			e = client_tell_body(c);
		if (e != CLIENT_GO_ON)
			break;
		if (!p->dead && c->out->overflow)
			client_break(c, "output buffer full");
		if (p->dead || p->rest == REST_OVER) {
			*in = str_from(*in, in->n);
			e = p->dead && !p->told ? SMTP_CLIENT_BROKEN : SMTP_CLIENT_WANT_INPUT;
			p->told = true;
			p->t->runs = false;
			break;
		}
		if (in->n > 0 || p->held > 0) {
			e = take_reply(c, in);
			continue;
		}
		if (p->t->runs)
			client_end(c);
		if (p->held == 0)
			e = tell_rest(c);
	}
	return e;
}

void smtp_client_quit(struct smtp_client *c)
{
	client_send(c, "QUIT");
	client_expect(c, EXPECT_QUIT, 1);
}
