/* smtp_tap - what somebody who looks on sees of a session (deliver_options.tap). */
#ifndef CORE_DELIVER_SMTP_SMTP_TAP_H
#define CORE_DELIVER_SMTP_SMTP_TAP_H

#include "core/deliver/deliver.h"

struct smtp_session;
struct smtp_try;

/* smtp_step - tell who looks on; nobody does in relayd */
void smtp_step(struct smtp_try *t, enum deliver_step_kind kind, const struct reply *r);
void smtp_tap_came(const struct smtp_session *s, struct str text);
/* smtp_tap_went - what was added to the output since it was this long */
void smtp_tap_went(const struct smtp_session *s, size_t before);

#endif
