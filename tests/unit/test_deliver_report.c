/* Reports about TLS (RFC 8460): who asks for one gets one, by mail; who cannot be asked is asked again; what nobody wants is dropped. */
#include "core/deliver/tls_report.h"
#include "core/policy/tlsrpt.h"
#include "tests/unit/deliver_world.h"

static char folder[300];

/* counted - the file of a relayd that has counted sessions so many days ago */
static void counted(int days_ago, const char *domain)
{
	char path[400], text[600];

	snprintf(path, sizeof(path), "%s/tlsrpt", folder);
	snprintf(text, sizeof(text), "relaybox tlsrpt 1\ntally %lld no-policy-found %s 3 1\nfailure starttls-not-supported 1 mx.x.test 192.0.2.1 192.0.2.9 no TLS\nend\n",
		(long long)tlsrpt_day(clock_wall()) - days_ago, domain);
	fs_replace(path, 0600, str_of(text));
}

static const char *kept(void)
{
	static struct buf b;
	char path[400];

	snprintf(path, sizeof(path), "%s/tlsrpt", folder);
	buf_fini(&b);
	buf_init(&b, 100000);
	fs_read_file(path, &b);
	return buf_cstr(&b);
}

static bool begin(struct world *w, struct names *names)
{
	static const char *const extra[] = { BASE, "smtp_tlsrpt_enable=yes", "tlsrpt_contact=tls@b.test", "tlsrpt_organization=B", "smtp_tls_security_level=may", NULL };

	snprintf(folder, sizeof(folder), "%s/rep", t_tmpdir());
	fs_mkdir(folder, 0700);
	return chdir(folder) == 0 && names_start(names) && world_open(w, extra, names, -1);
}

static const char *header_of(struct world *w, struct qmsg *m, struct envelope *e)
{
	static char text[2000];
	static struct arena a;
	struct store_reader *r = store_read_open(w->store, m);

	arena_fini(&a);
	arena_init(&a, 1 << 20);
	CHECK_INT(store_envelope(w->store, m, &a, e), 0);
	snprintf(text, sizeof(text), "%.*s", STR_ARG(store_read_header(r)));
	store_read_close(r);
	return text;
}

T(report_goes_to_who_asks_for_it)
{
	static const struct { const char *name, *value; char kind; int days_ago; size_t mails; bool kept; const char *log; } rows[] = {
		{ "one address", "v=TLSRPTv1; rua=mailto:r@y.test", 'T', 2, 1, false, ": queued as " }, { "two", "v=TLSRPTv1; rua=mailto:r@y.test,mailto:q@y.test", 'T', 2, 2, false, ": queued as " },
		{ "no such name", "", 'N', 2, 0, false, NULL }, { "nobody answers", "", 'S', 2, 0, true, NULL }, { "nobody answers, for too long", "", 'S', 3, 0, false, NULL },
		{ "no record of that kind", "v=spf1 -all", 'T', 2, 0, false, NULL }, { "a record that is wrong", "v=TLSRPTv1; rua=", 'T', 2, 0, false, NULL },
		{ "another port", "v=TLSRPTv1; rua=https://y.test:8443/x", 'T', 2, 0, false, "is not called: " },
		{ "one of both", "v=TLSRPTv1; rua=https://y.test:8443/x,mailto:r@y.test", 'T', 2, 1, false, "is not called: " }, { "of today", "v=TLSRPTv1; rua=mailto:r@y.test", 'T', 0, 0, true, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct name records[] = { { "_smtp._tls.x.test", rows[i].kind, rows[i].value } };
		struct names names = { .v = records, .n = 1 };
		struct world w;
		usec end;

		ROW("%s", rows[i].name);
		snprintf(folder, sizeof(folder), "%s/rep", t_tmpdir());
		fs_mkdir(folder, 0700);
		counted(rows[i].days_ago, "x.test");
		REQUIRE(begin(&w, &names));
		end = clock_mono() + (rows[i].kept ? 3 : 20) * USEC_PER_SEC;
		while (clock_mono() < end && (rows[i].kept || w.n_queued < rows[i].mails || strstr(kept(), "tally"))) {
			loop_tick(w.loop, 20 * USEC_PER_MSEC);
			store_tick(w.store, clock_mono());
		}
		CHECK_INT(w.n_queued, rows[i].mails);
		CHECK_INT(strstr(kept(), "tally") != NULL, rows[i].kept);
		if (rows[i].log)
			CHECK(strstr(world_log(&w), rows[i].log) != NULL);
		for (size_t k = 0; k < w.n_queued && k < rows[i].mails; k++) {
			struct envelope e;
			const char *header = header_of(&w, w.queued[k], &e);

			CHECK_INT(e.n_rcpts, 1);
			CHECK_VIEW(e.rcpts[0].addr, k ? "q@y.test" : "r@y.test");
			CHECK(strstr(header, "Subject: Report Domain: x.test Submitter: mx.example.jp\r\n\tReport-ID: <") != NULL);
			CHECK(strstr(header, "From: <tls@b.test>\r\n") && strstr(header, "TLS-Required: No\r\n") && strstr(header, "TLS-Report-Domain: x.test\r\n"));
			CHECK(strstr(header, "report-type=\"tlsrpt\"") != NULL);
		}
		world_close(&w);
		names_stop(&names);
	}
}

T(file_that_is_damaged_begins_anew)
{
	struct names names = { .n = 0 };
	struct world w;
	char path[400];

	snprintf(folder, sizeof(folder), "%s/rep", t_tmpdir());
	fs_mkdir(folder, 0700);
	snprintf(path, sizeof(path), "%s/tlsrpt", folder);
	fs_replace(path, 0600, STR("rubbish\n"));
	REQUIRE(begin(&w, &names));
	CHECK(strstr(world_log(&w), "is damaged, or another version's: TLS reports begin anew") != NULL);
	world_close(&w);
	names_stop(&names);
}
