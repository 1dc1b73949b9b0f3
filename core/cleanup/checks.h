/* checks - tables that are asked about each header field and body line of a message: header_checks(5).
 *
 * A field is asked about whole, with its line ends in it (LF); a body line without its end. Nothing here acts: a look-up says
 * what the table says. The tables belong to the checks alone, so that one thread of the pool may ask them while the loop goes on;
 * who asks at which time is the owner's to see to (inspect.c). */
#ifndef CORE_CLEANUP_CHECKS_H
#define CORE_CLEANUP_CHECKS_H

#include "core/base/list.h"
#include "core/conf/conf.h"
#include "core/map/map.h"
#include "core/msg/mime_lines.h"

enum check_class { CHECK_HEADER, CHECK_MIME, CHECK_NESTED, CHECK_BODY, CHECK_CLASSES };
struct checks;

/* names and values of the four parameters, by class; the strings are borrowed. sends: for mail on its way out, where fewer actions count */
struct checks_from { const char *name[CHECK_CLASSES], *value[CHECK_CLASSES]; bool sends; };
/* checks_new - NULL when there is nothing to look at, or with what is wrong in diag */
struct checks *checks_new(const struct checks_from *from, struct conf_diag *diag);
/* checks_of_incoming - header_checks, mime_header_checks, nested_header_checks, body_checks */
struct checks *checks_of_incoming(const struct conf *c, struct conf_diag *diag);
struct checks *checks_ref(struct checks *k);           /* NULL stays NULL */
void checks_unref(struct checks *k);                   /* NULL: nothing */
bool checks_in_use(const struct checks *k);            /* by somebody else than the one owner; NULL: no */
/* checks_refresh - tables that changed are read again, unless they are in use */
void checks_refresh(struct checks *k, usec now_mono);
const char *checks_name(const struct checks *k, enum check_class class);
bool checks_has(const struct checks *k, enum check_class class);
/* checks_class - of a field; those that tell about the content are asked of CHECK_MIME wherever they stand */
enum check_class checks_class(enum mime_line kind, struct str name);
/* checks_find - text that is empty is asked of no table */
enum map_answer checks_find(struct checks *k, enum check_class class, struct str text, struct buf *out);

/* checks_pass_by - no table can match: seen at once, while nobody has the tables */
bool checks_pass_by(const struct checks *k, enum check_class class, struct str text);

/* One at a time has the tables to itself: go is called when it is whose turn, maybe before checks_wait returns */
struct checks_turn { struct list link; void (*go)(struct checks_turn *t); };
void checks_wait(struct checks *k, struct checks_turn *t);
void checks_turn_over(struct checks *k);

#endif
