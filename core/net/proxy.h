/* proxy - the PROXY protocol, versions 1 and 2 (HAProxy's specification), receiving side. Pure: bytes in, verdict out. */
#ifndef CORE_NET_PROXY_H
#define CORE_NET_PROXY_H

#include "core/base/ipaddr.h"

enum proxy_result { PROXY_NEED_MORE, PROXY_OK, PROXY_BAD };
struct proxy_header {
	bool local;            /* LOCAL or UNKNOWN: keep the real peer (a health check) */
	struct ipaddr source, destination;
	uint16_t source_port, destination_port;
	size_t length;         /* bytes of the header; what follows belongs to SMTP */
};
/* proxy_parse - NEED_MORE only while what is there can still become a header; *why: a constant text for PROXY_BAD */
enum proxy_result proxy_parse(struct str in, struct proxy_header *out, const char **why);

#endif
