#include "core/files/hf.h"

#include "core/files/hf_private.h"

nb_status nb_hf_keys(nb_kvs *kvs, const char *dir, nb_err *err)
{
    nb_hf_config c;
    NB_TRY(nb_hf_config_open(&c, dir, err));
    nb_status st = nb_hf_keys_of_folder(&c, kvs);
    nb_hf_config_close(&c);
    return st;
}

nb_status nb_hf_keys_of_folder(nb_hf_config *c, nb_kvs *kvs)
{
    c->kvs = kvs;
    NB_TRY(nb_hf_identity(kvs, c->dir, c->root, c->class->gguf, c->err));
    NB_TRY(nb_hf_keys_of_config(c));
    return nb_hf_keys_of_tokens(c);
}
