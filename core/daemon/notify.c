/* notify - see notify.h. */
#include "core/daemon/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/env.h"
#include "core/base/log.h"
#include "core/base/str.h"

#define CLOSING (10 * USEC_PER_SEC)

/* watchdog_interval - WATCHDOG_PID names another process where the variables were inherited by mistake */
static usec watchdog_interval(void)
{
	const char *every = env_get("WATCHDOG_USEC"), *who = env_get("WATCHDOG_PID");
	int64_t us, pid;

	if (!every || !str_to_i64(str_of(every), &us) || us < 2)
		return 0;
	if (who && (!str_to_i64(str_of(who), &pid) || pid != getpid()))
		return 0;
	return us / 2;
}

void notify_open(struct notify *n)
{
	const char *name = env_get("NOTIFY_SOCKET"), *room = env_get("FDSTORE");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t length = name ? strlen(name) : 0;

	*n = (struct notify){ .fd = -1, .interval = watchdog_interval() };
	if (!length)
		return;
	errno = EINVAL;
	if ((*name == '/' || *name == '@') && length < sizeof(sa.sun_path)) {
		memcpy(sa.sun_path, name, length);
		if (*name == '@')
			sa.sun_path[0] = 0;
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		n->keeps = room && *room && strcmp(room, "0") != 0;
		if (n->fd >= 0 && connect(n->fd, (const struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) == 0)
			return;
	}
	log_error("master", "NOTIFY_SOCKET %.100s: %s: the supervisor is not told that mail is served", name, strerror(errno));
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
	n->keeps = false;
}

__attribute__((format(printf, 2, 3))) static void tell(const struct notify *n, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	if (n->fd < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)!send(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_watchdog(struct loop_timer *t)
{
	struct notify *n = LIST_ITEM(t, struct notify, watchdog);

	tell(n, "WATCHDOG=1");
	loop_timer_set(n->loop, t, loop_now(n->loop) + n->interval);
}

void notify_ready(struct notify *n, struct loop *loop)
{
	n->loop = loop;
	tell(n, "READY=1\nSTATUS=serving");
	if (n->fd < 0 || !n->interval)
		return;
	loop_timer_init(&n->watchdog, on_watchdog);
	on_watchdog(&n->watchdog);
}

void notify_forget_kept(const struct notify *n)
{
	tell(n, "FDSTOREREMOVE=1\nFDNAME=" NOTIFY_KEPT);
}

void notify_reloading(const struct notify *n)
{
	/* systemd.service(5), Type=notify-reload: with the time of now, so that an earlier READY is not taken for the answer */
	tell(n, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reading the configuration anew", (long long)clock_mono());
}

void notify_reloaded(const struct notify *n, bool taken)
{
	tell(n, "READY=1\nSTATUS=%s", taken ? "serving" : "serving; the new configuration was refused, the log says why");
}

void notify_stopping(const struct notify *n, size_t sessions, size_t deliveries, usec most)
{
	/* the queue is closed after that */
	tell(n, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld\nSTATUS=ending: %zu sessions and %zu deliveries under way",
		(long long)most + CLOSING, sessions, deliveries);
}
