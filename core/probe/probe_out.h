/* probe_out - other ways to show what was found: metrics for Prometheus' textfile collector, what changed since the last
 * round, and what the caller expects beyond the rules (times, TLS). */
#ifndef CORE_PROBE_PROBE_OUT_H
#define CORE_PROBE_PROBE_OUT_H

#include "core/probe/probe.h"

/* The exposition format wants all samples of a metric together, so they are gathered first. */
#define PROBE_METRICS 5
struct probe_metrics { struct buf rows[PROBE_METRICS]; };
void probe_metrics_init(struct probe_metrics *m);
void probe_metrics_fini(struct probe_metrics *m);
void probe_metrics_add(struct probe_metrics *m, const struct probe *p);
void probe_metrics_print(const struct probe_metrics *m, usec now_wall, FILE *to);

/* probe_change_line - a finding as a line of text: without what differs each time (milliseconds) */
void probe_change_line(struct buf *out, struct str verdict, struct str host, struct str address, struct str check, struct str text);
/* probe_print_changes - lines that are missing in the other, with - and +, under the target; how many */
size_t probe_print_changes(const char *target, struct str before, struct str after, FILE *to, bool colour);
/* probe_compare - the same of two runs as --json printed them, a target each line; -1: one of them is no such run */
ptrdiff_t probe_compare(struct str before, struct str after, FILE *to, bool colour);
/* a page: its head, a section for each target, its end */
void probe_html_begin(FILE *to, usec now);
void probe_print_html(const struct probe *p, FILE *to);
void probe_html_end(FILE *to);
/* probe_changes - print which findings came and went since `before` was made, which is then made anew; how many. `before`:
 * owned text, NULL at first (nothing is printed then) */
size_t probe_changes(const struct probe *p, char **before, FILE *to, bool colour);

/* probe_expect - findings about opt->slow_warning, slow_problem and must_tls */
void probe_expect(struct probe *p);
/* probe_took - the whole dialogue with one address, from the connection to the end */
usec probe_took(const struct probe_address *a);

#endif
