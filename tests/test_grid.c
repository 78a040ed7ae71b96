/* The grids of the IQ types: the points are ggml's, and what encoders look up follows from them. */
#include "tests/check.h"
#include "tests/util.h"

#include "kernels/quant/grid.h"

#include <pthread.h>
#include <string.h>

static const struct {
    const char *name, *sha256; /* of the values, 8 bytes (iq3: 4) a point, as in ggml-common.h */
    size_t point;
    int n;
} golden[NK_GRID_COUNT] = {
    [NK_GRID_IQ2_XXS] = {"iq2xxs_grid",
                         "05826b5d3e472a3a78f196be62ac78acf81df0f909626e12ab9fa2a5d490dd54", 8,
                         256},
    [NK_GRID_IQ2_XS] = {"iq2xs_grid",
                        "06e47aaca60b4dc1d9b5a3f34540437058a6b142b4d7a59d5ded769b4d1bf1de", 8, 512},
    [NK_GRID_IQ2_S] = {"iq2s_grid",
                       "e1aa1473412b0552c2174c30ef22ab4073f6a181b85a17056e8249bd2932fd88", 8, 1024},
    [NK_GRID_IQ1] = {"iq1s_grid",
                     "07540ffc1aeaf6ad4d97e96b0fcc765aae39671d4ae4a27bbd0e796fde167c6a", 8, 2048},
    [NK_GRID_IQ3_XXS] = {"iq3xxs_grid",
                         "46e35f5a997efdee6c99ce57854c8a0d4f0ff8ca57e5e8a60c0793ea580acf5d", 4,
                         256},
    [NK_GRID_IQ3_S] = {"iq3s_grid",
                       "bd1af4945a1717c65610b0284e4628b9a1ba3b306fae3a06f6e5f597356e349f", 4, 512},
};

CHECK_TEST(grid, points_are_ggmls)
{
    static uint8_t bytes[NK_GRID_MAX * 8];
    for (int g = 0; g < NK_GRID_COUNT; g++) {
        const uint64_t *values = nk_grid_values((nk_grid_id)g);
        char hex[65];
        for (int i = 0; i < golden[g].n; i++)
            memcpy(bytes + (size_t)i * golden[g].point, &values[i], golden[g].point);
        test_sha256(bytes, (size_t)golden[g].n * golden[g].point, hex);
        check(strcmp(hex, golden[g].sha256) == 0, "%s: %s", golden[g].name, hex);
        check(nk_grid_get((nk_grid_id)g)->n == golden[g].n, "%s: points", golden[g].name);
    }
}

static int level_at(const nk_grid *g, unsigned code, int i)
{
    return (int)(code >> g->bits * i & ((1u << g->bits) - 1));
}

static int point_of(const nk_grid *g, unsigned code)
{
    int p = 0;
    for (int i = g->dim; i-- > 0;)
        p = p * g->levels + level_at(g, code, i);
    return p;
}

static int distance(const nk_grid *g, int point, unsigned code)
{
    int sum = 0;
    for (int i = 0; i < g->dim; i++, point /= g->levels)
        sum +=
            (point % g->levels - level_at(g, code, i)) * (point % g->levels - level_at(g, code, i));
    return sum;
}

/* A list against the whole grid: nothing of its distances is missing, nothing nearer left out. */
static void check_list(const nk_grid *g, int point, int distances)
{
    const uint16_t *list = g->near + g->first[point];
    int far = distance(g, point, list[list[0]]), inside = 0, seen = 1;
    for (int k = 1; k < list[0]; k++) {
        int a = distance(g, point, list[k]), b = distance(g, point, list[k + 1]);
        check(a < b || (a == b && list[k] < list[k + 1]), "point %d: order", point);
        seen += a < b;
    }
    for (int i = 0; i < g->n; i++)
        inside += distance(g, point, g->code[i]) <= far;
    check(inside == list[0] && seen == distances, "point %d: %d of %d neighbours, %d distances",
          point, list[0], inside, seen);
    for (int k = list[0]; k % NK_GRID_LANES != 0; k++)
        check(list[k + 1] == list[list[0]], "point %d: fill", point);
}

CHECK_TEST(grid, lists_hold_the_nearest_points)
{
    static const int distances[NK_GRID_COUNT] = {2, 2, 1, 3, 2, 3};
    for (int id = 0; id < NK_GRID_COUNT; id++) {
        const nk_grid *g = nk_grid_get((nk_grid_id)id);
        int points = g->dim == 8 ? 6561 : 4096, on = 0;
        for (int i = 0; i < g->n; i++)
            check(g->index[point_of(g, g->code[i])] == i, "grid %d: index of %d", id, i);
        for (int p = 0; p < points; p++) {
            on += g->index[p] >= 0;
            if (g->index[p] < 0 && p % 37 == 0)
                check_list(g, p, distances[id]);
        }
        check(on == g->n, "grid %d: %d points", id, on);
        check(nk_grid_bytes((nk_grid_id)id) < 800000, "grid %d: %zu bytes", id,
              nk_grid_bytes((nk_grid_id)id));
    }
}

/* The builder ends exactly where its table does: sizes are facts of the grids. */
CHECK_TEST(grid, tables_are_filled_to_their_end)
{
    for (int id = 0; id < NK_GRID_COUNT; id++) {
        const nk_grid *g = nk_grid_get((nk_grid_id)id);
        size_t points = g->dim == 8 ? 6561 : 4096, end = 0;
        for (size_t p = 0; p < points; p++) {
            size_t n = g->index[p] >= 0 ? 0 : g->near[g->first[p]];
            n = (n + NK_GRID_LANES - 1) / NK_GRID_LANES * NK_GRID_LANES;
            end = g->index[p] >= 0 ? end : g->first[p] + 1 + n;
        }
        check(nk_grid_bytes((nk_grid_id)id) == points * 6 + (size_t)g->n * 2 + end * 2,
              "grid %d: lists end at %zu", id, end);
    }
}

static void *first_use(void *arg)
{
    const nk_grid *g = nk_grid_get(*(const nk_grid_id *)arg);
    return nk_grid_values(*(const nk_grid_id *)arg)[0] && g->n > 0 ? arg : NULL;
}

/* Where this runs first in its process, many threads build the tables at once. */
CHECK_TEST(grid, any_thread_may_be_first)
{
    enum { THREADS = 12 };
    static nk_grid_id ids[THREADS];
    pthread_t thread[THREADS];
    for (int k = 0; k < THREADS; k++) {
        ids[k] = (nk_grid_id)(k % NK_GRID_COUNT);
        check(pthread_create(&thread[k], NULL, first_use, &ids[k]) == 0, "thread %d", k);
    }
    for (int k = 0; k < THREADS; k++) {
        void *ok;
        pthread_join(thread[k], &ok);
        check(ok, "thread %d", k);
    }
}
