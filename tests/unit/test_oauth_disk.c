/* The keeper of tokens beside its disk: what is being written is newer than what is there. The endpoint is a socket of ours that answers nothing. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/pool.h"
#include "core/oauth/oauth.h"
#include "core/oauth/state.h"

#include "core/conf/conf_private.h"
#include "core/net/tls.h"
#include "tests/unit/t.h"

/* the disk is slow: the only thread of the pool waits for us */
static int gate[2];

static void wait_at_gate(struct pool_job *j)
{
	char c;

	(void)j;
	(void)!read(gate[0], &c, 1);
}

static void passed(struct pool_job *j) { (void)j; }

struct told { bool done; char token[60], why[200]; };

static void on_token(void *ctx, struct str token, const char *why)
{
	struct told *t = ctx;

	t->done = true;
	snprintf(t->token, sizeof(t->token), "%.*s", STR_ARG(token));
	snprintf(t->why, sizeof(t->why), "%s", why);
}

static int endpoint(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(fd >= 0 && bind(fd, (const struct sockaddr *)&a, n) == 0 && listen(fd, 5) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static bool is_called(int fd, int ms) { return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, ms) == 1; }

/* keep_token - beside the credential, as an earlier process left it */
static void keep_token(const char *file, struct str credential, const char *token)
{
	struct oauth_state s = { .access_token = str_of(token), .refresh_token = STR("refresh"), .expiry = clock_wall() + 3600 * USEC_PER_SEC };
	char path[OAUTH_STATE_PATH];
	uint8_t digest[32];
	struct buf text;

	buf_init(&text, 1000);
	tls_sha256(digest, credential.p, credential.n);
	oauth_state_format(&s, digest, &text);
	oauth_state_path(NULL, file, path);
	REQUIRE(fs_replace(path, 0600, buf_view(&text)) == 0);
	buf_fini(&text);
}

static const char *ask(struct oauth *o, struct loop *l, const char *file, const struct conf *c, struct told *t, unsigned ticks)
{
	*t = (struct told){ .done = false };
	oauth_ask(o, str_of(file), c, on_token, t);
	for (unsigned i = 0; i < ticks && !t->done; i++)
		loop_tick(l, USEC_PER_SEC / 100);
	return t->token;
}

T(oauth_takes_no_refused_token_back_while_that_is_written)
{
	struct loop *l = loop_new();
	struct pool *p = pool_new(1);
	struct dns *dns = dns_new(l, &(struct dns_options){ .server = "127.0.0.1:1" });
	struct oauth *o = oauth_new(&(struct oauth_options){ .loop = l, .dns = dns, .pool = p });
	struct conf_diag diag;
	struct conf *c;
	struct pool_job slow = { .work = wait_at_gate, .done = passed };
	struct told one, two;
	char file[400], credential[400];
	uint16_t port;
	int fd = endpoint(&port);

	conf_diag_init(&diag);
	c = conf_from_text(STR("myhostname = a.example\n"), "/nowhere", &diag);
	REQUIRE(l && p && c && pipe(gate) == 0 && loop_use_pool(l, p) == 0);
	snprintf(file, sizeof(file), "%s/credential", t_tmpdir());
	snprintf(credential, sizeof(credential), "{\"client_id\":\"c\",\"refresh_token\":\"r\",\"token_endpoint\":\"https://127.0.0.1:%u/\"}", port);
	REQUIRE(fs_replace(file, 0600, str_of(credential)) == 0);
	keep_token(file, str_of(credential), "old");
	CHECK_STR(ask(o, l, file, c, &one, 100), "old");
	pool_run(p, &slow);
	CHECK(oauth_refused(o, str_of(file), STR("old")));
	/* the endpoint is asked for another, though the disk has the old one still */
	ask(o, l, file, c, &one, 3);
	CHECK(!one.done && is_called(fd, 10000));
	/* and when at last it is written, who waits for the answer goes on to wait */
	REQUIRE(write(gate[1], "x", 1) == 1);
	pool_wait(p);
	ask(o, l, file, c, &two, 3);
	CHECK(!one.done && !two.done);
	oauth_free(o);
	loop_tick(l, 0); /* a connection that was closed is freed in a turn of the loop */
	loop_use_pool(l, NULL);
	pool_free(p);
	dns_free(dns);
	loop_free(l);
	conf_free(c);
	conf_diag_fini(&diag);
	close(fd);
	close(gate[0]);
	close(gate[1]);
}
