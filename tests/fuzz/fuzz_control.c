/* the control socket: a relay without mail is asked whatever the input says, by its own user; each answer has the form that control.h promises,
 * and the relay is there for the next one (threats F6) */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/daemon/control_server.h"
#include "core/daemon/relay.h"
#include "core/daemon/wiring.h"
#include "core/view/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct relay relay;
static char folder[] = "/tmp/relaybox-fuzz-XXXXXX";

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void remove_folder(void)
{
	static const char *const names[] = { "control", "lock", "main.cf", "master.cf", "verify_cache" };

	must(chdir(folder) == 0);
	control_close(relay.control);
	store_close(relay.store);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(names[i]);
	(void)!system("rm -rf log big corrupt maildrop");
	(void)!chdir("/");
	rmdir(folder);
}

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void nothing(void *ctx, struct qmsg *m)
{
	(void)ctx;
	(void)m;
}

static void start(void)
{
	struct log_config quiet = { .sink = LOG_TO_NOTHING };
	struct store_options o = { .dir = folder, .segment_size = 1 << 20, .big_threshold = 1 << 16, .message_limit = 1 << 20, .sync = false };
	struct conf_diag diag;
	struct buf why;
	char text[500];
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	must(here >= 0 && mkdtemp(folder) && chdir(folder) == 0);
	log_open(&quiet);
	snprintf(text, sizeof(text), "myhostname = a.test\nmydestination = a.test\nmynetworks = 127.0.0.0/8\ninet_interfaces = 127.0.0.1\nalias_maps =\n"
		"queue_directory = %s\nmail_owner = root\ntransport_maps = inline:{b.test=smtp:[c.test]}\n", folder);
	write_file("main.cf", text);
	write_file("master.cf", "2525 inet n - n - - smtpd\n");
	conf_diag_init(&diag);
	relay = (struct relay){ .directory = folder, .settings = settings_load(folder, NULL, &diag), .loop = loop_new(), .pool = pool_new(1),
		.store_pool = pool_new(1) };
	must(relay.settings && relay.loop && loop_use_pool(relay.loop, relay.pool) == 0);
	list_init(&relay.generations);
	list_init(&relay.listeners);
	list_init(&relay.sessions);
	list_push(&relay.generations, &relay.settings->link);
	clients_init(&relay.clients);
	relay.dns = relay.name_dns = relay.judge_dns = dns_new(relay.loop, &(struct dns_options){ 0 });
	o.pool = relay.store_pool;
	buf_init(&why, 1000);
	relay.store = store_open(&o, nothing, NULL, &why);
	must(relay.store != NULL);
	relay.schedule = schedule_new(&(struct schedule_options){ .conf = relay.settings->conf, .loop = relay.loop, .store = relay.store,
		.ops = &wiring_schedule_ops, .ctx = &relay });
	relay.deliver = wiring_deliver(&relay, -1);
	relay.verify = wiring_verify(&relay);
	relay.control = control_open(&relay);
	must(relay.control != NULL && fchdir(here) == 0);
	close(here);
	atexit(remove_folder);
}

/* must_be_answer - the version, lines that begin with "+", then "." or "!" and why */
static void must_be_answer(struct str text)
{
	struct str line;
	bool ended = false;

	must(str_cut(&text, '\n', &line) && str_starts(line, STR(CONTROL_HELLO)));
	while (str_cut(&text, '\n', &line)) {
		must(!ended && line.n && (line.p[0] == '+' || line.p[0] == '!' || str_eq(line, STR("."))));
		ended = line.p[0] != '+';
	}
	must(ended && !text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	static char answer[1 << 20];
	size_t got = 0;
	ssize_t r = -1;
	bool cut = false;
	int fd;

	if (!relay.loop)
		start();
	/* what a reload does is the configuration's business, and each takes a while */
	if (n >= LIMIT_CONTROL_LINE - 1 || (n && memmem(data, n, "reload", 6)))
		return 0;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/control", folder);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	must(fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	must((!n || write(fd, data, n) == (ssize_t)n) && write(fd, "\n", 1) == 1);
	for (int turns = 0; turns < 2000 && r != 0 && !cut; turns++) {
		must(loop_tick(relay.loop, turns ? USEC_PER_SEC / 100 : 0) == 0);
		while ((r = read(fd, answer + got, sizeof(answer) - got)) > 0)
			got += (size_t)r;
		must(r == 0 || errno == EAGAIN || errno == ECONNRESET);
		cut = r < 0 && errno == ECONNRESET;
	}
	close(fd);
	must(loop_tick(relay.loop, 0) == 0);
	/* a second line, which nobody asks for, may cut the connection: what came is in form as far as it goes */
	must(r == 0 || cut);
	if (r == 0)
		must_be_answer(str_make(answer, got));
	return 0;
}
