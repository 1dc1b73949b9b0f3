/* bounce_template - the words of notices as an administrator wrote them: bounce_template_file (bounce(5)).
 *
 * A file has up to four templates, `failure_template = <<EOF` … `EOF`, each a few header lines, an empty line and text in which
 * $parameters are expanded. What is wrong with the file stops the start; a template with a header line that it may not have is
 * passed by with a warning, as Postfix does. */
#ifndef CORE_DELIVER_BOUNCE_TEMPLATE_H
#define CORE_DELIVER_BOUNCE_TEMPLATE_H

#include "core/conf/conf.h"
#include "core/msg/dsn.h"

enum bounce_text { BOUNCE_FAILURE, BOUNCE_DELAY, BOUNCE_SUCCESS, BOUNCE_VERIFY, BOUNCE_TEXTS };
struct bounce_templates;
/* bounce_templates_new - of bounce_template_file; never NULL, all built-in where it is empty or wrong, which is in diag */
struct bounce_templates *bounce_templates_new(const struct conf *c, struct conf_diag *diag);
void bounce_templates_free(struct bounce_templates *t);
/* bounce_templates_parse - text of a file of that name against c, for tests and fuzzing; else as above */
struct bounce_templates *bounce_templates_parse(const struct conf *c, const char *file, struct str text, struct conf_diag *diag);
/* bounce_template - NULL: the built-in one */
const struct dsn_template *bounce_template(const struct bounce_templates *t, enum bounce_text which);

#endif
