/* a segment of the log: recovery never crashes, never hands out bytes that fail their sum, and a second start finds what
 * the first one left.
 *
 * The first byte says how the rest is taken. Odd: bytes behind a good segment header, as they are. Even: a list of records
 * whose sums are made right, so that the fuzzer gets past them: type, flags, head and body length (16 bit each), id
 * (8 bit), then the bytes; a footer gets its trailer. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/crc.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/store/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char dir[64];
static const struct segment_header header = { .number = 1, .mark = 0x4b52414d, .salt = 0x544c4153, .created = 1, .high_id = 1 };

static void remove_dir(void)
{
	static const char *const names[] = { "log/00000001.seg", "lock", "log", "big", "corrupt" };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		remove(path);
	}
	rmdir(dir);
}

static void make_dir(void)
{
	char path[128];

	if (dir[0])
		return;
	snprintf(dir, sizeof(dir), "/dev/shm/relaybox-fuzz-XXXXXX");
	if (!mkdtemp(dir)) {
		snprintf(dir, sizeof(dir), "/tmp/relaybox-fuzz-XXXXXX");
		if (!mkdtemp(dir))
			abort();
	}
	snprintf(path, sizeof(path), "%s/log", dir);
	if (mkdir(path, 0700))
		abort();
	log_open(&(struct log_config){ .sink = LOG_TO_FILE, .path = "/dev/null", .syslog_name = "postfix", .host = "fuzz" });
	atexit(remove_dir);
}

static void add_record(struct buf *b, struct str *in)
{
	unsigned char head[RECORD_HEADER];
	const unsigned char *p = (const unsigned char *)in->p;
	struct record r = { .type = p[0] & 127, .version = p[0] & 128 ? RECORD_APART : RECORD_WHOLE, .flags = p[1], .id = p[6] };
	size_t head_n = p[2] | (size_t)p[3] << 8, body_n = p[4] | (size_t)p[5] << 8;
	struct str bytes;

	*in = str_from(*in, 7);
	bytes = str_head(*in, head_n + body_n);
	*in = str_from(*in, bytes.n);
	r.length = (uint32_t)bytes.n;
	r.head_length = (uint32_t)(head_n < bytes.n ? head_n : bytes.n);
	r.head_crc = crc32c(0, bytes.p, r.head_length);
	r.body_crc = crc32c(0, bytes.p + r.head_length, r.length - r.head_length);
	r.batch = (uint32_t)b->n;
	record_format(head, &header, &r);
	if (r.type == RECORD_FOOTER) {
		unsigned char trailer[SEGMENT_TRAILER];

		segment_trailer_format(trailer, &header, (uint32_t)b->n, record_size(&r));
		buf_add(b, head, sizeof(head));
		buf_str(b, bytes);
		buf_add(b, trailer, sizeof(trailer));
		in->n = 0;
		return;
	}
	buf_add(b, head, sizeof(head));
	buf_str(b, bytes);
}

static void write_segment(struct str in)
{
	unsigned char start[SEGMENT_START];
	char path[128];
	struct buf b;
	int fd;

	buf_init(&b, 1 << 20);
	segment_header_format(start, &header);
	buf_add(&b, start, sizeof(start));
	if (in.n && in.p[0] & 1) {
		buf_str(&b, str_from(in, 1));
	} else {
		for (in = str_from(in, 1); in.n >= 7;)
			add_record(&b, &in);
	}
	snprintf(path, sizeof(path), "%s/log/00000001.seg", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, b.p, b.n) != (ssize_t)b.n)
		abort();
	close(fd);
	buf_fini(&b);
}

/* read_all - everything that can be read of each message; damage is an answer */
static void read_all(struct store *s)
{
	size_t cursor = 0;
	struct qmsg *m;

	while (store_each(s, &cursor, &m)) {
		struct store_reader *r = store_read_open(s, m);
		struct rcpt_state *states;
		struct envelope e;
		struct arena a;
		char piece[300];
		uint64_t at = 0;

		arena_init(&a, 1 << 20);
		/* of a version to come there may be recipients that are written in another way; there is a state for each that is not */
		if (!store_envelope(s, m, &a, &e) && (e.unknown.n ? e.n_rcpts > m->n_rcpts : e.n_rcpts != m->n_rcpts))
			abort();
		(void)store_states(s, m, &a, &states);
		for (ssize_t got = 1; r && got > 0; at += (uint64_t)got) {
			got = store_read(r, at, piece, sizeof(piece));
			if (got < 0)
				break;
		}
		store_read_close(r);
		arena_fini(&a);
	}
}

static int drop(void *ctx, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s/%.255s", dir, (const char *)ctx, name);
	return remove(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct store_options o = { .dir = dir, .segment_size = 1 << 16, .big_threshold = 1 << 14 };
	static char log_dir[] = "log", corrupt[] = "corrupt";
	size_t count[2] = { 0 };

	make_dir();
	write_segment(str_make((const char *)data, n));
	for (int turn = 0; turn < 2; turn++) {
		struct buf why;
		struct store *s;
		char path[128];

		buf_init(&why, 1000);
		s = store_open(&o, NULL, NULL, &why);
		buf_fini(&why);
		if (!s)
			break;
		count[turn] = store_count(s);
		if (turn && count[0] != count[1])
			abort();
		read_all(s);
		store_close(s);
		snprintf(path, sizeof(path), "%s/corrupt", dir);
		fs_each_name(path, drop, corrupt);
	}
	{
		char path[128];

		snprintf(path, sizeof(path), "%s/log", dir);
		fs_each_name(path, drop, log_dir);
	}
	return 0;
}
