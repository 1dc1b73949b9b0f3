/* log_sink - where finished log lines go: a gathering buffer in front of a descriptor, or a datagram of syslog each.
 * Only for log.c. Never blocks for long: what a full pipe or a log server does not take waits in the buffer; when that is full, whole
 * records are dropped and counted, and a line says so as soon as there is room again.
 *
 * Names of places, as maillog_file and log_also have them (log_place):
 *   /dev/stdout  /dev/stderr  /PATH  syslog  syslog:unix:/PATH  syslog:udp:ADDRESS:PORT  syslog:tcp:ADDRESS:PORT
 * To a log server goes RFC 5424; over TCP with the length before each record (RFC 6587 section 3.4.1), and a connection that broke is
 * made again, beginning with the record that was not gone whole. */
#ifndef CORE_BASE_LOG_SINK_H
#define CORE_BASE_LOG_SINK_H

#include "core/base/clock.h"
#include "core/base/log.h"

enum log_way { LOG_WAY_WHOLE, LOG_WAY_PIECES, LOG_WAY_SOCKET, LOG_WAY_DATAGRAM, LOG_WAY_STREAM };

struct log_out {
	bool open, json;
	bool remote;               /* a log server: RFC 5424 */
	bool framed;               /* each record after its length */
	bool own;                  /* fd is ours to close */
	int away;                  /* errno of a stream that could not be had or broke; 0: it is there, or on its way */
	bool told;                 /* that it is away */
	enum log_sink sink;
	enum log_way way;
	int fd;                    /* -1: none, or no connection now */
	char *path;
	struct buf out;
	size_t sent;               /* of out: bytes of its first record that are gone already */
	unsigned long lost;
	usec again;                /* mono: not connected again before */
};

/* log_out_open - 0, or -1 with errno; what was open stays then. A log server need not be there yet */
int log_out_open(struct log_out *o, enum log_sink sink, const char *path);
int log_out_reopen(struct log_out *o);                   /* 0, or -1 with errno: the old file goes on */
void log_out_close(struct log_out *o);
void log_out_flush(struct log_out *o);
void log_out_finish(struct log_out *o);                  /* flush, and wait a moment for a reader that is slow */
bool log_out_is_syslog(const struct log_out *o);
void log_out_line(struct log_out *o, struct str line);   /* without its newline; a priority is part of it */
unsigned long log_out_take_lost(struct log_out *o);      /* records dropped since the last call, if one can be written now */
int log_out_take_away(struct log_out *o);                /* errno of a stream that went away, once for each time; 0 */

#endif
