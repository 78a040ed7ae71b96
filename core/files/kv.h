/* Typed metadata in GGUF's own terms (gguf.h @ d99724f, quant.md 1.1): an ordered, hash-indexed
 * table of key -> scalar, string or array. Used for what a GGUF file holds and for the keys a
 * Hugging Face directory is seen as. Strings and arrays may be borrowed from a mapping. */
#ifndef NIBBLE_KV_H
#define NIBBLE_KV_H

#include "core/base/str.h"

typedef enum nb_kv_type {
    NB_KV_U8,
    NB_KV_I8,
    NB_KV_U16,
    NB_KV_I16,
    NB_KV_U32,
    NB_KV_I32,
    NB_KV_F32,
    NB_KV_BOOL,
    NB_KV_STRING,
    NB_KV_ARRAY,
    NB_KV_U64,
    NB_KV_I64,
    NB_KV_F64,
    NB_KV_TYPES
} nb_kv_type;

typedef struct nb_kv {
    const char *key; /* NUL-terminated, owned by the table */
    nb_kv_type type;
    nb_kv_type elem; /* of an ARRAY */
    uint64_t n;      /* elements of an ARRAY, bytes of a STRING */
    union {
        uint64_t u;
        int64_t i;
        double f;
        const uint8_t *bytes; /* STRING: n bytes, not terminated; ARRAY: encoded elements */
    } v;
    uint64_t nbytes; /* encoded length of an ARRAY's elements */
} nb_kv;

typedef struct nb_kvs nb_kvs;

nb_status nb_kvs_open(nb_kvs **out, nb_err *err);
void nb_kvs_close(nb_kvs **kvs);
size_t nb_kvs_count(const nb_kvs *kvs);
const nb_kv *nb_kvs_at(const nb_kvs *kvs, size_t i);          /* in order */
const nb_kv *nb_kvs_find(const nb_kvs *kvs, const char *key); /* O(1); NULL if absent */

/* Adds or replaces in place. Bytes of strings and arrays are copied when copy, else borrowed. */
nb_status nb_kvs_put(nb_kvs *kvs, const nb_kv *kv, bool copy, nb_err *err);
nb_status nb_kvs_put_u32(nb_kvs *kvs, const char *key, uint32_t v, nb_err *err);
nb_status nb_kvs_put_i32(nb_kvs *kvs, const char *key, int32_t v, nb_err *err);
nb_status nb_kvs_put_f32(nb_kvs *kvs, const char *key, float v, nb_err *err);
nb_status nb_kvs_put_bool(nb_kvs *kvs, const char *key, bool v, nb_err *err);
nb_status nb_kvs_put_str(nb_kvs *kvs, const char *key, const char *s, size_t n, nb_err *err);
nb_status nb_kvs_put_f32s(nb_kvs *kvs, const char *key, const float *v, size_t n, nb_err *err);
nb_status nb_kvs_put_i32s(nb_kvs *kvs, const char *key, const int32_t *v, size_t n, nb_err *err);
/* Appends s as one encoded element of a STRING array; put_strs takes n of them. */
void nb_kv_add_str(nb_str *elements, const char *s, size_t n);
nb_status nb_kvs_put_strs(nb_kvs *kvs, const char *key, const nb_str *elements, size_t n,
                          nb_err *err);
void nb_kvs_drop(nb_kvs *kvs, const char *key);

/* Readers: false when absent or of another type; integers of any width that fit are accepted by
 * _uint, floats of any width by _float. */
bool nb_kvs_uint(const nb_kvs *kvs, const char *key, uint64_t *out);
bool nb_kvs_float(const nb_kvs *kvs, const char *key, double *out);
bool nb_kvs_bool(const nb_kvs *kvs, const char *key, bool *out);
bool nb_kvs_str(const nb_kvs *kvs, const char *key, const char **s, size_t *n); /* not terminated */

/* Steps through a STRING array: *at starts at NULL. False at the end. */
bool nb_kv_next_string(const nb_kv *array, const uint8_t **at, const char **s, size_t *n);
/* Scalar array element as a number; false for strings or out of range. */
bool nb_kv_elem_num(const nb_kv *array, uint64_t i, double *out);
/* One value as short text for a table: arrays as "[2048 strings]". Not sanitised. */
void nb_kv_text(const nb_kv *kv, char *out, size_t cap);
const char *nb_kv_type_name(nb_kv_type t); /* gguf's: "u32", "str", "arr" ... */
unsigned nb_kv_type_size(nb_kv_type t);    /* bytes of a scalar; 0 for strings and arrays */
/* Reads one little-endian scalar into out->v; false for strings, arrays or missing bytes. */
bool nb_kv_read_scalar(nb_cursor *c, nb_kv_type t, nb_kv *out);

#endif
