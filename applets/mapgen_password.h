/* mapgen_password - mapgen --password: what smtpd_sasl_password_maps says of a password. */
#ifndef APPLETS_MAPGEN_PASSWORD_H
#define APPLETS_MAPGEN_PASSWORD_H

#include <stdbool.h>

/* mapgen_password - reads a password from standard input (from a terminal twice, unseen) and prints its entry; scram: one for SCRAM-SHA-256. A sysexits
 * code */
int mapgen_password(bool scram);

#endif
