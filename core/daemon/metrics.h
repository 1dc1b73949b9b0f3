/* metrics - /metrics: all that is counted (core/base/metric.h), the figures of relayctl stats, and the state of queue, destinations and
 * caches now. The manual is relaybox-metrics.5. */
#ifndef CORE_DAEMON_METRICS_H
#define CORE_DAEMON_METRICS_H

#include "core/daemon/relay.h"

/* metrics_write - open: OpenMetrics, not the older text */
void metrics_write(struct relay *r, struct buf *out, bool open);

#endif
