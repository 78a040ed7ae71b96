/* A Hugging Face directory seen as GGUF: config.json keys, tensor names, row orders, tokenizer and
 * special tokens become GGUF keys and names (quant.md 2.1-2.3), so that everything above knows one
 * vocabulary. Which class maps how is its row in hf_class.c: name and key tables, flags, defaults.
 *
 * Tensors and keys are those of llama.cpp's converter (@ de3ff81), and these besides, or instead:
 * - tokenizer.ggml.pre names the rules that tokenizer.json holds; of names with the same rules
 *   (smollm, starcoder, refact, command-r) the first, where the converter goes by a list of hashes;
 * - every token of generation_config.json that ends a turn: eot and eom, where it takes one;
 * - unknown and padding ids and add_space_prefix of a tokenizer.model, also where they are usual;
 * - attention.sliding_window of Mistral and StarCoder2, as transformers has it. */
#ifndef NIBBLE_HF_H
#define NIBBLE_HF_H

#include "core/files/kv.h"
#include "core/files/weights.h"

/* Fills kvs from dir/config.json, generation_config.json, tokenizer.model (SentencePiece protobuf),
 * tokenizer_config.json, added_tokens.json, special_tokens_map.json, chat_template.jinja,
 * README.md. Unsupported classes fail with NB_UNSUPPORTED naming the class and what is supported.
 */
nb_status nb_hf_keys(nb_kvs *kvs, const char *dir, nb_err *err);

/* SentencePiece tokenizer.model -> tokenizer.ggml.{model,tokens,scores,token_type,...}. Bytes are
 * bounded and validated (A4). */
nb_status nb_spm_keys(nb_kvs *kvs, const uint8_t *bytes, size_t n, uint64_t vocab_size,
                      const char *name, nb_err *err);

/* dir/tokenizer.json (byte-level BPE, BPE over marked spaces, unigram) and the files beside it ->
 * tokenizer.ggml.* and tokenizer.chat_template; vocab_size rows, 0: as many as there are tokens.
 * Ids without a token become [PADn], tokens past the rows are left out. NB_NOTFOUND: no such file;
 * NB_UNSUPPORTED names the part that is not known. */
nb_status nb_tok_json_keys(nb_kvs *kvs, const char *dir, uint64_t vocab_size, nb_err *err);

#endif
