/* What the encoders write: the bytes of llama-quantize (quant.md 6, goals 1 and 2), whatever
 * the row, the importance, the address or the number of rows per call, and something defined even
 * for values they are never given. */
#include "tests/check.h"
#include "tests/rows.h"

#include "core/files/weights.h"
#include "kernels/fp.h"
#include "kernels/type.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 64, COLS = 512 };

/* SHA-256 of 64 rows of 512, every family of rows.h four times, as ggml_quantize_chunk (ggml.c @
 * d99724f, gcc 12, x86-64 without -march) encodes them: without importance, with heavy-tailed
 * importance, and with importance on one column in 32. q8_1 and q8_K: quantize_row_*_ref; types of
 * levels and trits: their reference routines @ 01243c5, IQ types on grids and q1_0 @ de3ff81,
 * compiled the same way; NULL where ggml aborts without importance. Last, what ggml's to_float
 * makes of the first encoding there is, rows of family HUGE left out. */
static const struct {
    uint32_t id;
    const char *sha256[3];
    const char *decoded;
} golden[] = {
    {NK_F32,
     {"a75a2b11b2d1ead9826dad07d167ab0814abc0f4d76bad00e5d1412d146e2e67",
      "a75a2b11b2d1ead9826dad07d167ab0814abc0f4d76bad00e5d1412d146e2e67",
      "a75a2b11b2d1ead9826dad07d167ab0814abc0f4d76bad00e5d1412d146e2e67"},
     "624f3a8786b24581b120ce97e1a966f1fe52da6ccd08c4a81609a9e60d031c6c"},
    {NK_F16,
     {"04cf68007752797acab684605c4907c2bdb3905e7ae02f70eccc6838150a6cd3",
      "04cf68007752797acab684605c4907c2bdb3905e7ae02f70eccc6838150a6cd3",
      "04cf68007752797acab684605c4907c2bdb3905e7ae02f70eccc6838150a6cd3"},
     "e5fffde3e6b0dad0f526b039f2a94d74835f3216b61be6051d709da8ccdd1863"},
    {NK_Q4_0,
     {"917d23c665a4c1dd0d4fb29a784173a1b29be8d1778b51610523c776484d1a26",
      "28b4917aeae75877e220da0cef0126fe519f5d95effb7ba5774a5dce251c5ea5",
      "7b1a9a1e8eedde885ec05cab8202f940279ad8392cb833c0a526e73fef0a4c84"},
     "69967cc212249a4e49424dd44daf9e9aead0502bbd18db3f5377d0c1f9a9a743"},
    {NK_Q4_1,
     {"92d2d8da3db0ba134d7d2b648cdf26cbcaba1fe751e41deb1a2bf073a9521525",
      "36cd826913071abefbbdf56ee64deaf48f60ffcc1d4db77b6418221fcc8271bf",
      "afa0c3bcd431a9b5d944b90b265cd2bed67f14bdbdc181abb2b172d637cb1667"},
     "7e87299d0d9af295087fbde62984d78b48a329b56a76ae9cceb9fbbb7d82c705"},
    {NK_Q5_0,
     {"d6484bcd8430382fb6a116555acd5a2823e9995dc1dd5d6d70073e4a9720c5b1",
      "d0cb5ce341c47d3c7b7ed3cf178db062a032ea784ceed738d7b2aee2800f35e3",
      "e7a7e13f39c85a75c1ff64adb7f3c58bb906fbc886faf511d82044c4bac0f15b"},
     "911dc62f76e061b631827b8525de7d472c5ae1e0f324baefe8c8b3535b873b0a"},
    {NK_Q5_1,
     {"77059dd1755ca1c2eff6f05763f108eda017f7104e3c91e616beb758d235f630",
      "96a281f582999f10dd0255fcb211a9309c466e0352fc93523a9f8eccab0a1750",
      "549112f02813dfd12319506a429982adee158093a9fb7b163f3ca17698cdc438"},
     "1bbbe4022c05214e430bebd4edcf91ed66c3aa72c04584be48cfead45af571e8"},
    {NK_Q8_0,
     {"eb1f25db7673afcc83dd7bf4ef856c528203c94c9a944a5ff630214b6a47d799",
      "eb1f25db7673afcc83dd7bf4ef856c528203c94c9a944a5ff630214b6a47d799",
      "eb1f25db7673afcc83dd7bf4ef856c528203c94c9a944a5ff630214b6a47d799"},
     "c7d7478d97f1a32a13e5ed96494e2fc9d5fd0a117ba5d13215509e28f005e184"},
    {NK_Q8_1, {"170520752c02b50350116ef78a6dfef97133f54998cea411a4ff7cc6f31f9c54"}, NULL},
    {NK_Q2_K,
     {"a9f6ed17ee4d4adecbb2f8ec2a8477240f076d79a051012c3d3da7d00f9e8883",
      "692baac6614f5faba6579062b3e4b1eca6588b63fa2017e0bb7d6de9142e5bdc",
      "2203a060a5052d09e09345358b74926b7ab714454e3f389e3949449e472e6a84"},
     "a52796216909de21c1577b6f1dc9d0ad81c02aa395141c1a6af79d771807beec"},
    {NK_Q3_K,
     {"2406139f85af8d674b7bc1e1dba3172316f1f8f01b8e8325cb334399f7b86d34",
      "b38b37018dce99aac0df759a7a2648fac4d5e4065a872624d8a4e8b7b04f4ae3",
      "3380ba7b28bb3f54255fb703d30387cedf449f199d1f0bab0b68333b4eab4d1a"},
     "864145ddeec02b5132323059b5d3d4023738d838f77a5981e3c26cb257454e9b"},
    {NK_Q4_K,
     {"8eb16434ed5cce5ace24a166603c851165bf2ec6a4b188bb58e4aa3eec2f5260",
      "6a15976bed4796eb9a83e1e58d8c3d41526f5835c3c5b1501b398d79268a97be",
      "cd2eef57f9d8fb5b1f9ab8c8ce006756cd7bc449d78b3185e6a36863af483e1a"},
     "06e2fc36e4113d318b0203826ae6147f99d60df6d403ab3e90395db8792c26b4"},
    {NK_Q5_K,
     {"e066b3d1c005f21b530067737461069623875ef9a25b8593ebe2dd79ab166a19",
      "3101002169be60dc0a8bf06ac06d78d572dc8962faf16bafa164538e5df668e5",
      "51a4f6f8b2fc91cc2fdaaa92ea9a6cfd6b46eaba912543067b8315a9e94d9435"},
     "8c510f8cf3f462cc9eeed48801c5baae91aee84c9b9d314563495b7ede6b6dcc"},
    {NK_Q6_K,
     {"db0f29d051944e71221f855d677a29bb3ac22dff1d48e679847a83de6d429910",
      "e864e04e9102d02610ef735673124b3491caf5e7af3d6da7d554b4165885a12e",
      "73e38b7e179780964e04110d306ba98f923f1b6d7d557858390de954b448227e"},
     "6dd0ed66e4a1ab74e37dff988922a0fb10f7a4ed65aac25916f12b6ecdbd1b51"},
    {NK_Q8_K,
     {"25876a73f139987bbb66331bac29c1200d67c3fb61b77f5e6de9fcb8f7c3b594"},
     "fc399945cbeaf428ba1c8c4c8943f075718d3e54ef1bdf45b905350e1f1886ff"},
    {NK_BF16,
     {"21e44492c72e3a7052d4da3c1a41aafc562ca2d44dff8a10a46d383539582e50",
      "21e44492c72e3a7052d4da3c1a41aafc562ca2d44dff8a10a46d383539582e50",
      "21e44492c72e3a7052d4da3c1a41aafc562ca2d44dff8a10a46d383539582e50"},
     "a2f2256aec782767fd41f6b57f83f52dde570bde65a8db50ad821cff249ec56a"},
    {NK_IQ4_NL,
     {"02ad60625767e3a44bcb84f4c7dd5d0f88be49ff07d52497970ecb0d033fa9fe",
      "325df0c613eefa9d758bb059becffbd7a97fd61501d3ea9e05e2239c892ec7d6",
      "4e49491d977f35a357b56823d2156024d190c89e2bd96033a682d497ad2a6b2b"},
     "369855d3e06e3b91a44fe31e3631dd9ebae3e35eacbbde11501d4240939dcf48"},
    {NK_IQ4_XS,
     {"63c7508c4eb88c77e574b4b1492125192a6bb45e730a4bea38acee1d275e77a7",
      "8846660b93065e5ef6ea4b242d368f573866c0f8e92a3a82b0a0a37d8d65fbe1",
      "6d037812f3744640c69c87d49f6f759f0551dff5544eabde117376279f36a9e1"},
     "2f3b62aaa11d810471eec2d6a8de8fa86ed9aa72f9f61c28205722a69b696ba7"},
    {NK_TQ1_0,
     {"a69ffcf6dca5d57847b2fee5920d5a402ff0bf86a00772cfeaa0dfbc7e62003d",
      "a69ffcf6dca5d57847b2fee5920d5a402ff0bf86a00772cfeaa0dfbc7e62003d",
      "a69ffcf6dca5d57847b2fee5920d5a402ff0bf86a00772cfeaa0dfbc7e62003d"},
     "9de11e90e36c6fe5ca64cf867b6dcab7f083adb3c90b642aabfc3ea930e72d9b"},
    {NK_TQ2_0,
     {"8292d7f3cfde0d7d54e3d39d94cefdbeb1f5755aa01e9ab6af5c95590a326946",
      "8292d7f3cfde0d7d54e3d39d94cefdbeb1f5755aa01e9ab6af5c95590a326946",
      "8292d7f3cfde0d7d54e3d39d94cefdbeb1f5755aa01e9ab6af5c95590a326946"},
     "9de11e90e36c6fe5ca64cf867b6dcab7f083adb3c90b642aabfc3ea930e72d9b"},
    {NK_MXFP4,
     {"83331e410b982a71800c0eb613002f5abded63689f281abc627e52262d2cbe3d",
      "83331e410b982a71800c0eb613002f5abded63689f281abc627e52262d2cbe3d",
      "83331e410b982a71800c0eb613002f5abded63689f281abc627e52262d2cbe3d"},
     "75b7b0788539140a469eb458c9195a636d44d35ee1d641b447fa7fe85597f786"},
    {NK_NVFP4,
     {"e20fa629cce1a6e2d83ff63baefd61ed1143060c28e8d2979c589337d7db85e5",
      "e20fa629cce1a6e2d83ff63baefd61ed1143060c28e8d2979c589337d7db85e5",
      "e20fa629cce1a6e2d83ff63baefd61ed1143060c28e8d2979c589337d7db85e5"},
     "69c946d659596f0f0266ed3b4885f076a1c94b83bf8ed1d895b573fbed4e26ce"},
    {NK_IQ2_XXS,
     {NULL, "954843bd302dc03e6a2cd8c3636110a83b0dc13ee26688945c020b48b6646206",
      "a759bec2b919fa24bebc26ad53c76263e41abcd1e365d02b9a743088776ba83b"},
     "c84edda7fd672b6af92d0aa8830f8a28c592a900ff454b56ecf8706d066cbb59"},
    {NK_IQ2_XS,
     {NULL, "caadc368ca5bb9f30e531b769d3a4a72eabf5946f3039048400f3f585a64825b",
      "6dba2b420d36ad8c129cad081941680fdf9e879906cba87bb995fa50fb51bc42"},
     "87d9c6039391f43f00f2ee336525e9e8c74eccd02dc70c163ff890e962f15c6b"},
    {NK_IQ3_XXS,
     {"eaddb0a3b7173a2c0e6db310cca14d24980fd51607ddb4fc4be3be0fe0f274a2",
      "e52707a46b2a772b50fe4c145df671dde03779442e8d455c964c528714830558",
      "77e51f6f0adb4f28ca8d6e46ad5b2d922669360e0ec8acf733fe5376b7b4cb47"},
     "e1249dce2fc7222e73ef4ef6b6885952963e198d1fc386e61cbf04c263a9bbee"},
    {NK_IQ1_S,
     {NULL, "1698ba6be036cbde4f72592abd5c6f04307d068739b05afb0f409c1c987a1e60",
      "684d8923ab2f4814d814eb56ba669f98061ebdd9fb67ba2d85893047f938420c"},
     "daac53dcd641582dd2fc75ead33dfde35a87e5d61bff9af2b5086d2667757f4e"},
    {NK_IQ3_S,
     {"d14c5595d974134e8468788dc6d92b6aa69723ca75477df1ae4e9b75e9b41973",
      "edd76582b43bc1fde4ca62bb42de4a7c21c4496a7e1a4600dd6404c1247dd9f6",
      "9c4e5b515733c2a2fe9827e05e86205b8ebdfb8f37d12d33c90672c1b16e5d82"},
     "b1bd3b2e939c148148ee0ee20bf9cb354de611527f543284e5e26660bb241ae9"},
    {NK_IQ2_S,
     {"7fc768bc67ab302f98db3c6032debcf32f20b31a70b09199ad1b1fa4f4e4b713",
      "9cfbf1e954fba8cc84780f38ccf021d1ae3927672e25f5fb3543f26cc1ba71cf",
      "c240f71cb27b091af25b05b7a64eaff083d3e8247b27bafd6692254975f0fc07"},
     "d33406909878cfa24a074b7c289479392d2c2eef7ee67f1377a606ed5ceb187f"},
    {NK_IQ1_M,
     {"af745ffecc1f98afd90b7d551913b0ba731339880b341a4113d101aba7dfa6aa",
      "40b47fda24f1a28f0800e31df1129b777c5aa1868072a437b28d59eb1d50428e",
      "c5be3776bed142312754ab022088ecfa8bc08e85b2371c27a7ff70990a7fbbf0"},
     "5ad7f8eaa647af3a457c2215f0f48e3e4f6eec39d75192dbd69294a130118d09"},
    {NK_Q1_0,
     {"5149fedb0caedef33015758e8218381d90f08f7f808896b94be5fb55042ba631",
      "5149fedb0caedef33015758e8218381d90f08f7f808896b94be5fb55042ba631",
      "5149fedb0caedef33015758e8218381d90f08f7f808896b94be5fb55042ba631"},
     "58dabdd679df854b65edfcdffc91ac499211c124efcafd47cf07ef91851a9a2b"},
};

static float *golden_rows(float importance[2][COLS])
{
    static float x[ROWS * COLS];
    test_rng r = rows_rng(20);
    for (int i = 0; i < ROWS; i++)
        rows_fill(&r, i % ROWS_FAMILIES, x + i * COLS, COLS);
    rows_importance(&r, importance[0], COLS);
    rows_importance_one_hot(&r, importance[1], COLS);
    return x;
}

CHECK_TEST(encode, writes_the_bytes_of_ggml)
{
    static uint8_t bytes[ROWS * COLS * 4];
    float importance[2][COLS];
    const float *x = golden_rows(importance);
    size_t count, seen = 0;
    const nk_type *const *all = nk_type_all(&count);
    for (size_t i = 0; i < count; i++)
        seen += all[i]->encode != NULL;
    check(seen == countof(golden), "%zu types encode, %zu have goldens", seen, countof(golden));
    for (size_t i = 0; i < countof(golden); i++) {
        const nk_type *t = nk_type_get(golden[i].id);
        uint64_t row;
        check(t && t->encode && nk_row_size(t, COLS, &row), "type %u", golden[i].id);
        for (int k = 0; k < 3; k++) {
            if (!golden[i].sha256[k])
                continue;
            char hex[65];
            t->encode(x, bytes, ROWS, COLS, k ? importance[k - 1] : NULL);
            test_sha256(bytes, ROWS * row, hex);
            check(strcmp(hex, golden[i].sha256[k]) == 0, "%s, importance %d: %s", t->name, k, hex);
        }
    }
}

CHECK_TEST(encode, decodes_to_the_floats_of_ggml)
{
    static uint8_t bytes[ROWS * COLS * 4];
    static float y[ROWS * COLS];
    float importance[2][COLS];
    const float *x = golden_rows(importance);
    for (size_t i = 0; i < countof(golden); i++) {
        const nk_type *t = nk_type_get(golden[i].id);
        char hex[65];
        size_t kept = 0;
        if (!golden[i].decoded)
            continue;
        t->encode(x, bytes, ROWS, COLS, golden[i].sha256[0] ? NULL : importance[0]);
        t->decode(bytes, y, ROWS * COLS);
        for (size_t r = 0; r < ROWS; r++) /* HUGE: Inf * 0, whose NaN has another sign on arm64 */
            if (r % ROWS_FAMILIES != ROWS_HUGE)
                memmove(y + kept++ * COLS, y + r * COLS, COLS * sizeof *y);
        test_sha256(y, kept * COLS * sizeof *y, hex);
        check(strcmp(hex, golden[i].decoded) == 0, "%s: %s", t->name, hex);
    }
}

/* Tiles, threads and mappings rely on this: a row's bytes depend on nothing but the row. */
CHECK_TEST(encode, rows_are_independent_of_call_and_address)
{
    float importance[2][COLS];
    const float *x = golden_rows(importance);
    static uint8_t whole[ROWS * COLS * 4];
    size_t count;
    const nk_type *const *all = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = all[i];
        uint64_t row;
        if (!t->encode || !nk_row_size(t, COLS, &row))
            continue;
        for (int k = 0; k < 2; k++) {
            const float *w = k ? importance[0] : NULL;
            uint8_t *one = test_guard(row, 1); /* ends at an unreadable page, starts anywhere */
            float *in = test_guard(COLS * sizeof *in, 1);
            t->encode(x, whole, 16, COLS, w);
            for (size_t r = 0; r < 16; r++) {
                memcpy(in, x + r * COLS, COLS * sizeof *in);
                t->encode(in, one, 1, COLS, w);
                check(memcmp(one, whole + r * row, row) == 0, "%s row %zu", t->name, r);
            }
            test_guard_free(in);
            test_guard_free(one);
        }
    }
}

CHECK_TEST(encode, decode_stays_inside_the_row)
{
    float importance[2][COLS];
    const float *x = golden_rows(importance);
    size_t count;
    const nk_type *const *all = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = all[i];
        uint64_t row;
        if (!t->encode || !nk_row_size(t, COLS, &row))
            continue;
        float *out = test_guard(COLS * sizeof *out, 1);
        uint8_t *in = test_guard(row, 1);
        t->encode(x, in, 1, COLS, NULL);
        t->decode(in, out, COLS);
        if (t->dot) {
            float *y = test_guard(COLS * sizeof *y, 1);
            nk_type_get(t->dot_with)->encode(x, y, 1, COLS, NULL);
            check(t->dot(COLS, in, y) > 0, "%s: x.x", t->name);
            test_guard_free(y);
        }
        test_guard_free(out);
        test_guard_free(in);
    }
}

CHECK_TEST(encode, zero_rows_decode_to_zero)
{
    static const float x[COLS] = {0};
    float y[COLS], importance[COLS];
    uint8_t bytes[COLS * 4];
    for (int j = 0; j < COLS; j++)
        importance[j] = 1;
    size_t count;
    const nk_type *const *all = nk_type_all(&count);
    for (size_t i = 0; i < count; i++)
        for (int k = 0; all[i]->encode && k < 2; k++) {
            memset(bytes, 0xff, sizeof bytes);
            all[i]->encode(x, bytes, 1, COLS, k ? importance : NULL);
            all[i]->decode(bytes, y, COLS);
            for (int j = 0; j < COLS; j++)
                check(y[j] == 0, "%s[%d] = %g", all[i]->name, j, (double)y[j]);
        }
}

/* Callers refuse NaN and Inf (A25), yet a bit flip between check and encode must not become
 * undefined behaviour: same input, same bytes, and UBSan stays silent. */
CHECK_TEST(encode, survives_values_it_is_never_given)
{
    static const uint32_t odd[] = {0x7fc00000, 0xffc00000, 0x7f800001, 0x7f800000, 0xff800000,
                                   0x7f7fffff, 0xff7fffff, 0x00000001, 0x80000000};
    float importance[2][COLS], x[COLS], w[COLS];
    uint8_t a[COLS * 4], b[COLS * 4];
    const float *rows = golden_rows(importance);
    size_t count;
    const nk_type *const *all = nk_type_all(&count);
    for (size_t i = 0; i < count; i++) {
        const nk_type *t = all[i];
        uint64_t row;
        if (!t->encode || !nk_row_size(t, COLS, &row))
            continue;
        for (size_t k = 0; k < countof(odd) * 6; k++) {
            float bad = nk_bits_f32(odd[k % countof(odd)]);
            size_t stride = k / countof(odd) % 3 == 0 ? 1 : k / countof(odd) % 3 == 1 ? 32 : 37;
            bool weights_too = k >= countof(odd) * 3;
            memcpy(x, rows, sizeof x);
            memcpy(w, importance[0], sizeof w);
            for (size_t j = 0; j < COLS; j += stride)
                (weights_too && j % 2 ? w : x)[j] = bad;
            t->encode(x, a, 1, COLS, weights_too ? w : NULL);
            t->encode(x, b, 1, COLS, weights_too ? w : NULL);
            check(memcmp(a, b, row) == 0, "%s of %08x", t->name, odd[k % countof(odd)]);
        }
    }
}

/* Weights of the demo model: whole tensors of ../shared/reference/tensors.json, section pure; all
 * of its tensors and both other sections are the quantizer's test. */
static float *demo_tensor(const char *name, size_t *n)
{
    size_t len;
    char *file = test_slurp(test_data("nibble-demo/model.safetensors"), &len);
    check(file && len > 8, "no demo model");
    char *entry = strstr(file + 8, name);
    char *offsets = entry ? strstr(entry, "data_offsets\":[") : NULL;
    check(offsets, "%s not found", name);
    char *comma;
    uint64_t header, from = strtoull(offsets + 15, &comma, 10), to = strtoull(comma + 1, NULL, 10);
    memcpy(&header, file, 8);
    check(from < to && 8 + header + to <= len, "offsets");
    *n = (to - from) / 2;
    float *x = malloc(*n * sizeof *x);
    check(x, "memory");
    nk_type_bf16.decode(file + 8 + header + from, x, *n);
    free(file);
    return x;
}

static const struct {
    const char *type, *tensor;
    size_t cols;
    const char *sha256;
} demo[] = {
    {"Q4_0", "model.layers.2.mlp.down_proj.weight", 768,
     "e60b52d65420a05a2a1386bfc236a11782ed44a63fa45eaf3e5a65c4d5cf2e67"},
    {"Q4_0", "model.layers.5.self_attn.v_proj.weight", 256,
     "f4bf7c3951c0773180cba2f45baec8909bd8e61c1d999bdf4b8b46485ee2b6e9"},
    {"Q4_1", "model.layers.2.mlp.down_proj.weight", 768,
     "f9203615386e0ba773841f0255fea6ef8d4492ae7af1a95971ad05c5203feb94"},
    {"Q4_1", "model.layers.5.self_attn.v_proj.weight", 256,
     "2261b853c204e10bb5e73bc0e85f70338b219be8e7740fcf3b1bcecddbac86b8"},
    {"Q5_0", "model.layers.2.mlp.down_proj.weight", 768,
     "9cbd61d98fcd99e0909e4fe2fff5ffe33caae9bfce5ce1775e816ef802bbe669"},
    {"Q5_0", "model.layers.5.self_attn.v_proj.weight", 256,
     "571e3662557a5bb7c1dbb6f0cb641852c1f10099ba4317fe59423e9c0c015910"},
    {"Q5_1", "model.layers.2.mlp.down_proj.weight", 768,
     "6b421df778c3685c8e01c25f3e7560fc5b7d1e83fb786b5d3329ee7cc9446a2e"},
    {"Q5_1", "model.layers.5.self_attn.v_proj.weight", 256,
     "78f9c486abdd5b9283fc3b89aa30bcaa37408539a3c17134313a46e0b75544e5"},
    {"Q8_0", "model.layers.2.mlp.down_proj.weight", 768,
     "5176ade2845ffed070ec3d3f225485ee785360de742f0ef78833e0e92629c1a2"},
    {"Q8_0", "model.layers.5.self_attn.v_proj.weight", 256,
     "a56f393e4d8cb306812bc42ecfb739b73a072dc725ad814f10fc3cb3f428883c"},
    {"Q2_K", "model.layers.2.mlp.down_proj.weight", 768,
     "7cd4d79fec8459d3ae7274dc8df477da7ec1d7fc78b1942f01bde9e72857d4cc"},
    {"Q2_K", "model.layers.5.self_attn.v_proj.weight", 256,
     "8a07fe88f868b53883dcc7c5e614ceb14c518d4a8184015e64e98bed65d21edd"},
    {"Q3_K", "model.layers.2.mlp.down_proj.weight", 768,
     "08ad7f482238d1a2c45dd590fdf5eb63ed29931185231ff65070c655d7419aa4"},
    {"Q3_K", "model.layers.5.self_attn.v_proj.weight", 256,
     "5040c145e65ed66382672bf8b92e97c014f003704cbe5c315f70bf5c49f69350"},
    {"Q4_K", "model.layers.2.mlp.down_proj.weight", 768,
     "c4b8be9c2d09185d14330de36bd86469d76714f7b34d1eb880a8687a13431730"},
    {"Q4_K", "model.layers.5.self_attn.v_proj.weight", 256,
     "901b34cd7d0403430a842c1618401cf087ac4e3868cd4a0b6f967001b7fe8398"},
    {"Q5_K", "model.layers.2.mlp.down_proj.weight", 768,
     "0596b59c79c5c7c07e06000d75d2f06c26ffa6af63442adfe4ff86a3f108a642"},
    {"Q5_K", "model.layers.5.self_attn.v_proj.weight", 256,
     "c460c72b24d03cdcc24f1f79dc732f702a67989163b38081660cee49000f68b2"},
    {"Q6_K", "model.layers.2.mlp.down_proj.weight", 768,
     "051f20628dd5ba63442d63faa680d9cb536d7dd536959ca9d37d3798cc3d8876"},
    {"Q6_K", "model.layers.5.self_attn.v_proj.weight", 256,
     "54a97bed09a7ea7100fc145a3b6489987e1165acd2100520cc96b6c60a2c72ab"},
    {"IQ4_NL", "model.layers.2.mlp.down_proj.weight", 768,
     "ac86d361da7b48102c2b78418316b4db91d501e3fb9628247a1b297a6bbee5c0"},
    {"IQ4_NL", "model.layers.5.self_attn.v_proj.weight", 256,
     "d15fcab527ed5fb2e6cee56ebb71e01a04a4cf9cdc7bc61b31b028a174b1ec4a"},
    {"IQ4_XS", "model.layers.2.mlp.down_proj.weight", 768,
     "220105be44383c0d07fdd99bca8f955366b9f712e2e5d67acd905f7266b6c0b1"},
    {"IQ4_XS", "model.layers.5.self_attn.v_proj.weight", 256,
     "283877d28748a80b023026f60a69e6ec6e3094edfcd1f8c4a54b993a961e5f96"},
    {"TQ1_0", "model.layers.2.mlp.down_proj.weight", 768,
     "b35b69bf85514c1c952e1fd7406876a39cc68bc81194d8394a251a55d8b9215a"},
    {"TQ1_0", "model.layers.5.self_attn.v_proj.weight", 256,
     "1d5379d25b90543a2a907ffa7b42373762ba5d6a1c641a4bd11c7eb866e8760b"},
    {"TQ2_0", "model.layers.2.mlp.down_proj.weight", 768,
     "6e38aaadbc600546e1331a654f78a624cb5bbe15620d22fd197a2f882411af86"},
    {"TQ2_0", "model.layers.5.self_attn.v_proj.weight", 256,
     "64cabff0133732febfd24ae312e0a47b3e3657c3f6666bae869fcac254d9b0b0"},
};

CHECK_TEST(encode, writes_the_bytes_of_llama_quantize_for_the_demo)
{
    for (size_t i = 0; i < countof(demo); i++) {
        const nk_type *t = nk_type_find(demo[i].type);
        size_t n;
        uint64_t row;
        float *x = demo_tensor(demo[i].tensor, &n);
        check(t && nk_row_size(t, demo[i].cols, &row), "%s", demo[i].type);
        uint8_t *bytes = malloc(n / demo[i].cols * row);
        check(bytes, "memory");
        char hex[65];
        t->encode(x, bytes, n / demo[i].cols, demo[i].cols, NULL);
        test_sha256(bytes, n / demo[i].cols * row, hex);
        check(strcmp(hex, demo[i].sha256) == 0, "%s %s: %s", demo[i].type, demo[i].tensor, hex);
        free(bytes);
        free(x);
    }
}

/* in_sum2 / counts of one weight of an importance file (quant.md 1.2). */
static float *importance_of(const nb_weights *file, const char *name, size_t cols)
{
    char text[80];
    snprintf(text, sizeof text, "%s.in_sum2", name);
    const nb_view *sums = nb_weights_find(file, text);
    snprintf(text, sizeof text, "%s.counts", name);
    const nb_view *counts = nb_weights_find(file, text);
    check(sums && counts && nb_tensor_count(&sums->t) == cols, "%s", name);
    float *out = malloc(cols * sizeof *out), count;
    check(out, "memory");
    memcpy(out, nb_weights_row(sums, 0, NULL), cols * sizeof *out);
    memcpy(&count, nb_weights_row(counts, 0, NULL), sizeof count);
    for (size_t j = 0; j < cols; j++)
        out[j] /= count;
    return out;
}

/* Section imatrix of ../shared/reference/tensors.json. */
CHECK_TEST(encode, writes_the_bytes_of_llama_quantize_with_an_imatrix)
{
    static const struct {
        const char *type, *name, *tensor;
        size_t cols;
        const char *sha256;
    } rows[] = {
        {"IQ4_NL", "blk.2.ffn_down.weight", "model.layers.2.mlp.down_proj.weight", 768,
         "30c9c0e30df2c02f50815d8bd7962688cbcc815b0f88e0f211a1fe1150737dfc"},
        {"IQ4_NL", "blk.5.ffn_up.weight", "model.layers.5.mlp.up_proj.weight", 256,
         "4f084a5e392ccd44af883a9684aeef56d6a00e923ad7f2f914ccac86dc931127"},
        {"IQ4_XS", "blk.2.ffn_down.weight", "model.layers.2.mlp.down_proj.weight", 768,
         "50bfe59cb1744b18fbf0b10ce64147ce22190dc4395b90e1c2e314f893aaab52"},
        {"IQ4_XS", "blk.5.ffn_up.weight", "model.layers.5.mlp.up_proj.weight", 256,
         "3c2ed288a1c4301746b3a042aa1efad65f12ce10ba543abbec130dfb66aab206"},
    };
    const char *path = test_shared("reference/demo.imatrix.gguf");
    nb_weights *file;
    nb_err err;
    if (!path)
        check_skip("no ../shared/reference/demo.imatrix.gguf");
    check(nb_weights_open(&file, path, &err) == NB_OK, "%s", err.msg);
    for (size_t i = 0; i < countof(rows); i++) {
        const nk_type *t = nk_type_find(rows[i].type);
        size_t n;
        uint64_t row;
        float *x = demo_tensor(rows[i].tensor, &n);
        float *w = importance_of(file, rows[i].name, rows[i].cols);
        check(t && nk_row_size(t, rows[i].cols, &row), "%s", rows[i].type);
        uint8_t *bytes = malloc(n / rows[i].cols * row);
        check(bytes, "memory");
        char hex[65];
        t->encode(x, bytes, n / rows[i].cols, rows[i].cols, w);
        test_sha256(bytes, n / rows[i].cols * row, hex);
        check(strcmp(hex, rows[i].sha256) == 0, "%s %s: %s", rows[i].type, rows[i].name, hex);
        free(bytes);
        free(w);
        free(x);
    }
    nb_weights_close(&file);
}
