/* The fault script: rules from text lines (the language is told in fake_hub.h), and what the rules
 * that match one request come to. */
#ifndef NIBBLE_TEST_HUB_FAULT_H
#define NIBBLE_TEST_HUB_FAULT_H

#include <pthread.h>

#include "core/base/str.h"
#include "tests/hub/fake_hub.h"

/* X(name, word, what follows =, number without a value; -1 = a value is needed) */
#define FAULT_VERBS(X)                                                                             \
    X(DELAY, "delay", NUMBER, -1)                                                                  \
    X(RST, "rst", NOTHING, 0)                                                                      \
    X(STATUS, "status", NUMBER, -1)                                                                \
    X(BODY, "body", TEXT, -1)                                                                      \
    X(BODY_FILE, "body_file", TEXT, -1)                                                            \
    X(REDIRECT, "redirect", TEXT, -1)                                                              \
    X(LOOP, "loop", NOTHING, 0)                                                                    \
    X(ENDLESS_BODY, "endless_body", NOTHING, 0)                                                    \
    X(HEADER, "header", TEXT, -1)                                                                  \
    X(BIG_HEADERS, "big_headers", NUMBER, 1 << 20)                                                 \
    X(BAD_ETAG, "bad_etag", TEXT, 0)                                                               \
    X(BAD_LEN, "bad_len", NUMBER, -1)                                                              \
    X(NO_LENGTH, "no_length", NOTHING, 0)                                                          \
    X(CHUNKED, "chunked", NOTHING, 0)                                                              \
    X(NO_CONTENT_RANGE, "no_content_range", NOTHING, 0)                                            \
    X(IGNORE_RANGE, "ignore_range", NOTHING, 0)                                                    \
    X(SHIFT_RANGE, "shift_range", SIGNED, -1)                                                      \
    X(SHORT, "short", NUMBER, -1)                                                                  \
    X(EXTRA, "extra", NUMBER, -1)                                                                  \
    X(FLIP_BYTE, "flip_byte", NUMBER, -1)                                                          \
    X(GZIP, "gzip", NOTHING, 0)                                                                    \
    X(RATE, "rate", NUMBER, -1)                                                                    \
    X(DROP_AFTER, "drop_after", NUMBER, -1)                                                        \
    X(STALL_AFTER, "stall_after", NUMBER, -1)

typedef enum fault_verb {
#define FAULT_ENUM(name, word, value, without) FAULT_##name,
    FAULT_VERBS(FAULT_ENUM)
#undef FAULT_ENUM
        FAULT_VERB_COUNT
} fault_verb;

/* The verbs of one rule, or of all that match a request. */
typedef struct fault {
    bool has[FAULT_VERB_COUNT];
    int64_t num[FAULT_VERB_COUNT];
    char *text[FAULT_VERB_COUNT]; /* owned; of HEADER one "K:V" a line; NULL without a value */
    size_t text_n[FAULT_VERB_COUNT];
} fault;

typedef struct fault_rule fault_rule;

/* Appends the rule of a line to *rules. */
nb_status fault_add(fault_rule **rules, const char *line, nb_err *err);
void fault_free_rules(fault_rule **rules);
/* What applies to this request, counting it in every rule it matches. Free with fault_clear. */
void fault_match(fault_rule *rules, fake_port port, const char *method, const char *name,
                 fault *out);
void fault_clear(fault *f);

#endif
