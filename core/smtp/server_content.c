/* server_content - DATA and BDAT: framing of the content, its size, and the one promise about failure: whatever is refused,
 * the content is read to its real end and the transaction is gone (threats E1, E2, E6). A chunk is never read as commands;
 * when its size is unknown the session ends. */
#include <stdio.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/smtp/grammar.h"
#include "core/smtp/server_private.h"

static const char too_big[] = "552 5.3.4 Error: message file too big";

/* --- both ------------------------------------------------------------------------------------------------------------- */

/* content that goes nowhere is read on, but not for ever (threats E4) */
static enum smtp_server_event discard(struct smtp_server *s, uint64_t n)
{
	s->priv->discarded += n;
	if (s->priv->discarded <= LIMIT_SMTP_DISCARD)
		return SERVER_GO_ON;
	server_say(s, "%s", too_big);
	return server_hang_up(s, SMTP_HANGUP_CONTENT);
}

static enum smtp_server_event take_piece(struct smtp_server *s, struct str piece)
{
	struct smtp_server_private *p = s->priv;
	struct envelope *e = &s->envelope;

	if (p->too_big)
		return discard(s, piece.n);
	e->size += piece.n;
	if (s->opt.size_limit > 0 && e->size > (uint64_t)s->opt.size_limit) {
		p->too_big = true;
		return server_drop(s, SERVER_GO_ON);
	}
	if (!(e->flags & ENVELOPE_8BIT) && content_has_8bit(piece))
		e->flags |= ENVELOPE_8BIT;
	s->chunk = piece;
	return SMTP_SERVER_BODY;
}

/* the whole message is here */
static enum smtp_server_event message_end(struct smtp_server *s)
{
	s->priv->state = SERVER_COMMAND;
	s->phase = SMTP_AT_END;
	if (!s->priv->too_big)
		return SMTP_SERVER_MESSAGE;
	return server_refuse(s, too_big);
}

static void drop_in_answer(struct smtp_server *s)
{
	if (server_drop(s, SERVER_GO_ON) == SMTP_SERVER_RSET)
		s->priv->queued = SMTP_SERVER_RSET;
}

void server_message_answer(struct smtp_server *s, const struct reply *r)
{
	struct smtp_server_private *p = s->priv;
	/* RFC 2033 section 4.2: LMTP answers for each recipient */
	size_t n = s->opt.lmtp ? s->envelope.n_rcpts : 1;

	for (size_t i = 0; i < n; i++)
		reply_format(s->out, r);
	server_count(s, r->code);
	if (r->code / 100 != 2) {
		drop_in_answer(s);
		return;
	}
	p->transaction = p->bdat = false;
	p->stale = true;
	p->junk = s->errors = 0;
}

/* NULL, or why there can be no content now */
static const char *check_ready(const struct smtp_server *s)
{
	if (!s->priv->transaction)
		return "503 5.5.1 Error: need RCPT command";
	return s->envelope.n_rcpts == 0 ? "554 5.5.1 Error: no valid recipients" : NULL;
}

/* --- DATA ------------------------------------------------------------------------------------------------------------- */

enum smtp_server_event server_data(struct smtp_server *s, struct str args)
{
	const char *no = check_ready(s);

	if (args.n > 0)
		no = "501 5.5.4 Syntax: DATA";
	else if (s->priv->bdat)
		no = "503 5.5.1 Error: DATA after BDAT";
	if (!no)
		return SMTP_SERVER_DATA;
	server_say(s, "%s", no);
	return server_drop(s, SERVER_GO_ON);
}

enum smtp_server_event server_on_content(struct smtp_server *s, struct str *in)
{
	enum smtp_server_event e = SERVER_GO_ON;
	struct str piece;

	while (e == SERVER_GO_ON) {
		switch (content_in_next(&s->priv->content, in, false, &piece)) {
		case CONTENT_MORE:
			s->bare_lf = s->priv->content.bare_lf;
			return SMTP_SERVER_WANT_INPUT;
		case CONTENT_END:
			return message_end(s);
		case CONTENT_PIECE:
			e = take_piece(s, piece);
			break;
		}
	}
	return e;
}

/* --- BDAT ------------------------------------------------------------------------------------------------------------- */

static void swallow(struct smtp_server *s, bool is_error)
{
	struct smtp_server_private *p = s->priv;

	p->late_is_error = is_error;
	p->after_bdat_error = !p->last;
	p->state = SERVER_SWALLOW;
}

/* refuse the chunk that p->chunk_left and p->last describe */
static enum smtp_server_event refuse_chunk(struct smtp_server *s, const char *text, bool is_error)
{
	struct smtp_server_private *p = s->priv;
	enum smtp_server_event e = discard(s, p->chunk_left);

	if (e != SERVER_GO_ON)
		return e;
	buf_clear(&p->late);
	buf_printf(&p->late, "%s\r\n", text);
	swallow(s, is_error);
	return server_drop(s, SERVER_GO_ON);
}

/* take the arguments; HANGUP when the chunk's size cannot be known */
static enum smtp_server_event take_size(struct smtp_server *s, struct str args)
{
	struct smtp_server_private *p = s->priv;

	if (!grammar_bdat(args, &p->chunk, &p->last)) {
		server_say(s, "521 5.5.4 Syntax: BDAT count [LAST]");
		return server_hang_up(s, SMTP_HANGUP_BDAT);
	}
	p->chunk_left = p->chunk;
	return SERVER_GO_ON;
}

enum smtp_server_event server_bdat_refuse(struct smtp_server *s, struct str args, const char *text)
{
	enum smtp_server_event e = take_size(s, args);

	return e == SERVER_GO_ON ? refuse_chunk(s, text, true) : e;
}

/* NULL, or why the chunk is refused */
static const char *check_chunk(const struct smtp_server *s)
{
	const struct smtp_server_private *p = s->priv;
	const char *no = check_ready(s);

	if (!server_offers(s, OFFER_CHUNKING))
		return "502 5.5.1 Error: command not implemented";
	if (no)
		return no;
	if (p->chunk == 0 && !p->last)
		return "551 5.7.1 Null BDAT request";
	if (s->opt.size_limit > 0 && p->chunk > (uint64_t)s->opt.size_limit - s->envelope.size)
		return "552 5.3.4 Chunk exceeds message size limit";
	return NULL;
}

enum smtp_server_event server_bdat(struct smtp_server *s, struct str args)
{
	struct smtp_server_private *p = s->priv;
	enum smtp_server_event e = take_size(s, args);
	const char *no;

	if (e != SERVER_GO_ON)
		return e;
	if (p->after_bdat_error && !p->transaction) {
		char text[80];

		/* the rest of a message whose refusal was told: no error of its own, but no free ride either */
		snprintf(text, sizeof(text), "551 5.0.0 Discarded %llu bytes after earlier error", (unsigned long long)p->chunk);
		if (s->opt.junk_command_limit > 0 && p->junk++ > s->opt.junk_command_limit)
			s->errors++;
		return refuse_chunk(s, text, false);
	}
	no = check_chunk(s);
	if (no)
		return refuse_chunk(s, no, true);
	if (!p->bdat)
		return SMTP_SERVER_DATA;
	p->state = SERVER_CHUNK;
	return SERVER_GO_ON;
}

void server_data_answer(struct smtp_server *s, const struct reply *r)
{
	struct smtp_server_private *p = s->priv;
	bool bdat = p->verb == VERB_BDAT;

	if (r->code == 354) {
		p->too_big = false;
		p->bdat = bdat;
		content_in_init(&p->content, !bdat);
		p->content.double_cr = p->double_cr;
		s->bare_lf = false;
		p->state = bdat ? SERVER_CHUNK : SERVER_CONTENT;
		if (!bdat)
			reply_format(s->out, r);
		return;
	}
	if (r->code < 400)
		BUG("DATA is answered with 354 or a refusal");
	if (bdat && r->code != 421) {
		buf_clear(&p->late);
		reply_format(&p->late, r);
		swallow(s, true);
		p->discarded += p->chunk_left;
	} else {
		reply_format(s->out, r);
		server_count(s, r->code);
	}
	drop_in_answer(s);
}

static enum smtp_server_event chunk_end(struct smtp_server *s)
{
	struct smtp_server_private *p = s->priv;

	if (p->last) {
		struct str tail = content_in_end(&p->content);
		enum smtp_server_event e = tail.n > 0 ? take_piece(s, tail) : SERVER_GO_ON;

		return e == SERVER_GO_ON ? message_end(s) : e;
	}
	p->state = SERVER_COMMAND;
	if (p->too_big) {
		p->after_bdat_error = true;
		return server_refuse(s, too_big);
	}
	server_say(s, "250 2.0.0 Ok: %llu bytes", (unsigned long long)p->chunk);
	return SERVER_GO_ON;
}

enum smtp_server_event server_on_chunk(struct smtp_server *s, struct str *in)
{
	struct smtp_server_private *p = s->priv;
	enum smtp_server_event e = SERVER_GO_ON;

	while (e == SERVER_GO_ON) {
		struct str here = str_head(*in, p->chunk_left < in->n ? (size_t)p->chunk_left : in->n), piece;
		size_t before = here.n;
		enum content_result r = content_in_next(&p->content, &here, before == p->chunk_left, &piece);

		*in = str_from(*in, before - here.n);
		p->chunk_left -= before - here.n;
		if (r == CONTENT_PIECE)
			e = take_piece(s, piece);
		else
			return p->chunk_left == 0 ? chunk_end(s) : SMTP_SERVER_WANT_INPUT;
	}
	return e;
}

enum smtp_server_event server_on_swallow(struct smtp_server *s, struct str *in)
{
	struct smtp_server_private *p = s->priv;
	size_t n = p->chunk_left < in->n ? (size_t)p->chunk_left : in->n;

	*in = str_from(*in, n);
	p->chunk_left -= n;
	if (p->chunk_left > 0)
		return SMTP_SERVER_WANT_INPUT;
	p->state = SERVER_COMMAND;
	buf_str(s->out, buf_view(&p->late));
	if (p->late_is_error)
		server_count(s, 500);
	return SERVER_GO_ON;
}
