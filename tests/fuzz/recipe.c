#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "core/quant/recipe_file.h"

/* What is read, printed and read again is printed alike; no layer rule reads past its text. */
FUZZ_TARGET(recipe)
{
    nb_recipe r, back;
    nb_str one = {0}, two = {0};
    if (nb_recipe_parse(&r, (const char *)bytes, n, "fuzz", NULL) != NB_OK)
        return;
    nb_recipe_print(&r, &one);
    fuzz_check(nb_recipe_parse(&back, one.at, one.len, "again", NULL) == NB_OK, "%s", one.at);
    nb_recipe_print(&back, &two);
    fuzz_check(strcmp(nb_str_c(&one), nb_str_c(&two)) == 0, "%s", two.at);
    nb_str_free(&one);
    nb_str_free(&two);
}
