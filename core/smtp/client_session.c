/* client_session - from the greeting to READY: EHLO and what it offers, STARTTLS, AUTH. Each answer is judged by its exact
 * code where the protocol has one: a server that is out of step must not get past a checkpoint (threats B2, B3, E7). */
#include "core/base/limits.h"
#include "core/msg/mime.h"
#include "core/smtp/client_private.h"

static void say_hello(struct smtp_client *c, bool esmtp)
{
	client_send(c, "%s %s", c->opt.lmtp ? "LHLO" : esmtp ? "EHLO" : "HELO", c->opt.helo_name);
	client_expect(c, esmtp ? EXPECT_EHLO : EXPECT_HELO, 1);
}

static void forget_offers(struct smtp_client *c)
{
	c->extensions = 0;
	c->size_limit = 0;
	c->auth_mechanisms[0] = 0;
}

static enum smtp_client_event refused(struct smtp_client *c)
{
	client_rest(c, REST_OVER);
	return SMTP_CLIENT_REFUSED;
}

enum smtp_client_event client_on_greeting(struct smtp_client *c)
{
	struct str text = str_of(c->reply.text), name = grammar_word(&text);

	c->greeting = c->reply;
	if (c->reply.code >= 400)
		return refused(c);
	if (c->reply.code != 220)
		return client_break(c, "unexpected greeting: %d", c->reply.code);
	name = str_head(name, sizeof(c->server_name) - 1);
	for (size_t i = 0; i < name.n; i++)
		c->server_name[i] = name.p[i] == '\n' ? 0 : name.p[i];
	c->server_name[name.n] = 0;
	say_hello(c, c->opt.lmtp || (!c->opt.never_ehlo && (c->opt.always_ehlo || strstr(c->reply.text, "ESMTP") != NULL)));
	return CLIENT_GO_ON;
}

static void add_mechanisms(struct smtp_client *c, struct str list)
{
	size_t at = strlen(c->auth_mechanisms);
	struct str word;

	while (str_word(&list, " \t,", &word)) {
		bool known = word.n == 0 || at + word.n + 2 > sizeof(c->auth_mechanisms) || grammar_has_word(c->auth_mechanisms, word);

		for (size_t i = 0; i < word.n && !known; i++)
			known = !ascii_is_alnum(word.p[i]) && word.p[i] != '-' && word.p[i] != '_';
		if (known)
			continue;
		c->auth_mechanisms[at++] = ' ';
		for (size_t i = 0; i < word.n; i++)
			c->auth_mechanisms[at++] = ascii_upper(word.p[i]);
		c->auth_mechanisms[at] = 0;
	}
}

void client_ehlo_line(void *ctx, unsigned line, struct str text)
{
	struct smtp_client *c = ctx;
	struct str arg;
	unsigned bit;

	if (line == 1) {
		forget_offers(c);
		return;
	}
	bit = grammar_extension(text, &arg) & ~c->opt.discard;
	c->extensions |= bit;
	if (bit == SMTP_EXT_SIZE && !str_to_u64(grammar_word(&arg), &c->size_limit))
		c->size_limit = 0;
	if (bit == SMTP_EXT_AUTH)
		add_mechanisms(c, arg);
}

enum smtp_client_event client_on_ehlo(struct smtp_client *c)
{
	c->ehlo = c->reply;
	if (c->reply.code == 250) {
		client_rest(c, REST_HELLO);
		return CLIENT_GO_ON;
	}
	forget_offers(c);
	if (c->reply.code < 400)
		return client_break(c, "unexpected reply to EHLO: %d", c->reply.code);
	if (c->opt.lmtp || c->reply.code == 421)
		return refused(c);
	say_hello(c, false);
	return CLIENT_GO_ON;
}

enum smtp_client_event client_on_helo(struct smtp_client *c)
{
	if (c->reply.code >= 400)
		return refused(c);
	if (c->reply.code != 250)
		return client_break(c, "unexpected reply to HELO: %d", c->reply.code);
	forget_offers(c);
	client_rest(c, REST_HELLO);
	return CLIENT_GO_ON;
}

/* --- TLS -------------------------------------------------------------------------------------------------------------- */

void smtp_client_starttls(struct smtp_client *c)
{
	client_send(c, "STARTTLS");
	client_expect(c, EXPECT_STARTTLS, 1);
}

enum smtp_client_event client_on_starttls(struct smtp_client *c)
{
	if (c->reply.code == 220) {
		client_rest(c, REST_TLS);
		return CLIENT_GO_ON;
	}
	if (c->reply.code < 400)
		return client_break(c, "unexpected reply to STARTTLS: %d", c->reply.code);
	client_rest(c, REST_HELLO);
	c->priv->told = true;
	return SMTP_CLIENT_TLS_REFUSED;
}

void smtp_client_tls_done(struct smtp_client *c)
{
	struct smtp_client_private *p = c->priv;

	p->tls = true;
	if (p->held > 0 && p->ring[p->head].what == EXPECT_GREETING)
		return;
	forget_offers(c);
	p->parser = (struct grammar_reply){ 0 };
	say_hello(c, true);
}

/* --- AUTH ------------------------------------------------------------------------------------------------------------- */

static void forget_initial(struct smtp_client_private *p)
{
	buf_clear(&p->scratch);
	buf_shrink(&p->scratch);
	p->initial = false;
}

void smtp_client_auth(struct smtp_client *c, const char *mechanism, struct str initial_or_empty, bool has_initial)
{
	struct smtp_client_private *p = c->priv;

	buf_z(c->out, "AUTH ");
	buf_z(c->out, mechanism);
	buf_clear(&p->scratch);
	if (has_initial && initial_or_empty.n > 0)
		mime_base64(&p->scratch, initial_or_empty, 0);
	p->initial = strlen("AUTH  \r\n") + strlen(mechanism) + p->scratch.n > LIMIT_SMTP_AUTH_LINE;
	if (has_initial && !p->initial) {
		buf_byte(c->out, ' ');
		buf_z(c->out, initial_or_empty.n > 0 ? buf_cstr(&p->scratch) : "=");
		forget_initial(p);
	}
	buf_z(c->out, "\r\n");
	client_expect(c, EXPECT_AUTH, 1);
}

void smtp_client_auth_step(struct smtp_client *c, struct str response)
{
	if (!response.p)
		buf_byte(c->out, '*');
	else
		mime_base64(c->out, response, 0);
	buf_z(c->out, "\r\n");
	client_expect(c, EXPECT_AUTH, 1);
}

enum smtp_client_event client_on_auth(struct smtp_client *c)
{
	struct smtp_client_private *p = c->priv;

	if (c->reply.code == 334 && p->initial) {
		buf_str(c->out, buf_view(&p->scratch));
		buf_z(c->out, "\r\n");
		forget_initial(p);
		client_expect(c, EXPECT_AUTH, 1);
		return CLIENT_GO_ON;
	}
	forget_initial(p);
	if (c->reply.code == 334) {
		client_rest(c, REST_CHALLENGE);
		return CLIENT_GO_ON;
	}
	/* some say 250; but no server lets in whom it did not hear, and the EHLO reply once more is not about us */
	if (c->reply.code / 100 == 2 && c->reply.code != 220 && strcmp(c->reply.text, c->ehlo.text) != 0)
		c->reply.code = 235;
	if (c->reply.code != 235 && c->reply.code < 400)
		return client_break(c, "unexpected reply to AUTH: %d", c->reply.code);
	client_rest(c, REST_AUTH_DONE);
	return CLIENT_GO_ON;
}

void smtp_client_ready(struct smtp_client *c) { client_rest(c, REST_READY); }
