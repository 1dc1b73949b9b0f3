/* master_env - lines of master.cf from the environment: POSTFIXMASTER_service__type=line takes the place of that line, empty takes it out. */
#include "core/base/env.h"
#include "core/conf/master_private.h"

#define LINE_PREFIX "POSTFIXMASTER_"

/* split_variable - service and type of such a variable; false: its name has another form */
static bool split_variable(struct str variable, struct str *service, struct str *type)
{
	struct str name = str_from(variable, sizeof(LINE_PREFIX) - 1);

	for (size_t i = name.n; i-- > 1;)
		if (name.p[i - 1] == '_' && name.p[i] == '_' && i > 1 && i + 1 < name.n) {
			*service = str_head(name, i - 1);
			*type = str_from(name, i + 1);
			return true;
		}
	return false;
}

bool master_env_replaces(struct str service, struct str type)
{
	const char *variable, *value;
	unsigned cursor = 0, n;
	struct str s, t;

	while (env_each(LINE_PREFIX, &cursor, &variable, &value, &n))
		if (split_variable(str_make(variable, n), &s, &t) && str_eq(s, service) && str_eq(t, type))
			return true;
	return false;
}

static void environment_line(struct master_load *ld, struct str variable, struct str line)
{
	struct str service, type;
	struct master_line l;
	struct buf why;

	buf_init(&why, 300);
	if (!split_variable(variable, &service, &type)) {
		conf_diag_add(ld->diag, CONF_WARNING, "environment", 0, "%.*s has no effect: its name must be " LINE_PREFIX
			"service__type, as in " LINE_PREFIX "submission__inet", STR_ARG(str_head(variable, 100)));
	} else if (line.n) {
		if (master_line_parse(line, 0, &l, &why))
			master_take_line(ld, &l);
		else
			conf_diag_add(ld->diag, CONF_ERROR, "environment", 0, "%.*s: %s", STR_ARG(str_head(variable, 100)), buf_cstr(&why));
		master_line_fini(&l);
	}
	buf_fini(&why);
}

void master_env_lines(struct master_load *ld)
{
	const char *variable, *value;
	unsigned cursor = 0, n;

	ld->path = "environment";
	while (env_each(LINE_PREFIX, &cursor, &variable, &value, &n))
		environment_line(ld, str_make(variable, n), str_trim(str_of(value)));
}
