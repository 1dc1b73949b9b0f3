/* stats_view - relayd's figures for a person, or as JSON; works on the rows of stats.h. */
#ifndef CORE_VIEW_STATS_VIEW_H
#define CORE_VIEW_STATS_VIEW_H

#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/clock.h"

enum { STATS_CELLS = 8 };
/* stats_next_row - the next row of this kind, with its cells behind the kind; those that it does not have are empty */
bool stats_next_row(struct str *rows, const char *kind, struct str cells[STATS_CELLS]);
uint64_t stats_number(struct str cell);                /* 0 for what is none */

struct stats_view {
	bool json;             /* one object a sample, on one line */
	size_t width;          /* columns of the terminal; 0: nothing is cut */
	bool colour;
};
/* stats_view_print - before: the rows of the sample before, for rates; empty: none. between: time from that one to this */
void stats_view_print(const struct stats_view *v, struct str rows, struct str before, usec between, FILE *to);

#endif
