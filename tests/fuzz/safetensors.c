/* Any bytes as a safetensors file: a clean refusal, or tensors that cover the data exactly (A3). */
#include "tests/fuzz/fuzz.h"

#include "core/files/safetensors.h"

FUZZ_TARGET(safetensors)
{
    nb_safetensors_info info;
    nb_err err = {.msg = ""};
    nb_status st = nb_safetensors_parse(&info, bytes, n, n, "fuzz", &err);
    if (st != NB_OK) {
        fuzz_check(err.status == st && err.msg[0], "failure without words");
        return;
    }
    unsigned __int128 end = 8;
    for (unsigned i = 0; i < 8; i++)
        end += (unsigned __int128)bytes[i] << (8 * i);
    for (size_t i = 0; i < info.n_tensors; i++) {
        const nb_tensor *t = &info.tensors[i];
        unsigned __int128 size = nk_type_get(t->type)->block_size;
        for (int d = 0; d < NB_MAX_DIMS; d++)
            size *= t->shape[d];
        fuzz_check(size == t->nbytes && t->offset == end, "tensor %s", t->name);
        fuzz_check(t->bytes == bytes + t->offset, "tensor %s lies elsewhere", t->name);
        end += size;
    }
    fuzz_check(end == n, "%zu bytes are covered up to %llu", n, (unsigned long long)end);
    nb_safetensors_free(&info);
}
