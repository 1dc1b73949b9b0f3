/* probe_open - does a server relay for anybody? The classic forms of address with which filters were and are talked round;
 * each is asked as MAIL and RCPT, then taken back with RSET. The answer holds for the address that asks: from inside its
 * networks a server relays as it should. */
#include "core/probe/probe_ask.h"

#define EXIT_OPEN 2

/* $f foreign recipient's domain, $u its local part, $h the server's name, $d its domain, $i its address as a literal */
static const struct trick {
	const char *name, *sender, *rcpt;
	bool own;                      /* the last word is the server's own name: a catch-all takes it and keeps it */
} tricks[] = {
	{ "catch-all", "postmaster@example.net", "no-such-$u@$h", true },
	{ "foreign to foreign", "postmaster@example.net", "$u@$f", false },
	{ "null sender", "", "$u@$f", false },
	{ "sender of the recipient's domain", "$u@$f", "$u@$f", false },
	{ "sender of own domain", "postmaster@$d", "$u@$f", false },
	{ "sender of own name", "postmaster@$h", "$u@$f", false },
	{ "sender at own address", "postmaster@$i", "$u@$f", false },
	{ "local sender", "postmaster", "$u@$f", false },
	{ "sender localhost", "root@localhost", "$u@$f", false },
	{ "percent hack", "postmaster@$d", "$u%$f@$h", true },
	{ "percent hack, own domain", "postmaster@$d", "$u%$f@$d", true },
	{ "percent hack, address", "postmaster@$d", "$u%$f@$i", true },
	{ "percent hack, bare", "postmaster@$d", "$u%$f", true },
	{ "quoted local part", "postmaster@$d", "\"$u@$f\"", true },
	{ "quoted percent hack", "postmaster@$d", "\"$u%$f\"", true },
	{ "quoted at own name", "postmaster@$d", "\"$u@$f\"@$h", true },
	{ "quoted at own address", "postmaster@$d", "\"$u@$f\"@$i", true },
	{ "two domains, own name", "postmaster@$d", "$u@$f@$h", true },
	{ "two domains, own address", "postmaster@$d", "$u@$f@$i", true },
	{ "source route, own name", "postmaster@$d", "@$h:$u@$f", false },
	{ "source route, own address", "postmaster@$d", "@$i:$u@$f", false },
	{ "bang path", "postmaster@$d", "$f!$u", true },
	{ "bang path, own name", "postmaster@$d", "$f!$u@$h", true },
	{ "bang path, own address", "postmaster@$d", "$f!$u@$i", true },
};
#define TRICKS (sizeof(tricks) / sizeof(tricks[0]))

static struct str expand(struct ask *a, const char *form)
{
	const struct probe *p = a->probe;
	const struct probe_host *h = p->n_hosts ? &p->hosts[0] : NULL;
	struct str name = str_of(h ? h->name : p->target), rcpt = str_of(a->setup->rcpt ? a->setup->rcpt : "relay-test@example.com");
	ptrdiff_t at = str_rchr(rcpt, '@'), dot = str_chr(name, '.');
	struct ipaddr own;
	bool literal = ipaddr_parse(name, &own);
	struct buf b;
	struct str made;

	buf_init(&b, LIMIT_ADDRESS);
	for (; *form; form++) {
		if (*form != '$') {
			buf_byte(&b, *form);
			continue;
		}
		form++;
		if (*form == 'u')
			buf_str(&b, str_head(rcpt, (size_t)(at < 0 ? 0 : at)));
		else if (*form == 'f')
			buf_str(&b, str_from(rcpt, (size_t)(at + 1)));
		else if (literal || (*form == 'i' && h && h->n))
			buf_printf(&b, (literal ? own : h->v[0]->ip).family == AF_INET ? "[%.*s]" : "[IPv6:%.*s]",
				STR_ARG(literal ? name : str_of(h->v[0]->text)));
		else
			/* "mx.example.com" serves example.com */
			buf_str(&b, *form == 'd' && dot > 0 && str_chr(str_from(name, (size_t)dot + 1), '.') > 0 ? str_from(name, (size_t)dot + 1) :
				name);
	}
	made = arena_str(&a->arena, buf_view(&b));
	buf_fini(&b);
	return made;
}

static void ask_next(struct ask *a)
{
	const struct trick *t = &tricks[a->turn];

	ask_put(a, a->dest.transport, str_of(a->dest.nexthop), expand(a, t->sender), expand(a, t->rcpt));
}

static void judge(struct ask *a, const struct trick *t)
{
	const struct reply *r = &a->result.reply;
	bool taken = reply_verdict(r) == VERDICT_DONE, later = reply_verdict(r) == VERDICT_LATER;
	/* 454 is Postfix's defer_unauth_destination: it means no */
	bool unknown = later && r->code != 454;
	enum probe_verdict v = unknown ? PROBE_NOTE : !taken ? PROBE_OK : t->own && a->catch_all ? PROBE_NOTE : PROBE_PROBLEM;
	struct buf line;

	buf_init(&line, LIMIT_REPLY_TEXT * 2);
	reply_line(&line, r);
	if (t == tricks && taken)
		v = PROBE_OK;
	else if (v == PROBE_PROBLEM)
		a->probe->exit_code = EXIT_OPEN;
	probe_find(a->probe, v, PROBE_DOMAIN, taken ? "accepted" : later ? "later" : "refused",
		v == PROBE_PROBLEM ? "refuse it: reject_unauth_destination in smtpd_relay_restrictions" :
		unknown ? "it says nothing yet: ask again in some minutes" : v == PROBE_NOTE ? "every address at its own name is taken, so this may stay inside" : NULL,
		"%s: <%.*s> to <%.*s>: %.120s", t->name, STR_ARG(a->envelope.sender), STR_ARG(a->rcpt.addr), buf_cstr(&line));
	buf_fini(&line);
}

static void on_answered(struct ask *a)
{
	/* without a word of a server there is nothing to judge, and asking on would only take time */
	if (!strcmp(a->result.relay, "none") || !a->probe->n_hosts || a->lost > (a->turn ? 1 : 0)) {
		ask_end(a);
		return;
	}
	if (!a->turn)
		a->catch_all = reply_verdict(&a->result.reply) == VERDICT_DONE;
	a->silent = true;
	judge(a, &tricks[a->turn++]);
	if (a->turn < TRICKS)
		ask_next(a);
	else
		ask_end(a);
}

void probe_open_start(struct probe *p, const struct probe_options *o, const char *target, void (*done)(struct probe *, void *), void *ctx)
{
	struct ask *a = ask_begin(p, o, target, done, ctx, false);

	a->answered = on_answered;
	ask_put(a, master_find_transport(&a->setup->master, STR("smtp")), arena_printf(&a->arena, "[%s]:%u", target, o->port),
		expand(a, tricks[0].sender), expand(a, tricks[0].rcpt));
}
