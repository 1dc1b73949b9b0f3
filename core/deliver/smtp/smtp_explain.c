/* smtp_explain - how much TLS each next hop must have and whether there is a password for it: what smtp_tls and smtp_auth
 * would find, without a connection. Passwords and user names are not shown: whoever may see the queue may ask. */
#include "core/base/format.h"
#include "core/base/row.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_auth.h"
#include "core/deliver/smtp/smtp_policy.h"
#include "core/msg/date.h"

/* explain_policy - what counts beside the level, and why */
static void explain_policy(struct deliver *d, struct smtp_profile *p, const struct smtp_target *t, const struct tls_demand *x, struct buf *out)
{
	struct sts_known known;
	char date[40];
	bool asked;

	if (x->unsettled)
		buf_z(out, x->level->only ? " (the host's proven TLSA records decide; without any mail waits)" :
			" (the host's proven TLSA records decide; without any as level may)");
	else if (x->by_table && p->web)
		buf_z(out, " (the entry of smtp_tls_policy_maps counts, whatever the domain publishes)");
	if (!tls_demand_may_obey(x) || !p->web)
		return;
	if (!smtp_policy_sts(d, p, t, &known, &asked)) {
		buf_z(out, asked ? " (its MTA-STS policy is being looked up: ask again in a moment)" : "");
		return;
	}
	date_rfc3339(date, known.until, 0);
	if (known.mode)
		buf_printf(out, " (MTA-STS: mode %s until %s%s)", sts_mode_word(known.mode), date, known.mode == STS_ENFORCE ?
			(x->unsettled ?
			": without TLSA records the MX host must be in the policy and prove its name" : ": the MX host must be in the policy and prove its name") : known.mode == STS_TESTING ? ": it is looked at, and not insisted on" : "");
	else
		buf_printf(out, " (MTA-STS: no policy%s%s)", *known.why ? ": " : "", known.why);
}

static void explain_site(struct deliver *d, struct smtp_profile *p, struct str site, struct str sender, struct buf *out)
{
	struct smtp_target t = { .port = 0 };
	struct tls_demand demand;
	enum map_answer login = MAP_NONE;
	const char *user, *password;
	struct nexthop hop;
	struct buf scratch, says;

	buf_init(&scratch, LIMIT_MAP_VALUE);
	buf_init(&says, LIMIT_LOG_LINE);
	format_text(t.site, sizeof(t.site), "%.*s", STR_ARG(site));
	if (nexthop_parse(site, p->port, &hop, &scratch)) {
		t.port = hop.port;
		(void)ipaddr_parse(hop.host, &t.address);
		if (hop.unix_path)
			format_text(t.path, sizeof(t.path), "%.*s", STR_ARG(hop.host));
		if (hop.literal || !p->use_mx)
			format_text(t.host, sizeof(t.host), "%.*s", STR_ARG(hop.host));
	}
	buf_clear(&scratch);
	smtp_tls_find(p, &t, &demand, out);
	if (p->conf->smtp_sasl_auth_enable)
		login = conf_relay_login(p->conf, site, &user, &password) ? MAP_FOUND : smtp_auth_find(d, p, &t, sender, &scratch, out);
	if (demand.failed.code) {
		buf_printf(&says, "%d %s %s", demand.failed.code, demand.failed.enhanced, demand.failed.text);
	} else {
		buf_printf(&says, "TLS level %s", demand.level->word);
		explain_policy(d, p, &t, &demand, &says);
		buf_printf(&says, ", %s", login == MAP_FOUND ? "with a password" :
			login == MAP_ERROR ? "deferred: no password can be looked up" : t.host[0] || !p->sasl.n ? "no password" :
			"no password but by the name of the MX host");
	}
	ROW_ADD(out, "hop", str_of(t.site), buf_view(&says));
	buf_fini(&says);
	buf_wipe(&scratch);
	tls_demand_fini(&demand);
}

void deliver_explain(struct deliver *d, const struct master_transport *t, struct str nexthop, struct str sender, struct buf *out)
{
	struct smtp_profile *p;
	struct str list[2] = { nexthop, STR_EMPTY }, site;

	if (!smtp_profile_is(t))
		return;
	p = smtp_profile_find(d, t);
	if (!p->lmtp)
		list[1] = str_of(p->conf->smtp_fallback_relay);
	for (int i = 0; i < 2; i++)
		while (str_word(&list[i], ", \t\r\n", &site))
			explain_site(d, p, site, sender, out);
	smtp_profile_unref(p);
}
