/* HTTP/1.1 on the server's side: reading a request, taking its target apart, putting a reply's head
 * together. Nothing here sends or knows of repositories. */
#ifndef NIBBLE_TEST_HUB_HTTP_H
#define NIBBLE_TEST_HUB_HTTP_H

#include "core/base/str.h"

enum { HTTP_HEAD = 64 << 10, HTTP_BODY = 4 << 20, HTTP_SEGMENTS = 64, HTTP_FIELDS = 128 };

typedef struct http_field {
    char *name, *value; /* into the request's text */
} http_field;

/* One request; its pointers live until http_free. */
typedef struct http_request {
    char *head; /* as sent, with the empty line; owned */
    char *text; /* the same, cut up; owned */
    char *method, *target;
    char *path;  /* raw, without query; owned */
    char *query; /* raw, without the question mark; "" */
    int minor;   /* HTTP/1.x */
    http_field field[HTTP_FIELDS];
    size_t n_fields;
    uint64_t body_n; /* Content-Length */
    bool chunked, expects, keep;
    char *body; /* [body_n] and a NUL, owned; NULL before it was read */
} http_request;

/* head[n] ends with the empty line. Returns 0, or the status to refuse it with: 400 for what is no
 * HTTP/1.x request. Free *r in any case. */
int http_parse(http_request *r, const char *head, size_t n);
void http_free(http_request *r);
/* Value of the first such field (any case), NULL if there is none. */
const char *http_get(const http_request *r, const char *name);

/* %XX (and with `plus` +) decoded into malloc'd text of *n bytes and a NUL; NULL for a bad escape.
 */
char *http_decode(const char *text, size_t len, bool plus, size_t *n);
/* Appends text with all but unreserved bytes (and those of `keep`) as %XX. */
void http_encode(nb_str *out, const char *text, const char *keep);

/* Walks name=value pairs of a query or form: *at moves on, *name and *value are malloc'd. False at
 * the end; pairs with bad escapes are passed over. */
bool http_pair(const char **at, char **name, char **value);
/* The last value of this name, malloc'd; NULL if absent. */
char *http_param(const char *query, const char *name);

/* "bytes=a-b" of a body of `size` bytes: 1 and the part; 0 when there is no such range to honour
 * (absent, another unit, several, malformed); -1 when it lies outside. `bounded` tells whether both
 * ends were given. */
int http_range(const char *value, uint64_t size, uint64_t *from, uint64_t *n, bool *bounded);

typedef struct http_reply {
    int status;
    struct {
        char *name, *value; /* owned */
    } field[HTTP_FIELDS];
    size_t n_fields;
} http_reply;

/* Replaces the field of this name or adds it; set with NULL removes it. */
void reply_set(http_reply *r, const char *name, const char *value);
void reply_setf(http_reply *r, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
const char *reply_get(const http_reply *r, const char *name);
/* Status line and fields and the empty line. */
void reply_head(const http_reply *r, nb_str *out);
void reply_clear(http_reply *r);
const char *http_reason(int status);

#endif
