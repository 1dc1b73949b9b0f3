/* access: who may send to whom, as rows of configuration, client, recipient and the reply in full. The replies are those of Debian's
 * Postfix 3.7 to the same lists. */
#include <stdio.h>

#include "core/access/access.h"
#include "core/base/mem.h"
#include "tests/unit/t.h"

struct lab {
	struct conf_diag diag;
	struct conf *conf;
	struct master master;
	struct router *router;
	struct access_rules *rules;
	struct arena arena;
	struct access_request request;
	struct access_run run;
	struct reply reply;
	struct buf said;               /* lines for the log, each with a bar behind it */
};

#define HERE "myhostname=here.example.test", "mydestination=here.example.test", "mynetworks=10.0.0.0/8", "relay_domains=relayed.test", \
	"alias_maps=", "compatibility_level=3.6"
#define N_HERE 6
#define MAX_EXTRA 16

/* split - name=value|name=value behind HERE; set is cut into pieces */
static void split(char *set, const char **extra)
{
	for (size_t n = N_HERE; set && n < MAX_EXTRA - 1; n++) {
		char *bar = strchr(set, '|');

		extra[n] = set;
		set = bar ? bar + 1 : NULL;
		if (bar)
			*bar = '\0';
	}
}

static bool lab_open(struct lab *l, const char *const *extra)
{
	memset(l, 0, sizeof(*l));
	conf_diag_init(&l->diag);
	arena_init(&l->arena, LIMIT_SESSION_ARENA);
	buf_init(&l->said, 4096);
	l->conf = conf_load(t_tmpdir(), extra, &l->diag);
	if (!l->conf || master_load(l->conf, &l->master, &l->diag) != 0)
		return false;
	l->router = router_new(l->conf, &l->master, &l->diag);
	l->rules = access_rules_new(l->conf, &l->diag);
	return l->router && !l->diag.errors;
}

static void lab_close(struct lab *l)
{
	access_rules_free(l->rules);
	if (l->router)
		router_free(l->router);
	master_fini(&l->master);
	if (l->conf)
		conf_free(l->conf);
	conf_diag_fini(&l->diag);
	arena_fini(&l->arena);
	buf_fini(&l->said);
}

static bool is_listed(void *ctx, struct str address, bool sender, struct reply *no)
{
	(void)ctx;
	if (!str_starts(address, STR("nobody@")))
		return true;
	reply_set(no, 550, "5.1.1", "<%.*s>: unlisted %s", STR_ARG(address), sender ? "sender" : "recipient");
	return false;
}

static void lab_ask(struct lab *l, const char *client, const char *rcpt)
{
	l->request = (struct access_request){ .router = l->router, .conf = l->conf, .arena = &l->arena, .client_name = STR("unknown"),
		.client_address = str_of(client), .name = ACCESS_NAME_NONE, .helo = STR("h"), .sender = STR("s@outside.test"),
		.rcpt = str_of(rcpt), .is_listed = is_listed };
	ipaddr_parse(str_of(client), &l->request.client);
}

/* go_on - to the next question or the end; in one line */
static void go_on(struct lab *l, struct buf *line)
{
	static const char *const questions[] = { "", "domain", "probe", "list", "hosts", "sleep" };
	enum access_outcome o;

	while ((o = access_next(&l->run)) == ACCESS_SAY) {
		const struct action *effect = &l->run.effect;

		if (l->run.say)
			buf_printf(&l->said, "%s %s|", l->run.say, l->reply.text);
		if (effect->kind != ACTION_NONE)
			buf_printf(&l->said, "=%s %.*s|", action_word(effect->kind), STR_ARG(effect->text));
	}
	buf_clear(line);
	if (o == ACCESS_ASK)
		buf_printf(line, "%s %.*s", questions[l->run.question], STR_ARG(l->run.asked));
	else if (l->run.result == ACTION_OK)
		buf_z(line, "ok");
	else
		reply_line(line, &l->reply);
}

static void judge(struct lab *l, enum access_event event, struct buf *line)
{
	access_begin(&l->run, l->rules, event, &l->request, &l->reply);
	go_on(l, line);
}

static void answer(struct lab *l, int code, const char *enhanced, const char *text, struct buf *line)
{
	access_answer(&l->run, &(struct access_answer){ .code = code, .enhanced = enhanced, .text = text });
	go_on(l, line);
}

/* lists that call each other are cut by their depth, and where each calls two by the number of words */
T(access_ends_where_lists_grow_as_2_to_the_n)
{
	static const struct { const char *leaf, *warn, *want, *say; bool closes; } rows[] = {
		{ "reject_unauth_pipelining", "", "451 4.3.5 Server configuration error", "restriction lists call each other too often", false },
		{ "reject_unauth_pipelining", "warn_if_reject", "451 4.3.5 Server configuration error", "restriction lists call each other too often", true },
		{ "c0", "", "451 4.3.5 Server configuration error", "restriction lists call each other without end", false },
		{ "reject_unauth_destination", "", "554 5.7.1 <a@third.test>: Relay access denied", NULL, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[12][400];
		const char *conf[N_HERE + 14] = { HERE, "smtpd_restriction_classes=c0,c1,c2,c3,c4,c5,c6,c7,c8", "smtpd_relay_restrictions=permit_mynetworks", text[9] };
		struct lab l;
		struct buf line;

		ROW("%zu", i);
		for (int k = 0; k < 8; k++) {
			snprintf(text[k], sizeof(text[k]), "c%d=", k);
			for (int n = 0; n < 20; n++)
				snprintf(text[k] + strlen(text[k]), 8, "c%d,", k + 1);
			conf[N_HERE + 3 + k] = text[k];
		}
		snprintf(text[8], sizeof(text[8]), "c8=%s", rows[i].leaf);
		conf[N_HERE + 11] = text[8];
		snprintf(text[9], sizeof(text[9]), "smtpd_recipient_restrictions=%s c0, reject_unauth_destination, reject", rows[i].warn);
		REQUIRE(lab_open(&l, conf));
		CHECK(access_rules_close(l.rules) == rows[i].closes);
		buf_init(&line, 1000);
		lab_ask(&l, "192.0.2.1", "a@third.test");
		judge(&l, ACCESS_AT_RCPT, &line);
		CHECK_STR(buf_cstr(&line), rows[i].want);
		if (rows[i].say)
			CHECK_STR(l.run.say, rows[i].say);
		buf_fini(&line);
		lab_close(&l);
	}
}

T(access_decides_by_client_and_recipient)
{
	static const struct { const char *relay, *recipient, *client, *rcpt, *want; } rows[] = {
		{ NULL, NULL, "10.1.2.3", "a@third.test", "ok" },
		{ NULL, NULL, "192.0.2.1", "a@third.test", "454 4.7.1 <a@third.test>: Relay access denied" },
		{ NULL, NULL, "192.0.2.1", "a@here.example.test", "ok" },
		{ NULL, NULL, "192.0.2.1", "a@relayed.test", "ok" },
		{ NULL, NULL, "192.0.2.1", "a@sub.relayed.test", "ok" },
		{ NULL, NULL, "192.0.2.1", "a%third.test@here.example.test", "454 4.7.1 <a%third.test@here.example.test>: Relay access denied" },
		{ NULL, NULL, "192.0.2.1", "\"a@third.test\"@here.example.test",
			"454 4.7.1 <\"a@third.test\"@here.example.test>: Relay access denied" },
		{ NULL, NULL, "192.0.2.1", "third.test!a@relayed.test", "454 4.7.1 <third.test!a@relayed.test>: Relay access denied" },
		{ NULL, "permit_mynetworks", "192.0.2.1", "a@third.test", "454 4.7.1 <a@third.test>: Relay access denied" },
		{ "permit_mynetworks, reject_unauth_destination", NULL, "192.0.2.1", "a@third.test",
			"554 5.7.1 <a@third.test>: Relay access denied" },
		{ "", "permit_mynetworks reject_unauth_destination", "192.0.2.1", "a@third.test", "554 5.7.1 <a@third.test>: Relay access denied" },
		{ NULL, "reject", "192.0.2.1", "a@here.example.test",
			"554 5.7.1 <a@here.example.test>: Recipient address rejected: Access denied" },
		{ NULL, "defer", "192.0.2.1", "a@here.example.test",
			"450 4.3.2 <a@here.example.test>: Recipient address rejected: Try again later" },
		{ NULL, "reject_non_fqdn_recipient", "10.1.1.1", "a@host",
			"504 5.5.2 <a@host>: Recipient address rejected: need fully-qualified address" },
		{ NULL, "reject_unknown_recipient_domain", "10.1.1.1", "a@third.test", "domain third.test" },
		{ NULL, "reject_unknown_recipient_domain", "10.1.1.1", "a@here.example.test", "ok" },
		/* a stranger's mail to a third domain is refused before any probe is made */
		{ NULL, "permit_mynetworks, reject_unverified_recipient, reject_unauth_destination", "192.0.2.1", "a@third.test",
			"454 4.7.1 <a@third.test>: Relay access denied" },
		{ NULL, "permit_mynetworks, reject_unverified_recipient, reject_unauth_destination", "192.0.2.1", "a@relayed.test",
			"probe a@relayed.test" },
		{ NULL, "permit_mynetworks, reject_unverified_recipient", "10.0.0.1", "a@relayed.test", "ok" },
	};
	struct buf line;

	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char relay[300], recipient[300];
		const char *extra[MAX_EXTRA] = { HERE };
		size_t n = N_HERE;
		struct lab l;

		ROW("%zu %s", i, rows[i].rcpt);
		snprintf(relay, sizeof(relay), "smtpd_relay_restrictions=%s", rows[i].relay ? rows[i].relay : "");
		snprintf(recipient, sizeof(recipient), "smtpd_recipient_restrictions=%s", rows[i].recipient ? rows[i].recipient : "");
		if (rows[i].relay)
			extra[n++] = relay;
		if (rows[i].recipient)
			extra[n++] = recipient;
		if (CHECK(lab_open(&l, extra))) {
			lab_ask(&l, rows[i].client, rows[i].rcpt);
			judge(&l, ACCESS_AT_RCPT, &line);
			CHECK_STR(buf_cstr(&line), rows[i].want);
		}
		lab_close(&l);
	}
	buf_fini(&line);
}

T(access_goes_on_after_an_answer)
{
	static const struct { int code; const char *enhanced, *text, *want; } rows[] = {
		{ 250, "2.1.5", "deliverable", "ok" },
		{ 550, "5.1.1", "host x said: 550 no",
			"450 4.1.1 <a@relayed.test>: Recipient address rejected: undeliverable address: host x said: 550 no" },
		{ 450, "4.2.0", "in progress", "450 4.1.1 <a@relayed.test>: Recipient address rejected: unverified address: in progress" },
	};
	const char *extra[MAX_EXTRA] = { HERE, "smtpd_recipient_restrictions=reject_unverified_recipient" };
	struct lab l;
	struct buf line;

	buf_init(&line, 4096);
	REQUIRE(lab_open(&l, extra));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ROW("%d", rows[i].code);
		lab_ask(&l, "192.0.2.1", "a@relayed.test");
		judge(&l, ACCESS_AT_RCPT, &line);
		CHECK_STR(buf_cstr(&line), "probe a@relayed.test");
		answer(&l, rows[i].code, rows[i].enhanced, rows[i].text, &line);
		CHECK_STR(buf_cstr(&line), rows[i].want);
	}
	buf_fini(&line);
	lab_close(&l);
}

/* a lookup that fails for now does not stop the search for a refusal, unless the action says so */
T(access_puts_off_and_looks_for_a_refusal)
{
	static const struct { const char *list, *action; int code; const char *want; } rows[] = {
		{ "reject_unverified_recipient, reject", NULL, 450, "554 5.7.1 <a@relayed.test>: Recipient address rejected: Access denied" },
		{ "reject_unverified_recipient, reject", "unverified_recipient_tempfail_action=defer", 450,
			"450 4.1.1 <a@relayed.test>: Recipient address rejected: unverified address: why" },
		{ "reject_unverified_recipient, permit", NULL, 450,
			"450 4.1.1 <a@relayed.test>: Recipient address rejected: unverified address: why" },
		{ "reject_unverified_recipient, reject", NULL, 550,
			"450 4.1.1 <a@relayed.test>: Recipient address rejected: undeliverable address: why" },
		{ "reject_unverified_recipient", "unverified_recipient_reject_code=550", 550,
			"550 5.1.1 <a@relayed.test>: Recipient address rejected: undeliverable address: why" },
		{ "reject_unverified_recipient", "unverified_recipient_defer_code=451", 450,
			"451 4.1.1 <a@relayed.test>: Recipient address rejected: unverified address: why" },
		{ "reject_unverified_recipient", "unverified_recipient_reject_code=250", 550, "ok" },
		{ "reject_unverified_sender", "unverified_sender_reject_code=551", 550,
			"551 5.1.7 <s@outside.test>: Sender address rejected: undeliverable address: why" },
		{ "reject_unverified_sender", "unverified_sender_defer_code=451", 450,
			"451 4.1.7 <s@outside.test>: Sender address rejected: unverified address: why" },
		{ "reject_unverified_sender, reject", "unverified_sender_tempfail_action=defer", 450,
			"450 4.1.7 <s@outside.test>: Sender address rejected: unverified address: why" },
		{ "reject_unknown_helo_hostname", "unknown_hostname_reject_code=550", 550, "550 5.7.1 <h>: Helo command rejected: Host not found" },
		{ "reject_unknown_helo_hostname, reject", NULL, 450, "554 5.7.1 <a@relayed.test>: Recipient address rejected: Access denied" },
		{ "reject_unknown_helo_hostname, reject", "unknown_helo_hostname_tempfail_action=defer", 450,
			"450 4.7.1 <h>: Helo command rejected: Host not found" },
		/* each word is asked again: the second no is final */
		{ "reject_unverified_recipient, reject_unverified_recipient", "unverified_recipient_tempfail_action=defer", 450,
			"450 4.1.1 <a@relayed.test>: Recipient address rejected: unverified address: why" },
		{ "reject_unverified_sender", NULL, 550, "450 4.1.7 <s@outside.test>: Sender address rejected: undeliverable address: why" },
		{ "reject_unknown_sender_domain", NULL, 550, "450 4.1.8 <s@outside.test>: Sender address rejected: why" },
		{ "reject_unknown_sender_domain, reject", NULL, 450, "554 5.7.1 <a@relayed.test>: Recipient address rejected: Access denied" },
		{ "reject_unknown_sender_domain", "unknown_address_reject_code=550", 550, "550 5.1.8 <s@outside.test>: Sender address rejected: why" },
		{ "warn_if_reject reject_unknown_sender_domain", NULL, 450, "ok" },
	};
	struct buf line;

	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char list[300];
		const char *extra[MAX_EXTRA] = { HERE, list, rows[i].action };
		struct lab l;

		ROW("%zu", i);
		snprintf(list, sizeof(list), "smtpd_recipient_restrictions=%s", rows[i].list);
		REQUIRE(lab_open(&l, extra));
		lab_ask(&l, "192.0.2.1", "a@relayed.test");
		judge(&l, ACCESS_AT_RCPT, &line);
		for (unsigned asked = 0; asked < 5 && l.run.question != ACCESS_NO_QUESTION; asked++)
			answer(&l, rows[i].code, rows[i].code == 550 ? "5.4.4" : "4.1.1", "why", &line);
		CHECK_STR(buf_cstr(&line), rows[i].want);
		lab_close(&l);
	}
	buf_fini(&line);
}

/* one row per word and list: what is judged at which event, with which words */
T(access_says_what_postfix_says)
{
	static const struct row {
		enum access_event event;
		const char *set, *helo, *sender, *rcpt, *want, *said;
	} rows[] = {
		/* with smtpd_delay_reject all is judged at RCPT, and each list names what it judges */
		{ ACCESS_AT_RCPT, "smtpd_client_restrictions=reject", "x", "a@b.test", "a@relayed.test",
			"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_client_restrictions=defer", "x", "a@b.test", "a@relayed.test",
			"450 4.3.2 <unknown[192.0.2.1]>: Client host rejected: Try again later", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject", "x", "a@b.test", "a@relayed.test",
			"554 5.7.1 <x>: Helo command rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=reject", "x", "a@b.test", "a@relayed.test",
			"554 5.7.1 <a@b.test>: Sender address rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=reject", "x", "", "a@relayed.test",
			"554 5.7.1 <>: Sender address rejected: Access denied", "" },
		{ ACCESS_AT_CONNECT, "smtpd_client_restrictions=reject", NULL, NULL, NULL, "ok", "" },
		{ ACCESS_AT_CONNECT, "smtpd_client_restrictions=reject|smtpd_delay_reject=no", NULL, NULL, NULL,
			"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", "" },
		{ ACCESS_AT_HELO, "smtpd_helo_restrictions=reject|smtpd_delay_reject=no", "x", NULL, NULL,
			"554 5.7.1 <x>: Helo command rejected: Access denied", "" },
		{ ACCESS_AT_MAIL, "smtpd_sender_restrictions=reject|smtpd_delay_reject=no", "x", "a@b.test", NULL,
			"554 5.7.1 <a@b.test>: Sender address rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=reject|smtpd_delay_reject=no", "x", "a@b.test", "a@relayed.test", "ok", "" },
		{ ACCESS_AT_DATA, "smtpd_data_restrictions=reject", "x", "a@b.test", NULL, "554 5.7.1 <DATA>: Data command rejected: Access denied", "" },
		{ ACCESS_AT_END, "smtpd_end_of_data_restrictions=reject", "x", "a@b.test", NULL,
			"554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied", "" },
		{ ACCESS_AT_ETRN, "smtpd_etrn_restrictions=reject", "x", NULL, NULL, "554 5.7.1 <foo.test>: Etrn command rejected: Access denied", "" },
		/* permit ends its own list only */
		{ ACCESS_AT_RCPT, "smtpd_client_restrictions=permit|smtpd_sender_restrictions=reject", "x", "a@b.test", "a@relayed.test",
			"554 5.7.1 <a@b.test>: Sender address rejected: Access denied", "" },
		/* which list is asked first */
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=reject_unauth_destination", "x", "a@b.test", "a@third.test",
			"454 4.7.1 <a@third.test>: Relay access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=reject_unauth_destination|compatibility_level=2", "x", "a@b.test", "a@third.test",
			"554 5.7.1 <a@third.test>: Relay access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=reject_unauth_destination|compatibility_level=2|"
			"smtpd_relay_before_recipient_restrictions=yes", "x", "a@b.test", "a@third.test",
			"454 4.7.1 <a@third.test>: Relay access denied", "" },
		/* warn_if_reject is for the next word */
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=warn_if_reject, reject, reject_non_fqdn_recipient, defer", "x", "a@b.test", "a@relayed.test",
			"450 4.3.2 <a@relayed.test>: Recipient address rejected: Try again later",
			"reject_warning <a@relayed.test>: Recipient address rejected: Access denied|" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=warn_if_reject, permit", "x", "a@b.test", "a@relayed.test", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=defer_if_permit", "x", "a@b.test", "a@relayed.test",
			"450 4.7.0 <a@relayed.test>: Recipient address rejected: defer_if_permit requested", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=defer_if_permit, reject", "x", "a@b.test", "a@relayed.test",
			"554 5.7.1 <a@relayed.test>: Recipient address rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=defer_if_reject, reject", "x", "a@b.test", "a@relayed.test",
			"450 4.7.0 <a@relayed.test>: Recipient address rejected: defer_if_reject requested", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=defer_if_reject, permit", "x", "a@b.test", "a@relayed.test", "ok", "" },
		/* the codes of the refusals */
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=reject|reject_code=550", "x", "a@b.test", "a@relayed.test",
			"550 5.7.1 <a@relayed.test>: Recipient address rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=defer|defer_code=451", "x", "a@b.test", "a@relayed.test",
			"451 4.3.2 <a@relayed.test>: Recipient address rejected: Try again later", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=reject_plaintext_session|plaintext_reject_code=550", "x", "a@b.test", "a@relayed.test",
			"550 5.7.1 Session encryption is required", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_invalid_helo_hostname|invalid_hostname_reject_code=450", "a..b", "a@b.test",
			"a@relayed.test", "450 4.5.2 <a..b>: Helo command rejected: Invalid name", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=check_sender_access inline:{b.test=REJECT}|access_map_reject_code=450", "x", "a@b.test",
			"a@relayed.test", "450 4.7.1 <a@b.test>: Sender address rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=check_sender_access inline:{b.test=DEFER}|access_map_defer_code=451", "x", "a@b.test",
			"a@relayed.test", "451 4.7.1 <a@b.test>: Sender address rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=check_sender_access inline:{nobody=REJECT}|smtpd_null_access_lookup_key=nobody", "x", "",
			"a@relayed.test", "554 5.7.1 <>: Sender address rejected: Access denied", "" },
		/* sender and recipient */
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=reject_non_fqdn_sender", "x", "a@b", "a@relayed.test",
			"504 5.5.2 <a@b>: Sender address rejected: need fully-qualified address", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=reject_non_fqdn_sender", "x", "a", "a@relayed.test",
			"504 5.5.2 <a>: Sender address rejected: need fully-qualified address", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=reject_non_fqdn_sender|non_fqdn_reject_code=450", "x", "a@b", "a@relayed.test",
			"450 4.5.2 <a@b>: Sender address rejected: need fully-qualified address", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=reject_non_fqdn_sender", "x", "", "a@relayed.test", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=reject_unlisted_sender", "x", "nobody@here.example.test", "a@relayed.test",
			"550 5.1.1 <nobody@here.example.test>: unlisted sender", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=reject_unlisted_recipient", "x", "a@b.test", "nobody@relayed.test",
			"550 5.1.1 <nobody@relayed.test>: unlisted recipient", "" },
		/* whatever the order, a stranger's mail to a third domain causes no probe */
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=reject_unverified_recipient, reject_unauth_destination|compatibility_level=2", "x",
			"a@b.test", "a@third.test", "454 4.7.1 <a@third.test>: Relay access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=reject_unverified_recipient|compatibility_level=2", "x", "a@b.test", "a@relayed.test",
			"probe a@relayed.test", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=reject_unknown_sender_domain", "x", "a@b.invalid", "a@relayed.test", "domain b.invalid", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=reject_unknown_sender_domain", "x", "", "a@relayed.test", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=reject_unverified_sender", "x", "a@b.test", "a@relayed.test", "probe a@b.test", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=permit_auth_destination, reject", "x", "a@b.test", "a@relayed.test", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=permit_sasl_authenticated, reject", "x", "a@b.test", "a@relayed.test",
			"554 5.7.1 <a@relayed.test>: Recipient address rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=reject_plaintext_session", "x", "a@b.test", "a@relayed.test",
			"450 4.7.1 Session encryption is required", "" },
		{ ACCESS_AT_RCPT, "smtpd_client_restrictions=reject_unknown_client_hostname", "x", "a@b.test", "a@relayed.test",
			"450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", "" },
		{ ACCESS_AT_RCPT, "smtpd_client_restrictions=reject_unknown_reverse_client_hostname|unknown_client_reject_code=550", "x", "a@b.test",
			"a@relayed.test", "550 5.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]", "" },
		/* HELO */
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_non_fqdn_helo_hostname", "x", "a@b.test", "a@relayed.test",
			"504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_non_fqdn_helo_hostname", "[1.2.3.4]", "a@b.test", "a@relayed.test", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_non_fqdn_helo_hostname", "[1.2.3]", "a@b.test", "a@relayed.test",
			"501 5.5.2 <[1.2.3]>: Helo command rejected: invalid ip address", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_non_fqdn_helo_hostname", "a.b", "a@b.test", "a@relayed.test", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_non_fqdn_helo_hostname", "-x.y", "a@b.test", "a@relayed.test",
			"504 5.5.2 <-x.y>: Helo command rejected: need fully-qualified hostname", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_invalid_helo_hostname", "x", "a@b.test", "a@relayed.test", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_invalid_helo_hostname", "-x.y", "a@b.test", "a@relayed.test",
			"501 5.5.2 <-x.y>: Helo command rejected: Invalid name", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_invalid_helo_hostname", "1.2.3.4", "a@b.test", "a@relayed.test", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_invalid_helo_hostname", "1.2.3.256", "a@b.test", "a@relayed.test",
			"501 5.5.2 <1.2.3.256>: Helo command rejected: Invalid name", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_invalid_helo_hostname", "a_b.c", "a@b.test", "a@relayed.test", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_invalid_helo_hostname", "a..b", "a@b.test", "a@relayed.test",
			"501 5.5.2 <a..b>: Helo command rejected: Invalid name", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_invalid_helo_hostname", "[IPv6:::1]", "a@b.test", "a@relayed.test", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_invalid_helo_hostname", "a.b.", "a@b.test", "a@relayed.test", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_invalid_helo_hostname", "a!b", "a@b.test", "a@relayed.test",
			"501 5.5.2 <a!b>: Helo command rejected: Invalid name", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_unknown_helo_hostname", "a.b", "a@b.test", "a@relayed.test", "domain a.b", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=permit_naked_ip_address, reject", "1.2.3.4", "a@b.test", "a@relayed.test", "ok", "" },
		/* lists of DNS */
		{ ACCESS_AT_RCPT, "smtpd_client_restrictions=reject_rbl_client zen.test", "x", "a@b.test", "a@relayed.test", "list 1.2.0.192.zen.test", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=reject_rhsbl_sender dbl.test", "x", "a@b.test", "a@relayed.test", "list b.test.dbl.test", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_rhsbl_helo dbl.test", "x.y", "a@b.test", "a@relayed.test", "list x.y.dbl.test", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=reject_rhsbl_helo dbl.test", "[1.2.3.4]", "a@b.test", "a@relayed.test", "ok", "" },
		/* tables, and lists in lists */
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=check_sender_access inline:{b.test=reject}", "x", "a@b.test", "a@relayed.test",
			"554 5.7.1 <a@b.test>: Sender address rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=inline:{{a@b.test = 550 5.1.2 no such shop}}", "x", "a@b.test", "a@relayed.test",
			"550 5.1.8 <a@b.test>: Sender address rejected: no such shop", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=check_sender_access inline:{a@=DEFER}", "x", "a@b.test", "a@relayed.test",
			"450 4.7.1 <a@b.test>: Sender address rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=check_sender_access inline:{<>=REJECT}", "x", "", "a@relayed.test",
			"554 5.7.1 <>: Sender address rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=check_sender_access inline:{b.test=OK}, reject", "x", "a@sub.b.test", "a@relayed.test",
			"ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_sender_restrictions=check_sender_access inline:{b.test=12345}, reject", "x", "a@b.test", "a@relayed.test",
			"ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_client_restrictions=check_client_access inline:{192.0=REJECT}", "x", "a@b.test", "a@relayed.test",
			"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_client_restrictions=check_client_access cidr:{{192.0.2.0/24 reject}}", "x", "a@b.test", "a@relayed.test",
			"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_helo_restrictions=check_helo_access inline:{y=REJECT}", "x.y", "a@b.test", "a@relayed.test",
			"554 5.7.1 <x.y>: Helo command rejected: Access denied", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{relayed.test=reject_non_fqdn_sender}", "x", "a@b",
			"a@relayed.test", "504 5.5.2 <a@b>: Sender address rejected: need fully-qualified address", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{relayed.test=DUNNO}, defer", "x", "a@b",
			"a@relayed.test", "450 4.3.2 <a@relayed.test>: Recipient address rejected: Try again later", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{{relayed.test=WARN look here}}", "x", "a@b",
			"a@relayed.test", "ok", "warn look here|" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{relayed.test=bogus}", "x", "a@b",
			"a@relayed.test", "451 4.3.5 Server configuration error", "" },
		/* what is to be done with the message; the list goes on, but behind DISCARD */
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{{relayed.test = PREPEND X: y}}", "x", "a@b",
			"a@relayed.test", "ok", "=PREPEND X: y|" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{{relayed.test = PREPEND none}}", "x", "a@b",
			"a@relayed.test", "ok", "" },
		{ ACCESS_AT_END, "smtpd_end_of_data_restrictions=check_recipient_access inline:{{relayed.test = PREPEND X: y}}", "x", "a@b",
			"a@relayed.test", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{{relayed.test = HOLD}}", "x", "a@b",
			"a@relayed.test", "ok", "hold <a@relayed.test>: Recipient address triggers HOLD action|=HOLD |" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{{relayed.test = HOLD some text}}", "x", "a@b",
			"a@relayed.test", "ok", "hold <a@relayed.test>: Recipient address some text|=HOLD some text|" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{{relayed.test = HOLD}}, reject", "x", "a@b",
			"a@relayed.test", "554 5.7.1 <a@relayed.test>: Recipient address rejected: Access denied", "hold <a@relayed.test>: Recipient address triggers HOLD action|=HOLD |" },
		{ ACCESS_AT_END, "smtpd_end_of_data_restrictions=check_recipient_access inline:{{relayed.test = HOLD}}", "x", "a@b",
			"a@relayed.test", "ok", "hold <a@relayed.test>: Recipient address triggers HOLD action|=HOLD |" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{{relayed.test = DISCARD because}}, reject", "x", "a@b",
			"a@relayed.test", "ok", "discard <a@relayed.test>: Recipient address because|=DISCARD because|" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{{relayed.test = REDIRECT boss@x.test}}", "x", "a@b",
			"a@relayed.test", "ok", "redirect <a@relayed.test>: Recipient address triggers REDIRECT boss@x.test|=REDIRECT boss@x.test|" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{{relayed.test = REDIRECT @x.test}}", "x", "a@b",
			"a@relayed.test", "ok", "redirect <a@relayed.test>: Recipient address triggers REDIRECT @x.test|=REDIRECT @x.test|" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{{relayed.test = REDIRECT boss}}", "x", "a@b",
			"a@relayed.test", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{{relayed.test = BCC c@x.test}}", "x", "a@b",
			"a@relayed.test", "ok", "bcc <a@relayed.test>: Recipient address triggers BCC c@x.test|=BCC c@x.test|" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{{relayed.test = FILTER smtp:x}}", "x", "a@b",
			"a@relayed.test", "ok", "filter <a@relayed.test>: Recipient address triggers FILTER smtp:x|=FILTER smtp:x|" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{{relayed.test = FILTER none}}", "x", "a@b",
			"a@relayed.test", "ok", "" },
		{ ACCESS_AT_HELO, "smtpd_helo_restrictions=check_helo_access inline:{x=HOLD}|smtpd_delay_reject=no", "x", NULL, "", "ok", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=check_recipient_access inline:{relayed.test=strict}|smtpd_restriction_classes=strict|"
			"strict=reject_non_fqdn_sender, permit", "x", "a@b", "a@relayed.test",
			"504 5.5.2 <a@b>: Sender address rejected: need fully-qualified address", "" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=warn_if_reject strict, defer|smtpd_restriction_classes=strict|strict=reject", "x", "a@b",
			"a@relayed.test", "450 4.3.2 <a@relayed.test>: Recipient address rejected: Try again later",
			"reject_warning <a@relayed.test>: Recipient address rejected: Access denied|" },
		{ ACCESS_AT_RCPT, "smtpd_recipient_restrictions=a|smtpd_restriction_classes=a b|a=b|b=a", "x", "a@b", "a@relayed.test",
			"451 4.3.5 Server configuration error", "" },
	};
	struct buf line;

	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[MAX_EXTRA] = { HERE };
		char set[600];
		struct lab l;

		ROW("%zu %s", i, rows[i].set);
		snprintf(set, sizeof(set), "%s", rows[i].set);
		split(set, extra);
		if (!CHECK(lab_open(&l, extra))) {
			conf_diag_print(&l.diag, stdout, "access");
			lab_close(&l);
			continue;
		}
		lab_ask(&l, "192.0.2.1", "");
		l.request.helo = str_of(rows[i].helo);
		l.request.sender = str_of(rows[i].sender);
		l.request.rcpt = str_of(rows[i].rcpt);
		l.request.etrn = STR("foo.test");
		judge(&l, rows[i].event, &line);
		CHECK_STR(buf_cstr(&line), rows[i].want);
		CHECK_STR(buf_cstr(&l.said), rows[i].said);
		lab_close(&l);
	}
	buf_fini(&line);
}

T(access_knows_domains_that_take_no_mail)
{
	static const struct { const char *word, *want; } rows[] = {
		{ "reject_unknown_sender_domain", "550 5.7.27 <s@outside.test>: Sender address rejected: Domain outside.test does not accept mail (nullMX)" },
		{ "reject_unknown_recipient_domain", "556 5.1.10 <a@third.test>: Recipient address rejected: Domain third.test does not accept mail (nullMX)" },
	};
	struct buf line;

	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char list[300];
		const char *extra[MAX_EXTRA] = { HERE, list };
		struct lab l;

		ROW("%s", rows[i].word);
		snprintf(list, sizeof(list), "smtpd_recipient_restrictions=%s", rows[i].word);
		REQUIRE(lab_open(&l, extra));
		lab_ask(&l, "10.0.0.1", "a@third.test");
		judge(&l, ACCESS_AT_RCPT, &line);
		CHECK_INT(l.run.question, ACCESS_DOMAIN);
		access_answer(&l.run, &(struct access_answer){ .code = 550, .enhanced = "", .text = "", .null_mx = true });
		go_on(&l, &line);
		CHECK_STR(buf_cstr(&line), rows[i].want);
		lab_close(&l);
	}
	buf_fini(&line);
}

T(access_counts_recipients_of_a_bounce)
{
	static const struct { const char *set; enum access_event event; const char *sender; bool many; size_t before; const char *want; } rows[] = {
		{ "smtpd_data_restrictions=reject_multi_recipient_bounce", ACCESS_AT_DATA, "", true, 2,
			"550 5.5.3 <DATA>: Data command rejected: Multi-recipient bounce" },
		{ "smtpd_data_restrictions=reject_multi_recipient_bounce", ACCESS_AT_DATA, "", false, 1, "ok" },
		{ "smtpd_data_restrictions=reject_multi_recipient_bounce", ACCESS_AT_DATA, "a@b.test", true, 2, "ok" },
		{ "smtpd_recipient_restrictions=reject_multi_recipient_bounce", ACCESS_AT_RCPT, "", false, 1,
			"550 5.5.3 <a@relayed.test>: Recipient address rejected: Multi-recipient bounce" },
		{ "smtpd_recipient_restrictions=reject_multi_recipient_bounce", ACCESS_AT_RCPT, "", false, 0, "ok" },
		{ "smtpd_data_restrictions=reject_multi_recipient_bounce|multi_recipient_bounce_reject_code=450", ACCESS_AT_DATA, "", true, 2,
			"450 4.5.3 <DATA>: Data command rejected: Multi-recipient bounce" },
	};
	struct buf line;

	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[MAX_EXTRA] = { HERE };
		char set[300];
		struct lab l;

		ROW("%zu", i);
		snprintf(set, sizeof(set), "%s", rows[i].set);
		split(set, extra);
		REQUIRE(lab_open(&l, extra));
		lab_ask(&l, "192.0.2.1", "a@relayed.test");
		l.request.sender = str_of(rows[i].sender);
		l.request.many = rows[i].many;
		l.request.n_rcpts = rows[i].before;
		judge(&l, rows[i].event, &line);
		CHECK_STR(buf_cstr(&line), rows[i].want);
		lab_close(&l);
	}
	buf_fini(&line);
}

T(access_refuses_talk_before_its_turn)
{
	const char *extra[MAX_EXTRA] = { HERE, "smtpd_data_restrictions=reject_unauth_pipelining" };
	struct lab l;
	struct buf line;

	buf_init(&line, 4096);
	REQUIRE(lab_open(&l, extra));
	lab_ask(&l, "192.0.2.1", "a@relayed.test");
	judge(&l, ACCESS_AT_DATA, &line);
	CHECK_STR(buf_cstr(&line), "ok");
	l.request.ahead = true;
	judge(&l, ACCESS_AT_DATA, &line);
	CHECK_STR(buf_cstr(&line), "503 5.5.0 <DATA>: Data command rejected: Improper use of SMTP command pipelining");
	buf_fini(&line);
	lab_close(&l);
}

T(access_reads_lists_of_dns)
{
	static const struct { const char *list; struct ipaddr found; const char *text, *want; } rows[] = {
		{ "reject_rbl_client zen.test", { AF_INET, { 127, 0, 0, 2 } }, "see x",
			"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.test; see x" },
		{ "reject_rbl_client zen.test", { AF_INET, { 127, 0, 0, 2 } }, "",
			"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.test" },
		{ "reject_rbl_client zen.test=127.0.0.2", { AF_INET, { 127, 0, 0, 3 } }, "", "ok" },
		{ "reject_rbl_client zen.test=127.0.0.[2..11]", { AF_INET, { 127, 0, 0, 11 } }, "",
			"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.test" },
		{ "reject_rbl_client zen.test=127.0.0.[2;4..6]", { AF_INET, { 127, 0, 0, 3 } }, "", "ok" },
		{ "reject_rbl_client zen.test=127.0.[0;1].[2;4..6]", { AF_INET, { 127, 0, 1, 5 } }, "",
			"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.test" },
		{ "reject_rhsbl_sender dbl.test", { AF_INET, { 127, 0, 1, 2 } }, "",
			"554 5.7.1 Service unavailable; Sender address [s@outside.test] blocked using dbl.test" },
		{ "permit_dnswl_client list.test=127.0.[0..255].[1..3], reject", { AF_INET, { 127, 0, 9, 1 } }, "", "ok" },
		{ "permit_dnswl_client list.test=127.0.[0..255].[1..3], reject", { AF_INET, { 127, 0, 9, 0 } }, "",
			"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied" },
		{ "reject_rbl_client zen.test|maps_rbl_reject_code=450", { AF_INET, { 127, 0, 0, 2 } }, "",
			"450 4.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.test" },
	};
	struct buf line;

	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char list[300];
		const char *extra[MAX_EXTRA] = { HERE };
		struct lab l;

		ROW("%s", rows[i].list);
		snprintf(list, sizeof(list), "smtpd_client_restrictions=%s", rows[i].list);
		split(list, extra);
		REQUIRE(lab_open(&l, extra));
		lab_ask(&l, "192.0.2.1", "a@relayed.test");
		judge(&l, ACCESS_AT_RCPT, &line);
		CHECK_INT(l.run.question, ACCESS_DNSLIST);
		access_answer(&l.run, &(struct access_answer){ .code = 250, .enhanced = "", .text = rows[i].text, .addresses = &rows[i].found,
			.n_addresses = 1 });
		go_on(&l, &line);
		CHECK_STR(buf_cstr(&line), rows[i].want);
		lab_close(&l);
	}
	buf_fini(&line);
}

/* words that ask about the client's other name, about logins, or wait; old words */
T(access_asks_about_reverse_names_and_logins)
{
	static const struct { const char *set, *reverse, *login, *rcpt, *want; } rows[] = {
		{ "smtpd_client_restrictions=check_reverse_client_hostname_access inline:{r.test=REJECT}", "h.r.test", "", "a@relayed.test",
			"554 5.7.1 <h.r.test>: Unverified Client host rejected: Access denied" },
		{ "smtpd_client_restrictions=check_reverse_client_hostname_access inline:{r.test=OK}, reject", "h.r.test", "", "a@relayed.test",
			"451 4.3.5 Server configuration error" },
		{ "smtpd_client_restrictions=check_reverse_client_hostname_access inline:{{192.0=450 4.7.9 no}}", "h.r.test", "", "a@relayed.test",
			"450 4.7.9 <h.r.test>: Unverified Client host rejected: no" },
		{ "smtpd_client_restrictions=check_reverse_client_hostname_access inline:{{192.0=450 4.7.9 no}}", "unknown", "", "a@relayed.test",
			"450 4.7.9 <unknown>: Unverified Client host rejected: no" },
		{ "smtpd_client_restrictions=reject_rhsbl_reverse_client x.test", "unknown", "", "a@relayed.test", "ok" },
		{ "smtpd_client_restrictions=reject_rhsbl_reverse_client x.test", "h.r.test", "", "a@relayed.test", "list h.r.test.x.test" },
		{ "smtpd_recipient_restrictions=check_sasl_access inline:{joe=REJECT}", "unknown", "", "a@relayed.test", "ok" },
		{ "smtpd_recipient_restrictions=check_sasl_access inline:{joe=REJECT}", "unknown", "joe", "a@relayed.test",
			"554 5.7.1 <joe>: SASL login name rejected: Access denied" },
		{ "smtpd_recipient_restrictions=check_ccert_access inline:{a=REJECT}, permit_tls_clientcerts, permit_tls_all_clientcerts, defer", "unknown", "",
			"a@relayed.test", "450 4.3.2 <a@relayed.test>: Recipient address rejected: Try again later" },
		{ "smtpd_recipient_restrictions=check_relay_domains, reject", "unknown", "", "a@relayed.test", "ok" },
		{ "smtpd_relay_restrictions=check_relay_domains", "unknown", "", "a@third.test",
			"554 5.7.1 <a@third.test>: Recipient address rejected: Relay access denied" },
		{ "smtpd_client_restrictions=sleep 7, reject", "unknown", "", "a@relayed.test", "sleep 7" },
		{ "smtpd_client_restrictions=reject_maps_rbl|maps_rbl_domains=one.test two.test", "unknown", "", "a@relayed.test", "list 1.2.0.192.one.test" },
		{ "smtpd_client_restrictions=reject_maps_rbl, reject", "unknown", "", "a@relayed.test",
			"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied" },
		{ "smtpd_helo_restrictions=check_helo_a_access inline:{1.2.3.4=REJECT}", "unknown", "", "a@relayed.test", "hosts h" },
		{ "smtpd_client_restrictions=check_client_ns_access inline:{1.2.3.4=REJECT}", "unknown", "", "a@relayed.test", "ok" },
		{ "smtpd_client_restrictions=check_reverse_client_hostname_mx_access inline:{1.2.3.4=REJECT}", "h.r.test", "", "a@relayed.test", "hosts h.r.test" },
		{ "smtpd_recipient_restrictions=check_recipient_mx_access inline:{1.2.3=REJECT}", "", "", "a@[1.2.3.4]",
			"454 4.7.1 <a@[1.2.3.4]>: Relay access denied" },
		{ "smtpd_relay_restrictions=check_recipient_mx_access inline:{1.2.3=REJECT}", "", "", "a@[1.2.3.4]",
			"554 5.7.1 <a@[1.2.3.4]>: Recipient address rejected: Access denied" },
		{ "smtpd_relay_restrictions=check_recipient_a_access inline:{1.2.3=OK}", "", "", "a@[1.2.3.4]", "451 4.3.5 Server configuration error" },
	};
	struct buf line;

	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[MAX_EXTRA] = { HERE };
		char set[400];
		struct lab l;

		ROW("%s %s", rows[i].set, rows[i].reverse);
		snprintf(set, sizeof(set), "%s", rows[i].set);
		split(set, extra);
		REQUIRE(lab_open(&l, extra));
		lab_ask(&l, "192.0.2.1", rows[i].rcpt);
		l.request.reverse_name = str_of(rows[i].reverse);
		l.request.login = str_of(rows[i].login);
		judge(&l, ACCESS_AT_RCPT, &line);
		CHECK_STR(buf_cstr(&line), rows[i].want);
		lab_close(&l);
	}
	buf_fini(&line);
}

T(access_says_why_an_address_is_undeliverable)
{
	static const struct { const char *set; int code; const char *want; } rows[] = {
		{ "smtpd_recipient_restrictions=reject_unverified_recipient|unverified_recipient_reject_reason=ask us", 550,
			"450 4.1.1 <a@relayed.test>: Recipient address rejected: undeliverable address: ask us" },
		{ "smtpd_recipient_restrictions=reject_unverified_recipient|unverified_recipient_reject_reason=ask us", 450,
			"450 4.1.1 <a@relayed.test>: Recipient address rejected: unverified address: ask us" },
		{ "smtpd_recipient_restrictions=reject_unverified_recipient", 550,
			"450 4.1.1 <a@relayed.test>: Recipient address rejected: undeliverable address: why" },
		{ "smtpd_sender_restrictions=reject_unverified_sender|unverified_sender_reject_reason=no such sender", 550,
			"450 4.1.7 <s@outside.test>: Sender address rejected: undeliverable address: no such sender" },
	};
	struct buf line;

	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[MAX_EXTRA] = { HERE };
		char set[300];
		struct lab l;

		ROW("%zu", i);
		snprintf(set, sizeof(set), "%s", rows[i].set);
		split(set, extra);
		REQUIRE(lab_open(&l, extra));
		lab_ask(&l, "192.0.2.1", "a@relayed.test");
		judge(&l, ACCESS_AT_RCPT, &line);
		answer(&l, rows[i].code, rows[i].code >= 500 ? "5.1.1" : "4.1.1", "why", &line);
		CHECK_STR(buf_cstr(&line), rows[i].want);
		lab_close(&l);
	}
	buf_fini(&line);
}

T(access_looks_at_the_hosts_of_a_domain)
{
	static const struct ipaddr first[] = { { AF_INET, { 198, 51, 100, 1 } } }, second[] = { { AF_INET, { 198, 51, 100, 2 } }, { AF_INET, { 203, 0, 113, 9 } } };
	static const struct access_host hosts[] = { { "mx1.far.test", 10, first, 1 }, { "mx2.far.test", 20, second, 2 }, { "here.example.test", 30, NULL, 0 } };
	static const struct { const char *set; size_t n; int code; const char *want; } rows[] = {
		{ "smtpd_sender_restrictions=check_sender_mx_access inline:{mx2.far.test=REJECT}", 2, 250, "554 5.7.1 <s@outside.test>: Sender address rejected: Access denied" },
		{ "smtpd_sender_restrictions=check_sender_ns_access inline:{far.test=REJECT}", 2, 250, "554 5.7.1 <s@outside.test>: Sender address rejected: Access denied" },
		{ "smtpd_sender_restrictions=check_sender_mx_access cidr:{{203.0.113.0/24 550 bogus}}", 2, 250, "550 5.7.1 <s@outside.test>: Sender address rejected: bogus" },
		/* the first entry counts, whatever it says, and none lets in */
		{ "smtpd_sender_restrictions=check_sender_mx_access inline:{mx1.far.test=DUNNO, 203.0.113=REJECT}", 2, 250, "ok" },
		{ "smtpd_sender_restrictions=check_sender_mx_access inline:{198.51.100=OK}", 2, 250, "451 4.3.5 Server configuration error" },
		{ "smtpd_sender_restrictions=check_sender_mx_access inline:{203.0.113=REJECT}", 1, 250, "ok" },
		{ "smtpd_sender_restrictions=check_sender_mx_access static:REJECT", 0, 450, "ok" },
		{ "smtpd_sender_restrictions=check_sender_mx_access fail:x", 2, 250, "451 4.3.0 <s@outside.test>: Temporary lookup failure" },
		{ "smtpd_helo_restrictions=check_helo_a_access inline:{198.51.100.1=DEFER}", 1, 250, "450 4.7.1 <h>: Helo command rejected: Access denied" },
		/* a backup: for domains that name us, whose first server is where it is said to be */
		{ "smtpd_relay_restrictions=permit_mx_backup, reject_unauth_destination", 3, 250, "ok" },
		{ "smtpd_relay_restrictions=permit_mx_backup, reject_unauth_destination", 2, 250, "554 5.7.1 <a@third.test>: Relay access denied" },
		{ "smtpd_relay_restrictions=permit_mx_backup, reject_unauth_destination", 0, 550, "554 5.7.1 <a@third.test>: Relay access denied" },
		{ "smtpd_relay_restrictions=permit_mx_backup, reject_unauth_destination", 0, 450, "450 4.4.4 <a@third.test>: Recipient address rejected: Unable to look up mail exchanger information: Host not found, try again" },
		{ "smtpd_relay_restrictions=permit_mx_backup, reject_unauth_destination|permit_mx_backup_networks=198.51.100.0/24", 3, 250, "ok" },
		{ "smtpd_relay_restrictions=permit_mx_backup, reject_unauth_destination|permit_mx_backup_networks=203.0.113.0/24", 3, 250,
			"554 5.7.1 <a@third.test>: Relay access denied" },
	};
	struct buf line;

	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[MAX_EXTRA] = { HERE };
		char set[400];
		struct lab l;

		ROW("%s %zu", rows[i].set, rows[i].n);
		snprintf(set, sizeof(set), "%s", rows[i].set);
		split(set, extra);
		REQUIRE(lab_open(&l, extra));
		lab_ask(&l, "192.0.2.1", strstr(rows[i].set, "backup") ? "a@third.test" : "a@relayed.test");
		judge(&l, ACCESS_AT_RCPT, &line);
		CHECK_INT(l.run.question, ACCESS_HOSTS);
		access_answer(&l.run, &(struct access_answer){ .code = rows[i].code, .enhanced = "", .text = "", .hosts = hosts, .n_hosts = rows[i].n });
		go_on(&l, &line);
		CHECK_STR(buf_cstr(&line), rows[i].want);
		lab_close(&l);
	}
	/* what the local part would send elsewhere is no mail for the domain that names us */
	for (size_t i = 0; i < 2; i++) {
		const char *extra[MAX_EXTRA] = { HERE, "smtpd_relay_restrictions=permit_mx_backup, reject_unauth_destination" };
		struct lab l;

		REQUIRE(lab_open(&l, extra));
		lab_ask(&l, "192.0.2.1", i ? "x!a@third.test" : "a%far.test@third.test");
		judge(&l, ACCESS_AT_RCPT, &line);
		CHECK(str_starts(buf_view(&line), STR("554 5.7.1 ")));
		lab_close(&l);
	}
	buf_fini(&line);
}

T(access_answers_who_is_listed_in_the_words_of_a_template)
{
	static const struct { const char *set, *text, *want; } rows[] = {
		{ "default_rbl_reply=$rbl_code 5.7.9 $rbl_class $client of ${helo_name} on $(rbl_domain)${rbl_reason?: $rbl_reason}${sasl_username:!}", "why",
			"554 5.7.9 Client host unknown[192.0.2.1] of h on zen.test: why!" },
		{ "default_rbl_reply=$rbl_code go${rbl_reason?{ for $rbl_reason}} $$", "", "554 5.7.1 go $" },
		{ "default_rbl_reply=450 wait, $recipient_domain", "", "450 4.7.1 wait, relayed.test" },
		{ "default_rbl_reply=go away", "", "450 4.7.1 Service unavailable" },
		{ "rbl_reply_maps=inline:{{zen.test = 521 5.7.1 see zen.test/$$client_address}}", "", "521 5.7.1 see zen.test/192.0.2.1" },
		{ "rbl_reply_maps=inline:{{other.test = 521 5.7.1 x}}", "", "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.test" },
		{ "rbl_reply_maps=fail:x", "", "451 4.3.0 <192.0.2.1>: Temporary lookup failure" },
	};
	static const struct ipaddr found = { AF_INET, { 127, 0, 0, 2 } };
	struct buf line;

	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[MAX_EXTRA] = { HERE, "smtpd_client_restrictions=reject_rbl_client zen.test", rows[i].set };
		struct lab l;

		ROW("%s", rows[i].set);
		REQUIRE(lab_open(&l, extra));
		lab_ask(&l, "192.0.2.1", "a@relayed.test");
		judge(&l, ACCESS_AT_RCPT, &line);
		access_answer(&l.run, &(struct access_answer){ .code = 250, .enhanced = "", .text = rows[i].text, .addresses = &found, .n_addresses = 1 });
		go_on(&l, &line);
		CHECK_STR(buf_cstr(&line), rows[i].want);
		lab_close(&l);
	}
	buf_fini(&line);
}

T(access_refuses_unknown_words_and_knows_an_open_relay)
{
	static const struct { const char *list; int errors; bool closes; const char *says; } rows[] = {
		{ "permit_mynetworks, reject_unauth_destination", 0, true, "" },
		{ "permit_mynetworks permit_sasl_authenticated defer_unauth_destination", 0, true, "" },
		{ "permit_mynetworks", 0, false, "" },
		{ "", 0, false, "" },
		{ "reject", 0, true, "" },
		{ "permit, reject_unauth_destination", 0, false, "" },
		{ "permit_mynetworks PERMIT reject", 0, false, "" },
		{ "reject_unauth_destination, permit", 0, true, "" },
		{ "warn_if_reject reject", 0, false, "" },
		{ "warn_if_reject permit, reject", 0, false, "" },
		/* a word and its argument are one thing, and all of a list are told at once */
		{ "check_policy_service unix:private/policy", 1, false,
			"smtpd_relay_restrictions: not done: \"check_policy_service unix:private/policy\": policy services are not asked: let another "
			"server ask it, or use reject_rbl_client and check_*_access in its place" },
		{ "check_policy_service inet:127.0.0.1:10023, bogus, reject_rlb_client x.test, bogus, reject", 2, true,
			"smtpd_relay_restrictions: not done: \"check_policy_service inet:127.0.0.1:10023\": policy services are not asked: let another "
			"server ask it, or use reject_rbl_client and check_*_access in its place" },
		{ "bogus, reject_rlb_client x.test, bogus, reject", 1, true,
			"smtpd_relay_restrictions: unknown: \"bogus\", \"reject_rlb_client\" (did you mean reject_rbl_client?), \"x.test\": take it out, "
			"or use a restriction that relaybox.conf(5) lists" },
		{ "bogus_check hash:/x, reject", 1, true,
			"smtpd_relay_restrictions: unknown: \"bogus_check hash:/x\": take it out, or use a restriction that relaybox.conf(5) lists" },
		{ "sleep 301, reject", 1, true, "smtpd_relay_restrictions: sleep 301: use a number of seconds, 1 to 300" },
		{ "sleep x, reject", 1, true, "smtpd_relay_restrictions: sleep x: use a number of seconds, 1 to 300" },
		{ "sleep 1, check_relay_domains", 0, true, "" },
		{ "permit_mx_backup", 0, false, "" },
		{ "permit_tls_clientcerts, permit_tls_clientcerts, reject", 0, true,
			"permit_tls_clientcerts: no client is asked for a certificate, so nobody is let in by one: set smtpd_tls_ask_ccert = yes" },
		{ "check_sender_access hash:/nonexistent/x, reject", 1, true, NULL },
		{ "reject_rbl_client", 1, false, "smtpd_relay_restrictions: reject_rbl_client needs an argument" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char list[300];
		const char *extra[MAX_EXTRA] = { HERE, list };
		struct lab l;

		ROW("%s", rows[i].list);
		snprintf(list, sizeof(list), "smtpd_relay_restrictions=%s", rows[i].list);
		lab_open(&l, extra);
		CHECK_INT(l.diag.errors, rows[i].errors);
		CHECK(access_rules_close(l.rules) == rows[i].closes);
		CHECK(!rows[i].says || !*rows[i].says == !l.diag.n);
		if (rows[i].says && *rows[i].says && l.diag.n)
			CHECK_STR(l.diag.v[l.diag.n - 1].text, rows[i].says);
		lab_close(&l);
	}
}

T(action_reads_what_tables_say)
{
	static const struct { const char *in; enum action_place place; enum action_kind kind; int code; const char *enhanced, *text; } rows[] = {
		{ "REJECT", ACTION_IN_ACCESS, ACTION_REJECT, 0, "", "" },
		{ "reject 5.1.7 no such shop ", ACTION_IN_ACCESS, ACTION_REJECT, 0, "5.1.7", "no such shop" },
		{ "550 go away", ACTION_IN_ACCESS, ACTION_REJECT, 550, "", "go away" },
		{ "450 4.7.1 later", ACTION_IN_ACCESS, ACTION_DEFER, 450, "4.7.1", "later" },
		{ "550", ACTION_IN_ACCESS, ACTION_OK, 0, "", "" },
		{ "relay", ACTION_IN_ACCESS, ACTION_OK, 0, "", "" },
		{ "550 go away", ACTION_IN_HEADER, ACTION_NONE, 0, "", "" },
		{ "1764000000", ACTION_IN_ACCESS, ACTION_OK, 0, "", "" },
		{ "OK", ACTION_IN_ACCESS, ACTION_OK, 0, "", "" }, { "OK", ACTION_IN_HEADER, ACTION_OK, 0, "", "" },
		{ "PASS", ACTION_IN_BODY, ACTION_PASS, 0, "", "" }, { "PASS", ACTION_IN_ACCESS, ACTION_NONE, 0, "", "" },
		{ "dunno", ACTION_IN_BODY, ACTION_DUNNO, 0, "", "" },
		{ "REDIRECT boss@x.test", ACTION_IN_HEADER, ACTION_REDIRECT, 0, "", "boss@x.test" },
		{ "PREPEND X-Spam: yes", ACTION_IN_ACCESS, ACTION_PREPEND, 0, "", "X-Spam: yes" },
		{ "REPLACE Subject: x", ACTION_IN_HEADER, ACTION_REPLACE, 0, "", "Subject: x" },
		{ "REPLACE Subject: x", ACTION_IN_ACCESS, ACTION_NONE, 0, "", "" },
		{ "HOLD", ACTION_IN_ACCESS, ACTION_HOLD, 0, "", "" },
		{ "permit_mynetworks, reject", ACTION_IN_ACCESS, ACTION_NONE, 0, "", "" },
		{ "", ACTION_IN_ACCESS, ACTION_NONE, 0, "", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct action a;
		char text[100], enhanced[20];

		ROW("%s", rows[i].in);
		action_parse(str_of(rows[i].in), rows[i].place, &a);
		CHECK_INT(a.kind, rows[i].kind);
		CHECK_INT(a.code, rows[i].code);
		snprintf(text, sizeof(text), "%.*s", STR_ARG(a.text));
		snprintf(enhanced, sizeof(enhanced), "%.*s", STR_ARG(a.enhanced));
		CHECK_STR(text, rows[i].text);
		CHECK_STR(enhanced, rows[i].enhanced);
	}
}

/* who may send as whom (postconf(5), smtpd_sender_login_maps) */
T(access_ties_senders_to_users)
{
#define MAPS "smtpd_sasl_auth_enable=yes|smtpd_sender_login_maps=inline:{a@own.test=Ann, {shared@own.test=ann, bob}, @dom.test=bob}|recipient_delimiter=+|"
	static const struct { const char *set, *user, *sender, *want; } rows[] = {
		{ MAPS "smtpd_sender_restrictions=reject_sender_login_mismatch", "ann", "a@own.test", "ok" },
		{ MAPS "smtpd_sender_restrictions=reject_sender_login_mismatch", "ann", "a+x@own.test", "ok" },
		{ MAPS "smtpd_sender_restrictions=reject_sender_login_mismatch", "bob", "shared@own.test", "ok" },
		{ MAPS "smtpd_sender_restrictions=reject_sender_login_mismatch", "bob", "any@dom.test", "ok" },
		{ MAPS "smtpd_sender_restrictions=reject_sender_login_mismatch", "ann", "any@dom.test",
			"553 5.7.1 <any@dom.test>: Sender address rejected: not owned by user ann" },
		{ MAPS "smtpd_sender_restrictions=reject_sender_login_mismatch", "ann", "x@else.test",
			"553 5.7.1 <x@else.test>: Sender address rejected: not owned by user ann" },
		{ MAPS "smtpd_sender_restrictions=reject_sender_login_mismatch", "ann", "", "ok" },
		{ MAPS "smtpd_sender_restrictions=reject_sender_login_mismatch", NULL, "a@own.test",
			"553 5.7.1 <a@own.test>: Sender address rejected: not logged in" },
		{ MAPS "smtpd_sender_restrictions=reject_sender_login_mismatch", NULL, "x@else.test", "ok" },
		{ MAPS "smtpd_sender_restrictions=reject_known_sender_login_mismatch", "ann", "x@else.test", "ok" },
		{ MAPS "smtpd_sender_restrictions=reject_known_sender_login_mismatch", "ann", "any@dom.test",
			"553 5.7.1 <any@dom.test>: Sender address rejected: not owned by user ann" },
		{ MAPS "smtpd_sender_restrictions=reject_known_sender_login_mismatch", NULL, "a@own.test", "ok" },
		{ MAPS "smtpd_sender_restrictions=reject_authenticated_sender_login_mismatch", "ann", "x@else.test",
			"553 5.7.1 <x@else.test>: Sender address rejected: not owned by user ann" },
		{ MAPS "smtpd_sender_restrictions=reject_authenticated_sender_login_mismatch", NULL, "a@own.test", "ok" },
		{ MAPS "smtpd_sender_restrictions=reject_unauthenticated_sender_login_mismatch", "bob", "a@own.test", "ok" },
		{ MAPS "smtpd_sender_restrictions=reject_unauthenticated_sender_login_mismatch", NULL, "a@own.test",
			"553 5.7.1 <a@own.test>: Sender address rejected: not logged in" },
		{ "smtpd_sasl_auth_enable=yes|smtpd_sender_login_maps=fail:x|smtpd_sender_restrictions=reject_sender_login_mismatch", "ann", "a@own.test",
			"451 4.3.0 <a@own.test>: Temporary lookup failure" },
		{ "smtpd_sasl_auth_enable=yes|smtpd_sender_login_maps=fail:x|smtpd_sender_restrictions=reject_unauthenticated_sender_login_mismatch", NULL, "a@own.test",
			"451 4.3.0 <a@own.test>: Temporary lookup failure" },
		{ "smtpd_sender_restrictions=reject_sender_login_mismatch", "ann", "a@own.test",
			"553 5.7.1 <a@own.test>: Sender address rejected: not owned by user ann" },
		{ "smtpd_client_restrictions=check_sasl_access inline:{ann=reject}", "ann", "a@own.test",
			"554 5.7.1 <ann>: SASL login name rejected: Access denied" },
		{ "smtpd_client_restrictions=check_sasl_access inline:{ann=reject}", "bob", "a@own.test", "ok" },
		{ "smtpd_client_restrictions=check_sasl_access inline:{ann=reject}", NULL, "a@own.test", "ok" },
	};
	struct buf line;

	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[MAX_EXTRA] = { HERE };
		char set[400];
		struct lab l;

		ROW("%zu", i);
		snprintf(set, sizeof(set), "%s", rows[i].set);
		split(set, extra);
		REQUIRE(lab_open(&l, extra));
		lab_ask(&l, "192.0.2.1", "a@relayed.test");
		l.request.sender = str_of(rows[i].sender);
		l.request.authenticated = rows[i].user != NULL;
		l.request.login = str_of(rows[i].user ? rows[i].user : "");
		judge(&l, ACCESS_AT_RCPT, &line);
		CHECK_STR(buf_cstr(&line), rows[i].want);
		lab_close(&l);
	}
	buf_fini(&line);
}

/* relay_clientcerts and its kin: the certificate's fingerprint, then its key's, or an authority's word */
T(access_knows_clients_by_their_certificates)
{
#define ASK "smtpd_tls_ask_ccert=yes|"
	static const struct { const char *set, *cert, *key; bool trusted; const char *want; } rows[] = {
		{ ASK "relay_clientcerts=inline:{AA:01=x}|smtpd_client_restrictions=permit_tls_clientcerts,reject", "AA:01", "BB:02", false, "ok" },
		{ ASK "relay_clientcerts=inline:{BB:02=x}|smtpd_client_restrictions=permit_tls_clientcerts,reject", "AA:01", "BB:02", false, "ok" },
		{ ASK "relay_clientcerts=inline:{AA:03=x}|smtpd_client_restrictions=permit_tls_clientcerts,reject", "AA:01", "BB:02", true,
			"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied" },
		{ ASK "relay_clientcerts=static:x|smtpd_client_restrictions=permit_tls_clientcerts,reject", "", "", false,
			"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied" },
		{ ASK "relay_clientcerts=fail:x|smtpd_client_restrictions=permit_tls_clientcerts,reject", "AA:01", "BB:02", false,
			"451 4.3.0 <AA:01>: Temporary lookup failure" },
		{ ASK "smtpd_client_restrictions=permit_tls_all_clientcerts,reject", "AA:01", "BB:02", true, "ok" },
		{ ASK "smtpd_client_restrictions=permit_tls_all_clientcerts,reject", "AA:01", "BB:02", false,
			"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied" },
		{ ASK "smtpd_client_restrictions=check_ccert_access inline:{AA:01=DUNNO, BB:02=REJECT}", "AA:01", "BB:02", false, "ok" },
		{ ASK "smtpd_client_restrictions=check_ccert_access inline:{{BB:02=REJECT no}}", "AA:01", "BB:02", false,
			"554 5.7.1 <name>: Client certificate rejected: no" },
		{ ASK "smtpd_client_restrictions=check_ccert_access static:REJECT", "", "", false, "ok" },
		{ ASK "smtpd_client_restrictions=check_ccert_access fail:x", "AA:01", "BB:02", false, "451 4.3.0 <AA:01>: Temporary lookup failure" },
	};
	struct buf line;

	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *extra[MAX_EXTRA] = { HERE };
		char set[400];
		struct lab l;

		ROW("%zu", i);
		snprintf(set, sizeof(set), "%s", rows[i].set);
		split(set, extra);
		REQUIRE(lab_open(&l, extra));
		lab_ask(&l, "192.0.2.1", "a@relayed.test");
		l.request.ccert[0] = str_of(rows[i].cert);
		l.request.ccert[1] = str_of(rows[i].key);
		l.request.ccert_name = STR("name");
		l.request.ccert_trusted = rows[i].trusted;
		judge(&l, ACCESS_AT_RCPT, &line);
		CHECK_STR(buf_cstr(&line), rows[i].want);
		lab_close(&l);
	}
	buf_fini(&line);
}
