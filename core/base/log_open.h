/* log_open - what the name of a place means (log_sink.h), and a descriptor for it. For log_sink.c; the names also for who checks them. */
#ifndef CORE_BASE_LOG_OPEN_H
#define CORE_BASE_LOG_OPEN_H

#include "core/base/ipaddr.h"
#include "core/base/log_sink.h"

struct log_place {
	enum log_sink sink;
	const char *path;              /* of the file or the socket: part of the name that was given */
	bool tcp;
	uint16_t port;                 /* of a log server; 0: none */
	struct ipaddr address;
};
bool log_place_parse(const char *name, struct log_place *p);           /* false: no place has this name */
/* log_open_place - a descriptor, its way and whose it is in *o; -1 with errno. A connection to a log server may only be on its way */
int log_open_place(const struct log_place *p, struct log_out *o);

#endif
