/* listener - the sockets that sessions come from: TCP by inet_interfaces and master.cf, and the unix submit socket. */
#ifndef CORE_DAEMON_LISTENER_H
#define CORE_DAEMON_LISTENER_H

#include "core/daemon/relay.h"

/* listener_open_all - make r->listeners serve s: sockets that stay keep their fd, new ones are bound, others closed. 0; or -1
 * with the reason logged, and those of r->settings serve on */
int listener_open_all(struct relay *r, const struct settings *s);
/* listener_open_submit - queue_directory/submit; relative to the working directory, which is queue_directory */
int listener_open_submit(struct relay *r);
/* listener_close_mail - take no mail any more; whoever asks for health is answered until the end. Whoever waits to be greeted hears so,
 * unless the socket is somebody else's as well */
void listener_close_mail(struct relay *r);

/* listener_each_own - send(fd, socket, line) for each that no supervisor has; stops at the first that is not 0, and returns that */
int listener_each_own(struct relay *r, int fd, int (*send)(int fd, int sock, const void *line, size_t n), const char *line);
/* listener_keep - have the supervisor keep them, if it does such a thing, in place of those that it kept before */
void listener_keep(struct relay *r);

#endif
