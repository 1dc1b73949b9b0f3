/* start - the daemon from first line to last: open what needs root, give root up, put the rooms together, serve, stop.
 *
 * The order matters and is all here, in relay_run: settings were checked before; sockets are bound and the helper forked
 * while we may; then the user changes; only then is anything from the spool or the network looked at. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/memory.h"
#include "core/daemon/admission.h"
#include "core/daemon/census.h"
#include "core/daemon/control_server.h"
#include "core/daemon/inherit.h"
#include "core/daemon/listener.h"
#include "core/daemon/pickup.h"
#include "core/daemon/pressure.h"
#include "core/daemon/privilege.h"
#include "core/daemon/relay.h"
#include "core/daemon/sandbox.h"
#include "core/daemon/session.h"
#include "core/daemon/spool.h"
#include "core/daemon/takeover.h"
#include "core/daemon/wiring.h"
#include "core/map/cdb.h"
#include "core/base/signals.h"
#include "core/conf/conf_log.h"

#define POOL_THREADS 2                 /* at least: handshakes */
#define FILE_THREADS 2                 /* deliveries that wait for a lock */
#define STORE_THREADS 2                /* a flush, and beside it what the next commit needs first */
#define FD_RESERVE 500                 /* descriptors kept for the log, maps and outbound connections */
#define MAX_SESSIONS 20000

/* the loop's ticks and signals, which have no room of their own */
struct daemon {
	struct relay relay;
	struct loop_io signals;
	struct reaper { struct loop_io io; struct pool *pool; } reapers[2]; /* of the pools that are not the loop's */
	struct loop_timer store_timer, second;
	bool settled;                  /* what the start needed is given back */
	pid_t helper_pid;
	bool has_submit;               /* the submit socket is there */
	bool sockets_wait;             /* for room on the disk */
	struct inherited inherited;
	struct takeover takeover;      /* from whom; fd -1: nobody */
};

/* --- the local sockets ------------------------------------------------------------------------------------------------ */

/* open_sockets - those that are not there yet. Their names need room on the disk: without any they wait, for what is in the queue
 * shall go out all the same. false with errno: they cannot be had */
static bool open_sockets(struct daemon *d)
{
	struct relay *r = &d->relay;

	r->control = r->control ? r->control : control_open(r);
	d->has_submit = d->has_submit || (r->control && listener_open_submit(r) == 0);
	if (d->has_submit) {
		if (d->sockets_wait)
			log_info("master", "there is room again for the sockets in %s", r->settings->conf->queue_directory);
		d->sockets_wait = false;
		return true;
	}
	if (errno != ENOSPC && errno != EDQUOT)
		return false;
	if (!d->sockets_wait)
		log_warn("master", "sockets in %s: %s; relayctl and sendmail must wait until there is room", r->settings->conf->queue_directory,
			strerror(errno));
	d->sockets_wait = true;
	return true;
}

/* --- log --------------------------------------------------------------------------------------------------------------- */

int relay_open_log(const struct conf *c, bool background)
{
	struct conf_log l;

	conf_log(c, background ? LOG_TO_SYSLOG : LOG_TO_STDERR, &l);
	if (log_open(&l.config) == 0) {
		log_echo(l.config.sink == LOG_TO_FILE || l.config.sink == LOG_TO_SYSLOG);
		return 0;
	}
	if (!log_is_open() && !*c->maillog_file)
		fprintf(stderr, "relayd: no system log takes lines at /dev/log: %s: set maillog_file\n", strerror(errno));
	else
		fprintf(stderr, "relayd: %s %s: %s\n", log_is_open() ? "log_also" : "maillog_file", log_is_open() ? c->log_also : c->maillog_file,
			strerror(errno));
	return -1;
}

/* --- ticks ---------------------------------------------------------------------------------------------------------------- */

static void tick_store(void *ctx)
{
	struct daemon *d = ctx;
	usec next = store_tick(d->relay.store, loop_now(d->relay.loop));

	if (next == USEC_NEVER)
		loop_timer_cancel(d->relay.loop, &d->store_timer);
	else
		loop_timer_set(d->relay.loop, &d->store_timer, next);
}

static void tick_log(void *ctx)
{
	(void)ctx;
	log_flush();
}

static void on_store_due(struct loop_timer *t)
{
	(void)t;                       /* being awake is enough: the tick does the rest */
}

static void on_second(struct loop_timer *t)
{
	struct daemon *d = LIST_ITEM(t, struct daemon, second);
	struct relay *r = &d->relay;
	usec now = loop_now(r->loop);
	unsigned tables = map_reloads();
	bool more;

	if (d->sockets_wait)
		open_sockets(d);
	if (r->stopping)
		relay_tell_stopping(r);
	relay_look_at_secrets(r);
	relay_forget_settings(r);
	admission_look(r);
	LIST_EACH(&r->generations, it, tmp)
		settings_refresh(LIST_ITEM(it, struct settings, link), now);
	if (map_reloads() != tables)
		schedule_reroute(r->schedule);
	history_tick(&r->history, now, r->counts.mail);
	census_go_on(r);
	more = store_maintain(r->store);
	if (r->n_sessions == 0 && schedule_in_flight(r->schedule) == 0)
		mem_trim();
	if (!d->settled)
		memory_forget_start();
	d->settled = true;
	loop_timer_set(r->loop, t, now + (more ? 10 * USEC_PER_MSEC : USEC_PER_SEC));
}

/* --- signals ---------------------------------------------------------------------------------------------------------------- */

static void reap_children(struct daemon *d)
{
	int status;
	pid_t pid;

	/* as process 1 of a container strangers' children are ours, too */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == d->helper_pid) {
			log_error("master", "the privileged helper ended: local delivery to other users is deferred until restart");
			d->helper_pid = 0;
		}
}

static void on_signal(struct loop_io *io, uint32_t events)
{
	struct daemon *d = LIST_ITEM(io, struct daemon, signals);
	struct signalfd_siginfo info;
	char why[40];

	(void)events;
	while (read(io->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		switch (info.ssi_signo) {
		case SIGTERM:
		case SIGINT:
			snprintf(why, sizeof(why), "signal %u", info.ssi_signo);
			relay_stop(&d->relay, why);
			break;
		case SIGHUP:
			relay_reload(&d->relay);
			break;
		case SIGUSR1:
			deliver_ask_again(d->relay.deliver);
			log_info("master", "flush: %zu messages", schedule_flush_all(d->relay.schedule));
			break;
		case SIGCHLD:
			reap_children(d);
			break;
		default:
			break;
		}
}

static sigset_t block_signals(void)
{
	/* what means nothing here would end the daemon otherwise; the helper inherits it */
	static const int meaningless[] = { SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR2, SIGIO, SIGPWR, SIGSTKFLT, SIGTTIN, SIGTTOU, SIGTSTP };
	sigset_t set;

	for (size_t i = 0; i < sizeof(meaningless) / sizeof(meaningless[0]); i++)
		signal(meaningless[i], SIG_IGN);
	for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo++)
		signal(signo, SIG_IGN);
	signals_ignore_reserved();

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return set;
}

/* --- start ------------------------------------------------------------------------------------------------------------------------ */

struct recovered {
	struct qmsg **v;
	size_t n, cap;
};

static void remember(void *ctx, struct qmsg *m)
{
	struct recovered *list = ctx;

	if (list->n == list->cap) {
		list->cap = list->cap ? 2 * list->cap : 256;
		list->v = mem_array(list->v, list->cap, sizeof(*list->v));
	}
	list->v[list->n++] = m;
}

static bool open_queue(struct relay *r)
{
	const struct conf *c = r->settings->conf;
	struct store_options o = { .dir = ".", .pool = r->store_pool, .segment_size = c->queue_segment_size,
		.big_threshold = c->queue_big_threshold, .min_free = c->queue_minfree, .message_limit = c->message_size_limit,
		.sync = c->queue_sync, .compress = c->queue_compress };
	struct recovered found = { NULL, 0, 0 };
	struct buf why;

	buf_init(&why, 1024);
	r->store = store_open(&o, remember, &found, &why);
	if (!r->store) {
		log_error("master", "queue_directory %s: %s", c->queue_directory, buf_cstr(&why));
		buf_fini(&why);
		return false;
	}
	buf_fini(&why);
	r->schedule = schedule_new(&(struct schedule_options){ .conf = c, .loop = r->loop, .store = r->store, .ops = &wiring_schedule_ops, .ctx = r });
	for (size_t i = 0; i < found.n; i++)
		schedule_add(r->schedule, found.v[i], false);
	mem_free(found.v);
	return true;
}

static void on_done(struct loop_io *io, uint32_t events)
{
	(void)events;
	pool_reap(LIST_ITEM(io, struct reaper, io)->pool);
}

static bool reap_on(struct relay *r, struct reaper *one, struct pool *p)
{
	*one = (struct reaper){ .io = { .fd = pool_fd(p), .on_ready = on_done }, .pool = p };
	return loop_io_add(r->loop, &one->io, EPOLLIN) == 0;
}

/* open_pools - three: the promise has threads of its own, which no client's handshake and no lock on a mailbox can keep, and so have
 * the handshakes */
static bool open_pools(struct daemon *d)
{
	struct relay *r = &d->relay;

	r->pool = pool_new(pool_cores(POOL_THREADS, LIMIT_RELAY_THREADS));
	r->file_pool = pool_new(FILE_THREADS);
	r->store_pool = pool_new(STORE_THREADS);
	return r->pool && r->file_pool && r->store_pool && loop_use_pool(r->loop, r->pool) == 0 &&
	       reap_on(r, &d->reapers[0], r->file_pool) && reap_on(r, &d->reapers[1], r->store_pool);
}

static bool open_rooms(struct daemon *d, int helper_fd)
{
	struct relay *r = &d->relay;

	if (!open_pools(d))
		return false;
	r->dns = dns_new(r->loop, &(struct dns_options){ 0 });
	r->name_dns = dns_new(r->loop, &(struct dns_options){ 0 });
	r->judge_dns = dns_new(r->loop, &(struct dns_options){ 0 });
	if ((d->takeover.fd >= 0 && takeover_go(&d->takeover) != 0) || !open_queue(r))
		return false;
	r->deliver = wiring_deliver(r, helper_fd);
	r->verify = wiring_verify(r);
	if (!open_sockets(d)) {
		log_error("master", "sockets in %s: %s", r->settings->conf->queue_directory, strerror(errno));
		return false;
	}
	r->pickup = pickup_start(r);
	session_auth_prepare(r);
	return true;
}

static void log_slices(const struct loop_slices *s)
{
	if (s->n_long)
		log_info("master", "%llu steps of the loop were longer than 50 ms, the longest %lld ms (%u events, %u timers, %u tasks); %llu worked so long, "
			"the longest %lld ms, %llu pages of it new", (unsigned long long)s->n_long, (long long)(s->worst / USEC_PER_MSEC), s->events, s->timers, s->tasks,
			(unsigned long long)s->n_busy, (long long)(s->busiest / USEC_PER_MSEC), (unsigned long long)s->pages);
}

static void close_rooms(struct daemon *d)
{
	struct relay *r = &d->relay;

	log_slices(loop_slices(r->loop));
	control_close(r->control);
	pickup_stop(r->pickup);
	if (r->auth_pool)
		pool_wait(r->auth_pool);
	if (r->pool)
		pool_wait(r->pool);
	if (r->file_pool)
		pool_wait(r->file_pool);
	if (r->store_pool)
		pool_wait(r->store_pool);
	if (r->deliver)
		deliver_save(r->deliver);
	if (r->schedule)
		schedule_save(r->schedule);
	/* of others' sockets, in this folder or another, none is ours */
	if (d->has_submit)
		unlink("submit");
	if (r->store)
		store_close(r->store);
	log_finish();
}

static void start_clockwork(struct daemon *d, sigset_t set)
{
	struct relay *r = &d->relay;

	d->signals = (struct loop_io){ .fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), .on_ready = on_signal };
	loop_io_add(r->loop, &d->signals, EPOLLIN);
	loop_timer_init(&d->store_timer, on_store_due);
	loop_timer_init(&d->second, on_second);
	relay_stop_init(r);
	loop_timer_set(r->loop, &d->second, loop_now(r->loop) + USEC_PER_SEC);
	loop_on_tick(r->loop, tick_store, d);
	loop_on_tick(r->loop, relay_stop_check, r);
	loop_on_tick(r->loop, tick_log, d);
}

/* go_background - the parent waits until the child serves (or fails) and tells its caller the truth */
static int go_background(const char *log)
{
	int p[2], null;
	char ready;
	pid_t pid;

	if (pipe(p) != 0)
		die("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid > 0) {
		close(p[1]);
		if (read(p[0], &ready, 1) == 1)
			_exit(EX_OK);
		fprintf(stderr, "relayd: not started: %s says why\n", *log ? log : "the system's log");
		_exit(EX_UNAVAILABLE);
	}
	close(p[0]);
	setsid();
	null = fs_open("/dev/null", O_RDWR, 0);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
	}
	return p[1];
}

static void tell_ready(int fd)
{
	int null = fs_open("/dev/null", O_RDWR, 0);

	if (null >= 0)
		dup2(null, 2);
	(void)!write(fd, "r", 1);
	close(fd);
}

int relay_run(struct settings *s, const struct relay_options *o)
{
	struct daemon d = { .helper_pid = 0, .takeover = { .fd = -1 } };
	struct relay *r = &d.relay;
	struct identity owner;
	struct buf why;
	int ready_fd = -1, helper_fd = -1, result = EX_OSERR;
	size_t files, announced = inherit_announced();
	sigset_t set;

	umask(077);
	cdb_hold_below(LIMIT_CDB_HELD);
	buf_init(&why, 600);
	if (!identity_find(s->conf, &owner, &why)) {
		fprintf(stderr, "relayd: %s\n", buf_cstr(&why));
		buf_fini(&why);
		return EX_CONFIG;
	}
	if (relay_open_log(s->conf, o->daemonise) != 0)
		return EX_CANTCREAT;
	if (o->daemonise)
		ready_fd = go_background(s->conf->maillog_file);
	if (o->found)
		relay_log_findings(o->found);
	set = block_signals();
	*r = (struct relay){ .directory = o->directory, .extra = o->extra, .settings = s, .started = clock_wall(), .inherited = &d.inherited,
		.in_foreground = !o->daemonise };
	list_init(&r->generations);
	list_init(&r->listeners);
	list_init(&r->sessions);
	list_init(&r->visitors);
	list_init(&r->answers);
	list_push(&r->generations, &s->link);
	clients_init(&r->clients);
	admission_init(r);
	r->memory_system = memory_of_system();
	pressure_set(r);
	files = privilege_harden();
	r->max_sessions = files > 2 * FD_RESERVE ? files - FD_RESERVE : files / 2;
	if (r->max_sessions > MAX_SESSIONS)
		r->max_sessions = MAX_SESSIONS;
	/* before anything is opened that it should not hold */
	helper_fd = privilege_fork_helper(s, &owner, announced, o->daemonise, &d.helper_pid);
	r->has_helper = helper_fd >= 0;
	r->loop = loop_new();
	if (!r->loop)
		die("epoll: %s", strerror(errno));
	notify_open(&r->notify);
	if (inherit_take(&d.inherited, announced) != 0 || (o->takeover && takeover_ask(r, &d.takeover, owner.uid) != 0))
		goto out;
	if (listener_open_all(r, s) != 0 || spool_prepare(s->conf->queue_directory, &owner) != 0)
		goto out;
	inherit_close(&d.inherited);
	if (privilege_drop(&owner) != 0 || sandbox_close(s, o->directory, helper_fd >= 0, &r->sandbox) != 0 || !open_rooms(&d, helper_fd))
		goto out;
	start_clockwork(&d, set);
	relay_log_serves(r, "start", "daemon started");
	log_flush();
	log_echo(false);
	listener_keep(r);
	notify_ready(&r->notify, r->loop);
	if (ready_fd >= 0)
		tell_ready(ready_fd);
	result = loop_run(r->loop) == 0 ? EX_OK : EX_OSERR;
out:
	close_rooms(&d);
	return result;
}
