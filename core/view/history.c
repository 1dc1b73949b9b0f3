/* history - see history.h. */
#include "core/view/history.h"

#include "core/base/mem.h"

void history_tick(struct history *h, usec mono, const uint64_t now[HISTORY_COLUMNS])
{
	if (h->next && mono < h->next)
		return;
	for (size_t i = 0; h->next && i < HISTORY_COLUMNS; i++) {
		h->minutes[h->n % HISTORY_MINUTES][i] = (uint32_t)(now[i] - h->base[i]);
		h->base[i] = now[i];
	}
	h->n += h->next != 0;
	h->next = mono + 60 * USEC_PER_SEC;
}

/* cut - what fits */
static void cut(char *to, size_t size, struct str from)
{
	from = str_head(from, size - 1);
	bytes_copy(to, from.p, from.n);
	to[from.n] = '\0';
}

static struct history_event *next(struct history_ring *h, usec wall, struct str rcpt, const char *relay, const char *text)
{
	struct history_event *e = &h->v[h->n++ % HISTORY_EVENTS];

	e->at = wall;
	e->id = 0;
	cut(e->rcpt, sizeof(e->rcpt), rcpt);
	cut(e->relay, sizeof(e->relay), str_of(relay));
	cut(e->text, sizeof(e->text), str_of(text));
	return e;
}

static void remember(struct history_ring *h, usec wall, const struct delivery *d, size_t i)
{
	const struct delivery_result *r = &d->results[i];
	struct history_event *e = next(h, wall, d->rcpts[i]->addr, r->relay[0] ? r->relay : "none", r->reply.text);

	e->id = d->msg->id;
	e->final = r->reply.code >= 500;
}

static struct history_ring *ring(struct history_ring **h)
{
	if (!*h)
		*h = MEM_NEW(struct history_ring);
	return *h;
}

void history_sent(struct history *h, usec wall, const struct delivery *d)
{
	size_t i = d->n;

	while (i > 0 && reply_verdict(&d->results[i - 1].reply) != VERDICT_DONE)
		i--;
	if (i)
		remember(ring(&h->sent), wall, d, i - 1);
}

void history_refused(struct history *h, usec wall, struct str rcpt, const char *client, const char *text)
{
	next(ring(&h->refused), wall, rcpt, client, text)->final = *text == '5';
}

void history_deliveries(struct history *h, usec wall, const struct delivery *d, uint64_t counts[HISTORY_COLUMNS])
{
	static const unsigned char column[] = { [VERDICT_DONE] = 1, [VERDICT_LATER] = 2, [VERDICT_NEVER] = 3 };

	for (size_t i = 0; i < d->n; i++) {
		enum verdict v = reply_verdict(&d->results[i].reply);

		counts[column[v]]++;
		if (v != VERDICT_DONE)
			remember(&h->errors, wall, d, i);
	}
}
