/* sandbox - after the start relayd needs little of the kernel: the rest is given up for good (threats F4).
 *
 * seccomp: the system calls that it makes, and no other (sandbox_calls.c). Landlock: its own queue is written, the folder of the log and
 * the files of aliases, and without the helper mailboxes; read are what the configuration was made of, in the folders where that was, so
 * that a table or a key can be replaced; /etc, time zones and certificates of the host. Nothing is executed, no other process is signalled
 * or reached by an abstract socket. With sandbox = required ports are fixed, too: those of the listeners, and those of the next hops
 * unless a table chooses them (sandbox_ports.c).
 *
 * Where the kernel lacks something one log line says what; sandbox = required makes seccomp and Landlock a condition. */
#ifndef CORE_DAEMON_SANDBOX_H
#define CORE_DAEMON_SANDBOX_H

#include "core/base/limits.h"
#include "core/daemon/settings.h"

/* ports that settings need; n past the end: any */
struct sandbox_ports { uint16_t v[LIMIT_SANDBOX_PORTS]; size_t n; };
void sandbox_ports_bound(const struct settings *s, struct sandbox_ports *out);
void sandbox_ports_called(const struct settings *s, struct sandbox_ports *out);

/* what was closed: which of TCP's rights (LANDLOCK_TCP_…), and what was left open of them */
struct sandbox { unsigned tcp; struct sandbox_ports bound, called; };
/* sandbox_close - for this thread and all that come after; call it before threads are made, in the queue folder. has_helper: mailboxes are
 * written by the privileged helper. 0, or -1 with the reason logged. */
int sandbox_close(const struct settings *s, const char *directory, bool has_helper, struct sandbox *x);
int sandbox_close_calls(void);         /* the seccomp half; 0, or -1 with errno */
bool sandbox_fits(const struct sandbox *x, const struct settings *next);       /* has a reload the ports that it needs? */

#endif
