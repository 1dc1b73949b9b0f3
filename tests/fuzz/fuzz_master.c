/* master.cf, whole: each load ends with listeners and transports that are what lines can make, or with an error that has a place */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/conf/master_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char folder[] = "/tmp/relaybox-fuzz-XXXXXX", path[64];

static void remove_folder(void)
{
	unlink(path);
	rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct conf *c;
	struct master m = { .n_listeners = 0 };
	struct conf_diag diag;
	int fd;

	conf_diag_init(&diag);
	if (!c) {
		if (!mkdtemp(folder))
			abort();
		snprintf(path, sizeof(path), "%s/master.cf", folder);
		atexit(remove_folder);
		c = conf_from_text(STR("myhostname = a.test\nmynetworks = 127.0.0.0/8\nmydestination = a.test\n"), folder, &diag);
		if (!c)
			abort();
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (n > 4096 || fd < 0 || (n && write(fd, data, n) != (ssize_t)n)) {
		close(fd);
		conf_diag_fini(&diag);
		return 0;
	}
	close(fd);
	if (master_load(c, &m, &diag) == 0) {
		for (size_t i = 0; i < m.n_listeners; i++)
			if (!m.listeners[i].port || !m.listeners[i].conf || !m.listeners[i].host)
				abort();
		for (size_t i = 0; i < m.n_transports; i++)
			if (!*m.transports[i].name || !m.transports[i].conf || m.transports[i].program >= MASTER_PROGRAMS)
				abort();
	} else if (!diag.errors) {
		abort();
	}
	master_fini(&m);
	conf_diag_fini(&diag);
	return 0;
}
