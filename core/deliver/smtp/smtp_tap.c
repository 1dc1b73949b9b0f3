/* smtp_tap - what somebody who looks on sees of a session (deliver_options.tap), and ending it early for him. Nobody looks on in
 * relayd: then nothing here does anything. */
#include "core/deliver/deliver_private.h"

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
		step.level = s->demand.level;
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

bool smtp_tap_stops(struct smtp_session *s, enum deliver_stop stage)
{
	struct smtp_try *t = s->try;
	enum deliver_stop stop = s->d->o.stop;
	struct reply r;

	/* who wants to stop at a stage that this server does not have stops before MAIL */
	if (!stop || !t || !(stop == stage || (stage == DELIVER_STOP_AUTH && stop < stage)))
		return false;
	/* a no to MAIL has no recipient to be told about where none was named */
	reply_set(&r, 250, "2.0.0", "stopped as asked");
	if (stage == DELIVER_STOP_MAIL && t->why.code)
		r = t->why;
	s->try = NULL;
	if (s->state == SMTP_STATE_TLS)
		s->state = SMTP_STATE_HELLO;
	smtp_session_quit(s);
	smtp_try_stopped(t, &r);
	return true;
}
