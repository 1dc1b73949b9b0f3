/* metric - see metric.h. */
#include "core/base/metric.h"

#include <inttypes.h>

#include "core/base/format.h"

/* the linker's names for the ends of the section; a program without a row has none */
extern const struct metric __start_metrics[] __attribute__((weak));
extern const struct metric __stop_metrics[] __attribute__((weak));

enum { MILLION = 1000000 };

/* --- counting --------------------------------------------------------------------------------------------------------- */

void metric_observe(const struct metric *m, size_t word, int64_t value)
{
	struct metric_histogram *h = (struct metric_histogram *)m->values + word;
	size_t i = 0;

	while (i < m->n_bounds && value > m->bounds[i])
		i++;
	h->buckets[i]++;
	h->sum += value > 0 ? (uint64_t)value : 0;
}

void metric_learn(struct metric_learnt *m, const char *labels, ...)
{
	char text[LIMIT_METRIC_LABELS];
	va_list ap;
	size_t i = 0;
	int n;

	va_start(ap, labels);
	n = format_vtext(text, sizeof(text), labels, ap);
	va_end(ap);
	while (i < m->n && strcmp(m->v[i].labels, text) != 0)
		i++;
	if (i == LIMIT_METRIC_LEARNT || n >= LIMIT_METRIC_LABELS) {
		m->others++;
		return;
	}
	if (i == m->n)
		memcpy(m->v[m->n++].labels, text, sizeof(text));
	m->v[i].value++;
}

void metric_label(struct buf *labels, const char *name, struct str value)
{
	buf_printf(labels, "%s%s=\"", labels->n ? "," : "", name);
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '"' || value.p[i] == '\\')
			buf_byte(labels, '\\');
		buf_byte(labels, (unsigned char)value.p[i] < 32 || value.p[i] == 127 ? '?' : value.p[i]);
	}
	buf_byte(labels, '"');
}

/* --- text ------------------------------------------------------------------------------------------------------------- */

void metric_family(struct metric_text *t, const struct metric *m)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };
	const char *end = m->type == METRIC_COUNTER && !t->open ? "_total" : "";

	t->family = m;
	buf_printf(t->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", m->name, end, m->help, m->name, end, types[m->type]);
}

/* put_number - OpenMetrics has bounds with a point */
static void put_number(struct buf *out, uint64_t v, enum metric_unit unit, bool point)
{
	unsigned fraction = (unsigned)(v % MILLION), digits = 6;

	if (unit == METRIC_PLAIN) {
		buf_printf(out, "%" PRIu64 "%s", v, point ? ".0" : "");
		return;
	}
	buf_u64(out, v / MILLION);
	for (; digits > 1 && fraction % 10 == 0; digits--)
		fraction /= 10;
	if (fraction || point)
		buf_printf(out, ".%0*u", (int)digits, fraction);
}

static void sample(struct metric_text *t, const char *suffix, struct str labels, uint64_t value, enum metric_unit unit)
{
	buf_printf(t->out, labels.n ? "%s%s{%.*s} " : "%s%s%.*s ", t->family->name, suffix, STR_ARG(labels));
	put_number(t->out, value, unit, false);
	buf_byte(t->out, '\n');
}

void metric_sample(struct metric_text *t, struct str labels, uint64_t value)
{
	sample(t, t->family->type == METRIC_COUNTER ? "_total" : "", labels, value, t->family->unit);
}

void metric_bucket_samples(struct metric_text *t, struct str labels, const struct metric_histogram *h)
{
	const struct metric *m = t->family;
	uint64_t n = 0;

	for (size_t i = 0; i <= m->n_bounds; i++) {
		n += h->buckets[i];
		buf_printf(t->out, "%s_bucket{%.*s%sle=\"", m->name, STR_ARG(labels), labels.n ? "," : "");
		if (i < m->n_bounds)
			put_number(t->out, (uint64_t)m->bounds[i], m->unit, t->open);
		else
			buf_z(t->out, "+Inf");
		buf_printf(t->out, "\"} %" PRIu64 "\n", n);
	}
	sample(t, "_sum", labels, h->sum, m->unit);
	sample(t, "_count", labels, n, METRIC_PLAIN);
}

static void put_learnt(struct metric_text *t, const struct metric *m, struct buf *labels)
{
	const struct metric_learnt *x = m->values;

	for (size_t i = 0; i < x->n; i++)
		metric_sample(t, str_of(x->v[i].labels), x->v[i].value);
	if (x->others) {
		metric_label(labels, m->label, STR("other"));
		metric_sample(t, buf_view(labels), x->others);
	}
}

void metric_put(struct metric_text *t, const struct metric *m)
{
	struct buf labels;

	metric_family(t, m);
	buf_init(&labels, LIMIT_METRIC_LABELS);
	if (!m->n)
		put_learnt(t, m, &labels);
	for (size_t i = 0; i < m->n; i++) {
		buf_clear(&labels);
		if (m->label)
			metric_label(&labels, m->label, str_of(m->words[i]));
		if (m->type == METRIC_HISTOGRAM)
			metric_bucket_samples(t, buf_view(&labels), (const struct metric_histogram *)m->values + i);
		else
			metric_sample(t, buf_view(&labels), ((const uint64_t *)m->values)[i]);
	}
	buf_fini(&labels);
}

void metric_rows(struct metric_text *t)
{
	for (const struct metric *m = __start_metrics; m < __stop_metrics; m++)
		metric_put(t, m);
}

void metric_end(struct metric_text *t)
{
	if (t->open)
		buf_z(t->out, "# EOF\n");
}
