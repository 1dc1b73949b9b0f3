/* submit_socket - submission to the relayd of this host, over queue_directory/submit. */
#ifndef CORE_SUBMIT_SUBMIT_SOCKET_H
#define CORE_SUBMIT_SUBMIT_SOCKET_H

#include "core/submit/submit.h"

/* submit_socket - a way of submit.c: a sysexits code, or SUBMIT_NOT_THERE */
int submit_socket(const struct conf *c, const struct submit_options *o, const struct envelope *e, struct str content,
	struct submit_result *out, enum verdict *verdicts);

#endif
