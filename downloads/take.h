/* One JSON value at a time, for answers whose every field may be missing, null or of another kind.
 * Every reader is called behind a KEY and takes exactly one value, whatever its kind: a value of
 * another kind than expected leaves the field as it was. Private to downloads/. */
#ifndef NIBBLE_TAKE_H
#define NIBBLE_TAKE_H

#include "core/base/json.h"

/* Steps to the end of the value whose first token was t. */
void dl_rest(nb_jpull *p, nb_jtoken t);
/* The last STRING into out, cut between characters; not sanitised. */
void dl_keep_text(const nb_jpull *p, char *out, size_t cap);
void dl_take_text(nb_jpull *p, char *out, size_t cap);
void dl_take_bool(nb_jpull *p, bool *out);
/* 0 <= n < 2^53: what both ends hold exactly. False: *out is as before. */
bool dl_take_count(nb_jpull *p, uint64_t *out);
void dl_take_signed(nb_jpull *p, int64_t *out);
void dl_take_time(nb_jpull *p, int64_t *out); /* as dl_unix_time */
/* True: the value is an object, its members follow. False: it was another one and is passed. */
bool dl_open_object(nb_jpull *p);
/* Each member of an object: its key in key (cut), the reader behind the key. False at the end. */
bool dl_next_member(nb_jpull *p, char key[64]);
/* got == want, or an error that names p's document: "the answer is no list". */
nb_status dl_expect(nb_jpull *p, nb_jtoken got, nb_jtoken want, const char *name, nb_err *err);

/* "2024-09-25T12:34:56.000Z" -> Unix seconds; 0 = no date. */
int64_t dl_unix_time(const char *iso);

#endif
