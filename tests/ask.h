/* One request over a socket, byte by byte under the test's control: what the fake Hub is tested
 * with, so that no client library mends what the server does. */
#ifndef NIBBLE_TEST_ASK_H
#define NIBBLE_TEST_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ask_reply {
    int status; /* 0 = no head came */
    char *head; /* status line and fields, owned */
    char *body; /* [n] and a NUL, chunks joined, owned */
    size_t n;
    bool whole;  /* the body came to the end its head announced */
    bool closed; /* the server closed; reset: it did so with RST */
    bool reset;
    double first, last; /* seconds until the first and the last byte */
} ask_reply;

enum { ASK_MS = 10000 };

/* method and address "http://127.0.0.1:PORT/path", fields "Name: value\r\n..." or NULL, body NULL =
 * none. Waits at most ms for each next byte. The test fails when nothing listens. */
ask_reply ask(const char *method, const char *url, const char *fields, const char *body, int ms);
ask_reply ask_get(const char *url);
/* Follows redirects from GET (relative ones too), at most four, with the same fields. */
ask_reply ask_file(const char *url, const char *fields);
/* Bytes as they are; reads until the server closes or ms pass. */
ask_reply ask_raw(const char *url, const char *bytes, size_t n, int ms);
/* Value of a field, in a ring of eight buffers; NULL if absent. */
const char *ask_field(const ask_reply *r, const char *name);
void ask_free(ask_reply *r);

/* A connection kept open: several requests, one after the other. */
int ask_open(const char *url);
ask_reply ask_on(int fd, const char *method, const char *url, const char *fields, int ms);

/* origin + path, in a ring of eight buffers. */
const char *ask_url(const char *origin, const char *path);

#endif
