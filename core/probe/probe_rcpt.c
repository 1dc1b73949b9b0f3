/* probe_rcpt - would mail for this address be taken? Its MX hosts are asked in the order of a delivery, until one has
 * answered. Also the answers of the next hops of a configuration, which are all asked. */
#include "core/probe/probe_ask.h"

#include <sysexits.h>

#include "core/msg/addr.h"

static struct str postmaster(struct ask *a, struct str domain)
{
	return domain.n ? arena_printf(&a->arena, "postmaster@%.*s", STR_ARG(domain)) : STR("postmaster");
}

static struct str sender_of(struct ask *a)
{
	const struct probe_setup *s = a->setup;

	if (!s->sender)
		return postmaster(a, str_of(s->conf->myorigin));
	return strcmp(s->sender, "<>") ? str_of(s->sender) : STR_EMPTY;
}

static void judge(struct probe *p, const struct reply *r, int h, int k)
{
	static const struct { enum probe_verdict verdict; const char *word, *advice; } rows[] = {
		[VERDICT_DONE] = { PROBE_OK, "accepted", NULL },
		[VERDICT_LATER] = { PROBE_WARNING, "later", "mail would wait; ask again in some minutes" },
		[VERDICT_NEVER] = { PROBE_PROBLEM, "refused", "the address, --from, or the right to send through this server" },
	};
	enum verdict v = reply_verdict(r);
	struct buf line;

	buf_init(&line, 2 * LIMIT_REPLY_TEXT);
	reply_line(&line, r);
	probe_find(p, rows[v].verdict, PROBE_ADDRESS(h, k), "rcpt", rows[v].advice, "%s: %.280s", rows[v].word, buf_cstr(&line));
	buf_fini(&line);
}

static void on_rcpt_answered(struct ask *a)
{
	static const int codes[] = { [VERDICT_DONE] = EX_OK, [VERDICT_LATER] = EX_TEMPFAIL, [VERDICT_NEVER] = 1 };

	judge(a->probe, &a->result.reply, -1, -1);
	a->probe->exit_code = codes[reply_verdict(&a->result.reply)];
	if (!a->probe->exit_code)
		a->probe->exit_code = PROBE_EXIT_GOOD;
	ask_end(a);
}

void probe_rcpt_start(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *, void *), void *ctx)
{
	struct ask *a = ask_begin(p, o, target, done, ctx, false);
	struct str domain = addr_split(str_of(p->target)).domain;
	struct str site = o->port == 25 ? domain : arena_printf(&a->arena, "%.*s:%u", STR_ARG(domain), o->port);

	a->answered = on_rcpt_answered;
	ask_put(a, master_find_transport(&a->setup->master, STR("smtp")), site, sender_of(a), str_of(p->target));
}

static void on_relay_told(struct ask *a, const struct deliver_step *s, int host, int address)
{
	judge(a->probe, s->reply, host, address);
}

static void on_relay_answered(struct ask *a)
{
	ask_end(a);
}

static const struct probe_route *find_route(const struct probe_setup *s, const char *target)
{
	size_t i = 0;

	while (strcmp(s->routes[i].target, target))
		i++;
	return &s->routes[i];
}

void probe_relay_start(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *, void *), void *ctx)
{
	struct ask *a = ask_begin(p, o, target, done, ctx, true);
	const struct probe_route *r = find_route(a->setup, target);
	struct str rcpt = a->setup->rcpt ? str_of(a->setup->rcpt) : postmaster(a, r->rcpt);

	a->told = on_relay_told;
	a->answered = on_relay_answered;
	if (str_chr(r->rcpt, '@') >= 0)
		rcpt = r->rcpt;
	ask_put(a, r->transport, r->site, sender_of(a), rcpt);
}
