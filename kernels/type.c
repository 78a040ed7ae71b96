#include "kernels/type.h"

static const nk_type *const rows[] = {
#define NK_TYPE(NAME, sym, id) &nk_type_##sym,
#include "kernels/types.def"
#undef NK_TYPE
};

static const nk_type *const by_id[NK_TYPE_SLOTS] = {
#define NK_TYPE(NAME, sym, id) [id] = &nk_type_##sym,
#include "kernels/types.def"
#undef NK_TYPE
};

const nk_type *nk_type_get(uint32_t id)
{
    return id < NK_TYPE_SLOTS ? by_id[id] : NULL;
}

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Not strcasecmp: names must compare alike in every locale (Turkish i). */
static bool same_name(const char *a, const char *b)
{
    while (*a && ascii_lower(*a) == ascii_lower(*b))
        a++, b++;
    return ascii_lower(*a) == ascii_lower(*b);
}

const nk_type *nk_type_find(const char *name)
{
    for (size_t i = 0; i < countof(rows); i++)
        if (same_name(rows[i]->name, name))
            return rows[i];
    return NULL;
}

const nk_type *const *nk_type_all(size_t *count)
{
    *count = countof(rows);
    return rows;
}

bool nk_row_size(const nk_type *t, uint64_t ncols, uint64_t *bytes)
{
    return ncols % t->block_len == 0 && nb_mul(ncols / t->block_len, t->block_size, bytes);
}

double nk_type_bpw(const nk_type *t)
{
    return 8.0 * t->block_size / t->block_len;
}
