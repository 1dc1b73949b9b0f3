/* explain_view - the rows of relayctl explain (core/base/row.h, core/daemon/explain.h), for people or as JSON. */
#ifndef CORE_VIEW_EXPLAIN_VIEW_H
#define CORE_VIEW_EXPLAIN_VIEW_H

#include <stdio.h>

#include "core/base/str.h"

/* explain_view_print - json: one object a line, {"step":"lookup","table":…}; fields that are empty are left out */
void explain_view_print(struct str rows, bool json, FILE *to);

#endif
