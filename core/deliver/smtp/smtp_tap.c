/* smtp_tap - what somebody who looks on sees of a session (deliver_options.tap). Nobody looks on in
 * relayd: then nothing here does anything. */
#include "core/deliver/smtp/smtp_tap.h"

#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_try.h"

void smtp_step(struct smtp_try *t, enum deliver_step_kind kind, const struct reply *r)
{
	const struct smtp_session *s = t ? t->session : NULL;
	struct deliver_step step = { .kind = kind, .reply = r };

	if (!t || !t->d->o.tap.step)
		return;
	if (s) {
		step.host = s->target.host;
		step.address = &s->target.address;
		step.port = s->target.port;
		step.took = s->connected_at - s->opened_at;
		step.tls = s->conn ? conn_tls(s->conn) : NULL;
		step.level = s->demand->level;
		step.mechanism = s->sasl.mechanism;
	}
	t->d->o.tap.step(t->d->o.tap.ctx, t->job, &step);
}

static void show(const struct smtp_session *s, char mark, struct str text)
{
	const struct deliver_tap *tap = &s->d->o.tap;
	struct str line;

	while (str_cut(&text, '\n', &line)) {
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		tap->line(tap->ctx, mark, line);
	}
}

void smtp_tap_came(const struct smtp_session *s, struct str text)
{
	if (s->d->o.tap.line)
		show(s, '<', text);
}

void smtp_tap_went(const struct smtp_session *s, size_t before)
{
	struct str text;

	if (!s->d->o.tap.line || s->conn->out.n <= before)
		return;
	text = str_from(buf_view(&s->conn->out), before);
	/* of a login only its mechanism */
	if (s->client.phase == SMTP_PHASE_AUTH)
		text = str_starts(text, STR("AUTH ")) ? str_head(text, 5 + strcspn(text.p + 5, " \r")) : STR("(not shown)");
	show(s, '>', text);
}
