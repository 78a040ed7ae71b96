/* Byte-level BPE: merges by rank, words, special tokens, any bytes back (A5), hostile keys (A4). */
#include "tests/check.h"
#include "tests/tok_rig.h"
#include "tests/util.h"

#include "core/base/job.h"
#include "core/base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CHECK_TEST(tok_bpe, gpt_2_vocabulary_gives_llama_cpp_ids)
{
    tok_check_published("gpt-2");
}

CHECK_TEST(tok_bpe, falcon_vocabulary_gives_llama_cpp_ids)
{
    tok_check_published("falcon");
}

CHECK_TEST(tok_bpe, mpt_vocabulary_gives_llama_cpp_ids)
{
    tok_check_published("mpt");
}

CHECK_TEST(tok_bpe, refact_vocabulary_gives_llama_cpp_ids)
{
    tok_check_published("refact");
}

CHECK_TEST(tok_bpe, deepseek_llm_vocabulary_gives_llama_cpp_ids)
{
    tok_check_published("deepseek-llm");
}
