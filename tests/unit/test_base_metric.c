/* test_base_metric.c - what is counted, and its two forms as text. */
#include "core/base/metric.h"
#include "tests/unit/t.h"

static const char *const words[] = { "in", "out" };
static const int64_t sizes[] = { 1, 10 };
static const int64_t times[] = { 1000, 2500000 };
METRIC_ONE(one, "test_one", "One.");
METRIC_MANY(many, "test_many", "Many.", "way", words);
METRIC_LEARNT(learnt, "test_learnt", "Learnt.", "code");
METRIC_BUCKETS(plain, "test_sizes", "Sizes.", METRIC_PLAIN, NULL, NULL, 1, sizes);
METRIC_BUCKETS(timed, "test_seconds", "Times.", METRIC_MICROSECONDS, "way", words, 2, times);

/* text_of - the part of all rows that begins with this family, up to one of another file */
static void text_of(struct buf *out, const char *family, const char *last, bool open)
{
	struct buf all;
	struct metric_text t = { .out = &all, .open = open };
	ptrdiff_t at, end;

	buf_init(&all, LIMIT_METRIC_TEXT);
	metric_rows(&t);
	metric_end(&t);
	at = str_find(buf_view(&all), str_of(family));
	buf_clear(out);
	if (at >= 0) {
		struct str rest = str_from(buf_view(&all), (size_t)at);

		end = str_find(rest, str_of(last));
		buf_str(out, end < 0 ? rest : str_head(rest, (size_t)end + strlen(last)));
	}
	buf_fini(&all);
}

static void forget(void)
{
	one = many[0] = many[1] = 0;
	learnt = (struct metric_learnt){ .n = 0 };
	plain_v[0] = timed_v[0] = timed_v[1] = (struct metric_histogram){ .sum = 0 };
}

T(metric_counters_in_both_forms)
{
	struct buf out;

	forget();
	one = 7;
	many[1] += 2;
	buf_init(&out, 10000);
	text_of(&out, "# HELP test_one", "test_one_total 7\n", false);
	CHECK_STR(buf_cstr(&out), "# HELP test_one_total One.\n# TYPE test_one_total counter\ntest_one_total 7\n");
	text_of(&out, "# HELP test_many", "\"out\"} 2\n", true);
	CHECK_STR(buf_cstr(&out), "# HELP test_many Many.\n# TYPE test_many counter\ntest_many_total{way=\"in\"} 0\ntest_many_total{way=\"out\"} 2\n");
	text_of(&out, "# EOF", "\n", true);
	CHECK_STR(buf_cstr(&out), "# EOF\n");
	text_of(&out, "# EOF", "\n", false);
	CHECK_STR(buf_cstr(&out), "");
	buf_fini(&out);
}

T(metric_histograms_are_cumulative)
{
	struct buf out;

	forget();
	metric_observe(&plain, 0, 1);
	metric_observe(&plain, 0, 2);
	metric_observe(&plain, 0, 11);
	metric_observe(&plain, 0, -5);
	buf_init(&out, 10000);
	text_of(&out, "# HELP test_sizes", "_count 4\n", false);
	CHECK_STR(buf_cstr(&out), "# HELP test_sizes Sizes.\n# TYPE test_sizes histogram\ntest_sizes_bucket{le=\"1\"} 2\ntest_sizes_bucket{le=\"10\"} 3\n"
		"test_sizes_bucket{le=\"+Inf\"} 4\ntest_sizes_sum 14\ntest_sizes_count 4\n");
	text_of(&out, "# TYPE test_sizes", "_count 4\n", true);
	CHECK_STR(buf_cstr(&out), "# TYPE test_sizes histogram\ntest_sizes_bucket{le=\"1.0\"} 2\ntest_sizes_bucket{le=\"10.0\"} 3\n"
		"test_sizes_bucket{le=\"+Inf\"} 4\ntest_sizes_sum 14\ntest_sizes_count 4\n");
	buf_fini(&out);
}

T(metric_times_are_told_in_seconds)
{
	struct buf out;

	forget();
	metric_observe(&timed, 1, 2500000);
	metric_observe(&timed, 1, 2500001);
	buf_init(&out, 10000);
	text_of(&out, "test_seconds_bucket{way=\"out\"", "_count{way=\"out\"} 2\n", false);
	CHECK_STR(buf_cstr(&out), "test_seconds_bucket{way=\"out\",le=\"0.001\"} 0\ntest_seconds_bucket{way=\"out\",le=\"2.5\"} 1\n"
		"test_seconds_bucket{way=\"out\",le=\"+Inf\"} 2\ntest_seconds_sum{way=\"out\"} 5.000001\ntest_seconds_count{way=\"out\"} 2\n");
	buf_fini(&out);
}

T(metric_learns_a_bounded_number_of_labels)
{
	struct buf out;
	char long_word[LIMIT_METRIC_LABELS + 1];

	forget();
	for (int i = 0; i < LIMIT_METRIC_LEARNT + 3; i++)
		metric_learn(&learnt, "code=\"%d\"", i);
	metric_learn(&learnt, "code=\"%d\"", 0);
	memset(long_word, 'x', sizeof(long_word) - 1);
	long_word[sizeof(long_word) - 1] = '\0';
	metric_learn(&learnt, "code=\"%s\"", long_word);
	CHECK_INT(learnt.n, LIMIT_METRIC_LEARNT);
	buf_init(&out, 10000);
	text_of(&out, "test_learnt_total{code=\"0\"}", "\n", false);
	CHECK_STR(buf_cstr(&out), "test_learnt_total{code=\"0\"} 2\n");
	text_of(&out, "test_learnt_total{code=\"other\"}", "\n", false);
	CHECK_STR(buf_cstr(&out), "test_learnt_total{code=\"other\"} 4\n");
	text_of(&out, "code=\"32\"", "\n", false);
	CHECK_STR(buf_cstr(&out), "");
	buf_fini(&out);
}

T(metric_labels_are_quoted)
{
	struct buf labels;

	buf_init(&labels, 100);
	metric_label(&labels, "a", STR("x\"y\\z"));
	metric_label(&labels, "b", STR("1\n2\x7f"));
	CHECK_STR(buf_cstr(&labels), "a=\"x\\\"y\\\\z\",b=\"1?2?\"");
	buf_fini(&labels);
}
