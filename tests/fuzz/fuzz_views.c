/* fuzz_views.c - what relayctl reads: rows of relayd and lines of a log. Whatever they hold, nothing that is shown moves
 * the cursor; and on the page for browsers nothing is a script but ours. */
#include <stdio.h>
#include <stdlib.h>

#include "core/view/explain_view.h"
#include "core/view/queue_view.h"
#include "core/view/stats_view.h"
#include "core/view/status_page.h"
#include "core/view/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_shown(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)text[i] < 32 && text[i] != '\n') || text[i] == 127)
			abort();
}

static void check_queue(struct str rows, unsigned how)
{
	char *text = NULL;
	size_t n = 0;
	struct queue_view v = { .width = 100, .sort = how % 7, .reverse = how & 8, .form = QUEUE_TABLE, .from = how & 16 ? "a" : NULL,
		.to = how & 32 ? "b@" : NULL, .site = how & 64 ? ".c" : NULL };
	FILE *to = open_memstream(&text, &n);

	if (queue_view_print(&v, rows, 1000000, to) == 0 && fflush(to) == 0)
		check_shown(text, n);
	fclose(to);
	free(text);
}

static void check_rest(struct str in, char *copy)
{
	char *text = NULL;
	size_t n = 0;
	struct trace t = { .qid = STR("8DE012082C") };
	FILE *log = in.n ? fmemopen(copy, in.n, "r") : NULL;

	t.to = open_memstream(&text, &n);
	if (log) {
		trace_logs(&t, &log, 1);
		fclose(log);
	}
	stats_view_print(&(struct stats_view){ .json = in.n & 1 }, in, in, USEC_PER_SEC, t.to);
	explain_view_print(in, in.n & 1, t.to);
	fclose(t.to);
	check_shown(text, n);
	free(text);
}

static void check_page(struct str rows)
{
	struct status_page p = { .host = "h", .version = "1", .nonce = "n", .masked = rows.n & 1 };
	struct buf out;
	ptrdiff_t at;

	buf_init(&out, 1 << 20);
	status_page_write(&p, rows, &out);
	at = out.overflow ? -1 : str_find(buf_view(&out), STR("<script"));
	if (at >= 0 && str_find(str_from(buf_view(&out), (size_t)at + 1), STR("<script")) >= 0)
		abort();
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	check_queue(str_make(copy, size), size ? data[size - 1] : 0);
	check_page(str_make((const char *)data, size));
	check_rest(str_make((const char *)data, size), copy);
	free(copy);
	return 0;
}
