/* the hosts of one next hop, in the order to try them: what DNS says is a table here, and comes when the test says so */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/deliver/deliver_private.h"
#include "core/deliver/smtp/smtp_candidates.h"
#include "core/deliver/smtp/smtp_hosts.h"
#include "core/deliver/smtp/smtp_profile.h"
#include "tests/unit/t.h"

/* --- the name server ---------------------------------------------------------------------------------------------------- */

enum { MOST = 16 };
struct answer { const char *name, *mx, *addresses; enum dns_status status; };
static struct asked { const struct answer *a; dns_fn on_mx; dns_addresses_fn on_addresses; void *ctx; bool cancelled; } asked[MOST];
static size_t n_asked;
static const struct answer *table;
static int families;
static enum dns_source source;

static struct dns_query *put(struct asked x, struct str name)
{
	for (x.a = table; x.a->name && !str_eq(name, str_of(x.a->name)); x.a++)
		;
	if (!CHECK(n_asked < MOST))
		n_asked = 0;
	asked[n_asked] = x;
	return (struct dns_query *)&asked[n_asked++];
}

struct dns_query *dns_ask(struct dns *d, struct str name, enum dns_type type, dns_fn fn, void *ctx)
{
	(void)d;
	CHECK_INT(type, DNS_MX);
	return put((struct asked){ .on_mx = fn, .ctx = ctx }, name);
}

struct dns_query *dns_lookup_host(struct dns *d, struct str host, int which, enum dns_source from, dns_addresses_fn fn, void *ctx)
{
	(void)d;
	families = which;
	source = from;
	return put((struct asked){ .on_addresses = fn, .ctx = ctx }, host);
}

void dns_cancel(struct dns_query *q)
{
	((struct asked *)q)->cancelled = true;
}

bool dns_proves(struct dns *d)
{
	(void)d;
	return false;
}

void dns_forget(struct dns *d, struct str name) { (void)d, (void)name; }

static void tell_mx(const struct asked *x)
{
	struct dns_record records[MOST];
	struct dns_answer a = { .status = x->a->status, .records = records, .why = "Host not found" };
	struct str rest = str_of(x->a->mx ? x->a->mx : ""), word;

	while (x->a->mx && str_word(&rest, " ", &word)) {
		struct dns_record *r = &records[a.n++];
		struct str preference;

		str_cut(&word, '/', &preference);
		*r = (struct dns_record){ .type = DNS_MX, .preference = (uint16_t)strtoul(preference.p, NULL, 10) };
		snprintf(r->target, sizeof(r->target), "%.*s", STR_ARG(word));
	}
	if (x->a->status == DNS_OK && !a.n)
		a.status = x->a->name ? DNS_NODATA : DNS_NXDOMAIN;
	x->on_mx(x->ctx, &a);
}

static void tell_addresses(const struct asked *x)
{
	struct dns_addresses a = { .status = DNS_OK, .why = "Host not found" };
	struct str rest = str_of(x->a->addresses ? x->a->addresses : ""), word;

	while (str_word(&rest, " ", &word))
		CHECK(ipaddr_parse(word, &a.v[a.n++]));
	if (!a.n)
		a.status = x->a->status != DNS_OK ? x->a->status : DNS_NODATA;
	x->on_addresses(x->ctx, &a);
}

/* answer_all - in the order asked, what comes of it, too */
static void answer_all(void)
{
	for (size_t i = 0; i < n_asked; i++) {
		struct asked x = asked[i];

		if (x.on_mx)
			tell_mx(&x);
		else
			tell_addresses(&x);
	}
	n_asked = 0;
}

/* --- the world ------------------------------------------------------------------------------------------------------------ */

static struct world {
	struct conf_diag diag;
	struct conf *conf;
	struct master master;
	struct router *router;
	struct deliver deliver;
	struct smtp_profile profile;
	char order[600];               /* "preference/address …" */
	bool we_are_mx;
	struct reply failed;
	unsigned told;
} w;

static void open_world(const char *const *more)
{
	const char *extra[16] = { "myhostname=here.test", "mydestination=", "alias_maps=", "inet_interfaces=192.0.2.1", "compatibility_level=3.6" };
	size_t n = 5;

	memset(&w, 0, sizeof(w));
	while (more && *more)
		extra[n++] = *more++;
	conf_diag_init(&w.diag);
	w.conf = conf_load(t_tmpdir(), extra, &w.diag);
	if (!CHECK(w.conf && master_load(w.conf, &w.master, &w.diag) == 0))
		return;
	w.router = router_new(w.conf, &w.master, &w.diag);
	w.deliver.o = (struct deliver_options){ .conf = w.conf, .router = w.router };
	w.profile = (struct smtp_profile){ .conf = w.conf, .families = 3 };
}

static void close_world(void)
{
	router_free(w.router);
	master_fini(&w.master);
	conf_free(w.conf);
	conf_diag_fini(&w.diag);
}

static void on_found(void *ctx, const struct smtp_hosts_result *r)
{
	size_t n = 0;

	(void)ctx;
	w.order[0] = '\0';
	for (size_t i = 0; i < r->n; i++) {
		char text[46];

		ipaddr_format(&r->v[i].address, text);
		n += (size_t)snprintf(w.order + n, sizeof(w.order) - n, "%s%u/%s", i ? " " : "", r->v[i].preference, text);
	}
	w.we_are_mx = r->we_are_mx;
	w.failed = r->failed;
	w.told++;
}

static const char *find(const char *host, bool use_mx)
{
	w.told = 0;
	n_asked = 0;
	CHECK(smtp_hosts_find(&w.deliver, &w.profile, str_of(host), use_mx, true, on_found, NULL) != NULL);
	CHECK_INT(w.told, 0);
	answer_all();
	CHECK_INT(w.told, 1);
	return w.order;
}

/* --- order ------------------------------------------------------------------------------------------------------------------ */

static const struct answer equal[] = {
	{ "d.test", "10/a.test 10/b.test 10/c.test", NULL, DNS_OK }, { "a.test", NULL, "10.0.0.1", DNS_OK },
	{ "b.test", NULL, "10.0.0.2", DNS_OK }, { "c.test", NULL, "10.0.0.3", DNS_OK }, { NULL, NULL, NULL, DNS_NXDOMAIN },
};
static const struct answer both[] = {
	{ "d.test", "10/a.test", NULL, DNS_OK }, { "a.test", NULL, "10.0.0.1 10.0.0.2 10.0.0.3 2001:db8::1 2001:db8::2", DNS_OK },
	{ NULL, NULL, NULL, DNS_NXDOMAIN },
};

T(hosts_of_equal_preference_come_in_any_order_unless_told_not_to)
{
	static const char *const rows[] = { "smtp_randomize_addresses=yes", "smtp_randomize_addresses=no" };

	table = equal;
	for (size_t i = 0; i < 2; i++) {
		const char *more[] = { rows[i], NULL };
		unsigned first[4] = { 0 };

		ROW("%s", rows[i]);
		open_world(more);
		for (int k = 0; k < 200; k++)
			first[find("d.test", true)[strlen("10/10.0.0.")] - '0']++;
		/* each of three in 200 draws: not to be first at all has a chance of 1 in 10^35 */
		CHECK_INT(first[1] > 0 && first[2] > 0 && first[3] > 0, i == 0);
		CHECK_INT(first[1] == 200, i == 1);
		close_world();
	}
}

T(hosts_of_both_protocols_are_mixed_as_told)
{
	static const struct { const char *preference, *balance, *order; } rows[] = {
		{ "smtp_address_preference=ipv4", "smtp_balance_inet_protocols=yes", "10/10.0.0.1 10/2001:db8::1 10/10.0.0.2 10/2001:db8::2 10/10.0.0.3" },
		{ "smtp_address_preference=ipv6", "smtp_balance_inet_protocols=yes", "10/2001:db8::1 10/10.0.0.1 10/2001:db8::2 10/10.0.0.2 10/10.0.0.3" },
		{ "smtp_address_preference=ipv4", "smtp_balance_inet_protocols=no", "10/10.0.0.1 10/10.0.0.2 10/10.0.0.3 10/2001:db8::1 10/2001:db8::2" },
		{ "smtp_address_preference=ipv6", "smtp_balance_inet_protocols=no", "10/2001:db8::1 10/2001:db8::2 10/10.0.0.1 10/10.0.0.2 10/10.0.0.3" },
	};

	table = both;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *more[] = { rows[i].preference, rows[i].balance, NULL };

		ROW("%s %s", rows[i].preference, rows[i].balance);
		open_world(more);
		for (int k = 0; k < 20; k++)
			CHECK_STR(find("d.test", true), rows[i].order);
		close_world();
	}
	ROW("any");
	open_world(NULL);
	for (int k = 0, four = 0, six = 0; k < 200; k++) {
		const char *order = find("d.test", true);

		four += strcmp(order, rows[0].order) == 0;
		six += strcmp(order, rows[1].order) == 0;
		CHECK_INT(four + six, k + 1);
		CHECK(k < 199 || (four && six));
	}
	close_world();
}

/* the better preference first, whatever else is drawn; of a host with many addresses only one before another's first */
T(hosts_come_by_preference_and_one_does_not_fill_the_list)
{
	static const struct answer rows[] = {
		{ "d.test", "20/late.test 5/many.test 5/one.test", NULL, DNS_OK }, { "late.test", NULL, "10.0.9.1 10.0.9.2", DNS_OK },
		{ "many.test", NULL, "10.0.1.1 10.0.1.2 10.0.1.3", DNS_OK }, { "one.test", NULL, "10.0.2.1", DNS_OK },
		{ NULL, NULL, NULL, DNS_NXDOMAIN },
	};

	table = rows;
	open_world(NULL);
	for (int k = 0; k < 30; k++) {
		const char *order = find("d.test", true);

		CHECK(strcmp(order, "5/10.0.1.1 5/10.0.2.1 5/10.0.1.2 5/10.0.1.3 20/10.0.9.1 20/10.0.9.2") == 0 ||
			strcmp(order, "5/10.0.2.1 5/10.0.1.1 5/10.0.1.2 5/10.0.1.3 20/10.0.9.1 20/10.0.9.2") == 0);
	}
	close_world();
}

/* --- ourselves -------------------------------------------------------------------------------------------------------------- */

T(hosts_end_before_ourselves)
{
	static const struct answer rows[] = {
		{ "backup.test", "10/first.test 20/here.test 30/worse.test", NULL, DNS_OK }, { "best.test", "10/here.test 20/worse.test", NULL, DNS_OK },
		{ "equal.test", "10/first.test 10/here.test", NULL, DNS_OK }, { "first.test", NULL, "10.0.0.1", DNS_OK },
		{ "here.test", NULL, "192.0.2.1", DNS_OK }, { "worse.test", NULL, "10.0.0.3", DNS_OK }, { NULL, NULL, NULL, DNS_NXDOMAIN },
	};
	static const struct { const char *host, *order; int code; bool we; } want[] = {
		{ "backup.test", "10/10.0.0.1", 0, true }, { "best.test", "", 554, true }, { "equal.test", "", 554, true },
		{ "first.test", "0/10.0.0.1", 0, false },
	};

	table = rows;
	open_world(NULL);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		ROW("%s", want[i].host);
		for (int k = 0; k < 10; k++) {
			CHECK_STR(find(want[i].host, true), want[i].order);
			CHECK_INT(w.failed.code, want[i].code);
			CHECK_INT(w.we_are_mx, want[i].we);
		}
	}
	close_world();
}

/* --- what is not there -------------------------------------------------------------------------------------------------------- */

T(hosts_that_are_not_found_say_whether_to_try_again)
{
	static const struct answer rows[] = {
		{ "again.test", NULL, "10.0.0.1", DNS_AGAIN }, { "a.test", NULL, "10.0.0.1", DNS_OK }, { "nothing.test", NULL, NULL, DNS_OK },
		{ "null.test", "0/", NULL, DNS_OK }, { "bare.test", "10/gone.test", NULL, DNS_OK },
		{ "half.test", "10/gone.test 20/a.test", NULL, DNS_OK }, { "soft.test", "10/again-host.test", NULL, DNS_OK },
		{ "again-host.test", NULL, NULL, DNS_AGAIN }, { NULL, NULL, NULL, DNS_NXDOMAIN },
	};
	static const struct { const char *set, *host; int code; const char *enhanced, *order; } want[] = {
		{ NULL, "a.test", 0, "", "0/10.0.0.1" },
		{ NULL, "again.test", 451, "4.4.3", "" },
		{ "ignore_mx_lookup_error=yes", "again.test", 0, "", "0/10.0.0.1" },
		{ NULL, "nothing.test", 550, "5.4.4", "" },
		{ NULL, "gone.test", 550, "5.4.4", "" },
		{ NULL, "null.test", 556, "5.1.10", "" },
		{ NULL, "bare.test", 550, "5.4.4", "" },
		{ "smtp_defer_if_no_mx_address_found=yes", "bare.test", 451, "4.4.4", "" },
		{ "smtp_defer_if_no_mx_address_found=yes", "gone.test", 550, "5.4.4", "" },
		{ NULL, "half.test", 0, "", "20/10.0.0.1" },
		{ NULL, "soft.test", 451, "4.4.3", "" },
	};

	table = rows;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const char *more[] = { want[i].set, NULL };

		ROW("%s %s", want[i].set ? want[i].set : "", want[i].host);
		open_world(more);
		CHECK_STR(find(want[i].host, true), want[i].order);
		CHECK_INT(w.failed.code, want[i].code);
		CHECK_STR(w.failed.enhanced, want[i].enhanced);
		close_world();
	}
}

T(hosts_without_mx_are_asked_for_addresses_as_the_settings_say)
{
	static const struct { const char *set; int families; enum dns_source source; } want[] = {
		{ NULL, 3, DNS_HOSTS }, { "smtp_host_lookup=native", 1, DNS_NATIVE }, { "disable_dns_lookups=yes", 2, DNS_NATIVE },
	};

	table = both;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const char *more[] = { want[i].set, NULL };

		ROW("%zu", i);
		open_world(more);
		w.profile.families = want[i].families;
		CHECK(strstr(find("a.test", false), "0/10.0.0.1") != NULL);
		CHECK_INT(families, want[i].families);
		CHECK_INT(source, want[i].source);
		close_world();
	}
}

/* whoever cancels is told nothing, and leaves no question behind */
T(hosts_can_be_cancelled_at_each_step)
{
	table = equal;
	open_world(NULL);
	for (int step = 0; step < 2; step++) {
		struct smtp_hosts *h;

		ROW("%d", step);
		w.told = 0;
		n_asked = 0;
		h = smtp_hosts_find(&w.deliver, &w.profile, STR("d.test"), true, true, on_found, NULL);
		if (step)
			tell_mx(&asked[0]);
		CHECK_INT(n_asked, step ? 4 : 1);
		smtp_hosts_cancel(h);
		for (size_t i = step ? 1 : 0; i < n_asked; i++)
			CHECK(asked[i].cancelled);
		CHECK_INT(w.told, 0);
	}
	close_world();
}

/* --- what a transport's settings become ----------------------------------------------------------------------------------- */

T(profile_has_the_time_of_each_step)
{
	static const struct { const char *name; enum smtp_phase phase; } rows[] = {
		{ "smtp_connect_timeout", SMTP_PHASE_CONNECT }, { "smtp_helo_timeout", SMTP_PHASE_EHLO }, { "smtp_helo_timeout", SMTP_PHASE_GREETING },
		{ "smtp_helo_timeout", SMTP_PHASE_AUTH }, { "smtp_starttls_timeout", SMTP_PHASE_STARTTLS }, { "smtp_mail_timeout", SMTP_PHASE_MAIL },
		{ "smtp_rcpt_timeout", SMTP_PHASE_RCPT }, { "smtp_data_init_timeout", SMTP_PHASE_DATA }, { "smtp_data_xfer_timeout", SMTP_PHASE_BODY },
		{ "smtp_data_done_timeout", SMTP_PHASE_END }, { "smtp_rset_timeout", SMTP_PHASE_RSET }, { "smtp_quit_timeout", SMTP_PHASE_QUIT },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char set[100];
		const char *more[] = { set, NULL };
		struct smtp_profile *p;

		ROW("%s", rows[i].name);
		snprintf(set, sizeof(set), "%s=1234s", rows[i].name);
		open_world(more);
		w.deliver.o.profiles = deliver_profiles_new(&w.master, &w.diag);
		REQUIRE(w.deliver.o.profiles);
		p = smtp_profile_find(&w.deliver, master_find_transport(&w.master, STR("smtp")));
		for (int phase = 0; phase < SMTP_PHASES; phase++) {
			bool same = false;

			for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
				same |= rows[k].phase == (enum smtp_phase)phase && strcmp(rows[k].name, rows[i].name) == 0;
			same |= phase == SMTP_PHASE_READY && strcmp(rows[i].name, "smtp_helo_timeout") == 0;
			CHECK_INT(p->timeout[phase] == 1234 * USEC_PER_SEC, same);
		}
		smtp_profile_unref(p);
		deliver_profiles_free(w.deliver.o.profiles);
		close_world();
	}
}

T(profile_sends_from_the_addresses_it_is_given)
{
	static const struct { const char *set, *four, *six; bool good; } rows[] = {
		{ "smtp_bind_address=10.0.0.9", "10.0.0.9", "", true }, { "smtp_bind_address6=2001:db8::9", "", "2001:db8::9", true },
		{ "smtp_bind_address=2001:db8::9", "", "", false }, { "smtp_bind_address6=10.0.0.9", "", "", false },
		{ "smtp_bind_address6=here", "", "", false }, { NULL, "", "", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *more[] = { rows[i].set, NULL };
		char four[46] = "", six[46] = "";
		struct smtp_profile *p;

		ROW("%s", rows[i].set ? rows[i].set : "");
		open_world(more);
		w.deliver.o.profiles = deliver_profiles_new(&w.master, &w.diag);
		CHECK_INT(w.deliver.o.profiles != NULL, rows[i].good);
		CHECK_INT(w.diag.errors > 0, !rows[i].good);
		if (w.deliver.o.profiles) {
			p = smtp_profile_find(&w.deliver, master_find_transport(&w.master, STR("smtp")));
			if (p->bind4.family == AF_INET)
				ipaddr_format(&p->bind4, four);
			if (p->bind6.family == AF_INET6)
				ipaddr_format(&p->bind6, six);
			CHECK_STR(four, rows[i].four);
			CHECK_STR(six, rows[i].six);
			smtp_profile_unref(p);
			deliver_profiles_free(w.deliver.o.profiles);
		}
		close_world();
	}
}

/* --- turns ------------------------------------------------------------------------------------------------------------------ */

static void on_more(struct smtp_candidates *c) { (void)c; }
static void on_nothing(struct smtp_candidates *c, const struct reply *r) { (void)c, (void)r; CHECK(false); }

/* choose - the last number of the address that the next delivery is given to, and what comes of it: 's' it is there, 'f' it is not,
 * '-' nothing yet */
static int choose(struct smtp_turn *turn, char end)
{
	struct smtp_candidates c = { .d = &w.deliver, .profile = &w.profile, .domain = STR("x.test"), .turn = turn, .go_on = on_more, .failed = on_nothing };
	struct smtp_target t;

	n_asked = 0;
	smtp_candidates_start(&c, STR("[many.test]"), STR_EMPTY);
	CHECK_INT(smtp_candidates_next(&c, &t), SMTP_NEXT_WAIT);
	answer_all();
	CHECK_INT(smtp_candidates_next(&c, &t), SMTP_NEXT_FOUND);
	CHECK(c.shared);
	if (end == 's')
		smtp_candidates_note_session(&c, &t, true);
	else if (end == 'f')
		smtp_candidates_note_failed(&c, &t);
	smtp_candidates_fini(&c);
	return t.address.b[3];
}

T(equal_addresses_take_turns_and_who_is_silent_misses_his)
{
	static const struct answer twice[] = { { "many.test", NULL, "10.0.0.7 10.0.0.7", DNS_OK }, { NULL, NULL, NULL, DNS_NXDOMAIN } };
	static const struct answer many[] = { { "many.test", NULL, "10.0.0.1 10.0.0.2 10.0.0.3", DNS_OK }, { NULL, NULL, NULL, DNS_NXDOMAIN } };
	struct smtp_turn turn = { .asked_at = 0 };

	table = many;
	open_world(NULL);
	w.deliver.o.loop = loop_new();
	w.profile.port = 25;
	w.profile.timeout[SMTP_PHASE_CONNECT] = 30 * USEC_PER_SEC;
	for (int i = 0; i < 9; i++)
		CHECK_INT(choose(&turn, 's'), 1 + i % 3);
	/* 1 is asked, and while that is young all have their turns */
	CHECK_INT(choose(&turn, '-'), 1);
	for (int i = 0; i < 6; i++)
		CHECK_INT(choose(&turn, i == 2 ? '-' : 's'), 1 + (i + 1) % 3);
	/* then it is left out, until it answers */
	turn.asked = turn.last;
	turn.asked_at = loop_now(w.deliver.o.loop) - USEC_PER_SEC;
	CHECK_INT(turn.asked.b[3], 1);
	for (int i = 0; i < 4; i++)
		CHECK_INT(choose(&turn, 's'), 2 + i % 2);
	/* or until nobody can be waiting for it any more */
	turn.asked_at = loop_now(w.deliver.o.loop) - 31 * USEC_PER_SEC;
	CHECK_INT(choose(&turn, 's'), 1);
	/* a failure is an answer, too: who it was is remembered elsewhere */
	CHECK_INT(choose(&turn, '-'), 2);
	turn.asked_at -= USEC_PER_SEC;
	CHECK_INT(choose(&turn, 'f'), 3);
	CHECK_INT(choose(&turn, 'f'), 1);
	CHECK_INT(choose(&turn, 's'), 3);
	/* whoever else it is called, there is but one */
	table = twice;
	turn.asked_at = 0;
	CHECK_INT(choose(&turn, 's'), 7);
	CHECK_INT(choose(&turn, '-'), 7);
	turn.asked_at = loop_now(w.deliver.o.loop) - USEC_PER_SEC;
	CHECK_INT(choose(&turn, 's'), 7);
	loop_free(w.deliver.o.loop);
	close_world();
}
