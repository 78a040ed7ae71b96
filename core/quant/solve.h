/* A type for every tensor under a budget of bytes, at the least damage (quant.md 3.13). Damage of a
 * tensor in a type is its relative squared error, weighted by importance where there is some, from
 * a sample of rows; times the tensor's sensitivity where that was measured. Options of a tensor
 * that lie above the lower convex hull of bytes and damage are dropped, the steps along all hulls
 * are taken in the order of what they save per byte (what Lagrange's multiplier finds), and what
 * room is left goes to the steps that still fit. All sums of steps are the front: every budget's
 * answer, known before any time is spent. */
#ifndef NIBBLE_SOLVE_H
#define NIBBLE_SOLVE_H

#include "core/quant/recipe.h"
#include "kernels/ops.h"
#include "kernels/pool.h"

typedef struct nb_type_cost {
    nk_type_id type;
    uint64_t bytes; /* in the file, padding too */
    double damage;
} nb_type_cost;

enum { NB_MAX_CHOICES = 32 };
typedef struct nb_solve_item {
    size_t tensor; /* index in the plan */
    nb_type_cost choice[NB_MAX_CHOICES];
    size_t n, taken;
    double sensitivity; /* 1 = not known */
} nb_solve_item;

typedef struct nb_front_point {
    uint64_t bytes; /* of the whole file */
    double bpw, damage;
} nb_front_point;

typedef struct nb_solve {
    const nb_plan *plan; /* borrowed: of the model, any preset; its importance is used */
    nb_solve_item *item; /* [n] owned: tensors that can be quantized */
    size_t n;
    uint64_t fixed;        /* bytes of all that has no choice, the header too */
    nb_front_point *front; /* [n_front] owned, bytes ascending */
    size_t n_front;
} nb_solve;

/* types[n_types]: what may be chosen; one that does not fit a tensor's width, or needs importance
 * the plan has not, is left out for that tensor. n_types 0: the usual ones. */
nb_status nb_solve_open(nb_solve *out, const nb_plan *plan, const nk_type_id *types, size_t n_types,
                        nb_err *err);
void nb_solve_close(nb_solve *s);
/* What `nibble sensitivity --json` writes: damage per tensor becomes damage per squared error. */
nb_status nb_solve_sensitivity(nb_solve *s, const char *path, nb_err *err);
/* Measures every choice; pool NULL = one thread. Progress counts choices. */
nb_status nb_solve_measure(nb_solve *s, const nk_ops *ops, nk_pool *pool, const nb_hooks *hooks,
                           nb_err *err);
/* Takes the choices for a file of at most `bytes`; NB_NOTFOUND names the smallest there is. */
nb_status nb_solve_pick(nb_solve *s, uint64_t bytes, nb_front_point *out, nb_err *err);
/* What was picked as rules, over the preset most of the weights have. NB_UNSUPPORTED when it takes
 * more rules than a recipe holds. */
nb_status nb_solve_recipe(const nb_solve *s, nb_recipe *out, nb_err *err);

/* The optimisation alone, on items whose choices are measured: hulls and front. */
nb_status nb_solve_front(nb_solve *s, nb_err *err);

#endif
