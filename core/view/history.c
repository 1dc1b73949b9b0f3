/* history - see history.h. */
#include "core/view/history.h"

#include <stdio.h>
#include <string.h>

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
static void cut(char *to, size_t size, const char *from)
{
	size_t n = strnlen(from, size - 1);

	memcpy(to, from, n);
	to[n] = '\0';
}

static void remember(struct history *h, usec wall, const struct delivery *d, size_t i)
{
	struct history_error *e = &h->errors[h->n_errors++ % HISTORY_ERRORS];
	const struct delivery_result *r = &d->results[i];

	*e = (struct history_error){ .at = wall, .id = d->msg->id, .final = r->reply.code >= 500 };
	snprintf(e->rcpt, sizeof(e->rcpt), "%.*s", STR_ARG(d->rcpts[i]->addr));
	cut(e->relay, sizeof(e->relay), r->relay[0] ? r->relay : "none");
	cut(e->text, sizeof(e->text), r->reply.text);
}

void history_deliveries(struct history *h, usec wall, const struct delivery *d, uint64_t counts[HISTORY_COLUMNS])
{
	static const unsigned char column[] = { [VERDICT_DONE] = 1, [VERDICT_LATER] = 2, [VERDICT_NEVER] = 3 };

	for (size_t i = 0; i < d->n; i++) {
		enum verdict v = reply_verdict(&d->results[i].reply);

		counts[column[v]]++;
		if (v != VERDICT_DONE)
			remember(h, wall, d, i);
	}
}
