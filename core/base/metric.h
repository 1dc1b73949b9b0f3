/* metric - what is counted, declared once: a row beside the code that counts, with its name, its help and its labels. The linker
 * gathers the rows, metric_rows writes them all.
 *
 * Counting is adding to a plain integer of the process: the one thread of the loop counts, nobody else. Where the sets of labels are
 * not known before (ciphers, codes of replies) they are learnt, as many as LIMIT_METRIC_LEARNT; what comes after is one "other".
 *
 * Text is OpenMetrics 1.0, or the older text of Prometheus (0.0.4): name is without "_total", which counters have. */
#ifndef CORE_BASE_METRIC_H
#define CORE_BASE_METRIC_H

#include "core/base/buf.h"
#include "core/base/limits.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
enum metric_unit { METRIC_PLAIN, METRIC_MICROSECONDS /* told as seconds */ };

struct metric_histogram { uint64_t buckets[LIMIT_METRIC_BUCKETS + 1], sum; };  /* the last bucket is above all bounds */
struct metric_learnt {
	size_t n;              /* before its rows: the first page is all that is touched of most */
	uint64_t others;
	struct { char labels[LIMIT_METRIC_LABELS]; uint64_t value; } v[LIMIT_METRIC_LEARNT];
};
struct metric {
	const char *name, *help;
	const char *label;             /* of a family of n; NULL: of one */
	const char *const *words;      /* its n values */
	void *values;                  /* n of a number, or histograms; or one struct metric_learnt */
	const int64_t *bounds;         /* of the buckets, rising */
	uint8_t type, unit, n, n_bounds;       /* enum metric_type, metric_unit; n: 0: learnt */
};
/* The rows are one array, put together by the linker: said by hand, the alignment is not more than one of them takes (a compiler would
 * like more for large ones, and leave holes).
 * METRIC_ONE, METRIC_MANY - a counter `var`, and an array of them: one for each word of `labels`. METRIC_LEARNT: a struct metric_learnt.
 * METRIC_BUCKETS: a row `var` for metric_observe, with `labels` NULL for one histogram */
#define METRIC_ROW(var, ...) \
	static const struct metric var __attribute__((section("metrics"), used, aligned(8))) = { __VA_ARGS__ }
#define METRIC_COUNT(a) (sizeof(a) / sizeof(*(a)))
#define METRIC_ONE(var, metric_name, text) \
	static uint64_t var; \
	METRIC_ROW(var##_row, .name = metric_name, .help = text, .n = 1, .values = &var)
#define METRIC_MANY(var, metric_name, text, key, labels) \
	static uint64_t var[METRIC_COUNT(labels)]; \
	METRIC_ROW(var##_row, .name = metric_name, .help = text, .label = key, .words = labels, .n = METRIC_COUNT(labels), .values = var)
#define METRIC_LEARNT(var, metric_name, text, key) \
	static struct metric_learnt var; \
	METRIC_ROW(var##_row, .name = metric_name, .help = text, .label = key, .values = &var)
#define METRIC_BUCKETS(var, metric_name, text, unit_is, key, labels, count, limits) \
	static struct metric_histogram var##_v[count]; \
	METRIC_ROW(var, .name = metric_name, .help = text, .type = METRIC_HISTOGRAM, .unit = unit_is, .label = key, .words = labels, .n = count, \
		.values = var##_v, .bounds = limits, .n_bounds = METRIC_COUNT(limits))

void metric_observe(const struct metric *m, size_t word, int64_t value);
/* metric_learn - count one more of a set of labels: "code=\"%d\"", filled with words of ours, which need no quoting */
void metric_learn(struct metric_learnt *m, const char *labels, ...) __attribute__((format(printf, 2, 3)));
/* metric_label - add name="value" to a set of labels; the value may be a stranger's */
void metric_label(struct buf *labels, const char *name, struct str value);

/* --- text: families, one after the other, each with its samples ----------------------------------------------------------------- */
struct metric_text {
	struct buf *out;
	bool open;                     /* OpenMetrics */
	const struct metric *family;   /* the one that is being written: its name, help, type and unit count */
};
void metric_put(struct metric_text *t, const struct metric *m);        /* all of one: its head and its values */
void metric_family(struct metric_text *t, const struct metric *m);     /* its head only; the samples follow */
void metric_sample(struct metric_text *t, struct str labels, uint64_t value);
void metric_bucket_samples(struct metric_text *t, struct str labels, const struct metric_histogram *h);
void metric_rows(struct metric_text *t);               /* all that are declared */
void metric_end(struct metric_text *t);

#endif
