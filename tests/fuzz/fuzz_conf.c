/* fuzz_conf - main.cf as text through the whole load, then the same bytes as lines of master.cf and as endpoints. */
#include <stddef.h>
#include <stdint.h>

#include "core/conf/master_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_master(struct str text)
{
	struct master_line line;
	struct str logical, host;
	struct lines lines;
	struct buf why;
	uint16_t port;

	lines_init(&lines, text);
	buf_init(&why, 500);
	while (lines_next(&lines, &logical)) {
		buf_clear(&why);
		if (master_line_parse(logical, lines.line, &line, &why))
			master_parse_endpoint(line.service, &host, &port, &why);
		master_line_fini(&line);
	}
	buf_fini(&why);
	lines_fini(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make((const char *)data, size);
	struct conf_diag diag;
	struct conf *c;

	/* conf_load refuses a file with NUL bytes before it is parsed */
	if (size > 8192 || (size && memchr(data, 0, size)))
		return 0;
	conf_diag_init(&diag);
	c = conf_from_text(text, "/nowhere", &diag);
	if (c) {
		(void)conf_get(c, "x");
		(void)conf_transport_int(c, "slow", "destination_concurrency_limit");
	}
	conf_free(c);
	conf_diag_fini(&diag);
	try_master(text);
	return 0;
}
