/* http - as much of an HTTP/1.1 server as health checks and scrapes need: GET and HEAD of a path, one request a
 * connection. Pure: bytes in, verdict out. */
#ifndef CORE_NET_HTTP_H
#define CORE_NET_HTTP_H

#include "core/base/buf.h"

enum http_result { HTTP_NEED_MORE, HTTP_OK, HTTP_BAD };
struct http_request {
	struct str path;       /* as sent, from its "/" to before "?"; not decoded; a view into the input */
	struct str query;      /* what follows the "?" */
	bool head;             /* answer without the body */
	size_t length;         /* bytes of the request; a body, if there is one, is not read */
};
/* http_parse - HTTP_BAD: answer with *status (400, 405, 431 or 505) and close */
enum http_result http_parse(struct str in, struct http_request *out, int *status);
/* http_respond - a whole response that says the connection closes; type: "text/plain; charset=utf-8" */
void http_respond(struct buf *out, int status, const char *type, struct str body, bool head);

/* --- the client's half: the answer to a request, with Content-Length, chunked, or up to the end of the connection ---------- */
struct http_answer {
	int status;
	struct str type;       /* Content-Type, a view into the input */
};
/* http_parse_answer - all of the answer so far; `ended`: nothing follows. HTTP_OK: body holds the content, which its bound
 * limits (more is HTTP_BAD). *why on HTTP_BAD, and the status if that much was understood */
enum http_result http_parse_answer(struct str in, bool ended, struct http_answer *out, struct buf *body, const char **why);

#endif
