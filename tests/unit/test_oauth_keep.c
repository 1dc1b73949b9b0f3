/* Tokens that are kept: had where they are first needed, used until shortly before their end, renewed ahead, and shared with other
 * processes. The network and the clock are the test's: what would be asked is looked at, and answered by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "core/net/fetch.h"
#include "core/net/tls.h"
#include "core/oauth/oauth.h"
#include "core/oauth/source.h"
#include "core/oauth/state.h"
#include "core/oauth/work.h"
#include "tests/unit/t.h"

/* --- a clock and a network ---------------------------------------------------------------------------------------------------- */

static usec now = 1700000000 * USEC_PER_SEC;

usec clock_mono(void) { return now; }
usec clock_wall(void) { return now; }
usec clock_thread(uint64_t *pages)
{
	*pages = 0;
	return now;
}

static struct {
	unsigned started, cancelled;
	bool going;
	char host[100], path[100], body[2000];
	uint16_t port;
	fetch_fn fn;
	void *ctx;
} net;

static void take(char *to, size_t size, struct str s)
{
	snprintf(to, size, "%.*s", STR_ARG(s));
}

struct fetch *fetch_start(const struct fetch_options *o, fetch_fn fn, void *ctx)
{
	net.started++;
	net.going = true;
	take(net.host, sizeof(net.host), o->host);
	take(net.path, sizeof(net.path), o->path);
	take(net.body, sizeof(net.body), o->body);
	net.port = o->port;
	net.fn = fn;
	net.ctx = ctx;
	return (struct fetch *)(void *)&net;
}

void fetch_cancel(struct fetch *f)
{
	(void)f;
	net.cancelled++;
	net.going = false;
}

uint16_t fetch_port(struct str host, uint16_t port) { return port; }

bool fetch_split(struct str url, struct str *host, uint16_t *port, struct str *path)
{
	ptrdiff_t slash;

	if (!str_starts(url, STR("https://")))
		return false;
	url = str_from(url, 8);
	slash = str_chr(url, '/');
	*host = str_head(url, slash < 0 ? url.n : (size_t)slash);
	*path = slash < 0 ? STR("/") : str_from(url, (size_t)slash);
	*port = 443;
	return host->n > 0;
}

static bool no_trust;

struct tls_context *fetch_trust(const char *ca_file, struct buf *why)
{
	(void)ca_file;
	if (no_trust)
		buf_z(why, "no authorities");
	return no_trust ? NULL : tls_context_new(&(struct tls_options){ .server = false }, why);
}

static void answer(int status, const char *body)
{
	struct fetch_answer a = { .status = status, .body = str_of(body), .why = status ? "" : "nobody is there" };

	CHECK(net.going);
	net.going = false;
	net.fn(net.ctx, &a);
}

/* --- who asks ----------------------------------------------------------------------------------------------------------------- */

struct told { int n; char token[200], why[LIMIT_OAUTH_WHY]; };

static void on_told(void *ctx, struct str token, const char *why)
{
	struct told *t = ctx;

	t->n++;
	take(t->token, sizeof(t->token), token);
	snprintf(t->why, sizeof(t->why), "%s", why);
}

static struct loop *loop;
static struct conf conf = { .oauth_tls_CAfile = "" };
static char credential[300], kept[300];

static struct oauth *begin(const char *text, bool beside)
{
	static int n;

	log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = "/dev/null", .syslog_name = "postfix", .host = "h" });
	memset(&net, 0, sizeof(net));
	snprintf(credential, sizeof(credential), "%s/c%d", t_tmpdir(), n);
	snprintf(kept, sizeof(kept), "%s/k%d", t_tmpdir(), n++);
	fs_replace(credential, 0600, str_of(text));
	loop = loop_new();
	return oauth_new(&(struct oauth_options){ .loop = loop, .directory = beside ? NULL : kept });
}

static void end(struct oauth *o)
{
	oauth_free(o);
	loop_free(loop);
}

static void ticks(void)
{
	for (int i = 0; i < 4; i++)
		loop_tick(loop, 0);
}

/* ask - and all that can happen without the network */
static struct told *ask(struct oauth *o, struct told *t)
{
	*t = (struct told){ .n = 0 };
	oauth_ask(o, str_of(credential), &conf, on_told, t);
	CHECK_INT(t->n, 0);
	ticks();
	return t;
}

static void pass(int64_t seconds)
{
	now += seconds * USEC_PER_SEC;
	ticks();
}

#define FRESH "{\"client_id\":\"id\",\"client_secret\":\"s\",\"refresh_token\":\"r1\",\"token_endpoint\":\"https://idp.test/token\",\"scope\":\"mail\"}"

T(token_is_had_once_and_used_until_shortly_before_its_end)
{
	struct oauth *o = begin(FRESH, false);
	struct told a, b, c;

	ask(o, &a);
	CHECK_INT(a.n, 0);
	CHECK_STR(net.host, "idp.test");
	CHECK_STR(net.path, "/token");
	CHECK_STR(net.body, "grant_type=refresh_token&client_id=id&client_secret=s&refresh_token=r1&scope=mail");
	/* who comes meanwhile waits for the same answer */
	ask(o, &b);
	CHECK_INT(net.started, 1);
	CHECK_INT(b.n, 0);
	answer(200, "{\"access_token\":\"t1\",\"expires_in\":3600}");
	ticks();
	CHECK_INT(a.n, 1);
	CHECK_STR(a.token, "t1");
	CHECK_STR(a.why, "");
	CHECK_INT(b.n, 1);
	CHECK_STR(b.token, "t1");
	ask(o, &c);
	CHECK_INT(c.n, 1);
	CHECK_STR(c.token, "t1");
	pass(3600 - 300 - 1);
	CHECK_STR(ask(o, &c)->token, "t1");
	CHECK_INT(net.started, 1);
	/* renewed ahead; those that ask meanwhile have the old one */
	pass(1);
	ask(o, &a);
	CHECK_INT(net.started, 2);
	CHECK_INT(a.n, 1);
	CHECK_STR(a.token, "t1");
	pass(300 - 31);
	CHECK_STR(ask(o, &b)->token, "t1");
	/* so late it may end on the way */
	pass(1);
	CHECK_INT(ask(o, &c)->n, 0);
	CHECK_INT(net.started, 2);
	answer(200, "{\"access_token\":\"t2\",\"refresh_token\":\"r2\",\"expires_in\":100}");
	ticks();
	CHECK_STR(c.token, "t2");
	/* of a short life the last quarter */
	pass(74);
	CHECK_STR(ask(o, &a)->token, "t2");
	CHECK_INT(net.started, 2);
	pass(1);
	CHECK_STR(ask(o, &a)->token, "t2");
	CHECK_INT(net.started, 3);
	CHECK_STR(net.body, "grant_type=refresh_token&client_id=id&client_secret=s&refresh_token=r2&scope=mail");
	answer(200, "{\"access_token\":\"t3\"}");
	ticks();
	/* of a life that was not said fifty minutes are taken */
	pass(3000 - 301);
	CHECK_STR(ask(o, &a)->token, "t3");
	CHECK_INT(net.started, 3);
	pass(1);
	ask(o, &a);
	CHECK_INT(net.started, 4);
	end(o);
	CHECK_INT(net.cancelled, 1);
}

T(endpoint_that_fails_is_left_alone_for_a_while)
{
	static const int waits[] = { 15, 30, 60, 120, 240, 480, 900, 900 };
	struct oauth *o = begin(FRESH, false);
	struct told a, b;

	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		ROW("try %zu", i);
		ask(o, &a);
		CHECK_INT(net.started, i + 1);
		answer(i % 2 ? 400 : 0, i % 2 ? "{\"error\":\"invalid_client\"}" : "");
		ticks();
		CHECK_INT(a.n, 1);
		CHECK_STR(a.token, "");
		CHECK(strstr(a.why, i % 2 ? "client_id or client_secret is wrong" : "nobody is there") != NULL);
		pass(waits[i] - 1);
		ask(o, &b);
		CHECK_INT(b.n, 1);
		CHECK_STR(b.token, "");
		CHECK_STR(b.why, a.why);
		CHECK_INT(net.started, i + 1);
		pass(1);
	}
	/* a success makes all of it good */
	ask(o, &a);
	answer(200, "{\"access_token\":\"t\",\"expires_in\":3600}");
	ticks();
	CHECK_STR(a.token, "t");
	CHECK_STR(a.why, "");
	/* the old one is good for those who wait, as long as it lasts */
	pass(3400);
	ask(o, &a);
	answer(500, "");
	ticks();
	CHECK_STR(ask(o, &b)->token, "t");
	pass(200);
	ask(o, &b);
	CHECK_INT(b.n, 0);
	answer(500, "");
	ticks();
	CHECK_STR(b.token, "");
	CHECK(b.why[0] != 0);
	end(o);
}

T(token_outlives_the_process)
{
	for (int beside = 0; beside < 2; beside++) {
		struct oauth *o = begin(FRESH, beside);
		struct told a;
		struct stat st;
		char path[OAUTH_STATE_PATH];

		ROW("%d", beside);
		ask(o, &a);
		answer(200, "{\"access_token\":\"t1\",\"refresh_token\":\"r2\",\"expires_in\":3600}");
		ticks();
		CHECK_STR(a.token, "t1");
		oauth_state_path(beside ? NULL : kept, credential, path);
		CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
		oauth_free(o);
		o = oauth_new(&(struct oauth_options){ .loop = loop, .directory = beside ? "" : kept });
		CHECK_STR(ask(o, &a)->token, "t1");
		CHECK_INT(net.started, 1);
		/* and what it was given in place of the refresh token */
		pass(3600);
		ask(o, &a);
		CHECK_STR(net.body, "grant_type=refresh_token&client_id=id&client_secret=s&refresh_token=r2&scope=mail");
		oauth_free(o);
		/* who wants a fresh one does not take it */
		now -= 3600 * USEC_PER_SEC;
		o = oauth_new(&(struct oauth_options){ .loop = loop, .directory = beside ? NULL : kept, .fresh = true });
		CHECK_INT(ask(o, &a)->n, 0);
		answer(200, "{\"access_token\":\"t2\",\"expires_in\":3600}");
		ticks();
		CHECK_STR(a.token, "t2");
		CHECK_STR(ask(o, &a)->token, "t2");
		end(o);
	}
}

T(what_another_process_was_given_is_ours_too)
{
	struct oauth *o = begin(FRESH, false), *other;
	struct told a, b;
	unsigned before;

	ask(o, &a);
	answer(200, "{\"access_token\":\"t1\",\"expires_in\":3600}");
	ticks();
	other = oauth_new(&(struct oauth_options){ .loop = loop, .directory = kept });
	pass(3580);
	ask(other, &b);
	answer(200, "{\"access_token\":\"t2\",\"refresh_token\":\"r2\",\"expires_in\":3600}");
	ticks();
	CHECK_STR(b.token, "t2");
	before = net.started;
	CHECK_STR(ask(o, &a)->token, "t2");
	CHECK_INT(net.started, before);
	/* both ask at once: the second one's refresh token is spent, and what the first was given counts */
	pass(3590);
	ask(o, &a);
	CHECK_INT(net.started, before + 1);
	{
		fetch_fn fn = net.fn;
		void *ctx = net.ctx;
		struct fetch_answer spent = { .status = 400, .body = STR("{\"error\":\"invalid_grant\"}"), .why = "" };

		ask(other, &b);
		CHECK_INT(net.started, before + 2);
		answer(200, "{\"access_token\":\"t3\",\"refresh_token\":\"r3\",\"expires_in\":3600}");
		ticks();
		CHECK_STR(b.token, "t3");
		fn(ctx, &spent);
		ticks();
		CHECK_INT(a.n, 1);
		CHECK_STR(a.token, "t3");
	}
	oauth_free(other);
	end(o);
}

T(credential_that_was_changed_counts_for_more)
{
	struct oauth *o = begin(FRESH, false);
	struct told a;

	ask(o, &a);
	fs_replace(credential, 0600, STR("{\"client_id\":\"id2\",\"refresh_token\":\"n1\",\"token_endpoint\":\"https://other.test/t\"}"));
	ask(o, &a);
	CHECK_INT(net.cancelled, 1);
	CHECK_INT(net.started, 2);
	CHECK_STR(net.host, "other.test");
	CHECK_STR(net.body, "grant_type=refresh_token&client_id=id2&refresh_token=n1");
	answer(200, "{\"access_token\":\"t1\",\"expires_in\":3600}");
	ticks();
	CHECK_STR(a.token, "t1");
	/* with a token of its own, and how long it lasts */
	{
		char text[300];

		snprintf(text, sizeof(text), "{\"client_id\":\"id\",\"refresh_token\":\"n1\",\"token_endpoint\":\"https://o.test/\",\"access_token\":\"own\",\"expiry\":%lld}",
			(long long)(now / USEC_PER_SEC) + 1000);
		fs_replace(credential, 0600, str_of(text));
	}
	CHECK_STR(ask(o, &a)->token, "own");
	CHECK_INT(net.started, 2);
	/* without an end it is not used */
	fs_replace(credential, 0600, STR("{\"client_id\":\"id\",\"refresh_token\":\"n1\",\"token_endpoint\":\"https://o.test/\",\"access_token\":\"own2\"}"));
	CHECK_INT(ask(o, &a)->n, 0);
	CHECK_INT(net.started, 3);
	/* client_credentials, where there is no refresh token */
	fs_replace(credential, 0600, STR("{\"client_id\":\"i d\",\"client_secret\":\"s&~\",\"token_endpoint\":\"https://o.test/\"}"));
	ask(o, &a);
	CHECK_STR(net.body, "grant_type=client_credentials&client_id=i%20d&client_secret=s%26~");
	end(o);
}

T(credential_that_cannot_be_used_is_told)
{
	static const struct { const char *text, *says; } rows[] = {
		{ "rubbish", "no JSON object" }, { "{", "not a JSON object" }, { "{}", "token_endpoint is not an https:// address" },
		{ "{\"token_endpoint\":\"http://a/\"}", "token_endpoint is not an https:// address" }, { "{\"token_endpoint\":\"https://a/\"}", "no client_id" },
		{ "{\"token_endpoint\":\"https://a/\",\"client_id\":\"i\"}", "neither refresh_token nor client_secret" },
		{ "{\"token_endpoint\":\"https://a/\",\"private_key\":\"k\"}", "private_key without client_email" },
		{ "{\"token_endpoint\":\"https://a/\",\"private_key\":\"k\",\"client_email\":\"e\"}", "the private key is no RSA key in PEM form" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct oauth *o = begin(rows[i].text, false);
		struct told a;

		ROW("%s", rows[i].text);
		ask(o, &a);
		CHECK_INT(a.n, 1);
		CHECK_STR(a.token, "");
		if (!CHECK(strstr(a.why, rows[i].says) != NULL))
			printf("# %s\n", a.why);
		CHECK_INT(net.started, 0);
		end(o);
	}
	{
		struct oauth *o = begin(FRESH, false);
		struct told a;

		unlink(credential);
		ask(o, &a);
		CHECK(strstr(a.why, ": No such file or directory") != NULL);
		fs_replace(credential, 0600, STR(FRESH));
		no_trust = true;
		ask(o, &a);
		CHECK(strstr(a.why, "no authorities") != NULL);
		CHECK_INT(net.started, 0);
		no_trust = false;
		end(o);
	}
}

T(token_that_a_server_refuses_is_had_anew_unless_it_is_new)
{
	struct oauth *o = begin(FRESH, false);
	struct told a;

	ask(o, &a);
	answer(200, "{\"access_token\":\"t1\",\"expires_in\":3600}");
	ticks();
	/* of another one nothing is known */
	CHECK(oauth_refused(o, str_of(credential), STR("t0")));
	CHECK_STR(ask(o, &a)->token, "t1");
	pass(60);
	CHECK(oauth_refused(o, str_of(credential), STR("t1")));
	ticks();
	CHECK_INT(ask(o, &a)->n, 0);
	CHECK_INT(net.started, 2);
	answer(200, "{\"access_token\":\"t2\",\"expires_in\":3600}");
	ticks();
	CHECK_STR(a.token, "t2");
	pass(59);
	CHECK(!oauth_refused(o, str_of(credential), STR("t2")));
	ticks();
	ask(o, &a);
	CHECK_INT(a.n, 1);
	CHECK_STR(a.token, "");
	CHECK_STR(a.why, "a new access token was refused by the server");
	CHECK_INT(net.started, 2);
	pass(15);
	ask(o, &a);
	CHECK_INT(net.started, 3);
	end(o);
}

T(credential_of_the_environment_has_no_file)
{
	struct oauth *o = begin(FRESH, true);
	struct told a;
	char path[OAUTH_STATE_PATH];

	snprintf(credential, sizeof(credential), "%s", FRESH);
	ask(o, &a);
	answer(200, "{\"access_token\":\"t1\",\"expires_in\":3600}");
	ticks();
	CHECK_STR(a.token, "t1");
	oauth_state_path(NULL, credential, path);
	CHECK_INT(access(path, F_OK), -1);
	CHECK_INT(oauth_port(STR(FRESH)), 443);
	CHECK_INT(oauth_port(STR("password")), 0);
	CHECK(oauth_is(STR(FRESH)) && oauth_is(STR("  {")) && !oauth_is(STR("password")) && !oauth_is(STR_EMPTY) && !oauth_is(STR("relative/file")));
	end(o);
}

T(who_gives_up_is_not_told)
{
	struct oauth *o = begin(FRESH, false);
	struct told a = { .n = 0 }, b = { .n = 0 };
	struct oauth_wait *w = oauth_ask(o, str_of(credential), &conf, on_told, &a);

	oauth_ask(o, str_of(credential), &conf, on_told, &b);
	oauth_cancel(w);
	answer(200, "{\"access_token\":\"t1\",\"expires_in\":3600}");
	ticks();
	CHECK_INT(a.n, 0);
	CHECK_STR(b.token, "t1");
	/* nor when it is known already */
	w = oauth_ask(o, str_of(credential), &conf, on_told, &a);
	oauth_cancel(w);
	ticks();
	CHECK_INT(a.n, 0);
	/* the form with a scheme is the same credential */
	{
		char name[400];

		snprintf(name, sizeof(name), "file:%s", credential);
		oauth_ask(o, str_of(name), &conf, on_told, &a);
		ticks();
		CHECK_STR(a.token, "t1");
		CHECK_INT(net.started, 1);
	}
	/* the end of all tells nobody */
	oauth_ask(o, str_of(credential), &conf, on_told, &b);
	end(o);
	CHECK_INT(b.n, 1);
}

T(state_has_its_place)
{
	char queue[300], out[OAUTH_STATE_PATH], want[400], a[OAUTH_STATE_PATH], b[OAUTH_STATE_PATH];
	struct stat st;

	snprintf(queue, sizeof(queue), "%s/queue", t_tmpdir());
	snprintf(want, sizeof(want), "%s/oauth", queue);
	CHECK_STR(oauth_state_place(queue, true, out), "");
	fs_mkdir(queue, 0700);
	CHECK_STR(oauth_state_place(queue, false, out), "");
	CHECK_STR(oauth_state_place(queue, true, out), want);
	CHECK(stat(want, &st) == 0 && (st.st_mode & 0777) == 0700);
	CHECK_STR(oauth_state_place(queue, false, out), want);
	if (getuid() == 0) {
		rmdir(want);
		CHECK_INT(chown(queue, 4711, 4712), 0);
		oauth_state_place(queue, true, out);
		CHECK(stat(want, &st) == 0 && st.st_uid == 4711 && st.st_gid == 4712);
	}
	oauth_state_path("/d", "/a", a);
	oauth_state_path("/d", "/b", b);
	CHECK(!strncmp(a, "/d/", 3) && strlen(a) == 35 && strcmp(a, b));
	oauth_state_path(NULL, "/a", a);
	CHECK_STR(a, "/a.state");
}
