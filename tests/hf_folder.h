/* Hugging Face folders built by hand: a config, a tokenizer of two pieces, safetensors with any
 * header; and one whole small model, in one file or in shards. */
#ifndef NIBBLE_TEST_HF_FOLDER_H
#define NIBBLE_TEST_HF_FOLDER_H

#include <stddef.h>

/* Fields of a config.json that opens, without "architectures" and the braces; and the tensor that
 * goes with them. */
#define HF_SMALL                                                                                   \
    "\"hidden_size\":8,\"intermediate_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":2," \
    "\"vocab_size\":4,\"max_position_embeddings\":64"
#define HF_EMBED                                                                                   \
    "\"model.embed_tokens.weight\":{\"dtype\":\"F16\",\"shape\":[4,8],\"data_offsets\":[0,64]}"
#define HF_LLAMA(fields) "{\"architectures\":[\"LlamaForCausalLM\"]," HF_SMALL fields "}"

typedef struct hf_folder {
    char dir[600];
} hf_folder;

/* tmpdir/name with config.json and tokenizer.model, no weights. */
hf_folder hf_folder_make(const char *name, const char *config);
/* A safetensors file: length, header, `data` zero bytes. */
void hf_put_tensors(const char *path, const char *json, size_t data);
/* tmpdir/name with a model of one layer, 64 wide, 40 thousand F16 weights, that can be quantized.
 * shards 1: model.safetensors; else an index and model-1.safetensors, model-2.safetensors ... */
hf_folder hf_model_make(const char *name, int shards);

#endif
