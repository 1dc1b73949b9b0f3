/* submit_judge - what the answers to the recipients of one message mean for whoever called sendmail. */
#ifndef CORE_SUBMIT_SUBMIT_JUDGE_H
#define CORE_SUBMIT_SUBMIT_JUDGE_H

#include "core/schedule/schedule.h"
#include "core/submit/submit.h"

/* submit_judge - sysexits code, with out filled; verdicts: a row for each recipient */
int submit_judge(const struct envelope *e, const struct delivery_result *results, struct submit_result *out, enum verdict *verdicts);
bool submit_was_answered(const struct envelope *e, const struct delivery_result *results); /* … or may have been */

#endif
