/* status_page - the page for people at "/": how the relay is, what waits where and why, what happened in the last hour. One text of HTML
 * that needs nothing else and no script; with script it keeps itself up to date. Pure: it works on the rows of stats.h, so
 * that its figures are those of relayctl stats. What strangers wrote is quoted. */
#ifndef CORE_VIEW_STATUS_PAGE_H
#define CORE_VIEW_STATUS_PAGE_H

#include "core/base/buf.h"
#include "core/base/clock.h"

struct status_page {
	const char *host, *version;
	const char *why;               /* it gets no mail now; NULL: it does */
	const char *nonce;             /* of style and script, in the Content-Security-Policy, too */
	uint64_t active, deferred, held;       /* messages */
	usec oldest;                   /* age */
	uint64_t room, others;         /* bytes; destinations that the rows do not have */
	bool masked;                   /* of addresses of people, only the first letter and the domain are shown */
};
void status_page_write(const struct status_page *p, struct str rows, struct buf *out);

#endif
