/* Models for rows that need more than the demo: one large enough that work on it lasts, and one
 * whose every word is an attack. Written once a run, into the scratch folder. */
#ifndef NIBBLE_TEST_PTY_MAKE_H
#define NIBBLE_TEST_PTY_MAKE_H

/* A folder with big.gguf, 94 M random weights in F16 (190 MB), and the same shape in Q5_0, Q4_0 and
 * Q8_0 (small.gguf, the last by name). They share a vocabulary of single letters, so their answers
 * stream for long. */
const char *make_big(void);
/* A folder with four precisions of the demo: "Once upon a time" gets 400 tokens of prose and more
 * from each, within a second or two. */
const char *make_demos(void);

enum { MAKE_PAYLOADS = 300 };
/* Escape sequence i < MAKE_PAYLOADS (reliability A32); may hold any byte but NUL. */
const char *make_payload(int i, char out[64]);
/* The demo with its plain tokens replaced by payloads and halves of UTF-8 characters. */
const char *make_hostile(void);

#endif
