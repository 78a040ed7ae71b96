/* SentencePiece's tokenizer.model: a protobuf ModelProto (sentencepiece_model.proto): repeated
 * pieces = 1 {piece = 1, score = 2 (float), type = 3}, trainer_spec = 2, normalizer_spec = 3
 * {add_dummy_prefix = 3}. Its remove_extra_whitespaces is not carried over: llama.cpp's converter
 * leaves it out for llama models, whose text keeps its spaces. Piece types equal GGUF's token
 * types. */
#include "core/files/hf_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

enum { MAX_VOCAB = 1 << 20, MAX_PIECE = 65535, VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { TYPE_NORMAL = 1, TYPE_UNUSED = 5, TYPE_BYTE = 6 };

typedef struct field {
    uint32_t number, wire;
    uint64_t v;           /* VARINT, FIXED */
    const uint8_t *bytes; /* BYTES: v bytes */
} field;

static bool read_varint(nb_cursor *c, uint64_t *out)
{
    uint64_t v = 0;
    uint8_t b;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (!nb_read_u8(c, &b))
            return false;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *out = v;
            return true;
        }
    }
    return false;
}

static bool read_field(nb_cursor *c, field *f)
{
    uint64_t tag;
    uint32_t w;
    if (!read_varint(c, &tag) || tag >> 3 > UINT32_MAX)
        return false;
    *f = (field){.number = (uint32_t)(tag >> 3), .wire = (uint32_t)(tag & 7)};
    switch (f->wire) {
    case VARINT:
        return read_varint(c, &f->v);
    case FIXED64:
        return nb_read_u64(c, &f->v);
    case FIXED32:
        return nb_read_u32(c, &w) && (f->v = w, true);
    case BYTES:
        return read_varint(c, &f->v) && nb_read_bytes(c, f->v, &f->bytes);
    default:
        return false;
    }
}

typedef struct vocab {
    nb_str tokens; /* GGUF string array elements */
    float *score;
    int32_t *type;
    size_t n, cap;
    bool dummy_prefix;
} vocab;

static void add_token(vocab *v, const char *text, uint64_t n, float score, int32_t type)
{
    nb_kv_add_str(&v->tokens, text, (size_t)n);
    v->score[v->n] = score;
    v->type[v->n++] = type;
}

static nb_status read_piece(vocab *v, const field *whole, const char *name, nb_err *err)
{
    nb_cursor c = nb_cursor_make(whole->bytes, (size_t)whole->v);
    field f, text = {0};
    float score = 0;
    int32_t type = TYPE_NORMAL;
    while (nb_cursor_left(&c)) {
        if (!read_field(&c, &f))
            return nb_fail(err, NB_FORMAT, "%s: piece %zu is cut short", name, v->n);
        if (f.number == 1 && f.wire == BYTES)
            text = f;
        else if (f.number == 2 && f.wire == FIXED32) {
            uint32_t u = (uint32_t)f.v;
            memcpy(&score, &u, sizeof score);
        } else if (f.number == 3 && f.wire == VARINT)
            type = f.v >= TYPE_NORMAL && f.v <= TYPE_BYTE ? (int32_t)f.v : -1;
    }
    if (!isfinite(score))
        return nb_fail(err, NB_FORMAT, "%s: piece %zu: its score is no number", name, v->n);
    if (text.v > MAX_PIECE || type < 0)
        return nb_fail(err, NB_FORMAT, "%s: piece %zu: %llu bytes, type %d", name, v->n,
                       (unsigned long long)text.v, type);
    add_token(v, text.bytes ? (const char *)text.bytes : "", text.v, score, type);
    return NB_OK;
}

static bool read_normalizer(vocab *v, const field *whole)
{
    nb_cursor c = nb_cursor_make(whole->bytes, (size_t)whole->v);
    field f;
    while (nb_cursor_left(&c)) {
        if (!read_field(&c, &f))
            return false;
        if (f.number == 3 && f.wire == VARINT)
            v->dummy_prefix = f.v != 0;
    }
    return true;
}

static nb_status read_model(vocab *v, const uint8_t *bytes, size_t n, const char *name, nb_err *err)
{
    nb_cursor c = nb_cursor_make(bytes, n);
    field f;
    while (nb_cursor_left(&c)) {
        if (!read_field(&c, &f))
            return nb_fail(err, NB_FORMAT, "%s: no SentencePiece model: bad field at byte %zu",
                           name, nb_cursor_pos(&c));
        if (f.number == 1 && f.wire == BYTES) {
            if (v->n < v->cap) /* pieces past the embedding's rows have no meaning */
                NB_TRY(read_piece(v, &f, name, err));
        } else if (f.number == 3 && f.wire == BYTES && !read_normalizer(v, &f)) {
            return nb_fail(err, NB_FORMAT, "%s: normalizer_spec is cut short", name);
        }
    }
    return v->n ? NB_OK : nb_fail(err, NB_FORMAT, "%s: no SentencePiece model: no pieces", name);
}

size_t nb_spm_count(const uint8_t *bytes, size_t n)
{
    nb_cursor c = nb_cursor_make(bytes, n);
    field f;
    size_t pieces = 0;
    while (nb_cursor_left(&c) && read_field(&c, &f))
        pieces += f.number == 1 && f.wire == BYTES;
    return pieces;
}

static nb_status put_keys(nb_kvs *kvs, const vocab *v, nb_err *err)
{
    NB_TRY(nb_kvs_put_str(kvs, "tokenizer.ggml.model", "llama", 5, err));
    NB_TRY(nb_kvs_put_str(kvs, "tokenizer.ggml.pre", "default", 7, err));
    NB_TRY(nb_kvs_put_strs(kvs, "tokenizer.ggml.tokens", &v->tokens, v->n, err));
    NB_TRY(nb_kvs_put_f32s(kvs, "tokenizer.ggml.scores", v->score, v->n, err));
    NB_TRY(nb_kvs_put_i32s(kvs, "tokenizer.ggml.token_type", v->type, v->n, err));
    return nb_kvs_put_bool(kvs, "tokenizer.ggml.add_space_prefix", v->dummy_prefix, err);
}

nb_status nb_spm_keys(nb_kvs *kvs, const uint8_t *bytes, size_t n, uint64_t vocab_size,
                      const char *name, nb_err *err)
{
    if (vocab_size == 0 || vocab_size > MAX_VOCAB)
        return nb_fail(err, NB_FORMAT, "%s: vocabulary of %llu tokens, limit %d", name,
                       (unsigned long long)vocab_size, MAX_VOCAB);
    vocab v = {.cap = (size_t)vocab_size, .dummy_prefix = true};
    v.score = nb_alloc(v.cap, sizeof *v.score, "token scores", err);
    v.type = nb_alloc(v.cap, sizeof *v.type, "token types", err);
    nb_status st = v.score && v.type ? read_model(&v, bytes, n, name, err) : NB_NOMEM;
    while (st == NB_OK && v.n < v.cap) { /* rows of the embedding without a piece */
        char pad[24];
        int len = snprintf(pad, sizeof pad, "[PAD%zu]", v.n);
        add_token(&v, pad, (uint64_t)len, -10000.0f, TYPE_UNUSED);
    }
    if (st == NB_OK)
        st = put_keys(kvs, &v, err);
    nb_str_free(&v.tokens);
    free(v.score);
    free(v.type);
    return st;
}
