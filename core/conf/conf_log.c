/* conf_log - see conf_log.h. */
#include "core/conf/conf_log.h"

#include <unistd.h>

#define PLACES 2

static const char *name_of(const struct conf *c, size_t i)
{
	return i ? c->log_also : c->maillog_file;
}

void conf_log_check(const struct conf *c, struct conf_diag *diag)
{
	static const char *const parameter[PLACES] = { "maillog_file", "log_also" };
	struct log_place p;

	for (size_t i = 0; i < PLACES; i++)
		if (*name_of(c, i) && !log_place_parse(name_of(c, i), &p))
			conf_diag_add(diag, CONF_ERROR, NULL, 0, "%s: \"%.200s\" is no place for a log: write /PATH, /dev/stdout, /dev/stderr, syslog, "
				"syslog:unix:/PATH, syslog:udp:ADDRESS:PORT or syslog:tcp:ADDRESS:PORT, an IPv6 address in []", parameter[i], name_of(c, i));
}

void conf_log_each(const struct conf *c, void (*each)(void *ctx, const struct log_place *p), void *ctx)
{
	struct log_place p;

	for (size_t i = 0; i < PLACES; i++)
		if (*name_of(c, i) && log_place_parse(name_of(c, i), &p))
			each(ctx, &p);
}

static bool place(const char *name, struct log_config *to)
{
	struct log_place p;

	if (!*name || !log_place_parse(name, &p))
		return false;
	to->sink = p.sink;
	to->path = name;
	return true;
}

void conf_log(const struct conf *c, enum log_sink fallback, struct conf_log *out)
{
	*out = (struct conf_log){
		.config = { .sink = fallback, .json = c->log_format == CONF_LOG_JSON, .mask = (enum log_mask)c->log_address_mask,
			.syslog_name = c->syslog_name },
		.also = { .json = c->log_also_format == CONF_LOG_JSON },
		.host = "localhost",
	};
	(void)gethostname(out->host, sizeof(out->host) - 1);
	out->host[strcspn(out->host, ".")] = '\0';
	out->config.host = out->host;
	(void)place(c->maillog_file, &out->config);
	if (place(c->log_also, &out->also))
		out->config.also = &out->also;
}
