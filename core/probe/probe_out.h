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

/* probe_changes - print which findings came and went since `before` was made, which is then made anew; how many. `before`:
 * owned text, NULL at first (nothing is printed then) */
size_t probe_changes(const struct probe *p, char **before, FILE *to, bool colour);

/* probe_expect - findings about opt->slow_warning, slow_problem and must_tls */
void probe_expect(struct probe *p);
/* probe_took - the whole dialogue with one address, from the connection to the end */
usec probe_took(const struct probe_address *a);

#endif
