/* kernels [--keep] FOLDER: time of one-column products (decode) of every type whose rows this
 * machine can multiply, with weights that fit in L1, in L2 and in neither, beside the medians kept
 * in FOLDER for the same CPU and level (perf.md 7). More than 5 % slower fails, but only where the
 * machine stood still: less than 1 % of its time stolen, and a chain of dependent steps, which no
 * change of a kernel touches, within 2 % of its own kept median. --keep writes what was measured as
 * the new medians. Everything takes its turn in each round, timed by this thread's CPU time; a
 * figure is the median of the rounds. Exit code: 0 nothing slower, 1 something is, 3 the machine
 * was not still. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "kernels/cpu.h"
#include "kernels/ops.h"

enum { ROUNDS = 9, COLS = 4096, PLACES = 3, MOST = NK_TYPE_SLOTS * PLACES, STEPS = 4000000 };
enum { NOT_STILL = 3 };
static const double SLOWER = 1.05, STOLEN = .01, CONTROL = 1.02, AT_LEAST = 2e-3 /* s a turn */;
static const struct {
    const char *name;
    size_t bytes; /* of weights */
} place[PLACES] = {{"L1", 16 << 10}, {"L2", 256 << 10}, {"memory", 64 << 20}};

typedef struct figure {
    char name[48];
    const nk_type *type;
    size_t rows;
    double each[ROUNDS], median; /* ns a weight; of the control ns a step */
    double kept;                 /* 0 = none */
} figure;

typedef struct bench {
    figure at[MOST + 1]; /* the control first */
    size_t n;
    nk_ops ops;
    uint8_t *weights;
    float *x, *y;
    void *scratch;
} bench;

static void die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(2);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- measuring ------------------------------------------------------------------------------- */

static double control(void)
{
    static volatile uint64_t seed = 88172645463325252u;
    uint64_t x = seed;
    double start = now();
    for (int i = 0; i < STEPS; i++) {
        x ^= x << 13;
        x ^= x >> 7;
    }
    seed = x;
    return 1e9 * (now() - start) / STEPS;
}

static double product(bench *b, const figure *f)
{
    nk_matrix w = {.data = b->weights, .type = f->type, .rows = f->rows, .cols = COLS};
    uint64_t row = 0;
    if (!nk_row_size(f->type, COLS, &row))
        die("a row of a strange length");
    w.row_size = (size_t)row;
    double start = now(), took = 0;
    size_t turns = 0;
    do {
        nk_matmul(&b->ops, NULL, b->y, f->rows, &w, b->x, 1, b->scratch);
        turns++;
    } while ((took = now() - start) < AT_LEAST);
    return 1e9 * took / ((double)turns * (double)f->rows * COLS);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(bench *b)
{
    for (int r = 0; r < ROUNDS; r++)
        for (size_t i = 0; i < b->n; i++)
            b->at[i].each[r] = i ? product(b, &b->at[i]) : control();
    for (size_t i = 0; i < b->n; i++) {
        double sorted[ROUNDS];
        memcpy(sorted, b->at[i].each, sizeof sorted);
        qsort(sorted, ROUNDS, sizeof *sorted, by_size);
        b->at[i].median = sorted[ROUNDS / 2];
    }
}

/* Shares of all CPUs' time since the last call that went to other guests; 0 where nobody tells. */
static double stolen(void)
{
    static uint64_t before[2];
    uint64_t v[8] = {0}, all = 0;
    FILE *f = fopen("/proc/stat", "r");
    if (!f)
        return 0;
    int got = fscanf(f,
                     "cpu %" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64 "%" SCNu64
                     "%" SCNu64 "%" SCNu64,
                     v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7);
    fclose(f);
    for (int i = 0; i < got; i++)
        all += v[i];
    double share = all > before[1] ? (double)(v[7] - before[0]) / (double)(all - before[1]) : 0;
    before[0] = v[7];
    before[1] = all;
    return share;
}

/* --- what is kept ---------------------------------------------------------------------------- */

/* FOLDER/kernels-MODEL-LEVEL.txt, other characters than letters and digits as -. */
static void kept_path(char *out, size_t cap, const char *folder)
{
    char cpu[96];
    nk_cpu_model(cpu, sizeof cpu);
    for (char *c = cpu; *c; c++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", *c))
            *c = '-';
    int n = snprintf(out, cap, "%s/kernels-%s-%s.txt", folder, cpu, nk_cpu_level(nk_cpu_detect()));
    if (n < 0 || (size_t)n >= cap)
        die("the folder's path is too long");
}

/* Lines "NAME MEDIAN"; false when there is no such file. */
static bool read_kept(bench *b, const char *path)
{
    char name[48];
    double v;
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    while (fscanf(f, "%47s %lf", name, &v) == 2)
        for (size_t i = 0; i < b->n; i++)
            if (strcmp(b->at[i].name, name) == 0)
                b->at[i].kept = v;
    fclose(f);
    return true;
}

static void keep(const bench *b, const char *folder, const char *path)
{
    nb_str text = {0};
    nb_err err = {0};
    for (size_t i = 0; i < b->n; i++)
        nb_str_addf(&text, "%s %.5f\n", b->at[i].name, b->at[i].median);
    if (text.failed || nb_mkdirs(folder, &err) != NB_OK ||
        nb_replace_file(path, text.at, text.len, 0, &err) != NB_OK)
        die(err.msg[0] ? err.msg : "not enough memory");
    nb_str_free(&text);
    printf("kept in %s\n", path);
}

/* --- the run --------------------------------------------------------------------------------- */

static void add(bench *b, const nk_type *t, int p)
{
    uint64_t row;
    figure *f = &b->at[b->n];
    if (!nk_row_size(t, COLS, &row) || row == 0)
        return;
    *f = (figure){.type = t, .rows = place[p].bytes / (size_t)row};
    f->rows = f->rows ? f->rows : 1;
    snprintf(f->name, sizeof f->name, "%s/%s", t->name, place[p].name);
    b->n++;
}

/* Weights are noise: times do not depend on it where numbers are not subnormal, so scales and
 * floats have bit 6 of their bytes set. */
static void set_up(bench *b)
{
    size_t count, most = place[PLACES - 1].bytes + (COLS * sizeof(double));
    const nk_type *const *type = nk_type_all(&count);
    uint32_t x = 1;
    nk_ops_init(&b->ops, nk_cpu_detect());
    b->weights = malloc(most);
    b->x = malloc(COLS * sizeof *b->x);
    b->y = malloc(most / 16 * sizeof *b->y);
    b->scratch = malloc(nk_matmul_scratch(COLS, 1));
    if (!b->weights || !b->x || !b->y || !b->scratch)
        die("not enough memory");
    for (size_t i = 0; i < most; i++)
        b->weights[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 27 | 0x40);
    for (size_t i = 0; i < COLS; i++)
        b->x[i] = (float)(i % 17) - 8;
    snprintf(b->at[0].name, sizeof b->at[0].name, "control");
    b->n = 1;
    for (size_t i = 0; i < count; i++)
        for (int p = 0; p < PLACES && type[i]->dot && !type[i]->activation_only; p++)
            add(b, type[i], p);
}

static int compare(const bench *b, double gone)
{
    int slower = 0;
    double drift = b->at[0].median / b->at[0].kept;
    for (size_t i = 1; i < b->n; i++) {
        const figure *f = &b->at[i];
        bool worse = f->kept > 0 && f->median > SLOWER * f->kept;
        printf("%-16s %8.4f ns a weight", f->name, f->median);
        printf(f->kept > 0 ? "  %+6.1f %%%s\n" : "  new\n", 100 * (f->median / f->kept - 1),
               worse ? "  SLOWER" : "");
        slower += worse;
    }
    bool still = gone < STOLEN && drift < CONTROL && drift > 1 / CONTROL;
    printf("control %+.1f %%, %.1f %% of the time stolen; %d slower by more than 5 %%\n",
           100 * (drift - 1), 100 * gone, slower);
    if (slower && !still)
        printf("the machine was not still: nothing is said about these\n");
    return !slower ? 0 : still ? 1 : NOT_STILL;
}

int main(int argc, char **argv)
{
    static bench b;
    char path[1024];
    bool keeps = argc > 2 && strcmp(argv[1], "--keep") == 0;
    const char *folder = argc > 1 ? argv[argc - 1] : NULL;
    if (!folder || argc > 2 + keeps)
        die("usage: kernels [--keep] FOLDER");
    set_up(&b);
    kept_path(path, sizeof path, folder);
    bool known = read_kept(&b, path);
    stolen();
    measure(&b);
    double gone = stolen();
    int rc = known && b.at[0].kept > 0 ? compare(&b, gone) : 0;
    if (!known)
        printf("nothing is kept for this CPU yet\n");
    if (keeps || !known)
        keep(&b, folder, path);
    free(b.weights);
    free(b.x);
    free(b.y);
    free(b.scratch);
    return keeps ? 0 : rc;
}
