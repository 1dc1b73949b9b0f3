/* builtin - values that main.cf may refer to though nothing here is set by them: directories, names of programs and
 * services, defaults of parameters that relaybox does not implement. They are Postfix's (3.7 to 3.11, as Debian builds it),
 * so that `texthash:$config_directory/transport` and `$default_database_type:/etc/aliases` mean what they mean there. */
#include "core/conf/conf_private.h"

static const struct { const char *name, *value; } rows[] = {
	/* computed: what mynetworks is where nobody set it, to be added to */
	{ "own_networks", "" },
	{ "command_directory", "/usr/sbin" },
	{ "daemon_directory", "/usr/lib/postfix/sbin" },
	{ "data_directory", "/var/lib/postfix" },
	{ "shlib_directory", "/usr/lib/postfix" },
	{ "meta_directory", "$config_directory" },
	{ "sample_directory", "$config_directory" },
	{ "html_directory", "/usr/share/doc/postfix/html" },
	{ "readme_directory", "/usr/share/doc/postfix" },
	{ "manpage_directory", "/usr/share/man" },
	{ "process_id_directory", "pid" },
	{ "sendmail_path", "/usr/sbin/sendmail" },
	{ "mailq_path", "/usr/bin/mailq" },
	{ "newaliases_path", "/usr/bin/newaliases" },
	{ "openssl_path", "openssl" },
	{ "setgid_group", "postdrop" },
	{ "default_privs", "nobody" },
	{ "default_database_type", "hash" },
	{ "pickup_service_name", "pickup" },
	{ "queue_service_name", "qmgr" },
	{ "rewrite_service_name", "rewrite" },
	{ "error_service_name", "error" },
	{ "virtual_transport", "virtual" },
	{ "virtual_alias_maps", "$virtual_maps" },
	{ "virtual_alias_domains", "$virtual_alias_maps" },
	{ "virtual_mailbox_domains", "$virtual_mailbox_maps" },
	{ "smtp_sasl_type", "cyrus" },
	{ "milter_macro_v", "$mail_name $mail_version" },
	{ "milter_macro_daemon_name", "$myhostname" },
};

const char *builtin_value(const struct conf *c, struct str name)
{
	if (str_eq(name, STR("config_directory")))
		return c->config_directory;
	if (str_eq(name, STR("service_name")))
		return c->source->service;
	if (str_eq(name, STR("process_name")))
		return c->source->program ? c->source->program : "relayd";
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(name, str_of(rows[i].name)))
			return rows[i].value;
	return NULL;
}
