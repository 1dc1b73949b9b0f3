/* spool - queue_directory and the folders in it, made and handed to the user that will serve, before root is given up.
 *
 * Whoever had that user's rights may have put anything there: nothing is changed by its name. Folders are opened without
 * following links, files are taken over only when they are regular and have one name. */
#ifndef CORE_DAEMON_SPOOL_H
#define CORE_DAEMON_SPOOL_H

#include "core/daemon/identity.h"

/* spool_prepare - make what is missing, own it, go there (chdir); 0, or -1 with the reason logged */
int spool_prepare(const char *queue_directory, const struct identity *owner);

#endif
