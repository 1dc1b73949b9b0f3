/* conf_log - the log that a configuration wants: maillog_file, log_format, log_also, log_also_format, log_address_mask, syslog_name. */
#ifndef CORE_CONF_CONF_LOG_H
#define CORE_CONF_CONF_LOG_H

#include "core/base/log_open.h"
#include "core/conf/conf.h"

struct conf_log {
	struct log_config config;              /* for log_open; refers to the conf and to this struct */
	struct log_config also;
	char host[256];
};
/* conf_log - fallback: where to when maillog_file is empty. What is no place's name counts as empty: conf_log_check tells */
void conf_log(const struct conf *c, enum log_sink fallback, struct conf_log *out);
void conf_log_check(const struct conf *c, struct conf_diag *diag);
/* conf_log_each - the places of both parameters, as far as they are any */
void conf_log_each(const struct conf *c, void (*each)(void *ctx, const struct log_place *p), void *ctx);

#endif
