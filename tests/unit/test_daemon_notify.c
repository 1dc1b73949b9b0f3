/* What a supervisor is told (sd_notify(3)), on a socket of this test's. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/daemon/notify.h"
#include "core/net/loop.h"
#include "tests/unit/t.h"

static int supervisor = -1;
static char name[200];

static bool supervise(bool abstract)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t n;

	snprintf(name, sizeof(name), "%s%.60s/notify", abstract ? "@" : "", t_tmpdir());
	n = strlen(name);
	memcpy(sa.sun_path, name, n);
	if (abstract)
		sa.sun_path[0] = 0;
	else
		unlink(name);
	if (supervisor >= 0)
		close(supervisor);
	supervisor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return bind(supervisor, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) == 0;
}

/* told - the next word; "": there is none */
static const char *told(void)
{
	static char text[400];
	ssize_t n = recv(supervisor, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = 0;
	return text;
}

static void environment(const char *socket, const char *store, const char *every, const char *who)
{
	const char *const names[] = { "NOTIFY_SOCKET", "FDSTORE", "WATCHDOG_USEC", "WATCHDOG_PID" }, *const values[] = { socket, store, every, who };

	for (size_t i = 0; i < 4; i++)
		if (values[i])
			setenv(names[i], values[i], 1);
		else
			unsetenv(names[i]);
}

T(supervisor_is_told_each_step)
{
	for (int abstract = 0; abstract < 2; abstract++) {
		struct notify n;
		struct loop *l = loop_new();

		ROW("%d", abstract);
		REQUIRE(supervise(abstract));
		environment(name, NULL, NULL, NULL);
		notify_open(&n);
		CHECK(n.fd >= 0);
		CHECK_INT(fcntl(n.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		CHECK_INT(fcntl(n.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		CHECK(!n.keeps);
		notify_ready(&n, l);
		CHECK_STR(told(), "READY=1\nSTATUS=serving");
		CHECK_STR(told(), "");
		notify_reloading(&n);
		CHECK(!strncmp(told(), "RELOADING=1\nMONOTONIC_USEC=", 27));
		notify_reloaded(&n, true);
		CHECK_STR(told(), "READY=1\nSTATUS=serving");
		notify_reloaded(&n, false);
		CHECK_STR(told(), "READY=1\nSTATUS=serving; the new configuration was refused, the log says why");
		notify_stopping(&n, 2, 3, 5 * USEC_PER_SEC);
		CHECK_STR(told(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\nSTATUS=ending: 2 sessions and 3 deliveries under way");
		notify_forget_kept(&n);
		CHECK(!strncmp(told(), "FDSTOREREMOVE=1\nFDNAME=", 23));
		close(n.fd);
		loop_free(l);
	}
}

T(watchdog_hears_twice_in_its_time)
{
	static const struct { const char *every, *who; usec interval; } rows[] = {
		{ "40000", NULL, 20000 }, { "2", NULL, 1 }, { "1", NULL, 0 }, { "0", NULL, 0 }, { "-5", NULL, 0 }, { "x", NULL, 0 }, { NULL, NULL, 0 }, { "40000", "me", 20000 },
		{ "40000", "1", 0 }, { "40000", "x", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loop *l = loop_new();
		struct notify n;
		char me[20];

		ROW("%s %s", rows[i].every, rows[i].who);
		REQUIRE(supervise(false));
		snprintf(me, sizeof(me), "%d", (int)getpid());
		environment(name, NULL, rows[i].every, rows[i].who && !strcmp(rows[i].who, "me") ? me : rows[i].who);
		notify_open(&n);
		CHECK_INT(n.interval, rows[i].interval);
		notify_ready(&n, l);
		CHECK_STR(told(), "READY=1\nSTATUS=serving");
		CHECK_STR(told(), rows[i].interval ? "WATCHDOG=1" : "");
		if (rows[i].interval == 20000) {
			CHECK_STR(told(), "");
			for (int k = 0; k < 100 && loop_now(l) >= 0; k++) {
				const char *word;

				loop_tick(l, 20 * USEC_PER_MSEC);
				word = told();
				if (*word) {
					CHECK_STR(word, "WATCHDOG=1");
					break;
				}
				CHECK(k < 99);
			}
			loop_timer_cancel(l, &n.watchdog);
		}
		close(n.fd);
		loop_free(l);
	}
}

T(nobody_is_told_where_there_is_nobody)
{
	static const struct { const char *socket; bool complains; } rows[] = {
		{ NULL, false }, { "", false }, { "relative", true }, { "/nonexistent/notify", true },
		{ "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loop *l = loop_new();
		struct notify n;
		char log[300];

		ROW("%s", rows[i].socket);
		snprintf(log, sizeof(log), "%s/log%zu", t_tmpdir(), i);
		log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = log, .syslog_name = "postfix", .host = "h" });
		environment(rows[i].socket, "1", "40000", NULL);
		notify_open(&n);
		log_flush();
		CHECK_INT(n.fd, -1);
		CHECK(!n.keeps);
		notify_ready(&n, l);
		notify_stopping(&n, 1, 1, 1);
		{
			FILE *f = fopen(log, "r");

			CHECK_INT(f && fgetc(f) != EOF, rows[i].complains);
			if (f)
				fclose(f);
		}
		loop_free(l);
	}
}

T(sockets_are_kept_by_who_says_so)
{
	static const struct { const char *store; bool keeps; } rows[] = { { NULL, false }, { "", false }, { "0", false }, { "1", true }, { "20", true }, { "00", true } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notify n;

		ROW("%s", rows[i].store);
		REQUIRE(supervise(false));
		environment(name, rows[i].store, NULL, NULL);
		notify_open(&n);
		CHECK_INT(n.keeps, rows[i].keeps);
		close(n.fd);
	}
	close(supervisor);
	environment(NULL, NULL, NULL, NULL);
}
