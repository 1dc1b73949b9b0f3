/* access: who may send to whom, as rows of configuration, client, recipient and the reply in full. */
#include <stdio.h>

#include "core/access/access.h"
#include "core/base/mem.h"
#include "tests/unit/t.h"

struct lab {
	struct conf_diag diag;
	struct conf *conf;
	struct master master;
	struct router *router;
	struct access_list *relay, *recipient;
};

static bool lab_open(struct lab *l, const char *const *extra)
{
	memset(l, 0, sizeof *l);
	conf_diag_init(&l->diag);
	l->conf = conf_load(t_tmpdir(), extra, &l->diag);
	if (!l->conf || master_load(l->conf, &l->master, &l->diag) != 0)
		return false;
	l->router = router_new(l->conf, &l->master, &l->diag);
	l->relay = access_compile(l->conf->smtpd_relay_restrictions, "smtpd_relay_restrictions", l->conf, &l->diag);
	l->recipient = access_compile(l->conf->smtpd_recipient_restrictions, "smtpd_recipient_restrictions", l->conf, &l->diag);
	return l->router != NULL;
}

static void lab_close(struct lab *l)
{
	access_list_free(l->relay);
	access_list_free(l->recipient);
	if (l->router)
		router_free(l->router);
	master_fini(&l->master);
	if (l->conf)
		conf_free(l->conf);
	conf_diag_fini(&l->diag);
}

#define HERE "myhostname=here.example.test", "mydestination=here.example.test", "mynetworks=10.0.0.0/8", "relay_domains=relayed.test", "alias_maps="
#define MAX_EXTRA 12

/* judge - the first outcome and, for a refusal, the reply in one line */
static void judge(struct lab *l, const char *client, const char *rcpt, struct access_run *run, struct access_request *q, struct buf *line)
{
	*q = (struct access_request){.router = l->router, .conf = l->conf, .client_name = STR("unknown"), .helo = STR("h"),
		.sender = STR("s@outside.test"), .rcpt = str_of(rcpt)};
	ipaddr_parse(str_of(client), &q->client);
	access_begin(run, q, l->relay, l->recipient);
	enum access_outcome o = access_next(run);
	buf_clear(line);
	switch (o) {
	case ACCESS_OK: buf_z(line, "ok"); break;
	case ACCESS_REFUSE: reply_line(line, &run->reply); break;
	case ACCESS_ASK_DOMAIN: buf_printf(line, "domain %.*s", STR_ARG(run->question)); break;
	case ACCESS_ASK_VERIFY: buf_printf(line, "verify %.*s", STR_ARG(run->question)); break;
	}
}

T(access_decides_by_client_and_recipient)
{
	static const struct { const char *relay, *recipient, *client, *rcpt, *want; } rows[] = {
		{NULL, NULL, "10.1.2.3", "a@third.test", "ok"},
		{NULL, NULL, "192.0.2.1", "a@third.test", "454 4.7.1 <a@third.test>: Relay access denied"},
		{NULL, NULL, "192.0.2.1", "a@here.example.test", "ok"},
		{NULL, NULL, "192.0.2.1", "a@relayed.test", "ok"},
		{NULL, NULL, "192.0.2.1", "a@sub.relayed.test", "ok"},
		{NULL, NULL, "192.0.2.1", "a%third.test@here.example.test", "454 4.7.1 <a%third.test@here.example.test>: Relay access denied"},
		{NULL, NULL, "192.0.2.1", "\"a@third.test\"@here.example.test", "454 4.7.1 <\"a@third.test\"@here.example.test>: Relay access denied"},
		{NULL, NULL, "192.0.2.1", "third.test!a@relayed.test", "454 4.7.1 <third.test!a@relayed.test>: Relay access denied"},
		{NULL, "permit_mynetworks", "192.0.2.1", "a@third.test", "454 4.7.1 <a@third.test>: Relay access denied"},
		{"permit_mynetworks, reject_unauth_destination", NULL, "192.0.2.1", "a@third.test", "554 5.7.1 <a@third.test>: Relay access denied"},
		{"", "permit_mynetworks reject_unauth_destination", "192.0.2.1", "a@third.test", "554 5.7.1 <a@third.test>: Relay access denied"},
		{NULL, "reject", "192.0.2.1", "a@here.example.test", "554 5.7.1 <a@here.example.test>: Recipient address rejected: Access denied"},
		{NULL, "reject_non_fqdn_recipient", "10.1.1.1", "a@host", "504 5.5.2 <a@host>: Recipient address rejected: need fully-qualified address"},
		{NULL, "reject_unknown_recipient_domain", "10.1.1.1", "a@third.test", "domain third.test"},
		{NULL, "reject_unknown_recipient_domain", "10.1.1.1", "a@here.example.test", "ok"},
		/* a stranger's mail to a third domain is refused before any probe is made */
		{NULL, "permit_mynetworks, reject_unverified_recipient, reject_unauth_destination", "192.0.2.1", "a@third.test",
			"454 4.7.1 <a@third.test>: Relay access denied"},
		{NULL, "permit_mynetworks, reject_unverified_recipient, reject_unauth_destination", "192.0.2.1", "a@relayed.test", "verify a@relayed.test"},
		{NULL, "permit_mynetworks, reject_unverified_recipient", "10.0.0.1", "a@relayed.test", "ok"},
	};
	struct buf line;
	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char relay[300], recipient[300];
		const char *extra[MAX_EXTRA] = {HERE};
		size_t n = 5;
		struct lab l;
		struct access_run run;
		struct access_request q;
		ROW("%zu %s", i, rows[i].rcpt);
		snprintf(relay, sizeof relay, "smtpd_relay_restrictions=%s", rows[i].relay ? rows[i].relay : "");
		snprintf(recipient, sizeof recipient, "smtpd_recipient_restrictions=%s", rows[i].recipient ? rows[i].recipient : "");
		if (rows[i].relay)
			extra[n++] = relay;
		if (rows[i].recipient)
			extra[n++] = recipient;
		if (CHECK(lab_open(&l, extra))) {
			judge(&l, rows[i].client, rows[i].rcpt, &run, &q, &line);
			CHECK_STR(buf_cstr(&line), rows[i].want);
		}
		lab_close(&l);
	}
	buf_fini(&line);
}

T(access_goes_on_after_an_answer)
{
	static const struct { int code; const char *enhanced, *text, *want; } rows[] = {
		{250, "2.1.5", "deliverable", "ok"},
		{550, "5.1.1", "host x said: 550 no", "450 4.1.1 <a@relayed.test>: Recipient address rejected: undeliverable address: host x said: 550 no"},
		{450, "4.2.0", "in progress", "450 4.2.0 <a@relayed.test>: Recipient address rejected: unverified address: in progress"},
	};
	const char *extra[MAX_EXTRA] = {HERE, "smtpd_recipient_restrictions=reject_unverified_recipient"};
	struct lab l;
	struct buf line;
	buf_init(&line, 4096);
	REQUIRE(lab_open(&l, extra));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct access_run run;
		struct access_request q;
		struct reply a;
		ROW("%d", rows[i].code);
		judge(&l, "192.0.2.1", "a@relayed.test", &run, &q, &line);
		CHECK_STR(buf_cstr(&line), "verify a@relayed.test");
		reply_set(&a, rows[i].code, rows[i].enhanced, "%s", rows[i].text);
		access_answer(&run, &a);
		enum access_outcome o = access_next(&run);
		buf_clear(&line);
		if (o == ACCESS_OK)
			buf_z(&line, "ok");
		else
			reply_line(&line, &run.reply);
		CHECK_STR(buf_cstr(&line), rows[i].want);
	}
	buf_fini(&line);
	lab_close(&l);
}

/* a lookup that fails for now does not stop the search for a refusal, unless the action says so */
T(access_puts_off_and_looks_for_a_refusal)
{
	static const struct { const char *list, *action; int code; const char *want; } rows[] = {
		{"reject_unverified_recipient, reject", NULL, 450, "554 5.7.1 <a@relayed.test>: Recipient address rejected: Access denied"},
		{"reject_unverified_recipient, reject", "unverified_recipient_tempfail_action=defer", 450,
			"450 4.1.1 <a@relayed.test>: Recipient address rejected: unverified address: why"},
		{"reject_unverified_recipient, permit", NULL, 450, "450 4.1.1 <a@relayed.test>: Recipient address rejected: unverified address: why"},
		{"reject_unverified_recipient, reject", NULL, 550, "450 4.1.1 <a@relayed.test>: Recipient address rejected: undeliverable address: why"},
		{"reject_unverified_recipient", "unverified_recipient_reject_code=550", 550,
			"550 5.1.1 <a@relayed.test>: Recipient address rejected: undeliverable address: why"},
		{"reject_unverified_recipient", "unverified_recipient_defer_code=451", 450,
			"451 4.1.1 <a@relayed.test>: Recipient address rejected: unverified address: why"},
		{"reject_unverified_recipient", "unverified_recipient_reject_code=250", 550, "ok"},
		/* each word is asked again: the second no is final */
		{"reject_unverified_recipient, reject_unverified_recipient", "unverified_recipient_tempfail_action=defer", 450,
			"450 4.1.1 <a@relayed.test>: Recipient address rejected: unverified address: why"},
	};
	struct buf line;
	buf_init(&line, 4096);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char list[300];
		const char *extra[MAX_EXTRA] = {HERE, list, rows[i].action};
		struct lab l;
		struct access_run run;
		struct access_request q;
		struct reply a;
		unsigned asked = 0;
		ROW("%zu", i);
		snprintf(list, sizeof list, "smtpd_recipient_restrictions=%s", rows[i].list);
		REQUIRE(lab_open(&l, extra));
		judge(&l, "192.0.2.1", "a@relayed.test", &run, &q, &line);
		enum access_outcome o = ACCESS_ASK_VERIFY;
		while (o == ACCESS_ASK_VERIFY && asked++ < 5) {
			reply_set(&a, rows[i].code, rows[i].code == 550 ? "5.1.1" : "4.1.1", "why");
			access_answer(&run, &a);
			o = access_next(&run);
		}
		buf_clear(&line);
		if (o == ACCESS_OK)
			buf_z(&line, "ok");
		else
			reply_line(&line, &run.reply);
		CHECK_STR(buf_cstr(&line), rows[i].want);
		lab_close(&l);
	}
	buf_fini(&line);
}

T(access_refuses_unknown_words_and_knows_an_open_relay)
{
	static const struct { const char *list; int errors; bool closes; } rows[] = {
		{"permit_mynetworks, reject_unauth_destination", 0, true},
		{"permit_mynetworks permit_sasl_authenticated defer_unauth_destination", 0, true},
		{"permit_mynetworks", 0, false},
		{"", 0, false},
		{"reject", 0, true},
		{"permit, reject_unauth_destination", 0, false},
		{"permit_mynetworks PERMIT reject", 0, false},
		{"reject_unauth_destination, permit", 0, true},
		{"check_policy_service unix:private/policy", 2, false},
		{"reject_rbl_client zen.example.org, reject_unauth_destination", 2, true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct conf_diag d;
		conf_diag_init(&d);
		ROW("%s", rows[i].list);
		struct access_list *l = access_compile(rows[i].list, "smtpd_relay_restrictions", NULL, &d);
		CHECK_INT(d.errors, rows[i].errors);
		CHECK(access_list_closes(l) == rows[i].closes);
		access_list_free(l);
		conf_diag_fini(&d);
	}
}
