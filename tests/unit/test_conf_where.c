/* where a value came from, and how much of a wrong one is quoted */
#include <stdio.h>
#include <stdlib.h>

#include "core/conf/conf.h"
#include "tests/unit/t.h"

T(conf_networks_of_the_environment_say_so)
{
	static const char *const extra[] = { "inet_interfaces=127.0.0.1", "mynetworks_style=host", NULL };
	struct conf_diag diag;
	struct conf *c;

	setenv("SMTP_NETWORKS", "10.20.0.0/16", 1);
	conf_diag_init(&diag);
	c = conf_load(t_tmpdir(), extra, &diag);
	unsetenv("SMTP_NETWORKS");
	REQUIRE(c);
	CHECK(strstr(c->mynetworks, "10.20.0.0/16") != NULL);
	CHECK(strstr(c->mynetworks, "127.0.0.1/32") != NULL);
	CHECK_STR(conf_where(c, "mynetworks"), "environment");
	CHECK(strcmp(conf_where(c, "relayhost"), "environment") != 0);
	conf_free(c);
	conf_diag_fini(&diag);
}

/* a wrong value is quoted up to a hundred bytes, whatever it is that wants another */
T(conf_quotes_no_more_than_helps)
{
	static const char *const names[] = { "soft_bounce", "smtp_connect_timeout", "default_process_limit", "smtp_tls_security_level" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (size_t n = 99; n <= 101; n++) {
			char set[300], quoted[120];
			const char *extra[] = { set, NULL };
			struct conf_diag diag;
			struct conf *c;
			bool found = false;

			ROW("%s %zu", names[i], n);
			snprintf(set, sizeof(set), "%s=%0*d!", names[i], (int)n - 1, 7);
			conf_diag_init(&diag);
			c = conf_load(t_tmpdir(), extra, &diag);
			CHECK(!c);
			snprintf(quoted, sizeof(quoted), "\"%.*s\"", n < 100 ? (int)n : 100, strchr(set, '=') + 1);
			for (size_t k = 0; k < diag.n; k++)
				found |= strstr(diag.v[k].text, quoted) != NULL;
			CHECK(found);
			conf_free(c);
			conf_diag_fini(&diag);
		}
	}
}
