/* Checkpoints that others have quantized (quant.md 2.4, 2.5), seen as weights again: the stored
 * pieces of a linear (codes, scales, zeros ...) are one tensor of a landing type that holds the
 * same codes where ggml has such a type. A packing is a row of hfquant.c. */
#ifndef NIBBLE_HFQUANT_H
#define NIBBLE_HFQUANT_H

#include "core/files/hf_private.h"
#include "core/files/index.h"
#include "core/files/tensor.h"

enum { /* stored pieces of one weight, by role */
       NB_PACK_CODES,
       NB_PACK_SCALES,
       NB_PACK_ZEROS,
       NB_PACK_ORDER,  /* which group a column belongs to (act-order) */
       NB_PACK_MAP,    /* value of each code */
       NB_PACK_NESTED, /* scales of the scales, and their map */
       NB_PACK_NESTED_MAP,
       NB_PACK_STATE,  /* JSON, or the two sizes */
       NB_PACK_FACTOR, /* of all scales */
       NB_PACK_INPUT,  /* of activations */
       NB_PACK_PARTS,
};

typedef struct nb_packed nb_packed;

/* quantization_config as far as the packings read it. */
typedef struct nb_pack_config {
    const char *method, *format; /* borrowed: config.json; "" = not said */
    int64_t bits, group;         /* group <= 0: one per row */
    bool symmetric;
    bool mixed;                     /* bits and group differ from linear to linear */
    int64_t block[2];               /* rows and columns that share an fp8 scale */
    int64_t axis;                   /* HQQ: groups lie along the inputs, 1, or the outputs, 0 */
    int64_t zero_bias;              /* added to stored zeros: 1 in GPTQ's first format */
    bool multiplies;                /* BitNet: by weight_scale; else divides */
    int64_t width, ff, heads_width; /* inputs of linears, where nothing stored tells them */
} nb_pack_config;

typedef struct nb_packing {
    const char *name;                  /* for people: "gptq" */
    const char *methods, *formats;     /* quant_method; "a|b", NULL: any */
    const char *suffix[NB_PACK_PARTS]; /* behind the weight's stem; NULL: has none; "?x": may be */
    nb_dtype codes_dtype;              /* what the codes are stored as, and */
    nk_type_id codes_type;
    const char *loss; /* in the landing type, where it is not its usual one */
    uint8_t per_code; /* weights in an element of the codes; 0: as many as fit */
    /* Sizes, shapes of the parts, landing type. */
    nb_status (*open)(nb_packed *p, nb_err *err);
    /* Integer codes of n columns from col, and what makes weights of them:
     * scale * (code - zero). NULL: values says all. */
    void (*codes)(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out);
    float (*scale)(const nb_packed *p, uint64_t row, uint64_t group);
    int (*zero)(const nb_packed *p, uint64_t row, uint64_t group);
    /* Instead of zero, where zeros are no integers: what is added to scale * code. */
    float (*offset)(const nb_packed *p, uint64_t row, uint64_t group);
    void (*values)(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out);
    /* 32 columns as a block of the landing type, where that is their own layout rearranged. */
    void (*block)(const nb_packed *p, uint64_t row, uint64_t col, uint8_t *out);
} nb_packing;

struct nb_packed {
    const nb_packing *how;
    const nb_pack_config *cfg;
    char *name;                           /* "stem.weight", owned */
    const nb_tensor *part[NB_PACK_PARTS]; /* borrowed: the files; NULL: absent */
    uint32_t shard;
    uint64_t rows, cols, group; /* rows of all matrices; group: columns that share a scale */
    uint64_t matrices;          /* 0 counts as 1: a stack of experts has several */
    unsigned bits;
    bool scattered; /* columns of a step lie apart */
    const uint32_t
        *columns;    /* [cols] stored column of each; borrowed: the model; NULL: as stored */
    double offset;   /* of nested scales */
    nk_type_id type; /* it lands in */
    float whole;     /* what all weights are multiplied by; and */
    float factor;    /* what of it is not in rows of that type: it stands beside as "X.scale" */
    float input;     /* of activations, "X.input_scale"; 0: none */
};

enum { NB_PACK_ROWS = 5 };
/* The packings a checkpoint may mix; n 0: none, or none that is read. */
typedef struct nb_packing_set {
    const nb_packing *row[NB_PACK_ROWS];
    size_t n;
    int64_t bits; /* of a code, where the layout does not tell */
} nb_packing_set;

/* All packed weights of a model, and which stored tensors they consist of. */
typedef struct nb_packs {
    nb_pack_config cfg;
    nb_packing_set how; /* n 0: nothing is packed */
    nb_packed *at;      /* [n] owned */
    size_t n, cap;
    nb_index index; /* names */
} nb_packs;

/* What reads such a quantization_config, or, where there is none, the files of its own that a
 * quantizer left in dir; either may be NULL. For listings: what is wrong is not told. */
void nb_packing_of(nb_packing_set *out, const nb_jval *quantization_config, const char *dir);
/* BitNet models rounded as they run store plain weights; the class's rows round them. */
bool nb_packing_is_plain(const nb_jval *quantization_config);

/* Reads config.json, or what a quantizer left beside it; NB_UNSUPPORTED names a packing that is not
 * read. */
nb_status nb_packs_open(nb_packs *out, const nb_hf_config *c, size_t n_tensors, nb_err *err);
/* Takes a stored tensor if it is a piece of a packed weight, or nothing that is carried over. */
nb_status nb_packs_take(nb_packs *p, const nb_tensor *t, uint32_t shard, bool *taken, nb_err *err);
/* After the last one: every weight has its pieces, sizes and landing type. */
nb_status nb_packs_settle(nb_packs *p, nb_err *err);
void nb_packs_close(nb_packs *p);

/* Settings of a checkpoint; how->n 0: not packed. */
nb_status nb_pack_config_read(nb_pack_config *cfg, nb_packing_set *how, const nb_hf_config *c);

/* Weights that a stored tensor of such a checkpoint stands for: of its codes what they unpack to, 0
 * for what lies beside them, else its elements. */
uint64_t nb_packing_weights(const nb_packing_set *set, const nb_tensor *t);

/* The type whose blocks hold a scattered weight once its columns are sorted by their steps;
 * NK_TYPE_SLOTS: none. */
nk_type_id nb_packed_sorted_type(const nb_packed *p);
/* Sorts columns by their steps within each `segment` of them: stored column of each into order
 * [cols]. *whole: all 32 of each block have one step then. */
nb_status nb_packed_sort(const nb_packed *p, uint64_t segment, uint32_t *order, bool *whole,
                         nb_err *err);
/* The group of a stored column. */
uint64_t nb_packed_group(const nb_packed *p, uint64_t col);

/* What is lost when such a weight becomes one of that type; NULL: nothing. */
const char *nb_packed_loss(const nb_packed *p, nk_type_id to);

/* One row as its landing type has it, without the factor; bytes of nk_row_size. */
void nb_packed_row(const nb_packed *p, uint64_t row, uint8_t *out);
/* The same as the packing itself defines it, factor and all, from its codes and scales in f32. */
void nb_packed_values(const nb_packed *p, uint64_t row, float *out);

/* Element i of a float tensor (F32, F16, BF16) as f32; 0 for others. */
float nb_stored_float(const nb_tensor *t, uint64_t i);
/* `bits` bits from bit `at` of little-endian 32-bit words that lie `stride` words apart. */
uint32_t nb_packed_bits(const uint8_t *words, uint64_t stride, uint64_t at, unsigned bits);
/* NB_FORMAT: "tensor X: its scales have 3 x 4 elements, expected ..." */
nb_status nb_packed_wrong(const nb_packed *p, int role, uint64_t rows, uint64_t cols, nb_err *err);
/* Whether part `role` has that many rows and columns. */
bool nb_packed_is(const nb_packed *p, int role, uint64_t rows, uint64_t cols);

#endif
