#include "core/quant/method.h"

#include <strings.h>

#define NB_METHOD(row) extern const nb_method nb_method_##row;
#include "core/quant/methods.def"
#undef NB_METHOD

static const nb_method *const methods[] = {
#define NB_METHOD(row) &nb_method_##row,
#include "core/quant/methods.def"
#undef NB_METHOD
};

const nb_method *const *nb_methods(size_t *count)
{
    *count = countof(methods);
    return methods;
}

const nb_method *nb_method_find(const char *name)
{
    for (size_t i = 0; i < countof(methods); i++)
        if (strcasecmp(methods[i]->name, name) == 0)
            return methods[i];
    return NULL;
}
