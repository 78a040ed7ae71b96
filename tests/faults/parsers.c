/* Scenarios of parsers that nothing else sweeps: chat templates, tokenizer.json in each of its
 * kinds, folders of Hugging Face models by their classes and packings (A11, A35). */
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/files/hf.h"
#include "core/files/library.h"
#include "core/model/jinja.h"
#include "tests/faults/faults.h"
#include "tests/util.h"

/* --- chat templates ----------------------------------------------------------------------------
 */

static const char *const templates[] = {
    "{% macro m(a, b='B') %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}"
    "{{ m(1, 2, 3, x=4) }}{{ m(*[5], **{'b': 6}) }}"
    "{% macro box(t) %}<{{ t }}>{{ caller(t) }}{% endmacro %}"
    "{% call(x) box('t') %}{{ x }}{% endcall %}"
    "{% filter upper %}a{{ bos_token }}{% endfilter %}"
    "{% set up | upper | trim %} b {% endset %}{{ up }}"
    "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}"
    "{% generation %}{{ messages[-1].content }}{% endgeneration %}",
    "{% set ns = namespace(n=0, s='') %}{% for m in messages if m.role != 'tool' %}"
    "{% set ns.n = ns.n + 1 %}{% set ns.s = ns.s ~ m.content %}{{ loop.index }}{{ loop.cycle(1, 2) "
    "}}"
    "{% if loop.last %}{% break %}{% elif not m.content %}{% continue %}{% else %}-{% endif %}"
    "{% else %}none{% endfor %}{{ ns.n }}{{ ns.s }}"
    "{% for x in tree recursive %}{{ x.name }}{% if x.kids %}({{ loop(x.kids) }}){% endif %}"
    "{% endfor %}{% set a, b = 1, [2] %}{% do b.append(a) %}{{ b }}",
    "{{ messages | tojson }}{{ tree | tojson(indent=2) }}{{ messages | map(attribute='role') | "
    "join('+') }}"
    "{{ messages | selectattr('role', 'equalto', 'user') | list }}{{ [3, 1, 2] | sort | first }}"
    "{{ 'a,b,,c'.split(',') }}{{ ' x '.strip() | title }}{{ '%s-%05.2f' % ('é', 1.5) }}"
    "{{ '{:>8}|{}'.format('r', 2) }}{{ 'abcabc'.replace('b', messages[0].content) }}"
    "{{ {'k': 1, 'a': [1, (2,)]} | dictsort }}{{ [1, 2, 3, 4][1:-1] }}{{ 'héllo'[::-1] }}"
    "{{ range(5) | batch(2, 0) | list }}{{ messages | groupby('role') }}{{ d.items() | list }}"
    "{{ ('a b c d' * 3) | wordwrap(9) }}{{ 'x\ny' | indent(2, true) }}{{ '<b>x</b>' | striptags | "
    "e "
    "}}"
    "{{ 1 if d is mapping and 'k' in d else 2 }}{{ -1 ** 2 // 3 % 2 + 1.5e3 }}{{ d | pprint }}"
    "{{ many | sum }}{{ named.k299 }}{{ strftime_now('%d %b %Y') }}{{ {'a b': 'c'} | urlencode "
    "}}{{ ['b', 'a'] | unique | list }}",
};

static const char *const given[][2] = {
    {"messages", "[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":"
                 "\"<|x|> \xc3\xa9\"},{\"role\":\"assistant\",\"content\":\"\"}]"},
    {"tree", "[{\"name\":\"a\",\"kids\":[{\"name\":\"b\",\"kids\":[]}]},{\"name\":\"c\"}]"},
    {"d", "{\"k\":1.5,\"n\":null,\"t\":true,\"l\":[1,-2,3e2]}"},
};

/* More elements and names than one chunk of memory holds: each growth may be the one that fails. */
static void put_many(nb_jinja_input *in)
{
    char key[16];
    nb_jinja_begin_list(in, "many");
    for (int i = 0; i < 600; i++)
        nb_jinja_put_int(in, NULL, i);
    nb_jinja_end(in);
    nb_jinja_begin_map(in, "named");
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "k%d", i);
        nb_jinja_put_int(in, key, i);
    }
    nb_jinja_end(in);
}

static nb_status render_one(const char *text, nb_str *all, nb_err *err)
{
    static const nb_jinja_clock now = {2026, 1, 31, 12, 0, 0};
    nb_jinja *t = NULL;
    nb_jinja_input *in = NULL;
    nb_jinja_text out = {0};
    nb_status st = nb_jinja_open(&t, text, strlen(text), "template", NULL, err);
    if (st == NB_OK)
        st = nb_jinja_input_open(&in, err);
    for (size_t i = 0; st == NB_OK && i < countof(given); i++)
        st = nb_jinja_put_json(in, given[i][0], given[i][1], strlen(given[i][1]), NB_JINJA_USER,
                               err);
    if (st == NB_OK) {
        nb_jinja_put_str(in, "bos_token", "<s>", 3, NB_JINJA_TEMPLATE);
        put_many(in);
        st = nb_jinja_render(t, in, &now, &out, err);
    }
    fault_check((st == NB_OK) == (out.at != NULL), "output without success");
    nb_str_addn(all, out.at ? out.at : "", out.len);
    nb_jinja_text_free(&out);
    nb_jinja_input_close(&in);
    nb_jinja_close(&t);
    return st;
}

/* The first run has no fault: what it renders is what every later success must. */
static nb_status render_all(nb_err *err)
{
    static char first[4096];
    static size_t len;
    nb_str all = {0};
    nb_status st = NB_OK;
    for (size_t i = 0; i < countof(templates) && st == NB_OK; i++)
        st = render_one(templates[i], &all, err);
    if (st == NB_OK && all.failed)
        st = nb_fail(err, NB_NOMEM, "no memory to join texts");
    if (st == NB_OK && !len) {
        fault_check(all.len && all.len <= sizeof first, "%zu bytes", all.len);
        memcpy(first, all.at, len = all.len);
    }
    fault_check(st != NB_OK || (all.len == len && memcmp(all.at, first, len) == 0), "another text");
    nb_str_free(&all);
    return st;
}
FAULT_SCENARIO(chat_templates, NULL, render_all, NULL);

/* --- folders -----------------------------------------------------------------------------------
 */

typedef struct folder {
    const char *name, *config, *tokens; /* tokenizer.json; NULL: a tokenizer.model */
    const char *special, *generation;   /* tokenizer_config.json, generation_config.json; or NULL */
} folder;

#define SIZES                                                                                      \
    "\"hidden_size\":8,\"intermediate_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":2," \
    "\"vocab_size\":4,\"max_position_embeddings\":64"
#define CONFIG(class, more) "{\"architectures\":[\"" class "\"]," SIZES more "}"
#define BYTES                                                                                      \
    "{\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true}],\"pre_tokenizer\":"       \
    "{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},"   \
    "\"merges\":[\"a b\",[\"a\",\" \"]]}}"

static const folder folders[] = {
    {"bytes",
     CONFIG("LlamaForCausalLM", ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8}"),
     "{\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true}],\"normalizer\":"
     "{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":"
     "[{\"type\":\"ByteLevel\",\"use_regex\":true}]},\"post_processor\":{\"type\":"
     "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":"
     "\"A\"}},{\"SpecialToken\":{\"id\":\"a\"}}]},\"decoder\":{\"type\":\"ByteLevel\"},"
     "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[\"a b\",[\"a\",\" \"]]}}",
     "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"a\",\"add_bos_token\":true,"
     "\"added_tokens_decoder\":{\"2\":{\"content\":\"<|x|>\",\"special\":false}},\"chat_template\":"
     "[{\"name\":\"default\",\"template\":\"x\"},{\"name\":\"tool_use\",\"template\":\"y\"}]}",
     "{\"eos_token_id\":[0,1,2],\"temperature\":0.6,\"top_k\":20,\"sequence\":\"k\"}"},
    {"marked",
     CONFIG("MistralForCausalLM", ",\"sliding_window\":16,\"rope_scaling\":{\"type\":\"yarn\","
                                  "\"factor\":4,\"beta_fast\":32,\"attn_factor\":1}"),
     "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\"},{\"type\":"
     "\"Replace\",\"pattern\":{\"String\":\" "
     "\"},\"content\":\"\xe2\x96\x81\"}]},\"model\":{\"type\":"
     "\"BPE\",\"byte_fallback\":true,\"vocab\":{\"<0x41>\":0,\"\xe2\x96\x81\":1,\"a\":2,"
     "\"\xe2\x96\x81"
     "a\":3},\"merges\":[\"\xe2\x96\x81 a\"]}}",
     "{\"chat_template\":\"{{ x }}\"}", NULL},
    {"unigram", CONFIG("GemmaForCausalLM", ",\"head_dim\":4"),
     "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAAAAA=\"},"
     "\"pre_tokenizer\":{\"type\":\"Metaspace\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,"
     "\"vocab\":[[\"<unk>\",0],[\"a\",-1.5],[\"b\",-2],[\"c\",-3]]}}",
     NULL, NULL},
    {"pieces", CONFIG("Gemma2ForCausalLM", ",\"head_dim\":4,\"sliding_window\":8"), NULL,
     "{\"added_tokens_decoder\":{\"2\":{\"content\":\"<|x|>\",\"special\":true},\"3\":{\"content\":"
     "\"\xe2\x96\x81y\"}}}",
     "{\"eos_token_id\":[1,0]}"},
    {"gemma3",
     CONFIG("Gemma3ForCausalLM", ",\"head_dim\":4,\"sliding_window\":8,"
                                 "\"rope_local_base_freq\":10000"),
     NULL, NULL, NULL},
    {"phi3",
     CONFIG("Phi3ForCausalLM", ",\"original_max_position_embeddings\":32,\"sliding_window\":8,"
                               "\"rope_scaling\":{\"type\":\"longrope\",\"long_factor\":[1,2],"
                               "\"short_factor\":[1,1]}"),
     NULL, NULL, NULL},
    {"stablelm", CONFIG("StableLmForCausalLM", ",\"partial_rotary_factor\":0.5"), BYTES, NULL,
     NULL},
    {"falcon", CONFIG("FalconForCausalLM", ",\"multi_query\":true"), BYTES, NULL, NULL},
    {"cohere", CONFIG("CohereForCausalLM", ",\"logit_scale\":0.0625"), BYTES, NULL, NULL},
    {"bitnet", CONFIG("BitnetForCausalLM", ""), NULL, NULL, NULL},
    {"smollm3", CONFIG("SmolLM3ForCausalLM", ",\"no_rope_layer_interval\":4"), BYTES, NULL, NULL},
    {"granite",
     CONFIG("GraniteForCausalLM", ",\"attention_multiplier\":1,\"embedding_multiplier\":1,"
                                  "\"residual_multiplier\":1,\"logits_scaling\":1"),
     BYTES, NULL, NULL},
    {"gpt2",
     "{\"architectures\":[\"GPT2LMHeadModel\"],\"n_embd\":8,\"n_layer\":1,\"n_head\":2,"
     "\"n_ctx\":64,\"vocab_size\":4}",
     BYTES, NULL, NULL},
};

static const char *folder_dir(const char *name)
{
    static char dir[700];
    snprintf(dir, sizeof dir, "%s/%s", test_path(test_tmpdir(), "hf"), name);
    return dir;
}

static void put(const char *dir, const char *name, const char *text)
{
    if (text)
        test_spit(test_path(dir, name), text, strlen(text));
}

static void lay_out_folders(void)
{
    static bool done;
    static const char spm[] = "\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02\x0a\x08\x0a\x01"
                              "a\x15\0\0\x80\xbf";
    for (size_t i = 0; i < countof(folders) && !done; i++) {
        const folder *f = &folders[i];
        const char *dir = folder_dir(f->name);
        fault_check(nb_mkdirs(dir, NULL) == NB_OK, "mkdirs");
        put(dir, "config.json", f->config);
        put(dir, "tokenizer.json", f->tokens);
        if (!f->tokens)
            test_spit(test_path(dir, "tokenizer.model"), spm, sizeof spm - 1);
        put(dir, "tokenizer_config.json", f->special);
        put(dir, "generation_config.json", f->generation);
    }
    done = true;
}

/* The first run has no fault: as many keys must be there in every later success. */
static nb_status read_keys(nb_err *err)
{
    static size_t first[countof(folders)];
    for (size_t i = 0; i < countof(folders); i++) {
        nb_kvs *kvs = NULL;
        NB_TRY(nb_kvs_open(&kvs, err));
        nb_status st = nb_hf_keys(kvs, folder_dir(folders[i].name), err);
        size_t n = st == NB_OK ? nb_kvs_count(kvs) : 0;
        nb_kvs_close(&kvs);
        if (st != NB_OK)
            return st;
        first[i] = first[i] ? first[i] : n;
        fault_check(n == first[i], "%s: %zu keys, %zu before", folders[i].name, n, first[i]);
    }
    return NB_OK;
}
FAULT_SCENARIO(hf_keys, lay_out_folders, read_keys, NULL);
