/* client_content - the content of a transaction as this server will have it: 7 bits where it takes no more, lines of a bounded length,
 * with dots or in chunks. */
#include "core/base/mem.h"
#include "core/smtp/client_private.h"

/* --- content as the server will have it -------------------------------------------------------------------------------- */

struct smtp_client_wire {
	struct downgrade *downgrade;
	struct content_out content;
	struct buf seven;
};

struct smtp_client_wire *smtp_client_wire_new(const struct smtp_client *c)
{
	struct smtp_client_wire *w = MEM_NEW(struct smtp_client_wire);

	if (c->priv->t->downgrade)
		w->downgrade = downgrade_new();
	content_out_init(&w->content, false, c->opt.line_limit);
	buf_init(&w->seven, c->priv->seven.max);
	return w;
}

bool smtp_client_wire_add(struct smtp_client_wire *w, struct str piece, bool last, struct buf *out)
{
	if (w->downgrade) {
		buf_clear(&w->seven);
		if (!downgrade_add(w->downgrade, piece, last, &w->seven))
			return false;
		piece = buf_view(&w->seven);
	}
	content_out_add(&w->content, out, piece);
	if (last)
		content_out_end(&w->content, out);
	return true;
}

void smtp_client_wire_free(struct smtp_client_wire *w)
{
	if (!w)
		return;
	downgrade_free(w->downgrade);
	buf_fini(&w->seven);
	mem_free(w);
}

/* --- content ---------------------------------------------------------------------------------------------------------- */

static void send_chunk(struct smtp_client *c, struct str piece, bool last)
{
	struct smtp_client_private *p = c->priv;
	struct client_tx *t = p->t;

	if (!content_out_is_clean(&t->content, piece)) {
		buf_clear(&p->scratch);
		content_out_add(&t->content, &p->scratch, piece);
		if (last)
			content_out_end(&t->content, &p->scratch);
		piece = buf_view(&p->scratch);
	}
	if (piece.n == 0 && !last)
		return;
	buf_printf(c->out, last ? "BDAT %zu LAST\r\n" : "BDAT %zu\r\n", piece.n);
	buf_str(c->out, piece);
	client_expect(c, last ? EXPECT_END : EXPECT_CHUNK, 1);
}

/* the content is half out and cannot be taken back: the session ends before its end is said */
static void cannot_convert(struct smtp_client *c)
{
	reply_set(&c->reply, 554, "5.6.1", "8-bit content cannot be converted to what server %s takes: a part that says it is encoded is not",
		c->server_name);
	c->phase = SMTP_PHASE_BODY;
	client_fail_all(c);
	c->priv->doubt = false;
	client_break(c, "the message cannot be converted to 7 bits");
}

void smtp_client_body(struct smtp_client *c, struct str piece, bool last)
{
	struct smtp_client_private *p = c->priv;
	struct client_tx *t = p->t;

	if (t->body != BODY_OPEN || p->dead)
		return;
	if (t->downgrade) {
		buf_clear(&p->seven);
		if (!downgrade_add(t->downgrade, piece, last, &p->seven)) {
			cannot_convert(c);
			return;
		}
		piece = buf_view(&p->seven);
	}
	if (last)
		t->body = BODY_SENT;
	if (t->chunking) {
		send_chunk(c, piece, last);
		return;
	}
	content_out_add(&t->content, c->out, piece);
	if (!last)
		return;
	content_out_end(&t->content, c->out);
	client_expect(c, EXPECT_END, 1);
}
