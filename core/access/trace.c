/* trace - the lists as they are judged, row by row, for who asks why (relayctl explain): what each word says, with its reply, and what
 * is never asked because something before it decided. The machine itself calls this, so it cannot say anything else than what happens. */
#include "core/access/access_private.h"
#include "core/base/row.h"

static struct str class_name(const struct access_rules *rules, const struct access_list *list)
{
	for (size_t i = 0; i < rules->n_classes; i++)
		if (&rules->classes[i].list == list)
			return rules->classes[i].name;
	return STR("reject_maps_rbl");
}

static void put_word(const struct access_run *r, const struct access_row *row, struct buf *out)
{
	if (row->list)
		buf_str(out, class_name(r->rules, row->list));
	else
		buf_z(out, row->word->name);
	if (row->map)
		buf_printf(out, " %s", map_spec(row->map));
	else if (row->text.n)
		buf_printf(out, " %.*s%s%.*s", STR_ARG(row->text), row->filter.n ? "=" : "", STR_ARG(row->filter));
}

static void put_rule(const struct access_run *r, const struct access_row *row, size_t depth, const char *verdict, struct str text)
{
	struct buf word, level;

	buf_init(&word, LIMIT_MAP_VALUE);
	buf_init(&level, 12);
	put_word(r, row, &word);
	buf_printf(&level, "%zu", depth);
	ROW_ADD(r->request->trace, "rule", buf_view(&level), buf_view(&word), str_of(verdict), text);
	buf_fini(&word);
	buf_fini(&level);
}

/* put_rest - what is never asked */
static void put_rest(const struct access_run *r, const struct access_list *list, size_t from, size_t depth)
{
	for (size_t i = from; i < list->n; i++)
		if (!(list->rows[i].word->flags & ACCESS_WARNS))
			put_rule(r, &list->rows[i], depth, "not reached", STR_EMPTY);
}

void access_trace_list(const struct access_run *r, enum access_stage stage)
{
	const char *name = access_stages[stage].parameter;

	ROW_ADD(r->request->trace, "list", str_of(name), str_of(conf_where(r->rules->conf, name)),
		str_of(r->rules->lists[stage].n ? "" : "empty"));
}

/* end_of - the rows behind one that decides: of its list, of those that called it, and, after a refusal, of the lists that follow */
static void end_of(const struct access_run *r, bool refused)
{
	for (size_t d = r->depth; d; d--)
		put_rest(r, r->stack[d - 1].list, r->stack[d - 1].at + (d == r->depth), d);
	for (size_t s = r->stage + 1; refused && s < r->n_stages; s++) {
		access_trace_list(r, r->stages[s]);
		put_rest(r, &r->rules->lists[r->stages[s]], 0, 1);
	}
}

static const char *asked(enum access_question q)
{
	static const char *const words[] = { [ACCESS_DOMAIN] = "asks DNS for", [ACCESS_PROBE] = "asks for a probe of", [ACCESS_DNSLIST] = "asks DNS for",
		[ACCESS_HOSTS] = "asks DNS for the hosts of", [ACCESS_SLEEP] = "waits, in seconds" };

	return words[q];
}

void access_trace_row(const struct access_run *r, const struct access_row *row, enum access_says says, const struct access_mark *before)
{
	const struct access_frame *now = &r->stack[before->depth - 1];
	bool warn = now->warn_all || now->warn_next, decides = false;
	const struct access_later *later = r->if_permit.code != before->put_off ? &r->if_permit : r->if_reject.code != before->if_reject ? &r->if_reject : NULL;
	const char *verdict = "dunno";
	struct buf text;

	buf_init(&text, LIMIT_REPLY_TEXT + 100);
	switch (says) {
	case ACCESS_NEXT:
		if (!later)
			break;
		verdict = later == &r->if_permit ? "deferred, unless something rejects" : "a later reject becomes a deferral";
		buf_printf(&text, "%d %s %.*s", later->code, later->enhanced, STR_ARG(later->text));
		break;
	case ACCESS_PERMIT:
		verdict = "permit";
		decides = true;
		break;
	case ACCESS_REFUSE:
		verdict = warn ? "would reject (warn_if_reject)" : r->reply->code >= 500 && !r->if_reject.code ? "reject" : "defer";
		buf_printf(&text, "%d %s %s", r->reply->code, r->reply->enhanced, r->reply->text);
		decides = !warn;
		break;
	case ACCESS_WAIT:
		verdict = asked(r->question);
		buf_str(&text, r->asked);
		break;
	case ACCESS_CALL:
		verdict = row->list ? "its list" : r->depth ? "the list that the table gives" : "the relay list first";
		break;
	case ACCESS_TELL:
	case ACCESS_TELL_PERMIT:
		verdict = r->say ? r->say : "prepend";
		buf_str(&text, r->say ? str_of(r->reply->text) : r->effect.text);
		decides = says == ACCESS_TELL_PERMIT;
		break;
	}
	put_rule(r, row, before->depth, verdict, buf_view(&text));
	buf_fini(&text);
	if (decides)
		end_of(r, says == ACCESS_REFUSE);
}
